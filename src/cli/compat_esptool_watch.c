/* SPDX-License-Identifier: MIT */
/* --trace, the dots of connecting, and progress bars. */
#include "cli/compat_esptool_board.h"

#include <ctype.h>
#include <string.h>

#define OP_SYNC   0x08
#define ROW       16
#define BAR_WIDTH 30

/* ---- trace ---- */

static const char *op_name(unsigned op)
{
    static const struct {
        unsigned op;
        const char *name;
    } names[] = {
        {0x02, "FLASH_BEGIN"},
        {0x03, "FLASH_DATA"},
        {0x04, "FLASH_END"},
        {0x05, "MEM_BEGIN"},
        {0x06, "MEM_END"},
        {0x07, "MEM_DATA"},
        {0x08, "SYNC"},
        {0x09, "WRITE_REG"},
        {0x0a, "READ_REG"},
        {0x0b, "SPI_SET_PARAMS"},
        {0x0d, "SPI_ATTACH"},
        {0x0e, "READ_FLASH_SLOW"},
        {0x0f, "CHANGE_BAUDRATE"},
        {0x10, "FLASH_DEFL_BEGIN"},
        {0x11, "FLASH_DEFL_DATA"},
        {0x12, "FLASH_DEFL_END"},
        {0x13, "SPI_FLASH_MD5"},
        {0x14, "GET_SECURITY_INFO"},
        {0xd0, "ERASE_FLASH"},
        {0xd1, "ERASE_REGION"},
        {0xd2, "READ_FLASH"},
        {0xd3, "RUN_USER_CODE"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].op == op)
            return names[i].name;
    return "UNKNOWN";
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
}

/* Long data in rows with its text. */
static void print_data(const uint8_t *bytes, size_t len)
{
    if (len <= ROW) {
        print_hex(bytes, len);
        putchar('\n');
        return;
    }
    for (size_t at = 0; at < len; at += ROW) {
        size_t n = len - at < ROW ? len - at : ROW;

        printf("\n    ");
        print_hex(bytes + at, n);
        printf("%*s | ", (int)(2 * (ROW - n)), "");
        for (size_t i = 0; i < n; i++)
            putchar(bytes[at + i] < 0x80 && isprint(bytes[at + i]) ? bytes[at + i] : '.');
    }
    putchar('\n');
}

double esptool_seconds_since(const struct timespec *start)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) * 1e-9;
}

static void print_trace(struct esptool_watch *watch, enum kiln_esp_watch what, unsigned op,
                        const uint8_t *bytes, size_t len)
{
    double delta = watch->last.tv_sec != 0 ? esptool_seconds_since(&watch->last) : 0;

    clock_gettime(CLOCK_MONOTONIC, &watch->last);
    printf("  TRACE +%.3f   ", delta);
    switch (what) {
    case KILN_ESP_WATCH_WRITE:
        printf("Write %zu bytes: ", len);
        break;
    case KILN_ESP_WATCH_READ:
        printf("Read %zu bytes: ", len);
        break;
    case KILN_ESP_WATCH_PACKET:
        printf("Received full packet: ");
        break;
    case KILN_ESP_WATCH_COMMAND:
        printf("--- Cmd %s (0x%02x) | data_len %zu | data ", op_name(op), op, len);
        break;
    }
    print_data(bytes, len);
    fflush(stdout);
}

void esptool_watch_link(void *user, enum kiln_esp_watch what, unsigned op, const uint8_t *bytes,
                        size_t len)
{
    struct esptool_watch *watch = user;

    if (watch->e->args.trace)
        print_trace(watch, what, op, bytes, len);
    else if (watch->connecting && what == KILN_ESP_WATCH_COMMAND && op == OP_SYNC &&
             !watch->e->args.silent) {
        putchar('.');
        fflush(stdout);
    }
}

/* ---- progress ---- */

void esptool_bar_step(void *user, uint64_t done, uint64_t total)
{
    struct esptool_bar *bar = user;
    unsigned mille = total > 0 ? (unsigned)(done * 1000 / total) : 1000;
    bool tty = bar->e->cli->tty && !bar->e->args.verbose && !bar->e->args.trace;
    unsigned step = tty ? 5 : 100;
    char line[BAR_WIDTH + 1];

    if (bar->e->args.silent || bar->e->args.no_progress)
        return;
    if (mille < bar->told + step && mille != 1000)
        return;
    if (mille == bar->told)
        return;
    bar->told = mille;
    for (unsigned i = 0; i < BAR_WIDTH; i++)
        line[i] = i * 1000 < mille * BAR_WIDTH ? '=' : ' ';
    line[BAR_WIDTH] = '\0';
    printf("%s%s 0x%08llx [%s] %5.1f%% %llu/%llu bytes...%s", tty ? "\r" : "", bar->verb,
           (unsigned long long)(bar->address + done), line, mille / 10.0, (unsigned long long)done,
           (unsigned long long)total, tty ? " " : "\n");
    bar->open = tty;
    fflush(stdout);
}

void esptool_bar_end(struct esptool_bar *bar)
{
    if (bar->open)
        putchar('\n');
    bar->open = false;
}
