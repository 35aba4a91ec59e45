/* SPDX-License-Identifier: MIT */
/* The table of checks, and the findings they make. */
#include "doctor/doctor.h"

#include "base/bytes.h"
#include "os/exe_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE     KILN_FINDING_NOTE, KILN_OK
#define OBSTACLE KILN_FINDING_OBSTACLE

/* udev reads changed files by itself; what is plugged in already has to be told. */
#define APPLY_RULES                                                                   \
    "{sudo}udevadm control --reload && "                                              \
    "{sudo}udevadm trigger --action=add --subsystem-match=usb --subsystem-match=tty " \
    "--subsystem-match=hidraw"
#define INSTALL_RULES "{rules}" APPLY_RULES
#define SAFE_LETTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:"
/* What {rules} stands for where the rules are not there yet. */
#define WRITE_RULES                                                                    \
    "{kiln} help udev-rules | {sudo}tee {root}/etc/udev/rules.d/" KILN_UDEV_RULES_NAME \
    " >/dev/null && "

/* clang-format off */
static const struct doctor_check checks[] = {
    {"container", "devices are handed into the container", OBSTACLE, KILN_E_DENIED, doctor_test_container,
     "{device} is plugged in, but this is a container ({file}) and its /dev has no such node",
     "Start the container with --device={device}; for boards that come and go, with "
     "-v /dev:/dev and a device rule for their kind.", "",
     "the devices of a container are fixed by the command on the host that started it"},
    {"wsl", "Windows hands its USB devices over", OBSTACLE, KILN_E_NO_DEVICE, doctor_test_wsl,
     "this is WSL, which sees no USB device of Windows by itself",
     "In Windows, as administrator: `usbipd list`, `usbipd bind --busid ID`, then "
     "`usbipd attach --wsl --busid ID`.", "",
     "binding a device needs an administrator of Windows, and which device is meant only you know"},
    {"vm", "the host hands its USB devices over", NOTE, doctor_test_vm,
     "this is a virtual machine ({what}): it has only the devices that its host hands over",
     "Hand the USB device or its whole port to the guest in the settings of the virtual machine; "
     "a port is better, since boards change their ids when they restart.", "",
     "the settings of a virtual machine are out of reach for the system in it"},
    {"no-device", "something is plugged in", OBSTACLE, KILN_E_NO_DEVICE, doctor_test_no_device,
     "this computer sees {what}",
     "Try another cable, since many carry power only, and another port without a hub. A board that "
     "is held in reset or has a broken USB socket does not show up either.", "",
     "no command mends a cable, a socket or a button"},

    {"brltty", "brltty leaves the devices alone", OBSTACLE, KILN_E_NO_DEVICE, doctor_test_brltty,
     "{device} gives no port: brltty, a driver for Braille displays, runs and has taken it",
     "If no Braille display is in use, stop and mask brltty, then plug the board in again.",
     "{sudo}systemctl mask --now brltty.service brltty-udev.service brltty.path", NULL},
    {"brltty-rule", "no rule gives the devices to brltty", NOTE, doctor_test_brltty_rule,
     "{file} gives plain USB bridges to brltty, so that their ports vanish when brltty is started",
     "If no Braille display is in use, switch the file off.",
     "{sudo}ln -s /dev/null {root}{target} && " APPLY_RULES, NULL},
    {"modules", "the kernel has its drivers", OBSTACLE, KILN_E_NO_DEVICE, doctor_test_modules,
     "{device} has no driver: the modules of the running kernel ({what}) are gone, as after an update",
     "Restart the computer.", "",
     "a restart ends whatever else runs here: choose the moment yourself (`systemctl reboot`)"},
    {"driver", "every device has a driver", OBSTACLE, KILN_E_NO_DEVICE, doctor_test_driver,
     "{device} has no driver, so that there is no port; its driver is {what}",
     "Load the driver. If there is none, install the full set of kernel modules of your "
     "distribution (some small images and virtual machines come without).",
     "{sudo}modprobe {what}", NULL},

    {"group", "you are in the group that owns the port", OBSTACLE, KILN_E_DENIED, doctor_test_group,
     "{device} belongs to group {group}, and you are not in it",
     "Join the group, then log out and in again.", "{sudo}usermod -aG {group} {user}", NULL},
    {"log-in", "this session knows your groups", OBSTACLE, KILN_E_DENIED, doctor_test_log_in,
     "{device} belongs to group {group}; you are in it, but this session began before you joined",
     "Log out and in again, or restart. In this terminal alone, `newgrp {group}` is enough. Until it is "
     "plugged in anew an access entry of your own opens the device as well.",
     "{sudo}{command} -m u:{user}:rw {nodes}",
     "nothing can change the groups of a session that runs already, and the program setfacl (package "
     "acl), which opens the device until it is plugged in anew, is not installed"},
    {"udev-rule-shadowed", "no rule file hides another", OBSTACLE, KILN_E_DENIED, doctor_test_rule_shadowed,
     "{device} is open to root only: {file} hides the rule file of the same name that gives it to you",
     "Remove the file in front.", "{sudo}rm -f {root}{file} && " APPLY_RULES, NULL},
    {"udev-rule-late", "rule files come before 73", OBSTACLE, KILN_E_DENIED, doctor_test_rule_late,
     "{device} is open to root only: {file} comes after 73-seat-late.rules, which reads its uaccess tag",
     "Give the file a number below 73.", "test ! -e {root}{target} && {sudo}mv -n {root}{file} {root}{target} && " APPLY_RULES, NULL},
    {"udev-rule-replug", "rules were applied to every device", OBSTACLE, KILN_E_DENIED, doctor_test_rule_replug,
     "{device} is open to root only, although {file} gives it to whoever sits at the computer: it was "
     "plugged in before the rule was there, or you are logged in over a network",
     "Plug it in again, or have the rules applied now. Over a network, join group plugdev.", APPLY_RULES, NULL},
    {"udev-rule", "a rule gives the devices to you", OBSTACLE, KILN_E_DENIED, doctor_test_rule_missing,
     "{device} is open to root only: no udev rule gives it to you",
     "Install the rules of Kiln, then plug the device in again.", INSTALL_RULES, NULL},
    {"own-rules", "the rules of Kiln are installed", NOTE, doctor_test_own_rules,
     "the udev rules of Kiln {what}: a board in DFU mode may be open to root only",
     "Install them; they also keep ModemManager away.", INSTALL_RULES, NULL},

    {"busy-service", "no service holds a port", OBSTACLE, KILN_E_BUSY, doctor_test_unit,
     "{device} is in use by {process}, a service of the system",
     "Stop the service while you work with the board.", "{sudo}systemctl stop {unit}", NULL},
    {"busy-own-service", "no service of yours holds a port", OBSTACLE, KILN_E_BUSY, doctor_test_own_unit,
     "{device} is in use by {process}, a service of your session",
     "Stop the service while you work with the board.", "systemctl --user stop {unit}", NULL},
    {"busy", "no program holds a port", OBSTACLE, KILN_E_BUSY, doctor_test_busy,
     "{device} is in use by {process}", "Close that program, or have it ended.", "{command} {what}",
     "another user's processes are seen by root only"},
    {"lock-file", "no lock file was left behind", NOTE, doctor_test_lock_file,
     "{file} locks {device} for process {process}, which has ended",
     "Remove the file: Kiln ignores it, other programs do not.", "{sudo}rm -f {root}{file}", NULL},
    {"modem-manager", "ModemManager leaves the ports alone", NOTE, doctor_test_modem_manager,
     "ModemManager tries for about ten seconds after plugging in whether {device} is a modem",
     "Install the rules of Kiln, which tell it to leave boards alone, then plug the board in again.",
     INSTALL_RULES, NULL},
    {"autosuspend", "no device is put to sleep", NOTE, doctor_test_autosuspend,
     "{device} may be put to sleep when nothing happens, and then drops off",
     "Switch it off for this device. Laptop tools (TLP, powertop) have a list of devices to leave out.",
     "echo on | {sudo}tee {root}{file} >/dev/null", NULL},

    {"pio", "pio is on the search path", NOTE, doctor_test_pio,
     "PlatformIO is installed, but {file} is not on the search path, so that `pio` is not found",
     "Link it into ~/.local/bin and open a new terminal. `kiln flash` in a project folder needs no pio.",
     "mkdir -p {root}{home}/.local/bin && ln -s {root}{file} {root}{home}/.local/bin/pio", NULL},
    {"look-alike", "look-alikes come first", NOTE, doctor_test_esptool,
     "`{what}` is {file} and not Kiln's {target}, which comes later on the search path",
     "Remove that one, or say `kiln {what}`.", "{command}",
     "how {file} came here is not to be seen (pip, a package, by hand?), and only you know whether you "
     "need it"},
};
/* clang-format on */

bool kiln_doctor_check_at(size_t index, const char **out_name, const char **out_title)
{
    if (index >= KILN_ARRAY_LEN(checks))
        return false;
    *out_name = checks[index].name;
    *out_title = checks[index].title;
    return true;
}

/* ---- findings ---- */

static bool same_cause(const struct doctor_found *found, const struct doctor_check *check,
                       const struct doctor_facts *facts)
{
    const struct doctor_facts *have = &found->facts;

    return found->check == check && strcmp(have->group, facts->group) == 0 &&
           strcmp(have->process, facts->process) == 0 && strcmp(have->unit, facts->unit) == 0 &&
           strcmp(have->file, facts->file) == 0 && strcmp(have->what, facts->what) == 0;
}

void doctor_report(struct doctor *doctor, const struct doctor_check *check,
                   const struct doctor_facts *facts)
{
    struct doctor_found *grown;

    for (size_t i = 0; i < doctor->found_count; i++) {
        char *device = doctor->found[i].facts.device;
        size_t len = strlen(device), room = sizeof facts->device - len;

        if (!same_cause(&doctor->found[i], check, facts))
            continue;
        if (room > strlen(facts->device) + 2)
            snprintf(device + len, room, ", %s", facts->device);
        return;
    }
    grown = realloc(doctor->found, (doctor->found_count + 1) * sizeof *grown);
    if (grown == NULL) {
        doctor->no_memory = true;
        return;
    }
    doctor->found = grown;
    grown[doctor->found_count++] = (struct doctor_found){check, *facts};
}

/* ---- texts ---- */

struct name_value {
    const char *name, *value;
};

static const char *value_of(const struct name_value *values, const char *name, size_t len)
{
    for (; values->name != NULL; values++) {
        if (strlen(values->name) == len && strncmp(values->name, name, len) == 0)
            return values->value;
    }
    return "";
}

/* False if it does not fit. */
static bool expand(const char *pattern, const struct name_value *values, char *text, size_t cap)
{
    size_t used = 0;

    for (const char *at = pattern; *at != '\0';) {
        size_t len = strcspn(at, "{");
        const char *value = at;

        if (len == 0) {
            size_t name = strcspn(at, "}");

            value = value_of(values, at + 1, name - 1);
            at += name + 1;
            len = strlen(value);
        } else {
            at += len;
        }
        if (used + len >= cap) {
            text[used] = '\0';
            return false;
        }
        memcpy(text + used, value, len);
        used += len;
    }
    text[used] = '\0';
    return true;
}

/* Words that go into a command for the shell come from file names and account names; one that could be taken
 * for something else makes the command unusable. */
bool doctor_is_safe(const char *text, bool blanks)
{
    return text[0] != '-' && text[strspn(text, blanks ? SAFE_LETTERS " " : SAFE_LETTERS)] == '\0';
}

static bool is_safe(const char *text)
{
    return doctor_is_safe(text, false);
}

/* "/dev/ttyUSB0, /dev/ttyUSB1" as words of a command. */
static void list_nodes(const struct doctor *doctor, const char *devices, char *text, size_t cap)
{
    size_t used = 0;

    text[0] = '\0';
    while (*devices != '\0' && used < cap) {
        size_t len = strcspn(devices, ",");

        used += (size_t)snprintf(text + used, cap - used, "%s%s%.*s", used > 0 ? " " : "",
                                 doctor->root, (int)len, devices);
        devices += len + strspn(devices + len, ", ");
    }
}

/* What devices and processes call themselves goes to a terminal. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = '?';
        else if ((unsigned char)text[0] == 0xC2 && (text[1] & 0xE0) == 0x80) /* U+0080 to U+009F */
            *text = '?';
    }
}

/* How a shell finds this program: by its name if that is on the search path. */
static void name_program(const struct doctor *doctor, char *name, size_t cap)
{
    snprintf(name, cap, "kiln");
    if (doctor_on_path(doctor, "kiln") || !kiln_exe_dir(name, cap))
        return;
    snprintf(name + strlen(name), cap - strlen(name), "/kiln");
    if (!is_safe(name))
        snprintf(name, cap, "kiln");
}

static bool has_own_rules(const struct doctor *doctor)
{
    char file[256];
    bool same;

    return doctor_rule_own(doctor, file, sizeof file, &same) && same;
}

static bool is_safe_fix(const struct doctor *doctor, const struct doctor_found *found,
                        const char *nodes)
{
    const struct doctor_facts *facts = &found->facts;

    return is_safe(doctor->root) && is_safe(doctor->home) && is_safe(doctor->who.user) &&
           is_safe(facts->group) && is_safe(facts->file) && is_safe(facts->target) &&
           is_safe(facts->unit) && doctor_is_safe(facts->command, true) &&
           (strstr(found->check->fix, "{nodes}") == NULL || doctor_is_safe(nodes, true)) &&
           (strstr(found->check->fix, "{what}") == NULL || is_safe(facts->what));
}

/* A fix that is made for the case is there only if its words are. */
static bool has_command(const struct doctor_found *found)
{
    return strstr(found->check->fix, "{command}") == NULL || found->facts.command[0] != '\0';
}

static void put_reason(struct kiln_finding *out, const char *reason)
{
    out->fix[0] = '\0';
    snprintf(out->reason, sizeof out->reason, "%s", reason);
}

static void put_finding(const struct doctor *doctor, const struct doctor_found *found,
                        struct kiln_finding *out)
{
    const struct doctor_facts *facts = &found->facts;
    char program[256], rules[400] = "", nodes[512];
    const struct name_value values[] = {
        {"kiln", program},
        {"rules", rules},
        {"nodes", nodes},
        {"command", facts->command},
        {"device", facts->device},
        {"group", facts->group},
        {"process", facts->process},
        {"unit", facts->unit},
        {"file", facts->file},
        {"target", facts->target},
        {"what", facts->what},
        {"user", doctor->who.user},
        {"root", doctor->root},
        {"home", doctor->home},
        {"sudo", doctor->who.uid == 0 ? "" : "sudo "},
        {NULL, NULL},
    };

    name_program(doctor, program, sizeof program);
    list_nodes(doctor, facts->device, nodes, sizeof nodes);
    memset(out, 0, sizeof *out);
    out->check = found->check->name;
    out->weight = found->check->weight;
    out->status = found->check->status;
    (void)expand(found->check->evidence, values, out->evidence, sizeof out->evidence);
    (void)expand(found->check->advice, values, out->advice, sizeof out->advice);
    make_printable(out->evidence);
    make_printable(out->advice);
    if (strstr(found->check->fix, "{rules}") != NULL && !has_own_rules(doctor))
        (void)expand(WRITE_RULES, values, rules, sizeof rules);
    if (!has_command(found) || !expand(found->check->fix, values, out->fix, sizeof out->fix))
        out->fix[0] = '\0';
    else if (!is_safe_fix(doctor, found, nodes))
        put_reason(out, "a name in it could mean something else to a shell");
    if (out->fix[0] == '\0' && out->reason[0] == '\0' && found->check->why != NULL)
        (void)expand(found->check->why, values, out->reason, sizeof out->reason);
    make_printable(out->reason);
}

/* ---- the whole ---- */

static void identify(struct doctor *doctor, const struct kiln_doctor_system *system)
{
    const char *home = getenv("HOME"), *path = getenv("PATH");

    if (system == NULL) {
        kiln_identity_of_process(&doctor->who);
        doctor->root = "";
        doctor->home = home == NULL ? "" : home;
        doctor->path = path == NULL ? "" : path;
        return;
    }
    doctor->root = doctor->who.root = system->root;
    doctor->home = system->home;
    doctor->path = system->path;
    doctor->who.uid = system->uid;
    snprintf(doctor->who.user, sizeof doctor->who.user, "%s", system->user);
    for (size_t i = 0; i < system->gid_count && i < KILN_ARRAY_LEN(doctor->who.gids); i++)
        doctor->who.gids[doctor->who.gid_count++] = system->gids[i];
}

enum kiln_status kiln_doctor_run(const struct kiln_doctor_system *system,
                                 struct kiln_doctor_report *out_report,
                                 struct kiln_error *out_error)
{
    struct doctor *doctor = calloc(1, sizeof *doctor);

    *out_report = (struct kiln_doctor_report){0};
    if (doctor != NULL) {
        identify(doctor, system);
        doctor_scan(doctor);
        for (size_t i = 0; i < KILN_ARRAY_LEN(checks); i++)
            checks[i].test(doctor, &checks[i]);
        out_report->findings = calloc(doctor->found_count + 1, sizeof *out_report->findings);
    }
    if (doctor == NULL || doctor->no_memory || out_report->findings == NULL) {
        *out_error = (struct kiln_error){.status = KILN_E_NOMEM, .message = "out of memory"};
        kiln_doctor_report_free(out_report);
    } else {
        for (size_t i = 0; i < doctor->found_count; i++)
            put_finding(doctor, &doctor->found[i], &out_report->findings[out_report->count++]);
    }
    if (doctor != NULL)
        free(doctor->found);
    free(doctor);
    return out_report->findings == NULL ? KILN_E_NOMEM : KILN_OK;
}

void kiln_doctor_report_free(struct kiln_doctor_report *report)
{
    free(report->findings);
    *report = (struct kiln_doctor_report){0};
}

enum kiln_status kiln_doctor_status(const struct kiln_doctor_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->findings[i].weight == KILN_FINDING_OBSTACLE)
            return report->findings[i].status;
    }
    return KILN_OK;
}
