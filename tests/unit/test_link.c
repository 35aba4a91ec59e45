/* SPDX-License-Identifier: MIT */
/* The shared defaults of links and the tolerant reader of USB strings. */
#include "base/bytes.h"
#include "link/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
};

static void setup(struct fixture *f)
{
    kiln_virtual_clock_init(&f->clock);
    kiln_ctx_init(&f->ctx, &f->clock.base);
}

static const struct kiln_byte_link_ops bare_ops = {.name = "bare"};

static void missing_ops_have_defaults(void **state)
{
    struct kiln_byte_link bare = {.ops = &bare_ops};
    struct fixture f;
    char text[32];
    size_t len = 9;

    (void)state;
    setup(&f);
    assert_int_equal(kiln_link_read(&bare, &f.ctx, NULL, 0, &len), KILN_OK);
    assert_int_equal(len, 0);
    assert_int_equal(kiln_link_drain(&bare, &f.ctx), KILN_OK);
    assert_int_equal(kiln_link_set_lines(&bare, &f.ctx, 3, 0), KILN_E_UNSUPPORTED);
    assert_string_equal(f.ctx.error.message, "a bare link cannot set DTR and RTS");
    assert_int_equal(kiln_link_set_baud(&bare, &f.ctx, 9600), KILN_E_UNSUPPORTED);
    assert_int_equal(kiln_link_reopen(&bare, &f.ctx), KILN_E_UNSUPPORTED);
    assert_int_equal(kiln_link_caps(&bare), 0);
    kiln_link_describe(&bare, text, sizeof text);
    assert_string_equal(text, "bare");
    kiln_link_close(NULL);
    kiln_usb_close(NULL);
}

/* A device with one string descriptor, given raw. */
struct string_device {
    struct kiln_usb_link base;
    const uint8_t *languages; /* NULL: stalls */
    const uint8_t *string;
    size_t languages_len, string_len;
    uint16_t language_asked;
};

static enum kiln_status string_control(struct kiln_usb_link *self, struct kiln_ctx *ctx,
                                       const struct kiln_usb_setup *asked, uint8_t *data,
                                       size_t len, size_t *out_len)
{
    struct string_device *device = KILN_CONTAINER(self, struct string_device, base);
    const uint8_t *from = (asked->value & 0xFF) == 0 ? device->languages : device->string;
    size_t size = (asked->value & 0xFF) == 0 ? device->languages_len : device->string_len;

    assert_int_equal(asked->request_type, 0x80);
    assert_int_equal(asked->request, 6);
    assert_int_equal(asked->value >> 8, 3);
    device->language_asked = asked->index;
    if (from == NULL)
        return kiln_fail(ctx, KILN_E_NAK, "stalled");
    *out_len = KILN_MIN(len, size);
    memcpy(data, from, *out_len);
    return KILN_OK;
}

static const struct kiln_usb_link_ops string_ops = {.name = "strings", .control = string_control};

static void read_string(const uint8_t *string, size_t len, char *text, size_t cap)
{
    static const uint8_t german[] = {4, 3, 0x07, 0x04};
    struct string_device device = {.base.ops = &string_ops,
                                   .languages = german,
                                   .languages_len = sizeof german,
                                   .string = string,
                                   .string_len = len};
    struct fixture f;

    setup(&f);
    assert_int_equal(kiln_usb_string(&device.base, &f.ctx, 4, text, cap), KILN_OK);
    assert_int_equal(device.language_asked, 0x0407);
}

static void strings_are_read_with_distrust(void **state)
{
    static const uint8_t plain[] = {8, 3, 'A', 0, 'b', 0, 0x42, 0x21};
    static const uint8_t claims_more[] = {60, 3, 'A', 0, 'b', 0};
    static const uint8_t sends_more[] = {4, 3, 'A', 0, 'b', 0, 'c', 0};
    static const uint8_t odd[] = {5, 3, 'A', 0, 'b'};
    static const uint8_t other_type[] = {4, 2, 'A', 0};
    static const uint8_t too_short[] = {1};
    static const uint8_t zero_length[] = {0, 3, 'A', 0};
    char text[16];

    (void)state;
    read_string(plain, sizeof plain, text, sizeof text);
    assert_string_equal(text, "Ab?");
    read_string(claims_more, sizeof claims_more, text, sizeof text);
    assert_string_equal(text, "Ab");
    read_string(sends_more, sizeof sends_more, text, sizeof text);
    assert_string_equal(text, "A");
    read_string(odd, sizeof odd, text, sizeof text);
    assert_string_equal(text, "A");
    read_string(other_type, sizeof other_type, text, sizeof text);
    assert_string_equal(text, "");
    read_string(too_short, sizeof too_short, text, sizeof text);
    assert_string_equal(text, "");
    read_string(zero_length, sizeof zero_length, text, sizeof text);
    assert_string_equal(text, "");
    read_string(plain, sizeof plain, text, 2);
    assert_string_equal(text, "A");
}

static void a_stalled_string_is_an_empty_one(void **state)
{
    struct string_device device = {.base.ops = &string_ops};
    struct fixture f;
    char text[8] = "x";

    (void)state;
    setup(&f);
    assert_int_equal(kiln_usb_string(&device.base, &f.ctx, 1, text, sizeof text), KILN_OK);
    assert_string_equal(text, "");
    assert_int_equal(device.language_asked, 0x0409);
    assert_int_equal(f.ctx.error.status, KILN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_ops_have_defaults),
        cmocka_unit_test(strings_are_read_with_distrust),
        cmocka_unit_test(a_stalled_string_is_an_empty_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
