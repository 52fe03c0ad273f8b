/* SPDX-License-Identifier: ISC */
/* folders - CREATE, DELETE, RENAME, SUBSCRIBE (RFC 9051 6.3.4 to 6.3.8, 6154,
 * 8474). */
#include "imap.h"

static bool	 take_use(struct cursor *, unsigned *, bool *refused);
static void	 leave(struct imap_session *, struct slice name);
static void	 subscribe(struct imap_session *, struct cursor *, bool on);

void
cmd_create(struct imap_session *s, struct cursor *c)
{
	struct buf code = BUF_INIT(100);
	struct mailbox_status st;
	enum store_result r;
	struct slice name;
	unsigned use = 0;
	bool refused = false;
	size_t i;

	if (!cur_sp(c) || !cur_mailbox(s, c, &name) ||
	    !take_use(c, &use, &refused) || !cur_end(c)) {
		bad_args(s, "a mailbox, and (USE (...))");
		return;
	}
	/* RFC 6154 3: then no mailbox is made. */
	if (refused) {
		tagged(s, NO, "USEATTR", "No mailbox can have that use");
		return;
	}
	/* So it is said that names will be made below it: RFC 9051 6.3.4. */
	if (name.n > 1 && name.p[name.n - 1] == DELIMITER)
		name.n--;
	r = store_create(s->store, name, use);
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	changed(s, name);
	notify_own(s, name, SLICE_EMPTY);
	if (store_status(s->store, name, &st) == STORE_OK) {
		buf_add_str(&code, "MAILBOXID (F");
		for (i = 0; i < sizeof(st.guid); i++)
			buf_printf(&code, "%02x", st.guid[i]);
		buf_add_byte(&code, ')');
	}
	tagged(s, OK, code.n > 0 ? buf_cstr(&code) : NULL, "Done");
	buf_clear(&code);
}

static bool
take_use(struct cursor *c, unsigned *uses, bool *refused)
{
	struct slice name;
	unsigned use;

	if (!cur_sp(c))
		return true;
	if (!cur_open(c) || !cur_word(c, "USE") || !cur_sp(c) || !cur_open(c))
		return false;
	if (!cur_close(c)) {
		do {
			if (!cur_flag(c, &name))
				return false;
			use = special_use_of(name);
			*refused = *refused || !special_uses_allowed(use);
			*uses |= use;
		} while (cur_sp(c));
		if (!cur_close(c))
			return false;
	}
	return cur_close(c);
}

/* Ours is open: its files are about to go, or to have another name. */
static void
leave(struct imap_session *s, struct slice name)
{
	struct slice own;

	if (s->state != S_SELECTED)
		return;
	own = mailbox_name(s->view.mailbox);
	if (!slice_eq(own, name) && !(slice_starts(own, name) &&
	    own.p[name.n] == DELIMITER))
		return;
	deselect(s);
	say(s, "* OK [CLOSED] It is not there any more");
}

void
cmd_delete(struct imap_session *s, struct cursor *c)
{
	enum store_result r;
	struct slice name;

	if (!cur_sp(c) || !cur_mailbox(s, c, &name) || !cur_end(c)) {
		bad_args(s, "a mailbox");
		return;
	}
	if (slice_eq(name, SLICE_LIT("INBOX"))) {
		tagged(s, NO, "CANNOT", "INBOX stays");
		return;
	}
	if (s->state == S_SELECTED &&
	    slice_eq(name, mailbox_name(s->view.mailbox)))
		leave(s, name);
	r = store_delete(s->store, name);
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	changed(s, name);
	notify_own(s, name, SLICE_EMPTY);
	tagged(s, OK, NULL, "Done");
}

void
cmd_rename(struct imap_session *s, struct cursor *c)
{
	enum store_result r;
	struct slice from, to;

	if (!cur_sp(c) || !cur_mailbox(s, c, &from) || !cur_sp(c) ||
	    !cur_mailbox(s, c, &to) || !cur_end(c)) {
		bad_args(s, "two mailboxes");
		return;
	}
	/* INBOX stays, its messages go. */
	if (!slice_eq(from, SLICE_LIT("INBOX")))
		leave(s, from);
	r = store_rename(s->store, from, to);
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	changed(s, from);
	changed(s, to);
	notify_own(s, from, to);
	tagged(s, OK, NULL, "Done");
}

void
cmd_subscribe(struct imap_session *s, struct cursor *c)
{
	subscribe(s, c, true);
}

void
cmd_unsubscribe(struct imap_session *s, struct cursor *c)
{
	subscribe(s, c, false);
}

static void
subscribe(struct imap_session *s, struct cursor *c, bool on)
{
	enum store_result r;
	struct slice name;

	if (!cur_sp(c) || !cur_mailbox(s, c, &name) || !cur_end(c)) {
		bad_args(s, "a mailbox");
		return;
	}
	r = store_subscribe(s->store, name, on);
	if (r != STORE_OK) {
		store_refused(s, r);
		return;
	}
	changed(s, name);
	notify_own(s, name, SLICE_EMPTY);
	tagged(s, OK, NULL, "Done");
}
