/* SPDX-License-Identifier: ISC */
/* when - see when.h. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "when.h"

bool
when_parse(const char *text, int64_t *us_r)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
		"%Y-%m-%d" };
	int64_t now_ms = clock_wall_ms();
	const char *end;
	struct tm tm;
	uint64_t ms;
	size_t i;

	if (conf_duration_parse(slice_str(text), &ms)) {
		*us_r = ms > (uint64_t)now_ms ? 0 :
		    (now_ms - (int64_t)ms) * 1000;
		return true;
	}
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		tm.tm_isdst = -1;
		end = strptime(text, forms[i], &tm);
		if (end != NULL && *end == '\0') {
			*us_r = (int64_t)mktime(&tm) * 1000000;
			return *us_r >= 0;
		}
	}
	return false;
}
