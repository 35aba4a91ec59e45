/* SPDX-License-Identifier: MIT */
/* A project's folder made on the spot, for tests of what Kiln reads in it. */
#ifndef KILN_TESTS_UNIT_PROJECT_FOLDER_H
#define KILN_TESTS_UNIT_PROJECT_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <kiln/image.h>
#include <kiln/project.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static inline void path_of(char path[512], const char *name)
{
    assert_in_range(snprintf(path, 512, "%s/%s", root, name), 1, 511);
}

static inline void write_bytes(const char *name, const void *bytes, size_t len)
{
    char path[512];
    FILE *file;

    path_of(path, name);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static inline void copy_example(const char *example, const char *name)
{
    static uint8_t bytes[1 << 20];
    char path[512];
    FILE *file;
    size_t len;

    snprintf(path, sizeof path, "%s/examples/firmware/%s", getenv("KILN_SOURCE_ROOT"), example);
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    write_bytes(name, bytes, len);
}

static inline int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/kiln-project-XXXXXX");
    return mkdtemp(root) == NULL;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static inline int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct kiln_project *open_project(void)
{
    struct kiln_project *project;
    struct kiln_error error = {0};

    if (kiln_project_open(root, &project, &error) != KILN_OK)
        fail_msg("%s", error.message);
    return project;
}

static inline const struct kiln_project_environment *environment(const struct kiln_project *project,
                                                                 const char *name)
{
    const struct kiln_project_environment *env;

    assert_int_equal(kiln_project_choose(project, name, &env, NULL), KILN_OK);
    return env;
}

static inline void assert_text(const struct kiln_project_environment *env, const char *name,
                               const char *value)
{
    const struct kiln_project_option *option = kiln_project_option(env, name);

    assert_non_null(option);
    if (option->kind == KILN_PROJECT_ERROR)
        fail_msg("%s: %s", name, option->texts[0]);
    assert_int_equal(option->kind, KILN_PROJECT_TEXT);
    assert_string_equal(option->texts[0], value);
}

static inline void assert_error(const struct kiln_project_environment *env, const char *name,
                                const char *part)
{
    const struct kiln_project_option *option = kiln_project_option(env, name);

    assert_non_null(option);
    assert_int_equal(option->kind, KILN_PROJECT_ERROR);
    if (strstr(option->texts[0], part) == NULL)
        fail_msg("'%s' is not in: %s", part, option->texts[0]);
}

static inline void assert_file(const struct kiln_project_environment *env, size_t index,
                               const char *name, uint64_t address)
{
    assert_true(index < env->file_count);
    if (name == NULL)
        assert_null(env->files[index].path);
    else
        assert_string_equal(strrchr(env->files[index].path, '/') + 1, name);
    assert_int_equal(env->files[index].address, address);
}

/* Rows of a partition table as gen_esp32part.py of ESP-IDF writes them: magic, type, subtype, offset, size, label. */
struct partition {
    uint8_t type, subtype;
    uint32_t offset, size;
    const char *label;
};

static inline void write_partitions(const char *name, const struct partition *rows, size_t count)
{
    uint8_t table[0xc00];

    memset(table, 0xff, sizeof table);
    for (size_t i = 0; i < count; i++) {
        uint8_t *row = table + 32 * i;

        memset(row, 0, 32);
        row[0] = 0xaa;
        row[1] = 0x50;
        row[2] = rows[i].type;
        row[3] = rows[i].subtype;
        for (size_t k = 0; k < 4; k++) {
            row[4 + k] = (uint8_t)(rows[i].offset >> 8 * k);
            row[8 + k] = (uint8_t)(rows[i].size >> 8 * k);
        }
        snprintf((char *)row + 12, 17, "%s", rows[i].label);
    }
    write_bytes(name, table, sizeof table);
}

/* The file called `what`; NULL if there is none. */
static inline const struct kiln_project_file *
file_called(const struct kiln_project_environment *env, const char *what)
{
    for (size_t i = 0; i < env->file_count; i++)
        if (strcmp(env->files[i].what, what) == 0)
            return &env->files[i];
    return NULL;
}

static inline void assert_note(const struct kiln_project_environment *env, const char *part)
{
    if (strstr(env->notes, part) == NULL)
        fail_msg("'%s' is not in: %s", part, env->notes);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

#endif
