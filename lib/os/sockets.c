/* SPDX-License-Identifier: ISC */
/*
 * sockets - see sockets.h.
 *
 * sun_path holds 107 bytes; a longer path is reached through a descriptor of
 * its directory, /proc/self/fd/N/NAME.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/sockets.h"

static int	 address_of(const char *path, struct sockaddr_un *);
static int	 connect_to(const char *path, int type);
static void	 close_keep_errno(int fd);

int
unix_listen(const char *path, mode_t mode)
{
	struct sockaddr_un sun;
	int dir = address_of(path, &sun), fd = -1;
	mode_t mask;

	if (dir == -2)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		goto out;
	if (unlink(sun.sun_path) == -1 && errno != ENOENT)
		goto fail;
	mask = umask(0777 & ~mode);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		umask(mask);
		goto fail;
	}
	umask(mask);
	if (listen(fd, SOMAXCONN) == 0)
		goto out;
fail:
	close_keep_errno(fd);
	fd = -1;
out:
	if (dir >= 0)
		close_keep_errno(dir);
	return fd;
}

int
unix_connect(const char *path)
{
	return connect_to(path, SOCK_STREAM);
}

int
unix_connect_datagram(const char *path)
{
	return connect_to(path, SOCK_DGRAM);
}

static int
connect_to(const char *path, int type)
{
	struct sockaddr_un sun;
	int dir = address_of(path, &sun), fd;

	if (dir == -2)
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd != -1 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) ==
	    -1) {
		close_keep_errno(fd);
		fd = -1;
	}
	if (dir >= 0)
		close_keep_errno(dir);
	return fd;
}

/* A descriptor that the address needs, -1 where it needs none, -2 on error. */
static int
address_of(const char *path, struct sockaddr_un *sun)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int fd, n;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) < sizeof(sun->sun_path)) {
		memcpy(sun->sun_path, path, strlen(path));
		return -1;
	}
	errno = ENAMETOOLONG;
	if (slash == NULL)
		return -2;
	dir = strndup(path, (size_t)(slash - path));
	if (dir == NULL)
		return -2;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd == -1)
		return -2;
	n = snprintf(sun->sun_path, sizeof(sun->sun_path),
	    "/proc/self/fd/%d/%s", fd, slash + 1);
	if (n < 0 || (size_t)n >= sizeof(sun->sun_path)) {
		close(fd);
		errno = ENAMETOOLONG;
		return -2;
	}
	return fd;
}

static void
close_keep_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}
