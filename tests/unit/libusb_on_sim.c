/* SPDX-License-Identifier: MIT */
/* The libusb link on the simulated STM32 bootloader; runs under kiln-sim-usb. */
#include "base/bytes.h"
#include "link/open.h"
#include "os/wait.h"

#include <kiln/device.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct kiln_usb_setup get_status = {.request_type = 0xA1, .request = 3};

static struct kiln_usb_link *open_board(struct kiln_ctx *ctx)
{
    struct kiln_usb_link *link = NULL;
    struct kiln_device_list list;
    struct kiln_error error;

    kiln_ctx_init(ctx, kiln_system_clock());
    kiln_deadline_narrow(ctx, 20000);
    assert_int_equal(kiln_device_select("usb:0483:df11", &list, &error), KILN_OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(kiln_libusb_open(ctx, list.items[0].bus, list.items[0].address, &link),
                     KILN_OK);
    assert_string_equal(kiln_usb_identity(link)->path, list.items[0].path);
    kiln_device_list_free(&list);
    return link;
}

static void the_device_is_identified_and_answers(void **state)
{
    struct kiln_usb_setup nonsense = {.request_type = 0xC0, .request = 0x77};
    struct kiln_ctx ctx;
    struct kiln_usb_link *link = open_board(&ctx);
    const uint8_t *config;
    uint8_t reply[6];
    char text[64];
    size_t len;

    (void)state;
    assert_int_equal(kiln_usb_identity(link)->vid, 0x0483);
    assert_string_not_equal(kiln_usb_identity(link)->serial, "");
    config = kiln_usb_config(link, &len);
    assert_int_equal(kiln_le16(config + 2), len);
    assert_int_equal(kiln_usb_string(link, &ctx, 2, text, sizeof text), KILN_OK);
    assert_string_equal(text, kiln_usb_identity(link)->product);
    assert_int_equal(kiln_usb_claim(link, &ctx, 0), KILN_OK);
    assert_int_equal(kiln_usb_set_alt(link, &ctx, 0, 0), KILN_OK);
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, sizeof reply, &len), KILN_OK);
    assert_int_equal(len, sizeof reply);
    assert_int_equal(kiln_usb_control(link, &ctx, &nonsense, reply, sizeof reply, &len),
                     KILN_E_NAK);
    assert_int_equal(kiln_usb_claim(link, &ctx, 9), KILN_E_ARG);
    assert_false(kiln_usb_is_gone(link));
    assert_int_equal(kiln_usb_release(link, &ctx, 0), KILN_OK);
    kiln_usb_close(link);
}

static void cancel_and_deadline_hold(void **state)
{
    struct kiln_usb_match any = {-1, -1};
    struct kiln_ctx ctx;
    struct kiln_usb_link *link = open_board(&ctx);
    struct kiln_cancel cancel;
    uint8_t reply[6];

    (void)state;
    assert_int_equal(kiln_cancel_init(&cancel), KILN_OK);
    ctx.cancel = &cancel;
    kiln_cancel_fire(&cancel);
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, sizeof reply, NULL),
                     KILN_E_CANCELLED);
    ctx.shield = 1;
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, sizeof reply, NULL), KILN_OK);
    kiln_deadline_narrow(&ctx, 60); /* the device stays: there is no other one to wait for */
    assert_int_equal(kiln_usb_reopen(link, &ctx, &any), KILN_E_TIMEOUT);
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, sizeof reply, NULL),
                     KILN_E_GONE);
    kiln_usb_close(link);
    kiln_cancel_dispose(&cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_is_identified_and_answers),
        cmocka_unit_test(cancel_and_deadline_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
