# SPDX-License-Identifier: ISC
"""Any process is killed at any instant, master included, under load of every kind.

Mail comes in, small and large, for mailboxes and for a next host; IMAP and POP3
clients read meanwhile.  In the end every message that was acknowledged is
delivered, none is twice in a Maildir, and what came twice to the next host was
in flight when something was killed: the status of its first copy was not durable
yet (Q3 of doc/architecture.md), which the log tells.  500 kills with --long, 40
without.
"""
import collections
import contextlib
import datetime
import imaplib
import os
import poplib
import random
import re
import signal
import threading
import time

from crashes import SEED, USERS, Load, Lossless, numbers
from harness import PATIENCE, descendants
from imap_kills import role_of

KILLS = 500 if os.environ.get("CHASQUI_LONG") else 40
CLIENTS = 4
# Of whom the next host's replies and what is made of them are lost with.
CARRIERS = {"remote", "qmgr", "master"}


class Readers:
    """Clients that read all the time; what a UID is never changes."""

    def __init__(self, box):
        self.box = box
        self.stopping = threading.Event()
        self.sessions, self.failed, self.wrong = 0, 0, []
        self.known = {u: {} for u in USERS}         # user: {UID: subject}
        self.threads = [threading.Thread(target=self.again, args=(kind, random.Random(SEED + i)))
                        for i, kind in enumerate((self.read_imap, self.read_imap, self.read_pop3))]
        for t in self.threads:
            t.start()

    def again(self, kind, rng):
        while not self.stopping.is_set():
            try:
                kind(rng.choice(USERS))
                self.sessions += 1
            except (imaplib.IMAP4.error, poplib.error_proto, OSError, EOFError):
                self.failed += 1        # refused for a moment, or cut off
                self.stopping.wait(0.05)

    def read_imap(self, user):
        i = imaplib.IMAP4("127.0.0.1", self.box.base + 143, timeout=10)
        try:
            i.login(user, "secret")
            i.select("INBOX", readonly=True)
            _, data = i.uid("fetch", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            for item in data:
                if isinstance(item, tuple):
                    uid = int(re.search(rb"UID (\d+)", item[0]).group(1))
                    if self.known[user].setdefault(uid, item[1]) != item[1]:
                        self.wrong.append((user, uid, self.known[user][uid], item[1]))
            i.logout()
        finally:
            with contextlib.suppress(OSError):
                i.shutdown()

    def read_pop3(self, user):
        p = poplib.POP3("127.0.0.1", self.box.base + 110, timeout=10)
        try:
            p.user(user)
            p.pass_("secret")
            for n in range(1, min(p.stat()[0], 3) + 1):
                if not any(l.startswith(b"Subject: load ") for l in p.retr(n)[1]):
                    self.wrong.append((user, n))
            p.quit()
        finally:
            with contextlib.suppress(OSError):
                p.close()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(PATIENCE)


def recipients(rng):
    local = rng.sample(USERS, rng.choice((1, 1, 1, 3)))
    return local + [f"r{rng.randrange(9)}@elsewhere.example"] * rng.randrange(2)


class Copy:
    """A message for one recipient, as the next host took it."""

    def __init__(self, m, recipient):
        self.began, self.at = m.began, m.at
        self.key = re.search(rb"\bid (\w+)", m.data).group(1).decode(), recipient

    def lost_with(self, kills, certain):
        """The kills that may have taken along what was to become of the reply."""
        found = []
        for k in kills:
            if k.role in CARRIERS and self.began <= k.over and certain.get(self.key, k.log_bytes + 1) > k.log_bytes:
                found.append(k)
            if k.role in ("qmgr", "master") and k.began > self.at:
                break                   # what was not durable is forgotten for good
        return found


Kill = collections.namedtuple("Kill", "role, began, over, log_bytes")


def with_jobs_of_the_dead(kills, log):
    """A killed qmgr's job is nobody's, but remote may carry it out until it has heard of that.

    So such a kill is over when the next qmgr is ready; that is in the log, by the clock on the wall.
    """
    wall = time.time() - time.monotonic()
    found = []
    for k in kills:
        m = re.compile(rb"(?m)^(\S+)Z master\[\d+\] info: event=ready role=qmgr ").search(log, k.log_bytes)
        if k.role in ("qmgr", "master") and m:
            at = datetime.datetime.fromisoformat(m[1].decode() + "+00:00").timestamp() - wall
            k = k._replace(over=max(k.over, at))
        found.append(k)
    return found


def durable_from(log):
    """(queue id, recipient): how long the log was when it was certain that this recipient's status was durable.

    A record that follows another in the journal is durable with it at the
    latest.  A commit has at most one message of each connection, of those that
    are there and of those that have just been cut off.  So where qmgr says that
    more were queued than that after it spoke of a delivery, a commit has begun
    and ended since.
    """
    certain, waiting, queued, qmgr = {}, collections.deque(), 0, None
    offset = 0
    for line in log.splitlines(keepends=True):
        offset += len(line)
        m = re.search(rb" qmgr\[(\d+)\] info: id=(\w+) event=(queued|relayed rcpt=\"?([^ \"]+))", line)
        if m is None:
            continue
        if m[1] != qmgr:                # another process: what the last one had not written is gone
            qmgr, queued = m[1], 0
            waiting.clear()
        if m[3] != b"queued":
            waiting.append((queued, (m[2].decode(), m[4].decode())))
            continue
        queued += 1
        while waiting and queued - waiting[0][0] > 2 * CLIENTS:
            certain.setdefault(waiting.popleft()[1], offset)
    return certain


class AnyProcess(Lossless):
    def kill_one(self):
        by_role = collections.defaultdict(list)
        for pid in descendants(self.box.process.pid):
            by_role[role_of(pid)].append(pid)
        by_role.pop("", None)
        by_role["master"] = [self.box.master()]
        role = random.choice(sorted(by_role))
        log_bytes, began = os.path.getsize(self.box.logfile), time.monotonic()
        with contextlib.suppress(ProcessLookupError):       # a session that ended
            os.kill(random.choice(by_role[role]), signal.SIGKILL)
        if role == "master":
            self.box.kill()
        over = time.monotonic()
        if role == "master":
            self.box.start()
        return Kill(role, began, over, log_bytes)

    def test_all_of_them(self):
        small = Load(self.box, clients=CLIENTS - 1, recipients=recipients)
        large = Load(self.box, clients=1, recipients=recipients, size=400000)
        readers = Readers(self.box)
        kills = []
        try:
            small.more(50)
            while len(kills) < KILLS:
                kills.append(self.kill_one())
                small.more(random.randrange(25))
            small.more(50)
        finally:
            large.stop()
            readers.stop()
            small.stop()
        small.acknowledged.update(large.acknowledged)
        got = self.settle(small)
        self.assertFalse(readers.wrong, f"seed {SEED}")
        self.assertGreater(readers.sessions, 0)
        late, in_flight = self.twice_at_the_next_host(kills)
        roles = collections.Counter(k.role for k in kills)
        print("# %d kills (%s)" % (len(kills), ", ".join(f"{r} {n}" for r, n in sorted(roles.items()))), flush=True)
        print(f"# {len(small.acknowledged)} messages acknowledged, {sum(got.values())} copies delivered, 0 lost, "
              f"0 twice in a Maildir, {late} twice at the next host, where {in_flight} were in flight at a kill; "
              f"{readers.sessions} sessions read, {readers.failed} were cut off", flush=True)

    def twice_at_the_next_host(self, kills):
        """How many, and how many could have been: their replies, or what had been made of them, were in flight."""
        with open(self.box.logfile, "rb") as f:
            log = f.read()
        certain, kills = durable_from(log), with_jobs_of_the_dead(kills, log)
        copies = collections.defaultdict(list)
        for m in sorted(self.sink.messages, key=lambda m: m.at):
            for n in numbers([m.data]):
                for r in m.recipients:
                    copies[n, r].append(Copy(m, r))
        self.assertGreater(len(certain), len(copies) // 2, "too little is known to be durable")
        for key, v in copies.items():
            for first, second in zip(v, v[1:]):
                self.assertTrue(any(k.began <= second.at for k in first.lost_with(kills, certain)),
                                f"seed {SEED}: {key} came again although it was done")
        in_flight = sum(bool(v[0].lost_with(kills, certain)) for v in copies.values())
        return sum(len(v) - 1 for v in copies.values()), in_flight
