/* SPDX-License-Identifier: ISC */
/* test_dir - for tests: a directory to work in, and what is in it. */
#ifndef LOCAL_TEST_DIR_H
#define LOCAL_TEST_DIR_H

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test_files.h"
#include "os/sim_disk.h"

/* A new directory; its path is absolute. */
static inline const char *
test_dir(void)
{
	static char path[PATH_MAX];
	char cwd[PATH_MAX - 32];

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		abort();
	test_path(path, sizeof(path), "%s/local_test.XXXXXX", cwd);
	if (mkdtemp(path) == NULL)
		abort();
	return path;
}

/* How many entries a directory has; the name of the last, and its size. */
struct test_entries {
	int	 n;
	char	 name[NAME_MAX + 1];
	off_t	 size;
};

static inline struct test_entries
test_list(const char *dir, const char *sub)
{
	struct test_entries r = { 0 };
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d;

	test_path(path, sizeof(path), "%s/%s", dir, sub);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		r.n++;
		test_path(r.name, sizeof(r.name), "%s", e->d_name);
		if (fstatat(dirfd(d), e->d_name, &st, 0) == 0)
			r.size = st.st_size;
	}
	if (d != NULL)
		closedir(d);
	return r;
}

#endif
