# SPDX-License-Identifier: ISC
"""Any process is killed at any instant, master included, under load of every kind.

Mail comes in, small and large, for mailboxes and for a next host; IMAP and POP3
clients read meanwhile.  In the end every message that was acknowledged is
delivered, none is twice in a Maildir, and one that came twice to the next host
came there shortly before something was killed: its status was not durable yet
(Q3 of doc/architecture.md).  500 kills with --long, 40 without.
"""
import collections
import contextlib
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
# A status is durable within the journal's tenth of a second; a busy machine takes longer.
UNDER_WAY = 5


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


class AnyProcess(Lossless):
    def kill_one(self):
        """What was killed, and when."""
        by_role = collections.defaultdict(list)
        for pid in descendants(self.box.process.pid):
            by_role[role_of(pid)].append(pid)
        by_role.pop("", None)
        by_role["master"] = [self.box.master()]
        role = random.choice(sorted(by_role))
        with contextlib.suppress(ProcessLookupError):       # a session that ended
            os.kill(random.choice(by_role[role]), signal.SIGKILL)
        at = time.monotonic()
        if role == "master":
            self.box.kill()
            self.box.start()
        return role, at

    def test_all_of_them(self):
        small = Load(self.box, clients=3, recipients=recipients)
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
        late = self.twice_at_the_next_host(kills)
        roles = collections.Counter(role for role, _ in kills)
        print("# %d kills (%s)" % (len(kills), ", ".join(f"{r} {n}" for r, n in sorted(roles.items()))), flush=True)
        print(f"# {len(small.acknowledged)} messages acknowledged, {sum(got.values())} copies delivered, 0 lost, "
              f"0 twice in a Maildir, {late} twice at the next host; {readers.sessions} sessions read, "
              f"{readers.failed} were cut off", flush=True)

    def twice_at_the_next_host(self, kills):
        """How many; each first copy was under way at a kill."""
        copies = collections.defaultdict(list)
        for m in self.sink.messages:
            for n in numbers([m.data]):
                for r in m.recipients:
                    copies[n, r].append(m.at)
        again = {k: sorted(times) for k, times in copies.items() if len(times) > 1}
        settled = [k for k, times in again.items()
                   if not all(any(0 <= at - t <= UNDER_WAY or 0 <= t - at <= UNDER_WAY for _, at in kills)
                              for t in times[:-1])]
        self.assertFalse(settled, f"seed {SEED}: came again although they were done: {settled[:10]}")
        return sum(len(times) - 1 for times in again.values())
