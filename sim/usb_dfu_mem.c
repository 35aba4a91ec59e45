/* SPDX-License-Identifier: MIT */
/* The memory of a simulated DFU device: sectors, what may be done to them, and how long it takes. */
#include "base/bytes.h"
#include "sim/usb_dfu.h"

#include <string.h>

#define NS_PER_MS 1000000ull

#define RDP_LEVEL_0 0xAA

/* One sector of a region. */
struct sector {
    const struct dfu_sectors *group;
    size_t region, offset;
};

uint8_t kiln_dfusim_mem_erased(const struct dfu_sim *sim)
{
    return (sim->row.quirks & DFU_Q_ERASED_00) != 0 ? 0x00 : 0xFF;
}

static void put_protection(const struct dfu_sim *sim, uint8_t *options, uint8_t value)
{
    options[sim->row.rdp_offset] = value;
    if (sim->row.complements)
        options[sim->row.rdp_offset + 1] = (uint8_t)~value;
}

/* What the option byte loader takes for the RDP byte: without its complement it counts as FF. */
static bool protects(const struct dfu_sim *sim, const uint8_t *options)
{
    uint8_t value = options[sim->row.rdp_offset];

    return value != RDP_LEVEL_0 ||
           (sim->row.complements && (options[sim->row.rdp_offset + 1] ^ value) != 0xff);
}

/* Where the RDP byte is: the first of the option areas. DFU_REGIONS if there is none. */
static size_t option_region(const struct dfu_sim *sim)
{
    size_t r = 0;

    while (r < DFU_REGIONS && (sim->row.region[r].area != DFU_AREA_OPTION || sim->mem[r] == NULL))
        r++;
    return r;
}

void kiln_dfusim_mem_unprotect(struct dfu_sim *sim)
{
    size_t r = option_region(sim);

    sim->read_protected = false;
    if (r < DFU_REGIONS && sim->row.rdp_offset >= 0)
        put_protection(sim, sim->mem[r], RDP_LEVEL_0);
}

void kiln_dfusim_mem_init(struct dfu_sim *sim)
{
    size_t used = 0;

    for (size_t r = 0; r < DFU_REGIONS; r++) {
        const struct dfu_region *region = &sim->row.region[r];

        if (sim->mem[r] == NULL)
            continue;
        memset(sim->mem[r], region->area == DFU_AREA_FLASH ? kiln_dfusim_mem_erased(sim) : 0xFF,
               sim->mem_len[r]);
        if (region->area != DFU_AREA_OPTION)
            continue;
        if (sim->row.options != NULL)
            memcpy(sim->mem[r], sim->row.options + used,
                   KILN_MIN(sim->row.options_len - used, sim->mem_len[r]));
        used = KILN_MIN(used + sim->mem_len[r], sim->row.options_len);
        if (r == option_region(sim) && sim->row.rdp_offset >= 0)
            put_protection(sim, sim->mem[r], sim->read_protected ? 0x00 : RDP_LEVEL_0);
    }
}

/* A sector whose nWRP bit is 0 is neither erased nor programmed, and nothing is said (AN2662). */
static bool is_write_protected(const struct dfu_sim *sim, const struct sector *sector)
{
    unsigned index = 0;
    size_t start = 0;

    if (sim->row.wrp_offset == 0)
        return false;
    for (const struct dfu_sectors *g = sim->row.region[sector->region].group; g != sector->group;
         g++) {
        index += g->count;
        start += (size_t)g->count * g->size;
    }
    index += (unsigned)((sector->offset - start) / sector->group->size);
    for (size_t r = 0; r < DFU_REGIONS; r++)
        if (sim->row.region[r].area == DFU_AREA_OPTION && sim->mem[r] != NULL && index < 12)
            return (kiln_le16(sim->mem[r] + sim->row.wrp_offset) >> index & 1) == 0;
    return false;
}

static bool find_sector(const struct dfu_sim *sim, uint32_t address, struct sector *out)
{
    for (size_t r = 0; r < DFU_REGIONS; r++) {
        const struct dfu_region *region = &sim->row.region[r];
        uint32_t offset = address - region->base;
        uint32_t start = 0;

        if (sim->mem[r] == NULL || address < region->base || offset >= sim->mem_len[r])
            continue;
        for (size_t g = 0; g < DFU_GROUPS && region->group[g].count != 0; g++) {
            uint32_t end = start + region->group[g].count * region->group[g].size;

            if (offset < end) {
                out->group = &region->group[g];
                out->region = r;
                out->offset = start + (offset - start) / out->group->size * out->group->size;
                return true;
            }
            start = end;
        }
    }
    return false;
}

uint8_t *kiln_dfusim_mem_find(struct dfu_sim *sim, uint32_t address, uint8_t access,
                              size_t *out_left)
{
    struct sector sector;
    uint32_t offset;

    *out_left = 0;
    if (!find_sector(sim, address, &sector) || (sector.group->access & access) != access)
        return NULL;
    offset = address - sim->row.region[sector.region].base;
    for (uint32_t a = address;;) {
        struct sector next;

        a += (uint32_t)(sector.offset + sector.group->size -
                        (a - sim->row.region[sector.region].base));
        *out_left = a - address;
        if (!find_sector(sim, a, &next) || next.region != sector.region ||
            (next.group->access & access) != access)
            break;
        sector = next;
    }
    return sim->mem[sector.region] + offset;
}

/* True if power is lost in the middle of the flash operation that begins now. */
static bool power_is_cut(struct dfu_sim *sim)
{
    bool cut = sim->flash_ops == sim->knobs.power_cut_at;

    sim->flash_ops++;
    if (cut)
        sim->powered = false;
    return cut;
}

static bool is_bad(const struct dfu_sim *sim, const struct sector *sector)
{
    uint64_t start = sim->row.region[sector->region].base + (uint64_t)sector->offset;
    uint64_t bad = (uint64_t)sim->knobs.bad_sector_at;

    return sim->knobs.bad_sector_at != KILN_SIM_NEVER && bad >= start &&
           bad - start < sector->group->size;
}

static void erase_sector(struct dfu_sim *sim, const struct sector *sector)
{
    size_t len = sector->group->size;

    if (power_is_cut(sim))
        len /= 2;
    sim->erases++;
    if (!is_bad(sim, sector) && !is_write_protected(sim, sector))
        memset(sim->mem[sector->region] + sector->offset, kiln_dfusim_mem_erased(sim), len);
}

struct dfu_work kiln_dfusim_mem_erase_page(struct dfu_sim *sim, uint32_t address)
{
    struct dfu_work work = {DFU_OK, 0, false};
    struct sector sector;

    if (sim->read_protected) {
        work.status = DFU_ERR_VENDOR;
    } else if (!find_sector(sim, address, &sector) || (sector.group->access & DFU_E) == 0 ||
               sim->row.region[sector.region].area != DFU_AREA_FLASH) {
        work.status = DFU_ERR_TARGET;
    } else {
        work.ns = sector.group->erase_ms * NS_PER_MS;
        erase_sector(sim, &sector);
    }
    return work;
}

struct dfu_work kiln_dfusim_mem_erase_all(struct dfu_sim *sim)
{
    struct dfu_work work = {DFU_OK, sim->row.mass_erase_ms * NS_PER_MS, false};

    for (size_t r = 0; r < DFU_REGIONS; r++) {
        if (sim->row.region[r].area != DFU_AREA_FLASH)
            continue;
        for (size_t offset = 0; offset < sim->mem_len[r] && sim->powered;) {
            struct sector sector;

            if (!find_sector(sim, sim->row.region[r].base + (uint32_t)offset, &sector))
                break;
            if ((sector.group->access & DFU_E) != 0)
                erase_sector(sim, &sector);
            offset += sector.group->size;
        }
    }
    return work;
}

/* Writing option bytes restarts the chip; a changed RDP byte changes the protection, and taking it back
 * to level 0 erases the flash. */
static struct dfu_work program_option(struct dfu_sim *sim, uint8_t *at, const uint8_t *bytes,
                                      size_t len, size_t region)
{
    struct dfu_work work = {DFU_OK, 20 * NS_PER_MS, true};
    int16_t rdp = sim->row.rdp_offset;

    memmove(at, bytes, len);
    if (rdp >= 0 && region == option_region(sim)) {
        bool protect = protects(sim, sim->mem[region]);

        if (sim->read_protected && !protect)
            work.ns += kiln_dfusim_mem_erase_all(sim).ns;
        sim->read_protected = protect;
    }
    return work;
}

/* Flash bits only go one way until the next erase. */
static void program_flash(struct dfu_sim *sim, uint32_t address, const uint8_t *bytes, size_t len)
{
    if (power_is_cut(sim))
        len /= 2;
    for (size_t i = 0; i < len; i++) {
        struct sector sector;
        uint8_t *at;

        if (!find_sector(sim, address + (uint32_t)i, &sector) || is_bad(sim, &sector) ||
            is_write_protected(sim, &sector))
            continue;
        at = sim->mem[sector.region] + (address + i - sim->row.region[sector.region].base);
        *at = (sim->row.quirks & DFU_Q_ERASED_00) != 0 ? *at | bytes[i] : *at & bytes[i];
    }
}

struct dfu_work kiln_dfusim_mem_program(struct dfu_sim *sim, uint32_t address, const uint8_t *bytes,
                                        size_t len)
{
    struct dfu_work work = {DFU_OK, (uint64_t)len * sim->row.program_ns_per_byte, false};
    struct sector sector;
    size_t left;
    uint8_t *at;

    if (sim->read_protected) {
        work.status = DFU_ERR_VENDOR;
        return work;
    }
    at = kiln_dfusim_mem_find(sim, address, DFU_W, &left);
    if (at == NULL || left < len || !find_sector(sim, address, &sector)) {
        work.status = DFU_ERR_TARGET;
        work.ns = 0;
        return work;
    }
    switch (sim->row.region[sector.region].area) {
    case DFU_AREA_OPTION:
        return program_option(sim, at, bytes, len, sector.region);
    case DFU_AREA_FEATURE:
        memmove(at, bytes, len);
        return work;
    case DFU_AREA_NONE:
    case DFU_AREA_FLASH:
    case DFU_AREA_OTP:
        break;
    }
    program_flash(sim, address, bytes, len);
    return work;
}
