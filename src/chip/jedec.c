/* SPDX-License-Identifier: MIT */
/* Makers of SPI NOR flash. Source: JEDEC JEP106 bank 1, as the makers' datasheets print it under RDID (9Fh). XMC uses
 * Micron's number. */
#include "chip/jedec.h"

#include <stddef.h>

static const struct {
    unsigned id;
    const char *name;
} makers[] = {
    {0x01, "Infineon"},      {0x0b, "XTX"},
    {0x1c, "EON"},           {0x1f, "Renesas (Adesto)"},
    {0x20, "Micron or XMC"}, {0x68, "Boya"},
    {0x85, "Puya"},          {0x9d, "ISSI"},
    {0xa1, "Fudan"},         {0xbf, "Microchip (SST)"},
    {0xc2, "Macronix"},      {0xc8, "GigaDevice"},
    {0xef, "Winbond"},
};

const char *kiln_jedec_maker(unsigned manufacturer)
{
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
        if (makers[i].id == manufacturer)
            return makers[i].name;
    return NULL;
}
