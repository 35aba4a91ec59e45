/* SPDX-License-Identifier: MIT */
/* Zephyr: build/zephyr/runners.yaml, and with sysbuild the images of build/domains.yaml in their flash order. */
#include "base/bytes.h"
#include "base/ctx.h"
#include "project/build.h"
#include "project/yaml.h"

#include <string.h>

#define DOMAINS_MAX 64
#define BUILDS_MAX  64

static bool is_build(struct kiln_build *build, const char *folder)
{
    return kiln_file_exists(kiln_build_path(build, folder, "domains.yaml")) ||
           kiln_file_exists(kiln_build_path(build, folder, "zephyr/runners.yaml"));
}

/* The build folders as names below the project: itself (""), "build", "build-x", and west's "build/BOARD". */
static void find_builds(struct kiln_build *build, struct kiln_paths *out_names)
{
    struct kiln_paths names;

    *out_names = (struct kiln_paths){0};
    if (is_build(build, build->dir)) {
        kiln_paths_add(&build->arena, out_names, "");
        return;
    }
    kiln_folder_list(&build->arena, build->dir, &names);
    for (size_t i = 0; i < names.count && out_names->count < BUILDS_MAX; i++) {
        const char *folder = kiln_build_path(build, build->dir, names.path[i]);
        struct kiln_paths below;

        if (strncmp(names.path[i], "build", 5) != 0)
            continue;
        if (is_build(build, folder)) {
            kiln_paths_add(&build->arena, out_names, names.path[i]);
            continue;
        }
        kiln_folder_list(&build->arena, folder, &below);
        for (size_t k = 0; k < below.count && out_names->count < BUILDS_MAX; k++)
            if (is_build(build, kiln_build_path(build, folder, below.path[k])))
                kiln_paths_add(
                    &build->arena, out_names,
                    kiln_arena_printf(&build->arena, "%s/%s", names.path[i], below.path[k]));
    }
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
    struct kiln_paths names;

    find_builds(build, &names);
    return names.count > 0 || is_source(build);
}

/* ---- one image ---- */

struct image {
    struct kiln_build *build;
    struct kiln_build_env *env;
    struct kiln_yaml yaml;
    const char *root;   /* the whole build */
    const char *folder; /* of the image's runners.yaml */
    const char *name;   /* of the domain */
    bool leads;         /* the facts of the environment are those of this image */
};

/*
 * The file that runners.yaml means. It writes whole paths: of a build that was moved, or that came from another
 * computer, what stands behind the build folder's name is looked for here, then the name beside runners.yaml.
 */
static const char *located(struct image *image, const char *text)
{
    const char *path = kiln_build_path(image->build, image->folder, text), *at = text, *moved;
    const char *name = kiln_arena_printf(&image->build->arena, "/%s/", kiln_path_base(image->root));

    while (name != NULL && !kiln_file_exists(path) && (at = strstr(at, name)) != NULL) {
        at += strlen(name);
        moved = kiln_build_path(image->build, image->root, at);
        if (kiln_file_exists(moved))
            return moved;
        at--;
    }
    if (kiln_file_exists(path))
        return path;
    moved = kiln_build_path(image->build, image->folder, kiln_path_base(text));
    return kiln_file_exists(moved) ? moved : path;
}

/* config.KEY as a path, if the file is there. */
static const char *output(struct image *image, const char *key,
                          struct kiln_project_place *out_place)
{
    yaml_node_t *config = kiln_yaml_get(&image->yaml, NULL, "config");
    yaml_node_t *node = config != NULL ? kiln_yaml_get(&image->yaml, config, key) : NULL;
    const char *text = kiln_yaml_text(node), *path;

    *out_place = kiln_yaml_place(image->build, &image->yaml, node);
    if (text == NULL)
        return NULL;
    path = located(image, text);
    return kiln_file_exists(path) ? path : NULL;
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
    file.path = located(image, path);
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

/* The value in the image's .config, NULL if it is not set. */
static const char *config(struct image *image, const char *name)
{
    struct kiln_project_place place;

    return kiln_build_kconfig(image->build, kiln_build_path(image->build, image->folder, ".config"),
                              name, &place);
}

/* What the linker left, which has no header and no signature for MCUboot: "zephyr" with nothing but an ending. */
static bool is_linked(struct image *image, const char *path)
{
    const char *name = config(image, "CONFIG_KERNEL_BIN_NAME"), *base = kiln_path_base(path);
    size_t n;

    if (name == NULL)
        name = "zephyr";
    n = strlen(name);
    return strncmp(base, name, n) == 0 && base[n] == '.' && strchr(base + n + 1, '.') == NULL;
}

/* The signed form of a file that runners.yaml names, or what it names if that is signed or merged already. */
static const char *signed_form(struct image *image, const char *path, const char *ending)
{
    static const char *const names[] = {"zephyr.signed.confirmed", "zephyr.signed"};

    if (path != NULL && !is_linked(image, path))
        return path;
    for (size_t i = 0; i < KILN_ARRAY_LEN(names); i++) {
        const char *beside =
            kiln_build_path(image->build, image->folder,
                            kiln_arena_printf(&image->build->arena, "%s%s", names[i], ending));

        if (kiln_file_exists(beside))
            return beside;
    }
    return NULL;
}

/* An image that MCUboot starts: only its signed form, never the ELF file, in the slot it was linked for. */
static void plan_signed(struct image *image)
{
    struct kiln_build *build = image->build;
    struct kiln_project_place place;
    struct kiln_build_program program = {
        .hex = signed_form(image, output(image, "hex_file", &place), ".hex"), .what = image->name};
    const char *bin = signed_form(image, output(image, "bin_file", &place), ".bin");
    const char *linked = kiln_build_path(build, image->folder, "zephyr.bin");

    if (bin != NULL && kiln_file_time(linked) > kiln_file_time(bin))
        kiln_build_note(build, image->env, "%s is newer than its signed form %s: sign it again",
                        kiln_build_shown(build, linked), kiln_path_base(bin));
    if (plan_esp(image, bin) || kiln_build_program(build, image->env, &program) ||
        plan_raw(image, bin))
        return;
    kiln_build_not_ready(build, image->env,
                         "MCUboot starts signed images only, and %s holds none; sign it: west sign "
                         "-t imgtool",
                         kiln_build_shown(build, image->folder));
}

static void plan_plain(struct image *image)
{
    struct kiln_project_place place;
    struct kiln_build_program program = {.uf2 = output(image, "uf2_file", &place),
                                         .hex = output(image, "hex_file", &place),
                                         .elf = output(image, "elf_file", &place),
                                         .what = image->name};
    const char *bin = output(image, "bin_file", &place);

    if (plan_esp(image, bin) || kiln_build_program(image->build, image->env, &program) ||
        plan_raw(image, bin))
        return;
    program.bin = bin;
    if (!kiln_build_program(image->build, image->env, &program))
        kiln_build_not_ready(image->build, image->env, "%s holds no firmware; build it: west build",
                             kiln_build_shown(image->build, image->folder));
}

static void fill_facts(struct image *image, struct kiln_project_environment *is)
{
    struct kiln_project_place place;
    const char *chip = config(image, "CONFIG_SOC");

    if (!image->leads) {
        if (chip != NULL && is->chip != NULL && strcmp(chip, is->chip) != 0)
            kiln_build_note(image->build, image->env, "%s is for %s, not for %s", image->name, chip,
                            is->chip);
        return;
    }
    is->chip = chip;
    is->board = config(image, "CONFIG_BOARD");
    is->elf = output(image, "elf_file", &place);
}

static void take_runner(struct image *image)
{
    yaml_node_t *node = kiln_yaml_get(&image->yaml, NULL, "flash-runner");
    const char *runner = kiln_yaml_text(node);

    if (runner == NULL || !image->leads)
        return;
    image->env->is.protocol = kiln_arena_printf(&image->build->arena, "%s", runner);
    kiln_build_option(image->build, image->env, "flash-runner", image->env->is.protocol,
                      kiln_yaml_place(image->build, &image->yaml, node));
}

static enum kiln_status load_image(struct kiln_build *build, struct kiln_build_env *env,
                                   const char *root, const char *folder, const char *name,
                                   bool leads, struct kiln_error *out_error)
{
    struct image image = {.build = build,
                          .env = env,
                          .root = root,
                          .folder = kiln_build_path(build, folder, "zephyr"),
                          .name = name,
                          .leads = leads};
    const char *path = kiln_build_path(build, image.folder, "runners.yaml"), *mcuboot;

    if (!kiln_file_exists(path)) {
        kiln_build_not_ready(build, env, "%s is missing; build it: west build",
                             kiln_build_shown(build, path));
        return KILN_OK;
    }
    KILN_TRY(kiln_yaml_load(build, path, &image.yaml, out_error));
    take_runner(&image);
    fill_facts(&image, &env->is);
    mcuboot = config(&image, "CONFIG_BOOTLOADER_MCUBOOT");
    if (mcuboot != NULL && strcmp(mcuboot, "y") == 0)
        plan_signed(&image);
    else
        plan_plain(&image);
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

/* The text as a copy that outlives the document; NULL if it is none. */
static const char *keep(struct kiln_build *build, const yaml_node_t *node)
{
    const char *text = kiln_yaml_text(node);

    return text != NULL ? kiln_arena_printf(&build->arena, "%s", text) : NULL;
}

static enum kiln_status load_domains(struct kiln_build *build, struct kiln_build_env *env,
                                     const char *folder, struct kiln_error *out_error)
{
    struct kiln_yaml yaml;
    enum kiln_status status = KILN_OK;
    const char *names[DOMAINS_MAX], *leader;
    yaml_node_t *order, *item;
    size_t count = 0, at;

    KILN_TRY(
        kiln_yaml_load(build, kiln_build_path(build, folder, "domains.yaml"), &yaml, out_error));
    leader = keep(build, kiln_yaml_get(&yaml, NULL, "default"));
    order = kiln_yaml_get(&yaml, NULL, "flash_order");
    while (count < DOMAINS_MAX && (item = kiln_yaml_item(&yaml, order, count)) != NULL)
        names[count++] = keep(build, item);
    if (count == 0 && leader != NULL)
        names[count++] = leader;
    for (at = 0;
         at < count && (leader == NULL || names[at] == NULL || strcmp(names[at], leader) != 0);)
        at++;
    if (at == count && count > 0)
        at = count - 1; /* the application comes last */
    /* The facts of the default domain first: the others are held against them. */
    for (size_t i = 0; status == KILN_OK && i < count; i++) {
        size_t this = i == 0 ? at : i <= at ? i - 1 : i;

        if (names[this] != NULL)
            status =
                load_image(build, env, folder, domain_folder(build, &yaml, folder, names[this]),
                           names[this], i == 0, out_error);
    }
    if (status == KILN_OK && count == 0)
        kiln_build_not_ready(build, env, "%s names no domain to flash; build it: west build",
                             kiln_build_shown(build, yaml.path));
    yaml_document_delete(&yaml.document);
    return status;
}

static enum kiln_status load_build(struct kiln_build *build, const char *name,
                                   struct kiln_error *out_error)
{
    const char *folder = kiln_build_path(build, build->dir, name[0] != '\0' ? name : ".");
    struct kiln_build_env *env =
        kiln_build_environment(build, name[0] != '\0' ? name : kiln_path_base(folder));

    if (env == NULL)
        return KILN_OK; /* told at the end: the arena has failed */
    if (kiln_file_exists(kiln_build_path(build, folder, "domains.yaml")))
        KILN_TRY(load_domains(build, env, folder, out_error));
    else
        KILN_TRY(load_image(build, env, folder, folder, "application", true, out_error));
    kiln_build_stale(build, env,
                     (const char *const[]){"src", "prj.conf", "CMakeLists.txt", "boards", NULL},
                     "west build");
    return KILN_OK;
}

static enum kiln_status load(struct kiln_build *build, struct kiln_error *out_error)
{
    static const char *const by_itself[] = {"build"};
    struct kiln_build_env *env;
    struct kiln_paths names;

    find_builds(build, &names);
    for (size_t i = 0; i < names.count; i++) {
        KILN_TRY(load_build(build, names.path[i], out_error));
        if (strcmp(names.path[i], "build") == 0) {
            build->project.defaults = by_itself;
            build->project.default_count = 1;
        }
    }
    env = names.count == 0 ? kiln_build_environment(build, "build") : NULL;
    if (env != NULL)
        kiln_build_unbuilt(build, env, "west build -b BOARD");
    return KILN_OK;
}

const struct kiln_project_system kiln_project_zephyr = {
    .name = "zephyr", .detect = detect, .load = load};
