/* SPDX-License-Identifier: ISC */
/* argv_fuzz - words are within what they came from. */
#include <assert.h>

#include "argv.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT(1 << 20);
	const char *why = NULL;
	size_t bytes = 0;
	char **argv;

	if (argv_split(&a, slice_of(data, n), &argv, &why) == PARSE_OK) {
		assert(argv[0][0] == '/');
		for (; *argv != NULL; argv++)
			bytes += strlen(*argv);
		assert(bytes <= n);
	} else
		assert(why != NULL);
	arena_clear(&a);
	return 0;
}
