# SPDX-License-Identifier: ISC
"""Hundreds of clients that wait in IDLE without a process, and the limits."""
import os
import re
import socket

from harness import needs_root, wait_for
from login_sessions import LoginStory
from pop3 import Line

USERS = [f"u{i}@example.org" for i in range(20)]
EACH = 40 if os.environ.get("CHASQUI_LONG") else 10     # half of them within TLS


def memory(pid):
    """Bytes that are its own."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        found = dict(re.findall(r"^(\w+):\s+(\d+) kB", f.read(), re.M))
    return 1024 * (int(found["Private_Dirty"]) + int(found["Private_Clean"]))


@needs_root
class Many(LoginStory):
    keys = {"imap.park": "300ms", "imap.max_sessions": "50", "imap.max_connections": str(len(USERS) * EACH + 1),
            "users": USERS}

    def login_process(self):
        return next(p for p in self.box.pids("imapd") if open(f"/proc/{p}/cmdline").read().split("\0")[1] == "imapd")

    def begin(self, user, tls):
        """Logged in, also where other sessions have all the room."""
        c = self.imap(tls)
        wait_for(lambda: c.command(f"LOGIN {user} secret")[1].startswith("OK"), "room for " + user, step=0.1)
        return c

    def test_none_of_many_is_lost_and_all_hear_of_mail(self):
        pid = self.login_process()
        before = memory(pid)
        clients = []
        for i in range(EACH):
            for user in USERS:
                c = self.begin(user, tls=i % 2 == 0)
                self.assertRegex(c.command("SELECT INBOX")[1], "^OK")
                c.s.sendall(b"i IDLE\r\n")
                self.assertRegex(c.line(), r"^\+ ")
                clients.append(c)
        wait_for(lambda: not self.sessions(), "all to be parked")
        held = memory(pid) - before
        print(f"# {len(clients)} parked clients, half of them within TLS: {held // len(clients)} bytes each")
        self.assertLess(held // len(clients), 65536)
        # master hears of the last end a moment later
        wait_for(lambda: re.search(rf"imap-spawn .* sessions=0 parked={len(clients)} users={len(USERS)} ",
                                   self.box.tool("status", "--processes").stdout), "master to know")
        # no room for a client that comes now, but one
        last, late = self.imap(), self.imap()
        self.assertRegex(last.greeting, r"^\* OK")
        self.assertRegex(late.greeting, r"^\* BYE \[UNAVAILABLE\]")
        last.s.close()
        # more are woken than may run at once
        for user in USERS:
            self.box.send(user, subject="news")
        for c in clients:
            wait_for(lambda: c.line().endswith(" EXISTS"), "the news", step=0)
        wait_for(lambda: not self.sessions(), "all to be parked again")
        for c in clients:
            c.s.sendall(b"DONE\r\n")
        for c in clients:
            self.assertRegex(c.answer("i")[1], "^OK")
            self.assertRegex(c.command("LOGOUT")[1], "^OK")
        self.assertNotIn("event=session-died", self.box.log())


class Processes(LoginStory):
    keys = {"imap.park": "0", "imap.max_sessions": "3"}

    def test_without_room_for_a_process_a_login_is_put_off(self):
        old = [self.logged_in(tls=tls) for tls in (False, True, False)]
        c = self.imap()
        self.assertRegex(c.command("LOGIN alice@example.org secret")[1], r"^NO \[UNAVAILABLE\]")
        for o in old:
            self.assertRegex(o.command("SELECT INBOX")[1], "^OK")
        old[0].command("LOGOUT")
        wait_for(lambda: c.command("LOGIN alice@example.org secret")[1].startswith("OK"), "room")


class HalfClosed(LoginStory):
    def test_who_has_said_all_gets_all_answers(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                c = self.imap(tls)
                c.s.sendall(b"a LOGIN alice@example.org secret\r\nb SELECT INBOX\r\nc LIST \"\" *\r\nd LOGOUT\r\n")
                # of the socket, beneath TLS
                socket.socket.shutdown(c.s, socket.SHUT_WR)
                for tag in "abcd":
                    self.assertRegex(c.answer(tag)[1], "^OK")
                self.assertTrue(c.closed())
                c = Line(self.box.base + (995 if tls else 110), tls)
                self.addCleanup(c.s.close)
                c.s.sendall(b"USER alice@example.org\r\nPASS secret\r\nSTAT\r\nNOOP\r\nQUIT\r\n")
                socket.socket.shutdown(c.s, socket.SHUT_WR)
                for _ in range(6):
                    self.assertRegex(c.line(), r"^\+OK")
                self.assertTrue(c.closed())

