/* SPDX-License-Identifier: ISC */
/* durable - see durable.h. */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "durable.h"

#define GUESS_US	400	/* either, before it was measured */

static void	 begin(struct durable *);
static void	 work(struct disk_task *);
static void	 work_is_done(struct disk_task *);
static bool	 finish(struct durable *);
static void	 sync_files(const struct fs *, struct durable_group *);
static void	 sync_devices(struct durable *);
static void	 drop_files(const struct fs *, struct durable_group *);

void
durable_init(struct durable *d, const struct fs *fs, enum durable_mode mode)
{
	memset(d, 0, sizeof(*d));
	d->fs = fs;
	d->mode = mode;
	d->fs_us = GUESS_US;
	d->file_us = GUESS_US;
	d->task.work = work;
	d->task.done = work_is_done;
}

void
durable_clear(struct durable *d)
{
	assert(!d->running);
	drop_files(d->fs, &d->gathering);
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
	return d->ndevices++;
}

void
durable_add(struct durable *d, int fd, int dir, int device)
{
	struct durable_group *g = &d->gathering;
	int copy = -1;

	g->pending++;
	if (device == -1) {
		if (d->fs->fsync(fd) == -1 || d->fs->fsync(dir) == -1)
			g->failed = true;
		d->fs->close(fd);
		return;
	}
	g->dirty[device] = true;
	if (d->mode == DURABLE_AUTO && !g->need_fs && g->nfiles < DURABLE_FILES)
		copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (copy == -1) {
		g->need_fs = true;
		drop_files(d->fs, g);
		d->fs->close(fd);
		return;
	}
	g->files[g->nfiles].fd = fd;
	g->files[g->nfiles++].dir = copy;
}

void
durable_dir(struct durable *d, int dir, int device)
{
	struct durable_group *g = &d->gathering;

	if (device == -1) {
		if (d->fs->fsync(dir) == -1)
			g->failed = true;
		return;
	}
	g->dirty[device] = true;
	g->need_fs = true;
}

bool
durable_is_pending(const struct durable *d)
{
	return d->gathering.pending > 0 || d->gathering.need_fs;
}

void
durable_start(struct durable *d, struct disk_lane *lane,
    void (*done)(void *, bool), void *arg)
{
	d->done = done;
	d->arg = arg;
	begin(d);
	d->running = true;
	disk_do(lane, &d->task);
}

bool
durable_now(struct durable *d)
{
	begin(d);
	work(&d->task);
	return finish(d);
}

static void
begin(struct durable *d)
{
	assert(!d->running);
	d->syncing = d->gathering;
	memset(&d->gathering, 0, sizeof(d->gathering));
	d->syncing_devices = d->ndevices;
	d->by_file = !d->syncing.need_fs &&
	    (int64_t)d->syncing.nfiles * d->file_us < d->fs_us;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* In the thread: devices[] below syncing_devices do not change meanwhile. */
static void
work(struct disk_task *task)
{
	struct durable *d = (struct durable *)((char *)task -
	    offsetof(struct durable, task));
	int64_t start = now_us();

	if (d->by_file)
		sync_files(d->fs, &d->syncing);
	else
		sync_devices(d);
	d->took_us = now_us() - start;
}

static void
work_is_done(struct disk_task *task)
{
	struct durable *d = (struct durable *)((char *)task -
	    offsetof(struct durable, task));
	bool ok;

	d->running = false;
	ok = finish(d);
	d->done(d->arg, ok);
}

static bool
finish(struct durable *d)
{
	struct durable_group *g = &d->syncing;

	if (d->by_file && g->nfiles > 0) {
		d->file_us += (d->took_us / (int64_t)g->nfiles - d->file_us) /
		    4;
		/* So that syncfs is tried again when its reason has passed. */
		d->fs_us -= d->fs_us / 16;
	} else
		d->fs_us += (d->took_us - d->fs_us) / 4;
	drop_files(d->fs, g);
	d->syncs++;
	d->files_synced += g->pending;
	d->sync_us += d->took_us;
	return !g->failed;
}

/* A directory that several share is synced for each: the second finds nothing
 * to do. */
static void
sync_files(const struct fs *fs, struct durable_group *g)
{
	size_t i;

	for (i = 0; i < g->nfiles; i++)
		if (fs->fsync(g->files[i].fd) == -1 ||
		    fs->fsync(g->files[i].dir) == -1)
			g->failed = true;
}

static void
sync_devices(struct durable *d)
{
	int i;

	for (i = 0; i < d->syncing_devices; i++)
		if (d->syncing.dirty[i] &&
		    d->fs->syncfs(d->devices[i].fd) == -1)
			d->syncing.failed = true;
}

static void
drop_files(const struct fs *fs, struct durable_group *g)
{
	while (g->nfiles > 0) {
		g->nfiles--;
		fs->close(g->files[g->nfiles].fd);
		fs->close(g->files[g->nfiles].dir);
	}
}
