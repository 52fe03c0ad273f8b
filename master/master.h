/* SPDX-License-Identifier: ISC */
/*
 * master - what its files share.
 *
 *	master.c	start, signals, the end
 *	ground.c	users, directories, the lock: what must be there
 *	listen.c	the sockets that others accept from
 *	process.c	the life of each process (a table of state and event)
 *	wire.c		what a process is given: configuration, channels
 *	reload.c	a new configuration
 *	restart.c	another master takes the place of this one
 *	inherit.c	this one takes the place of another
 *	texts.c		the operator's texts of reports
 *	pulse.c		who hangs is found and killed
 *	worker.c	local's requests for a user's process
 *	socket.c	remote's requests for an LMTP server's socket
 *	session.c	who is logged in, and the processes of their sessions
 *	grants.c	auth's word that somebody is: believed once
 *	history.c	who tells the event history, and how
 *	pki.c		certificates and keys
 *	pem.c		the files of pki.c and authorities.c
 *	ticket_memory.c	the keys of TLS session tickets
 *	authorities.c	those that remote believes
 *	watch.c		who looks at sessions
 *	control.c	the tools' requests
 *	facts.c		metrics: counters and figures of each process
 */
#ifndef MASTER_H
#define MASTER_H

#include <sys/types.h>

#include <sys/queue.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "ev/loop.h"
#include "ipc/channel.h"
#include "ipc/master_child.h"
#include "ipc/tool.h"
#include "os/priv.h"

struct account {
	uid_t	uid;
	gid_t	gid;
};

/* ---- listeners ---- */

/* One address of a listener block, or one of the tools' sockets. */
struct listener {
	TAILQ_ENTRY(listener)	 entry;
	enum role		 role;		/* who accepts from it */
	enum listener_kind	 kind;
	char			*name;		/* of the block; owned */
	char			*address;	/* as configured; owned */
	int			*fds;		/* owned */
	size_t			 nfds;
	unsigned		 instances;	/* fd i is instance i % this's;
						 * 0: everybody shares all */
	bool			 wanted;	/* reload: it stays */
};
TAILQ_HEAD(listeners, listener);

/* ---- processes ---- */

/*
 *	     START	    READY
 *	DOWN ----> STARTING -----> RUNNING
 *	 ^  ^	    | |  ^	    | |
 *	 |  |  DIED | |  | TIME	    | | DIED
 *	 |  |	    v |  |	    | v
 *	 |  +-- STOP - WAITING <----(-+	    (STOP takes STARTING too)
 *	 |	      |		    |
 *	 |	 STOP +-> STOPPING <+ STOP
 *	 +--- DIED -------+
 *	 |
 *	 +--- DIED - RETIRING <- RETIRE - RUNNING
 *		      | TIME, STOP
 *		      +-> STOPPING
 */
enum process_state {
	PROCESS_DOWN,		/* there is none, and none is wanted */
	PROCESS_STARTING,	/* forked; READY is awaited */
	PROCESS_RUNNING,
	PROCESS_STOPPING,	/* told to; killed when time is up */
	PROCESS_WAITING,	/* it died, and starts when time is up */
	PROCESS_RETIRING,	/* it ends with its last client */
	PROCESS_STATES
};
enum process_event {
	EVENT_START, EVENT_READY, EVENT_DIED, EVENT_TIME, EVENT_STOP,
	EVENT_RETIRE,
	PROCESS_EVENTS
};

#define LOST_PEERS	64	/* reports of a process that wait */

struct process {
	TAILQ_ENTRY(process)	 entry;
	struct master		*master;
	enum role		 role;
	unsigned		 index;		/* of the role; worker: slot */
	enum process_state	 state;
	pid_t			 pid;		/* 0: none */
	struct channel		*channel;	/* owned; NULL: none */
	int			 counters_fd;	/* ipc/counters.h; or -1 */
	struct ev_timer		 timer;		/* EVENT_TIME */
	struct ev_timer		 hangup;	/* the channel ended first */
	struct ev_timer		 rewire;
	int64_t			 started_ms;	/* monotonic */
	int64_t			 rewired_ms;
	bool			 pulse_owed;	/* asked whether it is there */
	unsigned		 pulses_missed;
	bool			 hung;		/* so it was killed */
	/* What it asks; see count_ask(). */
	struct ev_timer		 listen_again;
	int64_t			 asks_since_ms;	/* monotonic */
	unsigned		 asks;
	bool			 is_muted;
	unsigned		 failures;	/* since it last ran well */
	unsigned		 restarts;	/* since the suite started */
	bool			 was_ready;	/* ever */
	bool			 crashed;	/* the one before ended by its
						 * own fault */
	struct {
		enum role	 role;
		unsigned	 index;
	}			 lost[LOST_PEERS];
	size_t			 nlost;
	/* WORKER and COMMAND: */
	struct account		 account;
	char			*user;		/* owned; "" none */
	char			*directory;	/* owned */
	bool			 given_up;	/* local's channel to it is down */
	int			 lock_fd;	/* owned; -1: it does not run */
	int64_t			 waits_since_ms; /* for the lock; 0: it has not
						 * found it taken */
	bool			 waits_told;
	char			*readable;	/* what it was given; owned */
	unsigned		 lent;		/* and beyond its row, */
	gid_t			 group;		/* see os/priv.h */
	bool			 renew;		/* STOPPING, to start anew */
	bool			 renew_owed;	/* a reload waits for it */
	/* What is asked of it and not answered yet. */
	bool			 reload_owed;
	bool			 status_owed;
	char			*status;	/* its last words; owned */
};
TAILQ_HEAD(processes, process);

/* ---- all of it ---- */

enum phase {
	SUITE_STARTING, SUITE_RUNNING,
	SUITE_RETIRED,		/* another serves; clients who are left stay */
	SUITE_STOPPING,
};

/* Where another suite is to be replaced, its queue comes in between. */
enum start_stage { STAGE_HELPERS, STAGE_QMGR, STAGE_FRONTS };

struct sessions;	/* session.c */
struct control;		/* control.c */
struct watches;		/* watch.c */
struct reload;		/* reload.c */
struct restart;		/* restart.c */
struct before;		/* inherit.c */
struct pki;		/* pki.c */
struct ticket_memories;	/* ticket_memory.c */
struct authorities;	/* authorities.c */

struct master {
	struct ev_loop		 loop;
	char			*conf_path;	/* owned */
	char			*program;	/* our own path; owned */
	struct conf		*conf;		/* owned */
	bool			 foreground;
	int			 notify_fd;	/* `chasqui start`; or -1 */
	int			 before_fd;	/* `chasqui restart`; or -1 */
	enum phase		 phase;
	enum start_stage	 start_stage;	/* those up to it are wanted */
	unsigned		 stop_step;
	bool			 in_stop_step;
	int			 exit_status;
	int64_t			 started_ms;

	enum priv_mode		 mode;
	struct account		 accounts[ROLE_LIMIT];
	struct account		 mail_account;
	struct account		 command_account;
	char			*empty_root;	/* owned */
	int			 pid_fd;
	bool			 owns_ground;	/* sockets' paths, pid file */
	bool			 keeps_history;	/* its directory can be used */
	bool			 tells_history;	/* processes have sockets to it */
	int			 rate_fds[ROLE_LIMIT]; /* shared memory; or -1 */
	unsigned		 nsmtpd, nremote, nlogin, nverifier;
	unsigned		 descriptors;	/* what we may have open */

	int			 log_fd;	/* what the children get */
	uint8_t			 log_sink;
	struct ev_timer		 log_timer;	/* looks for syslog again */
	struct ev_timer		 start_timer;	/* the suite's start */
	struct ev_timer		 pulse;

	struct listeners	 listeners;
	struct listeners	 leaving;	/* of the one before, until we
						 * serve in its place */
	struct processes	 processes;
	struct sessions		*sessions;	/* owned */
	struct control		*control;	/* owned */
	struct watches		*watches;	/* owned; NULL: never any */
	struct reload		*reload;	/* owned; NULL: none is under way */
	struct restart		*restart;	/* owned; NULL: none */
	struct before		*before;	/* owned; NULL: it has ended, or
						 * there was none */
	struct ev_timer		 linger;	/* until the last has ended */
	struct pki		*pki;		/* owned */
	struct ticket_memories	*tickets;	/* owned */
	struct authorities	*authorities;	/* owned */
};

#define WORKERS_DIR	"workers"	/* below path.run: see worker.c */

/* ground.c: each ends the program with advice on failure. */
void	 ground_refuse_second(struct master *);
void	 ground_lock(struct master *);
/* It is ours, and has our number. */
void	 ground_sign_lock(struct master *);
/* Another descriptor of the file, or -1. */
int	 ground_open_lock(const struct master *);
void	 ground_check_queue(struct master *);
void	 ground_find_users(struct master *);
void	 ground_make_directories(struct master *);
void	 ground_clear(struct master *);
/* -1 and why. */
int	 ground_open_log(struct master *, struct buf *why);
/* To append to; -1 with errno. */
int	 ground_open_log_file(const char *path);
/* Makes it, or makes it so; -1 and why. */
int	 ground_directory(const struct master *, const char *path,
	    struct account, mode_t, struct buf *why);

/* listen.c */
/* Binds what conf wants and is not bound yet, into a list of its own; nothing
 * stays open on failure (-1 and a line for each in why). */
int	 listen_prepare(struct master *, const struct conf *,
	    struct listeners *fresh, struct buf *why);
/* Gives the new ones to those who accept, ends those that are not wanted. */
void	 listen_commit(struct master *, struct listeners *fresh);
void	 listen_give(struct process *, const struct listener *);
void	 listen_clear(struct listeners *);
/* A socket of the suite before this one; takes over fd. */
void	 listen_adopt(struct master *, enum listener_kind, unsigned instances,
	    struct slice name, struct slice address, int fd_take);
/* Another has them; here they are closed, and go on there. */
void	 listen_let_go(struct master *);

/* process.c */
struct process *process_new(struct master *, enum role, unsigned index);
void	 process_event(struct process *, enum process_event);
bool	 process_is_alive(const struct process *);
/* The suite's start is over only when it is ready: not for the history, and not
 * for a user's processes, which come and go. */
bool	 process_is_awaited(const struct process *);
/* Another in its place, with rights that a running one cannot get. */
void	 process_renew(struct process *);
void	 process_reap(struct master *);
/* For a program that is about to be run. */
void	 process_reset_signals(void);
void	 process_kill_all(struct master *, int sig);
struct process *process_find(struct master *, enum role, unsigned index);
const char *process_state_name(enum process_state);
void	 process_find_programs(struct master *);

/* wire.c */
extern const struct channel_ops wire_ops;
extern const struct message_rule wire_rules[];
/* Everything that a new process gets, up to GO. */
void	 wire_process(struct process *);
void	 wire_log(struct process *);
/* A channel between our local and that of the suite before or after ours. */
enum { NEWS_BEFORE = 1, NEWS_AFTER = 2 };
void	 wire_news(struct master *, unsigned index, int fd_take);
/* Memory that all processes of the role share; fd stays the caller's. */
void	 wire_shared(struct process *, const char *name, int fd);
/* The directories that a process of the row may read, ':' between them; the
 * caller frees it. */
char	*wire_readable(const struct conf *, const struct priv *);
/* LEND_*, and the group. */
unsigned wire_lent(const struct master *, enum role, gid_t *group_r);

/* history.c */
/* Its directory. */
void	 history_prepare(struct master *);
/* The socket for a process's events; for history all of them, and its log in
 * Postfix's form. */
void	 history_give(struct process *);
/* After a reload: what was opened anew, or is wanted from now on. */
void	 history_reload(struct master *);
void	 history_give_log(struct master *);

/* texts.c: for bounce alone */
void	 texts_give(struct process *);

/* pulse.c */
void	 pulse_init(struct master *);
void	 pulse_answered(struct process *, struct message *);

/* worker.c */
void	 worker_wanted(struct process *local, struct message *);
void	 worker_not_started(struct process *);
void	 worker_given_up(struct master *, enum role, unsigned slot);
void	 worker_end_all(struct master *);
void	 worker_make_way(struct master *);
/* Before it is started; -1 with errno, EWOULDBLOCK where another of its owner's
 * has not ended. */
int	 worker_lock(struct process *);
void	 worker_unlock(struct process *);
/* True for a path that names one directory, not the root, without "..". */
bool	 worker_is_path(struct slice);

/* session.c */
void	 sessions_init(struct master *);
void	 sessions_clear(struct master *);
/* For auth: the secret that grants are made with.  Borrowed. */
int	 sessions_secret_fd(const struct master *);
void	 session_wanted(struct process *login, struct message *);
void	 session_end(struct process *login, struct message *);
/* What is kept for the next login ends, and what runs is not kept: from now on
 * sessions are others. */
void	 sessions_keep_none(struct master *);
void	 session_spawn_ended(struct process *spawn, struct message *);
void	 session_spawn_is(struct process *spawn, struct message *);
/* A login process or a spawn has died. */
void	 sessions_process_gone(struct process *);
/* Words for `chasqui status` of a spawn; nothing for others. */
void	 sessions_status(const struct process *, struct buf *);
/* A line for each, at most max. */
void	 sessions_list(const struct master *, uint32_t max,
	    void (*tell)(void *, struct buf *), void *arg);

/* socket.c */
void	 socket_wanted(struct process *remote, struct message *);

/* pki.c */
/* -1 and a line for each file that cannot be opened. */
int	 pki_check(const struct conf *, struct buf *why);
/* After the configuration is read; -1 as above. */
int	 pki_start(struct master *, struct buf *why);
/* master->conf is another; it was checked. */
void	 pki_reload(struct master *);
/* What a new process of keys, or one that serves TLS, gets before GO. */
void	 pki_give(struct process *);
void	 pki_key_taken(struct process *keys, struct message *);
bool	 pki_serves_tls(enum role);
void	 pki_clear(struct master *);

/* ticket_memory.c: of each role that serves TLS, for its processes to read */
void	 ticket_memory_start(struct master *);
/* tls.tickets may be another. */
void	 ticket_memory_reload(struct master *);
void	 ticket_memory_give(struct process *);
void	 ticket_memory_clear(struct master *);

/* authorities.c: tls.ca_file, for remote */
/* -1 and a line in why where it is needed and cannot be opened. */
int	 authorities_check(const struct conf *, struct buf *why);
/* At the start, and when tls.ca_file may be another. */
void	 authorities_reload(struct master *);
/* Every tls.check: given out again when it has changed. */
void	 authorities_look(struct master *);
void	 authorities_give(struct process *remote);

/* reload.c */
/* done is called once with what there is to say, a line each. */
void	 reload_start(struct master *, void (*done)(void *, int status,
	    struct slice lines), void *arg);
void	 reload_answered(struct process *, bool taken, struct slice why);
void	 reload_process_gone(struct process *);

/* restart.c */
/* done is called once: EX_OK when another serves in our place, or why not, a
 * line each. */
void	 restart_start(struct master *, void (*done)(void *, int status,
	    struct slice lines), void *arg);
void	 restart_process_ended(struct master *);
/* The next one's qmgr may have the queue already. */
bool	 restart_gave_queue(const struct master *);
/* True: this process stays until the last of its successors has ended. */
bool	 restart_lingers(struct master *);
/* True: the signal was for the one that serves now, and got there. */
bool	 restart_pass_on(struct master *, int sig);
void	 restart_clear(struct master *);

/* inherit.c */
/* fd: the other end is in restart.c of the one that is to be replaced. */
void	 inherit_open(struct master *, int fd_take);
/* Its sockets and its lock; ends the program where they do not come. */
void	 inherit_receive(struct master *);
/* All processes of the start's first stage are ready. */
void	 inherit_stage_ready(struct master *);
void	 inherit_done(struct master *);
/* local has just started. */
void	 inherit_news(struct master *);
/* Why we end: to the one before, if it still serves. */
void	 inherit_failed(const char *why);
/* It ends a login's connections, too. */
void	 inherit_logout(struct master *, struct slice login);
/* The one before ends now, with those whom it still serves. */
void	 inherit_stop(struct master *);
bool	 inherit_must_wait(const struct master *);
/* 0: there is none. */
pid_t	 inherit_pid(const struct master *);

/* control.c */
/* Answers on control.sock, which is among the listeners, from control_open()
 * on. */
void	 control_init(struct master *);
void	 control_open(struct master *);
/* Nobody new; who waits is answered. */
void	 control_retire(struct master *);
void	 control_status_came(struct master *);
void	 control_login_is(struct process *, struct message *);
void	 control_suite_ended(struct master *);
void	 control_clear(struct master *);
/* Has all connections of a login end, also those of the master before. */
void	 master_logout(struct master *, struct slice login);

/* watch.c */
/* Its number, and the end that is to be read, the caller's; 0 with errno, EBUSY
 * where there are too many. */
uint32_t watch_begin(struct master *, const struct conf_net *,
	    uint32_t protocols, int *fd_r);
/* 0, and one that has ended, is no watch. */
void	 watch_end(struct master *, uint32_t number);
/* A new process: what is being watched. */
void	 watch_give(struct process *);

/* facts.c */
/* A process starts: metrics gets its counters, or, if it is metrics, those of
 * all that are there. */
void	 facts_give(struct process *);
void	 facts_asked(struct process *metrics, struct message *);

/* master.c */
void	 master_ready_changed(struct master *);
void	 master_start_stage(struct master *, enum start_stage);
/* sd_notify(3) */
void	 master_notify(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));
void	 master_process_ended(struct master *);
void	 master_start_failed(struct master *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 master_stop(struct master *);
/* Adds the processes of imapd and pop3d that are missing; they are started by
 * the caller. */
void	 master_make_served(struct master *);
/* For the start: "chasqui: ..." and exit. */
void	 master_die(int status, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3), noreturn));

#endif
