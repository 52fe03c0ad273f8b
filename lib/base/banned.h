/* SPDX-License-Identifier: ISC */
/* banned - functions that have no place here; included by the compiler's
 * command line after config.h, so no file can forget it. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/* The headers that declare them come first, or poisoning breaks them. */
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef alloca
#undef sprintf
#undef strncpy
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok atoi \
    atol atoll gets alloca

#endif
