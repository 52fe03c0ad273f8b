/* SPDX-License-Identifier: ISC */
/* includes - see includes.h. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "includes.h"

struct include {
	char		*path;		/* owned */
	struct stat	 st;		/* as it was read */
	struct buf	 text;
};

struct includes {
	struct include	*v;		/* owned */
	size_t		 n;
};

static struct include	*find(const struct includes *, struct slice);
static int		 read_whole(struct include *, struct buf *why);
static int		 fill(int fd, struct buf *);
static bool		 same(const struct stat *, const struct stat *);
static void		 drop(struct includes *, struct include *);

struct includes *
includes_new(void)
{
	return mem_alloc(sizeof(struct includes));
}

void
includes_free(struct includes **ip)
{
	struct includes *in = *ip;

	if (in == NULL)
		return;
	while (in->n > 0)
		drop(in, &in->v[in->n - 1]);
	free(in->v);
	free(in);
	*ip = NULL;
}

int
includes_read(void *arg, struct slice path, uint32_t owner,
    struct slice *text_r, struct buf *why)
{
	struct includes *in = arg;
	struct include *i = find(in, path);
	struct stat st;

	/* Looked at each time: who has edited a list expects it to count. */
	if (i != NULL && (stat(i->path, &st) == -1 || !same(&st, &i->st))) {
		drop(in, i);
		i = NULL;
	}
	if (i == NULL) {
		if (path.n >= PATH_MAX) {
			buf_add_str(why, "the path is too long");
			return -1;
		}
		while (in->n == INCLUDES_MAX)
			drop(in, &in->v[in->n - 1]);
		in->v = mem_regrow(in->v, in->n + 1, sizeof(*in->v));
		i = &in->v[in->n++];
		*i = (struct include){ .path = mem_slicedup(path),
			.text = BUF_INIT(INCLUDE_BYTES) };
		if (read_whole(i, why) == -1) {
			drop(in, i);
			return -1;
		}
	}
	if ((i->st.st_uid != 0 && i->st.st_uid != owner &&
	    i->st.st_uid != geteuid()) || (i->st.st_mode & S_IWOTH) != 0) {
		buf_add_str(why, (i->st.st_mode & S_IWOTH) != 0 ?
		    "everybody can write to it" :
		    "neither root nor the table's owner owns it");
		drop(in, i);
		return -1;
	}
	*text_r = buf_slice(&i->text);
	return 0;
}

bool
includes_check(struct includes *in)
{
	struct stat st;
	bool changed = false;
	size_t i;

	for (i = in->n; i > 0; i--)
		if (stat(in->v[i - 1].path, &st) == -1 ||
		    !same(&st, &in->v[i - 1].st)) {
			drop(in, &in->v[i - 1]);
			changed = true;
		}
	return changed;
}

static struct include *
find(const struct includes *in, struct slice path)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		if (slice_eq(slice_str(in->v[i].path), path))
			return &in->v[i];
	return NULL;
}

static int
read_whole(struct include *i, struct buf *why)
{
	int fd, r = -1;

	fd = open(i->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1) {
		buf_printf(why, "%s%s", strerror(errno), errno == EACCES ?
		    " (lookup may read /etc, the directories of the tables and "
		    "those of alias.includes)" : "");
		return -1;
	}
	if (fstat(fd, &i->st) == -1)
		buf_add_str(why, strerror(errno));
	else if (!S_ISREG(i->st.st_mode))
		buf_add_str(why, "not a regular file");
	else if (fill(fd, &i->text) == -1)
		buf_printf(why, "%s", errno == EFBIG ? "larger than 4 MiB" :
		    strerror(errno));
	else
		r = 0;
	close(fd);
	return r;
}

static int
fill(int fd, struct buf *to)
{
	char *room;
	ssize_t n;

	for (;;) {
		room = buf_reserve(to, 4096);
		if (room == NULL) {
			errno = EFBIG;
			return -1;
		}
		n = read(fd, room, 4096);
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0)
			to->n += (size_t)n;
	}
}

static bool
same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && a->st_uid == b->st_uid &&
	    a->st_mode == b->st_mode &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void
drop(struct includes *in, struct include *i)
{
	free(i->path);
	buf_clear(&i->text);
	*i = in->v[--in->n];
}
