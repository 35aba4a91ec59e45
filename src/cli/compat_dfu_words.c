/* SPDX-License-Identifier: MIT */
#include "cli/compat_dfu.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool dfu_words_init(struct cli *cli, struct dfu_words *words)
{
    size_t count = cli->args.operand_count;

    words->word = calloc(count + 2, sizeof *words->word);
    if (words->word == NULL)
        return false;
    words->word[0] = (char *)(uintptr_t)words->tool;
    if (count > 0)
        memcpy(words->word + 1, cli->args.operands, count * sizeof *words->word);
    words->count = (int)count + 1;
    optind = 1;
    if (words->shown == NULL)
        return true;
    printf("%s %s\n\nThis is Kiln %s with the command line of dfu-util " DFU_UTIL_VERSION ".\n\n",
           words->shown, DFU_UTIL_VERSION, kiln_version());
    fflush(stdout);
    return true;
}

void dfu_words_dispose(struct dfu_words *words)
{
    free(words->word);
}

int dfu_words_next(struct dfu_words *words, const char **out_value)
{
    struct option longs[DFU_OPTION_MAX + 1] = {0};
    char shorts[2 * DFU_OPTION_MAX + 1] = "";
    size_t used = 0;
    int code;

    for (size_t i = 0; words->options[i].name != NULL && i < DFU_OPTION_MAX; i++) {
        const struct dfu_option *option = &words->options[i];

        longs[i] =
            (struct option){option->name, option->takes_value ? required_argument : no_argument,
                            NULL, option->code};
        if (option->code >= DFU_LONG)
            continue;
        shorts[used++] = (char)option->code;
        if (option->takes_value)
            shorts[used++] = ':';
    }
    code = getopt_long(words->count, words->word, shorts, longs, NULL);
    *out_value = optarg;
    return code;
}

const char *dfu_words_left(const struct dfu_words *words)
{
    return optind < words->count ? words->word[optind] : NULL;
}

void dfu_print_help(const struct dfu_words *words, FILE *out)
{
    fprintf(out, "Usage: %s [options] ...\n", words->tool);
    for (const struct dfu_option *option = words->options; option->name != NULL; option++) {
        char names[40];
        const char *text = option->help;

        if (option->code < DFU_LONG)
            snprintf(names, sizeof names, "-%c --%s%s", option->code, option->name,
                     option->takes_value ? " ..." : "");
        else
            snprintf(names, sizeof names, "   --%s", option->name);
        fprintf(out, "  %-26s  ", names);
        for (; *text != '\0'; text++) {
            fputc(*text, out);
            if (*text == '\n')
                fprintf(out, "%30s", "");
        }
        fputc('\n', out);
    }
}

static void say(const char *tool, const char *format, va_list args)
{
    fflush(stdout);
    if (tool != NULL)
        fprintf(stderr, "%s: ", tool);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int dfu_fail(const char *tool, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(tool, format, args);
    va_end(args);
    return status;
}

int dfu_usage(const struct dfu_words *words, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(NULL, format, args);
    va_end(args);
    dfu_print_help(words, stderr);
    return EX_USAGE;
}
