/* SPDX-License-Identifier: MIT */
/* Inside of the project module: the result under construction and the table of build systems. A system is one
 * file and one row in project.c. */
#ifndef KILN_PROJECT_BUILD_H
#define KILN_PROJECT_BUILD_H

#include "project/files.h"
#include "project/ini.h"

#include <jansson.h>
#include <kiln/image.h>
#include <kiln/project.h>

#define KILN_BUILD_JSON_MAX ((size_t)16 << 20)

struct kiln_build {
    struct kiln_arena arena;
    struct kiln_project project;
    const char *dir;   /* as project.dir */
    const char *shown; /* what stands before file names in messages: "" or "folder/" */
    struct kiln_build_env *first, *last;
};

struct kiln_build_env {
    struct kiln_project_environment is;
    struct kiln_project_file *files;
    size_t capacity;
    struct kiln_project_option *options;
    size_t option_capacity;
    struct kiln_build_env *next;
};

struct kiln_project_system {
    const char *name;
    bool (*detect)(struct kiln_build *build);
    /* Adds the environments. FILE with the place, IO, NOMEM. */
    enum kiln_status (*load)(struct kiln_build *build, struct kiln_error *out_error);
};

extern const struct kiln_project_system kiln_project_platformio, kiln_project_idf,
    kiln_project_zephyr, kiln_project_arduino, kiln_project_klipper;

/* The new environment, NULL when out of memory. */
struct kiln_build_env *kiln_build_environment(struct kiln_build *build, const char *name);
void kiln_build_file(struct kiln_build *build, struct kiln_build_env *env,
                     const struct kiln_project_file *file);
/* The same for a file with its path, which may be missing. */
void kiln_build_add(struct kiln_build *build, struct kiln_build_env *env, const char *path,
                    const char *what, uint64_t address, const char *why,
                    struct kiln_project_place place);
void kiln_build_note(struct kiln_build *build, struct kiln_build_env *env, const char *format, ...)
    KILN_PRINTF(3, 4);
/* Not ready because nobody built it: `command` does. */
void kiln_build_unbuilt(struct kiln_build *build, struct kiln_build_env *env, const char *command);
void kiln_build_not_ready(struct kiln_build *build, struct kiln_build_env *env, const char *format,
                          ...) KILN_PRINTF(3, 4);
/* A text option of the environment, for the systems that have no options of their own. */
void kiln_build_option(struct kiln_build *build, struct kiln_build_env *env, const char *name,
                       const char *value, struct kiln_project_place place);

/* The 0x2000 bytes that make an ESP32 start ota_0 (entry 0 has sequence number 1), or blank ones that make it
 * start its factory application. */
void kiln_build_otadata(struct kiln_build *build, struct kiln_build_env *env, uint64_t address,
                        bool factory, const char *why, struct kiln_project_place place);

/* `path` as messages show it: relative to the folder the user named. */
const char *kiln_build_shown(struct kiln_build *build, const char *path);
/* dir/name. */
const char *kiln_build_path(struct kiln_build *build, const char *dir, const char *name);

/* A program whose file may say itself where it belongs: the first of these that does, else `bin` at the load
 * address of `elf` or where its vector table says. Any may be NULL. False if there is nothing. */
struct kiln_build_program {
    const char *uf2, *hex, *elf, *bin;
    const char *what; /* NULL: "application" */
};
bool kiln_build_program(struct kiln_build *build, struct kiln_build_env *env,
                        const struct kiln_build_program *program);

/* CONFIG_NAME of a Kconfig file without quotes, NULL if it is not set. */
const char *kiln_build_kconfig(struct kiln_build *build, const char *path, const char *name,
                               struct kiln_project_place *out_place);

/*
 * Says in the notes when a source is newer than the program: `sources` are files and folders below the project's
 * folder, up to a NULL; `command` builds it again.
 */
void kiln_build_stale(struct kiln_build *build, struct kiln_build_env *env,
                      const char *const *sources, const char *command);

/* ---- JSON files, with the lines their keys stand in ---- */

struct kiln_build_json {
    json_t *root; /* an object */
    const char *text;
    const char *path;
};

/* FILE with the line if it is no JSON object; IO. Dispose with json_decref(root). */
KILN_MUST_USE enum kiln_status kiln_build_json(struct kiln_build *build, const char *path,
                                               struct kiln_build_json *out_json,
                                               struct kiln_error *out_error);
/* Where the quoted word stands first, from byte `from` of the text on. */
struct kiln_project_place kiln_build_json_place(struct kiln_build *build,
                                                const struct kiln_build_json *json,
                                                const char *word);

/* "0x1000", "4096", "4k" and "0x08000000"; false if it is no number. */
bool kiln_build_number(const char *text, uint64_t *out_number);

/* What a file is, loaded and freed: KILN_IMAGE_UNKNOWN with `ok` false if it cannot be loaded. */
struct kiln_build_look {
    bool ok;
    struct kiln_image_info info;
};
struct kiln_build_look kiln_build_look(const char *path);

/* The offset of the second-stage bootloader on this ESP chip, from the chip's facts. False if unknown. */
bool kiln_build_bootloader_at(const char *chip, uint64_t *out_address);

#endif
