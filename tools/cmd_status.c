/* SPDX-License-Identifier: ISC */
/*
 * cmd_status - how the suite is: one screen; all that its processes say with
 * --processes, or --json.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "chasqui.h"
#include "ipc/json.h"
#include "os/takeover.h"
#include "suite_view.h"
#include "suite_wrong.h"

#define WRONG_LINES	4	/* of what is wrong, so that 24 lines do */
#define COLUMNS		79

enum form { FORM_SCREEN, FORM_PROCESSES, FORM_JSON };

static int	 run(struct tool *, int, char *[]);
static void	 show_screen(struct tool *, const struct view *, bool all);
static void	 show_head(struct tool *, const struct view *);
static void	 show_rates(const struct view *);
static void	 show_times(const struct view *);
static void	 show_wrong(const struct wrong *, bool all);
static void	 show_processes(const struct view *);
static void	 show_process(const char *line);
static void	 show_json(const struct view *);
static void	 show_json_line(const char *line);
static void	 show_confinement(const char *master);

const struct command cmd_status = { "status",
	"[--all | --processes | --json]",
	"show how the suite is on one screen, or all that its processes say",
	run };

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "processes", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct channel *control, *queue;
	enum form form = FORM_SCREEN;
	bool all = false;
	struct view v;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "apj", options, NULL)) != -1)
		if (ch == '?' || all || form != FORM_SCREEN)
			return tool_usage(&cmd_status);
		else if (ch == 'a')
			all = true;
		else
			form = ch == 'p' ? FORM_PROCESSES : FORM_JSON;
	if (optind != argc)
		return tool_usage(&cmd_status);
	control = tool_connect(t, SOCKET_CONTROL);
	queue = form == FORM_PROCESSES ? NULL :
	    tool_connect_if_running(t, SOCKET_QUEUE);
	r = view_take(&v, control, queue, form == FORM_SCREEN, false);
	channel_free(&control);
	channel_free(&queue);
	if (r == -1)
		return tool_fail(EX_UNAVAILABLE, "the suite has not answered");
	if (form == FORM_JSON)
		show_json(&v);
	else if (form == FORM_PROCESSES)
		show_processes(&v);
	else
		show_screen(t, &v, all);
	view_clear(&v);
	return EX_OK;
}

/* ---- one screen ---------------------------------------------------------- */

static void
show_screen(struct tool *t, const struct view *v, bool all)
{
	struct wrong w;

	wrong_find(&w, v);
	show_head(t, v);
	show_rates(v);
	show_times(v);
	show_wrong(&w, all);
	wrong_clear(&w);
}

static void
show_head(struct tool *t, const struct view *v)
{
	const char *master = v->lines[0];
	uint64_t rss = 0, cpu_ms = 0, restarts = 0, uptime;
	size_t i;

	for (i = 0; i < v->nlines; i++) {
		rss += word_number(v->lines[i], "rss_kib") * 1024;
		cpu_ms += word_number(v->lines[i], "cpu_ms");
		restarts += word_number(v->lines[i], "restarts");
	}
	uptime = word_number(master, "uptime");
	printf("%s: %.*s for %s, version %s\n", tool_conf(t)->hostname,
	    SLICE_ARG(word_of(master, "state")), age_text(uptime).s,
	    PACKAGE_VERSION);
	printf("%zu processes, %" PRIu64 " workers, %s of memory, %.1f%% of a "
	    "processor, %" PRIu64 " restarts\n", v->nlines,
	    view_sum(v, "local", "workers"), size_text(rss).s,
	    (double)cpu_ms / 10 / (double)(uptime > 0 ? uptime : 1),
	    restarts);
}

/* What happens: how much of it there is now, in the last seconds, in all. */
static const struct rate {
	const char	*label;
	const char	*now_group;	/* NULL: nothing to say */
	const char	*now;
	const char	*unit;
	const char	*group;
	const char	*total;
	const char	*also_group;	/* added to it, or NULL */
	const char	*also;
} rates[] = {
	{ "Mail in", "smtpd", "sessions", "sessions", "smtpd", "messages",
	    NULL, NULL },
	{ "Refused", NULL, NULL, NULL, "smtpd", "refused", "qmgr",
	    "refused" },
	{ "Queue", "qmgr", "messages", "messages", "qmgr", "removed", NULL,
	    NULL },
	{ "To mailboxes", "local", "jobs", "under way", "qmgr", "delivered",
	    NULL, NULL },
	{ "To other hosts", "remote", "connections", "connections", "qmgr",
	    "relayed", NULL, NULL },
	{ "Deferred", NULL, NULL, NULL, "qmgr", "deferred", NULL, NULL },
	{ "Given up", NULL, NULL, NULL, "qmgr", "failed", NULL, NULL },
	{ "Mailboxes", "login", "clients", "clients", "login", "logins",
	    NULL, NULL },
	{ "Failed logins", NULL, NULL, NULL, "auth", "failed",
	    "auth", "refused" },
	{ "DNS questions", "resolver", "open", "waiting", "resolver",
	    "asked", NULL, NULL },
};

static uint64_t
recent_of(const struct view *v, const char *group, const char *word)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", group, word);
	return view_recent(v, name);
}

static void
show_rate(const struct view *v, const struct rate *r)
{
	uint64_t total = view_sum(v, r->group, r->total);
	uint64_t recent = recent_of(v, r->group, r->total);
	int64_t ms = view_recent_ms(v);
	char now[64] = "", per_s[64] = "-";

	if (r->also != NULL) {
		total += view_sum(v, r->also_group, r->also);
		recent += recent_of(v, r->also_group, r->also);
	}
	if (r->now != NULL)
		snprintf(now, sizeof(now), "%s %s",
		    count_text(view_sum(v, r->now_group, r->now)).s, r->unit);
	if (ms > 0)
		snprintf(per_s, sizeof(per_s), "%.1f/s",
		    (double)recent * 1000 / (double)ms);
	printf("%-16s%20s%16s%16" PRIu64 "\n", r->label, now, per_s, total);
}

static void
show_rates(const struct view *v)
{
	int64_t ms = view_recent_ms(v);
	char last[32];
	size_t i;

	snprintf(last, sizeof(last), "LAST %" PRId64 "s",
	    (ms + 500) / 1000);
	printf("\n%-16s%20s%16s%16s\n", "", "NOW", ms > 0 ? last : "LATELY",
	    "SINCE START");
	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		show_rate(v, &rates[i]);
}

static const struct {
	const char	*label;
	const char	*group;
	const char	*word;
} times[] = {
	{ "SMTP REPLY", "smtpd", "commit" },
	{ "DELIVERY", "qmgr", "delivery" },
	{ "MAILBOX", "local", "delivery" },
	{ "DISK SYNC", "qmgr", "sync" },
	{ "DNS", "resolver", "answer" },
	{ "LOGIN", "auth", "login" },
};

/* In the last seconds; "-" where it has not happened in them. */
static void
show_quantile(const struct view *v, const char *label, const char *suffix)
{
	char name[64];
	uint64_t n;
	size_t i;

	printf("%-8s", label);
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(name, sizeof(name), "%s.%s_n", times[i].group,
		    times[i].word);
		n = view_recent(v, name);
		snprintf(name, sizeof(name), "%s.%s_%s", times[i].group,
		    times[i].word, suffix);
		printf("%11s", n == 0 ? "-" :
		    time_text(view_recent(v, name)).s);
	}
	printf("\n");
}

static void
show_times(const struct view *v)
{
	size_t i;

	printf("\n%-8s", "LATELY");
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		printf("%11s", times[i].label);
	printf("\n");
	show_quantile(v, "half", "p50_us");
	show_quantile(v, "99%", "p99_us");
}

static void
show_wrong(const struct wrong *w, bool all)
{
	size_t i, shown = all || w->n <= WRONG_LINES ? w->n : WRONG_LINES - 1;

	if (w->n == 0) {
		printf("\nNothing is wrong.\n");
		return;
	}
	printf("\nWRONG NOW\n");
	for (i = 0; i < shown; i++)
		printf("%.*s\n", all ? (int)strlen(w->v[i]) : COLUMNS,
		    w->v[i]);
	if (shown < w->n)
		printf("and %zu more: chasqui status --all\n", w->n - shown);
}

/* ---- all processes ------------------------------------------------------- */

static void
show_processes(const struct view *v)
{
	size_t i;

	printf("%-11s %7s %-9s %8s %8s %-18s %s\n", "PROCESS", "PID", "STATE",
	    "AGE", "RESTARTS", "USER", "");
	for (i = 0; i < v->nlines; i++)
		show_process(v->lines[i]);
	show_confinement(v->lines[0]);
}

static const char *
user_name(uint64_t uid)
{
	static char text[32];
	const struct passwd *pw = getpwuid((uid_t)uid);

	if (pw != NULL)
		return pw->pw_name;
	snprintf(text, sizeof(text), "%" PRIu64, uid);
	return text;
}

static void
show_process(const char *line)
{
	static const char *const shown[] = { "role", "index", "pid", "state",
		"uptime", "restarts", "uid", "mode", "landlock", "conf" };
	struct slice rest = slice_str(line), key, value;
	char name[32];
	size_t i;

	snprintf(name, sizeof(name), "%.*s %.*s",
	    SLICE_ARG(word_of(line, "role")),
	    SLICE_ARG(word_of(line, "index")));
	printf("%-11s %7.*s %-9.*s %8s %8.*s %-18s", name,
	    SLICE_ARG(word_of(line, "pid")),
	    SLICE_ARG(word_of(line, "state")),
	    age_text(word_number(line, "uptime")).s,
	    SLICE_ARG(word_of(line, "restarts")),
	    user_name(word_number(line, "uid")));
	while (word_next(&rest, &key, &value)) {
		for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
			if (slice_eq(key, slice_str(shown[i])))
				break;
		if (i == sizeof(shown) / sizeof(shown[0]))
			printf(" %.*s=%.*s", SLICE_ARG(key),
			    SLICE_ARG(value));
	}
	printf("\n");
}

static void
show_confinement(const char *master)
{
	struct slice abi = word_of(master, "landlock");
	bool landlock = !slice_eq(abi, SLICE_LIT("0"));
	bool full = slice_eq(word_of(master, "mode"), SLICE_LIT("full"));

	printf("\nConfinement: ");
	if (full)
		printf("complete: own uids, chroot, no_new_privs, system call "
		    "lists");
	else
		printf("WITHOUT ROOT: all processes share one uid and see the "
		    "file system;\nno_new_privs and system call lists apply");
	if (landlock)
		printf(", Landlock (ABI %.*s).\n", SLICE_ARG(abi));
	else
		printf(".\nThis kernel has no Landlock.\n");
	if (!full)
		printf("Start it as root for the rest.\n");
	printf("`chasqui confinement` tests it.\n");
	if (TAKEOVER_BUILD[0] != '\0')
		printf("BUILT%s.\n", TAKEOVER_BUILD);
}

/* ---- JSON ---------------------------------------------------------------- */

/* A line for each process, one for each next hop that is in trouble, and one
 * that says what is wrong. */
static void
show_json(const struct view *v)
{
	const struct view_hop *h;
	struct wrong w;
	size_t i;

	for (i = 0; i < v->nlines; i++)
		show_json_line(v->lines[i]);
	for (i = 0; i < v->nhops; i++) {
		h = &v->hops[i];
		if (h->row.state == HOP_ROW_ALIVE)
			continue;
		printf("{\"role\":\"next-hop\",");
		json_text("name", slice_str(h->name));
		printf(",\"state\":\"%s\",\"waiting\":%" PRIu64 ",\"ready\":%"
		    PRIu64 ",\"active\":%" PRIu64 ",\"again_ms\":%" PRId64 ",",
		    h->row.state == HOP_ROW_DEAD ? "dead" : "probed",
		    h->row.sum.waiting, h->row.sum.ready, h->row.sum.active,
		    h->row.again_ms);
		json_text("why", slice_str(h->why));
		printf("}\n");
	}
	wrong_find(&w, v);
	printf("{\"role\":\"summary\",\"wrong\":[");
	for (i = 0; i < w.n; i++) {
		printf(i > 0 ? "," : "");
		json_string(slice_str(w.v[i]));
	}
	printf("]}\n");
	wrong_clear(&w);
}

/* Numbers as they are, everything else as a string. */
static void
show_json_line(const char *line)
{
	struct slice rest = slice_str(line), key, value;
	const char *comma = "";
	uint64_t n;

	printf("{");
	while (word_next(&rest, &key, &value)) {
		printf("%s\"%.*s\":", comma, SLICE_ARG(key));
		comma = ",";
		if (slice_to_u64(value, 0, 1ull << 53, &n)) {
			printf("%" PRIu64, n);
			continue;
		}
		if (value.n >= 2 && value.p[0] == '"')
			value = slice_of(value.p + 1, value.n - 2);
		json_string(value);
	}
	printf("}\n");
}
