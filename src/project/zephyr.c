/* SPDX-License-Identifier: MIT */
/* Zephyr: build/zephyr/runners.yaml, and with sysbuild the images of build/domains.yaml in their flash order. */
#include "base/ctx.h"
#include "project/build.h"
#include "project/yaml.h"

#include <string.h>

#define DOMAINS_MAX 64

static const char *build_folder(struct kiln_build *build)
{
    static const char *const marks[] = {"domains.yaml", "zephyr/runners.yaml"};
    const char *const folders[] = {build->dir, kiln_build_path(build, build->dir, "build")};

    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 2; k++)
            if (kiln_file_exists(kiln_build_path(build, folders[i], marks[k])))
                return folders[i];
    return NULL;
}

static bool is_source(struct kiln_build *build)
{
    size_t len;
    const char *text =
        kiln_file_read(&build->arena, kiln_build_path(build, build->dir, "CMakeLists.txt"),
                       KILN_BUILD_JSON_MAX, &len);

    return text != NULL && strstr(text, "find_package(Zephyr") != NULL;
}

static bool detect(struct kiln_build *build)
{
    return build_folder(build) != NULL || is_source(build);
}

/* ---- one image ---- */

struct image {
    struct kiln_build *build;
    struct kiln_build_env *env;
    struct kiln_yaml yaml;
    const char *folder; /* of the image's runners.yaml */
    const char *name;   /* of the domain */
};

/* config.KEY as a path, if the file is there. */
static const char *output(struct image *image, const char *key,
                          struct kiln_project_place *out_place)
{
    yaml_node_t *config = kiln_yaml_get(&image->yaml, NULL, "config");
    yaml_node_t *node = config != NULL ? kiln_yaml_get(&image->yaml, config, key) : NULL;
    const char *text = kiln_yaml_text(node), *path;

    *out_place = kiln_yaml_place(image->build, &image->yaml, node);
    path = text != NULL ? kiln_build_path(image->build, image->folder, text) : NULL;
    return path != NULL && kiln_file_exists(path) ? path : NULL;
}

/* The value of "--name=value" among the arguments of the flash runner; NULL if it is not there. */
static const char *argument(struct image *image, const char *name,
                            struct kiln_project_place *out_place)
{
    yaml_node_t *args = kiln_yaml_get(&image->yaml, NULL, "args"), *item;
    const char *runner = kiln_yaml_text(kiln_yaml_get(&image->yaml, NULL, "flash-runner"));
    size_t n = strlen(name);

    if (args == NULL || runner == NULL)
        return NULL;
    args = kiln_yaml_get(&image->yaml, args, runner);
    for (size_t i = 0; (item = kiln_yaml_item(&image->yaml, args, i)) != NULL; i++) {
        const char *text = kiln_yaml_text(item);

        if (text == NULL || strncmp(text, name, n) != 0 || text[n] != '=')
            continue;
        *out_place = kiln_yaml_place(image->build, &image->yaml, item);
        return kiln_arena_printf(&image->build->arena, "%s", text + n + 1);
    }
    return NULL;
}

static void add_argument_file(struct image *image, const char *file_argument,
                              const char *address_argument, const char *what)
{
    struct kiln_project_place place;
    struct kiln_project_file file = {.what = what, .why = address_argument};
    const char *path = argument(image, file_argument, &place);
    const char *address = argument(image, address_argument, &file.place);

    if (path == NULL || address == NULL || !kiln_build_number(address, &file.address))
        return;
    file.path = kiln_build_path(image->build, image->folder, path);
    file.missing = !kiln_file_exists(file.path);
    kiln_build_file(image->build, image->env, &file);
}

/* The esp32 runner says every address in its arguments. */
static bool plan_esp(struct image *image, const char *bin)
{
    struct kiln_project_file file = {.path = bin, .what = image->name, .why = "--esp-app-address"};
    const char *address = argument(image, file.why, &file.place);

    if (bin == NULL || address == NULL || !kiln_build_number(address, &file.address))
        return false;
    add_argument_file(image, "--esp-flash-bootloader", "--esp-boot-address", "bootloader");
    add_argument_file(image, "--esp-flash-partition_table", "--esp-partition-table-address",
                      "partitions");
    kiln_build_file(image->build, image->env, &file);
    return true;
}

/* A raw image at the address Kconfig gives, when no file states it. */
static bool plan_raw(struct image *image, const char *bin)
{
    const char *config = kiln_build_path(image->build, image->folder, ".config");
    struct kiln_project_place place;
    struct kiln_project_file file = {
        .path = bin, .what = image->name, .why = "CONFIG_FLASH_BASE_ADDRESS and _LOAD_OFFSET"};
    const char *base =
        kiln_build_kconfig(image->build, config, "CONFIG_FLASH_BASE_ADDRESS", &file.place);
    const char *offset =
        kiln_build_kconfig(image->build, config, "CONFIG_FLASH_LOAD_OFFSET", &place);
    uint64_t start, more = 0;

    if (bin == NULL || base == NULL || !kiln_build_number(base, &start) ||
        (offset != NULL && !kiln_build_number(offset, &more)))
        return false;
    file.address = start + more;
    kiln_build_file(image->build, image->env, &file);
    return true;
}

static void plan_image(struct image *image)
{
    struct kiln_project_place place;
    struct kiln_build_program program = {.uf2 = output(image, "uf2_file", &place),
                                         .hex = output(image, "hex_file", &place),
                                         .elf = output(image, "elf_file", &place)};
    const char *bin = output(image, "bin_file", &place);
    const char *config = kiln_build_path(image->build, image->folder, ".config"), *text;

    text = kiln_build_kconfig(image->build, config, "CONFIG_SOC", &place);
    if (text != NULL)
        image->env->is.chip = text;
    text = kiln_build_kconfig(image->build, config, "CONFIG_BOARD", &place);
    if (text != NULL)
        image->env->is.board = text;
    if (program.elf != NULL)
        image->env->is.elf = program.elf;
    if (plan_esp(image, bin) || kiln_build_program(image->build, image->env, &program) ||
        plan_raw(image, bin))
        return;
    program.bin = bin;
    if (!kiln_build_program(image->build, image->env, &program))
        kiln_build_not_ready(image->build, image->env, "%s holds no firmware; build it: west build",
                             kiln_build_shown(image->build, image->folder));
}

static enum kiln_status load_image(struct kiln_build *build, struct kiln_build_env *env,
                                   const char *folder, const char *name,
                                   struct kiln_error *out_error)
{
    struct image image = {.build = build,
                          .env = env,
                          .folder = kiln_build_path(build, folder, "zephyr"),
                          .name = name};
    const char *path = kiln_build_path(build, image.folder, "runners.yaml"), *runner;
    yaml_node_t *node;

    if (!kiln_file_exists(path)) {
        kiln_build_not_ready(build, env, "%s is missing; build it: west build",
                             kiln_build_shown(build, path));
        return KILN_OK;
    }
    KILN_TRY(kiln_yaml_load(build, path, &image.yaml, out_error));
    node = kiln_yaml_get(&image.yaml, NULL, "flash-runner");
    runner = kiln_yaml_text(node);
    if (runner != NULL) {
        env->is.protocol = kiln_arena_printf(&build->arena, "%s", runner);
        kiln_build_option(build, env, "flash-runner", env->is.protocol,
                          kiln_yaml_place(build, &image.yaml, node));
    }
    plan_image(&image);
    yaml_document_delete(&image.yaml.document);
    return KILN_OK;
}

/* ---- sysbuild ---- */

/* The folder of the domain with this name. A build that was moved has its images below its own folder. */
static const char *domain_folder(struct kiln_build *build, struct kiln_yaml *yaml,
                                 const char *folder, const char *name)
{
    yaml_node_t *domains = kiln_yaml_get(yaml, NULL, "domains"), *item;
    const char *own = kiln_build_path(build, folder, name);

    for (size_t i = 0; (item = kiln_yaml_item(yaml, domains, i)) != NULL; i++) {
        const char *is = kiln_yaml_text(kiln_yaml_get(yaml, item, "name"));
        const char *in = kiln_yaml_text(kiln_yaml_get(yaml, item, "build_dir"));

        if (is != NULL && in != NULL && strcmp(is, name) == 0 && kiln_folder_exists(in))
            return kiln_build_path(build, folder, in);
    }
    return own;
}

static enum kiln_status load_domains(struct kiln_build *build, struct kiln_build_env *env,
                                     const char *folder, struct kiln_error *out_error)
{
    struct kiln_yaml yaml;
    enum kiln_status status = KILN_OK;
    yaml_node_t *order, *item;
    const char *name;

    KILN_TRY(
        kiln_yaml_load(build, kiln_build_path(build, folder, "domains.yaml"), &yaml, out_error));
    order = kiln_yaml_get(&yaml, NULL, "flash_order");
    for (size_t i = 0;
         status == KILN_OK && i < DOMAINS_MAX && (item = kiln_yaml_item(&yaml, order, i)) != NULL;
         i++) {
        name = kiln_yaml_text(item);
        name = name != NULL ? kiln_arena_printf(&build->arena, "%s", name) : NULL;
        if (name != NULL)
            status =
                load_image(build, env, domain_folder(build, &yaml, folder, name), name, out_error);
    }
    name = kiln_yaml_text(kiln_yaml_get(&yaml, NULL, "default"));
    name = name != NULL ? kiln_arena_printf(&build->arena, "%s", name) : NULL;
    if (status == KILN_OK && order == NULL && name != NULL)
        status = load_image(build, env, domain_folder(build, &yaml, folder, name), name, out_error);
    yaml_document_delete(&yaml.document);
    return status;
}

static enum kiln_status load(struct kiln_build *build, struct kiln_error *out_error)
{
    const char *folder = build_folder(build);
    struct kiln_build_env *env = kiln_build_environment(build, "build");

    if (env == NULL)
        return KILN_OK; /* told at the end: the arena has failed */
    if (folder == NULL) {
        kiln_build_not_ready(build, env, "it is not built yet: west build");
        return KILN_OK;
    }
    if (kiln_file_exists(kiln_build_path(build, folder, "domains.yaml")))
        return load_domains(build, env, folder, out_error);
    return load_image(build, env, folder, "application", out_error);
}

const struct kiln_project_system kiln_project_zephyr = {
    .name = "zephyr", .detect = detect, .load = load};
