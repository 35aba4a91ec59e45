/* SPDX-License-Identifier: MIT */
/* The STM32 part table held against what a device says of its flash. */
#include "loader/dfu_internal.h"

#include "base/bytes.h"
#include "chip/stm32.h"

#define KIB        1024u
#define REGS_MAX   8
#define SIZE_MAX_K 8192u /* KiB; the largest part has 4096 */

/* Do the pages of the layout from the flash's start on stand in `org`? */
static bool org_fits(const struct kiln_stm32_org *org, const struct kiln_dfuse_layout *layout)
{
    uint64_t at = 0;

    if (org->run[0].count == 0)
        return false;
    for (size_t i = 0; i < layout->count; i++) {
        const struct kiln_dfuse_segment *s = &layout->segment[i];

        if (s->start != KILN_STM32_FLASH_BASE + at)
            return i > 0; /* another memory begins here */
        for (uint64_t page = 0; page < s->count; page++, at += s->page)
            if (kiln_stm32_page_at(org, at) != s->page)
                return false;
    }
    return true;
}

void dfu_parts_match(const struct kiln_dfuse_layout *layout, struct dfu_candidates *out)
{
    const struct kiln_chip *chip;

    out->count = 0;
    for (size_t i = 0; (chip = kiln_stm32_at(i)) != NULL; i++)
        for (uint8_t o = 0; o < KILN_STM32_ORG_MAX; o++)
            if (org_fits(&chip->stm32->org[o], layout) && out->count < DFU_CANDIDATE_MAX)
                out->item[out->count++] = (struct dfu_candidate){chip, o};
}

void dfu_parts_keep_chip(struct dfu_candidates *parts, const struct kiln_chip *chip)
{
    size_t kept = 0;

    for (size_t i = 0; i < parts->count; i++)
        if (parts->item[i].chip == chip)
            parts->item[kept++] = parts->item[i];
    parts->count = kept;
}

void dfu_parts_keep_option_bytes(struct dfu_candidates *parts, uint64_t address)
{
    size_t kept = 0;

    for (size_t i = 0; i < parts->count; i++) {
        uint32_t known = parts->item[i].chip->stm32->option_bytes;

        if (known == 0 || known == address)
            parts->item[kept++] = parts->item[i];
    }
    if (kept > 0) /* the table does not know everything: an address that fits none rules out none */
        parts->count = kept;
}

/* The page all candidates of at least `size` bytes have at `offset`, 0 if they differ. */
static uint32_t common_page(const struct dfu_candidates *parts, uint64_t size, uint64_t offset)
{
    uint32_t page = 0;

    for (size_t i = 0; i < parts->count; i++) {
        const struct kiln_stm32_facts *facts = parts->item[i].chip->stm32;
        uint32_t p = kiln_stm32_page_at(&facts->org[parts->item[i].org], offset);

        if (facts->flash_max < size || p == 0)
            continue;
        if (page != 0 && page != p)
            return 0;
        page = p;
    }
    return page;
}

bool dfu_parts_complete(const struct dfu_candidates *parts, uint64_t size,
                        struct kiln_dfuse_layout *layout)
{
    struct kiln_dfuse_layout trial = *layout;
    uint64_t at = 0;

    for (size_t i = 0; i < trial.count; i++)
        at += trial.segment[i].count * trial.segment[i].page;
    while (at < size) {
        struct kiln_dfuse_segment *last = trial.count > 0 ? &trial.segment[trial.count - 1] : NULL;
        uint32_t page = common_page(parts, size, at);

        if (page == 0 || page > size - at)
            return false;
        if (last != NULL && last->page == page &&
            last->access == (KILN_DFUSE_MAY_READ | KILN_DFUSE_MAY_ERASE | KILN_DFUSE_MAY_WRITE)) {
            last->count++;
        } else {
            if (trial.count == KILN_DFUSE_SEGMENT_MAX)
                return false;
            trial.segment[trial.count++] = (struct kiln_dfuse_segment){
                .start = KILN_STM32_FLASH_BASE + at,
                .count = 1,
                .page = page,
                .access = KILN_DFUSE_MAY_READ | KILN_DFUSE_MAY_ERASE | KILN_DFUSE_MAY_WRITE};
        }
        at += page;
    }
    if (at != size)
        return false;
    *layout = trial;
    return true;
}

uint64_t dfu_parts_read_size(struct kiln_dfu *self, struct kiln_ctx *ctx,
                             const struct dfu_candidates *parts, uint64_t at_least)
{
    uint32_t tried[REGS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < parts->count && count < REGS_MAX; i++) {
        const struct kiln_stm32_facts *facts = parts->item[i].chip->stm32;
        uint8_t bytes[2];
        uint64_t size;
        size_t t = 0;

        while (t < count && tried[t] != facts->flash_size_reg)
            t++;
        if (facts->flash_size_reg == 0 || t < count)
            continue;
        tried[count++] = facts->flash_size_reg;
        if (dfuse_peek(self, ctx, facts->flash_size_reg, bytes, sizeof bytes) != KILN_OK) {
            kiln_error_clear(ctx);
            continue;
        }
        size = (uint64_t)kiln_le16(bytes) * KIB;
        if (size >= 16 * KIB && size <= SIZE_MAX_K * KIB && size >= at_least &&
            size <= facts->flash_max)
            return size;
    }
    return 0;
}

const struct kiln_chip *dfu_parts_read_id(struct kiln_dfu *self, struct kiln_ctx *ctx)
{
    for (const uint32_t *reg = kiln_stm32_idcode_registers; *reg != 0; reg++) {
        const struct kiln_chip *chip;
        uint8_t bytes[4];

        if (dfuse_peek(self, ctx, *reg, bytes, sizeof bytes) != KILN_OK) {
            kiln_error_clear(ctx);
            continue;
        }
        chip = kiln_stm32_by_id(kiln_le32(bytes) & 0xfff);
        if (chip != NULL && chip->stm32->idcode_reg == *reg)
            return chip;
    }
    return NULL;
}
