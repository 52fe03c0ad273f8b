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

static bool
is_line(struct slice line, const char *text)
{
	return slice_eq(slice_trim(line), slice_str(text));
}

int
certificates_only(struct slice pem, struct buf *to)
{
	struct slice line;
	bool inside = false, wanted;
	int r = 0;

	while (r == 0 && slice_next(&pem, '\n', &line)) {
		if (is_line(line, "-----BEGIN CERTIFICATE-----"))
			inside = true;
		else if (slice_starts(line, SLICE_LIT("-----BEGIN ")))
			inside = false;
		wanted = inside;
		if (is_line(line, "-----END CERTIFICATE-----"))
			inside = false;
		if (wanted && (buf_add(to, line) == -1 ||
		    buf_add_byte(to, '\n') == -1))
			r = -1;
	}
	return r;
}
