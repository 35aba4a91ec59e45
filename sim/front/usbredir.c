/* SPDX-License-Identifier: MIT */
/*
 * kiln-sim-usbredir FOLDER BOARD[?KNOBS]... -- PROGRAM [ARGUMENT]...
 *
 * Serves each board as a USB device over the usb-redir protocol on the sockets FOLDER/0, FOLDER/1, ... and
 * runs a program, which is QEMU with a usb-redir device for each: the guest then sees the boards behind
 * its host controller, bus resets included. The protocol itself is libusbredirparser's. Control transfers
 * only: DFU devices have no other endpoints.
 */
#include "base/bytes.h"
#include "sim/front/board.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <usbredirparser.h>

#define PROGRAM   "kiln-sim-usbredir"
#define ROUND_MS  50 /* a board that appears by itself is seen this soon */
#define PLUGS     15
#define PENDING   16
#define NS_PER_MS 1000000ull
#define DESC_MAX  4096

#define SET_CONFIGURATION 9
#define GET_INTERFACE     10
#define SET_INTERFACE     11

enum answer { ANSWER_CONTROL, ANSWER_CONFIGURATION, ANSWER_ALT };

struct pending {
    enum answer kind;
    uint64_t id, due_ns; /* real time; KILN_FRONT_NEVER: until it is cancelled */
    struct usb_redir_control_packet_header control;
    uint8_t status, interface, value;
    size_t len;
    uint8_t *data;
};

struct plug {
    struct kiln_front_board board;
    bool greeted, connected;
    unsigned generation;
    int listener, fd; /* fd: -1 until QEMU is there */
    struct usbredirparser *parser;
    struct pending pending[PENDING];
    size_t pending_count;
};

struct front {
    struct plug plug[PLUGS];
    size_t count;
    int child; /* pidfd */
    pid_t pid;
};

/* ---- transfers ---- */

static void forget(struct plug *plug, size_t i)
{
    free(plug->pending[i].data);
    memmove(&plug->pending[i], &plug->pending[i + 1],
            (--plug->pending_count - i) * sizeof plug->pending[0]);
}

/* Hands one request to the model; the answer waits until it is due. NULL if too many wait already. */
static struct pending *submit(struct plug *plug, enum answer kind, uint64_t id,
                              const struct kiln_usb_setup *setup, const uint8_t *data, size_t len)
{
    struct pending *item = &plug->pending[plug->pending_count];
    enum kiln_sim_usb_result result;
    uint64_t done_ns = 0;
    size_t got = 0;

    if (plug->pending_count == PENDING || (item->data = calloc(1, len + 1)) == NULL)
        return NULL;
    plug->pending_count++;
    if (data != NULL)
        memcpy(item->data, data, len);
    result = plug->board.usb->ops->control(plug->board.usb, kiln_front_model_ns(&plug->board),
                                           setup, item->data, len, &got, &done_ns);
    item->kind = kind;
    item->id = id;
    item->len = got;
    item->status = usb_redir_success;
    if (result == KILN_SIM_USB_STALL)
        item->status = usb_redir_stall;
    else if (result != KILN_SIM_USB_OK)
        item->status = usb_redir_ioerror;
    item->due_ns =
        result == KILN_SIM_USB_SILENT ? KILN_FRONT_NEVER : kiln_front_due(&plug->board, done_ns);
    return item;
}

static void on_control(void *user, uint64_t id, struct usb_redir_control_packet_header *header,
                       uint8_t *data, int data_len)
{
    struct plug *plug = user;
    const struct kiln_usb_setup setup = {header->requesttype, header->request, header->value,
                                         header->index};
    bool in = (header->endpoint & 0x80) != 0;
    struct pending *item;

    item = submit(plug, ANSWER_CONTROL, id, &setup, in ? NULL : data,
                  in ? header->length : (size_t)data_len);
    if (item != NULL)
        item->control = *header;
    usbredirparser_free_packet_data(plug->parser, data);
}

static void on_set_configuration(void *user, uint64_t id,
                                 struct usb_redir_set_configuration_header *header)
{
    const struct kiln_usb_setup setup = {0, SET_CONFIGURATION, header->configuration, 0};
    struct pending *item = submit(user, ANSWER_CONFIGURATION, id, &setup, NULL, 0);

    if (item != NULL)
        item->value = header->configuration;
}

static void on_set_alt(void *user, uint64_t id, struct usb_redir_set_alt_setting_header *header)
{
    const struct kiln_usb_setup setup = {1, SET_INTERFACE, header->alt, header->interface};
    struct pending *item = submit(user, ANSWER_ALT, id, &setup, NULL, 0);

    if (item != NULL) {
        item->interface = header->interface;
        item->value = header->alt;
    }
}

static void on_get_alt(void *user, uint64_t id, struct usb_redir_get_alt_setting_header *header)
{
    const struct kiln_usb_setup setup = {0x81, GET_INTERFACE, 0, header->interface};
    struct pending *item = submit(user, ANSWER_ALT, id, &setup, NULL, 1);

    if (item != NULL) {
        item->interface = header->interface;
        item->value = item->data[0];
    }
}

static void on_cancel(void *user, uint64_t id)
{
    struct plug *plug = user;

    for (size_t i = 0; i < plug->pending_count; i++)
        if (plug->pending[i].id == id) {
            plug->pending[i].status = usb_redir_cancelled;
            plug->pending[i].len = 0;
            plug->pending[i].due_ns = 0;
        }
}

static void on_reset(void *user)
{
    struct plug *plug = user;

    plug->board.usb->ops->bus_reset(plug->board.usb, kiln_front_model_ns(&plug->board));
}

static void send_answer(struct plug *plug, struct pending *item)
{
    struct usb_redir_configuration_status_header configuration = {item->status, item->value};
    struct usb_redir_alt_setting_status_header alt = {item->status, item->interface, item->value};
    bool in = (item->control.endpoint & 0x80) != 0;

    switch (item->kind) {
    case ANSWER_CONFIGURATION:
        usbredirparser_send_configuration_status(plug->parser, item->id, &configuration);
        return;
    case ANSWER_ALT:
        usbredirparser_send_alt_setting_status(plug->parser, item->id, &alt);
        return;
    case ANSWER_CONTROL:
        item->control.status = item->status;
        item->control.length = (uint16_t)(item->status == usb_redir_success ? item->len : 0);
        usbredirparser_send_control_packet(plug->parser, item->id, &item->control,
                                           in ? item->data : NULL, in ? item->control.length : 0);
        return;
    }
}

/* ---- the connection ---- */

static int on_read(void *user, uint8_t *data, int count)
{
    ssize_t n = recv(((struct plug *)user)->fd, data, (size_t)count, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return n <= 0 ? -1 : (int)n;
}

static int on_write(void *user, uint8_t *data, int count)
{
    ssize_t n = send(((struct plug *)user)->fd, data, (size_t)count, MSG_NOSIGNAL);

    return n <= 0 ? -1 : (int)n;
}

static void on_log(void *user, int level, const char *message)
{
    (void)user;
    if (level <= usbredirparser_warning)
        fprintf(stderr, PROGRAM ": %s\n", message);
}

static void on_hello(void *user, struct usb_redir_hello_header *hello)
{
    (void)hello;
    ((struct plug *)user)->greeted = true;
}

/* QEMU lets go of an unplugged device by this; there is nothing to do for it here. */
static void on_disconnect_ack(void *user)
{
    (void)user;
}

static bool greet(struct plug *plug)
{
    uint32_t caps[USB_REDIR_CAPS_SIZE] = {0};
    struct usbredirparser *parser = usbredirparser_create();

    if (parser == NULL)
        return false;
    parser->priv = plug;
    parser->log_func = on_log;
    parser->read_func = on_read;
    parser->write_func = on_write;
    parser->hello_func = on_hello;
    parser->reset_func = on_reset;
    parser->set_configuration_func = on_set_configuration;
    parser->set_alt_setting_func = on_set_alt;
    parser->get_alt_setting_func = on_get_alt;
    parser->control_packet_func = on_control;
    parser->cancel_data_packet_func = on_cancel;
    parser->device_disconnect_ack_func = on_disconnect_ack;
    usbredirparser_caps_set_cap(caps, usb_redir_cap_connect_device_version);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_ep_info_max_packet_size);
    usbredirparser_caps_set_cap(caps, usb_redir_cap_64bits_ids);
    usbredirparser_caps_set_cap(caps,
                                usb_redir_cap_32bits_bulk_length); /* QEMU wants it for xHCI */
    usbredirparser_caps_set_cap(caps, usb_redir_cap_device_disconnect_ack);
    plug->parser = parser;
    usbredirparser_init(parser, PROGRAM, caps, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
    return true;
}

static void hang_up(struct plug *plug)
{
    while (plug->pending_count > 0)
        forget(plug, 0);
    if (plug->parser != NULL)
        usbredirparser_destroy(plug->parser);
    plug->parser = NULL;
    if (plug->fd >= 0)
        close(plug->fd);
    plug->fd = -1;
    plug->greeted = plug->connected = false;
}

/* ---- plug and unplug ---- */

static void describe_interfaces(const uint8_t *config, size_t len,
                                struct usb_redir_interface_info_header *info)
{
    for (size_t at = 0; at + 2 <= len && config[at] >= 2; at += config[at]) {
        const uint8_t *d = config + at;

        if (d[1] != 4 || at + 9 > len || d[3] != 0 || info->interface_count == 32)
            continue;
        info->interface[info->interface_count] = d[2];
        info->interface_class[info->interface_count] = d[5];
        info->interface_subclass[info->interface_count] = d[6];
        info->interface_protocol[info->interface_count++] = d[7];
    }
}

static void plug_in(struct plug *plug)
{
    struct usb_redir_interface_info_header interfaces = {0};
    struct usb_redir_ep_info_header endpoints = {0};
    uint8_t device[18] = {0}, config[DESC_MAX];
    size_t len = plug->board.usb->ops->config_descriptor(plug->board.usb, config, sizeof config);
    struct usb_redir_device_connect_header connect = {.speed = usb_redir_speed_full};

    plug->board.usb->ops->device_descriptor(plug->board.usb, device, sizeof device);
    connect.device_class = device[4];
    connect.device_subclass = device[5];
    connect.device_protocol = device[6];
    connect.vendor_id = kiln_le16(device + 8);
    connect.product_id = kiln_le16(device + 10);
    connect.device_version_bcd = kiln_le16(device + 12);
    describe_interfaces(config, len, &interfaces);
    memset(endpoints.type, usb_redir_type_invalid, sizeof endpoints.type);
    endpoints.type[0] = endpoints.type[16] = usb_redir_type_control;
    endpoints.max_packet_size[0] = endpoints.max_packet_size[16] = device[7];
    usbredirparser_send_ep_info(plug->parser, &endpoints);
    usbredirparser_send_interface_info(plug->parser, &interfaces);
    usbredirparser_send_device_connect(plug->parser, &connect);
    plug->connected = true;
}

static void follow(struct plug *plug)
{
    unsigned generation;
    bool present;

    if (!plug->greeted)
        return;
    plug->board.usb->ops->presence(plug->board.usb, kiln_front_model_ns(&plug->board), &present,
                                   &generation);
    if (plug->connected && (!present || generation != plug->generation)) {
        while (plug->pending_count > 0)
            forget(plug, 0);
        usbredirparser_send_device_disconnect(plug->parser);
        plug->connected = false;
    }
    if (!plug->connected && present) {
        plug->generation = generation;
        plug_in(plug);
    }
}

/* ---- the loop ---- */

static bool serve(struct plug *plug, uint64_t *next_ns)
{
    size_t i = 0;

    while (i < plug->pending_count) {
        if (plug->pending[i].due_ns > kiln_front_real_ns()) {
            *next_ns = KILN_MIN(*next_ns, plug->pending[i].due_ns);
            i++;
            continue;
        }
        send_answer(plug, &plug->pending[i]);
        forget(plug, i);
    }
    follow(plug);
    while (usbredirparser_has_data_to_write(plug->parser) > 0)
        if (usbredirparser_do_write(plug->parser) != 0)
            return false;
    return true;
}

static void take(struct plug *plug)
{
    if (plug->fd >= 0) {
        if (usbredirparser_do_read(plug->parser) == usbredirparser_read_io_error)
            hang_up(plug);
        return;
    }
    plug->fd = accept4(plug->listener, NULL, NULL, SOCK_CLOEXEC);
    if (plug->fd >= 0 && !greet(plug))
        hang_up(plug);
}

/* One round of all boards. False once the program has ended. */
static bool turn(struct front *front)
{
    struct pollfd fds[PLUGS + 1];
    uint64_t next_ns = KILN_FRONT_NEVER;

    for (size_t i = 0; i < front->count; i++) {
        struct plug *plug = &front->plug[i];

        if (plug->parser != NULL && !serve(plug, &next_ns))
            hang_up(plug);
        next_ns = KILN_MIN(next_ns, kiln_front_next_event_ns(&plug->board));
        fds[i] = (struct pollfd){.fd = plug->fd >= 0 ? plug->fd : plug->listener, .events = POLLIN};
    }
    fds[front->count] = (struct pollfd){.fd = front->child, .events = POLLIN};
    if (poll(fds, front->count + 1, kiln_front_wait_ms(next_ns, ROUND_MS)) < 0)
        return errno == EINTR;
    for (size_t i = 0; i < front->count; i++)
        if (fds[i].revents != 0)
            take(&front->plug[i]);
    return fds[front->count].revents == 0;
}

static int run_program(struct front *front, char **argv)
{
    front->child = kiln_front_start(PROGRAM, argv, &front->pid);
    if (front->child < 0)
        return KILN_FRONT_EXIT_FAILED;
    while (turn(front))
        ;
    return kiln_front_exit_status(front->pid);
}

static bool listen_at(struct plug *plug, const char *folder, size_t index)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    plug->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (snprintf(at.sun_path, sizeof at.sun_path, "%s/%zu", folder, index) >=
            (int)sizeof at.sun_path ||
        plug->listener < 0 || bind(plug->listener, (const struct sockaddr *)&at, sizeof at) != 0 ||
        listen(plug->listener, 1) != 0) {
        fprintf(stderr, PROGRAM ": cannot listen at %s/%zu: %s\n", folder, index, strerror(errno));
        return false;
    }
    return true;
}

static bool add_board(struct front *front, const char *folder, const char *text)
{
    struct plug *plug = &front->plug[front->count];

    if (!kiln_front_board_make(&plug->board, PROGRAM, text))
        return false;
    plug->fd = -1;
    return listen_at(plug, folder, front->count++);
}

int main(int argc, char **argv)
{
    struct front front = {.child = -1};
    int split = kiln_front_split(argc, argv, 2, PLUGS), status = 0;

    if (split == 0) {
        fprintf(stderr, "usage: kiln-sim-usbredir FOLDER BOARD[?KNOB=VALUE&...]... -- PROGRAM "
                        "[ARGUMENT]...\n");
        return KILN_FRONT_EXIT_USAGE;
    }
    for (int i = 2; i < split && status == 0; i++)
        status = add_board(&front, argv[1], argv[i]) ? 0 : KILN_FRONT_EXIT_USAGE;
    if (status == 0)
        status = run_program(&front, argv + split + 1);
    for (size_t i = 0; i < front.count; i++) {
        hang_up(&front.plug[i]);
        close(front.plug[i].listener);
        kiln_front_board_free(&front.plug[i].board);
    }
    return status;
}
