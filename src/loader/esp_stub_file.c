/* SPDX-License-Identifier: MIT */
/* Flasher stubs as Espressif publishes them: JSON with base64 text and data. */
#include "loader/esp.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "os/exe_dir.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX    (1u << 20)
#define SECTION_MAX (1u << 16) /* RAM of the smallest chips ends before that */

/* ---- JSON ---- */

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* malloc'ed bytes; false if the text is no base64. */
static bool decode_base64(const char *text, uint8_t **out_bytes, size_t *out_len)
{
    size_t chars = strlen(text);
    uint32_t bits = 0;
    unsigned have = 0;
    size_t n = 0;

    while (chars > 0 && text[chars - 1] == '=')
        chars--;
    *out_bytes = malloc(chars * 3 / 4 + 1);
    if (*out_bytes == NULL)
        return false;
    for (size_t i = 0; i < chars; i++) {
        int digit = base64_digit(text[i]);

        if (digit < 0)
            return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            (*out_bytes)[n++] = (uint8_t)(bits >> have);
        }
    }
    *out_len = n;
    return have < 6;
}

static bool get_word(const json_t *root, const char *key, uint32_t *out_value)
{
    const json_t *item = json_object_get(root, key);
    json_int_t value = json_integer_value(item);

    if (!json_is_integer(item) || value < 0 || value > UINT32_MAX)
        return false;
    *out_value = (uint32_t)value;
    return true;
}

static bool get_bytes(const json_t *root, const char *key, uint8_t **out_bytes, size_t *out_len)
{
    const char *text = json_string_value(json_object_get(root, key));

    return text != NULL && strlen(text) <= SECTION_MAX / 3 * 4 &&
           decode_base64(text, out_bytes, out_len);
}

static enum kiln_status damaged(struct kiln_ctx *ctx, const char *what)
{
    return kiln_fail_hint(ctx, KILN_E_FILE, KILN_HINT_NO_STUB, "the stub file %s", what);
}

static enum kiln_status extract(struct kiln_ctx *ctx, const json_t *root,
                                struct kiln_esp_stub_image *out)
{
    if (!json_is_object(root))
        return damaged(ctx, "is no JSON object");
    if (!get_bytes(root, "text", &out->text, &out->text_len) || out->text_len == 0 ||
        !get_word(root, "text_start", &out->text_start) || !get_word(root, "entry", &out->entry))
        return damaged(ctx, "has no usable text, text_start or entry");
    if (json_object_get(root, "data") != NULL &&
        (!get_bytes(root, "data", &out->data, &out->data_len) ||
         !get_word(root, "data_start", &out->data_start)))
        return damaged(ctx, "has no usable data or data_start");
    if (json_object_get(root, "bss_start") != NULL && !get_word(root, "bss_start", &out->bss_start))
        return damaged(ctx, "has no usable bss_start");
    if (out->entry - out->text_start >= out->text_len)
        return damaged(ctx, "has an entry outside its text");
    return KILN_OK;
}

enum kiln_status kiln_esp_stub_parse(struct kiln_ctx *ctx, const char *json, size_t len,
                                     struct kiln_esp_stub_image *out)
{
    json_error_t error;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &error);
    enum kiln_status status;

    memset(out, 0, sizeof *out);
    if (root == NULL)
        return kiln_fail_hint(ctx, KILN_E_FILE, KILN_HINT_NO_STUB,
                              "the stub file is no JSON: line %d: %s", error.line, error.text);
    status = extract(ctx, root, out);
    json_decref(root);
    if (status != KILN_OK)
        kiln_esp_stub_dispose(out);
    return status;
}

void kiln_esp_stub_dispose(struct kiln_esp_stub_image *image)
{
    free(image->text);
    free(image->data);
    memset(image, 0, sizeof *image);
}

/* ---- finding the file ---- */

static enum kiln_status slurp(struct kiln_ctx *ctx, const char *path, struct kiln_buf *buf)
{
    FILE *file = fopen(path, "rb");
    uint8_t chunk[8192];
    size_t n;
    enum kiln_status status = KILN_OK;

    if (file == NULL)
        return kiln_fail(ctx, KILN_E_IO, "%s: %s", path, strerror(errno));
    while (status == KILN_OK && (n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        if (kiln_buf_append(buf, chunk, n) != KILN_OK)
            status = kiln_fail(ctx, KILN_E_FILE, "%s is too large for a stub file", path);
    }
    if (status == KILN_OK && ferror(file))
        status = kiln_fail(ctx, KILN_E_IO, "%s: cannot be read", path);
    fclose(file);
    return status;
}

static enum kiln_status load_file(struct kiln_ctx *ctx, const char *path,
                                  struct kiln_esp_stub_image *out)
{
    struct kiln_buf buf;
    enum kiln_status status;

    kiln_buf_init(&buf, FILE_MAX);
    status = slurp(ctx, path, &buf);
    if (status == KILN_OK)
        status = kiln_esp_stub_parse(ctx, (const char *)buf.data, buf.len, out);
    kiln_buf_dispose(&buf);
    return status;
}

static enum kiln_status load_from(struct kiln_ctx *ctx, const char *dir, const char *name,
                                  struct kiln_esp_stub_image *out)
{
    char path[1200];

    if ((size_t)snprintf(path, sizeof path, "%s/%s.json", dir, name) >= sizeof path)
        return kiln_fail(ctx, KILN_E_ARG, "the path of the stub folder is too long");
    return load_file(ctx, path, out);
}

/* An installed tree may have been moved as a whole; in a build tree the program is up to three folders below
 * the one that has data/stubs. */
static bool load_from_own_tree(struct kiln_ctx *ctx, const char *name,
                               struct kiln_esp_stub_image *out)
{
    static const char *const up[] = {"/../share/kiln", "/../data", "/../../data", "/../../../data"};
    char dir[1024];
    size_t len;

    if (!kiln_exe_dir(dir, sizeof dir - 32))
        return false;
    len = strlen(dir);
    for (size_t i = 0; i < KILN_ARRAY_LEN(up); i++) {
        snprintf(dir + len, sizeof dir - len, "%s/stubs", up[i]);
        if (load_from(ctx, dir, name, out) == KILN_OK)
            return true;
    }
    return false;
}

enum kiln_status kiln_esp_stub_load(struct kiln_ctx *ctx, const char *user_dir, const char *name,
                                    struct kiln_esp_stub_image *out)
{
    const char *env = getenv("KILN_STUB_DIR");

    if (user_dir != NULL)
        return load_from(ctx, user_dir, name, out);
    if (env != NULL && env[0] != '\0')
        return load_from(ctx, env, name, out);
    if (load_from_own_tree(ctx, name, out))
        return KILN_OK;
    if (load_from(ctx, KILN_DATADIR "/stubs", name, out) == KILN_OK)
        return KILN_OK;
    return kiln_fail(ctx, KILN_E_IO,
                     "no file %s.json in " KILN_DATADIR "/stubs or in $KILN_STUB_DIR", name);
}
