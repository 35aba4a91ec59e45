/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target once over every file of the folders and files given: the seed corpus as a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size;

    if (file == NULL) {
        perror(path);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    if (size >= 0 && (bytes = malloc(size > 0 ? (size_t)size : 1)) != NULL &&
        fread(bytes, 1, (size_t)size, file) == (size_t)size)
        LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    fclose(file);
    return 0;
}

static int run_path(const char *path, unsigned *count)
{
    struct stat info;
    struct dirent *entry;
    DIR *dir;
    int bad = 0;

    if (stat(path, &info) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(info.st_mode)) {
        ++*count;
        return run_file(path);
    }
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char child[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        bad |= run_path(child, count);
    }
    if (dir != NULL)
        closedir(dir);
    return bad;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int bad = 0;

    for (int i = 1; i < argc; i++)
        bad |= run_path(argv[i], &count);
    printf("%u inputs\n", count);
    return bad || count == 0;
}
