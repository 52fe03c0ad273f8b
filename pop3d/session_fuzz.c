/* SPDX-License-Identifier: ISC */
/* Any input of a client who has logged in; the first byte is the size of the
 * pieces in which it comes. */
#include <sys/socket.h>

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "fake_store.h"
#include "session.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool over;

static void
changed(void *arg, struct slice mailbox)
{
	(void)arg;
	(void)mailbox;
}

static void
ended(void *arg, const char *why)
{
	(void)arg;
	(void)why;
	over = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pop3_config config = { .timeout_ms = 60000,
		.mark_seen = true, .changed = changed, .ended = ended };
	struct pop3_session *session;
	struct ev_loop loop;
	char got[65536];
	size_t piece, n, i;
	int s[2];

	if (size == 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s) == -1)
		return 0;
	piece = 1 + data[0];
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	ev_loop_init(&loop);
	fake_reset();
	fake_add(1, SLICE_LIT("Subject: a\n\n.one\n..\r\ntwo\rthree\n"));
	fake_add(2, SLICE_LIT(""));
	fake_add(7, SLICE_LIT("\n\n\n.\n"));
	over = false;
	session = pop3_session_new(&loop, (struct store *)&loop, &config, s[1],
	    slice_of(data + 1, size > 9 ? 8 : 0));
	for (i = size > 9 ? 9 : 1; i < size && !over; i += n) {
		n = size - i < piece ? size - i : piece;
		if (send(s[0], data + i, n, MSG_NOSIGNAL) == -1)
			break;
		ev_turn(&loop, 0);
		while (read(s[0], got, sizeof(got)) > 0)
			;
	}
	for (i = 0; i < 3; i++)
		ev_turn(&loop, 0);
	pop3_session_free(&session);
	close(s[0]);
	ev_loop_clear(&loop);
	return 0;
}
