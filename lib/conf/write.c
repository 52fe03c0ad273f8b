/* SPDX-License-Identifier: ISC */
/* write - the configuration as text, and a role's part of it as a memfd. */
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/keys.h"
#include "os/memory.h"

static int	 write_object(const struct conf_kind *, const void *object,
		    const void *dflt, uint32_t readers, bool defaults,
		    const char *indent, struct buf *);
static int	 write_block(const struct conf_kind *, const void *object,
		    struct arena *, uint32_t readers, bool defaults,
		    struct buf *);

int
conf_write(const struct conf *c, uint32_t readers, bool defaults,
    struct buf *out)
{
	struct conf *fresh = conf_new("");
	const struct conf_kind *kind;
	size_t k, i;
	int r;

	r = write_object(&conf_kinds[0], c, fresh, readers, defaults, "", out);
	for (k = 1; k < CONF_KINDS; k++) {
		kind = &conf_kinds[k];
		for (i = 0; i < conf_count(c, kind) && r == 0; i++)
			r = write_block(kind, conf_object(c, kind, i),
			    fresh->arena, readers, defaults, out);
	}
	conf_free(&fresh);
	return r;
}

/* The keys that the readers have and, without defaults, that differ. */
static int
write_object(const struct conf_kind *kind, const void *object,
    const void *dflt, uint32_t readers, bool defaults, const char *indent,
    struct buf *out)
{
	struct buf value = BUF_INIT(out->max), other = BUF_INIT(4096);
	const struct conf_key *key;
	size_t i;
	int r = 0;

	for (i = 0; i < kind->nkeys && r == 0; i++) {
		key = &kind->keys[i];
		if ((key->readers & readers) == 0)
			continue;
		buf_reset(&value);
		buf_reset(&other);
		r = conf_value_write(key, object, &value);
		if (r == 0)
			r = conf_value_write(key, dflt, &other);
		if (r != 0 || (!defaults &&
		    slice_eq(buf_slice(&value), buf_slice(&other))))
			continue;
		r = buf_printf(out, "%s%s = ", indent, key->name);
		if (r == 0)
			r = buf_add(out, buf_slice(&value));
		if (r == 0)
			r = buf_add_byte(out, '\n');
	}
	buf_clear(&value);
	buf_clear(&other);
	return r == 0 ? 0 : -1;
}

/* Nothing where the readers have no key of the kind. */
static int
write_block(const struct conf_kind *kind, const void *object,
    struct arena *arena, uint32_t readers, bool defaults, struct buf *out)
{
	static const struct conf_key as_word = { "", CONF_STRING, "", 0, 0, 0,
		"", 0 };
	uint32_t have = 0;
	void *dflt;
	size_t i;
	int r = 0;

	for (i = 0; i < kind->nkeys; i++)
		have |= kind->keys[i].readers;
	if ((have & readers) == 0)
		return 0;
	dflt = arena_alloc(arena, kind->size);
	if (dflt == NULL)
		return -1;
	conf_set_defaults(arena, kind, dflt);
	r |= buf_printf(out, "%s ", kind->name);
	r |= conf_value_write(&as_word, object, out);	/* its name */
	r |= buf_add_str(out, " {\n");
	r |= write_object(kind, object, dflt, readers, defaults, "\t", out);
	r |= buf_add_str(out, "}\n");
	return r == 0 ? 0 : -1;
}

int
conf_to_memfd(const struct conf *c, enum role role)
{
	struct buf text = BUF_INIT(CONF_FILE_BYTES);
	int fd = -1;

	if (conf_write(c, 1u << role, false, &text) == -1)
		errno = EFBIG;
	else
		fd = memory_of_text("chasqui.conf", buf_slice(&text));
	buf_clear(&text);
	return fd;
}

struct conf *
conf_from_fd(int fd, struct buf *why)
{
	struct buf text = BUF_INIT(CONF_FILE_BYTES);
	struct conf *c = NULL;
	struct stat st;
	size_t size;
	ssize_t n;
	char *room;

	if (fstat(fd, &st) == -1 || st.st_size < 0 ||
	    (uint64_t)st.st_size > CONF_FILE_BYTES) {
		buf_add_str(why, "configuration: not a file of a valid size\n");
		return NULL;
	}
	size = (size_t)st.st_size;
	room = buf_reserve(&text, size);
	while (room != NULL && text.n < size) {
		n = pread(fd, text.p + text.n, size - text.n, (off_t)text.n);
		if (n > 0)
			text.n += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	if (text.n < size)
		buf_printf(why, "configuration: %s\n", strerror(errno));
	else
		c = conf_parse(buf_slice(&text), "", why);
	buf_clear(&text);
	return c;
}
