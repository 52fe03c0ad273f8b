# SPDX-License-Identifier: ISC
"""Tables of next hops: smart host, single hosts, LMTP by TCP and by socket."""
import os
import smtplib
import unittest

from harness import IS_ROOT, Story, message, needs_program, parse, wait_for
from real_servers import Dovecot, Postfix, available
from sink import Sink


class RouteTables(Story):
    @classmethod
    def arrange(cls):
        cls.dir = cls.directory("sock")
        cls.smart, cls.special, cls.person, cls.sub = Sink(), Sink(), Sink(), Sink()
        cls.lmtp = Sink(lmtp=True, extensions=("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"))
        cls.unix = Sink(lmtp=True, unix=os.path.join(cls.dir, "lmtp"), extensions=("PIPELINING", "8BITMIME"))
        os.chmod(os.path.join(cls.dir, "lmtp"), 0o666)
        for s in (cls.smart, cls.special, cls.person, cls.sub, cls.lmtp, cls.unix):
            cls.at_end(s.stop)
        cls.box = cls.instance(
            tables={"tables/next-hops": f"""special.example [127.0.0.1]:{cls.special.port}
boss@special.example [127.0.0.1]:{cls.person.port}
.below.example [127.0.0.1]:{cls.sub.port}
lmtp.example lmtp:[127.0.0.1]:{cls.lmtp.port}
socket.example lmtp:{cls.dir}/lmtp
* [127.0.0.1]:{cls.smart.port}
"""},
            conf=f"""table next-hops {{ type = file ; path = next-hops }}
                     route.tables = next-hops
                     remote.sockets = "{cls.dir}/lmtp"
                     domain relayed.example {{ type = relay ; relay_to = "[127.0.0.1]:{cls.special.port}" }}""")

    def goes(self, to, sink, subject=None):
        subject = subject or "to " + to
        self.box.send(to, sender="alice@example.org", subject=subject)
        return wait_for(lambda: [m for m in sink.messages if to in m.recipients],
                        lambda: f"the message for {to}; log:\n" + self.box.log()[-3000:])[0]

    def test_everything_else_goes_to_the_smart_host(self):
        self.goes("x@anywhere.example", self.smart)

    def test_a_domain(self):
        self.goes("x@special.example", self.special)

    def test_an_address_before_its_domain(self):
        self.goes("boss@special.example", self.person)

    def test_all_below_a_domain(self):
        self.goes("x@a.b.below.example", self.sub)

    def test_a_relay_domain_with_its_host(self):
        self.goes("x@relayed.example", self.special)

    def test_local_mail_stays_here(self):
        self.box.send("bob@example.org", subject="stays")
        self.box.wait_subject("bob@example.org", "stays")

    def test_lmtp_over_tcp(self):
        m = self.goes("x@lmtp.example", self.lmtp)
        self.assertTrue(self.lmtp.seen("LHLO"))
        self.assertFalse(self.lmtp.seen("EHLO"))
        self.assertEqual(m.sender, "alice@example.org")

    def test_lmtp_replies_for_each_recipient(self):
        self.lmtp.replies["."] = lambda session, rcpt: "552 5.2.2 full" if rcpt.startswith("full") else None
        try:
            self.box.send(["ok@lmtp.example", "full@lmtp.example"], sender="alice@example.org", subject="one is full")
            r = self.box.wait_report("alice@example.org", "one is full")
            self.assertEqual(len(r.recipients), 1)
            f = r.recipient("full@lmtp.example")
            self.assertEqual((f["action"], f["status"]), ("failed", "5.2.2"))
            wait_for(lambda: [m for m in self.lmtp.messages if m.recipients == ["ok@lmtp.example"]], "the one that was taken")
        finally:
            del self.lmtp.replies["."]

    def test_lmtp_over_a_unix_socket(self):
        self.goes("x@socket.example", self.unix)


@unittest.skipUnless(IS_ROOT, "needs root")
@needs_program("dovecot")
class ToDovecot(Story):
    @classmethod
    def arrange(cls):
        cls.dovecot = Dovecot(cls, "next.example", ["carol", "dave"])
        cls.box = cls.instance(
            conf=f"""table hops {{ type = inline ; entries = {{
                     "next.example=lmtp:[127.0.0.1]:{cls.dovecot.port}"
                     "dave@next.example=lmtp:{cls.dovecot.socket}"
                     }} }}
                     remote.sockets = {cls.dovecot.socket}
                     route.tables = hops""")

    def test_lmtp_over_tcp(self):
        self.box.send("carol@next.example", subject="by tcp")
        raw = self.dovecot.wait_mail("carol")[0]
        self.assertEqual(parse(raw)["subject"], "by tcp")
        self.assertTrue(raw.startswith(b"Return-Path: <sender@client.example>"))

    def test_lmtp_over_a_unix_socket(self):
        self.box.send("dave@next.example", subject="by socket")
        self.assertEqual(parse(self.dovecot.wait_mail("dave")[0])["subject"], "by socket")

    def test_an_unknown_user_there_makes_a_report(self):
        self.box.send("nobody@next.example", sender="alice@example.org", subject="nobody there")
        f = self.box.wait_report("alice@example.org", "nobody there").recipient("nobody@next.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "5.1.1"))


@unittest.skipUnless(available(), "Postfix is not here (needs root)")
class ToPostfix(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(start=False)
        cls.postfix = Postfix(cls, "next.example", ["carol", "dave"], cls.box.port)
        cls.box.append(f"""table hops {{ type = inline ; entries = "*=[127.0.0.1]:{cls.postfix.port}" }}
                           route.tables = hops""")
        cls.box.start()

    def test_a_burst_arrives_complete_and_once(self):
        with self.box.smtp() as s:
            for i in range(100):
                s.sendmail("alice@example.org", ["carol@next.example", "dave@next.example"], message(subject=f"n{i}"))
        for user in ("carol", "dave"):
            mail = self.postfix.wait_mail(user, 100)
            self.assertEqual(sorted(parse(m)["subject"] for m in mail), sorted(f"n{i}" for i in range(100)))
        self.box.wait_queue(0)

    def test_postfix_as_a_client_of_ours(self):
        self.box.send("alice@example.org", subject="direct")
        with smtplib.SMTP("127.0.0.1", self.postfix.port) as s:
            s.sendmail("carol@next.example", ["alice@example.org"], message(subject="from postfix"))
        raw = self.box.wait_subject("alice@example.org", "from postfix")
        self.assertIn("postfix.next.example", parse(raw)["received"])
