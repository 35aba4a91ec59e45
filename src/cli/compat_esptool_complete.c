/* SPDX-License-Identifier: MIT */
/*
 * Shell completion of the esptool look-alike, by the protocol of the library click: the variable
 * _ESPTOOL_COMPLETE asks for a script ("bash_source") or, from that script, for what may stand at the cursor
 * ("bash_complete", with the words in COMP_WORDS and the number of the one at the cursor in COMP_CWORD; fish
 * gives the word itself). An answer is "plain,WORD" or "file,PART" a line; zsh gets three lines for each.
 */
#include "cli/compat_esptool.h"

#include <kiln/device.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum shell { SHELL_BASH, SHELL_ZSH, SHELL_FISH, SHELL_COUNT };

static const char *const shells[SHELL_COUNT] = {"bash", "zsh", "fish"};

/* %1$s is the program, %2$s the variable. */
static const char *const sources[SHELL_COUNT] = {
    "_%1$s_words() {\n"
    "    local line\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        plain,*) COMPREPLY+=(\"${line#plain,}\") ;;\n"
    "        file,*) compopt -o default ;;\n"
    "        esac\n"
    "    done <<<\"$(COMP_WORDS=\"${COMP_WORDS[*]}\" COMP_CWORD=$COMP_CWORD "
    "%2$s=bash_complete \"$1\")\"\n"
    "}\n"
    "complete -o nosort -F _%1$s_words %1$s\n",
    "#compdef %1$s\n"
    "_%1$s_words() {\n"
    "    local -a lines plain described\n"
    "    local kind word help\n"
    "    lines=(\"${(@f)$(COMP_WORDS=\"${words[*]}\" COMP_CWORD=$((CURRENT - 1)) "
    "%2$s=zsh_complete %1$s)}\")\n"
    "    for kind word help in $lines; do\n"
    "        if [[ $kind == file ]]; then\n"
    "            _files\n"
    "        elif [[ $kind == plain && $help == _ ]]; then\n"
    "            plain+=(\"$word\")\n"
    "        elif [[ $kind == plain ]]; then\n"
    "            described+=(\"${word//:/\\\\:}:$help\")\n"
    "        fi\n"
    "    done\n"
    "    (( $#described )) && _describe -V words described -U\n"
    "    (( $#plain )) && compadd -U -V words -a plain\n"
    "}\n"
    "compdef _%1$s_words %1$s\n",
    "function _%1$s_words\n"
    "    for line in (COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) "
    "%2$s=fish_complete %1$s)\n"
    "        set -l part (string split -m 1 , -- $line)\n"
    "        switch $part[1]\n"
    "            case plain\n"
    "                echo $part[2]\n"
    "            case file\n"
    "                __fish_complete_path $part[2]\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete --no-files --command %1$s --arguments '(_%1$s_words)'\n",
};

/* Where the cursor is. */
struct cursor {
    struct esptool *e;
    enum shell shell;
    const char *part; /* what stands there already */
    const struct esptool_command *command;
    const struct esptool_option *option; /* whose value stands there; NULL: none */
    size_t operands;                     /* before it */
    const struct esptool_option *given[64];
    size_t given_count;
    bool only_operands; /* behind "--" */
};

/* ---- answers ---- */

static void answer(const struct cursor *c, const char *kind, const char *word, const char *help)
{
    if (c->shell == SHELL_ZSH)
        printf("%s\n%s\n%s\n", kind, word, help != NULL ? help : "_");
    else if (c->shell == SHELL_FISH && help != NULL)
        printf("%s,%s\t%s\n", kind, word, help);
    else
        printf("%s,%s\n", kind, word);
}

static void offer(const struct cursor *c, const char *word, const char *help)
{
    if (strncmp(word, c->part, strlen(c->part)) == 0)
        answer(c, "plain", word, help);
}

static void offer_ports(const struct cursor *c)
{
    struct kiln_device_list list = {0};
    struct kiln_error error;

    if (kiln_device_enumerate(&list, &error) != KILN_OK)
        return;
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].kind == KILN_DEVICE_SERIAL)
            offer(c, list.items[i].port, list.items[i].title);
    kiln_device_list_free(&list);
}

static void offer_value(const struct cursor *c, const struct esptool_option *option)
{
    static const char *const rates[] = {"9600", "115200", "230400", "460800", "921600", "1500000"};
    const char *choice;

    switch (option->kind) {
    case ESPTOOL_TEXT:
    case ESPTOOL_PATH:
    case ESPTOOL_INPUT:
    case ESPTOOL_PAIRS:
        if (option->field == offsetof(struct esptool_args, port))
            offer_ports(c);
        else
            answer(c, "file", c->part, NULL);
        break;
    case ESPTOOL_WORDS:
        if (option->field == offsetof(struct esptool_args, diff_with))
            answer(c, "file", c->part, NULL);
        break;
    case ESPTOOL_RATE:
        for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
            offer(c, rates[i], NULL);
        break;
    case ESPTOOL_FLAG:
    case ESPTOOL_CHOICE:
    case ESPTOOL_RESET:
    case ESPTOOL_CHIP:
    case ESPTOOL_SPI:
    case ESPTOOL_DECIMAL:
    case ESPTOOL_INT:
    case ESPTOOL_ALIGNED:
    case ESPTOOL_SIZE:
    case ESPTOOL_SIZE_ALL:
        for (size_t i = 0; (choice = esptool_choice(option, i)) != NULL; i++)
            offer(c, choice, NULL);
        break;
    }
}

static bool was_given(const struct cursor *c, const struct esptool_option *option)
{
    for (size_t i = 0; i < c->given_count; i++)
        if (c->given[i] == option)
            return true;
    return false;
}

static void offer_options(const struct cursor *c, const struct esptool_option *const *options)
{
    for (; options != NULL && *options != NULL; options++) {
        if ((*options)->hidden || (was_given(c, *options) && !(*options)->eats))
            continue;
        offer(c, (*options)->name, (*options)->help);
        if ((*options)->alias != NULL)
            offer(c, (*options)->alias, (*options)->help);
    }
    offer(c, "--help", "this text");
    offer(c, "-h", "this text");
}

static int by_name(const void *left, const void *right)
{
    const struct esptool_command *const *a = left;
    const struct esptool_command *const *b = right;

    return strcmp((*a)->name, (*b)->name);
}

static void offer_commands(const struct cursor *c)
{
    const struct esptool_command *sorted[64];
    size_t count = 0;

    for (size_t i = 0; esptool_command_at(i) != NULL && count < 64; i++)
        if (esptool_command_at(i)->group != ESPTOOL_OLD)
            sorted[count++] = esptool_command_at(i);
    qsort(sorted, count, sizeof sorted[0], by_name);
    for (size_t i = 0; i < count; i++)
        offer(c, sorted[i]->name, sorted[i]->summary);
}

static void offer_operand(const struct cursor *c)
{
    const struct esptool_operand *operand = c->command->operands;

    for (size_t i = 0; operand != NULL && operand->name != NULL; i++, operand++) {
        const struct esptool_option as = {.kind = operand->kind, .field = operand->field};

        if (i == c->operands || operand->kind == ESPTOOL_PAIRS) {
            offer_value(c, &as);
            return;
        }
    }
}

static void offer_all(struct cursor *c)
{
    const struct esptool_option *const *options =
        c->command != NULL ? c->command->options : esptool_global_options;
    const char *equals = strchr(c->part, '=');

    if (c->option == NULL && strncmp(c->part, "--", 2) == 0 && equals != NULL &&
        (c->option = esptool_find_option(options, c->part, (size_t)(equals - c->part))) != NULL)
        c->part = equals + 1;
    if (c->option != NULL && c->part[0] != '-')
        offer_value(c, c->option);
    else if (c->part[0] == '-' && !c->only_operands)
        offer_options(c, options);
    else if (c->command == NULL)
        offer_commands(c);
    else
        offer_operand(c);
}

/* ---- words before the cursor ---- */

static const struct esptool_command *command_named(const char *word)
{
    for (size_t i = 0; esptool_command_at(i) != NULL; i++)
        if (strcmp(esptool_command_at(i)->name, word) == 0)
            return esptool_command_at(i);
    return NULL;
}

static void pass_option(struct cursor *c, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct esptool_option *option = esptool_find_option(
        c->command != NULL ? c->command->options : esptool_global_options, word, len);

    c->option = NULL;
    if (option == NULL)
        return;
    if (c->given_count < sizeof c->given / sizeof c->given[0])
        c->given[c->given_count++] = option;
    if (option->kind != ESPTOOL_FLAG && equals == NULL)
        c->option = option;
}

static void pass_word(struct cursor *c, const char *word)
{
    const struct esptool_option *option = c->option;

    if (strcmp(word, "=") == 0) /* bash takes "--chip=esp32" for three words */
        return;
    if (strcmp(word, "--") == 0) {
        c->only_operands = true;
        c->option = NULL;
    } else if (word[0] == '-' && word[1] != '\0' && !c->only_operands) {
        pass_option(c, word);
    } else if (option != NULL) {
        c->option = option->eats ? option : NULL;
        if (option->eats && c->command == NULL && command_named(word) != NULL) {
            c->command = command_named(word);
            c->option = NULL;
        }
    } else if (c->command == NULL) {
        c->command = command_named(word);
    } else {
        c->operands++;
    }
}

static int complete(struct cursor *c)
{
    const char *all = getenv("COMP_WORDS");
    const char *at = getenv("COMP_CWORD");
    char *text = all != NULL ? esptool_keep(c->e, strdup(all)) : NULL;
    long number = c->shell != SHELL_FISH && at != NULL ? strtol(at, NULL, 10) : -1;
    struct esptool_words words = {0};
    bool good = true;
    char *word;

    if (text == NULL || at == NULL)
        return 1;
    while ((word = esptool_next_word(&text, &good)) != NULL)
        if (!esptool_add_word(c->e, &words, word))
            return 1;
    if (c->shell == SHELL_FISH)
        number = (long)words.count -
                 (at[0] != '\0' && words.count > 0 && strcmp(words.word[words.count - 1], at) == 0);
    c->part = c->shell == SHELL_FISH ? at : "";
    for (size_t i = 1; i < words.count && (long)i < number; i++)
        pass_word(c, words.word[i]);
    if (c->shell != SHELL_FISH && number > 0 && (size_t)number < words.count)
        c->part = words.word[number];
    if (strcmp(c->part, "=") == 0)
        c->part = "";
    offer_all(c);
    return 0;
}

/* ---- asking ---- */

static void variable_of(const char *program, char *out, size_t cap)
{
    size_t len = (size_t)snprintf(out, cap, "_%s_COMPLETE", program);

    for (size_t i = 0; i < len && i < cap; i++)
        out[i] = out[i] == '-' || out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

bool esptool_complete(struct esptool *e, int *out_status)
{
    const char *program = e->cli->program != NULL ? e->cli->program : "esptool";
    struct cursor c = {.e = e, .part = ""};
    char variable[64];
    const char *wish;

    variable_of(program, variable, sizeof variable);
    wish = getenv(variable);
    if (wish == NULL || wish[0] == '\0')
        return false;
    *out_status = 1;
    for (unsigned i = 0; i < SHELL_COUNT; i++) {
        size_t len = strlen(shells[i]);

        if (strncmp(wish, shells[i], len) != 0)
            continue;
        c.shell = (enum shell)i;
        if (strcmp(wish + len, "_source") == 0) {
            printf(sources[i], program, variable);
            *out_status = 0;
        } else if (strcmp(wish + len, "_complete") == 0) {
            *out_status = complete(&c);
        }
    }
    return true;
}
