/* SPDX-License-Identifier: MIT */
/* How other tools upload, by the names their files give it, and what Kiln does in its place. */
#ifndef KILN_PROJECT_UPLOAD_H
#define KILN_PROJECT_UPLOAD_H

#include "project/build.h"

/*
 * Says in the environment's notes what `kiln flash` does where the build system would use env->is.protocol:
 * nothing to say where it is the same. An environment that Kiln can do nothing for is not ready then.
 */
void kiln_upload_explain(struct kiln_build *build, struct kiln_build_env *env);

/* Reset words of esptool ("default_reset", "no-reset", ...) as Kiln spells them; NULL for esptool's
 * defaults and for words that Kiln does not have. */
const char *kiln_upload_before(const char *word);
const char *kiln_upload_after(const char *word);

#endif
