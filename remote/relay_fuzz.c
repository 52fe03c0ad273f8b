/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as what a host says, from its greeting on.  The first byte chooses
 * SMTP or LMTP, TLS, the job and the size of the pieces in which the rest
 * arrives.  Nobody here can finish a handshake, so where TLS is demanded
 * nothing of the message may be said.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "attempt.h"
#include "base/log.h"
#include "conn.h"
#include "next_hop.h"
#include "site.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static const struct message_rule rules[] = RULES_OF(DELIVERY);
static struct ev_loop loop;
static struct relay relay;
static struct channel *qmgr, *qmgr_peer;
static unsigned results;
static uint64_t socket_id;

static void
count_results(void *arg, struct channel *c, struct message *m)
{
	struct outcome o;
	uint32_t n = get_u32(&m->body);

	(void)arg;
	(void)c;
	if (m->type != DL_RESULT)
		return;
	for (; n > 0; n--, results++) {
		get_u32(&m->body);
		if (!outcome_unpack(&m->body, &o))
			abort();
	}
	if (!wire_done(&m->body))
		abort();
}

static void
take_job(void *arg, struct channel *c, struct message *m)
{
	(void)arg;
	relay_message(&relay, c, m);
}

static void
down(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
	abort();
}

static void
socket_asked(void *arg, uint64_t id, struct slice path)
{
	(void)arg;
	(void)path;
	socket_id = id;
}

static void
set_up(void)
{
	static const struct channel_ops ours = { take_job, down, NULL };
	static const struct channel_ops theirs = { count_results, down, NULL };
	struct buf why = BUF_INIT(1000);
	int fds[2];

	log_open("relay_fuzz", LOG_LEVEL_ERROR + 1);
	ev_loop_init(&loop);
	relay_init(&relay, &loop, conf_parse(SLICE_LIT(
	    "hostname = us.example\nremote.idle = 0s\n"), "fuzz", &why));
	if (relay.conf == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	relay.ask_socket = socket_asked;
	qmgr = channel_new(&loop, fds[0], rules, ROLE_REMOTE, ROLE_QMGR, 0,
	    &ours, NULL);
	qmgr_peer = channel_new(&loop, fds[1], rules, ROLE_QMGR, ROLE_REMOTE,
	    0, &theirs, NULL);
	relay.qmgr = qmgr;
}

static void
send_job(unsigned recipients, unsigned kind)
{
	static const char large[100000] = "Subject: x\r\n\r\n.x\r\n";
	struct job_recipient r[8] = { { 0 } };
	struct job j = { .queue_id = 1, .arrived_ms = 1,
		.reverse_path = SLICE_LIT("s@us.example"),
		.recipients = r, .nrecipients = recipients,
		.body = kind & 1 ? BODY_8BITMIME : BODY_7BIT,
		.content = slice_of(large, kind & 2 ? 100000 : 18) };
	unsigned i;

	for (i = 0; i < recipients; i++) {
		r[i].number = i;
		r[i].address = SLICE_LIT("r@example.org");
		r[i].to.kind = DEST_REMOTE;
		r[i].to.next_hop = SLICE_LIT("lmtp:/x");
	}
	if (job_pack(channel_begin(qmgr_peer, DL_JOB, 7), &j) != 0)
		abort();
	channel_end(qmgr_peer);
}

static void
drain(int fd, bool secret)
{
	static char bytes[65536];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (secret && memmem(bytes, (size_t)n, "MAIL FROM", 9) != NULL)
			abort();
}

/* As a connection over TCP would be. */
static void
expect_tls(struct conn *c, bool demanded)
{
	c->has_address = true;
	c->level = demanded ? SECURE_ENCRYPT : SECURE_MAY;
	memset(relay.clear, 0, sizeof(relay.clear));
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	unsigned how = n > 0 ? p[0] : 0, recipients = 1 + (how >> 5);
	size_t at = 1, piece = how & 16 ? 1 : 1500;
	bool secret = how & 8 && recipients & 1;
	uint64_t first;
	int fds[2];

	if (relay.loop == NULL)
		set_up();
	if (n < 2 || (piece == 1 && n > 500) || n > 60000)
		return 0;
	results = 0;
	socket_id = 0;
	send_job(recipients, how >> 1 & 3);
	while (socket_id == 0)
		ev_turn(&loop, 0);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
		abort();
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	first = socket_id;
	relay_got_socket(&relay, first, fds[0]);
	if (how & 1)
		LIST_FIRST(&relay.conns)->lmtp = false;
	if (how & 8)
		expect_tls(LIST_FIRST(&relay.conns), secret);
	for (; at < n && results < recipients; at += piece) {
		if (send(fds[1], p + at, n - at < piece ? n - at : piece,
		    MSG_NOSIGNAL) < 0)
			break;
		ev_turn(&loop, 0);
		drain(fds[1], secret);
	}
	close(fds[1]);
	/* Whatever it was, each recipient has an outcome in the end. */
	while (results < recipients || !LIST_EMPTY(&relay.conns)) {
		if (socket_id != first)
			relay_no_socket(&relay, socket_id, SLICE_LIT("gone"));
		first = socket_id;
		ev_turn(&loop, 0);
	}
	if (relay.nconns != 0 || results != recipients)
		abort();
	return 0;
}
