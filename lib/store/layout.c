/* SPDX-License-Identifier: ISC */
/*
 * layout - mailboxes in directories below each other, as Dovecot has them with
 * LAYOUT=fs: "A/B" becomes ".A.B".
 *
 * Each is one rename with all that it holds, deepest first, so that whoever
 * is interrupted goes on where they were.  A directory that still has one
 * below it stays where it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "list.h"
#include "names.h"

struct walk {
	struct store	*store;
	bool		 dry;
	void		(*line)(void *, const char *);
	void		*arg;
	unsigned	 n;		/* mailboxes that were found */
	unsigned	 seen;		/* directories */
	enum store_result r;
	struct buf	 path;		/* of the directory, below the root */
};

static bool	 convert_below(struct walk *, int dir, unsigned depth);
static bool	 convert_one(struct walk *, int dir, const char *name,
		    unsigned depth);
static bool	 move(struct walk *, bool is_mailbox);

static bool
is_level(const char *name)
{
	return name[0] != '.' && strcmp(name, "cur") != 0 &&
	    strcmp(name, "new") != 0 && strcmp(name, "tmp") != 0 &&
	    strcmp(name, "courierimapkeywords") != 0;
}

static void
say(struct walk *w, const char *what)
{
	struct buf b = BUF_INIT(8192);

	buf_printf(&b, "%s: %s", buf_cstr(&w->path), what);
	if (w->line != NULL)
		w->line(w->arg, buf_cstr(&b));
	buf_clear(&b);
}

/* True: nothing is left there that is a mailbox. */
static bool
convert_below(struct walk *w, int dir, unsigned depth)
{
	DIR *d = fs_list(w->store->fs, dir, ".", 0);
	struct dirent *e;
	bool all = true;

	if (d == NULL || depth == STORE_DEPTH) {
		if (d != NULL)
			closedir(d);
		return false;
	}
	while ((e = readdir(d)) != NULL)
		if (is_level(e->d_name) && (e->d_type == DT_DIR ||
		    e->d_type == DT_UNKNOWN) && w->seen++ < STORE_MAILBOXES &&
		    !convert_one(w, dirfd(d), e->d_name, depth))
			all = false;
	closedir(d);
	return all;
}

static bool
convert_one(struct walk *w, int dir, const char *name, unsigned depth)
{
	const struct fs *fs = w->store->fs;
	size_t was = w->path.n;
	bool is_mailbox, all;
	struct stat st;
	int fd = fs_open_dir(fs, dir, name);

	if (fd == -1)
		return true;		/* a file, or a link */
	if ((was > 0 && buf_add_byte(&w->path, '/') == -1) ||
	    buf_add_str(&w->path, name) == -1) {
		w->path.n = was;
		fs_close(fs, fd);
		return false;
	}
	is_mailbox = fs->fstatat(fd, "cur", &st) == 0 && S_ISDIR(st.st_mode);
	all = convert_below(w, fd, depth + 1);
	if (is_mailbox && !w->dry && all)
		fs_close(fs, fs->openat(fd, "maildirfolder", O_WRONLY |
		    O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
	fs_close(fs, fd);
	if (is_mailbox) {
		w->n++;
		if (!all && !w->dry)
			say(w, "stays, for what is below it");
	}
	all = all && move(w, is_mailbox);
	w->path.n = was;
	return all;
}

/* Where a level has a dot the other layout has no name for it. */
static bool
name_of_path(struct slice path, struct buf *name)
{
	struct buf b = BUF_INIT(PATH_MAX);
	size_t i;
	bool ok = memchr(path.p, '.', path.n) == NULL &&
	    buf_add(&b, path) == 0;

	for (i = 0; i < b.n; i++)
		if (b.p[i] == '/')
			b.p[i] = '.';
	ok = ok && name_from_dir(buf_slice(&b), name) == PARSE_OK &&
	    !slice_eq_nocase(buf_slice(name), SLICE_LIT("INBOX"));
	buf_clear(&b);
	return ok;
}

static bool
move(struct walk *w, bool is_mailbox)
{
	const struct fs *fs = w->store->fs;
	struct buf name = BUF_INIT(STORE_NAME_BYTES + 1);
	char to[NAME_MAX + 1], path[PATH_MAX];
	struct stat st;
	bool ok = false;

	snprintf(path, sizeof(path), "%s", buf_cstr(&w->path));
	if (!is_mailbox) {
		/* A level only: it goes when it is empty. */
		if (!w->dry)
			fs->unlinkat(w->store->root, path, AT_REMOVEDIR);
		ok = true;
	} else if (!name_of_path(slice_str(path), &name) ||
	    store_dir_of(w->store, buf_slice(&name), to) != STORE_OK)
		say(w, "cannot have this name in Maildir++");
	else if (fs->fstatat(w->store->root, to, &st) == 0)
		say(w, "there is such a mailbox in Maildir++ already");
	else if (w->dry) {
		say(w, "a mailbox of the layout fs");
		ok = true;
	} else if (fs->renameat(w->store->root, path, w->store->root, to) ==
	    0) {
		say(w, "converted");
		ok = true;
	} else {
		w->r = store_failed(w->store);
		say(w, strerror(errno));
	}
	buf_clear(&name);
	return ok;
}

enum store_result
store_convert(struct store *s, bool dry, void (*line)(void *, const char *),
    void *arg, unsigned *n_r)
{
	struct walk w = { .store = s, .dry = dry, .line = line, .arg = arg,
		.path = BUF_INIT(PATH_MAX - 1) };
	enum store_result r = store_lock(s);

	*n_r = 0;
	if (r != STORE_OK)
		return r;
	convert_below(&w, s->root, 0);
	if (!dry && w.n > 0 && s->fs->fsync(s->root) == -1)
		w.r = store_failed(s);
	store_unlock(s);
	buf_clear(&w.path);
	*n_r = w.n;
	return w.r;
}
