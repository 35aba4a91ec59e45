/* SPDX-License-Identifier: MIT */
/* Where the images of an ESP32 family build go, by the chip and the partition table. */
#ifndef KILN_PROJECT_ESP_PLAN_H
#define KILN_PROJECT_ESP_PLAN_H

#include "project/build.h"

struct kiln_esp_parts {
    const char *bootloader, *table, *program; /* paths, NULL if there is none; program is needed */
    const char *otadata; /* NULL: left alone; with is_boot_app0 it need not exist and is made */
    bool is_boot_app0;
    bool arduino;                  /* built by Arduino's core: see the program's place */
    const char *app_partition;     /* the project names the program's partition; NULL if not */
    const char *files;             /* an image of a file system, NULL if there is none */
    bool files_are_fat;            /* it begins behind the wear levelling of FFat */
    uint64_t table_at, program_at; /* KILN_NO_ADDRESS: not told */
    const char *table_why, *program_why;
    struct kiln_project_place table_place, program_place;
};

/* The environment's chip must be filled in if it is known. */
void kiln_esp_plan(struct kiln_build *build, struct kiln_build_env *env,
                   const struct kiln_esp_parts *parts);

/* The file system image alone, where somebody else has told the rest. */
void kiln_esp_plan_files(struct kiln_build *build, struct kiln_build_env *env,
                         const struct kiln_esp_parts *parts);

#endif
