/* SPDX-License-Identifier: MIT */
/* Ports and devices that are there and may or can not be opened. */
#include "base/bytes.h"
#include "doctor/doctor.h"
#include "os/port.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- permission ---- */

/* Calls `each` for every node of ours that this user may not open. */
static void each_denied(struct doctor *doctor, const struct doctor_check *check,
                        void (*each)(struct doctor *, const struct doctor_check *, const char *node,
                                     const struct doctor_usb *usb, enum kiln_denial denial,
                                     const char *group))
{
    enum kiln_denial denial;
    char group[64];

    for (size_t i = 0; i < doctor->port_count; i++) {
        const struct doctor_port *port = &doctor->ports[i];

        denial = kiln_denial_find(&doctor->who, port->node, group, sizeof group);
        if (denial != KILN_DENIAL_NONE)
            each(doctor, check, port->node, port->usb >= 0 ? &doctor->usb[port->usb] : NULL, denial,
                 group);
    }
    for (size_t i = 0; i < doctor->usb_count; i++) {
        const struct doctor_usb *usb = &doctor->usb[i];

        if (usb->wants_port)
            continue; /* used by its port, not by its USB node */
        denial = kiln_denial_find(&doctor->who, usb->node, group, sizeof group);
        if (denial != KILN_DENIAL_NONE)
            each(doctor, check, usb->node, usb, denial, group);
    }
}

static void report_group(struct doctor *doctor, const struct doctor_check *check, const char *node,
                         const char *group)
{
    struct doctor_facts facts = {0};

    snprintf(facts.device, sizeof facts.device, "%s", node);
    snprintf(facts.group, sizeof facts.group, "%s", group);
    doctor_report(doctor, check, &facts);
}

static void if_group(struct doctor *doctor, const struct doctor_check *check, const char *node,
                     const struct doctor_usb *usb, enum kiln_denial denial, const char *group)
{
    (void)usb;
    if (denial == KILN_DENIAL_GROUP)
        report_group(doctor, check, node, group);
}

void doctor_test_group(struct doctor *doctor, const struct doctor_check *check)
{
    each_denied(doctor, check, if_group);
}

static void if_log_in(struct doctor *doctor, const struct doctor_check *check, const char *node,
                      const struct doctor_usb *usb, enum kiln_denial denial, const char *group)
{
    struct doctor_facts facts = {0};

    (void)usb;
    if (denial != KILN_DENIAL_LOG_IN)
        return;
    snprintf(facts.device, sizeof facts.device, "%s", node);
    snprintf(facts.group, sizeof facts.group, "%s", group);
    if (doctor_on_path(doctor, "setfacl"))
        snprintf(facts.command, sizeof facts.command, "setfacl");
    doctor_report(doctor, check, &facts);
}

void doctor_test_log_in(struct doctor *doctor, const struct doctor_check *check)
{
    each_denied(doctor, check, if_log_in);
}

/* ---- udev rules ---- */

static void if_rule(struct doctor *doctor, const struct doctor_check *check, const char *node,
                    const struct doctor_usb *usb, enum kiln_denial denial,
                    enum doctor_rule_state wanted)
{
    struct doctor_facts facts = {0};
    enum doctor_rule_state state = DOCTOR_RULE_NONE;
    const char *name;

    if (denial != KILN_DENIAL_ROOT)
        return;
    if (usb != NULL)
        state = doctor_rule_find(doctor, usb->vid, facts.file, sizeof facts.file);
    if (state != wanted)
        return;
    snprintf(facts.device, sizeof facts.device, "%s", node);
    name = strrchr(facts.file, '/');
    if (name != NULL) /* the same name with a number that is low enough */
        snprintf(facts.target, sizeof facts.target, "%.*s/70-%.200s",
                 (int)KILN_MAX(name - facts.file, 0), facts.file,
                 name + 1 + strspn(name + 1, "0123456789-"));
    doctor_report(doctor, check, &facts);
}

#define RULE_TEST(function, wanted)                                                      \
    static void if_##function(struct doctor *doctor, const struct doctor_check *check,   \
                              const char *node, const struct doctor_usb *usb,            \
                              enum kiln_denial denial, const char *group)                \
    {                                                                                    \
        (void)group;                                                                     \
        if_rule(doctor, check, node, usb, denial, wanted);                               \
    }                                                                                    \
    void doctor_test_##function(struct doctor *doctor, const struct doctor_check *check) \
    {                                                                                    \
        each_denied(doctor, check, if_##function);                                       \
    }

RULE_TEST(rule_late, DOCTOR_RULE_LATE)
RULE_TEST(rule_shadowed, DOCTOR_RULE_SHADOWED)
RULE_TEST(rule_replug, DOCTOR_RULE_GOOD)
RULE_TEST(rule_missing, DOCTOR_RULE_NONE)

/* Kiln's own rules, when nothing is denied today: the next board may be in DFU mode. */
void doctor_test_own_rules(struct doctor *doctor, const struct doctor_check *check)
{
    struct doctor_facts facts = {0};
    bool same;

    if (doctor->who.uid == 0)
        return;
    for (size_t i = 0; i < doctor->found_count; i++) {
        if (strncmp(doctor->found[i].check->name, "udev-rule", 9) == 0)
            return;
    }
    if (!doctor_rule_own(doctor, facts.file, sizeof facts.file, &same))
        snprintf(facts.what, sizeof facts.what, "are not installed");
    else if (!same)
        snprintf(facts.what, sizeof facts.what, "in %.90s are of another version", facts.file);
    else
        return;
    doctor_report(doctor, check, &facts);
}

/* ---- other programs ---- */

/* How to end a process: as its owner, or as root. */
static void put_kill(const struct doctor *doctor, int pid, struct doctor_facts *facts)
{
    char path[PATH_MAX];
    struct stat info;

    if (pid <= 0)
        return;
    snprintf(path, sizeof path, "%s/proc/%d", doctor->root, pid);
    snprintf(facts->command, sizeof facts->command, "%skill",
             doctor->who.uid == 0 || (stat(path, &info) == 0 && info.st_uid == doctor->who.uid)
                 ? ""
                 : "sudo ");
    snprintf(facts->what, sizeof facts->what, "%d", pid);
}

enum held_by { BY_SYSTEM_UNIT, BY_USER_UNIT, BY_PROGRAM };

static void each_busy(struct doctor *doctor, const struct doctor_check *check, enum held_by wanted)
{
    for (size_t i = 0; i < doctor->port_count; i++) {
        struct doctor_facts facts = {0};
        struct kiln_holder holder;
        enum held_by by;

        if (!kiln_find_holder_in(doctor->root, doctor->ports[i].node, &holder))
            continue;
        by = holder.unit[0] == '\0' ? BY_PROGRAM
             : holder.of_session    ? BY_USER_UNIT
                                    : BY_SYSTEM_UNIT;
        if (by != wanted)
            continue;
        snprintf(facts.unit, sizeof facts.unit, "%s", holder.unit);
        kiln_holder_text(&holder, facts.process, sizeof facts.process);
        snprintf(facts.device, sizeof facts.device, "%s", doctor->ports[i].node);
        if (by == BY_PROGRAM)
            put_kill(doctor, holder.pid, &facts);
        doctor_report(doctor, check, &facts);
    }
}

void doctor_test_unit(struct doctor *doctor, const struct doctor_check *check)
{
    each_busy(doctor, check, BY_SYSTEM_UNIT);
}

void doctor_test_own_unit(struct doctor *doctor, const struct doctor_check *check)
{
    each_busy(doctor, check, BY_USER_UNIT);
}

void doctor_test_busy(struct doctor *doctor, const struct doctor_check *check)
{
    each_busy(doctor, check, BY_PROGRAM);
}

/* A lock file whose process has ended. Kiln ignores it; minicom, picocom and others do not. */
void doctor_test_lock_file(struct doctor *doctor, const struct doctor_check *check)
{
    for (size_t i = 0; i < doctor->port_count; i++) {
        struct doctor_facts facts = {0};
        char text[32], process[64];
        long pid;

        snprintf(facts.device, sizeof facts.device, "%s", doctor->ports[i].node);
        snprintf(facts.file, sizeof facts.file, KILN_UUCP_FOLDER "/LCK..%s",
                 strrchr(doctor->ports[i].node, '/') + 1);
        if (!doctor_read(doctor, facts.file, text, sizeof text))
            continue;
        pid = strtol(text, NULL, 10);
        snprintf(process, sizeof process, "/proc/%ld", pid);
        if (pid <= 0 || doctor_exists(doctor, process))
            continue;
        snprintf(facts.process, sizeof facts.process, "%ld", pid);
        doctor_report(doctor, check, &facts);
    }
}
