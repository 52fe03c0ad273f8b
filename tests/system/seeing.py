# SPDX-License-Identifier: ISC
"""What an operator and a monitoring system see: metrics, status, top, the queue's shape."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import CHASQUI, PATIENCE, Ports, Story, needs_program, needs_root, run, wait_for

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Debian's own, which has the package python3-prometheus-client.
PYTHON = "/usr/bin/python3"
PARSER = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([(f.name, f.type, [(s.name, s.labels, s.value) for s in f.samples]) for f in parse(sys.stdin.read())]))
"""
HAVE_PARSER = subprocess.run([PYTHON, "-c", "import prometheus_client.openmetrics.parser"],
                             stderr=subprocess.DEVNULL).returncode == 0


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class Seen:
    """The samples of an answer, as another program understands them."""

    def __init__(self, text):
        p = run([PYTHON, "-c", PARSER], stdin=text.encode(), check=True)
        self.families = json.loads(p.stdout)
        self.samples = [s for f in self.families for s in f[2]]

    def sum(self, name, **labels):
        found = [v for n, l, v in self.samples if n == name and all(l.get(k) == x for k, x in labels.items())]
        assert found, name
        return sum(found)


class Dead(Story):
    """One instance with a next hop that nobody listens at."""

    @classmethod
    def arrange(cls):
        cls.dead = Ports.single()
        cls.http = Ports.single()
        cls.box = cls.instance(relay={"dead.example": f"127.0.0.1:{cls.dead}"}, queue__retry_first="1h",
                               queue__retry_max="1h",
                               conf=f"listener metrics {{\nmode = metrics\naddress = 127.0.0.1:{cls.http}\n}}\n")
        for i in range(3):
            cls.box.send("alice@example.org", subject=f"in {i}")
            cls.box.wait_subject("alice@example.org", f"in {i}")
        for i in range(2):
            cls.box.send(f"u{i}@dead.example", sender="alice@example.org")
        wait_for(lambda: "is dead" in cls.box.tool("status", "--all").stdout, "the next hop to be dead")
        cls.box.wait_queue(2)
        # qmgr says once a second how much it has
        wait_for(lambda: 'chasqui_qmgr_messages{role="qmgr",index="0"} 2\n' in cls.get()[1], "its figures")

    @classmethod
    def get(cls, path="/metrics", method="GET", unix=True):
        c = (UnixHTTP(cls.box.path("run", "metrics.sock")) if unix else
             http.client.HTTPConnection("127.0.0.1", cls.http, timeout=PATIENCE))
        c.request(method, path)
        r = c.getresponse()
        body = r.read().decode()
        c.close()
        return r, body


class Operator(Dead):
    def raw(self, data):
        s = socket.create_connection(("127.0.0.1", self.http), PATIENCE)
        s.sendall(data)
        return s

    @staticmethod
    def rest(s):
        got = b""
        while True:
            part = s.recv(65536)
            if not part:
                s.close()
                return got
            got += part

    # -- metrics --

    @unittest.skipUnless(HAVE_PARSER, "needs python3-prometheus-client")
    def test_the_answer_is_openmetrics_at_both_places(self):
        for unix in (True, False):
            with self.subTest(unix=unix):
                r, text = self.get(unix=unix)
                self.assertEqual(r.status, 200)
                self.assertEqual(r.getheader("Content-Type"),
                                 "application/openmetrics-text; version=1.0.0; charset=utf-8")
                self.assertTrue(text.endswith("# EOF\n"))
                seen = Seen(text)
                self.assertEqual(seen.sum("chasqui_smtpd_messages_total"), 5)
                self.assertEqual(seen.sum("chasqui_smtpd_commit_seconds_count"), 5)
                self.assertEqual(seen.sum("chasqui_qmgr_delivered_total"), 3)
                self.assertEqual(seen.sum("chasqui_qmgr_messages", role="qmgr", index="0"), 2)
                self.assertEqual(seen.sum("chasqui_next_hop_dead", next_hop=f"[127.0.0.1]:{self.dead}"), 1)
                self.assertEqual(seen.sum("chasqui_next_hop_waiting", next_hop="(others)"), 0)
                self.assertGreater(seen.sum("chasqui_process_resident_memory_bytes", role="qmgr"), 0)
                self.assertGreater(seen.sum("chasqui_keys_expires"), seen.sum("chasqui_start_time_seconds"))
                roles = {l["role"] for n, l, v in seen.samples if n == "chasqui_process_up" and v == 1}
                self.assertLessEqual({"smtpd", "qmgr", "lookup", "metrics", "imapd"}, roles)

    @unittest.skipUnless(HAVE_PARSER, "needs python3-prometheus-client")
    def test_the_dashboard_and_the_alerts_name_what_there_is(self):
        seen = Seen(self.get()[1])
        names = {s[0] for s in seen.samples} | {f[0] for f in seen.families}
        for path in ("packaging/grafana/chasqui.json", "packaging/prometheus/chasqui.rules.yml"):
            with open(os.path.join(TOP, path)) as f:
                wanted = set(re.findall(r"\bchasqui_[a-z0-9_]+", f.read()))
            self.assertGreater(len(wanted), 10)
            self.assertEqual(wanted - names, set(), path)

    @unittest.skipUnless(HAVE_PARSER, "needs python3-prometheus-client")
    @needs_root
    def test_totals_outlive_a_process_that_is_killed(self):
        before = Seen(self.get()[1])
        os.kill(self.box.pids("lookup")[0], signal.SIGKILL)
        now = wait_for(lambda: (lambda s: s.sum("chasqui_process_restarts_total", role="lookup") == 1 and
                                s.sum("chasqui_process_up", role="lookup") == 1 and s)(Seen(self.get()[1])), "lookup")
        for name in ("chasqui_lookup_rcpts_total", "chasqui_lookup_routes_total"):
            self.assertEqual(now.sum(name), before.sum(name))
        self.assertIn("lookup 0 ended", self.box.tool("status", "--all").stdout)

    @needs_root
    def test_no_counter_of_others_can_be_written(self):
        pid = self.box.pids("metrics")[0]
        with open(f"/proc/{pid}/maps") as f:
            maps = [l.split()[1] for l in f if "chasqui-counters" in l]
        self.assertGreater(len(maps), 10)
        self.assertEqual([m for m in maps if "w" in m], ["rw-s"], "its own alone")
        self.assertFalse([d for d in os.listdir(f"/proc/{pid}/fd")
                          if "counters" in os.readlink(f"/proc/{pid}/fd/{d}")])

    def test_only_metrics_are_served(self):
        for method, path, status in (("GET", "/", 404), ("GET", "/metrics/", 404), ("POST", "/metrics", 405),
                                     ("GET", "/" + "x" * 9000, 431), ("GET", "/metrics?x", 200)):
            with self.subTest(path=path[:20], method=method):
                self.assertEqual(self.get(path, method)[0].status, status)
        r, text = self.get(method="HEAD")
        self.assertEqual((r.status, text), (200, ""))
        self.assertGreater(int(r.getheader("Content-Length")), 1000)

    def test_who_is_rude_gets_nothing_and_keeps_nobody_out(self):
        self.assertIn(b" 400 ", self.rest(self.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01")))
        self.assertIn(b" 400 ", self.rest(self.raw(b"GET /metrics HTTP/1.1\r\n\r\n")))
        self.assertIn(b" 413 ", self.rest(self.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")))
        slow = [self.raw(b"GET /metrics HT") for _ in range(100)]
        self.assertEqual(self.get(unix=False)[0].status, 200)
        # the last of them is told that it is too slow
        self.assertIn(b" 408 ", self.rest(slow[-1]))
        for s in slow[:-1]:
            s.close()
        self.assertNotIn("event=ended role=metrics", self.box.log())

    def test_it_listens_on_this_host_alone(self):
        text = self.box.read_conf()
        for address in ("*:9155", "192.0.2.1:9155", "[2001:db8::1]:9155"):
            with self.subTest(address=address):
                self.box.write_conf(text + f"listener open {{\nmode = metrics\naddress = {address}\n}}\n")
                try:
                    p = self.box.tool("config", "check")
                finally:
                    self.box.write_conf(text)
                self.assertNotEqual(p.returncode, 0)
                self.assertIn("127.0.0.0/8", p.stdout + p.stderr)

    # -- status --

    def test_status_is_one_screen(self):
        out = self.box.tool("status", check=True).stdout
        lines = out.splitlines()
        self.assertLessEqual(len(lines), 24, out)
        self.assertLess(max(map(len, lines)), 80, out)
        self.assertRegex(out, r"Mail in +0 sessions +[0-9.]+/s +5\n")
        self.assertRegex(out, r"Queue +2 messages ")
        self.assertIn(f"next hop [127.0.0.1]:{self.dead} is dead", self.box.tool("status", "--all").stdout)

    def test_status_for_programs(self):
        said = [json.loads(l) for l in self.box.tool("status", "--json", check=True).stdout.splitlines()]
        roles = [s["role"] for s in said]
        self.assertEqual((roles[0], roles[-2:]), ("master", ["next-hop", "summary"]))
        self.assertIn("is dead", " ".join(said[-1]["wrong"]))
        self.assertIn("refused", said[-2]["why"])

    # -- top --

    def test_top_without_a_terminal(self):
        out = self.box.tool("top", check=True).stdout
        for word in ("processes\n", "qmgr 0", "sessions\n", "next hops\n", f"[127.0.0.1]:{self.dead}", "stages\n",
                     "smtpd commit"):
            self.assertIn(word, out)
        self.assertNotIn("\033", out)
        twice = self.box.tool("top", "--batch", "2", "--delay", "1", check=True).stdout
        self.assertEqual(twice.count("\nnext hops\n"), 2)

    @needs_program("tmux")
    def test_top_at_a_terminal(self):
        with Terminal(self) as t:
            shell = t.run("stty -g")
            t.type(f"{CHASQUI} -C {self.box.dir} top", "Enter")
            t.wait("PROCESS ")
            screen = t.screen()
            self.assertEqual(len(screen), 24)
            self.assertIn("q quit", screen[-1])
            self.assertIn("qmgr 0", "\n".join(screen))
            imap = self.box.imap()
            t.type("s")
            t.wait("alice@example.org +IMAP +running")
            imap.logout()
            t.type("n")
            t.wait(rf"\[127.0.0.1\]:{self.dead} +dead")
            t.type("t")
            t.wait("smtpd commit")
            t.type("p")
            t.wait("PROCESS .*CPU%\\*")
            t.type(">")
            t.wait("MEMORY\\*")
            for _ in range(6):
                t.type("<")
            t.wait("PROCESS\\*")
            t.wait("\nauth 0")
            t.type("r")
            t.wait("\\*.*\nverifier 0")
            t.tmux("resize-window", "-x", "110", "-y", "40")
            wait_for(lambda: len(t.screen()) == 40 and "q quit" in t.screen()[-1], "the larger screen")
            t.type("q")
            t.wait("\\$$")
            self.assertEqual(t.run("stty -g"), shell)
            self.assertNotIn("q quit", "\n".join(t.screen()))

    @needs_program("tmux")
    def test_top_leaves_the_terminal_as_it_was_however_it_ends(self):
        with Terminal(self) as t:
            shell = t.run("stty -g")
            for how in ("INT", "TERM", "HUP", "QUIT", "SEGV"):
                with self.subTest(signal=how):
                    t.type(f"clear; {CHASQUI} -C {self.box.dir} top & p=$!; fg >/dev/null; echo ended", "Enter")
                    t.wait("q quit")
                    pid = next(int(p) for p in os.listdir("/proc") if p.isdigit() and t.is_top(p))
                    os.kill(pid, getattr(signal, "SIG" + how))
                    t.wait("ended")
                    self.assertEqual(t.run("stty -g"), shell)
            t.type(f"clear; {CHASQUI} -C {self.box.dir} top", "Enter")
            t.wait("q quit")
            t.type("C-z")
            t.wait("Stopped")
            self.assertNotIn("q quit", "\n".join(t.screen()))
            t.type("fg", "Enter")
            t.wait("q quit")
            t.type("q")
            t.wait("\\$$")


class Shape(Dead):
    def shape(self, *args):
        out = self.box.tool("queue", "shape", "--json", *args, check=True).stdout
        rows = [json.loads(l) for l in out.splitlines()]
        self.assertTrue(rows[0].pop("all"))
        for r in rows:
            self.assertEqual(sum(a["messages"] for a in r["ages"]), r["messages"])
        return rows[0]["messages"], {r["name"]: r["messages"] for r in rows[1:]}

    def test_the_queues_shape_is_the_same_after_a_restart(self):
        hop = f"[127.0.0.1]:{self.dead}"
        def look():
            return [self.shape()] + [self.shape("--by", by) for by in ("sender-domain", "recipient-domain")]
        wanted = [(2, {hop: 2}), (2, {"example.org": 2}), (2, {"dead.example": 2})]
        wait_for(lambda: look() == wanted, lambda: f"{look()}")
        self.box.tool("restart", check=True)
        wait_for(lambda: look() == wanted, lambda: f"{look()}")
        self.assertRegex(self.box.tool("queue", "shape").stdout, rf"ALL +2 +2( +0){{9}}\n *\[127.0.0.1\]:{self.dead} +2 ")
        self.assertRegex(self.box.tool("queue", "shape", "--bars").stdout, r"\]:\d+ +2 \.{40}\n")
        self.assertNotEqual(self.box.tool("queue", "shape", "--by", "moon").returncode, 0)


class Terminal:
    """A shell in a terminal of tmux's, 80 by 24."""

    def __init__(self, story):
        self.dir = tempfile.mkdtemp(dir=story.box.dir)
        self.socket = os.path.join(self.dir, "tmux")
        self.home = story.box.dir

    def __enter__(self):
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "env PS1='$ ' bash --norc -i")
        self.wait("\\$$")
        return self

    def __exit__(self, *_):
        run(["tmux", "-S", self.socket, "kill-server"])

    def tmux(self, *args):
        return run(["tmux", "-S", self.socket, *args], check=True).stdout

    def type(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self):
        return [l.rstrip() for l in self.tmux("capture-pane", "-p").split("\n")[:-1]]

    def wait(self, pattern):
        return wait_for(lambda: re.search(pattern, "\n".join(self.screen()).rstrip("\n") ),
                        lambda: f"{pattern} in:\n" + "\n".join(self.screen()))

    def run(self, command):
        """What a command says, on one line."""
        out = os.path.join(self.dir, "out")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(out)
        # The screen still shows what was said before.
        self.type(f"clear; {command} >{out}.new; mv {out}.new {out}", "Enter")
        wait_for(lambda: os.path.exists(out), lambda: "\n".join(self.screen()))
        with open(out) as f:
            return f.read()

    def is_top(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return f.read().split(b"\0")[:4] == [CHASQUI.encode(), b"-C", self.home.encode(), b"top"]
        except (FileNotFoundError, ProcessLookupError):
            return False
