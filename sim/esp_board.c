/* SPDX-License-Identifier: MIT */
/* The face of the Espressif boards: time, lines, reset circuit. */
#include "base/bytes.h"
#include "sim/boards.h"
#include "sim/esp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EN_RISES_NS      1000000u   /* 10 kOhm and 100 nF */
#define EN_RISES_SLOW_NS 400000000u /* variant slow-reset: a large capacitor at EN */
#define BRIDGE_BAUD      115200u    /* of the adapter at the end of raw TCP, which has no rate */

static struct esp_board *board_of(struct kiln_sim_uart *self)
{
    return KILN_CONTAINER(self, struct esp_board, base);
}

/* ---- the passing of time ---------------------------------------------------------------------------- */

static void damage_above_limit(struct esp_board *board, uint32_t baud, uint8_t *bytes, size_t len)
{
    if (board->knobs.baud_max == 0 || baud <= board->knobs.baud_max)
        return;
    for (size_t i = 0; i < len; i++) {
        uint32_t r = kiln_sim_random(&board->random);

        if (r % 16 == 0)
            bytes[i] ^= (uint8_t)(1u << (r >> 8) % 8);
    }
}

static bool boot_rom_listens(const struct esp_board *board)
{
    return (board->state == ESP_ROM && !board->wedged) || board->state == ESP_STUB;
}

/* Until the first sync the ROM measures the host's bit time and takes over its rate. */
static void follow_host_rate(struct esp_board *board)
{
    const struct kiln_sim_line *line = &board->to_board;
    uint32_t baud = line->count > 0 ? line->ring[line->head].baud : 0;

    if (line->count > 0 && baud == 0)
        baud = BRIDGE_BAUD;
    if (board->state == ESP_ROM && !board->synced && baud >= 300 && baud <= 1500000)
        board->baud = baud;
}

static void byte_arrives(struct esp_board *board, uint8_t byte)
{
    board->counts.bytes_in++;
    if (board->state == ESP_RUNS && board->cpu_ns <= board->now_ns) {
        char echo[2] = {(char)byte, '\0'};

        board->cpu_ns = board->now_ns;
        esp_put_text(board, echo); /* the application repeats what it hears */
    } else if (board->state == ESP_STUB || board->state == ESP_FLASHER) {
        esp_take_byte(board, byte);
    } else if (board->state == ESP_ROM && !board->wedged && board->fifo_count < ESP_FIFO) {
        board->fifo[(board->fifo_head + board->fifo_count++) % ESP_FIFO] = byte;
    } else {
        board->counts.lost++;
    }
}

static void line_delivers(struct esp_board *board)
{
    uint8_t bytes[KILN_SIM_LINE_BURST];
    uint32_t sent_at =
        board->to_board.count > 0 ? board->to_board.ring[board->to_board.head].baud : board->baud;
    size_t len;

    follow_host_rate(board);
    if (!kiln_sim_line_take(&board->to_board, board->now_ns, board->baud, bytes, &len))
        return;
    damage_above_limit(board, sent_at, bytes, len);
    for (size_t i = 0; i < len; i++)
        byte_arrives(board, bytes[i]);
}

/* The CPU has time: the ROM looks into its receive buffer, the stub at the frame that came meanwhile. */
static void cpu_works(struct esp_board *board)
{
    if (board->state == ESP_FLASHER) {
        esp_flasher_work(board);
    } else if (board->state == ESP_STUB && board->has_pending) {
        board->has_pending = false;
        esp_execute(board, board->pending, board->pending_len);
    } else if (board->state == ESP_STUB && esp_read_can_go_on(board)) {
        board->cpu_ns = KILN_MAX(board->cpu_ns, board->now_ns);
        esp_read_more(board);
    } else if (board->fifo_count > 0) {
        uint8_t byte = board->fifo[board->fifo_head];

        board->fifo_head = (board->fifo_head + 1) % ESP_FIFO;
        board->fifo_count--;
        esp_take_byte(board, byte);
    }
}

static bool cpu_has_work(const struct esp_board *board)
{
    return boot_rom_listens(board) &&
           (board->fifo_count > 0 ||
            (board->state == ESP_STUB && (board->has_pending || esp_read_can_go_on(board))));
}

static uint64_t work_ns(const struct esp_board *board)
{
    if (board->state == ESP_FLASHER)
        return esp_flasher_next_ns(board);
    return cpu_has_work(board) ? KILN_MAX(board->cpu_ns, board->now_ns) : UINT64_MAX;
}

static void leave_reset(struct esp_board *board)
{
    bool download = board->boot_held;

    if (board->usb && board->rise_ns != UINT64_MAX)
        download = download || board->usb_download;
    else if (!board->usb)
        download = download || (board->lines & 3u) == KILN_LINE_DTR;
    board->boot_held = false;
    board->rise_ns = UINT64_MAX;
    board->cpu_ns = board->now_ns;
    esp_boot(board, download);
}

/* Deals with everything that happens up to `now_ns`, in order. */
static void advance(struct esp_board *board, uint64_t now_ns)
{
    for (;;) {
        uint64_t arrival = kiln_sim_line_next_ns(&board->to_board, board->baud);
        uint64_t work = work_ns(board);
        uint64_t next = KILN_MIN(KILN_MIN(arrival, work), KILN_MIN(board->rise_ns, board->wdt_ns));

        if (next > now_ns || board->gone)
            break;
        board->now_ns = KILN_MAX(board->now_ns, next);
        if (next == board->rise_ns || next == board->wdt_ns)
            leave_reset(board);
        else if (next == arrival)
            line_delivers(board);
        else
            cpu_works(board);
    }
    board->now_ns = KILN_MAX(board->now_ns, now_ns);
}

/* ---- the reset circuit ------------------------------------------------------------------------------ */

/*
 * Two transistors: RTS pulls EN low and DTR pulls GPIO0 low, each only while the other is released. Both
 * asserted means neither.
 */
static void reset_circuit(struct esp_board *board)
{
    bool en_low = (board->lines & 3u) == KILN_LINE_RTS;

    if (en_low) {
        board->state = ESP_RESET;
        board->rise_ns = UINT64_MAX;
        kiln_sim_line_clear(&board->to_board);
        kiln_sim_line_stop(&board->to_host, board->now_ns);
    } else if (board->state == ESP_RESET && board->rise_ns == UINT64_MAX) {
        board->rise_ns = board->now_ns + (board->slow_reset ? EN_RISES_SLOW_NS : EN_RISES_NS);
    }
}

/*
 * The USB-Serial-JTAG unit watches the lines itself: DTR alone remembers "download", nothing forgets it,
 * RTS alone resets the core.
 */
static void usb_lines(struct esp_board *board)
{
    unsigned lines = board->lines & 3u;

    if (lines == KILN_LINE_DTR)
        board->usb_download = true;
    if (lines == 0 && board->state != ESP_RESET)
        board->usb_download = false;
    if (lines == KILN_LINE_RTS) {
        board->state = ESP_RESET;
        board->rise_ns = UINT64_MAX;
    } else if (board->state == ESP_RESET && board->rise_ns == UINT64_MAX) {
        board->rise_ns = board->now_ns + EN_RISES_NS;
    }
}

static void set_lines(struct kiln_sim_uart *self, uint64_t now_ns, unsigned levels)
{
    struct esp_board *board = board_of(self);

    advance(board, now_ns);
    board->lines = levels;
    if (board->state == ESP_DARK)
        return;
    if (board->usb)
        usb_lines(board);
    else
        reset_circuit(board);
}

static void power_cycle(struct kiln_sim_uart *self, uint64_t now_ns)
{
    struct esp_board *board = board_of(self);

    advance(board, now_ns);
    board->gone = false;
    board->boot_held = strcmp(board->knobs.boot, "download") == 0;
    board->state = ESP_RESET;
    board->rise_ns = UINT64_MAX;
    kiln_nor_power_on(&board->nor);
    kiln_sim_line_clear(&board->to_board);
    kiln_sim_line_clear(&board->to_host);
    if (board->usb || (board->lines & 3u) != KILN_LINE_RTS)
        board->rise_ns = board->now_ns + EN_RISES_NS;
}

/* ---- the wire ---------------------------------------------------------------------------------------- */

static uint64_t latency_ns(const struct esp_board *board)
{
    return (uint64_t)board->knobs.latency_us * 1000;
}

static void host_sends(struct kiln_sim_uart *self, uint64_t now_ns, uint32_t baud,
                       const uint8_t *bytes, size_t len)
{
    struct esp_board *board = board_of(self);
    uint32_t rate = board->usb ? 0 : baud;

    advance(board, now_ns);
    for (size_t i = 0; i < len; i++) {
        if (!kiln_sim_line_put(&board->to_board, now_ns + latency_ns(board),
                               board->usb  ? 8000000
                               : baud != 0 ? baud
                                           : board->baud,
                               rate, bytes[i]))
            board->counts.lost++;
    }
}

static size_t host_receives(struct kiln_sim_uart *self, uint64_t now_ns, uint32_t baud,
                            uint8_t *bytes, size_t cap)
{
    struct esp_board *board = board_of(self);
    uint64_t visible = now_ns > latency_ns(board) ? now_ns - latency_ns(board) : 0;
    uint8_t some[KILN_SIM_LINE_BURST];
    size_t got = 0, len;

    advance(board, now_ns);
    board->host_baud = baud;
    while (cap - got >= sizeof some || (got == 0 && cap > 0)) {
        uint32_t sent_at =
            board->to_host.count > 0 ? board->to_host.ring[board->to_host.head].baud : baud;

        if (board->gone ||
            !kiln_sim_line_take(&board->to_host, visible, board->host_baud, some, &len))
            break;
        damage_above_limit(board, sent_at, some, len);
        len = KILN_MIN(len, cap - got);
        memcpy(bytes + got, some, len);
        got += len;
    }
    return got;
}

static uint64_t next_event(struct kiln_sim_uart *self)
{
    struct esp_board *board = board_of(self);
    uint64_t out = kiln_sim_line_next_ns(&board->to_host, board->host_baud);
    uint64_t in = kiln_sim_line_next_ns(&board->to_board, board->baud);
    uint64_t work = work_ns(board);
    uint64_t next;

    if (out != UINT64_MAX)
        out += latency_ns(board);
    next = KILN_MIN(KILN_MIN(out, in), KILN_MIN(work, board->rise_ns));
    return board->gone ? UINT64_MAX : KILN_MIN(next, board->wdt_ns);
}

static uint64_t watchdog_ns(struct kiln_sim_uart *self)
{
    return board_of(self)->wdt_ns;
}

static uint64_t sent_ns(struct kiln_sim_uart *self)
{
    return board_of(self)->to_board.free_ns;
}

static bool is_gone(struct kiln_sim_uart *self)
{
    return board_of(self)->gone;
}

static uint8_t *flash(struct kiln_sim_uart *self, size_t *out_size)
{
    struct esp_board *board = board_of(self);

    *out_size = board->nor.size;
    return board->nor.mem;
}

static const struct kiln_sim_counts *counts(const struct kiln_sim_uart *self)
{
    return &KILN_CONTAINER(self, const struct esp_board, base)->counts;
}

static void free_board(struct kiln_sim_uart *self)
{
    struct esp_board *board = board_of(self);

    esp_download_end(board);
    esp_read_end(board);
    esp_flasher_end(board);
    for (size_t i = 0; i < board->page_count; i++)
        free(board->pages[i]);
    kiln_nor_dispose(&board->nor);
    kiln_sim_line_dispose(&board->to_board);
    kiln_sim_line_dispose(&board->to_host);
    free(board);
}

static const struct kiln_sim_uart_ops esp_ops = {
    .host_sends = host_sends,
    .host_receives = host_receives,
    .next_event_ns = next_event,
    .watchdog_ns = watchdog_ns,
    .sent_ns = sent_ns,
    .lines = set_lines,
    .is_gone = is_gone,
    .power_cycle = power_cycle,
    .flash = flash,
    .counts = counts,
    .free = free_board,
};

/* ---- making one ---------------------------------------------------------------------------------------- */

static enum kiln_status set_variant(struct kiln_ctx *ctx, struct esp_board *board)
{
    const char *variant = board->knobs.variant;
    const struct {
        const char *name;
        bool *flag, *too;
    } table[] = {
        {"usb", &board->usb, NULL},
        {"slow-reset", &board->slow_reset, NULL},
        {"secure-boot", &board->secure_boot, NULL},
        {"encrypted", &board->encryption, NULL},
        {"encrypted-release", &board->encryption, &board->encryption_release},
        {"dead-flash", &board->dead_flash, NULL},
        {"dead-flasher", &board->flasher.dead, NULL},
        {"odd-flasher", &board->flasher.odd, NULL},
    };
    size_t first =
        (board->chip->features & ESP_USB_SERIAL) != 0 ? 0 : 1; /* usb is none of others */
    char names[120] = "";

    for (size_t i = first; i < KILN_ARRAY_LEN(table); i++) {
        size_t length = strlen(names);

        if (strcmp(variant, table[i].name) == 0) {
            *table[i].flag = true;
            if (table[i].too != NULL)
                *table[i].too = true;
            return KILN_OK;
        }
        snprintf(names + length, sizeof names - length, "%s%s", i > first ? ", " : "",
                 table[i].name);
    }
    if (variant[0] == '\0')
        return KILN_OK;
    return kiln_fail(ctx, KILN_E_ARG, "there is no simulated %s \"%.40s\"; variants are %s",
                     board->chip->name, variant, names);
}

static enum kiln_status set_lie(struct kiln_ctx *ctx, struct esp_board *board)
{
    static const char *const names[] = {"", "md5", "size", "op", "endless", "short", "value"};

    for (size_t i = 0; i < KILN_ARRAY_LEN(names); i++)
        if (strcmp(board->knobs.lie, names[i]) == 0) {
            board->lie = (enum esp_lie)i;
            return KILN_OK;
        }
    return kiln_fail(ctx, KILN_E_ARG,
                     "a simulated chip lies about md5, size, op, endless, short or value, not "
                     "\"%s\"",
                     board->knobs.lie);
}

static enum kiln_status prepare(struct kiln_ctx *ctx, struct esp_board *board)
{
    KILN_TRY(set_variant(ctx, board));
    KILN_TRY(set_lie(ctx, board));
    if (board->knobs.secure_download && board->chip->security_info_len == 0)
        return kiln_fail(ctx, KILN_E_ARG,
                         "an %s has no secure download mode, so the simulated one does not take "
                         "secure=1; secure boot is variant=secure-boot",
                         board->chip->name);
    if (!kiln_sim_line_init(&board->to_board) || !kiln_sim_line_init(&board->to_host))
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory for a simulated board");
    KILN_TRY(
        kiln_nor_init(ctx, &board->nor, &board->knobs, board->chip->flash_size, &board->counts));
    board->nor.dead = board->dead_flash;
    board->baud = board->host_baud = board->chip->boot_baud;
    board->random = board->knobs.seed;
    for (uint32_t i = 0, noise = board->random; i < sizeof board->window; i++)
        board->window[i] = (uint8_t)kiln_sim_random(&noise); /* as RAM is after power-on */
    board->boot_held = strcmp(board->knobs.boot, "download") == 0;
    board->state = ESP_RESET;
    board->wdt_ns = UINT64_MAX;
    board->rise_ns = EN_RISES_NS;
    return KILN_OK;
}

static const struct esp_chip *chip_named(const char *name)
{
    for (size_t i = 0; i < esp_chip_count; i++) {
        if (strcmp(esp_chips[i].name, name) == 0)
            return &esp_chips[i];
    }
    return NULL;
}

static enum kiln_status make_board(struct kiln_ctx *ctx, const struct kiln_sim_knobs *knobs,
                                   struct kiln_sim_uart **out)
{
    const struct esp_chip *chip = chip_named(knobs->board);
    struct esp_board *board = chip != NULL ? calloc(1, sizeof *board) : NULL;

    if (chip == NULL)
        return kiln_fail(ctx, KILN_E_ARG, "there is no simulated board \"%s\"", knobs->board);
    if (board == NULL)
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory for a simulated board");
    board->base.ops = &esp_ops;
    board->chip = chip;
    board->knobs = *knobs;
    if (prepare(ctx, board) != KILN_OK) {
        free_board(&board->base);
        return ctx->error.status;
    }
    *out = &board->base;
    return KILN_OK;
}

const struct kiln_sim_board kiln_sim_esp_boards[] = {
    {"esp32", "ESP32 with 4 MB flash on a USB-serial bridge", make_board, NULL},
    {"esp32c3", "ESP32-C3 with 4 MB flash (variant=usb: on its own USB)", make_board, NULL},
    {"esp32s3", "ESP32-S3 with 8 MB flash (variant=usb: on its own USB)", make_board, NULL},
    {"esp32c6", "ESP32-C6 with 4 MB flash (variant=usb: on its own USB)", make_board, NULL},
    {"esp32p4", "ESP32-P4 with 16 MB flash (variant=usb: on its own USB)", make_board, NULL},
    {"esp8266", "ESP8266 with 4 MB flash on a USB-serial bridge", make_board, NULL},
    {NULL, NULL, NULL, NULL},
};
