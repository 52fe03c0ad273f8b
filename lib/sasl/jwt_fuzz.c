/* SPDX-License-Identifier: ISC */
/* jwt_fuzz - a token for a provider without keys, and JSON. */
#include <stdlib.h>

#include "sasl/json.h"
#include "sasl/jwt.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const audiences[] = { "mail" };
	const struct jwt_provider provider = { .issuer = "i",
		.audiences = audiences, .naudiences = 1, .claim = "email",
		.scope = "" };
	struct arena arena = ARENA_INIT(JWT_ARENA_BYTES);
	struct slice in = slice_of(p, n), login, strings[JSON_MEMBERS];
	struct json_object o;
	int64_t when;
	size_t i;

	if (jwt_check(in, &provider, 1, 1000, &arena, &login) == NULL)
		abort();	/* nobody has signed it */
	if (json_object_parse(in, &arena, &o))
		for (i = 0; i < o.n; i++) {
			json_strings(&o.v[i].value, &arena, strings,
			    JSON_MEMBERS);
			json_time(&o.v[i].value, &when);
		}
	arena_clear(&arena);
	return 0;
}
