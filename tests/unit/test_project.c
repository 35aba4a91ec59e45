/* SPDX-License-Identifier: MIT */
/*
 * Project folders, made on the spot. What platformio.ini means was taken from PlatformIO's own parser: a value
 * here that differs from it is a defect, whatever the manual says.
 */
#include "project_folder.h"

/* ---- platformio.ini ---- */

static void grammar_is_that_of_configparser(void **state)
{
    (void)state;
    write_text("platformio.ini", "; comment\r\n"
                                 "[env:a] junk\r\n"
                                 "Board = uno ; a comment\r\n"
                                 "custom_url: https://x/y#v2 # tail\r\n"
                                 "custom_first = a=b:c\r\n"
                                 "custom_next =\r\n"
                                 "    on the next line\r\n"
                                 "custom_rounds = a#b #kept ;gone\r\n"
                                 "custom_percent = 100%%\r\n"
                                 "custom_same = %(board)s!\r\n"
                                 "custom_alone = 5%\r\n"
                                 "build_flags = -D A, -D B\r\n"
                                 "  [env:text]\r\n"
                                 "; a comment ends nothing\r\n"
                                 "\r\n"
                                 "  -D C ; why\r\n");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);
    const struct kiln_project_option *flags = kiln_project_option(env, "build_flags");

    assert_int_equal(project->environment_count, 1);
    assert_text(env, "board", "uno");
    assert_text(env, "custom_url", "https://x/y#v2");
    assert_text(env, "custom_first", "a=b:c");
    assert_text(env, "custom_next", "\non the next line");
    assert_text(env, "custom_rounds", "a#b #kept");
    assert_text(env, "custom_percent", "100%");
    assert_text(env, "custom_same", "uno!");
    assert_error(env, "custom_alone", "platformio.ini:11");
    assert_int_equal(flags->count, 3);
    assert_string_equal(flags->texts[0], "-D A, -D B");
    assert_string_equal(flags->texts[1], "[env:text]");
    assert_string_equal(flags->texts[2], "-D C");
    assert_int_equal(kiln_project_option(env, "board")->place.line, 3);
    kiln_project_free(project);
}

static void inheritance_and_references(void **state)
{
    (void)state;
    write_text("platformio.ini", "[platformio]\n"
                                 "extra_configs = more/**/*.ini\n"
                                 "default_envs = a\n"
                                 "[one]\ncustom_x = one\ncustom_y = one\nextends = deep\n"
                                 "[two]\ncustom_x = two\n"
                                 "[deep]\ncustom_z = deep of ${this.__env__}\n"
                                 "[env]\ncustom_x = env\ncustom_w = ${this.board}\n"
                                 "monitor_speed = 115200\n"
                                 "[env:a]\nextends = one, two\nboard = b1\n"
                                 "custom_ref = ${two.custom_x} ${env:b.custom_f} ${BUILD_DIR} "
                                 "${env.monitor_speed} ${env.upload_port} ${sysenv.KILN_NOT_SET}.\n"
                                 "upload_speed = fast\n"
                                 "[env:b]\ncustom_f = ${env:c.custom_f}\n"
                                 "[env:c]\ncustom_f = f\ncustom_loop = ${this.custom_loop}\n"
                                 "custom_gone = ${nothing.here}\n"
                                 "[env:d]\nextends = round\n[round]\nextends = env:d\n");
    write_text("more/deep/er.ini", "[env:b]\ncustom_f = from extra\n");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *a = environment(project, NULL);
    const struct kiln_project_environment *c = environment(project, "c");
    const struct kiln_project_option *speed = kiln_project_option(a, "monitor_speed");

    assert_string_equal(a->name, "a");
    assert_text(a, "custom_x", "two");
    assert_text(a, "custom_y", "one");
    assert_text(a, "custom_z", "deep of a");
    assert_text(a, "custom_w", "b1");
    assert_text(a, "custom_ref", "two from extra ${BUILD_DIR} 115200 None .");
    assert_int_equal(speed->kind, KILN_PROJECT_NUMBER);
    assert_int_equal(speed->number, 115200);
    assert_int_equal(a->monitor_speed, 115200);
    assert_error(a, "upload_speed", "'fast' is not a valid integer");
    assert_error(c, "custom_loop", "refers to itself");
    assert_error(c, "custom_gone", "there is no section [nothing]");
    assert_error(environment(project, "d"), "extends", "which extends it in turn");
    kiln_project_free(project);
}

static void damage_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"[env:a]\nboard = x\nBoard = y\n", "platformio.ini:3: option 'board' stands a second"},
        {"[env:a]\n[env:a]\n", "platformio.ini:2: section [env:a] stands here a second time"},
        {"board = x\n", "platformio.ini:1: 'board = x' stands before the first"},
        {"[env:a]\njunk\n", "platformio.ini:2: 'junk' is neither"},
        {"\xef\xbb\xbf[env:a]\n", "byte order mark"},
        {"[env:a]\nb = \xff\n", "platformio.ini:2: this is not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kiln_project *project;
        struct kiln_error error;

        write_text("platformio.ini", rows[i].text);
        assert_int_equal(kiln_project_open(root, &project, &error), KILN_E_FILE);
        assert_null(project);
        if (strstr(error.message, rows[i].message) == NULL)
            fail_msg("%s", error.message);
    }
}

static void variables_go_before_files(void **state)
{
    (void)state;
    write_text("platformio.ini", "[env:a]\nupload_port = /dev/x\nbuild_flags = -A\n");
    setenv("PLATFORMIO_UPLOAD_PORT", "/dev/y", 1);
    setenv("PLATFORMIO_BUILD_FLAGS", "-B", 1);
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    unsetenv("PLATFORMIO_UPLOAD_PORT");
    unsetenv("PLATFORMIO_BUILD_FLAGS");
    assert_text(env, "upload_port", "/dev/y");
    assert_string_equal(env->port, "/dev/y");
    assert_int_equal(kiln_project_option(env, "build_flags")->count, 2);
    kiln_project_free(project);
}

/* ---- what is built ---- */

static void platformio_on_esp32(void **state)
{
    (void)state;
    write_text("platformio.ini", "[platformio]\npackages_dir = none\n[env:a]\nplatform = "
                                 "espressif32\nframework = arduino\n[env:b]\nboard = c\n");
    copy_example("esp32-bootloader.bin", ".pio/build/a/bootloader.bin");
    copy_example("esp32-partitions.bin", ".pio/build/a/partitions.bin");
    copy_example("esp32-app-v1.bin", ".pio/build/a/firmware.bin");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, "a");
    struct kiln_error error;

    assert_null(env->not_ready);
    assert_string_equal(env->chip, "esp32");
    assert_file(env, 0, "bootloader.bin", 0x1000);
    assert_file(env, 1, "partitions.bin", 0x8000);
    assert_string_equal(env->files[env->file_count - 1].what, "application");
    assert_file(env, env->file_count - 1, "firmware.bin", 0x10000);
    assert_non_null(environment(project, "b")->not_ready);
    assert_int_equal(kiln_project_choose(project, NULL, &env, &error), KILN_E_ARG);
    assert_non_null(strstr(error.message, "a, b"));
    kiln_project_free(project);
}

static void platformio_on_stm32(void **state)
{
    (void)state;
    write_text("platformio.ini", "[env:a]\nboard = mine\nboard_upload.offset_address = 0x08008000\n"
                                 "[env:b]\nboard = mine\n");
    write_text("boards/mine.json", "{\"build\": {\"mcu\": \"STM32F405RGT6\"},\n"
                                   " \"upload\": {\"protocol\": \"dfu\", \"speed\": 57600}}\n");
    copy_example("stm32f405-offset.bin", ".pio/build/a/firmware.bin");
    copy_example("stm32f405-v1.bin", ".pio/build/b/firmware.bin");
    copy_example("stm32f405-v1.elf", ".pio/build/b/firmware.elf");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, "a");

    assert_file(env, 0, "firmware.bin", 0x08008000);
    assert_int_equal(env->files[0].place.line, 3);
    assert_string_equal(env->protocol, "dfu");
    assert_int_equal(env->upload_speed, 57600);
    assert_string_equal(env->chip, "stm32f405rgt6");
    assert_file(environment(project, "b"), 0, "firmware.bin", 0x08000000);
    kiln_project_free(project);
}

static void esp_idf(void **state)
{
    (void)state;
    write_text(
        "build/flasher_args.json",
        "{ \"flash_settings\": {\"flash_mode\": \"dio\"},\n"
        "  \"flash_files\": {\"0x10000\": \"app.bin\",\n"
        "    \"0x1000\": \"bootloader/bootloader.bin\"},\n"
        "  \"app\": {\"offset\": \"0x10000\", \"file\": \"app.bin\", \"encrypted\": \"false\"},\n"
        "  \"extra_esptool_args\": {\"chip\": \"esp32\", \"stub\": true} }\n");
    write_text("build/project_description.json", "{\"monitor_baud\": \"74880\"}");
    write_text("build/app.bin", "x");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_string_equal(project->system, "esp-idf");
    assert_file(env, 0, "bootloader.bin", 0x1000);
    assert_file(env, 1, "app.bin", 0x10000);
    assert_int_equal(env->files[1].place.line, 2);
    assert_string_equal(env->files[1].what, "application");
    assert_string_equal(env->chip, "esp32");
    assert_int_equal(env->monitor_speed, 74880);
    assert_non_null(strstr(env->not_ready, "bootloader.bin is missing"));
    kiln_project_free(project);
}

static void zephyr_with_sysbuild(void **state)
{
    (void)state;
    write_text("build/domains.yaml", "default: app\nbuild_dir: /gone\ndomains:\n  - name: app\n"
                                     "    build_dir: /gone/app\nflash_order:\n  - app\n");
    write_text("build/app/zephyr/runners.yaml",
               "flash-runner: dfu-util\nconfig:\n  elf_file: zephyr.elf\n  bin_file: zephyr.bin\n");
    write_text("build/app/zephyr/.config",
               "CONFIG_SOC=\"stm32f405xx\"\nCONFIG_FLASH_BASE_ADDRESS=0x8000000\n"
               "CONFIG_FLASH_LOAD_OFFSET=0x8000\n");
    copy_example("stm32f405-offset.bin", "build/app/zephyr/zephyr.bin");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_string_equal(project->system, "zephyr");
    assert_string_equal(env->protocol, "dfu-util");
    assert_string_equal(env->chip, "stm32f405xx");
    assert_file(env, 0, "zephyr.bin", 0x08008000);
    kiln_project_free(project);
}

static void zephyr_image(const char *folder, const char *runners, const char *config)
{
    char name[200];

    snprintf(name, sizeof name, "%s/zephyr/runners.yaml", folder);
    write_text(name, runners);
    snprintf(name, sizeof name, "%s/zephyr/.config", folder);
    write_text(name, config);
}

/* MCUboot and an application: everything in flash_order goes to the board, and the facts are those of the
 * default domain, wherever it stands. The runners' files name another computer's folders. */
static void zephyr_with_two_domains(void **state)
{
    (void)state;
    write_text("build/domains.yaml",
               "default: app\nbuild_dir: /gone\ndomains:\n  - name: mcuboot\n"
               "    build_dir: /gone/mcuboot\n  - name: app\n    build_dir: /gone/app\n"
               "flash_order:\n  - app\n  - mcuboot\n");
    zephyr_image("build/mcuboot",
                 "flash-runner: jlink\nconfig:\n  elf_file: zephyr.elf\n  bin_file: zephyr.bin\n",
                 "CONFIG_SOC=\"stm32f405xg\"\nCONFIG_BOARD=\"other\"\n"
                 "CONFIG_FLASH_BASE_ADDRESS=0x8000000\nCONFIG_FLASH_LOAD_OFFSET=0\n");
    zephyr_image("build/app",
                 "flash-runner: dfu-util\nconfig:\n  elf_file: zephyr.elf\n"
                 "  hex_file: /gone/app/zephyr/zephyr.signed.hex\n"
                 "  bin_file: /gone/app/zephyr/zephyr.signed.bin\n",
                 "CONFIG_SOC=\"stm32f405xx\"\nCONFIG_BOARD=\"mine\"\nCONFIG_BOOTLOADER_MCUBOOT=y\n"
                 "CONFIG_FLASH_BASE_ADDRESS=0x8000000\nCONFIG_FLASH_LOAD_OFFSET=0xc000\n"
                 "CONFIG_ROM_START_OFFSET=0x200\n");
    copy_example("stm32f405-v1.elf", "build/mcuboot/zephyr/zephyr.elf");
    copy_example("stm32f405-v1.elf", "build/app/zephyr/zephyr.elf");
    copy_example("stm32f405-v1.bin", "build/app/zephyr/zephyr.bin");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    /* The linked image is there, and MCUboot would not start it. */
    assert_non_null(strstr(env->not_ready, "west sign"));
    kiln_project_free(project);

    write_bytes("build/app/zephyr/zephyr.signed.bin", "\x3d\xb8\xf3\x96....", 8);
    project = open_project();
    env = environment(project, NULL);
    assert_null(env->not_ready);
    assert_string_equal(env->protocol, "dfu-util");
    assert_string_equal(env->board, "mine");
    assert_string_equal(env->chip, "stm32f405xx");
    assert_non_null(strstr(env->elf, "/build/app/zephyr/zephyr.elf"));
    assert_int_equal(env->file_count, 2);
    assert_file(env, 0, "zephyr.elf", 0x08000000);
    assert_string_equal(env->files[0].what, "mcuboot");
    assert_file(env, 1, "zephyr.signed.bin", 0x0800c000);
    assert_non_null(strstr(env->notes, "mcuboot is for stm32f405xg, not for stm32f405xx"));
    kiln_project_free(project);

    /* With both, the HEX file is taken: it states its place. */
    copy_example("stm32f405-v1.hex", "build/app/zephyr/zephyr.signed.hex");
    project = open_project();
    assert_file(environment(project, NULL), 0, "zephyr.signed.hex", 0x08000000);
    kiln_project_free(project);
}

/* A build that was made elsewhere: the whole paths of runners.yaml mean what lies here. */
static void zephyr_builds_may_be_moved(void **state)
{
    (void)state;
    zephyr_image("build",
                 "flash-runner: esp32\nconfig:\n  bin_file: zephyr.bin\nargs:\n  esp32:\n"
                 "    - --esp-app-address=0x10000\n    - --esp-boot-address=0x1000\n"
                 "    - --esp-flash-bootloader=/gone/build/app/build/esp-idf/boot/loader.bin\n",
                 "CONFIG_SOC=\"esp32\"\n");
    write_text("build/zephyr/zephyr.bin", "x");
    write_text("build/esp-idf/boot/loader.bin", "x");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_null(env->not_ready);
    assert_file(env, 0, "loader.bin", 0x1000);
    assert_non_null(strstr(env->files[0].path, root));
    assert_file(env, 1, "zephyr.bin", 0x10000);
    kiln_project_free(project);
}

static void zephyr_boards_have_builds_of_their_own(void **state)
{
    static const char runners[] = "flash-runner: uf2\nconfig:\n  elf_file: zephyr.elf\n";

    (void)state;
    zephyr_image("build/one", runners, "CONFIG_SOC=\"stm32f405xx\"\n");
    zephyr_image("build/two", runners, "CONFIG_SOC=\"rp2040\"\n");
    copy_example("stm32f405-v1.elf", "build/one/zephyr/zephyr.elf");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env;

    assert_int_equal(project->environment_count, 2);
    assert_int_equal(kiln_project_choose(project, NULL, &env, NULL), KILN_E_ARG);
    assert_file(environment(project, "build/one"), 0, "zephyr.elf", 0x08000000);
    assert_non_null(strstr(environment(project, "build/two")->not_ready, "west build"));
    kiln_project_free(project);
}

static void klipper_and_arduino(void **state)
{
    (void)state;
    write_text(".config", "CONFIG_FLASH_APPLICATION_ADDRESS=0x8008000\n");
    write_text(
        "out/klipper.dict",
        "{\"version\": \"v1\", \"config\": {\"MCU\": \"stm32f405xx\", \"SERIAL_BAUD\": 250000}}");
    copy_example("stm32f405-offset.bin", "out/klipper.bin");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_string_equal(project->system, "klipper");
    assert_int_equal(env->monitor_speed, 250000);
    assert_file(env, 0, "klipper.bin", 0x08008000);
    kiln_project_free(project);

    copy_example("esp32-app-v1.bin", "build/esp32.esp32.esp32/X.ino.bin");
    copy_example("esp32-partitions.bin", "build/esp32.esp32.esp32/X.ino.partitions.bin");
    copy_example("esp32-bootloader.bin", "build/esp32.esp32.esp32/X.ino.bootloader.bin");
    project = open_project();
    env = environment(project, NULL);
    assert_string_equal(project->system, "arduino");
    assert_string_equal(env->name, "esp32.esp32.esp32");
    assert_file(env, 0, "X.ino.bootloader.bin", 0x1000);
    assert_file(env, env->file_count - 1, "X.ino.bin", 0x10000);
    kiln_project_free(project);
}

/* A table with ota_0 and otadata and no factory partition: 32-byte rows as ESP-IDF's gen_esp32part.py writes. */
static void boot_app0_is_made(void **state)
{
    uint8_t table[0xc00];
    static const uint8_t rows[] = {0xaa, 0x50, 1,   0,   0, 0xe0, 0, 0, 0,    0x20, 0,   0,
                                   'o',  't',  'a', 'd', 0, 0,    0, 0, 0,    0,    0,   0,
                                   0,    0,    0,   0,   0, 0,    0, 0, 0xaa, 0x50, 0,   0x10,
                                   0,    0,    2,   0,   0, 0,    8, 0, 'a',  'p',  'p', '0'};

    (void)state;
    memset(table, 0xff, sizeof table);
    memset(table, 0, 64);
    memcpy(table, rows, sizeof rows);
    write_text("platformio.ini", "[platformio]\npackages_dir = none\n[env:a]\nplatform = "
                                 "espressif32\nframework = arduino\n");
    write_bytes(".pio/build/a/partitions.bin", table, sizeof table);
    copy_example("esp32-app-v1.bin", ".pio/build/a/firmware.bin");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_int_equal(env->file_count, 3);
    assert_file(env, 1, NULL, 0xe000);
    assert_int_equal(env->files[1].size, 0x2000);
    assert_memory_equal(env->files[1].data, "\1\0\0\0\377", 5);
    assert_memory_equal(env->files[1].data + 28, "\x9a\x98\x43\x47\377", 5);
    assert_file(env, 2, "firmware.bin", 0x20000);
    kiln_project_free(project);
}

static void no_project(void **state)
{
    struct kiln_project *project;
    struct kiln_error error;

    (void)state;
    assert_int_equal(kiln_project_open(root, &project, &error), KILN_E_ARG);
    assert_null(project);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(grammar_is_that_of_configparser),
        WITH_ROOT(inheritance_and_references),
        WITH_ROOT(damage_is_told_with_its_line),
        WITH_ROOT(variables_go_before_files),
        WITH_ROOT(platformio_on_esp32),
        WITH_ROOT(platformio_on_stm32),
        WITH_ROOT(esp_idf),
        WITH_ROOT(zephyr_with_sysbuild),
        WITH_ROOT(zephyr_with_two_domains),
        WITH_ROOT(zephyr_builds_may_be_moved),
        WITH_ROOT(zephyr_boards_have_builds_of_their_own),
        WITH_ROOT(klipper_and_arduino),
        WITH_ROOT(boot_app0_is_made),
        WITH_ROOT(no_project),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
