/* SPDX-License-Identifier: MIT */
/* Options before the command, and those that several commands have. */
#include "cli/compat_esptool.h"

#include <string.h>

#define FIELD(name) offsetof(struct esptool_args, name)

static const char *chip_at(size_t index)
{
    const struct kiln_chip *chip;

    if (index == 0)
        return "auto";
    for (size_t i = 0; (chip = kiln_chip_number(i)) != NULL; i++) {
        struct kiln_chip_summary summary = kiln_chip_summary(chip);

        if (strcmp(summary.family, "esp") == 0 && --index == 0)
            return summary.name;
    }
    return NULL;
}

static const char *const befores[] = {"default-reset", "usb-reset", "no-reset", "no-reset-no-sync",
                                      NULL};
static const char *const afters[] = {"hard-reset",    "soft-reset",     "no-reset",
                                     "no-reset-stub", "watchdog-reset", NULL};
static const char *const stubs[] = {"1", "2", NULL};
static const char *const voltages[] = {"1.8V", "1.9V", "OFF", NULL};

#define FREQUENCIES "80m", "60m", "48m", "40m", "30m", "26m", "24m", "20m", "16m", "15m", "12m"
#define MODES       "qio", "qout", "dio", "dout"
#define SIZES                                                                                 \
    "256KB", "512KB", "1MB", "2MB", "2MB-c1", "4MB", "4MB-c1", "8MB", "16MB", "32MB", "64MB", \
        "128MB"

static const char *const frequencies[] = {FREQUENCIES, NULL};
static const char *const frequencies_keep[] = {"keep", FREQUENCIES, NULL};
static const char *const modes[] = {MODES, NULL};
static const char *const modes_keep[] = {"keep", MODES, NULL};
static const char *const sizes[] = {SIZES, NULL};
static const char *const sizes_keep[] = {"keep", SIZES, NULL};
static const char *const sizes_detect[] = {"detect", "keep", SIZES, NULL};

/* clang-format off */
const struct esptool_option
    esptool_opt_flash_freq = {"--flash-freq", "-ff", ESPTOOL_CHOICE, FIELD(flash_freq),
        .env = "ESPTOOL_FF", .choices = frequencies, .help = "SPI clock in the image header"},
    esptool_opt_flash_freq_keep = {"--flash-freq", "-ff", ESPTOOL_CHOICE, FIELD(flash_freq),
        .fallback = "keep", .env = "ESPTOOL_FF", .choices = frequencies_keep,
        .help = "SPI clock in the header of the bootloader"},
    esptool_opt_flash_mode = {"--flash-mode", "-fm", ESPTOOL_CHOICE, FIELD(flash_mode),
        .fallback = "qio", .env = "ESPTOOL_FM", .choices = modes,
        .help = "SPI mode in the image header"},
    esptool_opt_flash_mode_keep = {"--flash-mode", "-fm", ESPTOOL_CHOICE, FIELD(flash_mode),
        .fallback = "keep", .env = "ESPTOOL_FM", .choices = modes_keep,
        .help = "SPI mode in the header of the bootloader"},
    esptool_opt_flash_size = {"--flash-size", "-fs", ESPTOOL_CHOICE, FIELD(flash_size),
        .fallback = "1MB", .env = "ESPTOOL_FS", .choices = sizes,
        .help = "flash size in the image header; 256KB, 512KB and -c1 are for the ESP8266"},
    esptool_opt_flash_size_keep = {"--flash-size", "-fs", ESPTOOL_CHOICE, FIELD(flash_size),
        .fallback = "keep", .env = "ESPTOOL_FS", .choices = sizes_keep,
        .help = "flash size in the header of the bootloader"},
    esptool_opt_flash_size_detect = {"--flash-size", "-fs", ESPTOOL_CHOICE, FIELD(flash_size),
        .fallback = "keep", .env = "ESPTOOL_FS", .choices = sizes_detect,
        .help = "flash size in the header of the bootloader"},
    esptool_opt_spi_connection = {"--spi-connection", "-sc", ESPTOOL_SPI, FIELD(spi_connection),
        .argument = "PINS", .help = "where the flash is: SPI, HSPI, or five pins CLK,Q,D,HD,CS"};

static const struct esptool_option
    chip = {"--chip", "-c", ESPTOOL_CHIP, FIELD(chip), .fallback = "auto", .env = "ESPTOOL_CHIP",
        .choice_at = chip_at, .help = "what the chip is"},
    port = {"--port", "-p", ESPTOOL_TEXT, FIELD(port), .env = "ESPTOOL_PORT", .argument = "PORT",
        .help = "serial port"},
    baud = {"--baud", "-b", ESPTOOL_RATE, FIELD(baud), .fallback = "115200",
        .env = "ESPTOOL_BAUD", .argument = "RATE",
        .help = "rate for flashing and reading"},
    port_filter = {"--port-filter", NULL, ESPTOOL_WORDS, FIELD(port_filter), .eats = true,
        .argument = "KEY=VALUE...", .help = "which ports to try: vid=N, pid=N, name=PART, serial=PART"},
    before = {"--before", NULL, ESPTOOL_RESET, FIELD(before), .fallback = "default-reset",
        .env = "ESPTOOL_BEFORE", .choices = befores, .help = "how to reach the boot loader"},
    after = {"--after", "-a", ESPTOOL_RESET, FIELD(after), .fallback = "hard-reset",
        .env = "ESPTOOL_AFTER", .choices = afters, .help = "how to leave it"},
    no_stub = {"--no-stub", NULL, ESPTOOL_FLAG, FIELD(no_stub),
        .help = "work through the boot ROM alone"},
    stub_version = {"--stub-version", NULL, ESPTOOL_CHOICE, FIELD(stub_version),
        .env = "ESPTOOL_STUB_VERSION", .choices = stubs, .hidden = true, .help = "which stub"},
    trace = {"--trace", "-t", ESPTOOL_FLAG, FIELD(trace), .help = "show every exchange"},
    verbose = {"--verbose", "-v", ESPTOOL_FLAG, FIELD(verbose), .help = "keep all lines"},
    silent = {"--silent", "-s", ESPTOOL_FLAG, FIELD(silent), .help = "only errors"},
    override_vddsdio = {"--override-vddsdio", NULL, ESPTOOL_CHOICE, FIELD(override_vddsdio),
        .choices = voltages, .help = "ESP32: flash voltage by the internal regulator"},
    connect_attempts = {"--connect-attempts", NULL, ESPTOOL_DECIMAL, FIELD(connect_attempts),
        .env = "ESPTOOL_CONNECT_ATTEMPTS", .min = INT32_MIN, .max = INT32_MAX, .argument = "N",
        .help = "how often to try, 7 times if nobody says; 0 or less: without end"};
/* clang-format on */

const struct esptool_option *const esptool_global_options[] = {&chip,
                                                               &port,
                                                               &baud,
                                                               &port_filter,
                                                               &before,
                                                               &after,
                                                               &no_stub,
                                                               &stub_version,
                                                               &trace,
                                                               &verbose,
                                                               &silent,
                                                               &override_vddsdio,
                                                               &connect_attempts,
                                                               NULL};

const char *esptool_choice(const struct esptool_option *option, size_t index)
{
    if (option->choice_at != NULL)
        return option->choice_at(index);
    return option->choices != NULL ? option->choices[index] : NULL;
}
