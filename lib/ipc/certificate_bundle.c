/* SPDX-License-Identifier: ISC */
/* certificate_bundle - master's side of certificates.h, without OpenSSL. */
#include "ipc/certificates.h"

int
certificates_put(struct buf *b, const struct certificate_entry *e)
{
	return put_slice(b, e->name) == 0 && put_u32(b, e->key) == 0 &&
	    put_slice(b, e->chain) == 0 ? 0 : -1;
}

int
certificates_put_cas(struct buf *b, struct slice listener, struct slice cas)
{
	return put_slice(b, listener) == 0 && put_slice(b, cas) == 0 ? 0 : -1;
}
