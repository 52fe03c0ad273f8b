/* SPDX-License-Identifier: ISC */
/* tickets - see tickets.h. */
#include <stdlib.h>
#include <string.h>

#include "ev/tickets.h"

#define TRIES	1000

void
tickets_rotate(struct ticket_memory *m)
{
	uint32_t n = __atomic_load_n(&m->sequence, __ATOMIC_RELAXED);
	struct ticket_key key;

	arc4random_buf(&key, sizeof(key));
	__atomic_store_n(&m->sequence, n + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memmove(&m->keys[1], &m->keys[0], (TICKET_KEYS - 1) * sizeof(key));
	m->keys[0] = key;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&m->sequence, n + 2, __ATOMIC_RELEASE);
	explicit_bzero(&key, sizeof(key));
}

void
tickets_init(struct ticket_memory *m)
{
	int i;

	for (i = 0; i < TICKET_KEYS; i++)
		tickets_rotate(m);
}

bool
tickets_read(const struct ticket_memory *m, struct ticket_key keys[TICKET_KEYS])
{
	uint32_t before, after;
	int i;

	for (i = 0; i < TRIES; i++) {
		before = __atomic_load_n(&m->sequence, __ATOMIC_ACQUIRE);
		memcpy(keys, m->keys, sizeof(m->keys));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		after = __atomic_load_n(&m->sequence, __ATOMIC_ACQUIRE);
		if (before == after && before % 2 == 0 && before != 0)
			return true;
	}
	return false;
}
