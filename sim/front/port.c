/* SPDX-License-Identifier: MIT */
/* The serial port that the kernel makes of a communications device: its rate and lines go to the board as cdc_acm
 * would send them. Nothing can be read or written. */
#include "base/bytes.h"
#include "sim/front/front.h"

#include <asm/termbits.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define SET_LINE_CODING        0x20
#define SET_CONTROL_LINE_STATE 0x22
#define BOTH_LINES             (TIOCM_DTR | TIOCM_RTS)

static void class_request(struct plug *plug, uint8_t request, uint16_t value, uint8_t *data,
                          size_t len)
{
    const struct kiln_usb_setup setup = {0x21, request, value, 0};
    uint64_t done_ns;
    size_t got;

    plug->board.usb->ops->control(plug->board.usb, kiln_front_model_ns(&plug->board), &setup, data,
                                  len, &got, &done_ns);
}

static void set_rate(struct appearance *device, const struct termios2 *settings)
{
    uint8_t coding[7] = {0, 0, 0, 0, 0, 0, 8};

    if (device->port->settings.c_ospeed != settings->c_ospeed) {
        kiln_put_le32(coding, settings->c_ospeed);
        class_request(device->plug, SET_LINE_CODING, 0, coding, sizeof coding);
    }
    device->port->settings = *settings;
}

static void set_lines(struct appearance *device, int lines)
{
    uint16_t state = (uint16_t)((lines & TIOCM_DTR ? 1 : 0) | (lines & TIOCM_RTS ? 2 : 0));

    device->port->lines = lines & BOTH_LINES;
    class_request(device->plug, SET_CONTROL_LINE_STATE, state, NULL, 0);
}

static int with_argument(struct appearance *device, gulong request, UMockdevIoctlData *data)
{
    struct termios2 settings;
    int lines;

    switch (request) {
    case TCGETS2:
        umockdev_ioctl_data_update(data, 0, (guint8 *)&device->port->settings, sizeof settings);
        return 0;
    case TCSETS2:
        memcpy(&settings, data->data, sizeof settings);
        set_rate(device, &settings);
        return 0;
    case TIOCMGET:
        umockdev_ioctl_data_update(data, 0, (guint8 *)&device->port->lines, sizeof lines);
        return 0;
    default:
        memcpy(&lines, data->data, sizeof lines);
        set_lines(device, lines);
        return 0;
    }
}

static int decide(struct appearance *device, UMockdevIoctlClient *client)
{
    gulong request = umockdev_ioctl_client_get_request(client);
    bool settings = request == TCGETS2 || request == TCSETS2;
    UMockdevIoctlData *data;
    int status;

    if (device->gone)
        return -EIO;
    if (request == TIOCGSERIAL || request == TIOCSSERIAL)
        return -ENOTTY;
    if (!settings && request != TIOCMGET && request != TIOCMSET)
        return 0; /* locks, flushes, what is still to be sent: nothing */
    data = umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0,
                                       settings ? sizeof(struct termios2) : sizeof(int), NULL);
    if (data == NULL)
        return -EFAULT;
    status = with_argument(device, request, data);
    g_object_unref(data);
    return status;
}

static gboolean on_ioctl(UMockdevIoctlBase *handler, UMockdevIoctlClient *client, gpointer user)
{
    struct appearance *device = user;
    int status = decide(device, client);

    (void)handler;
    umockdev_ioctl_client_complete(client, status < 0 ? -1 : status, status < 0 ? -status : 0);
    if (!device->gone)
        kiln_front_follow(device->plug);
    return TRUE;
}

/* The kernel raises both lines for the first who opens the port. */
static void on_connected(UMockdevIoctlBase *handler, UMockdevIoctlClient *client, gpointer user)
{
    struct appearance *device = user;

    (void)handler;
    (void)client;
    if (!device->gone)
        set_lines(device, BOTH_LINES);
}

void kiln_front_add_port(struct appearance *device, const char *interface)
{
    UMockdevTestbed *bed = device->plug->front->bed;
    struct serial_port *port = g_new0(struct serial_port, 1);
    GError *error = NULL;
    gchar *path;

    device->port = port;
    port->settings.c_ispeed = port->settings.c_ospeed = 9600;
    snprintf(port->node, sizeof port->node, "/dev/ttyACM%u", device->plug->port - 1);
    path = umockdev_testbed_add_device(bed, "tty", port->node + strlen("/dev/"), interface, NULL,
                                       "DEVNAME", port->node, NULL);
    snprintf(port->syspath, sizeof port->syspath, "%s", path);
    g_free(path);
    port->handler = umockdev_ioctl_base_new();
    g_signal_connect(port->handler, "handle-ioctl", G_CALLBACK(on_ioctl), device);
    g_signal_connect(port->handler, "client-connected", G_CALLBACK(on_connected), device);
    if (!umockdev_testbed_attach_ioctl(bed, port->node, port->handler, &error))
        g_error("kiln-sim-usb: %s", error->message);
    kiln_front_make_node(bed, port->node);
}

void kiln_front_remove_port(struct appearance *device)
{
    UMockdevTestbed *bed = device->plug->front->bed;

    if (device->port == NULL)
        return;
    umockdev_testbed_uevent(bed, device->port->syspath, "remove");
    kiln_front_remove_node(bed, device->port->node);
    umockdev_testbed_detach_ioctl(bed, device->port->node, NULL);
    umockdev_testbed_remove_device(bed, device->port->syspath);
}

void kiln_front_free_port(struct appearance *device)
{
    if (device->port != NULL)
        g_object_unref(device->port->handler);
    g_clear_pointer(&device->port, g_free);
}
