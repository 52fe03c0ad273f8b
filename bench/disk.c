/* SPDX-License-Identifier: ISC */
/*
 * disk - what a directory's file system takes, to compare the suite with:
 *
 *	cc -O2 -o disk bench/disk.c && ./disk DIR [SECONDS]
 *
 * One thread; each line is a kind of work, how many of it are made durable by
 * one sync, and how many there were a second, with the CPU of each (this
 * process's; the kernel's threads are not in it):
 *
 *	append	4 KiB written over a part of a file that was written before, as
 *		the queue's journal does; fdatasync
 *	maildir	a file of 4 KiB, made in one directory and renamed to new/ of 100
 *		Maildirs in turn; syncfs
 *	large	a file of 10 MB, fdatasync; in MB a second
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <linux/fs.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE		4096
#define JOURNAL_BYTES	(64 * 1024 * 1024)
#define MAILDIRS	100
#define LARGE_BYTES	10000000
#define TOPDIR_FLAG	0x00020000	/* EXT4_TOPDIR_FL */

static char	 large[LARGE_BYTES];
static double	 seconds = 2;
static int	 top;
static int	 new[MAILDIRS];
static int	 journal;

static double
clock_s(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
write_all(int fd, const char *p, size_t n)
{
	ssize_t w;

	for (; n > 0; p += w, n -= (size_t)w)
		if ((w = write(fd, p, n)) <= 0)
			err(1, "write");
}

static int
make_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) == -1)
		err(1, "%s", name);
	if ((fd = openat(at, name, O_RDONLY | O_DIRECTORY)) == -1)
		err(1, "%s", name);
	return fd;
}

static void
append(unsigned n, int staging)
{
	(void)staging;
	if (pwrite(journal, large, PIECE, (off_t)n * PIECE % JOURNAL_BYTES) !=
	    PIECE)
		err(1, "pwrite");
}

static void
append_sync(void)
{
	if (fdatasync(journal) == -1)
		err(1, "fdatasync");
}

static void
deliver(unsigned n, int staging)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "%u.%d", n, staging);
	fd = openat(staging, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd == -1)
		err(1, "%s", name);
	write_all(fd, large, PIECE);
	if (renameat(staging, name, new[n % MAILDIRS], name) == -1)
		err(1, "rename");
	close(fd);
}

static void
deliver_sync(void)
{
	if (syncfs(top) == -1)
		err(1, "syncfs");
}

static void
store_large(unsigned n, int staging)
{
	char name[40];
	int fd;

	snprintf(name, sizeof(name), "large.%u", n % 8);
	fd = openat(staging, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd == -1)
		err(1, "%s", name);
	write_all(fd, large, LARGE_BYTES);
	if (fdatasync(fd) == -1)
		err(1, "fdatasync");
	close(fd);
}

static void
no_sync(void)
{
}

static void
measure(const char *what, void (*one)(unsigned, int), void (*sync_all)(void),
    unsigned together, double scale, int staging)
{
	static unsigned n;
	double start = clock_s(CLOCK_MONOTONIC), took;
	double cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
	unsigned first = n, i;

	do {
		for (i = 0; i < together; i++)
			one(n++, staging);
		sync_all();
		took = clock_s(CLOCK_MONOTONIC) - start;
	} while (took < seconds);
	cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%-8s %4u a sync  %8.0f/s  %7.1f us of CPU\n", what, together,
	    (n - first) * scale / took, cpu * 1e6 / (n - first));
	fflush(stdout);
}

int
main(int argc, char *argv[])
{
	static const unsigned groups[] = { 1, 32, 128, 512 };
	char name[64];
	int flags, staging, i, maildir;
	size_t g;

	if (argc < 2)
		errx(64, "usage: disk DIR [SECONDS]");
	if (argc > 2)
		seconds = atof(argv[2]);
	snprintf(name, sizeof(name), "disk.%ld", (long)getpid());
	if (chdir(argv[1]) == -1)
		err(1, "%s", argv[1]);
	top = make_dir(AT_FDCWD, name);
	memset(large, 'x', sizeof(large));
	for (i = 0; i < MAILDIRS; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		maildir = make_dir(top, name);
		new[i] = make_dir(maildir, "new");
		close(maildir);
	}
	staging = make_dir(top, "staging");
	/* As lib/store/staging.h does: far from what was just deleted. */
	if (ioctl(staging, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= TOPDIR_FLAG;
		(void)!ioctl(staging, FS_IOC_SETFLAGS, &flags);
	}
	staging = make_dir(staging, "0");
	journal = openat(top, "journal", O_CREAT | O_RDWR, 0600);
	for (i = 0; i < JOURNAL_BYTES / PIECE; i++)
		write_all(journal, large, PIECE);
	if (fsync(journal) == -1)
		err(1, "fsync");

	for (g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		measure("append", append, append_sync, groups[g], 1, staging);
	for (g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		measure("maildir", deliver, deliver_sync, groups[g], 1,
		    staging);
	measure("large MB", store_large, no_sync, 1, LARGE_BYTES / 1e6,
	    staging);
	fprintf(stderr, "left in %s: disk.%ld\n", argv[1], (long)getpid());
	return 0;
}
