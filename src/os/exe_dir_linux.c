/* SPDX-License-Identifier: MIT */
#include "os/exe_dir.h"

#include <string.h>
#include <unistd.h>

bool kiln_exe_dir(char *path, size_t cap)
{
    ssize_t len = readlink("/proc/self/exe", path, cap);
    char *slash;

    if (len <= 0 || (size_t)len >= cap)
        return false;
    path[len] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return false;
    *slash = '\0';
    return true;
}
