/* SPDX-License-Identifier: ISC */
/* load - the configuration file, its paths and the host's name. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/keys.h"

#define HOSTS_FILE	"/etc/hosts"
#define HOSTS_BYTES	(1024 * 1024)
#define RESOLV_FILE	"/etc/resolv.conf"
#define RESOLV_BYTES	65536
#define NAME_SERVERS	8

static struct conf *load(const char *path, bool anyway, struct buf *why);
static int	 read_file(const char *, size_t, struct buf *);
static int	 paths_absolute(struct conf *, const char *);
static void	 fill_hostname(struct conf *);
static bool	 qualify(const char *name, struct buf *);
static void	 fill_name_servers(struct conf *);

struct conf *
conf_load(const char *path, struct buf *why)
{
	return load(path, false, why);
}

struct conf *
conf_load_anyway(const char *path)
{
	struct buf why = BUF_INIT(64 * 1024);
	struct conf *c = load(path, true, &why);

	buf_clear(&why);
	return c;
}

static struct conf *
load(const char *path, bool anyway, struct buf *why)
{
	struct buf text = BUF_INIT(CONF_FILE_BYTES + 1);
	struct conf *c = NULL;
	bool ok;

	if (read_file(path, CONF_FILE_BYTES, &text) == -1) {
		buf_printf(why, "%s: %s\n", path, file_error(errno));
		goto out;
	}
	c = conf_parse_anyway(buf_slice(&text), path, why, &ok);
	if (!ok && !anyway)
		conf_free(&c);
	if (c == NULL)
		goto out;
	if (paths_absolute(c, path) == -1) {
		buf_printf(why, "%s: its directory: %s\n", path,
		    strerror(errno));
		conf_free(&c);
		goto out;
	}
	fill_hostname(c);
	fill_name_servers(c);
out:
	buf_clear(&text);
	return c;
}

static int
read_file(const char *path, size_t max, struct buf *to)
{
	char *room;
	ssize_t n;
	int fd, saved;

	fd = file_open(path);
	if (fd == -1)
		return -1;
	do {
		room = buf_reserve(to, 8192);
		if (room == NULL || to->n > max) {
			errno = EFBIG;
			goto fail;
		}
		n = read(fd, room, 8192);
		if (n > 0)
			to->n += (size_t)n;
	} while (n > 0 || (n == -1 && errno == EINTR));
	if (n == -1)
		goto fail;
	close(fd);
	return 0;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Keeps an empty path empty. */
static void
make_absolute(struct conf *c, const char *dir, const char **path)
{
	struct buf whole = BUF_INIT(2 * PATH_MAX);
	struct slice copy, rest = slice_str(*path);

	if (rest.n == 0 || rest.p[0] == '/')
		return;
	while (slice_starts(rest, SLICE_LIT("./")))
		rest = slice_from(rest, 2);
	if (buf_printf(&whole, "%s/%.*s", strcmp(dir, "/") == 0 ? "" : dir,
	    SLICE_ARG(rest)) == 0 &&
	    arena_copy(c->arena, buf_slice(&whole), &copy) == 0)
		*path = copy.p;
	buf_clear(&whole);
}

/* The path behind KEYID=, if that is there. */
static void
key_absolute(struct conf *c, const char *dir, const char **key)
{
	struct slice id = slice_str(*key);
	struct buf whole = BUF_INIT(2 * PATH_MAX);
	const char *path = *key;
	struct slice copy;

	id = slice_first(id, slice_find(id, '='));
	if ((*key)[id.n] == '=')
		path += id.n + 1;
	make_absolute(c, dir, &path);
	if ((*key)[id.n] == '=' &&
	    buf_printf(&whole, "%.*s=%s", SLICE_ARG(id), path) == 0 &&
	    arena_copy(c->arena, buf_slice(&whole), &copy) == 0)
		path = copy.p;
	*key = path;
	buf_clear(&whole);
}

static int
paths_absolute(struct conf *c, const char *file)
{
	char dir[PATH_MAX], real[PATH_MAX];
	struct slice s = slice_str(file);
	size_t slash = slice_rfind(s, '/'), i, j;

	if (slash == s.n)
		s = SLICE_LIT(".");
	else
		s = slice_first(s, slash == 0 ? 1 : slash);
	if (s.n >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dir, s.p, s.n);
	dir[s.n] = '\0';
	if (realpath(dir, real) == NULL)
		return -1;
	make_absolute(c, real, &c->path_queue);
	make_absolute(c, real, &c->path_run);
	make_absolute(c, real, &c->path_mail);
	make_absolute(c, real, &c->path_history);
	make_absolute(c, real, &c->path_tables);
	make_absolute(c, real, &c->path_templates);
	make_absolute(c, real, &c->auth_sqlite);
	make_absolute(c, real, &c->tls_ca_file);
	if (c->auth_postgresql_password_file[0] != '\0')
		make_absolute(c, real, &c->auth_postgresql_password_file);
	for (i = 0; i < c->auth_passwords.n; i++)
		make_absolute(c, real, &c->auth_passwords.v[i]);
	if (strchr(c->log_target, '/') != NULL)
		make_absolute(c, real, &c->log_target);
	if (strchr(c->log_postfix, '/') != NULL)
		make_absolute(c, real, &c->log_postfix);
	for (i = 0; i < c->alias_includes.n; i++)
		make_absolute(c, real, &c->alias_includes.v[i]);
	for (i = 0; i < c->noauths; i++)
		for (j = 0; j < c->oauths[i].keys.n; j++)
			key_absolute(c, real, &c->oauths[i].keys.v[j]);
	for (i = 0; i < c->nlisteners; i++)
		for (j = 0; j < c->listeners[i].address.n; j++)
			if (strchr(c->listeners[i].address.v[j], '/') != NULL)
				make_absolute(c, real,
				    &c->listeners[i].address.v[j]);
	for (i = 0; i < c->nlisteners; i++)
		make_absolute(c, real, &c->listeners[i].client_ca);
	for (i = 0; i < c->ncertificates; i++) {
		make_absolute(c, real, &c->certificates[i].chain);
		make_absolute(c, real, &c->certificates[i].key);
	}
	for (i = 0; i < c->ntables; i++)
		make_absolute(c, c->path_tables, &c->tables[i].path);
	return 0;
}

/* Without the network, whose answer may take long and be wrong at boot. */
static void
fill_hostname(struct conf *c)
{
	char name[256] = "";
	struct buf full = BUF_INIT(256);
	struct slice copy;

	if (c->hostname[0] != '\0')
		return;
	if (gethostname(name, sizeof(name) - 1) == -1 ||
	    !conf_domain_is_valid(slice_str(name)))
		memcpy(name, "localhost", sizeof("localhost"));
	if (strchr(name, '.') != NULL || !qualify(name, &full))
		buf_add_str(&full, name);
	if (arena_copy(c->arena, buf_slice(&full), &copy) == 0)
		c->hostname = copy.p;
	buf_clear(&full);
}

static bool
next_word(struct slice *line, struct slice *word_r)
{
	size_t n;

	*line = slice_trim(*line);
	for (n = 0; n < line->n && line->p[n] != ' ' && line->p[n] != '\t'; n++)
		;
	*word_r = slice_first(*line, n);
	*line = slice_from(*line, n);
	return n > 0;
}

/* The first name with a dot on a line of hosts(5) that has this name. */
static bool
qualify(const char *name, struct buf *full)
{
	struct buf text = BUF_INIT(HOSTS_BYTES + 8192);
	struct slice rest, line, word, best;
	bool hit = false, has_it;

	if (read_file(HOSTS_FILE, HOSTS_BYTES, &text) == -1)
		goto out;
	rest = buf_slice(&text);
	while (!hit && slice_next(&rest, '\n', &line)) {
		line = slice_first(line, slice_find(line, '#'));
		best = SLICE_EMPTY;
		has_it = false;
		next_word(&line, &word);	/* the address */
		while (next_word(&line, &word)) {
			if (slice_eq_nocase(word, slice_str(name)))
				has_it = true;
			if (best.n == 0 && slice_find(word, '.') < word.n &&
			    conf_domain_is_valid(word))
				best = word;
		}
		hit = has_it && best.n > 0 && buf_add(full, best) == 0;
	}
out:
	buf_clear(&text);
	return hit;
}

/* The resolver is in an empty root, so it is told what the file says now. */
static void
fill_name_servers(struct conf *c)
{
	struct buf text = BUF_INIT(RESOLV_BYTES + 8192);

	if (c->dns_servers.n == 0 &&
	    read_file(RESOLV_FILE, RESOLV_BYTES, &text) == 0)
		conf_take_resolv_conf(c, buf_slice(&text));
	buf_clear(&text);
}

void
conf_take_resolv_conf(struct conf *c, struct slice text)
{
	struct slice line, word, copy;
	const char **v = arena_alloc(c->arena, NAME_SERVERS * sizeof(*v));
	size_t n = 0;

	while (v != NULL && n < NAME_SERVERS &&
	    slice_next(&text, '\n', &line)) {
		if (!next_word(&line, &word) ||
		    !slice_eq(word, SLICE_LIT("nameserver")) ||
		    !next_word(&line, &word) ||
		    arena_copy(c->arena, word, &copy) == -1)
			continue;
		if (conf_name_server_is_valid(copy.p))
			v[n++] = copy.p;
	}
	c->dns_servers.v = v;
	c->dns_servers.n = n;
}
