# SPDX-License-Identifier: ISC
"""The next host is found by DNS as RFC 5321 section 5 and RFC 7505 say."""
from harness import Story, message, needs_net, needs_program, wait_for
from sink import Sink

ZONES = {
    "example.net": """
one MX 10 a.hosts
pref MX 20 b.hosts
pref MX 10 a.hosts
pref MX 30 c.hosts
same MX 10 a.hosts
same MX 10 b.hosts
same MX 10 c.hosts
fall MX 10 refusing.hosts
fall MX 20 b.hosts
sick MX 10 sick.hosts
sick MX 20 c.hosts
implicit A 127.0.0.2
null MX 0 .
alias CNAME one
mxalias MX 10 name.hosts
nomx TXT "nothing here"
lost MX 10 gone.hosts
half MX 10 gone.hosts
half MX 20 a.hosts
manyaddr MX 10 several.hosts
six MX 10 six.hosts
both MX 10 both.hosts
self MX 10 a.hosts
self MX 20 mx.example.org.
selfbest MX 10 mx.example.org.
selfbest MX 20 a.hosts
bogus MX 10 127.0.0.2
loop CNAME loop2
loop2 CNAME loop
servfail MX 10 x.unserved.example.
*.wild MX 10 b.hosts
a.hosts A 127.0.0.2
b.hosts A 127.0.0.3
c.hosts A 127.0.0.4
name.hosts CNAME a.hosts
refusing.hosts A 127.0.0.5
sick.hosts A 127.0.0.6
several.hosts A 127.0.0.5
several.hosts A 127.0.0.4
six.hosts AAAA ::1
both.hosts AAAA fd00::25
both.hosts A 127.0.0.3
""",
    "xn--mller-kva.example": "@ MX 10 b.hosts.example.net.\n",
}


@needs_net
@needs_program("nsd")
class Routing(Story):
    """a is 127.0.0.2, b 127.0.0.3, c 127.0.0.4 and ::1, all on port 25."""

    @classmethod
    def arrange(cls):
        dns = cls.nameserver(ZONES)
        cls.a = Sink([("127.0.0.2", 25)], hostname="a.hosts.example.net")
        cls.b = Sink([("127.0.0.3", 25)], hostname="b.hosts.example.net")
        cls.c = Sink([("127.0.0.4", 25), ("::1", 25)], hostname="c.hosts.example.net")
        cls.sick = Sink([("127.0.0.6", 25)], replies={"CONNECT": "421 4.3.2 not well"})
        for s in (cls.a, cls.b, cls.c, cls.sick):
            cls.at_end(s.stop)
        cls.box = cls.instance(dns=dns.at)

    def send(self, domain, n=1):
        for i in range(n):
            self.box.send(f"x{i}@{domain}", sender="alice@example.org", subject=f"to {domain}")

    def came(self, sink, domain, n=1):
        return wait_for(lambda: (lambda f: f if len(f) >= n else None)(
            [m for m in sink.messages if any(r.endswith("@" + domain) for r in m.recipients)]),
            lambda: f"{n} messages for {domain}; log:\n" + self.box.log()[-3000:])

    def fails(self, domain, status):
        self.send(domain)
        r = self.box.wait_report("alice@example.org", f"to {domain}")
        f = r.recipient(f"x0@{domain}")
        self.assertEqual((f["action"], f["status"]), ("failed", status), f)
        return f

    def waits(self, domain):
        """The message stays in the queue, with a reason."""
        self.send(domain)
        self.box.wait_log(rf"x0@{domain}.*deferred|deferred.*x0@{domain}")
        self.box.tool("queue", "delete", "--recipient", f"@{domain}", check=True)

    def test_the_only_mx(self):
        self.send("one.example.net")
        self.came(self.a, "one.example.net")

    def test_the_preferred_mx(self):
        self.send("pref.example.net", 5)
        self.came(self.a, "pref.example.net", 5)
        self.assertFalse([m for m in self.b.messages + self.c.messages if "pref" in m.recipients[0]])

    def test_equal_preferences_share_the_load(self):
        got = set()

        def all_three():
            self.send("same.example.net")
            self.box.wait_queue(0)
            for name, s in (("a", self.a), ("b", self.b), ("c", self.c)):
                if any("same" in r for m in s.messages for r in m.recipients):
                    got.add(name)
            # Idle connections are used again; let go of them.
            for s in (self.a, self.b, self.c):
                wait_for(lambda s=s: s.open == 0, "connections to end")
            return len(got) == 3
        wait_for(all_three, lambda: f"mail at all three, not only {got}", timeout=120)

    def test_a_host_that_refuses_connections_is_passed_over(self):
        self.send("fall.example.net")
        self.came(self.b, "fall.example.net")

    def test_a_host_that_greets_with_421_is_passed_over(self):
        self.send("sick.example.net")
        self.came(self.c, "sick.example.net")

    def test_without_mx_the_address_of_the_domain(self):
        self.send("implicit.example.net")
        self.came(self.a, "implicit.example.net")

    def test_null_mx_takes_no_mail(self):
        self.fails("null.example.net", "5.1.10")

    def test_a_cname_is_followed(self):
        self.send("alias.example.net")
        self.came(self.a, "alias.example.net")

    def test_an_mx_that_is_a_cname(self):
        self.send("mxalias.example.net")
        self.came(self.a, "mxalias.example.net")

    def test_a_domain_that_does_not_exist(self):
        f = self.fails("missing.example.net", "5.1.2")
        self.assertNotIn("remote-mta", f)

    def test_a_domain_without_mx_and_address(self):
        self.fails("nomx.example.net", "5.1.2")

    def test_an_mx_without_address_among_others(self):
        self.send("half.example.net")
        self.came(self.a, "half.example.net")

    def test_no_mx_has_an_address(self):
        self.fails("lost.example.net", "5.4.4")

    def test_all_addresses_of_a_host_are_tried(self):
        self.send("manyaddr.example.net")
        self.came(self.c, "manyaddr.example.net")

    def test_ipv6(self):
        self.send("six.example.net")
        m = self.came(self.c, "six.example.net")[0]
        self.assertEqual(m.session.peer[0], "::1")

    def test_ipv4_when_ipv6_does_not_answer(self):
        self.send("both.example.net")
        self.came(self.b, "both.example.net")

    def test_our_own_name_ends_the_list(self):
        self.send("self.example.net")
        self.came(self.a, "self.example.net")

    def test_our_own_name_as_best_mx_is_a_loop(self):
        self.fails("selfbest.example.net", "5.4.6")

    def test_a_wildcard(self):
        self.send("deep.wild.example.net")
        self.came(self.b, "deep.wild.example.net")

    def test_a_name_server_that_refuses_makes_it_wait(self):
        self.waits("unserved.example")

    def test_mx_names_whose_address_cannot_be_asked_make_it_wait(self):
        self.waits("servfail.example.net")

    def test_an_internationalised_domain(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<alice@example.org> SMTPUTF8", 250)
            t.cmd("RCPT TO:<x@müller.example>", 250)
            t.cmd("DATA", 354)
            t.send(message(subject="idn") + b".\r\n")
            self.assertEqual(t.reply()[0], 250)
        wait_for(lambda: [m for m in self.b.messages if b"Subject: idn" in m.data], "the message")

    def test_a_literal_of_this_host_itself_is_local(self):
        with self.box.talk() as t:
            t.ehlo()
            t.cmd("MAIL FROM:<alice@example.org>", 250)
            self.assertEqual(t.cmd("RCPT TO:<x@[127.0.0.2]>")[0], 550)

    def test_a_name_that_ends_in_a_dot_or_has_empty_labels_is_refused(self):
        for domain in ("one..example.net", "-x.example.net", "x" * 64 + ".example.net"):
            with self.subTest(domain=domain), self.box.talk() as t:
                t.ehlo()
                t.cmd("MAIL FROM:<alice@example.org>", 250)
                self.assertEqual(t.cmd(f"RCPT TO:<x@{domain}>")[0] // 100, 5)


@needs_net
@needs_program("nsd")
class ChangingDns(Story):
    @classmethod
    def arrange(cls):
        cls.dns = cls.nameserver({"example.net": "later MX 10 a\na A 127.0.0.9\n"})
        cls.sink = Sink([("127.0.0.2", 25)])
        cls.at_end(cls.sink.stop)
        cls.box = cls.instance(dns=cls.dns.at)

    def test_mail_finds_a_host_that_moved(self):
        self.box.send("x@later.example.net", subject="moved")
        self.box.wait_log(r"deferred")
        self.dns.change("example.net", "later MX 10 a\na A 127.0.0.2\n")
        self.sink.wait(1, timeout=90)


@needs_net
class NoDns(Story):
    @classmethod
    def arrange(cls):
        cls.box = cls.instance(dns="127.0.0.1:9", dns__timeout="1s")

    def test_without_any_name_server_mail_waits_and_local_mail_flows(self):
        self.box.send("x@example.net", sender="alice@example.org", subject="no dns")
        self.box.send("alice@example.org", subject="local")
        self.box.wait_subject("alice@example.org", "local")
        self.box.wait_log(r"deferred")
        e = self.box.wait_queue(1)[0]
        self.assertIn("x@example.net", str(e))
