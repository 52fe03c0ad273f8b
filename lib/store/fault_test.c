/* SPDX-License-Identifier: ISC */
/*
 * What holds whatever fails.  A session's life is recorded on a simulated disk
 * (os/sim_disk.h): appends, copies, moves, flags, expunges, a snapshot; or one
 * of the others in sessions[].  Then for each sync of it, and for instants
 * between, the disk is made again as a killed session or a power cut at that
 * instant may have left it.  What was acknowledged is there (S1), under its
 * UID, and no UID or mod-sequence is given out twice (S2); what was not
 * acknowledged is there as a whole or not at all; what was being moved is in
 * one mailbox.  In the life that looks at this the power goes again.
 *
 * Then the same with builds that are broken on purpose: each must be found
 * out, or these tests would not see what they are for.
 *
 * FAULT_SEED=N repeats a run as far as the clock allows; FAULT_RUNS=N sets how
 * many instants are tried between syncs; FAULT_STEP=N: of the failing calls
 * every N-th is tried, where not each is; FAULT_ONLY=PATTERN: these tests only.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/num.h"
#include "os/sim_disk.h"
#include "os/sim_run.h"
#include "test_store.h"

#define MESSAGES	200
#define BOXES		2
#define LIVES		3

struct model;

static const char *check_index(struct mailbox *, const struct model *,
		    int box);

/* ---- what was acknowledged ---------------------------------------------- */

struct known {
	uint32_t	 uid;
	unsigned	 text;		/* which message */
	bool		 acknowledged, maybe_gone;
	uint8_t		 flags, maybe_flags;
};

struct model {
	struct known	 v[BOXES][MESSAGES];
	size_t		 n[BOXES];
	uint32_t	 uidvalidity[BOXES];
	uint64_t	 modseq[BOXES];
	unsigned	 texts;
	/* By text: one that was moved is there, at most so often; 0: was not
	 * moved.  How often it was seen. */
	unsigned	 most[MESSAGES];
	unsigned	 seen[BOXES][MESSAGES];
	const char	*bad;		/* what was wrong while it was made */
};

static const char *const boxes[BOXES] = { "INBOX", "Other" };

/* What was known when so many changes of the disk had been made. */
struct note {
	size_t		 at;
	struct model	 m;
};

struct life {
	struct world	 w;
	struct sim_disk	*disk;
	struct note	*notes;		/* owned */
	size_t		 nnotes;
};

static struct life *now;		/* the one that runs; NULL: none */

static void
note(const struct model *m)
{
	struct life *l = now;

	if (l == NULL)
		return;
	if ((l->nnotes & (l->nnotes - 1)) == 0)
		l->notes = mem_regrow(l->notes,
		    l->nnotes == 0 ? 1 : l->nnotes * 2, sizeof(*l->notes));
	l->notes[l->nnotes].at = sim_disk_now(l->disk);
	l->notes[l->nnotes++].m = *m;
}

static const struct model *
known_at(const struct life *l, size_t cut)
{
	size_t i = l->nnotes - 1;

	while (i > 0 && l->notes[i].at > cut)
		i--;
	return &l->notes[i].m;
}

static void
text_of(unsigned i, char text[200])
{
	snprintf(text, 200, "Subject: message %u\n\nBody of %u.\n%0*u\n", i, i,
	    (int)(i % 50) + 1, i);
}

static void
learn(struct model *m, int box, uint32_t uid, unsigned text, uint8_t flags)
{
	assert_true(m->n[box] < MESSAGES);
	m->v[box][m->n[box]++] = (struct known){ .uid = uid, .text = text,
		.acknowledged = true, .flags = flags, .maybe_flags = flags };
}

static struct known *
find_known(struct model *m, int box, uint32_t uid)
{
	size_t i;

	for (i = 0; i < m->n[box]; i++)
		if (m->v[box][i].uid == uid)
			return &m->v[box][i];
	return NULL;
}

static void
learn_move(struct model *m, int from, const uint32_t *uids, size_t n,
    unsigned most)
{
	struct known *k;
	size_t i;

	for (i = 0; i < n; i++) {
		k = find_known(m, from, uids[i]);
		if (k == NULL)
			continue;
		k->maybe_gone = true;
		m->most[k->text] = most;
	}
}

/* ---- what is done ------------------------------------------------------- */

static const struct store_options simulated = { .fs = &sim_fs, .create = true };

static void
do_append(struct world *w, struct model *m, int box, unsigned count)
{
	struct append *a;
	struct appended done;
	char text[200];
	unsigned i;

	if (append_begin(w->store, slice_str(boxes[box]), &a) != STORE_OK)
		return;
	for (i = 0; i < count; i++) {
		text_of(m->texts + i, text);
		if (append_message(a, 0, FLAG_SEEN, NULL, 0, 1700000000000) !=
		    STORE_OK || append_bytes(a, slice_str(text)) != STORE_OK ||
		    append_end(a) != STORE_OK)
			break;
	}
	if (i < count)
		append_abort(&a);
	else if (append_commit(&a, &done) == STORE_OK)
		for (i = 0; i < count; i++)
			learn(m, box, done.first_uid + i, m->texts + i,
			    FLAG_SEEN);
	m->texts += count;
	note(m);
}

static void
do_flags(struct mailbox *mb, struct model *m, int box, uint32_t uid,
    uint8_t flags)
{
	struct known *k = find_known(m, box, uid);

	if (k == NULL)
		return;
	k->maybe_flags = flags;
	note(m);
	if (set_flags(mb, uid, FLAGS_SET, flags) != STORE_OK)
		return;
	m->modseq[box] = mb->state.modseq;
	if (store_work(mb->store) == STORE_OK && mb->unsynced_ms == 0)
		k->flags = flags;
	note(m);
}

static void
do_expunge(struct mailbox *mb, struct model *m, int box, uint32_t uid)
{
	struct known *k = find_known(m, box, uid);

	if (k == NULL)
		return;
	k->maybe_gone = true;
	note(m);
	if (mailbox_expunge(mb, (struct uid_list){ &uid, 1 }, false) ==
	    STORE_OK && store_work(mb->store) == STORE_OK)
		k->acknowledged = false;
	note(m);
}

static void
do_copy(struct mailbox *mb, struct model *m, int from, int to, uint32_t first,
    bool move)
{
	uint32_t uids[2] = { first, first + 1 };
	struct known *k;
	struct copied c;
	enum store_result r;
	size_t i;

	if (move)
		learn_move(m, from, uids, 2, 1);
	note(m);
	r = mailbox_copy(mb, (struct uid_list){ uids, 2 },
	    slice_str(boxes[to]), move, &c);
	/* One that has ended as a failure says nothing to who comes next. */
	if (move && r != STORE_OK && mb->state.move.n == 0)
		learn_move(m, from, uids, 2, 2);
	for (i = 0; r == STORE_OK && i < c.n; i++) {
		k = find_known(m, from, c.from[i]);
		if (k == NULL)
			continue;
		learn(m, to, c.to[i], k->text, k->flags);
		m->v[to][m->n[to] - 1].maybe_flags = k->maybe_flags;
	}
	free(c.from);
	free(c.to);
	note(m);
}

static void
look(struct mailbox *mb, struct model *m, int box)
{
	if (m->uidvalidity[box] == 0)
		m->uidvalidity[box] = mailbox_head(mb)->uidvalidity;
	m->modseq[box] = mailbox_head(mb)->highestmodseq;
	note(m);
}

static void
run_all(struct world *w, struct model *m)
{
	struct mailbox *mb;

	do_append(w, m, 0, 1);
	do_append(w, m, 0, 3);
	if (mailbox_open(w->store, INBOX, false, &mb) != STORE_OK)
		return;
	look(mb, m, 0);
	do_flags(mb, m, 0, 2, FLAG_FLAGGED | FLAG_SEEN);
	do_flags(mb, m, 0, 3, 0);
	do_append(w, m, 0, 2);
	if (mailbox_refresh(mb, NULL, NULL) == STORE_OK)
		look(mb, m, 0);
	do_copy(mb, m, 0, 1, 1, false);
	do_copy(mb, m, 0, 1, 3, true);
	do_expunge(mb, m, 0, 1);
	if (index_lock(mb) == STORE_OK) {
		index_snapshot(mb, true);
		index_unlock(mb);
	}
	do_flags(mb, m, 0, 5, FLAG_DELETED);
	do_append(w, m, 1, 1);
	do_append(w, m, 0, 12);
	mailbox_close(&mb);
	if (mailbox_open(w->store, slice_str(boxes[1]), false, &mb) !=
	    STORE_OK)
		return;
	look(mb, m, 1);
	do_flags(mb, m, 1, 1, FLAG_ANSWERED);
	mailbox_close(&mb);
}

static void
run_move(struct world *w, struct model *m)
{
	struct mailbox *mb;

	do_append(w, m, 0, 3);
	if (mailbox_open(w->store, INBOX, false, &mb) != STORE_OK)
		return;
	look(mb, m, 0);
	do_copy(mb, m, 0, 1, 2, true);
	mailbox_close(&mb);
}

static void
run_staged(struct world *w, struct model *m)
{
	stage(w->store, &sim_fs, w->dir);
	do_append(w, m, 0, 1);
	do_append(w, m, 0, 2);
	do_append(w, m, 1, 1);
}

/* One session closes a mailbox and opens it again; before it does, another has
 * changed something. */
static void
run_again(struct world *w, struct model *m)
{
	struct world other = *w;
	struct mailbox *mb;
	uint32_t uid;

	other.store = store_open(w->dir, &simulated);
	do_append(w, m, 0, 4);
	for (uid = 1; uid <= 2 && other.store != NULL; uid++) {
		if (mailbox_open(w->store, INBOX, false, &mb) != STORE_OK)
			break;
		if (m->bad == NULL)
			m->bad = check_index(mb, m, 0);
		look(mb, m, 0);
		do_flags(mb, m, 0, uid, FLAG_ANSWERED);
		mailbox_close(&mb);
		do_append(&other, m, 0, 1);
		if (mailbox_open(other.store, INBOX, false, &mb) != STORE_OK)
			break;
		do_flags(mb, m, 0, uid, FLAG_FLAGGED);
		do_expunge(mb, m, 0, uid + 2);
		mailbox_close(&mb);
	}
	store_close(&other.store);
}

static const struct session {
	const char	*name;
	void		(*run)(struct world *, struct model *);
	bool		 closely;	/* every change and call is tried */
} sessions[] = {
	{ "all kinds of changes", run_all, false },
	{ "a MOVE", run_move, true },
	{ "messages that are made in staging", run_staged, true },
	{ "a mailbox that is opened again", run_again, false },
};

#define SESSIONS	(sizeof(sessions) / sizeof(sessions[0]))

/* ---- builds that are broken --------------------------------------------- */

/* Each leaves out a call for paths.  The sync of a new, empty log is not among
 * them: without it nothing acknowledged is lost, since the first sync of a
 * record takes the header with it.  Nor are checksums: what a power cut leaves
 * of a group is no list of records, whatever its checksum; hostile_test.c
 * looks at those. */
static const struct broken {
	const char	*name, *call, *path;
} broken_builds[] = {
	{ "the log is not synced", "fdatasync", "*chasqui.log*" },
	{ "one message's content is not synced", "fdatasync", "tmp/*[!,S]" },
	{ "the content of a few is not synced", "fdatasync", "*,S=*" },
	{ "names in cur/ are not synced", "fsync", "*cur" },
	{ "several messages are not synced", "syncfs", "*" },
	{ "a snapshot is not synced", "fsync", "*chasqui.snap*" },
	{ "the name of a snapshot is not synced", "fsync", "." },
};

/* ---- what must hold ----------------------------------------------------- */

/* Which text a message has; -1: not all of one. */
static int
text_in(struct mailbox *mb, uint32_t uid)
{
	struct message_content c;
	char text[200];
	unsigned i;
	int found = -1;

	if (mailbox_content(mb, uid, &c) != STORE_OK)
		return -1;
	for (i = 0; i < MESSAGES && found == -1; i++) {
		text_of(i, text);
		if (slice_eq(c.bytes, slice_str(text)))
			found = (int)i;
	}
	message_content_clear(&c);
	return found;
}

static const char *
check_known(const struct mailbox *mb, int box, const struct known *k)
{
	const struct message_entry *e = mailbox_find(mb, k->uid);
	uint8_t flags;

	if (mailbox_head(mb)->uidnext <= k->uid)
		return sim_because("UID %u of %s will be given out again",
		    k->uid,
		    boxes[box]);
	if (e == NULL)
		return k->acknowledged && !k->maybe_gone ?
		    sim_because("UID %u of %s is lost", k->uid, boxes[box]) :
		    NULL;
	if (!k->acknowledged)
		return sim_because("UID %u of %s is back", k->uid, boxes[box]);
	flags = e->flags & FLAGS_STORED;
	if (flags != k->flags && flags != k->maybe_flags)
		return sim_because("UID %u of %s has flags %x instead of %x or %x",
		    k->uid, boxes[box], flags, k->flags, k->maybe_flags);
	return NULL;
}

/* All but what is in the messages. */
static const char *
check_index(struct mailbox *mb, const struct model *m, int box)
{
	const char *bad = NULL;
	size_t i;

	if (m->uidvalidity[box] != 0 &&
	    mailbox_head(mb)->uidvalidity != m->uidvalidity[box])
		return sim_because("%s has another UIDVALIDITY", boxes[box]);
	if (mailbox_head(mb)->highestmodseq < m->modseq[box])
		return sim_because("%s has gone back to MODSEQ %llu",
		    boxes[box],
		    (unsigned long long)mailbox_head(mb)->highestmodseq);
	for (i = 0; i < m->n[box] && bad == NULL; i++)
		bad = check_known(mb, box, &m->v[box][i]);
	return bad;
}

static const char *
check_texts(struct mailbox *mb, struct model *m, int box)
{
	const struct message_entry *e;
	const struct known *k;
	size_t i, n;
	int text;

	memset(m->seen[box], 0, sizeof(m->seen[box]));
	e = mailbox_entries(mb, &n);
	for (i = 0; i < n; i++) {
		text = text_in(mb, e[i].uid);
		if (text == -1)
			return sim_because("UID %u of %s is not what was appended",
			    e[i].uid, boxes[box]);
		m->seen[box][text]++;
		k = find_known(m, box, e[i].uid);
		if (k != NULL && text != (int)k->text)
			return sim_because("UID %u of %s is another message",
			    e[i].uid, boxes[box]);
	}
	return NULL;
}

static const char *
check_moved(const struct model *m)
{
	unsigned i, n;

	for (i = 0; i < m->texts; i++) {
		n = m->seen[0][i] + m->seen[1][i];
		if (m->most[i] > 0 && (n == 0 || n > m->most[i]))
			return sim_because("message %u, which was moved, is there "
			    "%u times", i, n);
	}
	return NULL;
}

static const char *
check_box(struct life *l, struct model *m, int box)
{
	struct mailbox *mb;
	const char *bad;
	enum store_result r;

	r = mailbox_open(l->w.store, slice_str(boxes[box]), false, &mb);
	if (r != STORE_OK)
		return sim_because("%s: %s (%s)", boxes[box], store_strerror(r),
		    strerror(store_errno(l->w.store)));
	bad = check_texts(mb, m, box);
	if (bad == NULL)
		bad = check_index(mb, m, box);
	mailbox_close(&mb);
	return bad;
}

static void
count_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

/* All is there, in agreement, and goes on. */
static const char *
check_life(struct life *l, struct model *m)
{
	const char *bad;
	unsigned wrong = 0;
	int box;

	for (box = 0; box < BOXES; box++) {
		bad = check_box(l, m, box);
		if (bad != NULL)
			return bad;
	}
	bad = check_moved(m);
	for (box = 0; box < BOXES && bad == NULL; box++) {
		if (store_verify(l->w.store, slice_str(boxes[box]), false,
		    count_line, NULL, &wrong) != STORE_OK || wrong != 0)
			return sim_because("%s differs from its index",
			    boxes[box]);
		do_append(&l->w, m, box, 1);
		if (m->n[box] == 0)
			return sim_because("%s takes no message", boxes[box]);
		bad = check_box(l, m, box);
	}
	return bad;
}

/* ---- lives -------------------------------------------------------------- */

static void
life_init(struct life *l)
{
	char *dir = sim_dir_new(access("/dev/shm", W_OK) == 0 ? "/dev/shm" :
	    ".");

	memset(l, 0, sizeof(*l));
	assert_true(strlen(dir) < sizeof(l->w.dir));
	snprintf(l->w.dir, sizeof(l->w.dir), "%s", dir);
	free(dir);
}

static void
life_start(struct life *l, const struct broken *b)
{
	l->disk = sim_disk_new(l->w.dir);
	if (b != NULL)
		sim_disk_leave_out(l->disk, b->call, b->path);
	now = l;
	world_open(&l->w, &simulated);
}

static void
life_end(struct life *l)
{
	store_close(&l->w.store);
	sim_disk_stop(l->disk);
	now = NULL;
}

static void
life_clear(struct life *l)
{
	sim_dir_remove(l->w.dir);
	sim_disk_free(&l->disk);
	free(l->notes);
}

/* The first life. */
struct plan {
	const struct session *session;
	const struct broken *broken;	/* NULL: as it is */
	enum sim_failure failure;	/* of the n-th call */
	size_t		 n;
	int		 error;
};

/* Two mailboxes that are there for good, and what is done. */
static void
record(struct life *l, struct model *m, const struct plan *p)
{
	static const struct store_options plain = { .create = true };

	memset(m, 0, sizeof(*m));
	sim_boot_s = 0;
	life_init(l);
	world_open(&l->w, &plain);
	assert_int_equal(store_create(l->w.store, SLICE_LIT("Other"), 0),
	    STORE_OK);
	store_close(&l->w.store);
	life_start(l, p->broken);
	sim_disk_fail(l->disk, p->failure, p->n, p->error);
	note(m);
	p->session->run(&l->w, m);
	life_end(l);
	if (m->bad != NULL)
		fail_msg("%s: %s", p->session->name, m->bad);
}

struct cut {
	size_t		 at;
	enum sim_end	 end;
	uint64_t	 seed;
};

/* A life on what the last of n lives has left at a cut, and judgement. */
static const char *
relive(struct life *v, size_t n, const struct cut *c, const struct broken *b)
{
	struct life *l = &v[n];
	struct model *m = mem_alloc(sizeof(*m));
	const char *bad;

	*m = *known_at(&v[n - 1], c->at);
	if (m->texts < v[n - 1].notes[v[n - 1].nnotes - 1].m.texts)
		m->texts = v[n - 1].notes[v[n - 1].nnotes - 1].m.texts;
	life_init(l);
	sim_disk_restore(v[n - 1].disk, l->w.dir, c->at, c->end, c->seed);
	if (c->end == SIM_POWER)
		sim_boot_s += 1000;
	life_start(l, b);
	note(m);
	bad = check_life(l, m);
	life_end(l);
	free(m);
	return bad;
}

static const char *
try_cut(struct life *v, const struct cut *c, const struct broken *b)
{
	struct cut second = *c;
	const char *bad = relive(v, 1, c, b);

	if (bad == NULL) {
		second.at = sim_random(&second.seed) %
		    (sim_disk_now(v[1].disk) + 1);
		bad = relive(v, 2, &second, b);
		life_clear(&v[2]);
	}
	life_clear(&v[1]);
	return bad;
}

/* ---- the runs ----------------------------------------------------------- */

static uint64_t seed;
static size_t runs = 100;

static void
judge(struct life *v, const struct session *s, const struct cut *c)
{
	const char *bad = try_cut(v, c, NULL);

	if (bad != NULL)
		fail_msg("%s: %s before change %zu of %zu (%s), seed %llu of "
		    "run FAULT_SEED=%llu: %s", s->name, c->end == SIM_POWER ?
		    "power cut" : "kill", c->at, sim_disk_now(v->disk),
		    sim_disk_change(v->disk, c->at),
		    (unsigned long long)c->seed, (unsigned long long)seed, bad);
}

/* Before or after one, or at the end. */
static bool
is_at_sync(const struct sim_disk *d, size_t at)
{
	return sim_disk_next_sync(d, at) == at ||
	    (at > 0 && sim_disk_next_sync(d, at - 1) == at - 1);
}

/* Before and after each sync, and at instants between. */
static void
sweep_session(const struct session *s, enum sim_end end, uint64_t r)
{
	struct life v[LIVES];
	struct model *m = mem_alloc(sizeof(*m));
	struct cut c = { .end = end };
	size_t i, all;

	record(v, m, &(struct plan){ .session = s });
	all = sim_disk_now(v->disk);
	assert_true(all > 50);
	for (c.at = 0; c.at <= all; c.at++) {
		c.seed = sim_random(&r);
		if (s->closely || is_at_sync(v->disk, c.at))
			judge(v, s, &c);
	}
	for (i = 0; i < runs; i++) {
		c.seed = sim_random(&r);
		c.at = sim_random(&r) % (all + 1);
		judge(v, s, &c);
	}
	print_message("%s: %zu changes\n", s->name, all);
	life_clear(v);
	free(m);
}

static void
sweep(enum sim_end end)
{
	size_t i;

	for (i = 0; i < SESSIONS; i++)
		sweep_session(&sessions[i], end, seed);
}

static void
a_killed_session_loses_nothing(void **arg)
{
	(void)arg;
	sweep(SIM_CRASH);
}

static void
a_power_cut_loses_nothing_acknowledged(void **arg)
{
	(void)arg;
	sweep(SIM_POWER);
}

/* The number of calls that could fail so. */
static size_t
live_failing(const struct plan *p)
{
	struct life v[2];
	struct model *m = mem_alloc(sizeof(*m));
	const char *bad;
	size_t calls;

	record(v, m, p);
	calls = sim_disk_counted(v->disk);
	bad = relive(v, 1, &(struct cut){ sim_disk_now(v->disk), SIM_CRASH,
	    p->n }, NULL);
	if (bad != NULL)
		fail_msg("%s: call %zu fails with %s: %s", p->session->name,
		    p->n, p->failure == SIM_SHORT ? "a short write" :
		    strerror(p->error), bad);
	life_clear(&v[1]);
	life_clear(&v[0]);
	free(m);
	return calls;
}

static void
fail_calls(struct plan p, size_t step)
{
	size_t calls;

	if (p.session->closely)
		step = 1;
	p.n = SIZE_MAX;
	calls = live_failing(&p);
	for (p.n = 1 + seed % step; p.n <= calls; p.n += step)
		live_failing(&p);
}

static void
a_call_that_fails_loses_nothing(void **arg)
{
	static const int errors[] = { EIO, ENOSPC, EMFILE, EINTR };
	const char *s = getenv("FAULT_STEP");
	uint64_t step = 5;
	struct plan p = { 0 };
	size_t i;

	(void)arg;
	if (s != NULL)
		(void)!slice_to_u64(slice_str(s), 1, 1000, &step);
	for (p.session = sessions; p.session < sessions + SESSIONS;
	    p.session++) {
		p.failure = SIM_ONCE;
		for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
			p.error = errors[i];
			fail_calls(p, step);
		}
		p.failure = SIM_SHORT;
		fail_calls(p, step);
	}
}

/* ---- the net ------------------------------------------------------------ */

static bool
find_out(const struct broken *b, size_t most)
{
	struct life v[LIVES];
	struct model *m = mem_alloc(sizeof(*m));
	struct cut c = { .end = SIM_POWER };
	const char *bad = NULL;
	uint64_t r = seed;
	size_t n, all;

	record(v, m, &(struct plan){ .session = sessions, .broken = b });
	all = sim_disk_now(v->disk);
	for (n = 1; n <= most && bad == NULL; n++) {
		c.seed = sim_random(&r);
		c.at = sim_random(&r) % (all + 1);
		if (n % 2 == 0)
			c.at = sim_disk_next_sync(v->disk, c.at);
		bad = try_cut(v, &c, b);
	}
	if (sim_disk_left_out(v->disk) == 0)
		print_error("%s: there is no such call\n", b->name);
	life_clear(v);
	free(m);
	return sim_found_out(b->name, n - 1, bad);
}

static void
every_broken_build_is_found_out(void **arg)
{
	size_t i, n = sizeof(broken_builds) / sizeof(broken_builds[0]);
	unsigned missed = 0;

	(void)arg;
	for (i = 0; i < n; i++)
		missed += !find_out(&broken_builds[i], 400);
	assert_int_equal(missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_fails_loses_nothing),
		cmocka_unit_test(a_killed_session_loses_nothing),
		cmocka_unit_test(a_power_cut_loses_nothing_acknowledged),
		cmocka_unit_test(every_broken_build_is_found_out),
	};

	seed = sim_begin_runs("FAULT", &runs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
