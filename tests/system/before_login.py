# SPDX-License-Identifier: ISC
"""What clients that have not logged in can make a process hold: 64 KiB each at most."""
import os
import re
import socket
import time

from harness import PATIENCE, Story, any_certificate, comm, descendants, wait_for
from imap_kills import role_of

CONNECTIONS = 40
MOST = 64 * 1024


def memory(pid):
    """Bytes that the process has to itself."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        text = f.read()
    return 1024 * sum(int(n) for n in re.findall(r"(?m)^(?:Private_Dirty|Private_Clean|Swap):\s+(\d+) kB", text))


class BeforeLogin(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(imap__max_connections="2000", pop3__max_connections="2000")

    def process(self, program, role):
        def find():
            for p in descendants(self.box.master()):
                if comm(p) == program and role_of(p) == role:
                    return p
            return None
        return wait_for(find, role)

    def worst(self, program, port, said, tls):
        """Each connection says so much and reads nothing; bytes for each."""
        pid = self.process(program, program)
        # One before, for what is made once.
        self.connect(port, said, tls).close()
        before, held = memory(pid), []
        for _ in range(CONNECTIONS):
            held.append(self.connect(port, said, tls))
        most = 0
        end = time.monotonic() + 1
        while time.monotonic() < end:
            most = max(most, memory(pid) - before)
            time.sleep(0.05)
        for s in held:
            s.close()
        self.assertEqual(self.process(program, program), pid)
        each = most // CONNECTIONS
        print(f"# {program} port {port}, {len(said)} bytes: {each} bytes a connection before the login", flush=True)
        self.assertLessEqual(each, MOST)

    def connect(self, port, said, tls):
        s = socket.create_connection(("127.0.0.1", self.box.base + port), PATIENCE)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if tls:
            s = any_certificate().wrap_socket(s)
        s.settimeout(0.02)
        try:
            s.sendall(said)
        except (TimeoutError, ConnectionError, OSError):
            pass                # it is not read any more
        return s

    def test_half_a_command(self):
        for tls in (False, True):
            self.worst("imapd", 993 if tls else 143, b"a LOGIN alice@example.org {22000+}\r\n" + b"x" * 21900, tls)
            self.worst("pop3d", 995 if tls else 110, b"USER " + b"x" * 200, tls)

    def test_questions_whose_answers_are_not_read(self):
        for tls in (False, True):
            self.worst("imapd", 993 if tls else 143, b"a CAPABILITY\r\n" * 1500, tls)
            self.worst("pop3d", 995 if tls else 110, b"CAPA\r\n" * 1500, tls)

    def test_handshakes_that_do_not_go_on(self):
        # The head of a record of 16 KiB, and nearly all of it.
        record = b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc" + b"\0" * 16000
        self.worst("imapd", 993, record, False)
        self.worst("pop3d", 995, record, False)
