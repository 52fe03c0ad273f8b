/* SPDX-License-Identifier: ISC */
/* Index files that are damaged, cut or somebody's attack (S4), and files that
 * are shortened under a reader. */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/num.h"
#include "test_store.h"

#define ROUNDS	400

static int
summarise(struct slice message, struct buf *b)
{
	return buf_add(b, message);
}

static const struct store_options options = { .create = true,
	.summarise = summarise };

static void
ignore_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static void
fill(struct world *w)
{
	struct mailbox *mb;
	struct slice summary;
	uint32_t uid;

	store_close(&w->store);
	world_open(w, &options);
	for (uid = 1; uid <= 6; uid++)
		append_text(w->store, INBOX, "A: b\n\ntext\n", 0);
	mb = open_box(w->store, INBOX);
	mailbox_keyword(mb, SLICE_LIT("$Junk"), true);
	assert_int_equal(index_lock(mb), STORE_OK);
	assert_int_equal(index_snapshot(mb, true), STORE_OK);
	index_unlock(mb);
	set_flags(mb, 2, FLAGS_ADD, FLAG_SEEN);
	for (uid = 1; uid <= 6; uid++)
		assert_int_equal(mailbox_summary(mb, uid, &summary), STORE_OK);
	mailbox_close(&mb);
}

/* Six messages under their UIDs, whatever the index was like. */
static void
check(struct world *w, const char *what, size_t at)
{
	struct message_content c;
	struct slice summary;
	struct mailbox *mb;
	enum store_result r;
	uint32_t uid;
	size_t n;

	store_close(&w->store);
	world_open(w, &options);
	r = mailbox_open(w->store, INBOX, false, &mb);
	if (r != STORE_OK)
		fail_msg("%s at %zu: %s", what, at, store_strerror(r));
	mailbox_entries(mb, &n);
	if (n != 6)
		fail_msg("%s at %zu: %zu messages", what, at, n);
	for (uid = 1; uid <= 6; uid++) {
		if (mailbox_find(mb, uid) == NULL)
			fail_msg("%s at %zu: UID %u is lost", what, at, uid);
		assert_int_equal(mailbox_content(mb, uid, &c), STORE_OK);
		message_content_clear(&c);
		assert_int_equal(mailbox_summary(mb, uid, &summary), STORE_OK);
		assert_int_equal(summary.n, 11);
	}
	mailbox_close(&mb);
}

static void
spoil(struct world *w, const char *name, unsigned *seed)
{
	struct buf b = get_file(w, name);
	char path[PATH_MAX];
	size_t at = (size_t)rand_r(seed) % b.n;
	FILE *f;

	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	switch (rand_r(seed) % 3) {
	case 0:		/* a bit */
		b.p[at] = (char)(b.p[at] ^ 1 << rand_r(seed) % 8);
		break;
	case 1:		/* zeros */
		memset(b.p + at, 0, b.n - at < 40 ? b.n - at : 40);
		break;
	default:	/* the end */
		b.n = at;
	}
	assert_int_equal(ftruncate(fileno(f), 0), 0);
	assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
	fclose(f);
	buf_clear(&b);
	check(w, name, at);
}

/* One file at a time: what it knows is in another, or in the Maildir. */
static void
one_damaged_file_loses_no_uid(void **arg)
{
	static const char *const names[] = { CACHE_NAME, LOG_NAME };
	struct world *w = *arg;
	unsigned seed = 1, i;

	fill(w);
	for (i = 0; i < ROUNDS; i++)
		spoil(w, names[i % 2], &seed);
}

static void
a_damaged_snapshot_loses_no_message(void **arg)
{
	struct world *w = *arg;
	unsigned seed = 7, i;
	const struct message_entry *e;
	struct message_content c = { 0 };
	struct mailbox *mb;
	struct buf b;
	char path[PATH_MAX];
	size_t n, k;
	FILE *f;

	fill(w);
	for (i = 0; i < ROUNDS; i++) {
		b = get_file(w, SNAP_NAME);
		b.p[(size_t)rand_r(&seed) % b.n] ^= (char)(1 <<
		    rand_r(&seed) % 7);
		test_path(path, sizeof(path), "%s/%s", w->dir, SNAP_NAME);
		f = fopen(path, "w");
		assert_non_null(f);
		fwrite(b.p, 1, b.n, f);
		fclose(f);
		buf_clear(&b);
		store_close(&w->store);
		world_open(w, &options);
		mb = open_box(w->store, INBOX);
		mailbox_entries(mb, &n);
		assert_int_equal(n, 6);
		/* Its second half is read only now; messages of it that were
		 * lost are found under new UIDs. */
		e = mailbox_entries(mb, &n);
		mailbox_content(mb, e[0].uid, &c);
		message_content_clear(&c);
		assert_int_equal(mailbox_refresh(mb, NULL, NULL), STORE_OK);
		mailbox_entries(mb, &n);
		assert_int_equal(n, 6);
		for (k = 0; k < n; k++) {
			e = mailbox_entries(mb, &n);
			assert_int_equal(mailbox_content(mb, e[k].uid, &c),
			    STORE_OK);
			assert_int_equal(c.bytes.n, 11);
			message_content_clear(&c);
		}
		mailbox_close(&mb);
	}
}

/* The second half of a snapshot is damaged or cut after the first was read. */
static void
a_snapshot_that_is_damaged_under_a_reader_is_made_anew(void **arg)
{
	struct world *w = *arg;
	struct message_content c = { 0 };
	struct mailbox *mb;
	char path[PATH_MAX];
	struct stat st;
	int round, fd;
	size_t n;

	fill(w);
	test_path(path, sizeof(path), "%s/%s", w->dir, SNAP_NAME);
	for (round = 0; round < 2; round++) {
		store_close(&w->store);
		world_open(w, &options);
		mb = open_box(w->store, INBOX);
		assert_true(mb->state.partial > 0);
		fd = open(path, O_RDWR);
		assert_true(fd != -1);
		assert_int_equal(fstat(fd, &st), 0);
		if (round == 0)
			assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
		else
			assert_int_equal(pwrite(fd, "\1\2\3\4", 4,
			    st.st_size - 40), 4);
		close(fd);
		(void)!mailbox_content(mb, 1, &c);
		message_content_clear(&c);
		assert_int_equal(mb->state.partial, 0);
		assert_int_equal(mailbox_refresh(mb, NULL, NULL), STORE_OK);
		mailbox_entries(mb, &n);
		assert_int_equal(n, 6);
		mailbox_close(&mb);
	}
}

static void
a_lost_log_or_snapshot_is_made_anew(void **arg)
{
	struct world *w = *arg;

	fill(w);
	remove_file(w, LOG_NAME);
	check(w, "no log", 0);
	remove_file(w, CACHE_NAME);
	check(w, "no cache", 0);
}

static void
a_session_lives_through_a_rebuild_by_another(void **arg)
{
	struct world *w = *arg;
	struct store *other;
	struct mailbox *mb;
	unsigned bad;
	size_t n;

	fill(w);
	mb = open_box(w->store, INBOX);
	move_file(w, "cur", "was");
	assert_int_equal(mailbox_refresh(mb, NULL, NULL), STORE_FAILED);
	move_file(w, "was", "cur");
	put_file(w, "cur/1700000001.M5P1.host:2,FS", "A: b\n\n");
	other = store_open(w->dir, &options);
	assert_int_equal(store_verify(other, INBOX, true, NULL, NULL, &bad),
	    STORE_OK);
	assert_int_equal(bad, 1);
	assert_int_equal(mailbox_refresh(mb, NULL, NULL), STORE_OK);
	mailbox_entries(mb, &n);
	assert_int_equal(n, 7);
	assert_int_equal(set_flags(mb, 1, FLAGS_ADD, FLAG_FLAGGED), STORE_OK);
	mailbox_close(&mb);
	store_close(&other);
}

static void
spoil_record(const struct world *w, enum record_type type)
{
	struct buf b = get_file(w, LOG_NAME);
	struct slice in = slice_from(buf_slice(&b), FILE_HEADER_BYTES);
	struct file_header h;
	struct record r;
	char path[PATH_MAX];
	int fd;

	assert_true(file_header_unpack(buf_slice(&b), FILE_LOG, &h));
	while (record_read(in, h.generation, &r) == RECORD_OK &&
	    r.type != type)
		in = slice_from(in, r.bytes);
	assert_int_equal(r.type, type);
	test_path(path, sizeof(path), "%s/%s", w->dir, LOG_NAME);
	fd = open(path, O_WRONLY);
	assert_true(fd != -1);
	assert_int_equal(pwrite(fd, "\0\0\0\0", 4, r.body.p - b.p), 4);
	close(fd);
	buf_clear(&b);
}

/* As a power cut may leave it: of what a MOVE has done to the mailbox only the
 * record is there that says that it is over. */
static void
a_damaged_end_of_a_move_leaves_the_message_in_one_mailbox(void **arg)
{
	struct world *w = *arg;
	struct buf name = BUF_INIT(PATH_MAX);
	char was[PATH_MAX], path[PATH_MAX];
	uint32_t uid = 2;
	struct mailbox *mb;
	struct copied c;
	size_t n;

	fill(w);
	assert_int_equal(store_create(w->store, SLICE_LIT("Other"), 0),
	    STORE_OK);
	mb = open_box(w->store, INBOX);
	assert_int_equal(index_whole(mb), STORE_OK);
	state_path(&mb->state, (size_t)state_find(&mb->state, uid), &name);
	test_path(path, sizeof(path), "%s/%s", w->dir, buf_cstr(&name));
	test_path(was, sizeof(was), "%s/was", w->dir);
	assert_int_equal(link(path, was), 0);
	assert_int_equal(mailbox_copy(mb, (struct uid_list){ &uid, 1 },
	    SLICE_LIT("Other"), true, &c), STORE_OK);
	mailbox_close(&mb);
	store_close(&w->store);
	assert_int_equal(rename(was, path), 0);
	spoil_record(w, REC_EXPUNGE);
	world_open(w, &options);
	mb = open_box(w->store, INBOX);
	assert_null(mailbox_find(mb, uid));
	mailbox_entries(mb, &n);
	assert_int_equal(n, 5);
	mailbox_close(&mb);
	mb = open_box(w->store, SLICE_LIT("Other"));
	mailbox_entries(mb, &n);
	assert_int_equal(n, 1);
	mailbox_close(&mb);
	buf_clear(&name);
	free(c.from);
	free(c.to);
}

/* Its version is one more, and its checksum is right. */
static void
make_newer(struct world *w, const char *name, enum file_kind kind)
{
	struct buf b = get_file(w, name);
	struct file_header h;
	char path[PATH_MAX];
	uint32_t crc;
	FILE *f;

	assert_true(file_header_unpack(buf_slice(&b), kind, &h));
	b.p[8]++;
	crc = htole32(crc32c(0, slice_of(b.p, FILE_HEADER_BYTES - 4)));
	memcpy(b.p + FILE_HEADER_BYTES - 4, &crc, 4);
	test_path(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
	fclose(f);
	buf_clear(&b);
}

static void
what_a_newer_version_wrote_is_left_alone(void **arg)
{
	static const struct {
		const char	*name;
		enum file_kind	 kind;
	} cases[] = { { LOG_NAME, FILE_LOG }, { SNAP_NAME, FILE_SNAP } };
	struct world *w = *arg;
	struct mailbox *mb;
	struct mailbox_status st;
	struct buf log, snap, now;
	unsigned bad;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (i == 0)
			fill(w);
		make_newer(w, cases[i].name, cases[i].kind);
		log = get_file(w, LOG_NAME);
		snap = get_file(w, SNAP_NAME);
		store_close(&w->store);
		world_open(w, &options);
		assert_int_equal(mailbox_open(w->store, INBOX, false, &mb),
		    STORE_NEWER);
		assert_int_equal(store_status(w->store, INBOX, &st),
		    STORE_NEWER);
		assert_int_equal(store_verify(w->store, INBOX, true,
		    ignore_line, NULL, &bad), STORE_NEWER);
		now = get_file(w, LOG_NAME);
		assert_true(slice_eq(buf_slice(&now), buf_slice(&log)));
		buf_clear(&now);
		now = get_file(w, SNAP_NAME);
		assert_true(slice_eq(buf_slice(&now), buf_slice(&snap)));
		buf_clear(&now);
		buf_clear(&log);
		buf_clear(&snap);
	}
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(one_damaged_file_loses_no_uid),
		T(a_damaged_snapshot_loses_no_message),
		T(a_snapshot_that_is_damaged_under_a_reader_is_made_anew),
		T(a_lost_log_or_snapshot_is_made_anew),
		T(a_session_lives_through_a_rebuild_by_another),
		T(a_damaged_end_of_a_move_leaves_the_message_in_one_mailbox),
		T(what_a_newer_version_wrote_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
