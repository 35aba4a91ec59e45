/* SPDX-License-Identifier: MIT */
/* Who may open a device node, judged by owner, groups, mode and access list, without opening it. */
#ifndef KILN_OS_ACCESS_H
#define KILN_OS_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one who asks. `root` stands before every path that is looked at: "" for this system. */
struct kiln_identity {
    const char *root;
    char user[64];
    uint32_t uid;
    uint32_t gids[256];
    size_t gid_count;
};

enum kiln_denial {
    KILN_DENIAL_NONE,   /* nothing forbids it */
    KILN_DENIAL_GROUP,  /* the node is open to a group, and the account is not in it */
    KILN_DENIAL_LOG_IN, /* the account is in that group, but this process began before it was */
    KILN_DENIAL_ROOT    /* open to nobody but its owner */
};

void kiln_identity_of_process(struct kiln_identity *out);

/* May `who` open the node `path` (as the system names it) to read and write? `group` gets the name of the
 * group that may, "" with NONE and ROOT. NONE too if there is no such node. */
enum kiln_denial kiln_denial_find(const struct kiln_identity *who, const char *path, char *group,
                                  size_t group_cap);

#endif
