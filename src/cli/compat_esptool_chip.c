/* SPDX-License-Identifier: MIT */
/* What the esptool look-alike does with a chip without its flash: memory, identity, security. */
#include "cli/compat_esptool_board.h"

#include <stdlib.h>
#include <string.h>

#define MAX_READ ((int64_t)1 << 30)

/* ---- small things ---- */

const char *esptool_speed(uint64_t bytes, double seconds, char text[32])
{
    text[0] = '\0';
    if (seconds > 0.0)
        snprintf(text, 32, " (%.1f kbit/s)", (double)bytes / seconds * 8 / 1000);
    return text;
}

/* ---- registers and RAM ---- */

int esptool_work_read_mem(struct esptool_board *b)
{
    uint32_t address = (uint32_t)b->e->args.address;
    uint32_t value = 0;

    if (kiln_esp_session_read_reg(b->session, address, &value) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "0x%08x = 0x%08x", (unsigned)address, (unsigned)value);
    return 0;
}

int esptool_work_write_mem(struct esptool_board *b)
{
    uint32_t address = (uint32_t)b->e->args.address;
    uint32_t value = (uint32_t)b->e->args.value;
    uint32_t mask = (uint32_t)b->e->args.mask;

    if (kiln_esp_session_write_reg(b->session, address, value, mask) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "Wrote 0x%08x with mask 0x%08x to 0x%08x.", (unsigned)value, (unsigned)mask,
                  (unsigned)address);
    return 0;
}

static int read_words(struct esptool_board *b, uint32_t address, uint8_t *bytes, size_t len)
{
    struct esptool_bar bar = {.e = b->e, .verb = "Dumping from", .address = address};

    for (size_t at = 0; at < len; at += 4) {
        uint32_t value = 0;

        if (kiln_esp_session_read_reg(b->session, address + (uint32_t)at, &value) != KILN_OK) {
            esptool_bar_end(&bar);
            return esptool_board_fail(b);
        }
        for (size_t i = 0; i < 4; i++)
            bytes[at + i] = (uint8_t)(value >> 8 * i);
        esptool_bar_step(&bar, at + 4, len);
    }
    esptool_bar_end(&bar);
    return 0;
}

int esptool_work_dump_mem(struct esptool_board *b)
{
    const struct esptool_args *args = &b->e->args;
    size_t len = args->size > 0 && args->size <= MAX_READ ? ((size_t)args->size + 3) / 4 * 4 : 0;
    uint8_t *bytes = esptool_keep(b->e, malloc(len + 1));
    struct timespec start;
    double took;
    char speed[32];
    int status;

    if (args->size < 0 || args->size > MAX_READ || bytes == NULL)
        return esptool_fatal(b->e, "%lld bytes cannot be dumped", (long long)args->size);
    esptool_print(b->e, "Dumping %lld bytes from 0x%08llx to file '%s'...", (long long)args->size,
                  (unsigned long long)args->address, args->output);
    clock_gettime(CLOCK_MONOTONIC, &start);
    status = read_words(b, (uint32_t)args->address, bytes, len);
    if (status != 0)
        return status;
    took = esptool_seconds_since(&start);
    len = (size_t)args->size;
    esptool_print(b->e, "Dumped %zu bytes from 0x%08llx in %.1f seconds%s to '%s'.", len,
                  (unsigned long long)args->address, took, esptool_speed(len, took, speed),
                  args->output);
    return esptool_save(b->e, args->output, bytes, len);
}

static int load_segments(struct esptool_board *b, const struct esptool_file *file,
                         const struct kiln_esp_image *image)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct kiln_esp_segment *segment = &image->segment[i];
        size_t at = segment->offset + 8;

        if (segment->size == 0 || at > file->len || segment->size > file->len - at)
            continue;
        esptool_print(b->e, "Downloading %u bytes at 0x%08x...", (unsigned)segment->size,
                      (unsigned)segment->address);
        if (kiln_esp_session_write_ram(b->session, segment->address, file->data + at,
                                       segment->size) != KILN_OK)
            return esptool_board_fail(b);
    }
    return 0;
}

int esptool_work_load_ram(struct esptool_board *b)
{
    const struct kiln_esp_listener listener = esptool_listener(b->e);
    const struct esptool_file *file = b->e->args.files.file;
    struct kiln_error error = {0};
    struct kiln_esp_image image;
    int status;

    if (b->e->args.files.count == 0)
        return esptool_fatal(b->e, "the file is empty");
    if (kiln_esp_inspect(file->data, file->len, b->about.chip, &listener, &image, &error) !=
        KILN_OK)
        return esptool_fail(b->e, &error);
    esptool_print(b->e, "Loading '%s' to RAM...", file->name);
    status = load_segments(b, file, &image);
    if (status != 0)
        return status;
    if (kiln_esp_session_run_ram(b->session, image.entry) != KILN_OK)
        return esptool_board_fail(b);
    b->started_program = true;
    esptool_print(b->e, "Loaded %zu segments from '%s' to RAM, executing at 0x%08x.",
                  image.segment_count, file->name, (unsigned)image.entry);
    return 0;
}

int esptool_work_run_program(struct esptool_board *b)
{
    enum kiln_status status = kiln_esp_session_run(b->session);

    /* Then the reset at the end has to do it. */
    if (status == KILN_E_UNSUPPORTED) {
        esptool_note(b->e, "%s.", kiln_esp_session_error(b->session)->message);
        return 0;
    }
    if (status != KILN_OK)
        return esptool_board_fail(b);
    b->started_program = true;
    return 0;
}

/* ---- identity ---- */

int esptool_work_read_mac(struct esptool_board *b)
{
    esptool_print_mac(b);
    return 0;
}

/* The one kind of chip without an id in images has one of its own in its MAC words. */
int esptool_work_chip_id(struct esptool_board *b)
{
    uint32_t number;

    if (b->about.chip_id >= 0) {
        esptool_warning(b->e, "%s has no chip ID. Reading MAC address instead.", b->about.title);
        return esptool_work_read_mac(b);
    }
    if (kiln_esp_session_chip_number(b->session, &number) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "Chip ID: 0x%08x", (unsigned)number);
    return 0;
}

/* Flag bits of GET_SECURITY_INFO. */
#define SECURE_BOOT_EN          (1u << 0)
#define SECURE_BOOT_AGGRESSIVE  (1u << 1)
#define SECURE_BOOT_KEY_REVOKED (1u << 3) /* and the two bits above it */
#define SOFT_DIS_JTAG           (1u << 6)
#define HARD_DIS_JTAG           (1u << 7)
#define DIS_USB                 (1u << 8)
#define DIS_DOWNLOAD_DCACHE     (1u << 9)
#define DIS_DOWNLOAD_ICACHE     (1u << 10)

static void print_flags(const struct esptool *e, uint32_t flags)
{
    char binary[40] = "0b";
    size_t used = 2;
    int top = 31;

    while (top > 0 && !(flags >> top & 1))
        top--;
    for (; top >= 0; top--)
        binary[used++] = (flags >> top & 1) ? '1' : '0';
    binary[used] = '\0';
    esptool_print(e, "Flags: 0x%08x (%s)", (unsigned)flags, binary);
}

static void print_keys(const struct esptool *e, const struct kiln_esp_security_report *info)
{
    char text[80] = "";
    size_t used = 0;

    for (size_t i = 0; i < 7; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u", i > 0 ? ", " : "",
                                 info->key_purpose[i]);
    esptool_print(e, "Key Purposes: (%s)", text);
    for (unsigned i = 0; i < 6; i++)
        esptool_print(e, "  BLOCK_KEY%u - %s", i, info->key_name[i]);
}

static void print_restrictions(const struct esptool *e, uint32_t flags)
{
    if (flags & DIS_DOWNLOAD_DCACHE)
        esptool_print(e, "Dcache in UART download mode: Disabled");
    if (flags & DIS_DOWNLOAD_ICACHE)
        esptool_print(e, "Icache in UART download mode: Disabled");
    if (flags & HARD_DIS_JTAG)
        esptool_print(e, "JTAG: Permanently Disabled");
    else if (flags & SOFT_DIS_JTAG)
        esptool_print(e, "JTAG: Software Access Disabled");
    if (flags & DIS_USB)
        esptool_print(e, "USB Access: Disabled");
}

int esptool_work_get_security_info(struct esptool_board *b)
{
    struct kiln_esp_security_report info;
    const struct esptool *e = b->e;
    bool odd = false;

    if (kiln_esp_session_security(b->session, &info) != KILN_OK) {
        if (kiln_esp_session_error(b->session)->status != KILN_E_NAK)
            return esptool_board_fail(b);
        esptool_fatal(e, "%s has no get-security-info: %s", b->about.title,
                      kiln_esp_session_error(b->session)->message);
        return b->about.stub ? 2 : 1;
    }
    for (unsigned bits = info.crypt_count; bits != 0; bits &= bits - 1)
        odd = !odd;
    esptool_print(e, "Security Information:\n=====================");
    print_flags(e, info.flags);
    if (info.has_keys)
        print_keys(e, &info);
    if (info.has_chip_id) {
        esptool_print(e, "Chip ID: %u", (unsigned)info.chip_id);
        esptool_print(e, "API Version: %u", (unsigned)info.api_version);
    }
    esptool_print(e, "Secure Boot: %s", info.flags & SECURE_BOOT_EN ? "Enabled" : "Disabled");
    if ((info.flags & SECURE_BOOT_EN) && (info.flags & SECURE_BOOT_AGGRESSIVE))
        esptool_print(e, "Secure Boot Aggressive key revocation: Enabled");
    for (unsigned i = 0; i < 3 && (info.flags & SECURE_BOOT_EN); i++)
        if (info.flags & SECURE_BOOT_KEY_REVOKED << i)
            esptool_print(e, "\tSecure Boot Key%u is Revoked", i);
    esptool_print(e, "Flash Encryption: %s", odd ? "Enabled" : "Disabled");
    esptool_print(e, "SPI Boot Crypt Count (SPI_BOOT_CRYPT_CNT): 0x%x", info.crypt_count);
    print_restrictions(e, info.flags);
    return 0;
}
