/* SPDX-License-Identifier: ISC */
/* quota - GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).  There is one root, "",
 * that all mailboxes are in. */
#include "imap.h"

static void	 tell_quota(struct imap_session *, const struct store_usage *);

void
cmd_getquota(struct imap_session *s, struct cursor *c)
{
	struct store_usage limits;
	struct slice root;

	if (!cur_sp(c) || !cur_astring(c, &root) || !cur_end(c)) {
		bad_args(s, "a quota root");
		return;
	}
	if (root.n > 0 || !store_has_quota(s->store, &limits)) {
		tagged(s, NO, "NONEXISTENT", "There is no such quota root");
		return;
	}
	tell_quota(s, &limits);
	tagged(s, OK, NULL, "Done");
}

void
cmd_getquotaroot(struct imap_session *s, struct cursor *c)
{
	struct store_usage limits;
	struct mailbox_status st;
	enum store_result r;
	struct slice name;
	bool has;

	if (!cur_sp(c) || !cur_mailbox(s, c, &name) || !cur_end(c)) {
		bad_args(s, "a mailbox");
		return;
	}
	r = store_status(s->store, name, &st);
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	has = store_has_quota(s->store, &limits);
	put_str(s, "* QUOTAROOT ");
	put_mailbox(s, name);
	put_str(s, has ? " \"\"\r\n" : "\r\n");
	if (has)
		tell_quota(s, &limits);
	tagged(s, OK, NULL, "Done");
}

/* Kibibytes, begun ones too. */
static uint64_t
storage(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 != 0);
}

static void
tell_quota(struct imap_session *s, const struct store_usage *limits)
{
	struct store_usage used = { 0, 0 };

	store_usage(s->store, &used);
	put_str(s, "* QUOTA \"\" (");
	if (limits->bytes > 0) {
		put_str(s, "STORAGE ");
		put_number(s, storage(used.bytes));
		put_str(s, " ");
		put_number(s, storage(limits->bytes));
	}
	if (limits->messages > 0) {
		put_str(s, limits->bytes > 0 ? " MESSAGE " : "MESSAGE ");
		put_number(s, used.messages);
		put_str(s, " ");
		put_number(s, limits->messages);
	}
	put_str(s, ")\r\n");
}

void
cmd_setquota(struct imap_session *s, struct cursor *c)
{
	(void)c;
	tagged(s, NO, "NOPERM", "Quotas are the operator's");
}
