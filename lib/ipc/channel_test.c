/* SPDX-License-Identifier: ISC */
/*
 * channel_test - two channels, or a channel and a peer that writes what it
 * likes.
 *
 * Roles: LOCAL is the side under test, WORKER (untrusted) its peer; where
 * trust matters, BOUNCE and QMGR (trusted).
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/channel.h"

#define EDGE(X)								\
	X(T_ANY,     1, EITHER, 0, 0,  CHANNEL_BODY_BYTES)		\
	X(T_SIZED,   2, EITHER, 0, 4,  8)				\
	X(T_FD,	     3, EITHER, 1, 0,  100)				\
	X(T_FDS,     4, EITHER, 3, 0,  0)				\
	X(T_OURS,    5, LOCAL,  0, 0,  100)				\
	X(T_THEIRS,  6, WORKER, 0, 0,  100)
ENUM_MESSAGES(EDGE);

static const struct message_rule rules[] = RULES_OF(EDGE);

static struct end {
	struct channel	*channel;
	size_t		 messages;
	uint64_t	 last_id;
	uint16_t	 last_type;
	struct buf	 bytes;		/* bodies, one after the other */
	int		 fds[64];	/* taken, in the order they came */
	size_t		 nfds;
	int		 downs;
	int		 relaxeds;
	/* what it does */
	bool		 free_at_message;
	bool		 free_at_down;
	bool		 free_at_relaxed;
	bool		 breach_at_message;
	bool		 pause_at_message;
	bool		 leave_fds;
	bool		 echo;
} a, b;

static struct ev_loop	 loop;
static int		 raw = -1;	/* the peer of a, when it is no channel */

static void
on_message(void *arg, struct channel *c, struct message *m)
{
	struct end *e = arg;
	int i;

	e->messages++;
	e->last_id = m->id;
	e->last_type = m->type;
	for (i = 0; i < m->nfds && !e->leave_fds; i++) {
		e->fds[e->nfds++] = m->fds[i];
		m->fds[i] = -1;
	}
	if (e->echo)
		channel_send(c, T_ANY, m->id, m->body.rest);
	buf_add(&e->bytes, get_rest(&m->body));
	if (e->pause_at_message)
		channel_pause(c, true);
	if (e->breach_at_message)
		channel_breach(c, "test");
	if (e->free_at_message)
		channel_free(&e->channel);
}

static void
on_down(void *arg, struct channel *c)
{
	struct end *e = arg;

	assert_ptr_equal(c, e->channel);
	e->downs++;
	if (e->free_at_down)
		channel_free(&e->channel);
	e->channel = NULL;
}

static void
on_relaxed(void *arg, struct channel *c)
{
	struct end *e = arg;

	assert_ptr_equal(c, e->channel);
	e->relaxeds++;
	if (e->free_at_relaxed)
		channel_free(&e->channel);
}

static const struct channel_ops ops = { on_message, on_down, on_relaxed };

static void
init(bool with_peer_channel, enum role self, enum role peer)
{
	int s[2];

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	buf_init(&a.bytes, 128 * 1024 * 1024);
	buf_init(&b.bytes, 128 * 1024 * 1024);
	ev_loop_init(&loop);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	a.channel = channel_new(&loop, s[0], rules, self, peer, 7, &ops, &a);
	if (with_peer_channel)
		b.channel = channel_new(&loop, s[1], rules, peer, self, 0,
		    &ops, &b);
	else
		raw = s[1];
}

static int
pair(void **state)
{
	(void)state;
	init(true, ROLE_LOCAL, ROLE_WORKER);
	return 0;
}

static int
against_raw(void **state)
{
	(void)state;
	init(false, ROLE_LOCAL, ROLE_WORKER);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	channel_free(&a.channel);
	channel_free(&b.channel);
	while (a.nfds > 0)
		close(a.fds[--a.nfds]);
	while (b.nfds > 0)
		close(b.fds[--b.nfds]);
	if (raw != -1)
		close(raw);
	raw = -1;
	buf_clear(&a.bytes);
	buf_clear(&b.bytes);
	ev_loop_clear(&loop);
	return 0;
}

static void
turns(int n)
{
	while (n-- > 0)
		ev_turn(&loop, 0);
}

/* Until the condition holds; a loop that is stuck ends it too. */
#define TURN_UNTIL(condition) do {					\
	int tries_;							\
	for (tries_ = 0; tries_ < 100000 && !(condition); tries_++)	\
		ev_turn(&loop, 1);					\
	assert_true(condition);						\
} while (0)

static size_t
open_descriptors(void)
{
	size_t n = 0;
	int i;

	for (i = 0; i < 1024; i++)
		n += fcntl(i, F_GETFD) != -1;
	return n;
}

/* ---- messages ---- */

static void
message_arrives_with_its_id_and_body(void **state)
{
	struct buf *body;

	(void)state;
	assert_int_equal(channel_peer(a.channel), ROLE_WORKER);
	assert_int_equal(channel_index(a.channel), 7);
	channel_send(a.channel, T_SIZED, 1ull << 40, SLICE_LIT("body"));
	body = channel_begin(a.channel, T_OURS, 3);
	put_u32(body, 77);
	channel_end(a.channel);
	assert_int_equal(b.messages, 0);	/* at the end of the turn */
	turns(2);
	assert_int_equal(b.messages, 2);
	assert_int_equal(b.last_type, T_OURS);
	assert_int_equal(b.last_id, 3);
	assert_int_equal(b.bytes.n, 8);
	assert_memory_equal(b.bytes.p, "body\x4d\0\0\0", 8);
}

static void
largest_body_arrives(void **state)
{
	char *big = mem_alloc(CHANNEL_BODY_BYTES);

	(void)state;
	memset(big, 'x', CHANNEL_BODY_BYTES);
	channel_send(a.channel, T_ANY, 1, slice_of(big, CHANNEL_BODY_BYTES));
	channel_send(a.channel, T_ANY, 2, SLICE_EMPTY);
	TURN_UNTIL(b.messages == 2);
	assert_int_equal(b.bytes.n, CHANNEL_BODY_BYTES);
	free(big);
}

/* Each file holds its number; order and pairing must survive any backlog. */
static void
descriptors_arrive_in_order_with_their_messages(void **state)
{
	static char filler[60000];
	char name[] = "/tmp/channel_test.XXXXXX";
	int i, fds[3], fd = mkstemp(name);
	off_t at;
	size_t before;

	(void)state;
	unlink(name);
	assert_int_equal(ftruncate(fd, 100), 0);
	before = open_descriptors();
	for (i = 0; i < 10; i++) {
		fds[0] = dup(fd);
		channel_begin(a.channel, T_FD, (uint64_t)i);
		channel_end_fds(a.channel, fds, 1);
		channel_send(a.channel, T_ANY, 0, slice_of(filler,
		    sizeof(filler)));
		fds[0] = dup(fd);
		fds[1] = dup(fd);
		fds[2] = dup(fd);
		channel_begin(a.channel, T_FDS, (uint64_t)i);
		channel_end_fds(a.channel, fds, 3);
	}
	TURN_UNTIL(b.messages == 30);
	assert_int_equal(b.nfds, 40);
	/* Sent ones are closed on the sender's side. */
	assert_int_equal(open_descriptors(), before + 40);
	for (i = 0; i < 40; i++) {
		assert_true(fcntl(b.fds[i], F_GETFD) & FD_CLOEXEC);
		at = lseek(b.fds[i], 0, SEEK_CUR);
		assert_int_equal(at, i);
		lseek(b.fds[i], i + 1, SEEK_SET);
	}
	close(fd);
}

static void
descriptors_that_nobody_takes_are_closed(void **state)
{
	size_t before = open_descriptors();
	int i, fd;

	(void)state;
	b.leave_fds = true;
	for (i = 0; i < 20; i++) {
		fd = dup(STDIN_FILENO);
		channel_begin(a.channel, T_FD, 0);
		channel_end_fds(a.channel, &fd, 1);
	}
	TURN_UNTIL(b.messages == 20);
	assert_int_equal(open_descriptors(), before);
	/* and so are those that were never sent */
	fd = dup(STDIN_FILENO);
	channel_begin(a.channel, T_FD, 0);
	channel_end_fds(a.channel, &fd, 1);
	channel_free(&a.channel);
	assert_int_equal(open_descriptors(), before - 1);
	fd = dup(STDIN_FILENO);
	assert_null(channel_begin(a.channel, T_FD, 0));
	channel_end_fds(a.channel, &fd, 1);
	assert_int_equal(open_descriptors(), before - 1);
}

static void
answers_carry_their_ids(void **state)
{
	uint64_t i;

	(void)state;
	b.echo = true;
	for (i = 1; i <= 1000; i++)
		channel_send(a.channel, T_ANY, i, SLICE_LIT("x"));
	TURN_UNTIL(a.messages == 1000);
	assert_int_equal(a.last_id, 1000);
	assert_int_equal(a.bytes.n, 1000);
}

static void
paused_channel_delivers_nothing_until_it_goes_on(void **state)
{
	(void)state;
	b.pause_at_message = true;
	channel_send(a.channel, T_ANY, 1, SLICE_LIT("1"));
	channel_send(a.channel, T_ANY, 2, SLICE_LIT("2"));
	turns(5);
	channel_send(a.channel, T_ANY, 3, SLICE_LIT("3"));
	turns(5);
	assert_int_equal(b.messages, 1);
	b.pause_at_message = false;
	channel_pause(b.channel, false);
	TURN_UNTIL(b.messages == 3);
}

/* ---- pressure ---- */

static void
busy_is_told_and_its_end(void **state)
{
	static char block[200 * 1024];
	int n = 0;

	(void)state;
	channel_pause(b.channel, true);
	while (!channel_is_busy(a.channel)) {
		channel_send(a.channel, T_ANY, 0, slice_of(block,
		    sizeof(block)));
		turns(1);
		n++;
	}
	assert_in_range(n, CHANNEL_BUSY_BYTES / (int)sizeof(block),
	    2 * CHANNEL_BUSY_BYTES / (int)sizeof(block));
	assert_int_equal(a.relaxeds, 0);
	channel_pause(b.channel, false);
	TURN_UNTIL(b.messages == (size_t)n);
	assert_int_equal(a.relaxeds, 1);
	assert_false(channel_is_busy(a.channel));
}

/* The sender's end of it: a peer that reads nothing fails in the end. */
static void
peer_that_never_reads_is_given_up_at_the_limit(void **state)
{
	static char block[CHANNEL_BODY_BYTES];
	size_t sent = 0;

	(void)state;
	channel_pause(b.channel, true);
	while (channel_begin(a.channel, T_ANY, 0) != NULL) {
		channel_end(a.channel);
		channel_send(a.channel, T_ANY, 0, slice_of(block,
		    sizeof(block)));
		sent += sizeof(block);
		assert_true(sent < 2 * (size_t)CHANNEL_OUT_BYTES);
	}
	assert_true(sent > CHANNEL_OUT_BYTES / 2);
	TURN_UNTIL(a.downs == 1);
}

/* What was sent long ago does not count against the limit. */
static void
slow_reader_is_not_given_up(void **state)
{
	static char block[CHANNEL_BODY_BYTES];
	size_t sent = 0, got = 0;
	char *to = mem_alloc(1024 * 1024);
	ssize_t n;

	(void)state;
	while (sent < 3 * (size_t)CHANNEL_OUT_BYTES) {
		/* always far more than the socket takes at once */
		while (sent - got < CHANNEL_OUT_BYTES / 2) {
			channel_send(a.channel, T_ANY, 0, slice_of(block,
			    sizeof(block)));
			sent += sizeof(block) + 16;
		}
		turns(1);
		while ((n = recv(raw, to, 1024 * 1024, MSG_DONTWAIT)) > 0)
			got += (size_t)n;
		assert_int_equal(a.downs, 0);
	}
	free(to);
}

static void
freed_when_relaxed_is_freed_once(void **state)
{
	static char block[200 * 1024];

	(void)state;
	a.free_at_relaxed = true;
	channel_pause(b.channel, true);
	while (!channel_is_busy(a.channel))
		channel_send(a.channel, T_ANY, 0, slice_of(block,
		    sizeof(block)));
	channel_pause(b.channel, false);
	TURN_UNTIL(a.relaxeds == 1);
	assert_null(a.channel);
	turns(3);
	assert_int_equal(a.downs, 0);
	TURN_UNTIL(b.downs == 1);
}

/* ---- ends ---- */

static void
peer_s_end_is_told_after_its_last_message(void **state)
{
	(void)state;
	channel_send(a.channel, T_ANY, 1, SLICE_LIT("last"));
	channel_flush(a.channel);
	channel_free(&a.channel);
	TURN_UNTIL(b.downs == 1);
	assert_int_equal(b.messages, 1);
}

/* Output to a peer that ended must not hide what it said before: qmgr's
 * QUEUED is heard although qmgr died right after it. */
static void
last_message_is_heard_although_we_were_writing(void **state)
{
	(void)state;
	channel_send(a.channel, T_ANY, 1, SLICE_LIT("last"));
	channel_flush(a.channel);
	channel_free(&a.channel);
	channel_send(b.channel, T_ANY, 2, SLICE_LIT("to nobody"));
	channel_flush(b.channel);
	assert_null(channel_begin(b.channel, T_ANY, 3));
	TURN_UNTIL(b.downs == 1);
	assert_int_equal(b.messages, 1);
}

static void
freed_inside_its_message_hears_no_more(void **state)
{
	(void)state;
	b.free_at_message = true;
	channel_send(a.channel, T_ANY, 1, SLICE_LIT("1"));
	channel_send(a.channel, T_ANY, 2, SLICE_LIT("2"));
	TURN_UNTIL(a.downs == 1);
	assert_int_equal(b.messages, 1);
	assert_int_equal(b.downs, 0);
	assert_null(b.channel);
}

static void
freed_inside_down_is_freed_once(void **state)
{
	(void)state;
	b.free_at_down = true;
	channel_free(&a.channel);
	TURN_UNTIL(b.downs == 1);
	turns(3);
}

static void
breach_found_by_a_handler_ends_the_channel(void **state)
{
	(void)state;
	b.breach_at_message = true;
	channel_send(a.channel, T_ANY, 1, SLICE_LIT("1"));
	channel_send(a.channel, T_ANY, 2, SLICE_LIT("2"));
	TURN_UNTIL(b.downs == 1 && a.downs == 1);
	assert_int_equal(b.messages, 1);
}

/* ---- breaches ---- */

static size_t
frame(char *to, uint32_t total, uint16_t type, uint16_t nfds, uint64_t id)
{
	total = htole32(total);
	type = htole16(type);
	nfds = htole16(nfds);
	id = htole64(id);
	memcpy(to, &total, 4);
	memcpy(to + 4, &type, 2);
	memcpy(to + 6, &nfds, 2);
	memcpy(to + 8, &id, 8);
	memset(to + 16, 'b', 200);
	return total;
}

static const struct breach {
	const char	*what;
	uint32_t	 total;		/* header of 16 and body */
	uint16_t	 type;
	uint16_t	 nfds;		/* said */
	int		 given;		/* descriptors sent along */
} breaches[] = {
	{ "unknown type", 16, 99, 0, 0 },
	{ "type 0", 16, 0, 0, 0 },
	{ "a message that only we send", 16, T_OURS, 0, 0 },
	{ "body too small", 16 + 3, T_SIZED, 0, 0 },
	{ "body too large", 16 + 9, T_SIZED, 0, 0 },
	{ "shorter than its header", 15, T_ANY, 0, 0 },
	{ "empty frame", 0, T_ANY, 0, 0 },
	{ "enormous", 0xffffffff, T_ANY, 0, 0 },
	{ "more than any body", 16 + CHANNEL_BODY_BYTES + 1, T_ANY, 0, 0 },
	{ "descriptors where none belong", 16, T_ANY, 1, 1 },
	{ "too few descriptors said", 16, T_FD, 0, 0 },
	{ "a descriptor said and not given", 16, T_FD, 1, 0 },
	{ "too many descriptors said", 16, T_FDS, 4, 4 },
	{ "absurdly many descriptors said", 16, T_FDS, 0xffff, 0 },
};

static void
send_raw(const char *p, size_t n, int nfds)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct iovec iov = { (char[4096]){ 0 }, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	int i, fd = STDIN_FILENO;

	memcpy(iov.iov_base, p, n);
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		for (i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(cm) + (size_t)i * sizeof(int), &fd,
			    sizeof(fd));
	}
	assert_int_equal(sendmsg(raw, &mh, MSG_NOSIGNAL), n);
}

static void
breach_closes_the_channel_and_nothing_else(void **state)
{
	char bytes[512];
	size_t i, n, before;

	(void)state;
	finish(NULL);
	for (i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		const struct breach *x = &breaches[i];

		before = open_descriptors();
		init(false, ROLE_LOCAL, ROLE_WORKER);
		frame(bytes, x->total, x->type, x->nfds, 1);
		n = x->total < 16 ? 16 : x->total > 200 ? 200 : x->total;
		send_raw(bytes, n, x->given);
		turns(4);
		if (a.downs != 1 || a.messages != 0)
			fail_msg("%s: %d downs, %zu messages", x->what,
			    a.downs, a.messages);
		finish(NULL);
		assert_int_equal(open_descriptors(), before);
	}
	init(false, ROLE_LOCAL, ROLE_WORKER);
}

/* A peer that gives descriptors with bytes that want none: we would hold
 * them for it, and have fewer for others. */
static void
descriptors_that_no_frame_wants_are_a_breach(void **state)
{
	char bytes[512];
	size_t before = open_descriptors();

	(void)state;
	frame(bytes, 16, T_ANY, 0, 1);
	send_raw(bytes, 16, 1);
	turns(4);
	assert_int_equal(a.downs, 1);
	assert_int_equal(a.messages, 1);
	assert_int_equal(open_descriptors(), before - 1);
}

static void
descriptors_of_an_unfinished_frame_are_few(void **state)
{
	char bytes[512];
	size_t before = open_descriptors();

	(void)state;
	frame(bytes, 16 + 8, T_SIZED, 0, 1);
	send_raw(bytes, 20, 4);
	turns(4);
	assert_int_equal(a.downs, 0);
	send_raw(bytes + 20, 1, 1);
	turns(4);
	assert_int_equal(a.downs, 1);
	assert_int_equal(open_descriptors(), before - 1);
}

static void
frames_may_come_byte_by_byte(void **state)
{
	char bytes[512];
	size_t i;

	(void)state;
	frame(bytes, 16 + 8, T_SIZED, 0, 42);
	frame(bytes + 24, 16 + 3, T_FD, 1, 43);
	for (i = 0; i < 24 + 19; i++) {
		assert_int_equal(a.messages, i < 24 ? 0 : 1);
		/* the descriptor comes with its frame's first byte */
		send_raw(bytes + i, 1, i == 24 ? 1 : 0);
		turns(2);
	}
	assert_int_equal(a.messages, 2);
	assert_int_equal(a.last_id, 43);
	assert_int_equal(a.nfds, 1);
	assert_true(slice_eq(buf_slice(&a.bytes),
	    SLICE_LIT("bbbbbbbbbbb")));
}

static void
half_a_frame_and_its_end_is_no_message(void **state)
{
	char bytes[512];

	(void)state;
	frame(bytes, 16 + 8, T_SIZED, 0, 42);
	send_raw(bytes, 20, 0);
	turns(2);
	close(raw);
	raw = -1;
	TURN_UNTIL(a.downs == 1);
	assert_int_equal(a.messages, 0);
}

/* What a breach does to the process of a role, in a child. */
static int
status_after_breach(enum role self, enum role peer)
{
	char bytes[512];
	int status;
	pid_t pid;

	finish(NULL);
	init(false, self, peer);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		log_to(LOG_SINK_STREAM, open("/dev/null", O_WRONLY));
		frame(bytes, 16, 99, 0, 1);
		send_raw(bytes, 16, 0);
		turns(4);
		_exit(a.downs == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
breach_by_a_trusted_peer_ends_the_process_but_master(void **state)
{
	(void)state;
	assert_int_equal(status_after_breach(ROLE_BOUNCE, ROLE_QMGR), 70);
	assert_int_equal(status_after_breach(ROLE_SMTPD, ROLE_MASTER), 70);
	assert_int_equal(status_after_breach(ROLE_QMGR, ROLE_SMTPD), 0);
	assert_int_equal(status_after_breach(ROLE_MASTER, ROLE_QMGR), 0);
}

/* ---- without a loop ---- */

static void
wait_takes_messages_one_by_one(void **state)
{
	struct channel *c;
	struct message m;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	c = channel_new(NULL, s[0], rules, ROLE_LOCAL, ROLE_WORKER, 0, &ops,
	    &a);
	close(raw);
	raw = s[1];
	send_raw((char[]){ 16 + 4, 0, 0, 0, T_SIZED, 0, 0, 0,
	    1, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 'd',
	    16, 0, 0, 0, T_THEIRS, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0 }, 36, 0);
	assert_int_equal(channel_wait(c, &m, 1000), 0);
	assert_int_equal(m.id, 1);
	assert_true(slice_eq(get_rest(&m.body), SLICE_LIT("abcd")));
	assert_int_equal(channel_wait(c, &m, 1000), 0);
	assert_int_equal(m.id, 2);
	assert_int_equal(channel_wait(c, &m, 10), -1);
	channel_send(c, T_OURS, 9, SLICE_LIT("x"));
	close(raw);
	raw = -1;
	assert_int_equal(channel_wait(c, &m, 1000), -1);
	channel_free(&c);
}

int
main(void)
{
#define PAIR(name) cmocka_unit_test_setup_teardown(name, pair, finish)
#define RAW(name) cmocka_unit_test_setup_teardown(name, against_raw, finish)
	const struct CMUnitTest tests[] = {
		PAIR(message_arrives_with_its_id_and_body),
		PAIR(largest_body_arrives),
		PAIR(descriptors_arrive_in_order_with_their_messages),
		PAIR(descriptors_that_nobody_takes_are_closed),
		PAIR(answers_carry_their_ids),
		PAIR(paused_channel_delivers_nothing_until_it_goes_on),
		PAIR(busy_is_told_and_its_end),
		PAIR(peer_that_never_reads_is_given_up_at_the_limit),
		RAW(slow_reader_is_not_given_up),
		PAIR(freed_when_relaxed_is_freed_once),
		PAIR(peer_s_end_is_told_after_its_last_message),
		PAIR(last_message_is_heard_although_we_were_writing),
		PAIR(freed_inside_its_message_hears_no_more),
		PAIR(freed_inside_down_is_freed_once),
		PAIR(breach_found_by_a_handler_ends_the_channel),
		RAW(breach_closes_the_channel_and_nothing_else),
		RAW(descriptors_that_no_frame_wants_are_a_breach),
		RAW(descriptors_of_an_unfinished_frame_are_few),
		RAW(frames_may_come_byte_by_byte),
		RAW(half_a_frame_and_its_end_is_no_message),
		RAW(breach_by_a_trusted_peer_ends_the_process_but_master),
		RAW(wait_takes_messages_one_by_one),
	};

	/* Breaches are logged: not into the test's output. */
	log_to(LOG_SINK_STREAM, open("/dev/null", O_WRONLY));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
