/* SPDX-License-Identifier: MIT */
/* The map of flash as text, JSON and SVG. One line a part, with a bar. */
#include "cli/map.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH   16
#define BAR_MIN      8
#define BELOW_INDENT 4
#define BAR_MAX      120

static const char letters[KILN_MAP_STATE_COUNT] = {'.', '=', 'e', 'W'};
static const char *const blocks[KILN_MAP_STATE_COUNT] = {"░", "▒", "·", "█"};

static const char *color_of(const struct cli *cli, enum kiln_map_state state)
{
    switch (state) {
    case KILN_MAP_WRITTEN:
        return cli_green(cli);
    case KILN_MAP_ERASED:
        return cli_yellow(cli);
    case KILN_MAP_KEPT:
        return cli_dim(cli);
    case KILN_MAP_EQUAL:
    case KILN_MAP_STATE_COUNT:
        break;
    }
    return "";
}

/* What a cell shows: the most that happens to any byte in [from, to). */
static enum kiln_map_state strongest(const struct kiln_map *map, const struct kiln_map_part *part,
                                     uint64_t from, uint64_t to)
{
    enum kiln_map_state state = KILN_MAP_KEPT;

    for (size_t i = part->span; i < part->span + part->span_count; i++) {
        const struct kiln_map_span *span = &map->spans[i];

        if (span->start < to && span->start + span->size > from && span->state > state)
            state = span->state;
    }
    return state;
}

static uint64_t largest(const struct kiln_map *map)
{
    uint64_t most = 1;

    for (size_t i = 0; i < map->part_count; i++)
        if (map->parts[i].size > most)
            most = map->parts[i].size;
    return most;
}

/* Bars grow with the square root of the size: beside a partition of 3 MB one of 24 KB still shows more than
 * a dot, and the exact sizes stand before the bars. */
static uint64_t bar_length(uint64_t size, uint64_t most, uint64_t width)
{
    uint64_t length = 1;

    while ((length + 1) * (length + 1) * most <= size * width * width)
        length++;
    return length;
}

static void print_cell(enum kiln_map_state state, bool utf8, FILE *out)
{
    if (state >= KILN_MAP_STATE_COUNT)
        return;
    if (utf8)
        fputs(blocks[state], out);
    else
        fputc(letters[state], out);
}

static void print_bar(const struct cli *cli, const struct kiln_map *map,
                      const struct kiln_map_part *part, uint64_t cells, bool utf8, FILE *out)
{
    int shown = -1;

    for (uint64_t i = 0; i < cells; i++) {
        uint64_t from = part->start + part->size * i / cells;
        uint64_t to = part->start + part->size * (i + 1) / cells;
        enum kiln_map_state state = strongest(map, part, from, to > from ? to : from + 1);

        if ((int)state != shown)
            fprintf(out, "%s%s", cli_plain(cli), color_of(cli, state));
        print_cell(state, utf8, out);
        shown = (int)state;
    }
    fprintf(out, "%s\n", cli_plain(cli));
}

static void print_legend(const struct cli *cli, const struct kiln_map *map, bool utf8, FILE *out)
{
    char text[400] = "", size[24];

    for (int state = KILN_MAP_STATE_COUNT - 1; state >= 0; state--) {
        size_t used = strlen(text);
        char letter[2] = {letters[state], '\0'};

        snprintf(text + used, sizeof text - used, "  %s%s%s %s %s",
                 color_of(cli, (enum kiln_map_state)state), utf8 ? blocks[state] : letter,
                 cli_plain(cli), kiln_map_state_name((enum kiln_map_state)state),
                 cli_bytes(map->bytes[state], size));
    }
    cli_putf(out, "%s\n", text);
}

/* The bar stands beside the name, or below it where there is no room. */
void cli_map_print(const struct cli *cli, const struct kiln_map *map, FILE *out)
{
    bool utf8 = cli_draws_utf8(cli);
    int width = cli->width - NAME_WIDTH - 28;
    bool below = width < BAR_MIN;
    uint64_t most = largest(map);
    char size[24];

    if (below)
        width = cli->width - BELOW_INDENT - 1;
    width = width < BAR_MIN ? BAR_MIN : width > BAR_MAX ? BAR_MAX : width;
    for (size_t i = 0; i < map->part_count; i++) {
        const struct kiln_map_part *part = &map->parts[i];
        uint64_t cells = bar_length(part->size, most, (uint64_t)width);

        fprintf(out, "  0x%08" PRIx64 " %10s  ", part->start, cli_bytes(part->size, size));
        if (below)
            fprintf(out, "%.*s\n%*s", NAME_WIDTH, part->name, BELOW_INDENT, "");
        else
            fprintf(out, "%-*.*s  ", NAME_WIDTH, NAME_WIDTH, part->name);
        print_bar(cli, map, part, cells, utf8, out);
    }
    print_legend(cli, map, utf8, out);
}

/* ---- JSON ---- */

json_t *cli_map_json(const struct kiln_map *map)
{
    json_t *parts = json_array();

    for (size_t i = 0; i < map->part_count; i++) {
        const struct kiln_map_part *part = &map->parts[i];
        json_t *spans = json_array();

        for (size_t k = part->span; k < part->span + part->span_count; k++)
            json_array_append_new(spans, json_pack("{s:s, s:I, s:I}", "state",
                                                   kiln_map_state_name(map->spans[k].state),
                                                   "start", (json_int_t)map->spans[k].start, "size",
                                                   (json_int_t)map->spans[k].size));
        json_array_append_new(parts,
                              json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", part->name, "start",
                                        (json_int_t)part->start, "size", (json_int_t)part->size,
                                        "page", (json_int_t)part->page, "spans", spans));
    }
    return parts;
}

/* ---- SVG ---- */

#define SVG_ROW   22
#define SVG_LEFT  330
#define SVG_BAR   600
#define SVG_WIDTH (SVG_LEFT + SVG_BAR + 20)

/* Readable on a light and on a dark page: text takes the page's scheme, and fills differ in pattern too. */
static const char svg_style[] =
    "<style>text{font:13px "
    "monospace;fill:#222;white-space:pre}.k{fill:#ccc}.q{fill:#58a}.e{fill:#fb3}"
    ".w{fill:#2a6}.f{fill:#fff}rect{stroke:none}.o{fill:none;stroke:#888}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.k{fill:#444}.f{fill:#1b1b1b}}</style>\n"
    "<defs><pattern id=\"h\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
    "<path d=\"M0 6L6 0\" stroke=\"#000\" stroke-opacity=\".45\"/></pattern></defs>\n";

static const char *const svg_class[KILN_MAP_STATE_COUNT] = {"k", "q", "e", "w"};

static void put_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else
            fputc((unsigned char)*text < 0x20 ? '?' : *text, out);
    }
}

static void put_box(FILE *out, enum kiln_map_state state, double x, double y, double width)
{
    fprintf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"16\"/>\n",
            svg_class[state], x, y, width);
    if (state == KILN_MAP_ERASED)
        fprintf(out,
                "<rect fill=\"url(#h)\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"16\"/>\n", x,
                y, width);
}

static void put_row(FILE *out, const struct kiln_map *map, const struct kiln_map_part *part,
                    uint64_t most, double y)
{
    double whole = (double)bar_length(part->size, most, SVG_BAR);
    double scale = whole / (double)part->size;
    char size[24];

    fprintf(out, "<text xml:space=\"preserve\" x=\"10\" y=\"%.0f\">0x%08" PRIx64 " %10s  ", y + 13,
            part->start, cli_bytes(part->size, size));
    put_escaped(out, part->name);
    fputs("</text>\n", out);
    for (size_t i = part->span; i < part->span + part->span_count; i++) {
        const struct kiln_map_span *span = &map->spans[i];
        double width = (double)span->size * scale;

        put_box(out, span->state, SVG_LEFT + (double)(span->start - part->start) * scale, y,
                width < 1 ? 1 : width);
    }
    fprintf(out, "<rect class=\"o\" x=\"%d\" y=\"%.0f\" width=\"%.2f\" height=\"16\"/>\n", SVG_LEFT,
            y, whole);
}

bool cli_map_svg(const struct kiln_map *map, const char *title, const char *path)
{
    FILE *out = fopen(path, "w");
    double y;
    char size[24];
    bool good;

    if (out == NULL)
        return false;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\">\n%s"
            "<rect class=\"f\" width=\"100%%\" height=\"100%%\"/>\n<title>",
            SVG_WIDTH, (map->part_count + 3) * SVG_ROW, svg_style);
    put_escaped(out, title);
    fputs("</title>\n<text x=\"10\" y=\"20\">", out);
    put_escaped(out, title);
    fputs("</text>\n", out);
    for (size_t i = 0; i < map->part_count; i++)
        put_row(out, map, &map->parts[i], largest(map), 10.0 + (double)(i + 1) * SVG_ROW);
    y = 10.0 + (double)(map->part_count + 1) * SVG_ROW;
    for (int state = KILN_MAP_STATE_COUNT - 1; state >= 0; state--) {
        double x = 10.0 + 220.0 * (KILN_MAP_STATE_COUNT - 1 - state);

        put_box(out, (enum kiln_map_state)state, x, y + 6, 16);
        fprintf(out, "<text x=\"%.0f\" y=\"%.0f\">%s %s</text>\n", x + 22, y + 19,
                kiln_map_state_name((enum kiln_map_state)state),
                cli_bytes(map->bytes[state], size));
    }
    fputs("</svg>\n", out);
    good = ferror(out) == 0;
    return fclose(out) == 0 && good;
}
