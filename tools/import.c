/* SPDX-License-Identifier: ISC */
/* import - see import.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "import.h"

#define TEXTS	(12 + REMARKS)

static void
all_texts(struct import *m, struct buf *all[TEXTS])
{
	struct buf *const texts[TEXTS] = { &m->listeners, &m->certificates,
		&m->smarthost, &m->sockets, &m->open, &m->virtual, &m->aliases,
		&m->routes, &m->senders, &m->fetch, &m->moves, &m->passwords,
		&m->report[REMARK_TAKEN], &m->report[REMARK_DIFFERS],
		&m->report[REMARK_NONE] };

	memcpy(all, texts, sizeof(texts));
}

void
import_init(struct import *m, const char *to)
{
	struct buf *all[TEXTS];
	size_t i;

	*m = (struct import){ .to = to,
		.arena = ARENA_INIT(4 * IMPORT_TEXT_BYTES) };
	all_texts(m, all);
	for (i = 0; i < TEXTS; i++)
		buf_init(all[i], IMPORT_TEXT_BYTES);
	m->domains = arena_alloc(&m->arena,
	    IMPORT_DOMAINS * sizeof(*m->domains));
}

void
import_clear(struct import *m)
{
	struct buf *all[TEXTS];
	size_t i;

	all_texts(m, all);
	for (i = 0; i < TEXTS; i++)
		buf_clear(all[i]);
	for (i = 0; i < m->ntables; i++)
		buf_clear(&m->tables[i].text);
	arena_clear(&m->arena);
}

const char *
import_copy(struct import *m, struct slice s)
{
	struct slice copy;

	return arena_copy(&m->arena, s, &copy) == 0 ? copy.p : "";
}

void
import_say(struct import *m, enum remark remark, const struct origin *o,
    const char *fmt, ...)
{
	struct buf *b = &m->report[remark];
	struct slice value = o->value;
	va_list ap;
	size_t i;

	m->count[remark]++;
	if (o->line > 0)
		buf_printf(b, "%s:%u: ", o->file, o->line);
	else if (o->file != NULL)
		buf_printf(b, "%s: ", o->file);
	buf_add(b, o->name);
	if (value.n > 0)
		buf_add_str(b, " = ");
	for (i = 0; i < value.n && i < 200; i++)
		buf_add_byte(b, value.p[i] >= ' ' && value.p[i] != 0x7f ?
		    value.p[i] : '?');
	buf_add_str(b, value.n > 200 ? "...\n" : "\n");
	if (fmt == NULL)
		return;
	buf_add_str(b, "    ");
	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
	buf_add_byte(b, '\n');
}

const char *
import_value(const struct import *m, const char *key, const char *dflt)
{
	size_t i;

	for (i = 0; i < m->nkeys; i++)
		if (strcmp(m->keys[i].key, key) == 0)
			return m->keys[i].text;
	return dflt;
}

static void
set(struct import *m, const struct origin *o, const char *key,
    const char *text)
{
	const char *now = import_value(m, key, NULL);

	if (now == NULL && m->nkeys < IMPORT_KEYS) {
		m->keys[m->nkeys++] = (struct import_key){ key, text };
		now = text;
	}
	if (now != NULL && strcmp(now, text) == 0)
		import_say(m, REMARK_TAKEN, o, "%s = %s", key, text);
	else
		import_say(m, REMARK_DIFFERS, o, "%s is %s already, not %s",
		    key, now, text);
}

void
import_set(struct import *m, const struct origin *o, const char *key,
    const char *value)
{
	struct buf text = BUF_INIT(IMPORT_TEXT_BYTES);

	conf_word_write(&text, value);
	set(m, o, key, import_copy(m, buf_slice(&text)));
	buf_clear(&text);
}

void
import_set_list(struct import *m, const struct origin *o, const char *key,
    struct slice words)
{
	words = slice_trim(words);
	if (words.n > 0)
		set(m, o, key, import_copy(m, words));
}

void
import_domain(struct import *m, const struct origin *o, struct slice name,
    const char *type)
{
	const struct import_domain *d;
	size_t i;

	while (name.n > 0 && name.p[0] == '.')
		name = slice_from(name, 1);
	if (!conf_domain_is_valid(name) || name.n > 255) {
		import_say(m, REMARK_NONE, o, "\"%.*s\" is no domain",
		    SLICE_ARG(slice_first(name, name.n < 60 ? name.n : 60)));
		return;
	}
	for (i = 0; i < m->ndomains; i++) {
		d = &m->domains[i];
		if (!slice_eq_nocase(slice_str(d->name), name))
			continue;
		if (strcmp(d->type, type) != 0)
			import_say(m, REMARK_DIFFERS, o, "%s is of type %s "
			    "already, and not of %s, too", d->name, d->type,
			    type);
		return;
	}
	if (m->ndomains == IMPORT_DOMAINS) {
		import_say(m, REMARK_NONE, o, "more than %d domains",
		    IMPORT_DOMAINS);
		return;
	}
	m->domains[m->ndomains++] = (struct import_domain){
		.name = import_copy(m, name), .type = type };
}

void
import_listener(struct import *m, const char *name, const char *address,
    const char *mode, const char *tls)
{
	struct buf *b = &m->listeners;

	buf_printf(b, "listener %s {\n\taddress = %s\n", name, address);
	if (strcmp(mode, "smtp") != 0)
		buf_printf(b, "\tmode = %s\n", mode);
	if (strcmp(tls, "starttls") != 0)
		buf_printf(b, "\ttls = %s\n", tls);
	buf_add_str(b, "}\n");
	if (strcmp(tls, "none") != 0)
		m->has_tls = true;
}

void
import_certificate(struct import *m, const char *name, const char *chain,
    const char *key)
{
	struct origin o = { .file = chain, .name = SLICE_LIT("certificate") };
	struct buf text = BUF_INIT(IMPORT_TEXT_BYTES);
	struct buf *b = &m->certificates;

	if (access(chain, F_OK) == -1 || access(key, F_OK) == -1) {
		import_say(m, REMARK_NONE, &o, "its file or that of its key, "
		    "%s: %s; once they are there write a certificate block",
		    key, strerror(errno));
		return;
	}
	buf_add_str(&text, " {\n\tchain = ");
	conf_word_write(&text, chain);
	buf_add_str(&text, "\n\tkey = ");
	conf_word_write(&text, key);
	buf_add_str(&text, "\n}\n");
	/* Both servers may have the same. */
	if (b->n == 0 || strstr(buf_cstr(b), buf_cstr(&text)) == NULL)
		buf_printf(b, "certificate %s%s", name, buf_cstr(&text));
	buf_clear(&text);
}

int
import_read(const char *path, size_t max, struct buf *b)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *room;
	ssize_t n = 1;
	int saved;

	if (fd == -1)
		return -1;
	b->max = max;
	while (n > 0) {
		room = buf_reserve(b, 16384);
		if (room == NULL) {
			errno = EFBIG;
			break;
		}
		n = read(fd, room, 16384);
		b->n += n > 0 ? (size_t)n : 0;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return n == 0 ? 0 : -1;
}
