/* SPDX-License-Identifier: ISC */
/*
 * huge_text_test - a program that has moved is the same program, as read-only
 * as before.  It is linked as static sessions are (configure.ac).
 */
#include <sys/mman.h>

#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "os/huge_text.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif
#define SEGMENTS	16

/* So that code and constants are worth a huge page each. */
__asm__(".pushsection .text\n.skip 400000\n.popsection");
static const char constants[400000] = "at the beginning";

struct mapping {
	char		 rights[5];
	unsigned long	 inode;
};

/* Of what lies at an address. */
static struct mapping
mapping_of(const void *at)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to, here = (unsigned long)(uintptr_t)at;
	struct mapping m = { "", 0 };
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx %4s %*s %*s %lu", &from, &to,
		    m.rights, &m.inode) != 4)
			continue;
		if (here >= from && here < to)
			break;
	}
	fclose(f);
	return m;
}

struct sums {
	uint32_t	 v[SEGMENTS];
	size_t		 n;
};

static int
sum_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct sums *sums = arg;
	const ElfW(Phdr) *p;
	size_t i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && !(p->p_flags & PF_W) &&
		    sums->n < SEGMENTS)
			sums->v[sums->n++] = crc32c(0, slice_of(
			    (const char *)(uintptr_t)(info->dlpi_addr +
			    p->p_vaddr), p->p_memsz));
	}
	return 1;	/* the first is the program */
}

static bool
kernel_has_it(void)
{
	size_t n = HUGE_PAGE_BYTES;
	char *room = mmap(NULL, 2 * n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;
	bool has;

	assert_ptr_not_equal(room, MAP_FAILED);
	at = room + -(uintptr_t)room % n;
	*at = 1;
	has = madvise(at, n, MADV_COLLAPSE) == 0;
	munmap(room, 2 * n);
	return has;
}

static const void *
code(void)
{
	return (const void *)(uintptr_t)&sum_segments;
}

static bool
has_moved(void)
{
	return mapping_of(code()).inode == 0 &&
	    mapping_of(constants).inode == 0;
}

static void
all_is_as_it_was(void **state)
{
	struct sums before = { .n = 0 }, after = { .n = 0 };
	struct mapping text, data;
	bool has;
	int i;

	(void)state;
	dl_iterate_phdr(sum_segments, &before);
	assert_true(before.n > 1);
	assert_string_equal(mapping_of(code()).rights, "r-xp");
	huge_text();
	/* Memory may be in pieces at one moment and not at the next. */
	for (i = 0; (has = kernel_has_it()) && !has_moved() && i < 100; i++)
		huge_text();
	text = mapping_of(code());
	data = mapping_of(constants);
	assert_string_equal(text.rights, "r-xp");
	assert_string_equal(data.rights, "r--p");
	dl_iterate_phdr(sum_segments, &after);
	assert_int_equal(after.n, before.n);
	assert_memory_equal(after.v, before.v, before.n *
	    sizeof(before.v[0]));
	assert_string_equal(constants, "at the beginning");
	if (!has)
		print_message("no huge pages here: nothing has moved\n");
	else
		assert_true(has_moved());	/* not the file's any more */
}

static void
it_can_be_done_again(void **state)
{
	struct sums before = { .n = 0 }, after = { .n = 0 };

	(void)state;
	dl_iterate_phdr(sum_segments, &before);
	huge_text();
	dl_iterate_phdr(sum_segments, &after);
	assert_memory_equal(after.v, before.v, before.n *
	    sizeof(before.v[0]));
	assert_string_equal(mapping_of(code()).rights, "r-xp");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_as_it_was),
		cmocka_unit_test(it_can_be_done_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
