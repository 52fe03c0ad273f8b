/* SPDX-License-Identifier: ISC */
/*
 * accounts - see accounts.h.
 *
 * A file is one piece of memory; an index of hashes says where the lines of a
 * login are, so that a million accounts cost their text and 16 bytes each.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "accounts.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "os/fs.h"

#define BAD_LINES_LOGGED	10

struct place {
	uint64_t	 hash;
	size_t		 at;		/* where the line begins */
};

struct file {
	char		*path;		/* owned */
	struct stat	 st;		/* of what is in force */
	bool		 there;
	int		 error;		/* logged, until it changes */
	struct buf	 text;
	struct place	*places;	/* owned, sorted by hash, then place */
	size_t		 n;
};

struct accounts {
	struct file	*files;		/* owned */
	size_t		 n;
	uint64_t	 key[2];
};

static bool	 refresh(struct accounts *, struct file *);
static bool	 is_same(const struct stat *, const struct stat *);
static void	 index_lines(struct accounts *, struct file *);
static int	 by_hash(const void *, const void *);
static struct slice line_at(const struct file *, size_t at);
static uint64_t	 hash_of(const struct accounts *, struct slice login);

struct accounts *
accounts_new(const struct conf_list *paths)
{
	struct accounts *a = mem_alloc(sizeof(*a));
	size_t i;

	arc4random_buf(a->key, sizeof(a->key));
	a->n = paths->n;
	a->files = mem_array(a->n + 1, sizeof(*a->files));
	for (i = 0; i < a->n; i++) {
		a->files[i].path = mem_strdup(paths->v[i]);
		a->files[i].text = BUF_INIT(ACCOUNT_FILE_BYTES);
	}
	return a;
}

static void
wipe(struct buf *b)
{
	if (b->n > 0)
		explicit_bzero(b->p, b->n);
	buf_clear(b);
}

void
accounts_free(struct accounts **ap)
{
	struct accounts *a = *ap;
	size_t i;

	if (a == NULL)
		return;
	for (i = 0; i < a->n; i++) {
		wipe(&a->files[i].text);
		free(a->files[i].places);
		free(a->files[i].path);
	}
	free(a->files);
	free(a);
	*ap = NULL;
}

bool
accounts_are_there(const struct accounts *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->files[i].there)
			return true;
	return false;
}

size_t
accounts_count(const struct accounts *a)
{
	size_t i, n = 0;

	for (i = 0; i < a->n; i++)
		n += a->files[i].n;
	return n;
}

/* ---- reading ------------------------------------------------------------- */

bool
accounts_refresh(struct accounts *a)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < a->n; i++)
		changed = refresh(a, &a->files[i]) || changed;
	return changed;
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	    a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	    a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool
refresh(struct accounts *a, struct file *f)
{
	struct buf text = BUF_INIT(ACCOUNT_FILE_BYTES);
	struct stat st;
	int fd, error = 0;

	if (stat(f->path, &st) == 0 && f->there && is_same(&st, &f->st))
		return false;
	fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = EINVAL;
	else if (fs_read(&fs_real, fd, &text, (size_t)st.st_size, 0) == -1)
		error = errno;
	if (fd != -1)
		close(fd);
	if (error != 0 && error != f->error)
		log_warn("event=passwords-unreadable path=%s reason=\"%s\"%s",
		    LOG_Q(slice_str(f->path)), strerror(error), f->there ?
		    " advice=\"what was read before stays in force\"" : "");
	f->error = error;
	if (error != 0) {
		wipe(&text);
		return false;
	}
	wipe(&f->text);
	f->text = text;
	f->st = st;
	f->there = true;
	index_lines(a, f);
	log_info("event=passwords-read path=%s entries=%zu",
	    LOG_Q(slice_str(f->path)), f->n);
	return true;
}

static void
bad_line(const struct file *f, unsigned line, const char *why, unsigned *bad)
{
	if (++*bad <= BAD_LINES_LOGGED)
		log_warn("event=passwords-bad-line path=%s line=%u "
		    "reason=\"%s\"%s", LOG_Q(slice_str(f->path)), line, why,
		    *bad == BAD_LINES_LOGGED ?
		    " advice=\"further ones are not named\"" : "");
}

static void
index_lines(struct accounts *a, struct file *f)
{
	struct slice text = buf_slice(&f->text), rest = text, line;
	struct account account;
	size_t cap = 0;
	unsigned no = 0, bad = 0;
	const char *why;

	free(f->places);
	f->places = NULL;
	f->n = 0;
	while (slice_next(&rest, '\n', &line)) {
		no++;
		switch (account_parse(line, &account, &why)) {
		case PARSE_OK:
			break;
		case PARSE_BAD:
			bad_line(f, no, why, &bad);
			continue;
		case PARSE_MORE:
			continue;
		}
		f->places = mem_room(f->places, f->n, &cap,
		    sizeof(*f->places), 64);
		f->places[f->n].hash = hash_of(a, account.login);
		f->places[f->n++].at = (size_t)(line.p - text.p);
	}
	if (f->n > 0)
		qsort(f->places, f->n, sizeof(*f->places), by_hash);
}

static int
by_hash(const void *va, const void *vb)
{
	const struct place *a = va, *b = vb;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* ---- looking up ---------------------------------------------------------- */

/* Letters of either case are one login. */
static uint64_t
hash_of(const struct accounts *a, struct slice login)
{
	char folded[SASL_LOGIN_BYTES];
	size_t i, n = login.n < sizeof(folded) ? login.n : sizeof(folded);

	for (i = 0; i < n; i++)
		folded[i] = ascii_lower(login.p[i]);
	return siphash(a->key, slice_of(folded, n));
}

static struct slice
line_at(const struct file *f, size_t at)
{
	struct slice rest = slice_from(buf_slice(&f->text), at), line;

	slice_next(&rest, '\n', &line);
	return line;
}

static size_t
find_in(const struct accounts *a, const struct file *f, struct slice login,
    struct account *v, size_t room)
{
	uint64_t hash = hash_of(a, login);
	size_t low = 0, high = f->n, n = 0;
	const char *why;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->places[mid].hash < hash)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < f->n && f->places[low].hash == hash && n < room; low++)
		if (account_parse(line_at(f, f->places[low].at), &v[n],
		    &why) == PARSE_OK && slice_eq_nocase(v[n].login, login))
			n++;
	return n;
}

/* The first file that has the login has all of it. */
size_t
accounts_find(const struct accounts *a, struct slice login,
    struct account *v, size_t room)
{
	size_t i, n = 0;

	for (i = 0; i < a->n && n == 0; i++)
		n = find_in(a, &a->files[i], login, v, room);
	return n;
}
