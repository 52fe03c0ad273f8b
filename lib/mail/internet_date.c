/* SPDX-License-Identifier: ISC */
/* internet_date - the date-time of RFC 3339 section 5.6, read and written. */
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "base/wire.h"
#include "mail/header.h"

/* So many digits at the front, from min to max. */
static bool
take_digits(struct slice *s, size_t n, uint64_t min, uint64_t max, int *v_r)
{
	uint64_t v;

	if (s->n < n || !slice_to_u64(slice_first(*s, n), min, max, &v))
		return false;
	*s = slice_from(*s, n);
	*v_r = (int)v;
	return true;
}

static bool
take_char(struct slice *s, const char *any)
{
	if (s->n == 0 || s->p[0] == '\0' || strchr(any, s->p[0]) == NULL)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

/* "Z", or "+" or "-" and hours and minutes. */
static bool
take_offset(struct slice *s, int *minutes_r)
{
	bool minus = s->n > 0 && s->p[0] == '-';
	int h, m;

	*minutes_r = 0;
	if (take_char(s, "Zz"))
		return true;
	if (!take_char(s, "+-") || !take_digits(s, 2, 0, 23, &h) ||
	    !take_char(s, ":") || !take_digits(s, 2, 0, 59, &m))
		return false;
	*minutes_r = minus ? -(h * 60 + m) : h * 60 + m;
	return true;
}

bool
date_parse_3339(struct slice s, int64_t *ms_r)
{
	struct tm tm = { 0 };
	int offset, day, digit;

	if (!take_digits(&s, 4, 1970, 9998, &tm.tm_year) ||
	    !take_char(&s, "-") || !take_digits(&s, 2, 1, 12, &tm.tm_mon) ||
	    !take_char(&s, "-") || !take_digits(&s, 2, 1, 31, &tm.tm_mday) ||
	    !take_char(&s, "Tt") || !take_digits(&s, 2, 0, 23, &tm.tm_hour) ||
	    !take_char(&s, ":") || !take_digits(&s, 2, 0, 59, &tm.tm_min) ||
	    !take_char(&s, ":") || !take_digits(&s, 2, 0, 60, &tm.tm_sec))
		return false;
	if (take_char(&s, ".")) {	/* of a second: passed over */
		if (!take_digits(&s, 1, 0, 9, &digit))
			return false;
		while (take_digits(&s, 1, 0, 9, &digit))
			;
	}
	if (!take_offset(&s, &offset) || s.n > 0)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	if (tm.tm_sec == 60)	/* a leap second: as the one before it */
		tm.tm_sec = 59;
	day = tm.tm_mday;
	*ms_r = ((int64_t)timegm(&tm) - offset * 60) * 1000;
	if (*ms_r < 0)
		*ms_r = 0;
	return tm.tm_mday == day;	/* no 30th of February */
}

struct date_text
date_text_3339(int64_t ms)
{
	struct date_text t;
	struct tm tm;
	time_t s;

	if (ms < 0)
		ms = 0;
	else if (ms > TIME_MAX_MS)
		ms = TIME_MAX_MS;
	s = (time_t)(ms / 1000);
	gmtime_r(&s, &tm);
	snprintf(t.s, sizeof(t.s), "%04u-%02u-%02uT%02u:%02u:%02uZ",
	    ((unsigned)tm.tm_year + 1900) % 10000,
	    ((unsigned)tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
	    (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
	    (unsigned)tm.tm_sec % 100);
	return t;
}
