/* SPDX-License-Identifier: ISC */
/* pam - see pam.h. */
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "ipc/auth_client.h"
#include "ipc/backends.h"
#include "pam.h"

#ifdef HAVE_PAM
#include <security/pam_appl.h>

struct pam_source {
	char		*service;	/* owned */
	uint64_t	 minimum_uid;
	pam_handle_t	*first;		/* owned; keeps the modules loaded */
	char		 login[LOGIN_BYTES + 1];
};

/* What one conversation may tell. */
struct answer {
	const char	*password;	/* NULL: none, or told already */
};

static int	 converse(int, const struct pam_message **,
		    struct pam_response **, void *);
static void	 no_delay(int, unsigned, void *);
static int	 run(struct pam_source *, pam_handle_t *, struct account *,
		    bool has_password);
static int	 take_account(int said, struct account *);
static bool	 is_who_he_was(const struct pam_source *, pam_handle_t *);

struct pam_source *
pam_source_new(const char *service, uint64_t minimum_uid)
{
	static struct answer nothing;
	static const struct pam_conv conv = { converse, &nothing };
	struct pam_source *s = mem_alloc(sizeof(*s));
	char path[300];
	int r;

	s->service = mem_strdup(service);
	s->minimum_uid = minimum_uid;
	if (!backends_pam_file(service, path, sizeof(path))) {
		log_error("event=pam-failed service=%s reason=\"it has no "
		    "file in /etc/pam.d\"", LOG_Q(slice_str(service)));
		return s;
	}
	r = pam_start(service, "nobody", &conv, &s->first);
	if (r != PAM_SUCCESS) {
		log_error("event=pam-failed service=%s reason=%s",
		    LOG_Q(slice_str(service)),
		    LOG_Q(slice_str(pam_strerror(NULL, r))));
		s->first = NULL;
	}
	/* What the name service loads. */
	getpwnam("nobody");
	return s;
}

void
pam_source_free(struct pam_source **sp)
{
	struct pam_source *s = *sp;

	if (s == NULL)
		return;
	if (s->first != NULL)
		pam_end(s->first, PAM_SUCCESS);
	free(s->service);
	free(s);
	*sp = NULL;
}

int
pam_source_find(struct pam_source *s, struct slice login, struct account *a)
{
	const struct passwd *pw;

	if (s->first == NULL)
		return -1;
	if (login.n == 0 || login.n > LOGIN_BYTES ||
	    memchr(login.p, '\0', login.n) != NULL)
		return 0;
	memcpy(s->login, login.p, login.n);
	s->login[login.n] = '\0';
	pw = getpwnam(s->login);
	if (pw != NULL && pw->pw_uid < s->minimum_uid)
		return 0;
	*a = (struct account){ .login = slice_str(s->login),
		.protocols = ACCOUNT_ALL, .external = true };
	return 1;
}

int
pam_source_ask(struct pam_source *s, struct account *a, const char *password)
{
	struct answer answer = { password };
	const struct pam_conv conv = { converse, &answer };
	pam_handle_t *h = NULL;
	int r = pam_start(s->service, s->login, &conv, &h), said;

	if (r != PAM_SUCCESS) {
		log_error("event=pam-failed service=%s reason=%s",
		    LOG_Q(slice_str(s->service)),
		    LOG_Q(slice_str(pam_strerror(NULL, r))));
		return -1;
	}
	/* auth holds failures back; nobody is to sleep in here. */
	pam_set_item(h, PAM_FAIL_DELAY, (const void *)no_delay);
	said = run(s, h, a, password != NULL);
	pam_end(h, PAM_SUCCESS);
	return said;
}

static void
no_delay(int said, unsigned usec, void *arg)
{
	(void)said;
	(void)usec;
	(void)arg;
}

/* Without a password only whether there is such an account. */
static int
run(struct pam_source *s, pam_handle_t *h, struct account *a,
    bool has_password)
{
	int said, r = has_password ? pam_authenticate(h, PAM_SILENT |
	    PAM_DISALLOW_NULL_AUTHTOK) : PAM_SUCCESS;

	if (r == PAM_SUCCESS || r == PAM_NEW_AUTHTOK_REQD)
		r = pam_acct_mgmt(h, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (!is_who_he_was(s, h))
		return 0;
	said = take_account(r, a);
	if (said == -1)
		log_error("event=pam-failed service=%s reason=%s",
		    LOG_Q(slice_str(s->service)),
		    LOG_Q(slice_str(pam_strerror(h, r))));
	return said;
}

/* A module may have made another of him. */
static bool
is_who_he_was(const struct pam_source *s, pam_handle_t *h)
{
	const void *now = NULL;

	return pam_get_item(h, PAM_USER, &now) == PAM_SUCCESS && now != NULL &&
	    strcmp(now, s->login) == 0;
}

static int
take_account(int said, struct account *a)
{
	switch (said) {
	case PAM_SUCCESS:
		return 1;
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_ACCT_EXPIRED:
		a->expired = true;
		return 1;
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_SYSTEM_ERR:
	case PAM_SERVICE_ERR:
	case PAM_OPEN_ERR:
	case PAM_SYMBOL_ERR:
	case PAM_MODULE_UNKNOWN:
	case PAM_BUF_ERR:
	case PAM_CONV_ERR:
	case PAM_ABORT:
		return -1;
	default:
		return 0;
	}
}

/* The password, to the first that asks for one; nothing else is known here. */
static int
converse(int n, const struct pam_message **ask, struct pam_response **out_r,
    void *arg)
{
	struct answer *answer = arg;
	struct pam_response *out;
	int i;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	out = mem_array((size_t)n, sizeof(*out));	/* PAM frees it */
	for (i = 0; i < n; i++)
		switch (ask[i]->msg_style) {
		case PAM_PROMPT_ECHO_OFF:
			if (answer->password == NULL)
				goto refuse;
			out[i].resp = mem_strdup(answer->password);
			answer->password = NULL;
			break;
		case PAM_ERROR_MSG:
		case PAM_TEXT_INFO:
			break;
		default:
			goto refuse;
		}
	*out_r = out;
	return PAM_SUCCESS;
refuse:
	for (i = 0; i < n; i++)
		if (out[i].resp != NULL)
			freezero(out[i].resp, strlen(out[i].resp));
	free(out);
	return PAM_CONV_ERR;
}

#else	/* master starts nothing that asks for it in such a build */

struct pam_source {
	char	none;
};

struct pam_source *
pam_source_new(const char *service, uint64_t minimum_uid)
{
	(void)minimum_uid;
	log_error("event=pam-failed service=%s reason=\"this build has no PAM "
	    "(configure --with-pam)\"", LOG_Q(slice_str(service)));
	return mem_alloc(sizeof(struct pam_source));
}

void
pam_source_free(struct pam_source **sp)
{
	free(*sp);
	*sp = NULL;
}

int
pam_source_find(struct pam_source *s, struct slice login, struct account *a)
{
	(void)s;
	(void)login;
	(void)a;
	return -1;
}

int
pam_source_ask(struct pam_source *s, struct account *a, const char *password)
{
	(void)s;
	(void)a;
	(void)password;
	return -1;
}

#endif
