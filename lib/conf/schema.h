/* SPDX-License-Identifier: ISC */
/*
 * schema - every configuration key: its type, default, limits, readers, text.
 *
 * The parser, the defaults, `chasqui config show` and `explain`, each child's
 * part of the configuration and the option list of chasqui.conf(5) all come
 * from this one table.
 *
 *	X(field, "section.key", TYPE, "default", min, max, READERS, "text")
 *
 * TYPE is STRING, BOOL, INT, SIZE (bytes; K, M, G), DURATION (milliseconds; ms,
 * s, m, h, d), LIST (words) or NETS (words that are networks in CIDR form).
 * min and max bound numbers; 0, 0 for the other types.  READERS is the mask of
 * roles whose part of the configuration has the key.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "wiring/wiring.h"

#define R_MASTER	(1u << ROLE_MASTER)
#define R_SMTPD		(1u << ROLE_SMTPD)
#define R_QMGR		(1u << ROLE_QMGR)
#define R_REMOTE	(1u << ROLE_REMOTE)
#define R_LOCAL		(1u << ROLE_LOCAL)
#define R_WORKER	(1u << ROLE_WORKER)
#define R_BOUNCE	(1u << ROLE_BOUNCE)
#define R_LOOKUP	(1u << ROLE_LOOKUP)
#define R_RESOLVER	(1u << ROLE_RESOLVER)
#define R_TOOL		(1u << ROLE_TOOL)
#define R_COMMAND	(1u << ROLE_COMMAND)
#define R_AUTH		(1u << ROLE_AUTH)
#define R_VERIFIER	(1u << ROLE_VERIFIER)
#define R_KEYS		(1u << ROLE_KEYS)
#define R_HISTORY	(1u << ROLE_HISTORY)
#define R_IMAP_LOGIN	(1u << ROLE_IMAP_LOGIN)
#define R_POP3_LOGIN	(1u << ROLE_POP3_LOGIN)
#define R_IMAP_SPAWN	(1u << ROLE_IMAP_SPAWN)	/* its sessions, too */
#define R_POP3_SPAWN	(1u << ROLE_POP3_SPAWN)
/* Who serves TLS. */
#define R_TLS		(R_MASTER | R_SMTPD | R_IMAP_LOGIN | R_POP3_LOGIN)
#define R_ALL		(~0u)

#define CONF_KEYS(X)							\
X(hostname, "hostname", STRING, "", 0, 0, R_ALL,			\
  "The name of this host in greetings, trace fields and reports; the system's fully qualified name where empty.") \
X(postmaster, "postmaster", STRING, "postmaster", 0, 0, R_SMTPD | R_BOUNCE | R_LOOKUP, \
  "Where mail for postmaster goes that has no domain, or that nothing else takes: an address, or a name of the first system domain.  Where that does not exist either, it goes to root.") \
X(relay_networks, "relay_networks", NETS, "127.0.0.0/8 ::1/128", 0, 0, R_SMTPD, \
  "Networks whose clients may send to any domain.")			\
X(recipient_delimiter, "recipient_delimiter", STRING, "+", 0, 0, R_LOOKUP | R_WORKER | R_COMMAND, \
  "The character between a user's name and a detail (user+detail); empty for none.") \
									\
X(path_queue, "path.queue", STRING, "/var/spool/chasqui", 0, 0, R_MASTER | R_QMGR | R_TOOL, \
  "The queue directory.")						\
X(path_run, "path.run", STRING, "/run/chasqui", 0, 0, R_MASTER | R_TOOL, \
  "Where the sockets of the tools and the process id file are.")	\
X(path_mail, "path.mail", STRING, "/var/mail/chasqui", 0, 0, R_MASTER | R_LOOKUP | R_WORKER, \
  "The root of the mailboxes of virtual domains: DOMAIN/LOCAL-PART/Maildir below it.") \
X(path_history, "path.history", STRING, "/var/lib/chasqui/history", 0, 0, R_MASTER | R_HISTORY | R_TOOL, \
  "The directory of the event history, which chasqui trace reads.") \
X(path_tables, "path.tables", STRING, "tables", 0, 0, R_MASTER | R_LOOKUP | R_TOOL, \
  "The directory that relative table paths start from; itself relative to the configuration file's.") \
X(path_templates, "path.templates", STRING, "", 0, 0, R_MASTER, \
  "A directory with the operator's own texts of reports (failure.txt, delay.txt, success.txt, postmaster.txt); built-in texts where empty.") \
									\
X(user_prefix, "user.prefix", STRING, "_chasqui_", 0, 0, R_MASTER,	\
  "Each process runs as the system user of this prefix and its program's name.") \
X(user_mail, "user.mail", STRING, "_chasqui_mail", 0, 0, R_MASTER | R_LOOKUP, \
  "The system user that owns the mailboxes of virtual domains.")	\
X(user_commands, "user.commands", STRING, "nobody", 0, 0, R_MASTER | R_LOOKUP, \
  "The system user that programs named in alias tables run as; also who gets mail for uids that may not receive it.") \
X(user_minimum_uid, "user.minimum_uid", INT, "500", 1, 4294967294, R_MASTER | R_LOOKUP | R_VERIFIER, \
  "System users below this uid receive no mail of their own (alias them), and no process is started for them; user.mail and user.commands are excepted.") \
									\
X(log_target, "log.target", STRING, "syslog", 0, 0, R_MASTER,		\
  "syslog, stderr, or the path of a file.")				\
X(log_level, "log.level", STRING, "info", 0, 0, R_ALL,			\
  "The least important event that is logged: debug, info, warn or error.") \
X(log_facility, "log.facility", STRING, "mail", 0, 0, R_ALL,		\
  "The syslog facility.")						\
X(log_postfix, "log.postfix", STRING, "", 0, 0, R_MASTER,		\
  "Where the mail log is also written in the form of Postfix, for programs that analyse it: syslog, or the path of a file; nowhere where empty.") \
									\
X(history_size, "history.size", SIZE, "256M", 0, 1099511627776, R_MASTER | R_HISTORY, \
  "How much room the event history takes at the most, about; the oldest events go.  0 keeps none, and a change from 0 takes a restart.") \
X(history_days, "history.days", INT, "30", 1, 36500, R_HISTORY,	\
  "Events older than so many days go.")					\
									\
X(process_smtpd, "process.smtpd", INT, "0", 0, 64, R_MASTER,		\
  "How many smtpd processes there are; 0 for one a core.  A change takes a restart.") \
X(process_remote, "process.remote", INT, "0", 0, 64, R_MASTER | R_QMGR,	\
  "How many remote processes there are; 0 for one a core.  A change takes a restart.") \
X(process_login, "process.login", INT, "0", 0, 64, R_MASTER,		\
  "How many imapd and how many pop3d processes there are for connections; 0 for one a core.  A change takes a restart.") \
X(process_verifier, "process.verifier", INT, "0", 0, 64, R_MASTER,	\
  "How many processes verify passwords; 0 for one a core.  A change takes a restart.") \
X(process_hung, "process.hung", DURATION, "60s", 0, 86400000, R_MASTER,	\
  "A process that has not answered master for so long is killed and started again; 0 for never.  Processes of users are not asked.") \
X(process_retire, "process.retire", DURATION, "1h", 1000, 604800000, R_MASTER, \
  "After a restart those who read their mail keep the processes that they have for so long; then these say goodbye.") \
X(process_memory, "process.memory", SIZE, "2G", 67108864, 1099511627776, R_MASTER, \
  "The address space that one process may use.")			\
									\
X(smtp_banner, "smtp.banner", STRING, "", 0, 0, R_SMTPD,		\
  "What follows the host's name in the greeting; \"ESMTP Chasqui\" where empty.") \
X(smtp_max_message, "smtp.max_message", SIZE, "50M", 1024, 1099511627776, R_SMTPD | R_LOOKUP, \
  "The largest message accepted.")					\
X(smtp_max_recipients, "smtp.max_recipients", INT, "1000", 100, 100000, R_SMTPD, \
  "Recipients of one message.")						\
X(smtp_max_sessions, "smtp.max_sessions", INT, "5000", 1, 1000000, R_SMTPD | R_MASTER, \
  "Sessions of one smtpd process.")					\
X(smtp_max_errors, "smtp.max_errors", INT, "100", 1, 100000, R_SMTPD,	\
  "Refused commands after which a session is ended.")			\
X(smtp_max_transactions, "smtp.max_transactions", INT, "10000", 1, 1000000, R_SMTPD, \
  "Messages in one session.")						\
X(smtp_max_hops, "smtp.max_hops", INT, "100", 5, 1000, R_SMTPD,		\
  "Received fields at which a message is refused as looping.")		\
X(smtp_max_line, "smtp.max_line", SIZE, "64K", 998, 1048576, R_SMTPD,	\
  "The longest text line accepted, in bytes without CRLF.")		\
X(smtp_memory, "smtp.memory", SIZE, "256M", 1048576, 1099511627776, R_SMTPD, \
  "Content that one smtpd process holds; over it clients are asked to try later.") \
X(smtp_timeout_command, "smtp.timeout_command", DURATION, "5m", 1000, 3600000, R_SMTPD, \
  "How long a client may take for a command (RFC 5321 section 4.5.3.2.7).") \
X(smtp_timeout_data, "smtp.timeout_data", DURATION, "10m", 1000, 3600000, R_SMTPD, \
  "How long a client may pause within the content.")			\
X(smtp_greet_delay, "smtp.greet_delay", DURATION, "0s", 0, 60000, R_SMTPD, \
  "How long the greeting is held back for clients outside relay_networks; who speaks before it is refused.  Without a delay that is seen only of those who have spoken when their connection is accepted.") \
X(smtp_reverse_dns, "smtp.reverse_dns", BOOL, "yes", 0, 0, R_SMTPD,	\
  "Look up the client's name (confirmed by its address) for the trace field.") \
X(smtp_bare_lf_networks, "smtp.bare_lf_networks", NETS, "", 0, 0, R_SMTPD, \
  "Networks whose clients may end lines with a bare LF; it becomes CRLF.") \
X(smtp_rate_connections, "smtp.rate_connections", INT, "0", 0, 1000000, R_SMTPD, \
  "Connections that a client (an IPv4 address, an IPv6 /64) may open in smtp.rate_window; 0 for no limit.  Not for relay_networks.") \
X(smtp_rate_messages, "smtp.rate_messages", INT, "0", 0, 1000000, R_SMTPD, \
  "Messages that a client may send in smtp.rate_window; 0 for no limit.  Not for relay_networks.") \
X(smtp_rate_window, "smtp.rate_window", DURATION, "1m", 1000, 86400000, R_SMTPD, \
  "The time over which the two limits above count.")			\
X(smtp_client_sessions, "smtp.client_sessions", INT, "100", 1, 1000000, R_SMTPD, \
  "Sessions that one client may hold at once.  Not for relay_networks.") \
									\
X(submission_senders, "submission.senders", LIST, "", 0, 0, R_LOOKUP,	\
  "Tables from a login to what it may send as beside its own addresses: addresses, domains (example.org or @example.org), or * for all.") \
X(submission_check_header, "submission.check_header", BOOL, "yes", 0, 0, R_SMTPD, \
  "The addresses of From and Sender must be the login's, as the envelope's always must.") \
X(submission_hide_client, "submission.hide_client", BOOL, "no", 0, 0, R_SMTPD, \
  "Leave the address and the name of the user's computer out of the trace field (RFC 6409 and 5321 want them there).") \
X(submission_max_header, "submission.max_header", SIZE, "128K", 4096, 1048576, R_SMTPD, \
  "The largest header section of a submission, which is held until it is whole.") \
X(submission_max_hold, "submission.max_hold", DURATION, "7d", 0, 604800000, R_SMTPD, \
  "How far in the future a message may ask to be released (FUTURERELEASE); 0 not to offer it.") \
X(submission_limits, "submission.limits", LIST, "", 0, 0, R_QMGR,	\
  "How many messages a login may send: NUMBER/TIME words such as 100/1h 500/1d, all of which hold; no limit where empty.") \
X(submission_recipient_limits, "submission.recipient_limits", LIST, "", 0, 0, R_QMGR, \
  "How many recipients a login may send to, in the same form; each message counts its own.") \
									\
X(queue_lifetime, "queue.lifetime", DURATION, "30h", 60000, 2592000000, R_QMGR, \
  "How long delivery of a message is tried.")				\
X(queue_delay_warning, "queue.delay_warning", DURATION, "4h", 0, 2592000000, R_QMGR, \
  "After what time the sender is told that a message is delayed; 0 for never.") \
X(queue_retry_first, "queue.retry_first", DURATION, "5m", 100, 86400000, R_QMGR, \
  "The time from a first failed attempt to the next; it doubles from there on, with jitter.") \
X(queue_retry_max, "queue.retry_max", DURATION, "1h", 100, 86400000, R_QMGR, \
  "The longest time between two attempts.")				\
X(queue_memory, "queue.memory", SIZE, "256M", 4194304, 1099511627776, R_QMGR, \
  "Content held in memory; over it the journal and the files are read again.") \
X(queue_max_messages, "queue.max_messages", INT, "5000000", 100, 100000000, R_QMGR, \
  "Messages in the queue at which new ones are refused with 452.")	\
X(queue_min_free, "queue.min_free", SIZE, "64M", 0, 1099511627776, R_QMGR, \
  "Free space of the queue's file system below which new messages are refused with 452.") \
X(queue_undo, "queue.undo", DURATION, "1d", 0, 31536000000, R_QMGR,	\
  "How long a message that chasqui queue delete has removed can be had back by chasqui queue undo; 0 for never.") \
X(queue_undo_size, "queue.undo_size", SIZE, "1G", 0, 1099511627776, R_QMGR, \
  "How much deleted mail is kept for that; over it the oldest goes.") \
X(queue_journal, "queue.journal", SIZE, "64M", 1048576, 4294967296, R_QMGR, \
  "The size of one journal segment.")					\
X(queue_segments, "queue.segments", INT, "4", 2, 256, R_QMGR,		\
  "How many journal segments there are.")				\
X(queue_inline, "queue.inline", SIZE, "128K", 0, 131072, R_SMTPD | R_QMGR, \
  "Messages up to this size go through the journal, larger ones into a file each.") \
									\
X(remote_concurrency, "remote.concurrency", INT, "20", 1, 10000, R_QMGR, \
  "The most connections to one next hop.")				\
X(remote_connections, "remote.connections", INT, "2000", 1, 100000, R_QMGR | R_REMOTE | R_MASTER, \
  "The most connections of one remote process.")			\
X(remote_rate, "remote.rate", INT, "0", 0, 1000000, R_QMGR,		\
  "Messages a minute to one next hop; 0 for no limit.")			\
X(remote_max_recipients, "remote.max_recipients", INT, "100", 1, 1000, R_QMGR, \
  "Recipients in one transaction.")					\
X(remote_port, "remote.port", INT, "25", 1, 65535, R_REMOTE,		\
  "The port of next hops found by MX.")					\
X(remote_ipv4, "remote.ipv4", BOOL, "yes", 0, 0, R_REMOTE, "Connect over IPv4.") \
X(remote_ipv6, "remote.ipv6", BOOL, "yes", 0, 0, R_REMOTE, "Connect over IPv6.") \
X(remote_source_ipv4, "remote.source_ipv4", STRING, "", 0, 0, R_REMOTE, "The address that connections over IPv4 come from.") \
X(remote_source_ipv6, "remote.source_ipv6", STRING, "", 0, 0, R_REMOTE, "The address that connections over IPv6 come from.") \
X(remote_timeout_connect, "remote.timeout_connect", DURATION, "30s", 100, 600000, R_REMOTE, "How long a connection may take to be established.") \
X(remote_timeout_greeting, "remote.timeout_greeting", DURATION, "5m", 100, 3600000, R_REMOTE, "How long the greeting and the reply to EHLO may take.") \
X(remote_timeout_mail, "remote.timeout_mail", DURATION, "5m", 100, 3600000, R_REMOTE, "How long the reply to MAIL may take.") \
X(remote_timeout_rcpt, "remote.timeout_rcpt", DURATION, "5m", 100, 3600000, R_REMOTE, "How long the reply to RCPT may take.") \
X(remote_timeout_data, "remote.timeout_data", DURATION, "2m", 100, 3600000, R_REMOTE, "How long the reply to DATA may take.") \
X(remote_timeout_block, "remote.timeout_block", DURATION, "3m", 100, 3600000, R_REMOTE, "How long the next hop may take nothing of the content.") \
X(remote_timeout_end, "remote.timeout_end", DURATION, "10m", 100, 3600000, R_REMOTE, "How long the reply after the content may take.") \
X(remote_idle, "remote.idle", DURATION, "2s", 0, 300000, R_REMOTE, "How long a connection is kept for the next message.") \
X(remote_sockets, "remote.sockets", LIST, "", 0, 0, R_MASTER, "Unix sockets that a table's next hop lmtp:/path may name; those in a domain's relay_to need not be listed.") \
X(remote_tls, "remote.tls", STRING, "may", 0, 0, R_MASTER | R_REMOTE, "TLS to next hops: none; may (where the host offers it, verified by nothing; in clear where it fails); encrypt (no delivery without it); or verify (nor to a host whose certificate has not the next hop's name, by tls.ca_file).") \
X(remote_max_messages, "remote.max_messages", INT, "1000", 1, 1000000, R_REMOTE, "Messages over one connection.") \
									\
X(local_concurrency, "local.concurrency", INT, "1000", 1, 100000, R_QMGR, "Deliveries under way in one worker.") \
X(local_workers, "local.workers", INT, "64", 1, 240, R_MASTER | R_LOCAL, "Worker processes at once, one a uid in use.") \
X(local_worker_idle, "local.worker_idle", DURATION, "60s", 100, 86400000, R_LOCAL, "After what time without work a worker ends.") \
X(local_sync, "local.sync", STRING, "auto", 0, 0, R_WORKER, "How deliveries are made durable: filesystem (one syncfs for many), file (fsync for each), or auto.") \
X(local_system_maildir, "local.system_maildir", STRING, "Maildir", 0, 0, R_LOOKUP, "Where a system user's mail goes, below the home directory.") \
X(local_forward, "local.forward", BOOL, "yes", 0, 0, R_WORKER | R_LOOKUP, "Honour ~/.forward of system users.") \
X(local_command_time, "local.command_time", DURATION, "5m", 1000, 3600000, R_COMMAND, "How long a program that takes mail may run.") \
									\
X(quota_bytes, "quota.bytes", SIZE, "0", 0, 1125899906842624, R_LOOKUP, "The default limit of a mailbox in bytes; 0 for none.") \
X(quota_messages, "quota.messages", INT, "0", 0, 1000000000, R_LOOKUP, "The default limit of a mailbox in messages; 0 for none.") \
X(quota_full, "quota.full", STRING, "defer", 0, 0, R_LOOKUP | R_WORKER, "What a full mailbox answers: defer (452) or refuse (552).") \
									\
X(imap_max_connections, "imap.max_connections", INT, "20000", 1, 1000000, R_IMAP_LOGIN | R_MASTER, \
  "Connections of one imapd process, those of parked sessions included.") \
X(imap_max_sessions, "imap.max_sessions", INT, "2000", 1, 100000, R_MASTER, \
  "IMAP sessions that have a process at once; parked ones have none.")	\
X(imap_user_sessions, "imap.user_sessions", INT, "50", 1, 100000, R_MASTER, \
  "IMAP sessions of one user at once, parked ones included.")		\
X(imap_client_connections, "imap.client_connections", INT, "200", 1, 1000000, R_IMAP_LOGIN, \
  "Connections that one client (an IPv4 address, an IPv6 /64) may hold at once; those from this host do not count.") \
X(imap_login_timeout, "imap.login_timeout", DURATION, "2m", 1000, 3600000, R_IMAP_LOGIN, \
  "How long a client may take to log in.")				\
X(imap_timeout, "imap.timeout", DURATION, "30m", 1800000, 86400000, R_IMAP_LOGIN | R_IMAP_SPAWN, \
  "How long a session goes on without a command (RFC 9051 section 5.4).") \
X(imap_park, "imap.park", DURATION, "5s", 0, 86400000, R_IMAP_SPAWN,	\
  "After what silence a session is parked: its process ends until the next command or news; 0 for never.") \
X(imap_keep, "imap.keep", DURATION, "10s", 0, 600000, R_MASTER, \
  "How long the process of a session whose client has gone waits for the same user's next login; 0 for not at all.") \
X(imap_max_kept, "imap.max_kept", INT, "500", 0, 100000, R_MASTER,	\
  "Processes that wait so at once.")					\
X(imap_max_line, "imap.max_line", SIZE, "64K", 8192, 1048576, R_IMAP_SPAWN, \
  "The longest command line of a session, in bytes, literals not counted.") \
X(imap_max_append, "imap.max_append", SIZE, "50M", 1024, 1099511627776, R_IMAP_SPAWN, \
  "The largest message that APPEND takes (APPENDLIMIT).")		\
X(imap_compress, "imap.compress", BOOL, "yes", 0, 0, R_IMAP_SPAWN,	\
  "Offer COMPRESS=DEFLATE.")						\
X(imap_unauthenticate, "imap.unauthenticate", BOOL, "yes", 0, 0, R_IMAP_SPAWN, \
  "Whether UNAUTHENTICATE is offered (RFC 8437): a connection then serves one login after the other, which a proxy before it may not expect.") \
X(imap_admin, "imap.admin", STRING, "", 0, 0, R_IMAP_SPAWN,		\
  "Whom to ask for help, a URI such as mailto:help@example.org (METADATA /shared/admin).") \
									\
X(pop3_max_connections, "pop3.max_connections", INT, "5000", 1, 1000000, R_POP3_LOGIN | R_MASTER, \
  "Connections of one pop3d process.")					\
X(pop3_max_sessions, "pop3.max_sessions", INT, "1000", 1, 100000, R_MASTER, \
  "POP3 sessions at once.")						\
X(pop3_user_sessions, "pop3.user_sessions", INT, "20", 1, 100000, R_MASTER, \
  "POP3 sessions of one user at once.")					\
X(pop3_client_connections, "pop3.client_connections", INT, "100", 1, 1000000, R_POP3_LOGIN, \
  "Connections that one client (an IPv4 address, an IPv6 /64) may hold at once; those from this host do not count.") \
X(pop3_login_timeout, "pop3.login_timeout", DURATION, "1m", 1000, 3600000, R_POP3_LOGIN, \
  "How long a client may take to log in.")				\
X(pop3_timeout, "pop3.timeout", DURATION, "10m", 600000, 86400000, R_POP3_SPAWN, \
  "How long a session goes on without a command (RFC 1939 section 3).")	\
X(pop3_keep, "pop3.keep", DURATION, "10s", 0, 600000, R_MASTER, \
  "How long the process of a session whose client has gone waits for the same user's next login; 0 for not at all.") \
X(pop3_max_kept, "pop3.max_kept", INT, "500", 0, 100000, R_MASTER,	\
  "Processes that wait so at once.")					\
X(pop3_mark_seen, "pop3.mark_seen", BOOL, "yes", 0, 0, R_POP3_SPAWN,	\
  "Messages that were retrieved become \\Seen for IMAP.")		\
X(pop3_uidl, "pop3.uidl", STRING, "%08Xu%08Xv", 0, 0, R_POP3_SPAWN,	\
  "What UIDL names a message by, as Dovecot's pop3_uidl_format was set where mailboxes come from there: UID and UIDVALIDITY in hexadecimal (%08Xu%08Xv), UIDVALIDITY.UID (%v.%u), the file's name (%f) or the GUID (%g).  What a mailbox's own files say (Courier's, or Dovecot's list of UIDs) goes before it.  Another value than before makes clients that leave their mail here fetch it again.") \
									\
X(alias_tables, "alias.tables", LIST, "", 0, 0, R_LOOKUP, "Tables in the form of aliases(5) for names of system domains.") \
X(alias_virtual, "alias.virtual", LIST, "", 0, 0, R_LOOKUP, "Tables from addresses, or @domain, to addresses, for any domain.") \
X(alias_max_depth, "alias.max_depth", INT, "50", 1, 1000, R_LOOKUP, "How deep aliases may lead to aliases.") \
X(alias_max_results, "alias.max_results", INT, "10000", 1, 100000, R_LOOKUP, "How many recipients one address may become.") \
X(alias_commands, "alias.commands", BOOL, "yes", 0, 0, R_LOOKUP, "Alias tables may name programs and files.") \
X(alias_includes, "alias.includes", LIST, "", 0, 0, R_MASTER | R_LOOKUP, "Directories that files named by :include: may be in, beside /etc and those of the tables.") \
X(route_tables, "route.tables", LIST, "", 0, 0, R_LOOKUP, "Tables from an address, a domain, .domain (and all below it) or * to a next hop: a host by its MX, [host]:port, lmtp:[host]:port or lmtp:/socket.") \
									\
X(tls_minimum, "tls.minimum", STRING, "1.2", 0, 0, R_TLS,		\
  "The oldest version of TLS that is spoken: 1.2 or 1.3.")		\
X(tls_ca_file, "tls.ca_file", STRING, "/etc/ssl/certs/ca-certificates.crt", 0, 0, R_MASTER, \
  "The authorities (PEM) by which the certificates of next hops are verified; none where empty.") \
X(tls_check, "tls.check", DURATION, "5s", 100, 3600000, R_MASTER,	\
  "How often the files of certificates and keys are looked at for changes.") \
X(tls_tickets, "tls.tickets", DURATION, "12h", 1000, 604800000, R_TLS,	\
  "How long a client may resume a session by its ticket; the keys of tickets change as often.") \
									\
X(table_max_entries, "table.max_entries", INT, "10000000", 1, 1000000000, R_LOOKUP, "The most entries of a table that is held in memory.") \
X(table_check, "table.check", DURATION, "1s", 10, 3600000, R_LOOKUP, "How often table files are looked at for changes.") \
									\
X(auth_backends, "auth.backends", LIST, "file", 0, 0, R_MASTER | R_AUTH | R_VERIFIER, \
  "Where passwords are looked up, in this order: file (auth.passwords), sqlite, postgresql, system (the users of this machine, /etc/shadow), pam (the last, since it takes every name).") \
X(auth_passwords, "auth.passwords", LIST, "auth/passwords", 0, 0, R_MASTER | R_VERIFIER | R_TOOL, \
  "Password files, see chasqui-passwords(5); relative paths start from the configuration file's directory.  `chasqui user` changes the first.") \
X(auth_sqlite, "auth.sqlite", STRING, "auth/accounts.sqlite", 0, 0, R_MASTER | R_VERIFIER, \
  "The SQLite data base of accounts; a relative path starts from the configuration file's directory.") \
X(auth_sqlite_query, "auth.sqlite_query", STRING, "SELECT password, scram_sha_256, app, protocols, disabled FROM accounts WHERE login = :login", 0, 0, R_VERIFIER, \
  "The query with the parameter :login, see chasqui-passwords(5).") \
X(auth_postgresql_socket, "auth.postgresql_socket", STRING, "/run/postgresql", 0, 0, R_VERIFIER, \
  "The directory of PostgreSQL's Unix socket.  There is no other way to the server.") \
X(auth_postgresql_port, "auth.postgresql_port", INT, "5432", 1, 65535, R_VERIFIER, \
  "The number in the name of its Unix socket.") \
X(auth_postgresql_database, "auth.postgresql_database", STRING, "mail", 0, 0, R_VERIFIER, \
  "The data base of accounts.") \
X(auth_postgresql_user, "auth.postgresql_user", STRING, "_chasqui_verifier", 0, 0, R_VERIFIER, \
  "The role to log in as: by peer authentication, that of the system user of the verifiers.") \
X(auth_postgresql_password_file, "auth.postgresql_password_file", STRING, "", 0, 0, R_MASTER | R_VERIFIER, \
  "A file in the form of .pgpass, for a server that wants a password; it belongs to the system user of the verifiers, with mode 0600.") \
X(auth_postgresql_query, "auth.postgresql_query", STRING, "SELECT password, scram_sha_256, app, protocols, disabled FROM accounts WHERE login = $1", 0, 0, R_VERIFIER, \
  "The query with the login as its parameter $1, see chasqui-passwords(5).") \
X(auth_postgresql_timeout, "auth.postgresql_timeout", DURATION, "500ms", 50, 10000, R_VERIFIER, \
  "How long PostgreSQL may take for an answer before clients are asked to try later; the verifier does nothing else meanwhile.") \
X(auth_pam_service, "auth.pam_service", STRING, "chasqui", 0, 0, R_VERIFIER | R_TOOL, \
  "The PAM service whose file in /etc/pam.d says how passwords are checked.") \
X(auth_mechanisms, "auth.mechanisms", LIST, "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN OAUTHBEARER XOAUTH2", 0, 0, R_AUTH, \
  "SASL mechanisms that may be used.  Those with a password in clear are offered within TLS only, OAUTHBEARER and XOAUTH2 only where an oauth block is.  Add EXTERNAL where clients have certificates (listener.client_ca).") \
X(auth_plaintext, "auth.plaintext", STRING, "local", 0, 0, R_AUTH, \
  "Where a password may come in clear: tls (within TLS only), local (from this host too), or any.") \
X(auth_default_domain, "auth.default_domain", STRING, "", 0, 0, R_AUTH, \
  "The domain of a login name without '@'; without one it is a system user's name.") \
X(auth_timeout, "auth.timeout", DURATION, "1m", 1000, 600000, R_AUTH, \
  "How long a client may take for a response.") \
X(auth_queue, "auth.queue", INT, "500", 1, 100000, R_AUTH, \
  "Passwords that wait for a verifier at once; over it clients are asked to try later.") \
X(auth_fail_delay, "auth.fail_delay", DURATION, "2s", 0, 60000, R_AUTH, \
  "How long the first failure's answer is held back; doubled with each further one of the same client.") \
X(auth_fail_delay_max, "auth.fail_delay_max", DURATION, "15s", 0, 120000, R_AUTH, \
  "The longest that an answer is held back.")				\
X(auth_window, "auth.window", DURATION, "10m", 1000, 86400000, R_AUTH, \
  "The time over which failures count.")				\
X(auth_max_failures_client, "auth.max_failures_client", INT, "20", 0, 1000000, R_AUTH, \
  "Failures of one client (an IPv4 address, an IPv6 /64) in auth.window before it is asked to try later; 0 for no limit.") \
X(auth_max_failures_network, "auth.max_failures_network", INT, "200", 0, 1000000, R_AUTH, \
  "The same for a network (an IPv4 /24, an IPv6 /48).") \
X(auth_max_failures_user, "auth.max_failures_user", INT, "50", 0, 1000000, R_AUTH, \
  "The same for a login name, from wherever.  Clients from which that user has logged in before are not held by this.") \
X(auth_max_sessions, "auth.max_sessions", INT, "200", 0, 100000, R_AUTH, \
  "Sessions of one login at once; 0 for no limit.")			\
X(auth_cache_time, "auth.cache_time", DURATION, "5m", 0, 86400000, R_VERIFIER, \
  "How long a right password is remembered (not in clear), so that the next login costs little; a change of the table forgets all.  0 for never.") \
									\
X(dns_servers, "dns.servers", LIST, "", 0, 0, R_RESOLVER, "Name servers to ask, ADDRESS or ADDRESS:PORT ([v6]:PORT); those of /etc/resolv.conf where empty.") \
X(dns_timeout, "dns.timeout", DURATION, "10s", 100, 120000, R_RESOLVER, "How long a look-up may take.") \
X(dns_dnssec, "dns.dnssec", BOOL, "no", 0, 0, R_RESOLVER, "Validate with the root's trust anchor.") \
X(dns_cache, "dns.cache", SIZE, "16M", 65536, 4294967296, R_RESOLVER, "Memory of the cache.") \
									\
X(bounce_headers_above, "bounce.headers_above", SIZE, "50K", 0, 104857600, R_QMGR | R_BOUNCE, "Messages above this size are returned as their header section only.") \
X(bounce_postmaster_copy, "bounce.postmaster_copy", BOOL, "no", 0, 0, R_QMGR | R_BOUNCE, "Send postmaster what cannot be bounced because the reverse-path is null.") \
X(bounce_from_name, "bounce.from_name", STRING, "Mail Delivery System", 0, 0, R_BOUNCE, "The display name in reports.")

/* Blocks: `listener NAME { ... }`, of which there may be any number (at most
 * CONF_BLOCKS of a kind).  The form of the rows is that above. */
#define CONF_BLOCKS	10000

#define CONF_LISTENER_KEYS(X)						\
X(address, "address", LIST, "*:25", 0, 0, R_TLS,		\
  "Where to listen: ADDRESS:PORT, [v6]:PORT, *:PORT for all addresses, or the path of a Unix socket.") \
X(mode, "mode", STRING, "smtp", 0, 0, R_TLS,			\
  "smtp; submission (RFC 6409: users log in and send); lmtp (RFC 2033: a reply for each recipient); imap; pop3; or metrics (OpenMetrics by HTTP, on loopback addresses only).") \
X(tls, "tls", STRING, "starttls", 0, 0, R_TLS,				\
  "none; starttls (offered where there is a certificate); required (and refused without); or implicit (TLS from the first byte, as on ports 465, 993 and 995).") \
X(certificates, "certificates", LIST, "", 0, 0, R_TLS,			\
  "The certificates that this listener has, the first for clients that name no host or an unknown one; all where empty.") \
X(client_ca, "client_ca", STRING, "", 0, 0, R_MASTER,			\
  "A file of the authorities (PEM) whose client certificates are asked for; none is asked for where empty.")

#define CONF_DOMAIN_KEYS(X)						\
X(type, "type", STRING, "virtual", 0, 0, R_LOOKUP | R_SMTPD,		\
  "virtual (mailboxes below path.mail), system (this host's users), relay (accepted and sent on), or alias (each address must be in alias.virtual).") \
X(mailboxes, "mailboxes", LIST, "", 0, 0, R_LOOKUP,			\
  "virtual: tables whose keys are the addresses (or local-parts) that exist; a value may hold quota_bytes=N, quota_messages=N.") \
X(recipients, "recipients", LIST, "", 0, 0, R_LOOKUP,			\
  "relay: tables whose keys are the addresses that exist at the next host; all where empty.") \
X(catch_all, "catch_all", STRING, "", 0, 0, R_LOOKUP,			\
  "The address that gets mail for addresses that do not exist.")	\
X(relay_to, "relay_to", STRING, "", 0, 0, R_LOOKUP,			\
  "relay: the next hop, as in route.tables; by MX where empty.")

#define CONF_TABLE_KEYS(X)						\
X(type, "type", STRING, "file", 0, 0, R_LOOKUP,				\
  "inline, file (KEY VALUE lines), aliases (aliases(5) text), btree or hash (Berkeley DB, made by `chasqui table make`), pcre, or cidr.") \
X(path, "path", STRING, "", 0, 0, R_LOOKUP,				\
  "The file, absolute or below path.tables; not for inline.")		\
X(entries, "entries", LIST, "", 0, 0, R_LOOKUP,				\
  "inline: KEY=VALUE or KEY words.")

/* Relative paths start from the configuration file's directory. */
#define CONF_CERTIFICATE_KEYS(X)					\
X(chain, "chain", STRING, "", 0, 0, R_MASTER,				\
  "The file of the certificate and those that it was issued with, PEM, the host's own first.") \
X(key, "key", STRING, "", 0, 0, R_MASTER,				\
  "The file of its private key, PEM without a password; only root need be able to read it.")

/* What holds for some next hops: `nexthop example.com { ... }`, or `nexthop
 * .example.com { ... }` for all domains below it that have no nearer one. */
#define CONF_NEXTHOP_KEYS(X)						\
X(concurrency, "concurrency", INT, "0", 0, 10000, R_QMGR,		\
  "Instead of remote.concurrency; 0 keeps that.")			\
X(rate, "rate", INT, "0", 0, 1000000, R_QMGR,				\
  "Instead of remote.rate; 0 keeps that.")				\
X(tls, "tls", STRING, "default", 0, 0, R_MASTER | R_REMOTE,		\
  "Instead of remote.tls: none, may, encrypt, verify, or fingerprint (to hosts with one of tls_fingerprints only); default keeps that.") \
X(tls_names, "tls_names", LIST, "", 0, 0, R_REMOTE,			\
  "verify: the names of which the certificate must have one; .example.com is any below example.com.  Where empty: [host]'s own name, or the domain that was routed by MX and any name below it.") \
X(tls_fingerprints, "tls_fingerprints", LIST, "", 0, 0, R_REMOTE,	\
  "fingerprint: SHA-256 of the certificates that the host may have, 64 hexadecimal digits, with or without ':' between the bytes.")

/* Who issues access tokens for OAUTHBEARER and XOAUTH2. */
#define CONF_OAUTH_KEYS(X)						\
X(issuer, "issuer", STRING, "", 0, 0, R_AUTH | R_VERIFIER,		\
  "What the claim iss of its tokens says.")				\
X(audience, "audience", LIST, "", 0, 0, R_VERIFIER,			\
  "Of whom the claim aud of a token has to name one.")			\
X(keys, "keys", LIST, "", 0, 0, R_MASTER | R_VERIFIER,			\
  "Files with its public keys (PEM; RSA, P-256 or Ed25519), PATH or KEYID=PATH; relative paths start from the configuration file's directory.") \
X(claim, "claim", STRING, "email", 0, 0, R_VERIFIER,			\
  "The claim that is the login name.")					\
X(scope, "scope", STRING, "", 0, 0, R_VERIFIER,				\
  "A scope that a token has to grant; none where empty.")

#define CONF_BLOCK_KINDS(X)						\
X(listener, CONF_LISTENER_KEYS, "A place where SMTP, LMTP, IMAP, POP3 or metrics are served.")	\
X(domain, CONF_DOMAIN_KEYS, "A domain whose mail is received here.")	\
X(table, CONF_TABLE_KEYS, "A table of keys and values.")		\
X(nexthop, CONF_NEXTHOP_KEYS, "What holds for one next hop: limits, TLS.")		\
X(certificate, CONF_CERTIFICATE_KEYS, "A certificate for TLS and its key.") \
X(oauth, CONF_OAUTH_KEYS, "A provider of access tokens.")

#endif
