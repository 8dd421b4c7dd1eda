"""The command line with accounts: signing in, the token it keeps, what it sends where, and the commands about accounts.

First against a server that is made up and keeps to docs/http-api.md, section "Accounts": it remembers what it was sent,
and can be told to misbehave. What the real server makes of it is in the second half."""

import json
import os
import pty
import select
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

T = "2026-11-23T02:49:53.120Z"
PASSWORD = "correct horse battery"
DEADLINE_S = 120


class Refused(Exception):
    def __init__(self, status, code, message, field=None):
        super().__init__(message)
        self.status, self.code, self.message, self.field = status, code, message, field


class Fake:
    """Accounts, sessions and tokens as the contract has them, in a few dictionaries."""

    def __init__(self):
        self.asked = []  # (method, path, headers, body)
        self.users = [self.user(1, "operator", "admin"), self.user(2, "mira", "admin"), self.user(3, "tom", "user")]
        self.tokens = {}    # secret: {"user", token object}
        self.sessions = {}  # cookie: {"user", "csrf"}
        self.env = []
        self.audit = []
        self.host_token = None
        self.next = 10
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def do_GET(self):
                fake.handle(self)

            do_POST = do_DELETE = do_GET

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self.httpd = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.httpd.server_address[1]
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.httpd.shutdown()
        self.httpd.server_close()

    @staticmethod
    def user(number, login, role):
        return {"id": number, "login": login, "email": login + "@example.org", "first_name": login.title(),
                "last_name": "", "position": "", "zone": "UTC", "mail_launches": "failed", "mail_launch_min_s": 60, "mail_schedule_launches": "failed",
                "mail_schedule_failed": True, "mail_schedule_missed": True, "mail_schedule_disabled": True, "role": role, "state": "active", "email_confirmed": False,
                "admin_by": "account" if role == "admin" else None, "created_at": T, "verified_at": T,
                "locked_at": None, "seen_at": None}

    def new_id(self):
        self.next += 1
        return self.next

    # ---- who ----

    def who(self, h):
        bearer = h.headers.get("Authorization")
        if bearer is not None:
            secret = bearer.partition("Bearer ")[2]
            if secret and secret == self.host_token:
                return {"user": self.users[0], "via": "host", "scope": "admin"}
            if secret in self.tokens:
                t = self.tokens[secret]
                return {"user": t["user"], "via": "token", "scope": t["token"]["scope"], "token": secret}
            raise Refused(401, "SIGN_IN", "the token is not valid (any more)")
        cookie = h.headers.get("Cookie")
        if cookie is not None:
            name, _, secret = cookie.partition("=")
            if name != "wrata" or secret not in self.sessions:
                raise Refused(401, "SIGN_IN", "the session is over")
            s = self.sessions[secret]
            if h.command != "GET" and h.headers.get("X-CSRF-Token") != s["csrf"]:
                raise Refused(403, "CSRF", "the page's token is missing")
            return {"user": s["user"], "via": "session", "scope": "admin", "cookie": secret}
        return None

    def need(self, me, what):
        if me is None:
            raise Refused(401, "SIGN_IN", "sign in first")
        if what == "account" and me["via"] == "token":
            raise Refused(403, "DENIED", "no token may do this: sign in with a password")
        if what == "admin" and (me["user"]["role"] != "admin" or me["scope"] != "admin"):
            raise Refused(403, "DENIED", "only an admin may do this")

    def me(self, me):
        role = me["user"]["role"] if me else "nobody"
        return {"user": me and me["user"], "role": role, "via": me["via"] if me else "nothing",
                "scope": me["scope"] if me else "read", "csrf": me and self.sessions.get(me.get("cookie"), {}).get("csrf"),
                "session": None, "accounts": True, "sign_up": True, "needs_admin": False, "pending": 0,
                "password_min": 10}

    # ---- HTTP ----

    def handle(self, h):
        body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        self.asked.append((h.command, h.path, dict(h.headers), body))
        headers = {}
        if urllib.parse.urlsplit(h.path).path == "/healthz":
            return self.send(h, 200, b"ok", {})
        try:
            url = urllib.parse.urlsplit(h.path)
            path = url.path.removeprefix("/api/v1")
            answer = self.answer(h, h.command, path, dict(urllib.parse.parse_qsl(url.query)),
                                 json.loads(body) if body else None, headers)
            status = 200
        except Refused as e:
            status = e.status
            answer = {"error": {"code": e.code, "message": e.message, "field": e.field, "request_id": "r"}}
        except Exception as e:  # a test reads it in the error of the command
            status, answer = 500, {"error": {"code": "IO", "message": "fake: %r" % e}}
        self.send(h, status, json.dumps(answer).encode(), headers)

    def send(self, h, status, body, headers):
        h.send_response(status)
        for name, value in headers.items():
            h.send_header(name, value)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body)

    def by_id(self, items, number, what):
        for i in items:
            if i["id"] == int(number):
                return i
        raise Refused(404, "NOTFOUND", "there is no %s %s" % (what, number))

    def answer(self, h, method, path, query, body, headers):
        if (method, path) == ("POST", "/session"):
            user = next((u for u in self.users if u["login"] == body["login"]), None)
            if user is None or body["password"] != PASSWORD:
                raise Refused(401, "SIGN_IN", "login or password is wrong")
            secret = "c%d" % self.new_id()
            self.sessions[secret] = {"user": user, "csrf": "x" + secret}
            headers["Set-Cookie"] = "wrata=%s; Path=/; HttpOnly; SameSite=Strict" % secret
            return self.me({"user": user, "via": "session", "scope": "admin", "cookie": secret})
        me = self.who(h)
        if path == "/me":
            return self.me(me)
        self.need(me, "look")
        if (method, path) == ("DELETE", "/session"):
            if me["via"] == "token":
                self.tokens = {k: t for k, t in self.tokens.items() if k != me["token"]}
            else:
                self.sessions.pop(me["cookie"])
            return {}
        parts = path.strip("/").split("/")
        if parts[0] in ("users", "audit"):
            self.need(me, "admin")
        elif method != "GET":
            self.need(me, "account")
        return getattr(self, "handle_" + parts[0])(me, method, parts[1:], query, body)

    def tokens_of(self, me):
        return [t["token"] for t in self.tokens.values() if t["user"] is me["user"]]

    def token_named(self, me, name):
        return next((t for t in self.tokens_of(me) if t["name"] == name), None)

    def add_token(self, login, scope="run", name="made by hand"):
        secret = "wrata_%s_%d" % (login, self.new_id())
        user = next(u for u in self.users if u["login"] == login)
        self.tokens[secret] = {"user": user, "token": {
            "id": self.new_id(), "name": name, "scope": scope, "created_at": T, "expires_at": None,
            "used_at": None, "used_from": ""}}
        return secret

    def handle_tokens(self, me, method, rest, query, body):
        if method == "GET":
            return self.tokens_of(me)
        if method == "POST":
            if self.token_named(me, body["name"]):
                raise Refused(409, "CONFLICT", "name: there is a token '%s' already" % body["name"], "name")
            secret = self.add_token(me["user"]["login"], body["scope"], body["name"])
            token = self.tokens[secret]["token"]
            token["expires_at"] = "2027-02-21T00:00:00.000Z" if body["expires_days"] else None
            return dict(token, token=secret)
        found = self.by_id(self.tokens_of(me), rest[0], "token")
        self.tokens = {k: t for k, t in self.tokens.items() if t["token"] is not found}
        return {}

    def handle_sessions(self, me, method, rest, query, body):
        mine = [c for c, s in self.sessions.items() if s["user"] is me["user"]]
        if method == "GET":
            return [{"id": int(c[1:]), "current": c == me.get("cookie"), "created_at": T, "seen_at": T, "expires_at": T,
                     "address": "127.0.0.1", "agent": "a\x1b[31mbrowser"} for c in mine]
        if rest:
            if "c" + rest[0] not in mine:
                raise Refused(404, "NOTFOUND", "there is no session %s" % rest[0])
            self.sessions.pop("c" + rest[0])
            return {}
        others = [c for c in mine if c != me.get("cookie")]
        for c in others:
            self.sessions.pop(c)
        return {"ended": len(others)}

    def handle_env(self, me, method, rest, query, body):
        if method == "POST":
            old = {l["name"]: l for l in self.env}
            new = []
            for line in body["lines"]:
                value = line.get("value", old.get(line["name"], {}).get("value"))
                if value is None:
                    raise Refused(422, "INVALID", "lines: %s has no value" % line["name"], "lines")
                new.append({"name": line["name"], "value": value, "secret": line.get("secret", False)})
            self.env = new
        return [dict(l, value=None if l["secret"] else l["value"]) for l in self.env]

    def handle_me(self, me, method, rest, query, body):
        if rest == ["password"]:
            if body["current"] != PASSWORD:
                raise Refused(422, "INVALID", "current: it is wrong", "current")
            if len(body["password"]) < 10:
                raise Refused(422, "INVALID", "password: at least 10 characters", "password")
            self.changed_to = body["password"]
        return {}

    def handle_users(self, me, method, rest, query, body):
        if not rest and method == "GET":
            at = int(query.get("cursor") or 0)
            return {"items": self.users[at:at + 2], "next": str(at + 2) if len(self.users) > at + 2 else None}
        if not rest:
            if any(u["login"] == body["login"] for u in self.users):
                raise Refused(409, "CONFLICT", "login: '%s' is taken" % body["login"], "login")
            user = self.user(self.new_id(), body["login"], "admin" if body["admin"] else "user")
            user.update(email=body.get("email", ""), state="active" if body["verified"] else "pending")
            self.users.append(user)
            return user if "password" in body else dict(user, link=self.link("invite"))
        user = self.by_id(self.users, rest[0], "user")
        if rest[1:] == ["link"]:
            return self.link(body["purpose"])
        if rest[1:] == ["sessions"]:
            return {"ended": 2}
        if rest[1:] == ["deletion"]:
            return {"launches": 7, "running": 1, "sessions": 2, "tokens": 3, "env": 4}
        if method == "DELETE":
            self.users.remove(user)
            return {}
        if body is not None:
            if body.get("admin") is False and sum(u["role"] == "admin" for u in self.users) <= 2:
                raise Refused(409, "CONFLICT", "%s is the last admin" % user["login"])
            if "locked" in body:
                user["state"] = "locked" if body["locked"] else "active"
            if "verified" in body:
                user["state"] = "active" if body["verified"] else "pending"
            if "admin" in body:
                user["role"] = "admin" if body["admin"] else "user"
        return user

    def link(self, purpose):
        return {"url": self.url + "/#/link/abc", "purpose": purpose, "expires_at": "2026-11-30T02:49:53.120Z",
                "mailed": False}

    def handle_audit(self, me, method, rest, query, body):
        if rest == ["export"]:
            return [dict(query)]
        rows = self.audit[:int(query["limit"])]
        return {"items": rows, "next": None}


class Cli(unittest.TestCase):
    """A person with a home folder of their own, and a server that is made up."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wrata-test-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.data = os.path.join(self.folder, "data")
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        self.fake = Fake()
        self.addCleanup(self.fake.stop)
        self.tokens_path = os.path.join(self.home, ".config", "wrata", "tokens.json")

    def env(self, more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WRATA_") and k != "XDG_CONFIG_HOME"}
        return dict(env, HOME=self.home, WRATA_DATA=self.data, **more)

    def cli(self, *args, stdin="", expect=0, url=True, **env):
        """(stdout, stderr); without a terminal, even where the tests have one."""
        if url is True:
            url = self.fake.url
        if url:
            env.setdefault("WRATA_URL", url)
        done = subprocess.run([wrata.WRATA, *args], input=stdin.encode(), env=self.env(env), capture_output=True,
                              timeout=DEADLINE_S, start_new_session=True)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, expect, "wrata %s\n%s\n%s" % (" ".join(args), out, err))
        return out, err

    def kept(self):
        try:
            with open(self.tokens_path, encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def login(self, *args, login="mira", **more):
        return self.cli("login", "--login", login, "--password-stdin", *args, stdin=PASSWORD + "\n", **more)

    def sent(self, name, since=0):
        """Every value of a header that the server was sent."""
        return [a[2].get(name) for a in self.fake.asked[since:]]


class SigningIn(Cli):
    def test_login_keeps_a_token_and_ends_its_session(self):
        out, _ = self.login("--scope", "admin", "--days", "30")
        self.assertIn("mira is signed in at %s: scope admin, until 2027-02-21" % self.fake.url, out)
        entry = self.kept()[self.fake.url]
        self.assertEqual(entry["login"], "mira")
        token = self.fake.tokens[entry["token"]]["token"]
        self.assertEqual(entry["id"], token["id"])
        self.assertEqual(token["name"], socket.gethostname()[:40] + " command line")
        self.assertEqual(token["scope"], "admin")
        posted = [json.loads(a[3]) for a in self.fake.asked if a[:2] == ("POST", "/api/v1/tokens")]
        self.assertEqual(posted[0]["expires_days"], 30)
        self.assertEqual(self.fake.sessions, {})
        self.assertEqual(stat.S_IMODE(os.stat(self.tokens_path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.tokens_path)).st_mode), 0o700)

    def test_a_second_login_replaces_the_token(self):
        self.login()
        first = self.kept()[self.fake.url]["token"]
        self.login()
        second = self.kept()[self.fake.url]["token"]
        self.assertNotEqual(first, second)
        self.assertEqual(list(self.fake.tokens), [second])

    def test_a_name_that_is_taken_gets_a_number(self):
        self.login()
        os.unlink(self.tokens_path)
        self.login()
        names = sorted(t["token"]["name"] for t in self.fake.tokens.values())
        self.assertEqual(names[1], names[0] + " 2")

    def test_a_wrong_password_keeps_nothing(self):
        _, err = self.cli("login", "--login", "mira", "--password-stdin", stdin="not the one\n", expect=2)
        self.assertIn("login or password is wrong", err)
        self.assertNotIn("not the one", err)
        self.assertEqual(self.kept(), {})

    def test_login_without_a_terminal_says_how_a_script_does_it(self):
        _, err = self.cli("login", "--login", "mira", expect=2)
        self.assertIn("--password-stdin", err)
        _, err = self.cli("login", "--password-stdin", stdin=PASSWORD, expect=2)
        self.assertIn("--login is needed", err)
        _, err = self.cli("login", "--login", "mira", "--password-stdin", expect=2)
        self.assertIn("no line for it on standard input", err)
        _, err = self.cli("login", "--scope", "all", expect=2)
        self.assertIn("'all' is none of read|run|admin", err)

    def test_login_asks_at_the_terminal_and_shows_no_password(self):
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(wrata.WRATA, [wrata.WRATA, "login"], self.env({"WRATA_URL": self.fake.url}))
        seen = self.until(fd, b"Login: ")
        os.write(fd, b"mira\n")
        seen += self.until(fd, b"Password of mira: ")
        os.write(fd, PASSWORD.encode() + b"\n")
        seen += self.until(fd, b"signed in")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        os.close(fd)
        self.assertNotIn(PASSWORD.encode(), seen)
        self.assertEqual(self.kept()[self.fake.url]["login"], "mira")

    def until(self, fd, text):
        seen, end = b"", time.monotonic() + DEADLINE_S
        while text not in seen:
            self.assertLess(time.monotonic(), end, seen)
            if select.select([fd], [], [], 0.2)[0]:
                seen += os.read(fd, 4096)
        time.sleep(0.05)  # the echo is off before the question, but not before its last byte was read
        return seen

    def test_logout_revokes_the_token(self):
        self.login()
        out, err = self.cli("logout")
        self.assertIn("mira is signed out", out)
        self.assertEqual(err, "")
        self.assertEqual((self.kept(), self.fake.tokens, self.fake.sessions), ({}, {}, {}))
        out, _ = self.cli("logout")
        self.assertIn("nobody is signed in", out)

    def test_logout_forgets_a_token_that_is_none_any_more(self):
        self.login()
        self.fake.tokens.clear()
        out, err = self.cli("logout")
        self.assertIn("signed out", out)
        self.assertEqual((err, self.kept()), ("", {}))

    def test_logout_works_when_the_server_has_gone(self):
        self.login()
        self.fake.stop()
        out, err = self.cli("logout")
        self.assertIn("signed out", out)
        self.assertIn("still valid", err)
        self.assertEqual(self.kept(), {})
        self.fake = Fake()

    def test_whoami(self):
        out, _ = self.cli("whoami")
        self.assertIn("nobody is signed in", out)
        self.login(login="tom")
        out, _ = self.cli("whoami")
        self.assertIn("tom: user at %s, by a token of scope run" % self.fake.url, out)
        self.assertEqual(json.loads(self.cli("whoami", "--json")[0])["user"]["login"], "tom")


class Sending(Cli):
    """Which token goes where."""

    def test_the_token_goes_to_its_server_only(self):
        other = Fake()
        self.addCleanup(other.stop)
        self.login()
        token = "Bearer " + self.kept()[self.fake.url]["token"]
        since = len(self.fake.asked)
        self.cli("whoami")
        self.assertIn(token, self.sent("Authorization", since))
        self.cli("whoami", url=other.url)
        self.cli("whoami", "--url", other.url)  # named by the flag, although the variable names another
        self.assertEqual({a[2].get("Authorization") for a in other.asked}, {None})

    def test_the_variable_goes_before_the_file_and_belongs_to_its_url(self):
        other = Fake()
        self.addCleanup(other.stop)
        self.login()
        token = self.fake.add_token("tom")
        out, _ = self.cli("whoami", WRATA_TOKEN=token)
        self.assertIn("tom: user", out)
        self.cli("whoami", "--url", other.url, WRATA_TOKEN=token)
        self.assertEqual({a[2].get("Authorization") for a in other.asked}, {None})
        out, _ = self.cli("whoami", "--url", self.fake.url, url=None, WRATA_TOKEN=token)
        self.assertIn("tom: user", out)

    def test_nobody_is_shown_a_token_before_it_is_known_to_be_a_server(self):
        token = self.fake.add_token("tom")
        self.cli("whoami", WRATA_TOKEN=token)
        first = self.fake.asked[0]
        self.assertEqual((first[1], first[2].get("Authorization")), ("/healthz", None))

    def test_a_token_that_is_not_valid_says_how_to_sign_in(self):
        _, err = self.cli("token", "list", expect=2)
        self.assertIn("sign in with `wrata login --url %s`" % self.fake.url, err)
        self.login()
        self.fake.tokens.clear()
        token = self.kept()[self.fake.url]["token"]
        _, err = self.cli("token", "list", expect=2)
        self.assertIn("sign in with `wrata login --url %s`" % self.fake.url, err)
        self.assertNotIn(token, err)
        _, err = self.cli("token", "list", WRATA_TOKEN="hush-hush", expect=2)
        self.assertIn("the token in WRATA_TOKEN is not valid there", err)
        self.assertNotIn("hush-hush", err)

    def test_a_token_that_would_be_two_headers_is_not_sent(self):
        _, err = self.cli("whoami", WRATA_TOKEN="a\r\nX-Admin: 1", expect=2)
        self.assertIn("cannot be sent", err)
        self.assertNotIn("X-Admin", err)
        self.assertEqual({a[1] for a in self.fake.asked}, {"/healthz"})

    def test_a_file_that_others_can_read_is_refused(self):
        self.login()
        os.chmod(self.tokens_path, 0o644)
        _, err = self.cli("whoami", expect=2)
        self.assertIn("chmod 600 %s" % self.tokens_path, err)
        os.chmod(self.tokens_path, 0o600)
        self.cli("whoami")

    def test_neither_token_nor_password_goes_over_plain_http_to_another_computer(self):
        # a proxy of ours stands for the way: what reaches it, everybody could read
        way = {"http_proxy": self.fake.url, "NO_PROXY": ""}
        far = "http://wrata.example.org"
        _, err = self.cli("whoami", url=far, WRATA_TOKEN="hush-hush", expect=2, **way)
        self.assertIn("plain http to another computer", err)
        self.assertIn("WRATA_INSECURE=1", err)
        _, err = self.login(url=far, expect=2, **way)
        self.assertIn("could read the password", err)
        self.assertEqual({(a[1], a[2].get("Authorization"), a[3]) for a in self.fake.asked}, {(far + "/healthz", None, b"")})

    def test_the_host_has_a_token_of_its_own(self):
        os.makedirs(self.data)
        self.fake.host_token = "host-hush"
        with open(os.path.join(self.data, "serve.json"), "w", encoding="utf-8") as f:
            json.dump({"url": self.fake.url, "pid": os.getpid(), "token": "host-hush"}, f)
        out, _ = self.cli("whoami", url=None)
        self.assertIn("operator: at the command line of the server's own host", out)
        self.assertIn("nobody", self.cli("whoami")[0])  # the same server, but named: it is for the data folder's
        self.login(login="tom", url=None)
        self.assertIn("tom: user", self.cli("whoami", url=None)[0])


class Commands(Cli):
    def setUp(self):
        super().setUp()
        self.login("--scope", "admin")

    def with_password(self, *args, more="", **kw):
        return self.cli(*args, "--password-stdin", stdin=PASSWORD + "\n" + more, **kw)

    def test_users_are_listed_over_all_pages(self):
        out, _ = self.cli("user", "list")
        self.assertEqual([l.split()[0] for l in out.splitlines()], ["LOGIN", "operator", "mira", "tom"])
        page = json.loads(self.cli("user", "--json")[0])
        self.assertEqual([u["login"] for u in page["items"]], ["operator", "mira", "tom"])
        self.assertIsNone(page["next"])

    def test_user_add_prints_the_link_alone(self):
        out, err = self.cli("user", "add", "ann", "--email", "ann@example.org", "--admin")
        self.assertEqual(out, self.fake.url + "/#/link/abc\n")
        self.assertIn("ann is added as an admin", err)
        self.assertIn("until 2026-11-30 02:49 (UTC)", err)
        out, _ = self.cli("user", "show", "ANN")
        self.assertIn("ann@example.org", out)
        self.assertIn("admin", out)

    def test_user_add_with_a_password_prints_no_link(self):
        out, err = self.cli("user", "add", "ann", "--unverified", "--password-stdin", stdin=PASSWORD + "\n")
        self.assertEqual(out, "")
        self.assertIn("ann is added", err)
        sent = json.loads(self.fake.asked[-1][3])
        self.assertEqual(sent, {"login": "ann", "password": PASSWORD, "verified": False, "admin": False})
        _, err = self.cli("user", "add", "ann", expect=2)
        self.assertIn("login: 'ann' is taken", err)

    def test_user_switches(self):
        for verb, body in (("unverify", {"verified": False}), ("verify", {"verified": True}), ("lock", {"locked": True}),
                           ("unlock", {"locked": False}), ("admin", {"admin": True}), ("unadmin", {"admin": False})):
            self.cli("user", verb, "tom")
            self.assertEqual(json.loads(self.fake.asked[-1][3]), body, verb)
        _, err = self.cli("user", "unadmin", "mira", expect=2)
        self.assertIn("mira is the last admin", err)
        _, err = self.cli("user", "lock", "tim", expect=2)
        self.assertIn("there is no user 'tim'; did you mean 'tom'?", err)
        _, err = self.cli("user", "lock", expect=2)
        self.assertIn("takes 1 argument", err)
        _, err = self.cli("user", "locked", "tom", expect=2)
        self.assertIn("did you mean 'lock'?", err)

    def test_user_reset_and_sessions_end(self):
        out, err = self.cli("user", "reset", "tom")
        self.assertEqual(out, self.fake.url + "/#/link/abc\n")
        self.assertIn("choose a new password", err)
        self.assertIn("2 sessions of tom ended", self.cli("user", "sessions-end", "tom")[0])

    def test_user_delete_says_what_goes_and_asks(self):
        _, err = self.cli("user", "delete", "tom", expect=2)
        self.assertIn("2 session(s), 3 token(s), 4 variable(s)", err)
        self.assertIn("--yes does it", err)
        self.assertEqual(len(self.fake.users), 3)
        out, err = self.cli("user", "delete", "tom", "--yes")
        self.assertIn("tom is deleted", out)
        self.assertIn("1 of its launches run and are stopped", err)
        self.assertEqual(len(self.fake.users), 2)

    def test_tokens(self):
        out, err = self.with_password("token", "add", "ci", "--scope", "read", "--days", "0")
        secret = out.strip()
        self.assertIn(secret, self.fake.tokens)
        self.assertNotIn(secret, err)
        self.assertIn("scope read, without an end", err)
        out, _ = self.cli("token", "list")
        self.assertRegex(out, r"(?m)^\d+ +ci +read ")
        self.assertNotIn(secret, out)
        _, err = self.with_password("token", "add", "ci", expect=2)
        self.assertIn("there is a token 'ci' already", err)
        _, err = self.with_password("token", "remove", "cx", expect=2)
        self.assertIn("there is no token 'cx'", err)
        self.with_password("token", "remove", "ci")
        self.assertNotIn(secret, self.fake.tokens)
        self.assertEqual(self.fake.sessions, {})
        _, err = self.cli("token", "add", "ci", expect=2)
        self.assertIn("Password of mira is asked at a terminal", err)

    def test_variables(self):
        out, _ = self.cli("env")
        self.assertIn("No variables yet", out)
        self.with_password("env", "set", "A=1", "B=x=y")
        self.with_password("env", "secret", "TOKEN", more="hush\nhush\n")
        self.assertEqual(self.fake.env, [{"name": "A", "value": "1", "secret": False},
                                         {"name": "B", "value": "x=y", "secret": False},
                                         {"name": "TOKEN", "value": "hush\nhush", "secret": True}])
        self.with_password("env", "set", "A=2")  # the secret goes back without its value, and stays
        self.assertEqual([l["value"] for l in self.fake.env], ["2", "x=y", "hush\nhush"])
        out, _ = self.cli("env")
        self.assertIn("(secret)", out)
        self.assertNotIn("hush", out)
        _, err = self.with_password("env", "set", "TOKEN=plain", expect=2)
        self.assertIn("wrata env secret TOKEN", err)
        self.assertNotIn("plain", err)
        _, err = self.cli("env", "secret", "TOKEN=hush", expect=2)
        self.assertIn("standard input", err)
        _, err = self.cli("env", "set", "A", expect=2)
        self.assertIn("'A' is not of the form NAME=VALUE", err)
        _, err = self.with_password("env", "secret", "EMPTY", more="\n", expect=2)
        self.assertIn("EMPTY: the value is empty", err)
        self.with_password("env", "unset", "TOKEN")
        self.assertEqual([l["name"] for l in self.fake.env], ["A", "B"])
        _, err = self.with_password("env", "unset", "TOKEN", expect=2)
        self.assertIn("there is no variable 'TOKEN'", err)

    def test_password(self):
        out, _ = self.with_password("password", more="a much longer one\n")
        self.assertIn("changed", out)
        self.assertEqual(self.fake.changed_to, "a much longer one")
        _, err = self.with_password("password", more="short\n", expect=2)
        self.assertIn("at least 10", err)
        self.assertNotIn("short\n", err)
        self.assertEqual(self.fake.sessions, {})

    def test_sessions(self):
        self.assertIn("No sessions", self.cli("sessions")[0])
        for n in (101, 102, 103):
            self.fake.sessions["c%d" % n] = {"user": self.fake.users[1], "csrf": "x"}
        out, _ = self.cli("sessions")
        self.assertIn("a\\x1b[31mbrowser", out)
        self.with_password("sessions", "end", "101")
        self.assertEqual(sorted(self.fake.sessions), ["c102", "c103"])
        self.assertIn("2 sessions are ended", self.with_password("sessions", "end-others")[0])
        self.assertEqual(self.fake.sessions, {})
        _, err = self.with_password("sessions", "end", "x", expect=2)
        self.assertIn("session: 'x' is not a number", err)

    def test_audit(self):
        self.assertIn("Nothing like that", self.cli("audit", "--refused")[0])
        self.fake.audit = [{"id": 1, "at": T, "user": 2, "login": "mira", "via": "token ci", "address": "127.0.0.1",
                            "action": "launch.start", "object": "launch 12", "detail": "a\nb\x1b[2J", "status": 201},
                           {"id": 2, "at": T, "user": None, "login": "eve", "via": "nothing", "address": "127.0.0.1",
                            "action": "session.start", "object": "", "detail": "", "status": 0}]
        out, _ = self.cli("audit", "--user", "mira", "--action", "launch.start", "--object", "launch 12", "--since", "2h",
                          "--limit", "7")
        self.assertIn("2026-11-23 02:49:53", out)
        self.assertIn("a\\nb\\x1b[2J", out)
        self.assertIn("none: the server ended", out)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.fake.asked[-1][1]).query))
        self.assertRegex(query.pop("from"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(query, {"limit": "7", "user": "2", "action": "launch.start", "object": "launch 12"})
        for who, number in (("operator", "1"), ("#77", "77")):
            self.cli("audit", "--user", who)
            self.assertIn("user=" + number, self.fake.asked[-1][1])
        self.assertIn("did you mean 'mira'?", self.cli("audit", "--user", "mire", expect=2)[1])
        out, _ = self.cli("audit", "--export", "csv", "--refused")
        self.assertEqual(json.loads(out), [{"format": "csv", "refused": "1"}])
        self.assertEqual(len(json.loads(self.cli("audit", "--json")[0])["items"]), 2)


class Real(wrata.Case):
    """The same commands against `wrata serve`."""

    def setUp(self):
        super().setUp()
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        self.data = os.path.join(self.folder, "data")

    def cli(self, *args, stdin="", expect=0, host=False, **env):
        """As a person elsewhere: by URL; host=True: as whoever is at the data folder."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("WRATA_") or k == "WRATA_AGENT_DIR"}
        clean.pop("XDG_CONFIG_HOME", None)
        clean.update(HOME=self.home, WRATA_DATA=self.data)
        if not host:
            clean["WRATA_URL"] = self.server.url
        clean.update(env)
        done = subprocess.run([wrata.WRATA, *args], input=stdin.encode(), env=clean, capture_output=True,
                              timeout=DEADLINE_S, start_new_session=True)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, expect, "wrata %s\n%s\n%s" % (" ".join(args), out, err))
        return out, err

    def with_password(self, *args, more="", **kw):
        return self.cli(*args, "--password-stdin", stdin=PASSWORD + "\n" + more, **kw)

    def add(self, login, *args):
        return self.cli("user", "add", login, "--password-stdin", *args, stdin=PASSWORD + "\n", host=True)

    def test_the_first_admin_is_made_with_no_server_running(self):
        out, err = self.cli("user", "add", "mira", "--admin", host=True)
        self.assertIn("mira is added as an admin", err)
        self.assertRegex(out, r"^http://\S+#\S+\n$")
        out, _ = self.cli("user", "list", host=True)
        self.assertRegex(out, r"(?m)^mira +active +admin ")
        self.assertFalse(os.path.exists(os.path.join(self.data, "serve.json")))  # it ended with the command

    def test_from_the_first_admin_to_the_last_logout(self):
        self.server = self.serve()
        self.assertIn("server's own host", self.cli("whoami", host=True)[0])
        self.assertIn("nobody is signed in", self.cli("whoami")[0])
        _, err = self.cli("servers", expect=2)
        self.assertIn("sign in with `wrata login --url %s`" % self.server.url, err)
        self.add("mira", "--admin")
        _, err = self.cli("login", "--login", "mira", "--password-stdin", stdin="not the one\n", expect=2)
        self.assertIn("wrong", err)
        self.with_password("login", "--login", "mira", "--scope", "admin")
        self.assertIn("mira: admin at %s, by a token of scope admin" % self.server.url, self.cli("whoami")[0])
        self.assertIn("No sessions", self.cli("sessions")[0])
        self.assertIn("No servers yet", self.cli("servers")[0])
        self.cli("user", "add", "tom", "--unverified")
        self.assertRegex(self.cli("user")[0], r"(?m)^tom +waits to be verified +unverified ")
        self.assertIn("is verified", self.cli("user", "verify", "tom")[0])
        _, err = self.cli("user", "unadmin", "mira", expect=2)
        self.assertIn("the only admin who can sign in", err)
        self.assertIn("#", self.cli("user", "reset", "tom")[0])
        _, err = self.cli("user", "delete", "tom", "--yes")
        self.assertIn("what stays: 0 launch(es)", err)
        self.assertNotIn("tom", self.cli("user")[0])
        self.cli("logout")
        self.assertEqual(json.loads(self.cli("token", "list", "--json", host=True)[0]), [])
        self.assertIn("nobody is signed in", self.cli("whoami")[0])

    def folder_with(self, script):
        work = os.path.join(self.folder, "work")
        os.makedirs(work, exist_ok=True)
        with open(os.path.join(work, "a.sh"), "w", encoding="utf-8") as f:
            f.write(script)
        return work

    def test_a_token_may_what_its_scope_says(self):
        self.server = self.serve()
        self.cli("servers", "add", "local", host=True)
        self.add("tom")
        self.with_password("login", "--login", "tom", "--scope", "admin")
        token = self.with_password("token", "add", "ci", "--scope", "run", "--days", "1")[0].strip()
        look = self.with_password("token", "add", "eyes", "--scope", "read")[0].strip()
        self.cli("logout")
        work = self.folder_with('test -z "$WRATA_TOKEN"\n')
        _, err = self.cli("run", "--dir", work, "a.sh", WRATA_TOKEN=token, expect=2)
        self.assertRegex(err, r"wrata projects add work-\w+ file://")
        self.cli("run", "--dir", work, "a.sh", host=True)
        out, _ = self.cli("run", "--dir", work, "a.sh", WRATA_TOKEN=token)
        self.assertIn("1 file: 1 passed", out)
        _, err = self.cli("run", "--dir", work, "a.sh", WRATA_TOKEN=look, expect=2)
        self.assertIn("one that may 'run'", err)
        out, _ = self.cli("launches", WRATA_TOKEN=look)
        self.assertEqual(len(out.splitlines()), 3)
        self.assertIn("only an admin may do this", self.cli("user", "list", WRATA_TOKEN=token, expect=2)[1])
        _, err = self.cli("token", "add", "more", "--password-stdin", stdin="not the one\n", WRATA_TOKEN=token, expect=2)
        self.assertIn("wrong", err)

    def test_the_password_changes_and_sessions_end(self):
        self.server = self.serve()
        self.add("mira", "--admin")
        self.with_password("login", "--login", "mira")
        _, err = self.with_password("password", more="short\n", expect=2)
        self.assertIn("password", err)
        self.with_password("password", more="another one altogether\n")
        _, err = self.with_password("sessions", "end-others", expect=2)  # the old one
        self.assertIn("wrong", err)
        out, _ = self.cli("sessions", "end-others", "--password-stdin", stdin="another one altogether\n")
        self.assertIn("0 sessions are ended", out)
        self.assertIn("mira: admin", self.cli("whoami")[0])  # the token stays

    def test_the_audit_log_has_it(self):
        self.server = self.serve()
        self.add("mira", "--admin")
        self.cli("login", "--login", "mira", "--password-stdin", stdin="not the one\n", expect=2)
        out, _ = self.cli("audit", host=True)
        self.assertRegex(out, r"(?m) operator +host +127\.0\.0\.1 +user\.add +user mira +201")
        out, _ = self.cli("audit", "--refused", "--since", "1h", host=True)
        self.assertEqual(len(out.splitlines()), 2)
        self.assertIn("session.begin", out)
        self.assertIn("Nothing like that", self.cli("audit", "--user", "mira", "--action", "launch", host=True)[0])
        self.assertEqual(len(json.loads(self.cli("audit", "--json", "--limit", "1", host=True)[0])["items"]), 1)
        rows = self.cli("audit", "--export", "csv", host=True)[0].splitlines()
        self.assertTrue(rows[0].startswith("id,at,"), rows[0])
        self.assertGreaterEqual(len(rows), 3)
        self.assertGreaterEqual(len(json.loads(self.cli("audit", "--export", "json", host=True)[0])), 2)
        for path in (self.server.log_path, os.path.join(self.data, "wrata.db")):
            with open(path, "rb") as f:
                self.assertNotIn(PASSWORD.encode(), f.read(), path)


if __name__ == "__main__":
    wrata.main()
