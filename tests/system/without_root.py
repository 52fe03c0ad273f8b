# SPDX-License-Identifier: ISC
"""An ordinary user runs the whole suite below a directory of its own."""
import os

from harness import IS_ROOT, Story, parse
from sink import Sink


class WithoutRoot(Story):
    @classmethod
    def arrange(cls):
        cls.user = cls.system_user("w") if IS_ROOT else None
        cls.sink = Sink(replies={"RCPT": lambda s, arg: "550 5.1.1 no" if "bad" in arg else None})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(user=cls.user and cls.user.pw_name,
                               relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})

    def test_mail_in_and_out_and_back(self):
        self.box.send("alice@example.org", subject="in")
        self.box.wait_subject("alice@example.org", "in")
        self.box.send("x@elsewhere.example", subject="out")
        self.assertIn(b"Subject: out", self.sink.wait()[0].data)
        self.box.send("bad@elsewhere.example", sender="alice@example.org", subject="back")
        f = self.box.wait_report("alice@example.org", "back").recipient("bad@elsewhere.example")
        self.assertEqual(f["status"], "5.1.1")
        self.box.wait_queue(0)

    def test_sendmail_and_tools(self):
        p = self.box.sendmail("-i", "bob@example.org", stdin=b"Subject: tools\n\nx\n")
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertTrue(parse(self.box.wait_subject("bob@example.org", "tools"))["from"])
        out = self.box.tool("status", "--processes", check=True).stdout
        self.assertIn("qmgr", out)
        self.box.reload()

    def test_every_process_is_the_users_and_still_confined(self):
        uid = self.user.pw_uid if self.user else os.getuid()
        self.box.send("alice@example.org", subject="wakes a worker")
        self.box.wait_subject("alice@example.org", "wakes a worker")
        names = ("smtpd", "qmgr", "remote", "local", "bounce", "lookup", "auth", "resolver", "keys",
                 "metrics", "history")
        for name in names:
            pids = self.box.pids(name)
            self.assertTrue(pids, name)
            for pid in pids:
                with open(f"/proc/{pid}/status") as f:
                    status = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
                self.assertEqual(set(status["Uid"].split()), {str(uid)}, name)
                self.assertEqual(status["NoNewPrivs"], "1", name)
                self.assertEqual(int(status["CapEff"], 16), 0, name)
                self.assertEqual(status["Seccomp"], "2", name)

    def test_status_says_that_confinement_is_reduced(self):
        for how in ("--all", "--processes"):
            self.assertRegex(self.box.tool("status", how, check=True).stdout, r"(?i)without root")
