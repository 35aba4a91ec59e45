/* SPDX-License-Identifier: MIT */
/* lint-as: src/loader/sample.c */
#include "loader/loader.h"

#include "base/bytes.h"
#include "chip/chip.h"
#include "link/link.h"
#include "wire/slip.h"

#include <kiln/status.h>
/* #include "job/job.h" in a comment is no include */
