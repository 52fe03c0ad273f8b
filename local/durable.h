/* SPDX-License-Identifier: ISC */
/*
 * durable - one sync for all that was written since the last.
 *
 * Measured on ext4 (two cores, virtual disk, 4 KiB messages): one file costs
 * 0.3 ms either way; for 4, 16 and 64 files one syncfs takes 0.3, 0.6 and
 * 1.5 ms, an fsync for each (with its directory) 0.9, 3.2 and 14 ms.  But
 * syncfs also waits for what others have written to the file system: with a
 * large copy under way it took up to 1.3 s.  So DURABLE_AUTO keeps estimates of
 * both and takes what is cheaper for the number of files at hand.
 */
#ifndef LOCAL_DURABLE_H
#define LOCAL_DURABLE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "fs.h"

enum durable_mode { DURABLE_AUTO, DURABLE_FILESYSTEM, DURABLE_FILE };

#define DURABLE_FILES	16	/* above, AUTO takes syncfs */
#define DURABLE_DEVICES	16	/* file systems; more are synced by file */

struct durable {
	const struct fs	*fs;
	enum durable_mode mode;
	struct {
		dev_t	 dev;
		int	 fd;		/* owned: a directory on it */
		bool	 dirty;
	}		 devices[DURABLE_DEVICES];
	int		 ndevices;
	struct {
		int	 fd;		/* owned */
		int	 dir;		/* borrowed: where its name is */
	}		 files[DURABLE_FILES];
	size_t		 nfiles;
	size_t		 pending;	/* files since the last sync */
	bool		 need_fs;	/* directories were made, or too many */
	bool		 failed;	/* since durable_end() */
	int64_t		 fs_us;		/* estimates: one syncfs, one file */
	int64_t		 file_us;
	uint64_t	 syncs;		/* so far, for the status: how many, */
	uint64_t	 files_synced;	/* of how many files, */
	int64_t		 sync_us;	/* and how long it took */
};

void	 durable_init(struct durable *, const struct fs *, enum durable_mode);
void	 durable_clear(struct durable *);
bool	 durable_mode_parse(const char *, enum durable_mode *);
/* A number for the file system that has this directory; -1: none is left. */
int	 durable_device(struct durable *, int dir, dev_t);
/* A file that was written, and whose name is in dir, which must stay open
 * until durable_sync().  Takes over fd. */
void	 durable_add(struct durable *, int fd_take, int dir, int device);
/* Names were added to dir that must last: directories. */
void	 durable_dir(struct durable *, int dir, int device);
/* Syncs what is pending; a failure is kept for durable_end(). */
void	 durable_sync(struct durable *);
/* The same, and tells: false where any of what was added since the last
 * durable_end() may not be on stable storage. */
bool	 durable_end(struct durable *);

#endif
