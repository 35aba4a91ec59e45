/* SPDX-License-Identifier: MIT */
/*
 * `kiln info` shows what a chip tells, whatever single request it refuses: every request of a run is refused once.
 * Only which chip it is must be answered. Fails if any other refusal ends the job or is passed over in silence.
 */
#include "job/job_internal.h"

#include "base/bytes.h"
#include "tests/unit/sim_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    enum kiln_status status;
    struct kiln_error error;
    char title[64], serial[64], notes[4096];
    bool device;
    uint64_t commands;
    size_t partitions, otadata, apps;
    char boots[20];
    bool has_security, has_flash, has_header;
    struct kiln_event_security security;
    struct kiln_event_flash flash;
    struct kiln_event_boot_header header;
};

static const uint8_t table[] = {0xaa, 0x50, 1,   0,   0,   0xd0, 0,    0,    0,   0x20, 0, 0, 'o',
                                't',  'a',  'd', 'a', 't', 'a',  0,    0,    0,   0,    0, 0, 0,
                                0,    0,    0,   0,   0,   0,    0xaa, 0x50, 0,   0x10, 0, 0, 1,
                                0,    0,    0,   4,   0,   'o',  't',  'a',  '_', '0',  0, 0, 0,
                                0,    0,    0,   0,   0,   0,    0,    0,    0,   0,    0, 0};

static void take_target(struct seen *seen, const struct kiln_event_target *target)
{
    seen->device = true;
    snprintf(seen->title, sizeof seen->title, "%s", target->title);
    snprintf(seen->serial, sizeof seen->serial, "%s", target->serial);
    snprintf(seen->boots, sizeof seen->boots, "%s", target->boots);
    seen->has_security = target->security != NULL;
    seen->has_flash = target->flash != NULL;
    seen->has_header = target->boot_header != NULL;
    if (target->security != NULL)
        seen->security = *target->security;
    if (target->flash != NULL)
        seen->flash = *target->flash;
    if (target->boot_header != NULL)
        seen->header = *target->boot_header;
    seen->partitions = target->partition_count;
    seen->otadata = target->otadata_count;
    for (size_t i = 0; i < target->partition_count; i++)
        seen->apps += target->partitions[i].app != NULL;
}

static void take(void *user, const struct kiln_event *event)
{
    struct seen *seen = user;
    size_t used = strlen(seen->notes);

    if (event->kind == KILN_EVENT_DEVICE)
        take_target(seen, event->target);
    if (event->kind == KILN_EVENT_NOTE)
        snprintf(seen->notes + used, sizeof seen->notes - used, "%s\n", event->text);
    if (event->kind != KILN_EVENT_RESULT)
        return;
    seen->status = event->result->status;
    if (event->result->error != NULL)
        seen->error = *event->result->error;
}

/* The beginning of a bootloader's image for the ESP32: DIO, 80 MHz, 4 MB. */
static const uint8_t bootloader[24] = {0xe9, 3, 2, 0x2f, 0, 0, 8, 0x40, 0xee};

static void look(const char *knobs_text, struct seen *seen)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct sim_bed bed;
    uint8_t *flash;
    size_t size;

    *seen = (struct seen){0};
    sim_bed_open(&bed, knobs_text, KILN_SIM_NEVER);
    flash = sim_bed_flash(&bed, &size);
    memcpy(flash + 0x8000, table, sizeof table);
    memcpy(flash + 0x1000, bootloader, sizeof bootloader);
    request.verb = KILN_VERB_INFO;
    request.device = "sim";
    sim_bed_run(&bed, &request, NULL, take, seen);
    seen->commands = bed.uart->ops->counts(bed.uart)->commands;
    sim_bed_close(&bed);
}

static void each_request_may_be_refused(void **state)
{
    static const char *const boards[] = {"esp32",   "esp32c3", "esp32s3",         "esp32c6",
                                         "esp32p4", "esp8266", "esp32c3?secure=1"};
    struct seen whole, seen;
    char knobs[80];

    (void)state;
    for (size_t b = 0; b < KILN_ARRAY_LEN(boards); b++) {
        unsigned ended = 0, silent = 0;

        look(boards[b], &whole);
        assert_int_equal(whole.status, KILN_OK);
        for (uint64_t n = 0; n < whole.commands; n++) {
            snprintf(knobs, sizeof knobs, "%s%crefuse=%u", boards[b],
                     strchr(boards[b], '?') != NULL ? '&' : '?', (unsigned)n);
            look(knobs, &seen);
            ended += seen.status != KILN_OK;
            if (seen.status != KILN_OK && strstr(seen.error.message, "which chip it is") == NULL)
                fail_msg("%s: %s", knobs, seen.error.message);
            silent += seen.status == KILN_OK && strlen(seen.notes) <= strlen(whole.notes);
        }
        /* A first SYNC may be refused unseen, and the probes of a higher rate: one goes slower then. */
        if (ended > 1 || silent > 20)
            fail_msg("%s: %u runs ended, %u said nothing", boards[b], ended, silent);
    }
}

static void refusals_are_named(void **state)
{
    struct seen seen;

    (void)state;
    look("esp32?variant=dead-flash", &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_non_null(strstr(seen.notes, "the SPI flash does not answer"));
    assert_string_equal(seen.title, "ESP32-D0WD-V3 (revision v3.1)");
    look("esp32c3?secure=1", &seen);
    assert_int_equal(seen.status, KILN_OK);
    assert_non_null(strstr(seen.notes, "secure download mode: the chip can be written"));
    assert_string_equal(seen.title, "ESP32-C3");
}

static void slots_are_fields(void **state)
{
    struct seen seen;

    (void)state;
    look("esp32", &seen);
    assert_int_equal(seen.partitions, 2);
    assert_int_equal(seen.otadata, 2);
    assert_int_equal(seen.apps, 1);
    assert_string_equal(seen.boots, "ota_0");
}

static void what_is_open_is_told(void **state)
{
    struct seen seen;

    (void)state;
    look("esp32c3", &seen);
    assert_true(seen.has_security && seen.security.has_flags && seen.security.has_fuses);
    assert_int_equal(seen.security.jtag, KILN_JTAG_OPEN);
    assert_false(seen.security.secure_boot || seen.security.flash_encryption ||
                 seen.security.flash_key || seen.security.usb_off);
    assert_true(seen.security.rom_encrypts);
    assert_int_equal(seen.security.key_count, 6);
    assert_string_equal(seen.security.keys[5].name, "USER/EMPTY");
    look("esp32", &seen);
    assert_true(seen.has_security && seen.security.has_fuses && !seen.security.has_flags);
    assert_int_equal(seen.security.jtag, KILN_JTAG_OPEN);
    assert_int_equal(seen.security.key_count, 0);
    look("esp8266", &seen);
    assert_false(seen.has_security);
    assert_true(seen.has_flash);
}

static void what_is_locked_is_told(void **state)
{
    struct seen seen;

    (void)state;
    look("esp32s3?variant=secure-boot", &seen);
    assert_true(seen.security.secure_boot && !seen.security.flash_encryption);
    assert_int_equal(seen.security.secure_boot_version, 2);
    assert_int_equal(seen.security.jtag, KILN_JTAG_OFF);
    assert_int_equal(seen.security.revoked_digests, 6);
    assert_string_equal(seen.security.keys[0].name, "SECURE_BOOT_DIGEST0");
    assert_int_equal(seen.security.keys[0].purpose, 9);
    look("esp32c3?variant=encrypted-release", &seen);
    assert_true(seen.security.flash_encryption && seen.security.flash_key);
    assert_false(seen.security.rom_encrypts);
    assert_true(seen.security.download_icache_off && !seen.security.download_dcache_off);
    assert_int_equal(seen.security.crypt_count, 1);
    assert_string_equal(seen.security.keys[0].name, "XTS_AES_128_KEY");
    look("esp32?variant=encrypted", &seen);
    assert_true(seen.security.flash_encryption && seen.security.flash_key);
    assert_true(seen.security.rom_encrypts);
    assert_int_equal(seen.security.jtag, KILN_JTAG_OFF);
    look("esp32c3?secure=1", &seen);
    assert_true(seen.security.secure_download && !seen.security.has_fuses);
    assert_false(seen.has_flash || seen.has_header);
}

static void the_flash_is_told(void **state)
{
    struct seen seen;

    (void)state;
    look("esp32", &seen);
    assert_int_equal(seen.flash.manufacturer, 0xef);
    assert_string_equal(seen.flash.maker, "Winbond");
    assert_int_equal(seen.flash.device, 0x4016);
    assert_int_equal(seen.flash.size, 4u << 20);
    assert_true(seen.flash.has_status && seen.flash.has_sfdp && seen.flash.sfdp);
    assert_int_equal(seen.flash.sfdp_major * 100 + seen.flash.sfdp_minor, 105);
    assert_int_equal(seen.flash.sfdp_size, 4u << 20);
    assert_string_equal(seen.flash.supply_by, "strapping pin");
    assert_int_equal(seen.flash.supply_mv, 3300);
    assert_int_equal(seen.flash.data_lines, 0);
    assert_true(seen.has_header);
    assert_string_equal(seen.header.mode, "dio");
    assert_string_equal(seen.header.frequency, "80m");
    assert_string_equal(seen.header.size, "4MB");
    look("esp32c3", &seen); /* another chip's image, at a place that is none */
    assert_false(seen.has_header);
    assert_string_equal(seen.flash.supply_by, "");
    look("esp32s3", &seen);
    assert_int_equal(seen.flash.data_lines, 4);
    look("esp32?variant=dead-flash", &seen);
    assert_false(seen.has_flash || seen.has_header);
}

static void the_classic_chip_has_no_secure_download(void **state)
{
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_sim_uart *uart;
    struct kiln_ctx ctx;

    (void)state;
    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    assert_int_equal(kiln_sim_knobs_parse(&ctx, "esp32?secure=1", &knobs), KILN_OK);
    assert_int_equal(kiln_sim_board_find("esp32")->make_uart(&ctx, &knobs, &uart), KILN_E_ARG);
    assert_non_null(strstr(ctx.error.message, "secure boot is variant=secure-boot"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_may_be_refused),
        cmocka_unit_test(refusals_are_named),
        cmocka_unit_test(slots_are_fields),
        cmocka_unit_test(what_is_open_is_told),
        cmocka_unit_test(what_is_locked_is_told),
        cmocka_unit_test(the_flash_is_told),
        cmocka_unit_test(the_classic_chip_has_no_secure_download),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
