"""smtp_sink.py - a mail server for tests: keeps what it gets, and is as difficult as it is told to be.

Standard library only.

    sink = Sink(certs=(crt, key), user="u", password="p")
    sink.start(); sink.port; sink.mails; sink.stop()

sink.refuse[address] = "550 no such user"   what RCPT answers
sink.answer[stage] = "451 later"            what that stage answers, always
sink.hook[stage] = fn                       called once, before the answer; may block; True: hang up instead
Stages in their order: connect, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, body, QUIT.
"""
import base64
import socket
import ssl
import subprocess
import threading

from ports import free_port


class Sink:
    def __init__(self, certs=None, user=None, password=None, starttls=True, tls_at_once=False, port=0):
        self.certs, self.user, self.password = certs, user, password
        self.starttls, self.tls_at_once = starttls, tls_at_once
        self.port = port
        self.mails = []     # {"from", "to", "data", "tls", "user"}
        self.seen = []      # every command line, in order
        self.refuse, self.answer, self.hook = {}, {}, {}
        self.connections = 0
        self.at_once = 0    # connections whose mail has no answer yet
        self.most_at_once = 0
        self.lock = threading.Lock()
        self.listener = None

    def start(self):
        self.port = self.port or free_port()  # it may be stopped, and started again
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None

    def ids(self):
        """Message-IDs in the order they came."""
        return [next(line for line in m["data"].split(b"\r\n") if line.lower().startswith(b"message-id:"))
                for m in list(self.mails)]

    def _accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with self.lock:
            self.connections += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        session = Session(self, conn)
        try:
            session.run()
        except (OSError, EOFError):
            pass
        finally:
            session.answered()


class Session:
    def __init__(self, sink, conn):
        self.sink, self.conn = sink, conn
        self.buf = b""
        self.tls = False
        self.who = None
        self.sender, self.to = None, []
        self.is_counted = True

    def answered(self):
        """What comes now is no matter of this mail: the client may begin the next before we have read its goodbye."""
        with self.sink.lock:
            self.sink.at_once -= self.is_counted
            self.is_counted = False

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sink.certs)
        self.conn = context.wrap_socket(self.conn, server_side=True)
        self.tls, self.buf = True, b""

    def line(self):
        while b"\r\n" not in self.buf:
            more = self.conn.recv(65536)
            if not more:
                raise EOFError
            self.buf += more
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line.decode("latin-1")

    def say(self, *lines):
        self.conn.sendall("".join(line + "\r\n" for line in lines).encode())

    def stage(self, name, *fine):
        """Answer a stage; True when it went well."""
        hook = self.sink.hook.pop(name, None)
        if hook is not None and hook():
            raise EOFError
        answer = self.sink.answer.get(name)
        if answer is not None:
            self.say(answer)
        else:
            self.say(*fine)
        return answer is None

    def run(self):
        try:
            self.talk()
        finally:
            self.conn.close()

    def talk(self):
        if self.sink.tls_at_once:
            self.secure()
        if not self.stage("connect", "220 sink ESMTP"):
            return
        while True:
            line = self.line()
            self.sink.seen.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "QUIT":
                self.stage("QUIT", "221 bye")
                return
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler is None:
                self.say("502 what?")
            else:
                handler(line)

    def on_ehlo(self, _):
        more = []
        if self.sink.starttls and not self.tls:
            more.append("STARTTLS")
        if self.sink.user is not None:
            more.append("AUTH PLAIN LOGIN")
        more = ["sink", "8BITMIME"] + more
        self.stage("EHLO", *["250%s%s" % ("-" if i + 1 < len(more) else " ", m) for i, m in enumerate(more)])

    def on_starttls(self, _):
        if self.stage("STARTTLS", "220 go on"):
            self.secure()

    def on_auth(self, line):
        words = line.split(" ")
        if words[1].upper() == "PLAIN":
            if len(words) > 2:
                blob = words[2]
            else:
                self.say("334 ")
                blob = self.line()
            _, user, password = base64.b64decode(blob).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.line()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line()).decode()
        if (user, password) != (self.sink.user, self.sink.password):
            self.say("535 5.7.8 wrong user or password")
        elif self.stage("AUTH", "235 welcome"):
            self.who = user

    def on_mail(self, line):
        if self.sink.user is not None and self.who is None:
            self.say("530 5.7.0 authenticate first")
        elif self.stage("MAIL", "250 ok"):
            self.sender, self.to = line.split("<", 1)[1].split(">")[0], []

    def on_rcpt(self, line):
        to = line.split("<", 1)[1].split(">")[0]
        if to in self.sink.refuse:
            self.say(self.sink.refuse[to])
        elif self.stage("RCPT", "250 ok"):
            self.to.append(to)

    def on_data(self, _):
        if not self.to:
            self.say("503 to whom?")
            return
        if not self.stage("DATA", "354 go on"):
            return
        data = b""
        while not data.endswith(b"\r\n.\r\n") and data != b".\r\n":
            data += (self.line() + "\r\n").encode("latin-1")
        data = data[:-3]
        lines = [row[1:] if row.startswith(b".") else row for row in data.split(b"\r\n")]
        hook = self.sink.hook.pop("body", None)
        if hook is not None and hook():
            raise EOFError
        answer = self.sink.answer.get("body")
        if answer is None:
            self.sink.mails.append({"from": self.sender, "to": list(self.to), "data": b"\r\n".join(lines),
                                    "tls": self.tls, "user": self.who})
        self.answered()
        self.say(answer or "250 taken")

    def on_rset(self, _):
        self.say("250 ok")


def make_ca(folder):
    """An authority of our own: its certificate and key."""
    crt, key = folder + "/ca.crt", folder + "/ca.key"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
             "-out", crt, "-days", "30", "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE")
    return crt, key


def make_cert(folder, ca, name):
    """A certificate for `name` by that authority: (certificate, key)."""
    base = "%s/%s" % (folder, name)
    _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", base + ".key",
             "-out", base + ".csr", "-subj", "/CN=" + name)
    with open(base + ".ext", "w", encoding="utf-8") as f:
        f.write("subjectAltName=DNS:%s\n" % name)
    _openssl("x509", "-req", "-in", base + ".csr", "-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial", "-out",
             base + ".crt", "-days", "30", "-extfile", base + ".ext")
    return base + ".crt", base + ".key"


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, stdin=subprocess.DEVNULL)
