/* SPDX-License-Identifier: MIT */
/* The program of the ELF files here, built by build.sh: constants, code and data in every kind of memory, and an
 * application descriptor as ESP-IDF has it. */
struct descriptor {
    unsigned magic, secure_version, reserved1[2];
    char version[32], project[32], time[16], date[16], idf[32];
    unsigned char sha256[32];
    unsigned short min_efuse, max_efuse;
    unsigned char mmu_page_log2, reserved2[3], reserved3[72];
};

__attribute__((section(".flash.appdesc"), used)) const struct descriptor descriptor = {
    .magic = 0xabcd5432,
    .secure_version = 1,
    .version = "1.2.3",
    .project = "kiln-test",
    .time = "12:00:00",
    .date = "Nov 21 2026",
    .idf = "v5.4",
    .max_efuse = 199,
    .mmu_page_log2 = MMU_PAGE_LOG2,
};

const unsigned table[64] = {1, 2, 3, 4, 5};
static unsigned data[19] = {5, 4, 3, 2};
unsigned bss[64];

__attribute__((constructor, used)) static void construct(void)
{
    bss[3] = table[7];
}

__attribute__((section(".iram1"), noinline)) unsigned fast(unsigned a)
{
    return a * 3 + data[a & 15];
}

__attribute__((noinline)) unsigned slow(unsigned a)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 1000; i++)
        sum += table[(i ^ a) & 63] ^ bss[i & 63];
    return sum;
}

void _start(void)
{
    data[0] = fast(slow(3));
    for (;;)
        ;
}
