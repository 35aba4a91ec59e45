/* SPDX-License-Identifier: MIT */
/*
 * What on this computer stands between the user and the board. Nothing is opened, nothing is changed; what
 * would mend it is text for a shell, for the caller to show and run.
 */
#ifndef KILN_DOCTOR_H
#define KILN_DOCTOR_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The system that is looked at and who asks. Every path below is read under `root`. */
struct kiln_doctor_system {
    const char *root;     /* a folder that stands for /, "" for this system */
    const char *home;     /* $HOME, without `root` */
    const char *path;     /* $PATH, without `root` */
    const char *user;     /* account name */
    const uint32_t *gids; /* every group of the process */
    size_t gid_count;
    uint32_t uid;
};

enum kiln_finding_weight {
    KILN_FINDING_NOTE,    /* good to know; may matter one day */
    KILN_FINDING_OBSTACLE /* a board cannot be used because of it */
};

struct kiln_finding {
    const char *check; /* name of the check, static storage */
    enum kiln_finding_weight weight;
    enum kiln_status status; /* of an obstacle: NO_DEVICE, DENIED or BUSY */
    char evidence[512];      /* what was found, one sentence without full stop */
    char advice[512];        /* what to do, in the imperative */
    char fix[768];           /* a command line for /bin/sh that does it, "" if there is none */
    /* why there is none, one sentence without full stop; "" if there is one */
    char reason[256];
};

struct kiln_doctor_report {
    struct kiln_finding *findings; /* in the order of the checks */
    size_t count;
};

/* Name and title ("who holds the ports") of check number `index`; false after the last. Static storage. */
KILN_API bool kiln_doctor_check_at(size_t index, const char **out_name, const char **out_title);

/* Runs every check. `system` NULL: this system and this process. NOMEM alone. */
KILN_API KILN_MUST_USE enum kiln_status kiln_doctor_run(const struct kiln_doctor_system *system,
                                                        struct kiln_doctor_report *out_report,
                                                        struct kiln_error *out_error);
KILN_API void kiln_doctor_report_free(struct kiln_doctor_report *report);

/* What stands in the way first: the status of the first obstacle, OK if there is none. */
KILN_API KILN_MUST_USE enum kiln_status kiln_doctor_status(const struct kiln_doctor_report *report);

/* The udev rules that give every board, bootloader and probe Kiln knows to whoever sits at the computer, as
 * the text of a file. NULL if out of memory; free() it. */
KILN_API char *kiln_udev_rules(void);

#define KILN_UDEV_RULES_NAME "70-kiln.rules"

#ifdef __cplusplus
}
#endif
#endif
