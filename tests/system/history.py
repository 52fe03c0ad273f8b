# SPDX-License-Identifier: ISC
"""Where is my mail?  The event history, chasqui trace, and the log in Postfix's form."""
import grp
import json
import os
import re
import signal
import subprocess
import unittest

from harness import Story, needs_root, run, wait_for
from sink import Sink

QUEUE_ID = r"[0-9a-z]{13}"


class Traced:
    """What tests of the history have in common."""

    def trace(self, box, *args, status=0):
        p = box.tool("trace", *args)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.stdout

    def wait_trace(self, box, words, *args):
        """Until the trace says all of the words: the history is written a moment later."""
        def there():
            out = box.tool("trace", *args).stdout
            return out if all(re.search(w, out) for w in words) else None
        return wait_for(there, lambda: f"{words} in\n{box.tool('trace', *args).stdout}\n{box.log()[-3000:]}")

    def says(self, out, pattern):
        """Wherever the lines are broken."""
        self.assertRegex(" ".join(out.split()), pattern)

    def messages(self, box, *args):
        return json.loads(self.trace(box, "--json", *args))["messages"]

    def queued_id(self, box, sender):
        """The id of the newest message of a sender, from the log."""
        return wait_for(lambda: re.findall(rf"id=({QUEUE_ID}) event=queued from={re.escape(sender)} ", box.log()),
                        f"a message of {sender}")[-1]


class Trace(Traced, Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": cls.rcpt})
        cls.at_end(cls.sink.stop)
        cls.next = cls.instance(hostname="mx.next.example", domains=("next.example",), users=("carol@next.example",))
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}",
                                      "next.example": f"127.0.0.1:{cls.next.port}"},
                               tables={"tables/virtual": "sales@example.org\talice@example.org, bob@example.org\n"})
        cls.later = 2

    @classmethod
    def rcpt(cls, session, arg):
        if "unknown" in arg:
            return "550 5.1.1 no such person"
        if "later" in arg and cls.later > 0:
            cls.later -= 1
            return "450 4.2.1 come back"
        return None

    def test_every_stage_of_a_delivered_message(self):
        self.box.send("alice@example.org", sender="one@client.example", subject="one")
        # Each process tells the history by itself: any of them may be the last.
        out = self.wait_trace(self.box, ["removed from the queue", "taken from"],
                              self.queued_id(self.box, "one@client.example"))
        self.assertRegex(out, r"(?m)^ +0 ms +\d+ ms  taken from 127\.0\.0\.1, which calls itself")
        self.assertRegex(out, r"(?m)^ +\d+ ms +\d+ ms  on stable storage")
        self.says(out, r"alice@example\.org delivered 2\.\d\.0 into the mailbox")
        self.assertLessEqual(max(map(len, out.splitlines())), 79)

    def test_a_deferral_in_the_remotes_words(self):
        self.box.send("later@elsewhere.example", sender="two@client.example", subject="two")
        out = self.wait_trace(self.box, ["relayed", "removed"], "sender=two@client.example")
        self.says(out, r"450 4\.2\.1 come back")
        self.says(out, r"deferred 4\.2\.1 by \S*127\.0\.0\.1")
        self.says(out, r"deferred.*relayed")
        self.says(out, r"attempt 3")

    def test_a_bounce_is_followed_to_its_report_and_back(self):
        self.box.send("unknown@elsewhere.example", sender="alice@example.org", subject="three")
        self.box.wait_report("alice@example.org", "three")
        mail = self.queued_id(self.box, "alice@example.org")
        out = self.wait_trace(self.box, ["failed", "delivered", "report on"], mail)
        self.says(out, r"550 5\.1\.1 no such person")
        report = re.search(rf"(?m)^({QUEUE_ID})  from <>.*\n +report on {mail}$", out)
        self.assertTrue(report, out)
        back = self.wait_trace(self.box, ["failed", "delivered"], report[1])
        self.assertRegex(back, rf"(?m)^{report[1]}  from <>")
        self.assertRegex(back, rf"(?m)^{mail}  from alice@example\.org")

    def test_an_alias_and_its_members(self):
        self.box.send("sales@example.org", sender="four@client.example", subject="four")
        out = self.wait_trace(self.box, ["alice", "bob", "removed"], "recipient=sales@example.org")
        self.says(out, r"sales@example\.org became 2 other recipients")
        self.says(out, r"bob@example\.org delivered 2\.0\.0 into the mailbox \(was sales@example\.org\)")

    def test_a_message_through_two_instances_by_its_message_id(self):
        self.box.send("carol@next.example", sender="five@client.example", raw=(
            "Message-ID: <five@client.example>\r\nSubject: five\r\n\r\nx\r\n"))
        self.next.wait_subject("carol@next.example", "five")
        here = self.wait_trace(self.box, ["relayed", "removed"], "<five@client.example>")
        there = self.wait_trace(self.next, ["delivered", "removed"], "five@client.example")
        self.assertIn(re.match(QUEUE_ID, there)[0], here)      # the next host's words have its id

    def test_a_message_that_is_handed_in_again_is_linked(self):
        raw = "Message-ID: <six@client.example>\r\nSubject: six\r\n\r\nx\r\n"
        self.box.send("alice@example.org", sender="six@client.example", raw=raw)
        p = self.box.sendmail("-f", "alice@example.org", "bob@example.org", stdin=raw.replace("\r\n", "\n").encode())
        self.assertEqual(p.returncode, 0, p.stderr)
        first = self.queued_id(self.box, "six@client.example")
        self.wait_trace(self.box, [rf"same Message-ID as {first}"], first)
        found = {m["id"]: m for m in self.messages(self.box, first)}
        self.assertEqual(len(found), 2)
        words = [e["event"] for m in found.values() for e in m["events"]]
        wait_for(lambda: [e["event"] for m in self.messages(self.box, first)
                          for e in m["events"]].count("delivered") == 2, lambda: f"two deliveries in {words}")

    def test_several_are_listed_and_a_refusal_is_one(self):
        self.box.send("alice@example.org", sender="seven@client.example", subject="seven")
        with self.assertRaises(Exception):
            self.box.send("nobody@example.org", sender="seven@client.example")
        out = self.wait_trace(self.box, ["1 delivered", "not taken"], "sender=SEVEN@client.example")
        self.assertEqual(len(re.findall(rf"(?m)^\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  {QUEUE_ID}  ", out)), 2)
        self.assertIn("seven@client.example -> nobody@example.org", out)

    def test_times_and_what_is_not_known(self):
        self.box.send("alice@example.org", sender="eight@client.example", subject="eight")
        self.wait_trace(self.box, ["removed"], "--since", "1h", "sender=eight@client.example")
        self.trace(self.box, "--until", "1h", "sender=eight@client.example", status=66)
        self.trace(self.box, "--since", "yesterdayish", "sender=eight@client.example", status=64)
        self.trace(self.box, "0000000000000", status=66)
        self.trace(self.box, status=64)

    @needs_root
    def test_root_and_the_historys_group_may_read_and_nobody_else(self):
        directory = self.box.path("history")
        s = os.stat(directory)
        self.assertEqual((s.st_mode & 0o7777, grp.getgrgid(s.st_gid).gr_name), (0o750, "_chasqui_history"))
        self.assertEqual({os.stat(os.path.join(directory, n)).st_mode & 0o7777 for n in os.listdir(directory)}, {0o640})
        self.box.send("alice@example.org", sender="nine@client.example", subject="nine")
        self.wait_trace(self.box, ["removed"], "sender=nine@client.example")
        trace = [self.box.program, "-C", self.box.dir, "trace", "sender=nine@client.example"]
        as_nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup"]
        p = run([*as_nobody, "--clear-groups", *trace])
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("group", p.stderr)
        p = run([*as_nobody, "--groups", "_chasqui_history", *trace])
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn("delivered", p.stdout)


class Hurt(Traced, Story):
    """What becomes of mail when the history does not do its work: nothing."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(process__hung="0s", smtp__max_errors="100000")

    def mail_flows(self, subject):
        self.box.send("alice@example.org", sender="x@client.example", subject=subject)
        self.box.wait_subject("alice@example.org", subject)

    def history(self):
        return wait_for(lambda: self.box.pids("history"), "a history process")[0]

    def test_killed(self):
        old = self.history()
        os.kill(old, signal.SIGKILL)
        self.mail_flows("killed")
        wait_for(lambda: self.history() != old, "another history")
        self.box.wait_log(r"event=ready role=history index=0 child=%d" % self.history())
        self.box.send("alice@example.org", sender="after@client.example", subject="after")
        self.wait_trace(self.box, ["removed"], "sender=after@client.example")

    def test_stopped_until_its_sockets_are_full_and_what_was_lost_is_said(self):
        pid = self.history()
        os.kill(pid, signal.SIGSTOP)
        try:
            with self.box.smtp() as s:
                s.ehlo()
                s.mail("x@client.example")
                for i in range(3000):
                    s.rcpt(f"nobody{i}@example.org")
            self.mail_flows("stopped")
        finally:
            os.kill(pid, signal.SIGCONT)
        self.mail_flows("awake")
        self.box.wait_log(r"event=history-lost role=smtpd index=0 events=\d+")
        self.box.send("alice@example.org", sender="awake@client.example", subject="awake, too")
        self.wait_trace(self.box, ["removed"], "sender=awake@client.example")


class Bounded(Traced, Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(history__size="256K", smtp__max_errors="100000")

    def size(self):
        top = self.box.path("history")
        return sum(os.stat(os.path.join(top, n)).st_size for n in os.listdir(top))

    def test_it_stays_within_its_size_and_the_newest_stays(self):
        with self.box.smtp() as s:
            s.ehlo()
            s.mail("many@client.example")
            for i in range(3000):
                s.rcpt(f"nobody{i}@example.org")
                if i % 100 == 99:       # more than its socket holds may be lost
                    self.wait_trace(self.box, ["refused"], f"recipient=nobody{i}@example.org")
        self.box.send("alice@example.org", sender="last@client.example", subject="last")
        self.wait_trace(self.box, ["removed"], "sender=last@client.example")
        self.assertGreater(len(os.listdir(self.box.path("history"))), 4)
        # The room it may take, and an index that has just been written.
        self.assertLess(self.size(), 256 * 1024 * 5 // 4)
        self.trace(self.box, "recipient=nobody1@example.org", status=66)
        self.wait_trace(self.box, ["refused"], "recipient=nobody2999@example.org")


class Off(Story):
    def test_without_history_mail_flows_and_trace_says_so(self):
        box = self.instance(history__size="0")
        box.send("alice@example.org", sender="off@client.example", subject="off")
        box.wait_subject("alice@example.org", "off")
        self.assertNotEqual(box.tool("trace", "sender=off@client.example").returncode, 0)


class PostfixLog(Story):
    """pflogsumm, which knows only Postfix, counts right."""

    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": lambda session, arg: "550 5.1.1 no such person" if "unknown" in arg else None})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}", "dead.example": "127.0.0.1:1"},
                               log__postfix="log/postfix.log", auth__fail_delay="10ms", auth__fail_delay_max="10ms")

    def lines(self, pattern):
        with open(self.box.path("log", "postfix.log")) as f:
            return re.findall(pattern, f.read())

    def test_known_mail_is_counted_right(self):
        for i in range(5):
            self.box.send("alice@example.org", sender=f"s{i}@client.example", subject=f"local {i}")
        for i in range(3):
            self.box.send(f"x{i}@elsewhere.example", sender="s@client.example", subject=f"out {i}")
        self.box.send("unknown@elsewhere.example", sender="bob@example.org", subject="bounces")
        self.box.send("x@dead.example", sender="s@client.example", subject="waits")
        self.box.wait_report("bob@example.org")
        for i in range(4):
            with self.assertRaises(Exception):
                self.box.send("nobody@example.org", sender="s@client.example")
        with self.box.smtp() as s:
            s.ehlo()
        wait_for(lambda: len(self.lines(": removed")) == 10 and len(self.lines(": reject: ")) == 4 and
                 self.lines("status=deferred"), lambda: "all of it in\n" + "".join(self.lines("(?s).*")))
        p = subprocess.run(["pflogsumm", self.box.path("log", "postfix.log")], capture_output=True, text=True)
        self.assertEqual(p.returncode, 0, p.stderr)
        totals = {name: int(n) for n, name in re.findall(r"(?m)^ +(\d+) {3}([a-z]+)\b", p.stdout)}
        want = {"received": 10, "delivered": 9, "deferred": 1, "bounced": 1, "rejected": 4}
        self.assertEqual({k: totals.get(k) for k in want}, want, p.stdout)
        by_sender = dict(reversed(row) for row in re.findall(r"(?m)^ +(\d+) {3}(\S+@\S+)$", p.stdout.split(" by message count")[1]))
        self.assertEqual((by_sender["s@client.example"], by_sender["bob@example.org"]), ("4", "1"), p.stdout)
        # What analysers look for, field by field.
        self.assertTrue(self.lines(rf"postfix/smtpd\[\d+\]: {QUEUE_ID}: client=\S+\[127\.0\.0\.1\]"))
        self.assertTrue(self.lines(rf"postfix/cleanup\[\d+\]: {QUEUE_ID}: message-id=<\S*>"))
        self.assertTrue(self.lines(rf"postfix/qmgr\[\d+\]: {QUEUE_ID}: from=<s0@client.example>, size=\d+, nrcpt=1 \(queue active\)"))
        self.assertTrue(self.lines(rf"postfix/local\[\d+\]: {QUEUE_ID}: to=<alice@example.org>, relay=local, delay=[\d.]+, "
                                   r"delays=[\d./]+, dsn=2\.0\.0, status=sent \("))
        self.assertTrue(self.lines(rf"postfix/smtp\[\d+\]: {QUEUE_ID}: to=<x0@elsewhere.example>, relay=\S*\[127\.0\.0\.1\]\S*, .*status=sent \(250"))
        self.assertTrue(self.lines(r"status=bounced \(host \S+ said: 550 5\.1\.1 no such person\)"))
        self.assertTrue(self.lines(r"postfix/smtpd\[\d+\]: NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.1\]: 550 5\.1\.1 <nobody@example.org>: "))


if __name__ == "__main__":
    unittest.main()
