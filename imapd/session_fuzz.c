/* SPDX-License-Identifier: ISC */
/*
 * session_fuzz - any bytes as a session's client.  The first byte says what is
 * enabled; a byte 0xff lets something happen meanwhile (the next one says what).
 */
#include <stdint.h>
#include <stdlib.h>

#include "client.h"
#include "fake_store.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MESSAGE								\
	"From: a@example.org\nSubject: =?utf-8?q?x?=\n"			\
	"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n"	\
	"Content-Transfer-Encoding: base64\n\nAAEC\n--b--\n"

static void
happen(struct client *c, uint8_t what)
{
	switch (what % 4) {
	case 0:
		fake_store_deliver("INBOX", MESSAGE);
		break;
	case 1:
		fake_store_fail((enum store_result)(what / 4 % 14));
		break;
	case 2:
		if (c->session != NULL)
			imap_session_news(c->session, SLICE_LIT("INBOX"));
		break;
	case 3:
		if (what / 4 % 2)
			fake_store_forget("INBOX");
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const enables[] = { "a NOOP", "a ENABLE CONDSTORE",
		"a ENABLE QRESYNC", "a ENABLE IMAP4rev2 UIDONLY QRESYNC" };
	struct client c;
	struct buf start = BUF_INIT(200);
	size_t i, from;

	if (n == 0 || n > 20000)
		return 0;
	client_begin();
	fake_store_reset();
	fake_store_deliver("INBOX", MESSAGE);
	fake_store_deliver("INBOX", "a: b\n\nc\n");
	client_login(&c);
	buf_printf(&start, "%s\r\na SELECT INBOX\r\n", enables[p[0] % 4]);
	client_ask(&c, buf_cstr(&start));
	buf_clear(&start);
	for (i = from = 1; i < n && c.session != NULL; i++) {
		if (p[i] != 0xff)
			continue;
		client_send(&c, slice_of(p + from, i - from));
		client_settle(&c);
		if (i + 1 < n)
			happen(&c, p[++i]);
		from = i + 1;
	}
	if (from < n && c.session != NULL)
		client_send(&c, slice_of(p + from, n - from));
	client_settle(&c);
	client_close(&c);
	fake_store_reset();
	return 0;
}
