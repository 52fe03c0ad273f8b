/* SPDX-License-Identifier: ISC */
/*
 * tidy - files that nobody will finish: in tmp/ those of deliveries that have
 * died, beside the index our own temporary ones.  36 hours is what Maildir
 * programs agree on.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "box.h"

#define LEFT_OVER_S	(36 * 3600)
#define TIDY_MAX	100000		/* names that are looked at */

static bool
is_ours(const char *name)
{
	static const char *const files[] = { "chasqui.", "dovecot-",
		"subscriptions.", "maildirsize." };
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strncmp(name, files[i], strlen(files[i])) == 0)
			return strstr(name, ".tmp.") != NULL;
	return false;
}

static void
tidy(struct mailbox *mb, const char *sub, bool only_ours)
{
	const struct fs *fs = mb->store->fs;
	DIR *d = fs_list(fs, mb->dir, sub, 0);
	time_t before = time(NULL) - LEFT_OVER_S;
	struct dirent *e;
	struct stat st;
	unsigned n = 0;

	if (d == NULL)
		return;
	while (n++ < TIDY_MAX && (e = readdir(d)) != NULL)
		if ((only_ours ? is_ours(e->d_name) : e->d_name[0] != '.') &&
		    fs->fstatat(dirfd(d), e->d_name, &st) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < before &&
		    st.st_ctime < before)
			fs->unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

void
tidy_mailbox(struct mailbox *mb)
{
	tidy(mb, "tmp", false);
	tidy(mb, ".", true);
}
