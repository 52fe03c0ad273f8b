/* SPDX-License-Identifier: ISC */
/* date - the date-time of RFC 5322 section 3.3; independent of the locale. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/wire.h"
#include "mail/header.h"

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
