# SPDX-License-Identifier: ISC
"""What must not come in is refused with the right code, and costs nothing."""
import smtplib
import socket

from harness import Story, message, wait_for


class Refused(Story):
    @classmethod
    def arrange(cls):
        # The stories' client, 127.0.0.1, is a stranger here.
        cls.box = cls.instance(conf="relay_networks = 127.0.0.99/32", smtp__max_message="100K",
                               smtp__max_recipients="100", smtp__max_errors="10")

    def setUp(self):
        self.before = sum(len(self.box.mail(u)) for u in ("alice@example.org", "bob@example.org"))

    def conversation(self, *commands):
        """The last reply of a session's commands."""
        with self.box.talk() as t:
            t.ehlo()
            for c in commands:
                reply = t.cmd(c)
            return reply

    def nothing_came(self):
        """A message sent now is the only one that comes."""
        self.box.send("bob@example.org", subject="marker")
        wait_for(lambda: sum(len(self.box.mail(u)) for u in ("alice@example.org", "bob@example.org")) == self.before + 1,
                 "just the marker")

    def test_relaying_for_strangers(self):
        code, lines = self.conversation("MAIL FROM:<s@client.example>", "RCPT TO:<x@elsewhere.example>")
        self.assertEqual(code, 550)
        self.assertTrue(lines[0].startswith("5.7.1 "), lines)

    def test_relaying_tricks(self):
        for path in ("<x%elsewhere.example@example.org>", "<@example.org:x@elsewhere.example>",
                     '<"x@elsewhere.example"@example.org>', "<elsewhere.example!x@example.org>",
                     "<x@elsewhere.example@example.org>", "<x@[127.0.0.1]>"):
            with self.subTest(path=path):
                code, lines = self.conversation("MAIL FROM:<s@client.example>", f"RCPT TO:{path}")
                self.assertIn(code // 100, (5,), lines)

    def test_unknown_user_at_rcpt(self):
        code, lines = self.conversation("MAIL FROM:<s@client.example>", "RCPT TO:<nobody@example.org>")
        self.assertEqual(code, 550)
        self.assertTrue(lines[0].startswith("5.1.1 "), lines)

    def test_a_good_recipient_beside_a_bad_one_is_served(self):
        refused = self.box.send(["nobody@example.org", "alice@example.org"], subject="one of two")
        self.assertEqual(list(refused), ["nobody@example.org"])
        self.box.wait_subject("alice@example.org", "one of two")

    def test_smuggling_sequences_do_not_end_the_content(self):
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\r\n"):
            with self.subTest(end=end):
                with self.box.talk() as t:
                    t.ehlo()
                    t.cmd("MAIL FROM:<s@client.example>", 250)
                    t.cmd("RCPT TO:<alice@example.org>", 250)
                    t.cmd("DATA", 354)
                    t.send(message(subject="outer") + b"text" + end +
                           b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n" +
                           message("bob@example.org", subject="smuggled") + b"\r\n.\r\n")
                    code, lines = t.reply()
                    self.assertIn(code, (550, 554), lines)
                    # One content, one reply: what follows is the answer to NOOP.
                    self.assertEqual(t.cmd("NOOP")[0], 250)
        self.nothing_came()

    def test_bare_line_feed_in_a_command(self):
        with self.box.talk() as t:
            t.send(b"EHLO client.example\nMAIL FROM:<a@b.example>\r\n")
            self.assertIn(t.reply()[0] // 100, (5,))

    def test_declared_size_over_the_limit(self):
        code, lines = self.conversation("MAIL FROM:<s@client.example> SIZE=1000000")
        self.assertEqual(code, 552)
        self.assertTrue(lines[0].startswith("5.3.4 "), lines)

    def test_content_over_the_limit(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="too large") + b"x" * 70 + b"\r\n")
            for _ in range(200):
                t.send((b"x" * 1022 + b"\r\n"))
            t.send(b".\r\n")
            self.assertEqual(t.reply()[0], 552)
            self.assertEqual(t.cmd("NOOP")[0], 250)
        self.nothing_came()

    def test_more_recipients_than_the_limit(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            for i in range(100):
                t.cmd(f"RCPT TO:<alice+{i}@example.org>", 250)
            code, lines = t.cmd("RCPT TO:<alice+100@example.org>")
            self.assertEqual(code, 452)
            self.assertTrue(lines[0].startswith("4.5.3 "), lines)

    def test_a_loop_is_stopped_by_counting_received_fields(self):
        received = "".join(f"Received: from a.example by b.example; Sun, 22 Nov 2026 10:00:{i % 60:02} +0000\r\n"
                           for i in range(101))
        with self.assertRaises(smtplib.SMTPDataError) as e:
            self.box.send("alice@example.org", raw=received.encode() + message())
        self.assertEqual(e.exception.smtp_code, 554)
        self.assertIn(b"5.4.6", e.exception.smtp_error)

    def test_commands_out_of_order(self):
        cases = ((("RCPT TO:<alice@example.org>",), 503), (("DATA",), 503),
                 (("MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>"), 503),
                 (("MAIL FROM:<a@b.example>", "DATA"), 554))
        for commands, expected in cases:
            with self.subTest(commands=commands):
                self.assertEqual(self.conversation(*commands)[0], expected)

    def test_malformed_commands(self):
        cases = (("MAIL FROM:a b@b.example", 501), ("MAIL FROM:<a@b.example", 501), ("MAIL TO:<a@b.example>", 501),
                 ("MAIL FROM:<a@b..example>", 501), ("MAIL FROM:<a@b.example> WHAT=1", 555),
                 ("MAIL FROM:<a@b.example> SIZE=x", 501), ("MAIL FROM:<a@b.example> BODY=9BIT", 501),
                 ("MAIL FROM:<" + "a" * 400 + "@b.example>", 501), ("NONSENSE", 500), ("EHLO", 501), ("TURN", 502))
        for command, expected in cases:
            with self.subTest(command=command[:40]):
                code, lines = self.conversation(command)
                self.assertEqual(code, expected, lines)

    def test_a_client_with_too_many_errors_is_sent_away(self):
        with self.box.talk() as t:
            t.ehlo()
            codes = []
            try:
                for _ in range(12):
                    codes.append(t.cmd("RCPT TO:<x@elsewhere.example>")[0])
            except (EOFError, ConnectionError):
                pass
            self.assertEqual(codes[-1], 421, codes)

    def test_garbage_ends_only_its_own_connection(self):
        with self.box.talk() as steady:
            steady.ehlo()
            for garbage in (b"\0" * 70000, b"\xff\xfe" * 40000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
                            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 4, b"x" * 200000):
                with self.box.talk() as t:
                    try:
                        t.send(garbage)
                        t.s.shutdown(socket.SHUT_WR)
                        while not t.closed():
                            pass
                    except OSError:
                        pass
            self.assertEqual(steady.cmd("NOOP")[0], 250)

    def test_content_that_breaks_off_is_forgotten(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="broken off"))
        self.nothing_came()


class EarlyTalker(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(conf="relay_networks = 127.0.0.99/32", smtp__greet_delay="500ms")

    def test_who_speaks_before_the_greeting_is_refused(self):
        t = self.box.talk(greet=False)
        t.send(b"EHLO client.example\r\n")
        code, lines = t.reply()
        self.assertIn(code // 100, (5, 4), lines)
        t.close()

    def test_who_waits_is_served(self):
        self.box.send("alice@example.org", subject="patient")
        self.box.wait_subject("alice@example.org", "patient")


class MessageRate(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(conf="relay_networks = 127.0.0.99/32", smtp__rate_messages="5", smtp__rate_window="1h")

    def test_messages_over_the_rate_are_put_off(self):
        codes = []
        with self.box.talk() as t:
            t.ehlo()
            for _ in range(7):
                code = t.cmd("MAIL FROM:<s@client.example>")[0]
                if code == 250:
                    t.cmd("RCPT TO:<alice@example.org>", 250)
                    t.cmd("DATA", 354)
                    t.send(message() + b".\r\n")
                    code = t.reply()[0]
                codes.append(code)
        self.assertEqual(codes[:5], [250] * 5, codes)
        self.assertTrue(all(c // 100 == 4 for c in codes[5:]), codes)


class SessionsAtOnce(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(conf="relay_networks = 127.0.0.99/32", smtp__client_sessions="10")

    def test_sessions_at_once_are_limited(self):
        talks, codes = [], []
        try:
            for _ in range(12):
                t = self.box.talk(greet=False)
                talks.append(t)
                codes.append(t.reply()[0])
        finally:
            for t in talks:
                t.close()
        self.assertEqual(codes.count(220), 10, codes)
        self.assertTrue(all(c == 421 for c in codes if c != 220), codes)

        def again():
            with self.box.talk(greet=False) as t:
                return t.reply()[0] == 220
        wait_for(again, "a session once the others have ended")


class ConnectionRate(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(conf="relay_networks = 127.0.0.99/32", smtp__rate_connections="40", smtp__rate_window="1h")

    def test_connections_over_the_rate_are_put_off(self):
        codes = []
        for _ in range(45):
            with self.box.talk(greet=False) as t:
                codes.append(t.reply()[0])
        self.assertEqual(codes[0], 220)
        self.assertEqual(codes[-1], 421)
        self.assertEqual(sorted(codes), codes, "first served, then put off")


class BareLineFeedException(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(conf="smtp.bare_lf_networks = 127.0.0.1/32")

    def test_a_listed_client_may_end_lines_with_lf(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<s@client.example>", 250)
            t.cmd("RCPT TO:<alice@example.org>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="bare lf").replace(b"\r\n", b"\n") + b"\r\n.\r\n")
            self.assertEqual(t.reply()[0], 250)
        self.box.wait_subject("alice@example.org", "bare lf")
