/* SPDX-License-Identifier: MIT */
/* `kiln sim BOARD... --run PROGRAM`: hands over to the front that plugs simulated USB boards into a program. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRONT "kiln-sim-usb"

/* The front stands beside kiln in the build folder, in libexec once installed. */
static bool front_at(char *path, size_t cap, const char *place)
{
    char self[512];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    int n;

    if (place[0] == '/') {
        n = snprintf(path, cap, "%s/" FRONT, place);
    } else {
        if (len <= 0)
            return false;
        self[len] = '\0';
        *strrchr(self, '/') = '\0';
        n = snprintf(path, cap, "%s/%s" FRONT, self, place);
    }
    return n > 0 && (size_t)n < cap && access(path, X_OK) == 0;
}

static bool find_front(char *path, size_t cap)
{
    return front_at(path, cap, "") || front_at(path, cap, "../libexec/kiln/") ||
           front_at(path, cap, KILN_LIBEXECDIR);
}

int cli_sim_run(struct cli *cli)
{
    const struct cli_args *args = &cli->args;
    size_t boards = args->rest_at;
    char path[1024];
    char **words;

    if (boards == 0 || boards == args->operand_count)
        return cli_usage(cli, "say which board, and after --run which program");
    if (!find_front(path, sizeof path))
        return cli_usage(cli, "%s is not here: Kiln was built without umockdev (libumockdev-dev)",
                         FRONT);
    words = calloc(args->operand_count + 3, sizeof *words);
    if (words == NULL)
        return cli_usage(cli, "out of memory");
    words[0] = path;
    for (size_t i = 0; i < args->operand_count; i++) {
        char *word = args->operands[i];

        if (i < boards && strncmp(word, "sim:", 4) == 0)
            word += 4;
        words[1 + i + (i >= boards)] = word;
    }
    words[1 + boards] = (char[]){"--"};
    execv(path, words);
    free(words);
    return cli_usage(cli, "cannot run %s: %s", path, strerror(errno));
}
