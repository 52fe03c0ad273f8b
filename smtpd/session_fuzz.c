/* SPDX-License-Identifier: ISC */
/*
 * Any bytes as sessions.  The first byte says who the client is; below E8 a
 * byte is said by the client, E8 to FF make the world around it move.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "fake.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define CONF	"hostname = mx.example.org\n"				\
		"smtp.max_message = 200K\n"				\
		"smtp.max_line = 1000\n"				\
		"smtp.memory = 1M\n"					\
		"smtp.max_errors = 1000\n"				\
		"queue.inline = 4K\n"					\
		"smtp.max_recipients = 100\n"				\
		"submission.max_header = 8K\n"

static struct fake f;
static int fds[2];	/* two clients take turns */
static int turn;

static const struct {
	enum listener_kind kind;
	const char	*addr;
} clients[] = {
	{ LISTENER_SMTP, "127.0.0.1" }, { LISTENER_SMTP, "192.0.2.1" },
	{ LISTENER_LMTP, "2001:db8::1" }, { LISTENER_SUBMIT, "uid=1000" },
	{ LISTENER_SUBMISSION, "127.0.0.1" },
	{ LISTENER_SUBMISSION, "2001:db8::2" },
};

#define CLIENTS	(sizeof(clients) / sizeof(clients[0]))

static void
hang_up(int i)
{
	if (fds[i] != -1)
		close(fds[i]);
	fds[i] = -1;
	fake_settle(&f);
}

static void
dial(unsigned who)
{
	turn = !turn;
	hang_up(turn);
	fds[turn] = fake_connect(&f, clients[who % CLIENTS].kind,
	    clients[who % CLIENTS].addr);
	fake_secure(&f);
}

static void
answer_all(void)
{
	struct fake_message *m;

	while (f.nheld > 0 && f.lookup != NULL)
		fake_decide(&f, --f.nheld);
	if (f.qmgr == NULL)
		return;
	if (f.spool_id != 0)
		fake_give_spool(&f, f.spool_id);
	f.spool_id = 0;
	for (m = f.messages; m < f.messages + f.nmessages; m++)
		fake_queued(&f, m->id);
}

static void
move(uint8_t what)
{
	switch (what) {
	case 0xf0: turn = !turn; break;
	case 0xf1: dial(0); break;
	case 0xf2: dial(1); break;
	case 0xf3: dial(2); break;
	case 0xf4: dial(3); break;
	case 0xf5: hang_up(turn); break;
	case 0xe8: dial(4); break;
	case 0xe9: dial(5); break;
	case 0xea: f.hold_auth = !f.hold_auth; break;
	case 0xeb: f.hold_senders = !f.hold_senders; break;
	case 0xec: f.hold_limits = !f.hold_limits; break;
	case 0xed: f.limit_seconds = f.limit_seconds ? 0 : 60; break;
	case 0xee: f.recipients_left = f.recipients_left > 1 ? 1 : 100; break;
	case 0xef:
		fake_auth_down(&f);
		fake_auth_up(&f);
		break;
	case 0xf6: f.hold_verdicts = !f.hold_verdicts; break;
	case 0xf7: f.hold_spool = !f.hold_spool; break;
	case 0xf8: f.hold_queued = !f.hold_queued; break;
	case 0xf9: f.hold_ids = !f.hold_ids; break;
	case 0xfa: answer_all(); break;
	case 0xfb: f.refuse = f.refuse ? NULL : "451 4.3.0 x"; break;
	case 0xfc:
		f.refuse_spool = f.refuse_spool ? NULL : "452 4.3.1 x";
		break;
	case 0xfd:
		fake_qmgr_down(&f);
		fake_qmgr_up(&f);
		break;
	case 0xfe:
		fake_lookup_down(&f);
		fake_lookup_up(&f);
		break;
	default:
		break;
	}
	fake_settle(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf heard = BUF_INIT(16 * 1024 * 1024);
	size_t i = 1, start;
	bool eof;

	if (n == 0)
		return 0;
	log_set_level(LOG_LEVEL_ERROR);
	fake_init(&f, CONF);
	fake_auth_up(&f);
	fds[0] = fds[1] = -1;
	dial(p[0]);
	while (i < n) {
		for (start = i; i < n && p[i] < 0xe8; i++)
			;
		if (i > start && fds[turn] != -1) {
			fake_send(&f, fds[turn], slice_of(p + start, i - start),
			    0);
			fake_receive(fds[turn], &heard, &eof);
			buf_reset(&heard);
		}
		if (i < n)
			move(p[i++]);
	}
	hang_up(0);
	hang_up(1);
	/* Nobody waits for anything any more, so nobody may be left. */
	f.hold_verdicts = f.hold_spool = f.hold_queued = f.hold_ids = false;
	f.hold_auth = f.hold_senders = f.hold_limits = false;
	fake_auth_down(&f);
	fake_lookup_down(&f);
	fake_qmgr_down(&f);
	fake_settle(&f);
	if (f.smtpd.nsessions != 0)
		abort();
	fake_clear(&f);
	buf_clear(&heard);
	return 0;
}
