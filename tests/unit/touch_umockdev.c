/* SPDX-License-Identifier: MIT */
/* The 1200-baud touch: a pseudo-terminal stands for the port, umockdev's /sys for what comes up at the same USB place.
 * Runs under umockdev-wrapper, on virtual time. */
#include "base/ctx.h"
#include "job/open_link.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <kiln/device.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <umockdev.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t bootloader[] = {
    18, 1, 0,    1, 0, 0,  0, 64,   0x83, 0x04, 0x11, 0xDF, 0, 0x22, 1,
    2,  3, 1,    9, 2, 27, 0, 1,    1,    0,    0xC0, 50,   9, 4,    0,
    0,  0, 0xFE, 1, 2, 4,  9, 0x21, 0x0B, 0xFF, 0,    0,    8, 0x1A, 1,
};

struct scene {
    struct kiln_virtual_clock clock;
    struct kiln_ctx ctx;
    struct kiln_device device;
    struct kiln_opened opened;
    int master;
    char folder[32];
};

/* By a link outside /dev, where umockdev does not look. */
static void make_port(struct scene *scene)
{
    scene->master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(scene->master >= 0);
    assert_int_equal(grantpt(scene->master), 0);
    assert_int_equal(unlockpt(scene->master), 0);
    snprintf(scene->folder, sizeof scene->folder, "/tmp/kiln-touch-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->device.port, sizeof scene->device.port, "%s/port", scene->folder);
    assert_int_equal(symlink(ptsname(scene->master), scene->device.port), 0);
    snprintf(scene->device.path, sizeof scene->device.path, "1-1");
    scene->device.kind = KILN_DEVICE_SERIAL;
    kiln_virtual_clock_init(&scene->clock);
    kiln_ctx_init(&scene->ctx, &scene->clock.base);
}

static void drop_port(struct scene *scene)
{
    unlink(scene->device.port);
    rmdir(scene->folder);
    close(scene->master);
}

static unsigned rate(const struct scene *scene)
{
    struct termios2 now = {0};

    assert_int_equal(ioctl(scene->master, TCGETS2, &now), 0);
    return now.c_ospeed;
}

/* That libusb cannot open a device of which there is only a description is as far as this goes. */
static void the_bootloader_at_the_same_place_is_opened(void **state)
{
    struct scene scene = {0};
    UMockdevTestbed *bed = umockdev_testbed_new();
    char *path = umockdev_testbed_add_device(bed, "usb", "1-1", NULL, "idVendor", "0483",
                                             "idProduct", "df11", "busnum", "1", "devnum", "9",
                                             NULL, "DEVTYPE", "usb_device", NULL);

    (void)state;
    umockdev_testbed_set_attribute_binary(bed, path, "descriptors", bootloader, sizeof bootloader);
    make_port(&scene);
    assert_int_not_equal(rate(&scene), 1200);
    assert_int_not_equal(kiln_open_touched(&scene.ctx, &scene.device, &scene.opened), KILN_OK);
    assert_int_equal(rate(&scene), 1200);
    assert_string_equal(scene.opened.device, "/dev/bus/usb/001/009");
    assert_null(strstr(scene.ctx.error.message, "no bootloader came up"));
    drop_port(&scene);
    g_free(path);
    g_object_unref(bed);
}

static void a_board_that_does_not_react_is_named(void **state)
{
    struct scene scene = {0};
    UMockdevTestbed *bed = umockdev_testbed_new();

    (void)state;
    make_port(&scene);
    assert_int_equal(kiln_open_touched(&scene.ctx, &scene.device, &scene.opened), KILN_E_TIMEOUT);
    assert_int_equal(rate(&scene), 1200);
    assert_non_null(strstr(scene.ctx.error.message, "no bootloader came up at USB port 1-1"));
    drop_port(&scene);
    g_object_unref(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bootloader_at_the_same_place_is_opened),
        cmocka_unit_test(a_board_that_does_not_react_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
