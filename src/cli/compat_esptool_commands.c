/* SPDX-License-Identifier: MIT */
/* Commands of the esptool look-alike that talk to a board: their rows, and the work on the flash save write-flash. */
#include "cli/compat_esptool_board.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct esptool_args, name)
#define SECTOR      0x1000

static const char *plural(uint64_t size)
{
    return size == 1 ? "" : "s";
}

/* ---- flash: reading ---- */

static void print_flash_id(struct esptool_board *b)
{
    uint32_t id = b->about.flash_id;
    char size[24];

    esptool_print(b->e, "Flash Memory Information:\n=========================");
    esptool_print(b->e, "Manufacturer: %02x", (unsigned)(id & 0xff));
    esptool_print(b->e, "Device: %02x%02x", (unsigned)(id >> 8 & 0xff),
                  (unsigned)(id >> 16 & 0xff));
    esptool_print(b->e, "Detected flash size: %s",
                  b->about.flash_size != 0 ? esptool_size_text(b->about.flash_size, size)
                                           : "Unknown");
}

static void print_supply(const struct esptool *e, const char *by, unsigned millivolts)
{
    const char *source = strcmp(by, "register") == 0        ? "RTC_CNTL"
                         : strcmp(by, "strapping pin") == 0 ? "a strapping pin"
                                                            : by;

    if (millivolts == 0)
        esptool_print(e, "Flash voltage set by %s: OFF", source);
    else
        esptool_print(e, "Flash voltage set by %s: %u.%uV", source, millivolts / 1000,
                      millivolts / 100 % 10);
}

static int flash_id(struct esptool_board *b)
{
    const char *supply_by;
    unsigned lines, millivolts;

    print_flash_id(b);
    if (kiln_esp_session_flash_wiring(b->session, &lines, &supply_by, &millivolts) != KILN_OK)
        return esptool_board_fail(b);
    if (lines != 0)
        esptool_print(b->e, "Flash type set in eFuse: %s",
                      lines == 8 ? "octal (8 data lines)" : "quad (4 data lines)");
    if (supply_by[0] != '\0')
        print_supply(b->e, supply_by, millivolts);
    return 0;
}

/* One of "1", "2", "3". */
static unsigned register_count(const struct esptool_board *b)
{
    return (unsigned)(b->e->args.status_bytes[0] - '0');
}

static int read_status(struct esptool_board *b)
{
    uint32_t value = 0;

    if (kiln_esp_session_read_status(b->session, register_count(b), &value) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "Flash memory status: 0x%04x", (unsigned)value);
    return 0;
}

static int write_status(struct esptool_board *b)
{
    unsigned count = register_count(b);
    uint32_t value = (uint32_t)b->e->args.value;
    uint32_t now = 0;
    int digits = (int)count * 2;

    if (kiln_esp_session_read_status(b->session, count, &now) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "Initial flash memory status: 0x%0*x", digits, (unsigned)now);
    esptool_print(b->e, "Setting flash memory status: 0x%0*x", digits, (unsigned)value);
    if (kiln_esp_session_write_status(b->session, count, value, b->e->args.non_volatile) !=
            KILN_OK ||
        kiln_esp_session_read_status(b->session, count, &now) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "After flash memory status:   0x%0*x", digits, (unsigned)now);
    return 0;
}

static int read_sfdp(struct esptool_board *b)
{
    int64_t count = b->e->args.sfdp_bytes;
    uint8_t bytes[4] = {0};
    char text[32] = "";
    size_t used = 0;

    if (count < 1 || count > 4)
        return esptool_fatal(b->e, "Invalid number of bytes to read from SFDP (1-4).");
    if (kiln_esp_session_read_sfdp(b->session, (uint32_t)b->e->args.address, bytes,
                                   (size_t)count) != KILN_OK)
        return esptool_board_fail(b);
    for (int64_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "0x%02x ", bytes[i]);
    esptool_print(b->e, "Flash memory SFDP[%lld..%lld]: %s", (long long)b->e->args.address,
                  (long long)(b->e->args.address + count - 1), text);
    return 0;
}

/* ALL is all that follows. 0 or exit status. */
static int flash_range(struct esptool_board *b, uint64_t *out_size)
{
    int64_t size = b->e->args.size;
    uint64_t address = (uint64_t)b->e->args.address;
    char text[24];

    if (size == ESPTOOL_ALL && b->about.secure_download)
        return esptool_fatal(b->e, "Detecting flash size is not supported in secure download mode. "
                                   "Set an exact size value.");
    if (size == ESPTOOL_ALL && (b->about.flash_size == 0 || address > b->about.flash_size))
        return esptool_fatal(b->e, "The size of the flash is not known; give it as a number.");
    if (size == ESPTOOL_ALL)
        esptool_print(b->e, "Detected flash size: %s",
                      esptool_size_text(b->about.flash_size, text));
    if (b->e->args.address < 0 || (size < 0 && size != ESPTOOL_ALL))
        return esptool_fatal(b->e, "Address and size must not be negative.");
    *out_size = size == ESPTOOL_ALL ? b->about.flash_size - address : (uint64_t)size;
    return esptool_check_size(b, address, *out_size);
}

static int read_bytes(struct esptool_board *b, uint64_t address, uint8_t *bytes, size_t len)
{
    struct esptool_bar bar = {.e = b->e, .verb = "Reading from", .address = address};
    const struct kiln_esp_progress progress = {esptool_bar_step, &bar};
    enum kiln_status status =
        kiln_esp_session_read_flash(b->session, address, bytes, len, &progress);

    esptool_bar_end(&bar);
    return status == KILN_OK ? 0 : esptool_board_fail(b);
}

static int read_flash(struct esptool_board *b)
{
    const struct esptool_args *args = &b->e->args;
    const char *size_text;
    uint8_t *bytes;
    uint64_t len = 0;
    struct timespec start;
    double took;
    char text[24], speed[32];
    int status = flash_range(b, &len);

    if (status == 0)
        status = esptool_settle_size(b, args->flash_size, text, &size_text);
    if (status != 0)
        return status;
    bytes = esptool_keep(b->e, malloc((size_t)len + 1));
    if (bytes == NULL)
        return esptool_fatal(b->e, "out of memory");
    clock_gettime(CLOCK_MONOTONIC, &start);
    status = read_bytes(b, (uint64_t)args->address, bytes, (size_t)len);
    if (status != 0)
        return status;
    took = esptool_seconds_since(&start);
    esptool_print(b->e, "Read %llu bytes from 0x%08llx in %.1f seconds%s to '%s'.",
                  (unsigned long long)len, (unsigned long long)args->address, took,
                  esptool_speed(len, took, speed), args->output);
    return esptool_save(b->e, args->output, bytes, (size_t)len);
}

static int show_difference(struct esptool_board *b, uint64_t address, const uint8_t *image,
                           size_t len)
{
    uint8_t *flash = esptool_keep(b->e, malloc(len + 1));
    size_t count = 0;
    size_t first = 0;
    int status;

    if (flash == NULL)
        return esptool_fatal(b->e, "out of memory");
    status = read_bytes(b, address, flash, len);
    if (status != 0)
        return status;
    for (size_t i = len; i > 0; i--) {
        if (flash[i - 1] != image[i - 1]) {
            count++;
            first = i - 1;
        }
    }
    esptool_print(b->e, "Verification failed: %zu differences, first at 0x%08llx:", count,
                  (unsigned long long)(address + first));
    for (size_t i = first; i < len && count > 0; i++)
        if (flash[i] != image[i])
            esptool_print(b->e, "   0x%08llx %02x %02x", (unsigned long long)(address + i),
                          flash[i], image[i]);
    return 0;
}

static int verify_file(struct esptool_board *b, const struct esptool_file *file,
                       const char *flash_size, bool *out_same)
{
    size_t len = 0;
    uint8_t *image = esptool_flash_image(b, file, 4, flash_size, &len);
    uint8_t found[16], wanted[16];
    char message[160];

    *out_same = true;
    if (image == NULL)
        return 2;
    len = file->len;
    snprintf(message, sizeof message, "Verifying %#zx (%zu) byte%s at 0x%08llx in flash against",
             len, len, plural(len), (unsigned long long)file->address);
    esptool_print(b->e, "%s '%s'...", message, file->name);
    if (len == 0)
        return 0;
    if (kiln_esp_session_md5(b->session, file->address, len, found) != KILN_OK)
        return esptool_board_fail(b);
    kiln_esp_md5(image, len, wanted);
    *out_same = memcmp(found, wanted, sizeof wanted) == 0;
    if (*out_same)
        esptool_print(b->e, "Verification successful (digest matched).");
    else if (b->e->args.diff)
        return show_difference(b, file->address, image, len);
    else
        esptool_print(b->e, "Verification failed (digest mismatch).");
    return 0;
}

static int verify_flash(struct esptool_board *b)
{
    const char *size = NULL;
    char text[24];
    bool all_same = true;
    int status = esptool_settle_size(b, b->e->args.flash_size, text, &size);

    for (size_t i = 0; i < b->e->args.files.count && status == 0; i++) {
        bool same = true;

        status = verify_file(b, &b->e->args.files.file[i], size, &same);
        all_same = all_same && same;
    }
    if (status == 0 && !all_same)
        return esptool_fatal(b->e, "Verification failed.");
    return status;
}

/* ---- flash: erasing ---- */

static int check_erase(struct esptool_board *b)
{
    struct kiln_esp_protection protection;

    if (b->e->args.force || b->about.secure_download)
        return 0;
    if (kiln_esp_session_protection(b->session, &protection) != KILN_OK)
        return esptool_board_fail(b);
    if (protection.secure_boot || protection.flash_encryption)
        return esptool_fatal(b->e, "Active security features detected, erasing flash is disabled "
                                   "as a safety measure. Use the force argument to override, "
                                   "please use with caution, otherwise it may brick your device!");
    return 0;
}

static int erase_flash(struct esptool_board *b)
{
    struct timespec start;
    int status = check_erase(b);

    if (status != 0)
        return status;
    esptool_print(b->e, "Erasing flash memory (this may take a while)...");
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (kiln_esp_session_erase_all(b->session) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "Flash memory erased successfully in %.1f seconds.",
                  esptool_seconds_since(&start));
    return 0;
}

static int erase_region(struct esptool_board *b)
{
    uint64_t size = 0;
    struct timespec start;
    struct esptool_bar bar = {
        .e = b->e, .verb = "Erasing at", .address = (uint64_t)b->e->args.address};
    const struct kiln_esp_progress progress = {esptool_bar_step, &bar};
    enum kiln_status erased;
    int status = flash_range(b, &size);

    if (status != 0)
        return status;
    if (b->e->args.address % SECTOR != 0)
        return esptool_fatal(b->e, "Offset to erase from must be a multiple of %d.", SECTOR);
    if (size % SECTOR != 0)
        return esptool_fatal(b->e, "Size of data to erase must be a multiple of %d.", SECTOR);
    status = check_erase(b);
    if (status != 0)
        return status;
    esptool_print(b->e, "Erasing flash memory region (this may take a while depending on size)...");
    clock_gettime(CLOCK_MONOTONIC, &start);
    erased = kiln_esp_session_erase(b->session, (uint64_t)b->e->args.address, size, &progress);
    esptool_bar_end(&bar);
    if (erased != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "Flash memory region erased successfully in %.1f seconds.",
                  esptool_seconds_since(&start));
    return 0;
}

/* ---- rows ---- */

#define ON_BOARD(name, needs, work)              \
    static int name(struct esptool *e)           \
    {                                            \
        return esptool_on_board(e, needs, work); \
    }

/* What cannot be written is known before the board is read, which may take minutes. */
#define INTO_FILE(name, needs, work)                               \
    static int name(struct esptool *e)                             \
    {                                                              \
        struct kiln_error error;                                   \
                                                                   \
        if (kiln_file_may_save(e->args.output, &error) != KILN_OK) \
            return esptool_uncaught(e, "%s", error.message);       \
        return esptool_on_board(e, needs, work);                   \
    }

ON_BOARD(cmd_read_mem, 0, esptool_work_read_mem)
ON_BOARD(cmd_write_mem, 0, esptool_work_write_mem)
INTO_FILE(cmd_dump_mem, 0, esptool_work_dump_mem)
ON_BOARD(cmd_load_ram, 0, esptool_work_load_ram)
ON_BOARD(cmd_run, ESPTOOL_ATTACH, esptool_work_run_program)
ON_BOARD(cmd_read_mac, 0, esptool_work_read_mac)
ON_BOARD(cmd_chip_id, 0, esptool_work_chip_id)
ON_BOARD(cmd_security, ESPTOOL_SECURE, esptool_work_get_security_info)
ON_BOARD(cmd_flash_id, ESPTOOL_ATTACH, flash_id)
ON_BOARD(cmd_read_status, ESPTOOL_ATTACH, read_status)
ON_BOARD(cmd_write_status, ESPTOOL_ATTACH, write_status)
ON_BOARD(cmd_read_sfdp, ESPTOOL_ATTACH, read_sfdp)
INTO_FILE(cmd_read_flash, ESPTOOL_ATTACH, read_flash)
ON_BOARD(cmd_verify_flash, ESPTOOL_ATTACH, verify_flash)
ON_BOARD(cmd_erase_flash, ESPTOOL_ATTACH, erase_flash)
ON_BOARD(cmd_erase_region, ESPTOOL_ATTACH | ESPTOOL_SECURE, erase_region)

static const char *const counts[] = {"1", "2", "3", NULL};

/* clang-format off */
static const struct esptool_option
    erase_all = {"--erase-all", "-e", ESPTOOL_FLAG, FIELD(erase_all),
        .help = "erase the whole flash first"},
    no_progress = {"--no-progress", "-p", ESPTOOL_FLAG, FIELD(no_progress),
        .help = "no progress lines"},
    encrypt = {"--encrypt", NULL, ESPTOOL_FLAG, FIELD(encrypt),
        .help = "let the chip encrypt all files", .excludes = "--encrypt-files"},
    encrypt_files = {"--encrypt-files", NULL, ESPTOOL_PAIRS, FIELD(encrypt_files), .eats = true,
        .argument = "ADDRESS FILE...", .help = "further files, which the chip encrypts"},
    ignore_enc = {"--ignore-flash-enc-efuse", NULL, ESPTOOL_FLAG, FIELD(ignore_flash_enc),
        .help = "encrypt whatever the eFuses say"},
    diff_with = {"--diff-with", NULL, ESPTOOL_WORDS, FIELD(diff_with), .eats = true,
        .argument = "FILE...", .help = "what is in flash now, for each file or `skip`: only changed "
        "sectors are written"},
    no_diff_verify = {"--no-diff-verify", NULL, ESPTOOL_FLAG, FIELD(no_diff_verify),
        .help = "take --diff-with at its word"},
    skip_flashed = {"--skip-flashed", "-s", ESPTOOL_FLAG, FIELD(skip_flashed),
        .help = "leave out files that are in flash already"},
    force = {"--force", NULL, ESPTOOL_FLAG, FIELD(force),
        .help = "override the safety checks"},
    compress = {"--compress", "-z", ESPTOOL_FLAG, FIELD(compress), .excludes = "--no-compress",
        .help = "compress what is sent (the default, save with --no-stub)"},
    no_compress = {"--no-compress", "-u", ESPTOOL_FLAG, FIELD(no_compress),
        .excludes = "--compress", .help = "do not compress what is sent"},
    diff = {"--diff", "-d", ESPTOOL_FLAG, FIELD(diff), .help = "show each byte that differs"},
    bytes = {"--bytes", NULL, ESPTOOL_CHOICE, FIELD(status_bytes), .fallback = "2",
        .choices = counts, .help = "number of status registers"},
    non_volatile = {"--non-volatile", NULL, ESPTOOL_FLAG, FIELD(non_volatile),
        .help = "write the bits that stay without power"};
/* clang-format on */

static const struct esptool_option *const write_options[] = {&erase_all,
                                                             &no_progress,
                                                             &encrypt,
                                                             &encrypt_files,
                                                             &ignore_enc,
                                                             &diff_with,
                                                             &no_diff_verify,
                                                             &skip_flashed,
                                                             &force,
                                                             &compress,
                                                             &no_compress,
                                                             &esptool_opt_flash_size_detect,
                                                             &esptool_opt_flash_mode_keep,
                                                             &esptool_opt_flash_freq_keep,
                                                             &esptool_opt_spi_connection,
                                                             NULL};
static const struct esptool_option *const verify_options[] = {&diff,
                                                              &esptool_opt_flash_size_detect,
                                                              &esptool_opt_flash_mode_keep,
                                                              &esptool_opt_flash_freq_keep,
                                                              &esptool_opt_spi_connection,
                                                              NULL};
static const struct esptool_option *const read_options[] = {
    &no_progress, &esptool_opt_flash_size_detect, &esptool_opt_spi_connection, NULL};
static const struct esptool_option *const erase_options[] = {&force, &esptool_opt_spi_connection,
                                                             NULL};
static const struct esptool_option *const pin_options[] = {&esptool_opt_spi_connection, NULL};
static const struct esptool_option *const status_options[] = {&bytes, &esptool_opt_spi_connection,
                                                              NULL};
static const struct esptool_option *const write_status_options[] = {
    &non_volatile, &bytes, &esptool_opt_spi_connection, NULL};
static const struct esptool_option *const sfdp_options[] = {
    &esptool_opt_flash_size_detect, &esptool_opt_flash_mode_keep, &esptool_opt_flash_freq_keep,
    &esptool_opt_spi_connection, NULL};

#define OPERANDS_END                \
    {                               \
        NULL, ESPTOOL_TEXT, 0, NULL \
    }

static const struct esptool_operand pairs[] = {
    {"<ADDRESS> <FILENAME>...", ESPTOOL_PAIRS, FIELD(files), NULL}, OPERANDS_END};
static const struct esptool_operand address[] = {{"ADDRESS", ESPTOOL_INT, FIELD(address), NULL},
                                                 OPERANDS_END};
static const struct esptool_operand write_operands[] = {
    {"ADDRESS", ESPTOOL_INT, FIELD(address), NULL},
    {"VALUE", ESPTOOL_INT, FIELD(value), NULL},
    {"MASK", ESPTOOL_INT, FIELD(mask), "0xffffffff"},
    OPERANDS_END};
static const struct esptool_operand dump_operands[] = {
    {"ADDRESS", ESPTOOL_INT, FIELD(address), NULL},
    {"SIZE", ESPTOOL_SIZE, FIELD(size), NULL},
    {"OUTPUT", ESPTOOL_TEXT, FIELD(output), NULL},
    OPERANDS_END};
static const struct esptool_operand read_operands[] = {
    {"ADDRESS", ESPTOOL_INT, FIELD(address), NULL},
    {"SIZE", ESPTOOL_SIZE_ALL, FIELD(size), NULL},
    {"OUTPUT", ESPTOOL_TEXT, FIELD(output), NULL},
    OPERANDS_END};
static const struct esptool_operand range_operands[] = {
    {"ADDRESS", ESPTOOL_INT, FIELD(address), NULL},
    {"SIZE", ESPTOOL_SIZE_ALL, FIELD(size), NULL},
    OPERANDS_END};
static const struct esptool_operand value_operands[] = {{"VALUE", ESPTOOL_INT, FIELD(value), NULL},
                                                        OPERANDS_END};
static const struct esptool_operand sfdp_operands[] = {
    {"ADDRESS", ESPTOOL_INT, FIELD(address), NULL},
    {"BYTES", ESPTOOL_INT, FIELD(sfdp_bytes), NULL},
    OPERANDS_END};
static const struct esptool_operand file_operands[] = {
    {"FILENAME", ESPTOOL_INPUT, FIELD(files), NULL}, OPERANDS_END};

static const struct esptool_command commands[] = {
    {"write-flash", pairs, write_options, "write files to the flash", ESPTOOL_BASIC,
     esptool_write_flash},
    {"read-flash", read_operands, read_options, "read the flash into a file", ESPTOOL_BASIC,
     cmd_read_flash},
    {"verify-flash", pairs, verify_options, "compare files with the flash", ESPTOOL_BASIC,
     cmd_verify_flash},
    {"erase-flash", NULL, erase_options, "erase the whole flash", ESPTOOL_BASIC, cmd_erase_flash},
    {"erase-region", range_operands, erase_options, "erase sectors of the flash", ESPTOOL_BASIC,
     cmd_erase_region},
    {"flash-id", NULL, pin_options, "show which flash chip it is", ESPTOOL_BASIC, cmd_flash_id},
    {"read-mac", NULL, NULL, "show the MAC address", ESPTOOL_BASIC, cmd_read_mac},
    {"chip-id", NULL, NULL, "show the chip's id, if it has one", ESPTOOL_BASIC, cmd_chip_id},
    {"load-ram", file_operands, NULL, "load an image into RAM and run it", ESPTOOL_ADVANCED,
     cmd_load_ram},
    {"run", NULL, NULL, "run the application in flash", ESPTOOL_ADVANCED, cmd_run},
    {"dump-mem", dump_operands, NULL, "read memory into a file", ESPTOOL_ADVANCED, cmd_dump_mem},
    {"read-mem", address, NULL, "read a word of memory", ESPTOOL_ADVANCED, cmd_read_mem},
    {"write-mem", write_operands, NULL, "change a word of memory", ESPTOOL_ADVANCED, cmd_write_mem},
    {"read-flash-status", NULL, status_options, "read the flash chip's status registers",
     ESPTOOL_ADVANCED, cmd_read_status},
    {"write-flash-status", value_operands, write_status_options,
     "write the flash chip's status registers", ESPTOOL_ADVANCED, cmd_write_status},
    {"read-flash-sfdp", sfdp_operands, sfdp_options, "read the flash chip's own description",
     ESPTOOL_ADVANCED, cmd_read_sfdp},
    {"get-security-info", NULL, NULL, "show the security state", ESPTOOL_ADVANCED, cmd_security},
};

const struct esptool_command *esptool_board_command_at(size_t index)
{
    return index < sizeof commands / sizeof commands[0] ? &commands[index] : NULL;
}
