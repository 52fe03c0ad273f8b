#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Starts master with test daemons (any_child.c) in the place of the real ones.

Runs as any user.  As root with the whole confinement where the system users
exist, otherwise as nobody; the stories in tests/system do the former always.
"""
import contextlib
import datetime
import fcntl
import hashlib
import hmac
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

BUILD = os.getcwd()             # automake runs tests in the build directory
ROLES = ("smtpd", "qmgr", "remote", "local", "bounce", "lookup", "auth", "resolver", "keys", "metrics", "history", "imapd", "pop3d",
         "imapd-session", "pop3d-session")
IS_ROOT = os.geteuid() == 0
PATIENCE = 30


def has_loopback():
    """Where packages are built there may be no network at all."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as s:
            socket.create_connection(s.getsockname(), PATIENCE).close()
        return True
    except OSError:
        return False


def reserved_port(test):
    """A port that master can listen on, and that nobody else gets until the
    test is over."""
    s = socket.socket()
    test.addCleanup(s.close)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s.getsockname()[1]


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.01)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Suite:
    def __init__(self, test, mode_user=False, **conf):
        self.dir = tempfile.mkdtemp(prefix="master_test.", dir="/tmp")
        test.addCleanup(self.clean)
        os.chmod(self.dir, 0o755)
        self.libexec = os.path.join(self.dir, "libexec")
        os.mkdir(self.libexec)
        for role in ROLES:
            # A copy, because the build tree may be closed to other users.
            shutil.copy(os.path.join(BUILD, "any_child"), os.path.join(self.libexec, role))
        shutil.copy(os.path.join(BUILD, "master"), self.libexec)
        self.port = reserved_port(test)
        self.mode_user = mode_user or not IS_ROOT or not users_exist()
        self.conf = {"hostname": "mx.example.org", "path.queue": "queue", "path.run": "run",
                     "path.mail": "mail", "path.history": "history", "process.smtpd": "2", "process.remote": "1", "process.verifier": "1",
                     "log.target": "stderr", "log.level": "debug"}
        self.listeners = {"public": f"127.0.0.1:{self.port}"}
        self.conf.update(conf)
        if self.mode_user and IS_ROOT:
            shutil.chown(self.dir, "nobody", "nogroup")
        self.write()
        self.process = None

    def write(self, extra=""):
        with open(os.path.join(self.dir, "chasqui.conf"), "w") as f:
            for k, v in self.conf.items():
                f.write(f"{k} = {v}\n")
            for k, v in self.listeners.items():
                f.write(f'listener {k} {{ address = "{v}" }}\n')
            f.write(extra)

    def start(self, ready=True):
        env = dict(os.environ, CHASQUI_LIBEXEC=self.libexec)
        argv = [os.path.join(self.libexec, "master"), "-C", self.dir, "-f"]
        as_user = {}
        if self.mode_user and IS_ROOT:
            as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.logfile = os.path.join(self.dir, "log")
        log = open(self.logfile, "ab")
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, start_new_session=True, **as_user)
        log.close()
        if ready:
            self.wait_log(r"event=running")
        return self

    def log(self):
        with open(self.logfile, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, since=0):
        def there():
            found = re.search(pattern, self.log()[since:])
            if not found and self.process.poll() is not None:
                raise AssertionError(f"master ended with {self.process.returncode}, no {pattern}\n{self.log()}")
            return found
        try:
            return wait_for(there, pattern)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} in\n{self.log()}")

    def ask(self, line, port=None):
        with socket.create_connection(("127.0.0.1", port or self.port), PATIENCE) as s:
            s.settimeout(PATIENCE)
            s.sendall(line.encode() + b"\n")
            got = b""
            while not got.endswith(b"\n"):
                data = s.recv(4096)
                if not data:
                    return None
                got += data
            return got.decode().strip()

    def ask_until(self, line, good, what):
        def there():
            try:
                said = self.ask(line)
            except OSError:
                return None
            return said if said is not None and good(said) else None
        return wait_for(there, what)

    def pid(self, path):
        """The pid of a role, asked over the channels; None while it cannot be."""
        said = self.ask((path + " pid").strip())
        return int(said) if said and said.isdigit() else None

    def wait_other_pid(self, path, old):
        return int(self.ask_until((path + " pid").strip(),
                                  lambda s: s.isdigit() and int(s) != old, f"another {path}"))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def hangup(self):
        since = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        return since

    def clean(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def users_exist():
    """What `chasqui init` makes; a test of the build makes no users."""
    import pwd
    try:
        for role in ROLES + ("mail", "verifier"):
            pwd.getpwnam("_chasqui_" + role)
    except KeyError:
        return False
    return True


@unittest.skipUnless(has_loopback(), "needs the loopback")
class Master(unittest.TestCase):
    def test_wires_everybody_as_wiring_h_says(self):
        s = Suite(self).start()
        def peers(path):
            return set(s.ask((path + " peers").strip()).split())
        self.assertEqual(peers(""), {"qmgr.0", "lookup.0", "auth.0", "resolver.0", "keys.0"})
        self.assertEqual(peers("keys"), {"smtpd.0", "smtpd.1"})
        self.assertEqual(peers("qmgr"), {"smtpd.0", "smtpd.1", "lookup.0", "local.0", "remote.0", "bounce.0", "metrics.0"})
        self.assertEqual(peers("lookup"), {"smtpd.0", "smtpd.1", "qmgr.0", "local.0", "auth.0"})
        self.assertEqual(peers("resolver"), {"smtpd.0", "smtpd.1", "remote.0"})
        self.assertEqual(peers("auth"), {"smtpd.0", "smtpd.1", "verifier.0", "lookup.0"})
        self.assertEqual(peers("auth verifier"), {"auth.0"})
        self.assertEqual(peers("qmgr bounce"), {"qmgr.0"})
        self.assertEqual(peers("qmgr local"), {"qmgr.0", "lookup.0"})
        self.assertEqual(peers("qmgr remote"), {"qmgr.0", "resolver.0"})
        self.assertEqual(s.stop(), 0)
        self.assertNotIn("event=died", s.log())

    def test_gives_configuration_listeners_and_memory(self):
        s = Suite(self).start()
        # its own TCP socket and submit.sock
        self.assertRegex(s.ask("self"), r"^smtpd\.[01] hostname=mx\.example\.org shared=rate listeners=2 ")
        self.assertRegex(s.ask("qmgr self"), r"^qmgr\.0 hostname=mx\.example\.org shared= listeners=1 ")
        self.assertRegex(s.ask("lookup self"), r"listeners=1 ")
        self.assertRegex(s.ask("qmgr bounce self"), r"listeners=0 ")
        run = os.path.join(s.dir, "run")
        modes = {n: os.stat(os.path.join(run, n)).st_mode & 0o777 for n in os.listdir(run)}
        self.assertEqual(modes["submit.sock"], 0o666)
        self.assertEqual(modes["queue.sock"], 0o666)
        self.assertEqual(modes["metrics.sock"], 0o666)
        self.assertEqual(modes["lookup.sock"], 0o600)
        self.assertEqual(modes["control.sock"], 0o600)
        self.assertEqual(os.stat(os.path.join(s.dir, "queue", "drop")).st_mode & 0o7777, 0o3733)
        s.stop()
        self.assertEqual(set(os.listdir(run)) - {"empty", "workers"}, set(), "sockets stay behind")
        self.assertEqual(os.listdir(os.path.join(run, "workers")), [], "locks stay behind")

    def test_killed_process_is_back_and_wired(self):
        s = Suite(self).start()
        for path, via in (("qmgr", "qmgr"), ("lookup", "lookup"), ("resolver", "resolver"),
                          ("qmgr local", "local"), ("qmgr remote", "remote"), ("qmgr bounce", "bounce")):
            old = s.pid(path)
            since = len(s.log())
            os.kill(old, signal.SIGKILL)
            s.wait_other_pid(path, old)
            s.wait_log(rf"event=died role={via} index=0 child={old} signal=SIGKILL", since)
        self.assertEqual(set(s.ask("qmgr peers").split()),
                         {"smtpd.0", "smtpd.1", "lookup.0", "local.0", "remote.0", "bounce.0", "metrics.0"})
        s.stop()

    def test_connection_in_the_backlog_of_a_killed_smtpd_is_served(self):
        s = Suite(self, **{"process.smtpd": "1"}).start()
        old = s.pid("")
        os.kill(old, signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", s.port), PATIENCE) as c:
            c.settimeout(PATIENCE)
            c.sendall(b"pid\n")
            os.kill(old, signal.SIGKILL)
            said = c.recv(100)
        self.assertTrue(said.strip().isdigit(), said)
        self.assertNotEqual(int(said), old)
        s.stop()

    def test_process_that_keeps_dying_is_started_ever_later(self):
        s = Suite(self).start()
        for i in range(5):
            old = wait_for(lambda: s.pid("qmgr bounce"), "bounce")
            # it may answer before master has read that it is ready
            s.wait_log(f"event=ready role=bounce index=0 child={old} ")
            os.kill(old, signal.SIGKILL)
            s.wait_log(f"event=died role=bounce index=0 child={old} ")
            s.wait_other_pid("qmgr bounce", old)

        def starts():   # one that answers may not be in the log yet
            found = re.findall(r"(?m)^(\S+) .*event=ready role=bounce ", s.log())
            return found if len(found) == 6 else None
        times = wait_for(starts, "six starts in the log")

        def at(t):
            return datetime.datetime.fromisoformat(t.removesuffix("Z")).timestamp()
        gaps = [at(b) - at(a) for a, b in zip(times, times[1:])]
        self.assertGreater(gaps[4], 0.4)    # 0, 50, 100, 200, 400 ms
        s.stop()

    def test_forbidden_call_is_named_and_the_process_replaced(self):
        s = Suite(self).start()
        old = s.pid("qmgr bounce")
        with socket.create_connection(("127.0.0.1", s.port), PATIENCE) as c:
            c.sendall(b"qmgr bounce forbidden\n")
            s.wait_log(rf"bounce\[{old}\] error: event=forbidden-call call=execve")
        s.wait_log(rf"event=died role=bounce index=0 child={old} signal=SIGSYS")
        s.wait_other_pid("qmgr bounce", old)
        s.stop()

    def test_channel_that_broke_between_two_that_live_is_made_again(self):
        s = Suite(self).start()
        # long enough ago that a start cannot be the reason
        running = time.monotonic()
        wait_for(lambda: time.monotonic() - running > 3, "time to pass")
        self.assertEqual(s.ask("qmgr breach bounce"), "done")
        s.wait_log("event=rewired one=qmgr index=0 other=bounce")
        s.ask_until("qmgr bounce pid", str.isdigit, "bounce over a new channel")
        s.stop()

    def test_stubborn_process_is_left_and_the_rest_stops_in_order(self):
        s = Suite(self).start()
        self.assertEqual(s.stop(), 0)
        ends = re.findall(r"event=ended role=(\w+)", s.log())
        self.assertEqual(sorted(ends[:2]), ["smtpd", "smtpd"])
        self.assertEqual(ends[2], "qmgr")
        self.assertEqual(ends[-1], "history")
        self.assertEqual(set(ends[3:-1]), {"remote", "local", "bounce", "lookup", "auth", "verifier", "resolver", "keys", "metrics"})

    @unittest.skipUnless(IS_ROOT and users_exist(), "needs root and the system users")
    def test_master_keeps_only_the_capabilities_it_needs(self):
        s = Suite(self).start()
        with open(f"/proc/{s.process.pid}/status") as f:
            caps = {l.split(":")[0]: int(l.split(":")[1], 16) for l in f if l.startswith("Cap")}
        # dac_override kill setgid setuid setpcap net_bind_service ipc_lock sys_chroot sys_resource
        kept = sum(1 << n for n in (1, 5, 6, 7, 8, 10, 14, 18, 24))
        self.assertEqual(caps["CapEff"] & ~kept, 0)
        self.assertEqual(caps["CapBnd"] & ~kept, 0)
        self.assertEqual(caps["CapInh"] | caps["CapAmb"], 0)
        self.assertEqual(caps["CapEff"], caps["CapPrm"])
        s.stop()

    def test_process_that_hangs_is_replaced(self):
        s = Suite(self, **{"process.hung": "10s"}).start()
        old = s.pid("qmgr bounce")
        with socket.create_connection(("127.0.0.1", s.port), PATIENCE) as c:
            c.sendall(b"qmgr bounce hang\n")
            s.wait_log(rf"event=hung role=bounce index=0 child={old} ")
        s.wait_log(rf"event=died role=bounce index=0 child={old} signal=SIGKILL")
        s.wait_other_pid("qmgr bounce", old)
        self.assertEqual(len(re.findall("event=hung", s.log())), 1, "others were taken to hang")
        s.stop()

    def test_process_gets_a_successor_when_it_asks(self):
        s = Suite(self).start()
        old = s.pid("qmgr bounce")
        self.assertEqual(s.ask("qmgr bounce renew"), "done")
        s.wait_other_pid("qmgr bounce", old)
        self.assertNotIn("event=died", s.log())
        s.stop()

    def test_who_asks_too_much_is_not_listened_to_for_a_while(self):
        s = Suite(self).start()
        old = s.pid("qmgr bounce")
        self.assertEqual(s.ask("qmgr bounce flood"), "done")
        s.wait_log("event=not-listened-to role=bounce index=0")
        self.assertEqual(s.pid("qmgr bounce"), old)
        self.assertIsNotNone(s.pid("qmgr"))
        self.assertNotIn("event=died", s.log())
        s.stop()

    def test_second_signal_kills_what_does_not_stop(self):
        s = Suite(self).start()
        self.assertEqual(s.ask("qmgr stubborn"), "done")
        s.process.send_signal(signal.SIGTERM)
        s.wait_log("event=ended role=smtpd index=1")
        s.process.send_signal(signal.SIGTERM)
        self.assertEqual(s.process.wait(PATIENCE), 0)
        self.assertIn("event=died role=qmgr", s.log())

    def test_children_end_when_master_is_killed(self):
        s = Suite(self).start()
        pids = [s.pid(p) for p in ("", "qmgr", "lookup", "resolver", "qmgr local")]
        s.process.kill()
        s.process.wait()
        wait_for(lambda: not any(alive(p) for p in pids), "the children's end")
        s.start()       # and stale sockets are in nobody's way
        s.stop()

    def test_second_instance_is_refused(self):
        """By whomever it is started: here root may meet another's instance."""
        s = Suite(self).start()
        owner = os.stat(os.path.join(s.dir, "run")).st_uid
        p = subprocess.run([os.path.join(s.libexec, "master"), "-C", s.dir, "-f"],
                           env=dict(os.environ, CHASQUI_LIBEXEC=s.libexec),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
        self.assertEqual(p.returncode, 75)
        self.assertIn(f"running already, as process {s.process.pid}".encode(), p.stdout)
        self.assertEqual(os.stat(os.path.join(s.dir, "run")).st_uid, owner, "changed by the second")
        self.assertIsNotNone(s.pid("qmgr"))
        s.stop()

    def test_lock_of_a_killed_master_is_waited_for(self):
        """A child that was forked when its master died has it until it runs its program."""
        s = Suite(self).start()
        s.stop()
        gone = subprocess.Popen(["true"])
        gone.wait()
        path = os.path.join(s.dir, "run", "master.pid")
        with open(path, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(f"{gone.pid}\n")
            lock.flush()
            os.chmod(path, 0o666)
            since = len(s.log())
            s.start(ready=False)

            def waits():
                self.assertIsNone(s.process.poll(), s.log()[since:])
                fds = f"/proc/{s.process.pid}/fd"
                with contextlib.suppress(FileNotFoundError):
                    return any(os.path.realpath(os.path.join(fds, n)) == path for n in os.listdir(fds))
            wait_for(waits, "master to look at the lock")
        s.wait_log(r"event=running", since)
        s.stop()

    def test_taken_address_fails_the_start(self):
        s = Suite(self)
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", s.port))
            other.listen()
            s.start(ready=False)
            self.assertEqual(s.process.wait(PATIENCE), 69)
            self.assertIn("listener public: 127.0.0.1:%d: Address already in use" % s.port, s.log())

    def test_broken_configuration_fails_the_start(self):
        s = Suite(self)
        s.write("no.such.key = 1\n")
        s.start(ready=False)
        self.assertEqual(s.process.wait(PATIENCE), 78)
        self.assertRegex(s.log(), r"chasqui\.conf:\d+:\d+: ")

    def test_process_that_never_starts_fails_the_start(self):
        s = Suite(self, hostname="die.qmgr.test")
        s.start(ready=False)
        self.assertEqual(s.process.wait(PATIENCE), 69)
        self.assertIn('why="qmgr does not start', s.log())
        self.assertIn("event=died role=qmgr index=0", s.log())


@unittest.skipUnless(has_loopback(), "needs the loopback")
class Reload(unittest.TestCase):
    def test_takes_a_new_value_everywhere(self):
        s = Suite(self).start()
        pids = [s.pid(p) for p in ("qmgr", "lookup", "qmgr local")]
        s.conf["hostname"] = "new.example.org"
        s.write()
        since = s.hangup()
        s.wait_log(r"master\[\d+\] info: event=reloaded", since)
        for path in ("", "qmgr ", "lookup ", "qmgr local ", "qmgr remote ", "resolver "):
            self.assertIn("hostname=new.example.org", s.ask(path + "self"), path)
        self.assertEqual(pids, [s.pid(p) for p in ("qmgr", "lookup", "qmgr local")])
        # and a successor gets it too
        os.kill(pids[0], signal.SIGKILL)
        s.wait_other_pid("qmgr", pids[0])
        self.assertIn("hostname=new.example.org", s.ask("qmgr self"))
        s.stop()

    def test_broken_file_changes_nothing(self):
        s = Suite(self).start()
        s.conf["hostname"] = "new.example.org"
        s.write("smtp.max_mesage = 1\n")
        since = s.hangup()
        s.wait_log(r"event=reload-failed why=.*chasqui\.conf:\d+:\d+: ", since)
        self.assertIn("hostname=mx.example.org", s.ask("qmgr self"))
        s.stop()

    def test_listener_comes_and_goes_and_the_others_stay(self):
        s = Suite(self).start()
        kept = socket.create_connection(("127.0.0.1", s.port), PATIENCE)
        second = reserved_port(self)
        s.listeners["second"] = f"127.0.0.1:{second}"
        s.write()
        s.wait_log(r"master\[\d+\] info: event=reloaded", s.hangup())
        self.assertTrue(wait_for(lambda: s.ask("pid", second), "the new listener").isdigit())
        del s.listeners["second"]
        s.write()
        s.wait_log(r"master\[\d+\] info: event=reloaded", s.hangup())
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", second), PATIENCE)
        kept.sendall(b"pid\n")
        kept.settimeout(PATIENCE)
        self.assertTrue(kept.recv(100).strip().isdigit(), "a connection of before the reloads")
        self.assertIsNotNone(s.pid("qmgr"))
        kept.close()
        s.stop()

    def test_taken_address_changes_nothing(self):
        s = Suite(self).start()
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            s.conf["hostname"] = "new.example.org"
            s.listeners["second"] = f"127.0.0.1:{other.getsockname()[1]}"
            s.write()
            s.wait_log("event=reload-failed why=.*listener.*second", s.hangup())
        self.assertIn("hostname=mx.example.org", s.ask("qmgr self"))
        s.stop()

    def test_process_that_may_read_other_directories_is_renewed(self):
        s = Suite(self).start()
        qmgr, lookup = s.pid("qmgr"), s.pid("lookup")
        os.mkdir(os.path.join(s.dir, "elsewhere"))
        s.write(f"table t {{ type = file; path = {s.dir}/elsewhere/t }}\n")
        since = s.hangup()
        s.wait_log(r"master\[\d+\] info: event=reloaded", since)
        self.assertRegex(s.log()[since:], r"(?s)event=ready role=lookup.*master\[\d+\] info: event=reloaded")
        self.assertNotEqual(s.pid("lookup"), lookup)
        self.assertEqual(s.pid("qmgr"), qmgr)
        self.assertIn("lookup.0", s.ask("qmgr peers").split())
        self.assertNotIn("event=died", s.log())
        s.stop()

    def test_refusal_of_one_process_is_told(self):
        s = Suite(self).start()
        s.conf["hostname"] = "refuse.lookup.test"
        s.write()
        s.wait_log("event=reload-incomplete why=.*lookup.*told.*to.*refuse", s.hangup())
        self.assertIn("hostname=mx.example.org", s.ask("lookup self"))
        s.stop()


@unittest.skipUnless(has_loopback(), "needs the loopback")
class Workers(unittest.TestCase):
    def test_worker_is_started_for_local(self):
        s = Suite(self).start()
        uid, gid = self.mail_ids(s)
        self.assertEqual(s.ask(f"qmgr local want 7 6 {uid} {gid} - {s.dir}/mail"), "asked")
        said = s.ask_until("qmgr local worker self", lambda x: x.startswith("worker"), "the worker")
        self.assertIn(f"worker.7 ", said)
        self.assertIn(f"directory={s.dir}/mail", said)
        self.assertIn("worker.7", s.ask("qmgr local peers").split())
        pid = int(s.ask("qmgr local worker pid"))
        with open(f"/proc/{pid}/status") as f:
            status = f.read()
        self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}", status)
        # local's death takes its workers along
        os.kill(s.pid("qmgr local"), signal.SIGKILL)
        wait_for(lambda: not alive(pid), "the worker's end")
        s.stop()

    def test_worker_waits_until_the_last_locals_has_ended(self):
        """Two that write into one directory would not see each other's copies."""
        s = Suite(self).start()
        uid, gid = self.mail_ids(s)
        want = f"6 {uid} {gid} - {s.dir}/mail"
        self.assertEqual(s.ask(f"qmgr local want 7 {want}"), "asked")
        old = int(s.ask_until("qmgr local worker pid", str.isdigit, "the worker"))
        os.kill(old, signal.SIGSTOP)
        local = s.pid("qmgr local")
        os.kill(local, signal.SIGKILL)
        s.wait_other_pid("qmgr local", local)
        since = len(s.log())
        self.assertEqual(s.ask(f"qmgr local want 8 {want}"), "asked")
        # master has read that before what is asked of it now
        s.wait_log(r"master\[\d+\] info: event=reloaded", s.hangup())
        self.assertNotIn("event=started role=worker", s.log()[since:])
        os.kill(old, signal.SIGCONT)
        s.wait_log(r"event=started role=worker index=8 ", since)
        self.assertFalse(alive(old))
        s.ask_until("qmgr local worker pid", str.isdigit, "the next worker")
        s.stop()

    def test_workers_that_may_not_be_are_refused(self):
        s = Suite(self, **{"local.workers": "1"}).start()
        uid, gid = self.mail_ids(s)
        mail = s.dir + "/mail"
        self.assertEqual(s.ask(f"qmgr local want 1 6 {uid} {gid} - {mail}"), "asked")
        s.ask_until("qmgr local worker pid", str.isdigit, "the first worker")
        if s.mode_user:
            low = (1, "its own user")
        else:
            low = (1, "minimum_uid")
        for want, why in ((f"2 6 0 0 root {mail}", "root"),
                          (f"2 6 {low[0]} 1 daemon {mail}", low[1]),
                          (f"2 6 {uid} {gid} - /", "directory"),
                          (f"2 6 {uid} {gid} - {mail}/../..", "directory"),
                          (f"2 6 {uid} {gid} - {mail}:/etc", "directory"),
                          (f"2 6 {uid} {gid} - relative", "directory"),
                          (f"2 6 {uid} {gid} - {mail}", "local.workers")):
            self.assertEqual(s.ask(f"qmgr local want {want}"), "asked")
            said = s.ask_until("qmgr local refused", lambda x: x != "no", f"the refusal of {want}")
            self.assertIn(why, said, want)
        s.stop()

    def mail_ids(self, s):
        import pwd
        if not IS_ROOT:
            return os.getuid(), os.getgid()
        pw = pwd.getpwnam("nobody" if s.mode_user else "_chasqui_mail")
        return pw.pw_uid, pw.pw_gid


@unittest.skipUnless(has_loopback(), "needs the loopback")
class Sessions(unittest.TestCase):
    BAD_GRANT, FORBIDDEN, TOO_MANY, LATER, GONE = range(1, 6)
    IMAP, POP3 = 2, 3

    def suite(self, **conf):
        s = Suite(self, **{"process.login": "2", **conf})
        self.port = reserved_port(self)
        s.write(f'listener imap {{\nmode = imap\naddress = "127.0.0.1:{self.port}"\n}}\n')
        s.start()
        self.secret = bytes.fromhex(s.ask("auth secret"))
        self.uid, self.gid = Workers.mail_ids(self, s)
        self.mail = s.dir + "/mail"
        return s

    def grant(self, life=30, secret=None, nonce=None, **other):
        g = {"protocol": self.IMAP, "login": "alice@example.org", "uid": self.uid, "gid": self.gid,
             "user": "", "directory": self.mail, "maildir": self.mail + "/alice"}
        g.update(other)

        def text(s):
            return struct.pack("<I", len(s.encode())) + s.encode()
        body = (bytes([1, g["protocol"]]) + (nonce or os.urandom(16)) + struct.pack("<Q", int((time.monotonic() + life) * 1000)) +
                text(g["login"]) + struct.pack("<II", g["uid"], g["gid"]) + text(g["user"]) + text(g["directory"]) +
                text(g["maildir"]) + struct.pack("<QQ", *g.get("quota", (7, 8))))
        return (body + hmac.new(secret or self.secret, body, hashlib.sha256).digest()).hex()

    def login(self, s, index, line):
        said = "other"
        while said == "other":
            said = s.ask(f"if {index} {line}", self.port)
        return said

    def tell(self, s, index, line):
        """What master does not answer: it knows of it once it answers the next."""
        self.login(s, index, line)
        self.assertRegex(self.login(s, index, f"session on {2**63}"), rf"^refused {self.GONE} ")

    def begin(self, s, grant, index=0):
        return self.login(s, index, "session new " + grant)

    def begun(self, s, grant, index=0):
        said = self.begin(s, grant, index)
        self.assertRegex(said, r"^[0-9]+ ")
        return int(said.split()[0])

    def begun_when_there_is_room(self, s, login="alice@example.org"):
        """A process that was told to end counts until it has ended."""
        def answer():
            said = self.begin(s, self.grant(login=login))
            return None if said.startswith(f"refused {self.LATER} ") else said
        said = wait_for(answer, "room for another process")
        self.assertRegex(said, r"^[0-9]+ ")
        return int(said.split()[0])

    def test_grants_that_are_not_good_are_refused(self):
        s = self.suite()
        good = self.grant()
        first = self.begin(s, good)
        self.assertRegex(first, rf"^1 alice@example\.org {re.escape(self.mail)}/alice$")
        s.wait_log(rf"event=spawned session=1 uid={self.uid} gid={self.gid} quota=7,8 "
                   rf"login=alice@example\.org directory={re.escape(self.mail)}\n")
        fresh = self.grant()
        for what, grant in (("used", good), ("other secret", self.grant(secret=bytes(32))),
                            ("cut", fresh[:-2]), ("one bit", "00" + fresh[2:]), ("longer", fresh + "00"),
                            ("too late", self.grant(life=-1)), ("for too long", self.grant(life=3600)),
                            ("POP3's", self.grant(protocol=self.POP3)), ("short", "00" * 8)):
            with self.subTest(what):
                self.assertRegex(self.begin(s, grant), rf"^refused {self.BAD_GRANT} ")
        # by the process that it came to, or by another
        self.assertRegex(self.begin(s, good, 1), rf"^refused {self.BAD_GRANT} .*used")
        self.begun(s, fresh)
        s.wait_log(r"event=spawned session=2 ")
        self.assertEqual(s.log().count("event=spawned"), 2)
        self.assertEqual(s.stop(), 0)

    def test_who_may_have_no_process_has_none(self):
        s = self.suite()
        below = 1
        for what, other in (("root", {"uid": 0}), ("a system user", {"uid": below}),
                            ("no path", {"directory": "mail", "maildir": "mail/alice"}),
                            ("all", {"directory": "/", "maildir": self.mail}),
                            ("up", {"directory": self.mail + "/..", "maildir": self.mail + "/../x"}),
                            ("the Maildir up", {"maildir": self.mail + "/../x"}),
                            ("not below", {"maildir": "/var/mail/alice"}),
                            ("not below, but alike", {"maildir": self.mail + "2/alice"}),
                            ("two", {"directory": self.mail + ":/etc", "maildir": self.mail + ":/etc/x"})):
            with self.subTest(what):
                self.assertRegex(self.begin(s, self.grant(**other)), rf"^refused {self.FORBIDDEN} ")
        if not s.mode_user:
            self.assertRegex(self.begin(s, self.grant(gid=0)), rf"^refused {self.FORBIDDEN} ")
        self.assertNotIn("event=spawned", s.log())
        self.assertEqual(s.stop(), 0)

    def test_only_its_own_process_has_a_session_go_on(self):
        s = self.suite()
        a = self.begun(s, self.grant())
        self.login(s, 0, f"end {a}")
        for index, session in ((1, a), (0, a + 1), (0, 2**63)):
            self.assertRegex(self.login(s, index, f"session on {session}"), rf"^refused {self.GONE} ")
        # nor ends it
        self.tell(s, 1, f"forget {a}")
        self.assertRegex(self.login(s, 0, f"session on {a}"), rf"^{a} alice@example\.org ")
        self.login(s, 0, f"end {a}")
        self.tell(s, 0, f"forget {a}")
        self.assertRegex(self.login(s, 0, f"session on {a}"), rf"^refused {self.GONE} ")
        # what a process that died had, its successor has not
        b = self.begun(s, self.grant())
        old = int(self.login(s, 0, "pid"))
        os.kill(old, signal.SIGKILL)

        def other():
            try:
                said = s.ask("if 0 pid", self.port)
            except OSError:
                return None
            return said and said != "other" and int(said) != old
        wait_for(other, "another login process")
        self.assertRegex(self.login(s, 0, f"session on {b}"), rf"^refused {self.GONE} ")
        self.assertEqual(s.stop(), 0)

    def test_limits(self):
        s = self.suite(**{"imap.user_sessions": "2", "imap.max_sessions": "3"})
        mine = [self.begun(s, self.grant()), self.begun(s, self.grant(), 1)]
        self.assertRegex(self.begin(s, self.grant()), rf"^refused {self.TOO_MANY} ")
        # parked ones count for the user
        self.login(s, 0, f"end {mine[0]}")
        self.assertRegex(self.begin(s, self.grant()), rf"^refused {self.TOO_MANY} ")
        others = [self.begun_when_there_is_room(s, f"user{i}@example.org") for i in range(2)]
        # but not as processes: three run
        self.assertRegex(self.begin(s, self.grant(login="late@example.org")), rf"^refused {self.LATER} ")
        self.assertRegex(self.login(s, 0, f"session on {mine[0]}"), rf"^refused {self.LATER} ")
        self.login(s, 0, f"end {others[0]}")
        self.tell(s, 0, f"forget {others[0]}")
        wait_for(lambda: self.login(s, 0, f"session on {mine[0]}").startswith(str(mine[0])), "room to go on")
        self.login(s, 0, f"end {mine[0]}")
        self.tell(s, 0, f"forget {mine[0]}")
        self.begun_when_there_is_room(s)
        self.assertEqual(s.stop(), 0)

    def test_a_process_is_kept_for_the_same_rights_alone(self):
        s = self.suite()
        a = self.begun(s, self.grant())
        self.tell(s, 0, f"free {a}")
        # whichever login process asks: the same process, so the same number
        self.assertEqual(self.begun(s, self.grant(), 1), a)
        s.wait_log(rf"event=next-client session={a}\n")
        # not while it has a client
        b = self.begun(s, self.grant())
        self.assertNotEqual(a, b)
        # nor for whom it was before
        for word in ("forget", "free"):
            self.tell(s, 0, f"{word} {a}")
        self.assertNotEqual(self.begun(s, self.grant()), a)
        self.tell(s, 1, f"free {a}")
        # another user of the same uid and directory; the same one elsewhere, by another protocol, in vain
        self.assertNotEqual(self.begun(s, self.grant(login="bob@example.org")), a)
        self.assertRegex(self.begin(s, self.grant(secret=bytes(32))), rf"^refused {self.BAD_GRANT} ")
        self.assertRegex(self.begin(s, self.grant(protocol=self.POP3)), rf"^refused {self.BAD_GRANT} ")
        self.assertNotIn("event=not-kept", s.log())
        # other rights: it ends, and what comes back later finds another
        self.assertNotEqual(self.begun(s, self.grant(maildir=self.mail + "/alice2")), a)
        s.wait_log(rf"event=not-kept session={a}\n")
        self.assertNotEqual(self.begun(s, self.grant()), a)
        self.assertEqual(s.stop(), 0)

    def test_each_right_counts(self):
        s = self.suite()
        for n, other in enumerate(({"maildir": self.mail + "/alice/Maildir"}, {"directory": self.mail + "/alice"}, {"gid": self.gid + 1},
                                   {"uid": 60000}, {"quota": (7, 9)}, {"quota": (0, 8)})):
            if s.mode_user and "uid" in other:
                continue
            with self.subTest(other):
                login = f"user{n}@example.org"
                a = self.begun(s, self.grant(login=login))
                self.tell(s, 0, f"free {a}")
                self.assertNotEqual(self.begun(s, self.grant(login=login, **other)), a)
                s.wait_log(rf"event=not-kept session={a}\n")
        self.assertEqual(s.stop(), 0)

    def test_what_is_kept_stands_in_nobodys_way(self):
        s = self.suite(**{"imap.user_sessions": "2", "imap.max_sessions": "3", "imap.max_kept": "2"})
        logins = [f"user{n}@example.org" for n in range(3)]
        ids = [self.begun(s, self.grant(login=login)) for login in logins]
        for session in ids:
            self.tell(s, 0, f"free {session}")
        # two at the most: the oldest goes
        s.wait_log(rf"event=not-kept session={ids[0]}\n")
        # of a user they are no session
        self.assertEqual(self.begun(s, self.grant(login=logins[1])), ids[1])
        self.begun(s, self.grant(login=logins[1]))
        self.assertRegex(self.begin(s, self.grant(login=logins[1])), rf"^refused {self.TOO_MANY} ")
        # and make room for those of others
        self.begun(s, self.grant(login="late@example.org"))
        s.wait_log(rf"event=not-kept session={ids[2]}\n")
        self.assertRegex(self.begin(s, self.grant(login="later@example.org")), rf"^refused {self.LATER} ")
        self.assertEqual(s.stop(), 0)

    def test_nothing_is_kept_beyond_its_time(self):
        s = self.suite(**{"imap.keep": "100ms"})
        a = self.begun(s, self.grant())
        self.tell(s, 0, f"free {a}")
        s.wait_log(rf"event=not-kept session={a}\n")
        self.assertNotEqual(self.begun(s, self.grant()), a)
        self.assertEqual(s.stop(), 0)
        s = self.suite(**{"imap.keep": "0"})
        a = self.begun(s, self.grant())
        self.tell(s, 0, f"free {a}")
        s.wait_log(rf"event=not-kept session={a}\n")
        self.assertEqual(s.stop(), 0)

    def test_a_reload_ends_what_is_kept(self):
        s = self.suite()
        kept, busy = self.begun(s, self.grant()), self.begun(s, self.grant(login="bob@example.org"))
        self.tell(s, 0, f"free {kept}")
        s.wait_log(r"event=reloaded", s.hangup())
        s.wait_log(rf"event=not-kept session={kept}\n")
        self.assertNotEqual(self.begun(s, self.grant()), kept)
        # and what began before is not kept any more
        self.tell(s, 0, f"free {busy}")
        s.wait_log(rf"event=not-kept session={busy}\n")
        self.assertEqual(s.stop(), 0)

    def test_a_spawn_that_dies_leaves_nothing_kept(self):
        s = self.suite()
        a = self.begun(s, self.grant())
        self.tell(s, 0, f"free {a}")
        os.kill(int(re.search(r"event=ready role=imap-spawn index=0 child=([0-9]+)", s.log())[1]), signal.SIGKILL)
        wait_for(lambda: self.begin(s, self.grant()).split()[0] not in ("refused", str(a)), "a session of another spawn")
        self.assertEqual(s.stop(), 0)

    def test_a_spawn_can_have_its_own_children_killed_only(self):
        s = self.suite()
        self.begin(s, self.grant(login="liar@example.org"))
        s.wait_log(r"event=channel-breach why=session peer=imap-spawn index=0\n")
        wait_for(lambda: self.begin(s, self.grant()).split()[0] != "refused", "a session of another spawn")
        self.assertNotIn("event=session-killed", s.log())
        self.assertEqual(s.stop(), 0)


@unittest.skipUnless(IS_ROOT and has_loopback(), "needs the loopback, and root to be another user")
class WithoutRoot(unittest.TestCase):
    def test_runs_as_an_ordinary_user(self):
        s = Suite(self, mode_user=True).start()
        self.assertIn("event=without-root", s.log())
        old = s.pid("qmgr bounce")
        with open(f"/proc/{old}/status") as f:
            status = f.read()
        self.assertRegex(status, r"NoNewPrivs:\t1")
        self.assertRegex(status, r"Seccomp:\t2")
        s.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
