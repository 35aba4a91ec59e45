/* SPDX-License-Identifier: MIT */
#include "project/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES     ((size_t)16 * 1024)
#define ALIGNMENT       (sizeof(void *) * 2)
#define FIRST_BUCKETS   16
#define NAMES_PER_CHAIN 2

struct kiln_arena_block {
    struct kiln_arena_block *next;
    size_t size, used;
    _Alignas(16) char bytes[];
};

void kiln_arena_init(struct kiln_arena *arena, size_t ceiling)
{
    *arena = (struct kiln_arena){.ceiling = ceiling};
}

void kiln_arena_dispose(struct kiln_arena *arena)
{
    while (arena->blocks != NULL) {
        struct kiln_arena_block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
}

static struct kiln_arena_block *add_block(struct kiln_arena *arena, size_t at_least)
{
    size_t size = at_least > BLOCK_BYTES ? at_least : BLOCK_BYTES;
    struct kiln_arena_block *block = calloc(1, sizeof *block + size);

    if (block == NULL)
        return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *kiln_arena_alloc(struct kiln_arena *arena, size_t size)
{
    struct kiln_arena_block *block = arena->blocks;
    void *result;

    if (arena->failed || size > arena->ceiling - arena->used) {
        arena->failed = true;
        return NULL;
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (block == NULL || block->size - block->used < size)
        block = add_block(arena, size);
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    result = block->bytes + block->used;
    block->used += size;
    arena->used = arena->used + size < arena->ceiling ? arena->used + size : arena->ceiling;
    return result;
}

char *kiln_arena_text(struct kiln_arena *arena, const char *text, size_t len)
{
    char *copy = kiln_arena_alloc(arena, len + 1);

    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

char *kiln_arena_printf(struct kiln_arena *arena, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0)
        text = kiln_arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}

/* FNV-1a. */
static size_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return (size_t)(h ^ h >> 32);
}

static struct kiln_names_entry *find(const struct kiln_names *names, const char *name)
{
    struct kiln_names_entry *entry;

    if (names->bucket_count == 0)
        return NULL;
    entry = names->buckets[hash(name) % names->bucket_count];
    while (entry != NULL && strcmp(entry->name, name) != 0)
        entry = entry->next_in_bucket;
    return entry;
}

void *kiln_names_get(const struct kiln_names *names, const char *name)
{
    struct kiln_names_entry *entry = find(names, name);

    return entry != NULL ? entry->value : NULL;
}

static bool grow(struct kiln_names *names, struct kiln_arena *arena)
{
    size_t count = names->bucket_count == 0 ? FIRST_BUCKETS : names->bucket_count * 4;
    struct kiln_names_entry **buckets = kiln_arena_alloc(arena, count * sizeof(void *));

    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < names->bucket_count; i++) {
        struct kiln_names_entry *entry = names->buckets[i];

        while (entry != NULL) {
            struct kiln_names_entry *next = entry->next_in_bucket;
            size_t to = hash(entry->name) % count;

            entry->next_in_bucket = buckets[to];
            buckets[to] = entry;
            entry = next;
        }
    }
    names->buckets = buckets;
    names->bucket_count = count;
    return true;
}

bool kiln_names_put(struct kiln_names *names, struct kiln_arena *arena, const char *name,
                    void *value)
{
    struct kiln_names_entry *entry = find(names, name);
    size_t bucket;

    if (entry != NULL) {
        entry->value = value;
        return true;
    }
    if (names->count >= names->bucket_count * NAMES_PER_CHAIN && !grow(names, arena))
        return false;
    entry = kiln_arena_alloc(arena, sizeof *entry);
    if (entry == NULL)
        return false;
    bucket = hash(name) % names->bucket_count;
    *entry = (struct kiln_names_entry){names->buckets[bucket], name, value};
    names->buckets[bucket] = entry;
    names->count++;
    return true;
}
