/* SPDX-License-Identifier: MIT */
/*
 * ELF. The loadable segments with file contents, at their physical (load) address, cut to what their
 * sections cover: GNU ld may put the ELF headers themselves into the first segment, and those are no firmware.
 */
#include "image/format.h"

#include "base/bytes.h"

#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <string.h>

#define LOAD_MAX    4096
#define SECTION_MAX 65536

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {{EM_ARM, "ARM"},       {EM_RISCV, "RISC-V"},    {EM_XTENSA, "Xtensa"},
                {EM_AVR, "AVR"},       {EM_AARCH64, "AArch64"}, {EM_MIPS, "MIPS"},
                {EM_MSP430, "MSP430"}, {EM_386, "x86"},         {EM_X86_64, "x86-64"},
                {EM_PPC, "PowerPC"},   {EM_TRICORE, "TriCore"}};

static const char *machine_name(uint16_t machine)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(machines); i++) {
        if (machines[i].machine == machine)
            return machines[i].name;
    }
    return NULL;
}

static bool recognise(const uint8_t *bytes, size_t len)
{
    return len >= 4 && memcmp(bytes, "\177ELF", 4) == 0;
}

/* The part [from, to) of the file range [start, end) that allocated sections with contents cover; the whole
 * range if there is no section at all. */
static void clip_to_sections(Elf *elf, uint64_t start, uint64_t end, uint64_t *out_from,
                             uint64_t *out_to)
{
    Elf_Scn *scn = NULL;
    unsigned seen = 0;

    *out_from = end;
    *out_to = start;
    while ((scn = elf_nextscn(elf, scn)) != NULL && seen < SECTION_MAX) {
        GElf_Shdr section;

        seen++;
        if (gelf_getshdr(scn, &section) == NULL || (section.sh_flags & SHF_ALLOC) == 0 ||
            section.sh_type == SHT_NOBITS || section.sh_size == 0)
            continue;
        if (section.sh_offset < start || section.sh_offset >= end ||
            section.sh_size > end - section.sh_offset)
            continue;
        *out_from = KILN_MIN(*out_from, section.sh_offset);
        *out_to = KILN_MAX(*out_to, section.sh_offset + section.sh_size);
    }
    if (seen == 0) {
        *out_from = start;
        *out_to = end;
    }
}

static enum kiln_status add_load(struct kiln_image *image, struct kiln_ctx *ctx,
                                 const struct kiln_image_input *in, Elf *elf, const GElf_Phdr *load,
                                 size_t index)
{
    uint64_t from, to;

    if (load->p_offset > in->len || load->p_filesz > in->len - load->p_offset)
        return kiln_image_bad(ctx, in->len,
                              "segment %zu needs bytes 0x%" PRIx64 " to 0x%" PRIx64
                              ", but the file ends at 0x%zx: it is cut short",
                              index, (uint64_t)load->p_offset,
                              (uint64_t)load->p_offset + load->p_filesz, in->len);
    clip_to_sections(elf, load->p_offset, load->p_offset + load->p_filesz, &from, &to);
    if (from >= to)
        return KILN_OK;
    return kiln_image_add_view(image, ctx, 0, load->p_paddr + (from - load->p_offset),
                               in->origin + (size_t)from, (size_t)(to - from));
}

static enum kiln_status add_loads(struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_input *in, Elf *elf)
{
    size_t count;

    if (elf_getphdrnum(elf, &count) != 0)
        return kiln_image_bad(ctx, 0, "ELF program headers are damaged: %s", elf_errmsg(-1));
    if (count > LOAD_MAX)
        return kiln_image_bad(ctx, 0, "%zu ELF program headers are too many", count);
    if (count == 0)
        return kiln_image_bad(
            ctx, 0, "is an ELF file without program headers: an object file, not a linked program");
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;

        if (gelf_getphdr(elf, (int)i, &header) == NULL)
            return kiln_image_bad(ctx, 0, "ELF program header %zu is damaged or cut off", i);
        if (header.p_type == PT_LOAD && header.p_filesz > 0)
            KILN_TRY(add_load(image, ctx, in, elf, &header, i));
    }
    return KILN_OK;
}

static enum kiln_status load_open(struct kiln_image *image, struct kiln_ctx *ctx,
                                  const struct kiln_image_input *in, Elf *elf)
{
    GElf_Ehdr header;
    const char *name;

    if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL)
        return kiln_image_bad(ctx, 0, "the ELF header is damaged or cut off");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return kiln_image_bad(ctx, 16, "is an ELF %s, not a linked program",
                              header.e_type == ET_REL    ? "object file"
                              : header.e_type == ET_CORE ? "core dump"
                                                         : "file of unknown type");
    KILN_TRY(add_loads(image, ctx, in, elf));
    name = machine_name(header.e_machine);
    image->info.elf_machine = header.e_machine;
    image->info.entry = header.e_entry;
    if (name != NULL)
        kiln_image_why(image, "ELF header, machine %s, %s", name,
                       gelf_getclass(elf) == ELFCLASS32 ? "32-bit" : "64-bit");
    else
        kiln_image_why(image, "ELF header, machine %u", header.e_machine);
    return KILN_OK;
}

static enum kiln_status load(struct kiln_image *image, struct kiln_ctx *ctx,
                             const struct kiln_image_input *in)
{
    Elf *elf;
    enum kiln_status status;

    image->info.address_source = KILN_ADDRESS_FILE;
    if (elf_version(EV_CURRENT) == EV_NONE)
        return kiln_fail(ctx, KILN_E_INTERNAL, "libelf is older than its header");
    /* libelf takes a pointer it may write through; the bytes are the image's own copy. */
    elf = elf_memory((char *)image->file.data + in->origin, in->len);
    status = load_open(image, ctx, in, elf);
    elf_end(elf);
    return status;
}

const struct kiln_image_format kiln_image_format_elf = {
    .name = "ELF", .type = KILN_IMAGE_ELF, .recognise = recognise, .load = load};
