/* SPDX-License-Identifier: MIT */
#include "os/access.h"

#include "base/bytes.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define READ_WRITE 6u

void kiln_identity_of_process(struct kiln_identity *out)
{
    struct passwd entry, *found = NULL;
    gid_t gids[255];
    char text[4096];
    int count = getgroups(255, gids);

    memset(out, 0, sizeof *out);
    out->root = "";
    out->uid = geteuid();
    out->gids[out->gid_count++] = getegid();
    for (int i = 0; i < count; i++)
        out->gids[out->gid_count++] = gids[i];
    if (getpwuid_r(getuid(), &entry, text, sizeof text, &found) == 0 && found != NULL)
        snprintf(out->user, sizeof out->user, "%s", entry.pw_name);
}

static bool has_group(const struct kiln_identity *who, uint32_t group)
{
    for (size_t i = 0; i < who->gid_count; i++) {
        if (who->gids[i] == group)
            return true;
    }
    return false;
}

/* ---- POSIX access lists: linux/posix_acl_xattr.h, version 2 ---- */

#define ACL_MAX (4 + 8 * 64)

enum { ACL_USER = 0x02, ACL_GROUP = 0x08, ACL_MASK = 0x10 };

/* The rights that an entry for the user, or for one of the groups, gives; cut by the mask. */
static bool acl_gives(const struct kiln_identity *who, const char *node)
{
    uint8_t acl[ACL_MAX];
    ssize_t len = getxattr(node, "system.posix_acl_access", acl, sizeof acl);
    unsigned given = 0, mask = READ_WRITE;

    if (len < 4 || kiln_le32(acl) != 2)
        return false;
    for (const uint8_t *at = acl + 4; at + 8 <= acl + len; at += 8) {
        unsigned tag = kiln_le16(at), rights = kiln_le16(at + 2);
        uint32_t id = kiln_le32(at + 4);

        if (tag == ACL_MASK)
            mask = rights;
        else if ((tag == ACL_USER && id == who->uid) || (tag == ACL_GROUP && has_group(who, id)))
            given |= rights;
    }
    return (given & mask & READ_WRITE) == READ_WRITE;
}

/* ---- groups ---- */

/* The system's own lookup knows more than the file (LDAP, systemd); another root has only the file. */
static bool find_group(const char *root, gid_t id, struct group *group, char *text, size_t cap)
{
    struct group *found = NULL;
    char path[PATH_MAX];
    FILE *file;

    if (root[0] == '\0')
        return getgrgid_r(id, group, text, cap, &found) == 0 && found != NULL;
    snprintf(path, sizeof path, "%s/etc/group", root);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (fgetgrent_r(file, group, text, cap, &found) == 0 && found->gr_gid != id)
        found = NULL;
    fclose(file);
    return found != NULL;
}

static bool is_member(const struct group *group, const char *user)
{
    for (char **member = group->gr_mem; *member != NULL; member++) {
        if (strcmp(*member, user) == 0)
            return true;
    }
    return false;
}

enum kiln_denial kiln_denial_find(const struct kiln_identity *who, const char *path, char *group,
                                  size_t group_cap)
{
    char node[PATH_MAX], text[8192];
    struct group entry;
    struct stat info;

    group[0] = '\0';
    snprintf(node, sizeof node, "%s%s", who->root, path);
    if (who->uid == 0 || stat(node, &info) != 0 || (info.st_mode & READ_WRITE) == READ_WRITE ||
        (info.st_uid == who->uid && (info.st_mode & 0600) == 0600) || acl_gives(who, node))
        return KILN_DENIAL_NONE;
    if ((info.st_mode & 0060) != 0060 || info.st_gid == 0)
        return KILN_DENIAL_ROOT;
    if (has_group(who, info.st_gid))
        return KILN_DENIAL_NONE;
    if (!find_group(who->root, info.st_gid, &entry, text, sizeof text)) {
        snprintf(group, group_cap, "%u", (unsigned)info.st_gid);
        return KILN_DENIAL_GROUP;
    }
    snprintf(group, group_cap, "%s", entry.gr_name);
    return is_member(&entry, who->user) ? KILN_DENIAL_LOG_IN : KILN_DENIAL_GROUP;
}
