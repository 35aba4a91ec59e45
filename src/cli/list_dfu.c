/* SPDX-License-Identifier: MIT */
/* `kiln list -v`: the alternate settings of a DFU device, decoded. */
#include "cli/cli.h"

#include <inttypes.h>
#include <string.h>

static const char *access_words(unsigned access)
{
    static const char *const words[] = {
        "no access", "read",        "erase",        "read, erase",
        "write",     "read, write", "erase, write", "read, erase, write"};

    return words[access & 7];
}

static void print_memory(const struct cli *cli, const struct kiln_dfu_memory *memory)
{
    char page[24], total[24];

    printf("    %s0x%08" PRIx64 "%s  %10s = %3" PRIu64 " x %-10s %s\n", cli_dim(cli), memory->start,
           cli_plain(cli), cli_bytes(memory->pages * memory->page, total), memory->pages,
           cli_bytes(memory->page, page), access_words(memory->access));
}

static void print_setting(const struct cli *cli, const struct kiln_dfu_setting *setting)
{
    struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX];
    char name[40];
    size_t count = kiln_dfu_decode_layout(setting->name, name, memory);

    if (setting->name[0] != '@' || count == 0) {
        printf("  alt %u  %s\n", setting->alt, setting->named ? setting->name : "(no name)");
        return;
    }
    printf("  alt %u  %s\n", setting->alt, name);
    for (size_t i = 0; i < count; i++)
        print_memory(cli, &memory[i]);
}

void cli_print_dfu_settings(const struct cli *cli, const struct kiln_device *device)
{
    struct kiln_dfu_list settings;

    if (device->kind != KILN_DEVICE_DFU && device->kind != KILN_DEVICE_DFU_RUNTIME)
        return;
    if (kiln_dfu_enumerate(device->path, &settings, NULL) != KILN_OK)
        return;
    for (size_t i = 0; i < settings.count; i++) {
        const struct kiln_dfu_setting *setting = &settings.items[i];

        if (setting->usable != KILN_OK)
            continue;
        if (i == 0)
            printf("  revision %04x, DFU version %x.%02x%s, %u bytes a transfer\n",
                   setting->bcd_device, setting->version >> 8, setting->version & 0xffu,
                   setting->version == 0x011a ? " (DfuSe)" : "", setting->transfer_size);
        print_setting(cli, setting);
    }
    kiln_dfu_list_free(&settings);
}
