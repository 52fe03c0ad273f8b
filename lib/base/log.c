/* SPDX-License-Identifier: ISC */
/* log - see log.h. */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define LINE_BYTES	4096
#define PENDING_BYTES	65536

static struct {
	char		 program[32];
	enum log_level	 lowest;
	enum log_sink	 sink;
	int		 fd;
	int		 pid;		/* 0: not asked for yet */
	int		 facility;
	void		(*broken)(void *);
	void		*broken_arg;
	size_t		 n;		/* of pending */
} out = { .program = "chasqui", .lowest = LOG_LEVEL_INFO,
	.fd = STDERR_FILENO, .facility = LOG_MAIL };
static char	 pending[PENDING_BYTES];

/* What the history has not been sent yet. */
static struct {
	int		 fd;		/* owned; -1: nobody listens */
	uint64_t	 lost;		/* frames that found no room */
	uint32_t	 frames;	/* of pending_events */
	size_t		 n;
} events = { .fd = -1 };
static unsigned char	 pending_events[LOG_EVENTS_BYTES];

static void	 log_line(enum log_level, const char *, va_list)
		    __attribute__((format(printf, 2, 0)));
static size_t	 put_prefix(enum log_level, const struct timespec *, char *,
		    size_t);
static void	 add_event(enum log_level, const struct timespec *,
		    const char *, size_t);
static void	 send_events(void);
static void	 write_all(const char *, size_t);
static void	 send_datagram(const char *, size_t);

void
log_open(const char *program, enum log_level lowest)
{
	snprintf(out.program, sizeof(out.program), "%s", program);
	out.lowest = lowest;
	out.pid = (int)getpid();
}

void
log_to(enum log_sink sink, int fd_take)
{
	log_flush();
	if (out.fd > STDERR_FILENO && out.fd != fd_take)
		close(out.fd);
	out.sink = sink;
	out.fd = fd_take == -1 ? STDERR_FILENO : fd_take;
}

void
log_set_level(enum log_level lowest)
{
	out.lowest = lowest;
}

void
log_configure(const char *level, const char *facility)
{
	static const struct {
		const char	*name;
		enum log_level	 level;
	} levels[] = {
		{ "debug", LOG_LEVEL_DEBUG }, { "info", LOG_LEVEL_INFO },
		{ "warn", LOG_LEVEL_WARN }, { "error", LOG_LEVEL_ERROR },
	};
	static const struct {
		const char	*name;
		int		 facility;
	} facilities[] = {
		{ "mail", LOG_MAIL }, { "daemon", LOG_DAEMON },
		{ "user", LOG_USER }, { "local0", LOG_LOCAL0 },
		{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
		{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
		{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
		{ "local7", LOG_LOCAL7 },
	};
	size_t i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(level, levels[i].name) == 0)
			out.lowest = levels[i].level;
	for (i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcmp(facility, facilities[i].name) == 0)
			out.facility = facilities[i].facility;
}

void
log_on_broken(void (*fn)(void *), void *arg)
{
	out.broken = fn;
	out.broken_arg = arg;
}

int
log_forked(const char *program, int fd)
{
	out.n = 0;
	out.broken = NULL;
	events.n = events.frames = 0;
	events.lost = 0;
	log_events_to(-1);
	log_open(program, out.lowest);
	if (out.fd <= STDERR_FILENO)
		return fd;
	if (out.fd != fd && dup2(out.fd, fd) != -1)
		out.fd = fd;
	return fd + 1;
}

#define LOG_FN(name, level)						\
void									\
name(const char *fmt, ...)						\
{									\
	va_list ap;							\
									\
	if (level < out.lowest &&					\
	    (level < LOG_LEVEL_INFO || events.fd == -1))		\
		return;							\
	va_start(ap, fmt);						\
	log_line(level, fmt, ap);					\
	va_end(ap);							\
}
LOG_FN(log_debug, LOG_LEVEL_DEBUG)
LOG_FN(log_info, LOG_LEVEL_INFO)
LOG_FN(log_warn, LOG_LEVEL_WARN)
LOG_FN(log_error, LOG_LEVEL_ERROR)

void
log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	log_flush();
	_exit(EX_SOFTWARE);
}

static void
log_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_BYTES];
	struct timespec now;
	size_t prefix, n;
	int m;

	clock_gettime(CLOCK_REALTIME, &now);
	n = prefix = put_prefix(level, &now, line, sizeof(line));
	m = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (m < 0)
		return;
	n += (size_t)m;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;	/* cut, like any syslog would */
	if (events.fd != -1 && level >= LOG_LEVEL_INFO)
		add_event(level, &now, line + prefix, n - prefix);
	if (level < out.lowest)
		return;
	if (out.sink == LOG_SINK_SYSLOG) {
		send_datagram(line, n);
		return;
	}
	line[n++] = '\n';
	if (out.n + n > sizeof(pending))
		log_flush();
	memcpy(pending + out.n, line, n);
	out.n += n;
	if (level >= LOG_LEVEL_ERROR)
		log_flush();
}

/* What stands before the event: the time and level, or syslog's header. */
static size_t
put_prefix(enum log_level level, const struct timespec *now, char *line,
    size_t size)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	static const int severities[] = { LOG_DEBUG, LOG_INFO, LOG_WARNING,
		LOG_ERR };
	static time_t second;
	static char when[32];
	struct tm tm;
	int n;

	if (out.pid == 0)
		out.pid = (int)getpid();
	if (out.sink == LOG_SINK_SYSLOG) {
		/* The daemon behind /dev/log adds time and host itself. */
		n = snprintf(line, size, "<%d>%s[%d]: ",
		    out.facility | severities[level], out.program,
		    out.pid);
		return n < 0 ? 0 : (size_t)n;
	}
	if (now->tv_sec != second) {
		second = now->tv_sec;
		gmtime_r(&second, &tm);
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	}
	n = snprintf(line, size, "%s.%03ldZ %s[%d] %s: ", when,
	    now->tv_nsec / 1000000, out.program, out.pid, names[level]);
	return n < 0 ? 0 : (size_t)n;
}

void
log_flush(void)
{
	size_t n = out.n;

	out.n = 0;
	if (n > 0)
		write_all(pending, n);
	if (events.n > 0)
		send_events();
}

/* A full disk must not stop mail: what cannot be written is dropped. */
static void
write_all(const char *p, size_t n)
{
	ssize_t w;

	while (n > 0) {
		w = write(out.fd, p, n);
		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1 && errno == EAGAIN) {
			struct pollfd pfd = { out.fd, POLLOUT, 0 };

			if (poll(&pfd, 1, 1000) == 1)
				continue;
		}
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

static void
send_datagram(const char *p, size_t n)
{
	if (send(out.fd, p, n, MSG_NOSIGNAL) == -1 && errno != EAGAIN &&
	    errno != EINTR && errno != ENOBUFS && out.broken != NULL)
		out.broken(out.broken_arg);
}

/* ---- the history -------------------------------------------------------- */

void
log_events_to(int fd_take)
{
	if (events.n > 0)
		send_events();
	if (events.fd != -1)
		close(events.fd);
	events.fd = fd_take;
}

static unsigned char *
put_le(unsigned char *to, uint64_t v, size_t bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		*to++ = (unsigned char)v;
	return to;
}

static unsigned char *
put_event_header(unsigned char *to, uint64_t time_us, unsigned level, size_t n)
{
	return put_le(put_le(put_le(to, time_us, 8), level, 1), n, 2);
}

/* The name stands at the front, behind a queue id where there is one. */
static bool
is_event(struct slice text)
{
	if (slice_starts(text, SLICE_LIT("id=")))
		text = slice_from(text, slice_find(text, ' '));
	if (text.n > 0 && text.p[0] == ' ')
		text = slice_from(text, 1);
	return slice_starts(text, SLICE_LIT("event="));
}

static void
add_event(enum log_level level, const struct timespec *when, const char *text,
    size_t n)
{
	unsigned char *to;

	if (!is_event(slice_of(text, n)))
		return;
	/* Room is left for the frame that tells of lost ones. */
	if (events.n + 2 * LOG_EVENT_HEADER + n > sizeof(pending_events))
		send_events();
	to = put_event_header(pending_events + events.n,
	    (uint64_t)when->tv_sec * 1000000 +
	    (uint64_t)when->tv_nsec / 1000, level, n);
	memcpy(to, text, n);
	events.n += LOG_EVENT_HEADER + n;
	events.frames++;
}

/* One packet, taken whole or not at all. */
static void
send_events(void)
{
	unsigned char *end = pending_events + events.n;

	if (events.lost > 0)
		end = put_event_header(end, events.lost, LOG_EVENTS_LOST, 0);
	if (events.fd == -1 || send(events.fd, pending_events,
	    (size_t)(end - pending_events), MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		events.lost += events.frames;
	else
		events.lost = 0;
	events.n = events.frames = 0;
}

/* ---- in a signal handler: neither stdio, nor locks, nor the time zone ---- */

static char *
put_number(char *to, unsigned long v, int digits)
{
	char d[24];
	int n = 0;

	do {
		d[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (digits-- > n)
		*to++ = '0';
	while (n > 0)
		*to++ = d[--n];
	return to;
}

/* Days since 1970 to a date of the Gregorian calendar: years start in March
 * here, so that the day that leap years add is a year's last. */
static char *
put_date(char *to, unsigned long days)
{
	unsigned long z = days + 719468, era = z / 146097, doe = z % 146097;
	unsigned long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) /
	    365;
	unsigned long doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned long mp = (5 * doy + 2) / 153;
	unsigned long month = mp < 10 ? mp + 3 : mp - 9;

	to = put_number(to, yoe + era * 400 + (month <= 2), 4);
	*to++ = '-';
	to = put_number(to, month, 2);
	*to++ = '-';
	return put_number(to, doy - (153 * mp + 2) / 5 + 1, 2);
}

static char *
put_now(char *to)
{
	struct timespec now;
	unsigned long s;

	clock_gettime(CLOCK_REALTIME, &now);
	s = (unsigned long)now.tv_sec;
	to = put_date(to, s / 86400);
	*to++ = 'T';
	to = put_number(to, s / 3600 % 24, 2);
	*to++ = ':';
	to = put_number(to, s / 60 % 60, 2);
	*to++ = ':';
	to = put_number(to, s % 60, 2);
	*to++ = '.';
	to = put_number(to, (unsigned long)now.tv_nsec / 1000000, 3);
	return stpcpy(to, "Z ");
}

void
log_last_words(const char *key_equals, const char *value)
{
	char line[512], *to = line;

	if (strlen(key_equals) + strlen(value) > 300)
		return;
	if (out.sink == LOG_SINK_SYSLOG) {
		*to++ = '<';
		to = put_number(to, (unsigned long)(out.facility | LOG_ERR), 0);
		*to++ = '>';
	} else
		to = put_now(to);
	to = stpcpy(to, out.program);
	*to++ = '[';
	to = put_number(to, (unsigned long)getpid(), 0);
	to = stpcpy(to, out.sink == LOG_SINK_SYSLOG ? "]: " : "] error: ");
	to = stpcpy(stpcpy(to, key_equals), value);
	if (out.sink == LOG_SINK_SYSLOG) {
		send(out.fd, line, (size_t)(to - line), MSG_NOSIGNAL);
		return;
	}
	*to++ = '\n';
	log_flush();
	write_all(line, (size_t)(to - line));
}

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("._@+:/<>=[]-", c) != NULL);
}

const char *
log_quote(struct slice s)
{
	enum { RESULTS = 16, TAKE = 500 };
	static char results[RESULTS][TAKE * 4 + 8];
	static unsigned turn;
	static const char hex[] = "0123456789abcdef";
	char *start = results[turn++ % RESULTS], *to = start;
	bool plain = s.n > 0, cut = s.n > TAKE;
	size_t i;

	if (cut)
		s.n = TAKE;
	for (i = 0; i < s.n; i++)
		plain = plain && is_plain(s.p[i]);
	if (!plain)
		*to++ = '"';
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e) {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		} else
			*to++ = (char)c;
	}
	if (cut)
		to = stpcpy(to, "...");
	if (!plain)
		*to++ = '"';
	*to = '\0';
	return start;
}
