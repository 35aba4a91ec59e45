/* SPDX-License-Identifier: MIT */
/* The mock /sys and /dev: devices come and go as the boards do. */
#include "base/bytes.h"
#include "sim/front/front.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#define ROOT_HUB "/sys/devices/usb1"

/* ---- plug and unplug ---- */

static void free_appearance(gpointer data)
{
    struct appearance *device = data;

    kiln_front_free_port(device);
    g_ptr_array_free(device->interfaces, TRUE);
    g_object_unref(device->handler);
    g_free(device);
}

static gboolean on_presence_timer(gpointer user)
{
    struct plug *plug = user;

    plug->timer = 0;
    kiln_front_follow(plug);
    return G_SOURCE_REMOVE;
}

static void put_text(UMockdevTestbed *bed, const char *path, const char *name, unsigned value,
                     const char *format)
{
    char text[16];

    if (strcmp(format, "x2") == 0)
        snprintf(text, sizeof text, "%02x\n", value);
    else if (strcmp(format, "x4") == 0)
        snprintf(text, sizeof text, "%04x\n", value);
    else
        snprintf(text, sizeof text, "%u\n", value);
    umockdev_testbed_set_attribute(bed, path, name, text);
}

/* The files of a device's folder in /sys that programs read. */
static void put_attributes(UMockdevTestbed *bed, const char *path, const uint8_t *descriptors,
                           size_t len, unsigned devnum, const char *speed)
{
    const uint8_t *d = descriptors;

    umockdev_testbed_set_attribute_binary(bed, path, "descriptors", (guint8 *)(uintptr_t)d,
                                          (gint)len);
    umockdev_testbed_set_attribute(bed, path, "speed", speed);
    put_text(bed, path, "busnum", 1, "u");
    put_text(bed, path, "devnum", devnum, "u");
    put_text(bed, path, "bConfigurationValue", 1, "u");
    put_text(bed, path, "bNumConfigurations", 1, "u");
    put_text(bed, path, "bDeviceClass", d[4], "x2");
    put_text(bed, path, "bDeviceSubClass", d[5], "x2");
    put_text(bed, path, "bDeviceProtocol", d[6], "x2");
    put_text(bed, path, "bMaxPacketSize0", d[7], "u");
    put_text(bed, path, "idVendor", kiln_le16(d + 8), "x4");
    put_text(bed, path, "idProduct", kiln_le16(d + 10), "x4");
    put_text(bed, path, "bcdDevice", kiln_le16(d + 12), "x4");
}

/* What the kernel reads when the device is new: the three strings. */
static void put_string(struct appearance *device, uint8_t index, const char *name)
{
    const struct kiln_usb_setup setup = {0x80, 6, (uint16_t)(0x300 | index), 0x0409};
    struct plug *plug = device->plug;
    uint64_t done_ns;
    size_t got = 0, len = 0;
    uint8_t raw[255];
    char text[130];

    if (index == 0 ||
        plug->board.usb->ops->control(plug->board.usb, kiln_front_model_ns(&plug->board), &setup,
                                      raw, sizeof raw, &got, &done_ns) != KILN_SIM_USB_OK)
        return;
    for (size_t i = 2; i + 1 < got && i + 1 < raw[0]; i += 2)
        text[len++] = raw[i + 1] == 0 && raw[i] < 0x80 ? (char)raw[i] : '?';
    text[len++] = '\n';
    text[len] = '\0';
    umockdev_testbed_set_attribute(plug->front->bed, device->syspath, name, text);
}

static void add_interfaces(struct appearance *device)
{
    const uint8_t *config = device->usb.config;
    UMockdevTestbed *bed = device->plug->front->bed;

    for (size_t at = 0; at + 9 <= device->usb.config_len && config[at] >= 2; at += config[at]) {
        char name[48];
        gchar *path;

        if (config[at + 1] != 4 || config[at + 3] != 0)
            continue;
        snprintf(name, sizeof name, "1-%u:1.%u", device->plug->port, config[at + 2]);
        path = umockdev_testbed_add_device(bed, "usb", name, device->syspath, NULL, "DEVTYPE",
                                           "usb_interface", NULL);
        put_text(bed, path, "bInterfaceNumber", config[at + 2], "x2");
        put_text(bed, path, "bAlternateSetting", config[at + 3], "u");
        put_text(bed, path, "bInterfaceClass", config[at + 5], "x2");
        put_text(bed, path, "bInterfaceSubClass", config[at + 6], "x2");
        put_text(bed, path, "bInterfaceProtocol", config[at + 7], "x2");
        g_ptr_array_add(device->interfaces, path);
        if (config[at + 5] == 2 && config[at + 6] == 2)
            kiln_front_add_port(device, path);
    }
}

/* umockdev takes a plain file for a character device. */
void kiln_front_make_node(UMockdevTestbed *bed, const char *node)
{
    gchar *root = umockdev_testbed_get_root_dir(bed);
    gchar *path = g_build_filename(root, node, NULL);
    gchar *folder = g_path_get_dirname(path);

    g_mkdir_with_parents(folder, 0755);
    if (!g_file_set_contents(path, "", 0, NULL) || g_chmod(path, 0666) != 0)
        g_error("kiln-sim-usb: cannot make %s", path);
    g_free(folder);
    g_free(path);
    g_free(root);
}

void kiln_front_remove_node(UMockdevTestbed *bed, const char *node)
{
    gchar *root = umockdev_testbed_get_root_dir(bed);
    gchar *path = g_build_filename(root, node, NULL);

    g_unlink(path);
    g_free(path);
    g_free(root);
}

static void add_to_bed(struct appearance *device, const uint8_t *d)
{
    UMockdevTestbed *bed = device->plug->front->bed;
    uint8_t all[18 + KILN_USB_CONFIG_MAX];
    char name[16], product[24], vid[8], pid[8], busnum[8] = "001", devnum[8];
    gchar *path;

    snprintf(name, sizeof name, "1-%u", device->plug->port);
    snprintf(product, sizeof product, "%x/%x/%x", kiln_le16(d + 8), kiln_le16(d + 10),
             kiln_le16(d + 12));
    snprintf(vid, sizeof vid, "%04x", kiln_le16(d + 8));
    snprintf(pid, sizeof pid, "%04x", kiln_le16(d + 10));
    snprintf(devnum, sizeof devnum, "%03u", device->devnum);
    path = umockdev_testbed_add_device(bed, "usb", name, ROOT_HUB, "devpath", name + 2, NULL,
                                       "DEVTYPE", "usb_device", "DEVNAME", device->node, "PRODUCT",
                                       product, "ID_VENDOR_ID", vid, "ID_MODEL_ID", pid, "ID_BUS",
                                       "usb", "BUSNUM", busnum, "DEVNUM", devnum, NULL);
    snprintf(device->syspath, sizeof device->syspath, "%s", path);
    g_free(path);
    memcpy(all, d, 18);
    memcpy(all + 18, device->usb.config, device->usb.config_len);
    put_attributes(bed, device->syspath, all, 18 + device->usb.config_len, device->devnum, "12\n");
    put_string(device, d[14], "manufacturer");
    put_string(device, d[15], "product");
    put_string(device, d[16], "serial");
    add_interfaces(device);
    /* in this order: a program may open the node as soon as it is there */
    kiln_front_serve(device);
    kiln_front_make_node(bed, device->node);
    /* The first event went out before its files were there; libusb takes the second one then. */
    umockdev_testbed_uevent(bed, device->syspath, "add");
}

static void plug_in(struct plug *plug)
{
    const struct kiln_usb_setup set_config = {0x00, 9, 1, 0};
    struct appearance *device = g_new0(struct appearance, 1);
    uint8_t d[18] = {0};
    uint64_t done_ns;
    size_t got;

    g_ptr_array_add(plug->front->appearances, device);
    device->plug = plug;
    device->interfaces = g_ptr_array_new_with_free_func(g_free);
    device->devnum = plug->front->next_devnum++;
    snprintf(device->node, sizeof device->node, "/dev/bus/usb/001/%03u", device->devnum);
    plug->board.usb->ops->device_descriptor(plug->board.usb, d, sizeof d);
    device->usb.config_len = plug->board.usb->ops->config_descriptor(
        plug->board.usb, device->usb.config, sizeof device->usb.config);
    plug->board.usb->ops->control(plug->board.usb, kiln_front_model_ns(&plug->board), &set_config,
                                  d, 0, &got, &done_ns);
    plug->now = device;
    add_to_bed(device, d);
}

static void pull_out(struct plug *plug)
{
    struct appearance *device = plug->now;
    UMockdevTestbed *bed = plug->front->bed;

    plug->now = NULL;
    device->gone = true;
    umockdev_testbed_uevent(bed, device->syspath, "remove");
    kiln_front_remove_node(bed, device->node);
    umockdev_testbed_detach_ioctl(bed, device->node, NULL);
    kiln_front_remove_port(device);
    for (guint i = 0; i < device->interfaces->len; i++)
        umockdev_testbed_remove_device(bed, device->interfaces->pdata[i]);
    umockdev_testbed_remove_device(bed, device->syspath);
}

void kiln_front_follow(struct plug *plug)
{
    unsigned generation;
    uint64_t next_ns;
    bool present;

    plug->board.usb->ops->presence(plug->board.usb, kiln_front_model_ns(&plug->board), &present,
                                   &generation);
    if (plug->now != NULL && (!present || generation != plug->generation))
        pull_out(plug);
    if (plug->now == NULL && present) {
        plug->generation = generation;
        plug_in(plug);
    }
    if (plug->timer != 0)
        g_source_remove(plug->timer);
    plug->timer = 0;
    next_ns = kiln_front_next_event_ns(&plug->board);
    if (next_ns != KILN_FRONT_NEVER)
        plug->timer =
            g_timeout_add((guint)kiln_front_wait_ms(next_ns, 60000), on_presence_timer, plug);
}

static void add_root_hub(UMockdevTestbed *bed)
{
    static const uint8_t descriptors[] = {18,   1, 0,  2, 9, 0, 1, 64,   0x6B, 0x1D, 2, 0, 0x01,
                                          0x06, 0, 0,  0, 1, /* configuration: */
                                          9,    2, 25, 0, 1, 1, 0, 0xE0, 0,    9,    4, 0, 0,
                                          1,    9, 0,  0, 0, 7, 5, 0x81, 3,    4,    0, 12};
    gchar *path;

    path = umockdev_testbed_add_device(bed, "usb", "usb1", NULL, "devpath", "0", NULL, "DEVTYPE",
                                       "usb_device", "DEVNAME", "/dev/bus/usb/001/001", "BUSNUM",
                                       "001", "DEVNUM", "001", "PRODUCT", "1d6b/2/601", NULL);
    put_attributes(bed, path, descriptors, sizeof descriptors, 1, "480\n");
    umockdev_testbed_set_attribute(bed, path, "product", "simulated host controller\n");
    g_free(path);
}

void kiln_front_plug_all(struct front *front)
{
    front->appearances = g_ptr_array_new_with_free_func(free_appearance);
    front->next_devnum = 2;
    add_root_hub(front->bed);
    for (size_t i = 0; i < front->plug_count; i++)
        kiln_front_follow(&front->plug[i]);
}
