# SPDX-License-Identifier: ISC
"""What the tools say to an operator who asks for what is not there, or in an unexpected way."""
import json
import os
import re

from harness import CHASQUI, MAILQ, NEWALIASES, PREFIX, Ports, Story, needs_root, run, wait_for

EX_USAGE, EX_NOINPUT, EX_NOUSER, EX_IOERR, EX_NOPERM = 64, 66, 67, 74, 77
COMPLETIONS = "share/bash-completion/completions"


class Asking(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(relay={"later.example": "127.0.0.1:9"})
        cls.box.send("alice@example.org", subject="first")
        cls.box.wait_subject("alice@example.org", "first")
        cls.box.send("x@later.example", subject="waits")
        cls.id = cls.box.wait_queue(1)[0]["id"]

    def refused(self, status, text, *args):
        p = self.box.tool(*args)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        self.assertIn(text, p.stderr)
        return p

    def test_output_that_cannot_be_written_is_told(self):
        for args in (["queue", "list"], ["queue", "list", "--json"], ["queue", "show", self.id], ["queue", "shape"], ["queue", "check"],
                     ["status"], ["status", "--json"], ["top", "--once"], ["config", "show"], ["user", "list"],
                     ["domain", "list"], ["explain", "alice@example.org"], ["help"], ["help", "queue"]):
            with self.subTest(args=args), open("/dev/full", "wb") as full:
                p = run(["sh", "-c", '"$@" >/dev/full', "sh", CHASQUI, "-C", self.box.dir, *args])
                self.assertEqual(p.returncode, EX_IOERR, p.stderr)
                self.assertEqual(p.stderr.count("standard output: "), 1, p.stderr)
        p = run(["sh", "-c", f"{MAILQ} -C {self.box.dir} >/dev/full"])
        self.assertEqual(p.returncode, EX_IOERR, p.stderr)

    def test_what_is_not_there_has_its_status(self):
        self.refused(EX_USAGE, 'no command "frobnicate"', "help", "frobnicate")
        self.refused(EX_NOUSER, "no such message", "queue", "show", "0000000000000")
        self.refused(EX_NOUSER, "no such message", "queue", "hold", "0000000000000")
        self.refused(1, "no alias nobody@example.org", "alias", "list", "nobody@example.org")
        self.refused(EX_USAGE, "nosuch", "alias", "list", "--table", "nosuch")
        self.refused(1, "no account", "user", "app-password", "list", "nobody@example.org")
        self.assertEqual(run([NEWALIASES, "-C", self.box.dir, "more"]).returncode, EX_USAGE)

    def test_nothing_selected_is_not_an_empty_queue(self):
        p = self.box.tool("queue", "list", "--sender", "nobody@example.org", check=True)
        self.assertEqual(p.stdout, "No message matches\n")
        self.assertEqual(self.box.tool("queue", "undo", "list", check=True).stdout, "Nothing can be had back\n")
        self.assertEqual(self.box.tool("pause", check=True).stderr, "nothing is paused\n")
        for args in (["hold", "--sender", "nobody@example.org"], ["undo", "--last"]):
            p = self.box.tool("queue", *args, check=True)
            self.assertIn("no message matches", p.stderr)

    def test_options_are_not_passed_over(self):
        for verb, option in (("show", "--json"), ("show", "--dry-run"), ("list", "--dry-run"), ("hold", "--for-good"),
                             ("hold", "--to=x.example"), ("delete", "--last"), ("release", "--confirm=1"),
                             ("export", "--dry-run"), ("undo", "--for-good")):
            with self.subTest(verb=verb, option=option):
                self.refused(EX_USAGE, "has no " + option.split("=")[0], "queue", verb, option, self.id)

        for args in (["status", "--json", "--all"], ["explain", "--json", "alice@example.org"]):
            self.refused(EX_USAGE, "usage: ", *args)

    def test_what_follows_is_read_from_the_help(self):
        def offered(*words):
            p = run(["bash", "-c", f'. "$0"; COMP_WORDS=(chasqui "$@"); COMP_CWORD=$#; _chasqui {CHASQUI}; '
                     'echo "${COMPREPLY[@]}"', os.path.join(PREFIX, COMPLETIONS, "chasqui"), *words], check=True)
            self.assertEqual(p.stderr, "")
            return set(p.stdout.split())
        commands = offered("")
        self.assertLessEqual({"init", "queue", "domain", "help"}, commands)
        self.assertEqual(offered("help", ""), commands)
        self.assertEqual(offered("-C", self.box.dir, "qu"), {"queue"})
        # What the command itself says that it knows.
        said = self.box.tool("queue", "nosuch").stderr.split(":")[-1]
        self.assertEqual(offered("queue", ""), set(re.findall(r"[a-z]+", said)) - {"or"})
        areas = {json.loads(line)["area"] for line in self.box.tool("doctor", "--json").stdout.splitlines()}
        self.assertEqual(offered("doctor", ""), areas)
        self.assertEqual(offered("doctor", "ports", "d"), {"disk", "dns"})
        self.assertEqual(offered("user", "app-password", ""), {"add", "list", "revoke"})
        self.assertEqual(offered("user", "--protocols", "imap", "app-password", "r"), {"revoke"})
        self.assertEqual(offered("domain", "add", "x.example", "--type", ""), {"virtual", "system", "relay", "alias"})
        self.assertEqual(offered("config", "explain", "queue.retry_"), {"queue.retry_first", "queue.retry_max"})
        self.assertEqual(offered("stop", ""), set())
        for command in commands - {"help"}:
            for option in offered(command, "-"):
                with self.subTest(command=command, option=option):
                    self.assertIn(option, self.box.tool(command, "--help").stdout)

    def test_help_fits_a_terminal(self):
        for line in self.box.tool("help").stdout.splitlines():
            if re.match(r"  [a-z]+ ", line):
                for text in self.box.tool(line.split()[0], "--help").stdout.splitlines():
                    self.assertLessEqual(len(text), 80, text)

    def test_changes_for_programs(self):
        def objects(*args):
            return [json.loads(line) for line in self.box.tool("queue", *args, "--json", check=True).stdout.splitlines()]
        self.assertEqual(objects("hold", "--dry-run", "--all"), [{"id": self.id, "result": "would be held"}, {"messages": 1}])
        self.assertEqual(objects("hold", self.id), [{"id": self.id, "result": "held"}])
        self.assertEqual(objects("release", self.id), [{"id": self.id, "result": "released"}])

    def test_adopting_what_is_no_queue_is_told_once(self):
        p = self.refused(EX_NOINPUT, "nothing was adopted", "queue", "adopt", "/etc")
        self.assertIn("no queue directory", p.stderr)
        self.assertNotIn("cut off", p.stderr)

    def test_a_directory_that_is_no_maildir_is_left_as_it_is(self):
        d = self.directory("not-a-maildir")
        os.makedirs(os.path.join(d, "documents"))
        for args in (["list", d], ["list", "--json", d], ["verify", d], ["repair", d], ["create", d, "x"]):
            self.refused(EX_NOINPUT, "is no Maildir", "mailbox", *args)
        self.assertEqual(os.listdir(d), ["documents"])

    def test_a_mailbox_as_an_object_wherever_the_option_stands(self):
        for args in (["--json", "alice@example.org"], ["alice@example.org", "--json"]):
            p = self.box.tool("mailbox", "list", *args, check=True)
            self.assertEqual([json.loads(line)["name"] for line in p.stdout.splitlines()], ["INBOX"])
        self.refused(65, "`create` makes one", "mailbox", "verify", "alice@example.org", "Nowhere")

    def test_what_was_said_in_a_time_is_listed(self):
        out = wait_for(lambda: (lambda p: p.stdout if "1 delivered" in p.stdout and "1 deferred" in p.stdout else None)(
            self.box.tool("trace", "--since", "1h")), "both messages")
        self.assertIn("alice@example.org", out)
        self.assertIn(self.id, out)
        objects = json.loads(self.box.tool("trace", "--json", "--since", "1h", check=True).stdout)["messages"]
        self.assertIn(self.id, [m["id"] for m in objects])
        self.refused(EX_NOINPUT, "nothing of that time", "trace", "--since", "2d", "--until", "1d")
        self.refused(EX_USAGE, "usage", "trace", "--until", "1d")
        # One that is mistyped must not look like one of whom nothing is known.
        self.refused(EX_USAGE, "neither sender= nor recipient=", "trace", "recipent=alice@example.org")
        self.refused(EX_NOINPUT, "knows nothing", "trace", "<a=b@example.org>")

    @needs_root
    def test_who_may_not_ask_is_told_so(self):
        for args, text in ((["confinement"], "Only root, or who runs the suite, may ask it"),
                           (["table", "query", "mailboxes", "alice@example.org"], "only root, or who runs the suite")):
            p = run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", CHASQUI, "-C", self.box.dir, *args])
            self.assertIn(text, p.stdout + p.stderr)
            self.assertNotIn("not running", p.stdout)
        self.assertEqual(p.returncode, EX_NOPERM)


class Mistakes(Story):
    """What is wrong is told before mail finds out; what runs can be asked all the same."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(relay={"later.example": "127.0.0.1:9"},
                               tables={"tables/virtual": "sales@example.org alice@example.org\n"})
        cls.good = cls.box.read_conf()

    def write(self, name, text):
        with open(self.box.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def tearDown(self):
        self.write("chasqui.conf", self.good)

    def test_a_running_suite_can_be_asked_while_its_file_is_broken(self):
        self.box.send("x@later.example", subject="waits")
        self.box.wait_queue(1)
        self.write("chasqui.conf", self.good + "nosuch = 1\n")
        for args in (["status"], ["queue", "list"], ["pause"], ["explain", "alice@example.org"], ["top", "--once"]):
            with self.subTest(args=args):
                p = self.box.tool(*args)
                self.assertEqual(p.returncode, 0, p.stderr)
                self.assertIn('unknown key "nosuch"', p.stderr)
                self.assertIn("note:", p.stderr)
        self.assertIn("x@later.example", run([MAILQ, "-C", self.box.dir], check=True).stdout)
        self.assertIn("x@later.example", self.box.sendmail("-bp").stdout)
        for command in ("reload", "restart"):
            p = self.box.tool(command)
            self.assertEqual(p.returncode, 78)
            self.assertEqual(p.stderr.count("nosuch"), 1, p.stderr)
        self.assertEqual(self.box.tool("queue", "delete", "--all").returncode, 0)

    def test_two_listeners_for_one_place(self):
        self.write("chasqui.conf", self.good + f"listener other {{ address = 127.0.0.1:{self.box.port} }}\n")
        p = self.box.tool("config", "check")
        self.assertEqual(p.returncode, 78)
        self.assertRegex(p.stderr, r"chasqui.conf:\d+:\d+: listener other cannot listen on .*already")

    def test_entries_that_say_nothing(self):
        for name, text, why in (("routes", "a.example\tbad host\n", "it is no next hop"),
                                ("routes", "a.example\t[127.0.0.1]:99999\n", "it is no next hop"),
                                ("mailboxes", "alice@example.org quota_byte=5\n", "neither quota_bytes=SIZE"),
                                ("mailboxes", "alice@example.org quota_bytes=much\n", "neither quota_bytes=SIZE"),
                                ("virtual", 'sales@example.org "open\n', "quote"),
                                ("aliases", "root: alice@example.org\nall: :include:/nonexistent/all\n", "is not there")):
            with self.subTest(name=name, text=text):
                path = self.box.path("tables", name)
                with open(path, encoding="utf-8") as f:
                    good = f.read()
                self.write("tables/" + name, text)
                try:
                    p = self.box.tool("config", "check")
                    self.assertEqual(p.returncode, 78, p.stdout)
                    self.assertRegex(p.stderr, rf"table {name}: {path}:\d: .*{why}")
                finally:
                    self.write("tables/" + name, good)
        self.assertEqual(self.box.tool("config", "check").returncode, 0)

    @needs_root
    def test_users_and_data_bases_that_are_not_there(self):
        self.write("chasqui.conf", self.good + "user.mail = nosuchuser\n")
        p = self.box.tool("config", "check")
        self.assertEqual(p.returncode, 78)
        self.assertIn('user.mail: there is no system user "nosuchuser"', p.stderr)
        self.write("chasqui.conf", self.good + "user.prefix = _nosuch_\n")
        p = self.box.tool("config", "check")
        self.assertEqual(p.returncode, 78)
        for name in ("smtpd", "keys", "imapspawn"):
            self.assertIn(f'user.prefix: there is no system user "_nosuch_{name}"', p.stderr)
        self.write("chasqui.conf", self.good + "user.commands = root\n")
        self.assertIn('user.commands: the system user "root" has uid or gid 0', self.box.tool("config", "check").stderr)
        self.write("chasqui.conf", self.good + "auth.backends = file, sqlite\n")
        self.assertIn("accounts.sqlite: No such file", self.box.tool("config", "check").stderr)

    def test_a_reload_takes_tables_up_at_once(self):
        self.write("chasqui.conf", re.sub(r"(?m)^table.check.*$", "", self.good) + "table.check = 1h\n")
        self.box.tool("reload", check=True)
        for i in range(3):
            self.write("tables/virtual", f"sales@example.org alice@example.org\nnew{i}@example.org alice@example.org\n")
            self.box.tool("reload", check=True)
            p = self.box.tool("explain", f"new{i}@example.org")
            self.assertEqual(p.returncode, 0, p.stdout)


class Strangers(Story):
    @needs_root
    def test_doctor_takes_nobodys_rights_for_no_fault(self):
        box = self.instance()
        p = run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", CHASQUI, "-C", box.dir, "doctor",
                 "--json", "ports", "files", "certificates"])
        found = [json.loads(line) for line in p.stdout.splitlines()]
        self.assertTrue([f for f in found if f["area"] == "ports" and f["level"] == "ok"], found)
        self.assertEqual([f for f in found if f["level"] == "fault"], [], p.stderr)
        self.assertNotIn("instead of", p.stdout)

    def test_a_domain_that_nobody_else_can_reach_is_told(self):
        box = self.instance()
        p = box.tool("domain", "add", "other.example", check=True)
        self.assertIn("from this host alone", p.stdout)
        self.assertIn("no other host can send", box.tool("doctor", "ports").stdout)
        box.write_conf(box.read_conf() + "listener far { address = *:%d }\n" % Ports.single())
        self.assertNotIn("from this host alone", box.tool("domain", "add", "third.example", check=True).stdout)
        self.assertNotIn("no other host can send", box.tool("doctor", "ports").stdout)

    def test_init_says_that_a_password_is_missing(self):
        d = self.directory("fresh")
        p = run([CHASQUI, "init", "--dir", os.path.join(d, "i"), "--domain", "example.org", "--user", "a@example.org",
                 "--user", "b@example.org:secret", "--port-base", "21000"], check=True)
        self.assertIn("user add a@example.org", p.stdout)
        self.assertNotIn("user add b@example.org", p.stdout)
