# SPDX-License-Identifier: ISC
"""The commands that people and programs use."""
import json
import os
import re
import stat

from harness import CHASQUI, MAILQ, NEWALIASES, IS_ROOT, SENDMAIL, Story, message, needs_root, parse, run, wait_for
from sink import Sink

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 64, 65, 67, 69, 74, 75, 78
TEXT = b"Subject: %s\n\na line\n"


class Sendmail(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})

    def setUp(self):
        self.begun = len(self.box.log())

    def ok(self, *args, stdin=b"", **kw):
        p = self.box.sendmail(*args, stdin=stdin, **kw)
        self.assertEqual(p.returncode, 0, p.stderr)
        return p

    def test_recipients_as_arguments(self):
        self.ok("alice@example.org", "bob@example.org", stdin=TEXT % b"by arguments")
        raw = self.box.wait_subject("alice@example.org", "by arguments")
        self.box.wait_subject("bob@example.org", "by arguments")
        m = parse(raw)
        self.assertTrue(m["from"] and m["date"] and m["message-id"], raw)

    def test_recipients_from_the_header(self):
        self.ok("-t", stdin=b"From: alice@example.org\nTo: Bob <bob@example.org>,\n (a comment) x@elsewhere.example\n"
                            b"Cc: alice@example.org\nBcc: Secret: y@elsewhere.example;\nSubject: by header\n\nhello\n")
        raw = self.box.wait_subject("bob@example.org", "by header")
        self.box.wait_subject("alice@example.org", "by header")
        self.assertNotIn(b"Bcc", raw)
        wait_for(lambda: {r for m in self.sink.messages if b"by header" in m.data for r in m.recipients} ==
                 {"x@elsewhere.example", "y@elsewhere.example"}, "both at the sink")

    def test_a_lone_dot_ends_the_message_but_not_with_i(self):
        self.ok("alice@example.org", stdin=b"Subject: dot ends\n\nbefore\n.\nafter\n")
        self.assertNotIn(b"after", self.box.wait_subject("alice@example.org", "dot ends"))
        for option in ("-i", "-oi"):
            self.ok(option, "alice@example.org", stdin=b"Subject: dot stays %s\n\nbefore\n.\nafter\n" % option.encode())
            self.assertIn(b"\n.\nafter\n", self.box.wait_subject("alice@example.org", "dot stays " + option))

    def test_output_of_programs_is_taken_whatever_its_lines(self):
        self.ok("-i", "alice@example.org", stdin=b"Subject: long lines\n\n" + b"x" * 200000 + b"\n10%\r100%\r\nend")
        body = self.box.wait_subject("alice@example.org", "long lines").split(b"\n\n", 1)[1]
        self.assertEqual(body.replace(b"\n ", b""), b"x" * 200000 + b"\n10%\n100%\nend\n")

    def test_the_sender_and_full_name(self):
        self.ok("-f", "bob@example.org", "-F", "Bob Builder", "alice@example.org", stdin=TEXT % b"full name")
        raw = self.box.wait_subject("alice@example.org", "full name")
        self.assertTrue(raw.startswith(b"Return-Path: <bob@example.org>\n"))
        self.assertIn("Bob Builder", parse(raw)["from"])
        self.ok("-f", "<>", "alice@example.org", stdin=TEXT % b"null sender")
        self.assertTrue(self.box.wait_subject("alice@example.org", "null sender").startswith(b"Return-Path: <>\n"))

    def test_dsn_options(self):
        self.ok("-N", "success,failure", "-R", "hdrs", "-V", "env-1", "-f", "alice@example.org", "x@elsewhere.example",
                stdin=TEXT % b"with dsn")
        m = wait_for(lambda: [m for m in self.sink.messages if b"with dsn" in m.data], "the message")[0]
        self.assertIn("RET=HDRS", m.sender_options)
        self.assertIn("ENVID=env-1", m.sender_options)
        self.assertEqual({w for o in m.options["x@elsewhere.example"] if o.startswith("NOTIFY=")
                          for w in o[7:].split(",")}, {"SUCCESS", "FAILURE"})

    def test_more_recipients_than_one_transaction_has(self):
        to = [f"r{i}@elsewhere.example" for i in range(250)]
        self.ok(*to, stdin=TEXT % b"many recipients")
        wait_for(lambda: {r for m in self.sink.messages if b"many recipients" in m.data for r in m.recipients} == set(to),
                 "all of them at the sink")

    def test_the_others_get_it_when_one_is_refused(self):
        p = self.box.sendmail("alice@example.org", "nobody@example.org", "bob@example.org", stdin=TEXT % b"one refused")
        self.assertEqual(p.returncode, EX_NOUSER)
        self.assertIn("nobody@example.org: 550", p.stderr)
        self.box.wait_subject("alice@example.org", "one refused")
        self.box.wait_subject("bob@example.org", "one refused")

    def test_eight_bit_text_and_names(self):
        self.ok("-F", "Zoë", "alice@example.org", stdin="Subject: eight bit\n\nZoë\n".encode())
        raw = self.box.wait_subject("alice@example.org", "eight bit")
        self.assertEqual(str(parse(raw)["from"].addresses[0].display_name), "Zoë")
        self.assertIn("\nZoë\n".encode(), raw)

    def test_options_that_mailers_ignore(self):
        for options in (("-oem", "-odb"), ("-B8BITMIME",), ("-G",), ("-oee", "-odi"), ("-v",), ("-U",), ("-h", "5"),
                        ("-O", "DeliveryMode=b"), ("-om",), ("-bm",), ("-L", "tag"), ("-n",), ("-m",)):
            with self.subTest(options=options):
                p = self.box.sendmail(*options, "-i", "--", "alice@example.org", stdin=TEXT % b"ignored options")
                self.assertEqual(p.returncode, 0, p.stderr)

    def test_the_conversation_is_shown(self):
        p = self.ok("-v", "alice@example.org", stdin=TEXT % b"shown")
        self.assertRegex(p.stderr, r"(?s)^220 .*>>> EHLO .*250-.*250 .*>>> MAIL FROM:<.*>>> RCPT TO:<alice@example.org>.*"
                                   r">>> DATA\n354 .*250 2.0.0 Ok.*>>> QUIT")
        self.assertNotIn("a line", p.stderr)

    def test_exit_codes(self):
        cases = ((("nobody@example.org",), EX_NOUSER), ((), EX_USAGE), (("-t", ), EX_USAGE),
                 (("-Y", "alice@example.org"), EX_USAGE), (("no spaces@in@here",), EX_DATAERR),
                 (("-R", "some", "alice@example.org"), EX_USAGE))
        for args, status in cases:
            with self.subTest(args=args):
                p = self.box.sendmail(*args, stdin=TEXT % b"exit codes")
                self.assertIn(p.returncode, (status, EX_USAGE, EX_DATAERR) if status != EX_NOUSER else (status,), p.stderr)
                self.assertTrue(p.stderr.strip())

    def test_verify_says_where_mail_would_go_and_sends_nothing(self):
        p = self.ok("-bv", "alice@example.org, x@elsewhere.example")
        self.assertIn("=> alice@example.org: Maildir ", p.stdout)
        self.assertRegex(p.stdout, r"(?m)^=> x@elsewhere\.example: next hop \[127\.0\.0\.1\]:\d+$")
        p = self.box.sendmail("-v", "-bv", "alice@example.org", "nobody@example.org")
        self.assertEqual(p.returncode, EX_NOUSER)
        self.assertIn("refused: 550", p.stdout)
        self.assertEqual(self.box.sendmail("-bv").returncode, EX_USAGE)
        self.assertNotIn("event=received", self.box.log()[self.begun:])

    def test_what_a_caller_has_closed_is_no_way_into_the_suite(self):
        """What is printed there would be said to whom the number belongs then."""
        before = len(self.box.log())
        for closed in ("2>&-", ">&- 2>&-"):
            p = run(["sh", "-c", f'"$@" {closed}', "sh", SENDMAIL, "-C", self.box.dir, "-v", "alice@example.org"],
                    stdin=TEXT % b"closed %s" % closed.encode())
            self.assertEqual(p.returncode, 0, p.stderr)
            self.box.wait_subject("alice@example.org", "closed " + closed)
        for args in ([CHASQUI, "status"], [CHASQUI, "top", "--once"], [CHASQUI, "queue", "list"], [MAILQ]):
            p = run(["sh", "-c", '"$@" >&-', "sh", args[0], "-C", self.box.dir, *args[1:]])
            self.assertEqual(p.returncode, EX_IOERR, p.stderr)
        self.assertNotRegex(self.box.log()[before:], "channel-breach|not recognized")

    def test_smtp_on_standard_input(self):
        p = self.ok("-bs", stdin=b"EHLO x\r\nMAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n" +
                    message(subject="by bs") + b".\r\nQUIT\r\n")
        self.assertEqual([l[:3] for l in p.stdout.splitlines()][-5:], ["250", "250", "354", "250", "221"])
        self.box.wait_subject("alice@example.org", "by bs")

    @needs_root
    def test_the_callers_identity_is_recorded(self):
        user = self.system_user("s")
        self.ok("alice@example.org", stdin=TEXT % b"from a user", user=user.pw_name)
        raw = self.box.wait_subject("alice@example.org", "from a user")
        self.assertTrue(raw.startswith(f"Return-Path: <{user.pw_name}@".encode()), raw[:100])
        self.assertRegex(" ".join(parse(raw)["received"].split()), rf"uid.?{user.pw_uid}|userid {user.pw_uid}")


class Stopped(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance()

    def test_mail_given_while_stopped_is_delivered_after_the_start(self):
        self.box.stop()
        p = self.box.sendmail("-i", "alice@example.org", stdin=TEXT % b"while stopped")
        self.assertEqual(p.returncode, 0, p.stderr)
        if IS_ROOT:
            user = self.system_user("d")
            p = self.box.sendmail("-t", stdin=b"To: bob@example.org\nSubject: user while stopped\n\nx\n", user=user.pw_name)
            self.assertEqual(p.returncode, 0, p.stderr)
        drop = os.stat(self.box.path("queue", "drop"))
        self.assertEqual(stat.S_IMODE(drop.st_mode), 0o3733)
        self.box.start()
        self.box.wait_subject("alice@example.org", "while stopped")
        if IS_ROOT:
            raw = self.box.wait_subject("bob@example.org", "user while stopped")
            self.assertTrue(raw.startswith(f"Return-Path: <{user.pw_name}@".encode()), raw[:100])
        wait_for(lambda: not os.listdir(self.box.path("queue", "drop")), "drop/ to be empty")

    def test_tools_say_what_to_do_when_nothing_runs(self):
        self.box.stop()
        try:
            for args in (("status",), ("queue", "list"), ("reload",), ("explain", "alice@example.org")):
                with self.subTest(args=args):
                    p = self.box.tool(*args)
                    self.assertNotEqual(p.returncode, 0)
                    self.assertIn("chasqui", p.stderr)
                    self.assertIn("start", p.stderr)
            self.assertEqual(self.box.tool("config", "check").returncode, 0)
        finally:
            self.box.start()

    def test_a_second_start_is_refused(self):
        p = self.box.tool("start")
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("run", p.stderr)
        self.box.send("alice@example.org", subject="undisturbed")
        self.box.wait_subject("alice@example.org", "undisturbed")


class Queue(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": lambda s, arg: None if cls.willing else "450 4.2.1 come back"})
        cls.willing = False
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"later.example": f"127.0.0.1:{cls.sink.port}",
                                      "other.example": f"127.0.0.1:{cls.sink.port}"})

    def setUp(self):
        type(self).willing = False
        self.box.tool("queue", "delete", "--recipient", "@later.example")
        self.box.tool("queue", "delete", "--recipient", "@other.example")
        self.box.wait_queue(0)

    def put(self, n=3, domain="later.example", sender="alice@example.org"):
        for i in range(n):
            self.box.send(f"u{i}@{domain}", sender=sender, subject=f"queued {i}")
        entries = wait_for(lambda: (lambda q: q if len([e for e in q if domain in str(e)]) == n and
                                    all("450" in str(e) or "come back" in str(e) for e in q) else None)(self.box.queue()),
                           lambda: f"deferred messages: {self.box.queue()}")
        return entries

    def test_json_has_what_the_text_has(self):
        for e in self.put():
            self.assertRegex(e["id"], r"^\S+$")
            text = json.dumps(e)
            for part in ("alice@example.org", "@later.example", "come back"):
                self.assertIn(part, text)
            listing = self.box.tool("queue", "list", check=True).stdout
            self.assertIn(e["id"], listing)

    def test_mailq_shows_reasons(self):
        entries = self.put(2)
        p = run(self.box.as_user([MAILQ, "-C", self.box.dir]), check=True)
        for e in entries:
            self.assertIn(e["id"], p.stdout)
        self.assertIn("come back", p.stdout)
        self.assertIn("u0@later.example", p.stdout)
        p2 = self.box.sendmail("-bp")
        self.assertEqual(p2.returncode, 0)
        self.assertIn(entries[0]["id"], p2.stdout)

    def test_show(self):
        e = self.put(1)[0]
        p = self.box.tool("queue", "show", e["id"], check=True)
        self.assertIn("Subject: queued 0", p.stdout)
        self.assertIn("u0@later.example", p.stdout)

    def test_hold_and_release(self):
        ids = [e["id"] for e in self.put(2)]
        self.box.tool("queue", "hold", ids[0], check=True)
        type(self).willing = True
        self.box.tool("queue", "retry", ids[1], check=True)
        left = self.box.wait_queue(1)[0]
        self.assertEqual(left["id"], ids[0])
        self.assertIn("held", json.dumps(left).lower())
        self.box.tool("queue", "release", ids[0], check=True)
        self.box.wait_queue(0)

    def test_hold_survives_a_restart(self):
        e = self.put(1)[0]
        self.box.tool("queue", "hold", e["id"], check=True)
        type(self).willing = True
        self.box.stop()
        self.box.start()
        left = self.box.wait_queue(1)[0]
        self.assertEqual((left["id"], "held" in json.dumps(left).lower()), (e["id"], True))
        self.box.tool("queue", "release", e["id"], check=True)
        self.box.wait_queue(0)

    def test_dry_run_changes_nothing(self):
        entries = self.put(3)
        p = self.box.tool("queue", "delete", "--dry-run", "--recipient", "@later.example", check=True)
        for e in entries:
            self.assertIn(e["id"], p.stdout)
        self.assertEqual(len(self.box.queue()), 3)

    def test_delete_by_predicate(self):
        self.put(2)
        self.box.send("v@other.example", sender="bob@example.org")
        wait_for(lambda: len(self.box.queue("--reason", "come back")) == 3, "three messages")
        self.box.tool("queue", "delete", "--sender", "alice@example.org", check=True)
        left = self.box.wait_queue(1)[0]
        self.assertIn("v@other.example", json.dumps(left))
        self.assertEqual(len(self.box.queue("--sender", "@client.example")), 0)
        self.assertEqual(len(self.box.queue("--recipient", "v@other.example")), 1)
        self.assertEqual(len(self.box.queue("--older", "1h")), 0)
        self.assertEqual(len(self.box.queue("--younger", "1h")), 1)
        self.assertEqual(len(self.box.queue("--larger", "1M")), 0)
        self.assertEqual(len(self.box.queue("--reason", "come back")), 1)
        self.assertEqual(len(self.box.queue("--reason", "no such words")), 0)

    def test_deleting_makes_no_bounce(self):
        self.put(1)
        self.box.tool("queue", "delete", "--recipient", "@later.example", check=True)
        self.box.wait_queue(0)
        self.box.send("alice@example.org", subject="delete-marker")
        self.box.wait_subject("alice@example.org", "delete-marker")
        self.assertFalse([m for m in self.box.mail("alice@example.org") if b"multipart/report" in m])

    def test_change_without_any_choice_is_refused(self):
        self.put(1)
        p = self.box.tool("queue", "delete")
        self.assertEqual(p.returncode, EX_USAGE)
        self.assertEqual(len(self.box.queue()), 1)

    def test_an_id_that_does_not_exist(self):
        p = self.box.tool("queue", "show", "0000000000000")
        self.assertNotEqual(p.returncode, 0)
        self.assertTrue(p.stderr.strip())

    def test_retry_delivers_now(self):
        self.put(2)
        type(self).willing = True
        self.box.tool("queue", "retry", "--recipient", "@later.example", check=True)
        self.box.wait_queue(0)

    @needs_root
    def test_another_user_may_look_but_not_touch(self):
        e = self.put(1)[0]
        user = self.system_user("q")
        p = run(["runuser", "-u", user.pw_name, "--", CHASQUI, "-C", self.box.dir, "queue", "delete", e["id"]])
        self.assertNotEqual(p.returncode, 0)
        self.assertEqual(len(self.box.queue()), 1)


class Commands(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(relay={"elsewhere.example": "127.0.0.1:9"},
                               tables={"tables/virtual": "sales@example.org alice@example.org, bob@example.org\n",
                                       "tables/al": "joe: alice@example.org\n"},
                               conf="""table my-virtual { type = file ; path = virtual }
                                       alias.virtual = my-virtual""")

    def test_config_check_show_explain(self):
        self.box.tool("config", "check", check=True)
        shown = self.box.tool("config", "show", check=True).stdout
        self.assertIn("smtp.max_recipients", shown)
        self.assertIn("1000", shown)
        explained = self.box.tool("config", "explain", "smtp.max_message", check=True).stdout
        self.assertIn("50M", explained)
        self.assertIn("largest message", explained)
        p = self.box.tool("config", "explain", "smtp.max_mesage")
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("smtp.max_message", p.stdout + p.stderr)

    def test_config_show_is_a_configuration(self):
        shown = self.box.tool("config", "show", check=True).stdout
        other = self.directory("shown")
        with open(os.path.join(other, "chasqui.conf"), "w") as f:
            f.write(shown)
        p = run([CHASQUI, "-C", other, "config", "check"])
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)

    def test_explain_says_where_mail_would_go_and_why(self):
        for address, words in (("alice@example.org", ("Maildir",)), ("sales@example.org", ("alice@example.org", "bob@example.org")),
                               ("x@elsewhere.example", ("127.0.0.1",)), ("nobody@example.org", ("5.1.1",)),
                               ("x@unknown.example", ("MX",))):
            with self.subTest(address=address):
                p = self.box.tool("explain", address)
                for word in words:
                    self.assertIn(word, p.stdout, p.stderr)

    def test_status_names_every_process(self):
        out = self.box.tool("status", "--processes", check=True).stdout
        for name in ("master", "smtpd", "qmgr", "remote", "local", "bounce", "lookup", "auth", "resolver", "keys",
                     "metrics", "history"):
            self.assertIn(name, out)
        pids = set(re.findall(r"\d+", out))
        self.assertIn(str(self.box.pids("qmgr")[0]), pids)

    def test_confinement_is_shown_and_holds(self):
        p = self.box.tool("confinement")
        self.assertRegex(p.stdout, r"(?m)^history +history +its directory +none +its directory")
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        for name in ("smtpd", "qmgr", "remote", "lookup"):
            self.assertIn(name, p.stdout)

    def test_unknown_commands_and_help(self):
        self.assertEqual(run([CHASQUI, "frobnicate"]).returncode, EX_USAGE)
        p = run([CHASQUI, "help"])
        self.assertIn("queue", p.stdout + p.stderr)

    def test_init_changes_nothing_in_a_directory_that_is_in_use(self):
        before = self.box.read_conf()
        run([CHASQUI, "init", "--dir", self.box.dir, "--domain", "x.example"])
        self.assertEqual(self.box.read_conf(), before)
        self.box.send("alice@example.org", subject="after another init")
        self.box.wait_subject("alice@example.org", "after another init")

    def test_init_refuses_nonsense(self):
        d = self.directory("nonsense")
        for args in (("--port-base", "99999999"), ("--domain", "not a domain"), ("--user", "nobody"),
                     ("--relay", "x.example"), ("--dns", "what")):
            with self.subTest(args=args):
                p = run([CHASQUI, "init", "--dir", os.path.join(d, "i"), *args])
                self.assertNotEqual(p.returncode, 0)
                self.assertTrue(p.stderr.strip())


class NewAliases(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(
            domains=[], users=[], start=False, tables={"tables/aliases": "joe: alice@virtual.example\n",
                                                       "tables/vusers": "alice@virtual.example\n"},
            conf="""table al { type = btree ; path = aliases }
                    table vusers { type = file ; path = vusers }
                    alias.tables = al
                    domain virtual.example { type = virtual ; mailboxes = vusers }
                    domain sys.example { type = system }""")

    def test_newaliases_builds_the_tables(self):
        p = run(self.box.as_user([NEWALIASES, "-C", self.box.dir]))
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.box.start()
        self.box.send("joe@sys.example", subject="for joe")
        self.box.wait_subject("alice@virtual.example", "for joe")
