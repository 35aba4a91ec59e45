/* SPDX-License-Identifier: MIT */
/* elfutils' libdwfl reads the files "offline": no process, no debug files fetched from elsewhere. */
#include "monitor/symbols.h"

#include "base/bytes.h"
#include "monitor/symbols_inside.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INLINES_MAX 24 /* deeper ones are not shown */

static int no_debug_file(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                         const char *file, const char *link, GElf_Word crc, char **out_name)
{
    (void)module, (void)user, (void)name, (void)base, (void)file, (void)link, (void)crc;
    *out_name = NULL;
    return -1;
}

static const Dwfl_Callbacks callbacks = {
    .find_debuginfo = no_debug_file,
    .section_address = dwfl_offline_section_address,
};

static void digest_file(const char *path, char text[KILN_SYMBOLS_DIGEST_HEX + 1])
{
    uint8_t bytes[8192], digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    FILE *file = fopen(path, "re");
    unsigned len = 0;
    size_t got;

    text[0] = '\0';
    if (file != NULL && hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1) {
        while ((got = fread(bytes, 1, sizeof bytes, file)) > 0)
            EVP_DigestUpdate(hash, bytes, got);
        EVP_DigestFinal_ex(hash, digest, &len);
    }
    for (unsigned i = 0; i < len && i < KILN_SYMBOLS_DIGEST_HEX / 2; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(hash);
    if (file != NULL)
        fclose(file);
}

static enum kiln_status add_file(struct kiln_symbols *symbols, struct kiln_ctx *ctx,
                                 const char *path)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return kiln_fail(ctx, KILN_E_IO, "cannot read %.200s", path);
    fclose(file);
    if (dwfl_report_offline(symbols->dwfl, path, path, -1) == NULL)
        return kiln_fail(ctx, KILN_E_FILE, "%.200s: %s", path, dwfl_errmsg(-1));
    digest_file(path, symbols->digest[symbols->count++]);
    return KILN_OK;
}

enum kiln_status kiln_symbols_open(struct kiln_ctx *ctx, const char *const *paths, size_t count,
                                   struct kiln_symbols **out_symbols)
{
    struct kiln_symbols *symbols = calloc(1, sizeof *symbols);
    enum kiln_status status = KILN_OK;

    if (symbols != NULL)
        symbols->dwfl = dwfl_begin(&callbacks);
    if (symbols == NULL || symbols->dwfl == NULL) {
        free(symbols);
        return kiln_fail(ctx, KILN_E_NOMEM, "out of memory");
    }
    if (count > KILN_SYMBOLS_FILES_MAX)
        status = kiln_fail(ctx, KILN_E_ARG, "more than %d ELF files are too many",
                           KILN_SYMBOLS_FILES_MAX);
    for (size_t i = 0; status == KILN_OK && i < count; i++)
        status = add_file(symbols, ctx, paths[i]);
    if (status == KILN_OK && dwfl_report_end(symbols->dwfl, NULL, NULL) != 0)
        status = kiln_fail(ctx, KILN_E_FILE, "the ELF files overlap: %s", dwfl_errmsg(-1));
    if (status != KILN_OK)
        kiln_symbols_free(symbols);
    else
        *out_symbols = symbols;
    return status;
}

void kiln_symbols_free(struct kiln_symbols *symbols)
{
    if (symbols == NULL)
        return;
    dwfl_end(symbols->dwfl);
    free(symbols);
}

/* ---- functions and lines ---- */

/* A path from the build machine: the last parts of it are what a person looks for. */
static const char *short_path(const char *path)
{
    const char *at = path + strlen(path);

    for (int slashes = 0; at > path; at--) {
        if (at[-1] == '/' && ++slashes == 3)
            return at;
    }
    return path;
}

static void put_place(struct kiln_buf *out, const char *file, int line)
{
    if (file == NULL)
        (void)!kiln_buf_printf(out, "\n");
    else if (line > 0)
        (void)!kiln_buf_printf(out, " at %s:%d\n", short_path(file), line);
    else
        (void)!kiln_buf_printf(out, " at %s\n", short_path(file));
}

static const char *name_of(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));

    return name != NULL ? name : "?";
}

/* Where the inlined function `die` was called from. */
static void put_call_place(struct kiln_buf *out, Dwarf_Die *unit, Dwarf_Die *die)
{
    Dwarf_Word file = 0, line = 0;
    Dwarf_Attribute attribute;
    Dwarf_Files *files;
    size_t count;
    const char *name = NULL;

    if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &file) == 0 &&
        dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count)
        name = dwarf_filesrc(files, file, NULL, NULL);
    (void)dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &line);
    put_place(out, name, (int)KILN_MIN(line, (Dwarf_Word)INT32_MAX));
}

/* The functions that contain the place, innermost first. False if DWARF knows none. */
static bool put_scopes(struct kiln_buf *out, Dwfl_Module *module, Dwarf_Addr address)
{
    Dwfl_Line *line = dwfl_module_getsrc(module, address);
    int number = 0, count, shown = 0;
    const char *file = line != NULL ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    Dwarf_Addr bias = 0;
    Dwarf_Die *unit = dwfl_module_addrdie(module, address, &bias);
    Dwarf_Die *inner = NULL, *scopes = NULL, *inlined = NULL;

    count = unit != NULL ? dwarf_getscopes(unit, address - bias, &inner) : 0;
    /* Behind an inlined function these are the scopes of its definition; those of the call are wanted. */
    count = count > 0 ? dwarf_getscopes_die(&inner[0], &scopes) : 0;
    for (int i = 0; i < count && shown < INLINES_MAX; i++) {
        int tag = dwarf_tag(&scopes[i]);

        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
            continue;
        (void)!kiln_buf_printf(out, "%s%.120s", shown > 0 ? "inlined into " : "",
                               name_of(&scopes[i]));
        if (inlined == NULL)
            put_place(out, file, number);
        else
            put_call_place(out, unit, inlined);
        shown++;
        inlined = &scopes[i];
        if (tag == DW_TAG_subprogram)
            break;
    }
    free(inner);
    free(scopes);
    return shown > 0;
}

bool kiln_symbols_lookup(const struct kiln_symbols *symbols, uint64_t address, struct kiln_buf *out)
{
    Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, address);
    GElf_Off offset = 0;
    GElf_Sym symbol;
    const char *name;

    if (module == NULL)
        return false;
    if (put_scopes(out, module, address))
        return true;
    name = dwfl_module_addrinfo(module, address, &offset, &symbol, NULL, NULL, NULL);
    if (name == NULL ||
        (GELF_ST_TYPE(symbol.st_info) != STT_FUNC && GELF_ST_TYPE(symbol.st_info) != STT_NOTYPE))
        return false;
    (void)!kiln_buf_printf(out, offset != 0 ? "%.120s+0x%llx\n" : "%.120s\n", name,
                           (unsigned long long)offset);
    return true;
}

/* ---- calls ---- */

#define CALL_MAX 4u

/* The bytes before `address` in an executable section, the last one at the end. */
static bool code_before(Dwfl_Module *module, uint64_t address, uint8_t bytes[CALL_MAX],
                        uint16_t *out_machine)
{
    GElf_Addr bias = 0;
    Elf *elf = dwfl_module_getelf(module, &bias);
    Elf_Scn *section = NULL;
    GElf_Ehdr header;

    if (elf == NULL || gelf_getehdr(elf, &header) == NULL || address < bias + CALL_MAX)
        return false;
    *out_machine = header.e_machine;
    address -= bias;
    if (header.e_machine == EM_ARM)
        address &= ~1ull; /* the Thumb bit */
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr about;
        Elf_Data *data;

        if (gelf_getshdr(section, &about) == NULL || (about.sh_flags & SHF_EXECINSTR) == 0 ||
            about.sh_type == SHT_NOBITS || address < about.sh_addr + CALL_MAX ||
            address - about.sh_addr > about.sh_size)
            continue;
        data = elf_rawdata(section, NULL);
        if (data == NULL || data->d_buf == NULL || address - about.sh_addr > data->d_size)
            return false;
        memcpy(bytes, (const uint8_t *)data->d_buf + (address - about.sh_addr) - CALL_MAX,
               CALL_MAX);
        return true;
    }
    return false;
}

/* CALL0/4/8/12 and CALLX0/4/8/12; Xtensa ISA Reference Manual. */
static bool xtensa_call(const uint8_t *last3)
{
    bool direct = (last3[0] & 0x0f) == 0x05;
    bool by_register = (last3[0] & 0xcf) == 0xc0 && (last3[1] & 0xf0) == 0 && last3[2] == 0;

    return direct || by_register;
}

/* JAL and JALR that keep the place in ra, C.JAL (RV32) and C.JALR; RISC-V unprivileged specification. */
static bool riscv_call(const uint8_t *last4)
{
    uint32_t word = kiln_le32(last4);
    uint16_t half = kiln_le16(last4 + 2);

    return (word & 0xfff) == 0x0ef || (word & 0x7fff) == 0x00e7 || (half & 0xe003) == 0x2001 ||
           ((half & 0xf07f) == 0x9002 && (half & 0x0f80) != 0);
}

/* BL and BLX register; ARMv7-M Architecture Reference Manual. */
static bool thumb_call(const uint8_t *last4)
{
    uint16_t first = kiln_le16(last4), second = kiln_le16(last4 + 2);

    return ((first & 0xf800) == 0xf000 && (second & 0xd000) == 0xd000) ||
           (second & 0xff87) == 0x4780;
}

bool kiln_symbols_is_return(const struct kiln_symbols *symbols, uint64_t address)
{
    Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, address);
    uint8_t bytes[CALL_MAX];
    uint16_t machine;

    if (module != NULL && code_before(module, address, bytes, &machine)) {
        if (machine == EM_XTENSA)
            return xtensa_call(bytes + 1);
        if (machine == EM_RISCV)
            return (address & 1) == 0 && riscv_call(bytes);
        if (machine == EM_ARM)
            return (address & 1) == 1 && thumb_call(bytes);
    }
    return false;
}

bool kiln_symbols_has_digest(const struct kiln_symbols *symbols, const char *digits, size_t len)
{
    for (size_t i = 0; i < symbols->count; i++)
        if (len <= KILN_SYMBOLS_DIGEST_HEX && strncmp(symbols->digest[i], digits, len) == 0)
            return true;
    return false;
}

/* ---- for the crash decoder ---- */

static bool look_up(void *user, uint64_t address, struct kiln_buf *out)
{
    return kiln_symbols_lookup(user, address, out);
}

static bool is_return(void *user, uint64_t address)
{
    return kiln_symbols_is_return(user, address);
}

static bool has_digest(void *user, const char *digits, size_t len)
{
    return kiln_symbols_has_digest(user, digits, len);
}

static size_t unwind(void *user, struct kiln_unwind *state, uint32_t *pcs, size_t cap)
{
    return kiln_symbols_unwind(user, state, pcs, cap);
}

struct kiln_symbolizer kiln_symbols_symbolizer(struct kiln_symbols *symbols)
{
    return (struct kiln_symbolizer){look_up, is_return, has_digest, unwind, symbols};
}
