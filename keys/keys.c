/* SPDX-License-Identifier: ISC */
/*
 * keys - holds the private keys and signs with them (ipc/keys.h).
 *
 *	store.c		the keys
 *	policy.c	what is signed
 *
 * Reads files only through descriptors that master hands over, after its
 * rights are dropped; no key ever leaves.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/counters.h"
#include "store.h"

#define WHY_BYTES	900
#define COMPLAIN_MS	10000	/* between two lines about one reason */

struct keys {
	struct child	 child;
	struct store	 store;
	struct {
		int64_t	 said_ms;
		uint64_t silent;		/* not said since then */
	}		 complaints[KEYS_FAILED + 1];
};

static void	 acquire(void);
static void	 control(void *, struct message *);
static void	 take_key(struct keys *, struct message *);
static void	 drop_key(struct keys *, struct message *);
static void	 client_asks(void *, struct channel *, struct message *);
static void	 refuse(struct keys *, struct channel *, uint64_t id,
		    uint32_t key, enum keys_refusal);
static void	 client_is_gone(void *, struct channel *);
static void	 status(void *, struct buf *);

static const struct message_rule client_rules[] = RULES_OF(KEYS_CLIENT);
static const struct channel_ops client_ops = { client_asks, client_is_gone,
	NULL };
static const struct child_edge edges[] = {
	{ ROLE_SMTPD, client_rules, &client_ops },
	{ ROLE_IMAP_LOGIN, client_rules, &client_ops },
	{ ROLE_POP3_LOGIN, client_rules, &client_ops },
	{ 0, NULL, NULL },
};
static const struct child_spec spec = {
	.role = ROLE_KEYS,
	.edges = edges,
	.control = control,
	.status = status,
};

int
main(int argc, char *argv[])
{
	static struct keys k;

	child_init(&k.child, &spec, &k, argc, argv);
	acquire();
	child_enter(&k.child);
	return child_run(&k.child);
}

/* OpenSSL reads no configuration file: it could load anything. */
static void
acquire(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
	    OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL);
	if (!store_lock_memory())
		log_warn("event=memory-not-locked advice=\"keys may come to "
		    "the swap: start as root, and allow RLIMIT_MEMLOCK\"");
}

/* ---- what master gives --------------------------------------------------- */

static void
control(void *arg, struct message *m)
{
	struct keys *k = arg;

	if (m->type == CTL_KEY)
		take_key(k, m);
	else if (m->type == CTL_KEY_DROP)
		drop_key(k, m);
	else
		channel_breach(k->child.master, "not-for-keys");
}

static void
take_key(struct keys *k, struct message *m)
{
	uint32_t number = get_u32(&m->body);
	struct slice name = get_slice(&m->body, m->body.rest.n);
	struct buf why = BUF_INIT(WHY_BYTES), *b;
	int r;

	if (!wire_done(&m->body)) {
		channel_breach(k->child.master, "key");
		return;
	}
	r = store_add(&k->store, number, m->fds[0], m->fds[1], &why);
	if (r == 0)
		log_info("event=key-taken certificate=%s key=%u",
		    LOG_Q(name), number);
	b = channel_begin(k->child.master, CTL_KEY_TAKEN, 0);
	if (b != NULL) {
		put_u32(b, number);
		put_u8(b, r == 0);
		put_slice(b, buf_slice(&why));
	}
	channel_end(k->child.master);
	buf_clear(&why);
	count_set(KEYS_EXPIRES, (uint64_t)store_first_end(&k->store));
}

static void
drop_key(struct keys *k, struct message *m)
{
	store_drop(&k->store, get_u32(&m->body));
	count_set(KEYS_EXPIRES, (uint64_t)store_first_end(&k->store));
}

/* ---- what clients ask ---------------------------------------------------- */

static void
client_asks(void *arg, struct channel *c, struct message *m)
{
	struct keys *k = arg;
	uint32_t key = get_u32(&m->body);
	unsigned scheme = get_u16(&m->body);
	struct slice input = get_slice(&m->body, KEYS_INPUT_BYTES);
	struct buf signature = BUF_INIT(KEYS_SIGNATURE_BYTES), *b;
	int64_t began_us = clock_mono_us();
	int r;

	if (m->type != KY_SIGN || !wire_done(&m->body)) {
		channel_breach(c, "question");
		return;
	}
	r = store_sign(&k->store, key, scheme, input, &signature);
	if (r != 0)
		refuse(k, c, m->id, key, (enum keys_refusal)r);
	else {
		count(KEYS_SIGNED);
		count_time(KEYS_SIGN, clock_mono_us() - began_us);
		b = channel_begin(c, KY_SIGNATURE, m->id);
		if (b != NULL)
			put_slice(b, buf_slice(&signature));
		channel_end(c);
	}
	buf_clear(&signature);
}

static void
refuse(struct keys *k, struct channel *c, uint64_t id, uint32_t key,
    enum keys_refusal why)
{
	static const char *const words[] = { [KEYS_UNKNOWN] = "no-such-key",
		[KEYS_NOT_TLS] = "not-a-handshake",
		[KEYS_FAILED] = "cannot-sign" };
	int64_t now = clock_mono_ms();
	uint8_t byte = (uint8_t)why;

	count(KEYS_REFUSED);
	channel_send(c, KY_REFUSED, id, slice_of(&byte, 1));
	if (k->complaints[why].said_ms != 0 &&
	    now - k->complaints[why].said_ms < COMPLAIN_MS) {
		k->complaints[why].silent++;
		return;
	}
	log_warn("event=not-signed why=%s client=%s index=%u key=%u "
	    "before=%ju", words[why], role_name(channel_peer(c)),
	    channel_index(c), key, (uintmax_t)k->complaints[why].silent);
	k->complaints[why].said_ms = now;
	k->complaints[why].silent = 0;
}

static void
client_is_gone(void *arg, struct channel *c)
{
	(void)arg;
	(void)c;
}

static void
status(void *arg, struct buf *b)
{
	const struct keys *k = arg;

	buf_printf(b, "keys=%zu", k->store.n);
}
