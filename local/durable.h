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

#include "ev/disk.h"
#include "os/fs.h"

enum durable_mode { DURABLE_AUTO, DURABLE_FILESYSTEM, DURABLE_FILE };

#define DURABLE_FILES	8	/* above, AUTO takes syncfs */
#define DURABLE_DEVICES	16	/* file systems; more are synced by file */

/* What is made durable together. */
struct durable_group {
	struct {
		int	 fd;		/* owned */
		int	 dir;		/* owned: where its name is */
	}		 files[DURABLE_FILES];
	size_t		 nfiles;
	size_t		 pending;	/* files in all */
	bool		 dirty[DURABLE_DEVICES];
	bool		 need_fs;	/* directories were made, or too many */
	bool		 failed;
};

struct durable {
	const struct fs	*fs;
	enum durable_mode mode;
	struct {
		dev_t	 dev;
		int	 fd;		/* owned: a directory on it */
	}		 devices[DURABLE_DEVICES];
	int		 ndevices;
	struct durable_group gathering;
	/* What the thread works on, and nobody else until it is done: */
	struct durable_group syncing;
	int		 syncing_devices;
	bool		 by_file;
	int64_t		 took_us;
	struct disk_lane *lane;		/* borrowed */
	struct disk_task task;
	bool		 running;
	void		(*done)(void *arg, bool ok);
	void		*arg;
	/* Estimates: one syncfs, one file. */
	int64_t		 fs_us;
	int64_t		 file_us;
	/* So far, for the status. */
	uint64_t	 syncs;
	uint64_t	 files_synced;
	int64_t		 sync_us;
};

void	 durable_init(struct durable *, const struct fs *, enum durable_mode);
/* Not while a sync runs. */
void	 durable_clear(struct durable *);
bool	 durable_mode_parse(const char *, enum durable_mode *);
/* A number for the file system that has this directory; -1: none is left. */
int	 durable_device(struct durable *, int dir, dev_t);
/* A file that was written, and whose name is in dir.  Takes over fd. */
void	 durable_add(struct durable *, int fd_take, int dir, int device);
/* Names were added to dir that must last: directories. */
void	 durable_dir(struct durable *, int dir, int device);

/* Whether anything was added since the last sync began. */
bool	 durable_is_pending(const struct durable *);
/* Begins to sync what was added, in the lane; done(arg) follows in the loop,
 * with false where any of it may not be on stable storage.  What is added from
 * now on is of the next.  Only when none runs. */
void	 durable_start(struct durable *, struct disk_lane *,
	    void (*done)(void *arg, bool ok), void *arg);
/* At once, for who has no loop.  Only when none runs. */
bool	 durable_now(struct durable *);

#endif
