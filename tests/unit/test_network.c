/* SPDX-License-Identifier: MIT */
/*
 * TCP and RFC 2217 links against listeners of this test and against pyserial's RFC 2217 server. The
 * test's own server is written from the RFC with bytes in the hand, not with our codec.
 */
#include "base/bytes.h"
#include "link/open.h"
#include "os/wait.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
    struct kiln_cancel cancel;
    struct kiln_ctx ctx;
    int listener;
    pthread_t thread;
    char address[64];
    /* how the server behaves */
    _Atomic bool silent;         /* confirms no setting */
    bool refuses;                /* answers DONT COM-PORT */
    bool deaf_to_purge;          /* never answers PURGE-DATA */
    bool babbles;                /* sends options without end instead of answers */
    _Atomic uint32_t wrong_baud; /* confirms this rate instead of the one asked */
    /* what it saw */
    uint8_t controls[64];
    size_t control_count;
    uint32_t baud;
};

static int listen_on(int family, char address[64])
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("127.0.0.1")};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t port[2];

    if (fd < 0 || bind(fd, at, size) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, at, &size) != 0) {
        close(fd);
        return -1;
    }
    memcpy(port, family == AF_INET ? &v4.sin_port : &v6.sin6_port, 2);
    snprintf(address, 64, family == AF_INET ? "127.0.0.1:%u" : "[::1]:%u", kiln_be16(port));
    return fd;
}

static void start_context(struct server *s)
{
    assert_int_equal(kiln_cancel_init(&s->cancel), KILN_OK);
    kiln_ctx_init(&s->ctx, kiln_system_clock());
    s->ctx.cancel = &s->cancel;
    kiln_deadline_narrow(&s->ctx, 20000);
}

static int setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);

    start_context(s);
    s->listener = listen_on(AF_INET, s->address);
    assert_true(s->listener >= 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;

    close(s->listener);
    kiln_cancel_dispose(&s->cancel);
    free(s);
    return 0;
}

/* ---- TCP ---- */

static void *echo(void *arg)
{
    struct server *s = arg;
    uint8_t bytes[4096];
    ssize_t len;
    int fd = accept(s->listener, NULL, NULL);

    while ((len = recv(fd, bytes, sizeof bytes, 0)) > 0 && bytes[0] != 'q')
        (void)!send(fd, bytes, (size_t)len, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void run_echo(struct server *s)
{
    struct kiln_byte_link *link = NULL;
    uint8_t sent[1000], got[1000];
    size_t part;

    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 7);
    assert_int_equal(pthread_create(&s->thread, NULL, echo, s), 0);
    assert_int_equal(kiln_tcp_open(&s->ctx, s->address, &link), KILN_OK);
    assert_int_equal(kiln_link_caps(link), KILN_LINK_NETWORK);
    assert_int_equal(kiln_link_write(link, &s->ctx, sent, sizeof sent), KILN_OK);
    for (size_t len = 0; len < sizeof got; len += part)
        assert_int_equal(kiln_link_read(link, &s->ctx, got + len, sizeof got - len, &part),
                         KILN_OK);
    assert_memory_equal(got, sent, sizeof got);
    assert_int_equal(kiln_link_set_baud(link, &s->ctx, 9600), KILN_E_UNSUPPORTED);
    assert_int_equal(kiln_link_write(link, &s->ctx, (const uint8_t *)"q", 1), KILN_OK);
    assert_int_equal(kiln_link_read(link, &s->ctx, got, 1, &part), KILN_E_GONE);
    kiln_link_close(link);
    pthread_join(s->thread, NULL);
}

static void tcp_carries_bytes_and_ends(void **state)
{
    run_echo(*state);
}

static void tcp_carries_bytes_over_ipv6(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    close(s->listener);
    s->listener = listen_on(AF_INET6, s->address);
    if (s->listener < 0) { /* a system without IPv6 */
        s->listener = dup(0);
        assert_int_equal(kiln_tcp_open(&s->ctx, "[::1]:9", &link), KILN_E_NO_DEVICE);
        return;
    }
    run_echo(s);
}

static void tcp_resolves_names(void **state)
{
    struct server *s = *state;
    char address[64];

    snprintf(address, sizeof address, "localhost%s", strchr(s->address, ':'));
    snprintf(s->address, sizeof s->address, "%s", address);
    run_echo(s);
}

static void tcp_says_what_is_wrong_with_an_address(void **state)
{
    static const char *const malformed[] = {"host",       "host:",   ":5", "host:0",
                                            "host:70000", "host:1x", ""};
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;
    char expected[128];

    for (size_t i = 0; i < KILN_ARRAY_LEN(malformed); i++)
        assert_int_equal(kiln_tcp_open(&s->ctx, malformed[i], &link), KILN_E_ARG);
    assert_int_equal(kiln_network_open(&s->ctx, "ftp://x:1", 9600, &link), KILN_E_ARG);
    close(s->listener);
    assert_int_equal(kiln_tcp_open(&s->ctx, s->address, &link), KILN_E_NO_DEVICE);
    snprintf(expected, sizeof expected, "nothing listens at %s", s->address);
    assert_string_equal(s->ctx.error.message, expected);
    s->listener = dup(0);
    kiln_cancel_fire(&s->cancel);
    assert_int_equal(kiln_tcp_open(&s->ctx, "name.invalid:1", &link), KILN_E_CANCELLED);
}

static void *fire_later(void *arg)
{
    struct timespec pause = {.tv_nsec = 30000000};

    nanosleep(&pause, NULL);
    kiln_cancel_fire(arg);
    return NULL;
}

static void cancel_ends_a_tcp_read(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;
    pthread_t thread;
    uint8_t byte;
    size_t len;

    assert_int_equal(kiln_tcp_open(&s->ctx, s->address, &link), KILN_OK);
    assert_int_equal(pthread_create(&thread, NULL, fire_later, &s->cancel), 0);
    assert_int_equal(kiln_link_read(link, &s->ctx, &byte, 1, &len), KILN_E_CANCELLED);
    pthread_join(thread, NULL);
    kiln_link_close(link);
}

/* ---- RFC 2217 ---- */

static void say(int fd, const void *bytes, size_t len)
{
    (void)!send(fd, bytes, len, MSG_NOSIGNAL);
}

/* One COM-PORT command as it arrived, IAC doubling undone: command and payload. */
static void obey(struct server *s, int fd, const uint8_t *command, size_t len)
{
    uint8_t reply[32] = {255, 250, 44};
    size_t used = 3;

    if (command[0] == 5 && s->control_count < sizeof s->controls)
        s->controls[s->control_count++] = command[1];
    if (command[0] == 1)
        s->baud = kiln_be32(command + 1);
    if (s->silent || (command[0] == 12 && s->deaf_to_purge))
        return;
    reply[used++] = (uint8_t)(command[0] + 100);
    for (size_t i = 1; i < len; i++) {
        reply[used++] = command[i];
        if (command[i] == 255)
            reply[used++] = 255;
    }
    if (command[0] == 1 && s->wrong_baud != 0)
        kiln_put_be32(reply + 4, s->wrong_baud);
    reply[used++] = 255;
    reply[used++] = 240;
    say(fd, reply, used);
}

static uint8_t next_byte(int fd, bool *ended)
{
    uint8_t byte = 0;

    if (recv(fd, &byte, 1, 0) != 1)
        *ended = true;
    return byte;
}

static void read_command(struct server *s, int fd, bool *ended)
{
    uint8_t command[16];
    size_t len = 0;

    (void)next_byte(fd, ended); /* 44 */
    while (!*ended && len < sizeof command) {
        uint8_t byte = next_byte(fd, ended);

        if (byte == 255 && next_byte(fd, ended) == 240)
            break;
        command[len++] = byte;
    }
    obey(s, fd, command, len);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    bool ended = false;
    int fd = accept(s->listener, NULL, NULL);

    while (!ended) {
        uint8_t byte = next_byte(fd, &ended);
        uint8_t verb = 0;

        if (byte != 255) { /* payload: sent back twice, with a telnet NOP between */
            const uint8_t twice[] = {byte, 255, 241, byte};

            say(fd, twice, ended ? 0 : sizeof twice);
            continue;
        }
        verb = next_byte(fd, &ended);
        if (verb == 250) {
            read_command(s, fd, &ended);
        } else if (verb == 255) {
            say(fd, "\xFF\xFF\xFF\xFF", 4);
        } else if (next_byte(fd, &ended) == 44 && verb == 251) {
            const uint8_t agreed[] = {255, s->refuses ? 254 : 253, 44, 255, 253, 24, 255, 251, 1};

            say(fd, agreed, sizeof agreed);
            while (s->babbles && send(fd, "\xFF\xFD\x18\xFF\xFA\x2C\x6B", 7, MSG_NOSIGNAL) == 7)
                ;
        }
    }
    close(fd);
    return NULL;
}

static enum kiln_status connect_to(struct server *s, const char *options,
                                   struct kiln_byte_link **out_link)
{
    char address[128];

    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    snprintf(address, sizeof address, "rfc2217://%s%s", s->address, options);
    return kiln_network_open(&s->ctx, address, 115200, out_link);
}

static void disconnect(struct server *s, struct kiln_byte_link *link)
{
    kiln_link_close(link);
    pthread_join(s->thread, NULL);
}

static void rfc2217_sets_rate_and_lines(void **state)
{
    static const uint8_t expected[] = {1, 9, 12, 8, 12, 11};
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    assert_int_equal(connect_to(s, "", &link), KILN_OK);
    assert_int_equal(kiln_link_caps(link), KILN_LINK_BAUD | KILN_LINK_LINES | KILN_LINK_NETWORK);
    assert_int_equal(kiln_link_set_baud(link, &s->ctx, 0x0000FFFF), KILN_OK);
    assert_int_equal(kiln_link_set_lines(link, &s->ctx, 3, KILN_LINE_DTR), KILN_OK);
    assert_int_equal(kiln_link_set_lines(link, &s->ctx, KILN_LINE_RTS, KILN_LINE_RTS), KILN_OK);
    assert_int_equal(kiln_link_discard_input(link, &s->ctx), KILN_OK);
    disconnect(s, link);
    assert_int_equal(s->baud, 0xFFFF);
    assert_int_equal(s->control_count, sizeof expected);
    assert_memory_equal(s->controls, expected, sizeof expected);
}

static void rfc2217_keeps_every_byte(void **state)
{
    static const uint8_t sent[] = {0, 255, 13, 0, 10, 255, 255, 240, 'x'};
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;
    uint8_t got[2 * sizeof sent];
    size_t part;

    assert_int_equal(connect_to(s, "", &link), KILN_OK);
    assert_int_equal(kiln_link_write(link, &s->ctx, sent, sizeof sent), KILN_OK);
    for (size_t len = 0; len < sizeof got; len += part)
        assert_int_equal(kiln_link_read(link, &s->ctx, got + len, sizeof got - len, &part),
                         KILN_OK);
    for (size_t i = 0; i < sizeof got; i++)
        assert_int_equal(got[i], sent[i / 2]);
    disconnect(s, link);
}

static void rfc2217_tells_a_server_that_is_none(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    s->refuses = true;
    assert_int_equal(connect_to(s, "", &link), KILN_E_PROTO);
    assert_int_equal(s->ctx.error.hint, KILN_HINT_USE_TCP);
    disconnect(s, link);
}

static void rfc2217_ends_with_a_silent_server(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    s->silent = true;
    kiln_deadline_narrow(&s->ctx, 50);
    assert_int_equal(connect_to(s, "", &link), KILN_E_TIMEOUT);
    disconnect(s, link);
}

static void rfc2217_ends_with_a_server_that_never_stops(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    s->babbles = true;
    kiln_deadline_narrow(&s->ctx, 50);
    assert_int_equal(connect_to(s, "", &link), KILN_E_TIMEOUT);
    disconnect(s, link);
}

static void rfc2217_holds_the_server_to_the_rate(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    assert_int_equal(connect_to(s, "", &link), KILN_OK);
    s->wrong_baud = 115200;
    assert_int_equal(kiln_link_set_baud(link, &s->ctx, 921600), KILN_E_ARG);
    assert_int_equal(s->ctx.error.hint, KILN_HINT_LOWER_BAUD);
    disconnect(s, link);
}

static void rfc2217_need_not_wait_for_lines(void **state)
{
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;

    assert_int_equal(connect_to(s, "?ign_set_control", &link), KILN_OK);
    s->silent = true;
    kiln_deadline_narrow(&s->ctx, 200);
    assert_int_equal(kiln_link_set_lines(link, &s->ctx, 3, 3), KILN_OK);
    disconnect(s, link);
    assert_int_equal(kiln_rfc2217_open(&s->ctx, "127.0.0.1:1?rubbish", 9600, &link), KILN_E_ARG);
}

/* ---- pyserial's server ---- */

static FILE *start_pyserial(pid_t *out_pid)
{
    const char *root = getenv("KILN_SOURCE_ROOT");
    posix_spawn_file_actions_t actions;
    char script[512];
    char *argv[] = {(char *)(uintptr_t) "python3", script, NULL};
    int fds[2];
    int error;

    if (access("/usr/lib/python3/dist-packages/serial/rfc2217.py", R_OK) != 0 || root == NULL)
        return NULL;
    snprintf(script, sizeof script, "%s/tests/tools/rfc2217_server.py", root);
    assert_int_equal(pipe(fds), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    error = posix_spawn(out_pid, "/usr/bin/python3", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    assert_int_equal(error, 0);
    return fdopen(fds[0], "r");
}

static void pyserial_agrees(void **state)
{
    static const char expected[] = "baud 74880\ndtr 0\nrts 1\ndtr 1\nrts 0\nbaud 250000\n";
    static const struct kiln_uart_format even = {7, 'E', 3, false, true},
                                         mark = {5, 'M', 4, true, false};
    struct server *s = *state;
    struct kiln_byte_link *link = NULL;
    char line[100] = "", seen[4000] = "", address[64];
    uint8_t got[8];
    size_t len = 0, part;
    pid_t pid;
    FILE *told = start_pyserial(&pid);

    if (told == NULL)
        skip();
    while (strncmp(line, "listening ", 10) != 0)
        assert_non_null(fgets(line, sizeof line, told));
    line[strcspn(line, "\n")] = '\0';
    snprintf(address, sizeof address, "127.0.0.1:%.10s", line + 10);
    assert_int_equal(kiln_rfc2217_open(&s->ctx, address, 74880, &link), KILN_OK);
    assert_int_equal(kiln_link_set_lines(link, &s->ctx, 3, KILN_LINE_RTS), KILN_OK);
    assert_int_equal(kiln_link_set_lines(link, &s->ctx, 3, KILN_LINE_DTR), KILN_OK);
    assert_int_equal(kiln_link_set_baud(link, &s->ctx, 250000), KILN_OK);
    assert_int_equal(kiln_link_set_format(link, &s->ctx, &even), KILN_OK);
    assert_int_equal(kiln_link_set_format(link, &s->ctx, &mark), KILN_OK);
    assert_int_equal(kiln_link_set_format(link, &s->ctx, &KILN_UART_8N1), KILN_OK);
    assert_int_equal(kiln_link_set_break(link, &s->ctx, true), KILN_OK);
    assert_int_equal(kiln_link_set_break(link, &s->ctx, false), KILN_OK);
    assert_int_equal(kiln_link_discard_input(link, &s->ctx), KILN_OK);
    assert_int_equal(kiln_link_write(link, &s->ctx, (const uint8_t *)"ab\xFF\xFF\0cd", 7), KILN_OK);
    for (; len < 7; len += part)
        assert_int_equal(kiln_link_read(link, &s->ctx, got + len, sizeof got - len, &part),
                         KILN_OK);
    assert_memory_equal(got, "AB\xFF\xFF\0CD", 7);
    kiln_link_close(link);
    while (fgets(line, sizeof line, told) != NULL && strlen(seen) + strlen(line) < sizeof seen)
        memcpy(seen + strlen(seen), line, strlen(line) + 1);
    fclose(told);
    waitpid(pid, NULL, 0);
    assert_non_null(strstr(seen, "baud 74880\n"));
    assert_non_null(strstr(seen, "format 7 E 1.5 xonxoff\n"));
    assert_non_null(strstr(seen, "format 5 M 2 rtscts\n"));
    assert_non_null(strstr(strstr(seen, "rtscts"), "format 8 N 1 -\nbreak 1\nbreak 0\n"));
    assert_non_null(strstr(seen, strchr(expected, '\n') + 1));
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(tcp_carries_bytes_and_ends),
        WITH_SERVER(tcp_carries_bytes_over_ipv6),
        WITH_SERVER(tcp_resolves_names),
        WITH_SERVER(tcp_says_what_is_wrong_with_an_address),
        WITH_SERVER(cancel_ends_a_tcp_read),
        WITH_SERVER(rfc2217_sets_rate_and_lines),
        WITH_SERVER(rfc2217_keeps_every_byte),
        WITH_SERVER(rfc2217_tells_a_server_that_is_none),
        WITH_SERVER(rfc2217_ends_with_a_silent_server),
        WITH_SERVER(rfc2217_ends_with_a_server_that_never_stops),
        WITH_SERVER(rfc2217_holds_the_server_to_the_rate),
        WITH_SERVER(rfc2217_need_not_wait_for_lines),
        WITH_SERVER(pyserial_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
