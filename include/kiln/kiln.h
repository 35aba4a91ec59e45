/* SPDX-License-Identifier: MIT */
/* All of the public API. */
#ifndef KILN_KILN_H
#define KILN_KILN_H

#include <kiln/chip.h>
#include <kiln/device.h>
#include <kiln/dfu.h>
#include <kiln/doctor.h>
#include <kiln/esp.h>
#include <kiln/esp_image.h>
#include <kiln/event.h>
#include <kiln/image.h>
#include <kiln/job.h>
#include <kiln/map.h>
#include <kiln/monitor.h>
#include <kiln/project.h>
#include <kiln/save.h>
#include <kiln/sim.h>
#include <kiln/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0". Static storage. */
KILN_API const char *kiln_version(void);

#ifdef __cplusplus
}
#endif
#endif
