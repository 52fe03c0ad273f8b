/* SPDX-License-Identifier: ISC */
/*
 * check_main - `qmgr check HOW FORM`, which `chasqui queue check` becomes: the
 * working directory is the queue, the rights are its owner's.
 *
 * HOW: look, repair.  FORM: text, json.  Who has the lock on the directory has
 * the queue; with ours, no qmgr starts meanwhile.
 */
#include <sys/file.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "check.h"
#include "ipc/json.h"

#define FAULTS		1	/* exit status: there are some (left) */

struct report {
	struct check	 check;
	bool		 json;
};

static void	 print_finding(void *, const struct finding *);
static void	 print_json(const struct check *, const struct finding *);
static void	 print_counts(const struct check *);

int
check_main(const char *how, const char *form)
{
	struct report r = { .json = strcmp(form, "json") == 0 };
	struct check *c = &r.check;

	log_open("chasqui", LOG_LEVEL_ERROR + 1);
	c->repair = strcmp(how, "repair") == 0;
	c->tell = print_finding;
	c->arg = &r;
	c->dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	c->live = c->dir != -1 && flock(c->dir, LOCK_EX | LOCK_NB) == -1;
	if (c->live && c->repair) {
		warnx("the suite is running, and what it has open is not "
		    "mended: `chasqui stop` first");
		return EX_TEMPFAIL;
	}
	if (c->dir == -1 || queue_check(c) == -1) {
		warn("the queue cannot be looked at");
		return errno == EACCES || errno == EPERM ? EX_NOPERM :
		    EX_IOERR;
	}
	if (!r.json)
		print_counts(c);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		return EX_IOERR;
	}
	return c->findings > c->mended ? FAULTS : EX_OK;
}

static void
print_finding(void *arg, const struct finding *f)
{
	const struct report *r = arg;

	if (r->json) {
		print_json(&r->check, f);
		return;
	}
	printf("%s: %.*s", f->file, SLICE_ARG(f->what));
	if (f->mended)
		printf("; done: %s", f->remedy);
	else if (f->error != 0)
		printf("; not mended: %s", strerror(f->error));
	else if (f->can_mend)
		printf("; --repair would %s", f->remedy);
	else
		printf("; to be done: %s", f->remedy);
	printf("\n");
}

static void
print_json(const struct check *c, const struct finding *f)
{
	printf("{");
	json_text("file", slice_str(f->file));
	printf(",");
	json_text("what", f->what);
	printf(",");
	json_text("remedy", slice_str(f->remedy));
	if (c->repair)
		printf(",\"mended\":%s", f->mended ? "true" : "false");
	if (f->error != 0) {
		printf(",");
		json_text("error", slice_str(strerror(f->error)));
	}
	printf("}\n");
}

static void
print_counts(const struct check *c)
{
	printf("%" PRIu64 " segments with %" PRIu64 " records, %" PRIu64
	    " messages, %" PRIu64 " large contents, %" PRIu64 " dropped: ",
	    c->segments, c->records, c->messages, c->large, c->drops);
	if (c->findings == 0)
		printf("all whole\n");
	else if (c->repair)
		printf("%" PRIu64 " faults, %" PRIu64 " mended\n",
		    c->findings, c->mended);
	else
		printf("%" PRIu64 " faults\n", c->findings);
}
