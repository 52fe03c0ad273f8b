# SPDX-License-Identifier: ISC
"""A full mailbox is told to the sender at RCPT, before the content is sent."""
import os

from harness import Story, wait_for


class Quota(Story):
    full, code, subject_code = "defer", 452, "4.2.2"

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(
            domains=["example.org"], users=["bob@example.org"], quota__full=cls.full,
            tables={"tables/small": "few@q.example quota_messages=3\ntiny@q.example quota_bytes=20K\nfree@q.example\n"},
            conf="""table small { type = file ; path = small }
                    domain q.example { type = virtual ; mailboxes = small }""")

    def rcpt(self, to, size=None):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>" + (f" SIZE={size}" if size else ""), 250)
            return t.cmd(f"RCPT TO:<{to}>")

    def refused(self, reply):
        return reply[0] == self.code and reply[1][0].startswith(self.subject_code)

    def test_by_count(self):
        for i in range(3):
            self.box.send("few@q.example", subject=f"number {i}")
            self.box.wait_mail("few@q.example", i + 1)
        wait_for(lambda: self.refused(self.rcpt("few@q.example")), "the refusal")
        # A mailbox reader that removes a message says so in maildirsize.
        box = self.box.maildir("few@q.example")
        victim = os.path.join(box, "new", os.listdir(os.path.join(box, "new"))[0])
        with open(os.path.join(box, "maildirsize"), "a") as f:
            f.write(f"-{os.path.getsize(victim)} -1\n")
        os.unlink(victim)
        wait_for(lambda: self.rcpt("few@q.example")[0] == 250, "room after a message was removed")

    def test_by_bytes_with_the_declared_size(self):
        wait_for(lambda: self.refused(self.rcpt("tiny@q.example", size=30000)), "the refusal")
        self.assertEqual(self.rcpt("tiny@q.example", size=100)[0], 250)

    def test_by_bytes_already_used(self):
        self.box.send("tiny@q.example", body=("x" * 70 + "\r\n") * 250)
        self.box.wait_mail("tiny@q.example")
        wait_for(lambda: self.refused(self.rcpt("tiny@q.example", size=5000)), "the refusal")
        self.assertEqual(self.rcpt("tiny@q.example", size=500)[0], 250)

    def test_without_quota(self):
        self.box.send("free@q.example", body=("x" * 70 + "\r\n") * 300)
        self.assertEqual(self.rcpt("free@q.example", size=10000000)[0], 250)


class QuotaRefuses(Quota):
    full, code, subject_code = "refuse", 552, "5.2.2"
