/* SPDX-License-Identifier: MIT */
/* What the checks look at, and how they report. */
#ifndef KILN_DOCTOR_DOCTOR_H
#define KILN_DOCTOR_DOCTOR_H

#include "os/access.h"

#include <kiln/doctor.h>

/* ---- what is plugged in ---- */

/* A USB device that is, or could be, a board, a bridge or a probe. */
struct doctor_usb {
    char place[32]; /* "1-1.4" */
    char title[64];
    char node[32]; /* "/dev/bus/usb/001/004" */
    char dev[16];  /* "189:3", the name of its entry in udev's data */
    uint16_t vid, pid;
    bool wants_port; /* should have become a serial port */
    bool has_port;
    bool has_driver; /* at least one interface has one */
    bool cdc;        /* a communications device: the driver is known by its class */
};

struct doctor_port {
    char node[64]; /* "/dev/ttyUSB0" */
    char dev[16];  /* "188:0" */
    int usb;       /* index of its USB device, -1 if none or none of ours */
    bool plugged;  /* a USB port, not one of the computer itself */
};

#define DOCTOR_DEVICES_MAX 128

struct doctor;

/* Values for the {names} of a check's texts; "" stands for nothing. */
struct doctor_facts {
    char device[160]; /* "/dev/ttyUSB0", several with commas */
    char group[64];
    char process[160];
    char unit[96];
    /* the words of a fix that is not the same everywhere; without them there is none */
    char command[300];
    char file[256];
    char target[256];
    char what[128];
};

struct doctor_check {
    const char *name, *title;
    enum kiln_finding_weight weight;
    enum kiln_status status;
    void (*test)(struct doctor *doctor, const struct doctor_check *check);
    const char *evidence, *advice, *fix; /* with {device}, {group}, ... {sudo}, {root}, {user} */
    const char *why;                     /* why no command can do it, where there is none */
};

struct doctor_found {
    const struct doctor_check *check;
    struct doctor_facts facts;
};

struct doctor {
    struct kiln_identity who;
    const char *root, *home, *path;
    struct doctor_usb usb[DOCTOR_DEVICES_MAX];
    size_t usb_count;
    size_t usb_seen; /* every USB device but hubs, ours or not */
    struct doctor_port ports[DOCTOR_DEVICES_MAX];
    size_t port_count;
    struct doctor_found *found;
    size_t found_count;
    bool no_memory;
};

/* Fills usb and ports from /sys. */
void doctor_scan(struct doctor *doctor);

/* Adds a finding; one that differs from an earlier one in its device only joins that. */
void doctor_report(struct doctor *doctor, const struct doctor_check *check,
                   const struct doctor_facts *facts);

/* ---- small files ---- */

/* The contents of `root` + `path` without newline at the end, "" if there is none. True if it could be read. */
bool doctor_read(const struct doctor *doctor, const char *path, char *text, size_t cap);
bool doctor_exists(const struct doctor *doctor, const char *path);

/* True if it holds nothing that a shell, a terminal or a program's options would take for something else; blanks
 * only if allowed. */
bool doctor_is_safe(const char *text, bool blanks);

/* True if a program of this name is on the search path. */
bool doctor_on_path(const struct doctor *doctor, const char *name);

/* The value of `key` in udev's data of a device, "" if there is none. `kind` 'c' and "188:0". */
void doctor_udev_value(const struct doctor *doctor, const char *dev, const char *key, char *value,
                       size_t cap);

/* ---- udev's rule files (rule_files.c) ---- */

enum doctor_rule_state {
    DOCTOR_RULE_NONE,     /* no file gives the device to the user at the screen */
    DOCTOR_RULE_SHADOWED, /* one would, but a file of the same name stands before it */
    DOCTOR_RULE_LATE,     /* one would, but its number is above the rule that reads the tag */
    DOCTOR_RULE_GOOD
};

/* The best file there is for a vendor; `file` gets its path without root, and for SHADOWED the file in front. */
enum doctor_rule_state doctor_rule_find(const struct doctor *doctor, uint16_t vid, char *file,
                                        size_t cap);

/* A rule file of brltty's that claims an id which is no Braille display's; false if there is none. */
bool doctor_rule_brltty(const struct doctor *doctor, char *file, size_t cap);

/* The file of Kiln's rules that counts, and whether it says what this program would; false if there is none. */
bool doctor_rule_own(const struct doctor *doctor, char *file, size_t cap, bool *out_same);

/* ---- tests of the checks ---- */

/* checks_host.c: what kind of computer this is and what is on it */
void doctor_test_container(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_wsl(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_vm(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_no_device(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_pio(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_esptool(struct doctor *doctor, const struct doctor_check *check);

/* checks_device.c: a device that is there and gives no port, or is disturbed */
void doctor_test_brltty(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_brltty_rule(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_modules(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_driver(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_modem_manager(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_autosuspend(struct doctor *doctor, const struct doctor_check *check);

/* checks_access.c: a port that is there and cannot be opened */
void doctor_test_group(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_log_in(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_rule_late(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_rule_shadowed(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_rule_replug(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_rule_missing(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_unit(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_own_unit(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_busy(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_lock_file(struct doctor *doctor, const struct doctor_check *check);
void doctor_test_own_rules(struct doctor *doctor, const struct doctor_check *check);

#endif
