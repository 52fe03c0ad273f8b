/* SPDX-License-Identifier: ISC */
/*
 * sim_disk - for tests: a disk that fails, stops, and loses its power.
 *
 * While a simulated disk is there, `sim_fs` makes every call for real below
 * its root and writes down each change.  From what was written down the tree
 * can be made anew as a crash or a power cut at any of these changes may have
 * left it, as often as wanted, each time another way:
 *
 * After a crash (SIM_CRASH) all that was done before is there; of the change
 * that was under way, if that is a write, perhaps a part.
 *
 * After a power cut (SIM_POWER) each change that no sync has made durable is
 * there or not, whatever came before or after it: each sector (512 bytes) of a
 * file as any write has left it, or torn between two of them; its size as any
 * change has left it; each name in a directory made, changed or removed, or
 * not.  A rename is never half of one where both names are in one directory;
 * across directories the new name may be there beside the old one.  Sectors
 * that were never written are zero, or what the disk had there.  So there is
 * no order between the data of a file and its names, as there is with ext4's
 * data=ordered, and none between names, as with a journal of metadata.
 *
 * What a sync promises: fdatasync() data and size; fsync() also the time; both
 * of a directory its names; syncfs() all.  A new file's name is not durable by
 * an fsync() of the file (which ext4 does), unless `names_with_files` is set.
 *
 * One disk at a time, used by one thread.  Failures of the simulation itself
 * end the process.
 */
#ifndef OS_SIM_DISK_H
#define OS_SIM_DISK_H

#include "os/fs.h"

#define SIM_SECTOR_BYTES	512

struct sim_disk;

extern const struct fs sim_fs;
/* Added to what boot_s() says: a test adds to it when it has cut the power. */
extern int64_t sim_boot_s;

/* What is below root at this moment is durable. */
struct sim_disk *sim_disk_new(const char *root);
void	 sim_disk_free(struct sim_disk **);
/* From now on nothing more is written down; calls are the real ones. */
void	 sim_disk_stop(struct sim_disk *);
void	 sim_disk_names_with_files(struct sim_disk *);

/* Changes so far.  What is noted with this number had been seen before the
 * change of this number was made. */
size_t	 sim_disk_now(const struct sim_disk *);
/* The next number from `at` on whose change is a sync, or the end. */
size_t	 sim_disk_next_sync(const struct sim_disk *, size_t at);
/* A line that says what a change was; for messages. */
const char *sim_disk_change(const struct sim_disk *, size_t at);

enum sim_end { SIM_CRASH, SIM_POWER };
/* Makes below `to`, an empty directory, what is left when only the changes
 * before `at` were made.  The same seed leaves the same. */
void	 sim_disk_restore(const struct sim_disk *, const char *to, size_t at,
	    enum sim_end, uint64_t seed);

/* Failures.  Only calls that can fail with this error are counted, from now
 * on: the n-th of them, counted from 1, fails. */
enum sim_failure {
	SIM_NONE,
	SIM_ONCE,	/* that one */
	SIM_SHORT,	/* it is a write, and takes a part; error is not used */
	SIM_DEAD	/* that one and every call after it: EIO; nothing more
			 * is changed, as if the process had been killed */
};
void	 sim_disk_fail(struct sim_disk *, enum sim_failure, size_t n,
	    int error);
/* How many calls were counted; whether the failure has been met. */
size_t	 sim_disk_counted(const struct sim_disk *);
bool	 sim_disk_failed(const struct sim_disk *);

/* From now on calls of this name ("fsync") for paths below the root that match
 * the pattern (fnmatch(3); "." is the root) are not made, and succeed: what a
 * program would be that left them out.  NULL: none. */
void	 sim_disk_leave_out(struct sim_disk *, const char *call,
	    const char *pattern);
/* How many calls were left out. */
size_t	 sim_disk_left_out(const struct sim_disk *);

/* What is wrong with what a life has left; good until the next call. */
const char *sim_because(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
/* A stream of numbers that a seed gives. */
uint64_t sim_random(uint64_t *seed);
/* A new directory below `in`; the name's memory is the caller's. */
char	*sim_dir_new(const char *in);
void	 sim_dir_remove(const char *);

#endif
