/* SPDX-License-Identifier: ISC */
/* settings - see settings.h. */
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/smtpd_qmgr.h"
#include "settings.h"
#include "trace.h"

#define REPLY_BYTES	4096

static char	*own_hostname(void);
static int	 parse_nets(const char *, const struct conf_list *,
		    struct nets *, struct buf *);
static int	 write_replies(struct settings *, const struct conf *,
		    struct buf *);
static uint64_t	 largest_inline(const struct conf *);

struct settings *
settings_new(const struct conf *c, struct buf *why)
{
	struct settings *s = mem_alloc(sizeof(*s));

	s->refs = 1;
	s->hostname = c->hostname[0] != '\0' ? mem_strdup(c->hostname) :
	    own_hostname();
	s->max_message = c->smtp_max_message;
	s->max_line = c->smtp_max_line;
	s->max_recipients = c->smtp_max_recipients;
	s->max_sessions = c->smtp_max_sessions;
	s->max_errors = c->smtp_max_errors;
	s->max_transactions = c->smtp_max_transactions;
	s->max_hops = c->smtp_max_hops;
	s->memory = c->smtp_memory;
	s->inline_bytes = largest_inline(c);
	s->client_sessions = c->smtp_client_sessions;
	s->rate_connections = c->smtp_rate_connections;
	s->rate_messages = c->smtp_rate_messages;
	s->rate_window = c->smtp_rate_window;
	s->timeout_command = c->smtp_timeout_command;
	s->timeout_data = c->smtp_timeout_data;
	s->greet_delay = c->smtp_greet_delay;
	s->reverse_dns = c->smtp_reverse_dns;
	s->check_header = c->submission_check_header;
	s->hide_client = c->submission_hide_client;
	s->max_header = c->submission_max_header;
	s->max_hold = c->submission_max_hold;
	if (parse_nets("relay_networks", &c->relay_networks, &s->relay,
	    why) == -1 || parse_nets("smtp.bare_lf_networks",
	    &c->smtp_bare_lf_networks, &s->bare_lf, why) == -1 ||
	    write_replies(s, c, why) == -1)
		settings_release(&s);
	return s;
}

static char *
own_hostname(void)
{
	char name[256];

	if (gethostname(name, sizeof(name)) == -1 || name[0] == '\0')
		return mem_strdup("localhost");
	name[sizeof(name) - 1] = '\0';
	return mem_strdup(name);
}

static int
parse_nets(const char *key, const struct conf_list *words, struct nets *nets,
    struct buf *why)
{
	size_t i;

	nets->v = mem_array(words->n, sizeof(*nets->v));
	for (i = 0; i < words->n; i++)
		if (!conf_net_parse(words->v[i], &nets->v[nets->n++])) {
			buf_printf(why, "%s: %s is not a network\n", key,
			    words->v[i]);
			return -1;
		}
	return 0;
}

/* What never changes from session to session is written once. */
static int
write_replies(struct settings *s, const struct conf *c, struct buf *why)
{
	buf_init(&s->greeting, REPLY_BYTES);
	buf_init(&s->ehlo, REPLY_BYTES);
	if (buf_printf(&s->greeting, "220 %s %s\r\n", s->hostname,
	    c->smtp_banner[0] != '\0' ? c->smtp_banner :
	    "ESMTP Chasqui") == 0 &&
	    buf_printf(&s->ehlo, "250-%s\r\n"
	    "250-PIPELINING\r\n"
	    "250-SIZE %ju\r\n"
	    "250-8BITMIME\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n"
	    "250-DSN\r\n"
	    "250-CHUNKING\r\n"
	    "250-BINARYMIME\r\n"
	    "250-SMTPUTF8\r\n"
	    "250-LIMITS RCPTMAX=%ju MAILMAX=%ju\r\n", s->hostname,
	    (uintmax_t)s->max_message, (uintmax_t)s->max_recipients,
	    (uintmax_t)s->max_transactions) == 0)
		return 0;
	buf_add_str(why, "hostname and smtp.banner are too long\n");
	return -1;
}

/* The trace field goes into the same message. */
static uint64_t
largest_inline(const struct conf *c)
{
	uint64_t n = c->queue_inline;

	if (n > INLINE_BYTES)
		n = INLINE_BYTES;
	return n > TRACE_BYTES ? n - TRACE_BYTES : 0;
}

struct settings *
settings_ref(struct settings *s)
{
	s->refs++;
	return s;
}

void
settings_release(struct settings **sp)
{
	struct settings *s = *sp;

	*sp = NULL;
	if (s == NULL || --s->refs > 0)
		return;
	free(s->hostname);
	free(s->relay.v);
	free(s->bare_lf.v);
	buf_clear(&s->greeting);
	buf_clear(&s->ehlo);
	free(s);
}

bool
nets_have(const struct nets *nets, const uint8_t addr[16])
{
	size_t i;

	for (i = 0; i < nets->n; i++)
		if (conf_net_has(&nets->v[i], addr))
			return true;
	return false;
}
