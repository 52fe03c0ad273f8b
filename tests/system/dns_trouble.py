# SPDX-License-Identifier: ISC
"""Name servers that are silent, slow, confused or gone, and what mail does then."""
import os
import random
import signal
import socket
import threading
import time

from harness import Ports, Story, descendants, needs_net, needs_program, wait_for
from sink import Sink


class OddServer:
    """A name server of UDP alone: every host is 127.0.0.2, nothing has an MX.

    mode: "good", "slow" (half a second), "garbage", "servfail", "other" (the
    answer to another question), "late" (an answer to a question of the past)."""

    def __init__(self, story):
        self.mode, self.asked = "good", 0
        self.port = Ports.single()
        self.at = f"127.0.0.1:{self.port}"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.settimeout(0.2)
        self.running = True
        self.old = None
        self.random = random.Random(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        story.at_end(self.stop)

    def stop(self):
        self.running = False
        self.thread.join()
        self.socket.close()

    def serve(self):
        while self.running:
            try:
                q, who = self.socket.recvfrom(4096)
            except socket.timeout:
                continue
            self.asked += 1
            for answer in self.answers(q):
                if self.mode == "slow":
                    threading.Timer(0.5, self.send, (answer, who)).start()
                else:
                    self.send(answer, who)

    def send(self, answer, who):
        try:
            self.socket.sendto(answer, who)
        except OSError:
            pass

    def answers(self, q):
        end = 12
        while q[end]:
            end += q[end] + 1
        end += 5
        kind = int.from_bytes(q[end - 4:end - 2], "big")
        a = b""
        if kind == 1:
            a = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\2"
        good = q[:2] + b"\x81\x80\0\1" + (b"\0\1" if a else b"\0\0") + b"\0\0\0\0" + q[12:end] + a
        if self.mode == "garbage":
            return [bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 300))),
                    q[:2] + b"\x81\x80" + bytes(self.random.randrange(256) for _ in range(40))]
        if self.mode == "servfail":
            return [q[:2] + b"\x81\x82\0\1\0\0\0\0\0\0" + q[12:end]]
        if self.mode == "other":
            return [q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0\5other\7example\0\0\1\0\1" + b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\3"]
        if self.mode == "late":
            old, self.old = self.old, good
            return [old] if old else []
        return [good]


@needs_net
class OddServers(Story):
    @classmethod
    def arrange(cls):
        cls.dns = OddServer(cls)
        cls.sink = Sink([("127.0.0.2", 25)])
        cls.stranger = Sink([("127.0.0.3", 25)])
        for s in (cls.sink, cls.stranger):
            cls.at_end(s.stop)
        cls.box = cls.instance(dns=cls.dns.at, dns__timeout="2s")

    def setUp(self):
        self.dns.mode = "good"

    def arrives(self, domain):
        return wait_for(lambda: [m for m in self.sink.messages if f"x@{domain}" in m.recipients],
                        lambda: f"mail for {domain}; log:\n" + self.box.log()[-3000:])

    def trouble(self, mode):
        """Mail waits while the server is like that, and arrives soon after."""
        self.dns.mode = mode
        domain = f"{mode}.example"
        self.box.send(f"x@{domain}", subject=mode)
        self.box.wait_log(rf"event=deferred rcpt=x@{domain} .*status=4\.4\.3")
        self.box.send("alice@example.org", subject=f"while {mode}")
        self.box.wait_subject("alice@example.org", f"while {mode}")
        self.dns.mode = "good"
        self.arrives(domain)
        self.assertFalse(self.stranger.messages)

    def test_garbage(self):
        before = self.box.pids("resolver")
        self.trouble("garbage")
        self.assertEqual(self.box.pids("resolver"), before)

    def test_failure(self):
        self.trouble("servfail")

    def test_answers_to_other_questions(self):
        self.trouble("other")

    def test_answers_that_come_a_question_late(self):
        self.trouble("late")

    def test_a_slow_server_is_waited_for(self):
        self.dns.mode = "slow"
        self.box.send("x@slow.example", subject="slow")
        self.arrives("slow.example")


@needs_net
@needs_program("nsd")
class Outages(Story):
    @classmethod
    def arrange(cls):
        many = "".join(f"many MX 10 host-with-a-rather-long-name-{i}\nhost-with-a-rather-long-name-{i} A 127.0.0.2\n"
                       for i in range(100))
        cls.dns = cls.nameserver({"example.net": many + "".join(f"d{i} MX 10 a\n" for i in range(200)) + "a A 127.0.0.2\n"})
        cls.sink = Sink([("127.0.0.2", 25)])
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(dns=cls.dns.at, dns__timeout="2s")

    def arrived(self, *domains):
        got = {r for m in self.sink.messages for r in m.recipients}
        return all(f"x@{d}" in got for d in domains)

    def signal_nsd(self, sig):
        for pid in [self.dns.process.pid] + descendants(self.dns.process.pid):
            os.kill(pid, sig)

    def test_mail_flows_again_soon_after_a_long_silence(self):
        self.signal_nsd(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            for i in range(20):
                self.box.send(f"x@d{i}.example.net", subject="silence")
            self.box.wait_log(r"event=lookup-timeout")
            # Long enough for every time-out in the resolver to have doubled.
            wait_for(lambda: time.monotonic() - begun > 15, "fifteen seconds of silence")
            self.assertFalse(self.arrived("d0.example.net"))
        finally:
            self.signal_nsd(signal.SIGCONT)
        wait_for(lambda: self.arrived(*[f"d{i}.example.net" for i in range(20)]),
                 lambda: "mail after the silence; log:\n" + self.box.log()[-3000:], timeout=20)

    def test_an_answer_too_long_for_udp(self):
        self.box.send("x@many.example.net", subject="long")
        wait_for(lambda: self.arrived("many.example.net"), lambda: "mail; log:\n" + self.box.log()[-3000:])

    def test_a_killed_resolver_is_replaced(self):
        for pid in self.box.pids("resolver"):
            os.kill(pid, signal.SIGKILL)
        for i in range(30, 40):
            self.box.send(f"x@d{i}.example.net", subject="killed")
        wait_for(lambda: self.arrived(*[f"d{i}.example.net" for i in range(30, 40)]),
                 lambda: "mail; log:\n" + self.box.log()[-3000:])

    def test_reload_changes_the_servers(self):
        at = self.dns.at
        self.box.set("dns.servers", "127.0.0.1:9")
        self.box.reload()
        try:
            self.box.send("x@d50.example.net", subject="reload")
            self.box.wait_log(r"event=deferred rcpt=x@d50\.example\.net")
        finally:
            self.box.set("dns.servers", f'"{at}"')
            self.box.reload()
        wait_for(lambda: self.arrived("d50.example.net"), lambda: "mail; log:\n" + self.box.log()[-3000:])

    def test_one_of_two_servers_is_silent(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            self.box.set("dns.servers", f'"127.0.0.1:{silent.getsockname()[1]}", "{self.dns.at}"')
            self.box.reload()
            try:
                for i in range(60, 80):
                    self.box.send(f"x@d{i}.example.net", subject="two")
                wait_for(lambda: self.arrived(*[f"d{i}.example.net" for i in range(60, 80)]),
                         lambda: "mail; log:\n" + self.box.log()[-3000:], timeout=10)
            finally:
                self.box.set("dns.servers", f'"{self.dns.at}"')
                self.box.reload()
