# SPDX-License-Identifier: ISC
"""Mail to hosts across a network: several addresses, silence, IPv6 and IPv4."""
from harness import Story, needs_net, needs_program, wait_for
from hosts import Network, ip


@needs_net
@needs_program("nsd", "ip")
class OtherHosts(Story):
    @classmethod
    def arrange(cls):
        net = Network(cls)
        one = net.host("one", 1, ["10.99.0.11/24", "10.99.0.12/24", "fd99::11/64"])
        two = net.host("two", 2, ["10.99.0.21/24"])
        net.host("mute", 3, ["10.99.0.31/24", "fd99::31/64"])
        cls.one = staticmethod(net.sink(one, [("10.99.0.11", 25), ("fd99::11", 25)], "one.example.net"))
        cls.two = staticmethod(net.sink(two, [("10.99.0.21", 25)], "two.example.net"))
        # A host that is there but drops everything: only a time-out tells.
        ip("-n", net.tag + "mute", "route", "add", "blackhole", "10.99.0.1/32")
        ip("-n", net.tag + "mute", "-6", "route", "add", "blackhole", "fd99::1/128")
        dns = cls.nameserver({"example.net": """
one MX 10 one.h
two MX 10 two.h
silent MX 10 mute.h
silent MX 20 two.h
silent6 MX 10 mixed.h
refused MX 10 refusing.h
dual MX 10 dual.h
away MX 10 away.h
away MX 20 two.h
one.h A 10.99.0.11
two.h A 10.99.0.21
mute.h A 10.99.0.31
mixed.h AAAA fd99::31
mixed.h A 10.99.0.21
refusing.h A 10.99.0.12
refusing.h A 10.99.0.21
dual.h AAAA fd99::11
dual.h A 10.99.0.11
away.h A 10.99.0.99
"""})
        cls.box = cls.instance(dns=dns.at, remote__timeout_connect="2s")

    def came(self, host, domain):
        self.box.send(f"x@{domain}", sender="alice@example.org", subject=domain)
        return wait_for(lambda: [m for m in host() if f"x@{domain}" in m["recipients"]],
                        lambda: f"mail for {domain}; log:\n" + self.box.log()[-3000:])[0]

    def test_a_host_by_its_mx_on_port_25(self):
        m = self.came(self.one, "one.example.net")
        self.assertEqual(m["peer"], "10.99.0.1")

    def test_two_hosts(self):
        self.came(self.two, "two.example.net")

    def test_a_silent_host_is_passed_over_after_the_timeout(self):
        self.came(self.two, "silent.example.net")

    def test_silent_ipv6_falls_back_to_ipv4(self):
        self.came(self.two, "silent6.example.net")

    def test_an_address_that_refuses_falls_back_to_the_next(self):
        self.came(self.two, "refused.example.net")

    def test_both_families_one_copy(self):
        self.came(self.one, "dual.example.net")
        self.box.wait_queue(0)
        self.assertEqual(len([m for m in self.one() if "x@dual.example.net" in m["recipients"]]), 1)

    def test_an_unreachable_host_is_passed_over(self):
        self.came(self.two, "away.example.net")

    def test_address_literals(self):
        self.came(self.one, "[10.99.0.11]")
        self.came(self.one, "[IPv6:fd99::11]")


@needs_net
@needs_program("nsd", "ip")
class SourceAddresses(Story):
    @classmethod
    def arrange(cls):
        net = Network(cls)
        ip("addr", "add", "10.99.0.2/24", "dev", "br0")
        ip("-6", "addr", "add", "fd99::2/64", "dev", "br0", "nodad")
        one = net.host("src", 1, ["10.99.0.11/24", "fd99::11/64"])
        cls.one = staticmethod(net.sink(one, [("10.99.0.11", 25), ("fd99::11", 25)], "one.example.net"))
        dns = cls.nameserver({"example.net": "four MX 10 h4\nsix MX 10 h6\nh4 A 10.99.0.11\nh6 AAAA fd99::11\n"})
        cls.box = cls.instance(dns=dns.at, remote__source_ipv4="10.99.0.2", remote__source_ipv6="fd99::2")

    def test_connections_come_from_the_configured_addresses(self):
        for domain, source in (("four.example.net", "10.99.0.2"), ("six.example.net", "fd99::2")):
            with self.subTest(domain=domain):
                self.box.send(f"x@{domain}", subject=domain)
                m = wait_for(lambda: [m for m in self.one() if f"x@{domain}" in m["recipients"]], "the message")[0]
                self.assertEqual(m["peer"], source)
