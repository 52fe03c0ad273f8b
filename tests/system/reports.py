# SPDX-License-Identifier: ISC
"""Reports (RFC 3464) say what happened, field by field, to whom it concerns."""
import os
import unittest
from email.utils import parsedate_to_datetime

from harness import Story, is_report, parse, wait_for
from real_servers import Postfix, available
from sink import Sink


class Reports(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": cls.rcpt})
        cls.plain = Sink(extensions=("PIPELINING", "8BITMIME"))        # no DSN
        cls.at_end(cls.sink.stop)
        cls.at_end(cls.plain.stop)
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}",
                                      "plain.example": f"127.0.0.1:{cls.plain.port}"},
                               bounce__headers_above="8K", bounce__postmaster_copy="yes", postmaster="bob@example.org")

    @staticmethod
    def rcpt(session, arg):
        if "unknown" in arg:
            return "550 5.1.1 no such person\n550 5.1.1 ask somebody else"
        if "plain550" in arg:
            return "550 never heard of"
        if "later" in arg:
            return "450 4.2.1 come back"
        return None

    def dates(self, r):
        self.assertTrue(parsedate_to_datetime(r.fields["arrival-date"]))
        for rcpt in r.recipients:
            if "last-attempt-date" in rcpt:
                self.assertTrue(parsedate_to_datetime(rcpt["last-attempt-date"]))

    def test_failure_field_by_field(self):
        self.box.send("unknown@elsewhere.example", sender="alice@example.org", subject="will fail",
                      mail_options=["ENVID=QQ314159"], rcpt_options=["NOTIFY=FAILURE", "ORCPT=rfc822;Bob+2Bx@host.example"])
        r = self.box.wait_report("alice@example.org", "will fail")
        m = r.message
        self.assertTrue(r.raw.startswith(b"Return-Path: <>\n"))
        self.assertRegex(m["from"], r"MAILER-DAEMON@mx\.example\.org")
        self.assertIn("Mail Delivery System", m["from"])
        self.assertEqual(m["to"].strip(), "<alice@example.org>" if "<" in m["to"] else "alice@example.org")
        self.assertRegex(m["auto-submitted"], r"^auto-replied|^auto-generated")
        self.assertEqual(m["mime-version"], "1.0")
        self.assertTrue(m["message-id"] and m["date"] and m["subject"])
        self.assertEqual(r.fields["reporting-mta"], "dns; mx.example.org")
        self.assertEqual(r.fields["original-envelope-id"], "QQ314159")
        self.dates(r)
        self.assertEqual(len(r.recipients), 1)
        f = r.recipient("unknown@elsewhere.example")
        self.assertEqual(f["original-recipient"], "rfc822;Bob+x@host.example")
        self.assertEqual(f["action"], "failed")
        self.assertEqual(f["status"], "5.1.1")
        self.assertTrue(f["remote-mta"].startswith("dns; "), f)
        self.assertIn("127.0.0.1", f["remote-mta"])
        self.assertEqual(f["diagnostic-code"].split(";")[0], "smtp")
        self.assertIn("550", f["diagnostic-code"])
        self.assertIn("no such person", f["diagnostic-code"])
        self.assertIn("ask somebody else", f["diagnostic-code"])
        self.assertIn("unknown@elsewhere.example", r.text)
        self.assertIn("no such person", r.text)
        self.assertEqual(r.returned["subject"], "will fail")

    def test_a_code_without_enhanced_status_gets_a_general_one(self):
        self.box.send("plain550@elsewhere.example", sender="alice@example.org", subject="general")
        f = self.box.wait_report("alice@example.org", "general").recipient("plain550@elsewhere.example")
        self.assertEqual(f["status"], "5.0.0")

    def test_several_failures_are_one_report(self):
        to = [f"unknown{i}@elsewhere.example" for i in range(3)]
        self.box.send(to, sender="alice@example.org", subject="three fail")
        r = self.box.wait_report("alice@example.org", "three fail")
        self.assertEqual({x["final-recipient"].split(";")[1].strip() for x in r.recipients}, set(to))

    def test_ret_full_and_hdrs(self):
        for ret, has_body in (("FULL", True), ("HDRS", False)):
            with self.subTest(ret=ret):
                self.box.send("unknown@elsewhere.example", sender="alice@example.org", subject="ret " + ret,
                              body="the body itself\r\n", mail_options=["RET=" + ret])
                r = self.box.wait_report("alice@example.org", "ret " + ret)
                self.assertEqual(b"the body itself" in r.raw, has_body)
                self.assertEqual(r.returned_type, "message/rfc822" if has_body else "text/rfc822-headers")

    def test_large_messages_come_back_as_headers_only(self):
        self.box.send("unknown@elsewhere.example", sender="alice@example.org", subject="large one",
                      body="a long body\r\n" * 2000, mail_options=["RET=FULL"])
        r = self.box.wait_report("alice@example.org", "large one")
        self.assertNotIn(b"a long body", r.raw)
        self.assertEqual(r.returned["subject"], "large one")

    def test_notify_never_is_obeyed(self):
        self.box.send("unknown@elsewhere.example", sender="alice@example.org", subject="never",
                      rcpt_options=["NOTIFY=NEVER"])
        self.sink_saw("never-marker")
        self.assertFalse([m for m in self.box.mail("alice@example.org") if b"Subject: never\n" in m])

    def sink_saw(self, subject):
        """Everything sent before this is settled."""
        self.box.wait_queue(0)
        self.box.send("alice@example.org", subject=subject)
        self.box.wait_subject("alice@example.org", subject)

    def test_success_into_a_mailbox(self):
        self.box.send("bob@example.org", sender="alice@example.org", subject="success",
                      mail_options=["ENVID=S1"], rcpt_options=["NOTIFY=SUCCESS"])
        self.box.wait_subject("bob@example.org", "success")
        r = self.box.wait_report("alice@example.org", "success")
        f = r.recipient("bob@example.org")
        self.assertEqual((f["action"], f["status"][0]), ("delivered", "2"))
        self.assertEqual(r.fields["original-envelope-id"], "S1")
        self.assertEqual(r.returned_type, "text/rfc822-headers")

    def test_success_at_a_host_with_dsn_is_left_to_it(self):
        self.box.send("good@elsewhere.example", sender="alice@example.org", subject="passed on",
                      mail_options=["RET=HDRS", "ENVID=E+2B1"],
                      rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first@host.example"])
        m = wait_for(lambda: [m for m in self.sink.messages if b"Subject: passed on" in m.data], "the sink's copy")[0]
        self.assertIn("RET=HDRS", m.sender_options)
        self.assertIn("ENVID=E+2B1", m.sender_options)
        options = m.options["good@elsewhere.example"]
        self.assertIn("ORCPT=rfc822;first@host.example", options)
        notify = [o for o in options if o.startswith("NOTIFY=")][0]
        self.assertEqual(set(notify[7:].split(",")), {"SUCCESS", "FAILURE"})
        self.sink_saw("passed-on-marker")
        self.assertFalse([m for m in self.box.mail("alice@example.org") if b"Subject: passed on" in m])

    def test_success_at_a_host_without_dsn_is_reported_as_relayed(self):
        self.box.send("good@plain.example", sender="alice@example.org", subject="relayed",
                      rcpt_options=["NOTIFY=SUCCESS"])
        m = wait_for(lambda: [m for m in self.plain.messages if b"Subject: relayed" in m.data], "the sink's copy")[0]
        self.assertEqual(m.options["good@plain.example"], [])
        f = self.box.wait_report("alice@example.org", "relayed").recipient("good@plain.example")
        self.assertEqual((f["action"], f["status"][0]), ("relayed", "2"))

    def test_a_bounce_that_cannot_be_delivered_goes_to_postmaster(self):
        self.box.send("unknown@elsewhere.example", sender="", subject="double bounce")
        raw = wait_for(lambda: [m for m in self.box.mail("bob@example.org") if b"double bounce" in m],
                       lambda: "postmaster's copy\n" + self.box.log()[-3000:])[0]
        self.assertTrue(raw.startswith(b"Return-Path: <>\n"), raw[:80])
        self.box.wait_queue(0)

    def test_no_report_about_mail_without_reverse_path_goes_elsewhere(self):
        before = len(self.sink.messages)
        self.box.send("unknown@elsewhere.example", sender="", subject="null again")
        self.box.wait_queue(0)
        self.assertEqual(len(self.sink.messages), before)

    def test_success_of_mail_without_reverse_path_is_told_nobody(self):
        writer = self.box.pids("bounce")
        self.box.send(["bob@example.org", "good@plain.example"], sender="", subject="null success",
                      rcpt_options=["NOTIFY=SUCCESS,FAILURE,DELAY"])
        self.box.wait_queue(0)
        self.assertEqual(self.box.pids("bounce"), writer)
        self.assertNotIn("channel-breach", self.box.log())

    def test_deleted_from_the_queue_with_a_bounce(self):
        self.box.send("later@elsewhere.example", sender="alice@example.org", subject="give up")
        wait_for(lambda: [e for e in self.box.queue() if "later@elsewhere.example" in str(e)], "the deferred message")
        self.box.tool("queue", "bounce", "--recipient", "later@elsewhere.example", check=True)
        f = self.box.wait_report("alice@example.org", "give up").recipient("later@elsewhere.example")
        self.assertEqual(f["action"], "failed")


class Delays(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": "450 4.2.1 come back", "CONNECT": None})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"slow.example": f"127.0.0.1:{cls.sink.port}"}, queue__delay_warning="2s")

    def test_the_sender_is_warned_once_and_told_until_when(self):
        self.box.send("x@slow.example", sender="alice@example.org", subject="slow", mail_options=["ENVID=slow1"])
        r = self.box.wait_report("alice@example.org", "slow")
        f = r.recipient("x@slow.example")
        self.assertEqual((f["action"], f["status"]), ("delayed", "4.2.1"))
        self.assertIn("come back", f["diagnostic-code"])
        self.assertTrue(parsedate_to_datetime(f["will-retry-until"]))
        self.assertEqual(r.fields["original-envelope-id"], "slow1")
        n = len(self.sink.seen("RCPT"))
        self.sink.wait_commands("RCPT", n + 2)
        self.assertEqual(len([m for m in self.box.mail("alice@example.org") if is_report(m)]), 1)

    def test_no_warning_without_notify_delay(self):
        self.box.send("y@slow.example", sender="bob@example.org", subject="quiet", rcpt_options=["NOTIFY=FAILURE"])
        self.box.send("z@slow.example", sender="bob@example.org", subject="loud")
        self.box.wait_report("bob@example.org", "loud")
        self.assertFalse([m for m in self.box.mail("bob@example.org") if b"Subject: quiet" in m])


class Texts(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": "550 5.1.1 no"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(start=False, relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}"},
                               path__templates="texts")
        cls.box.write("texts/failure.txt", "Subject: Zurück\n\nAn ${sender} von ${hostname}:\n${recipients}Ende\n")
        cls.box.start()

    def report(self, subject):
        self.box.send("x@elsewhere.example", sender="alice@example.org", subject=subject)
        return self.box.wait_report("alice@example.org", subject)

    def test_the_operators_own_and_their_reload(self):
        r = self.report("first text")
        self.assertTrue(r.text.startswith("An alice@example.org von mx.example.org:"), r.text)
        self.assertTrue(r.text.rstrip().endswith("Ende"), r.text)
        self.assertIn("550 5.1.1 no", r.text)
        self.assertEqual(str(parse(r.raw)["subject"]), "Zurück")
        writer = self.box.pids("bounce")
        self.box.write("texts/failure.txt", "A second text: ${recipients}\n")
        self.box.reload()
        wait_for(lambda: self.report("second text").text.startswith("A second text:"), "the new text")
        self.box.write("texts/failure.txt", "broken ${nothing}\n")
        self.box.reload()
        self.assertEqual(self.box.pids("bounce"), writer, "the process went on")
        wait_for(lambda: "no such value" in self.box.log(), "the reason in the log")
        self.assertIn("x@elsewhere.example", self.report("third text").text)


class Lifetime(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": "451 4.3.0 not today"})
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(relay={"never.example": f"127.0.0.1:{cls.sink.port}"}, queue__lifetime="1m",
                               queue__delay_warning="0")

    @unittest.skipUnless(os.environ.get("CHASQUI_LONG"), "takes a minute: --long")
    def test_an_expired_message_comes_back(self):
        self.box.send("x@never.example", sender="alice@example.org", subject="expired")
        f = self.box.wait_report("alice@example.org", "expired", timeout=120).recipient("x@never.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "4.4.7"))
        self.assertIn("not today", f["diagnostic-code"])


@unittest.skipUnless(available(), "Postfix is not here (needs root)")
class WithPostfix(Story):
    """Reports that another implementation writes, or reads."""

    @classmethod
    def arrange(cls):
        cls.box = cls.instance(start=False)
        cls.postfix = Postfix(cls, "next.example", ["carol"], cls.box.port)
        cls.box.append(f"""table to-postfix {{ type = inline ; entries = "next.example=[127.0.0.1]:{cls.postfix.port}" }}
                           route.tables = to-postfix""")
        cls.box.start()

    def test_dsn_parameters_go_to_postfix_and_its_success_report_comes_back(self):
        self.box.send("carol@next.example", sender="alice@example.org", subject="to carol",
                      mail_options=["ENVID=C1", "RET=HDRS"],
                      rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;c.arol@first.example"])
        self.assertIn(b"Subject: to carol", self.postfix.wait_mail("carol")[0])
        r = self.box.wait_report("alice@example.org", "to carol")
        self.assertEqual(r.fields["reporting-mta"], "dns; postfix.next.example")
        self.assertEqual(r.fields["original-envelope-id"], "C1")
        f = r.recipient("carol@next.example")
        self.assertEqual((f["action"], f["original-recipient"]), ("delivered", "rfc822;c.arol@first.example"))

    def test_postfix_refuses_and_our_report_is_well_formed_for_it(self):
        self.box.send("nobody@next.example", sender="alice@example.org", subject="refused by postfix")
        f = self.box.wait_report("alice@example.org", "refused by postfix").recipient("nobody@next.example")
        self.assertEqual((f["action"], f["status"]), ("failed", "5.1.1"))
        self.assertIn("User unknown", f["diagnostic-code"])
