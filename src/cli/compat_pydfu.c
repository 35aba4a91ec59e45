/* SPDX-License-Identifier: MIT */
/* MicroPython's pydfu.py: DfuSe devices and files only, one board, 0 or 1. */
#include "cli/compat_dfu_util.h"

#include <stdlib.h>
#include <string.h>

#define VID (DFU_LONG + 0)

static const struct dfu_option options[] = {
    {"help", 'h', false, "show this help message and exit"},
    {"list", 'l', false, "list available DFU devices"},
    {"vid", VID, true, "USB vendor id"},
    {"pid", 'p', true, "USB product id"},
    {"mass-erase", 'm', false, "mass erase device"},
    {"upload", 'u', true, "write this DFU file to the device"},
    {"exit", 'x', false, "exit DFU"},
    {"verbose", 'v', false, "increase output verbosity"},
    {NULL, 0, false, NULL},
};

struct asked {
    struct dfu_util_args device; /* what dfu_util_find() looks for */
    bool list, mass_erase, leave, verbose;
    const char *path;
};

static bool parse_id(const char *text, int32_t *out)
{
    char *end;
    unsigned long id = strtoul(text, &end, 0);

    *out = (int32_t)id;
    return end != text && *end == '\0' && id <= 0xffff;
}

/* Exit status, or -1 to go on. */
static int parse(struct dfu_words *words, struct asked *asked)
{
    const char *value;
    bool good = true;
    int code;

    while (good && (code = dfu_words_next(words, &value)) != -1) {
        if (code == 'h') {
            dfu_print_help(words, stdout);
            return 0;
        }
        asked->list |= code == 'l';
        asked->mass_erase |= code == 'm';
        asked->leave |= code == 'x';
        asked->verbose |= code == 'v';
        if (code == 'u')
            asked->path = value;
        if (code == VID || code == 'p')
            good = parse_id(value,
                            code == VID ? &asked->device.dfu_ids.vid : &asked->device.dfu_ids.pid);
        good = good && code != '?';
    }
    good = good && dfu_words_left(words) == NULL;
    if (!good)
        dfu_print_help(words, stderr);
    return good ? -1 : 2;
}

static void print_memory(const struct kiln_dfu_setting *setting)
{
    struct kiln_dfu_memory memory[KILN_DFU_MEMORY_MAX];
    char name[40];
    size_t count = kiln_dfu_decode_layout(setting->name, name, memory);

    puts("Memory Layout");
    for (size_t i = 0; i < count; i++)
        printf("    0x%llx %2llu pages of %3uK bytes\n", (unsigned long long)memory[i].start,
               (unsigned long long)memory[i].pages, memory[i].page / 1024);
}

static int list(const struct asked *asked)
{
    struct kiln_dfu_list found;
    int status = dfu_util_find(&asked->device, &found);

    if (status == 0 && found.count == 0)
        puts("No DFU capable devices found");
    for (size_t i = 0; i < found.count; i++) {
        const struct kiln_dfu_setting *setting = &found.items[i];

        if (!setting->dfu_mode || setting->alt != 0)
            continue;
        printf("Bus %u Device %03u: ID %04x:%04x\n", setting->bus, setting->address, setting->vid,
               setting->pid);
        print_memory(setting);
    }
    status = status != 0 || found.count == 0;
    kiln_dfu_list_free(&found);
    return status;
}

struct session {
    struct cli *cli;
    const struct asked *asked;
    struct dfu_util_look look;
    char selector[48];
};

static int run(struct session *session, struct kiln_request *request)
{
    request->device = session->selector;
    request->alt = "0";
    request->log_level = session->asked->verbose ? 2 : 3;
    session->look.quiet = !session->asked->verbose && request->verb != KILN_VERB_FLASH;
    return dfu_util_run(session->cli, request, &session->look) != 0;
}

static int write_file(struct session *session)
{
    struct kiln_request request = KILN_REQUEST_INIT;
    struct kiln_image *image = NULL;
    struct kiln_error error = {0};
    int status;

    if (kiln_image_load(session->asked->path, NULL, &image, &error) != KILN_OK) {
        (void)dfu_util_fail(session->look.tool, &error);
        return 1;
    }
    if (kiln_image_info(image)->address_source != KILN_ADDRESS_FILE) {
        status = dfu_fail(session->look.tool, 1, "%s is no DFU file with addresses",
                          session->asked->path);
    } else {
        request.verb = KILN_VERB_FLASH;
        request.images = (const struct kiln_image *const *)&image;
        request.image_count = 1;
        request.erase_all = session->asked->mass_erase;
        puts(request.erase_all ? "Mass erase...\nWriting memory..." : "Writing memory...");
        request.after = KILN_RESET_AFTER_HARD; /* pydfu.py starts what it has written */
        status = run(session, &request);
        if (status == 0)
            puts("Exiting DFU...\nFinished");
    }
    kiln_image_free(image);
    return status;
}

static int work(struct session *session)
{
    const struct asked *asked = session->asked;
    struct kiln_request request = KILN_REQUEST_INIT;
    int status = 0;

    if (asked->path != NULL)
        return write_file(session);
    if (asked->mass_erase) {
        puts("Mass erase...");
        request.verb = KILN_VERB_ERASE;
        request.erase_all = true;
        request.after = KILN_RESET_AFTER_STAY;
        status = run(session, &request);
    }
    if (status == 0 && asked->leave) {
        puts("Exiting DFU...");
        request.verb = KILN_VERB_RUN;
        request.erase_all = false;
        request.address = KILN_NO_ADDRESS;
        status = run(session, &request);
    }
    if (status == 0)
        puts(asked->mass_erase || asked->leave ? "Finished" : "No command specified");
    return status;
}

static int act(struct cli *cli, const struct asked *asked, const char *tool)
{
    struct session session = {.cli = cli, .asked = asked, .look = {.tool = tool}};
    struct kiln_dfu_list found;
    int status = dfu_util_choose(&asked->device, &found) != 0;

    if (status == 0) {
        snprintf(session.selector, sizeof session.selector, "usb:%s", found.items[0].path);
        status = work(&session);
    }
    kiln_dfu_list_free(&found);
    return status;
}

static int run_pydfu(struct cli *cli)
{
    struct dfu_words words = {.tool = "pydfu", .options = options};
    struct asked asked = {.device = dfu_util_any_device(words.tool)};
    int status;

    asked.device.app_ids = (struct dfu_ids){DFU_ID_NONE, DFU_ID_NONE};
    if (!dfu_words_init(cli, &words))
        return 1;
    status = parse(&words, &asked);
    if (status < 0)
        status = asked.list ? list(&asked) : act(cli, &asked, words.tool);
    dfu_words_dispose(&words);
    return status;
}

const struct cli_command cli_cmd_pydfu = {
    .name = "pydfu",
    .operands = "[OPTIONS]...",
    .summary = "the command line of MicroPython's pydfu.py",
    .details = "Options and exit statuses are those of pydfu.py. A link to kiln named pydfu or "
               "pydfu.py does the same. `kiln pydfu -h` shows the options.",
    .group = CLI_GROUP_OTHER,
    .operands_verbatim = true,
    .run = run_pydfu,
};
