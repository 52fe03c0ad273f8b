# SPDX-License-Identifier: ISC
"""chasqui doctor finds what is wrong, and nothing where all is well."""
import json
import os
import socket

from harness import CHASQUI, Story, needs_program, needs_root, run, wait_for


class Doctor(Story):
    def look(self, box, *areas):
        """{(area, subject): [(level, text, advice)]} and the exit status."""
        p = box.tool("doctor", "--json", *areas)
        found = {}
        for line in p.stdout.splitlines():
            f = json.loads(line)
            found.setdefault((f["area"], f["subject"]), []).append((f["level"], f["text"], f["advice"]))
            self.assertEqual(f["level"] == "ok", f["advice"] == "", line)
        return found, p.returncode

    def levels(self, found, area, subject):
        return [l for l, _, _ in found[(area, subject)]]

    def test_ports_before_and_after_the_start(self):
        box = self.instance(start=False)
        at = f"127.0.0.1:{box.port}"
        found, status = self.look(box, "ports")
        self.assertEqual((self.levels(found, "ports", at), status), (["ok"], 0))
        with socket.create_server(("127.0.0.1", box.port)):
            found, status = self.look(box, "ports")
            self.assertEqual((self.levels(found, "ports", at), status), (["fault"], 2))
            self.assertIn("python", found[("ports", at)][0][1])
        box.start()
        found, status = self.look(box, "ports", "files")
        self.assertEqual(status, 0, found)
        self.assertIn("220 mx.example.org", found[("ports", at)][0][1])

    def test_a_broken_configuration(self):
        box = self.instance(start=False)
        box.append("nonsense = 1")
        found, status = self.look(box)
        self.assertEqual(status, 2)
        self.assertEqual([l for (area, _), l in ((k, v[0][0]) for k, v in found.items()) if area == "configuration"],
                         ["fault"])
        self.assertIn(("machine", "clock"), found)

    def test_certificates(self):
        box = self.instance(start=False)
        key = box.path("tls/self-signed.key")
        found, _ = self.look(box, "certificates")
        self.assertEqual(self.levels(found, "certificates", "self-signed"), ["ok", "ok", "note"])
        os.chmod(key, 0o644)
        found, status = self.look(box, "certificates")
        self.assertEqual((self.levels(found, "certificates", key), status), (["fault"], 2))
        other = self.instance(start=False, hostname="other.example.org")
        with open(other.path("tls/self-signed.key")) as f:
            box.write("tls/self-signed.key", f.read())
        found, _ = self.look(box, "certificates")
        self.assertEqual(self.levels(found, "certificates", "self-signed")[0], "fault")
        box.set("hostname", "mx3.example.org")
        found, _ = self.look(box, "certificates")
        self.assertIn("warning", self.levels(found, "certificates", "self-signed"))

    @needs_root
    def test_owners_and_modes(self):
        box = self.instance()
        os.chmod(box.path("mail"), 0o777)
        os.chown(box.path("queue"), 0, 0)
        os.chmod(box.path("tables"), 0o700)
        os.chmod(box.path("chasqui.conf"), 0o666)
        os.chmod(box.path("auth/passwords"), 0o644)
        found, status = self.look(box, "files")
        self.assertEqual(status, 2)
        for name in ("mail", "queue", "tables/aliases", "chasqui.conf", "auth/passwords"):
            self.assertIn("fault", self.levels(found, "files", box.path(name)), name)

    def test_room(self):
        box = self.instance(start=False, queue__min_free="1T")
        found, status = self.look(box, "disk")
        self.assertEqual((self.levels(found, "disk", box.path("queue"))[0], status), ("fault", 2))

    @needs_program("nsd")
    def test_the_dns(self):
        ns = self.nameserver({
            "example.org": "mx A 127.0.0.1\n@ MX 10 mx\n@ TXT \"v=spf1 mx -all\"\n",
            "elsewhere.example": "@ MX 5 mail.elsewhere.example.\nmail A 192.0.2.77\n",
            "bare.example": "@ A 127.0.0.1\n", "here.example": "@ MX 1 alias\nalias A 127.0.0.1\n",
            "0.0.127.in-addr.arpa": "1 PTR wrong.example.\n", "big.example": "@ MX 10 mx.example.org.\n" + "".join(
                f"@ TXT \"padding {'x' * 200} {i}\"\n" for i in range(20)) + "@ TXT \"v=spf1 a\"\n"})
        box = self.instance(start=False, dns=ns.at, domains=(
            "example.org", "elsewhere.example", "bare.example", "here.example", "big.example"))
        found, status = self.look(box, "dns")
        self.assertEqual(status, 1, found)
        self.assertEqual(self.levels(found, "dns", "name servers"), ["ok"])
        self.assertEqual(self.levels(found, "dns", "mx.example.org"), ["ok"])
        self.assertEqual(self.levels(found, "dns", "example.org"), ["ok", "ok"])
        self.assertEqual(self.levels(found, "dns", "elsewhere.example"), ["warning", "note"])
        self.assertEqual(self.levels(found, "dns", "bare.example"), ["warning", "note"])
        self.assertEqual(self.levels(found, "dns", "here.example"), ["ok", "note"])
        # Too much for a datagram: asked again over TCP.
        self.assertEqual(self.levels(found, "dns", "big.example"), ["ok", "ok"])
        self.assertEqual(found[("dns", "127.0.0.1")][0][:2],
                         ("warning", "its PTR record says wrong.example, not mx.example.org"))
        ns.change("0.0.127.in-addr.arpa", "1 PTR mx.example.org.\n")
        wait_for(lambda: self.levels(self.look(box, "dns")[0], "dns", "127.0.0.1") == ["ok"], "the new PTR record")

    def test_name_servers_that_do_not_answer(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        box = self.instance(start=False, dns=f"127.0.0.1:{port}")
        found, status = self.look(box, "dns")
        self.assertEqual((self.levels(found, "dns", "name servers"), status), (["fault"], 2))

    @needs_root
    @needs_program("unshare")
    def test_what_other_servers_left(self):
        box = self.instance(start=False)
        spool, etc = self.directory("spool"), self.directory("etc")
        for path in ("postfix/deferred/A", "postfix/hold", "exim4/input"):
            os.makedirs(os.path.join(spool, path))
        for path in ("postfix/deferred/A/ABC", "postfix/deferred/A/DEF", "exim4/input/1-H", "exim4/input/1-D"):
            open(os.path.join(spool, path), "w").close()
        with open(etc + "/aliases", "w") as f:
            f.write("postmaster: root\nlist: alice,\n  bob\n")
        # Bind mounts that nobody else sees.
        script = (f"mount --bind {spool} /var/spool && touch /etc/aliases && mount --bind {etc}/aliases /etc/aliases &&"
                  f" exec {CHASQUI} -C {box.dir} doctor --json others")
        had = os.path.exists("/etc/aliases")
        p = run(["unshare", "-m", "sh", "-c", script])
        if not had and os.path.exists("/etc/aliases"):
            os.unlink("/etc/aliases")
        found = [json.loads(l) for l in p.stdout.splitlines()]
        by = {f["subject"]: f for f in found}
        self.assertEqual(p.returncode, 1, p.stdout + p.stderr)
        self.assertTrue(by["/var/spool/postfix/deferred"]["text"].startswith("2 messages"))
        self.assertTrue(by["/var/spool/exim4/input"]["text"].startswith("1 messages"))
        self.assertIn("list", by["/etc/aliases"]["text"])
        self.assertIn("root", by)
