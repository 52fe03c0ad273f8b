# SPDX-License-Identifier: ISC
"""Something runs out: disk, inodes, descriptors, memory.  Temporary errors go out, and all goes on by itself.

A file system of the story's own is mounted where it is to run full, in a mount
namespace of this process.  While nothing is left and nobody asks for anything,
no process may be busy: the processor time of a quiet stretch is printed and
bounded.
"""
import contextlib
import ctypes
import imaplib
import json
import os
import random
import signal
import smtplib
import socket
import subprocess
import time
import unittest

from crashes import SEED, USERS, Load, numbers
from harness import PATIENCE, Story, descendants, message, needs_program, needs_root, run, wait_for
from sink import Delay, Sink

CLONE_NEWNS = 0x20000
ROUNDS = 10 if os.environ.get("CHASQUI_LONG") else 2
TICK = os.sysconf("SC_CLK_TCK")
QUIET_S = 3
LARGE = ("y" * 70 + "\r\n") * 4300
BUSY_S = 1.5        # of processor time in a quiet stretch: half a core


def cpu_seconds(box):
    total = 0
    for pid in descendants(box.process.pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICK


class Filled:
    """A file system that a story fills and empties."""

    def __init__(self, path, options):
        self.path = path
        st = os.stat(path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},mode={st.st_mode & 0o7777:o},uid={st.st_uid},gid={st.st_gid}",
                        "none", path], check=True)
        self.filler = os.path.join(path, ".filler")

    def fill(self, leave=0):
        """All but `leave` bytes."""
        with open(self.filler, "ab", buffering=0) as f:
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * 65536)
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x")
            f.truncate(max(0, f.seek(0, 2) - leave))

    def take_inodes(self):
        os.mkdir(self.filler)
        with contextlib.suppress(OSError):
            for i in range(100000):
                os.close(os.open(f"{self.filler}/{i}", os.O_CREAT | os.O_WRONLY))

    def empty(self):
        subprocess.run(["rm", "-rf", self.filler], check=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path])


class OutOf(Story):
    """What the stories below share."""

    @classmethod
    def mount(cls, path, options):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            cls.skipTest(cls, "no mount namespace can be had")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        filled = Filled(path, options)
        cls.at_end(filled.unmount)
        return filled

    def setUp(self):
        random.seed(SEED)
        print(f"# SEED={SEED}", flush=True)

    def quiet(self, what):
        """Nobody asks for anything; what it costs."""
        before, begun = cpu_seconds(self.box), time.monotonic()
        wait_for(lambda: time.monotonic() - begun > QUIET_S, "a quiet stretch")
        spent = cpu_seconds(self.box) - before
        print(f"# {what}: {spent:.2f} s of processor time in {QUIET_S} s", flush=True)
        self.assertLess(spent, BUSY_S, self.box.log()[-2000:])

    def refused(self, **kw):
        """The code that a client hears now, or None for 250."""
        try:
            with self.box.smtp() as s:
                s.sendmail("s@client.example", ["u0@example.org"], message("u0@example.org", **kw))
        except smtplib.SMTPResponseException as e:
            return e.smtp_code
        except smtplib.SMTPRecipientsRefused as e:
            return next(iter(e.recipients.values()))[0]
        except (smtplib.SMTPException, OSError):
            return 421
        return None

    def all_there(self, *loads):
        acknowledged = {n: to for load in loads for n, to in load.acknowledged.items()}
        self.box.tool("queue", "release", "--state", "held")
        self.box.wait_queue(0, timeout=90)
        have = {u: numbers(self.box.mail(u)) for u in USERS}
        for n, to in acknowledged.items():
            for r in (r for r in to if r in have):
                self.assertEqual(have[r].count(n), 1, f"seed {SEED}: message {n} for {r}")
        return len(acknowledged)


@needs_root
class HistoryDisk(OutOf):
    """The event history's: mail does not depend on it."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(relay={"later.example": "127.0.0.1:9"})
        cls.box.stop()
        cls.disk = cls.mount(cls.box.path("history"), "size=256K")
        cls.box.start()

    def trace(self):
        return self.box.tool("trace", "sender=room@client.example").stdout

    def counts(self):
        """Events that came, and of these those that were lost."""
        return next((p["events"], p["lost"]) for p in map(json.loads, self.box.tool("status", "--json").stdout.splitlines())
                    if p["role"] == "history")

    def one_that_is_lost(self):
        """The id of a message of whose five events none found room."""
        for i in range(20):
            before = self.counts()
            self.box.send("x@later.example")
            entry = max(self.box.wait_queue(i + 1), key=lambda e: e["arrival_ms"])
            self.box.tool("queue", "hold", entry["id"], check=True)
            after = wait_for(lambda: (lambda now: now if now[0] >= before[0] + 5 else None)(self.counts()), "its events")
            if after[1] - before[1] == after[0] - before[0]:
                return entry["id"]
        self.fail("the history has room")

    def test_full_and_with_room_again(self):
        self.disk.fill()
        # The last page of its file has some room.
        for i in range(20):
            self.box.send("alice@example.org", sender="full@client.example", subject=f"full {i}")
        self.box.wait_mail("alice@example.org", 20)
        self.box.wait_log("event=history-not-written")
        found = self.box.tool("doctor", "disk").stdout
        self.assertIn("0 MiB are free for the event history", found)
        self.assertNotIn("refused", found)
        lost = self.one_that_is_lost()
        self.disk.empty()
        self.box.send("alice@example.org", sender="room@client.example", subject="room")
        self.box.wait_log("event=history-written lost=")
        self.box.send("alice@example.org", sender="room@client.example", subject="more room")
        wait_for(lambda: "delivered" in self.trace(), lambda: "a message in\n" + self.trace())
        # It was taken, though the history does not know that any more.
        self.box.tool("queue", "delete", lost, check=True)
        out = wait_for(lambda: (lambda out: out if lost in out else None)(self.box.tool("trace", "--since", "1h").stdout),
                       "the deleted message")
        self.assertRegex(out, rf"{lost}  known in part\n")


@needs_root
class Disk(OutOf):
    """The queue's."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=USERS, start=False, queue__journal="1M", queue__segments="3", queue__min_free="0")
        cls.box.tool("config", "check", check=True)
        # its directory is there, with its owner, once it has run
        cls.box.start()
        cls.box.stop()
        cls.disk = cls.mount(cls.box.path("queue"), "size=16M,nr_inodes=1200")
        cls.box.start()

    def test_full_at_any_write(self):
        for _ in range(ROUNDS):
            load = Load(self.box, clients=3, size=60000)
            try:
                load.more(30)
                self.disk.fill(leave=random.randrange(400000))
                # With room in the journal mail may flow for long.
                code = wait_for(lambda: self.refused(body=LARGE), "a refusal")
                self.assertEqual(code // 100, 4, code)
                load.stop()
                self.quiet("a full queue")
            finally:
                self.disk.empty()
                load.stop()
            wait_for(lambda: self.refused(subject="again", body=LARGE) is None,
                     lambda: "mail to be taken again; log:\n" + self.box.log()[-3000:])
            print(f"# {self.all_there(load)} messages acknowledged around a full disk, 0 lost", flush=True)

    def test_no_inodes(self):
        load = Load(self.box, clients=3)
        try:
            load.more(30)
            self.disk.take_inodes()
            # Large content needs a file at once.
            wait_for(lambda: self.refused(body=LARGE) is not None, "a refusal")
            load.stop()
            self.quiet("no inodes")
        finally:
            self.disk.empty()
            load.stop()
        wait_for(lambda: self.refused(subject="again", body=LARGE) is None, "mail to be taken again")
        self.all_there(load)


@needs_root
class ReadOnlyQueue(OutOf):
    """Its file system may not be written to: a suite at work goes on by itself, one that is started says no."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=USERS, queue__min_free="0")
        cls.box.stop()
        cls.disk = cls.mount(cls.box.path("queue"), "size=32M")
        cls.box.start()

    @contextlib.contextmanager
    def read_only(self):
        """For who looks for the directory now."""
        subprocess.run(["mount", "--bind", self.disk.path, self.disk.path], check=True)
        try:
            subprocess.run(["mount", "-o", "remount,bind,ro", self.disk.path], check=True)
            yield
        finally:
            subprocess.run(["umount", "-l", self.disk.path], check=True)

    def test_at_work(self):
        self.box.send("u0@example.org", subject="load 0")
        with self.read_only():
            since = len(self.box.log())
            for pid in self.box.pids("qmgr"):
                os.kill(pid, signal.SIGKILL)
            self.box.wait_log("event=queue-not-opened .*Read-only", since=since)
            self.assertEqual(self.refused(subject="load 1") // 100, 4)
            self.quiet("a read-only queue")
        wait_for(lambda: self.refused(subject="load 2") is None, "mail to be taken again")
        self.box.wait_queue(0)
        self.assertEqual(sorted(numbers(self.box.mail("u0@example.org"))), [0, 2])

    def test_at_the_start(self):
        self.box.stop()
        since = len(self.box.log())
        with self.read_only():
            self.box.start(wait=False)
            self.assertEqual(self.box.process.wait(PATIENCE), os.EX_UNAVAILABLE)
            self.box.wait_log("event=queue-not-opened .*Read-only", since=since)
        self.box.start()
        self.box.send("u1@example.org", subject="goes on")
        self.box.wait_subject("u1@example.org", "goes on")


@needs_root
class Files(OutOf):
    """None can be made in deferred/, and the journal is small."""

    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": "450 4.2.1 come back"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(users=USERS, queue__journal="1M", queue__segments="2", queue__retry_first="1h",
                               queue__retry_max="1h", relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})

    def test_mail_is_refused_and_taken_again(self):
        deferred, body = self.box.path("queue", "deferred"), ("y" * 70 + "\r\n") * 1000
        os.chmod(deferred, 0)
        sent, replies = 0, []
        try:
            while not replies:
                try:
                    self.box.send("x@elsewhere.example", body=body)
                    sent += 1
                except smtplib.SMTPResponseException as e:
                    replies.append(e.smtp_code)
            self.assertEqual(replies[0] // 100, 4)
            since = len(self.box.log())
            self.quiet("files that cannot be made")
            failed = self.box.log()[since:].count("event=migration-failed")
            print(f"# {sent} messages acknowledged before; migration-failed was logged {failed} times meanwhile", flush=True)
            self.assertLess(failed, 10 * QUIET_S)
        finally:
            os.chmod(deferred, 0o700)
        wait_for(lambda: self.refused() is None, "mail to be taken again")
        self.sink.replies.clear()
        self.box.tool("queue", "retry", "--all", check=True)
        self.sink.wait(sent)
        self.box.wait_queue(0)


@needs_root
class MailboxDisk(OutOf):
    """One domain's, beside a healthy queue."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=[*USERS, "x@full.example"], domains=("example.org", "full.example"))
        cls.box.send("x@full.example", subject="first")
        cls.box.wait_mail("x@full.example")
        cls.box.stop()
        # Taken off again, the first message is seen once more.
        cls.disk = cls.mount(cls.box.path("mail", "full.example", "x"), "size=2M")
        cls.box.start()

    def test_mail_for_it_waits_and_other_mail_flows(self):
        self.disk.fill()
        try:
            for i in range(20):
                self.box.send("x@full.example", subject=f"load {i}", body="z" * 20000)
            waiting = self.box.wait_queue(20)
            self.box.wait_log(r"event=deferred rcpt=x@full\.example.*4\.[23]\.")
            load = Load(self.box, clients=2)
            load.more(100)
            load.stop()
            wait_for(lambda: len(self.box.queue()) == 20, "only its mail to wait")
            for n, to in load.acknowledged.items():
                self.assertEqual([n in numbers(self.box.mail(r)) for r in to], [True])
            self.quiet("a full mailbox file system")
            self.assertEqual(len(waiting), 20)
        finally:
            self.disk.empty()
        self.box.wait_queue(0)
        self.assertEqual(sorted(numbers(self.box.mail("x@full.example"))), list(range(20)))


@needs_root
class ReadOnlyMailbox(OutOf):
    """A user's file system that may not be written to."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(users=USERS, imap__keep="0s")
        cls.box.send("u0@example.org", subject="before")
        cls.box.wait_mail("u0@example.org")
        cls.box.stop()
        cls.disk = cls.mount(cls.box.path("mail", "example.org", "u0"), "size=2M")
        cls.box.start()
        cls.box.send("u0@example.org", subject="load 0")
        cls.box.wait_mail("u0@example.org")
        with cls.box.imap("u0@example.org") as i:
            i.select("INBOX")

    def remount(self, how):
        """As soon as nobody has a file open to be written."""
        wait_for(lambda: subprocess.run(["mount", "-o", "remount," + how, self.disk.path], stderr=subprocess.DEVNULL).returncode == 0,
                 "the file system to be " + how)

    def test_mail_for_it_waits_and_is_read(self):
        self.remount("ro")
        try:
            for i in range(1, 6):
                self.box.send(["u0@example.org", "u1@example.org"], subject=f"load {i}")
            self.box.wait_mail("u1@example.org", 5)
            self.box.wait_log(r"event=deferred rcpt=u0@example\.org.*4\.[23]\.")
            with self.box.imap("u0@example.org") as i:
                self.assertEqual(i.select("INBOX", readonly=True), ("OK", [b"1"]))
                self.assertIn(b"Subject: load 0", i.fetch("1", "(BODY.PEEK[HEADER])")[1][0][1])
            p = self.box.pop3("u0@example.org")
            self.assertEqual(p.stat()[0], 1)
            p.quit()
            self.quiet("a read-only mailbox")
        finally:
            self.remount("rw")
        self.box.wait_queue(0)
        self.assertEqual(sorted(numbers(self.box.mail("u0@example.org"))), list(range(6)))
        self.assertEqual(sorted(numbers(self.box.mail("u1@example.org"))), list(range(1, 6)))


@needs_root
@needs_program("prlimit")
class Descriptors(OutOf):
    """So few that each process meets its limit."""
    FEW = 200

    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(users=USERS, start=False, imap__client_connections="1000",
                               relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})
        cls.box.under = ["prlimit", f"--nofile={cls.FEW}:{cls.FEW}"]
        cls.box.start()

    def knock(self, *where):
        """More connections than descriptors; what the server makes of them is its affair."""
        held = []
        for address in where:
            for _ in range(2 * self.FEW):
                s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
                s.setblocking(False)
                with contextlib.suppress(OSError):
                    s.connect(address)
                held.append(s)
        return held

    def check(self, what, *where):
        load = Load(self.box, clients=3, size=400000, recipients=lambda rng: [rng.choice(USERS)])
        try:
            load.more(30)
            held = self.knock(*where)
            load.stop()
            self.quiet(f"more clients than descriptors for {what}")
            for s in held:
                s.close()
        finally:
            load.stop()
        wait_for(lambda: self.refused(subject="again", body=LARGE) is None, "mail to be taken again")
        with self.box.imap("u0@example.org") as i:
            i.select("INBOX")
        self.all_there(load)

    def test_smtp(self):
        self.check("smtpd", ("127.0.0.1", self.box.port))

    def test_imap_and_pop3(self):
        self.check("imapd and pop3d", ("127.0.0.1", self.box.base + 143), ("127.0.0.1", self.box.base + 110))

    def test_the_sockets_of_the_tools(self):
        self.check("tools", *[self.box.path("run", name) for name in sorted(os.listdir(self.box.path("run")))
                              if name.endswith(".sock")])

    def test_a_backlog_of_large_messages(self):
        """Each delivery of one takes a descriptor in qmgr and one in remote."""
        load = Load(self.box, clients=6, size=400000, recipients=lambda rng: [f"r{rng.randrange(99)}@elsewhere.example"])
        try:
            self.sink.replies["DATA"] = lambda session, arg: Delay(0.2)
            load.more(150)
        finally:
            self.sink.replies.clear()
            load.stop()
        self.box.tool("queue", "release", "--state", "held")
        self.box.wait_queue(0, timeout=90)
        came = {n for m in self.sink.messages for n in numbers([m.data])}
        self.assertLessEqual(load.acknowledged.keys(), came)


@needs_program("prlimit")
class FileSize(OutOf):
    """Files may not grow beyond a limit (ulimit -f): an error like a full disk, and no signal that ends a process."""

    def test_too_little_to_start(self):
        box = self.instance(start=False)
        p = run(["prlimit", "--fsize=2000000:2000000", box.program, "-C", box.dir, "start", "--foreground"])
        self.assertEqual(p.returncode, os.EX_OSERR, p.stderr)
        self.assertIn("File too large", p.stderr)


@needs_root
@needs_program("prlimit")
class Memory(OutOf):
    """A process that gets no more memory ends, and is started again."""
    SPARE = 2 * 1024 * 1024

    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(users=USERS, relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})

    def size(self, pid):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/statm") as f:
                return int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def test_what_each_has_and_little_more(self):
        self.box.send("u0@example.org")
        self.box.wait_mail("u0@example.org")
        limit = max(map(self.size, descendants(self.box.process.pid))) + self.SPARE
        self.box.stop()
        self.box.under = ["prlimit", f"--as={limit}:{limit}"]
        self.box.start()
        load = Load(self.box, clients=8, size=3000000,
                    recipients=lambda rng: [rng.choice(USERS), f"r{rng.randrange(9)}@elsewhere.example"])
        try:
            load.more(60)
        finally:
            load.stop()
        self.quiet("little address space")
        self.box.stop()
        self.box.under = []
        self.box.start()
        print(f"# {self.all_there(load)} messages acknowledged with {limit >> 20} MB of address space a process, 0 lost; "
              f"{self.box.log().count('event=died')} processes ended", flush=True)


class Group:
    """A control group with a limit of memory, whichever version there is."""
    TOPS = (("/sys/fs/cgroup", "memory.max", "memory.events"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"))

    def __init__(self, name):
        for top, self.limit_file, self.events in self.TOPS:
            self.path = os.path.join(top, name)
            with contextlib.suppress(OSError):
                os.mkdir(self.path)
                if os.path.exists(os.path.join(self.path, self.limit_file)):
                    return
                os.rmdir(self.path)
        raise OSError("no memory controller")

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w") as f:
            f.write(str(value))

    def words(self, name):
        with open(os.path.join(self.path, name)) as f:
            return dict(l.split() for l in f)

    def anonymous(self):
        """Bytes that cannot be dropped."""
        words = self.words("memory.stat")
        return int(words.get("anon") or words["rss"])

    def limit(self, n):
        self.write(self.limit_file, n)

    def lift(self):
        self.limit("max" if self.limit_file == "memory.max" else -1)

    def killed(self):
        return int(self.words(self.events)["oom_kill"])

    def remove(self):
        def gone():
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
            return not os.path.exists(self.path)
        wait_for(gone, "the control group to be empty")


@needs_root
class MemoryOfAll(OutOf):
    """The suite together may have no more: the kernel takes processes away."""
    SPARE = 4 * 1024 * 1024
    KILLS = 20 if os.environ.get("CHASQUI_LONG") else 3

    @classmethod
    def arrange(cls):
        try:
            cls.group = Group(f"chasqui-story-{os.getpid()}")
        except OSError:
            raise unittest.SkipTest("no control group for memory can be made")
        cls.at_end(cls.group.remove)
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(users=USERS, start=False, imap__client_connections="1000",
                               relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"})
        cls.box.under = ["sh", "-c", f'echo $$ >{cls.group.path}/cgroup.procs && exec "$@"', "sh"]
        cls.box.start()

    def held_to(self, n):
        """At least n bytes, and as little more as the kernel agrees to."""
        while True:
            try:
                self.group.limit(n)
                return n
            except OSError:     # it has more that cannot be dropped
                n += 1024 * 1024

    def there(self):
        """As a service manager would: a master that was killed is started again."""
        if self.box.process.poll() is not None:
            self.masters += 1
            self.box.start()

    def login(self):
        with contextlib.suppress(imaplib.IMAP4.error, OSError):
            i = self.box.imap(random.choice(USERS))
            self.at_end(i.shutdown)
            return True
        return False

    def test_the_kernel_takes_processes_and_service_resumes(self):
        self.masters = 0
        load = Load(self.box, clients=6, size=400000,
                    recipients=lambda rng: [rng.choice(USERS), f"r{rng.randrange(9)}@elsewhere.example"])
        try:
            load.more(10)
            for n in range(self.KILLS):
                limit = self.held_to(self.group.anonymous() + random.randrange(self.SPARE))
                while self.group.killed() <= n:
                    self.login()
                    self.there()
            load.more(10)
        finally:
            load.stop()
        self.there()
        self.quiet("no more memory")
        self.group.lift()
        self.there()
        wait_for(lambda: self.refused(subject="again", body=LARGE) is None, "mail to be taken again")
        wait_for(self.login, "logins to be taken again")
        print(f"# {self.all_there(load)} messages acknowledged with {limit >> 20} MB for all; the kernel killed "
              f"{self.group.killed()} processes, {self.masters} times master; 0 lost", flush=True)


class MailRoot(Story):
    """The directory of all mailboxes is gone, or there is another one in its place until its file system is mounted."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(local__worker_idle="500ms")
        cls.root = cls.box.path("mail")

    def setUp(self):
        self.box.send("alice@example.org", subject="before")
        self.box.wait_queue(0)
        self.box.wait_log("event=channel-down peer=worker", since=len(self.box.log()))
        os.rename(self.root, self.root + ".away")

    def back(self, n):
        """In its place again: all mail is delivered without anybody's help."""
        os.rename(self.root + ".away", self.root)
        begun = time.monotonic()
        self.box.wait_queue(0)
        print(f"# delivered {time.monotonic() - begun:.1f} s after it is back", flush=True)
        self.assertEqual(sum(self.id().encode() in m for m in self.box.mail("bob@example.org")), n)

    def test_gone(self):
        since = len(self.box.log())
        for _ in range(20):
            self.box.send("bob@example.org", subject=self.id())
        self.box.wait_log("event=no-directory", since=since)
        since, spent, begun = len(self.box.log()), cpu_seconds(self.box), time.monotonic()
        wait_for(lambda: time.monotonic() - begun > QUIET_S, "a while to pass")
        spent = cpu_seconds(self.box) - spent
        starts = self.box.log()[since:].count("event=died role=worker")
        print(f"# {starts} starts and {spent:.2f} s of processor time in {QUIET_S} s", flush=True)
        self.assertLess(starts, 10)
        self.assertLess(spent, BUSY_S)
        self.back(20)

    def test_mounted_late(self):
        """Who began before it was there does not serve on with what was there then."""
        since = len(self.box.log())
        os.mkdir(self.root, 0o755)
        self.box.send("bob@example.org", subject=self.id())
        self.box.wait_log("event=delivery-failed", since=since)
        os.rmdir(self.root)
        self.back(1)
        self.assertIn("event=directory-exchanged", self.box.log()[since:])
