/* SPDX-License-Identifier: ISC */
/* words - lines and answers that both states of a connection have; pop3d.h. */
#include <string.h>

#include "pop3d.h"

enum pop3_line
pop3_find_line(struct slice in, size_t max, struct slice *line_r,
    size_t *used_r)
{
	size_t n;

	if (in.n > max)
		in.n = max;
	n = slice_find(in, '\n');
	if (n == in.n)
		return n == max ? POP3_LINE_BAD : POP3_LINE_PART;
	if (n == 0 || in.p[n - 1] != '\r')
		return POP3_LINE_BAD;
	*line_r = slice_first(in, n - 1);
	*used_r = n + 1;
	return POP3_LINE;
}

void
pop3_capabilities(struct buf *b, bool before_login, bool stls, bool user,
    struct slice mechanisms)
{
	buf_add_str(b, "+OK Capability list follows\r\n"
	    "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "EXPIRE NEVER\r\nLANG\r\nUTF8 USER\r\n");
	if (before_login && user)
		buf_add_str(b, "USER\r\n");
	if (before_login && mechanisms.n > 0)
		buf_printf(b, "SASL %.*s\r\n", SLICE_ARG(mechanisms));
	if (before_login && stls)
		buf_add_str(b, "STLS\r\n");
	buf_add_str(b, "IMPLEMENTATION Chasqui\r\n.\r\n");
}

/* A language range as by RFC 4647 section 3.4: "en-GB" comes to "en". */
void
pop3_lang(struct buf *b, struct slice args)
{
	static const struct slice english = { "en", 2 };
	static const struct slice by_default = { "i-default", 9 };

	if (args.n == 0) {
		buf_add_str(b, "+OK Languages follow\r\nen English\r\n"
		    "i-default English\r\n.\r\n");
		return;
	}
	if (slice_eq_nocase(args, by_default))
		buf_add_str(b, "+OK i-default Language is English\r\n");
	else if (slice_eq(args, SLICE_LIT("*")) ||
	    slice_eq_nocase(slice_first(args, slice_find(args, '-')), english))
		buf_add_str(b, "+OK en Language is English\r\n");
	else
		buf_add_str(b, "-ERR No such language; LANG lists them\r\n");
}
