/* SPDX-License-Identifier: MIT */
#include "os/usb_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kiln_usb_attribute(const char *path, const char *name, char *text, size_t cap)
{
    char file_name[256];
    FILE *file;

    text[0] = '\0';
    snprintf(file_name, sizeof file_name, "/sys/bus/usb/devices/%s/%s", path, name);
    file = fopen(file_name, "re");
    if (file == NULL)
        return;
    if (fgets(text, (int)cap, file) == NULL)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    fclose(file);
}

static unsigned long number(const char *path, const char *name, int base)
{
    char text[32];

    kiln_usb_attribute(path, name, text, sizeof text);
    return strtoul(text, NULL, base);
}

bool kiln_usb_at(const char *path, struct kiln_usb_place *out_place)
{
    out_place->bus = (uint8_t)number(path, "busnum", 10);
    out_place->address = (uint8_t)number(path, "devnum", 10);
    out_place->vid = (uint16_t)number(path, "idVendor", 16);
    out_place->pid = (uint16_t)number(path, "idProduct", 16);
    return out_place->address != 0;
}
