/* SPDX-License-Identifier: ISC */
/*
 * queue_print - see queue_print.h.
 *
 * All text comes from peers of other hosts by way of qmgr: control characters
 * never reach the terminal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include "base/num.h"
#include "chasqui.h"
#include "mail/address.h"
#include "queue_print.h"

#define ENTRY_ARENA_BYTES	(256 * 1024)

static void	 on_message(void *, struct message *);
static void	 print_mailq(const struct queue_entry *);
static void	 print_json(const struct queue_entry *);
static void	 print_total(const struct queue_print *);

int
queue_print(struct queue_print *p, struct channel *c,
    const struct queue_filter *f)
{
	struct buf *b = channel_begin(c, TL_QUEUE_LIST, 1);
	int status;

	if (b != NULL)
		queue_filter_pack(b, f);
	channel_end(c);
	status = tool_answer(c, on_message, p);
	if (status == EX_OK && p->form == QUEUE_FORM_MAILQ)
		print_total(p);
	return status;
}

static void
on_message(void *arg, struct message *m)
{
	struct queue_print *p = arg;
	struct arena arena = ARENA_INIT(ENTRY_ARENA_BYTES);
	struct queue_entry e;

	if (m->type == TL_ENTRY && queue_entry_unpack(&m->body, &arena, &e)) {
		if (p->form == QUEUE_FORM_JSON)
			print_json(&e);
		else {
			if (p->messages == 0)
				printf("-Queue ID-----  --Size-- ----Arrival "
				    "Time---- -Sender/Recipient-------\n");
			print_mailq(&e);
		}
		p->messages++;
		p->bytes += e.size;
	}
	arena_clear(&arena);
}

/* ---- the usual look ------------------------------------------------------ */

static void
print_text(struct slice s)
{
	bool utf8 = slice_is_utf8(s);
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		/* U+0080 to U+009F are controls, too. */
		if (utf8 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0) {
			putchar('?');
			i++;
		} else
			putchar(c == '\n' ? ' ' : c < 0x20 || c == 0x7f ||
			    (c > 0x7f && !utf8) ? '?' : c);
	}
}

/* Recipients that wait for the same reason stand below it together. */
static bool
same_reason(const struct queue_entry_recipient *a,
    const struct queue_entry_recipient *b)
{
	return a->outcome.status == b->outcome.status &&
	    slice_eq(a->outcome.text, b->outcome.text);
}

static void
print_reason(const struct queue_entry_recipient *r)
{
	if (r->outcome.text.n == 0)
		return;
	printf("%16s(", "");
	print_text(r->outcome.text);
	printf(")\n");
}

/* FUTURERELEASE, as long as it has not been tried. */
static void
print_release(const struct queue_entry *e)
{
	char when[32];
	time_t t = (time_t)(e->release_ms / 1000);
	struct tm tm;

	if (e->release_ms == 0 || e->attempts > 0 ||
	    localtime_r(&t, &tm) == NULL ||
	    strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &tm) == 0)
		return;
	printf("%16s(to be released %s)\n", "", when);
}

/* `undo list`. */
static void
print_kept(const struct queue_entry *e)
{
	char when[32];
	time_t t = (time_t)(e->next_attempt_ms / 1000);
	struct tm tm;

	if (e->state == QUEUE_DELETED && localtime_r(&t, &tm) != NULL &&
	    strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &tm) > 0)
		printf("%16s(deleted; can be had back until %s)\n", "", when);
}

static void
print_mailq(const struct queue_entry *e)
{
	char when[32] = "";
	time_t t = (time_t)(e->arrived_ms / 1000);
	struct tm tm;
	size_t i;

	if (localtime_r(&t, &tm) != NULL)
		strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &tm);
	printf("%s%c %9" PRIu64 " %s  ", queue_id_text(e->id).s,
	    e->state == QUEUE_ACTIVE ? '*' : e->state == QUEUE_HELD ? '!' :
	    ' ', e->size, when);
	if (e->reverse_path.n == 0)
		printf("<>");
	print_text(e->reverse_path);
	putchar('\n');
	print_release(e);
	print_kept(e);
	for (i = 0; i < e->nrecipients; i++) {
		const struct queue_entry_recipient *r = &e->recipients[i];

		if (i == 0 || !same_reason(r, r - 1))
			print_reason(r);
		printf("%45s", "");
		print_text(r->address);
		if (r->rerouted) {
			printf(" -> ");
			print_text(r->next_hop);
		}
		putchar('\n');
	}
	if (e->more > 0)
		printf("%45sand %" PRIu32 " more\n", "", e->more);
	putchar('\n');
}

static void
print_total(const struct queue_print *p)
{
	if (p->messages == 0)
		printf("%s\n", p->none != NULL ? p->none :
		    "Mail queue is empty");
	else
		printf("-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n",
		    (p->bytes + 1023) / 1024, p->messages,
		    p->messages == 1 ? "" : "s");
}

/* ---- JSON (RFC 8259), an object a line ----------------------------------- */

static void
json_recipient(const struct queue_entry_recipient *r)
{
	putchar('{');
	json_text("address", r->address);
	putchar(',');
	json_text("next_hop", r->next_hop);
	if (r->rerouted)
		printf(",\"rerouted\":true");
	if (r->outcome.status != 0) {
		printf(",\"status\":\"%s\",\"enhanced\":\"%s\",\"code\":%u,",
		    outcome_name(r->outcome.status),
		    enhanced_text(r->outcome.enhanced).s, r->outcome.code);
		json_text("remote", r->outcome.remote);
		putchar(',');
		json_text("reason", r->outcome.text);
	}
	putchar('}');
}

static void
print_json(const struct queue_entry *e)
{
	static const char *const states[] = {
		[QUEUE_ACTIVE] = "active", [QUEUE_DEFERRED] = "deferred",
		[QUEUE_HELD] = "held", [QUEUE_DELETED] = "deleted",
	};
	size_t i;

	printf("{\"id\":\"%s\",\"state\":\"%s\",\"size\":%" PRIu64
	    ",\"arrival_ms\":%" PRId64 ",\"next_attempt_ms\":%" PRId64
	    ",\"attempts\":%" PRIu32 ",", queue_id_text(e->id).s,
	    states[e->state], e->size, e->arrived_ms, e->next_attempt_ms,
	    e->attempts);
	json_text("sender", e->reverse_path);
	putchar(',');
	json_text("client", e->client);
	if (e->login.n > 0) {
		putchar(',');
		json_text("login", e->login);
	}
	if (e->release_ms > 0)
		printf(",\"release_ms\":%" PRId64, e->release_ms);
	printf(",\"recipients\":[");
	for (i = 0; i < e->nrecipients; i++) {
		if (i > 0)
			putchar(',');
		json_recipient(&e->recipients[i]);
	}
	printf("],\"more_recipients\":%" PRIu32 "}\n", e->more);
}
