/* SPDX-License-Identifier: ISC */
/*
 * log - one line an event, key=value.
 *
 *	log_info("id=%s event=queued size=%zu from=%s", id, size, LOG_Q(from));
 *
 * The queue id comes first where there is one.  Bytes that a peer supplied go
 * through log_quote(), which makes them one printable word.  Lines are
 * buffered and written together at the end of a loop turn (log_flush); errors
 * and worse are written at once.  Libraries do not log; daemons log once,
 * where they decide.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
};

enum log_sink {
	LOG_SINK_STREAM,	/* a file, pipe or terminal: lines with time */
	LOG_SINK_SYSLOG,	/* a datagram socket: RFC 3164 as /dev/log has it */
};

/* program is copied.  Until this is called lines go to stderr. */
void	 log_open(const char *program, enum log_level lowest);
/* Takes over fd (dup-free); -1 keeps stderr.  May be called again. */
void	 log_to(enum log_sink, int fd_take);
void	 log_set_level(enum log_level);
/* Both by the names that the configuration has; unknown ones change nothing. */
void	 log_configure(const char *level, const char *facility);
/* Called when a write to a syslog socket fails for good. */
void	 log_on_broken(void (*)(void *), void *arg);

/*
 * Lines of LOG_LEVEL_INFO and above that have an event= go to the event history
 * too, whatever the lowest level is: by this socket (SOCK_SEQPACKET), in
 * packets of whole frames,
 *
 *	u64 microseconds since 1970, u8 level, u16 n, n bytes of text
 *
 * all numbers little-endian.  A frame of level LOG_EVENTS_LOST has no text, and
 * instead of the time how many frames before it found no room: nothing waits
 * for the reader.  Takes over fd; -1: to nobody any more.  Closed by exec.
 */
void	 log_events_to(int fd_take);
#define LOG_EVENTS_LOST		255
#define LOG_EVENT_HEADER	11	/* bytes before the text */
#define LOG_EVENTS_BYTES	32768	/* of a packet at the most */

#define LOG_FN(name)							\
	void name(const char *fmt, ...) __attribute__((format(printf, 1, 2)))
LOG_FN(log_debug);
LOG_FN(log_info);
LOG_FN(log_warn);
LOG_FN(log_error);
/* Logs, flushes and ends the process with EX_SOFTWARE (70). */
void	 log_fatal(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2), noreturn));
#undef LOG_FN

/* In a fork: its own name and process id, and the log's descriptor under this
 * number, so that all others can be closed; the parent's lines stay the
 * parent's, and its events too: a fork has no history.  Returns the first
 * number that is free. */
int	 log_forked(const char *program, int fd);
void	 log_flush(void);
/* For a handler of a deadly signal (async-signal-safe): what is buffered, then
 * an error line "KEY_EQUALS" "VALUE", both short and printable. */
void	 log_last_words(const char *key_equals, const char *value);

/*
 * The slice as one word: bytes outside 0x20..0x7e and '"' '\\' become \xHH and
 * the word is put in quotes if anything but [A-Za-z0-9._@+:/<>=[]-] is in it;
 * cut to 500 bytes with "..." at the end.  The result stays valid for the next
 * 15 calls.
 */
const char *log_quote(struct slice);
#define LOG_Q(s)	log_quote(s)

#endif
