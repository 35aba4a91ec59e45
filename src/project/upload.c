/* SPDX-License-Identifier: MIT */
/* The names are those of PlatformIO's upload_protocol and of west's runners. */
#include "project/upload.h"

#include "base/bytes.h"
#include "chip/chip.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

enum way {
    OWN,    /* Kiln speaks it */
    PROBE,  /* a debug probe on JTAG or SWD */
    UART,   /* a ROM on a UART, of chips that Kiln reaches by USB */
    DRIVE,  /* a file copied to a drive that the board shows */
    LOADER, /* another bootloader */
    AIR,    /* over the network */
    COMMAND /* a command line of the project's own */
};

static const struct row {
    const char *name;
    enum way way;
} rows[] = {
    {"esptool", OWN},
    {"esp32", OWN},
    {"dfu", OWN},
    {"dfu-util", OWN},

    {"stlink", PROBE},
    {"jlink", PROBE},
    {"jlink-jtag", PROBE},
    {"cmsis-dap", PROBE},
    {"blackmagic", PROBE},
    {"blackmagic-jtag", PROBE},
    {"blackmagicprobe", PROBE},
    {"esp-prog", PROBE},
    {"esp-builtin", PROBE},
    {"esp-bridge", PROBE},
    {"ftdi", PROBE},
    {"minimodule", PROBE},
    {"olimex-arm-usb-ocd", PROBE},
    {"olimex-arm-usb-ocd-h", PROBE},
    {"olimex-arm-usb-tiny-h", PROBE},
    {"olimex-jtag-tiny", PROBE},
    {"tumpa", PROBE},
    {"iot-bus-jtag", PROBE},
    {"atmel-ice", PROBE},
    {"picoprobe", PROBE},
    {"pico-debug", PROBE},
    {"raspberrypi-swd", PROBE},
    {"gd-link", PROBE},
    {"rv-link", PROBE},
    {"wch-link", PROBE},
    {"wlink", PROBE},
    {"sipeed-rv-debugger", PROBE},
    {"um232h", PROBE},
    {"altera-usb-blaster", PROBE},
    {"openocd", PROBE},
    {"pyocd", PROBE},
    {"nrfjprog", PROBE},
    {"stm32cubeprogrammer", PROBE},
    {"stlink_gdbserver", PROBE},
    {"linkserver", PROBE},
    {"probe-rs", PROBE},

    {"serial", UART},
    {"stm32flash", UART},

    {"mbed", DRIVE},
    {"uf2", DRIVE},
    {"picotool", DRIVE},
    {"pico", DRIVE},

    {"sam-ba", LOADER},
    {"bossac", LOADER},
    {"nrfutil", LOADER},
    {"hid", LOADER},
    {"teensy", LOADER},
    {"teensy-cli", LOADER},
    {"teensy-gui", LOADER},
    {"isp", LOADER},
    {"mspdebug", LOADER},
    {"rf2500", LOADER},

    {"espota", AIR},

    {"custom", COMMAND},
};

static const struct row *find(const char *protocol)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].name, protocol) == 0)
            return &rows[i];
    return NULL;
}

static const struct kiln_project_option *option(const struct kiln_build_env *env, const char *name)
{
    return kiln_project_option(&env->is, name);
}

/* What uploads with the build system's own tools. */
static const char *own_command(struct kiln_build *build, const struct kiln_build_env *env)
{
    const char *system = build->project.system;

    if (strcmp(system, kiln_project_platformio.name) == 0)
        return kiln_arena_printf(&build->arena, "pio run -e %s -t upload", env->is.name);
    return strcmp(system, kiln_project_zephyr.name) == 0    ? "west flash"
           : strcmp(system, kiln_project_klipper.name) == 0 ? "make flash"
                                                            : "arduino-cli upload";
}

/* How Kiln reaches the chip instead. */
static const char *instead(const struct kiln_build_env *env)
{
    const struct kiln_chip *chip = env->is.chip != NULL ? kiln_chip_find(env->is.chip) : NULL;
    uint64_t base;

    if (chip != NULL && chip->esp != NULL)
        return "Kiln writes the same files through the board's serial port";
    if ((chip != NULL && chip->stm32 != NULL) ||
        (env->is.chip != NULL && kiln_chip_flash_base(env->is.chip, &base)))
        return "Kiln writes the same files by USB DFU: BOOT0 high, then reset";
    return "Kiln can write the same files if the board runs a DFU bootloader";
}

/* The same program as a UF2 file, if the build made one. */
static const char *as_uf2(struct kiln_build *build, const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *uf2 =
        dot != NULL ? kiln_arena_printf(&build->arena, "%.*s.uf2", (int)(dot - path), path) : NULL;

    return uf2 != NULL && kiln_file_exists(uf2) ? uf2 : path;
}

static void explain_drive(struct kiln_build *build, struct kiln_build_env *env)
{
    const char *file = NULL;

    for (size_t i = 0; i < env->is.file_count; i++)
        if (file == NULL || strcmp(env->is.files[i].what, "application") == 0)
            file = env->is.files[i].path;
    if (file != NULL && strcmp(env->is.protocol, "mbed") != 0)
        file = as_uf2(build, file);
    if (file != NULL)
        kiln_build_note(build, env,
                        "%s means the drive that the board shows in its bootloader, which Kiln "
                        "does not write to: copy %s there; %s",
                        env->is.protocol, kiln_build_shown(build, file), instead(env));
}

/* The port of the project is the probe's ("jlink", the GDB port of a Black Magic Probe). */
static void explain_probe(struct kiln_build *build, struct kiln_build_env *env)
{
    kiln_build_note(build, env, "%s is a debug probe, which Kiln does not use%s%s; %s",
                    env->is.protocol, env->is.port != NULL ? ", nor its upload_port " : "",
                    env->is.port != NULL ? env->is.port : "", instead(env));
    env->is.port = NULL;
}

static void explain_command(struct kiln_build *build, struct kiln_build_env *env)
{
    const struct kiln_project_option *command = option(env, "upload_command");

    if (command != NULL && command->place.file != NULL)
        kiln_build_note(build, env,
                        "upload_command (%s:%u) is not run; what was built is written as its files "
                        "say",
                        command->place.file, command->place.line);
    else
        kiln_build_note(build, env,
                        "the project uploads in a way of its own; what was built is written as its "
                        "files say");
}

/* Options on the command line of the other tool. */
static void explain_flags(struct kiln_build *build, struct kiln_build_env *env)
{
    const struct kiln_project_option *flags = option(env, "upload_flags");

    if (flags == NULL || flags->kind != KILN_PROJECT_LIST || flags->count == 0)
        return;
    kiln_build_note(build, env, "upload_flags%s%s are for %s's own command line and are not used",
                    flags->place.file != NULL ? " of " : "",
                    flags->place.file != NULL ? flags->place.file : "",
                    env->is.protocol != NULL ? env->is.protocol : "the uploader");
}

/* Kiln has no loader for the whole family: by the name in the board's manifest, by the platform, or by the program. */
static bool is_avr(const struct kiln_build_env *env)
{
    static const char *const names[] = {"atmega", "attiny", "atxmega", "at90", "avr"};
    const struct kiln_project_option *platform = option(env, "platform");

    for (size_t i = 0; env->is.chip != NULL && i < KILN_ARRAY_LEN(names); i++)
        if (strncmp(env->is.chip, names[i], strlen(names[i])) == 0)
            return true;
    if (env->is.chip != NULL)
        return false;
    if (platform != NULL && platform->kind == KILN_PROJECT_TEXT &&
        (strncmp(platform->texts[0], "atmelavr", 8) == 0 ||
         strncmp(platform->texts[0], "atmelmegaavr", 12) == 0))
        return true;
    return env->is.elf != NULL && kiln_build_look(env->is.elf).info.elf_machine == EM_AVR;
}

void kiln_upload_explain(struct kiln_build *build, struct kiln_build_env *env)
{
    const char *protocol = env->is.protocol;
    const struct row *row = protocol != NULL ? find(protocol) : NULL;

    if (is_avr(env)) {
        env->is.not_ready = NULL;
        kiln_build_not_ready(build, env, "%s is an AVR, which Kiln does not flash: %s",
                             env->is.chip != NULL    ? env->is.chip
                             : env->is.board != NULL ? env->is.board
                                                     : "the program",
                             own_command(build, env));
        return;
    }
    if (env->is.not_ready != NULL)
        return;
    explain_flags(build, env);
    if (option(env, "upload_command") != NULL || (row != NULL && row->way == COMMAND))
        explain_command(build, env);
    else if (row == NULL && protocol != NULL)
        kiln_build_note(build, env,
                        "the upload protocol '%s' is not known to Kiln; what was built is written "
                        "as its files say",
                        protocol);
    else if (row != NULL && row->way == PROBE)
        explain_probe(build, env);
    else if (row != NULL && row->way == UART)
        kiln_build_note(build, env,
                        "%s speaks to the chip's ROM on a UART, which Kiln does not; %s", protocol,
                        instead(env));
    else if (row != NULL && row->way == LOADER)
        kiln_build_note(build, env, "Kiln does not speak %s: %s; %s", protocol,
                        own_command(build, env), instead(env));
    else if (row != NULL && row->way == DRIVE)
        explain_drive(build, env);
    else if (row != NULL && row->way == AIR)
        kiln_build_note(build, env,
                        "%s goes over the air; Kiln writes the same files through a cable",
                        protocol);
}

/* ---- esptool's words; its defaults, "default-reset" and "hard-reset", are what Kiln does by itself ---- */

struct word {
    const char *theirs, *ours;
};

static const char *look_up(const struct word *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        const char *a = words[i].theirs, *b = word;

        while (*a != '\0' && (*a == *b || (*a == '-' && *b == '_'))) {
            a++;
            b++;
        }
        if (*a == '\0' && *b == '\0')
            return words[i].ours;
    }
    return NULL;
}

const char *kiln_upload_before(const char *word)
{
    static const struct word words[] = {
        {"usb-reset", "usb"}, {"no-reset", "no-reset"}, {"no-reset-no-sync", "no-sync"}};

    return look_up(words, KILN_ARRAY_LEN(words), word);
}

const char *kiln_upload_after(const char *word)
{
    static const struct word words[] = {{"soft-reset", "soft"},
                                        {"no-reset", "stay"},
                                        {"no-reset-stub", "stay-stub"},
                                        {"watchdog-reset", "watchdog"}};

    return look_up(words, KILN_ARRAY_LEN(words), word);
}
