/* SPDX-License-Identifier: MIT */
/* Enumeration and selectors on a mock /sys and /dev; runs under umockdev-wrapper. */
#include "base/bytes.h"

#include <kiln/device.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <umockdev.h>

#include <cmocka.h>

static uint8_t dfu_descriptors[] = {
    18,   1,    0,    1,    0,    0,    0, 64,   0x83,
    0x04, 0x11, 0xDF, 0,    0x22, 1,    2, 3,    1,  /* device */
    9,    2,    27,   0,    1,    1,    0, 0xC0, 50, /* configuration */
    9,    4,    0,    0,    0,    0xFE, 1, 2,    4,  /* DFU mode */
    9,    0x21, 0x0B, 0xFF, 0,    0,    8, 0x1A, 1,  /* DfuSe 1.1a */
};

static uint8_t plain_descriptors[] = {
    18, 1, 0,  2, 0, 0, 0, 64,   0xC4, 0x10, 0x60, 0xEA, 0, 1, 1,    2, 3, 1,
    9,  2, 18, 0, 1, 1, 0, 0x80, 50,   9,    4,    0,    0, 0, 0xFF, 0, 0, 0,
};

static char *add_usb(UMockdevTestbed *bed, const char *name, const char *vid, const char *pid,
                     const char *number, const char *product, const char *serial,
                     uint8_t *descriptors, int len)
{
    char *path = umockdev_testbed_add_device(
        bed, "usb", name, NULL, "idVendor", vid, "idProduct", pid, "busnum", "1", "devnum", number,
        "product", product, "serial", serial, NULL, "DEVTYPE", "usb_device", NULL);

    assert_non_null(path);
    umockdev_testbed_set_attribute_binary(bed, path, "descriptors", descriptors, len);
    return path;
}

static void add_tty(UMockdevTestbed *bed, const char *usb, const char *interface, const char *name)
{
    char *function = umockdev_testbed_add_device(bed, "usb", interface, usb, NULL, "DEVTYPE",
                                                 "usb_interface", NULL);
    char node[64];
    char *tty;

    snprintf(node, sizeof node, "/dev/%s", name);
    tty = umockdev_testbed_add_device(bed, "tty", name, function, "dev", "188:0", NULL, "DEVNAME",
                                      node, "MAJOR", "188", "MINOR", "0", NULL);
    assert_non_null(tty);
    g_free(tty);
    g_free(function);
}

static int setup(void **state)
{
    UMockdevTestbed *bed = umockdev_testbed_new();
    char *bridge = add_usb(bed, "1-1.4", "10c4", "ea60", "4", "CP2102 Bridge", "0001",
                           plain_descriptors, sizeof plain_descriptors);

    add_tty(bed, bridge, "1-1.4:1.0", "ttyUSB0");
    g_free(bridge);
    g_free(add_usb(bed, "1-2", "0483", "df11", "5", "STM32  BOOTLOADER", "357A", dfu_descriptors,
                   sizeof dfu_descriptors));
    g_free(add_usb(bed, "1-3", "1a86", "7523", "6", "USB Serial", "", plain_descriptors,
                   sizeof plain_descriptors));
    g_free(add_usb(bed, "1-4", "0d28", "9999", "7", "My CMSIS-DAP", "P1", plain_descriptors,
                   sizeof plain_descriptors));
    g_free(add_usb(bed, "1-5", "046d", "c31c", "8", "Keyboard", "", plain_descriptors,
                   sizeof plain_descriptors));
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    g_object_unref(*state);
    return 0;
}

static const struct kiln_device *at(const struct kiln_device_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].path, path) == 0)
            return &list->items[i];
    }
    return NULL;
}

static void every_device_is_told_by_what_it_is(void **state)
{
    struct kiln_device_list list;
    struct kiln_error error;

    (void)state;
    assert_int_equal(kiln_device_enumerate(&list, &error), KILN_OK);
    assert_int_equal(list.count, 4);
    assert_int_equal(at(&list, "1-1.4")->kind, KILN_DEVICE_SERIAL);
    assert_string_equal(at(&list, "1-1.4")->port, "/dev/ttyUSB0");
    assert_string_equal(at(&list, "1-1.4")->loader, "esp");
    assert_string_equal(at(&list, "1-1.4")->title, "CP2102 Bridge");
    assert_int_equal(at(&list, "1-2")->kind, KILN_DEVICE_DFU);
    assert_string_equal(at(&list, "1-2")->what, "DfuSe bootloader");
    assert_string_equal(at(&list, "1-2")->selector, "usb:1-2");
    assert_int_equal(at(&list, "1-2")->address, 5);
    assert_int_equal(at(&list, "1-3")->usable, KILN_E_NO_DEVICE);
    assert_non_null(strstr(at(&list, "1-3")->obstacle, "driver"));
    assert_int_equal(at(&list, "1-4")->kind, KILN_DEVICE_PROBE);
    assert_null(at(&list, "1-5"));
    kiln_device_list_free(&list);
}

static void selectors_mean_what_they_say(void **state)
{
    static const struct {
        const char *selector, *path;
        enum kiln_status status;
        size_t count;
    } cases[] = {
        {"usb:0483:df11", "1-2", KILN_OK, 1},
        {"usb:0483:DF11", "1-2", KILN_OK, 1},
        {"usb:1-1.4", "1-1.4", KILN_OK, 1},
        {"357a", "1-2", KILN_OK, 1},
        {"/dev/ttyUSB0", "1-1.4", KILN_OK, 1},
        {"ttyUSB0", "1-1.4", KILN_OK, 1},
        {NULL, "1-2", KILN_OK, 3},
        {"", "1-1.4", KILN_OK, 3},
        {"tcp://host:1", "", KILN_OK, 1},
        {"sim:esp32?x=1", "", KILN_OK, 1},
        {"1-1.4", "1-1.4", KILN_OK, 1},
        {"./no-such-port", "", KILN_E_NO_DEVICE, 0},
        {"1-9", "", KILN_E_NO_DEVICE, 0},
        {"usb:1-9", "", KILN_E_NO_DEVICE, 0},
        {"usb:rubbish", "", KILN_E_ARG, 0},
        {"usb:10000:1", "", KILN_E_ARG, 0},
        {"ftp://x", "", KILN_E_ARG, 0},
        {"nobody", "", KILN_E_NO_DEVICE, 0},
        {"/dev/ttyUSB7", "", KILN_E_NO_DEVICE, 0},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        struct kiln_device_list list;
        struct kiln_error error = {0};

        assert_int_equal(kiln_device_select(cases[i].selector, &list, &error), cases[i].status);
        assert_int_equal(list.count, cases[i].count);
        assert_int_equal(error.status, cases[i].status);
        if (list.count > 0)
            assert_non_null(at(&list, cases[i].path));
        kiln_device_list_free(&list);
    }
}

/* ---- short ids ---- */

static void a_short_id_is_the_place_and_selects_the_board(void **state)
{
    struct kiln_device_list list;
    struct kiln_error error;

    (void)state;
    assert_int_equal(kiln_device_enumerate(&list, &error), KILN_OK);
    for (size_t i = 0; i < list.count; i++) {
        struct kiln_device_list found;

        assert_string_equal(list.items[i].id, list.items[i].path);
        assert_int_equal(kiln_device_select(list.items[i].id, &found, &error), KILN_OK);
        assert_int_equal(found.count, 1);
        assert_string_equal(found.items[0].selector, list.items[i].selector);
        kiln_device_list_free(&found);
    }
    kiln_device_list_free(&list);
}

static void ports_of_one_board_have_ids_of_their_own(void **state)
{
    UMockdevTestbed *bed = *state;
    char *dual = add_usb(bed, "1-6", "10c4", "ea70", "9", "CP2105", "D1", plain_descriptors,
                         sizeof plain_descriptors);
    struct kiln_device_list list;
    struct kiln_error error;

    add_tty(bed, dual, "1-6:1.0", "ttyUSB1");
    add_tty(bed, dual, "1-6:1.1", "ttyUSB2");
    umockdev_testbed_set_attribute(bed, "/sys/devices/1-6/1-6:1.1", "bInterfaceNumber", "01");
    assert_int_equal(kiln_device_select("1-6:1", &list, &error), KILN_OK);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].port, "/dev/ttyUSB2");
    kiln_device_list_free(&list);
    assert_int_equal(kiln_device_select("1-6:0", &list, &error), KILN_OK);
    assert_string_equal(list.items[0].port, "/dev/ttyUSB1");
    kiln_device_list_free(&list);
    g_free(dual);
}

static void a_probe_is_told_by_an_interface_and_a_firmware_by_its_ids(void **state)
{
    UMockdevTestbed *bed = *state;
    char *probe = add_usb(bed, "1-7", "1234", "5678", "10", "Board of a vendor", "",
                          plain_descriptors, sizeof plain_descriptors);
    char *dap =
        umockdev_testbed_add_device(bed, "usb", "1-7:1.0", probe, "interface", "Some CMSIS-DAP v2",
                                    NULL, "DEVTYPE", "usb_interface", NULL);
    struct kiln_device_list list;
    struct kiln_error error;

    g_free(add_usb(bed, "1-8", "1d50", "6177", "11", "stm32f446xx", "K1", plain_descriptors,
                   sizeof plain_descriptors));
    g_free(add_usb(bed, "1-9", "1d50", "614e", "12", "stm32f446xx", "K2", plain_descriptors,
                   sizeof plain_descriptors));
    assert_int_equal(kiln_device_enumerate(&list, &error), KILN_OK);
    assert_int_equal(at(&list, "1-7")->kind, KILN_DEVICE_PROBE);
    assert_string_equal(at(&list, "1-8")->mode, "bootloader");
    assert_string_equal(at(&list, "1-9")->mode, "run-time");
    assert_string_equal(at(&list, "1-2")->mode, "bootloader");
    kiln_device_list_free(&list);
    g_free(dap);
    g_free(probe);
}

/* ---- plug and unplug ---- */

struct changes {
    char text[512];
};

static void note_change(void *user, const struct kiln_device *before,
                        const struct kiln_device *after)
{
    struct changes *changes = user;
    size_t used = strlen(changes->text);

    snprintf(changes->text + used, sizeof changes->text - used, "%c%s %04x;",
             after == NULL    ? '-'
             : before == NULL ? '+'
                              : '~',
             after != NULL ? after->id : before->id,
             (unsigned)(after != NULL ? after : before)->vid);
}

/* Waits for the watch, looks again, and gives what changed since `list`. */
static const char *look_again(struct kiln_device_watch *watch, struct kiln_device_list *list,
                              struct changes *out_changes)
{
    struct pollfd fd = {.fd = kiln_device_watch_fd(watch), .events = POLLIN};
    struct kiln_device_list next;
    struct kiln_error error;

    assert_int_equal(poll(&fd, 1, 5000), 1);
    assert_true(kiln_device_watch_take(watch));
    assert_false(kiln_device_watch_take(watch));
    assert_int_equal(kiln_device_enumerate(&next, &error), KILN_OK);
    out_changes->text[0] = '\0';
    kiln_device_list_compare(list, &next, note_change, out_changes);
    kiln_device_list_free(list);
    *list = next;
    return out_changes->text;
}

static void plug_and_unplug_are_seen_and_the_place_stays(void **state)
{
    UMockdevTestbed *bed = *state;
    struct kiln_device_watch *watch;
    struct kiln_device_list list;
    struct kiln_error error;
    struct changes changes;
    char *path;

    assert_int_equal(kiln_device_watch_new(&watch, &error), KILN_OK);
    assert_int_equal(kiln_device_enumerate(&list, &error), KILN_OK);
    path = add_usb(bed, "1-6", "0483", "df11", "20", "STM32  BOOTLOADER", "X", dfu_descriptors,
                   sizeof dfu_descriptors);
    assert_string_equal(look_again(watch, &list, &changes), "+1-6 0483;");
    umockdev_testbed_uevent(bed, path, "remove");
    umockdev_testbed_remove_device(bed, path);
    assert_string_equal(look_again(watch, &list, &changes), "-1-6 0483;");
    g_free(path);
    path = add_usb(bed, "1-6", "1d50", "614e", "21", "stm32f446xx", "X", plain_descriptors,
                   sizeof plain_descriptors);
    assert_string_equal(look_again(watch, &list, &changes), "+1-6 1d50;");
    umockdev_testbed_set_attribute(bed, path, "idVendor", "0483");
    umockdev_testbed_set_attribute(bed, path, "idProduct", "df11");
    umockdev_testbed_uevent(bed, path, "change");
    assert_string_equal(look_again(watch, &list, &changes), "~1-6 0483;");
    g_free(path);
    kiln_device_list_free(&list);
    kiln_device_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_device_is_told_by_what_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(selectors_mean_what_they_say, setup, teardown),
        cmocka_unit_test_setup_teardown(a_short_id_is_the_place_and_selects_the_board, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ports_of_one_board_have_ids_of_their_own, setup, teardown),
        cmocka_unit_test_setup_teardown(a_probe_is_told_by_an_interface_and_a_firmware_by_its_ids,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(plug_and_unplug_are_seen_and_the_place_stays, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
