/* SPDX-License-Identifier: MIT */
/* Serial links on pseudo-terminals: what the far end sees, and what is said when a port is not to be had. */
#include "base/bytes.h"
#include "chip/usb_ids.h"
#include "link/open.h"
#include "os/port.h"
#include "os/wait.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct kiln_cancel cancel;
    struct kiln_ctx ctx;
    int master;
    char path[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_int_equal(kiln_cancel_init(&f->cancel), KILN_OK);
    kiln_ctx_init(&f->ctx, kiln_system_clock());
    f->ctx.cancel = &f->cancel;
    f->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(f->master >= 0);
    assert_int_equal(grantpt(f->master), 0);
    assert_int_equal(unlockpt(f->master), 0);
    assert_int_equal(ptsname_r(f->master, f->path, sizeof f->path), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->master >= 0)
        close(f->master);
    kiln_cancel_dispose(&f->cancel);
    free(f);
    return 0;
}

static struct kiln_byte_link *open_port(struct fixture *f, uint32_t baud)
{
    struct kiln_byte_link *link = NULL;

    kiln_deadline_narrow(&f->ctx, 20000);
    assert_int_equal(kiln_serial_open(&f->ctx, f->path, baud, &link), KILN_OK);
    return link;
}

static uint32_t baud_at_master(const struct fixture *f)
{
    struct termios2 tio;

    assert_int_equal(ioctl(f->master, TCGETS2, &tio), 0);
    assert_int_equal(tio.c_cflag & HUPCL, 0);
    assert_int_equal(tio.c_ispeed, tio.c_ospeed);
    return tio.c_ospeed;
}

static void any_rate_arrives_at_the_other_end(void **state)
{
    static const uint32_t rates[] = {74880, 250000, 9600, 921600, 4000000};
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200);

    assert_int_equal(baud_at_master(f), 115200);
    for (size_t i = 0; i < KILN_ARRAY_LEN(rates); i++) {
        assert_int_equal(kiln_link_set_baud(link, &f->ctx, rates[i]), KILN_OK);
        assert_int_equal(baud_at_master(f), rates[i]);
    }
    kiln_link_close(link);
}

static void bytes_pass_unchanged(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200);
    uint8_t sent[256], got[256];
    size_t len = 0, part;

    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)i; /* with all that a terminal would act upon */
    assert_int_equal(kiln_link_write(link, &f->ctx, sent, sizeof sent), KILN_OK);
    assert_int_equal(kiln_link_drain(link, &f->ctx), KILN_OK);
    for (len = 0; len < sizeof got; len += part)
        assert_true((part = (size_t)read(f->master, got + len, sizeof got - len)) > 0);
    assert_memory_equal(sent, got, sizeof got);

    assert_int_equal(write(f->master, sent, sizeof sent), sizeof sent);
    for (len = 0; len < sizeof got; len += part)
        assert_int_equal(kiln_link_read(link, &f->ctx, got + len, sizeof got - len, &part),
                         KILN_OK);
    assert_memory_equal(sent, got, sizeof got);
    kiln_link_close(link);
}

static void a_terminal_has_no_lines(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200);
    char text[64];

    assert_int_equal(kiln_link_caps(link), KILN_LINK_BAUD);
    assert_int_equal(kiln_link_set_lines(link, &f->ctx, KILN_LINE_DTR, 0), KILN_E_UNSUPPORTED);
    kiln_link_describe(link, text, sizeof text);
    assert_string_equal(text, f->path);
    kiln_link_close(link);
}

static void silence_ends_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200);
    uint64_t saved = kiln_deadline_narrow(&f->ctx, 20);
    uint8_t byte;
    size_t len;

    assert_int_equal(kiln_link_read(link, &f->ctx, &byte, 1, &len), KILN_E_TIMEOUT);
    assert_int_equal(len, 0);
    kiln_deadline_restore(&f->ctx, saved);
    assert_int_equal(write(f->master, "x", 1), 1);
    assert_int_equal(kiln_link_discard_input(link, &f->ctx), KILN_OK);
    kiln_deadline_narrow(&f->ctx, 20);
    assert_int_equal(kiln_link_read(link, &f->ctx, &byte, 1, &len), KILN_E_TIMEOUT);
    kiln_link_close(link);
}

static void *fire_later(void *arg)
{
    struct timespec pause = {.tv_nsec = 30000000};

    nanosleep(&pause, NULL);
    kiln_cancel_fire(arg);
    return NULL;
}

static void cancel_ends_a_blocking_read(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200);
    pthread_t thread;
    uint8_t byte;
    size_t len;

    assert_int_equal(pthread_create(&thread, NULL, fire_later, &f->cancel), 0);
    assert_int_equal(kiln_link_read(link, &f->ctx, &byte, 1, &len), KILN_E_CANCELLED);
    pthread_join(thread, NULL);
    kiln_link_close(link);
}

static void cancel_ends_a_write_that_nobody_reads(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200);
    static uint8_t much[1 << 20];
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, fire_later, &f->cancel), 0);
    assert_int_equal(kiln_link_write(link, &f->ctx, much, sizeof much), KILN_E_CANCELLED);
    pthread_join(thread, NULL);
    kiln_link_close(link);
}

static void a_far_end_that_closes_is_gone(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link;
    char pts[sizeof f->path];
    uint8_t byte;
    size_t len;

    /* a name of its own: the kernel gives the number of a closed terminal to the next program that asks */
    memcpy(pts, f->path, sizeof pts);
    snprintf(f->path, sizeof f->path, "/tmp/kiln-serial-%d", (int)getpid());
    assert_int_equal(symlink(pts, f->path), 0);
    link = open_port(f, 115200);
    unlink(f->path);
    close(f->master);
    f->master = -1;
    assert_int_equal(kiln_link_read(link, &f->ctx, &byte, 1, &len), KILN_E_GONE);
    assert_int_equal(kiln_link_write(link, &f->ctx, &byte, 1), KILN_E_GONE);
    kiln_deadline_narrow(&f->ctx, 120);
    assert_int_equal(kiln_link_reopen(link, &f->ctx), KILN_E_TIMEOUT);
    assert_non_null(strstr(f->ctx.error.message, "did not come back"));
    assert_int_equal(kiln_link_read(link, &f->ctx, &byte, 1, &len), KILN_E_GONE);
    kiln_link_close(link);
}

static void a_port_opens_again_after_close_and_reopen(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 57600);

    assert_int_equal(kiln_link_reopen(link, &f->ctx), KILN_OK);
    assert_int_equal(baud_at_master(f), 57600);
    kiln_link_close(link);
    link = open_port(f, 115200);
    kiln_link_close(link);
}

/* A child that opens the port and, if asked, locks it; it ends when the pipe closes. */
static pid_t start_holder(const char *path, bool lock, int *out_stop)
{
    int stop[2], ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        int fd = open(path, O_RDWR | O_NOCTTY);

        close(stop[1]);
        if (lock)
            (void)flock(fd, LOCK_EX);
        if (write(ready[1], "r", 1) != 1 || read(stop[0], &byte, 1) != 0)
            _exit(1);
        _exit(0);
    }
    close(stop[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *out_stop = stop[1];
    return pid;
}

static void the_holder_of_a_busy_port_is_named(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = NULL;
    char expected[160];
    int stop;
    pid_t pid = start_holder(f->path, true, &stop);

    assert_int_equal(kiln_serial_open(&f->ctx, f->path, 115200, &link), KILN_E_BUSY);
    snprintf(expected, sizeof expected, "%s is in use by test_serial (process %d)", f->path, pid);
    assert_string_equal(f->ctx.error.message, expected);
    assert_int_equal(f->ctx.error.hint, KILN_HINT_PORT_BUSY);
    close(stop);
    waitpid(pid, NULL, 0);
    link = open_port(f, 115200);
    kiln_link_close(link);
}

static void keep_line(void *user, enum kiln_log_level level, const char *domain, const char *text)
{
    (void)level;
    (void)domain;
    snprintf(user, 200, "%s", text);
}

static void company_on_a_port_is_warned_of(void **state)
{
    struct fixture *f = *state;
    char text[200] = "", expected[160];
    struct kiln_log_sink sink = {keep_line, text, KILN_LOG_WARN};
    struct kiln_byte_link *link;
    int stop;
    pid_t pid = start_holder(f->path, false, &stop);

    f->ctx.log = &sink;
    link = open_port(f, 115200);
    snprintf(expected, sizeof expected,
             "%s is also open in test_serial (process %d), which may take bytes away", f->path,
             pid);
    assert_string_equal(text, expected);
    close(stop);
    waitpid(pid, NULL, 0);
    kiln_link_close(link);
}

static void two_links_cannot_share_a_port(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = open_port(f, 115200), *second = NULL;

    assert_int_equal(kiln_serial_open(&f->ctx, f->path, 115200, &second), KILN_E_BUSY);
    kiln_link_close(link);
}

static void shared_ports_take_no_lock(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = NULL, *second = NULL;

    assert_int_equal(kiln_serial_open_shared(&f->ctx, f->path, 115200, &link), KILN_OK);
    assert_int_equal(kiln_serial_open_shared(&f->ctx, f->path, 115200, &second), KILN_OK);
    kiln_link_close(second);
    assert_int_equal(kiln_serial_open(&f->ctx, f->path, 115200, &second), KILN_OK);
    kiln_link_close(second);
    kiln_link_close(link);
}

/* A pseudo-terminal keeps all flags but PARENB and the data bits, and the driver's refusal is told. */
static void framing_and_flow_control_reach_the_driver(void **state)
{
    static const struct {
        struct kiln_uart_format format;
        tcflag_t control, input;
    } rows[] = {
        {{8, 'N', 4, false, false}, CSTOPB, 0},
        {{8, 'O', 2, false, false}, PARODD, 0},
        {{8, 'M', 2, true, false}, PARODD | CMSPAR | CRTSCTS, 0},
        {{8, 'S', 3, false, true}, CSTOPB | CMSPAR, IXON | IXOFF},
        {{8, 'N', 2, false, false}, 0, 0},
    };
    struct fixture *f = *state;
    char text[200];
    struct kiln_log_sink sink = {keep_line, text, KILN_LOG_WARN};
    struct kiln_byte_link *link = open_port(f, 115200);
    struct termios2 tio;

    f->ctx.log = &sink;
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++) {
        text[0] = '\0';
        assert_int_equal(kiln_link_set_format(link, &f->ctx, &rows[i].format), KILN_OK);
        /* The rate is kept, and a new rate keeps the format. */
        assert_int_equal(kiln_link_set_baud(link, &f->ctx, 9600 + (uint32_t)i), KILN_OK);
        assert_int_equal(baud_at_master(f), 9600 + i);
        assert_int_equal(ioctl(f->master, TCGETS2, &tio), 0);
        assert_int_equal(tio.c_cflag & (CSTOPB | PARODD | CMSPAR | CRTSCTS), rows[i].control);
        assert_int_equal(tio.c_iflag, rows[i].input);
        assert_int_equal(text[0] != '\0', rows[i].format.parity != 'N');
    }
    assert_int_equal(kiln_link_set_break(link, &f->ctx, true), KILN_OK);
    assert_int_equal(kiln_link_set_break(link, &f->ctx, false), KILN_OK);
    kiln_link_close(link);
}

static void things_that_are_no_ports_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct kiln_byte_link *link = NULL;
    char name[300];

    assert_int_equal(kiln_serial_open(&f->ctx, "/dev/ttyNONE9", 115200, &link), KILN_E_NO_DEVICE);
    assert_string_equal(f->ctx.error.message, "there is no port /dev/ttyNONE9");
    assert_int_equal(kiln_serial_open(&f->ctx, "/etc/passwd", 115200, &link), KILN_E_ARG);
    assert_string_equal(f->ctx.error.message, "/etc/passwd is not a serial port");
    assert_int_equal(kiln_serial_open(&f->ctx, "/dev/null", 115200, &link), KILN_E_ARG);
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(kiln_serial_open(&f->ctx, name, 115200, &link), KILN_E_ARG);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void lock_files_count_only_while_their_owner_lives(void **state)
{
    char folder[] = "/tmp/kiln-lock-XXXXXX", file[64], text[32];
    struct fixture *f = *state;
    struct kiln_holder holder;
    int stop, number;
    pid_t pid = start_holder(f->path, false, &stop);

    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/LCK..ttyUSB9", folder);
    assert_false(kiln_uucp_locked(folder, "/dev/ttyUSB9", &holder));
    snprintf(text, sizeof text, "%10d\n", pid);
    write_file(file, text, strlen(text));
    assert_true(kiln_uucp_locked(folder, "/dev/ttyUSB9", &holder));
    assert_int_equal(holder.pid, pid);
    assert_string_equal(holder.name, "test_serial");
    number = pid;
    write_file(file, &number, sizeof number);
    assert_true(kiln_uucp_locked(folder, "/dev/ttyUSB9", &holder));
    close(stop);
    waitpid(pid, NULL, 0);
    assert_false(kiln_uucp_locked(folder, "/dev/ttyUSB9", &holder));
    write_file(file, "rubbish", 7);
    assert_false(kiln_uucp_locked(folder, "/dev/ttyUSB9", &holder));
    unlink(file);
    rmdir(folder);
}

static void own_rows_of_the_usb_table_come_before_their_vendors(void **state)
{
    const struct kiln_usb_id *row;

    (void)state;
    assert_string_equal(kiln_usb_id_find(0x303A, 0x1001)->what, "ESP32 USB-Serial-JTAG");
    assert_string_equal(kiln_usb_id_find(0x303A, 0x8123)->title, "Espressif device");
    assert_null(kiln_usb_id_find(0x0483, 0x0001));
    for (size_t i = 0; (row = kiln_usb_id_at(i)) != NULL; i++) {
        if (row->pid != KILN_USB_ANY_PID)
            assert_ptr_equal(kiln_usb_id_find(row->vid, (uint16_t)row->pid), row);
    }
}

#define ON_A_PTY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_PTY(any_rate_arrives_at_the_other_end),
        ON_A_PTY(bytes_pass_unchanged),
        ON_A_PTY(a_terminal_has_no_lines),
        ON_A_PTY(silence_ends_at_the_deadline),
        ON_A_PTY(cancel_ends_a_blocking_read),
        ON_A_PTY(cancel_ends_a_write_that_nobody_reads),
        ON_A_PTY(a_far_end_that_closes_is_gone),
        ON_A_PTY(a_port_opens_again_after_close_and_reopen),
        ON_A_PTY(the_holder_of_a_busy_port_is_named),
        ON_A_PTY(company_on_a_port_is_warned_of),
        ON_A_PTY(two_links_cannot_share_a_port),
        ON_A_PTY(shared_ports_take_no_lock),
        ON_A_PTY(framing_and_flow_control_reach_the_driver),
        ON_A_PTY(things_that_are_no_ports_are_told_apart),
        ON_A_PTY(lock_files_count_only_while_their_owner_lives),
        cmocka_unit_test(own_rows_of_the_usb_table_come_before_their_vendors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
