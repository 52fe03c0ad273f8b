# SPDX-License-Identifier: ISC
"""What a next host sees of us, and what its answers lead to."""
import contextlib
import socket
import threading

from harness import Story, message, parse, wait_for
from sink import DROP, Delay, Sink


class Outbound(Story):
    """Each story has a sink of its own behind a domain of its own."""
    names = ("plain", "many", "reuse", "split", "retry", "drop", "old", "seven", "noutf", "size", "late", "shy",
             "lines", "smuggle")

    @classmethod
    def arrange(cls):
        cls.sinks = {n: Sink() for n in cls.names}
        for s in cls.sinks.values():
            cls.at_end(s.stop)
        cls.box = cls.instance(relay={f"{n}.example": f"127.0.0.1:{s.port}" for n, s in cls.sinks.items()},
                               remote__idle="3s")

    def by_subject(self, sink, subject):
        """The sink's message with a subject, once it has come."""
        return wait_for(lambda: [m for m in sink.messages if f"Subject: {subject}\r\n".encode() in m.data],
                        lambda: f"{subject!r} at a sink; log:\n" + self.box.log()[-3000:])[0]

    def test_the_message_arrives_unchanged(self):
        s = self.sinks["plain"]
        self.box.send("x@plain.example", sender="alice@example.org", subject="unchanged",
                      body=".\r\n..\r\nGrüße\r\n" + "z" * 998 + "\r\n", mail_options=["BODY=8BITMIME"])
        m = self.by_subject(s, "unchanged")
        self.assertEqual((m.sender, m.recipients), ("alice@example.org", ["x@plain.example"]))
        self.assertTrue(m.data.endswith(".\r\n..\r\nGrüße\r\n".encode() + b"z" * 998 + b"\r\n"))
        self.assertTrue(m.data.startswith(b"Received: from client.example"))
        self.assertEqual(m.session.helo, "mx.example.org")
        self.assertIn("BODY=8BITMIME", m.sender_options)

    def test_many_recipients_go_in_one_transaction(self):
        to = [f"u{i}@many.example" for i in range(50)]
        self.box.send(to)
        m = self.sinks["many"].wait()[0]
        self.assertEqual(set(m.recipients), set(to))
        self.box.wait_queue(0)
        self.assertEqual(len(self.sinks["many"].messages), 1)

    def test_one_connection_carries_many_messages(self):
        s = self.sinks["reuse"]
        s.replies["."] = Delay(0.02)
        with self.box.smtp() as c:
            for i in range(60):
                c.sendmail("a@client.example", [f"u{i}@reuse.example"], message(subject=str(i)))
        s.wait(60)
        self.assertLess(len(s.sessions), 30, "a connection was made for nearly every message")
        self.assertTrue(any(sum(x.startswith("MAIL") for x in e.commands) > 1 for e in s.sessions))

    def test_replies_to_recipients_are_kept_apart(self):
        s = self.sinks["split"]
        seen = set()

        def rcpt(session, arg):
            if "bad" in arg:
                return "550 5.1.1 bad"
            if "later" in arg and arg not in seen:
                seen.add(arg)
                return "450 4.2.0 later"
            return None
        s.replies["RCPT"] = rcpt
        self.box.send(["good@split.example", "bad@split.example", "later@split.example"], sender="alice@example.org",
                      subject="split")
        first, second = s.wait(2)[:2]
        self.assertEqual((first.recipients, second.recipients), (["good@split.example"], ["later@split.example"]))
        r = self.box.wait_report("alice@example.org", "split")
        self.assertEqual([f["final-recipient"].replace(" ", "") for f in r.recipients], ["rfc822;bad@split.example"])
        self.box.wait_queue(0)

    def test_temporary_refusals_are_tried_again(self):
        for step, refusal in (("CONNECT", "421 4.3.2 not now"), ("CONNECT", "250 2.0.0 hello"),
                              ("EHLO", "421 4.3.2 not now"),
                              ("MAIL", "451 4.3.0 not now"), ("RCPT", "450 4.2.0 not now"),
                              ("DATA", "451 4.3.0 not now"), (".", "451 4.3.0 not now"), (".", "421 4.3.2 closing")):
            with self.subTest(step=step, refusal=refusal):
                s = self.sinks["retry"]
                n = len(s.messages)
                s.counts[step] = 0
                s.replies = {step: [refusal, None]}
                self.box.send("x@retry.example", subject=f"again after {step}")
                m = s.wait(n + 1)[n]
                self.assertIn(f"again after {step}".encode(), m.data)
                self.box.wait_queue(0)
                self.assertEqual(len(s.messages), n + 1)

    def test_dropped_connections_are_tried_again(self):
        for step in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."):
            with self.subTest(step=step):
                s = self.sinks["drop"]
                n = len(s.messages)
                s.counts[step] = 0
                s.replies = {step: [DROP, None]}
                self.box.send("x@drop.example", subject=f"dropped at {step}")
                self.assertIn(f"dropped at {step}".encode(), s.wait(n + 1)[n].data)
        self.box.wait_queue(0)

    def test_a_host_without_ehlo_gets_helo(self):
        s = self.sinks["old"]
        s.replies["EHLO"] = "500 what?"
        self.box.send("x@old.example", subject="old host")
        m = s.wait()[0]
        self.assertEqual((m.sender_options, m.options["x@old.example"]), ([], []))
        self.assertTrue(s.seen("HELO mx.example.org"))

    def test_8bit_text_is_converted_for_a_host_without_8bitmime(self):
        s = self.sinks["seven"]
        s.extensions = ("PIPELINING",)
        body = "Grüße aus Köln\r\n" * 5
        raw = ("From: <alice@example.org>\r\nSubject: eight bits\r\nMIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body).encode()
        self.box.send("x@seven.example", sender="alice@example.org", raw=raw, mail_options=["BODY=8BITMIME"])
        m = self.by_subject(s, "eight bits")
        self.assertTrue(all(b < 128 for b in m.data))
        self.assertEqual(m.sender_options, [])
        p = parse(m.data)
        self.assertIn(p["content-transfer-encoding"].lower(), ("quoted-printable", "base64"))
        self.assertEqual(p.get_payload(decode=True).decode().replace("\r\n", "\n").strip(),
                         body.replace("\r\n", "\n").strip())
        self.assertEqual(p["subject"], "eight bits")

    def test_8bit_parts_of_a_multipart_are_converted_each(self):
        s = self.sinks["seven"]
        s.extensions = ("PIPELINING",)
        raw = ("From: <alice@example.org>\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/mixed; boundary=\"=b\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--=b\r\n"
               "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nÄÖÜ\r\n--=b\r\n"
               "Content-Type: text/plain\r\n\r\nascii\r\n--=b--\r\n").encode()
        self.box.send("parts@seven.example", sender="alice@example.org", raw=raw, mail_options=["BODY=8BITMIME"])
        m = self.by_subject(s, "parts")
        self.assertTrue(all(b < 128 for b in m.data))
        parts = parse(m.data).get_payload()
        self.assertEqual(parts[0].get_payload(decode=True).decode().strip(), "ÄÖÜ")
        self.assertEqual(parts[1].get_payload().strip(), "ascii")

    def test_what_cannot_be_converted_is_returned(self):
        s = self.sinks["seven"]
        s.extensions = ("PIPELINING",)
        raw = ("From: <alice@example.org>\r\nSubject: signed\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n"
               "\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nÄ\r\n"
               "--b\r\nContent-Type: application/pgp-signature\r\n\r\nxx\r\n--b--\r\n").encode()
        self.box.send("signed@seven.example", sender="alice@example.org", raw=raw, mail_options=["BODY=8BITMIME"])
        f = self.box.wait_report("alice@example.org", "signed").recipient("signed@seven.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "5.6.3"))

    def test_smtputf8_for_a_host_that_lacks_it_is_returned(self):
        s = self.sinks["noutf"]
        s.extensions = ("PIPELINING", "8BITMIME")
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<alice@example.org> SMTPUTF8", 250)
            t.cmd("RCPT TO:<grüße@noutf.example>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="utf8 out") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        r = self.box.wait_report("alice@example.org", "utf8 out")
        self.assertEqual(r.recipients[0]["status"], "5.6.7")
        self.assertFalse(s.messages)

    def test_smtputf8_is_passed_on_where_offered(self):
        s = self.sinks["plain"]
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<alice@example.org> SMTPUTF8", 250)
            t.cmd("RCPT TO:<grüße@plain.example>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="utf8 through") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        m = self.by_subject(s, "utf8 through")
        self.assertIn("SMTPUTF8", m.sender_options)
        self.assertEqual(m.recipients, ["grüße@plain.example"])

    def test_a_message_over_the_size_the_host_told_is_not_sent(self):
        s = self.sinks["size"]
        s.extensions = ("PIPELINING", "SIZE 5000")
        self.box.send("x@size.example", sender="alice@example.org", subject="too big", body="0123456789\r\n" * 1000)
        f = self.box.wait_report("alice@example.org", "too big").recipient("x@size.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "5.3.4"))
        self.assertFalse(s.messages)

    def test_a_refusal_of_the_content_is_final(self):
        s = self.sinks["late"]
        s.replies["."] = "554 5.7.1 smells of spam"
        self.box.send("x@late.example", sender="alice@example.org", subject="smelly")
        f = self.box.wait_report("alice@example.org", "smelly").recipient("x@late.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "5.7.1"))
        self.box.wait_queue(0)

    def test_a_multiline_reply_with_odd_characters_does_no_harm(self):
        self.sinks["lines"].replies["RCPT"] = "550 5.1.1 <script>\x01 \"quoted\"\n550 id=FAKE status=delivered"
        self.box.send("x@lines.example", sender="alice@example.org", subject="odd reply")
        f = self.box.wait_report("alice@example.org", "odd reply").recipient("x@lines.example")
        self.assertEqual(f["status"], "5.1.1")
        self.assertNotIn("\x01", self.box.log())

    def test_nothing_that_is_sent_can_smuggle(self):
        raw = message(subject="crlf only", body="x\r\n")
        self.box.send("x@smuggle.example", raw=raw)
        data = self.sinks["smuggle"].wait()[0].data
        self.assertEqual(data.count(b"\n"), data.count(b"\r\n"))

    def test_a_permanent_refusal_of_mail_from_ends_it(self):
        s = self.sinks["shy"]
        s.replies["MAIL"] = "553 5.1.8 unknown sender"
        self.box.send("x@shy.example", sender="alice@example.org", subject="shy")
        f = self.box.wait_report("alice@example.org", "shy").recipient("x@shy.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "5.1.8"))


class SlowHost(Story):
    @classmethod
    def arrange(cls):
        cls.busy, cls.quick = Sink(replies={"MAIL": Delay(3600)}), Sink()
        cls.at_end(cls.busy.stop)
        cls.at_end(cls.quick.stop)
        cls.box = cls.instance(relay={"busy.example": f"127.0.0.1:{cls.busy.port}",
                                      "quick.example": f"127.0.0.1:{cls.quick.port}"})

    def test_a_slow_host_does_not_hold_up_the_others(self):
        for i in range(30):
            self.box.send(f"x{i}@busy.example", subject="slow")
        self.box.send("x@quick.example", subject="quick")
        wait_for(lambda: [m for m in self.quick.messages if b"Subject: quick" in m.data], "the quick one")
        self.box.send("alice@example.org", subject="quick here")
        self.box.wait_subject("alice@example.org", "quick here")
        self.box.tool("queue", "delete", "--recipient", "@busy.example", check=True)


class DeadHost(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"CONNECT": "421 4.3.2 closed"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"dead.example": f"127.0.0.1:{cls.sink.port}"},
                               queue__retry_first="2s", queue__retry_max="2s")

    def test_a_dead_next_hop_costs_a_probe_not_an_attempt_a_message(self):
        with self.box.smtp() as c:
            for i in range(200):
                c.sendmail("a@client.example", [f"u{i}@dead.example"], message(subject=str(i)))
        wait_for(lambda: len(self.box.queue()) == 200, "200 messages in the queue")
        n = len(self.sink.sessions)
        self.assertLess(n, 100, f"{n} connections for 200 messages")
        self.sink.replies.clear()
        self.sink.wait(200)
        self.box.wait_queue(0)


class Forgetful:
    """A next hop that offers PIPELINING, and throws away what stands behind a command when it answers that."""

    def __init__(self):
        self.taken = []
        self.sessions = []              # a list of commands each
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                self.sessions.append([])
                threading.Thread(target=self.serve, args=(s, self.sessions[-1]), daemon=True).start()

    def serve(self, s, commands):
        with contextlib.suppress(OSError), s:
            s.sendall(b"220 forgetful\r\n")
            while True:
                line = s.recv(65536).split(b"\r\n")[0]
                if not line:
                    return
                verb = line.split()[0].upper()
                commands.append(verb.decode())
                if verb == b"DATA":
                    s.sendall(b"354 go\r\n")
                    data = b""
                    while not data.endswith(b"\r\n.\r\n"):
                        data += s.recv(65536)
                    self.taken.append(data)
                s.sendall(b"250-forgetful\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 ok\r\n")

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class LostCommands(Story):
    @classmethod
    def arrange(cls):
        cls.hop = Forgetful()
        cls.at_end(cls.hop.stop)
        cls.box = cls.instance(relay={"forgetful.example": cls.hop.at},
                               **{f"remote__timeout_{step}": "2s" for step in ("mail", "rcpt", "data")})

    def test_it_is_told_one_at_a_time_from_then_on(self):
        for i in range(5):
            self.box.send("x@forgetful.example", subject=f"forgotten {i}")
        wait_for(lambda: len(self.hop.taken) >= 5, lambda: f"5 messages, not {len(self.hop.taken)}; log:\n" + self.box.log()[-3000:])
        self.box.wait_log("event=no-pipelining")
        self.box.wait_queue(0)
        for i in range(5):
            self.assertEqual(sum(b"Subject: forgotten %d\r\n" % i in data for data in self.hop.taken), 1)
        # who was never asked one by one has lost commands: only at the beginning
        before = len(self.hop.sessions)
        self.box.send("x@forgetful.example", subject="later")
        wait_for(lambda: len(self.hop.taken) == 6, "one more")
        self.box.wait_queue(0)
        self.assertLessEqual(len(self.hop.sessions), before + 1)
