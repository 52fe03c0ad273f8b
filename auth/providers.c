/* SPDX-License-Identifier: ISC */
/* providers - see providers.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "providers.h"

#define KEY_FILE_BYTES	65536

static void	 load_keys(struct jwt_provider *, const struct conf_oauth *);
static ssize_t	 read_file(const char *path, char *, size_t);

void
providers_load(struct providers *p, const struct conf *c)
{
	size_t i;

	p->n = c->noauths;
	p->v = mem_array(p->n + 1, sizeof(*p->v));
	for (i = 0; i < p->n; i++) {
		const struct conf_oauth *o = &c->oauths[i];

		p->v[i].issuer = o->issuer;
		p->v[i].audiences = o->audience.v;
		p->v[i].naudiences = o->audience.n;
		p->v[i].claim = o->claim;
		p->v[i].scope = o->scope;
		load_keys(&p->v[i], o);
		if (o->audience.n == 0 || p->v[i].nkeys == 0)
			log_warn("event=oauth-useless provider=%s advice=\"it "
			    "needs an audience and a key\"",
			    LOG_Q(slice_str(o->name)));
	}
}

void
providers_clear(struct providers *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		while (p->v[i].nkeys > 0)
			jwt_key_clear(&p->v[i].keys[--p->v[i].nkeys]);
	free(p->v);
	*p = (struct providers){ NULL, 0 };
}

static void
load_keys(struct jwt_provider *p, const struct conf_oauth *o)
{
	char text[KEY_FILE_BYTES];
	const char *path, *equals;
	ssize_t n;
	size_t i;

	for (i = 0; i < o->keys.n && p->nkeys < JWT_KEYS; i++) {
		path = o->keys.v[i];
		equals = strchr(path, '=');
		n = read_file(equals == NULL ? path : equals + 1, text,
		    sizeof(text));
		if (n < 0)
			log_error("event=oauth-key-unreadable path=%s "
			    "reason=\"%s\"", LOG_Q(slice_str(path)),
			    strerror(errno));
		else if (!jwt_key_read(&p->keys[p->nkeys], equals == NULL ?
		    SLICE_EMPTY : slice_of(path, (size_t)(equals - path)),
		    slice_of(text, (size_t)n)))
			log_error("event=oauth-key-unusable path=%s "
			    "reason=\"not a public key in PEM of RSA with 2048 "
			    "bits, P-256 or Ed25519\"",
			    LOG_Q(slice_str(path)));
		else
			p->nkeys++;
	}
}

static ssize_t
read_file(const char *path, char *to, size_t room)
{
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), saved;

	if (fd != -1) {
		n = read(fd, to, room);
		saved = errno;
		close(fd);
		errno = saved;
	}
	return n;
}
