/* SPDX-License-Identifier: MIT */
/*
 * ESP sessions through the public API on simulated boards: what a caller is promised in kiln/esp.h. The boards do
 * not know the codec, but whether the requests are those of the real ROM only a real ROM tells.
 */
#include <kiln/esp.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN 0x3000u

struct seen {
    unsigned writes, reads, commands, packets;
    unsigned last_op;
};

static void see(void *user, enum kiln_esp_watch what, unsigned op, const uint8_t *bytes, size_t len)
{
    struct seen *seen = user;

    assert_true(len == 0 || bytes != NULL);
    seen->writes += what == KILN_ESP_WATCH_WRITE;
    seen->reads += what == KILN_ESP_WATCH_READ;
    seen->commands += what == KILN_ESP_WATCH_COMMAND;
    seen->packets += what == KILN_ESP_WATCH_PACKET;
    if (what == KILN_ESP_WATCH_COMMAND)
        seen->last_op = op;
}

static void must(struct kiln_esp_session *session, enum kiln_status status)
{
    const struct kiln_error *error = kiln_esp_session_error(session);

    if (status != KILN_OK)
        fail_msg("%s: %s %s", kiln_status_name(status), error->message, error->context);
}

static struct kiln_esp_session *create(const char *device, bool no_stub)
{
    struct kiln_esp_session_options options = KILN_ESP_SESSION_OPTIONS_INIT;
    struct kiln_esp_session *session = NULL;

    options.device = device;
    options.no_stub = no_stub;
    assert_int_equal(kiln_esp_session_create(&options, &session), KILN_OK);
    return session;
}

static struct kiln_esp_session *attached(const char *device, bool no_stub)
{
    struct kiln_esp_session *session = create(device, no_stub);

    must(session, kiln_esp_session_connect(session));
    must(session, kiln_esp_session_start(session));
    must(session, kiln_esp_session_attach(session, KILN_ESP_PINS_DEFAULT));
    return session;
}

static void the_chip_tells_who_it_is(void **state)
{
    struct kiln_esp_session *session = create("sim:esp32", false);
    struct kiln_esp_about about;

    (void)state;
    kiln_esp_session_about(session, &about);
    assert_string_equal(about.chip, "");
    must(session, kiln_esp_session_connect(session));
    kiln_esp_session_about(session, &about);
    assert_string_equal(about.chip, "esp32");
    assert_string_equal(about.title, "ESP32");
    assert_int_equal(about.boot_offset, 0x1000);
    assert_int_equal(about.encrypted_align, 32);
    assert_int_equal(about.mac_len, 6);
    assert_int_equal(about.revision, 301);
    assert_false(about.stub);
    assert_true(about.has_reset_lines);
    must(session, kiln_esp_session_attach(session, KILN_ESP_PINS_DEFAULT));
    kiln_esp_session_about(session, &about);
    assert_int_equal(about.flash_size, 4u << 20);
    must(session, kiln_esp_session_leave(session));
    assert_int_equal(kiln_esp_session_attach(session, 0), KILN_E_ARG);
    kiln_esp_session_free(session);
}

static void flash_needs_attach_and_a_connection(void **state)
{
    struct kiln_esp_session *session = create("sim:esp32", true);
    uint8_t md5[16];
    uint32_t value;

    (void)state;
    assert_int_equal(kiln_esp_session_read_reg(session, 0x40001000, &value), KILN_E_ARG);
    must(session, kiln_esp_session_connect(session));
    assert_int_equal(kiln_esp_session_md5(session, 0, 16, md5), KILN_E_UNSUPPORTED);
    kiln_esp_session_free(session);
}

static void registers_and_ram_change_under_a_mask(void **state)
{
    struct kiln_esp_session *session = create("sim:esp32", true);
    uint8_t bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint32_t value = 0;

    (void)state;
    must(session, kiln_esp_session_connect(session));
    must(session, kiln_esp_session_read_reg(session, 0x40001000, &value));
    assert_int_equal(value, 0x00f01d83);
    must(session, kiln_esp_session_write_reg(session, 0x3ffb0000, 0x12345678, 0xffffffff));
    must(session, kiln_esp_session_write_reg(session, 0x3ffb0000, 0xabad1dea, 0x0000ffff));
    must(session, kiln_esp_session_read_reg(session, 0x3ffb0000, &value));
    assert_int_equal(value, 0x12341dea);
    must(session, kiln_esp_session_set_flash_supply(session, 1800));
    must(session, kiln_esp_session_read_reg(session, 0x3ff48074, &value));
    assert_int_equal(value, 0x80600000);
    assert_int_equal(kiln_esp_session_set_flash_supply(session, 3300), KILN_E_ARG);
    must(session, kiln_esp_session_write_ram(session, 0x3ffb1000, bytes, sizeof bytes));
    must(session, kiln_esp_session_read_reg(session, 0x3ffb1004, &value));
    assert_int_equal(value, 0x08070605);
    kiln_esp_session_free(session);
}

/* Where the ROM jumps nowhere under secure boot a stub is started by another way, or not at all. */
static void a_stub_starts_under_secure_boot_where_it_can(void **state)
{
    static const struct {
        const char *device;
        bool stub;
    } cases[] = {
        {"sim:esp32?variant=secure-boot", true},
        {"sim:esp32s3?variant=secure-boot", true},
        {"sim:esp32c3?variant=secure-boot", false},
        {"sim:esp32c6?variant=secure-boot", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kiln_esp_session *session = attached(cases[i].device, false);
        struct kiln_esp_protection protection;
        struct kiln_esp_about about;
        uint8_t md5[16];

        kiln_esp_session_about(session, &about);
        assert_int_equal(about.stub, cases[i].stub);
        assert_int_equal(about.no_stub_reason == NULL, cases[i].stub);
        must(session, kiln_esp_session_protection(session, &protection));
        assert_true(protection.secure_boot);
        must(session, kiln_esp_session_md5(session, 0, 0x1000, md5));
        kiln_esp_session_free(session);
    }
}

/* Pins that the chip has not, or has for something else. */
static void pins_of_the_flash_are_checked(void **state)
{
    static const struct {
        const char *device;
        uint32_t pins;
        enum kiln_status status;
    } cases[] = {
        {"sim:esp32", KILN_ESP_PINS(6, 7, 8, 9, 11), KILN_OK},
        {"sim:esp32", KILN_ESP_PINS(6, 7, 8, 32, 33), KILN_OK},
        {"sim:esp32", KILN_ESP_PINS(6, 7, 8, 9, 30), KILN_E_ARG},
        {"sim:esp32", KILN_ESP_PINS_HSPI, KILN_OK},
        {"sim:esp32s3", KILN_ESP_PINS(30, 31, 32, 46, 48), KILN_OK},
        {"sim:esp32s3", KILN_ESP_PINS(30, 31, 32, 47, 48), KILN_E_ARG},
        {"sim:esp32s3", KILN_ESP_PINS(22, 31, 32, 27, 48), KILN_E_ARG},
        {"sim:esp32c3", KILN_ESP_PINS(18, 1, 2, 3, 4), KILN_OK},
        {"sim:esp32c3", KILN_ESP_PINS(0, 1, 2, 3, 22), KILN_E_ARG},
        {"sim:esp8266", KILN_ESP_PINS(6, 7, 8, 9, 11), KILN_E_UNSUPPORTED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kiln_esp_session *session = create(cases[i].device, true);
        struct kiln_esp_about about;

        must(session, kiln_esp_session_connect(session));
        assert_int_equal(kiln_esp_session_attach(session, cases[i].pins), cases[i].status);
        kiln_esp_session_about(session, &about);
        assert_int_equal(strstr(about.notes, "USB") != NULL,
                         strcmp(cases[i].device, "sim:esp32c3") == 0 && cases[i].status == KILN_OK);
        kiln_esp_session_free(session);
    }
}

static void flash_chip_tells_sfdp_and_status(void **state)
{
    struct kiln_esp_session *session = attached("sim:esp32", true);
    uint8_t sfdp[4];
    uint32_t status = 0;

    (void)state;
    must(session, kiln_esp_session_read_sfdp(session, 0, sfdp, 4));
    assert_memory_equal(sfdp, "SFDP", 4);
    must(session, kiln_esp_session_write_status(session, 2, 0x0204, false));
    must(session, kiln_esp_session_read_status(session, 2, &status));
    assert_int_equal(status, 0x0204);
    must(session, kiln_esp_session_write_status(session, 1, 0, true));
    must(session, kiln_esp_session_read_status(session, 3, &status));
    assert_int_equal(status & 0xff, 0);
    assert_int_equal(kiln_esp_session_read_status(session, 4, &status), KILN_E_ARG);
    kiln_esp_session_free(session);
}

/* Erasing and writing take the length of the address from the controller's registers: an ESP32 that had lost it
 * said "done" and erased nothing. */
static void spi_commands_leave_the_controller_as_it_was(void **state)
{
    static const uint32_t registers[] = {0x3ff4201c, 0x3ff42020, 0x3ff42024};
    struct kiln_esp_session *session = attached("sim:esp32", true);
    uint32_t value = 0;
    uint8_t sfdp[4];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        must(session, kiln_esp_session_write_reg(session, registers[i], 0x5c000007 + (uint32_t)i,
                                                 0xffffffff));
    must(session, kiln_esp_session_read_sfdp(session, 0, sfdp, 4));
    must(session, kiln_esp_session_read_status(session, 2, &value));
    for (size_t i = 0; i < 3; i++) {
        must(session, kiln_esp_session_read_reg(session, registers[i], &value));
        assert_int_equal(value, 0x5c000007 + i);
    }
    kiln_esp_session_free(session);
}

/* An odd address and length: what stands around it in its sectors is erased, what is further stays. */
static void any_region_is_written(const char *device, bool no_stub, bool plain)
{
    struct kiln_esp_session *session = attached(device, no_stub);
    uint8_t *bytes = malloc(LEN);
    uint8_t *back = malloc(LEN);
    struct kiln_esp_write write = {.size = sizeof write, .plain = plain};
    uint64_t wire = 0;
    uint8_t found[16], wanted[16];

    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (uint8_t)(i / 7);
    write.address = 0x10000;
    write.bytes = bytes;
    write.len = LEN;
    must(session, kiln_esp_session_write(session, &write, NULL, &wire));
    /* A boot ROM gets nothing compressed. */
    assert_true(plain || no_stub ? wire == LEN : wire > 0 && wire < LEN);
    write.address = 0x11104;
    write.len = 333;
    must(session, kiln_esp_session_write(session, &write, NULL, &wire));
    must(session, kiln_esp_session_md5(session, 0x11104, 333, found));
    kiln_esp_md5(bytes, 333, wanted);
    assert_memory_equal(found, wanted, 16);
    must(session, kiln_esp_session_read_flash(session, 0x10000, back, LEN, NULL));
    assert_memory_equal(back, bytes, 0x1000);
    assert_int_equal(back[0x1103], 0xff);
    assert_memory_equal(back + 0x1104, bytes, 333);
    assert_int_equal(back[0x1104 + 333], 0xff);
    assert_memory_equal(back + 0x2000, bytes + 0x2000, 0x1000);
    must(session, kiln_esp_session_erase(session, 0x12000, 0x1000, NULL));
    must(session, kiln_esp_session_read_flash(session, 0x12000, back, 16, NULL));
    assert_int_equal(back[0], 0xff);
    must(session, kiln_esp_session_leave(session));
    free(bytes);
    free(back);
    kiln_esp_session_free(session);
}

static void regions_are_written(void **state)
{
    (void)state;
    any_region_is_written("sim:esp32", false, false);
    any_region_is_written("sim:esp32", true, true);
    any_region_is_written("sim:esp32", true, false);
    any_region_is_written("sim:esp32c3", false, true);
}

static void encryption_is_refused_where_the_rom_cannot(void **state)
{
    struct kiln_esp_session *session = attached("sim:esp32", true);
    uint8_t bytes[32] = {0};
    const struct kiln_esp_write write = {
        .size = sizeof write, .bytes = bytes, .len = sizeof bytes, .encrypted = true};
    uint64_t wire;

    (void)state;
    assert_int_equal(kiln_esp_session_write(session, &write, NULL, &wire), KILN_E_UNSUPPORTED);
    kiln_esp_session_free(session);
}

static void eye_for_security(void **state)
{
    struct kiln_esp_session *session = create("sim:esp32c3", true);
    struct kiln_esp_security_report report;
    struct kiln_esp_protection protection;

    (void)state;
    must(session, kiln_esp_session_connect(session));
    must(session, kiln_esp_session_security(session, &report));
    assert_true(report.has_chip_id);
    assert_int_equal(report.chip_id, 5);
    must(session, kiln_esp_session_protection(session, &protection));
    assert_false(protection.secure_boot || protection.flash_encryption || protection.has_key);
    assert_int_equal(protection.crypt_config, -1);
    kiln_esp_session_free(session);
}

/* A key block without a purpose that can be read and is not zero is a key, in its last word too. */
static void a_readable_flash_key_is_a_key(void **state)
{
    struct kiln_esp_session *session = create("sim:esp32", true);
    struct kiln_esp_protection protection;

    (void)state;
    must(session, kiln_esp_session_connect(session));
    must(session, kiln_esp_session_protection(session, &protection));
    assert_false(protection.has_key);
    must(session, kiln_esp_session_write_reg(session, 0x3ff5a038 + 7 * 4, 1, 0xffffffff));
    must(session, kiln_esp_session_protection(session, &protection));
    assert_true(protection.has_key);
    kiln_esp_session_free(session);
}

static void wiring(struct kiln_esp_session *session, const char *by, unsigned millivolts,
                   unsigned lines)
{
    const char *supply_by;
    unsigned supply_mv, data_lines;

    must(session, kiln_esp_session_flash_wiring(session, &data_lines, &supply_by, &supply_mv));
    assert_string_equal(supply_by, by);
    assert_int_equal(supply_mv, millivolts);
    assert_int_equal(data_lines, lines);
}

/* A register goes before eFuses, and they before the strapping pin. */
static void the_supply_of_the_flash_is_told(void **state)
{
    static const struct {
        uint32_t fuses;
        const char *by;
        unsigned millivolts;
    } rows[] = {
        {0, "strapping pin", 3300},      {1u << 4 | 1u << 5, "strapping pin", 3300},
        {1u << 6, "eFuse", 0},           {1u << 6 | 1u << 4, "eFuse", 1800},
        {1u << 6 | 1u << 5, "eFuse", 0}, {1u << 6 | 1u << 5 | 1u << 4, "eFuse", 3300},
    };
    struct kiln_esp_session *session = create("sim:esp32", true);

    (void)state;
    must(session, kiln_esp_session_connect(session));
    wiring(session, "strapping pin", 3300, 0);
    must(session, kiln_esp_session_set_flash_supply(session, 1800));
    wiring(session, "register", 1800, 0);
    must(session, kiln_esp_session_set_flash_supply(session, 1900));
    wiring(session, "register", 1900, 0);
    must(session, kiln_esp_session_set_flash_supply(session, 0));
    wiring(session, "register", 0, 0);
    kiln_esp_session_free(session);

    session = create("sim:esp32s3", true);
    must(session, kiln_esp_session_connect(session));
    must(session, kiln_esp_session_write_reg(session, 0x6000703c, 1u << 9, UINT32_MAX));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        must(session, kiln_esp_session_write_reg(session, 0x60007034, rows[i].fuses, UINT32_MAX));
        wiring(session, rows[i].by, rows[i].millivolts, 8);
    }
    must(session, kiln_esp_session_write_reg(session, 0x60007034, 0, UINT32_MAX));
    must(session, kiln_esp_session_write_reg(session, 0x60004038, 1u << 4, UINT32_MAX));
    wiring(session, "strapping pin", 1800, 8);
    kiln_esp_session_free(session);

    session = create("sim:esp32c3", true);
    must(session, kiln_esp_session_connect(session));
    wiring(session, "", 0, 0);
    kiln_esp_session_free(session);
}

/* No stub, no reading, no MD5, and yet it writes. */
static void secure_download_mode_writes(void **state)
{
    struct kiln_esp_session *session = attached("sim:esp32c3?secure=1", false);
    struct kiln_esp_about about;
    uint8_t bytes[4096];
    const struct kiln_esp_write write = {
        .size = sizeof write, .address = 0x8000, .bytes = bytes, .len = sizeof bytes};
    uint64_t wire = 0;
    uint8_t md5[16];

    (void)state;
    memset(bytes, 0x5a, sizeof bytes);
    kiln_esp_session_about(session, &about);
    assert_true(about.secure_download);
    assert_false(about.stub);
    assert_non_null(about.no_stub_reason);
    assert_int_equal(about.flash_size, 0);
    must(session, kiln_esp_session_set_flash_size(session, 4u << 20));
    must(session, kiln_esp_session_write(session, &write, NULL, &wire));
    assert_int_equal(wire, sizeof bytes);
    assert_int_equal(kiln_esp_session_md5(session, 0x8000, 4096, md5), KILN_E_UNSUPPORTED);
    assert_int_equal(kiln_esp_session_read_flash(session, 0x8000, bytes, 16, NULL),
                     KILN_E_UNSUPPORTED);
    kiln_esp_session_free(session);
}

static void the_wrong_chip_is_refused(void **state)
{
    struct kiln_esp_session_options options = KILN_ESP_SESSION_OPTIONS_INIT;
    struct kiln_esp_session *session = NULL;

    (void)state;
    options.device = "sim:esp32";
    options.chip = "esp32s3";
    assert_int_equal(kiln_esp_session_create(&options, &session), KILN_OK);
    assert_int_equal(kiln_esp_session_connect(session), KILN_E_REFUSED);
    assert_non_null(strstr(kiln_esp_session_error(session)->message, "ESP32-S3"));
    kiln_esp_session_free(session);
}

static void a_watcher_sees_all_that_passes(void **state)
{
    struct kiln_esp_session_options options = KILN_ESP_SESSION_OPTIONS_INIT;
    struct kiln_esp_session *session = NULL;
    struct seen seen = {0};
    uint32_t value;

    (void)state;
    options.device = "sim:esp32";
    options.watch = see;
    options.user = &seen;
    assert_int_equal(kiln_esp_session_create(&options, &session), KILN_OK);
    must(session, kiln_esp_session_connect(session));
    must(session, kiln_esp_session_read_reg(session, 0x40001000, &value));
    assert_int_equal(seen.last_op, 0x0a);
    assert_true(seen.writes >= seen.commands && seen.commands > 3);
    assert_true(seen.reads > 3 && seen.packets > seen.commands); /* SYNC has eight */
    kiln_esp_session_free(session);
}

static void a_cancelled_session_does_nothing_but_leave(void **state)
{
    struct kiln_esp_session *session = attached("sim:esp32", true);
    uint8_t bytes[64];

    (void)state;
    kiln_esp_session_cancel(session);
    assert_int_equal(kiln_esp_session_read_flash(session, 0, bytes, sizeof bytes, NULL),
                     KILN_E_CANCELLED);
    must(session, kiln_esp_session_leave(session));
    kiln_esp_session_free(session);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_chip_tells_who_it_is),
    cmocka_unit_test(flash_needs_attach_and_a_connection),
    cmocka_unit_test(registers_and_ram_change_under_a_mask),
    cmocka_unit_test(flash_chip_tells_sfdp_and_status),
    cmocka_unit_test(pins_of_the_flash_are_checked),
    cmocka_unit_test(a_stub_starts_under_secure_boot_where_it_can),
    cmocka_unit_test(spi_commands_leave_the_controller_as_it_was),
    cmocka_unit_test(regions_are_written),
    cmocka_unit_test(encryption_is_refused_where_the_rom_cannot),
    cmocka_unit_test(eye_for_security),
    cmocka_unit_test(a_readable_flash_key_is_a_key),
    cmocka_unit_test(the_supply_of_the_flash_is_told),
    cmocka_unit_test(secure_download_mode_writes),
    cmocka_unit_test(the_wrong_chip_is_refused),
    cmocka_unit_test(a_watcher_sees_all_that_passes),
    cmocka_unit_test(a_cancelled_session_does_nothing_but_leave),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
