/* SPDX-License-Identifier: MIT */
/* The inside of the open ELF files, for the files that read their debugging information. */
#ifndef KILN_MONITOR_SYMBOLS_INSIDE_H
#define KILN_MONITOR_SYMBOLS_INSIDE_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stddef.h>
#include <stdlib.h>

#define KILN_SYMBOLS_FILES_MAX  8
#define KILN_SYMBOLS_DIGEST_HEX 64

struct kiln_symbols {
    Dwfl *dwfl;
    size_t count;
    char digest[KILN_SYMBOLS_FILES_MAX][KILN_SYMBOLS_DIGEST_HEX + 1];
};

#endif
