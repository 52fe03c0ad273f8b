# SPDX-License-Identifier: ISC
"""What the system around the suite gives: a syslog daemon, a service manager."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from harness import CHASQUI, PATIENCE, Story, needs_program, needs_root, wait_for

# In a mount namespace of its own: a /dev with a log socket; then the program is
# run, and what comes to the socket goes to a file.  A line on stdin makes the
# daemon start anew, as at a change of logs; the end of stdin ends all.
SYSLOG = r"""
import os, select, socket, subprocess, sys
def mount(*args): subprocess.run(["mount", *args], check=True)
old = sys.argv[1]
mount("--rbind", "/dev", old)
mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev")
for name in ("null", "zero", "full", "random", "urandom", "tty"):
    open("/dev/" + name, "w").close()
    mount("--bind", os.path.join(old, name), "/dev/" + name)
def listen():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    return s
out = open(sys.argv[2], "ab", buffering=0)
log = listen()
program = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL)
while True:
    ready = select.select([log, sys.stdin], [], [])[0]
    if log in ready:
        out.write(log.recv(65536) + b"\n")
    elif not os.read(0, 100):
        break
    else:
        log.close()
        os.unlink("/dev/log")
        log = listen()
        out.write(b"--- anew\n")
"""


@needs_root
@needs_program("unshare", "mount")
class Syslog(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(start=False, log__target="syslog")
        cls.written = cls.box.dir + ".syslog"
        argv = ["unshare", "-m", "--propagation", "private", sys.executable, "-c", SYSLOG,
                cls.directory("dev"), cls.written, CHASQUI, "-C", cls.box.dir, "start"]
        cls.daemon = subprocess.Popen(argv, stdin=subprocess.PIPE)
        cls.at_end(lambda: (cls.daemon.stdin.close(), cls.daemon.wait(PATIENCE)))
        cls.at_end(lambda: cls.box.tool("stop"))

    @classmethod
    def lines(cls):
        with open(cls.written, errors="replace") as f:
            return f.read()

    def wait_line(self, pattern, since=0):
        return wait_for(lambda: re.search(pattern, self.lines()[since:], re.M),
                        lambda: f"{pattern!r} in\n{self.lines()[-4000:]}")

    def test_every_process_logs_there_and_to_its_successor(self):
        wait_for(lambda: os.path.exists(self.written), "the log")
        # mail.info is 2 * 8 + 6, from the process that says it
        self.wait_line(r"^<22>master\[\d+\]: event=running ms=\d+$")
        self.box.send("alice@example.org", subject="with syslog")
        self.wait_line(r"^<22>smtpd\[\d+\]: id=\w+ event=accepted from=sender@client\.example ")
        self.wait_line(r"^<22>qmgr\[\d+\]: id=\w+ event=delivered rcpt=alice@example\.org ")
        since = len(self.lines())
        self.daemon.stdin.write(b"anew\n")
        self.daemon.stdin.flush()
        self.wait_line(r"^--- anew$", since)
        # What is said while nobody finds the new socket is lost; then it is found.
        def sent():
            self.box.send("alice@example.org", subject="after the restart")
            found = self.lines()[since:].partition("--- anew")[2]
            return all(re.search(p, found) for p in (r"smtpd\[\d+\]: id=\w+ event=accepted ",
                                                     r"qmgr\[\d+\]: id=\w+ event=delivered "))
        wait_for(sent, lambda: "the log to go on:\n" + self.lines()[-3000:], step=0.3)


class ServiceManager(Story):
    def test_it_hears_when_the_suite_is_ready_and_stops(self):
        box = self.instance(start=False)
        where = tempfile.mkdtemp(prefix="notify.", dir="/tmp")
        self.addCleanup(subprocess.run, ["rm", "-rf", where])
        path = os.path.join(where, "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            s.settimeout(PATIENCE)
            with open(box.logfile, "ab") as log:
                p = subprocess.Popen([CHASQUI, "-C", box.dir, "start", "--foreground"], stdin=subprocess.DEVNULL,
                                     stdout=log, stderr=log, env=dict(os.environ, NOTIFY_SOCKET=path))
            try:
                text, sender = self.heard(s)
                self.assertEqual(text, "READY=1")
                # systemd listens to the main process alone unless it is told otherwise
                self.assertEqual(sender, p.pid)
                with box.talk() as t:
                    self.assertEqual(t.greeting[0], 220)
                p.send_signal(signal.SIGTERM)
                self.assertEqual(self.heard(s), ("STOPPING=1", p.pid))
                self.assertEqual(p.wait(PATIENCE), 0)
            finally:
                if p.poll() is None:
                    p.kill()
                    p.wait()

    def heard(self, s):
        data, ancillary, _, _ = s.recvmsg(4096, socket.CMSG_SPACE(12))
        pid = struct.unpack("3i", ancillary[0][2])[0]
        return data.decode(), pid
