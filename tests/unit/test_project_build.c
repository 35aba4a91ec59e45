/* SPDX-License-Identifier: MIT */
/*
 * Where what was built goes, and what is said where Kiln does otherwise than the build system. The trees are made on
 * the spot, as the build systems' manuals describe them.
 */
#include "project_folder.h"

#include <kiln/esp.h>

#include <fcntl.h>
#include <time.h>

static const struct partition ota_table[] = {{1, 2, 0x9000, 0x5000, "nvs"},
                                             {1, 0, 0xe000, 0x2000, "otadata"},
                                             {0, 0x10, 0x10000, 0x140000, "app0"},
                                             {0, 0x11, 0x150000, 0x140000, "app1"},
                                             {1, 0x82, 0x290000, 0x160000, "spiffs"}};

static void esp32(const char *more)
{
    char ini[600];

    snprintf(ini, sizeof ini,
             "[platformio]\npackages_dir = none\n[env:a]\nplatform = espressif32\n"
             "framework = arduino\n%s",
             more);
    write_text("platformio.ini", ini);
    write_partitions(".pio/build/a/partitions.bin", ota_table, 5);
    copy_example("esp32-bootloader.bin", ".pio/build/a/bootloader.bin");
    copy_example("esp32-app-v1.bin", ".pio/build/a/firmware.bin");
}

/* ---- ESP32 by PlatformIO ---- */

static void a_file_system_waits_to_be_asked_for(void **state)
{
    (void)state;
    esp32("board_build.filesystem = littlefs\n");
    write_text(".pio/build/a/littlefs.bin", "files");
    write_text(".pio/build/a/spiffs.bin", "older");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);
    const struct kiln_project_file *files = file_called(env, "filesystem");

    assert_null(env->not_ready);
    assert_non_null(files);
    assert_true(files->on_request);
    assert_non_null(strstr(files->path, "littlefs.bin"));
    assert_int_equal(files->address, 0x290000);
    assert_string_equal(files->why, "the partition spiffs");
    assert_false(file_called(env, "application")->on_request);
    kiln_project_free(project);
}

/* FFat begins behind the sector of its wear levelling, in a partition of its type. */
static void fatfs_begins_a_sector_later(void **state)
{
    static const struct partition table[] = {{0, 0x10, 0x10000, 0x140000, "app0"},
                                             {1, 0x81, 0x290000, 0x160000, "ffat"}};

    (void)state;
    esp32("");
    write_partitions(".pio/build/a/partitions.bin", table, 2);
    write_text(".pio/build/a/fatfs.bin", "files");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_int_equal(file_called(env, "filesystem")->address, 0x291000);
    kiln_project_free(project);

    write_partitions(".pio/build/a/partitions.bin", table, 1);
    project = open_project();
    env = environment(project, NULL);
    assert_null(file_called(env, "filesystem"));
    assert_note(env, "fatfs.bin is left out");
    kiln_project_free(project);
}

/* Tables with TinyUF2 keep that loader in the factory partition behind ota_0: Arduino's program does not go there,
 * ESP-IDF's would. */
static void arduino_programs_go_to_0x10000(void **state)
{
    static const struct partition table[] = {{1, 0, 0xe000, 0x2000, "otadata"},
                                             {0, 0x10, 0x10000, 0x160000, "ota_0"},
                                             {0, 0, 0x2d0000, 0x40000, "uf2"}};

    (void)state;
    esp32("");
    write_partitions(".pio/build/a/partitions.bin", table, 3);
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_int_equal(file_called(env, "application")->address, 0x10000);
    assert_int_equal(file_called(env, "otadata")->data[0], 1); /* ota_0 starts */
    kiln_project_free(project);

    write_text("platformio.ini", "[platformio]\npackages_dir = none\n[env:a]\nplatform = "
                                 "espressif32\nframework = espidf\n");
    project = open_project();
    env = environment(project, NULL);
    assert_int_equal(file_called(env, "application")->address, 0x2d0000);
    kiln_project_free(project);

    esp32("board_build.app_partition_name = app1\n");
    project = open_project();
    env = environment(project, NULL);
    assert_int_equal(file_called(env, "application")->address, 0x150000);
    kiln_project_free(project);
    esp32("board_build.app_partition_name = gone\n");
    project = open_project();
    env = environment(project, NULL);
    assert_int_equal(file_called(env, "application")->address, 0x10000);
    assert_note(env, "there is no partition 'gone'");
    kiln_project_free(project);
}

static void older_cores_bring_their_bootloader(void **state)
{
    char path[512];

    (void)state;
    esp32(
        "board_build.mcu = esp32\nboard_build.flash_mode = dio\nboard_build.f_flash = 40000000L\n");
    path_of(path, ".pio/build/a/bootloader.bin");
    assert_int_equal(remove(path), 0);
    struct kiln_project *project = open_project();

    assert_note(environment(project, NULL), "the build left no bootloader");
    kiln_project_free(project);
    copy_example("esp32-bootloader.bin", "none/framework-arduinoespressif32/tools/sdk/bin/"
                                         "bootloader_dio_40m.bin");
    project = open_project();
    assert_string_equal(environment(project, NULL)->notes, "");
    assert_file(environment(project, NULL), 0, "bootloader_dio_40m.bin", 0x1000);
    kiln_project_free(project);
}

static void fresh_metadata_of_platformio_counts_first(void **state)
{
    (void)state;
    esp32("");
    write_text(".pio/build/a/idedata.json",
               "{\"extra\": {\"flash_images\": [{\"offset\": \"0x0\", \"path\": "
               "\"bootloader.bin\"}],\n \"application_offset\": \"0x20000\"}}");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_int_equal(env->file_count, 2);
    assert_file(env, 0, "bootloader.bin", 0);
    assert_file(env, 1, "firmware.bin", 0x20000);
    assert_int_equal(env->files[1].place.line, 2);
    kiln_project_free(project);
}

static void the_esp8266_keeps_files_where_its_linker_script_says(void **state)
{
    char ini[300];

    (void)state;
    snprintf(ini, sizeof ini,
             "[platformio]\npackages_dir = packages\n[env:a]\nplatform = espressif8266\n"
             "board_build.ldscript = eagle.flash.4m1m.ld\n");
    write_text("platformio.ini", ini);
    write_text(".pio/build/a/firmware.bin", "x");
    write_text(".pio/build/a/littlefs.bin", "files");
    struct kiln_project *project = open_project();

    assert_note(environment(project, NULL), "littlefs.bin is left out");
    assert_int_equal(environment(project, NULL)->file_count, 1);
    kiln_project_free(project);

    write_text("packages/framework-arduinoespressif8266/tools/sdk/ld/eagle.flash.4m1m.ld",
               "/* 1 MB */\nPROVIDE ( _FS_start = 0x40500000 );\n");
    project = open_project();
    const struct kiln_project_file *files = file_called(environment(project, NULL), "filesystem");

    assert_non_null(files);
    assert_int_equal(files->address, 0x300000);
    assert_int_equal(files->place.line, 2);
    kiln_project_free(project);
}

/* ---- how it is uploaded ---- */

static void each_protocol_is_explained(void **state)
{
    static const struct {
        const char *option, *words;
    } rows[] = {
        {"upload_protocol = esptool\n", NULL},
        {"upload_protocol = esp-builtin\n", "esp-builtin is a debug probe"},
        {"upload_protocol = espota\n", "goes over the air"},
        {"upload_protocol = mbed\n", ".pio/build/a/firmware.bin there"},
        {"upload_protocol = picotool\n", ".pio/build/a/firmware.uf2 there"},
        {"upload_protocol = nrfutil\n", "pio run -e a -t upload"},
        {"upload_protocol = custom\nupload_command = x\n", "platformio.ini:7) is not run"},
        {"upload_protocol = new-one\n", "'new-one' is not known to Kiln"},
        {"upload_protocol = esptool\nupload_flags = --no-stub\n", "platformio.ini are for esptool"},
    };

    (void)state;
    write_text(".pio/build/a/firmware.uf2", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        esp32(rows[i].option);
        struct kiln_project *project = open_project();
        const struct kiln_project_environment *env = environment(project, NULL);

        assert_null(env->not_ready);
        if (rows[i].words == NULL)
            assert_string_equal(env->notes, "");
        else
            assert_note(env, rows[i].words);
        kiln_project_free(project);
    }
}

static void a_probe_of_an_stm32_is_replaced_by_dfu(void **state)
{
    (void)state;
    write_text("platformio.ini",
               "[env:a]\nboard = x\nboard_build.mcu = stm32f405rgt6\nupload_protocol = stlink\n");
    copy_example("stm32f405-v1.bin", ".pio/build/a/firmware.bin");
    struct kiln_project *project = open_project();

    assert_note(environment(project, NULL), "by USB DFU: BOOT0 high");
    kiln_project_free(project);
    write_text("platformio.ini", "[env:a]\nboard_build.mcu = stm32f405rgt6\n"
                                 "upload_protocol = jlink\nupload_port = jlink\n");
    project = open_project();
    assert_note(environment(project, NULL), "nor its upload_port jlink; ");
    assert_null(environment(project, NULL)->port);
    kiln_project_free(project);
}

/* In /tmp a stranger can have made the folder that Arduino would build in. */
static void a_strangers_build_is_not_taken(void **state)
{
    char name[128], folder[512], program[160], sketch[512];
    uint8_t md5[16];

    (void)state;
    path_of(sketch, "blink");
    kiln_esp_md5((const uint8_t *)sketch, strlen(sketch), md5);
    snprintf(name, sizeof name, "tmp/arduino-sketch-");
    for (size_t i = 0; i < sizeof md5; i++)
        snprintf(name + strlen(name), 3, "%02X", (unsigned)md5[i]);
    path_of(folder, name);
    snprintf(program, sizeof program, "%s/blink.ino.bin", name);
    write_text("blink/blink.ino", "void setup() {}");
    copy_example("esp32-app-v1.bin", program);
    path_of(sketch, "tmp");
    setenv("TMPDIR", sketch, 1);
    setenv("XDG_CACHE_HOME", sketch, 1);
    path_of(sketch, "blink");
    for (int strange = 0; strange < (geteuid() == 0 ? 2 : 1); strange++) {
        struct kiln_project *project;
        struct kiln_error error = {0};

        if (strange != 0)
            assert_int_equal(chown(folder, 4321, 4321), 0);
        assert_int_equal(kiln_project_open(sketch, &project, &error), KILN_OK);
        assert_int_equal(environment(project, NULL)->file_count > 0, strange == 0);
        kiln_project_free(project);
    }
    unsetenv("TMPDIR");
    unsetenv("XDG_CACHE_HOME");
}

static void an_avr_is_refused_by_name(void **state)
{
    (void)state;
    write_text("platformio.ini", "[env:uno]\nboard_build.mcu = atmega328p\n");
    write_text(".pio/build/uno/firmware.hex", ":00000001FF\n");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_non_null(
        strstr(env->not_ready, "atmega328p is an AVR, which Kiln does not flash: pio run"));
    kiln_project_free(project);
    write_text("platformio.ini", "[env:uno]\nplatform = atmelavr@5\nboard = leonardo\n");
    project = open_project();
    env = environment(project, NULL);
    assert_non_null(
        strstr(env->not_ready, "leonardo is an AVR, which Kiln does not flash: pio run"));
    kiln_project_free(project);
}

static void reset_words_are_those_of_kiln(void **state)
{
    (void)state;
    esp32("board_upload.before_reset = no_reset\nboard_upload.after_reset = no-reset\n");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_string_equal(env->before, "no-reset");
    assert_string_equal(env->after, "stay");
    kiln_project_free(project);
    esp32("board_upload.before_reset = usb_reset\nboard_upload.after_reset = strange\n");
    project = open_project();
    env = environment(project, NULL);
    assert_string_equal(env->before, "usb");
    assert_null(env->after);
    kiln_project_free(project);
}

/* ---- stale and unbuilt ---- */

static void set_age(const char *name, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = 1700000000 - seconds}, {.tv_sec = 1700000000 - seconds}};
    char path[512];

    path_of(path, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_newer_source_is_told(void **state)
{
    static const char *const built[] = {"platformio.ini", ".pio/build/a/firmware.bin",
                                        ".pio/build/a/bootloader.bin",
                                        ".pio/build/a/partitions.bin"};

    (void)state;
    esp32("");
    write_text("src/deep/main.cpp", "int x;");
    for (size_t i = 0; i < sizeof built / sizeof built[0]; i++)
        set_age(built[i], 100);
    set_age("src/deep/main.cpp", 200);
    struct kiln_project *project = open_project();

    assert_string_equal(environment(project, NULL)->notes, "");
    kiln_project_free(project);
    set_age("src/deep/main.cpp", 50);
    project = open_project();
    assert_null(environment(project, NULL)->not_ready);
    assert_note(environment(project, NULL), "src/deep/main.cpp is newer than");
    assert_note(environment(project, NULL), "pio run -e a");
    kiln_project_free(project);
}

static void what_is_not_built_says_how(void **state)
{
    static const struct {
        const char *file, *text, *command;
    } rows[] = {
        {"platformio.ini", "[env:a]\n", "pio run -e a"},
        {"CMakeLists.txt", "include($ENV{IDF_PATH}/tools/cmake/project.cmake)\n", "idf.py build"},
        {"CMakeLists.txt", "find_package(Zephyr REQUIRED)\n", "west build"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[512];

        write_text(rows[i].file, rows[i].text);
        struct kiln_project *project = open_project();

        assert_non_null(strstr(environment(project, NULL)->not_ready, rows[i].command));
        kiln_project_free(project);
        path_of(path, rows[i].file);
        assert_int_equal(remove(path), 0);
    }
    write_text("klippy/klippy.py", "");
    write_text("src/Kconfig", "");
    struct kiln_project *project = open_project();

    assert_string_equal(project->system, "klipper");
    assert_non_null(strstr(environment(project, NULL)->not_ready, "make menuconfig"));
    kiln_project_free(project);
}

static void unclear_defaults_leave_the_environments(void **state)
{
    const struct kiln_project_environment *env;
    struct kiln_error error;

    (void)state;
    write_text("platformio.ini", "[platformio]\ndefault_envs = ${gone.x}\n[env:a]\n[env:b]\n");
    struct kiln_project *project = open_project();

    assert_int_equal(project->environment_count, 2);
    assert_non_null(environment(project, "b"));
    assert_int_equal(kiln_project_choose(project, NULL, &env, &error), KILN_E_FILE);
    assert_non_null(strstr(error.message, "default_envs: "));
    assert_non_null(strstr(error.message, "/platformio.ini:2: "));
    kiln_project_free(project);

    /* Several defaults are no choice: never all of them by accident. */
    write_text("platformio.ini", "[platformio]\ndefault_envs = a, b\n[env:a]\n[env:b]\n[env:c]\n");
    project = open_project();
    assert_int_equal(kiln_project_choose(project, NULL, &env, &error), KILN_E_ARG);
    assert_non_null(strstr(error.message, "default_envs names 2 environments"));
    assert_non_null(strstr(error.message, ": a, b"));
    kiln_project_free(project);
}

/* ---- ESP-IDF ---- */

static void idf_settings(void **state)
{
    (void)state;
    write_text(
        "build/flasher_args.json",
        "{ \"flash_files\": {\"0x10000\": \"app.bin\", \"0x200000\": \"storage.bin\"},\n"
        "  \"storage\": {\"offset\": \"0x200000\", \"file\": \"storage.bin\", \"encrypted\": "
        "\"true\"},\n"
        "  \"app\": {\"offset\": \"0x10000\", \"file\": \"app.bin\"},\n"
        "  \"extra_esptool_args\": {\"chip\": \"esp32c3\", \"stub\": false,\n"
        "    \"before\": \"default_reset\", \"after\": \"no_reset\"} }\n");
    write_text("build/app.bin", "x");
    write_text("build/storage.bin", "x");
    setenv("ESPPORT", "/dev/ttyUSB7", 1);
    setenv("ESPBAUD", "230400", 1);
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    unsetenv("ESPPORT");
    unsetenv("ESPBAUD");
    assert_null(env->not_ready);
    assert_null(env->before);
    assert_string_equal(env->after, "stay");
    assert_true(env->no_stub);
    assert_string_equal(env->port, "/dev/ttyUSB7");
    assert_int_equal(env->upload_speed, 230400);
    assert_int_equal(file_called(env, "storage")->address, 0x200000);
    assert_note(env, "storage belongs to an encrypted flash");
    kiln_project_free(project);
}

static void idf_argument_files_name_nothing(void **state)
{
    (void)state;
    write_text("build/flash_project_args",
               "--flash_mode dio --flash_freq 40m --flash_size 2MB\n0x1000 bootloader.bin\n"
               "0x8000 partitions.bin\n\n0xd000\tota_data_initial.bin\n0x10000 app.bin\n");
    copy_example("esp32-bootloader.bin", "build/bootloader.bin");
    copy_example("esp32-partitions.bin", "build/partitions.bin");
    copy_example("esp32-app-v1.bin", "build/app.bin");
    write_text("build/ota_data_initial.bin", "x");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_int_equal(env->file_count, 4);
    assert_int_equal(file_called(env, "bootloader")->address, 0x1000);
    assert_int_equal(file_called(env, "partitions")->address, 0x8000);
    assert_int_equal(file_called(env, "otadata")->address, 0xd000);
    assert_int_equal(file_called(env, "application")->address, 0x10000);
    assert_int_equal(file_called(env, "application")->place.line, 6);
    kiln_project_free(project);
}

/* ---- Arduino ---- */

static void arduino_cores_are_looked_into(void **state)
{
    char options[500];

    (void)state;
    snprintf(options, sizeof options,
             "{\"hardwareFolders\": \"/nowhere,%s/packages\",\n"
             "  \"fqbn\": \"maker:esp32:one:Speed=slow,Mode=x\"}",
             root);
    write_text("build/maker.esp32.one/build.options.json", options);
    write_text("packages/maker/hardware/esp32/2.0.1/boards.txt",
               "menu.Speed=Upload Speed\none.name=One\none.upload.speed=921600\n"
               "one.build.mcu=esp32c3\none.menu.Speed.slow=Slow\n"
               "one.menu.Speed.slow.upload.speed=115200 \n");
    copy_example("esp32-app-v1.bin", "build/maker.esp32.one/S.ino.bin");
    write_text("build/maker.esp32.one/S.ino.merged.bin", "all of it");
    write_text("sketch.yaml", "default_fqbn: maker:esp32:one\ndefault_port: /dev/ttyACM3\n");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_string_equal(project->system, "arduino");
    assert_int_equal(env->upload_speed, 115200);
    assert_int_equal(kiln_project_option(env, "upload_speed")->place.line, 6);
    assert_string_equal(env->board, "maker:esp32:one:Speed=slow,Mode=x");
    assert_string_equal(env->port, "/dev/ttyACM3");
    assert_string_equal(env->chip, "esp32"); /* the image knows better than the board */
    assert_null(file_called(env, "merged"));
    assert_int_equal(env->file_count, 1);
    kiln_project_free(project);
}

static void a_sketch_may_name_its_board(void **state)
{
    const struct kiln_project_environment *env;

    (void)state;
    copy_example("esp32-app-v1.bin", "build/esp32.esp32.one/S.ino.bin");
    copy_example("esp32-app-v1.bin", "build/esp32.esp32.two/S.ino.bin");
    struct kiln_project *project = open_project();

    assert_int_equal(kiln_project_choose(project, NULL, &env, NULL), KILN_E_ARG);
    kiln_project_free(project);
    write_text("sketch.yaml", "default_fqbn: esp32:esp32:two:Speed=x\n");
    project = open_project();
    assert_string_equal(environment(project, NULL)->name, "esp32.esp32.two");
    kiln_project_free(project);
}

static void arduino_on_an_avr(void **state)
{
    (void)state;
    write_text("build/arduino.avr.uno/S.ino.hex", ":0400000001020304F2\n:00000001FF\n");
    write_text("packages/arduino/hardware/avr/1.8.6/boards.txt", "uno.build.mcu=atmega328p\n");
    setenv("ARDUINO_DIRECTORIES_DATA", root, 1);
    struct kiln_project *project = open_project();

    unsetenv("ARDUINO_DIRECTORIES_DATA");
    assert_non_null(strstr(environment(project, NULL)->not_ready,
                           "atmega328p is an AVR, which Kiln does not flash: arduino-cli upload"));
    kiln_project_free(project);
}

/* ---- Klipper ---- */

/* The ELF file of the build knows better than a .config that was changed since. */
static void klipper_is_placed_by_its_elf_file(void **state)
{
    (void)state;
    write_text(".config", "CONFIG_FLASH_APPLICATION_ADDRESS=0x8002000\n");
    write_text("out/klipper.dict", "{\"config\": {\"MCU\": \"stm32f405xx\"}}");
    copy_example("stm32f405-v1.bin", "out/klipper.bin");
    copy_example("stm32f405-v1.elf", "out/klipper.elf");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_file(env, 0, "klipper.bin", 0x08000000);
    assert_string_equal(env->files[0].why, "load address in the ELF file");
    assert_note(env, ".config:1 says 0x08002000, but the program was linked at 0x08000000");
    kiln_project_free(project);
}

/* Of the F103 there are boards of several sizes, and Klipper names the same part for all of them. */
static void klipper_means_the_whole_line(void **state)
{
    (void)state;
    copy_example("stm32f405-v1.bin", "out/klipper.bin");
    write_text("out/klipper.dict", "{\"config\": {\"MCU\": \"stm32f103xe\"}}");
    struct kiln_project *project = open_project();

    assert_true(environment(project, NULL)->chip_is_line);
    kiln_project_free(project);
    write_text("out/klipper.dict", "{\"config\": {\"MCU\": \"stm32f405xx\"}}");
    project = open_project();
    assert_false(environment(project, NULL)->chip_is_line);
    kiln_project_free(project);
}

/* One block of 256 bytes for an RP2040 (family E48BFF56) at the start of its flash. */
static void a_uf2_file_is_for_the_drive(void **state)
{
    static const uint8_t head[] = {0x55, 0x46, 0x32, 0x0a, 0x57, 0x51, 0x5d, 0x9e, 0,    0x20, 0,
                                   0,    0,    0,    0,    0x10, 0,    1,    0,    0,    0,    0,
                                   0,    0,    1,    0,    0,    0,    0x56, 0xff, 0x8b, 0xe4};
    uint8_t block[512] = {0};

    (void)state;
    memcpy(block, head, sizeof head);
    memcpy(block + 508, "\x30\x6f\xb1\x0a", 4);
    write_bytes("out/klipper.uf2", block, sizeof block);
    write_text("out/klipper.dict", "{\"config\": {\"MCU\": \"rp2040\"}}");
    struct kiln_project *project = open_project();
    const struct kiln_project_environment *env = environment(project, NULL);

    assert_file(env, 0, "klipper.uf2", 0x10000000);
    assert_note(env, "uf2 means the drive that the board shows");
    assert_note(env, "out/klipper.uf2 there");
    kiln_project_free(project);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ROOT(a_file_system_waits_to_be_asked_for),
        WITH_ROOT(fatfs_begins_a_sector_later),
        WITH_ROOT(arduino_programs_go_to_0x10000),
        WITH_ROOT(older_cores_bring_their_bootloader),
        WITH_ROOT(fresh_metadata_of_platformio_counts_first),
        WITH_ROOT(the_esp8266_keeps_files_where_its_linker_script_says),
        WITH_ROOT(each_protocol_is_explained),
        WITH_ROOT(a_probe_of_an_stm32_is_replaced_by_dfu),
        WITH_ROOT(a_strangers_build_is_not_taken),
        WITH_ROOT(an_avr_is_refused_by_name),
        WITH_ROOT(reset_words_are_those_of_kiln),
        WITH_ROOT(a_newer_source_is_told),
        WITH_ROOT(what_is_not_built_says_how),
        WITH_ROOT(unclear_defaults_leave_the_environments),
        WITH_ROOT(idf_settings),
        WITH_ROOT(idf_argument_files_name_nothing),
        WITH_ROOT(arduino_cores_are_looked_into),
        WITH_ROOT(a_sketch_may_name_its_board),
        WITH_ROOT(arduino_on_an_avr),
        WITH_ROOT(klipper_is_placed_by_its_elf_file),
        WITH_ROOT(klipper_means_the_whole_line),
        WITH_ROOT(a_uf2_file_is_for_the_drive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
