/* SPDX-License-Identifier: MIT */
/*
 * kiln-sim-usbip BOARD[?KNOBS]... -- PROGRAM [ARGUMENT]...
 *
 * Plugs simulated boards into the running kernel's virtual host controller (vhci_hcd) by USB/IP and runs a
 * program: its libusb then meets the real usbfs. Needs root and is meant for a guest, not for the computer
 * one works on. The protocol is Documentation/usb/usbip_protocol.rst of the Linux kernel; it does not
 * carry bus resets.
 */
#include "base/bytes.h"
#include "sim/front/board.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRAM    "kiln-sim-usbip"
#define ROUND_MS   50 /* a board that appears by itself is seen this soon */
#define VHCI       "/sys/devices/platform/vhci_hcd.0"
#define PLUGS      8 /* ports of the controller's USB 2 root hub */
#define PENDING    16
#define BUFFER_MAX 65536
#define HEADER     48
#define NS_PER_MS  1000000ull
#define SPEED_FULL 2
#define READY_MS   10000

enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };

struct pending {
    uint32_t seqnum;
    bool in;
    int status;
    size_t len;
    uint8_t *data;
    uint64_t due_ns; /* real time; KILN_FRONT_NEVER: until it is unlinked */
};

struct plug {
    struct kiln_front_board board;
    bool configured;
    unsigned port, generation;
    int fd; /* our end of the connection, -1 while the board is off the bus */
    struct pending pending[PENDING];
    size_t pending_count;
};

struct front {
    struct plug plug[PLUGS];
    size_t count;
    int child; /* pidfd, -1 before the program runs */
    pid_t pid;
};

/* ---- plug and unplug ---- */

static bool attach(const struct plug *plug, int kernel_end)
{
    char text[64];
    int len = snprintf(text, sizeof text, "%u %d %u %d", plug->port, kernel_end,
                       0x10000u | plug->generation, SPEED_FULL);
    int fd = open(VHCI "/attach", O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

    if (fd >= 0)
        close(fd);
    return ok;
}

static void pull_out(struct plug *plug)
{
    for (size_t i = 0; i < plug->pending_count; i++)
        free(plug->pending[i].data);
    plug->pending_count = 0;
    close(plug->fd);
    plug->fd = -1;
}

static void plug_in(struct plug *plug, unsigned generation)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return;
    plug->generation = generation;
    plug->configured = false;
    if (attach(plug, pair[1])) {
        plug->fd = pair[0];
    } else {
        close(pair[0]); /* the port is still busy with the old one: the next round tries again */
    }
    close(pair[1]);
}

static void follow(struct plug *plug)
{
    unsigned generation;
    bool present;

    plug->board.usb->ops->presence(plug->board.usb, kiln_front_model_ns(&plug->board), &present,
                                   &generation);
    if (plug->fd >= 0 && (!present || generation != plug->generation))
        pull_out(plug);
    else if (plug->fd < 0 && present)
        plug_in(plug, generation);
}

/* ---- the protocol ---- */

static bool read_all(int fd, uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, bytes, len);

        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool reply(int fd, uint32_t command, uint32_t seqnum, int status, size_t actual)
{
    uint8_t header[HEADER] = {0};

    kiln_put_be32(header, command);
    kiln_put_be32(header + 4, seqnum);
    kiln_put_be32(header + 20, (uint32_t)status);
    kiln_put_be32(header + 24, (uint32_t)actual);
    return write_all(fd, header, sizeof header);
}

static int status_of(enum kiln_sim_usb_result result)
{
    if (result == KILN_SIM_USB_OK)
        return 0;
    return result == KILN_SIM_USB_STALL ? -EPIPE : -ESHUTDOWN;
}

/* Hands the transfer to the model; the answer waits until it is due. `item` has the data. */
static void run_transfer(struct plug *plug, const uint8_t *header, struct pending *item)
{
    const uint8_t *raw = header + 40;
    const struct kiln_usb_setup setup = {raw[0], raw[1], kiln_le16(raw + 2), kiln_le16(raw + 4)};
    uint8_t endpoint = (uint8_t)kiln_be32(header + 16);
    enum kiln_sim_usb_result result;
    uint64_t done_ns = 0;
    size_t got = 0;

    if (endpoint == 0)
        result = plug->board.usb->ops->control(plug->board.usb, kiln_front_model_ns(&plug->board),
                                               &setup, item->data, item->len, &got, &done_ns);
    else
        result = plug->board.usb->ops->transfer(plug->board.usb, kiln_front_model_ns(&plug->board),
                                                (uint8_t)(endpoint | (item->in ? 0x80 : 0)),
                                                item->data, item->len, &got, &done_ns);
    if (endpoint == 0 && setup.request_type == 0 && setup.request == 9)
        plug->configured = true;
    item->len = got;
    item->status = status_of(result);
    item->due_ns =
        result == KILN_SIM_USB_SILENT ? KILN_FRONT_NEVER : kiln_front_due(&plug->board, done_ns);
}

static bool take_submit(struct plug *plug, const uint8_t *header)
{
    size_t len = kiln_be32(header + 24);
    struct pending *item = &plug->pending[plug->pending_count];

    if (len > BUFFER_MAX || plug->pending_count == PENDING)
        return false;
    *item = (struct pending){.seqnum = kiln_be32(header + 4),
                             .in = kiln_be32(header + 12) != 0,
                             .len = len,
                             .data = calloc(1, len + 1)};
    if (item->data == NULL)
        return false;
    plug->pending_count++;
    if (!item->in && !read_all(plug->fd, item->data, len))
        return false;
    run_transfer(plug, header, item);
    return true;
}

static void drop(struct plug *plug, size_t i)
{
    free(plug->pending[i].data);
    memmove(&plug->pending[i], &plug->pending[i + 1],
            (--plug->pending_count - i) * sizeof plug->pending[0]);
}

static bool take_unlink(struct plug *plug, const uint8_t *header)
{
    uint32_t victim = kiln_be32(header + 20);
    int status = 0;

    for (size_t i = 0; i < plug->pending_count; i++)
        if (plug->pending[i].seqnum == victim) {
            drop(plug, i);
            status = -ECONNRESET;
            break;
        }
    return reply(plug->fd, RET_UNLINK, kiln_be32(header + 4), status, 0);
}

static bool take_command(struct plug *plug)
{
    uint8_t header[HEADER];

    if (!read_all(plug->fd, header, sizeof header))
        return false;
    switch (kiln_be32(header)) {
    case CMD_SUBMIT:
        return take_submit(plug, header);
    case CMD_UNLINK:
        return take_unlink(plug, header);
    default:
        return false;
    }
}

/* Sends what is due; false if the connection has ended. *out_next_ns is when the next one will be. */
static bool send_due(struct plug *plug, uint64_t *out_next_ns)
{
    size_t i = 0;

    while (i < plug->pending_count) {
        struct pending *item = &plug->pending[i];
        size_t actual = item->status == 0 ? item->len : 0;

        if (item->due_ns > kiln_front_real_ns()) {
            *out_next_ns = KILN_MIN(*out_next_ns, item->due_ns);
            i++;
            continue;
        }
        if (!reply(plug->fd, RET_SUBMIT, item->seqnum, item->status, actual) ||
            (item->in && !write_all(plug->fd, item->data, actual)))
            return false;
        drop(plug, i);
    }
    return true;
}

/* ---- the loop ---- */

/* One round of all boards. False once the program has ended. */
static bool turn(struct front *front)
{
    struct pollfd fds[PLUGS + 1];
    uint64_t next_ns = KILN_FRONT_NEVER;

    for (size_t i = 0; i < front->count; i++) {
        struct plug *plug = &front->plug[i];

        if (plug->fd >= 0 && !send_due(plug, &next_ns))
            pull_out(plug);
        follow(plug);
        next_ns = KILN_MIN(next_ns, kiln_front_next_event_ns(&plug->board));
        fds[i] = (struct pollfd){.fd = plug->fd, .events = POLLIN};
    }
    fds[front->count] = (struct pollfd){.fd = front->child, .events = POLLIN};
    if (poll(fds, front->count + 1, kiln_front_wait_ms(next_ns, ROUND_MS)) < 0 && errno != EINTR)
        return false;
    for (size_t i = 0; i < front->count; i++)
        if (fds[i].revents != 0 && fds[i].fd == front->plug[i].fd && !take_command(&front->plug[i]))
            pull_out(&front->plug[i]);
    return fds[front->count].revents == 0;
}

static bool all_ready(const struct front *front)
{
    for (size_t i = 0; i < front->count; i++)
        if (front->plug[i].fd >= 0 && !front->plug[i].configured)
            return false;
    return true;
}

static int run_program(struct front *front, char **argv)
{
    uint64_t until_ns = kiln_front_real_ns() + READY_MS * NS_PER_MS;
    uint64_t settle_ns;

    turn(front);
    while (!all_ready(front) && kiln_front_real_ns() < until_ns)
        turn(front);
    /* The kernel reads strings and tells udev after it has configured the device. */
    for (settle_ns = kiln_front_real_ns() + 200 * NS_PER_MS; kiln_front_real_ns() < settle_ns;)
        turn(front);
    front->child = kiln_front_start(PROGRAM, argv, &front->pid);
    if (front->child < 0)
        return KILN_FRONT_EXIT_FAILED;
    while (turn(front))
        ;
    return kiln_front_exit_status(front->pid);
}

static bool add_board(struct front *front, const char *text)
{
    struct plug *plug = &front->plug[front->count];

    if (!kiln_front_board_make(&plug->board, PROGRAM, text))
        return false;
    plug->port = (unsigned)front->count++;
    plug->fd = -1;
    return true;
}

int main(int argc, char **argv)
{
    struct front front = {.child = -1};
    int split = kiln_front_split(argc, argv, 1, PLUGS), status = 0;

    if (split == 0) {
        fprintf(stderr,
                "usage: kiln-sim-usbip BOARD[?KNOB=VALUE&...]... -- PROGRAM [ARGUMENT]...\n");
        return KILN_FRONT_EXIT_USAGE;
    }
    if (access(VHCI "/attach", W_OK) != 0) {
        fprintf(stderr, PROGRAM ": cannot use %s: %s (modprobe vhci-hcd)\n", VHCI, strerror(errno));
        return KILN_FRONT_EXIT_FAILED;
    }
    for (int i = 1; i < split && status == 0; i++)
        status = add_board(&front, argv[i]) ? 0 : KILN_FRONT_EXIT_USAGE;
    if (status == 0)
        status = run_program(&front, argv + split + 1);
    for (size_t i = 0; i < front.count; i++) {
        if (front.plug[i].fd >= 0)
            pull_out(&front.plug[i]);
        kiln_front_board_free(&front.plug[i].board);
    }
    return status;
}
