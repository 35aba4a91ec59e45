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
#include "sim/sim.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <usbredirparser.h>

#define PLUGS       15
#define PENDING     16
#define NEVER       UINT64_MAX
#define NS_PER_MS   1000000ull
#define EXIT_FAILED 12
#define DESC_MAX    4096

#define SET_CONFIGURATION 9
#define GET_INTERFACE     10
#define SET_INTERFACE     11

enum answer { ANSWER_CONTROL, ANSWER_CONFIGURATION, ANSWER_ALT };

struct pending {
    enum answer kind;
    uint64_t id, due_ns; /* real time; NEVER: until it is cancelled */
    struct usb_redir_control_packet_header control;
    uint8_t status, interface, value;
    size_t len;
    uint8_t *data;
};

struct plug {
    struct kiln_sim_usb *board;
    bool real_time, greeted, connected;
    uint64_t skew_ns; /* model time runs ahead of real time by what was not waited for */
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

static uint64_t real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static uint64_t model_ns(const struct plug *plug)
{
    return real_ns() + plug->skew_ns;
}

static uint64_t due(struct plug *plug, uint64_t done_ns)
{
    uint64_t now_ns = model_ns(plug);

    if (done_ns <= now_ns)
        return 0;
    if (plug->real_time)
        return done_ns - plug->skew_ns;
    plug->skew_ns += done_ns - now_ns;
    return 0;
}

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
    result = plug->board->ops->control(plug->board, model_ns(plug), setup, item->data, len, &got,
                                       &done_ns);
    item->kind = kind;
    item->id = id;
    item->len = got;
    item->status = usb_redir_success;
    if (result == KILN_SIM_USB_STALL)
        item->status = usb_redir_stall;
    else if (result != KILN_SIM_USB_OK)
        item->status = usb_redir_ioerror;
    item->due_ns = result == KILN_SIM_USB_SILENT ? NEVER : due(plug, done_ns);
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

    plug->board->ops->bus_reset(plug->board, model_ns(plug));
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
        fprintf(stderr, "kiln-sim-usbredir: %s\n", message);
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
    usbredirparser_init(parser, "kiln-sim-usbredir", caps, USB_REDIR_CAPS_SIZE,
                        usbredirparser_fl_usb_host);
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
    size_t len = plug->board->ops->config_descriptor(plug->board, config, sizeof config);
    struct usb_redir_device_connect_header connect = {.speed = usb_redir_speed_full};

    plug->board->ops->device_descriptor(plug->board, device, sizeof device);
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
    plug->board->ops->presence(plug->board, model_ns(plug), &present, &generation);
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
        if (plug->pending[i].due_ns > real_ns()) {
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

static int wait_ms(uint64_t next_ns)
{
    uint64_t now_ns = real_ns();

    if (next_ns <= now_ns)
        return 0;
    return next_ns == NEVER ? 50 : (int)KILN_MIN((next_ns - now_ns) / NS_PER_MS + 1, 50u);
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
    uint64_t next_ns = NEVER;

    for (size_t i = 0; i < front->count; i++) {
        struct plug *plug = &front->plug[i];
        uint64_t event_ns = plug->board->ops->next_event_ns(plug->board);

        if (plug->parser != NULL && !serve(plug, &next_ns))
            hang_up(plug);
        if (event_ns != NEVER)
            next_ns = KILN_MIN(next_ns, event_ns - KILN_MIN(event_ns, plug->skew_ns));
        fds[i] = (struct pollfd){.fd = plug->fd >= 0 ? plug->fd : plug->listener, .events = POLLIN};
    }
    fds[front->count] = (struct pollfd){.fd = front->child, .events = POLLIN};
    if (poll(fds, front->count + 1, wait_ms(next_ns)) < 0)
        return errno == EINTR;
    for (size_t i = 0; i < front->count; i++)
        if (fds[i].revents != 0)
            take(&front->plug[i]);
    return fds[front->count].revents == 0;
}

static int run_program(struct front *front, char **argv)
{
    int status = 0;

    front->pid = fork();
    if (front->pid == 0) {
        execvp(argv[0], argv);
        fprintf(stderr, "kiln-sim-usbredir: cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    front->child = front->pid > 0 ? (int)syscall(SYS_pidfd_open, front->pid, 0) : -1;
    if (front->child < 0)
        return EXIT_FAILED;
    while (turn(front))
        ;
    waitpid(front->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool listen_at(struct plug *plug, const char *folder, size_t index)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    plug->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (snprintf(at.sun_path, sizeof at.sun_path, "%s/%zu", folder, index) >=
            (int)sizeof at.sun_path ||
        plug->listener < 0 || bind(plug->listener, (const struct sockaddr *)&at, sizeof at) != 0 ||
        listen(plug->listener, 1) != 0) {
        fprintf(stderr, "kiln-sim-usbredir: cannot listen at %s/%zu: %s\n", folder, index,
                strerror(errno));
        return false;
    }
    return true;
}

static bool add_board(struct front *front, const char *folder, const char *text)
{
    struct plug *plug = &front->plug[front->count];
    const struct kiln_sim_board *row;
    struct kiln_virtual_clock clock;
    struct kiln_sim_knobs knobs;
    struct kiln_ctx ctx;

    kiln_virtual_clock_init(&clock);
    kiln_ctx_init(&ctx, &clock.base);
    plug->fd = -1;
    if (kiln_sim_knobs_parse(&ctx, text, &knobs) != KILN_OK) {
        fprintf(stderr, "kiln-sim-usbredir: %s\n", ctx.error.message);
        return false;
    }
    row = kiln_sim_board_find(knobs.board);
    if (row->make_usb == NULL || row->make_usb(&ctx, &knobs, &plug->board) != KILN_OK) {
        fprintf(stderr, "kiln-sim-usbredir: %s: %s\n", text,
                row->make_usb == NULL ? "no USB board" : ctx.error.message);
        return false;
    }
    plug->real_time = knobs.real_time;
    return listen_at(plug, folder, front->count++);
}

int main(int argc, char **argv)
{
    struct front front = {.child = -1};
    int first = 2, status = 0;

    while (first < argc && strcmp(argv[first], "--") != 0)
        first++;
    if (first <= 2 || first + 1 >= argc || first - 2 > PLUGS) {
        fprintf(stderr, "usage: kiln-sim-usbredir FOLDER BOARD[?KNOB=VALUE&...]... -- PROGRAM "
                        "[ARGUMENT]...\n");
        return 2;
    }
    for (int i = 2; i < first && status == 0; i++)
        status = add_board(&front, argv[1], argv[i]) ? 0 : 2;
    if (status == 0)
        status = run_program(&front, argv + first + 1);
    for (size_t i = 0; i < front.count; i++) {
        hang_up(&front.plug[i]);
        close(front.plug[i].listener);
        front.plug[i].board->ops->free(front.plug[i].board);
    }
    return status;
}
