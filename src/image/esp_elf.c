/* SPDX-License-Identifier: MIT */
/* The parts of an ELF file that go into an ESP image. Source: System V ABI, ELF-32. */
#include "image/esp_build.h"

#include "base/bytes.h"

#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTIONS_MAX 65536u

static enum kiln_status bad(struct kiln_esp_builder *b, const char *what)
{
    return kiln_fail(b->ctx, KILN_E_FILE, "%s: %s", what, elf_errmsg(-1));
}

static enum kiln_status add_piece(struct kiln_esp_builder *b, const char *name, uint64_t address,
                                  uint64_t offset, uint64_t size, uint64_t align)
{
    struct kiln_esp_piece *grown;

    if (offset > b->elf_len || size > b->elf_len - offset)
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "the ELF file's %s needs bytes 0x%" PRIx64 " to 0x%" PRIx64
                         ", but the file ends at 0x%zx: it is cut short",
                         name, offset, offset + size, b->elf_len);
    if (b->section_count % 64 == 0) {
        grown = realloc(b->sections, (b->section_count + 64) * sizeof *grown);
        if (grown == NULL)
            return kiln_fail(b->ctx, KILN_E_NOMEM, "out of memory");
        b->sections = grown;
    }
    b->sections[b->section_count] = (struct kiln_esp_piece){.name = name,
                                                            .data = b->elf + offset,
                                                            .len = (size_t)size,
                                                            .address = (uint32_t)address,
                                                            .align = (uint32_t)align,
                                                            .order = (uint32_t)b->section_count};
    b->section_count++;
    return KILN_OK;
}

static enum kiln_status add_section(struct kiln_esp_builder *b, Elf *elf, size_t names,
                                    const GElf_Shdr *header)
{
    const char *name;

    if (header->sh_addr == 0 || header->sh_size == 0)
        return KILN_OK;
    switch (header->sh_type) {
    case SHT_PROGBITS:
    case SHT_INIT_ARRAY:
    case SHT_FINI_ARRAY:
    case SHT_PREINIT_ARRAY:
        break;
    case SHT_NOBITS:
    case SHT_STRTAB:
        return KILN_OK;
    default:
        kiln_esp_say(&b->options->listener, KILN_ESP_SAY_WARNING,
                     "Unknown section type 0x%02" PRIx32 " in ELF file", header->sh_type);
        return KILN_OK;
    }
    name = elf_strptr(elf, names, header->sh_name);
    if (name == NULL)
        return bad(b, "the name of an ELF section cannot be read");
    return add_piece(b, name, header->sh_addr, header->sh_offset, header->sh_size,
                     header->sh_addralign);
}

static enum kiln_status add_sections(struct kiln_esp_builder *b, Elf *elf)
{
    size_t count, names;
    Elf_Scn *scn = NULL;

    if (elf_getshdrnum(elf, &count) != 0 || elf_getshdrstrndx(elf, &names) != 0)
        return bad(b, "the ELF file's section headers are damaged");
    if (count == 0 || count > SECTIONS_MAX)
        return kiln_fail(b->ctx, KILN_E_FILE, "the ELF file has %zu section headers", count);
    while ((scn = elf_nextscn(elf, scn)) != NULL) {
        GElf_Shdr header;

        if (gelf_getshdr(scn, &header) == NULL)
            return bad(b, "an ELF section header is damaged");
        KILN_TRY(add_section(b, elf, names, &header));
    }
    return KILN_OK;
}

static enum kiln_status add_segments(struct kiln_esp_builder *b, Elf *elf)
{
    size_t count;

    if (elf_getphdrnum(elf, &count) != 0 || count > SECTIONS_MAX)
        return bad(b, "the ELF file's program headers are damaged");
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;

        if (gelf_getphdr(elf, (int)i, &header) == NULL)
            return bad(b, "an ELF program header is damaged");
        if (header.p_type == PT_LOAD && header.p_paddr != 0 && header.p_filesz > 0)
            KILN_TRY(add_piece(b, "PHDR", header.p_paddr, header.p_offset, header.p_filesz,
                               header.p_align));
    }
    if (b->section_count == 0)
        return kiln_fail(b->ctx, KILN_E_FILE, "the ELF file has no program header to load");
    return KILN_OK;
}

/* The page size is told by the descriptor's section, also when the image goes by program headers. */
static enum kiln_status find_page(struct kiln_esp_builder *b);

static enum kiln_status read_open(struct kiln_esp_builder *b, Elf *elf)
{
    GElf_Ehdr header;

    if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL)
        return kiln_fail(b->ctx, KILN_E_FILE, "its ELF header is damaged or cut off");
    if (header.e_ident[EI_CLASS] != ELFCLASS32 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        (header.e_machine != EM_XTENSA && header.e_machine != EM_RISCV))
        return kiln_fail(b->ctx, KILN_E_FILE,
                         "does not appear to be an Xtensa or RISC-V ELF file for 32 bits "
                         "(e_machine = 0x%04x)",
                         header.e_machine);
    if (b->options->own_machine && header.e_machine != b->chip->elf_machine)
        return kiln_fail(b->ctx, KILN_E_FILE, "is for %s, which %s does not have",
                         header.e_machine == EM_XTENSA ? "an Xtensa processor"
                                                       : "a RISC-V processor",
                         b->chip->title);
    b->entry = (uint32_t)header.e_entry;
    KILN_TRY(add_sections(b, elf));
    KILN_TRY(find_page(b));
    if (!b->options->use_segments)
        return KILN_OK;
    b->section_count = 0;
    return add_segments(b, elf);
}

enum kiln_status kiln_esp_read_elf(struct kiln_esp_builder *b)
{
    Elf *elf;
    enum kiln_status status;

    if (b->elf_len < 4 || memcmp(b->elf, "\177ELF", 4) != 0)
        return kiln_fail(b->ctx, KILN_E_FILE, "has invalid ELF magic header: it is no ELF file");
    if (elf_version(EV_CURRENT) == EV_NONE)
        return kiln_fail(b->ctx, KILN_E_INTERNAL, "libelf is older than its header");
    /* libelf takes a pointer it could write through, but does so only for elf_update(). */
    elf = elf_memory((char *)b->elf, b->elf_len);
    status = read_open(b, elf);
    elf_end(elf);
    return status;
}

/* ---- the page of the flash mapping ---- */

static bool selectable(const struct kiln_esp_facts *facts, uint32_t page)
{
    for (size_t i = 0; i < KILN_ARRAY_LEN(facts->mmu_page_kb) && facts->mmu_page_kb[i] != 0; i++)
        if (facts->mmu_page_kb[i] * 1024u == page)
            return true;
    return false;
}

static enum kiln_status set_page(struct kiln_esp_builder *b, uint32_t page)
{
    const struct kiln_esp_facts *facts = b->chip->esp;
    char list[64] = "";
    size_t len = 0;

    if (facts->mmu_page_kb[1] == 0) {
        if (page != b->page)
            kiln_esp_say(&b->options->listener, KILN_ESP_SAY_WARNING,
                         "Changing MMU page size is not supported on %s! Defaulting to %" PRIu32
                         "KB.",
                         b->chip->title, b->page / 1024);
        return KILN_OK;
    }
    if (selectable(facts, page)) {
        b->page = page;
        return KILN_OK;
    }
    for (size_t i = 0; i < KILN_ARRAY_LEN(facts->mmu_page_kb) && facts->mmu_page_kb[i] != 0; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%uKB", len > 0 ? ", " : "",
                                facts->mmu_page_kb[i]);
    return kiln_fail(b->ctx, KILN_E_ARG,
                     "%" PRIu32 " bytes is not a valid %s page size, select from %s", page,
                     b->chip->title, list);
}

/* Without a word of it, the largest page that the descriptor's place behind both headers fits. */
static enum kiln_status guess_page(struct kiln_esp_builder *b, uint32_t address)
{
    const struct kiln_esp_facts *facts = b->chip->esp;
    uint32_t best = 0;

    for (size_t i = 0; i < KILN_ARRAY_LEN(facts->mmu_page_kb) && facts->mmu_page_kb[i] != 0; i++)
        if ((address - 32) % (facts->mmu_page_kb[i] * 1024u) == 0)
            best = KILN_MAX(best, facts->mmu_page_kb[i] * 1024u);
    if (best == 0) {
        kiln_esp_say(&b->options->listener, KILN_ESP_SAY_WARNING,
                     "App description segment is not aligned to MMU page size, probably linker "
                     "script issue or wrong MMU page size. Try to set MMU page size parameter "
                     "manually.");
        return KILN_OK;
    }
    b->page = best;
    kiln_esp_say(&b->options->listener, KILN_ESP_SAY_INFO,
                 "MMU page size not specified, set to %" PRIu32 " KB", best / 1024);
    return KILN_OK;
}

static enum kiln_status find_page(struct kiln_esp_builder *b)
{
    const struct kiln_esp_piece *found = NULL;
    unsigned log2;

    if (b->options->mmu_page_size != 0)
        return set_page(b, b->options->mmu_page_size);
    for (size_t i = 0; i < b->section_count && found == NULL; i++)
        if (strstr(b->sections[i].name, ".flash.appdesc") != NULL)
            found = &b->sections[i];
    if (found == NULL || b->chip->esp->mmu_page_kb[1] == 0 ||
        !kiln_esp_is_flash(b->chip, found->address) || found->len < 256 ||
        kiln_le32(found->data) != 0xabcd5432)
        return KILN_OK;
    log2 = found->data[0xb4];
    if (log2 == 0)
        return guess_page(b, found->address);
    return set_page(b, log2 < 32 ? (uint32_t)1 << log2 : 0);
}
