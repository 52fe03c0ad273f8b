/* SPDX-License-Identifier: ISC */
/* parked_fuzz - any bytes as what a parked session has written down: they have
 * been with a process that talks to the network (park.c).  The first byte says
 * whether there is news; the session that comes of it, if any, is used. */
#include <stdint.h>

#include "client.h"
#include "fake_store.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct client c;

	if (n == 0 || n > 20000)
		return 0;
	client_begin();
	fake_store_reset();
	fake_store_deliver("INBOX", "a: b\n\nc\n");
	fake_store_deliver("INBOX", "d: e\n\nf\n");
	client_login(&c);
	buf_add(&c.state, slice_of((const char *)p + 1, n - 1));
	client_resume(&c, p[0] & 1);
	if (c.session != NULL) {
		client_send(&c, SLICE_LIT("DONE\r\na FETCH 1:* FLAGS\r\n"
		    "a SEARCH $\r\na NOOP\r\na CLOSE\r\n"));
		client_settle(&c);
	}
	client_close(&c);
	fake_store_reset();
	return 0;
}
