/* SPDX-License-Identifier: MIT */
/*
 * Serial ports on Linux. termios2 instead of termios: it takes any rate. See tty_ioctl(4),
 * ioctl_tty(2). This file must not include <termios.h>, whose struct clashes with the kernel's.
 */
#include "os/port.h"

#include "base/bytes.h"
#include "os/wait.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* TIOCM_OUT1, OUT2 and LOOP of <asm/termios.h>, which clashes with <sys/ioctl.h>. */
#define MODEM_BITS_KEPT (0x2000 | 0x4000 | 0x8000)

#define LEVEL_DTR 1u
#define LEVEL_RTS 2u

#define MODEM_MANAGER_MS   12000 /* how long it probes a port that was just plugged in */
#define MODEM_MANAGER_STEP 250
#define CLOSE_PATIENCE_MS  100
#define NS_PER_SECOND      1000000000ull

static bool means_gone(int error)
{
    return error == EIO || error == ENXIO || error == ENODEV;
}

static enum kiln_status fail_io(struct kiln_ctx *ctx, const struct kiln_port *port,
                                const char *what, int error)
{
    if (means_gone(error))
        (void)!kiln_fail_hint(ctx, KILN_E_GONE, KILN_HINT_CONNECT_DEVICE, "%s is gone", port->path);
    else
        (void)!kiln_fail(ctx, KILN_E_IO, "%s on %s failed: %s", what, port->path, strerror(error));
    return kiln_fail_code(ctx, error);
}

static enum kiln_status check_open(const struct kiln_port *port, struct kiln_ctx *ctx)
{
    return port->fd >= 0 ? KILN_OK : fail_io(ctx, port, "access", ENODEV);
}

static tcflag_t frame_flags(const struct kiln_uart_format *format)
{
    static const tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
    tcflag_t flags = sizes[(format->data_bits - 5) & 3];

    /* Linux has no flag for one and a half: with five data bits the UART makes that of two. */
    if (format->stop_half_bits > 2)
        flags |= CSTOPB;
    if (format->parity != 'N')
        flags |= PARENB;
    if (format->parity == 'O' || format->parity == 'M')
        flags |= PARODD;
    if (format->parity == 'M' || format->parity == 'S')
        flags |= CMSPAR;
    return flags;
}

#define FRAME_FLAGS (CSIZE | CSTOPB | PARENB | PARODD | CMSPAR)

static void set_raw(struct termios2 *tio, const struct kiln_port_setup *setup)
{
    tio->c_iflag = setup->format.xonxoff ? IXON | IXOFF : 0;
    tio->c_oflag = 0;
    tio->c_lflag = 0;
    /* Both halves of the rate: a CIBAUD left over from another program would split them. HUPCL off, so
     * that closing the port does not reset the board. */
    tio->c_cflag = frame_flags(&setup->format) | CREAD | CLOCAL | BOTHER | (BOTHER << IBSHIFT);
    if (setup->format.rtscts)
        tio->c_cflag |= CRTSCTS;
    tio->c_ispeed = setup->baud;
    tio->c_ospeed = setup->baud;
    tio->c_cc[VSTART] = 0x11;
    tio->c_cc[VSTOP] = 0x13;
    tio->c_cc[VMIN] = 1; /* a read of 0 bytes then means that the line hung up */
    tio->c_cc[VTIME] = 0;
}

static enum kiln_status apply_baud(struct kiln_port *port, struct kiln_ctx *ctx, uint32_t baud)
{
    struct termios2 tio;
    uint32_t off;

    if (ioctl(port->fd, TCGETS2, &tio) != 0)
        return fail_io(ctx, port, "reading the settings", errno);
    port->setup.baud = baud;
    set_raw(&tio, &port->setup);
    if (ioctl(port->fd, TCSETS2, &tio) != 0) {
        if (errno == EINVAL || errno == ENOTTY)
            return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_LOWER_BAUD, "%s cannot do %u baud",
                                  port->path, baud);
        return fail_io(ctx, port, "setting the baud rate", errno);
    }
    if (ioctl(port->fd, TCGETS2, &tio) != 0)
        return fail_io(ctx, port, "reading the settings", errno);
    off = tio.c_ospeed > baud ? tio.c_ospeed - baud : baud - tio.c_ospeed;
    if (off > baud / 10)
        return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_LOWER_BAUD,
                              "%s cannot do %u baud: its driver offers %u instead", port->path,
                              baud, tio.c_ospeed);
    if (off > baud / 40)
        kiln_log(ctx, KILN_LOG_WARN, "link", "%s runs at %u baud instead of %u, %.1f %% off",
                 port->path, tio.c_ospeed, baud, 100.0 * off / baud);
    if (((tio.c_cflag ^ frame_flags(&port->setup.format)) & FRAME_FLAGS) != 0)
        kiln_log(ctx, KILN_LOG_WARN, "link",
                 "the driver of %s does not take data bits %u, "
                 "parity %c; bytes may be wrong",
                 port->path, port->setup.format.data_bits, port->setup.format.parity);
    return KILN_OK;
}

static enum kiln_status apply_lines(struct kiln_port *port, struct kiln_ctx *ctx, unsigned levels)
{
    int bits = port->other_lines | (levels & LEVEL_DTR ? TIOCM_DTR : 0) |
               (levels & LEVEL_RTS ? TIOCM_RTS : 0);

    if (ioctl(port->fd, TIOCMSET, &bits) != 0)
        return fail_io(ctx, port, "setting DTR and RTS", errno);
    port->levels = levels;
    return KILN_OK;
}

/* The kernel asserts both lines at open. Released in one step, the usual reset circuit sees nothing. */
static enum kiln_status take_lines(struct kiln_port *port, struct kiln_ctx *ctx)
{
    int bits;

    port->has_lines = ioctl(port->fd, TIOCMGET, &bits) == 0;
    if (!port->has_lines)
        return KILN_OK; /* a pseudo-terminal */
    port->other_lines = bits & MODEM_BITS_KEPT;
    return apply_lines(port, ctx, 0);
}

/* Without this an FTDI bridge holds short answers back for 16 ms. Drivers that cannot do it may refuse. */
static void ask_low_latency(const struct kiln_port *port)
{
    struct serial_struct serial;

    if (ioctl(port->fd, TIOCGSERIAL, &serial) != 0 ||
        ((unsigned)serial.flags & ASYNC_LOW_LATENCY) != 0)
        return;
    serial.flags = (int)((unsigned)serial.flags | ASYNC_LOW_LATENCY);
    (void)ioctl(port->fd, TIOCSSERIAL, &serial);
}

/* One attempt: 0 or the system's error number, EWOULDBLOCK if another program holds a lock. */
static int open_claimed(const char *path, bool shared, int *out_fd)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int error;

    if (fd < 0)
        return errno;
    if (shared || flock(fd, LOCK_EX | LOCK_NB) == 0) {
        if (!shared)
            (void)ioctl(fd, TIOCEXCL);
        *out_fd = fd;
        return 0;
    }
    error = errno;
    close(fd);
    return error;
}

/* A port that was just plugged in may be in ModemManager's hands for some seconds: wait for that. */
static enum kiln_status claim(struct kiln_port *port, struct kiln_ctx *ctx)
{
    uint64_t give_up = kiln_ctx_now_ns(ctx) + (uint64_t)MODEM_MANAGER_MS * KILN_NS_PER_MS;
    bool told = false;
    int error;

    for (;;) {
        error = open_claimed(port->path, port->setup.shared, &port->fd);
        if (error == 0)
            return KILN_OK;
        if (error != EBUSY || kiln_ctx_now_ns(ctx) >= give_up || !kiln_process_runs("ModemManager"))
            return kiln_port_fail_open(ctx, port->path, error);
        if (!told)
            kiln_log(ctx, KILN_LOG_WARN, "link", "%s is busy; waiting for ModemManager to let go",
                     port->path);
        told = true;
        if (kiln_sleep_ms(ctx, MODEM_MANAGER_STEP) == KILN_E_CANCELLED)
            return KILN_E_CANCELLED;
        if (kiln_deadline_passed(ctx))
            return kiln_port_fail_open(ctx, port->path, error);
    }
}

static enum kiln_status look_before(struct kiln_ctx *ctx, const char *path, bool shared)
{
    struct kiln_holder holder;
    struct stat info;
    char who[160];

    if (stat(path, &info) != 0)
        return kiln_port_fail_open(ctx, path, errno);
    if (!S_ISCHR(info.st_mode))
        return kiln_fail(ctx, KILN_E_ARG, "%s is not a serial port", path);
    if (shared || !kiln_uucp_locked(KILN_UUCP_FOLDER, path, &holder))
        return KILN_OK;
    kiln_holder_text(&holder, who, sizeof who);
    return kiln_fail_hint(ctx, KILN_E_BUSY, KILN_HINT_PORT_BUSY, "%s is locked by %s", path, who);
}

static enum kiln_status set_up(struct kiln_port *port, struct kiln_ctx *ctx)
{
    struct termios2 tio;

    KILN_TRY(take_lines(port, ctx));
    if (ioctl(port->fd, TCGETS2, &tio) != 0) {
        if (errno == ENOTTY || errno == EINVAL)
            return kiln_fail(ctx, KILN_E_ARG, "%s is not a serial port", port->path);
        return kiln_port_fail_open(ctx, port->path, errno);
    }
    KILN_TRY(apply_baud(port, ctx, port->setup.baud));
    ask_low_latency(port);
    (void)ioctl(port->fd, TCFLSH, TCIFLUSH);
    return KILN_OK;
}

static void note_place(struct kiln_port *port)
{
    char *real = realpath(port->path, NULL);
    const char *name = real == NULL ? NULL : strrchr(real, '/');

    if (name != NULL)
        kiln_port_place(name + 1, &port->place);
    free(real);
}

/* Other programs that were there first and took no lock get some of the bytes meant for us. */
static void warn_of_company(const struct kiln_port *port, struct kiln_ctx *ctx)
{
    struct kiln_holder holder;
    char who[160];

    if (!kiln_find_holder(port->path, &holder))
        return;
    kiln_holder_text(&holder, who, sizeof who);
    kiln_log(ctx, KILN_LOG_WARN, "link", "%s is also open in %s, which may take bytes away",
             port->path, who);
}

enum kiln_status kiln_port_open(struct kiln_ctx *ctx, const char *path,
                                const struct kiln_port_setup *setup, struct kiln_port *port)
{
    enum kiln_status status;

    memset(port, 0, sizeof *port);
    port->fd = -1;
    port->setup = *setup;
    if (strlen(path) >= sizeof port->path)
        return kiln_fail(ctx, KILN_E_ARG, "the port's name is too long: %.80s...", path);
    memcpy(port->path, path, strlen(path) + 1);
    KILN_TRY(look_before(ctx, path, setup->shared));
    KILN_TRY(claim(port, ctx));
    status = set_up(port, ctx);
    if (status != KILN_OK) {
        kiln_port_close(port);
        return status;
    }
    note_place(port);
    warn_of_company(port, ctx);
    return KILN_OK;
}

void kiln_port_close(struct kiln_port *port)
{
    int waiting = 0;

    if (port->fd < 0)
        return;
    /* The kernel's own close may wait 30 s for a stuck device. */
    for (int i = 0; i < CLOSE_PATIENCE_MS / 10; i++) {
        if (ioctl(port->fd, TIOCOUTQ, &waiting) != 0 || waiting == 0)
            break;
        (void)poll(NULL, 0, 10);
    }
    if (waiting > 0)
        (void)ioctl(port->fd, TCFLSH, TCOFLUSH);
    if (!port->setup.shared)
        (void)ioctl(port->fd, TIOCNXCL);
    close(port->fd);
    port->fd = -1;
}

enum kiln_status kiln_port_read(struct kiln_port *port, struct kiln_ctx *ctx, uint8_t *bytes,
                                size_t cap, size_t *out_len)
{
    KILN_TRY(check_open(port, ctx));
    for (;;) {
        ssize_t got;

        if (kiln_ctx_cancelled(ctx))
            return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
        got = read(port->fd, bytes, cap);
        if (got > 0) {
            *out_len = (size_t)got;
            return KILN_OK;
        }
        if (got == 0)
            return fail_io(ctx, port, "reading", ENODEV);
        if (errno != EAGAIN && errno != EINTR)
            return fail_io(ctx, port, "reading", errno);
        KILN_TRY(kiln_wait_fd(ctx, port->fd, POLLIN, NULL));
    }
}

static void note_written(struct kiln_port *port, struct kiln_ctx *ctx, size_t len)
{
    const struct kiln_uart_format *format = &port->setup.format;
    uint64_t now = kiln_ctx_now_ns(ctx);
    uint64_t half_bits =
        2 + 2u * format->data_bits + (format->parity != 'N' ? 2 : 0) + format->stop_half_bits;

    port->wire_free_ns = KILN_MAX(port->wire_free_ns, now) +
                         (uint64_t)len * half_bits * NS_PER_SECOND / 2 / port->setup.baud;
}

enum kiln_status kiln_port_write(struct kiln_port *port, struct kiln_ctx *ctx, const uint8_t *bytes,
                                 size_t len)
{
    KILN_TRY(check_open(port, ctx));
    while (len > 0) {
        ssize_t put;

        if (kiln_ctx_cancelled(ctx))
            return kiln_fail(ctx, KILN_E_CANCELLED, "cancelled");
        put = write(port->fd, bytes, len);
        if (put > 0) {
            note_written(port, ctx, (size_t)put);
            bytes += put;
            len -= (size_t)put;
            continue;
        }
        if (put < 0 && errno != EAGAIN && errno != EINTR)
            return fail_io(ctx, port, "writing", errno);
        KILN_TRY(kiln_wait_fd(ctx, port->fd, POLLOUT, NULL));
    }
    return KILN_OK;
}

enum kiln_status kiln_port_drain(struct kiln_port *port, struct kiln_ctx *ctx)
{
    int waiting = 0;

    KILN_TRY(check_open(port, ctx));
    for (;;) {
        if (ioctl(port->fd, TIOCOUTQ, &waiting) != 0)
            return fail_io(ctx, port, "draining", errno);
        if (waiting == 0)
            break;
        KILN_TRY(kiln_sleep_ms(ctx, 1));
    }
    /* What left the kernel may still stand in the bridge's FIFO, which only some drivers can tell.
     * Pseudo-terminals and CDC devices have no wire. */
    while (port->has_lines && !port->no_uart && kiln_ctx_now_ns(ctx) < port->wire_free_ns)
        KILN_TRY(kiln_sleep_ms(ctx, 1));
    if (ioctl(port->fd, TCSBRK, 1) != 0 && errno != EINTR)
        return fail_io(ctx, port, "draining", errno);
    return KILN_OK;
}

enum kiln_status kiln_port_discard_input(struct kiln_port *port, struct kiln_ctx *ctx)
{
    KILN_TRY(check_open(port, ctx));
    if (ioctl(port->fd, TCFLSH, TCIFLUSH) != 0)
        return fail_io(ctx, port, "discarding input", errno);
    return KILN_OK;
}

enum kiln_status kiln_port_set_baud(struct kiln_port *port, struct kiln_ctx *ctx, uint32_t baud)
{
    uint32_t before = port->setup.baud;
    struct kiln_error error;
    enum kiln_status status;

    KILN_TRY(kiln_port_drain(port, ctx));
    status = apply_baud(port, ctx, baud);
    if (status == KILN_E_ARG) {
        error = ctx->error;
        (void)!apply_baud(port, ctx, before);
        ctx->error = error;
    }
    return status;
}

enum kiln_status kiln_port_set_format(struct kiln_port *port, struct kiln_ctx *ctx,
                                      const struct kiln_uart_format *format)
{
    KILN_TRY(kiln_port_drain(port, ctx));
    port->setup.format = *format;
    return apply_baud(port, ctx, port->setup.baud);
}

enum kiln_status kiln_port_set_break(struct kiln_port *port, struct kiln_ctx *ctx, bool on)
{
    KILN_TRY(check_open(port, ctx));
    if (ioctl(port->fd, on ? TIOCSBRK : TIOCCBRK) != 0)
        return fail_io(ctx, port, "a break", errno);
    return KILN_OK;
}

enum kiln_status kiln_port_get_lines(struct kiln_port *port, struct kiln_ctx *ctx,
                                     unsigned *out_levels)
{
    static const int bits[] = {TIOCM_DTR, TIOCM_RTS, TIOCM_CTS, TIOCM_DSR, TIOCM_RI, TIOCM_CD};
    int now;

    KILN_TRY(check_open(port, ctx));
    if (ioctl(port->fd, TIOCMGET, &now) != 0)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "%s has no lines", port->path);
    *out_levels = 0;
    for (unsigned i = 0; i < KILN_ARRAY_LEN(bits); i++)
        *out_levels |= (now & bits[i]) != 0 ? 1u << i : 0;
    return KILN_OK;
}

enum kiln_status kiln_port_set_lines(struct kiln_port *port, struct kiln_ctx *ctx, unsigned mask,
                                     unsigned levels)
{
    KILN_TRY(check_open(port, ctx));
    if (!port->has_lines)
        return kiln_fail(ctx, KILN_E_UNSUPPORTED, "%s has no DTR and RTS", port->path);
    return apply_lines(port, ctx, (port->levels & ~mask) | (levels & mask));
}
