/* SPDX-License-Identifier: MIT */
/*
 * Layout strings of the wild, and mutations of them, through the string descriptor of a simulated board. What is
 * held: a usable layout or a clear refusal, and whatever is then tried with it, not one byte is erased or
 * written that the string, read by another reader than Kiln's own, does not allow.
 */
#include "base/bytes.h"
#include "loader/loader.h"
#include "sim/usb_dfu.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MUTATIONS  400
#define STRING_ALT 4
#define BLOCK      2048u
#define RAW_MAX    255
#define ALLOW_MAX  64
#define LIMIT_NS   (600ull * 1000 * KILN_NS_PER_MS)

/* ---- what the string allows: lenient, and written with regular expressions ---- */

struct allowed {
    uint64_t start, end, page;
    unsigned access;
};

struct reader {
    regex_t group, segment;
    struct allowed item[ALLOW_MAX];
    size_t count;
};

static void read_segments(struct reader *r, const char *text, uint64_t at, bool type_free)
{
    regmatch_t m[5];

    while (regexec(&r->segment, text, 5, m, 0) == 0 && r->count < ALLOW_MAX) {
        uint64_t count = strtoull(text + m[1].rm_so, NULL, 10);
        uint64_t page = strtoull(text + m[2].rm_so, NULL, 10);
        const char *unit = text + m[3].rm_so;
        bool typed = m[4].rm_eo > m[4].rm_so;

        unit += strspn(unit, " ");
        if (*unit == 'K' || *unit == 'k')
            page *= 1024;
        else if (*unit == 'M' || *unit == 'm')
            page *= 1024 * 1024;
        if (page > UINT32_MAX || count > UINT32_MAX)
            return;
        if (*unit == 'b' && !typed) { /* a type after all */
            m[4] = m[3];
            typed = true;
        }
        r->item[r->count++] =
            (struct allowed){at, at + count * page, page,
                             typed ? (unsigned)text[m[4].rm_so] & 7 : (type_free ? 7u : 1u)};
        at += count * page;
        text += m[0].rm_eo;
        if (*text != ',')
            return;
        text++;
    }
}

/* Every place where a group may begin counts, so that more is allowed here than Kiln should take. */
static void read_text(struct reader *r, const char *text, bool type_free)
{
    regmatch_t m[3];

    r->count = 0;
    for (; *text != '\0'; text++)
        if (*text == '/' && regexec(&r->group, text, 3, m, 0) == 0)
            read_segments(r, text + m[0].rm_eo, strtoull(text + m[2].rm_so, NULL, 16), type_free);
}

static bool byte_allowed(const struct reader *r, uint64_t address, unsigned access)
{
    for (size_t i = 0; i < r->count; i++)
        if (address >= r->item[i].start && address < r->item[i].end &&
            (r->item[i].access & access) != 0)
            return true;
    return false;
}

static bool page_allowed(const struct reader *r, uint64_t address)
{
    for (size_t i = 0; i < r->count; i++)
        if (address >= r->item[i].start && address < r->item[i].end &&
            (r->item[i].access & DFU_E) != 0 && (address - r->item[i].start) % r->item[i].page == 0)
            return true;
    return false;
}

/* ---- a link that puts the descriptor in the board's mouth and watches what goes out ---- */

struct watcher {
    struct kiln_usb_link base;
    uint8_t raw[RAW_MAX];
    size_t raw_len;
    char text[RAW_MAX + 1]; /* what the descriptor says */
    const struct reader *reader;
    uint32_t pointer;
    unsigned writes, erases;
};

static void watch_download(struct watcher *w, const struct kiln_usb_setup *setup,
                           const uint8_t *data, size_t len)
{
    uint64_t address = w->pointer + (uint64_t)(setup->value - 2u) * BLOCK;

    if (setup->value == 0 && len == 5 && data[0] == 0x21)
        w->pointer = kiln_le32(data + 1);
    if (setup->value == 0 && len == 5 && data[0] == 0x41) {
        w->erases++;
        if (!page_allowed(w->reader, kiln_le32(data + 1)))
            fail_msg("\"%s\": page at 0x%08x erased", w->text, kiln_le32(data + 1));
    }
    if (setup->value == 0 && len == 1 && data[0] != 0x21)
        fail_msg("\"%s\": command %02x for the whole chip", w->text, data[0]);
    if (setup->value < 2 || len == 0)
        return;
    w->writes++;
    for (size_t i = 0; i < len; i++)
        if (!byte_allowed(w->reader, address + i, DFU_W))
            fail_msg("\"%s\": byte at 0x%08llx written", w->text,
                     (unsigned long long)(address + i));
}

static enum kiln_status watch_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                      const struct kiln_usb_setup *setup, uint8_t *data, size_t len,
                                      size_t *out_len)
{
    struct watcher *w = KILN_CONTAINER(self, struct watcher, base);

    if (setup->request_type == 0x80 && setup->request == 6 &&
        setup->value == (0x0300 | STRING_ALT)) {
        size_t n = KILN_MIN(len, w->raw_len);

        memcpy(data, w->raw, n);
        if (out_len != NULL)
            *out_len = n;
        return KILN_OK;
    }
    if (setup->request_type == 0x21 && setup->request == 1)
        watch_download(w, setup, data, len);
    return kiln_usb_pass_control(self, ctx, setup, data, len, out_len);
}

static void watch_close(struct kiln_usb_link *self)
{
    kiln_usb_close(self->below);
}

static const struct kiln_usb_link_ops watch_ops = {
    .name = "watch",
    .control = watch_control,
    .claim = kiln_usb_pass_claim,
    .release = kiln_usb_pass_release,
    .set_alt = kiln_usb_pass_set_alt,
    .reset = kiln_usb_pass_reset,
    .reopen = kiln_usb_pass_reopen,
    .is_gone = kiln_usb_pass_is_gone,
    .identity = kiln_usb_pass_identity,
    .config = kiln_usb_pass_config,
    .close = watch_close,
};

/* The text as a person sees it: what was sent, as far as the length says, other than ASCII as '?'. */
static void decode(struct watcher *w)
{
    size_t len = w->raw_len > 0 ? KILN_MIN(w->raw_len, w->raw[0]) : 0, n = 0;

    for (size_t i = 2; i + 1 < len && (w->raw[i] | w->raw[i + 1]) != 0; i += 2)
        w->text[n++] =
            (char)(w->raw[i + 1] == 0 && w->raw[i] >= ' ' && w->raw[i] <= '~' ? w->raw[i] : '?');
    w->text[n] = '\0';
}

/* ---- one descriptor ---- */

struct outcome {
    enum kiln_status status;
    size_t regions;
    unsigned writes, erases;
};

static void try_here(struct kiln_loader *loader, struct kiln_ctx *ctx, uint64_t address,
                     uint32_t page)
{
    static const uint8_t bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct kiln_loader_ops *ops = loader->ops;

    (void)!ops->erase(loader, ctx, address, page, NULL);
    kiln_error_clear(ctx);
    (void)!ops->write(loader, ctx, address, bytes, sizeof bytes, NULL);
    kiln_error_clear(ctx);
    (void)!ops->write(loader, ctx, address + page - sizeof bytes, bytes, sizeof bytes, NULL);
    kiln_error_clear(ctx);
    (void)!ops->write(loader, ctx, address + page - 8, bytes, sizeof bytes, NULL);
    kiln_error_clear(ctx);
}

static void use_regions(struct kiln_loader *loader, struct kiln_ctx *ctx)
{
    const struct kiln_target_info *info = loader->ops->info(loader);

    for (size_t i = 0; i < info->region_count; i++) {
        const struct kiln_region *r = &info->region[i];

        assert_true(r->page > 0 && r->size > 0 && r->size % r->page == 0);
        try_here(loader, ctx, r->start, r->page);
        try_here(loader, ctx, r->start + r->size - r->page, r->page);
        try_here(loader, ctx, r->start + r->size, r->page);
        if (r->start >= r->page)
            try_here(loader, ctx, r->start - r->page, r->page);
    }
    try_here(loader, ctx, 0x08000000, 16384);
    try_here(loader, ctx, 0x1fffc000, 16);
}

static struct outcome go(struct reader *reader, const uint8_t *raw, size_t len, bool st_ids)
{
    struct outcome out = {KILN_OK, 0, 0, 0};
    struct kiln_virtual_clock clock;
    struct kiln_loader_options options;
    struct kiln_loader *loader = NULL;
    struct watcher w = {.base = {.ops = &watch_ops}, .raw_len = len, .reader = reader};
    struct kiln_sim_knobs knobs;
    struct kiln_sim_usb *board;
    struct kiln_ctx ctx;

    memcpy(w.raw, raw, len);
    decode(&w);
    read_text(reader, w.text, st_ids);
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    memset(&options, 0, sizeof options);
    assert_int_equal(kiln_sim_knobs_parse(&ctx, "stm32f405", &knobs), KILN_OK);
    assert_int_equal(kiln_sim_make_dfu(&ctx, &knobs, &board), KILN_OK);
    KILN_CONTAINER(board, struct dfu_sim, base)->row.alt[1] = NULL;
    if (!st_ids)
        KILN_CONTAINER(board, struct dfu_sim, base)->row.ids.vid = 0x1209;
    assert_int_equal(kiln_sim_usb_link(&ctx, board, true, &w.base.below), KILN_OK);
    out.status = kiln_dfu_connect(&ctx, &w.base, &options, &loader);
    if (out.status != KILN_OK) {
        assert_true(ctx.error.message[0] != '\0');
        assert_true(out.status == KILN_E_UNSUPPORTED || out.status == KILN_E_PROTO ||
                    out.status == KILN_E_REFUSED);
    } else {
        out.regions = loader->ops->info(loader)->region_count;
        use_regions(loader, &ctx);
        loader->ops->free(loader);
    }
    assert_true(clock.now_ns < LIMIT_NS);
    kiln_usb_close(&w.base);
    out.writes = w.writes;
    out.erases = w.erases;
    return out;
}

/* ---- the strings ---- */

struct wild {
    const char *text;
    bool writes; /* something of the simulated flash can be written by it */
};

static const struct wild strings[] = {
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg", true},
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg", true},
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,01*128Kg", true},
    {"@Internal Flash  /0x08000000/04*016Kg,01*064Kg,03*128Kg", true},
    {"@Internal Flash  /0x08000000/04*032Kg,01*128Kg,03*256Kg", true},
    {"@Internal Flash  /0x08000000/128*0002Kg", true},
    {"@Internal Flash  /0x08000000/064*0002Kg", true},
    {"@Internal Flash  /0x08000000/032*0001Kg", true},
    {"@Internal Flash  /0x08000000/128*002Kg", true},
    {"@Internal Flash  /0x08000000/0256*0002Kg", true},
    {"@Internal Flash   /0x08000000/16*128Kg", true},
    {"@Internal Flash   /0x08000000/256*08Kg", true},
    {"@Internal Flash   /0x08000000/128*08Kg", true},
    {"@Internal Flash   /0x08000000/512*08Kg", true},
    {"@Internal Flash   /0x08000000/64*02Kg", true},
    {"@Internal Flash   /0x08000000/256*02Kg", true},
    {"@Option Bytes  /0x1FFFC000/01*016 e", true},
    {"@OTP Memory /0x1FFF7800/01*512 e,01*016 e", true},
    {"@Device Feature/0xFFFF0000/01*004 e", false},
    {"@OTP Memory /0x1FFF7000/01*0001Ke", false},
    {"@Option Bytes  /0x1FFF7800/01*040 e", true},
    {"@Option Bytes   /0x1FFF7800/01*048 e/0x1FFFF800/01*048 e", true},
    {"@Option Bytes   /0x5200201C/01*128 e", false},
    {"@Option Bytes   /0x5200201C/01*297 e", false},
    {"@OTP Memory   /0x08FFF000/01*1024 e", false},
    {"@OTP Memory   /0x0BFA0000/01*512 e", false},
    {"@Option Bytes   /0x40022040/01*64 e", false},
    {"@Option Bytes   /0x40022040/01*48 e", false},
    {"@Internal Flash   /0x08000000/03*016Ka,01*016Kg,01*064Kg,07*128Kg", true},
    {"@Internal Flash   /0x08000000/1*016Ka,3*016Kg,01*064Kg,07*128Kg", true},
    {"@Internal Flash  /0x08000000/8*001Ka,120*001Kg", true},
    {"@Option Bytes  /0x1FFF0000/01*048 e", false},
    {"@OTP Memory /0x1FF07800/01*528e", false},
    {"@Device Feature/0xFFFF0000/01*004e", false},
    {"@Internal Flash  /0x08000000/1536*128g", true},
    {"@QSPI Flash /0x90000000/1001*128Kg", false},
    {"@Internal Flash  /0x08000000/08*04Ka,1000*04Kg", true},
    {"@Option byte   /0x1FFFC000/01*4096 g", true},
    {"@Option byte   /0x1FFFC000/01*512 g", true},
    {"@Internal Flash  /0x08000000/512*002Kg", true},
    {"@Internal Flash  /0x08000000/128*001Kg", true},
    {"@Option Bytes  /0x1FFFF800/01*016Be", false},
    {"@Option Bytes  /0x1FFFF800/01*016 g", false},
    {"@Internal Flash  /0x08000000/128*2kg", true},
    {"@/0X08000000/128*002Kg", true},
    {"@Internal Flash  /0x08000000/04*016K,01*064K,07*128K", false},
    {"", false},
};

static size_t encode(const char *text, uint8_t *raw)
{
    size_t len = 2;

    raw[1] = 3;
    for (; *text != '\0' && len + 2 <= 254; text++) {
        raw[len++] = (uint8_t)*text;
        raw[len++] = 0;
    }
    raw[0] = (uint8_t)len;
    return len;
}

static uint32_t next(uint32_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

/* One change of the text, or of the descriptor's bytes behind it. */
static void mutate_text(char *text, size_t cap, uint32_t *random)
{
    static const char letters[] = "0123456789*,/KMBkmaegxX @g,*/?~";
    size_t len = strlen(text), at = len > 0 ? next(random) % len : 0;
    char letter = letters[next(random) % (sizeof letters - 1)];
    const char *other = strings[next(random) % KILN_ARRAY_LEN(strings)].text;

    switch (next(random) % 6) {
    case 0:
        if (len > 0)
            text[at] = letter;
        return;
    case 1:
        memmove(text + at, text + at + (len > 0), len - at + (len == 0));
        return;
    case 2:
        if (len + 2 < cap) {
            memmove(text + at + 1, text + at, len - at + 1);
            text[at] = letter;
        }
        return;
    case 3:
        text[at] = '\0';
        return;
    case 4: /* the end of another string */
        snprintf(text + at, cap - at, "%s",
                 other + (*other != '\0' ? next(random) % strlen(other) : 0));
        return;
    default: /* a whole one more */
        snprintf(text + len, cap - len, "%s", other);
        return;
    }
}

static size_t mutate(const char *from, uint8_t *raw, uint32_t *random)
{
    char text[RAW_MAX];
    size_t len;

    snprintf(text, sizeof text, "%s", from);
    for (unsigned n = 1 + next(random) % 3; n > 0; n--)
        mutate_text(text, 120, random);
    len = encode(text, raw);
    switch (next(random) % 6) {
    case 0: /* claims another length than it has */
        raw[0] = (uint8_t)next(random);
        break;
    case 1: /* is cut, at an odd byte too */
        len = next(random) % (len + 1);
        break;
    case 2: /* uninitialised bytes behind it */
        raw[0] = RAW_MAX;
        while (len < RAW_MAX)
            raw[len++] = (uint8_t)next(random);
        break;
    case 3:
        raw[next(random) % len] = (uint8_t)next(random);
        break;
    default:
        break;
    }
    return len;
}

static void reader_init(struct reader *r)
{
    assert_int_equal(regcomp(&r->group, "^/ *(0[xX])?([0-9a-fA-F]+) */", REG_EXTENDED), 0);
    assert_int_equal(regcomp(&r->segment, "^ *([0-9]+) *\\* *([0-9]+)( *[KkMmB]? *|b)([a-gA-G]?) *",
                             REG_EXTENDED),
                     0);
}

static void reader_free(struct reader *r)
{
    regfree(&r->group);
    regfree(&r->segment);
}

static void strings_of_the_wild_are_usable(void **state)
{
    static struct reader reader;
    uint8_t raw[RAW_MAX + 1];

    (void)state;
    reader_init(&reader);
    for (size_t i = 0; i < KILN_ARRAY_LEN(strings); i++) {
        size_t len = encode(strings[i].text, raw);

        for (int st = 0; st < 2; st++) {
            struct outcome out = go(&reader, raw, len, st != 0);

            if (reader.count > 0 && (out.status != KILN_OK || out.regions == 0))
                fail_msg("\"%s\" is not usable", strings[i].text);
            if (strings[i].writes && out.writes == 0)
                fail_msg("\"%s\" lets nothing be written", strings[i].text);
        }
    }
    reader_free(&reader);
}

static void mutations_of_them_never_reach_what_is_not_allowed(void **state)
{
    static struct reader reader;
    uint8_t raw[RAW_MAX + 1];
    uint32_t random = 20240511;
    unsigned usable = 0, refused = 0, written = 0, erased = 0;

    (void)state;
    reader_init(&reader);
    for (size_t i = 0; i < KILN_ARRAY_LEN(strings); i++)
        for (unsigned m = 0; m < MUTATIONS; m++) {
            size_t len = mutate(strings[i].text, raw, &random);
            struct outcome out = go(&reader, raw, len, m % 2 == 0);

            usable += out.status == KILN_OK && out.regions > 0;
            refused += out.status != KILN_OK || out.regions == 0;
            written += out.writes > 0;
            erased += out.erases > 0;
        }
    reader_free(&reader);
    print_message("%u usable, %u refused; %u written to, %u erased\n", usable, refused, written,
                  erased);
    assert_true(usable > 5000 && refused > 5000 && written > 3000 && erased > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_of_the_wild_are_usable),
        cmocka_unit_test(mutations_of_them_never_reach_what_is_not_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
