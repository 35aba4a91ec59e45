/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/json.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one finding ---- */

static void put_json(const struct kiln_finding *finding)
{
    json_t *object = json_object();
    bool obstacle = finding->weight == KILN_FINDING_OBSTACLE;

    cli_json_set(object, "event", "finding");
    cli_json_set(object, "check", finding->check);
    cli_json_set(object, "weight", obstacle ? "obstacle" : "note");
    if (obstacle)
        cli_json_set(object, "status", kiln_status_name(finding->status));
    cli_json_set(object, "evidence", finding->evidence);
    cli_json_set(object, "advice", finding->advice);
    cli_json_set(object, "fix", finding->fix);
    cli_json_set(object, "no_fix", finding->reason);
    cli_put_json(object);
}

/* Every line after `indent` blanks. */
static void put_folded(const struct cli *cli, const char *text, int indent)
{
    printf("%*s", indent, "");
    cli_print_wrapped(stdout, text, indent, cli->width < 100 ? cli->width : 100);
}

static void put_finding(const struct cli *cli, const struct kiln_finding *finding)
{
    bool obstacle = finding->weight == KILN_FINDING_OBSTACLE;

    printf("%s%s%s %s\n", obstacle ? cli_red(cli) : cli_yellow(cli), obstacle ? "!" : "i",
           cli_plain(cli), finding->check);
    put_folded(cli, finding->evidence, 4);
    put_folded(cli, finding->advice, 4);
    if (finding->fix[0] != '\0')
        printf("      %s%s%s\n", cli_bold(cli), finding->fix, cli_plain(cli));
}

/* ---- all of them ---- */

static const struct kiln_finding *next_of(const struct kiln_doctor_report *report,
                                          const char *check, size_t *at)
{
    for (; *at < report->count; ++*at) {
        if (strcmp(report->findings[*at].check, check) == 0)
            return &report->findings[(*at)++];
    }
    return NULL;
}

static void put_report(const struct cli *cli, const struct kiln_doctor_report *report)
{
    const char *name, *title;

    for (size_t i = 0; kiln_doctor_check_at(i, &name, &title); i++) {
        const struct kiln_finding *finding;
        size_t at = 0;
        bool any = false;

        for (; (finding = next_of(report, name, &at)) != NULL; any = true) {
            if (cli->args.json)
                put_json(finding);
            else
                put_finding(cli, finding);
        }
        if (!any && cli->args.verbose > 0 && !cli->args.json)
            cli_putf(stdout, "%s%s%s %s: %s\n", cli_green(cli),
                     cli_draws_utf8(cli) ? "\xe2\x9c\x93" : "+", cli_plain(cli), name, title);
    }
}

static size_t count_of(const struct kiln_doctor_report *report, enum kiln_finding_weight weight)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++)
        count += report->findings[i].weight == weight;
    return count;
}

static bool can_mend(const struct kiln_doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->findings[i].fix[0] != '\0')
            return true;
    }
    return false;
}

static int put_summary(const struct cli *cli, const struct kiln_doctor_report *report)
{
    size_t obstacles = count_of(report, KILN_FINDING_OBSTACLE);
    size_t notes = count_of(report, KILN_FINDING_NOTE);
    int status = kiln_status_exit_code(kiln_doctor_status(report));

    if (cli->args.json) {
        printf("{\"event\":\"doctor\",\"obstacles\":%zu,\"notes\":%zu,\"exit\":%d}\n", obstacles,
               notes, status);
        return status;
    }
    if (obstacles == 0)
        printf("%sNothing stands in the way.%s", cli_green(cli), cli_plain(cli));
    else
        printf("%s%zu thing%s in the way.%s", cli_red(cli), obstacles,
               obstacles == 1 ? " stands" : "s stand", cli_plain(cli));
    if (notes > 0)
        printf(" %zu %s to know (marked i).", notes, notes == 1 ? "thing" : "things");
    if (can_mend(report) && !cli->args.fix)
        fputs(" `kiln doctor --fix` asks and mends.", stdout);
    putchar('\n');
    return status;
}

/* ---- mending ---- */

/* The exit status of a command line as a shell runs it, -1 if it could not be run. */
static int run_shell(const char *command)
{
    const char *words[] = {"sh", "-c", command, NULL};
    int status;
    pid_t pid;

    fflush(stdout);
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)words, environ) != 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Fixes are offered once, even if what they mend is found again after them. */
struct offered {
    char fix[64][768];
    size_t count;
};

static bool is_new(struct offered *offered, const char *fix)
{
    for (size_t i = 0; i < offered->count; i++)
        if (strcmp(offered->fix[i], fix) == 0)
            return false;
    if (offered->count == sizeof offered->fix / sizeof offered->fix[0])
        return false;
    snprintf(offered->fix[offered->count++], sizeof offered->fix[0], "%s", fix);
    return true;
}

static enum kiln_status examine(const struct cli *cli, struct kiln_doctor_report *out_report,
                                struct kiln_error *out_error)
{
    const char *home = getenv("HOME"), *path = getenv("PATH"), *user = getenv("USER");
    gid_t gids[256];
    int count = getgroups(255, gids);
    struct kiln_doctor_system system = {
        .root = cli->args.root,
        .home = home == NULL ? "" : home,
        .path = path == NULL ? "" : path,
        .user = user == NULL ? "" : user,
        .gids = gids,
        .uid = geteuid(),
    };

    if (cli->args.root == NULL)
        return kiln_doctor_run(NULL, out_report, out_error);
    gids[count < 0 ? 0 : count] = getegid();
    system.gid_count = (size_t)(count < 0 ? 0 : count) + 1;
    return kiln_doctor_run(&system, out_report, out_error);
}

/* What was shown may have changed while the answer was awaited: the process may have ended and another one may
 * bear its number. */
static bool is_still_so(const struct cli *cli, const struct kiln_finding *shown)
{
    struct kiln_doctor_report report;
    struct kiln_error error = {0};
    bool found = false;

    if (examine(cli, &report, &error) != KILN_OK)
        return false;
    for (size_t i = 0; i < report.count && !found; i++)
        found = strcmp(report.findings[i].fix, shown->fix) == 0 &&
                strcmp(report.findings[i].evidence, shown->evidence) == 0;
    kiln_doctor_report_free(&report);
    return found;
}

/* True if things may be otherwise now. */
static bool offer(const struct cli *cli, const struct kiln_finding *finding)
{
    int status;

    put_finding(cli, finding);
    if (finding->fix[0] == '\0') {
        char text[300];

        snprintf(text, sizeof text, "No command can do this: %s.", finding->reason);
        put_folded(cli, text, 4);
        return false;
    }
    if (!cli_ask("    Run this command?"))
        return false;
    if (!is_still_so(cli, finding)) {
        puts("    That is no longer so; nothing was run.");
        return true;
    }
    status = run_shell(finding->fix);
    if (status == 0)
        puts("    Done.");
    else
        printf("    %sThe command failed with status %d.%s\n", cli_red(cli), status,
               cli_plain(cli));
    return true;
}

static bool mend(const struct cli *cli, const struct kiln_doctor_report *report,
                 struct offered *offered)
{
    bool ran = false;

    for (size_t i = 0; i < report->count; i++) {
        const struct kiln_finding *finding = &report->findings[i];

        if (is_new(offered, finding->fix[0] != '\0' ? finding->fix : finding->evidence))
            ran = offer(cli, finding) || ran;
    }
    return ran;
}

/* ---- the command ---- */

/* What one fix brings to light (a group joined that this session does not know) is mended too. */
static enum kiln_status mend_all(const struct cli *cli, struct kiln_doctor_report *report,
                                 struct kiln_error *out_error)
{
    struct offered *offered = calloc(1, sizeof *offered);
    enum kiln_status status = offered != NULL ? KILN_OK : KILN_E_NOMEM;
    bool ran = false;

    if (cli->args.root != NULL)
        puts(
            "The commands run on this computer: what names no file below --root changes this one.");
    while (status == KILN_OK && mend(cli, report, offered)) {
        ran = true;
        kiln_doctor_report_free(report);
        status = examine(cli, report, out_error);
    }
    if (status == KILN_OK && ran) {
        puts("\nAfter that:");
        put_report(cli, report);
    }
    free(offered);
    return status;
}

static int run_doctor(struct cli *cli)
{
    struct kiln_doctor_report report;
    struct kiln_error error = {0};
    int status;

    if (cli->args.operand_count > 0)
        return cli_usage(cli, "`kiln doctor` takes no names");
    if (cli->args.fix && cli->args.json)
        return cli_usage(cli, "--fix asks before each step, which does not go with --json");
    if (examine(cli, &report, &error) != KILN_OK)
        return cli_fail(cli, &error);
    if (!cli->args.fix)
        put_report(cli, &report);
    else if (mend_all(cli, &report, &error) != KILN_OK)
        return cli_fail(cli, &error);
    status = put_summary(cli, &report);
    kiln_doctor_report_free(&report);
    return status;
}

static const char *const doctor_options[] = {"fix", "json", "root", "verbose", NULL};
static const char *const doctor_examples[] = {
    "kiln doctor",
    "what stands between you and your boards",
    "kiln doctor --fix",
    "the same; each thing that a command can mend is mended when you agree",
    "kiln doctor -v",
    "also what is in order",
    NULL};

const struct cli_command cli_cmd_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "why a board does not show up or open, and what to do",
    .details =
        "Looks at permissions, udev rules, drivers, programs that hold or disturb ports (brltty, "
        "ModemManager, services, lock files), power saving, containers, WSL and virtual machines, "
        "and at what is installed. Nothing is opened and no board is touched. With --fix every "
        "command is shown before you are asked, and where no command can help the reason is told; "
        "what needs root goes through sudo. Processes of "
        "other users are seen by root only.\n"
        "Exit status: 0 nothing stands in the way (notes do not count), 3 no board or no driver, "
        "5 permission, 6 a port is in use; of several the one listed first.",
    .options = doctor_options,
    .examples = doctor_examples,
    .group = CLI_GROUP_BOARD,
    .run = run_doctor,
};
