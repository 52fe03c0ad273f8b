/* SPDX-License-Identifier: ISC */
/* front_fuzz - for fuzz targets: a whole connection before the login, with
 * nobody to ask.  The first byte is the size of the pieces of input. */
#ifndef LOGIN_FRONT_FUZZ_H
#define LOGIN_FRONT_FUZZ_H

#include <sys/socket.h>

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "login/login.h"

static inline void
fuzz_front(const struct login_protocol *protocol, const uint8_t *data,
    size_t size)
{
	static struct login l;
	const struct peer who = { .family = AF_INET, .text = "127.0.0.1",
		.addr = { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 } };
	struct buf why = BUF_INIT(4096);
	struct conn *c;
	char got[65536];
	size_t i, n;
	int s[2];

	if (size == 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s) == -1)
		return;
	if (l.protocol == NULL) {
		log_set_level(LOG_LEVEL_ERROR);
		login_init(&l, protocol);
		ev_loop_init(&l.child.loop);
		l.child.conf = conf_parse(SLICE_LIT(""), "fuzz", &why);
		assert(l.child.conf != NULL);
		certificates_init(&l.certificates, &l.child);
		free(l.from_here);
		l.from_here = mem_strdup("PLAIN LOGIN SCRAM-SHA-256");
	}
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	conn_new(&l, s[1], &who, "fuzz");
	for (i = 1; i < size; i += n) {
		n = size - i < 1 + data[0] ? size - i : 1 + data[0];
		if (send(s[0], data + i, n, MSG_NOSIGNAL) == -1)
			break;
		ev_turn(&l.child.loop, 0);
		while (read(s[0], got, sizeof(got)) > 0)
			;
		c = TAILQ_FIRST(&l.conns);
		assert(c == NULL || c->state >= CONN_CLOSING ||
		    conn_input(c).n <= LOGIN_INPUT_BYTES);
	}
	close(s[0]);
	for (i = 0; i < 4 && l.nconns > 0; i++)
		ev_turn(&l.child.loop, 0);
	assert(l.nconns == 0);
}

#endif
