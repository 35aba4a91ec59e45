/* SPDX-License-Identifier: MIT */
/* Files of other hands: what objcopy, dfu-suffix, dfu-prefix and the ARM compiler write is read right, and
 * what Kiln writes they read. A test whose tool is not installed is skipped. */
#include <kiln/image.h>

#include "base/bytes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MICROBIT "/usr/share/firmware-microbit-micropython/firmware.hex"
#define OBJCOPY  "arm-none-eabi-objcopy"

static char folder[] = "/tmp/kiln-tools-XXXXXX";

extern char **environ;

/* Runs a tool in the folder, silently. Skips the test if it is not there. */
static void tool(const char *const *words)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status, failed;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    failed = posix_spawnp(&pid, words[0], &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0)
        skip();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 127)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TOOL(...) tool((const char *const[]){__VA_ARGS__, NULL})

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static struct kiln_image *loaded(const char *path)
{
    struct kiln_image *image;
    struct kiln_error error;

    if (kiln_image_load(path, NULL, &image, &error) != KILN_OK)
        fail_msg("%s", error.message);
    return image;
}

static void save(const struct kiln_image *image, const char *name, enum kiln_image_type type,
                 uint8_t fill)
{
    struct kiln_image_write_options how = KILN_IMAGE_WRITE_OPTIONS_INIT;
    struct kiln_error error;

    how.type = type;
    how.fill = fill;
    if (kiln_image_save(image, in_folder(name), &how, &error) != KILN_OK)
        fail_msg("%s", error.message);
}

static uint8_t *contents(const char *name, size_t *out_len)
{
    FILE *file = fopen(in_folder(name), "rb");
    uint8_t *bytes = malloc(8u << 20);

    assert_non_null(file);
    assert_non_null(bytes);
    *out_len = fread(bytes, 1, 8u << 20, file);
    fclose(file);
    return bytes;
}

static void same_files(const char *a, const char *b)
{
    size_t la, lb;
    uint8_t *x = contents(a, &la), *y = contents(b, &lb);

    assert_true(la > 0);
    assert_int_equal(la, lb);
    assert_memory_equal(x, y, la);
    free(x);
    free(y);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    fclose(file);
}

/* A program with code in flash, initialised data that is loaded behind it, and a second flash area. */
static void build_elf(void)
{
    write_text("fw.S", ".syntax unified\n.thumb\n.section .vectors,\"a\"\n.word 0x20001000\n"
                       ".word reset+1, reset+1, reset+1\n.space 240\n.text\n.global reset\n"
                       ".thumb_func\nreset: push {lr}\nldr r0,=table\nb reset\n.ltorg\n"
                       ".asciz \"odd\"\n.data\ntable: .word 1,2,3\n.byte 7\n"
                       ".section .config,\"a\"\n.ascii \"settings\"\n");
    write_text("fw.ld", "MEMORY { flash : ORIGIN = 0x08000000, LENGTH = 64K\n"
                        " ram : ORIGIN = 0x20000000, LENGTH = 4K }\nENTRY(reset)\nSECTIONS {\n"
                        " .text : { *(.vectors) *(.text) } > flash\n"
                        " .data : { *(.data) } > ram AT > flash\n"
                        " .config 0x0800f000 : { *(.config) }\n}\n");
    TOOL("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-nostdlib", "-T", "fw.ld", "fw.S",
         "-o", "fw.elf");
}

static void elf_gives_the_bytes_that_objcopy_gives(void **state)
{
    struct kiln_image *image;

    (void)state;
    build_elf();
    TOOL(OBJCOPY, "-O", "binary", "--gap-fill", "0xff", "fw.elf", "theirs.bin");
    image = loaded(in_folder("fw.elf"));
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_ELF);
    assert_int_equal(kiln_image_info(image)->address, 0x08000000);
    save(image, "ours.bin", KILN_IMAGE_UNKNOWN, 0xff);
    same_files("ours.bin", "theirs.bin");
    kiln_image_free(image);
}

/* The linker without -n puts the ELF header into the first segment; it must not be written to flash. */
static void elf_headers_are_no_firmware(void **state)
{
    struct kiln_image *image;

    (void)state;
    build_elf();
    TOOL("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-nostdlib", "-Wl,-Ttext=0x08000100",
         "-Wl,-z,max-page-size=0x100", "fw.S", "-o", "paged.elf");
    TOOL(OBJCOPY, "-O", "binary", "-j", ".text", "paged.elf", "theirs.bin");
    image = loaded(in_folder("paged.elf"));
    for (size_t i = 0; i < kiln_image_segment_count(image); i++)
        assert_memory_not_equal(kiln_image_segment(image, i)->data, "\177ELF", 4);
    kiln_image_free(image);
}

static void objcopy_reads_what_we_write_and_back(void **state)
{
    struct kiln_image *image;

    (void)state;
    build_elf();
    image = loaded(in_folder("fw.elf"));
    save(image, "ours.hex", KILN_IMAGE_IHEX, 0xff);
    TOOL(OBJCOPY, "-O", "ihex", "fw.elf", "theirs.hex");
    same_files("ours.hex", "theirs.hex");
    save(image, "ours.srec", KILN_IMAGE_SREC, 0xff);
    save(image, "ours.bin", KILN_IMAGE_UNKNOWN, 0xff);
    kiln_image_free(image);
    TOOL(OBJCOPY, "-I", "srec", "-O", "binary", "--gap-fill", "0xff", "ours.srec", "theirs.bin");
    same_files("ours.bin", "theirs.bin");
    TOOL(OBJCOPY, "-O", "srec", "fw.elf", "theirs.srec");
    image = loaded(in_folder("theirs.srec"));
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_SREC);
    save(image, "theirs.bin", KILN_IMAGE_UNKNOWN, 0xff);
    same_files("ours.bin", "theirs.bin");
    kiln_image_free(image);
}

static void a_real_hex_file_is_read_as_objcopy_reads_it(void **state)
{
    struct kiln_image *image;

    (void)state;
    if (access(MICROBIT, R_OK) != 0)
        skip();
    image = loaded(MICROBIT);
    assert_int_equal(kiln_image_segment_count(image), 2);
    save(image, "ours.hex", KILN_IMAGE_IHEX, 0xff);
    save(image, "ours.dfu", KILN_IMAGE_DFUSE, 0xff);
    kiln_image_free(image);
    TOOL(OBJCOPY, "-I", "ihex", "-O", "srec", MICROBIT, "theirs.srec");
    TOOL(OBJCOPY, "-I", "ihex", "-O", "srec", "ours.hex", "ours.srec");
    image = loaded(in_folder("theirs.srec"));
    save(image, "theirs.dfu", KILN_IMAGE_DFUSE, 0xff);
    kiln_image_free(image);
    same_files("ours.dfu", "theirs.dfu");
    image = loaded(in_folder("ours.srec"));
    save(image, "theirs.dfu", KILN_IMAGE_DFUSE, 0xff);
    kiln_image_free(image);
    same_files("ours.dfu", "theirs.dfu");
}

/* PlatformIO runs dfu-suffix over firmware.bin: the suffix is no firmware. */
static void a_suffix_of_dfu_suffix_is_taken_off(void **state)
{
    struct kiln_image *image;
    struct kiln_error error;

    (void)state;
    write_text("fw.bin", "some firmware of an odd length");
    TOOL("cp", "fw.bin", "plain.bin");
    TOOL("dfu-suffix", "-v", "0483", "-p", "df11", "-d", "1234", "-a", "fw.bin");
    image = loaded(in_folder("fw.bin"));
    assert_int_equal(kiln_image_info(image)->type, KILN_IMAGE_DFU);
    assert_int_equal(kiln_image_info(image)->vid, 0x0483);
    assert_int_equal(kiln_image_info(image)->pid, 0xdf11);
    assert_int_equal(kiln_image_info(image)->bcd_device, 0x1234);
    assert_non_null(strstr(kiln_image_info(image)->notes, "suffix"));
    save(image, "ours.bin", KILN_IMAGE_UNKNOWN, 0xff);
    same_files("ours.bin", "plain.bin");
    save(image, "ours.dfu", KILN_IMAGE_DFU, 0xff);
    same_files("ours.dfu", "fw.bin"); /* the ids it came with */
    TOOL("dfu-suffix", "-c", "ours.dfu");
    kiln_image_free(image);

    /* One flipped bit: refused. */
    {
        size_t len;
        uint8_t *bytes = contents("fw.bin", &len);

        bytes[3] ^= 4;
        assert_int_equal(kiln_image_parse("fw.bin", bytes, len, NULL, &image, &error), KILN_E_FILE);
        assert_non_null(strstr(error.message, "CRC"));
        free(bytes);
    }
}

static void prefixes_of_dfu_prefix_are_understood(void **state)
{
    struct kiln_image *image;
    size_t len;

    (void)state;
    write_text("lpc.bin", "firmware for an LPC");
    TOOL("cp", "lpc.bin", "plain.bin");
    TOOL("cp", "lpc.bin", "ti.bin");
    TOOL("dfu-prefix", "-L", "-a", "lpc.bin");
    TOOL("dfu-prefix", "-s", "0x4000", "-a", "ti.bin");
    TOOL("dfu-suffix", "-a", "ti.bin");
    image = loaded(in_folder("lpc.bin"));
    assert_int_equal(kiln_image_info(image)->address, KILN_NO_ADDRESS);
    assert_non_null(kiln_image_prefix(image, &len));
    assert_int_equal(len, 16);
    save(image, "ours.bin", KILN_IMAGE_UNKNOWN, 0xff);
    same_files("ours.bin", "plain.bin");
    kiln_image_free(image);
    image = loaded(in_folder("ti.bin"));
    assert_int_equal(kiln_image_info(image)->address, 0x4000);
    assert_int_equal(kiln_image_info(image)->address_source, KILN_ADDRESS_FILE);
    save(image, "ours.bin", KILN_IMAGE_UNKNOWN, 0xff);
    same_files("ours.bin", "plain.bin");
    save(image, "ours.dfu", KILN_IMAGE_DFU, 0xff);
    same_files("ours.dfu", "ti.bin");
    kiln_image_free(image);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char rm[] = "rm", all[] = "-rf";
    char *const words[] = {rm, all, folder, NULL};
    pid_t pid;

    (void)state;
    return posix_spawnp(&pid, "rm", NULL, NULL, words, environ) != 0 ||
           waitpid(pid, NULL, 0) != pid;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf_gives_the_bytes_that_objcopy_gives),
        cmocka_unit_test(elf_headers_are_no_firmware),
        cmocka_unit_test(objcopy_reads_what_we_write_and_back),
        cmocka_unit_test(a_real_hex_file_is_read_as_objcopy_reads_it),
        cmocka_unit_test(a_suffix_of_dfu_suffix_is_taken_off),
        cmocka_unit_test(prefixes_of_dfu_prefix_are_understood),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
