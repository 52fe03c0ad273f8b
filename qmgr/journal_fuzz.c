/* SPDX-License-Identifier: ISC */
/* A journal segment of any bytes behind its header: as they are, and with the
 * checksum of each record made right. */
#include <sys/stat.h>

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "journal.h"
#include "record.h"

#define SIZE	SEGMENT_MIN_BYTES

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char image[SIZE];
static struct fs fuzz_fs;

static ssize_t
read_image(int fd, void *to, size_t n, off_t at)
{
	(void)fd;
	if (at < 0 || at >= SIZE)
		return 0;
	if (n > (size_t)(SIZE - at))
		n = (size_t)(SIZE - at);
	memcpy(to, image + at, n);
	return (ssize_t)n;
}

static int
stat_image(int fd, struct stat *st)
{
	if (fs_real.fstat(fd, st) == -1)
		return -1;
	st->st_size = SIZE;
	return 0;
}

static void
put32(char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static void
make_header(void)
{
	memset(image, 0, SEGMENT_HEADER_BYTES);
	memcpy(image, "CHASQJ1\n", 8);
	put32(image + 12, 1);
	put32(image + 16, 5);		/* generation */
	put32(image + 24, SIZE);
	put32(image + 8, crc32c(0, slice_of(image + 12, 52)));
}

static void
mend(size_t n)
{
	size_t at, end = SEGMENT_HEADER_BYTES + n, len;
	uint32_t v;

	for (at = SEGMENT_HEADER_BYTES; at + 32 <= end;
	    at += (32 + len + 7) / 8 * 8) {
		memcpy(&v, image + at + 8, 4);
		len = le32toh(v) % (end - at - 31);
		put32(image + at, 0xc5636552u);
		put32(image + at + 8, (uint32_t)len);
		put32(image + at + 12, 5);
		put32(image + at + 28, (uint32_t)(at / 8));
		put32(image + at + 4, crc32c(0, slice_of(image + at + 8,
		    24 + len)));
	}
}

static void
clean(void *arg, struct segment *s)
{
	(void)arg;
	(void)s;
}

static void
relaxed(void *arg)
{
	(void)arg;
}

static void
take(void *arg, const struct record *r)
{
	struct message_body m;
	struct queue *q = arg;
	struct slot slot = { .id = r->id };
	struct entry *e;

	if (r->type != REC_MESSAGE || !message_unpack(r->body, &m))
		return;
	e = entry_new(q, &slot, m.envelope);
	if (e != NULL)
		record_apply(q, e, REC_STATUS, m.status, true);
	entry_free(q, &slot.entry);
}

static void
damage(void *arg, const struct journal_damage *d)
{
	(void)arg;
	if (d->to <= d->from)
		abort();
}

static void
replay(struct ev_loop *loop, struct disk_lane *lane, int dir)
{
	static const struct journal_ops ops = { clean, relaxed };
	struct journal_config c = { .dir = dir, .segment_bytes = SIZE,
		.segments = 2, .loop = loop, .commits = lane, .files = lane };
	struct journal *j = journal_open(&c, &ops, NULL);
	struct queue q = { .memory = 0 };

	if (j == NULL)
		abort();
	journal_replay(j, take, damage, &q);
	journal_close(&j);
}

static char dir_path[] = "/tmp/journal_fuzz.XXXXXX";

static void
remove_dir(void)
{
	char path[sizeof(dir_path) + sizeof("/journal/0000")];

	snprintf(path, sizeof(path), "%s/journal/0000", dir_path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/journal", dir_path);
	rmdir(path);
	rmdir(dir_path);
}

static int
make_dir(void)
{
	if (mkdtemp(dir_path) == NULL || atexit(remove_dir) != 0)
		abort();
	return open(dir_path, O_RDONLY | O_DIRECTORY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct ev_loop loop;
	static struct disk_lane *lane;
	static int dir = -1;

	if (dir == -1) {
		log_open("journal_fuzz", LOG_LEVEL_ERROR + 1);
		ev_loop_init(&loop);
		lane = disk_lane_new(&loop, false);
		dir = make_dir();
		if (mkdirat(dir, "journal", 0700) == -1 ||
		    close(openat(dir, "journal/0000", O_CREAT | O_RDWR,
		    0600)) == -1)
			abort();
		fuzz_fs = fs_real;
		fuzz_fs.pread = read_image;
		fuzz_fs.fstat = stat_image;
		fs = &fuzz_fs;
	}
	if (n > 65536)
		n = 65536;
	make_header();
	memset(image + SEGMENT_HEADER_BYTES, 0, 65536 + 8);
	memcpy(image + SEGMENT_HEADER_BYTES, data, n);
	replay(&loop, lane, dir);
	mend(n);
	replay(&loop, lane, dir);
	return 0;
}
