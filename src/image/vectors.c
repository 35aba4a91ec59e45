/* SPDX-License-Identifier: MIT */
#include "image/vectors.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXECUTE_END  0xa0000000u /* no code is run at or above this address (ARMv7-M, B3.1) */
#define GRANULE      0x100u /* VTOR is a multiple of 128; no known linker script goes below 256 */
#define WORDS_MAX    512u
#define POINTERS_MAX 4096u
#define BASES_MAX    8192u /* candidates: keeps a huge file from taking seconds */
#define HANDLERS_MAX 64u

/* Where flash (or RAM that is run from) begins on Cortex-M parts. Ascending. */
static const uint32_t origins[] = {
    0x00000000,                         /* LPC, SAM D, nRF52, HC32, Kinetis, aliased STM32 */
    0x00080000,                         /* SAM3X */
    0x00400000,                         /* SAM4, SAM E70 */
    0x01000000,                         /* nRF5340 network core */
    0x08000000,                         /* STM32, GD32, AT32 */
    0x0c000000,                         /* STM32 L5, U5, H5, secure */
    0x10000000,                         /* RP2040, RP2350, PSoC 6 */
    0x14000000,                         /* LPC43 SPIFI */
    0x18000000, 0x1a000000, 0x1b000000, /* LPC43 */
    0x1fff0000,                         /* STM32 system memory, Kinetis RAM */
    0x20000000,                         /* RAM */
    0x24000000,                         /* STM32H7 AXI SRAM */
    0x30000000, 0x34000000, 0x60000000, 0x70000000, 0x90000000, /* external flash */
};

/* Offsets of applications behind a bootloader that are in use, from the flash's origin.
 * Sources: Marlin's ini folder, Klipper's menu, Arduino cores. */
static const uint32_t known_offsets[] = {
    0,      0x800,  0x1000, 0x2000, 0x4000,  0x5000,  0x6000,  0x7000,  0x8000,  0x8800,
    0x9000, 0xa000, 0xc000, 0xe000, 0x10000, 0x20000, 0x20200, 0x26000, 0x27000, 0x40000,
};

bool kiln_vectors_offset(size_t index, uint32_t *out_offset)
{
    if (++index >= KILN_ARRAY_LEN(known_offsets)) /* the first one is no bootloader's */
        return false;
    *out_offset = known_offsets[index];
    return true;
}

static bool is_ram(uint32_t sp)
{
    return (sp >= 0x20000000 && sp <= 0x40000000) || /* SRAM region, AXI and D2/D3 SRAM of the H7 */
           (sp > 0x10000000 && sp <= 0x10100000) ||  /* CCM, LPC */
           (sp > 0x1ffe0000 && sp < 0x20000000) ||   /* Kinetis, HC32 */
           (sp > 0xc0000000 && sp <= 0xe0000000);    /* SDRAM */
}

static bool is_handler(uint32_t word, uint32_t reset, uint64_t span)
{
    uint32_t distance = word > reset ? word - reset : reset - word;

    return (word & 1) != 0 && distance < span;
}

bool kiln_vectors_fit(const uint8_t *bytes, size_t len, uint64_t span,
                      struct kiln_vectors *out_vectors)
{
    struct kiln_vectors v = {0};
    size_t words = KILN_MIN(len / 4, (size_t)WORDS_MAX);

    if (len < 64)
        return false;
    v.sp = kiln_le32(bytes);
    v.reset = kiln_le32(bytes + 4);
    if (v.sp % 4 != 0 || !is_ram(v.sp) || (v.reset & 1) == 0 || v.reset >= EXECUTE_END)
        return false;
    v.lowest = v.highest = v.reset - 1;
    for (v.words = 2; v.words < words; v.words++) {
        uint32_t word = kiln_le32(bytes + 4 * v.words);
        bool handler = is_handler(word, v.reset, span);

        if (v.words < 4 && !handler)
            return false;
        /* Reserved vectors may hold anything (checksum, signature, version). */
        if (v.words >= 16 && word != 0 && !handler)
            break;
        if (!handler)
            continue;
        if (KILN_MAX(v.highest, word - 1) - KILN_MIN(v.lowest, word - 1) >= span) {
            if (v.words < 4)
                return false;
            if (v.words >= 16)
                break;
            continue;
        }
        v.lowest = KILN_MIN(v.lowest, word - 1);
        v.highest = KILN_MAX(v.highest, word - 1);
    }
    /* All three equal and far from any flash is filling, not a table. */
    if (v.lowest < 0x10)
        return false;
    *out_vectors = v;
    return true;
}

/* ---- evidence ---- */

struct evidence {
    const uint8_t *bytes;
    size_t len;
    uint8_t *starts; /* one flag a halfword: a function or a text may start here */
    uint32_t *pointers;
    size_t pointer_count;
    uint32_t *texts; /* even words, which may point to texts */
    size_t text_count;
    uint32_t handlers[HANDLERS_MAX];
    size_t handler_count;
    double function_rate, text_rate;
};

#define START_FUNCTION 1u
#define START_TEXT     2u

/* Ends a function: bx lr, pop {.., pc}, ldm sp!, {.., pc}, b ., nop used as padding. */
static bool ends_function(const uint8_t *p)
{
    uint16_t h = kiln_le16(p);

    return h == 0x4770 || (h & 0xff00) == 0xbd00 || h == 0xe7fe || h == 0xbf00;
}

static bool starts_function(const struct evidence *e, size_t at)
{
    uint16_t h = kiln_le16(e->bytes + at);

    if ((h & 0xff00) == 0xb500) /* push {.., lr} */
        return true;
    if (h == 0xe92d && at + 4 <= e->len && (kiln_le16(e->bytes + at + 2) & 0x4000) != 0)
        return true;
    if (h == 0 || h == 0xffff || h == 0xbf00)
        return false;
    if (at >= 2 && ends_function(e->bytes + at - 2))
        return true;
    /* A function that branches to itself, and the jump of IAR's and Keil's default handlers. */
    return h == 0xe7fe;
}

static bool printable(uint8_t c)
{
    return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
}

static bool starts_text(const struct evidence *e, size_t at)
{
    if (at == 0 || e->bytes[at - 1] != 0 || e->len - at < 4)
        return false;
    return printable(e->bytes[at]) && printable(e->bytes[at + 1]) && printable(e->bytes[at + 2]);
}

static void mark_starts(struct evidence *e)
{
    size_t functions = 0, texts = 0, places = e->len / 2 + 1;

    for (size_t at = 0; at + 2 <= e->len; at += 2) {
        uint8_t flags = 0;

        if (starts_function(e, at)) {
            flags |= START_FUNCTION;
            functions++;
        }
        if (starts_text(e, at)) {
            flags |= START_TEXT;
            texts++;
        }
        e->starts[at / 2] = flags;
    }
    e->function_rate = (double)(functions + 1) / (double)places;
    e->text_rate = (double)(texts + 1) / (double)places;
}

/* Words in [low, high) are pointers into the image for some base. Of very many, every n-th is taken. */
static void collect(struct evidence *e, uint64_t low, uint64_t high)
{
    size_t words = e->len / 4, odd = 0, even = 0, odd_step, even_step;

    for (size_t i = 0; i < words; i++) {
        uint32_t w = kiln_le32(e->bytes + 4 * i);

        if (w >= low && w < high)
            (w & 1) != 0 ? odd++ : even++;
    }
    odd_step = odd / POINTERS_MAX + 1;
    even_step = even / POINTERS_MAX + 1;
    odd = even = 0;
    for (size_t i = 0; i < words; i++) {
        uint32_t w = kiln_le32(e->bytes + 4 * i);

        if (w < low || w >= high)
            continue;
        if ((w & 1) != 0 && odd++ % odd_step == 0 && e->pointer_count < POINTERS_MAX)
            e->pointers[e->pointer_count++] = w - 1;
        if ((w & 1) == 0 && even++ % even_step == 0 && e->text_count < POINTERS_MAX)
            e->texts[e->text_count++] = w;
    }
}

static void collect_handlers(struct evidence *e, const struct kiln_vectors *v)
{
    for (size_t i = 1; i < v->words && e->handler_count < HANDLERS_MAX; i++) {
        uint32_t target = kiln_le32(e->bytes + 4 * i) - 1;
        bool seen = false;

        if ((target & 1) != 0 || target < v->lowest || target > v->highest)
            continue;
        for (size_t j = 0; j < e->handler_count && !seen; j++)
            seen = e->handlers[j] == target;
        if (!seen)
            e->handlers[e->handler_count++] = target;
    }
}

/* Hits beyond chance among `count` words, in standard deviations. */
static double surplus(const struct evidence *e, const uint32_t *words, size_t count, uint64_t base,
                      unsigned flag, double rate)
{
    double inside = 0, hits = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)words[i] - base;

        if (words[i] < base || at + 2 > e->len)
            continue;
        inside++;
        if ((e->starts[at / 2] & flag) != 0)
            hits++;
    }
    return (hits - inside * rate) / sqrt(inside * rate * (1 - rate) + 1);
}

static double handler_score(const struct evidence *e, uint64_t base, size_t table)
{
    double hit = log(0.6 / KILN_MIN(e->function_rate, 0.3));
    double miss = log(0.4 / (1 - KILN_MIN(e->function_rate, 0.3)));
    double score = 0;

    for (size_t i = 0; i < e->handler_count; i++) {
        uint64_t at = e->handlers[i] - base;

        if (at < table)
            score -= 4; /* a handler inside the table */
        else
            score += (e->starts[at / 2] & START_FUNCTION) != 0 ? hit : miss;
    }
    return score;
}

static uint64_t offset_of(uint64_t base)
{
    uint64_t origin = 0;

    for (size_t i = 0; i < KILN_ARRAY_LEN(origins) && origins[i] <= base; i++)
        origin = origins[i];
    return base - origin;
}

static bool is_known(uint64_t offset)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(known_offsets); i++)
        if (known_offsets[i] == offset)
            return true;
    return false;
}

static double prior(uint64_t base)
{
    uint64_t offset = offset_of(base);
    double score = is_known(offset) ? 3 : 0;

    for (uint64_t unit = 0x200; unit <= 0x4000 && offset % unit == 0; unit *= 2)
        score += 0.4;
    if (offset == 0)
        score += 1;
    return score;
}

static double score_base(const struct evidence *e, uint64_t base, size_t table)
{
    /* The statistics of a large image outweigh everything; a small one has few pointers, and the rest counts. */
    return handler_score(e, base, table) +
           surplus(e, e->pointers, e->pointer_count, base, START_FUNCTION, e->function_rate) * 1.5 +
           surplus(e, e->texts, e->text_count, base, START_TEXT, e->text_rate) + prior(base);
}

static void choose(const struct evidence *e, const struct kiln_vectors *v, uint64_t first,
                   uint64_t last, struct kiln_link_base *out)
{
    double best = -1e300, second = -1e300;
    uint64_t granule = GRANULE;

    while ((last - first) / granule > BASES_MAX)
        granule *= 2;
    out->candidates = 0;
    for (uint64_t base = kiln_round_up(first, granule); base <= last; base += granule) {
        double score = score_base(e, base, KILN_MIN(v->words, (size_t)16) * 4);

        out->candidates++;
        if (score > best) {
            second = best;
            best = score;
            out->base = base;
        } else if (score > second) {
            second = score;
        }
    }
    out->margin = out->candidates > 1 ? best - second : 100;
    out->confidence = (unsigned)(100.0 * (1.0 - exp(-KILN_MAX(out->margin, 0.0) / 3.0)));
}

static bool prepare(struct evidence *e, const struct kiln_vectors *v, uint64_t first, uint64_t last)
{
    e->starts = calloc(e->len / 2 + 1, 1);
    e->pointers = calloc(POINTERS_MAX, sizeof *e->pointers);
    e->texts = calloc(POINTERS_MAX, sizeof *e->texts);
    if (e->starts == NULL || e->pointers == NULL || e->texts == NULL)
        return false;
    mark_starts(e);
    collect(e, first, last + e->len);
    collect_handlers(e, v);
    return true;
}

bool kiln_vectors_infer(const uint8_t *bytes, size_t len, const struct kiln_vectors *vectors,
                        struct kiln_link_base *out_base)
{
    struct evidence e = {.bytes = bytes, .len = len};
    uint64_t table = 16, origin = 0, end = (uint64_t)vectors->highest + 2, first, last;
    bool ok;

    /* base + table <= lowest handler, highest handler < base + len, and not below the flash. */
    for (size_t i = 0; i < KILN_ARRAY_LEN(origins) && origins[i] <= vectors->lowest; i++)
        origin = origins[i];
    first = end > len ? kiln_round_up(end - len, GRANULE) : 0;
    first = KILN_MAX(first, origin);
    last = kiln_round_down(vectors->lowest - table, GRANULE);
    if (first > last)
        return false;
    ok = prepare(&e, vectors, first, last);
    if (ok)
        choose(&e, vectors, first, last, out_base);
    ok = ok && out_base->candidates > 0;
    out_base->usual = ok && is_known(offset_of(out_base->base));
    free(e.starts);
    free(e.pointers);
    free(e.texts);
    return ok;
}
