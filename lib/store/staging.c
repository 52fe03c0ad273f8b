/* SPDX-License-Identifier: ISC */
/* staging - see staging.h. */
#include <sys/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "staging.h"

#define AGAIN_MS	10000		/* after it could not be made */
#define NAME_TRIES	3

struct staging {
	const struct fs	*fs;
	char		*root;		/* owned */
	int		 parent;	/* owned: .staging; -1: not open */
	int		 own;		/* owned, locked */
	char		 name[17];	/* of own */
	int		 dirs[STAGING_DIRS]; /* owned, -1: not made yet */
	unsigned	 at;		/* the one in use */
	dev_t		 dev;
	int64_t		 again_ms;	/* monotonic: not before */
	/* Of one that begins late: */
	bool		 spreads;	/* true, also later */
	bool		 late;		/* files are made elsewhere */
	bool		 unproven;	/* begun, and not judged yet */
	bool		 in_vain;	/* judged: it is to end */
	unsigned	 first;		/* files by which either is judged */
	int64_t		 elsewhere_us;	/* what the quickest took there */
	/* Of the window under way: */
	unsigned	 made;
	int64_t		 quickest_us;
	/* Windows until the next try, and after that one. */
	unsigned	 wait;
	unsigned	 patience;
};

static void	 prove(struct staging *);
static int	 open_all(struct staging *);
static void	 close_all(struct staging *);
static int	 make_own(struct staging *);
static int	 use_dir(struct staging *, unsigned i);
static void	 remove_dead(struct staging *);
static void	 remove_own(struct staging *, const char *name, int own);

struct staging *
staging_new(const struct fs *fs, const char *root, bool late)
{
	struct staging *s = mem_alloc(sizeof(*s));
	size_t i;

	s->fs = fs;
	s->root = mem_strdup(root);
	s->late = s->spreads = late;
	s->first = STAGING_FIRST;
	s->parent = s->own = -1;
	for (i = 0; i < STAGING_DIRS; i++)
		s->dirs[i] = -1;
	return s;
}

void
staging_free(struct staging **sp)
{
	struct staging *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	close_all(s);
	free(s->root);
	free(s);
}

const char *
staging_root(const struct staging *s)
{
	return s->root;
}

int
staging_dir(struct staging *s, dev_t dev)
{
	if (s->in_vain) {
		close_all(s);
		s->in_vain = false;
		s->late = true;
	}
	if (s->own == -1) {
		if (s->late || clock_mono_ms() < s->again_ms)
			return -1;
		if (open_all(s) == -1) {
			s->again_ms = s->spreads ? INT64_MAX :
			    clock_mono_ms() + AGAIN_MS;
			return -1;
		}
	}
	return dev == s->dev ? s->dirs[s->at] : -1;
}

/* Whether that was the last file of a window of n. */
static bool
ends_window(struct staging *s, int64_t us, unsigned n)
{
	if (s->made++ == 0 || us < s->quickest_us)
		s->quickest_us = us;
	if (s->made < n)
		return false;
	s->made = 0;
	return true;
}

void
staging_took(struct staging *s, int64_t us)
{
	if (us < 0) {
		close_all(s);
		s->again_ms = clock_mono_ms() + AGAIN_MS;
		return;
	}
	if (!ends_window(s, us, s->unproven ? s->first : STAGING_WINDOW))
		return;
	if (s->unproven) {
		prove(s);
		return;
	}
	if (s->quickest_us <= STAGING_SLOW_US) {
		s->wait = s->patience = 0;
		return;
	}
	if (s->wait > 0) {
		s->wait--;
		return;
	}
	/* Where all are slow it is not the place. */
	s->patience = s->patience * 2 + 1;
	if (s->patience > STAGING_PATIENCE)
		s->patience = STAGING_PATIENCE;
	s->wait = s->patience;
	(void)!use_dir(s, (s->at + 1) % STAGING_DIRS);
}

void
staging_elsewhere_took(struct staging *s, int64_t us)
{
	if (!s->late || !ends_window(s, us, s->first))
		return;
	s->late = s->quickest_us <= STAGING_SLOW_US;
	s->unproven = !s->late;
	s->elsewhere_us = s->quickest_us;
}

/* Where it helps it takes half of the time; if not, the next try needs more
 * files. */
static void
prove(struct staging *s)
{
	s->unproven = false;
	s->in_vain = s->quickest_us > s->elsewhere_us / 2;
	if (s->in_vain && s->first < STAGING_FIRST_MOST)
		s->first *= 8;
}

/* ---- the directories ---------------------------------------------------- */

static int
open_all(struct staging *s)
{
	struct stat st;
	int error, root = fs_open_dir(s->fs, AT_FDCWD, s->root);

	if (root == -1)
		return -1;
	if (s->fs->mkdirat(root, STAGING_NAME, 0700) == 0 || errno == EEXIST)
		s->parent = fs_open(s->fs, root, STAGING_NAME,
		    O_RDONLY | O_DIRECTORY, 0);
	fs_close(s->fs, root);
	if (s->parent == -1)
		return -1;
	remove_dead(s);
	if (fstat(s->parent, &st) == -1 || make_own(s) == -1)
		goto fail;
	s->dev = st.st_dev;
	if (!fs_spread(s->own) && s->spreads)
		goto fail;
	if (use_dir(s, 0) == -1)
		goto fail;
	return 0;
fail:
	error = errno;
	close_all(s);
	errno = error;
	return -1;
}

static void
close_all(struct staging *s)
{
	size_t i;

	for (i = 0; i < STAGING_DIRS; i++) {
		fs_close(s->fs, s->dirs[i]);
		s->dirs[i] = -1;
	}
	if (s->own != -1)
		remove_own(s, s->name, s->own);
	fs_close(s->fs, s->own);
	fs_close(s->fs, s->parent);
	s->own = s->parent = -1;
	s->made = s->wait = s->patience = 0;
}

/* Another process may find it before it is locked, and remove it. */
static int
make_own(struct staging *s)
{
	struct stat mine, there;
	uint64_t number;
	unsigned i;

	for (i = 0; i < NAME_TRIES; i++) {
		arc4random_buf(&number, sizeof(number));
		snprintf(s->name, sizeof(s->name), "%016llx",
		    (unsigned long long)number);
		if (s->fs->mkdirat(s->parent, s->name, 0700) == -1)
			return -1;
		s->own = fs_open(s->fs, s->parent, s->name,
		    O_RDONLY | O_DIRECTORY, 0);
		if (s->own == -1)
			continue;
		if (flock(s->own, LOCK_EX | LOCK_NB) == 0 &&
		    fstat(s->own, &mine) == 0 &&
		    fstatat(s->parent, s->name, &there,
		    AT_SYMLINK_NOFOLLOW) == 0 && mine.st_ino == there.st_ino)
			return 0;
		fs_close(s->fs, s->own);
		s->own = -1;
	}
	errno = EAGAIN;
	return -1;
}

static int
use_dir(struct staging *s, unsigned i)
{
	char name[32];

	if (s->dirs[i] == -1) {
		/* Where it lies follows from a sum of the name. */
		snprintf(name, sizeof(name), "%u-%s", i, s->name);
		if (s->fs->mkdirat(s->own, name, 0700) == -1 &&
		    errno != EEXIST)
			return -1;
		s->dirs[i] = fs_open_dir(s->fs, s->own, name);
	}
	if (s->dirs[i] == -1)
		return -1;
	s->at = i;
	return 0;
}

/* ---- what others have left ---------------------------------------------- */

static void
remove_dead(struct staging *s)
{
	DIR *d = fs_list(s->fs, s->parent, ".", 0);
	struct dirent *e;
	int fd;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fd = fs_open(s->fs, s->parent, e->d_name,
		    O_RDONLY | O_DIRECTORY, 0);
		if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_own(s, e->d_name, fd);
		fs_close(s->fs, fd);
	}
	if (d != NULL)
		closedir(d);
}

static void
remove_files(struct staging *s, int dir)
{
	DIR *d = fs_list(s->fs, dir, ".", 0);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			(void)!s->fs->unlinkat(dir, e->d_name, 0);
	if (d != NULL)
		closedir(d);
}

/* A process's own, with all in it.  What cannot be removed stays: nobody looks
 * there. */
static void
remove_own(struct staging *s, const char *name, int own)
{
	DIR *d = fs_list(s->fs, own, ".", 0);
	struct dirent *e;
	int fd;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fd = fs_open(s->fs, own, e->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (fd != -1)
			remove_files(s, fd);
		fs_close(s->fs, fd);
		(void)!s->fs->unlinkat(own, e->d_name, AT_REMOVEDIR);
	}
	if (d != NULL)
		closedir(d);
	(void)!s->fs->unlinkat(s->parent, name, AT_REMOVEDIR);
}
