/* SPDX-License-Identifier: ISC */
/* Any input before a login, in pieces whose sizes are part of it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front.h"

#define MAX	4096

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct front_frame f = { 0 };
	struct front_command c;
	enum front_result r;
	size_t have = 0, used, i;
	char *copy;

	if (size == 0)
		return 0;
	for (;;) {
		r = front_frame(&f, slice_of(data, have), MAX, &used);
		if (r == FRONT_GO_AHEAD)
			continue;
		if (r == FRONT_MORE && have < size) {
			i = 1 + data[size - 1] % 64;
			have = have + i > size ? size : have + i;
			continue;
		}
		if (r != FRONT_WHOLE)
			return 0;
		assert(used >= 2 && used <= have);
		copy = malloc(used);
		memcpy(copy, data, used);
		if (front_parse(copy, used, &c) == PARSE_OK)
			for (i = 0; i < c.nargs; i++)
				assert(c.args[i].text.p >= copy &&
				    c.args[i].text.p + c.args[i].text.n <=
				    copy + used);
		free(copy);
		data += used;
		size -= used;
		have -= used;
		memset(&f, 0, sizeof(f));
		if (size == 0)
			return 0;
	}
}
