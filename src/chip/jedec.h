/* SPDX-License-Identifier: MIT */
#ifndef KILN_CHIP_JEDEC_H
#define KILN_CHIP_JEDEC_H

/* Who makes flash chips whose RDID answer begins with this byte; NULL if not known. */
const char *kiln_jedec_maker(unsigned manufacturer);

#endif
