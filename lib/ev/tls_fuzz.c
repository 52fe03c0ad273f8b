/* SPDX-License-Identifier: ISC */
/*
 * tls_fuzz - a server's stream and what a hostile client writes.
 *
 * The first byte says how long the pieces are that the rest is written in.
 * Nothing signs, so no handshake is ever done: whatever comes, the stream goes
 * on waiting or ends with an error, and never gives bytes to its owner.
 */
#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "ev/tls.h"
#include "ev/tls_self.h"

#define OUT_MAX	65536

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct ev_loop loop;
static struct tls_context *tls;
static bool over;

static int
sign(void *arg, uint32_t key, unsigned scheme, struct slice input,
    struct buf *signature)
{
	(void)arg;
	(void)key;
	(void)scheme;
	(void)input;
	(void)signature;
	return -1;
}

static void
must_not(void *arg)
{
	(void)arg;
	abort();
}

static void
on_end(void *arg, enum stream_end end)
{
	(void)arg;
	if (end != STREAM_ERROR)
		abort();
	over = true;
}

static const struct stream_ops ops = { must_not, NULL, NULL, on_end,
	must_not };

static void
make_context(void)
{
	static const char *const names[] = { "mx.example.org" };
	struct tls_self self = { TLS_SELF_P256, names, 1, NULL, 30 };
	struct buf chain = BUF_INIT(65536), key = BUF_INIT(65536), why =
	    BUF_INIT(1000);
	struct tls_certificate one;
	struct tls_server_config c = { .certificates = &one,
		.ncertificates = 1, .sign = sign };

	tls_init();
	ev_loop_init(&loop);
	if (tls_self_signed(&self, &chain, &key) == -1)
		abort();
	one = (struct tls_certificate){ buf_slice(&chain), 1 };
	tls = tls_server_new(&c, &why);
	if (tls == NULL)
		abort();
	buf_clear(&chain);
	buf_clear(&key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct stream s;
	size_t piece, part;
	int fds[2], i;

	if (n < 2)
		return 0;
	if (tls == NULL)
		make_context();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == -1)
		abort();
	over = false;
	stream_open(&s, &loop, fds[0], OUT_MAX, &ops, NULL);
	stream_tls_accept(&s, tls);
	piece = (size_t)p[0] * 8 + 1;
	for (p++, n--; n > 0 && !over; p += part, n -= part) {
		part = n < piece ? n : piece;
		if (send(fds[1], p, part, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
			break;
		ev_turn(&loop, 0);
	}
	close(fds[1]);
	for (i = 0; i < 10 && !over; i++)
		ev_turn(&loop, 0);
	if (!over)
		abort();
	stream_close(&s);
	return 0;
}
