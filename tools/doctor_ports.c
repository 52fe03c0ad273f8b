/* SPDX-License-Identifier: ISC */
/*
 * doctor_ports - can the listeners' ports be had, or do they answer; and who
 * else is there.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "doctor.h"
#include "os/sockets.h"

#define WAIT_MS		3000	/* for a greeting */
#define GREETING_BYTES	512
#define SOCKETS_MAX	64	/* of one port */

static bool	 hears_nobody(const struct conf *);
static void	 look_at(struct doctor *, const struct conf_listener *,
		    const char *address);
static void	 try_to_bind(struct doctor *, const char *address,
		    const struct conf_endpoint *);
static void	 try_to_talk(struct doctor *, const struct conf_listener *,
		    const char *address, const struct conf_endpoint *);
static int	 dial(const struct conf_endpoint *, const char *address);
static socklen_t to_sockaddr(const struct conf_endpoint *,
		    struct sockaddr_storage *);
static size_t	 read_greeting(int fd, char *text, size_t size);
static void	 look_for_another(struct doctor *);
static void	 doctor_port_owner(uint16_t port, char *text, size_t size);
static size_t	 inodes_of_port(const char *file, uint16_t port,
		    uint64_t *inodes, size_t max);
static void	 add_owners(const uint64_t *inodes, size_t n, char *text,
		    size_t size);

void
doctor_ports(struct doctor *d)
{
	const struct conf *c = d->conf;
	size_t i, j;

	if (c->nlisteners == 0)
		doctor_say(d, FINDING_WARNING, "listeners", "add one: "
		    "`listener smtp { address = *:25 }`", "there is none; "
		    "only programs of this host can send mail");
	for (i = 0; i < c->nlisteners; i++)
		for (j = 0; j < c->listeners[i].address.n; j++)
			look_at(d, &c->listeners[i],
			    c->listeners[i].address.v[j]);
	if (hears_nobody(c))
		doctor_say(d, FINDING_NOTE, "listeners", "give one of mode "
		    "smtp `address = *:25`", "all that take mail are on "
		    "loopback addresses: no other host can send to the "
		    "domains here");
	look_for_another(d);
}

/* A host whose only domain is that of its users may want it so. */
static bool
hears_nobody(const struct conf *c)
{
	size_t i;

	for (i = 0; i < c->ndomains; i++)
		if (strcmp(c->domains[i].type, "system") != 0)
			return c->nlisteners > 0 && conf_is_loopback_only(c);
	return false;
}

static void
look_at(struct doctor *d, const struct conf_listener *l, const char *address)
{
	struct conf_endpoint e;

	if (!conf_endpoint_parse(address, &e))
		return;
	if (d->running)
		try_to_talk(d, l, address, &e);
	else if (e.kind != ENDPOINT_UNIX)
		try_to_bind(d, address, &e);
}

/* ---- the suite does not run ---------------------------------------------- */

static void
try_to_bind(struct doctor *d, const char *address,
    const struct conf_endpoint *e)
{
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(e, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	char owner[256];

	if (fd != -1)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd != -1 && bind(fd, (struct sockaddr *)&ss, n) == 0 &&
	    listen(fd, 1) == 0)
		doctor_say(d, FINDING_OK, address, NULL, "is free");
	else if (errno == EADDRINUSE) {
		doctor_port_owner(e->port, owner, sizeof(owner));
		doctor_say(d, FINDING_FAULT, address, "stop that program, and "
		    "keep it from starting again (`systemctl disable --now "
		    "NAME`); or take another port", "is in use%s%s",
		    owner[0] == '\0' ? "" : " by ", owner);
	} else if (errno == EACCES)
		doctor_say(d, geteuid() == 0 ? FINDING_FAULT : FINDING_NOTE,
		    address, "start the suite as root", "this user may not "
		    "listen there");
	else if (errno == EADDRNOTAVAIL)
		doctor_say(d, FINDING_FAULT, address, "see `ip address`; take "
		    "an address of this machine, or *:PORT", "this machine "
		    "has no such address");
	else
		doctor_say(d, FINDING_FAULT, address, "see the reason", "%s",
		    strerror(errno));
	if (fd != -1)
		close(fd);
}

/* "*" is IPv6 with IPv4, or IPv4 where there is no IPv6. */
static socklen_t
to_sockaddr(const struct conf_endpoint *e, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	int fd = -1;

	memset(ss, 0, sizeof(*ss));
	if (e->kind == ENDPOINT_ANY) {
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd != -1)
			close(fd);
	}
	if (e->kind == ENDPOINT_IPV6 || fd != -1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(e->port);
		if (e->kind == ENDPOINT_IPV6)
			memcpy(&in6->sin6_addr, e->addr, 16);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(e->port);
	if (e->kind == ENDPOINT_IPV4)
		memcpy(&in->sin_addr, e->addr + 12, 4);
	return sizeof(*in);
}

/* ---- it runs ------------------------------------------------------------- */

static void
try_to_talk(struct doctor *d, const struct conf_listener *l,
    const char *address, const struct conf_endpoint *e)
{
	bool client_first = strcmp(l->tls, "implicit") == 0;
	char greeting[GREETING_BYTES];
	int fd = dial(e, address);

	if (fd == -1)
		doctor_say(d, FINDING_FAULT, address, "`chasqui status`; is it "
		    "a listener that came after the last reload?", "listener "
		    "%s (%s) does not answer: %s", l->name, l->mode,
		    strerror(errno));
	else if (client_first)
		doctor_say(d, FINDING_OK, address, NULL, "listener %s (%s) "
		    "takes connections", l->name, l->mode);
	else if (read_greeting(fd, greeting, sizeof(greeting)) == 0)
		doctor_say(d, FINDING_FAULT, address, "`chasqui status` and "
		    "the log", "listener %s (%s) takes a connection, but says "
		    "nothing in %d seconds", l->name, l->mode,
		    WAIT_MS / 1000);
	else
		doctor_say(d, FINDING_OK, address, NULL, "listener %s (%s): %s",
		    l->name, l->mode, greeting);
	if (fd != -1)
		close(fd);
}

static int
dial(const struct conf_endpoint *e, const char *address)
{
	struct conf_endpoint to = *e;
	struct sockaddr_storage ss;
	struct timeval wait = { WAIT_MS / 1000, 0 };
	socklen_t n;
	int fd;

	if (e->kind == ENDPOINT_UNIX)
		return unix_connect(address);
	if (e->kind == ENDPOINT_ANY) {
		to.kind = ENDPOINT_IPV4;
		memcpy(to.addr + 12, "\177\0\0\1", 4);
	}
	n = to_sockaddr(&to, &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(fd, (struct sockaddr *)&ss, n) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The first line, printable; 0 bytes: none came. */
static size_t
read_greeting(int fd, char *text, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0, i;
	ssize_t got = 1;

	while (n < size - 1 && got > 0 && memchr(text, '\n', n) == NULL &&
	    poll(&p, 1, WAIT_MS) == 1) {
		got = read(fd, text + n, size - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	for (i = 0; i < n && text[i] != '\r' && text[i] != '\n'; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	text[i] = '\0';
	return i;
}

/* ---- others -------------------------------------------------------------- */

/* Where no listener of ours wants port 25, somebody else may have it. */
static void
look_for_another(struct doctor *d)
{
	struct conf_endpoint e, smtp = { .kind = ENDPOINT_ANY, .port = 25 };
	char greeting[GREETING_BYTES], owner[256];
	size_t i, j;
	int fd;

	for (i = 0; i < d->conf->nlisteners; i++)
		for (j = 0; j < d->conf->listeners[i].address.n; j++)
			if (conf_endpoint_parse(
			    d->conf->listeners[i].address.v[j], &e) &&
			    e.kind != ENDPOINT_UNIX && e.port == 25)
				return;
	fd = dial(&smtp, NULL);
	if (fd == -1)
		return;
	if (read_greeting(fd, greeting, sizeof(greeting)) > 0) {
		doctor_port_owner(25, owner, sizeof(owner));
		doctor_say(d, FINDING_NOTE, "port 25", "nothing, if that is "
		    "meant; otherwise stop it and add `listener smtp { address "
		    "= *:25 }`", "another mail server has it%s%s: %s",
		    owner[0] == '\0' ? "" : ", ", owner, greeting);
	}
	close(fd);
}

/* The names of programs that have a TCP port open to listen at, "exim4 (412)";
 * empty where that cannot be seen. */
static void
doctor_port_owner(uint16_t port, char *text, size_t size)
{
	static const char *const files[] = { "/proc/net/tcp",
		"/proc/net/tcp6" };
	uint64_t inodes[SOCKETS_MAX];
	size_t n = 0, i;

	text[0] = '\0';
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		n += inodes_of_port(files[i], port, inodes + n,
		    SOCKETS_MAX - n);
	if (n > 0)
		add_owners(inodes, n, text, size);
}

/* "  sl local_address rem_address st ... inode": proc_pid_net(5). */
static size_t
inodes_of_port(const char *file, uint16_t port, uint64_t *inodes, size_t max)
{
	FILE *f = fopen(file, "re");
	char line[512];
	unsigned at, state;
	unsigned long inode;
	size_t n = 0;

	while (f != NULL && n < max && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x "
		    "%*s %*s %*s %*d %*d %lu", &at, &state, &inode) == 3 &&
		    at == port && state == 0x0a)
			inodes[n++] = inode;
	if (f != NULL)
		fclose(f);
	return n;
}

static bool
has_socket(const char *pid, const uint64_t *inodes, size_t n)
{
	char path[300], link[64], want[64];
	struct dirent *e;
	bool has = false;
	ssize_t got;
	size_t i;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !has && (e = readdir(dir)) != NULL) {
		got = readlinkat(dirfd(dir), e->d_name, link,
		    sizeof(link) - 1);
		link[got > 0 ? got : 0] = '\0';
		for (i = 0; i < n && !has; i++) {
			snprintf(want, sizeof(want), "socket:[%llu]",
			    (unsigned long long)inodes[i]);
			has = strcmp(link, want) == 0;
		}
	}
	if (dir != NULL)
		closedir(dir);
	return has;
}

/* "name (pid)" of each process, as far as there is room. */
static void
add_owners(const uint64_t *inodes, size_t n, char *text, size_t size)
{
	DIR *dir = opendir("/proc");
	char path[300], name[64];
	struct dirent *e;
	uint64_t pid;
	FILE *f;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (!slice_to_u64(slice_str(e->d_name), 1, UINT32_MAX, &pid) ||
		    !has_socket(e->d_name, inodes, n))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "re");
		if (f != NULL && fgets(name, sizeof(name), f) != NULL) {
			name[strcspn(name, "\n")] = '\0';
			snprintf(text + strlen(text), size - strlen(text),
			    "%s%s (process %s)", text[0] == '\0' ? "" : ", ",
			    name, e->d_name);
		}
		if (f != NULL)
			fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
}
