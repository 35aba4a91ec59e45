/* SPDX-License-Identifier: MIT */
/* The libusb link on simulated boards, which kiln-sim-usb plugs in: an STM32, one that keeps silent when asked for
 * what it does not have (GD32, strict), and one that comes back with other ids (dfu11). */
#include "base/bytes.h"
#include "link/open.h"
#include "os/wait.h"

#include <kiln/device.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define STM32  "usb:0483:df11"
#define SILENT "usb:28e9:0189"
#define RETURN "usb:1209:0001"

static const struct kiln_usb_setup get_status = {.request_type = 0xA1, .request = 3};

static struct kiln_usb_link *open_board(struct kiln_ctx *ctx, const char *which)
{
    struct kiln_usb_link *link = NULL;
    struct kiln_device_list list;
    struct kiln_error error;

    kiln_ctx_init(ctx, kiln_system_clock());
    kiln_deadline_narrow(ctx, 20000);
    assert_int_equal(kiln_device_select(which, &list, &error), KILN_OK);
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
    struct kiln_usb_link *link = open_board(&ctx, STM32);
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
    struct kiln_usb_link *link = open_board(&ctx, STM32);
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

static void *fire_soon(void *cancel)
{
    const struct timespec soon = {.tv_nsec = 50 * 1000 * 1000};

    nanosleep(&soon, NULL);
    kiln_cancel_fire(cancel);
    return NULL;
}

/* A device that answers nothing: the transfer is under way when it is given up, and the next one works. */
static void a_transfer_under_way_is_given_up(void **state)
{
    static const struct kiln_usb_setup silent = {
        .request_type = 0x80, .request = 6, .value = 0x2100};
    struct kiln_ctx ctx;
    struct kiln_usb_link *link = open_board(&ctx, SILENT);
    struct kiln_cancel cancel;
    uint8_t reply[9];
    pthread_t thread;
    uint64_t saved;

    (void)state;
    saved = kiln_deadline_narrow(&ctx, 50);
    assert_int_equal(kiln_usb_control(link, &ctx, &silent, reply, sizeof reply, NULL),
                     KILN_E_TIMEOUT);
    kiln_deadline_restore(&ctx, saved);
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, 6, NULL), KILN_OK);

    assert_int_equal(kiln_cancel_init(&cancel), KILN_OK);
    ctx.cancel = &cancel;
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, &cancel), 0);
    assert_int_equal(kiln_usb_control(link, &ctx, &silent, reply, sizeof reply, NULL),
                     KILN_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    ctx.shield = 1;
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, 6, NULL), KILN_OK);
    kiln_usb_close(link);
    kiln_cancel_dispose(&cancel);
}

/* Detach: the same place, another device number, other ids; the reset brings the application back. */
static void reopen_follows_the_device_through_its_ids(void **state)
{
    static const struct kiln_usb_setup detach = {.request_type = 0x21, .value = 1000};
    static const struct kiln_usb_match any = {-1, -1}, old = {0x1209, 0x0001};
    struct kiln_ctx ctx;
    struct kiln_usb_link *link = open_board(&ctx, RETURN);
    enum kiln_status status;
    uint8_t address, reply[6];
    uint64_t saved;
    char path[32];

    (void)state;
    memcpy(path, kiln_usb_identity(link)->path, sizeof path);
    address = kiln_usb_identity(link)->address;
    assert_int_equal(kiln_usb_claim(link, &ctx, 0), KILN_OK);
    assert_int_equal(kiln_usb_control(link, &ctx, &detach, NULL, 0, NULL), KILN_OK);
    assert_int_equal(kiln_usb_reopen(link, &ctx, &any), KILN_OK);
    assert_int_equal(kiln_usb_identity(link)->pid, 0x0002);
    assert_string_equal(kiln_usb_identity(link)->path, path);
    assert_int_not_equal(kiln_usb_identity(link)->address, address);
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, sizeof reply, NULL), KILN_OK);

    saved = kiln_deadline_narrow(&ctx, 100); /* one with these ids does not come by itself */
    status = kiln_usb_reopen(link, &ctx, &old);
    kiln_deadline_restore(&ctx, saved);
    assert_int_equal(status, KILN_E_TIMEOUT);
    kiln_usb_close(link);
}

static void a_bus_reset_leaves_a_link_that_works_or_says_gone(void **state)
{
    static const struct kiln_usb_match any = {-1, -1};
    struct kiln_ctx ctx;
    struct kiln_usb_link *link = open_board(&ctx, STM32);
    uint8_t reply[6];
    enum kiln_status status;

    (void)state;
    assert_int_equal(kiln_usb_claim(link, &ctx, 0), KILN_OK);
    status = kiln_usb_reset(link, &ctx);
    assert_true(status == KILN_OK || status == KILN_E_GONE);
    if (status == KILN_E_GONE)
        assert_int_equal(kiln_usb_reopen(link, &ctx, &any), KILN_OK);
    assert_int_equal(kiln_usb_control(link, &ctx, &get_status, reply, sizeof reply, NULL), KILN_OK);
    kiln_usb_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_is_identified_and_answers),
        cmocka_unit_test(a_bus_reset_leaves_a_link_that_works_or_says_gone),
        cmocka_unit_test(cancel_and_deadline_hold),
        cmocka_unit_test(a_transfer_under_way_is_given_up),
        cmocka_unit_test(reopen_follows_the_device_through_its_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
