# SPDX-License-Identifier: ISC
"""An IMAP client that parses every answer and knows what it has been told.

For stories that need more than imaplib: pipelining, literals, COMPRESS,
IDLE.  A response becomes a list of values: bytes for a string, str for an
atom, None for NIL, a list for a parenthesis.  An answer that breaks the
grammar fails the story.
"""
import re
import select
import socket
import ssl
import zlib

from harness import PATIENCE, any_certificate, wait_for


class Broken(AssertionError):
    """An answer that is not IMAP."""


class Lines:
    """Bytes off a connection: lines with the literals that they hold."""

    def __init__(self, sock):
        self.s, self.buffer = sock, b""
        self.inflate = self.deflate = None
        self.raw = 0                    # bytes off the wire

    def fill(self):
        data = self.s.recv(65536)
        if not data:
            raise EOFError("the server closed the connection after %r" % self.buffer[-200:])
        self.raw += len(data)
        self.buffer += self.inflate.decompress(data) if self.inflate else data

    def take(self, n):
        while len(self.buffer) < n:
            self.fill()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def line(self):
        at = 0
        while (end := self.buffer.find(b"\r\n", at)) < 0:
            at = max(0, len(self.buffer) - 1)
            self.fill()
        return self.take(end + 2)[:-2]

    def response(self):
        """[text, literal, text, literal, ..., text]"""
        found = []
        while True:
            line = self.line()
            found.append(line)
            m = re.search(rb"\{(\d+)\}$", line)
            if not m:
                return found
            found.append(self.take(int(m.group(1))))

    def write(self, data):
        if self.deflate:
            data = self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.s.sendall(data)

    def compressed(self):
        """From now on both directions are raw DEFLATE (RFC 4978)."""
        self.inflate = zlib.decompressobj(-15)
        self.deflate = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -15)
        self.buffer = self.inflate.decompress(self.buffer)


class Parser:
    def __init__(self, pieces):
        self.pieces, self.i, self.at = pieces, 0, 0

    def broken(self, why):
        raise Broken(f"{why} at {self.at} of {self.pieces}")

    def more(self):
        return self.pieces[self.i][self.at:]

    def space(self):
        if not self.more().startswith(b" "):
            self.broken("no space")
        self.at += 1

    def text(self):
        """What remains of the last line, as text for people."""
        return b"".join([self.more()] + self.pieces[self.i + 1:]).decode()

    def value(self):
        t = self.more()
        if t.startswith(b"("):
            return self.list()
        if t.startswith(b'"'):
            m = re.match(rb'"((?:[^"\\\r\n]|\\["\\])*)"', t)
            if not m:
                self.broken("a quoted string that does not end")
            self.at += m.end()
            return re.sub(rb'\\(["\\])', rb"\1", m.group(1))
        if re.match(rb"~?\{\d+\}$", t):
            literal = self.pieces[self.i + 1]
            self.i, self.at = self.i + 2, 0
            return literal
        # an atom; also flags, BODY[HEADER.FIELDS (A B)]<0>, sets
        m = re.match(rb"[\\]?[^][ ()\"{}\x00-\x1f\x7f]+(\[[^]]*\](<\d+>)?)?|\\\*", t)
        if not m:
            self.broken("no value")
        self.at += m.end()
        word = m.group().decode()
        return None if word.upper() == "NIL" else word

    def list(self):
        found = []
        self.at += 1
        while not self.more().startswith(b")"):
            # Bodies of a multipart stand beside each other without a space.
            if found and not (self.more().startswith(b"(") and isinstance(found[-1], list)):
                self.space()
            found.append(self.value())
        self.at += 1
        return found

    def values(self):
        found = []
        while self.more():
            # THREAD's answers stand beside each other, too.
            if found and not (self.more().startswith(b"(") and isinstance(found[-1], list)):
                self.space()
            found.append(self.value())
        if self.i != len(self.pieces) - 1:
            self.broken("more than one response")
        return found


class Answer:
    """What a command was answered: untagged responses, status, code, text."""

    def __init__(self, tag):
        self.tag, self.untagged, self.status, self.code, self.text = tag, [], None, [], ""

    def all(self, name):
        """The untagged responses of a name, without it; a number before it first."""
        found = []
        for r in self.untagged:
            if r[0] == name:
                found.append(r[1:])
            elif len(r) > 1 and r[1] == name and str(r[0]).isdigit():
                found.append([int(r[0])] + r[2:])
        return found

    def one(self, name):
        found = self.all(name)
        assert len(found) == 1, f"{len(found)} responses {name} in {self.untagged}"
        return found[0]

    def codes(self):
        """Response codes of untagged OK and of the tagged answer."""
        found = {r[1][0]: r[1][1:] for r in self.untagged if r[0] in ("OK", "NO", "BAD") and r[1]}
        if self.code:
            found[self.code[0]] = self.code[1:]
        return found

    def fetched(self):
        """{sequence number: {item: value}}"""
        found = {}
        for r in self.all("FETCH"):
            found.setdefault(r[0], {}).update(pairs(r[1]))
        return found

    def by_uid(self):
        return {int(m["UID"]): m for m in self.fetched().values()}


def pairs(values):
    assert len(values) % 2 == 0, values
    return {str(values[i]).upper(): values[i + 1] for i in range(0, len(values), 2)}


class ImapTalk:
    def __init__(self, port, tls=False, user=None, password="secret", timeout=None):
        s = socket.create_connection(("127.0.0.1", port), timeout or PATIENCE)
        if tls:
            s = any_certificate().wrap_socket(s)
        self.io = Lines(s)
        self.n = 0
        self.stray = []                 # untagged responses between commands
        self.greeting = self.read()
        if user:
            self.ok(f'LOGIN "{user}" "{password}"')

    @classmethod
    def to(cls, box, user="alice@example.org", tls=False, **kw):
        return cls(box.base + (993 if tls else 143), tls, user, **kw)

    # -- reading --

    def read(self):
        """A response: ("*", values), ("+", text), (tag, status, code, text)."""
        pieces = self.io.response()
        m = re.match(rb"(\*|\+|[A-Za-z0-9.]+)( |$)", pieces[0])
        if not m:
            raise Broken(f"no response: {pieces}")
        p, tag = Parser(pieces), m.group(1).decode()
        p.at = m.end()
        if tag == "+":
            return tag, p.text()
        m = re.match(rb"(OK|NO|BAD|BYE|PREAUTH)( |$)", p.more())
        if not m:
            if tag != "*":
                p.broken("a tagged answer without a status")
            return tag, p.values()
        p.at += m.end()
        status, code = m.group(1).decode(), []
        if p.more().startswith(b"["):
            m = re.match(rb"\[((?:[^]\"]|\"[^\"]*\")*)\] ?", p.more())
            if not m:
                p.broken("a response code that does not end")
            code = Parser([m.group(1)]).values()
            p.at += m.end()
        return (tag, [status, code, p.text()]) if tag == "*" else (tag, status, code, p.text())

    def answer(self, tag):
        a = Answer(tag)
        a.untagged, self.stray = self.stray, []
        while True:
            r = self.read()
            if r[0] == tag:
                a.status, a.code, a.text = r[1:]
                return a
            if r[0] != "*":
                raise Broken(f"{r} while {tag} was under way")
            a.untagged.append(r[1])

    # -- commands --

    def send(self, *parts):
        """A command without waiting: str as it is, bytes as a literal+; its tag."""
        self.n += 1
        tag = f"a{self.n}"
        self.io.write(tag.encode() + b" " + encode(parts) + b"\r\n")
        return tag

    def cmd(self, *parts):
        return self.answer(self.send(*parts))

    def ok(self, *parts):
        a = self.cmd(*parts)
        assert a.status == "OK", f"{parts!r:.300} was answered {a.status} {a.code} {a.text}"
        return a

    def refused(self, *parts, status="NO"):
        a = self.cmd(*parts)
        assert a.status == status, f"{parts!r:.300} was answered {a.status} {a.code} {a.text}"
        return a

    def starttls(self):
        self.ok("STARTTLS")
        assert not self.io.buffer, self.io.buffer
        self.io.s = any_certificate().wrap_socket(self.io.s)

    def compress(self):
        self.ok("COMPRESS DEFLATE")
        self.io.compressed()

    def capabilities(self):
        return set(self.ok("CAPABILITY").one("CAPABILITY"))

    # -- IDLE --

    def idle(self):
        tag = self.send("IDLE")
        while True:
            r = self.read()
            if r[0] == "+":
                return tag
            self.stray.append(r[1])

    def hear(self, condition, what="news"):
        """Untagged responses until condition(response)."""
        while True:
            r = self.read()
            if r[0] != "*":
                raise Broken(f"{r} instead of {what}")
            self.stray.append(r[1])
            if condition(r[1]):
                return r[1]

    def hear_exists(self, n):
        return self.hear(lambda r: r[1:2] == ["EXISTS"] and int(r[0]) >= n, f"{n} EXISTS")

    def done(self, tag):
        self.io.write(b"DONE\r\n")
        return self.answer(tag)

    # -- --

    def quiet(self, seconds=0.0):
        """True when nothing is to be read."""
        if self.io.buffer:
            return False
        if isinstance(self.io.s, ssl.SSLSocket) and self.io.s.pending():
            return False
        return not select.select([self.io.s], [], [], seconds)[0]

    def closed(self):
        try:
            while True:
                self.io.fill()
        except (EOFError, OSError):
            return True

    def logout(self):
        a = self.ok("LOGOUT")
        assert any(r[0] == "BYE" for r in a.untagged), a.untagged
        self.close()

    def close(self):
        self.io.s.close()


def encode(parts):
    out = b""
    for p in parts:
        if isinstance(p, bytes):
            out += b"{%d+}\r\n" % len(p) + p
        else:
            out += p.encode()
    return out


def subjects(talk, uids="1:*"):
    """{uid: subject} of the selected mailbox."""
    a = talk.ok(f"UID FETCH {uids} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return {u: re.sub(rb"(?i)^subject:\s*|\s+$", b"", m["BODY[HEADER.FIELDS (SUBJECT)]"]).decode()
            for u, m in a.by_uid().items()}


def wait_subjects(talk, expected, what=None):
    """Until the selected mailbox has just these subjects (a collection)."""
    seen = []

    def right():
        talk.ok("NOOP")
        seen[:] = sorted(subjects(talk).values())
        return seen == sorted(expected)
    wait_for(right, lambda: what or f"the subjects {sorted(expected)}, not {seen}")
