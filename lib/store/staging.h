/* SPDX-License-Identifier: ISC */
/*
 * staging - where a process makes the files of messages, in place of the tmp/
 * of each Maildir, before a rename puts them into new/ or cur/.
 *
 *	ROOT/.staging/NAME/0-NAME ... 15-NAME
 *
 * NAME is one process's and locked by it (flock); who finds it without its
 * lock removes it, since what is in there was never acknowledged.
 *
 * Two things make it worth while.  One directory that is in use all the time
 * costs less, to change and to sync, than the tmp/ of a hundred Maildirs.  And
 * it may lie anywhere: ext4 without a journal takes no inode that was deleted
 * in the last minutes, and looks at each of them, from the beginning of the
 * directory's group of inodes, for every file that is made (0.5 ms after 2,000
 * deletions).  So the directories are spread over the groups (EXT4_TOPDIR_FL),
 * and where making files takes long the next one is tried.
 *
 * A worker of local begins with it.  A session, of which most make few files,
 * does when making them in tmp/ turns out to take long, and goes on with it
 * when that helps: a file system may be slow for other reasons, and with a
 * journal it is better to change few places.
 */
#ifndef STORE_STAGING_H
#define STORE_STAGING_H

#include <sys/types.h>

#include <stdint.h>

#include "os/fs.h"

#define STAGING_NAME	".staging"
#define STAGING_DIRS	16
#define STAGING_WINDOW	16	/* files, whose quickest is judged by */
#define STAGING_FIRST	3	/* the same, of one that begins late */
#define STAGING_FIRST_MOST 1000	/* when it was in vain so often */
#define STAGING_SLOW_US	60	/* above, another directory is tried */
#define STAGING_PATIENCE 64	/* windows between two tries, at most */

struct staging;

/* For Maildirs below root (copied).  Makes nothing yet.  late: there is none
 * before files made elsewhere took long, and then only on a file system that
 * knows how to lie elsewhere. */
struct staging *staging_new(const struct fs *, const char *root, bool late);
void	 staging_free(struct staging **);
const char *staging_root(const struct staging *);
/* The directory to make the next file in, borrowed until the next call; -1
 * where there is none for Maildirs of this file system.  From time to time it
 * is tried again. */
int	 staging_dir(struct staging *, dev_t);
/* How long it took to make a file there; -1: it could not be made. */
void	 staging_took(struct staging *, int64_t us);
/* The same of one that was made in tmp/. */
void	 staging_elsewhere_took(struct staging *, int64_t us);

#endif
