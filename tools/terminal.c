/* SPDX-License-Identifier: ISC */
/* terminal - see terminal.h. */
#include <sys/ioctl.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "terminal.h"

#define ROWS_LEAST	5
#define COLUMNS_LEAST	20
#define SIZE_MOST	1000
#define KEY_MS		50	/* for the rest of an arrow's sequence */

#define OPEN	"\033[?1049h\033[?25l\033[2J"
#define CLOSE	"\033[?25h\033[?1049l"

static struct termios before;
static volatile sig_atomic_t is_open;
static volatile sig_atomic_t end_signal, resized, stop_wanted;

static void	 on_end(int);
static void	 on_resize(int);
static void	 on_stop(int);
static void	 on_crash(int);
static void	 stop_here(void);

bool
terminal_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static void
say(const char *text, size_t n)
{
	ssize_t w;

	while (n > 0) {
		w = write(STDOUT_FILENO, text, n);
		if (w == -1 && errno != EINTR)
			return;
		if (w > 0) {
			text += w;
			n -= (size_t)w;
		}
	}
}

static void
enter(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	is_open = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	say(OPEN, sizeof(OPEN) - 1);
}

void
terminal_open(void)
{
	static const struct {
		int	 sig;
		void	(*fn)(int);
	} caught[] = {
		{ SIGINT, on_end }, { SIGTERM, on_end }, { SIGHUP, on_end },
		{ SIGQUIT, on_end }, { SIGPIPE, on_end },
		{ SIGWINCH, on_resize }, { SIGTSTP, on_stop },
		{ SIGSEGV, on_crash }, { SIGBUS, on_crash },
		{ SIGABRT, on_crash }, { SIGFPE, on_crash },
		{ SIGILL, on_crash },
	};
	struct sigaction sa = { .sa_flags = 0 };
	size_t i;

	if (tcgetattr(STDIN_FILENO, &before) == -1)
		return;
	atexit(terminal_close);
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		sa.sa_handler = caught[i].fn;
		sigaction(caught[i].sig, &sa, NULL);
	}
	enter();
}

/* Calls nothing that a signal handler may not. */
void
terminal_close(void)
{
	if (!is_open)
		return;
	is_open = 0;
	say(CLOSE, sizeof(CLOSE) - 1);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void
on_end(int sig)
{
	end_signal = sig;
}

static void
on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

static void
on_stop(int sig)
{
	(void)sig;
	stop_wanted = 1;
}

static void
on_crash(int sig)
{
	terminal_close();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* As the shell wants it, until it lets us go on. */
static void
stop_here(void)
{
	stop_wanted = 0;
	terminal_close();
	raise(SIGSTOP);
	enter();
	resized = 1;
}

void
terminal_size(unsigned *rows_r, unsigned *columns_r)
{
	struct winsize w = { .ws_row = 24, .ws_col = 80 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == -1 || w.ws_row == 0 ||
	    w.ws_col == 0) {
		w.ws_row = 24;
		w.ws_col = 80;
	}
	*rows_r = w.ws_row < ROWS_LEAST ? ROWS_LEAST :
	    w.ws_row > SIZE_MOST ? SIZE_MOST : w.ws_row;
	*columns_r = w.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST :
	    w.ws_col > SIZE_MOST ? SIZE_MOST : w.ws_col;
}

/* In one write, so that nothing flickers. */
void
terminal_draw(const struct buf *text)
{
	struct buf out = BUF_INIT(1024 * 1024);
	struct slice rest = buf_slice(text), line;
	unsigned rows, columns, row = 0;
	bool reverse;

	terminal_size(&rows, &columns);
	buf_add_str(&out, "\033[H");
	while (row < rows && rest.n > 0 && slice_next(&rest, '\n', &line)) {
		reverse = line.n > 0 && line.p[0] == '\1';
		if (reverse)
			line = slice_from(line, 1);
		if (row > 0)
			buf_add_str(&out, "\r\n");
		buf_printf(&out, "%s%.*s%s", reverse ? "\033[7m" : "",
		    (int)(line.n < columns ? line.n : columns), line.p,
		    reverse ? "\033[0m" : "");
		if (line.n < columns)
			buf_add_str(&out, "\033[K");
		row++;
	}
	buf_add_str(&out, "\033[J");
	say(out.p, out.n);
	buf_clear(&out);
}

static int
read_byte(int64_t ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char c;

	if (poll(&p, 1, (int)ms) <= 0)
		return -1;
	return read(STDIN_FILENO, &c, 1) == 1 ? c : -2;
}

static int
arrow(void)
{
	static const int keys[] = { KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT };
	int c = read_byte(KEY_MS);

	if (c != '[' && c != 'O')
		return KEY_NONE;
	c = read_byte(KEY_MS);
	return c >= 'A' && c <= 'D' ? keys[c - 'A'] : KEY_NONE;
}

int
terminal_key(int64_t ms)
{
	int64_t until = clock_mono_ms() + ms, left;
	int c;

	for (;;) {
		if (stop_wanted)
			stop_here();
		if (end_signal != 0)
			return KEY_END;
		if (resized) {
			resized = 0;
			return KEY_RESIZED;
		}
		left = until - clock_mono_ms();
		if (left <= 0)
			return KEY_NONE;
		c = read_byte(left);
		if (c == '\033')
			return arrow();
		if (c == -2)
			return KEY_END;		/* the terminal is gone */
		if (c > 0)
			return c;
	}
}
