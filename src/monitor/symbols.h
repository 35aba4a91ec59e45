/* SPDX-License-Identifier: MIT */
/* Code addresses to functions, files and lines, from the symbols and the DWARF of ELF files. */
#ifndef KILN_MONITOR_SYMBOLS_H
#define KILN_MONITOR_SYMBOLS_H

#include "base/buf.h"
#include "base/ctx.h"
#include "monitor/crash.h"
#include "monitor/unwind.h"

struct kiln_symbols;

/* FILE (not an ELF file), IO, NOMEM. Several files may be added: boot ROM, bootloader, application. */
KILN_MUST_USE enum kiln_status kiln_symbols_open(struct kiln_ctx *ctx, const char *const *paths,
                                                 size_t count, struct kiln_symbols **out_symbols);
void kiln_symbols_free(struct kiln_symbols *symbols); /* NULL is fine */

/*
 * Appends "function at file:line\n" for the code at `address`, and for each function that it was inlined
 * into "inlined into function at file:line\n". False, with nothing appended, if no function is there.
 */
bool kiln_symbols_lookup(const struct kiln_symbols *symbols, uint64_t address,
                         struct kiln_buf *out);

/* True if the instruction before `address` is a call, so that `address` may have been stored as the place
 * to return to. */
bool kiln_symbols_is_return(const struct kiln_symbols *symbols, uint64_t address);

/* True if one of the files has a SHA-256 that begins with these hexadecimal digits. */
bool kiln_symbols_has_digest(const struct kiln_symbols *symbols, const char *digits, size_t len);

/* The addresses of the calls in progress, innermost first; `state` is used up. With only the place itself,
 * 1 (or 0 if not even that is known). */
size_t kiln_symbols_unwind(struct kiln_symbols *symbols, struct kiln_unwind *state, uint32_t *pcs,
                           size_t cap);

/* All of these for the decoder of crashes; `symbols` is borrowed. */
struct kiln_symbolizer kiln_symbols_symbolizer(struct kiln_symbols *symbols);

#endif
