/* SPDX-License-Identifier: ISC */
/* prep - see prep.h. */
#include <idn2.h>
#include <stdlib.h>

#include <uninorm.h>
#include <unictype.h>
#include <unistr.h>

#include "base/mem.h"
#include "sasl/prep.h"

static bool	 prep_unicode(struct slice, struct buf *);
static bool	 is_nothing(ucs4_t);
static bool	 is_forbidden(ucs4_t);

bool
sasl_prep(struct slice s, struct buf *out)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 127)
			return false;
		if (c > 127)
			return prep_unicode(s, out);
	}
	return buf_add(out, s) == 0;
}

/* Of the domain of out's name, which begins at from.  What is no domain stays
 * as it is. */
static bool
convert_domain(struct buf *out, size_t from, bool to_ascii)
{
	struct slice name = slice_from(buf_slice(out), from);
	size_t at = slice_rfind(name, '@') + 1;
	char *domain, *other = NULL;
	bool ok;

	if (at > name.n)
		return true;
	domain = mem_slicedup(slice_from(name, at));
	if ((to_ascii ? idn2_to_ascii_8z(domain, &other, IDN2_NFC_INPUT |
	    IDN2_NONTRANSITIONAL) : idn2_to_unicode_8z8z(domain, &other, 0)) !=
	    IDN2_OK)
		other = NULL;
	if (other != NULL)
		out->n = from + at;
	ok = other == NULL || buf_add_str(out, other) == 0;
	idn2_free(other);
	free(domain);
	return ok;
}

bool
sasl_prep_login(struct slice s, struct buf *out)
{
	size_t from = out->n, at;

	if (!sasl_prep_name(s, out))
		return false;
	for (at = from; at < out->n && (out->p[at] & 0x80) == 0; at++)
		;
	if (at == out->n || convert_domain(out, from, true))
		return true;
	out->n = from;
	return false;
}

bool
sasl_login_in_unicode(struct slice login, struct buf *out)
{
	size_t from = out->n;

	if (buf_add(out, login) == 0 && convert_domain(out, from, false) &&
	    !slice_eq(slice_from(buf_slice(out), from), login))
		return true;
	out->n = from;
	return false;
}

bool
sasl_prep_name(struct slice s, struct buf *out)
{
	size_t from = out->n, i;

	if (s.n == 0 || !sasl_prep(s, out))
		return false;
	for (i = from; i < out->n; i++) {
		if (out->p[i] == ' ') {
			out->n = from;
			return false;
		}
		out->p[i] = ascii_lower(out->p[i]);
	}
	return out->n > from;
}

/* RFC 3454 table B.1: commonly mapped to nothing. */
static bool
is_nothing(ucs4_t c)
{
	return c == 0x00ad || c == 0x034f || c == 0x1806 ||
	    (c >= 0x180b && c <= 0x180d) || (c >= 0x200b && c <= 0x200d) ||
	    c == 0x2060 || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff;
}

static bool
is_forbidden(ucs4_t c)
{
	uc_general_category_t never = uc_general_category_or(
	    uc_general_category_or(UC_CONTROL, UC_FORMAT),
	    uc_general_category_or(uc_general_category_or(UC_SURROGATE,
	    UC_PRIVATE_USE), uc_general_category_or(UC_UNASSIGNED,
	    uc_general_category_or(UC_LINE_SEPARATOR,
	    UC_PARAGRAPH_SEPARATOR))));

	return uc_is_general_category(c, never);
}

/* Normalisation can make one code point 18 of them: the input is bounded, so
 * that this is too. */
static bool
prep_unicode(struct slice s, struct buf *out)
{
	struct buf mapped = BUF_INIT(PASSWORD_BYTES + 8);
	const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;
	uint8_t *nfkc = NULL, utf8[8];
	size_t n = 0;
	ucs4_t c;
	int len;
	bool ok = false;

	if (s.n > PASSWORD_BYTES || u8_check(p, s.n) != NULL)
		return false;
	for (; p < end; p += len) {
		len = u8_mbtouc(&c, p, (size_t)(end - p));
		if (is_nothing(c))
			continue;
		if (uc_is_general_category(c, UC_SPACE_SEPARATOR))
			c = ' ';
		if (is_forbidden(c))
			goto out;
		n = (size_t)u8_uctomb(utf8, c, sizeof(utf8));
		if (buf_add(&mapped, slice_of(utf8, n)) == -1)
			goto out;
	}
	nfkc = u8_normalize(UNINORM_NFKC, (const uint8_t *)
	    buf_slice(&mapped).p, mapped.n, NULL, &n);
	ok = nfkc != NULL && buf_add(out, slice_of(nfkc, n)) == 0;
out:
	if (mapped.n > 0)
		explicit_bzero(mapped.p, mapped.n);
	if (nfkc != NULL)
		explicit_bzero(nfkc, n);
	free(nfkc);
	buf_clear(&mapped);
	return ok;
}
