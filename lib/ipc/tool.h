/* SPDX-License-Identifier: ISC */
/*
 * The tools' requests, over Unix sockets below path.run:
 *
 *	control.sock	master	status, stop, reload, restart, watch, logout	root or the owner
 *	queue.sock	qmgr	list, show, change	list: anybody
 *	lookup.sock	lookup	explain, table query	root or the owner
 *
 * The peer's uid (SO_PEERCRED) decides what it may do; a tool is not trusted.
 * An answer is any number of TL_LINE and so on, then TL_END.
 */
#ifndef IPC_TOOL_H
#define IPC_TOOL_H

#include "ipc/channel.h"

#define SOCKET_CONTROL	"control.sock"
#define SOCKET_QUEUE	"queue.sock"
#define SOCKET_LOOKUP	"lookup.sock"
#define SOCKET_SUBMIT	"submit.sock"
#define SOCKET_METRICS	"metrics.sock"	/* HTTP: chasqui-metrics(8) */

/*        name             no  sender  fds min  max     body; id: tool's */
#define TOOL_REQUESTS(X)						\
	X(TL_STATUS,	    1, TOOL,   0,  0,   1)	/* master: a line a process, key=value; u8 1: not of users' processes */ \
	X(TL_STOP,	    2, TOOL,   0,  0,   0)	/* master: TL_END when all have ended */ \
	X(TL_RELOAD,	    3, TOOL,   0,  0,   0)	/* master: lines say what is wrong */ \
	X(TL_RESTART,	    4, TOOL,   0,  0,   0)	/* master: TL_END when another serves in its place, or why not */ \
	X(TL_WATCH,	    5, TOOL,   0,  21,  21)	/* master: u32 protocols, u8 bits, 16 bytes address of a network (ipc/tap.h); TL_WATCHING, and TL_END when it is over */ \
	X(TL_WATCHING,	    6, MASTER, 1,  0,   0)	/* fd: lines are read from it, until the tool closes its connection */ \
	X(TL_QUEUE_LIST,   10, TOOL,   0,  4,   8192)	/* qmgr: packed filter */ \
	X(TL_QUEUE_SHOW,   11, TOOL,   0,  8,   8)	/* qmgr: u64 id; lines, then content in TL_DATA */ \
	X(TL_QUEUE_CHANGE, 12, TOOL,   0, 15,   8192)	/* qmgr: u8 enum queue_change, u8 enum queue_how, slice next hop (REROUTE), packed filter; a line for each message; TL_END when all is durable */ \
	X(TL_QUEUE_EXPORT, 14, TOOL,   0,  4,   8192)	/* qmgr: packed filter; TL_MESSAGE, TL_DATA..., TL_FILE for each */ \
	X(TL_IMPORT,	   15, TOOL,   0, 17,   17)	/* qmgr: 16 bytes that name the file, u8 0; lines, then TL_END: TL_MESSAGE may follow */ \
	X(TL_IMPORT_END,   16, TOOL,   0,  0,   0)	/* qmgr: TL_END when all is durable and on its way */ \
	X(TL_PAUSE,	   17, TOOL,   0, 22,   2048)	/* qmgr: u8 pause or resume, packed struct pause; TL_END when it is durable */ \
	X(TL_PAUSES,	   18, TOOL,   0,  0,   0)	/* qmgr: TL_LINEs */ \
	X(TL_EXPLAIN,	   20, TOOL,   0,  5,   2048)	/* lookup: slice address, u8 0 */ \
	X(TL_TABLE_QUERY,  21, TOOL,   0,  8,   4096)	/* lookup: slice table, slice key */ \
	X(TL_MAILBOX,	   22, TOOL,   0,  4,   1024)	/* lookup: slice login or address; two TL_DATA: "UID GID", and its Maildir */ \
	X(TL_LOGIN,	   23, TOOL,   0,  5,   400)	/* master, lookup: slice login name; lines say what each knows of it */ \
	X(TL_NEXT_HOPS,	   24, TOOL,   0,  4,   4)	/* qmgr: u32 how many, those with most messages; TL_NEXT_HOP each */ \
	X(TL_QUEUE_SHAPE,  25, TOOL,   0,  5,   5)	/* qmgr: u8 enum shape_by, u32 how many rows; TL_SHAPE each */ \
	X(TL_SESSIONS,	   26, TOOL,   0,  4,   4)	/* master: u32 how many; a line each, key=value */ \
	X(TL_LOGOUT,	   27, TOOL,   0,  5,   400)	/* master: slice login name; its connections are being ended */ \
	X(TL_LINE,	   30, EITHER, 0,  0,   65536)	/* the body is text without newline */ \
	X(TL_DATA,	   31, EITHER, 0,  0,   65536)	\
	X(TL_ENTRY,	   32, EITHER, 0,  8,   65536)	/* a packed struct queue_entry */ \
	X(TL_MESSAGE,	   35, EITHER, 0, 20,   20)	/* u64 queue id, u32 bytes that follow in TL_DATA, u64 bytes of large content */ \
	X(TL_FILE,	   38, QMGR,   1,  8,   8)	/* its large content, to read; to write, at an import: u64 bytes; the tool then sends TL_IMPORT_LARGE */ \
	X(TL_IMPORT_LARGE, 39, TOOL,   0,  0,   0)	/* it is written */ \
	X(TL_IMPORT_SYNC,  40, TOOL,   0,  0,   0)	/* TL_MESSAGE when all is durable, and held until TL_IMPORT_END */ \
	X(TL_NEXT_HOP,	   36, EITHER, 0,  53,  65536)	/* a packed struct hop_row (ipc/queue_shape.h) */ \
	X(TL_SHAPE,	   37, EITHER, 0,  84,  2048)	/* a packed struct shape_row */ \
	X(TL_NOTE,	   34, EITHER, 0,  0,   1024)	/* text for standard error; the answer follows */ \
	X(TL_END,	   33, EITHER, 0,  5,   1024)	/* u8 0 or an exit status of sysexits.h, slice why */

ENUM_MESSAGES(TOOL_REQUESTS);

enum queue_change {
	QUEUE_HOLD = 1, QUEUE_RELEASE = 2, QUEUE_RETRY = 3, QUEUE_DELETE = 4,
	QUEUE_BOUNCE = 5,
	QUEUE_DESTROY = 6,	/* deletes, and nothing can be had back */
	QUEUE_REROUTE = 7,
	QUEUE_UNDO = 8,		/* what was deleted is back */
};

enum queue_how {
	QUEUE_DO,
	QUEUE_DRY_RUN,		/* say what would be done */
	QUEUE_COUNT,		/* say how many: one line with the number */
};

/* The end of an answer: 0 or an exit status of sysexits.h, and why, which is
 * cut to what TL_END may have. */
void	 tool_end(struct channel *, uint64_t id, int status, struct slice why);

#endif
