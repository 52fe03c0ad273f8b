# SPDX-License-Identifier: ISC
"""Whatever is accepted comes to an end, whatever its road and its parameters.

Messages with random reverse-paths, parameters and contents go to random
recipients of every kind, some of whose next hosts refuse, put off or hang up.
At the end the queue is empty, each process is the one that was started, and
each report can be read.
"""
import os
import random
import re

from harness import Report, Story, is_report, needs_root
from sink import DROP, USUAL, Sink

LONG = bool(os.environ.get("CHASQUI_LONG"))
SEED = int(os.environ.get("CHASQUI_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
MESSAGES = 3000 if LONG else 100

SENDERS = ["", "alice@example.org", "bob@example.org", "nobody@example.org", '"q s"@example.org', "x@full.example",
           "ü@full.example", "u550@full.example", "one@system.example", "list@system.example"]
NOTIFY = ["NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"]
ORCPT = ["rfc822;o+40x", "utf-8;\\x{FC}@x", "x400;+2Fa+3Db", "rfc822;" + "o" * 300]
HEADS = [b"Subject: s\r\n", "Subject: ü\r\n".encode(), b"Subject: \xff\r\n", b"", b"Delivered-To: alice@example.org\r\n",
         b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
         b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n", b"X: " + b"y" * 1500 + b"\r\n"]
BODIES = [b"x\r\n", b"", b"\xc3\xa9\r\n" * 50, b"--b\r\n\r\n\xe9\r\n--b--\r\n", b".\r\n..\r\n", b"a" * 2000 + b"\r\n",
          b"z\r\n" * 60000, b"no end"]
REFUSALS = ["550 5.1.1 no", "554 nope", "550-5.7.1 a\n550 5.7.1 b", "553 ü \x01", "552 5.2.2 full", "550 " + "w" * 3000]
TROUBLES = [None, None, None, "450 4.2.0 later", "421 4.3.2 bye", DROP, "452 4.5.3 too many"]
ENDS = [None] * 12 + ["451 4.3.0 later", "421 bye", DROP, "554 5.6.0 spam"]


@needs_root
class Road(Story):
    @classmethod
    def arrange(cls):
        print(f"# road: seed {SEED} (CHASQUI_SEED)")
        cls.random = random.Random(SEED)
        hosts = random.Random(SEED + 1)         # asked in another thread

        def rcpt(session, arg):
            return hosts.choice(REFUSALS if "u550" in arg else TROUBLES if "flaky" in arg else [None])

        def end(session, arg):
            return hosts.choice(ENDS)
        cls.sinks = {"full": Sink(replies={"RCPT": rcpt}),
                     "seven": Sink(extensions=("PIPELINING", "ENHANCEDSTATUSCODES"), replies={"RCPT": rcpt}),
                     "binary": Sink(extensions=USUAL + ("BINARYMIME",), replies={"RCPT": rcpt, ".": end}),
                     "old": Sink(extensions=(), replies={"RCPT": rcpt, "EHLO": "500 what"}),
                     "lmtp": Sink(lmtp=True, replies={"RCPT": rcpt, ".": end})}
        for s in cls.sinks.values():
            cls.at_end(s.stop)
        cls.anna, cls.karl = cls.system_user("a"), cls.system_user("k")
        a, k = cls.anna.pw_name, cls.karl.pw_name
        cls.out = cls.directory("programs")
        os.chmod(cls.out, 0o777)
        with open(os.path.join(cls.out, "ends"), "w") as f:
            f.write('#!/bin/sh\ncat >/dev/null\necho "5.7.1 said é $1"\nexit $1\n')
        os.chmod(os.path.join(cls.out, "ends"), 0o755)
        with open(os.path.join(cls.out, "members"), "w") as f:
            f.write(f"{a}\n{k} (Karl)\nu550@full.example\nok@seven.example\n")
        with open(os.path.join(cls.karl.pw_dir, ".forward"), "w") as f:
            f.write(f"\\{k}, {a}, ok@seven.example, u550@full.example\n")
        os.chown(os.path.join(cls.karl.pw_dir, ".forward"), cls.karl.pw_uid, cls.karl.pw_gid)
        cls.box = cls.instance(
            relay={n: f"{'lmtp:' if n == 'lmtp.example' else ''}[127.0.0.1]:{s.port}"
                   for n, s in ((f"{n}.example", s) for n, s in cls.sinks.items())},
            tables={"tables/virtual": "v1@example.org alice@example.org, ok@full.example\n"
                                      "v2@example.org u550@seven.example\n",
                    "tables/aliases": f"""root: {a}
one: {k}
two: {k}, {a}, ok@full.example
mixed: {k}, u550@full.example, nosuch, "|{cls.out}/ends 69"
list: :include:{cls.out}/members
owner-list: {a}
nested: list, two, one, mixed
good: |{cls.out}/ends 0
bad: |{cls.out}/ends 69
file: {cls.out}/box
directory: {cls.out}/mail/
nothing: /dev/null
self: self, {a}
"odd name": {a}
"""},
            queue__retry_first="100ms", queue__retry_max="200ms",
            conf=f"""table my-aliases {{ type = aliases ; path = aliases }}
                    alias.tables = my-aliases
                    alias.includes = {cls.out}
                    queue.delay_warning = 300ms
                    smtp.max_errors = 100000
                    bounce.postmaster_copy = yes
                    postmaster = bob@example.org
                    domain system.example {{ type = system }}""")
        cls.recipients = ["alice@example.org", "bob+x@example.org", "v1@example.org", "v2@example.org", "postmaster"]
        cls.recipients += [f"{n}@system.example" for n in (
            "root", "one", "two", "mixed", "list", "nested", "good", "bad", "file", "directory", "nothing", "self",
            '"odd name"', a, k, k + "+d")]
        cls.recipients += [f"{u}@{d}.example" for d in cls.sinks for u in ("ok", "u550", "flaky", "ü", '"a b"')]

    def one_message(self, t, number):
        """True if it was accepted."""
        choose = self.random.choice
        sender, binary = choose(SENDERS), self.random.random() < 0.2
        utf8 = not sender.isascii() or self.random.random() < 0.4
        options = " BODY=BINARYMIME" if binary else choose(["", " BODY=8BITMIME"])
        options += (" SMTPUTF8" if utf8 else "") + choose(["", "", " RET=FULL", " RET=HDRS"])
        options += choose(["", f" ENVID=e+2B{number}"])
        t.cmd(f"MAIL FROM:<{sender}>{options}", 250)
        accepted = 0
        for to in self.random.sample(self.recipients, choose([1, 1, 1, 2, 3, 8])):
            if to.isascii() or utf8:
                options = choose(["", " NOTIFY=" + choose(NOTIFY)]) + choose(["", " ORCPT=" + choose(ORCPT)])
                t.cmd(f"RCPT TO:<{to}>{options}", 250)
                accepted += 1
        if accepted == 0:
            t.cmd("RSET", 250)
            return False
        content = choose(HEADS) + b"\r\n" + choose(BODIES)
        if binary or choose([True, False]):
            part = self.random.randint(0, len(content))
            t.send(b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (part, content[:part], len(content) - part, content[part:]))
            self.assertEqual(t.reply()[0], 250)
        else:
            t.cmd("DATA", 354)
            end = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
            t.send(re.sub(rb"(?m)^\.", b"..", content) + end)
        code, text = t.reply()
        self.assertEqual(code, 250, text)
        return True

    def test_everything_comes_to_its_end(self):
        before = {name: self.box.pids(name) for name in ("smtpd", "qmgr", "remote", "bounce", "lookup")}
        with self.box.talk() as t:
            t.ehlo()
            n = sum(self.one_message(t, i) for i in range(MESSAGES))
        self.assertGreater(n, MESSAGES // 2)
        self.box.wait_queue(0, timeout=300 if LONG else 60)
        self.assertEqual({name: self.box.pids(name) for name in before}, before)
        self.assertNotRegex(self.box.log(), r"event=(channel-breach|died|worker-died|report-failed|set-aside)")
        self.reports_can_be_read()

    def reports_can_be_read(self):
        seen = 0
        for mailbox in ("alice@example.org", "bob@example.org", *(os.path.join(u.pw_dir, "Maildir")
                                                                   for u in (self.anna, self.karl))):
            for raw in filter(is_report, self.box.mail(mailbox)):
                seen += 1
                r = Report(raw)
                self.assertFalse(r.message.defects)
                self.assertTrue(r.recipients)
                self.assertLessEqual(max(map(len, raw.split(b"\n"))), 998)
                for f in r.recipients:
                    self.assertIn(f["action"], ("failed", "delayed", "delivered", "relayed", "expanded"), f)
                    self.assertRegex(f["status"], r"^[245]\.\d{1,3}\.\d{1,3}$", f)
        self.assertGreater(seen, 0)
