/* SPDX-License-Identifier: ISC */
/* when - points in time that an operator types. */
#ifndef TOOLS_WHEN_H
#define TOOLS_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* A duration (30m, 2h, 3d) is that long before now; or a local date with or
 * without a time: 2026-11-27, 2026-11-27T20:41, 2026-11-27T20:41:34, a blank
 * for the T.  Microseconds since 1970. */
bool	 when_parse(const char *text, int64_t *us_r);

#endif
