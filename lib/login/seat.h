/* SPDX-License-Identifier: ISC */
/*
 * seat - a session's process: who it is for, and its channel to the login
 * process that holds the client.
 *
 * spawn.c makes it: when a session's run() is called, the process has the
 * user's uid and is confined to the user's directory.
 *
 * It may serve several clients of the same user one after another.  What is of
 * a client, and what is of the process, stands apart in struct seat; whoever
 * runs the session keeps to that, too.
 */
#ifndef LOGIN_SEAT_H
#define LOGIN_SEAT_H

#include "conf/conf.h"
#include "ev/loop.h"
#include "ipc/session.h"

struct seat;

struct seat_ops {
	/* Somebody has changed a mailbox that is watched.  May be NULL. */
	void	(*news)(void *arg, struct slice mailbox);
	/* The suite stops, or alike: tell the client and end. */
	void	(*bye)(void *arg, const char *text);
	/* The login process has let go: nobody is there any more. */
	void	(*gone)(void *arg);
};

struct seat {
	struct ev_loop		 loop;
	const struct conf	*conf;
	enum role		 self;
	enum role		 login_role;
	int			 line;		/* ipc/next_client.h; owned */
	uint64_t		 id;
	char			*login;		/* owned, like all strings */
	char			*directory;
	char			*maildir;	/* in the session's root */
	uint64_t		 quota_bytes;	/* 0: none */
	uint64_t		 quota_messages;
	/* Of the client that is here: */
	int			 fd;		/* its bytes; owned */
	/* From SE_BEGIN: */
	bool			 tls;
	bool			 has_news;	/* parked: something has changed */
	bool			 may_park;
	struct slice		 tag;
	struct slice		 client;
	struct slice		 unread;
	struct slice		 state;		/* .n 0: a new session */
	/* seat.c's own: */
	struct channel		*channel;	/* owned; NULL: it is down */
	struct buf		 begin;		/* what the slices are of */
	uint32_t		 news;		/* SE_NEWS that have come */
	struct buf		 changed;	/* told last, at that time */
	int64_t			 told_ms;
	struct ev_timer		 tells;		/* set: it has changed since */
	bool			 is_over;	/* in order: seat_over() */
	const struct seat_ops	*ops;
	void			*arg;
};

/* Waits for SE_BEGIN.  -1: it does not come, or is not one.  Both descriptors
 * are taken over; the other fields of who it is for are the caller's. */
int	 seat_init(struct seat *, int channel_fd_take, int fd_take);
/* After a client's session is over and nothing of it is left: waits for another
 * client of the same user, and for its SE_BEGIN.  False: there is none, and the
 * process ends; also where the session was not over in order. */
bool	 seat_next(struct seat *);
/* From now on ops are called, from the loop. */
void	 seat_start(struct seat *, const struct seat_ops *, void *arg);
/* What has been said to the login process is sent now.  A session that was
 * parked calls this, having said something, before it reads from the client. */
void	 seat_flush(struct seat *);
void	 seat_clear(struct seat *);

/* This session has changed a mailbox: those that watch it hear of it, at once
 * or, where they were told of the same one less than 20 ms ago, then. */
void	 seat_changed(struct seat *, struct slice mailbox);
/* An empty name: all of the user's. */
void	 seat_watch(struct seat *, const struct slice *mailboxes, size_t n);
/* False: not now; the session stays.  True: it ends, and the login process
 * has another go on with the state. */
bool	 seat_park(struct seat *, struct slice state);
/* Back to the login: RFC 8437. */
void	 seat_unauthenticate(struct seat *, struct slice unread);
/* It is over in order: why, a word for the log of the login process. */
void	 seat_over(struct seat *, const char *why);

#endif
