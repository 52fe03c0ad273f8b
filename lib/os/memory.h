/* SPDX-License-Identifier: ISC */
/*
 * memory - files without a name, which processes share by descriptor.
 *
 * A name is for who looks into /proc.  Descriptors are closed by execve(); -1
 * with errno.
 */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include <stddef.h>

#include "base/slice.h"

/* A text that nobody can change. */
int	 memory_of_text(const char *name, struct slice);
/* n zeroes, for all who map them; nobody can make them fewer, which would be
 * the end of who reads there. */
int	 memory_shared(const char *name, size_t n);
/* Who maps it from now on can only read. */
int	 memory_close_to_writers(int fd);
/* The same memory by a descriptor that can only be read from. */
int	 memory_reader(int fd);

#endif
