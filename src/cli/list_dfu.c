/* SPDX-License-Identifier: MIT */
/* `kiln list`: the alternate settings of a DFU device, decoded. */
#include "cli/list.h"

#include <inttypes.h>
#include <string.h>

#define DFUSE 0x011a

/* What a setting is called, and the memory behind it; 0 if the device tells nothing of that. */
struct decoded {
    char name[128];
    struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX];
    size_t count;
};

static void decode(const struct kiln_dfu_setting *setting, struct decoded *out)
{
    char name[40];

    out->count =
        setting->name[0] == '@' ? kiln_dfu_decode_layout(setting->name, name, out->memory) : 0;
    snprintf(out->name, sizeof out->name, "%s", out->count > 0 ? name : setting->name);
}

static bool look_at(const struct kiln_device *device, struct kiln_dfu_list *out)
{
    if (device->kind != KILN_DEVICE_DFU && device->kind != KILN_DEVICE_DFU_RUNTIME)
        return false;
    return device->usable == KILN_OK && kiln_dfu_enumerate(device->path, out, NULL) == KILN_OK;
}

/* ---- text ---- */

static const char *access_words(unsigned access)
{
    static const char *const words[] = {
        "no access", "read",        "erase",        "read, erase",
        "write",     "read, write", "erase, write", "read, erase, write"};

    return words[access & 7];
}

/* A line for each run of equal pages. */
static void print_runs(const struct cli *cli, const struct decoded *decoded)
{
    char page[24], total[24];

    for (size_t i = 0; i < decoded->count; i++) {
        const struct kiln_dfu_memory *memory = &decoded->memory[i];

        printf("    %s0x%08" PRIx64 "%s  %10s = %3" PRIu64 " x %-10s %s\n", cli_dim(cli),
               memory->start, cli_plain(cli), cli_bytes(memory->pages * memory->page, total),
               memory->pages, cli_bytes(memory->page, page), access_words(memory->access));
    }
}

/* The end of the runs from `first` on that follow each other and allow the same. */
static size_t end_of_block(const struct decoded *decoded, size_t first, uint64_t *out_size)
{
    const struct kiln_dfu_memory *memory = decoded->memory;
    uint64_t size = memory[first].pages * memory[first].page;
    size_t i = first + 1;

    for (; i < decoded->count && memory[i].start == memory[first].start + size &&
           memory[i].access == memory[first].access;
         i++)
        size += memory[i].pages * memory[i].page;
    *out_size = size;
    return i;
}

static void print_blocks(const struct cli *cli, const struct decoded *decoded)
{
    uint64_t size;
    char text[24];

    for (size_t first = 0, end; first < decoded->count; first = end) {
        end = end_of_block(decoded, first, &size);
        if (first > 0)
            printf("%*s", 25, "");
        printf("  %s0x%08" PRIx64 "%s %10s  %s; ", cli_dim(cli), decoded->memory[first].start,
               cli_plain(cli), cli_bytes(size, text), access_words(decoded->memory[first].access));
        for (size_t i = first; i < end; i++)
            printf("%s%" PRIu64 " x %s", i > first ? ", " : "", decoded->memory[i].pages,
                   cli_bytes(decoded->memory[i].page, text));
        putchar('\n');
    }
}

static void print_setting(const struct cli *cli, const struct kiln_dfu_setting *setting)
{
    struct decoded decoded;

    decode(setting, &decoded);
    if (decoded.count > 0 && cli->args.verbose == 0) {
        printf("  alt %u  %-16s", setting->alt, decoded.name);
        print_blocks(cli, &decoded);
        return;
    }
    printf("  alt %u  %s\n", setting->alt, setting->named ? decoded.name : "(no name)");
    print_runs(cli, &decoded);
}

static void print_device(const struct kiln_dfu_setting *setting)
{
    printf("  revision %04x, DFU version %x.%02x%s, %u bytes a transfer\n", setting->bcd_device,
           setting->version >> 8, setting->version & 0xffu,
           setting->version == DFUSE ? " (DfuSe)" : "", setting->transfer_size);
}

void cli_print_dfu_settings(const struct cli *cli, const struct kiln_device *device)
{
    struct kiln_dfu_list settings;
    bool told = false;

    if (!look_at(device, &settings))
        return;
    for (size_t i = 0; i < settings.count; i++) {
        const struct kiln_dfu_setting *setting = &settings.items[i];

        /* a running application's setting has nothing behind it */
        if (setting->usable != KILN_OK || (!setting->dfu_mode && cli->args.verbose == 0))
            continue;
        if (!told && cli->args.verbose > 0)
            print_device(setting);
        told = true;
        print_setting(cli, setting);
    }
    kiln_dfu_list_free(&settings);
}

/* ---- JSON ---- */

static json_t *memory_json(const struct kiln_dfu_memory *memory)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:b, s:b, s:b}", "address", (json_int_t)memory->start,
                     "size", (json_int_t)(memory->pages * memory->page), "pages",
                     (json_int_t)memory->pages, "page", (json_int_t)memory->page, "read",
                     (memory->access & 1) != 0, "erase", (memory->access & 2) != 0, "write",
                     (memory->access & 4) != 0);
}

static json_t *setting_json(const struct kiln_dfu_setting *setting)
{
    json_t *memory = json_array(), *object;
    struct decoded decoded;
    char version[8];

    decode(setting, &decoded);
    for (size_t i = 0; i < decoded.count; i++)
        json_array_append_new(memory, memory_json(&decoded.memory[i]));
    snprintf(version, sizeof version, "%x.%02x", setting->version >> 8, setting->version & 0xffu);
    object =
        json_pack("{s:i, s:i, s:i, s:b, s:s, s:i}", "alt", setting->alt, "interface",
                  setting->interface, "configuration", setting->configuration, "dfu_mode",
                  setting->dfu_mode, "version", version, "transfer_size", setting->transfer_size);
    json_object_set_new(object, "name", setting->named ? cli_json_text(decoded.name) : json_null());
    json_object_set_new(object, "memory", memory);
    return object;
}

json_t *cli_dfu_settings_json(const struct kiln_device *device)
{
    struct kiln_dfu_list settings;
    json_t *array;

    if (!look_at(device, &settings))
        return NULL;
    array = json_array();
    for (size_t i = 0; i < settings.count; i++)
        if (settings.items[i].usable == KILN_OK)
            json_array_append_new(array, setting_json(&settings.items[i]));
    kiln_dfu_list_free(&settings);
    return array;
}
