/* SPDX-License-Identifier: MIT */
/* SLIP, replies, reset strings and chip rows; the frames are what an ESP32's boot ROM sent, or were
 * counted out by hand. */
#include "base/bytes.h"
#include "chip/esp.h"
#include "wire/esp.h"
#include "wire/slip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static size_t frames_in(const uint8_t *bytes, size_t len, uint8_t *last, size_t *last_len)
{
    uint8_t frame[64];
    struct kiln_slip_decoder decoder;
    size_t count = 0;

    kiln_slip_decoder_init(&decoder, frame, sizeof frame);
    for (size_t at = 0, used; at < len; at += used) {
        if (kiln_slip_push(&decoder, bytes + at, len - at, &used)) {
            count++;
            *last_len = decoder.len;
            memcpy(last, decoder.frame, decoder.len);
        }
    }
    return count;
}

static void a_lost_end_costs_one_frame(void **state)
{
    /* The END that opens the second frame is missing, then the one that closes the third. */
    static const uint8_t wire[] = {0xc0, 1, 0xc0, 2, 0xc0, 0xc0, 3, 0xc0, 4, 0xc0};
    uint8_t last[64];
    size_t len = 0;

    (void)state;
    assert_int_equal(frames_in(wire, sizeof wire, last, &len), 4);
    assert_int_equal(last[0], 4);
}

static void escapes_are_undone_and_wrong_ones_drop_the_frame(void **state)
{
    static const uint8_t good[] = {0xc0, 0xdb, 0xdc, 0xdb, 0xdd, 0xc0};
    static const uint8_t bad[] = {0xc0, 0xdb, 0x01, 0xc0, 0xc0, 7, 0xdb, 0xc0};
    uint8_t last[64];
    size_t len = 0;

    (void)state;
    assert_int_equal(frames_in(good, sizeof good, last, &len), 1);
    assert_int_equal(len, 2);
    assert_int_equal(last[0], 0xc0);
    assert_int_equal(last[1], 0xdb);
    assert_int_equal(frames_in(bad, sizeof bad, last, &len), 0);
}

static enum kiln_esp_verdict judge(const char *body, size_t len, size_t expect, unsigned *error)
{
    struct kiln_esp_reply reply = {.body = (const uint8_t *)body, .body_len = len};

    return kiln_esp_judge(&reply, expect, error);
}

static void the_status_is_found_behind_the_payload_or_instead_of_it(void **state)
{
    unsigned error;

    (void)state;
    assert_int_equal(judge("\0\0\0\0", 4, 0, &error), KILN_ESP_VERDICT_OK);
    assert_int_equal(judge("\0\0", 2, 0, &error), KILN_ESP_VERDICT_OK);
    assert_int_equal(judge("\1\7\0\0", 4, 16, &error), KILN_ESP_VERDICT_ERROR);
    assert_int_equal(error, KILN_ESP_ERROR_BAD_CHECKSUM);
    assert_int_equal(judge("\0\0\0\0", 4, 16, &error), KILN_ESP_VERDICT_SHORT);
    assert_int_equal(judge("\1", 1, 0, &error), KILN_ESP_VERDICT_SHORT);
    assert_true(kiln_esp_error_is_unknown_command(0x0105));
    assert_true(kiln_esp_error_is_transport(0xc100));
    assert_non_null(kiln_esp_error_text(0xc4ff));
}

static void the_boot_log_tells_the_mode(void **state)
{
    static const char both[] = "boot:0x13 (SPI)\r\ninvalid header: 0xffffffff\r\n"
                               "boot:0x3 (DOWNLOAD)\r\nwaiting for download\r\n";
    static const char dip[] = "Brownout detector was triggered\r\n\r\nrst:0xc,boot:0x13 (SPI)\r\n";
    static const char run[] = "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n";
    static const char download[] = "rst:0x1,boot:0x3 (DOWNLOAD)\r\nwaiting for download\r\n";
    struct kiln_esp_boot_log log;

    (void)state;
    kiln_esp_scan_boot_log((const uint8_t *)run, sizeof run - 1, &log);
    assert_true(log.seen && !log.download);
    assert_int_equal(log.mode, 0x13);
    kiln_esp_scan_boot_log((const uint8_t *)download, sizeof download - 1, &log);
    assert_true(log.seen && log.download);
    kiln_esp_scan_boot_log((const uint8_t *)both, sizeof both - 1, &log);
    assert_true(log.seen && log.download && log.mode == 3 && log.resets == 2 && log.no_program);
    kiln_esp_scan_boot_log((const uint8_t *)dip, sizeof dip - 1, &log);
    assert_true(log.seen && log.brownout && !log.no_program && log.resets == 1);
    kiln_esp_scan_boot_log((const uint8_t *)"boot:0x", 7, &log);
    assert_false(log.seen);
}

static void reset_strings_become_steps(void **state)
{
    struct kiln_reset_sequence sequence;
    size_t bad = 0;

    (void)state;
    assert_true(kiln_reset_parse("U1,0|W0.05|D0|W60", &sequence, &bad));
    assert_int_equal(sequence.count, 4);
    assert_int_equal(sequence.step[0].mask, KILN_RESET_DTR | KILN_RESET_RTS);
    assert_int_equal(sequence.step[0].levels, KILN_RESET_DTR);
    assert_int_equal(sequence.step[1].wait_ms, 50);
    assert_int_equal(sequence.step[3].wait_ms, 60000);
    assert_false(kiln_reset_parse("D0|W61", &sequence, &bad));
    assert_int_equal(bad, 3);
    assert_false(kiln_reset_parse("", &sequence, &bad));
    assert_false(kiln_reset_parse("D0|", &sequence, &bad));
    assert_false(kiln_reset_parse("D0 R1", &sequence, &bad));
    assert_int_equal(bad, 2);
}

static void every_esp_row_is_complete_and_found(void **state)
{
    const struct kiln_chip *chip;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; (chip = kiln_chip_at(i)) != NULL; i++) {
        const struct kiln_esp_facts *esp = chip->esp;

        if (esp == NULL)
            continue;
        count++;
        assert_ptr_equal(kiln_chip_find(chip->name), chip);
        assert_ptr_equal(kiln_chip_find(chip->title), chip);
        if (esp->chip_id >= 0)
            assert_ptr_equal(kiln_esp_by_chip_id((uint32_t)esp->chip_id), chip);
        if (esp->magic != 0)
            assert_ptr_equal(kiln_esp_by_magic(esp->magic), chip);
        assert_true(esp->spi.base != 0 && esp->mac != 0 && esp->uf2_family != 0);
        assert_true(esp->xtal_mhz != 0 || esp->uart_clkdiv != 0);
        (void)kiln_esp_stub_of(chip, 9999);
        if (esp->console != NULL)
            assert_true(kiln_esp_console_of(esp, 9999)->word != 0);
    }
    assert_int_equal(count, 15);
    assert_null(kiln_esp_by_chip_id(0xfffffffe));
    assert_string_equal(kiln_esp_stub_of(kiln_chip_find("esp32p4"), 100), "esp32p4-rev1");
    assert_string_equal(kiln_esp_stub_of(kiln_chip_find("esp32p4"), 300), "esp32p4");
    assert_null(kiln_esp_stub_of(kiln_chip_find("esp32c2"), 0));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_lost_end_costs_one_frame),
    cmocka_unit_test(escapes_are_undone_and_wrong_ones_drop_the_frame),
    cmocka_unit_test(the_status_is_found_behind_the_payload_or_instead_of_it),
    cmocka_unit_test(the_boot_log_tells_the_mode),
    cmocka_unit_test(reset_strings_become_steps),
    cmocka_unit_test(every_esp_row_is_complete_and_found),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
