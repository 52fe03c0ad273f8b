/* SPDX-License-Identifier: ISC */
/* roll - see roll.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/wire.h"
#include "journal.h"
#include "notes.h"
#include "roll.h"

#define ROW_BYTES	16
#define ROLL_BYTES	(NOTE_MAGIC_BYTES + 8 + ROLL_ROWS * ROW_BYTES)

static const char magic[] = "CHASQR1\n";

void
roll_add(struct roll *r, unsigned index, uint64_t generation, bool missed)
{
	if (r->n == ROLL_ROWS)
		return;
	r->rows = mem_regrow(r->rows, r->n + 1, sizeof(*r->rows));
	r->rows[r->n++] = (struct roll_row){ .index = index,
		.generation = generation, .missed = missed };
}

void
roll_clear(struct roll *r)
{
	free(r->rows);
	*r = (struct roll){ 0 };
}

bool
roll_unpack(struct slice file, struct roll *r)
{
	struct slice body;
	uint32_t n, index, missed;
	struct wire w;

	*r = (struct roll){ 0 };
	if (!notes_read(file, magic, &body))
		return false;
	w = wire_of(body);
	for (n = get_u32(&w); n > 0 && !w.bad; n--) {
		index = get_u32(&w);
		missed = get_u32(&w);
		roll_add(r, index, get_u64(&w), missed != 0);
	}
	if (wire_done(&w))
		return true;
	roll_clear(r);
	return false;
}

int
roll_read(int dir, struct roll *r)
{
	struct buf b = BUF_INIT(ROLL_BYTES);
	int result = fs_read_file(fs, dir, ROLL_FILE, &b, ROLL_BYTES, NULL);

	*r = (struct roll){ 0 };
	if (result == -1 && errno == ENOENT)
		result = 0;
	else if (result == 0 && !roll_unpack(buf_slice(&b), r)) {
		errno = EBADMSG;
		result = -1;
	}
	buf_clear(&b);
	return result;
}

int
roll_write(int dir, const struct roll *r)
{
	struct buf b = BUF_INIT(ROLL_BYTES);
	size_t i;
	int result;

	put_u32(&b, (uint32_t)r->n);
	for (i = 0; i < r->n; i++) {
		put_u32(&b, r->rows[i].index);
		put_u32(&b, r->rows[i].missed);
		put_u64(&b, r->rows[i].generation);
	}
	result = notes_write(dir, ROLL_FILE, magic, buf_slice(&b));
	buf_clear(&b);
	return result;
}
