/* SPDX-License-Identifier: MIT */
/* usbfs ioctls, answered in the kernel's place. */
#include "base/bytes.h"
#include "sim/front/front.h"

#include <errno.h>
#include <glib-unix.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define URB_MAX     (64 * 1024)
#define SETUP       8
#define SPEED_FULL  2
#define USBFS_FLAGS 0xFFu
#define NS_PER_S    1000000000ull
#define REAP_NS     (20 * 1000000ull) /* longest that REAPURBNDELAY is kept waiting */

struct urb {
    UMockdevIoctlData *data, *buffer;
    int status;
    size_t actual, offset; /* what goes back into the buffer, and where */
    uint8_t *reply;
    uint64_t due_ns; /* real time; KILN_FRONT_NEVER: it hangs until it is discarded */
};

struct open_file {
    struct appearance *device;
    GQueue *urbs;
    UMockdevIoctlClient *waiting; /* for REAPURBNDELAY */
    int timer_fd; /* GLib's own timers count whole milliseconds, a transfer takes a fraction of one */
    guint timer;
};

static gboolean on_reap_timer(gint fd, GIOCondition condition, gpointer user);

/* ---- URBs ---- */

static void free_urb(gpointer data)
{
    struct urb *urb = data;

    if (urb->buffer != NULL)
        g_object_unref(urb->buffer);
    g_object_unref(urb->data);
    g_free(urb->reply);
    g_free(urb);
}

/* A program's last close may come after this program's loop has ended, so the client owns its file. */
static void free_file(gpointer data)
{
    struct open_file *file = data;

    if (file->timer != 0)
        g_source_remove(file->timer);
    if (file->timer_fd >= 0)
        close(file->timer_fd);
    g_queue_free_full(file->urbs, free_urb);
    g_free(file);
}

static struct open_file *file_of(UMockdevIoctlClient *client, struct appearance *device)
{
    struct open_file *file = g_object_get_data(G_OBJECT(client), "kiln-file");

    if (file == NULL) {
        file = g_new0(struct open_file, 1);
        file->device = device;
        file->urbs = g_queue_new();
        file->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (file->timer_fd >= 0)
            file->timer = g_unix_fd_add(file->timer_fd, G_IO_IN, on_reap_timer, file);
        g_object_set_data_full(G_OBJECT(client), "kiln-file", file, free_file);
    }
    return file;
}

static int status_of(enum kiln_sim_usb_result result)
{
    switch (result) {
    case KILN_SIM_USB_OK:
        return 0;
    case KILN_SIM_USB_STALL:
        return -EPIPE;
    case KILN_SIM_USB_SILENT:
    case KILN_SIM_USB_GONE:
        break;
    }
    return -ESHUTDOWN;
}

static enum kiln_sim_usb_result run_control(struct plug *plug, const struct kiln_usb_setup *setup,
                                            uint8_t *data, size_t len, size_t *out_len,
                                            uint64_t *out_due_ns)
{
    uint64_t done_ns = 0;
    enum kiln_sim_usb_result result = plug->board.usb->ops->control(
        plug->board.usb, kiln_front_model_ns(&plug->board), setup, data, len, out_len, &done_ns);

    *out_due_ns =
        result == KILN_SIM_USB_SILENT ? KILN_FRONT_NEVER : kiln_front_due(&plug->board, done_ns);
    return result;
}

/* Hands the transfer to the model at once; the answer waits in the URB until it is due. */
static int start_control(struct open_file *file, struct urb *urb)
{
    struct appearance *device = file->device;
    const uint8_t *raw = urb->buffer->data;
    size_t buffer_len = (size_t)urb->buffer->data_len;
    struct kiln_usb_setup setup;
    size_t len;
    int status;

    if (buffer_len < SETUP)
        return -EINVAL;
    setup = (struct kiln_usb_setup){raw[0], raw[1], kiln_le16(raw + 2), kiln_le16(raw + 4)};
    len = kiln_le16(raw + 6);
    status = kiln_usbfs_check_control(&device->usb, file, &setup, len, buffer_len);
    if (status != 0)
        return status;
    urb->reply = g_malloc0(len + 1);
    if ((setup.request_type & 0x80) == 0)
        memcpy(urb->reply, raw + SETUP, len);
    urb->status =
        status_of(run_control(device->plug, &setup, urb->reply, len, &urb->actual, &urb->due_ns));
    urb->offset = SETUP;
    if ((setup.request_type & 0x80) == 0)
        g_clear_pointer(&urb->reply, g_free);
    return 0;
}

static int start_transfer(struct open_file *file, struct urb *urb, enum usbfs_transfer type,
                          uint8_t endpoint)
{
    struct plug *plug = file->device->plug;
    size_t len = (size_t)urb->buffer->data_len;
    enum kiln_sim_usb_result result;
    uint64_t done_ns = 0;
    int status = kiln_usbfs_check_transfer(&file->device->usb, file, type, endpoint);

    if (status != 0)
        return status;
    urb->reply = g_memdup2(urb->buffer->data, len + (len == 0));
    result = plug->board.usb->ops->transfer(plug->board.usb, kiln_front_model_ns(&plug->board),
                                            endpoint, urb->reply, len, &urb->actual, &done_ns);
    urb->status = status_of(result);
    urb->due_ns =
        result == KILN_SIM_USB_SILENT ? KILN_FRONT_NEVER : kiln_front_due(&plug->board, done_ns);
    if ((endpoint & 0x80) == 0)
        g_clear_pointer(&urb->reply, g_free);
    return 0;
}

static int submit(struct open_file *file, UMockdevIoctlData *data)
{
    struct usbdevfs_urb raw;
    struct urb *urb;
    int status;

    memcpy(&raw, data->data, sizeof raw);
    if (raw.buffer_length < 0 || raw.buffer_length > URB_MAX || (raw.flags & ~USBFS_FLAGS) != 0 ||
        raw.type == USBDEVFS_URB_TYPE_ISO || (raw.buffer_length > 0 && raw.buffer == NULL))
        return -EINVAL;
    urb = g_new0(struct urb, 1);
    urb->data = g_object_ref(data);
    if (raw.buffer_length > 0)
        urb->buffer = umockdev_ioctl_data_resolve(data, offsetof(struct usbdevfs_urb, buffer),
                                                  (gsize)raw.buffer_length, NULL);
    if (urb->buffer == NULL)
        status = raw.buffer_length > 0 ? -EFAULT : -EINVAL;
    else if (raw.type == USBDEVFS_URB_TYPE_CONTROL)
        status = (raw.endpoint & 0x7F) == 0 ? start_control(file, urb) : -EINVAL;
    else
        status = start_transfer(file, urb, raw.type, raw.endpoint);
    if (status != 0)
        free_urb(urb);
    else
        g_queue_push_tail(file->urbs, urb);
    return status;
}

/* The URB that is due, NULL if none is; *out_next_ns is when the next one will be. */
static struct urb *due_urb(struct open_file *file, uint64_t *out_next_ns)
{
    uint64_t now_ns = kiln_front_real_ns();

    *out_next_ns = KILN_FRONT_NEVER;
    for (GList *link = file->urbs->head; link != NULL; link = link->next) {
        struct urb *urb = link->data;

        if (file->device->gone && urb->due_ns > now_ns) {
            urb->status = -ESHUTDOWN;
            urb->due_ns = now_ns;
            urb->actual = 0;
        }
        if (urb->due_ns <= now_ns) {
            g_queue_delete_link(file->urbs, link);
            return urb;
        }
        *out_next_ns = KILN_MIN(*out_next_ns, urb->due_ns);
    }
    return NULL;
}

static void hand_back(UMockdevIoctlClient *client, UMockdevIoctlData *slot, struct urb *urb)
{
    int status = urb->status;
    int actual = (int)(status == 0 ? urb->actual : 0);

    if (urb->reply != NULL && actual > 0)
        umockdev_ioctl_data_update(urb->buffer, urb->offset, urb->reply, actual);
    umockdev_ioctl_data_update(urb->data, offsetof(struct usbdevfs_urb, status), (guint8 *)&status,
                               sizeof status);
    umockdev_ioctl_data_update(urb->data, offsetof(struct usbdevfs_urb, actual_length),
                               (guint8 *)&actual, sizeof actual);
    umockdev_ioctl_data_set_ptr(slot, 0, urb->data);
    umockdev_ioctl_client_complete(client, 0, 0);
    free_urb(urb);
}

/* Answers a waiting REAPURB if it can. The node is a plain file that poll() finds ready always: "nothing
 * yet" is said only after a while, or the program would burn a core. */
static gboolean answer_reap(struct open_file *file, bool last)
{
    UMockdevIoctlClient *client = file->waiting;
    UMockdevIoctlData *slot;
    uint64_t next_ns;
    struct urb *urb = due_urb(file, &next_ns);

    if (urb == NULL && !last && !file->device->gone)
        return FALSE;
    file->waiting = NULL;
    if (urb == NULL) {
        umockdev_ioctl_client_complete(client, -1, file->device->gone ? ENODEV : EAGAIN);
    } else {
        slot = umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0, sizeof(void *),
                                           NULL);
        hand_back(client, slot, urb);
        g_object_unref(slot);
    }
    g_object_unref(client);
    return TRUE;
}

static gboolean on_reap_timer(gint fd, GIOCondition condition, gpointer user)
{
    struct open_file *file = user;
    uint64_t expirations;

    (void)condition;
    if (read(fd, &expirations, sizeof expirations) == (ssize_t)sizeof expirations &&
        file->waiting != NULL)
        answer_reap(file, true);
    return G_SOURCE_CONTINUE;
}

static void reap(struct open_file *file, UMockdevIoctlClient *client)
{
    uint64_t when_ns = kiln_front_real_ns() + REAP_NS;
    struct itimerspec at = {{0, 0}, {0, 0}};

    file->waiting = g_object_ref(client);
    if (answer_reap(file, g_queue_is_empty(file->urbs) || file->timer_fd < 0))
        return;
    for (GList *link = file->urbs->head; link != NULL; link = link->next)
        when_ns = KILN_MIN(when_ns, ((const struct urb *)link->data)->due_ns);
    at.it_value.tv_sec = (time_t)(when_ns / NS_PER_S);
    at.it_value.tv_nsec = (long)(when_ns % NS_PER_S);
    if (timerfd_settime(file->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        answer_reap(file, true);
}

static int discard(struct open_file *file, const void *address)
{
    for (GList *link = file->urbs->head; link != NULL; link = link->next) {
        struct urb *urb = link->data;

        if (urb->data->client_addr != (gulong)(uintptr_t)address)
            continue;
        if (urb->due_ns > kiln_front_real_ns()) {
            urb->status = -ENOENT;
            urb->due_ns = 0;
            urb->actual = 0;
        }
        return 0;
    }
    return -EINVAL;
}

/* ---- the other ioctls ---- */

static int simple_control(struct appearance *device, const struct kiln_usb_setup *setup)
{
    uint64_t due_ns;
    uint8_t none[1];
    size_t got;

    return status_of(run_control(device->plug, setup, none, 0, &got, &due_ns));
}

static int set_interface(struct open_file *file, const unsigned *arg)
{
    const struct kiln_usb_setup setup = {0x01, 11, (uint16_t)arg[1], (uint16_t)arg[0]};
    int status = kiln_usbfs_check_alt(&file->device->usb, file, arg[0], arg[1]);

    if (status == 0)
        status = simple_control(file->device, &setup);
    if (status == 0)
        kiln_usbfs_alt_is_set(&file->device->usb, arg[0], arg[1]);
    return status;
}

static int set_configuration(struct open_file *file, unsigned value)
{
    const struct kiln_usb_setup setup = {0x00, 9, (uint16_t)value, 0};
    int status = kiln_usbfs_check_configuration(&file->device->usb, value);

    return status != 0 ? status : simple_control(file->device, &setup);
}

static int reset(struct appearance *device)
{
    struct plug *plug = device->plug;

    plug->board.usb->ops->bus_reset(plug->board.usb, kiln_front_model_ns(&plug->board));
    memset(device->usb.alt, 0, sizeof device->usb.alt);
    kiln_front_follow(plug);
    return device->gone ? -ENODEV : 0;
}

static int get_driver(const struct appearance *device, UMockdevIoctlData *data)
{
    static const char name[] = "usbfs";
    unsigned interface;
    int status;

    memcpy(&interface, data->data, sizeof interface);
    status = kiln_usbfs_driver(&device->usb, interface);
    if (status == 0)
        umockdev_ioctl_data_update(data, offsetof(struct usbdevfs_getdriver, driver),
                                   (guint8 *)(uintptr_t)name, sizeof name);
    return status;
}

/* USBDEVFS_IOCTL carries DISCONNECT and CONNECT; no kernel driver wants these boards. */
static int driver_ioctl(const struct appearance *device, const UMockdevIoctlData *data)
{
    struct usbdevfs_ioctl command;
    int status;

    memcpy(&command, data->data, sizeof command);
    status = kiln_usbfs_driver(&device->usb, (unsigned)command.ifno);
    if (status == -EINVAL)
        return status;
    if ((unsigned)command.ioctl_code == USBDEVFS_DISCONNECT)
        return status == 0 ? 0 : -ENODATA;
    if ((unsigned)command.ioctl_code == USBDEVFS_CONNECT)
        return status == 0 ? -EBUSY : 0;
    return -ENOTTY;
}

static int capabilities(UMockdevIoctlData *data)
{
    uint32_t caps = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |
                    USBDEVFS_CAP_REAP_AFTER_DISCONNECT;

    umockdev_ioctl_data_update(data, 0, (guint8 *)&caps, sizeof caps);
    return 0;
}

static int with_argument(struct open_file *file, gulong request, UMockdevIoctlData *data)
{
    struct appearance *device = file->device;
    unsigned arg[2] = {0, 0};

    memcpy(arg, data->data, KILN_MIN(sizeof arg, (size_t)data->data_len));
    switch (request) {
    case USBDEVFS_SUBMITURB:
        return submit(file, data);
    case USBDEVFS_CLAIMINTERFACE:
        return kiln_usbfs_claim(&device->usb, file, arg[0]);
    case USBDEVFS_DISCONNECT_CLAIM:
        return kiln_usbfs_claim(&device->usb, file, arg[0]) == 0 ? 0 : -EBUSY;
    case USBDEVFS_RELEASEINTERFACE:
        return kiln_usbfs_release(&device->usb, file, arg[0]);
    case USBDEVFS_SETINTERFACE:
        return set_interface(file, arg);
    case USBDEVFS_SETCONFIGURATION:
        return set_configuration(file, arg[0]);
    case USBDEVFS_GETDRIVER:
        return get_driver(device, data);
    case USBDEVFS_IOCTL:
        return driver_ioctl(device, data);
    case USBDEVFS_GET_CAPABILITIES:
        return capabilities(data);
    case USBDEVFS_CLEAR_HALT:
    case USBDEVFS_RESETEP:
        return kiln_usbfs_check_transfer(&device->usb, file, USBFS_BULK, (uint8_t)arg[0]);
    default:
        return -ENOTTY;
    }
}

static int decide(struct open_file *file, UMockdevIoctlClient *client)
{
    gulong request = umockdev_ioctl_client_get_request(client);
    UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client);
    size_t size = request >> _IOC_SIZESHIFT & ((1u << _IOC_SIZEBITS) - 1);
    UMockdevIoctlData *data;
    void *pointer;
    int status;

    if (file->device->gone)
        return -ENODEV;
    if (request == USBDEVFS_RESET)
        return reset(file->device);
    if (request == USBDEVFS_GET_SPEED)
        return SPEED_FULL;
    if (request == USBDEVFS_DISCARDURB) {
        memcpy(&pointer, arg->data, sizeof pointer);
        return discard(file, pointer);
    }
    if (size == 0)
        return -ENOTTY;
    data = umockdev_ioctl_data_resolve(arg, 0, size, NULL);
    if (data == NULL)
        return -EFAULT;
    status = with_argument(file, request, data);
    g_object_unref(data);
    return status;
}

static gboolean on_ioctl(UMockdevIoctlBase *handler, UMockdevIoctlClient *client, gpointer user)
{
    struct appearance *device = user;
    struct open_file *file = file_of(client, device);
    gulong request = umockdev_ioctl_client_get_request(client);
    int status;

    (void)handler;
    if (!device->gone)
        kiln_front_follow(device->plug);
    if (request == USBDEVFS_REAPURBNDELAY || request == USBDEVFS_REAPURB) {
        reap(file, client);
        return TRUE;
    }
    status = decide(file, client);
    umockdev_ioctl_client_complete(client, status < 0 ? -1 : status, status < 0 ? -status : 0);
    if (!device->gone)
        kiln_front_follow(device->plug);
    return TRUE;
}

static void on_vanished(UMockdevIoctlBase *handler, UMockdevIoctlClient *client, gpointer user)
{
    struct appearance *device = user;
    struct open_file *file = g_object_get_data(G_OBJECT(client), "kiln-file");

    (void)handler;
    if (file == NULL)
        return;
    kiln_usbfs_close(&device->usb, file);
    g_clear_object(&file->waiting);
    g_object_set_data(G_OBJECT(client), "kiln-file", NULL);
}

void kiln_front_serve(struct appearance *device)
{
    GError *error = NULL;

    device->handler = umockdev_ioctl_base_new();
    g_signal_connect(device->handler, "handle-ioctl", G_CALLBACK(on_ioctl), device);
    g_signal_connect(device->handler, "client-vanished", G_CALLBACK(on_vanished), device);
    if (!umockdev_testbed_attach_ioctl(device->plug->front->bed, device->node, device->handler,
                                       &error))
        g_error("kiln-sim-usb: %s", error->message);
}
