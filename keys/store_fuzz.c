/* SPDX-License-Identifier: ISC */
/* store_fuzz - files of keys and certificates; the first two bytes say how
 * long the first is. */
#include <sys/mman.h>

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "store.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int
file_of(const uint8_t *p, size_t n)
{
	int fd = memfd_create("pem", MFD_CLOEXEC);

	if (fd == -1 || write(fd, p, n) != (ssize_t)n)
		abort();
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct store s = { 0 };
	struct buf why = BUF_INIT(1000);
	size_t first;
	int key, chain;

	if (n < 2)
		return 0;
	first = (size_t)p[0] << 8 | p[1];
	p += 2;
	n -= 2;
	if (first > n)
		first = n;
	key = file_of(p, first);
	chain = file_of(p + first, n - first);
	if (store_add(&s, 1, key, chain, &why) == -1 && why.n == 0)
		abort();
	store_clear(&s);
	buf_clear(&why);
	close(key);
	close(chain);
	return 0;
}
