/* SPDX-License-Identifier: MIT */
/* The knobs of a simulated board, read from "stm32f405?flash=f.bin&time=real&drop=17". */
#include "base/bytes.h"
#include "sim/sim.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum knob_kind { KNOB_TEXT, KNOB_NUMBER, KNOB_COUNT, KNOB_SIZE, KNOB_FLAG };

struct knob {
    const char *name;
    enum knob_kind kind;
    size_t offset;
    size_t size;
    const char *true_word, *false_word; /* of a flag; of a text that is one of the two */
};

#define FIELD(field) \
    offsetof(struct kiln_sim_knobs, field), sizeof(((struct kiln_sim_knobs *)0)->field)

static const struct knob table[] = {
    {"flash", KNOB_TEXT, FIELD(flash_path), NULL, NULL},
    {"size", KNOB_SIZE, FIELD(flash_size), NULL, NULL},
    {"boot", KNOB_TEXT, FIELD(boot), "run", "download"},
    {"time", KNOB_FLAG, FIELD(real_time), "real", "virtual"},
    {"secure", KNOB_FLAG, FIELD(secure_download), "1", "0"},
    {"baudmax", KNOB_NUMBER, FIELD(baud_max), NULL, NULL},
    {"latency", KNOB_NUMBER, FIELD(latency_us), NULL, NULL},
    {"seed", KNOB_NUMBER, FIELD(seed), NULL, NULL},
    {"cut", KNOB_COUNT, FIELD(power_cut_at), NULL, NULL},
    {"drop", KNOB_COUNT, FIELD(drop_reply_at), NULL, NULL},
    {"corrupt", KNOB_COUNT, FIELD(corrupt_reply_at), NULL, NULL},
    {"refuse", KNOB_COUNT, FIELD(refuse_at), NULL, NULL},
    {"delay", KNOB_COUNT, FIELD(delay_at), NULL, NULL},
    {"delayms", KNOB_NUMBER, FIELD(delay_ms), NULL, NULL},
    {"plug", KNOB_NUMBER, FIELD(plug_ms), NULL, NULL},
    {"unplug", KNOB_COUNT, FIELD(unplug_at), NULL, NULL},
    {"badsector", KNOB_COUNT, FIELD(bad_sector_at), NULL, NULL},
    {"lie", KNOB_TEXT, FIELD(lie), NULL, NULL},
    {"variant", KNOB_TEXT, FIELD(variant), NULL, NULL},
};

void kiln_sim_knobs_init(struct kiln_sim_knobs *knobs)
{
    memset(knobs, 0, sizeof *knobs);
    knobs->power_cut_at = KILN_SIM_NEVER;
    knobs->drop_reply_at = KILN_SIM_NEVER;
    knobs->corrupt_reply_at = KILN_SIM_NEVER;
    knobs->refuse_at = KILN_SIM_NEVER;
    knobs->delay_at = KILN_SIM_NEVER;
    knobs->unplug_at = KILN_SIM_NEVER;
    knobs->bad_sector_at = KILN_SIM_NEVER;
    knobs->seed = 1;
}

/* A C number, and for sizes a K, KB, M or MB behind it. */
static bool parse_number(const char *text, bool is_size, uint64_t max, uint64_t *out)
{
    uint64_t value, scale = 1;
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno != 0)
        return false;
    if (is_size && (*end == 'K' || *end == 'k' || *end == 'M' || *end == 'm')) {
        scale = *end == 'K' || *end == 'k' ? 1024 : 1024 * 1024;
        end++;
        if (*end == 'B' || *end == 'b')
            end++;
    }
    if (*end != '\0' || value > max / scale)
        return false;
    *out = value * scale;
    return true;
}

static bool is_either(const struct knob *knob, const char *value)
{
    return knob->true_word == NULL || strcmp(value, knob->true_word) == 0 ||
           strcmp(value, knob->false_word) == 0;
}

static bool set_knob(struct kiln_sim_knobs *knobs, const struct knob *knob, const char *value)
{
    char *field = (char *)knobs + knob->offset;
    uint64_t number = 0;

    if (!is_either(knob, value))
        return false;
    switch (knob->kind) {
    case KNOB_TEXT:
        if (strlen(value) >= knob->size)
            return false;
        memcpy(field, value, strlen(value) + 1);
        return true;
    case KNOB_FLAG:
        *(bool *)field = strcmp(value, knob->true_word) == 0;
        return true;
    case KNOB_NUMBER:
        if (!parse_number(value, false, UINT32_MAX, &number))
            return false;
        *(uint32_t *)field = (uint32_t)number;
        return true;
    case KNOB_COUNT:
        if (!parse_number(value, false, INT64_MAX, &number))
            return false;
        *(int64_t *)field = (int64_t)number;
        return true;
    case KNOB_SIZE:
        if (!parse_number(value, true, UINT32_MAX, &number))
            return false;
        *(uint64_t *)field = number;
        return true;
    }
    return false;
}

static enum kiln_status no_such_knob(struct kiln_ctx *ctx, const char *word)
{
    char names[200] = "";

    for (size_t i = 0; i < KILN_ARRAY_LEN(table); i++) {
        size_t length = strlen(names);

        snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "", table[i].name);
    }
    return kiln_fail(ctx, KILN_E_ARG, "a simulated board has no knob \"%.40s\"; there are %s", word,
                     names);
}

static enum kiln_status bad_value(struct kiln_ctx *ctx, const struct knob *knob, const char *value)
{
    if (knob->true_word != NULL)
        return kiln_fail(ctx, KILN_E_ARG, "%s of a simulated board is %s or %s, not \"%.40s\"",
                         knob->name, knob->true_word, knob->false_word, value);
    return kiln_fail(ctx, KILN_E_ARG, "the simulated board cannot take \"%.40s\" for %s", value,
                     knob->name);
}

static enum kiln_status parse_word(struct kiln_ctx *ctx, char *word, struct kiln_sim_knobs *knobs)
{
    char *equals = strchr(word, '=');

    if (equals == NULL)
        return kiln_fail(ctx, KILN_E_ARG, "\"%s\" of the simulated board is no NAME=VALUE", word);
    *equals = '\0';
    for (size_t i = 0; i < KILN_ARRAY_LEN(table); i++) {
        if (strcmp(word, table[i].name) != 0)
            continue;
        if (!set_knob(knobs, &table[i], equals + 1))
            return bad_value(ctx, &table[i], equals + 1);
        return KILN_OK;
    }
    return no_such_knob(ctx, word);
}

static enum kiln_status no_such_board(struct kiln_ctx *ctx, const char *name)
{
    return kiln_fail_hint(ctx, KILN_E_ARG, KILN_HINT_SIM_LIST,
                          "there is no simulated board \"%.40s\"", name);
}

enum kiln_status kiln_sim_knobs_parse(struct kiln_ctx *ctx, const char *text,
                                      struct kiln_sim_knobs *knobs)
{
    size_t board_len = strcspn(text, "?");
    char copy[2048];
    char *rest, *word;

    kiln_sim_knobs_init(knobs);
    if (board_len >= sizeof knobs->board || strlen(text) >= sizeof copy)
        return no_such_board(ctx, text);
    memcpy(knobs->board, text, board_len);
    snprintf(copy, sizeof copy, "%s", text + board_len + (text[board_len] == '?'));
    rest = copy;
    while ((word = strsep(&rest, "&")) != NULL)
        if (*word != '\0')
            KILN_TRY(parse_word(ctx, word, knobs));
    if (kiln_sim_board_find(knobs->board) == NULL)
        return no_such_board(ctx, knobs->board);
    return KILN_OK;
}
