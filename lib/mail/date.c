/* SPDX-License-Identifier: ISC */
/* date - the date-time of RFC 5322 section 3.3, written and read; independent
 * of the locale. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/wire.h"
#include "mail/chars.h"
#include "mail/correspondence.h"
#include "mail/header.h"
#include "mail/mime.h"

static const char days[7][4] = {
	"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat",
};
static const char months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct",
	"Nov", "Dec",
};

/* The time zone is read at the first use, or by tzset() before a chroot. */
struct date_text
date_text(int64_t ms)
{
	struct date_text t;
	struct tm tm;
	time_t s;
	unsigned zone, year;

	if (ms < 0)
		ms = 0;
	else if (ms > TIME_MAX_MS)
		ms = TIME_MAX_MS;
	s = (time_t)(ms / 1000);
	localtime_r(&s, &tm);
	zone = (unsigned)labs(tm.tm_gmtoff) / 60 % (24 * 60);
	year = (unsigned)tm.tm_year + 1900;
	snprintf(t.s, sizeof(t.s),
	    "%s, %02u %s %04u %02u:%02u:%02u %c%02u%02u", days[tm.tm_wday],
	    (unsigned)tm.tm_mday % 32, months[tm.tm_mon], year % 10000,
	    (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60,
	    (unsigned)tm.tm_sec % 61, tm.tm_gmtoff < 0 ? '-' : '+', zone / 60,
	    zone % 60);
	return t;
}

/* ---- reading ------------------------------------------------------------ */

/* obs-zone, and what was seen beside it. */
static const struct {
	const char	*name;
	int		 hours;
} zones[] = {
	{ "UT", 0 }, { "GMT", 0 }, { "UTC", 0 }, { "Z", 0 },
	{ "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
	{ "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 },
	{ "CET", 1 }, { "CEST", 2 }, { "MET", 1 }, { "MEST", 2 },
	{ "BST", 1 }, { "JST", 9 },
};

static bool	take_number(struct slice *, unsigned max_digits, unsigned *v_r,
		    unsigned *digits_r);
static struct slice take_letters(struct slice *);
static bool	take_month(struct slice *, unsigned *month_r);
static bool	take_time(struct slice *, unsigned *seconds_r);
static int	take_zone(struct slice *);
static int64_t	days_since_1970(unsigned year, unsigned month, unsigned day);
static unsigned	days_of(unsigned year, unsigned month);

bool
date_parse(struct slice s, int64_t *ms_r, int *zone_r)
{
	unsigned day, month, year, digits, seconds = 0;
	int zone = 0;

	s = cfws_skip(s);
	/* The day of the week is not looked at. */
	if (take_letters(&s).n > 0) {
		s = cfws_skip(s);
		if (s.n > 0 && (s.p[0] == ',' || s.p[0] == '.'))
			s = slice_from(s, 1);
	}
	s = cfws_skip(s);
	if (!take_number(&s, 2, &day, &digits) || !take_month(&s, &month) ||
	    !take_number(&s, 4, &year, &digits))
		return false;
	/* RFC 5322 4.3: two digits, and the bug of 2000. */
	if (digits < 4)
		year += digits == 2 && year < 50 ? 2000 : 1900;
	if (day < 1 || day > days_of(year, month) || year < 1900)
		return false;
	s = cfws_skip(s);
	if (take_time(&s, &seconds))
		zone = take_zone(&s);
	*ms_r = (days_since_1970(year, month, day) * 86400 + seconds -
		    (int64_t)zone * 60) * 1000;
	*zone_r = zone;
	return true;
}

static bool
take_number(struct slice *s, unsigned max_digits, unsigned *v_r,
    unsigned *digits_r)
{
	unsigned v = 0, n;

	for (n = 0; n < max_digits && n < s->n && char_is(s->p[n], CH_DIGIT);
	    n++)
		v = v * 10 + (unsigned)(s->p[n] - '0');
	if (n == 0 || (n < s->n && char_is(s->p[n], CH_DIGIT)))
		return false;
	*v_r = v;
	*digits_r = n;
	*s = slice_from(*s, n);
	return true;
}

static struct slice
take_letters(struct slice *s)
{
	struct slice word = slice_first(*s, 0);

	while (word.n < s->n && ascii_lower(s->p[word.n]) >= 'a' &&
	    ascii_lower(s->p[word.n]) <= 'z')
		word.n++;
	*s = slice_from(*s, word.n);
	return word;
}

/* Also "-Nov-", as RFC 850 had it; a full name's first letters count. */
static bool
take_month(struct slice *s, unsigned *month_r)
{
	struct slice word;
	unsigned i;

	*s = cfws_skip(*s);
	if (s->n > 0 && s->p[0] == '-')
		*s = slice_from(*s, 1);
	word = take_letters(s);
	for (i = 0; i < 12; i++)
		if (slice_starts_nocase(word, slice_str(months[i])))
			break;
	*month_r = i + 1;
	*s = cfws_skip(*s);
	if (s->n > 0 && (s->p[0] == '-' || s->p[0] == '.'))
		*s = slice_from(*s, 1);
	*s = cfws_skip(*s);
	return i < 12;
}

static bool
take_time(struct slice *s, unsigned *seconds_r)
{
	unsigned v[3] = { 0 }, digits, i;
	static const unsigned max[] = { 23, 59, 60 };

	for (i = 0; i < 3; i++) {
		if (i > 0) {
			*s = cfws_skip(*s);
			if (s->n == 0 || (s->p[0] != ':' && s->p[0] != '.'))
				break;
			*s = cfws_skip(slice_from(*s, 1));
		}
		if (!take_number(s, 2, &v[i], &digits) || v[i] > max[i])
			return false;
	}
	if (i < 2)
		return false;
	*seconds_r = v[0] * 3600 + v[1] * 60 + v[2];
	return true;
}

/* Minutes east; a zone that is not known is UTC, as are the letters of obs-zone
 * but Z, which RFC 822 had wrong. */
static int
take_zone(struct slice *s)
{
	unsigned v, digits;
	struct slice word;
	size_t i;
	bool west;

	*s = cfws_skip(*s);
	if (s->n > 0 && (s->p[0] == '+' || s->p[0] == '-')) {
		west = s->p[0] == '-';
		*s = slice_from(*s, 1);
		if (!take_number(s, 4, &v, &digits) || digits != 4 ||
		    v % 100 > 59 || v / 100 > 23)
			return 0;
		v = v / 100 * 60 + v % 100;
		return west ? -(int)v : (int)v;
	}
	word = take_letters(s);
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (slice_eq_nocase(word, slice_str(zones[i].name)))
			return zones[i].hours * 60;
	return 0;
}

static bool
is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned
days_of(unsigned year, unsigned month)
{
	static const unsigned char days_in[12] = { 31, 28, 31, 30, 31, 30, 31,
		31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : days_in[month - 1];
}

/* Gregorian; year from 1900 to 9999. */
static int64_t
days_since_1970(unsigned year, unsigned month, unsigned day)
{
	static const unsigned short before[12] = { 0, 31, 59, 90, 120, 151,
		181, 212, 243, 273, 304, 334 };
	unsigned last = year - 1;

	return (int64_t)last * 365 + last / 4 - last / 100 + last / 400 +
	    before[month - 1] + (month > 2 && is_leap(year)) + day - 719163;
}
