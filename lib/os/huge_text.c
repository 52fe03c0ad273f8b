/* SPDX-License-Identifier: ISC */
/* huge_text - see huge_text.h. */
#include <sys/mman.h>

#include <link.h>
#include <stdint.h>
#include <string.h>

#include "os/huge_text.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25	/* Linux 6.1 */
#endif
#define LEAST_BYTES	(HUGE_PAGE_BYTES / 8)	/* what is worth one */

static int	 move_segments(struct dl_phdr_info *, size_t, void *);
static void	 move(char *at, size_t used, int protection);

void
huge_text(void)
{
	dl_iterate_phdr(move_segments, NULL);
}

/* Of the first object, which is the program. */
static int
move_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) *p;
	size_t i;

	(void)size;
	(void)arg;
	for (i = 0; i < info->dlpi_phnum; i++) {
		p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) &&
		    p->p_align >= HUGE_PAGE_BYTES && p->p_memsz >= LEAST_BYTES)
			move((char *)(uintptr_t)(info->dlpi_addr + p->p_vaddr),
			    p->p_memsz, PROT_READ |
			    (p->p_flags & PF_X ? PROT_EXEC : 0));
	}
	return 1;
}

/* What is behind the segment up to the next multiple is nobody's, since each
 * begins at one.  The copy takes its place in one system call. */
static void
move(char *at, size_t used, int protection)
{
	size_t n = (used + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES *
	    HUGE_PAGE_BYTES, before;
	char *room, *copy;

	if ((uintptr_t)at % HUGE_PAGE_BYTES != 0)
		return;
	room = mmap(NULL, n + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		return;
	before = -(uintptr_t)room % HUGE_PAGE_BYTES;
	copy = room + before;
	madvise(copy, n, MADV_HUGEPAGE);
	memcpy(copy, at, used);
	if (madvise(copy, n, MADV_COLLAPSE) == -1 ||
	    mprotect(copy, n, protection) == -1 ||
	    mremap(copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at) ==
	    MAP_FAILED)
		munmap(copy, n);
	munmap(room, before);
	munmap(copy + n, HUGE_PAGE_BYTES - before);
}
