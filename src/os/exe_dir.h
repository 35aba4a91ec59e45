/* SPDX-License-Identifier: MIT */
#ifndef KILN_OS_EXE_DIR_H
#define KILN_OS_EXE_DIR_H

#include <stdbool.h>
#include <stddef.h>

/* The folder of the running program, without slash at the end. False if the system does not tell or it
 * does not fit. */
bool kiln_exe_dir(char *path, size_t cap);

#endif
