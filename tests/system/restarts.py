# SPDX-License-Identifier: ISC
"""`chasqui restart`: the next suite takes over, and nobody notices."""
import contextlib
import os
import shutil
import signal
import smtplib
import socket
import threading
import time

from harness import PATIENCE, PREFIX, Ports, Story, Talk, descendants, message, wait_for
from imap_kills import role_of


def lock_pid(box):
    with open(box.path("run", "master.pid")) as f:
        return int(f.read())


class Load(threading.Thread):
    """Clients that send one message a connection until they are told to end.
    A 421 between transactions is the server's right, and the message is sent
    again; anything else counts."""

    def __init__(self, box, number):
        super().__init__()
        self.box, self.number = box, number
        self.over = threading.Event()
        self.sent, self.asked_again = [], 0
        self.refused, self.dropped, self.wrong = [], [], []

    def run(self):
        n = 0
        while not self.over.is_set():
            n += 1
            subject = f"load {self.number} {n}"
            while not self.once(subject):
                if self.refused or self.dropped or self.wrong:
                    return

    def once(self, subject):
        try:
            t = Talk(("127.0.0.1", self.box.port), greet=False)
        except OSError as e:
            self.refused.append(repr(e))
            return False
        asked = False       # a transaction is under way
        try:
            with t:
                for line in (None, "EHLO client.example", "MAIL FROM:<s@client.example>",
                             "RCPT TO:<alice@example.org>", "DATA"):
                    code = t.reply()[0] if line is None else t.cmd(line)[0]
                    if code == 421 and not asked:
                        self.asked_again += 1
                        return False
                    if code not in (220, 250, 354):
                        self.wrong.append((line, code))
                        return False
                    asked = asked or (line or "").startswith("MAIL")
                t.send(message(subject=subject) + b".\r\n")
                code = t.reply()[0]
                if code != 250:
                    self.wrong.append(("message", code))
                    return False
                self.sent.append(subject)
                return True
        except (OSError, EOFError) as e:
            self.dropped.append(repr(e))
            return False


class Reader(threading.Thread):
    """An IMAP session that asks for its mailbox, again and again."""

    def __init__(self, box, tls):
        super().__init__()
        self.session = box.imap(tls=tls)
        self.session.select("INBOX")
        self.over = threading.Event()
        self.asked, self.trouble = 0, []

    def run(self):
        try:
            while not self.over.is_set():
                if self.session.noop()[0] != "OK" or self.session.fetch("1:*", "(UID)")[0] != "OK":
                    raise AssertionError("not OK")
                self.asked += 1
                self.over.wait(0.02)
        except Exception as e:
            self.trouble.append(repr(e))


class Restart(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(relay={"away.example": f"127.0.0.1:{Ports.single()}"})

    def test_a_session_of_each_kind_goes_on(self):
        before = lock_pid(self.box)
        imap, tls = self.box.imap(), self.box.imap(tls=True)
        for i in (imap, tls):
            i.select("INBOX")
        pop = self.box.pop3()
        self.box.tool("restart", check=True)
        self.assertNotEqual(lock_pid(self.box), before)
        self.assertIn("retired=%d" % before, self.box.tool("status", "--processes").stdout)
        self.assertIn("process %d still has sessions" % before, self.box.tool("status", "--all").stdout)
        for i in (imap, tls):
            self.assertEqual(i.noop()[0], "OK")
        pop.stat()
        self.box.send("alice@example.org", subject="after it")
        self.box.wait_subject("alice@example.org", "after it")
        for i in (imap, tls):
            i.noop()
            self.assertTrue(i.search(None, "SUBJECT", '"after it"')[1][0])
            i.logout()
        pop.quit()
        wait_for(lambda: "retired=" not in self.box.tool("status", "--processes").stdout, "the one before to end")
        self.assertFalse(os.path.exists(f"/proc/{before}") and before != self.box.process.pid)

    def test_who_waits_hears_of_mail_that_the_next_one_delivers(self):
        imap = self.box.imap(user="bob@example.org")
        imap.select("INBOX")
        imap.send(b"x IDLE\r\n")
        self.assertTrue(imap.readline().startswith(b"+"))
        self.box.tool("restart", check=True)
        self.box.send("bob@example.org", subject="news")
        self.assertRegex(imap.readline(), rb"\* \d+ (EXISTS|RECENT)")
        imap.send(b"DONE\r\n")
        imap.shutdown()

    def test_a_transaction_under_way_is_finished(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            with self.box.talk() as idle:
                restart = threading.Thread(target=self.box.tool, args=("restart",), kwargs={"check": True})
                restart.start()
                self.assertEqual(idle.reply()[0], 421)
            # A new client waits for the next one, which waits for us.
            late = socket.create_connection(("127.0.0.1", self.box.port), PATIENCE)
            t.send(message(subject="across a restart") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
            self.assertEqual(late.recv(4), b"220 ")
            late.close()
            restart.join()
        self.box.wait_subject("alice@example.org", "across a restart")

    def test_the_queue_goes_over(self):
        for n in range(5):
            self.box.send("somebody@away.example", subject=f"waits {n}")
        before = self.box.wait_queue(5)
        self.box.tool("restart", check=True)
        self.assertEqual({e["id"] for e in self.box.wait_queue(5)}, {e["id"] for e in before})
        self.box.tool("queue", "delete", "--recipient", "somebody@away.example", check=True)
        self.box.wait_queue(0)


class Refused(Story):
    """What cannot serve does not take over."""

    @classmethod
    def arrange(cls):
        # Programs of its own, so that a story can break the next version's.
        cls.programs = cls.directory("programs")
        own = os.path.join(PREFIX, "libexec", "chasqui")
        for name in os.listdir(own):
            shutil.copy2(os.path.join(own, name), os.path.join(cls.programs, name))
        cls.box = cls.instance(start=False)
        cls.start()

    @classmethod
    def start(cls):
        os.environ["CHASQUI_LIBEXEC"] = cls.programs
        try:
            cls.box.start()
        finally:
            del os.environ["CHASQUI_LIBEXEC"]

    def still_serves(self, before):
        self.assertEqual(lock_pid(self.box), before)
        subject = f"still {time.monotonic_ns()}"

        def accepted():
            try:
                self.box.send("alice@example.org", subject=subject)
                return True
            except (OSError, smtplib.SMTPException):
                return False    # what was killed is being started again
        wait_for(accepted, "the suite to take mail")
        self.box.wait_subject("alice@example.org", subject)

    def test_a_broken_configuration(self):
        good, before = self.box.read_conf(), lock_pid(self.box)
        self.box.append("smtp.max_message = much")
        try:
            p = self.box.tool("restart")
            self.assertNotEqual(p.returncode, 0)
            self.assertIn("chasqui.conf:", p.stderr)
        finally:
            self.box.write_conf(good)
        self.still_serves(before)

    def test_a_queue_of_a_later_version(self):
        before, path = lock_pid(self.box), self.box.path("queue", "format")
        with open(path) as f:
            ours = f.read()
        with open(path, "w") as f:
            f.write("chasqui-queue 99\n")
        try:
            p = self.box.tool("restart")
            self.assertNotEqual(p.returncode, 0)
            self.assertIn("later version", p.stdout + p.stderr)
        finally:
            with open(path, "w") as f:
                f.write(ours)
        self.still_serves(before)
        self.box.stop()
        with open(path, "w") as f:
            f.write("chasqui-queue 99\n")
        try:
            p = self.box.tool("start")
            self.assertNotEqual(p.returncode, 0)
            self.assertIn("later version", p.stdout + p.stderr)
        finally:
            with open(path, "w") as f:
                f.write(ours)
            self.start()

    def broken(self, name):
        """The next version's program ends at once; the one that runs is open."""
        before, path = lock_pid(self.box), os.path.join(self.programs, name)
        os.rename(path, path + ".good")
        shutil.copy2("/bin/false", path)
        try:
            p = self.box.tool("restart")
            self.assertNotEqual(p.returncode, 0)
            self.assertIn("goes on as it was", p.stderr)
            self.still_serves(before)
            # A process that dies is started again in its own version.
            for pid in self.box.pids(name):
                os.kill(pid, 9)
            self.still_serves(before)
        finally:
            os.rename(path + ".good", path)

    def test_a_helper_that_does_not_start(self):
        self.broken("lookup")

    def test_a_queue_manager_that_does_not_start(self):
        self.broken("qmgr")

    def test_a_server_that_does_not_start(self):
        self.broken("smtpd")


class Generations(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance()

    def test_a_stop_reaches_all_of_them(self):
        first = self.box.imap()
        self.box.tool("restart", check=True)
        second = self.box.imap()
        self.box.tool("restart", check=True)
        third = self.box.imap()
        self.box.send("alice@example.org", subject="to all")
        for imap in (first, second, third):
            imap.select("INBOX")
            wait_for(lambda: imap.search(None, "SUBJECT", '"to all"')[1][0], "the message")
        stop = threading.Thread(target=self.box.tool, args=("stop",))
        stop.start()
        for imap in (first, second, third):
            self.assertTrue(imap.readline().startswith(b"* BYE"))
            imap.shutdown()
        stop.join()
        self.assertEqual(self.box.process.wait(PATIENCE), 0)


class WorkerLeft(Story):
    """A worker with a job outlives those who wanted it; no other writes into its mailboxes meanwhile."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance()

    def stopped_worker(self):
        """With a job that it has not begun."""
        self.box.send("alice@example.org", subject="wakes a worker")
        self.box.wait_subject("alice@example.org", "wakes a worker")
        self.box.wait_queue(0)
        worker, = (p for p in descendants(self.box.master()) if role_of(p) == "worker")
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(self.go_on, worker)
        self.box.send("alice@example.org", subject="for both")
        wait_for(lambda: [e["state"] for e in self.box.queue()] == ["active"], "the job to be under way")
        return worker

    def go_on(self, worker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)

    def copies(self):
        return sum(b"\nSubject: for both" in m for m in self.box.mail("alice@example.org"))

    def one_copy_when_it_goes_on(self, worker, since):
        self.box.wait_log("event=worker-waits", since=since)
        self.assertEqual(self.copies(), 0)
        self.go_on(worker)
        self.box.wait_queue(0)
        self.assertEqual(self.copies(), 1)

    def tearDown(self):
        shutil.rmtree(self.box.maildir("alice@example.org"))

    def test_master_was_killed(self):
        worker, since = self.stopped_worker(), len(self.box.log())
        os.kill(self.box.master(), signal.SIGKILL)
        self.box.process.wait()
        self.box.start()
        self.one_copy_when_it_goes_on(worker, since)

    def test_qmgr_was_killed_in_a_restart(self):
        worker, since = self.stopped_worker(), len(self.box.log())
        qmgr, = self.box.pids("qmgr")
        restart = threading.Thread(target=self.box.tool, args=("restart",), kwargs={"check": True})
        restart.start()
        self.box.wait_log("event=handing-over", since=since)
        os.kill(qmgr, signal.SIGKILL)
        restart.join()
        self.one_copy_when_it_goes_on(worker, since)


class Notified(Story):
    """A service manager hears what it needs, and has the next one for its own."""

    @classmethod
    def arrange(cls):
        path = os.path.join(cls.directory("notify"), "socket")
        cls.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        cls.socket.bind(path)
        cls.socket.settimeout(PATIENCE)
        cls.at_end(cls.socket.close)
        cls.box = cls.instance(start=False)
        # Once there was a restart the process that the story started is gone.
        cls.at_end(lambda: cls.box.tool("stop"))
        os.environ["NOTIFY_SOCKET"] = path
        try:
            cls.box.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]

    def hear(self):
        return self.socket.recv(1000).decode()

    def test_readiness_reload_restart_and_end(self):
        self.assertEqual(self.hear(), "READY=1")
        self.box.tool("reload", check=True)
        self.assertEqual([self.hear(), self.hear()], ["RELOADING=1", "READY=1"])
        before = lock_pid(self.box)
        self.box.tool("restart", check=True)
        after = lock_pid(self.box)
        self.assertNotEqual(after, before)
        self.assertEqual(self.hear(), f"MAINPID={after}\nREADY=1")
        # Nobody needs the one before, and the next one is nobody's child here.
        self.assertEqual(self.box.process.wait(PATIENCE), 0)
        with open(f"/proc/{after}/stat") as f:
            self.assertNotIn(int(f.read().rsplit(")", 1)[1].split()[1]), (before, after))
        self.box.send("alice@example.org", subject="by the next")
        self.box.wait_subject("alice@example.org", "by the next")
        self.box.tool("stop", check=True)
        self.assertEqual(self.hear(), "STOPPING=1")


class UnderLoad(Story):
    """20 reloads and 5 restarts: refused 0, dropped 0, lost 0."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(process__smtpd="2", process__login="2")

    def test_nothing_is_refused_dropped_or_lost(self):
        clients = [Load(self.box, i) for i in range(4)]
        self.box.send("alice@example.org", subject="the first")
        self.box.wait_subject("alice@example.org", "the first")
        readers = [Reader(self.box, tls) for tls in (False, True)]
        for thread in clients + readers:
            thread.start()
        try:
            for i in range(25):
                self.box.tool("restart" if i % 5 == 4 else "reload", check=True)
        finally:
            for thread in clients + readers:
                thread.over.set()
            for thread in clients + readers:
                thread.join()
        for c in clients:
            self.assertEqual((c.refused, c.dropped, c.wrong), ([], [], []))
            self.assertGreater(len(c.sent), 0)
        for r in readers:
            self.assertEqual(r.trouble, [])
            self.assertGreater(r.asked, 0)
            r.session.logout()
        sent = {s for c in clients for s in c.sent}
        self.box.wait_queue(0)
        found = [m.split(b"Subject: ", 1)[1].split(b"\r\n")[0].split(b"\n")[0].decode()
                 for m in self.box.mail("alice@example.org")]
        self.assertEqual(sorted(f for f in found if f.startswith("load")), sorted(sent))
        print(f"{len(sent)} messages, {sum(c.asked_again for c in clients)} connections told 421 between "
              f"transactions, {sum(r.asked for r in readers)} questions of readers")
