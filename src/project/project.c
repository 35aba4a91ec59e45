/* SPDX-License-Identifier: MIT */
/* The table of build systems and the public face. */
#include "base/bytes.h"
#include "base/ctx.h"
#include "project/build.h"
#include "project/upload.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROJECT_BYTES_MAX ((size_t)256 << 20)

/* The first that fits: a PlatformIO project may hold an ESP-IDF build, not the other way round. */
static const struct kiln_project_system *const systems[] = {
    &kiln_project_platformio, &kiln_project_idf,     &kiln_project_zephyr,
    &kiln_project_arduino,    &kiln_project_klipper,
};

/* An environment without files, or whose files are not all there, is not ready. */
static void look_for_missing(struct kiln_build *build, struct kiln_build_env *env)
{
    if (env->is.file_count == 0)
        kiln_build_not_ready(build, env, "its build names nothing to flash; build it again");
    for (size_t i = 0; i < env->is.file_count; i++)
        if (env->files[i].missing && !env->files[i].on_request)
            kiln_build_not_ready(build, env, "%s is missing: build the project again",
                                 kiln_build_shown(build, env->files[i].path));
}

static enum kiln_status finish(struct kiln_build *build, struct kiln_error *out_error)
{
    struct kiln_project *project = &build->project;
    struct kiln_project_environment *all =
        kiln_arena_alloc(&build->arena, (project->environment_count + 1) * sizeof *all);
    size_t count = 0;

    for (struct kiln_build_env *env = build->first; env != NULL; env = env->next) {
        look_for_missing(build, env);
        kiln_upload_explain(build, env);
    }
    if (build->arena.failed || all == NULL)
        return kiln_project_fail(out_error, KILN_E_NOMEM,
                                 "%.200s: the project is too large, or memory ran out", build->dir);
    for (const struct kiln_build_env *env = build->first; env != NULL; env = env->next)
        all[count++] = env->is;
    project->environments = all;
    return KILN_OK;
}

static enum kiln_status load(struct kiln_build *build, const char *asked,
                             struct kiln_error *out_error)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(systems); i++) {
        if (!systems[i]->detect(build))
            continue;
        build->project.system = systems[i]->name;
        KILN_TRY(systems[i]->load(build, out_error));
        return finish(build, out_error);
    }
    return kiln_project_fail(
        out_error, KILN_E_ARG,
        "%.120s is no project that Kiln knows: no platformio.ini, no build of ESP-IDF, Zephyr, "
        "Arduino or Klipper",
        strcmp(asked, ".") == 0 ? "this folder" : asked);
}

enum kiln_status kiln_project_open(const char *dir, struct kiln_project **out_project,
                                   struct kiln_error *out_error)
{
    struct kiln_build *build = calloc(1, sizeof *build);
    char real[PATH_MAX];
    enum kiln_status status;

    *out_project = NULL;
    if (dir == NULL || dir[0] == '\0')
        dir = ".";
    if (build == NULL)
        return kiln_project_fail(out_error, KILN_E_NOMEM, "out of memory");
    kiln_arena_init(&build->arena, PROJECT_BYTES_MAX);
    build->project.inside = build;
    if (realpath(dir, real) == NULL || !kiln_folder_exists(real)) {
        status = kiln_project_fail(out_error, KILN_E_IO, "%.200s: %s", dir,
                                   errno != 0 ? strerror(errno) : "not a folder");
        kiln_project_free(&build->project);
        return status;
    }
    build->dir = kiln_arena_text(&build->arena, real, strlen(real));
    build->shown =
        strcmp(dir, ".") == 0
            ? ""
            : kiln_arena_printf(&build->arena, "%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/");
    build->project.dir = build->dir;
    status = load(build, dir, out_error);
    if (status != KILN_OK)
        kiln_project_free(&build->project);
    else
        *out_project = &build->project;
    return status;
}

void kiln_project_free(struct kiln_project *project)
{
    struct kiln_build *build = project != NULL ? project->inside : NULL;

    if (build == NULL)
        return;
    kiln_arena_dispose(&build->arena);
    free(build);
}

/* ---- choosing ---- */

static const struct kiln_project_environment *named(const struct kiln_project *project,
                                                    const char *name)
{
    for (size_t i = 0; i < project->environment_count; i++)
        if (strcmp(project->environments[i].name, name) == 0)
            return &project->environments[i];
    return NULL;
}

/* "a, b, c" as far as there is room. */
static bool add_name(char *text, size_t size, const char *name)
{
    size_t len = strlen(text);

    if (strlen(name) + 8 > size - len) {
        snprintf(text + len, size - len, ", ...");
        return false;
    }
    snprintf(text + len, size - len, "%s%s", len > 0 ? ", " : "", name);
    return true;
}

static void list_names(const struct kiln_project *project, char *text, size_t size)
{
    text[0] = '\0';
    /* Those that could be flashed come first. */
    for (int unbuilt = 0; unbuilt <= 1; unbuilt++)
        for (size_t i = 0; i < project->environment_count; i++)
            if (project->environments[i].unbuilt == (unbuilt == 1) &&
                !add_name(text, size, project->environments[i].name))
                return;
}

static enum kiln_status several(const struct kiln_project *project, const char *list,
                                struct kiln_error *out_error)
{
    char defaults[180] = "";

    if (project->default_count < 2)
        return kiln_project_fail(out_error, KILN_E_ARG,
                                 "there are %zu environments and -e does not say which: %s",
                                 project->environment_count, list);
    for (size_t i = 0; i < project->default_count; i++)
        if (!add_name(defaults, sizeof defaults, project->defaults[i]))
            break;
    return kiln_project_fail(out_error, KILN_E_ARG,
                             "default_envs names %zu environments and -e does not say which: %s",
                             project->default_count, defaults);
}

enum kiln_status kiln_project_choose(const struct kiln_project *project, const char *name,
                                     const struct kiln_project_environment **out_environment,
                                     struct kiln_error *out_error)
{
    enum kiln_status status;
    char list[180];

    list_names(project, list, sizeof list);
    if (name == NULL && project->default_count == 1)
        name = project->defaults[0];
    if (name == NULL && project->default_error == NULL && project->environment_count == 1)
        name = project->environments[0].name;
    *out_environment = name != NULL ? named(project, name) : NULL;
    if (*out_environment != NULL)
        return KILN_OK;
    if (project->environment_count == 0)
        return kiln_project_fail(out_error, KILN_E_ARG, "the project has no environment");
    if (name == NULL && project->default_error != NULL)
        status = kiln_project_fail(out_error, KILN_E_FILE, "default_envs: %.250s",
                                   project->default_error);
    else if (name != NULL)
        status = kiln_project_fail(out_error, KILN_E_ARG,
                                   "there is no environment '%.60s' here, only %s", name, list);
    else
        status = several(project, list, out_error);
    if (out_error != NULL)
        out_error->hint = KILN_HINT_CHOOSE_ENVIRONMENT;
    return status;
}

const struct kiln_project_option *
kiln_project_option(const struct kiln_project_environment *environment, const char *name)
{
    for (size_t i = 0; i < environment->option_count; i++)
        if (strcmp(environment->options[i].name, name) == 0)
            return &environment->options[i];
    return NULL;
}
