# SPDX-License-Identifier: ISC
"""Files are damaged: found by their checksum, set aside with a line that names them, and all else served.

The queue's own parts have check_test.c, the mailbox index hostile_test.c; here
the whole suite meets them, and the tables.
"""
import os
import random
import re
import time

from crashes import SEED
from harness import Story, message, wait_for
from sink import Sink

ROUNDS = 40 if os.environ.get("CHASQUI_LONG") else 4


def flip(path, rng, first=0, last=None):
    """One bit of a file, at random."""
    size = os.path.getsize(path) if last is None else last
    at = rng.randrange(first, size)
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << rng.randrange(8)]))
    return at


class Queue(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"CONNECT": "421 4.3.2 later"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"later.example": f"127.0.0.1:{cls.sink.port}"}, queue__journal="1M",
                               queue__segments="2")

    def check(self, *args, status=0):
        p = self.box.tool("queue", "check", *args)
        self.assertEqual(p.returncode, status, p.stdout + p.stderr)
        return p.stdout

    def files(self, top):
        return sorted(os.path.join(d, n) for d, _, names in os.walk(self.box.path("queue", top)) for n in names)

    def test_a_segment_that_was_removed_is_missed(self):
        box = self.box
        box.send("x@later.example", subject="gone")
        box.stop()
        aside = box.path("journal.aside")
        os.rename(box.path("queue", "journal"), aside)
        self.assertIn("journal/0000: was there and is not", self.check(status=1))
        since = len(box.log())
        box.start()
        box.wait_log("event=segment-missing segment=0000", since=since)
        box.send("alice@example.org", subject="all else is served")
        box.wait_subject("alice@example.org", "all else is served")
        self.assertIn("journal/0000: was there and is not", self.check(status=1))
        box.stop()
        for name in os.listdir(aside):
            if not os.path.exists(box.path("queue", "journal", name)):
                os.rename(os.path.join(aside, name), box.path("queue", "journal", name))
        self.assertIn("all whole", self.check())
        box.start()
        box.wait_queue(1)
        self.assertEqual(box.tool("queue", "delete", "--all").returncode, 0)

    def test_a_message_whose_file_was_removed_is_missed(self):
        box = self.box
        for i in range(2):
            box.send("x@later.example", subject=f"stays {i}")
        wait_for(lambda: len(self.box.queue("--state", "deferred")) == 2, "the mail to be deferred")
        box.tool("queue", "hold", "--all", check=True)
        wait_for(lambda: len(self.files("deferred")) == 2, "files of messages")
        box.stop()
        for name in os.listdir(box.path("queue", "journal")):
            os.unlink(box.path("queue", "journal", name))   # it has them, too
        os.unlink(box.path("queue", "segments"))
        gone = self.files("deferred")[0]
        os.rename(gone, box.path("aside"))
        name = os.path.relpath(gone, box.path("queue"))
        self.assertIn(name + ": was there when the suite was stopped and is not", self.check(status=1))
        since = len(box.log())
        box.start()
        box.wait_log("event=message-missing file=" + name, since=since)
        box.wait_log("event=messages-missing number=1 of=2", since=since)
        box.wait_queue(1)
        box.stop()
        self.assertIn("all whole", self.check())
        os.rename(box.path("aside"), gone)
        box.start()
        box.wait_queue(2)
        self.assertEqual(box.tool("queue", "delete", "--all").returncode, 0)

    def test_a_list_that_cannot_be_written_is_told(self):
        box = self.box
        box.send("x@later.example", subject="stays")
        wait_for(lambda: not os.path.exists(box.path("queue", "messages")), "the last list to be removed")
        os.mkdir(box.path("queue", "messages"))
        since = len(box.log())
        box.stop()
        self.assertIn("event=muster-not-written", box.log()[since:])
        os.rmdir(box.path("queue", "messages"))
        box.start()
        box.wait_queue(1)
        self.assertEqual(box.tool("queue", "delete", "--all").returncode, 0)

    def test_each_message_for_itself(self):
        with self.box.smtp() as s:
            for i in range(300):
                s.sendmail("s@client.example", ["x@later.example"], message(subject=f"wait {i}", body=("y" * 70 + "\r\n") * 280))
        self.box.wait_queue(300)
        wait_for(lambda: len(self.files("deferred")) > 20, "files of messages")
        self.assertIn("all whole", self.check())
        self.box.stop()
        self.assertIn("all whole", self.check())

        rng = random.Random(SEED)
        print(f"# SEED={SEED}", flush=True)
        # Of some of these the journal has the message still, so that they are of no account.
        for path in rng.sample(self.files("deferred"), 30):
            flip(path, rng, last=10000)
        found = self.check(status=1)
        told = re.findall(r"(?m)^deferred/../(\S+): ", found)
        self.assertLessEqual(len(told), 30)
        self.assertEqual(found, self.check(status=1), "looking changed something")
        self.assertEqual(self.check("--json", status=1).count('"file":"deferred/'), len(told))
        mended = self.check("--repair")
        self.assertEqual(mended.count("; done: "), len(told), mended)
        self.assertIn("all whole", self.check())
        for name in told:
            self.assertIn(name, os.listdir(self.box.path("queue", "corrupt")))

        self.box.start()
        self.box.wait_queue(300 - len(told))
        p = self.box.tool("queue", "check", "--repair")
        self.assertEqual(p.returncode, 75, p.stderr)
        self.assertIn("chasqui stop", p.stderr)
        self.sink.replies.clear()
        self.box.tool("queue", "retry", "--all", check=True)
        self.sink.wait(300 - len(told), timeout=60)
        self.box.wait_queue(0)
        print(f"# {len(told)} of 300 messages set aside, {len(self.sink.messages)} delivered", flush=True)


class Large(Story):
    """Large content, which its checksum in the message's record guards."""

    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"CONNECT": "421 4.3.2 later"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"later.example": f"127.0.0.1:{cls.sink.port}"})

    def send(self, to, subject):
        """Its large file; nothing is delivered yet."""
        old = set(self.large())
        self.box.send(to, subject=subject, body=("y" * 70 + "\r\n") * 20000, sender="alice@example.org")
        return (set(self.large()) - old).pop()

    def large(self):
        top = self.box.path("queue", "large")
        return [os.path.join(d, n) for d, _, names in os.walk(top) for n in names]

    def test_damage_is_delivered_to_nobody(self):
        box, rng = self.box, random.Random(SEED)
        print(f"# SEED={SEED}", flush=True)
        box.tool("pause", "local", check=True)
        paths = {to: self.send(to, "damaged") for to in ("x@later.example", "bob@example.org", "young@later.example")}
        self.send("x@later.example", "whole")
        self.send("bob@example.org", "whole")
        box.wait_queue(5)
        for path in paths.values():
            flip(path, rng)
        names = [os.path.relpath(p, box.path("queue")) for p in paths.values()]
        self.sink.replies.clear()
        box.tool("resume", "local", check=True)
        box.tool("queue", "retry", "--all", check=True)
        wait_for(lambda: len(box.queue("--state", "held")) == 3, "what is damaged to be held")
        held = box.wait_queue(3)
        for name in names:
            box.wait_log("event=content-unreadable file=" + name)
        box.wait_subject("bob@example.org", "whole")
        self.assertEqual(len(box.mail("bob@example.org")), 1)
        self.assertEqual([m.data.count(b"whole") > 0 for m in self.sink.messages], [True])

        # Who gives it up tells its sender, without what is damaged.
        box.tool("queue", "bounce", held[0]["id"], check=True)
        box.wait_queue(2)
        report = wait_for(lambda: box.mail("alice@example.org"), "the report")[0]
        self.assertNotIn(b"yyyyyyyy", report)

        box.stop()
        found = box.tool("queue", "check").stdout
        self.assertEqual(found.count("has another checksum than its message says"), 2, found)
        box.start()
        self.assertEqual(box.tool("queue", "delete", "--all").returncode, 0)
        box.wait_queue(0)


class Tables(Story):
    """A damaged Berkeley DB file ends no lookup but those in it, and does not end the process."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(
            start=False, tables={"tables/many": "".join(f"name{i}@example.org alice@example.org\n" for i in range(3000))},
            conf="table many { type = btree ; path = many }\nalias.virtual = many")
        cls.box.tool("table", "make", "many", check=True)
        cls.db = cls.box.path("tables", "many.db")
        with open(cls.db, "rb") as f:
            cls.good = f.read()
        cls.box.start()

    def replace(self, data):
        with open(self.db + ".new", "wb") as f:
            f.write(data)
        os.rename(self.db + ".new", self.db)

    def answers(self, name):
        """The code for a recipient."""
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            return t.cmd(f"RCPT TO:<{name}@example.org>")[0]

    def test_at_random(self):
        rng = random.Random(SEED)
        print(f"# SEED={SEED}", flush=True)
        self.assertEqual(self.answers("name1"), 250)
        seen = {}
        for i in range(ROUNDS * 3):
            data = bytearray(self.good)
            if i % 3 == 0:
                data = data[:rng.randrange(len(data))]
            for _ in range(rng.choice((1, 30, 1000)) if data else 0):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            self.replace(bytes(data))
            since = time.monotonic()
            wait_for(lambda: time.monotonic() - since > 0.1, "it to be looked at (table.check)")
            for name in ("name1", f"name{rng.randrange(3000)}", "alice", "nobody"):
                code = self.answers(name)
                seen[code] = seen.get(code, 0) + 1
                # A damaged page is no answer, least of all a final one.
                if name != "nobody":
                    self.assertIn(code // 100, (2, 4), f"seed {SEED}: {name}")
        print(f"# replies: {seen}", flush=True)
        self.replace(self.good)
        wait_for(lambda: self.answers("name1") == 250, "the good table to be read")
        self.assertNotIn("event=died role=lookup", self.box.log())
