/* SPDX-License-Identifier: ISC */
/*
 * seat - the program imapd-session: the spawn, and of what it forks the
 * session, its store, its channel.
 *
 * The session knows nothing of processes: what it wants of its login process
 * goes through struct imap_seat_ops.
 */
#include <err.h>
#include <errno.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "login/spawn.h"
#include "mail/charset.h"
#include "mail/summary.h"
#include "session.h"

struct here {
	struct seat		*seat;
	struct imap_session	*session;
	struct store		*store;
	struct ev_timer		 work;	/* of the store, that is put off (S1) */
};

static void	 warm(void);
static int	 run(struct seat *);
static void	 serve(struct seat *, struct store *);
static void	 changed(void *, struct slice);
static void	 set_work(struct here *);
static void	 do_work(void *);
static void	 watch(void *, const struct slice *, size_t);
static bool	 park(void *, struct slice);
static void	 ended(void *, const char *);
static void	 unauthenticate(void *, struct slice);
static void	 news(void *, struct slice);
static void	 bye(void *, const char *);
static void	 gone(void *);
static void	 refuse(struct seat *, const char *);

static const struct imap_seat_ops session_ops = { changed, watch, park, ended,
	unauthenticate };
static const struct seat_ops seat_ops = { news, bye, gone };
static const struct spawn_spec spawn = {
	.spawn = ROLE_IMAP_SPAWN, .session = ROLE_IMAP_SESSION,
	.login = ROLE_IMAP_LOGIN, .warm = warm, .run = run,
};

int
main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_IMAP_SPAWN)) == 0)
		return spawn_main(&spawn, argc, argv);
	errx(EX_USAGE, "imapd-session is a part of Chasqui and is started by "
	    "its master; see chasqui(8), `chasqui start`");
}

/* The tables of Latin, Greek and Cyrillic are read once, so that sessions share
 * them. */
static void
warm(void)
{
	struct buf b = BUF_INIT(100);

	casefold(SLICE_LIT("\xc3\xa9\xc4\x8d\xce\xb1\xd0\xb0\xe2\x80\x99"),
	    &b);
	buf_clear(&b);
}

static void
trouble(const char *mailbox, const char *text)
{
	log_warn("event=takeover-trouble mailbox=%s why=\"%s\"",
	    LOG_Q(slice_str(mailbox)), text);
}

static int
run(struct seat *seat)
{
	const struct store_options options = { .create = true,
		.create_special = true, .quota_bytes = seat->quota_bytes,
		.quota_messages = seat->quota_messages,
		.summarise = summary_build, .warn = trouble,
		.staging = true };
	struct store *store = store_open(seat->maildir, &options);

	if (store == NULL) {
		log_error("event=no-mailbox login=%s directory=%s why=\"%s\"",
		    LOG_Q(slice_str(seat->login)),
		    LOG_Q(slice_str(seat->maildir)), strerror(errno));
		refuse(seat, "[UNAVAILABLE] The mailbox cannot be opened");
		return EX_OK;
	}
	do
		serve(seat, store);
	while (store_rest(store) && seat_next(seat));
	store_close(&store);
	return EX_OK;
}

static void
serve(struct seat *seat, struct store *store)
{
	const struct conf *conf = seat->conf;
	const struct imap_session_config config = {
		.timeout_ms = conf->imap_timeout,
		.park_ms = seat->may_park ? conf->imap_park : 0,
		.line_bytes = conf->imap_max_line,
		.append_bytes = conf->imap_max_append,
		.compress = conf->imap_compress,
		.unauthenticate = conf->imap_unauthenticate,
		.hostname = conf->hostname,
		.login = seat->login,
		.admin = conf->imap_admin,
		.quota = { seat->quota_bytes, seat->quota_messages },
	};
	struct here here = { .seat = seat, .store = store };
	struct imap_begin begin = { .tag = seat->tag, .unread = seat->unread,
		.state = seat->state, .news = seat->has_news };

	ev_timer_init(&here.work, &seat->loop, do_work, &here);
	/* The seat keeps the client's descriptor, to give it back. */
	begin.fd_take = dup(seat->fd);
	seat_start(seat, &seat_ops, &here);
	if (begin.fd_take != -1)
		here.session = imap_session_new(&seat->loop, store, &config,
		    &begin, &session_ops, &here);
	if (here.session != NULL) {
		seat_flush(seat);
		ev_run(&seat->loop);
	} else	/* parked; its mailbox was removed, or is another by now */
		refuse(seat, "The mailbox is not what it was");
	imap_session_free(&here.session);
	ev_timer_clear(&here.work);
}

static void
refuse(struct seat *seat, const char *text)
{
	struct buf b = BUF_INIT(1024);

	/* One that was parked has no tag to answer. */
	if (seat->tag.n > 0)
		buf_printf(&b, "%.*s NO %s\r\n", SLICE_ARG(seat->tag), text);
	buf_printf(&b, "* BYE %s\r\n", text);
	if (write(seat->fd, b.p, b.n) == -1)
		log_debug("event=client-gone");
	buf_clear(&b);
	seat_over(seat, "no-mailbox");
}

/* ---- what the session wants ---------------------------------------------- */

static void
changed(void *arg, struct slice mailbox)
{
	struct here *here = arg;

	seat_changed(here->seat, mailbox);
	set_work(here);
}

static void
set_work(struct here *here)
{
	int64_t due = store_due_ms(here->store), now = clock_mono_ms();

	if (due != INT64_MAX)
		ev_timer_set(&here->work, due > now ? due - now : 0);
}

static void
do_work(void *arg)
{
	struct here *here = arg;
	enum store_result r = store_work(here->store);

	if (r != STORE_OK)
		log_error("event=store-not-synced login=%s why=\"%s\"",
		    LOG_Q(slice_str(here->seat->login)), store_strerror(r));
	set_work(here);
}

static void
watch(void *arg, const struct slice *mailboxes, size_t n)
{
	struct here *here = arg;

	seat_watch(here->seat, mailboxes, n);
}

static bool
park(void *arg, struct slice state)
{
	struct here *here = arg;

	if (!seat_park(here->seat, state))
		return false;
	ev_stop(&here->seat->loop);
	return true;
}

static void
ended(void *arg, const char *why)
{
	struct here *here = arg;

	seat_over(here->seat, why);
	ev_stop(&here->seat->loop);
}

static void
unauthenticate(void *arg, struct slice unread)
{
	struct here *here = arg;

	seat_unauthenticate(here->seat, unread);
	ev_stop(&here->seat->loop);
}

/* ---- what the login process says ----------------------------------------- */

static void
news(void *arg, struct slice mailbox)
{
	struct here *here = arg;

	if (here->session != NULL)
		imap_session_news(here->session, mailbox);
}

static void
bye(void *arg, const char *text)
{
	struct here *here = arg;

	if (here->session != NULL)
		imap_session_bye(here->session, text);
}

static void
gone(void *arg)
{
	struct here *here = arg;

	ev_stop(&here->seat->loop);
}
