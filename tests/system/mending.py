# SPDX-License-Identifier: ISC
"""What operators do to a queue: selecting, undo, reroute, pause, moving it.

Mail goes to sinks that take it or not; suites are killed in the middle.
"""
import os
import subprocess

from harness import Story, wait_for
from sink import Sink

SLOW = "queue.retry_first = 1h\nqueue.retry_max = 1h\n"


def later(session, arg):
    return "450 4.2.1 come back"


class Mending(Story):
    @classmethod
    def arrange(cls):
        cls.sink = Sink(replies={"RCPT": later})
        cls.other = Sink()
        cls.at_end(cls.sink.stop)
        cls.at_end(cls.other.stop)
        cls.hop = f"[127.0.0.1]:{cls.sink.port}"
        cls.there = f"[127.0.0.1]:{cls.other.port}"
        cls.box = cls.instance(conf=SLOW + f"""table hops {{ type = inline ; entries = "*={cls.hop}" }}
            route.tables = hops""")

    def setUp(self):
        self.sink.replies["RCPT"] = later
        self.queue("delete", "--all", "--confirm", "1000", "--for-good")

    def queue(self, *args, **kw):
        return self.box.tool("queue", *args, **kw)

    def put(self, n=1, to="x@far.example", sender="alice@example.org", **kw):
        before = len(self.box.queue())
        for i in range(n):
            self.box.send(to, sender=sender, subject=f"number {i}", **kw)
        wait_for(lambda: len(self.box.queue("--state", "deferred")) == before + n, "the mail to be deferred",
                 step=0.1)

    def got(self, sink, n):
        wait_for(lambda: len(sink.messages) >= n, lambda: f"{n} messages, there are {len(sink.messages)}; log:\n" +
                 self.box.log()[-3000:])

    def restart_hard(self):
        self.box.kill()
        self.box.start()

    # ---- selecting

    def test_predicates_and_dry_run(self):
        self.put(sender="a@client.example")
        self.put(sender="b@client.example", to=["x@far.example", "y@near.example"])
        self.assertEqual(len(self.box.queue("--sender", "a@client.example")), 1)
        self.assertEqual(len(self.box.queue("--not", "--sender", "a@client.example")), 1)
        self.assertEqual(len(self.box.queue("--recipient", "@near.example", "--sender", "@client.example")), 1)
        self.assertEqual(len(self.box.queue("--client", "127.*", "--attempts", "1")), 2)
        self.assertEqual(len(self.box.queue("--next-hop", self.hop, "--not", "--recipient", "@far.example")), 1)
        r = self.queue("delete", "--sender", "@client.example", "--dry-run")
        self.assertEqual(r.returncode, 0)
        self.assertIn("would be deleted", r.stdout)
        self.assertIn("messages: 2", r.stdout)
        self.assertEqual(len(self.box.queue()), 2)
        r = self.queue("delete", "--not", "--all")
        self.assertEqual(r.returncode, 64)

    def test_many_are_to_be_confirmed(self):
        self.put(101)
        r = self.queue("delete", "--all")
        self.assertEqual(r.returncode, 64)
        self.assertIn("101 messages", r.stderr)
        self.assertEqual(len(self.box.queue()), 101)
        self.assertEqual(self.queue("delete", "--all", "--confirm", "100").returncode, 64)
        self.assertEqual(self.queue("delete", "--all", "--confirm", "101").returncode, 0)
        self.assertEqual(len(self.box.queue()), 0)
        self.assertEqual(self.queue("undo", "--last").returncode, 0)
        self.assertEqual(len(self.box.queue()), 101)

    # ---- undo

    def test_what_was_deleted_comes_back_after_kill(self):
        n = len(self.other.messages)
        self.put(3)
        self.put(1, body="x" * 70 + "\r\n", sender="large@client.example")
        self.assertEqual(self.queue("delete", "--all").returncode, 0)
        self.restart_hard()
        self.assertEqual(self.box.queue(), [])
        listed = self.queue("undo", "list")
        self.assertIn("can be had back until", listed.stdout)
        self.assertEqual(self.queue("undo", "--last").returncode, 0)
        self.restart_hard()
        self.assertEqual(len(self.box.queue()), 4)
        self.assertEqual(self.queue("reroute", "--all", "--to", self.there).returncode, 0)
        self.got(self.other, n + 4)
        wait_for(lambda: self.box.queue() == [], "the queue to be empty")
        self.assertEqual(len(self.other.messages), n + 4)

    # ---- reroute

    def test_rerouted_mail_stays_so_and_goes_back(self):
        n = len(self.sink.messages)
        self.put(2)
        self.assertEqual(self.queue("reroute", "--all", "--to", "nowhere at all").returncode, 64)
        self.assertEqual(self.queue("reroute", "--all", "--to", "[127.0.0.1]:9").returncode, 0)
        self.restart_hard()
        entry = wait_for(lambda: self.box.queue("--next-hop", "[127.0.0.1]:9"), "rerouted mail")[0]
        self.assertTrue(entry["recipients"][0]["rerouted"])
        self.assertIn("-> [127.0.0.1]:9", self.queue("list").stdout)
        self.sink.replies.pop("RCPT")
        self.assertEqual(self.queue("reroute", "--all", "--to", "table").returncode, 0)
        self.got(self.sink, n + 2)

    # ---- export and import

    def test_exported_queue_goes_to_another_instance(self):
        to = self.instance(conf=SLOW + f"""table hops {{ type = inline ; entries = "*={self.there}" }}
            route.tables = hops""")
        n = len(self.other.messages)
        self.put(5)
        file = os.path.join(self.directory("export"), "queue")
        self.assertEqual(self.queue("export", "--all", "--output", file).returncode, 0)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        with open(file, "rb") as f:
            whole = f.read()
        for bad in (b"", whole[:-1], whole[:1000], whole[:500] + b"?" + whole[501:], whole + b"x"):
            with open(file + ".bad", "wb") as f:
                f.write(bad)
            self.assertEqual(to.tool("queue", "import", file + ".bad").returncode, 65)
        self.assertEqual(to.queue(), [])
        r = to.tool("queue", "import", file)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertIn("5 imported", r.stdout)
        self.got(self.other, n + 5)
        wait_for(lambda: to.queue() == [], "the queue to be empty")
        r = to.tool("queue", "import", file)
        self.assertIn("0 imported, 0 were in the queue, 5 had been imported before", r.stdout)
        self.assertEqual(to.queue(), [])
        self.assertEqual(len(self.other.messages), n + 5)
        to.stop()

    # ---- pause

    def test_paused_next_hop(self):
        n = len(self.sink.messages)
        self.sink.replies.pop("RCPT")
        self.assertEqual(self.box.tool("pause", "next-hop", self.hop, "--reason", "they move").returncode, 0)
        try:
            for i in range(3):
                self.box.send("x@far.example", subject=f"paused {i}")
            wait_for(lambda: len(self.box.queue("--reason", "they move")) == 3, "paused mail")
            self.restart_hard()
            self.assertIn("they move", self.box.tool("pause").stdout)
            self.assertIn("they move", self.queue("list").stderr)
            self.assertIn("next-hop", self.box.tool("status").stdout)
            self.assertEqual(self.queue("retry", "--all").returncode, 0)
            self.assertEqual(len(self.sink.messages), n)
        finally:
            self.assertEqual(self.box.tool("resume", "next-hop", self.hop).returncode, 0)
        self.got(self.sink, n + 3)
        self.assertEqual(self.box.tool("resume", "next-hop", self.hop).returncode, 65)

    def test_paused_inbound_and_local(self):
        self.assertEqual(self.box.tool("pause", "local").returncode, 0)
        self.box.send("bob@example.org", subject="waits for local")
        wait_for(lambda: self.box.queue("--recipient", "bob@example.org", "--reason", "paused"), "it to wait")
        self.assertEqual(self.box.tool("pause", "inbound", "--reason", "backup").returncode, 0)
        with self.box.talk() as t:
            t.ehlo()
            code, text = t.cmd("MAIL FROM:<a@client.example>")[:2]
            self.assertEqual(int(code), 450)
            self.assertIn("backup", str(text))
        self.assertEqual(self.box.tool("resume", "inbound").returncode, 0)
        self.assertEqual(self.box.tool("resume", "local").returncode, 0)
        self.box.wait_subject("bob@example.org", "waits for local")
        self.box.send("bob@example.org", subject="goes on")
        self.box.wait_subject("bob@example.org", "goes on")

    def test_pause_for_a_time(self):
        self.assertEqual(self.box.tool("pause", "outbound", "--for", "1s").returncode, 0)
        self.sink.replies.pop("RCPT")
        n = len(self.sink.messages)
        self.box.send("x@far.example", subject="soon")
        self.got(self.sink, n + 1)
        # What is over is taken from the list by a tick of its own.
        wait_for(lambda: self.box.tool("pause").stdout == "", "the end of the pause")


class Adopting(Story):
    """Another instance's queue directory: moved once, whoever dies."""

    def pair(self):
        old_sink, new_sink = Sink(replies={"RCPT": later}), Sink()
        self.addCleanup(old_sink.stop)
        self.addCleanup(new_sink.stop)
        conf = SLOW + """table hops {{ type = inline ; entries = "*=[127.0.0.1]:{}" }}
            route.tables = hops"""
        old = self.instance(conf=conf.format(old_sink.port))
        new = self.instance(conf=conf.format(new_sink.port))
        for i in range(20):
            old.send("x@far.example", subject=f"number {i}", body="y" * 60 + "\r\n")
        wait_for(lambda: len(old.queue("--state", "deferred")) == 20, "the mail to be deferred")
        return old, new, new_sink

    def subjects(self, sink):
        return sorted(m.data.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for m in sink.messages)

    def test_stopped_queue_is_adopted(self):
        old, new, sink = self.pair()
        dir = old.path("queue")
        r = new.tool("queue", "adopt", dir)
        self.assertEqual(r.returncode, 75)
        self.assertIn("running", r.stderr)
        self.assertEqual(new.queue(), [])
        old.stop()
        r = new.tool("queue", "adopt", dir)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        wait_for(lambda: len(sink.messages) == 20, lambda: new.log()[-3000:])
        wait_for(lambda: new.queue() == [], "the queue to be empty")
        self.assertIn("had been imported before", new.tool("queue", "adopt", dir).stdout)
        self.assertEqual(self.subjects(sink), sorted(f"number {i}" for i in range(20)))
        self.assertNotEqual(old.tool("start").returncode, 0)

    def test_killed_in_the_middle(self):
        old, new, sink = self.pair()
        dir = old.path("queue")
        old.stop()
        for delay in (0.01, 0.03, 0.06):
            tool = subprocess.Popen([new.program, "-C", new.dir, "queue", "adopt", dir], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                tool.wait(timeout=delay)
            except subprocess.TimeoutExpired:
                pass
            new.kill()
            tool.wait(timeout=60)
            new.start()
        new.tool("queue", "adopt", dir, check=True)
        wait_for(lambda: len(sink.messages) >= 20 and new.queue() == [], lambda: new.log()[-3000:])
        self.assertEqual(self.subjects(sink), sorted(f"number {i}" for i in range(20)))

    def test_newer_queue_is_refused(self):
        old, new, sink = self.pair()
        dir = old.path("queue")
        old.stop()
        with open(os.path.join(dir, "format"), "w") as f:
            f.write("chasqui-queue 77\n")
        self.assertNotEqual(new.tool("queue", "adopt", dir).returncode, 0)
        self.assertEqual(new.queue(), [])
        with open(os.path.join(dir, "format")) as f:
            self.assertEqual(f.read(), "chasqui-queue 77\n")
