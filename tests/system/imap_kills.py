# SPDX-License-Identifier: ISC
"""Processes of a login are killed under load: each comes back, and nothing that IMAP acknowledged is lost.

S1 to S3 of doc/architecture.md.  Clients append, flag, fetch and expunge, and
note what was answered OK; in the end each message whose APPEND was
acknowledged is there once, and each that was expunged stays away.
"""
import os
import random
import re
import signal
import threading
import time

from crashes import ROUNDS, SEED
from harness import PATIENCE, Story, descendants, maildir, message, wait_for, zombie
from imaptalk import Broken, ImapTalk, subjects

USERS = [f"u{i}@example.org" for i in range(4)]


class ImapLoad:
    """Clients of all users that write until stopped; each notes what it knows."""
    number = 0                      # of all loads of the process
    moving = set()                  # (user, number) of all loads: MOVE begun
    lock = threading.Lock()

    def __init__(self, box):
        self.box = box
        self.there, self.gone, self.flagged = {}, {}, {}    # (user, number): UID
        self.moved = set()          # MOVE acknowledged
        self.steps, self.wrong = 0, []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(u, i % 2 == 0, random.Random(SEED + i)))
                        for i, u in enumerate(USERS * 2)]
        for t in self.threads:
            t.start()

    def client(self, user, tls, rng):
        talk = None
        while not self.stopping.is_set():
            try:
                if talk is None:
                    talk = ImapTalk.to(self.box, user, tls, timeout=10)
                    talk.ok("SELECT INBOX")
                self.step(talk, user, rng)
                with self.lock:
                    self.steps += 1
                if rng.randrange(6) == 0:       # logins are under load, too
                    talk.logout()
                    talk = None
            except Broken as e:
                self.wrong.append(f"{user}: {e}")
                talk = self.close(talk)
            except (AssertionError, EOFError, OSError):
                # refused for a moment, or cut off
                talk = self.close(talk)
                self.stopping.wait(0.05)
        self.close(talk)

    def close(self, talk):
        if talk is not None:
            talk.close()

    def step(self, talk, user, rng):
        with self.lock:
            ImapLoad.number += 1
            n = ImapLoad.number
        a = talk.ok("APPEND INBOX ", message(subject=f"load {n}", body="x" * rng.randrange(3000) + "\r\n"))
        uid = int(a.code[2])
        with self.lock:
            self.there[user, n] = uid
        if rng.randrange(3) == 0:
            talk.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Flagged)")
            with self.lock:
                self.flagged[user, n] = uid
        if rng.randrange(4) == 0:
            with self.lock:
                self.gone[user, n] = uid            # from here on it may be gone
            talk.ok(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
            talk.ok(f"UID EXPUNGE {uid}")
            return
        if rng.randrange(4) == 0:
            with self.lock:
                self.moving.add((user, n))
            talk.ok(f"UID MOVE {uid} Archive")
            with self.lock:
                self.moved.add((user, n))
            return
        raw = talk.ok(f"UID FETCH {uid} (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").by_uid()
        if uid not in raw or b"load %d\r\n" % n not in raw[uid]["BODY[HEADER.FIELDS (SUBJECT)]"]:
            raise Broken(f"UID {uid} is not message {n}: {raw}")

    def more(self, n):
        """Until n more steps were done."""
        goal = self.steps + n
        wait_for(lambda: self.steps >= goal,
                 lambda: f"{n} more steps; wrong: {self.wrong[:3]}; log:\n" + self.box.log()[-3000:])

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(PATIENCE)


def role_of(pid):
    """What master called it; a session has told its role and user in its title."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    m = re.match(r"[\w-]+: (\S+-session) ", words[0])
    return m.group(1) if m else words[1] if len(words) > 1 else ""


class Killed(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=USERS, imap__client_connections="1000")

    def setUp(self):
        random.seed(SEED)
        print(f"# SEED={SEED}", flush=True)

    def processes(self, role):
        """Those of a role; "imap-session" of whatever user."""
        return [p for p in descendants(self.box.master()) if role_of(p) == role]

    def settle(self, load):
        load.stop()
        self.assertFalse(load.wrong, f"seed {SEED}")
        self.assertTrue(load.there)
        for user in USERS:
            t = ImapTalk.to(self.box, user)
            got = {name: self.numbers(t, name) for name in ("INBOX", "Archive")}
            acknowledged = {n: uid for (u, n), uid in load.there.items() if u == user}
            of_user = {what: {n for u, n in getattr(load, what) if u == user} for what in ("gone", "moving", "moved")}
            lost = acknowledged.keys() - got["INBOX"].keys() - got["Archive"].keys() - of_user["gone"]
            self.assertFalse(lost, f"seed {SEED}: {user} lost {sorted(lost)[:10]}")
            for name in got:
                twice = {n: uids for n, uids in got[name].items() if len(uids) > 1}
                self.assertFalse(twice, f"seed {SEED}: {user} has more than one copy in {name}")
            both = got["INBOX"].keys() & got["Archive"].keys()
            self.assertFalse(both & of_user["moved"], f"seed {SEED}: {user}: moved, and still there")
            # One that was cut off may have left a copy, but never none.
            self.assertLessEqual(both, of_user["moving"], f"seed {SEED}: {user}")
            self.assertLessEqual(of_user["moved"], got["Archive"].keys(), f"seed {SEED}: {user}")
            changed = {n: (uid, got["INBOX"][n]) for n, uid in acknowledged.items()
                       if n in got["INBOX"] and got["INBOX"][n] != [uid]}
            self.assertFalse(changed, f"seed {SEED}: {user}: a UID is another message's")
            t.logout()
            # and the files are as many
            files = self.box.mail(user) + maildir(os.path.join(self.box.maildir(user), ".Archive"))
            self.assertEqual(sum(m.count(b"Subject: load ") for m in files), sum(map(len, got.values())))

    def numbers(self, talk, name):
        """{number: [UIDs]} of a mailbox."""
        talk.ok("SELECT " + name)
        found = {}
        for uid, s in subjects(talk).items():
            found.setdefault(int(re.match(r"load (\d+)", s).group(1)), []).append(uid)
        return found

    def flags_stay(self, load):
        """A process that dies takes no acknowledged flag with it; only a power cut may."""
        for user in USERS:
            t = ImapTalk.to(self.box, user)
            t.ok("SELECT INBOX")
            flagged = {int(u) for u in t.ok("UID SEARCH FLAGGED").one("SEARCH")}
            here = set(subjects(t))
            expected = {uid for (u, n), uid in load.flagged.items() if u == user} & here
            self.assertLessEqual(expected, flagged, f"seed {SEED}")
            t.logout()

    def check(self, role, rounds=ROUNDS):
        load = ImapLoad(self.box)
        try:
            load.more(50)
            for _ in range(rounds):
                load.more(random.randrange(100))
                pids = wait_for(lambda: self.processes(role), "a process " + role)
                begun = time.monotonic()
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:      # a session that ended
                        pass
                wait_for(lambda: [p for p in self.processes(role) if p not in pids and not zombie(p)],
                         "a new " + role)
                print(f"# {role} back in {time.monotonic() - begun:.1f} s", flush=True)
                load.more(30)
        finally:
            load.stop()
        self.settle(load)
        self.flags_stay(load)

    def test_auth(self):
        self.check("auth")

    def test_verifier(self):
        self.check("verifier")

    def test_keys(self):
        self.check("keys")

    def test_lookup(self):
        self.check("lookup")

    def test_imapd_with_all_its_clients(self):
        self.check("imapd")

    def test_imap_spawn(self):
        self.check("imap-spawn")

    def test_pop3d(self):
        self.check("pop3d", rounds=2)

    def test_sessions(self):
        self.check("imap-session", rounds=3 * ROUNDS)

    def test_local_which_carries_the_news(self):
        self.check("local", rounds=2)

    def test_the_whole_suite(self):
        load = ImapLoad(self.box)
        try:
            for _ in range(ROUNDS):
                load.more(random.randrange(50, 200))
                self.box.kill()
                self.box.start()
            load.more(20)
        finally:
            load.stop()
        self.settle(load)
        self.flags_stay(load)
