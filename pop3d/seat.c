/* SPDX-License-Identifier: ISC */
/* seat - the program pop3d-session: the spawn, and of what it forks the
 * session, its store, its channel. */
#include <err.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "login/seat.h"
#include "login/spawn.h"
#include "pop3d.h"
#include "session.h"
#include "store/store.h"

struct here {
	struct seat		*seat;
	struct pop3_session	*session;	/* NULL: over */
};

static int	 run(struct seat *);
static void	 serve(struct seat *, struct store *);
static void	 changed(void *, struct slice);
static void	 ended(void *, const char *);
static void	 bye(void *, const char *);
static void	 gone(void *);

static const struct spawn_spec spawn = {
	.spawn = ROLE_POP3_SPAWN, .session = ROLE_POP3_SESSION,
	.login = ROLE_POP3_LOGIN, .run = run,
};
static const struct seat_ops seat_ops = { NULL, bye, gone };

int
main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], role_name(ROLE_POP3_SPAWN)) == 0)
		return spawn_main(&spawn, argc, argv);
	errx(EX_USAGE, "pop3d-session is a part of Chasqui and is started by "
	    "its master; see chasqui(8), `chasqui start`");
}

/* ---- a session's process ------------------------------------------------- */

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
		.uidl_format = uidl_format_parse(slice_str(
		    seat->conf->pop3_uidl)), .warn = trouble };
	struct store *store = store_open(seat->maildir, &options);

	if (store == NULL)
		log_error("event=no-mailbox login=%s directory=%s why=\"%s\"",
		    LOG_Q(slice_str(seat->login)),
		    LOG_Q(slice_str(seat->maildir)), strerror(errno));
	do
		serve(seat, store);
	while (store != NULL && store_rest(store) && seat_next(seat));
	store_close(&store);
	return EX_OK;
}

static void
serve(struct seat *seat, struct store *store)
{
	struct here here = { .seat = seat };
	const struct pop3_config config = {
		.timeout_ms = seat->conf->pop3_timeout,
		.mark_seen = seat->conf->pop3_mark_seen,
		.changed = changed, .ended = ended, .arg = &here,
	};
	int fd = seat->fd;

	seat->fd = -1;
	seat_start(seat, &seat_ops, &here);
	here.session = pop3_session_new(&seat->loop, store, &config, fd,
	    seat->unread);
	ev_run(&seat->loop);
	pop3_session_free(&here.session);
}

static void
changed(void *arg, struct slice mailbox)
{
	struct here *here = arg;

	seat_changed(here->seat, mailbox);
}

static void
ended(void *arg, const char *why)
{
	struct here *here = arg;

	seat_over(here->seat, why);
	ev_stop(&here->seat->loop);
}

static void
bye(void *arg, const char *text)
{
	struct here *here = arg;

	pop3_session_bye(here->session, text);
}

static void
gone(void *arg)
{
	struct here *here = arg;

	ev_stop(&here->seat->loop);
}
