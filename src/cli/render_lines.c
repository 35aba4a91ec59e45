/* SPDX-License-Identifier: MIT */
/*
 * Lines for people. On a terminal there is one progress line a job at the bottom, redrawn in place; into
 * a pipe or a file each phase is one line when it begins.
 */
#include "cli/map.h"
#include "cli/render.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 16384

struct bar {
    bool active;
    enum kiln_phase phase;
    uint64_t done, total;
    uint64_t began_ms, now_ms;
    char device[64];
};

struct lines {
    struct renderer base;
    struct bar *bars;
    size_t drawn;           /* progress lines on the screen now */
    uint64_t last_drawn_ms; /* events come faster than eyes */
    char text[TEXT_MAX];
};

static void wipe(struct lines *self)
{
    for (; self->drawn > 0; self->drawn--)
        fputs("\033[1A\r\033[2K", stdout);
}

static void draw_blocks(const struct cli *cli, double share, int width)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int full = (int)(share * width * 8 + 0.5);
    bool utf8 = cli_draws_utf8(cli);
    int column = 0;

    for (; column < full / 8; column++)
        fputs(utf8 ? "█" : "#", stdout);
    if (utf8 && column < width && full % 8 != 0) {
        fputs(eighths[full % 8], stdout);
        column++;
    }
    for (; column < width; column++)
        fputc(' ', stdout);
}

/* Rate and time left, as far as there is room for them: a line that the terminal breaks cannot be wiped. */
static void draw_rate(const struct bar *bar, int room)
{
    uint64_t span = bar->now_ms - bar->began_ms;
    double rate;
    char text[40], size[24];
    int len;

    if (span < 200 || bar->done == 0)
        return;
    rate = (double)bar->done * 1000 / (double)span;
    len = snprintf(text, sizeof text, "  %s/s", cli_bytes((uint64_t)rate, size));
    if (len > room)
        return;
    fputs(text, stdout);
    if (bar->total > bar->done && rate > 0) {
        unsigned left = (unsigned)((double)(bar->total - bar->done) / rate + 0.999);

        if (left >= 60)
            snprintf(text, sizeof text, "  %u:%02u left", left / 60, left % 60);
        else
            snprintf(text, sizeof text, "  %u s left", left);
        if ((int)strlen(text) <= room - len)
            fputs(text, stdout);
    }
}

/* 10 columns of phase, bar, 6 of percentage, up to 15 of rate and 13 of time left. */
static void draw_bar(const struct lines *self, const struct bar *bar)
{
    const struct cli *cli = self->base.cli;
    int room = cli->width - 1, width;

    if (self->base.job_count > 1) {
        int name = room < 37 ? room - 17 : 20;

        printf("%-*.*s ", name, name, bar->device);
        room -= name + 1;
    }
    printf("%-10s", render_phase_title(bar->phase));
    if (bar->total == 0) {
        fputs(" ...\n", stdout);
        return;
    }
    room -= 10 + 6;
    width = room < 69 ? room - 29 : 40;
    if (width >= 8) {
        printf(" %s", cli_green(cli));
        draw_blocks(cli, (double)bar->done / (double)bar->total, width);
        printf("%s", cli_plain(cli));
        room -= width + 1;
    }
    printf(" %3u %%", (unsigned)((double)bar->done * 100 / (double)bar->total));
    draw_rate(bar, room);
    fputc('\n', stdout);
}

static void draw(struct lines *self)
{
    if (!self->base.cli->tty)
        return;
    wipe(self);
    for (size_t i = 0; i < self->base.job_count; i++)
        if (self->bars[i].active) {
            draw_bar(self, &self->bars[i]);
            self->drawn++;
        }
    fflush(stdout);
}

static void begin_phase(struct lines *self, struct bar *bar, const struct kiln_event *event)
{
    char size[24];

    *bar = (struct bar){.active = true,
                        .phase = event->phase,
                        .total = event->total,
                        .began_ms = event->time_ms,
                        .now_ms = event->time_ms};
    snprintf(bar->device, sizeof bar->device, "%s", event->device);
    if (self->base.cli->tty) {
        draw(self);
        return;
    }
    if (self->base.job_count > 1)
        printf("%s: ", event->device);
    printf("%s", render_phase_title(event->phase));
    if (event->total > 0)
        printf(" %s", cli_bytes(event->total, size));
    puts(" ...");
}

static void advance(struct lines *self, struct bar *bar, const struct kiln_event *event)
{
    bar->done = event->done;
    bar->total = event->total;
    bar->now_ms = event->time_ms;
    if (!self->base.cli->tty)
        return;
    if (event->done < event->total && event->time_ms < self->last_drawn_ms + 50 &&
        event->time_ms >= self->last_drawn_ms)
        return;
    self->last_drawn_ms = event->time_ms;
    draw(self);
}

static void lines_event(struct renderer *base, size_t job, const struct kiln_event *event)
{
    struct lines *self = (struct lines *)base;
    struct bar *bar = &self->bars[job];
    bool failed = event->kind == KILN_EVENT_RESULT && event->result->status != KILN_OK;

    if (base->cli->args.quiet && !failed)
        return;
    if (event->kind == KILN_EVENT_PHASE) {
        begin_phase(self, bar, event);
        return;
    }
    if (event->kind == KILN_EVENT_PROGRESS) {
        advance(self, bar, event);
        return;
    }
    if (event->kind == KILN_EVENT_RESULT)
        bar->active = false;
    render_text(base->cli, event, base->job_count, self->text, sizeof self->text);
    if (self->text[0] == '\0')
        return;
    wipe(self);
    fflush(stdout);
    cli_put(failed ? stderr : stdout, self->text);
    if (event->kind == KILN_EVENT_PLAN && event->plan->map != NULL && base->cli->args.map)
        cli_map_print(base->cli, event->plan->map, stdout);
    draw(self);
}

static void lines_notice(struct renderer *base, const char *text)
{
    wipe((struct lines *)base);
    fflush(stdout);
    cli_putf(stderr, "%s\n", text);
    draw((struct lines *)base);
}

static void lines_end(struct renderer *base)
{
    wipe((struct lines *)base);
    fflush(stdout);
}

static void lines_free(struct renderer *base)
{
    free(((struct lines *)base)->bars);
    free(base);
}

struct renderer *renderer_lines_new(const struct cli *cli, size_t job_count)
{
    static const struct renderer_ops ops = {lines_event, lines_notice, lines_end, lines_free};
    struct lines *self = calloc(1, sizeof *self);

    if (self == NULL)
        return NULL;
    self->base = (struct renderer){&ops, cli, job_count};
    self->bars = calloc(job_count, sizeof *self->bars);
    if (self->bars == NULL) {
        free(self);
        return NULL;
    }
    return &self->base;
}

struct renderer *renderer_new(const struct cli *cli, size_t job_count)
{
    return cli->args.json ? renderer_json_new(cli, job_count) : renderer_lines_new(cli, job_count);
}
