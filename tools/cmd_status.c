/* SPDX-License-Identifier: ISC */
/* cmd_status - a line for each process of the suite. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/num.h"
#include "chasqui.h"
#include "os/takeover.h"

static int	 run(struct tool *, int, char *[]);
static int	 show(struct channel *, bool json);
static void	 show_table_line(struct slice);
static void	 show_json_line(struct slice);
static bool	 next_word(struct slice *, struct slice *key,
		    struct slice *value);
static struct slice value_of(struct slice words, const char *key);
static void	 show_confinement(struct slice master);

const struct command cmd_status = { "status", "[--json]",
	"show each process, and how they are confined", run };

static int
run(struct tool *t, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct channel *c;
	bool json = false;
	int ch, status;

	while ((ch = getopt_long(argc, argv, "j", options, NULL)) != -1)
		if (ch == 'j')
			json = true;
		else
			return tool_usage(&cmd_status);
	if (optind != argc)
		return tool_usage(&cmd_status);
	c = tool_connect(t, SOCKET_CONTROL);
	channel_send(c, TL_STATUS, 1, SLICE_EMPTY);
	status = show(c, json);
	channel_free(&c);
	return status;
}

static int
show(struct channel *c, bool json)
{
	struct buf master = BUF_INIT(8192);
	struct message m;
	struct slice line;

	if (!json)
		printf("%-11s %7s %-9s %8s %8s %-18s %s\n", "PROCESS", "PID",
		    "STATE", "AGE", "RESTARTS", "USER", "");
	while (channel_wait(c, &m, -1) == 0 && m.type == TL_LINE) {
		line = get_rest(&m.body);
		if (slice_eq(value_of(line, "role"), SLICE_LIT("master")))
			buf_add(&master, line);
		if (json)
			show_json_line(line);
		else
			show_table_line(line);
	}
	if (m.type != TL_END || master.n == 0)
		return tool_fail(EX_UNAVAILABLE, "the suite has not answered");
	if (!json)
		show_confinement(buf_slice(&master));
	buf_clear(&master);
	return get_u8(&m.body);
}

/* "12s", "5m03s", "7h05m", "12d07h" */
static const char *
age(struct slice seconds)
{
	static char text[32];
	uint64_t s = 0;

	slice_to_u64(seconds, 0, UINT64_MAX, &s);
	if (s < 60)
		snprintf(text, sizeof(text), "%llus", (unsigned long long)s);
	else if (s < 3600)
		snprintf(text, sizeof(text), "%llum%02llus",
		    (unsigned long long)s / 60, (unsigned long long)s % 60);
	else if (s < 86400)
		snprintf(text, sizeof(text), "%lluh%02llum",
		    (unsigned long long)s / 3600,
		    (unsigned long long)s / 60 % 60);
	else
		snprintf(text, sizeof(text), "%llud%02lluh",
		    (unsigned long long)s / 86400,
		    (unsigned long long)s / 3600 % 24);
	return text;
}

static const char *
user_name(struct slice uid)
{
	static char text[32];
	const struct passwd *pw;
	uint64_t n;

	if (!slice_to_u64(uid, 0, UINT32_MAX, &n))
		return "?";
	pw = getpwuid((uid_t)n);
	if (pw != NULL)
		return pw->pw_name;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return text;
}

static void
show_table_line(struct slice words)
{
	static const char *const shown[] = { "role", "index", "pid", "state",
		"uptime", "restarts", "uid", "mode", "landlock", "conf" };
	struct slice rest = words, key, value;
	char name[32];
	size_t i;

	snprintf(name, sizeof(name), "%.*s %.*s",
	    SLICE_ARG(value_of(words, "role")),
	    SLICE_ARG(value_of(words, "index")));
	printf("%-11s %7.*s %-9.*s %8s %8.*s %-18s", name,
	    SLICE_ARG(value_of(words, "pid")),
	    SLICE_ARG(value_of(words, "state")),
	    age(value_of(words, "uptime")),
	    SLICE_ARG(value_of(words, "restarts")),
	    user_name(value_of(words, "uid")));
	while (next_word(&rest, &key, &value)) {
		for (i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
			if (slice_eq(key, slice_str(shown[i])))
				break;
		if (i == sizeof(shown) / sizeof(shown[0]))
			printf(" %.*s=%.*s", SLICE_ARG(key),
			    SLICE_ARG(value));
	}
	printf("\n");
}

/* Numbers as they are, everything else as a string; our words hold nothing
 * that JSON would want escaped but quotes and backslashes. */
static void
show_json_line(struct slice words)
{
	struct slice key, value;
	const char *comma = "";
	uint64_t n;
	size_t i;

	printf("{");
	while (next_word(&words, &key, &value)) {
		printf("%s\"%.*s\":", comma, SLICE_ARG(key));
		comma = ",";
		if (slice_to_u64(value, 0, 1ull << 53, &n)) {
			printf("%llu", (unsigned long long)n);
			continue;
		}
		if (value.n >= 2 && value.p[0] == '"')
			value = slice_of(value.p + 1, value.n - 2);
		printf("\"");
		for (i = 0; i < value.n; i++)
			printf(value.p[i] == '"' || value.p[i] == '\\' ?
			    "\\%c" : "%c", value.p[i]);
		printf("\"");
	}
	printf("}\n");
}

/* key=value with a value that may be in quotes. */
static bool
next_word(struct slice *rest, struct slice *key, struct slice *value)
{
	size_t end;

	*rest = slice_trim(*rest);
	if (rest->n == 0)
		return false;
	end = slice_find(*rest, '=');
	*key = slice_first(*rest, end);
	*rest = slice_from(*rest, end < rest->n ? end + 1 : end);
	if (rest->n > 0 && rest->p[0] == '"') {
		end = slice_find(slice_from(*rest, 1), '"') + 2;
		end = end > rest->n ? rest->n : end;
	} else
		end = slice_find(*rest, ' ');
	*value = slice_first(*rest, end);
	*rest = slice_from(*rest, end);
	return true;
}

static struct slice
value_of(struct slice words, const char *key)
{
	struct slice k, v;

	while (next_word(&words, &k, &v))
		if (slice_eq(k, slice_str(key)))
			return v;
	return SLICE_LIT("?");
}

static void
show_confinement(struct slice master)
{
	struct slice abi = value_of(master, "landlock");
	bool landlock = !slice_eq(abi, SLICE_LIT("0"));

	printf("\nConfinement: ");
	if (slice_eq(value_of(master, "mode"), SLICE_LIT("full")))
		printf("complete: own uids, chroot, no_new_privs, system call "
		    "lists");
	else
		printf("WITHOUT ROOT: all processes share one uid and see the "
		    "file system;\nno_new_privs and system call lists apply");
	if (landlock)
		printf(", Landlock (ABI %.*s).\n", SLICE_ARG(abi));
	else
		printf(".\nThis kernel has no Landlock.\n");
	if (!slice_eq(value_of(master, "mode"), SLICE_LIT("full")))
		printf("Start it as root for the rest.\n");
	printf("`chasqui confinement` tests it.\n");
	if (TAKEOVER_BUILD[0] != '\0')
		printf("BUILT%s.\n", TAKEOVER_BUILD);
}
