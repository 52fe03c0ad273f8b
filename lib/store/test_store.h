/* SPDX-License-Identifier: ISC */
/* test_store - for tests of the store: a Maildir to work in, and short ways to
 * put messages into it and to see what is there.  Include cmocka.h first. */
#ifndef STORE_TEST_STORE_H
#define STORE_TEST_STORE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test_files.h"
#include "box.h"
#include "staging.h"
#include "store.h"

#define INBOX	SLICE_LIT("INBOX")

struct world {
	char		 dir[64];
	struct store	*store;
};

static inline void
world_open(struct world *w, const struct store_options *o)
{
	static const struct store_options plain = { .create = true };

	w->store = store_open(w->dir, o != NULL ? o : &plain);
	assert_non_null(w->store);
}

/* Files are made in staging from the first one on. */
static inline void
stage(struct store *s, const struct fs *fs, const char *dir)
{
	char tmp[PATH_MAX];

	test_path(tmp, sizeof(tmp), "%s/tmp", dir);
	s->staging = staging_new(fs, tmp, false);
}

static inline int
world_setup(void **arg)
{
	struct world *w = mem_alloc(sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "store_test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	world_open(w, NULL);
	*arg = w;
	return 0;
}

static inline int
world_teardown(void **arg)
{
	struct world *w = *arg;

	store_close(&w->store);
	test_remove(w->dir);
	free(w);
	return 0;
}

static inline void
put_bytes(const struct world *w, const char *name, struct slice bytes)
{
	char path[PATH_MAX];
	FILE *f;

	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	assert_int_equal(fclose(f), 0);
}

/* A file below the Maildir, as another program makes it. */
static inline void
put_file(const struct world *w, const char *name, const char *text)
{
	put_bytes(w, name, slice_str(text));
}

static inline void
move_file(const struct world *w, const char *from, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];

	test_path(a, sizeof(a), "%s/%s", w->dir, from);
	test_path(b, sizeof(b), "%s/%s", w->dir, to);
	assert_int_equal(rename(a, b), 0);
}

static inline void
remove_file(const struct world *w, const char *name)
{
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	assert_int_equal(unlink(path), 0);
}

static inline void
world_rmdir(const struct world *w, const char *name)
{
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	assert_int_equal(rmdir(path), 0);
}

static inline bool
has_file(const struct world *w, const char *name)
{
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	return access(path, F_OK) == 0;
}

/* The whole of a file of the Maildir; owned by the caller. */
static inline struct buf
get_file(const struct world *w, const char *name)
{
	struct buf b = BUF_INIT(1 << 26);
	char path[PATH_MAX];

	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	assert_int_equal(fs_read_file(&fs_real, AT_FDCWD, path, &b,
	    1 << 26, NULL), 0);
	return b;
}

static inline size_t
count_files(const struct world *w, const char *sub)
{
	char path[PATH_MAX];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	test_path(path, sizeof(path), "%s/%s", w->dir, sub);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* One message; its UID, 0 where that failed. */
static inline uint32_t
append_text(struct store *s, struct slice mailbox, const char *text,
    uint8_t flags)
{
	struct appended done;
	struct append *a;

	if (append_begin(s, mailbox, &a) != STORE_OK)
		return 0;
	if (append_message(a, 0, flags, NULL, 0, 1700000000123) != STORE_OK ||
	    append_bytes(a, slice_str(text)) != STORE_OK ||
	    append_end(a) != STORE_OK) {
		append_abort(&a);
		return 0;
	}
	return append_commit(&a, &done) == STORE_OK ? done.first_uid : 0;
}

static inline struct mailbox *
open_box(struct store *s, struct slice name)
{
	struct mailbox *mb;

	assert_int_equal(mailbox_open(s, name, false, &mb), STORE_OK);
	return mb;
}

static inline struct message_facts
facts_of(struct mailbox *mb, uint32_t uid)
{
	struct message_facts f;

	assert_int_equal(mailbox_facts(mb, uid, FACT_SIZE | FACT_DATES, &f),
	    STORE_OK);
	return f;
}

static inline enum store_result
set_flags(struct mailbox *mb, uint32_t uid, enum flag_change how,
    uint8_t flags)
{
	struct flag_request q = { how, flags, 0, UINT64_MAX };

	return mailbox_set_flags(mb, (struct uid_list){ &uid, 1 }, &q, NULL,
	    NULL, NULL);
}

#endif
