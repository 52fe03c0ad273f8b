/* SPDX-License-Identifier: ISC */
/* memory - see memory.h. */
#include <sys/mman.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os/fs.h"
#include "os/memory.h"

int
memory_of_text(const char *name, struct slice text)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1 || (fs_pwrite(&fs_real, fd, text, 0) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
	    F_SEAL_WRITE | F_SEAL_SEAL) == 0))
		return fd;
	fs_close(&fs_real, fd);
	return -1;
}

int
memory_shared(const char *name, size_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1 || (ftruncate(fd, (off_t)n) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0))
		return fd;
	fs_close(&fs_real, fd);
	return -1;
}

int
memory_close_to_writers(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

int
memory_reader(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}
