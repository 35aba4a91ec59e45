/* SPDX-License-Identifier: MIT */
/* lint-as: src/wire/sample.c */
#include "base/bytes.h"
#include "link/link.h" /* BAD: a codec does no I/O */
#include "sim/sim.h"   /* BAD */
#include "bytes.h"     /* BAD: without its folder */
#include <kiln/status.h>
#include <string.h>
