/* SPDX-License-Identifier: ISC */
/* file - see file.h. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

int
file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int error;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		error = errno;
	else if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))
		return fd;
	else
		error = S_ISDIR(st.st_mode) ? EISDIR : ENODEV;
	close(fd);
	errno = error;
	return -1;
}

const char *
file_error(int error)
{
	return error == ENODEV ? "it is no file, but a pipe, a socket or a "
	    "block device" : strerror(error);
}
