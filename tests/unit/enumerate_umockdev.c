/* SPDX-License-Identifier: MIT */
/* Enumeration and selectors on a mock /sys and /dev; runs under umockdev-wrapper. */
#include "base/bytes.h"

#include <kiln/device.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_device_is_told_by_what_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(selectors_mean_what_they_say, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
