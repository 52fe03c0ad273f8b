/* SPDX-License-Identifier: ISC */
/* json - what tools print for programs (RFC 8259). */
#ifndef IPC_JSON_H
#define IPC_JSON_H

#include "base/slice.h"

/* On stdout: "key":"text", escaped; bytes that are no UTF-8 as U+FFFD. */
void	 json_text(const char *key, struct slice);
void	 json_string(struct slice);	/* without a key, for arrays */

#endif
