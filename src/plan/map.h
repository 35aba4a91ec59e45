/* SPDX-License-Identifier: MIT */
/* From a plan to a map of flash: pure functions. */
#ifndef KILN_PLAN_MAP_H
#define KILN_PLAN_MAP_H

#include "plan/plan.h"

#include <kiln/map.h>

/* Parts from the partitions that lie in a writable region (what is around them is named too), else from its
 * sectors, or the whole region if it has very many. Free with kiln_map_dispose(). */
KILN_MUST_USE enum kiln_status kiln_map_of_plan(struct kiln_ctx *ctx, const struct kiln_plan *plan,
                                                bool erase_all, const struct kiln_region *regions,
                                                size_t region_count,
                                                const struct kiln_esp_partition *partitions,
                                                size_t partition_count, struct kiln_map *out_map);

#endif
