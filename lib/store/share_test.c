/* SPDX-License-Identifier: ISC */
/* Several processes on one mailbox at once lose nothing (S3). */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "test_store.h"

#define ROUNDS		60
#define APPENDED_SIZE	15
#define DELIVERED_SIZE	16

/* Of a process that cannot go on. */
static void __attribute__((noreturn))
die(struct store *s, const char *what, enum store_result r)
{
	fprintf(stderr, "%s: %s (%s)\n", what, store_strerror(r),
	    strerror(store_errno(s)));
	_exit(1);
}

static void
append_some(const char *dir, bool staged)
{
	struct store *s = store_open(dir, NULL);
	int i;

	if (staged)
		stage(s, &fs_real, dir);
	for (i = 0; i < ROUNDS; i++)
		if (append_text(s, INBOX, "A: appended\n\n", 0) == 0)
			die(s, "append", STORE_FAILED);
	store_close(&s);
}

static void
deliver_some(const char *dir)
{
	struct store *s = store_open(dir, NULL);
	char name[200], from[PATH_MAX], to[PATH_MAX];
	enum store_result r;
	FILE *f;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		test_path(name, sizeof(name), "17000000%02d.M1Q%d.h,S=14,W=16",
		    i, (int)getpid());
		test_path(from, sizeof(from), "%s/tmp/%s", dir, name);
		test_path(to, sizeof(to), "%s/new/%s", dir, name);
		f = fopen(from, "w");
		if (f == NULL || fputs("A: delivered\n\n", f) == EOF ||
		    fclose(f) == EOF || rename(from, to) == -1)
			_exit(1);
		store_delivered(s, INBOX, name, 14, SLICE_EMPTY);
		r = store_deliveries_write(s);
		if (r != STORE_OK)
			die(s, "delivery", r);
	}
	store_close(&s);
}

/* Sets a flag of each message once; expunges one in four that was appended. (Of
 * those delivered, one may be expunged before its record is written: that one
 * then makes a message for a moment, whose file no scan finds.) */
static void
change_some(const char *dir, uint8_t flag, bool expunge)
{
	struct store *s = store_open(dir, NULL);
	const struct message_entry *e;
	struct mailbox *mb = NULL;
	enum store_result r;
	uint32_t uid;
	size_t n, k;
	bool ours;
	int i;

	r = mailbox_open(s, INBOX, false, &mb);
	if (r != STORE_OK)
		die(s, "open", r);
	for (i = 0; i < ROUNDS; i++) {
		r = mailbox_refresh(mb, NULL, NULL);
		if (r != STORE_OK)
			die(s, "refresh", r);
		e = mailbox_entries(mb, &n);
		for (k = 0; k < n; k++) {
			e = mailbox_entries(mb, &n);
			uid = e[k].uid;
			ours = facts_of(mb, uid).size == APPENDED_SIZE;
			r = e[k].flags & flag ? STORE_OK :
			    set_flags(mb, uid, FLAGS_ADD, flag);
			if (r != STORE_OK)
				die(s, "flags", r);
			r = !expunge || uid % 4 != 0 || !ours ? STORE_OK :
			    mailbox_expunge(mb, (struct uid_list){ &uid, 1 },
			    false);
			if (r != STORE_OK)
				die(s, "expunge", r);
			e = mailbox_entries(mb, &n);
		}
		usleep(2000);
	}
	mailbox_close(&mb);
	store_close(&s);
}

static void
snapshot_some(const char *dir)
{
	struct store *s = store_open(dir, NULL);
	struct mailbox *mb;
	enum store_result r;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		r = mailbox_open(s, INBOX, false, &mb);
		if (r != STORE_OK)
			die(s, "open", r);
		if (index_lock(mb) == STORE_OK) {
			index_snapshot(mb, true);
			index_unlock(mb);
		}
		mailbox_close(&mb);
	}
	store_close(&s);
}

static void
no_line(void *arg, const char *line)
{
	(void)arg;
	print_error("%s\n", line);
}

static void
many_at_once_lose_nothing(void **arg)
{
	struct world *w = *arg;
	const struct message_entry *e;
	struct mailbox *mb;
	unsigned bad;
	size_t n, i;
	uint64_t size;
	uint32_t uid;
	int k, status, appended = 0, delivered = 0;
	pid_t pid;

	for (k = 0; k < 7; k++) {
		pid = fork();
		assert_true(pid != -1);
		if (pid > 0)
			continue;
		switch (k) {
		case 0:
		case 1:
			append_some(w->dir, k == 1);
			break;
		case 2:
		case 3:
			deliver_some(w->dir);
			break;
		case 4:
			change_some(w->dir, FLAG_SEEN, true);
			break;
		case 5:
			change_some(w->dir, FLAG_FLAGGED, false);
			break;
		default:
			snapshot_some(w->dir);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	change_some(w->dir, FLAG_SEEN, true);
	mb = open_box(w->store, INBOX);
	e = mailbox_entries(mb, &n);
	/* UIDs were given out one after the other. */
	assert_int_equal(mailbox_head(mb)->uidnext, 4 * ROUNDS + 1);
	for (i = 0; i < n; i++) {
		assert_true(e[i].flags & FLAG_SEEN);
		size = facts_of(mb, e[i].uid).size;
		assert_true(e[i].uid % 4 != 0 || size == DELIVERED_SIZE);
		delivered += size == DELIVERED_SIZE;
		appended += size == APPENDED_SIZE;
	}
	for (uid = 1; uid <= 4 * ROUNDS; uid++)
		assert_true(uid % 4 == 0 || mailbox_find(mb, uid) != NULL);
	assert_int_equal(delivered, 2 * ROUNDS);
	assert_int_equal(appended + delivered, (int)n);
	mailbox_close(&mb);
	assert_int_equal(store_verify(w->store, INBOX, false, no_line, NULL,
	    &bad), STORE_OK);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_at_once_lose_nothing,
		    world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
