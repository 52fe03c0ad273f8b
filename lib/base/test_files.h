/* SPDX-License-Identifier: ISC */
/* test_files - for tests: paths that fit, and a directory that goes again. */
#ifndef BASE_TEST_FILES_H
#define BASE_TEST_FILES_H

#include <sys/stat.h>

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* snprintf() that must fit. */
static inline void __attribute__((format(printf, 3, 4)))
test_path(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, size, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= size)
		abort();
}

static inline int
test_remove_one(const char *path, const struct stat *st, int type,
    struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* A directory, and all that is in it. */
static inline void
test_remove(const char *dir)
{
	nftw(dir, test_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
