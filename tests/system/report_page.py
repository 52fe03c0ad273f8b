# SPDX-License-Identifier: ISC
"""chasqui report: the page's numbers are those of the mail that went, and it is one harmless file."""
import html.parser
import os
import re
import signal
import socket
import smtplib

from harness import Story, any_certificate, wait_for
from sink import Sink

VOID = {"meta"}
HOSTILE = '"<script>alert(1)</script>&"@evil.example'


class Page(html.parser.HTMLParser):
    """The page taken apart; a tag that is not closed, or not open, is a fault."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.words = [], [], []
        self.tables, self.section = {}, None
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag in VOID:
            return
        self.open.append(tag)
        if tag == "section":
            self.section = attrs["id"]
        if tag == "table":
            self.tables.setdefault(self.section, []).append([])
        if tag == "tr":
            self.tables[self.section][-1].append([])
        if tag in ("td", "th"):
            self.tables[self.section][-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> within {self.open}"
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)
        if "td" in self.open or "th" in self.open:
            if "small" not in self.open:
                self.tables[self.section][-1][-1][-1] += data

    def totals(self):
        """{"Taken": 7, ...}: the last row of the table of numbers."""
        table = self.tables["volume"][0]
        return dict(zip(table[0][1:], map(int, table[-1][1:])))

    def rows(self, section, n=0):
        return [r for r in self.tables.get(section, [[]] * (n + 1))[n][1:]]


class ReportPage(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink()
        cls.at_end(cls.sink.stop)
        with socket.socket() as s:          # a port where nobody listens
            s.bind(("127.0.0.1", 0))
            dead = s.getsockname()[1]
        cls.box = cls.instance(relay={"elsewhere.example": f"127.0.0.1:{cls.sink.port}",
                                      "dead.example": f"127.0.0.1:{dead}"},
                               queue__retry_first="1h", queue__retry_max="1h", auth__fail_delay="10ms")

    def page(self, *args):
        path = os.path.join(self.directory("page"), "report.html")
        p = self.box.tool("report", "-o", path, *args)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, encoding="utf-8") as f:
            return f.read()

    def test_known_mail(self):
        for i in range(3):
            self.box.send("alice@example.org", sender="news@letter.example", subject=str(i))
        self.box.send(["a@elsewhere.example", "b@elsewhere.example"])
        self.box.send("late@dead.example")
        self.box.send("bob@example.org", sender=HOSTILE, raw=b"Subject: x\r\n\r\ny\r\n")
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<a@client.example>", 250)
            for _ in range(2):
                t.cmd("RCPT TO:<nobody@example.org>", 550)
        with smtplib.SMTP_SSL("127.0.0.1", self.box.base + 465, context=any_certificate()) as s:
            s.login("alice@example.org", "secret")
        with self.assertRaises(smtplib.SMTPAuthenticationError):
            with smtplib.SMTP_SSL("127.0.0.1", self.box.base + 465, context=any_certificate()) as s:
                s.ehlo()
                s.esmtp_features["auth"] = "PLAIN"      # it would try others, too
                s.login("alice@example.org", "wrong")
        self.box.wait_mail("alice@example.org", 3)
        (pid,) = self.box.pids("bounce")
        os.kill(pid, signal.SIGSEGV)
        wanted = {"Taken": 6, "Refused": 3, "Delivered": 4, "Relayed": 2, "Deferred": 1, "Bounced": 0, "Logins": 1,
                  "Logins failed": 1}
        seen = {}

        def complete():
            text = self.page()
            page = Page(text)
            seen.update(page=page, text=text, totals=page.totals() if page.tables.get("volume") else {})
            return all(seen["totals"].get(k) == v for k, v in wanted.items()) and "event=died" in self.box.log() and \
                any("died" in r[1] for r in page.rows("service"))
        wait_for(complete, lambda: f"{wanted}; the page has {seen.get('totals')}", step=0.2)
        page, text = seen["page"], seen["text"]
        # What stands beside the pictures.
        senders = {r[0]: (int(r[1]), r[2]) for r in page.rows("addresses")}
        self.assertEqual(senders["news@letter.example"][0], 3)
        domains = {r[0]: list(map(int, r[1:])) for r in page.rows("addresses", 1)}
        self.assertEqual(domains["example.org"], [4, 0, 0])
        self.assertEqual(domains["elsewhere.example"], [2, 0, 0])
        self.assertEqual(domains["dead.example"], [0, 1, 0])
        hops = {r[0]: r[1:4] for r in page.rows("hops")}
        self.assertIn(["2", "0", "0"], hops.values())
        self.assertIn(["0", "1", "0"], hops.values())
        refusals = page.rows("refusals")
        self.assertEqual([(r[0], r[1]) for r in refusals], [("550 5.1.1 at rcpt", "2"), ("535 5.7.8 at auth", "1")])
        self.harmless(page, text)
        self.assertIn(HOSTILE, senders)

    def harmless(self, page, text):
        """One file, no program in it, and all that anybody sent is text."""
        self.assertFalse({t for t, _ in page.tags} & {"script", "img", "link", "iframe", "object", "embed", "a", "form",
                                                      "base", "use", "image", "foreignObject"})
        for tag, attrs in page.tags:
            for name in attrs:
                self.assertNotIn(name, ("src", "href", "xlink:href", "action", "data", "srcset", "poster"))
                self.assertFalse(name.startswith("on"), (tag, name))
        self.assertNotRegex(text, r"(?i)https?://|url\(|@import|javascript:")
        self.assertIn("default-src 'none'", text)
        self.assertTrue(text.startswith("<!DOCTYPE html>\n<html lang=\"en\">"))

    def test_a_time_in_which_nothing_was(self):
        text = self.page("--since", "2020-01-01", "--until", "2020-01-02")
        page = Page(text)
        self.assertIn("None in this time.", "".join(page.words))
        self.harmless(page, text)

    def test_what_it_refuses(self):
        for args in (["--since", "yesterday-ish"], ["--since", "1h", "--until", "2h"], ["extra"]):
            self.assertEqual(self.box.tool("report", *args).returncode, 64)
        self.assertEqual(self.box.tool("report", "-o", "/nowhere/at/all").returncode, 73)
        self.assertTrue(self.box.tool("report").stdout.startswith("<!DOCTYPE html>"))
