/* SPDX-License-Identifier: ISC */
/*
 * huge_text - the program's code and constants in huge pages.
 *
 * A fork maps a file's pages anew, 16 at a time, as it touches them: some 25
 * faults until a session has said its first word.  In huge pages it has all of
 * them at once, and copies one entry for each.
 *
 * The program must be linked so that each of its segments begins at a multiple
 * of HUGE_PAGE_BYTES (configure.ac, STATIC_LDFLAGS); to be called before
 * priv_enter(), which allows no new code.  Where the kernel has no huge pages,
 * or no memory for them, all stays as it was.  What moved is as read-only as
 * before.
 */
#ifndef OS_HUGE_TEXT_H
#define OS_HUGE_TEXT_H

#define HUGE_PAGE_BYTES	(2u << 20)

void	 huge_text(void);

#endif
