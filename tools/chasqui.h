/* SPDX-License-Identifier: ISC */
/* chasqui - what the commands of chasqui(8) share; one file a command.  tool.c
 * serves other tools too, usage and the table of commands are chasqui.c's. */
#ifndef TOOLS_CHASQUI_H
#define TOOLS_CHASQUI_H

#include "conf/conf.h"
#include "ipc/channel.h"
#include "ipc/tool.h"

struct tool {
	const char	*dir;		/* where chasqui.conf is; NULL: not
					 * looked for yet */
	bool		 dir_is_default;
	struct conf	*conf;		/* NULL until tool_conf() */
};

struct command {
	const char	*name;
	const char	*usage;		/* arguments, for the help text */
	const char	*text;		/* one line */
	/* argv[0] is the command's name; the exit status (sysexits.h). */
	int		(*run)(struct tool *, int argc, char *argv[]);
};

extern const struct command cmd_init, cmd_start, cmd_stop, cmd_reload,
    cmd_restart, cmd_status, cmd_top, cmd_confinement, cmd_config, cmd_queue,
    cmd_mailbox, cmd_table, cmd_explain, cmd_trace, cmd_user, cmd_domain, cmd_alias, cmd_doctor,
    cmd_import, cmd_pause, cmd_resume, cmd_watch, cmd_report;

/* What qmgr says of each pause, for people; nothing where it does not run. */
void	 pauses_each(struct tool *, void (*take)(void *, struct slice),
	    void *arg);

/* `chasqui queue check`: argv[0] is "check". */
int	 run_queue_check(struct tool *, int argc, char *argv[]);
/* The same for "shape". */
int	 run_queue_shape(struct tool *, int argc, char *argv[]);
/* cmd_queue_move.c */
struct selection;
int	 run_queue_export(struct tool *, struct selection *);
int	 run_queue_import(struct tool *, int argc, char *argv[]);
int	 run_queue_adopt(struct tool *, int argc, char *argv[]);

/* First of all: the number of a standard stream that the caller has closed must
 * not become that of a socket or file of ours, which would get what is printed.
 * Reading and writing there go on failing. */
void	 tool_begin(void);
/* For messages: the command that runs. */
void	 tool_name(const char *);
/* The instance: given, or that of the environment, or the default. */
void	 tool_directory(struct tool *, const char *given);
/* The command's usage on stderr; EX_USAGE. */
int	 tool_usage(const struct command *);
/* Where chasqui.conf is, or would be. */
const char *tool_conf_path(struct tool *);
/* Loads the configuration once; ends the program with EX_CONFIG and the
 * reasons when it is broken. */
const struct conf *tool_conf(struct tool *);
/* The same, where a suite that runs is only to be asked: mistakes in the file,
 * which it does not heed, are told and passed over. */
const struct conf *tool_conf_to_ask(struct tool *);
/* As tool_conf(), after the file has been changed. */
const struct conf *tool_conf_again(struct tool *);
/* A channel to one of the suite's sockets (ipc/tool.h: SOCKET_*).  Ends the
 * program with EX_UNAVAILABLE and advice when nobody answers. */
struct channel *tool_connect(struct tool *, const char *socket);
/* The same, but NULL with errno when nobody answers. */
struct channel *tool_connect_if_running(struct tool *, const char *socket);
/* As root: becomes the owner of what is to be touched, so that no link leads
 * elsewhere with root's rights.  EX_OK, or a status that was explained. */
int	 tool_become(uid_t, gid_t);
/* "chasqui COMMAND: text", then what to do next; returns status. */
int	 tool_fail(int status, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* The end of a tool: its exit status, EX_IOERR where what it has printed did
 * not arrive (a full disk, say) and all else was well. */
int	 tool_finish(int status);
/* Waits for the answer: prints TL_LINEs, returns TL_END's status.  on may take
 * the other messages; NULL where there are none. */
int	 tool_answer(struct channel *, void (*on)(void *, struct message *),
	    void *arg);
/* The same, where the lines are to be more than printed. */
int	 tool_answer_lines(struct channel *, void (*line)(void *, struct slice),
	    void *arg);
/* Has the suite read its configuration anew; an exit status, and what was wrong
 * has been told.  The second says nothing where no suite runs. */
int	 tool_reload(struct channel *);
/* Ends the connections of a login where the suite runs. */
int	 tool_logout_if_running(struct tool *, const char *login);
int	 tool_reload_if_running(struct tool *);

#endif
