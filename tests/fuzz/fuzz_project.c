/* SPDX-License-Identifier: MIT */
/* A project's folder made of any bytes: each environment is ready or says why not, and each file has a place. The
 * input is the files one behind the other, each after a line "=== NAME"; only names that a build system would use are
 * written. */
#include <ftw.h>
#include <kiln/project.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "platformio.ini",
    "boards/b.json",
    ".pio/build/a/firmware.bin",
    ".pio/build/a/firmware.elf",
    ".pio/build/a/partitions.bin",
    ".pio/build/a/bootloader.bin",
    ".pio/build/a/littlefs.bin",
    ".pio/build/a/idedata.json",
    "packages/framework-arduinoespressif8266/tools/sdk/ld/x.ld",
    "build/flasher_args.json",
    "build/flash_args",
    "build/project_description.json",
    "build/app.bin",
    "build/domains.yaml",
    "build/zephyr/runners.yaml",
    "build/zephyr/.config",
    "build/zephyr/zephyr.bin",
    "build/app/zephyr/runners.yaml",
    "build/app/zephyr/.config",
    "build/app/zephyr/zephyr.signed.bin",
    "build/build.options.json",
    "build/S.ino.bin",
    "build/S.ino.hex",
    "packages/v/hardware/a/1/boards.txt",
    "sketch.yaml",
    "CMakeLists.txt",
    ".config",
    "out/klipper.dict",
    "out/klipper.bin",
    "out/klipper.elf",
};

static char root[64];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind;
    return where->level > 0 ? remove(path) : 0;
}

static void remove_root(void)
{
    (void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)rmdir(root);
}

static void make_root(void)
{
    const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    snprintf(root, sizeof root, "%s/kiln-fuzz-XXXXXX", shm);
    if (mkdtemp(root) == NULL)
        abort();
    atexit(remove_root);
    setenv("HOME", root, 1);
    setenv("ARDUINO_DIRECTORIES_DATA", root, 1);
}

static void write_file(const char *name, const uint8_t *bytes, size_t len)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, len, file) != len)
        abort();
    fclose(file);
}

/* The next line "=== NAME" from `at` on; `size` if there is none. */
static size_t next_mark(const uint8_t *data, size_t size, size_t at)
{
    for (; at + 4 < size; at++)
        if ((at == 0 || data[at - 1] == '\n') && memcmp(data + at, "=== ", 4) == 0)
            return at;
    return size;
}

static void write_tree(const uint8_t *data, size_t size)
{
    for (size_t at = next_mark(data, size, 0); at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t body = end != NULL ? (size_t)(end - data) + 1 : size;
        size_t next = next_mark(data, size, body);

        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (body - at == strlen(names[i]) + 5 &&
                memcmp(data + at + 4, names[i], strlen(names[i])) == 0)
                write_file(names[i], data + body, next - body);
        at = next;
    }
}

static void check(const struct kiln_project_environment *env)
{
    if (env->name == NULL || (env->not_ready == NULL && env->file_count == 0))
        abort();
    for (size_t i = 0; i < env->file_count; i++)
        if (env->files[i].what == NULL ||
            (env->files[i].path == NULL) == (env->files[i].data == NULL))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kiln_project *project;
    struct kiln_error error = {0};

    if (root[0] == '\0')
        make_root();
    (void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    write_tree(data, size);
    if (kiln_project_open(root, &project, &error) != KILN_OK) {
        if (error.message[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < project->environment_count; i++)
        check(&project->environments[i]);
    kiln_project_free(project);
    return 0;
}
