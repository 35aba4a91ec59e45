/* SPDX-License-Identifier: MIT */
#include "project/pio_options.h"

#include "base/bytes.h"

#include <string.h>

#define CORE KILN_PIO_PLATFORMIO
#define ENV  KILN_PIO_ENV
#define TEXT KILN_PIO_TEXT, false
#define LIST KILN_PIO_TEXT, true
#define DIR_ KILN_PIO_DIR, false
#define BOOL KILN_PIO_BOOL, false
#define PICK KILN_PIO_CHOICE, false
#define MANY KILN_PIO_CHOICE, true

/* clang-format off */
static const struct kiln_pio_option rows[] = {
    /* "name" is the folder's name unless told: see pio_config.c */
    {CORE, "name",            TEXT, NULL, NULL, NULL, NULL},
    {CORE, "description",     TEXT, NULL, NULL, NULL, NULL},
    {CORE, "default_envs",    LIST, "PLATFORMIO_DEFAULT_ENVS", "env_default", NULL, NULL},
    {CORE, "extra_configs",   LIST, NULL, NULL, NULL, NULL},
    {CORE, "core_dir",        DIR_, "PLATFORMIO_CORE_DIR", "home_dir", NULL, "~/.platformio"},
    {CORE, "globallib_dir",   DIR_, "PLATFORMIO_GLOBALLIB_DIR", NULL, NULL, "${platformio.core_dir}/lib"},
    {CORE, "platforms_dir",   DIR_, "PLATFORMIO_PLATFORMS_DIR", NULL, NULL, "${platformio.core_dir}/platforms"},
    {CORE, "packages_dir",    DIR_, "PLATFORMIO_PACKAGES_DIR", NULL, NULL, "${platformio.core_dir}/packages"},
    {CORE, "cache_dir",       DIR_, "PLATFORMIO_CACHE_DIR", NULL, NULL, "${platformio.core_dir}/.cache"},
    {CORE, "build_cache_dir", DIR_, "PLATFORMIO_BUILD_CACHE_DIR", NULL, NULL, NULL},
    {CORE, "workspace_dir",   DIR_, "PLATFORMIO_WORKSPACE_DIR", NULL, NULL, "${PROJECT_DIR}/.pio"},
    {CORE, "build_dir",       DIR_, "PLATFORMIO_BUILD_DIR", NULL, NULL, "${platformio.workspace_dir}/build"},
    {CORE, "libdeps_dir",     DIR_, "PLATFORMIO_LIBDEPS_DIR", NULL, NULL, "${platformio.workspace_dir}/libdeps"},
    {CORE, "include_dir",     DIR_, "PLATFORMIO_INCLUDE_DIR", NULL, NULL, "${PROJECT_DIR}/include"},
    {CORE, "src_dir",         DIR_, "PLATFORMIO_SRC_DIR", NULL, NULL, "${PROJECT_DIR}/src"},
    {CORE, "lib_dir",         DIR_, "PLATFORMIO_LIB_DIR", NULL, NULL, "${PROJECT_DIR}/lib"},
    {CORE, "data_dir",        DIR_, "PLATFORMIO_DATA_DIR", NULL, NULL, "${PROJECT_DIR}/data"},
    {CORE, "test_dir",        DIR_, "PLATFORMIO_TEST_DIR", NULL, NULL, "${PROJECT_DIR}/test"},
    {CORE, "boards_dir",      DIR_, "PLATFORMIO_BOARDS_DIR", NULL, NULL, "${PROJECT_DIR}/boards"},
    {CORE, "monitor_dir",     DIR_, "PLATFORMIO_MONITOR_DIR", NULL, NULL, "${PROJECT_DIR}/monitor"},
    {CORE, "shared_dir",      DIR_, "PLATFORMIO_SHARED_DIR", NULL, NULL, "${PROJECT_DIR}/shared"},

    {ENV, "platform",               TEXT, NULL, NULL, NULL, NULL},
    {ENV, "platform_packages",      LIST, NULL, NULL, NULL, NULL},
    {ENV, "board",                  TEXT, NULL, NULL, NULL, NULL},
    {ENV, "framework",              LIST, NULL, NULL, NULL, NULL},
    {ENV, "board_build.mcu",        TEXT, NULL, "board_mcu", NULL, NULL},
    {ENV, "board_build.f_cpu",      TEXT, NULL, "board_f_cpu", NULL, NULL},
    {ENV, "board_build.f_flash",    TEXT, NULL, "board_f_flash", NULL, NULL},
    {ENV, "board_build.flash_mode", TEXT, NULL, "board_flash_mode", NULL, NULL},
    {ENV, "build_type",             PICK, NULL, NULL, "release test debug", "release"},
    {ENV, "build_flags",            LIST, "PLATFORMIO_BUILD_FLAGS", NULL, NULL, NULL},
    {ENV, "build_src_flags",        LIST, "PLATFORMIO_BUILD_SRC_FLAGS", "src_build_flags", NULL, NULL},
    {ENV, "build_unflags",          LIST, "PLATFORMIO_BUILD_UNFLAGS", NULL, NULL, NULL},
    {ENV, "build_src_filter",       LIST, "PLATFORMIO_BUILD_SRC_FILTER", "src_filter", NULL, "+<*> -<.git/> -<.svn/>"},
    {ENV, "targets",                LIST, NULL, NULL, NULL, NULL},
    {ENV, "upload_port",            TEXT, "PLATFORMIO_UPLOAD_PORT", NULL, NULL, NULL},
    {ENV, "upload_protocol",        TEXT, NULL, NULL, NULL, NULL},
    {ENV, "upload_speed",           KILN_PIO_INT, false, NULL, NULL, NULL, NULL},
    {ENV, "upload_flags",           LIST, "PLATFORMIO_UPLOAD_FLAGS", NULL, NULL, NULL},
    {ENV, "upload_resetmethod",     TEXT, NULL, NULL, NULL, NULL},
    {ENV, "upload_command",         TEXT, NULL, NULL, NULL, NULL},
    {ENV, "monitor_port",           TEXT, NULL, NULL, NULL, NULL},
    {ENV, "monitor_speed",          KILN_PIO_INT, false, NULL, "monitor_baud", NULL, "9600"},
    {ENV, "monitor_parity",         PICK, NULL, NULL, "N E O S M", "N"},
    {ENV, "monitor_filters",        LIST, NULL, NULL, NULL, NULL},
    {ENV, "monitor_rts",            KILN_PIO_BIT, false, NULL, NULL, NULL, NULL},
    {ENV, "monitor_dtr",            KILN_PIO_BIT, false, NULL, NULL, NULL, NULL},
    {ENV, "monitor_eol",            PICK, NULL, NULL, "CR LF CRLF", "CRLF"},
    {ENV, "monitor_raw",            BOOL, NULL, NULL, NULL, "False"},
    {ENV, "monitor_echo",           BOOL, NULL, NULL, NULL, "False"},
    {ENV, "monitor_encoding",       TEXT, NULL, NULL, NULL, "UTF-8"},
    {ENV, "lib_deps",               LIST, NULL, "lib_use lib_force lib_install", NULL, NULL},
    {ENV, "lib_ignore",             LIST, NULL, NULL, NULL, NULL},
    {ENV, "lib_extra_dirs",         LIST, "PLATFORMIO_LIB_EXTRA_DIRS", NULL, NULL, NULL},
    {ENV, "lib_ldf_mode",           PICK, NULL, NULL, "off chain deep chain+ deep+", "chain"},
    {ENV, "lib_compat_mode",        PICK, NULL, NULL, "off soft strict", "soft"},
    {ENV, "lib_archive",            BOOL, NULL, NULL, NULL, "True"},
    {ENV, "check_tool",             MANY, NULL, NULL, "cppcheck clangtidy pvs-studio", "cppcheck"},
    {ENV, "check_src_filters",      LIST, NULL, "check_patterns", NULL, NULL},
    {ENV, "check_flags",            LIST, NULL, NULL, NULL, NULL},
    {ENV, "check_severity",         MANY, NULL, NULL, "low medium high", "low\nmedium\nhigh"},
    {ENV, "check_skip_packages",    BOOL, NULL, NULL, NULL, "False"},
    {ENV, "test_framework",         PICK, NULL, NULL, "doctest googletest unity custom", "unity"},
    {ENV, "test_filter",            LIST, NULL, NULL, NULL, NULL},
    {ENV, "test_ignore",            LIST, NULL, NULL, NULL, NULL},
    {ENV, "test_port",              TEXT, NULL, NULL, NULL, NULL},
    {ENV, "test_speed",             KILN_PIO_INT, false, NULL, NULL, NULL, "115200"},
    {ENV, "test_build_src",         BOOL, NULL, "test_build_project_src", NULL, "False"},
    {ENV, "test_testing_command",   LIST, NULL, NULL, NULL, NULL},
    {ENV, "debug_tool",             TEXT, NULL, NULL, NULL, NULL},
    {ENV, "debug_build_flags",      LIST, NULL, NULL, NULL, "-Og\n-g2\n-ggdb2"},
    {ENV, "debug_init_break",       TEXT, NULL, NULL, NULL, "tbreak main"},
    {ENV, "debug_init_cmds",        LIST, NULL, NULL, NULL, NULL},
    {ENV, "debug_extra_cmds",       LIST, NULL, NULL, NULL, NULL},
    {ENV, "debug_load_cmds",        LIST, NULL, "debug_load_cmd", NULL, "load"},
    {ENV, "debug_load_mode",        PICK, NULL, NULL, "always modified manual", "always"},
    {ENV, "debug_server",           LIST, NULL, NULL, NULL, NULL},
    {ENV, "debug_port",             TEXT, NULL, NULL, NULL, NULL},
    {ENV, "debug_speed",            TEXT, NULL, NULL, NULL, NULL},
    {ENV, "debug_svd_path",         KILN_PIO_FILE, false, NULL, NULL, NULL, NULL},
    {ENV, "debug_server_ready_pattern", TEXT, NULL, NULL, NULL, NULL},
    {ENV, "debug_test",             TEXT, NULL, NULL, NULL, NULL},
    {ENV, "extends",                LIST, NULL, NULL, NULL, NULL},
    {ENV, "extra_scripts",          LIST, "PLATFORMIO_EXTRA_SCRIPTS", "extra_script", NULL, NULL},
};
/* clang-format on */

const struct kiln_pio_option *kiln_pio_option_at(size_t index)
{
    return index < KILN_ARRAY_LEN(rows) ? &rows[index] : NULL;
}

bool kiln_pio_word_in(const char *list, const char *word)
{
    size_t len = strlen(word);

    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, " ");

        if (n == len && memcmp(list, word, n) == 0)
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

const struct kiln_pio_option *kiln_pio_option_find(enum kiln_pio_scope scope, const char *name)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (rows[i].scope == scope && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    for (size_t i = 0; i < KILN_ARRAY_LEN(rows); i++)
        if (rows[i].scope == scope && kiln_pio_word_in(rows[i].old_names, name))
            return &rows[i];
    return NULL;
}
