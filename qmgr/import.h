/* SPDX-License-Identifier: ISC */
/* import - the file `imported`: which exported files have been taken in. */
#ifndef QMGR_IMPORT_H
#define QMGR_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define IMPORTED_FILE	"imported"
#define IMPORTED	1000	/* that are remembered; then the oldest goes */
#define IDENTITY_BYTES	16

struct imported {
	uint32_t	 n;
	struct imported_one {
		char	 identity[IDENTITY_BYTES];
		uint64_t ms;		/* when, since 1970 */
	}		 v[IMPORTED];
};

/* Its bytes, little-endian: 8 "CHASQI1\n"   u32 CRC-32C of what follows
 * u32 count, each: 16 identity   u64 time, ms.  False: damaged; *r is empty. */
bool	 imported_unpack(struct slice, struct imported *r);

#endif
