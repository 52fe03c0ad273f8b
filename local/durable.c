/* SPDX-License-Identifier: ISC */
/* durable - see durable.h. */
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "durable.h"

#define GUESS_US	400	/* either, before it was measured */

static bool	 by_file(const struct durable *);
static void	 sync_files(struct durable *);
static void	 sync_devices(struct durable *);
static void	 close_files(struct durable *);

void
durable_init(struct durable *d, const struct fs *fs, enum durable_mode mode)
{
	memset(d, 0, sizeof(*d));
	d->fs = fs;
	d->mode = mode;
	d->fs_us = GUESS_US;
	d->file_us = GUESS_US;
}

void
durable_clear(struct durable *d)
{
	close_files(d);
	while (d->ndevices > 0)
		d->fs->close(d->devices[--d->ndevices].fd);
}

bool
durable_mode_parse(const char *s, enum durable_mode *mode_r)
{
	static const char *const names[] = {
		[DURABLE_AUTO] = "auto", [DURABLE_FILESYSTEM] = "filesystem",
		[DURABLE_FILE] = "file",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(s, names[i]) == 0) {
			*mode_r = (enum durable_mode)i;
			return true;
		}
	return false;
}

/* The descriptor is kept: the kernel tells each open file once of an error in
 * write-back, so a fresh one could miss what an older one would be told. */
int
durable_device(struct durable *d, int dir, dev_t dev)
{
	int i, fd;

	for (i = 0; i < d->ndevices; i++)
		if (d->devices[i].dev == dev)
			return i;
	if (d->mode == DURABLE_FILE || d->ndevices == DURABLE_DEVICES)
		return -1;
	fd = d->fs->openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	d->devices[d->ndevices].dev = dev;
	d->devices[d->ndevices].fd = fd;
	d->devices[d->ndevices].dirty = false;
	return d->ndevices++;
}

void
durable_add(struct durable *d, int fd, int dir, int device)
{
	d->pending++;
	if (device == -1) {
		if (d->fs->fsync(fd) == -1 || d->fs->fsync(dir) == -1)
			d->failed = true;
		d->fs->close(fd);
		return;
	}
	d->devices[device].dirty = true;
	if (d->mode == DURABLE_FILESYSTEM || d->nfiles == DURABLE_FILES)
		d->need_fs = true;
	if (d->need_fs) {
		close_files(d);
		d->fs->close(fd);
		return;
	}
	d->files[d->nfiles].fd = fd;
	d->files[d->nfiles++].dir = dir;
}

void
durable_dir(struct durable *d, int dir, int device)
{
	if (device == -1) {
		if (d->fs->fsync(dir) == -1)
			d->failed = true;
		return;
	}
	d->devices[device].dirty = true;
	d->need_fs = true;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
durable_sync(struct durable *d)
{
	int64_t start, took;
	size_t n = d->nfiles > 0 ? d->nfiles : 1;

	if (d->pending == 0 && !d->need_fs)
		return;
	start = now_us();
	if (by_file(d)) {
		sync_files(d);
		took = now_us() - start;
		d->file_us += (took / (int64_t)n - d->file_us) / 4;
		/* So that syncfs is tried again when its reason has passed. */
		d->fs_us -= d->fs_us / 16;
	} else {
		sync_devices(d);
		took = now_us() - start;
		d->fs_us += (took - d->fs_us) / 4;
	}
	close_files(d);
	d->syncs++;
	d->files_synced += d->pending;
	d->sync_us += took;
	d->pending = 0;
	d->need_fs = false;
}

bool
durable_end(struct durable *d)
{
	bool ok;

	durable_sync(d);
	ok = !d->failed;
	d->failed = false;
	return ok;
}

static bool
by_file(const struct durable *d)
{
	return !d->need_fs &&
	    (int64_t)d->nfiles * d->file_us < d->fs_us;
}

/* A directory that several share is synced once. */
static void
sync_files(struct durable *d)
{
	size_t i, k;
	int n;

	for (i = 0; i < d->nfiles; i++)
		if (d->fs->fsync(d->files[i].fd) == -1)
			d->failed = true;
	for (i = 0; i < d->nfiles; i++) {
		for (k = 0; k < i && d->files[k].dir != d->files[i].dir; k++)
			;
		if (k == i && d->fs->fsync(d->files[i].dir) == -1)
			d->failed = true;
	}
	for (n = 0; n < d->ndevices; n++)
		d->devices[n].dirty = false;
}

static void
sync_devices(struct durable *d)
{
	int i;

	for (i = 0; i < d->ndevices; i++) {
		if (d->devices[i].dirty &&
		    d->fs->syncfs(d->devices[i].fd) == -1)
			d->failed = true;
		d->devices[i].dirty = false;
	}
}

static void
close_files(struct durable *d)
{
	while (d->nfiles > 0)
		d->fs->close(d->files[--d->nfiles].fd);
}
