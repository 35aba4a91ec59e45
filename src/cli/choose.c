/* SPDX-License-Identifier: MIT */
/* What is said of several boards, with commands made to be pasted: which match, and how each ended. */
#include "cli/list.h"

#include <stdlib.h>
#include <string.h>

/* What a shell takes for one word without quotes. */
#define PLAIN_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"

bool cli_keep_words(struct cli *cli, int count, char **words)
{
    cli->given = calloc((size_t)count + 1, sizeof *cli->given);
    for (int i = 0; cli->given != NULL && i < count; i++) {
        cli->given[i] = strdup(words[i]);
        if (cli->given[i] == NULL)
            return false;
    }
    return cli->given != NULL;
}

void cli_free_words(struct cli *cli)
{
    for (char **word = cli->given; word != NULL && *word != NULL; word++)
        free(*word);
    free(cli->given);
}

static void put_word(const char *word)
{
    if (word[0] != '\0' && word[strspn(word, PLAIN_CHARACTERS)] == '\0') {
        fprintf(stderr, " %s", word);
        return;
    }
    fputs(" '", stderr);
    for (; *word != '\0'; word++)
        fputs(*word == '\'' ? "'\\''" : (const char[]){*word, '\0'}, stderr);
    fputc('\'', stderr);
}

/* How many words from `word` on choose a device: 0, 1 or 2. */
static int device_words(char *const *word)
{
    if (strcmp(*word, "-d") == 0 || strcmp(*word, "--device") == 0)
        return word[1] != NULL ? 2 : 1;
    return strncmp(*word, "-d", 2) == 0 || strncmp(*word, "--device=", 9) == 0;
}

/* The command that was given, for these devices instead of what was chosen before. */
static void put_command(const struct cli *cli, const struct kiln_device_list *list,
                        const struct cli_end *ends)
{
    fprintf(stderr, "  kiln %s", cli->command->name);
    for (size_t i = 0; i < list->count; i++) {
        if (ends != NULL && !ends[i].failed)
            continue;
        fputs(" -d", stderr);
        put_word(list->items[i].selector);
    }
    for (char *const *word = cli->given; word != NULL && *word != NULL;) {
        int skip = strcmp(*word, "--all") == 0 ? 1 : device_words(word);

        if (skip == 0)
            put_word(*word);
        word += skip > 0 ? skip : 1;
    }
}

/* ---- several boards match ---- */

static int fail_json(struct kiln_error *error, const struct cli *cli,
                     const struct kiln_device_list *list)
{
    json_t *object = cli_error_json(error), *candidates = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(candidates, cli_device_json(cli, &list->items[i]));
    json_object_set_new(object, "candidates", candidates);
    cli_put_json(object);
    return kiln_status_exit_code(error->status);
}

int cli_ambiguous(struct cli *cli, const char *selector, const struct kiln_device_list *list)
{
    struct kiln_error error = {.status = KILN_E_AMBIGUOUS, .hint = KILN_HINT_CHOOSE_DEVICE};
    int status;

    if (selector == NULL)
        snprintf(error.message, sizeof error.message,
                 "there are %zu boards and -d does not say which", list->count);
    else
        snprintf(error.message, sizeof error.message, "-d %s means %zu boards", selector,
                 list->count);
    if (cli->args.json)
        return fail_json(&error, cli, list);
    error.hint = KILN_HINT_NONE;
    status = cli_fail(cli, &error);
    for (size_t i = 0; i < list->count; i++) {
        struct kiln_device *device = &list->items[i];

        put_command(cli, &(const struct kiln_device_list){device, 1}, NULL);
        fprintf(stderr, "   # %s%s%s\n", device->title,
                device->serial[0] != '\0' ? ", serial " : "", device->serial);
    }
    cli_putf(stderr, "  %s\n", kiln_hint_text(KILN_HINT_CHOOSE_DEVICE));
    return status;
}

/* ---- several boards were worked on ---- */

static void put_summary_json(const struct kiln_device_list *devices, const struct cli_end *ends,
                             size_t failed)
{
    json_t *boards = json_array();

    for (size_t i = 0; i < devices->count; i++) {
        json_t *board = json_object();

        cli_json_set(board, "device", devices->items[i].selector);
        cli_json_set(board, "status", kiln_status_name(ends[i].status));
        json_object_set_new(board, "message", cli_json_text(ends[i].message));
        json_array_append_new(boards, board);
    }
    cli_put_json(json_pack("{s:s, s:I, s:I, s:o}", "event", "summary", "done",
                           (json_int_t)(devices->count - failed), "failed", (json_int_t)failed,
                           "boards", boards));
}

void cli_put_summary(const struct cli *cli, const struct kiln_device_list *devices,
                     const struct cli_end *ends)
{
    size_t failed = 0;

    for (size_t i = 0; i < devices->count; i++)
        failed += ends[i].failed;
    if (cli->args.json) {
        put_summary_json(devices, ends, failed);
        return;
    }
    if (failed == 0) {
        if (!cli->args.quiet)
            printf("All %zu boards are done.\n", devices->count);
        return;
    }
    fflush(stdout);
    cli_putf(stderr, "kiln: %zu of %zu boards failed, the others are done:\n", failed,
             devices->count);
    for (size_t i = 0; i < devices->count; i++)
        if (ends[i].failed)
            cli_putf(stderr, "  %s: %s\n", devices->items[i].selector, ends[i].message);
    fputs("Once that is mended, for these alone:\n", stderr);
    put_command(cli, devices, ends);
    fputc('\n', stderr);
}
