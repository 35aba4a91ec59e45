/* SPDX-License-Identifier: MIT */
/* Files that are written whole. */
#ifndef KILN_SAVE_H
#define KILN_SAVE_H

#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Puts `bytes` into the file of this name. A regular file is replaced at once by one written beside it, so that a full disk
 * leaves the old one, and keeps its mode; a link to it stays a link. Pipes and devices are written to, and so is a file
 * that cannot be replaced without becoming another one: of somebody else, of several names, in a folder that may not be
 * changed. IO with the reason.
 */
KILN_API KILN_MUST_USE enum kiln_status kiln_file_save(const char *path, const void *bytes,
                                                       size_t len, struct kiln_error *out_error);

/* Would kiln_file_save() be let, as far as can be seen without changing anything? For those who have long work before it. */
KILN_API KILN_MUST_USE enum kiln_status kiln_file_may_save(const char *path,
                                                           struct kiln_error *out_error);

#ifdef __cplusplus
}
#endif
#endif
