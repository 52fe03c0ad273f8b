# SPDX-License-Identifier: ISC
"""A scripted SMTP or LMTP server that records what it is told.

	Sink(replies={"RCPT": "550 5.1.1 nobody here"})
	Sink(replies={".": [Delay(2, "250 ok"), DROP]})
	Sink(replies={"RCPT": lambda session, arg: ...})

A reply is a string (its lines divided by newlines), DROP (close the
connection), HANG (say nothing more), Delay(seconds, reply), None (what a
willing server would say), a list of these (one for each time the step is
reached, the last for ever), or a function of the session and the command's
argument that returns one of them.  Steps: CONNECT EHLO HELO LHLO STARTTLS MAIL
RCPT DATA . BDAT RSET NOOP QUIT; "." answers the content (LMTP: each recipient).
With tls (an ssl context) STARTTLS is offered, or TLS comes first (implicit).
"""
import asyncio
import threading
import time

DROP = object()
HANG = object()
USUAL = ("PIPELINING", "SIZE 50000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING")


class Delay:
    def __init__(self, seconds, reply=None):
        self.seconds, self.reply = seconds, reply


class Message:
    """One transaction that was accepted."""

    def __init__(self, session):
        self.session = session
        self.sender = self.sender_options = None
        self.recipients = []            # accepted: addresses
        self.options = {}               # address: parameters of RCPT
        self.data = b""
        self.chunked = False
        self.began = session.answered   # not before: what came just ahead of MAIL was answered
        self.at = None                  # when the reply to the content was sent


class Session:
    def __init__(self, number, peer, local):
        self.number, self.peer, self.local = number, peer, local
        self.commands = []
        self.helo = None
        self.tls = None                 # "TLSv1.3"
        self.resumed = False
        self.server_name = None
        self.answered = time.monotonic()


class Sink:
    def __init__(self, addresses=(("127.0.0.1", 0),), unix=None, lmtp=False, hostname="sink.example",
                 extensions=USUAL, replies=None, tls=None, implicit=False):
        self.lmtp, self.hostname = lmtp, hostname
        self.extensions = extensions
        self.tls, self.implicit = tls, implicit
        self.replies = dict(replies or {})
        self.sessions, self.messages = [], []
        self.open = 0                   # connections now
        self.most = 0                   # connections at once
        self.counts = {}
        self.changed = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self.servers = []
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.ports = []
        if unix:
            self.servers.append(self.call(asyncio.start_unix_server(self.serve, unix, limit=2**26)))
        else:
            for host, port in addresses:
                server = self.call(asyncio.start_server(self.serve, host, port, limit=2**26,
                                                        ssl=tls if implicit else None))
                self.servers.append(server)
                self.ports.append(server.sockets[0].getsockname()[1])
        self.port = self.ports[0] if self.ports else None
        self.at = f"127.0.0.1:{self.port}"

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def stop(self):
        async def end():
            for s in self.servers:
                s.close()
            tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def wait(self, n=1, timeout=40):
        """Until n messages have come; returns them."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.messages) >= n, timeout):
                raise AssertionError(f"the sink waited for {n} messages and has {len(self.messages)}; sessions: "
                                     + str([s.commands for s in self.sessions[-3:]]))
            return list(self.messages)

    def wait_commands(self, word, n=1, timeout=40):
        """Until commands that begin with a word were seen n times."""
        def count():
            return sum(c.startswith(word) for s in self.sessions for c in s.commands)
        with self.changed:
            if not self.changed.wait_for(lambda: count() >= n, timeout):
                raise AssertionError(f"{word} was seen {count()} times, not {n}")

    def seen(self, word):
        with self.changed:
            return [c for s in self.sessions for c in s.commands if c.startswith(word)]

    # -- the server's side, in the loop's thread --

    def decide(self, session, step, arg):
        reply = self.replies.get(step)
        if isinstance(reply, list):
            n = self.counts.get(step, 0)
            self.counts[step] = n + 1
            reply = reply[min(n, len(reply) - 1)]
        if callable(reply):
            reply = reply(session, arg)
        return reply

    async def answer(self, session, w, step, arg, usual):
        """Sends the reply of a step; its code, or 0 for a dropped session."""
        reply = self.decide(session, step, arg)
        if isinstance(reply, Delay):
            await asyncio.sleep(reply.seconds)
            reply = reply.reply
        if reply is DROP:
            w.transport.abort()
            return 0
        if reply is HANG:
            await asyncio.sleep(3600)
            return 0
        lines = (usual if reply is None else reply).split("\n")
        code = lines[0][:3]
        out = []
        for i, line in enumerate(lines):
            text = line[4:] if line[:3] == code and line[3:4] in (" ", "-", "") else line
            out.append(code + ("-" if i < len(lines) - 1 else " ") + text)
        w.write(("\r\n".join(out) + "\r\n").encode())
        session.answered = time.monotonic()
        await w.drain()
        return int(code)

    async def serve(self, r, w):
        sock = w.get_extra_info("socket")
        with self.changed:
            session = Session(len(self.sessions), w.get_extra_info("peername"), sock.getsockname())
            self.sessions.append(session)
            self.open += 1
            self.most = max(self.most, self.open)
            self.changed.notify_all()
        try:
            await self.converse(session, r, w)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            with self.changed:
                self.open -= 1
                self.changed.notify_all()
            w.close()

    @staticmethod
    def secured(session, w):
        tls = w.get_extra_info("ssl_object")
        session.tls, session.resumed = tls.version(), tls.session_reused

    async def converse(self, session, r, w):
        if self.implicit:
            self.secured(session, w)
        if await self.answer(session, w, "CONNECT", "", f"220 {self.hostname} ESMTP") != 220:
            return
        m = None
        while True:
            line = await r.readuntil(b"\n")
            if not line.endswith(b"\r\n"):
                w.write(b"500 5.5.2 bare LF\r\n")
                return
            text = line[:-2].decode("utf-8", "surrogateescape")
            with self.changed:
                session.commands.append(text)
                self.changed.notify_all()
            verb, _, arg = text.partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "LHLO"):
                session.helo = arg
                offers = self.extensions + (("STARTTLS",) if self.tls and not session.tls else ())
                await self.answer(session, w, verb, arg, "\n".join(["250 " + self.hostname, *offers]))
            elif verb == "STARTTLS" and self.tls:
                if await self.answer(session, w, "STARTTLS", arg, "220 2.0.0 go") == 220:
                    await w.start_tls(self.tls)
                    self.secured(session, w)
                    m = None
            elif verb == "HELO":
                session.helo = arg
                await self.answer(session, w, verb, arg, "250 " + self.hostname)
            elif verb == "MAIL":
                begun = Message(session)
                code = await self.answer(session, w, "MAIL", arg, "250 2.1.0 ok")
                if code == 250:
                    m = begun
                    m.sender, m.sender_options = self.path(arg)
            elif verb == "RCPT":
                if m is None:
                    w.write(b"503 5.5.1 MAIL first\r\n")
                    continue
                code = await self.answer(session, w, "RCPT", arg, "250 2.1.5 ok")
                if code in (250, 251):
                    address, options = self.path(arg)
                    m.recipients.append(address)
                    m.options[address] = options
            elif verb == "DATA":
                if m is None or not m.recipients:
                    w.write(b"554 5.5.1 no valid recipients\r\n")
                    continue
                code = await self.answer(session, w, "DATA", arg, "354 go on")
                if code == 0:
                    return
                if code != 354:
                    continue
                m.data = await self.content(r)
                if not await self.finish(session, w, m):
                    return
                m = None
            elif verb == "BDAT":
                words = arg.upper().split()
                data = await r.readexactly(int(words[0]))
                if m is None or not m.recipients:
                    w.write(b"503 5.5.1 no recipients\r\n")
                    continue
                m.data += data
                m.chunked = True
                if "LAST" in words:
                    if not await self.finish(session, w, m):
                        return
                    m = None
                else:
                    await self.answer(session, w, "BDAT", arg, "250 2.0.0 ok")
            elif verb == "RSET":
                m = None
                await self.answer(session, w, "RSET", arg, "250 2.0.0 ok")
            elif verb == "NOOP":
                await self.answer(session, w, "NOOP", arg, "250 2.0.0 ok")
            elif verb == "QUIT":
                await self.answer(session, w, "QUIT", arg, "221 2.0.0 bye")
                return
            else:
                w.write(b"500 5.5.2 what?\r\n")

    async def content(self, r):
        lines = []
        while True:
            line = await r.readuntil(b"\n")
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    async def finish(self, session, w, m):
        """Answers the content; records the message as far as accepted."""
        kept = []
        for i, address in enumerate(m.recipients if self.lmtp else [None]):
            code = await self.answer(session, w, ".", address or "", "250 2.0.0 taken")
            if code == 0:
                return False
            if code == 250:
                kept.append(address)
        if self.lmtp:
            m.recipients = kept
        if kept:
            m.at = time.monotonic()
            with self.changed:
                self.messages.append(m)
                self.changed.notify_all()
        return True

    @staticmethod
    def path(arg):
        """("address", ["PARAM=..."]) of FROM:<...> or TO:<...>."""
        rest = arg[arg.index("<") + 1:]
        end = rest.rindex(">") if rest.count(">") == 1 else rest.index(">")
        return rest[:end], rest[end + 1:].split()
