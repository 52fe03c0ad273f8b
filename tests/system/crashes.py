# SPDX-License-Identifier: ISC
"""Processes are killed under load; nothing that was acknowledged is lost.

Q1 to Q3 of doc/architecture.md.  A client notes every message that was
answered 250; in the end each of them is in its Maildir or still queued, and no
Maildir has one of them twice.
"""
import collections
import contextlib
import os
import random
import re
import signal
import smtplib
import threading

from harness import PATIENCE, Story, message, wait_for, zombie
from sink import Sink

SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
USERS = [f"u{i}@example.org" for i in range(10)]
ROUNDS = 40 if os.environ.get("CHASQUI_LONG") else 5


class Load:
    """Clients that send to random users, each message once, until stopped."""
    number = 0                      # of all loads of the process
    lock = threading.Lock()

    def __init__(self, box, clients=4, recipients=lambda rng: [rng.choice(USERS)], size=2000):
        self.box, self.recipients, self.size = box, recipients, size
        self.acknowledged = {}          # number: recipients
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(random.Random(SEED + i),)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def client(self, rng):
        s = None
        while not self.stopping.is_set():
            with self.lock:
                Load.number += 1
                n = Load.number
            to = self.recipients(rng)
            body = f"number {n}\r\n" + "x" * 70 + "\r\n" * rng.randrange(1, self.size // 70 + 2)
            try:
                if s is None:
                    s = smtplib.SMTP("127.0.0.1", self.box.port, local_hostname="client.example", timeout=10)
                refused = s.sendmail("sender@client.example", to,
                                     message(to[0], subject=f"load {n}", body=body))
                with self.lock:
                    self.acknowledged[n] = [r for r in to if r not in refused]
            except smtplib.SMTPResponseException as e:
                if e.smtp_code // 100 == 5:
                    raise
                s = None
            except (smtplib.SMTPException, OSError):
                s = None
        if s is not None:
            s.close()

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def more(self, n):
        """Until n more messages were acknowledged."""
        goal = self.count() + n
        wait_for(lambda: self.count() >= goal,
                 lambda: f"{n} more messages to be acknowledged; log:\n" + self.box.log()[-3000:])

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(PATIENCE)


def numbers(mail):
    return [int(re.search(rb"(?m)^Subject: load (\d+)", m).group(1)) for m in mail if b"Subject: load " in m]


class Lossless(Story):
    """An instance, a next host, and what must hold after anything happened to them."""

    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(users=USERS, relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})

    def setUp(self):
        random.seed(SEED)
        print(f"# SEED={SEED}", flush=True)

    def settle(self, load):
        """Everything acknowledged is there, and nothing twice in a Maildir."""
        load.stop()
        # What two processes had when they ended is set aside, not lost.
        self.box.tool("queue", "release", "--state", "held", check=True)
        self.box.wait_queue(0, timeout=90)
        expected = collections.Counter()
        for n, to in load.acknowledged.items():
            for r in to:
                expected[n, r] += 1
        got = collections.Counter()
        for u in USERS:
            for n in numbers(self.box.mail(u)):
                got[n, u] += 1
        for m in self.sink.messages:
            for n in numbers([m.data]):
                for r in m.recipients:
                    got[n, r] += 1
        missing = expected.keys() - got.keys()
        self.assertFalse(missing, f"seed {SEED}: {len(missing)} of {len(expected)} lost: {sorted(missing)[:10]}")
        twice = [k for k, c in got.items() if c > 1 and k[1] in USERS]
        self.assertFalse(twice, f"seed {SEED}: more than one copy of {twice[:10]}: {self.files_of(twice[:10])}")
        return got


    def files_of(self, copies):
        """The files that (number, user) has."""
        found = []
        for n, user in copies:
            for root, _, names in os.walk(self.box.maildir(user)):
                for name in names:
                    with open(os.path.join(root, name), "rb") as f:
                        if n in numbers([f.read()]):
                            found.append(os.path.join(os.path.basename(root), name))
        return found


class Killed(Lossless):
    def kill(self, name, load):
        """SIGKILL for all processes of a name; back and working in time."""
        # After the last kill it may be backing off for a moment.
        pids = wait_for(lambda: self.box.pids(name), f"a process {name}")
        since = len(self.box.log())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):   # a worker ends with its dispatcher
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len([p for p in self.box.pids(name) if p not in pids and not zombie(p)]) >= 1,
                 f"a new {name}")
        load.more(30)
        return since

    def check_process(self, name, **kw):
        load = Load(self.box, **kw)
        try:
            load.more(50)
            for _ in range(ROUNDS):
                load.more(random.randrange(200))
                self.kill(name, load)
        finally:
            load.stop()
        self.settle(load)

    def test_smtpd(self):
        self.check_process("smtpd")

    def test_qmgr(self):
        self.check_process("qmgr")

    def test_local_and_its_workers(self):
        self.check_process("local")

    def test_lookup(self):
        self.check_process("lookup")

    def test_remote(self):
        self.check_process("remote", recipients=lambda rng: [f"r{rng.randrange(9)}@elsewhere.example", rng.choice(USERS)])

    def test_resolver(self):
        self.check_process("resolver", recipients=lambda rng: [f"r{rng.randrange(9)}@elsewhere.example"])

    def test_bounce(self):
        self.sink.replies["RCPT"] = lambda s, arg: "550 5.1.1 no" if "bad" in arg else None
        load = Load(self.box, recipients=lambda rng: [rng.choice(USERS)])
        try:
            load.more(20)
            for i in range(20):
                self.box.send("bad@elsewhere.example", sender=USERS[0], subject=f"to bounce {i}")
                if i in (3, 12):
                    self.kill("bounce", load)
        finally:
            load.stop()
        self.settle(load)

        def reported():
            return {s for m in self.box.mail(USERS[0]) for s in re.findall(rb"Subject: (to bounce \d+)", m)}
        wait_for(lambda: len(reported()) == 20, lambda: f"20 bounces, not {len(reported())}")

    def test_large_messages_while_qmgr_dies(self):
        self.check_process("qmgr", size=400000, clients=2)

    def test_the_whole_suite(self):
        load = Load(self.box, recipients=lambda rng: [rng.choice(USERS), f"r{rng.randrange(9)}@elsewhere.example"])
        try:
            for _ in range(ROUNDS):
                load.more(random.randrange(20, 300))
                self.box.kill()
                self.box.start()
        finally:
            load.stop()
        self.settle(load)

    def test_master_alone(self):
        load = Load(self.box)
        try:
            load.more(50)
            all_of_it = self.box.pids("smtpd") + self.box.pids("qmgr") + self.box.pids("local")
            os.kill(self.box.master(), signal.SIGKILL)
            # Its children must not go on without it.
            wait_for(lambda: all(zombie(p) for p in all_of_it), "the children to end")
            self.box.kill()
            self.box.start()
            load.more(20)
        finally:
            load.stop()
        self.settle(load)

    def test_stop_under_load_is_orderly(self):
        load = Load(self.box)
        try:
            load.more(50)
            self.box.stop()
            self.box.start()
            load.more(50)
        finally:
            load.stop()
        self.settle(load)


class Deferred(Story):
    """What waits in the queue is there after a crash, with its schedule."""

    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"CONNECT": "421 4.3.2 closed"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(users=USERS, relay={"later.example": f"127.0.0.1:{cls.sink.port}"},
                               queue__journal="1M", queue__segments="2")

    def test_a_backlog_larger_than_the_journal_survives(self):
        with self.box.smtp() as s:
            for i in range(300):
                s.sendmail("s@client.example", ["x@later.example"],
                           message(subject=f"load {i}", body=("y" * 70 + "\r\n") * 280))
        ids = {e["id"] for e in self.box.wait_queue(300)}
        self.box.kill()
        self.box.start()
        self.assertEqual({e["id"] for e in self.box.wait_queue(300)}, ids)
        self.sink.replies.clear()
        self.box.tool("queue", "retry", "--recipient", "@later.example", check=True)
        self.sink.wait(300, timeout=90)
        self.assertEqual(sorted(numbers(m.data for m in self.sink.messages)), list(range(300)))
        self.box.wait_queue(0)

    def test_a_torn_journal_tail_loses_nothing_acknowledged(self):
        self.sink.replies["RCPT"] = "450 4.2.0 later"
        self.box.send("z@later.example", subject="load 7777")
        self.box.wait_queue(1)
        self.box.kill()
        journal = self.box.path("queue")
        torn = 0
        for root, _, names in os.walk(journal):
            for name in names:
                if "journal" in root or "segment" in name or "journal" in name:
                    path = os.path.join(root, name)
                    with open(path, "r+b") as f:
                        data = f.read()
                        end = len(data.rstrip(b"\0"))
                        if end:
                            f.seek(end)
                            f.write(b"\xa5" * min(100, len(data) - end))
                            torn += 1
        self.assertTrue(torn, "no journal was found")
        self.box.start()
        self.assertIn("z@later.example", str(self.box.wait_queue(1)))
        self.sink.replies.clear()
        self.box.wait_queue(0)
