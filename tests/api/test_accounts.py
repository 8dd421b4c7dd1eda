"""Accounts over HTTP: every row of the contract (docs/http-api.md, "Accounts") and each of its refusals."""
# ctest: COMPUTES ON
# ctest: TIMEOUT 1200

import csv
import http.client
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wrata  # noqa: E402
from contract import ACCOUNTS, Contract  # noqa: E402

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=develop"]
WORDS = "four plain words here"  # a password
OTHER = "quite another phrase"


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """A browser with a cookie and the page's token, a program with a token, or nobody."""

    def __init__(self, test, server, token=None):
        self.test = test
        self.server = server
        self.token = token
        self.cookie = None
        self.csrf = None

    def call(self, method, path, body=None, headers=None):
        host = self.server.url.split("//")[1]
        headers = dict(headers or {})
        path = path if path.startswith("/api") else "/api/v1" + path
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        if self.cookie:
            headers.setdefault("Cookie", self.cookie)
            headers.setdefault("X-CSRF-Token", self.csrf)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(method, path, data, {k: v for k, v in headers.items() if v is not None})
            answer = connection.getresponse()
            answer = Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
        self.take_cookie(answer)
        if "text/csv" in answer.headers["Content-Type"]:
            self.test.contract.use(method, path)
        else:
            self.test.contract.check(method, path, answer.status, answer.body)
        return answer

    def take_cookie(self, answer):
        for line in answer.headers.get_all("Set-Cookie") or []:
            self.test.assertRegex(line, r"; HttpOnly; SameSite=Lax")
            pair = line.split(";")[0]
            self.cookie = pair if not pair.endswith("=") else None
        if answer.status < 400 and answer.body.startswith(b'{"user":'):
            self.csrf = answer.json["csrf"]

    def get(self, path):
        answer = self.call("GET", path)
        self.test.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def post(self, path, body=None, status=200):
        answer = self.call("POST", path, {} if body is None else body)
        self.test.assertEqual(answer.status, status, answer.body)
        return answer.json

    def delete(self, path):
        answer = self.call("DELETE", path)
        self.test.assertEqual(answer.status, 200, answer.body)
        return answer.json


class ServerTest(unittest.TestCase):
    SERVE = ()
    used = set()  # routes that were held against the document, by all tests together

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wrata-accounts-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = wrata.Server(self.folder, *self.SERVE)
        self.server.start()
        self.addCleanup(self.server.stop)
        self.contract = Contract(self.document())
        self.contract.used = ServerTest.used
        self.host = Client(self, self.server, self.server.token)
        self.nobody = Client(self, self.server)

    def document(self):
        connection = http.client.HTTPConnection(self.server.url.split("//")[1], timeout=60)
        connection.request("GET", "/api/v1/openapi.json")
        document = json.loads(connection.getresponse().read())
        connection.close()
        return document

    def refused(self, answer, status, code, field=None, word=None):
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json["error"]
        self.assertEqual(error["code"], code)
        if field is not None:
            self.assertEqual(error.get("field"), field, answer.body)
        if word is not None:
            self.assertIn(word, error["message"])
        return error

    def slowed_down(self, call, check, free=5):
        """Calls call(n), each of which counts, until one has to wait, and that answer: the sixth. Where a call takes longer than it
        would have to wait, it is a later one."""
        n, late, before = 0, 0, time.monotonic()
        while True:
            began = time.monotonic()
            answer = call(n)
            if answer.status == 429:
                break
            check(answer)
            late += n >= free and time.monotonic() - before >= 1
            n, before = n + 1, began
            self.assertLessEqual(n, free + late, "nobody counts")
        self.assertGreaterEqual(n, free)
        self.assertEqual(int(answer.headers["Retry-After"]), self.refused(answer, 429, "LIMIT")["retry_after_s"])
        return answer

    def slowed_down_rightly(self, wrong, right, check):
        """After wrong(n) the right one must wait, too. Then it may: its answer."""
        for _ in range(5):
            self.slowed_down(wrong, check)
            answer = right()
            if answer.status == 429:
                time.sleep(self.refused(answer, 429, "LIMIT")["retry_after_s"] + 0.2)
                return right()
        return self.fail("the right one never has to wait")  # once it may have waited, on a machine that stood still

    def add(self, login, **more):
        """An account by the host; its row."""
        return self.host.post("/users", {"login": login, "password": WORDS, **more}, 201)

    def client(self, login, password=WORDS):
        c = Client(self, self.server)
        c.me = c.post("/session", {"login": login, "password": password})
        return c

    def person(self, login, **more):
        c = self.client(self.add(login, **more)["login"])
        c.id = c.me["user"]["id"]
        return c

    def settle(self):
        """The end of a row is saved after the answer: until all of it is on disk."""
        self.host.post("/env", {"lines": []})
        wrata.wait_for("the last row has its end", lambda: self.host.get("/audit?limit=1")["items"][0]["status"] != 0)

    def audit(self, **query):
        self.settle()
        query = "&".join("%s=%s" % (k, str(v).replace(" ", "%20")) for k, v in query.items())
        rows = self.host.get("/audit?limit=500&" + query)["items"]
        return [r for r in rows if (r["action"], r["via"]) != ("env.set", "host")]  # those of settle()

    def token_of(self, link):
        return link["url"].split("#")[1]


class AccountsTest(ServerTest):
    # ---- in and out ----

    def test_variables_keep_their_secrets(self):
        mira = self.person("mira")
        lines = mira.post("/env", {"lines": [{"name": "A", "value": "one\ntwo"}, {"name": "KEY", "value": "hush hush", "secret": True}]})
        self.assertEqual(lines, [{"name": "A", "value": "one\ntwo", "secret": False}, {"name": "KEY", "value": None, "secret": True}])
        self.assertEqual(mira.get("/env"), lines)
        self.assertEqual(mira.post("/env", {"lines": [{"name": "KEY", "secret": True}]}), lines[1:])
        # A secret is not turned into something that can be read.
        self.refused(mira.call("POST", "/env", {"lines": [{"name": "KEY", "secret": False}]}), 422, "INVALID")
        self.assertEqual(self.person("nora").get("/env"), [])
        self.assertNotIn("hush", json.dumps(self.audit()))
        self.server.stop()
        for root, _, names in os.walk(self.server.data):
            for name in names:
                with open(os.path.join(root, name), "rb") as f:
                    self.assertNotIn(b"hush hush", f.read(), name)

    def test_a_token_takes_itself_back(self):
        mira = self.person("mira")
        made = mira.post("/tokens", {"name": "ci", "scope": "read"}, 201)
        token = Client(self, self.server, made["token"])
        self.assertEqual(token.call("GET", "/servers").status, 200)
        self.assertEqual(token.call("DELETE", "/session").status, 200)
        self.assertEqual(token.call("GET", "/servers").status, 401)
        self.assertEqual(mira.get("/tokens"), [])

    def test_me_of_nobody_and_of_the_host(self):
        me = self.nobody.get("/me")
        self.assertIsNone(me["user"])
        self.assertEqual((me["role"], me["via"], me["csrf"], me["session"]), ("nobody", "nothing", None, None))
        self.assertTrue(me["needs_admin"])
        self.assertTrue(me["accounts"])
        me = self.host.get("/me")
        self.assertEqual((me["role"], me["via"], me["scope"], me["user"]["login"]), ("admin", "host", "admin", "operator"))

    def test_sign_in_and_out(self):
        self.add("mira")
        c = self.client("MIRA")
        self.assertEqual(c.me["user"]["login"], "mira")
        self.assertEqual((c.me["role"], c.me["via"]), ("user", "session"))
        self.assertEqual(c.get("/me")["csrf"], c.me["csrf"])
        old = c.cookie
        self.assertEqual(c.delete("/session"), {})
        self.assertIsNone(c.cookie)
        self.assertEqual(self.nobody.call("GET", "/me", headers={"Cookie": old}).json["role"], "nobody")
        self.refused(self.nobody.call("DELETE", "/session"), 401, "SIGN_IN")

    def test_wrong_password_and_unknown_login_are_answered_alike(self):
        self.add("mira")
        self.host.post("/users", {"login": "invited"}, 201)  # has no password yet
        bodies = []
        for login, password in (("mira", "not the password"), ("nobody-here", "not the password"),
                                ("invited", "not the password"), ("operator", "not the password")):
            answer = self.nobody.call("POST", "/session", {"login": login, "password": password})
            self.refused(answer, 401, "SIGN_IN")
            self.assertIsNone(answer.headers.get("Set-Cookie"))
            bodies.append(re.sub(rb"r-[0-9a-f]+", b"", answer.body))
        self.assertEqual(len(set(bodies)), 1, bodies)
        tried = [(r["object"], r["status"], r["login"]) for r in self.audit(action="session.begin")]
        self.assertEqual(tried, [("user operator", 401, ""), ("user invited", 401, ""), ("user nobody-here", 401, ""),
                                 ("user mira", 401, "")])

    def test_tries_are_limited_whether_the_login_exists_or_not(self):
        self.add("mira")
        for login, status in (("nobody-here", 401), ("mira", 200)):
            def tried(password, login=login):
                return self.nobody.call("POST", "/session", {"login": login, "password": password})
            answer = self.slowed_down_rightly(lambda n: tried("wrong wrong"), lambda: tried(WORDS), lambda a: self.refused(a, 401, "SIGN_IN"))
            self.assertEqual(answer.status, status, answer.body)

    def test_locked_is_said_to_the_right_password_only(self):
        mira = self.person("mira")
        self.assertEqual(self.host.post("/users/%d" % mira.id, {"locked": True})["state"], "locked")
        self.assertEqual(mira.call("GET", "/me").json["role"], "nobody")  # its sessions ended
        self.refused(self.nobody.call("POST", "/session", {"login": "mira", "password": "not the password"}), 401, "SIGN_IN")
        self.refused(self.nobody.call("POST", "/session", {"login": "mira", "password": WORDS}), 403, "DENIED", word="locked")
        self.host.post("/users/%d" % mira.id, {"locked": False})
        self.client("mira")

    def test_a_cookie_alone_changes_nothing(self):
        mira = self.person("mira")
        for token in (None, "", "x" * 43, self.client("mira").csrf):
            answer = mira.call("POST", "/me", {"position": "thief"}, headers={"X-CSRF-Token": token})
            self.refused(answer, 403, "CSRF")
        self.assertEqual(mira.get("/me")["user"]["position"], "")

    def test_a_password_stands_in_no_log_and_no_answer(self):
        secrets = ["hush", "hush hush hush\x01", "hush" * 300, "hush hush hush"]
        self.add("mira")
        for password in secrets:
            answer = self.nobody.call("POST", "/session", {"login": "mira", "password": password})
            self.assertIn(answer.status, (401, 422))
            self.assertNotIn(b"hush", answer.body)
            answer = self.nobody.call("POST", "/signup", {"login": "hu", "password": password, "verified": 1})
            self.assertNotIn(b"hush", answer.body)
        answer = self.nobody.call("POST", "/session", b'{"login":"mira","password":"hush" hush}')
        self.refused(answer, 400, "PROTO")
        self.assertNotIn(b"hush", answer.body)
        mira = self.client("mira")
        mira.call("POST", "/me/password", {"current": "hush hush hush", "password": "hush hush hush hush"})
        mira.post("/me/password", {"current": WORDS, "password": "hush hush hush hush"})
        self.assertNotIn("hush", json.dumps(self.audit()))
        self.server.stop()
        self.assertNotIn("hush", self.server.log_tail(10_000_000))
        for root, _, names in os.walk(self.server.data):
            for name in names:
                with open(os.path.join(root, name), "rb") as f:
                    self.assertNotIn(b"hush hush", f.read(), name)

    def test_a_server_ends_while_passwords_are_being_checked(self):
        self.add("mira")
        body = json.dumps({"login": "mira", "password": WORDS}).encode()
        waiting = []
        for _ in range(5):
            c = http.client.HTTPConnection(self.server.url.split("//")[1], timeout=60)
            c.request("POST", "/api/v1/session", body, {"Content-Type": "application/json"})
            waiting.append(c)
        waiting.pop().close()  # one does not wait for its answer
        self.server.stop()
        for c in waiting:
            c.close()
        self.assertEqual(self.server.process.returncode, 0, self.server.log_tail())
        self.assertNotIn("Sanitizer", self.server.log_tail(10_000_000))

    # ---- sign-up ----

    def test_sign_up_makes_an_account_that_waits(self):
        c = Client(self, self.server)
        me = c.post("/signup", {"login": "nora", "password": WORDS, "email": "nora@example.org", "first_name": "Nora"}, 201)
        self.assertEqual((me["role"], me["via"], me["user"]["state"]), ("unverified", "session", "pending"))
        self.assertFalse(me["user"]["email_confirmed"])
        self.refused(c.call("GET", "/launches"), 403, "DENIED", word="waits")
        self.refused(c.call("GET", "/users"), 403, "DENIED")
        self.assertEqual(self.host.get("/me")["pending"], 1)
        self.host.post("/users/%d" % me["user"]["id"], {"verified": True})
        self.assertEqual(c.get("/me")["role"], "user")
        self.assertEqual(self.host.get("/me")["pending"], 0)
        c.get("/launches")

    def test_nobody_verifies_itself(self):
        for more in ({"verified": True}, {"admin": True}, {"role": "admin"}, {"is_admin": True}):
            self.refused(self.nobody.call("POST", "/signup", {"login": "eve", "password": WORDS, **more}), 422, "INVALID")
        c = Client(self, self.server)
        user = c.post("/signup", {"login": "eve", "password": WORDS}, 201)["user"]
        for more in ({"verified": True}, {"admin": True}, {"email_confirmed": True}, {"locked": False}):
            self.refused(c.call("POST", "/me", more), 422, "INVALID")
            self.refused(c.call("POST", "/users/%d" % user["id"], more), 403, "DENIED")
        self.assertEqual(c.get("/me")["role"], "unverified")

    def test_sign_up_refuses(self):
        self.add("mira")
        for body, status, field in (
                ({"login": "nora"}, 422, "password"), ({"password": WORDS}, 422, "login"),
                ({"login": "nora", "password": "short"}, 422, "password"),
                ({"login": "qwertyuiop1", "password": "qwertyuiop1"}, 422, "password"),
                ({"login": "nora", "password": "password123"}, 422, "password"),
                ({"login": "no ra", "password": WORDS}, 422, "login"),
                ({"login": "n" * 65, "password": WORDS}, 422, "login"),
                ({"login": "nora", "password": WORDS, "email": "nowhere"}, 422, "email"),
                ({"login": "Mira", "password": WORDS}, 409, "login"),
                ({"login": "operator", "password": WORDS}, 409, "login")):
            self.refused(self.nobody.call("POST", "/signup", body), status, "INVALID" if status == 422 else "CONFLICT", field)

    def test_sign_ups_of_one_address_are_limited(self):
        answer = self.slowed_down(lambda n: Client(self, self.server).call("POST", "/signup", {"login": "n%d" % n, "password": WORDS}),
                                  lambda a: self.assertEqual(a.status, 201, a.body))
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

    # ---- the own account ----

    def test_the_profile(self):
        mira = self.person("mira")
        user = mira.post("/me", {"email": "mira@example.org", "last_name": "Lovelace", "current": WORDS})
        self.assertEqual((user["email"], user["last_name"], user["email_confirmed"]), ("mira@example.org", "Lovelace", False))
        self.assertEqual(mira.post("/me", {"position": "QA"})["last_name"], "Lovelace")
        self.assertEqual(user["zone"], "UTC")
        self.assertEqual(mira.post("/me", {"zone": "Europe/Berlin"})["zone"], "Europe/Berlin")
        for zone in ("Mars/Base", "../../etc/passwd", "", "x" * 65, "Europe"):
            self.refused(mira.call("POST", "/me", {"zone": zone, "position": "not this"}), 422, "INVALID", "zone")
        self.assertEqual(mira.get("/me")["user"]["position"], "QA")
        # the operator is nobody's to change, but where the computer stands
        self.assertEqual(self.host.post("/me", {"zone": "Asia/Kathmandu"})["zone"], "Asia/Kathmandu")
        self.refused(self.host.call("POST", "/me", {"zone": "UTC", "position": "x"}), 403, "DENIED")
        self.assertEqual(self.host.get("/me")["user"]["zone"], "Asia/Kathmandu")
        self.refused(mira.call("POST", "/me", {"email": "x"}), 422, "INVALID", "email")
        self.refused(mira.call("POST", "/me", {"first_name": "a\x07"}), 422, "INVALID", "first_name")
        self.refused(mira.call("POST", "/me", {"login": "root"}), 422, "INVALID")
        self.refused(self.nobody.call("POST", "/me", {"position": "x"}), 401, "SIGN_IN")

    def test_a_session_alone_changes_no_address(self):
        mira = self.person("mira", email="mira@example.org")
        self.host.post("/users/%d" % mira.id, {"email_confirmed": True})
        for email in ("thief@example.org", "", "MIRA@example.org"):
            self.refused(mira.call("POST", "/me", {"email": email, "position": "X"}), 422, "INVALID", "current")
        self.refused(mira.call("POST", "/me", {"email": "x", "current": WORDS}), 422, "INVALID", "email")
        self.assertEqual(mira.post("/me", {"email": "mira@example.org", "first_name": "M"})["first_name"], "M")  # the present one
        present = ["mira@example.org", True]

        def wrong(_):
            user = mira.get("/me")["user"]
            self.assertEqual((user["email"], user["email_confirmed"], user["position"]), (*present, ""))
            return mira.call("POST", "/me", {"email": "thief@example.org", "current": "wrong wrong", "position": "X"})

        def right():
            answer = mira.call("POST", "/me", {"email": "m" + present[0], "current": WORDS})
            if answer.status == 200:
                present[:] = ["m" + present[0], False]
            return answer
        answer = self.slowed_down_rightly(wrong, right, lambda a: self.refused(a, 422, "INVALID", "current"))
        self.assertEqual((answer.status, answer.json["email"], answer.json["email_confirmed"]), (200, *present))

    def test_who_has_no_password_changes_no_address(self):
        mira = self.person("mira")
        self.refused(self.host.call("POST", "/me", {"email": "op@example.org", "current": WORDS}), 403, "DENIED")
        self.server.stop()
        with sqlite3.connect(os.path.join(self.server.data, "wrata.db")) as db:
            db.execute("UPDATE users SET password = '' WHERE login = 'mira'")
        self.server.start()
        self.refused(mira.call("POST", "/me", {"email": "m@example.org", "current": WORDS}), 409, "CONFLICT", "email")
        self.assertEqual(mira.post("/me", {"position": "QA"})["position"], "QA")

    def test_another_password_ends_the_other_sessions(self):
        mira, elsewhere = self.person("mira"), self.client("mira")
        self.refused(mira.call("POST", "/me/password", {"current": "wrong wrong", "password": OTHER}), 422, "INVALID", "current")
        self.refused(mira.call("POST", "/me/password", {"current": WORDS, "password": "short"}), 422, "INVALID", "password")
        self.refused(mira.call("POST", "/me/password", {"current": WORDS, "password": "mira"}), 422, "INVALID", "password")
        self.assertEqual(elsewhere.get("/me")["role"], "user")
        self.assertEqual(mira.post("/me/password", {"current": WORDS, "password": OTHER}), {})
        self.assertEqual(mira.get("/me")["role"], "user")
        self.assertEqual(elsewhere.get("/me")["role"], "nobody")
        self.refused(self.nobody.call("POST", "/session", {"login": "mira", "password": WORDS}), 401, "SIGN_IN")
        self.client("mira", OTHER)

    def test_sessions(self):
        mira, second, third = self.person("mira"), self.client("mira"), self.client("mira")
        sessions = mira.get("/sessions")
        self.assertEqual([s["current"] for s in sessions].count(True), 1)
        self.assertEqual(len(sessions), 3)
        self.assertEqual(sessions[0]["address"], "127.0.0.1")
        theirs = second.get("/me")["session"]
        nora = self.person("nora")
        self.refused(nora.call("DELETE", "/sessions/%d" % theirs), 404, "NOTFOUND")
        mira.delete("/sessions/%d" % theirs)
        self.assertEqual(second.get("/me")["role"], "nobody")
        self.refused(mira.call("DELETE", "/sessions/%d" % theirs), 404, "NOTFOUND")
        self.assertEqual(mira.delete("/sessions"), {"ended": 1})
        self.assertEqual((mira.get("/me")["role"], third.get("/me")["role"], nora.get("/me")["role"]), ("user", "nobody", "user"))

    def test_a_session_survives_a_restart(self):
        mira = self.person("mira")
        self.server.kill()
        self.server.start()
        self.assertEqual(mira.get("/me")["user"]["login"], "mira")

    # ---- tokens ----

    def test_tokens_and_their_scopes(self):
        mira = self.person("mira")
        made = {s: mira.post("/tokens", {"name": s, "scope": s}, 201) for s in ("read", "run", "admin")}
        for scope, token in made.items():
            self.assertTrue(token["token"].startswith("wrt_"))
            c = Client(self, self.server, token["token"])
            me = c.get("/me")
            self.assertEqual((me["via"], me["scope"], me["csrf"]), ("token", scope, None))
            c.get("/launches")
            self.refused(c.call("POST", "/launches", {"project": "x", "files": ["a"]}), *((403, "DENIED") if scope == "read" else (422, "INVALID")))
            for method, path, body in (("POST", "/tokens", {"name": "more", "scope": "read"}), ("POST", "/me", {}),
                                       ("POST", "/me/password", {"current": WORDS, "password": OTHER}),
                                       ("DELETE", "/sessions", None), ("POST", "/env", {"lines": []}),
                                       ("POST", "/me/delete", {"password": WORDS})):
                self.refused(c.call(method, path, body), 403, "DENIED")
            self.refused(c.call("GET", "/users"), 403, "DENIED")
        self.refused(Client(self, self.server, self.server.token).call("DELETE", "/session"), 409, "CONFLICT")
        listed = mira.get("/tokens")
        self.assertEqual(len(listed), 3)
        self.assertNotIn("wrt_", json.dumps(listed))
        self.assertIsNotNone(listed[0]["used_at"])
        self.assertEqual(listed[0]["used_from"], "127.0.0.1")
        mira.delete("/tokens/%d" % made["read"]["id"])
        self.refused(Client(self, self.server, made["read"]["token"]).call("GET", "/me"), 401, "SIGN_IN")
        self.refused(mira.call("DELETE", "/tokens/%d" % made["read"]["id"]), 404, "NOTFOUND")
        self.refused(self.person("nora").call("DELETE", "/tokens/%d" % made["run"]["id"]), 404, "NOTFOUND")

    def test_an_admin_s_token_is_no_admin_unless_it_says_so(self):
        ada = self.person("ada", admin=True)
        for scope, status in (("read", 403), ("run", 403), ("admin", 201)):
            c = Client(self, self.server, ada.post("/tokens", {"name": scope, "scope": scope}, 201)["token"])
            c.get("/users")
            self.assertEqual(c.call("POST", "/users", {"login": "by-" + scope, "password": WORDS}).status, status)

    def test_tokens_refuse(self):
        mira = self.person("mira")
        mira.post("/tokens", {"name": "ci", "scope": "run", "expires_days": 0}, 201)
        self.assertIsNone(mira.get("/tokens")[0]["expires_at"])
        for body, status, field in (({"name": "ci", "scope": "run"}, 409, "name"), ({"name": "", "scope": "run"}, 422, "name"),
                                    ({"name": "x"}, 422, "scope"), ({"name": "x", "scope": "all"}, 422, "scope"),
                                    ({"name": "x", "scope": "run", "expires_days": -1}, 422, "expires_days"),
                                    ({"name": "x", "scope": "run", "expires_days": 3651}, 422, "expires_days")):
            self.refused(mira.call("POST", "/tokens", body), status, "INVALID" if status == 422 else "CONFLICT", field)
        self.refused(self.nobody.call("GET", "/tokens"), 401, "SIGN_IN")

    # ---- variables ----

    def test_variables_refuse(self):
        mira = self.person("mira")
        mira.post("/env", {"lines": [{"name": "KEEP", "value": "1"}]})
        for line in ({"name": "1A", "value": "x"}, {"name": "A-B", "value": "x"}, {"name": "", "value": "x"}, {"name": "A=B", "value": "x"},
                     {"name": "WRATA_RUN_ID", "value": "x"}, {"name": "A"}, {"name": "A", "value": "x" * 32769},
                     {"name": "A", "value": "short", "secret": True}, {"name": "A", "secret": True}, {"name": "A", "value": "\x01"},
                     {"name": "A", "value": "x", "more": 1}, {"name": "KEEP", "value": "x"}):
            body = {"lines": [{"name": "KEEP", "value": "1"}, line]}
            self.refused(mira.call("POST", "/env", body), 422, "INVALID")
        self.refused(mira.call("POST", "/env", {}), 422, "INVALID", "lines")
        self.refused(mira.call("POST", "/env", {"lines": [{"name": "A%d" % i, "value": "x"} for i in range(101)]}), 422, "INVALID", "lines")
        self.assertEqual(mira.get("/env"), [{"name": "KEEP", "value": "1", "secret": False}])
        mira.post("/env", {"lines": [{"name": "A%d" % i, "value": "x" * 10000} for i in range(100)]})
        self.refused(mira.call("POST", "/env", {"lines": [{"name": "A%d" % i, "value": "x" * 20000} for i in range(100)]}), 429, "LIMIT")
        self.assertEqual(len(mira.get("/env")), 100)
        self.assertEqual(mira.post("/env", {"lines": []}), [])

    # ---- other people ----

    def test_users_are_the_admins_business(self):
        mira, nora = self.person("mira"), self.person("nora")
        for method, path, body in (("GET", "/users", None), ("GET", "/users/%d" % nora.id, None), ("POST", "/users", {"login": "x"}),
                                   ("POST", "/users/%d" % nora.id, {"locked": True}), ("POST", "/users/%d" % mira.id, {"admin": True}),
                                   ("POST", "/users/%d/link" % nora.id, {"purpose": "reset"}), ("DELETE", "/users/%d" % nora.id, None),
                                   ("DELETE", "/users/%d/sessions" % nora.id, None), ("GET", "/users/%d/deletion" % nora.id, None),
                                   ("GET", "/audit", None), ("GET", "/audit/export", None)):
            self.refused(mira.call(method, path, body), 403, "DENIED")
            self.refused(self.nobody.call(method, path, body), 401, "SIGN_IN")
        self.assertEqual(nora.get("/me")["role"], "user")

    def test_users_are_listed_those_that_wait_first(self):
        for login, verified in (("ada", True), ("bea", False), ("cid", True), ("dan", False), ("eve", True)):
            self.add(login, verified=verified, first_name="Zoe" if login == "cid" else "", position="QA lead" if login in ("cid", "eve") else "")
        logins = []
        cursor = ""
        while True:
            page = self.host.get("/users?limit=2" + cursor)
            logins += [u["login"] for u in page["items"]]
            if page["next"] is None:
                break
            cursor = "&cursor=" + page["next"]
        self.assertEqual(logins, ["dan", "bea", "eve", "cid", "ada"])
        find = lambda q: [u["login"] for u in self.host.get("/users?" + q)["items"]]  # noqa: E731
        self.assertEqual(find("q=qa"), ["eve", "cid"])
        self.assertEqual(find("q=LEAD+zoe"), ["cid"])
        self.assertEqual(find("q=nobody"), [])
        self.assertEqual(find("state=pending"), ["dan", "bea"])
        self.assertEqual(find("state=active"), ["eve", "cid", "ada"])
        self.assertEqual(find("state=locked"), [])
        self.refused(self.host.call("GET", "/users?state=asleep"), 422, "INVALID", "state")
        self.assertNotIn(b"argon2", self.host.call("GET", "/users").body)

    def test_an_admin_makes_and_changes_users(self):
        made = self.host.post("/users", {"login": "nora", "verified": False, "email": "nora@example.org"}, 201)
        self.assertEqual((made["state"], made["role"], made["link"]["purpose"], made["link"]["mailed"]), ("pending", "unverified", "invite", False))
        self.assertIsNone(self.add("mira")["link"])
        path = "/users/%d" % made["id"]
        user = self.host.post(path, {"verified": True, "email_confirmed": True, "last_name": "N", "admin": True})
        self.assertEqual((user["state"], user["role"], user["admin_by"], user["email_confirmed"]), ("active", "admin", "account", True))
        self.assertEqual(self.host.get(path), user)
        self.assertFalse(self.host.post(path, {"email": "other@example.org", "admin": False})["email_confirmed"])
        self.refused(self.host.call("POST", path, {"email_confirmed": False}), 422, "INVALID", "email_confirmed")
        self.refused(self.host.call("POST", path, {"verified": 1}), 422, "INVALID", "verified")
        self.refused(self.host.call("POST", path, {"email": "x", "locked": True}), 422, "INVALID", "email")
        self.assertEqual(self.host.get(path)["state"], "active")
        self.refused(self.host.call("POST", "/users/999", {"locked": True}), 404, "NOTFOUND")
        self.refused(self.host.call("GET", "/users/999"), 404, "NOTFOUND")
        self.refused(self.host.call("POST", "/users/1", {"locked": True}), 403, "DENIED")
        self.refused(self.host.call("POST", "/users", {"login": "NORA"}), 409, "CONFLICT", "login")
        self.refused(self.host.call("POST", "/users", {"login": "zoe", "password": "short"}), 422, "INVALID", "password")

    def test_an_address_is_confirmed_for_one(self):
        first, second = self.add("ada", email="team@example.org"), self.add("bea", email="team@example.org")
        self.host.post("/users/%d" % first["id"], {"email_confirmed": True})
        self.refused(self.host.call("POST", "/users/%d" % second["id"], {"email_confirmed": True, "locked": True}), 409, "CONFLICT", "email")
        self.assertEqual(self.host.get("/users/%d" % second["id"])["state"], "active")

    def test_the_last_admin_stays(self):
        ada = self.person("ada", admin=True)
        path = "/users/%d" % ada.id
        for c in (ada, self.host):
            before = self.host.get(path)
            for change in ({"admin": False}, {"locked": True}, {"last_name": "X", "admin": False}, {"admin": False, "email": "other@example.org"},
                           {"locked": True, "verified": False, "position": "X"}):
                self.refused(c.call("POST", path, change), 409, "CONFLICT")
                self.assertEqual(self.host.get(path), before, change)
            self.refused(c.call("DELETE", path), 409, "CONFLICT")
        self.refused(ada.call("POST", "/me/delete", {"password": WORDS}), 409, "CONFLICT")
        self.assertEqual((self.host.get(path)["last_name"], self.host.get(path)["role"]), ("", "admin"))
        self.add("bea", admin=True)
        self.assertEqual(ada.post(path, {"admin": False})["role"], "user")
        self.refused(ada.call("GET", "/users"), 403, "DENIED")

    def test_an_admin_signs_somebody_out(self):
        mira = self.person("mira")
        self.client("mira")
        self.assertEqual(self.host.delete("/users/%d/sessions" % mira.id), {"ended": 2})
        self.assertEqual(mira.get("/me")["role"], "nobody")

    # ---- the end of an account ----

    def test_deleting_the_own_account(self):
        mira = self.person("mira", email="mira@example.org", first_name="Mira")
        mira.post("/tokens", {"name": "ci", "scope": "run"}, 201)
        token = Client(self, self.server, mira.post("/tokens", {"name": "two", "scope": "run"}, 201)["token"])
        mira.post("/env", {"lines": [{"name": "A", "value": "1"}]})
        self.assertEqual(mira.get("/me/deletion"), {"launches": 0, "running": 0, "sessions": 1, "tokens": 2, "env": 1})
        self.refused(mira.call("POST", "/me/delete", {"password": "wrong wrong"}), 422, "INVALID", "password")
        self.refused(mira.call("POST", "/me/delete", {}), 422, "INVALID", "password")
        self.assertEqual(mira.post("/me/delete", {"password": WORDS}), {})
        self.assertIsNone(mira.cookie)
        self.refused(token.call("GET", "/me"), 401, "SIGN_IN")
        self.refused(self.nobody.call("POST", "/session", {"login": "mira", "password": WORDS}), 401, "SIGN_IN")
        gone = self.host.get("/users/%d" % mira.id)
        self.assertEqual((gone["state"], gone["login"], gone["email"], gone["first_name"]), ("deleted", "mira", "", ""))
        self.assertEqual([u["login"] for u in self.host.get("/users?state=deleted")["items"]], ["mira"])
        self.assertNotEqual(self.add("mira")["id"], mira.id)  # the login is free again

    def test_deleting_a_user_stops_its_launches(self):
        repo = os.path.join(self.folder, "docs.git")
        os.mkdir(repo)
        with open(os.path.join(repo, "slow.sh"), "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\nsleep 600\n")
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "scripts"]):
            subprocess.run([*GIT, "-C", repo, *words], check=True, capture_output=True)
        self.host.post("/servers", {"name": "local-1", "fleet": "local", "slots": 2}, 201)
        mira, nora = self.person("mira"), self.person("nora")
        self.host.post("/projects", {"name": "docs", "url": repo}, 201)
        body = {"project": "docs", "files": ["slow.sh"]}
        hers, other = mira.post("/launches", body, 201), nora.post("/launches", body, 201)
        self.refused(nora.call("POST", "/launches/%d/stop" % hers["id"], {}), 403, "DENIED")
        self.refused(nora.call("POST", "/queue/pause", {"user": mira.id}), 403, "DENIED", "user")
        by = self.host.post("/queue/pause", {"user": mira.id})["paused"]["by"]
        self.assertEqual([(r["login"], r["object"]) for r in self.audit(action="queue.pause") if r["status"] == 200], [(by, "queue of mira")])
        self.assertIsNotNone(mira.post("/queue/pause")["paused"])
        self.assertIsNone(nora.post("/queue/resume")["paused"])
        sums = self.host.get("/users/%d/deletion" % mira.id)
        self.assertEqual((sums["launches"], sums["running"]), (1, 1))
        self.assertEqual(self.host.delete("/users/%d" % mira.id), {})
        wrata.wait_for("the launch is stopped", lambda: self.host.get("/launches/%d" % hers["id"])["state"] == "done")
        self.assertEqual(self.host.get("/launches/%d" % hers["id"])["outcome"], "stopped")
        self.assertIsNone(self.host.get("/queue?user=%d" % mira.id)["paused"])
        self.assertEqual(self.host.get("/launches/%d" % other["id"])["state"], "running")
        self.refused(self.host.call("DELETE", "/users/%d" % mira.id), 404, "NOTFOUND")
        nora.post("/launches/%d/stop" % other["id"])
        wrata.wait_for("the other one, too", lambda: self.host.get("/launches/%d" % other["id"])["state"] == "done")

    # ---- one-time links ----

    def test_an_invitation(self):
        made = self.host.post("/users", {"login": "nora"}, 201)
        token = self.token_of(made["link"])
        self.assertTrue(made["link"]["url"].startswith(self.server.url + "/welcome#"))
        self.assertEqual(self.nobody.post("/links/look", {"token": token}), {"purpose": "invite", "login": "nora", "email": ""})
        self.refused(self.nobody.call("POST", "/links/use", {"token": token}), 422, "INVALID", "password")
        self.refused(self.nobody.call("POST", "/links/use", {"token": token, "password": "short"}), 422, "INVALID", "password")
        self.refused(self.nobody.call("POST", "/links/use", {"token": token, "password": WORDS, "login": "root"}), 422, "INVALID", "login")
        c = Client(self, self.server)
        me = c.post("/links/use", {"token": token, "password": WORDS})
        self.assertEqual((me["user"]["login"], me["via"], me["role"]), ("nora", "session", "user"))
        for path in ("/links/look", "/links/use"):
            body = {"token": token, **({"password": WORDS} if path.endswith("use") else {})}
            self.refused(self.nobody.call("POST", path, body), 404, "NOTFOUND")
        self.assertNotIn(token, json.dumps(self.audit()))
        self.assertNotIn(token, self.server.log_tail(10_000_000))

    def test_a_link_for_another_password_ends_sessions_and_older_links(self):
        mira = self.person("mira")
        link = lambda: self.token_of(self.host.post("/users/%d/link" % mira.id, {"purpose": "reset", "mail": False}, 201))  # noqa: E731
        older, token = link(), link()
        self.assertEqual(self.nobody.post("/links/look", {"token": older})["purpose"], "reset")
        Client(self, self.server).post("/links/use", {"token": token, "password": OTHER})
        self.refused(self.nobody.call("POST", "/links/look", {"token": older}), 404, "NOTFOUND")
        self.assertEqual(mira.get("/me")["role"], "nobody")
        self.client("mira", OTHER)
        path = "/users/%d/link" % mira.id
        self.refused(self.host.call("POST", path, {"purpose": "confirm"}), 422, "INVALID")
        self.refused(self.host.call("POST", path, {"purpose": "reset", "mail": True}), 503, "BUSY")
        self.refused(self.host.call("POST", path, {"purpose": "party"}), 422, "INVALID", "purpose")
        self.host.post("/users/%d" % mira.id, {"locked": True})
        self.refused(self.host.call("POST", path, {"purpose": "reset"}), 409, "CONFLICT")

    def test_links_cannot_be_guessed_for_long(self):
        self.slowed_down(lambda n: self.nobody.call("POST", "/links/use", {"token": "x" * 43, "password": WORDS}),
                         lambda a: self.refused(a, 404, "NOTFOUND"))

    def test_asking_for_another_password_tells_nothing(self):
        mira = self.add("mira", email="mira@example.org")
        self.host.post("/users/%d" % mira["id"], {"email_confirmed": True})
        logins = ("mira", "mira@example.org", "nobody-here", "nobody@example.org", "operator")
        self.slowed_down(lambda n: self.nobody.call("POST", "/links/reset", {"login": logins[n % 5]}), lambda a: self.assertEqual(a.body, b"{}"))

    def test_confirming_needs_an_address_and_mail(self):
        mira = self.person("mira")
        self.refused(mira.call("POST", "/me/confirm", {}), 409, "CONFLICT")
        mira.post("/me", {"email": "mira@example.org", "current": WORDS})
        answer = mira.call("POST", "/me/confirm", {})
        self.refused(answer, 503, "BUSY")
        self.assertIn("Retry-After", answer.headers)
        self.host.post("/users/%d" % mira.id, {"email_confirmed": True})
        self.refused(mira.call("POST", "/me/confirm", {}), 409, "CONFLICT")

    def test_the_first_admin(self):
        token = re.search(r"/welcome#(\S+)", self.server.log_tail()).group(1)
        self.assertEqual(self.nobody.post("/links/look", {"token": token})["purpose"], "first_admin")
        for more, field in (({}, "login"), ({"login": "ada"}, "password"), ({"login": "a b", "password": WORDS}, "login"),
                            ({"login": "ada", "password": "short"}, "password"), ({"login": "ada", "password": WORDS, "email": "x"}, "email")):
            self.refused(self.nobody.call("POST", "/links/use", {"token": token, **more}), 422, "INVALID", field)
        ada = Client(self, self.server)
        me = ada.post("/links/use", {"token": token, "password": WORDS, "login": "ada", "email": "ada@example.org"})
        self.assertEqual((me["role"], me["needs_admin"], me["user"]["admin_by"]), ("admin", False, "account"))
        ada.get("/users")
        self.refused(self.nobody.call("POST", "/links/look", {"token": token}), 404, "NOTFOUND")
        self.refused(self.nobody.call("POST", "/links/use", {"token": token, "password": WORDS, "login": "eve"}), 404, "NOTFOUND")

    # ---- the audit log ----

    def test_the_audit_log(self):
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 2))
        ada, mira = self.person("ada", admin=True), self.person("mira")
        ada.post("/users/%d" % mira.id, {"locked": True})
        self.refused(self.nobody.call("POST", "/session", {"login": "=cmd|' /C calc'!A0", "password": WORDS}), 401, "SIGN_IN")
        row = self.audit(action="user.change")[0]
        self.assertEqual((row["user"], row["login"], row["via"], row["object"], row["detail"].strip(), row["status"], row["address"]),
                         (ada.id, "ada", "session", "user mira", "locked", 200, "127.0.0.1"))
        self.assertEqual({r["action"] for r in self.audit(action="user")}, {"user.add", "user.change"})
        self.assertEqual([r["status"] for r in self.audit(refused=1)], [401])
        self.assertEqual({r["login"] for r in self.audit(user=ada.id)}, {"ada"})
        self.assertEqual(self.audit(object="user mira", action="user.change"), [row])
        self.assertEqual(len(self.audit(**{"from": start})), len(self.audit()))
        self.assertEqual(self.audit(to=start), [])
        self.assertEqual(self.audit(to="2020-02-29"), [])
        first = self.host.get("/audit?limit=2")
        rest = self.host.get("/audit?limit=500&cursor=" + first["next"])
        self.assertEqual((len(first["items"]), rest["next"]), (2, None))
        self.assertEqual(first["items"] + rest["items"], self.host.get("/audit?limit=500")["items"])
        for bad in ("yesterday", "2025-02-29", "2026-13-01", "2026-01-01T25:00Z", "2026-01-01T10:00:00", "2026-01-01Z", "1969-01-01"):
            self.refused(self.host.call("GET", "/audit?from=" + bad), 422, "INVALID", "from")

    def test_the_audit_log_as_a_file(self):
        self.add("mira")
        odd = "=1+\"2\",3"
        self.refused(self.nobody.call("POST", "/session", {"login": odd, "password": WORDS}), 401, "SIGN_IN")
        self.add("nora", last_name="x")
        for i in range(520):  # more than a page
            self.host.call("POST", "/users/999", {"locked": True})
        self.settle()
        rows = []
        cursor = ""
        while cursor is not None:
            page = self.host.get("/audit?limit=500" + cursor)
            rows += page["items"]
            cursor = page["next"] and "&cursor=" + page["next"]
        answer = self.host.call("GET", "/audit/export")
        self.assertEqual(answer.headers["Content-Disposition"], 'attachment; filename="audit.json"')
        self.assertEqual(answer.json, rows)
        answer = self.host.call("GET", "/audit/export?format=csv")
        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
        table = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
        self.assertEqual([int(r["id"]) for r in table], [r["id"] for r in rows])
        self.assertEqual(table[-2]["object"], "user " + odd)
        self.assertEqual(json.loads(self.host.call("GET", "/audit/export?action=user.add").body)[0]["object"], "user nora")
        self.assertEqual(self.host.call("GET", "/audit/export?to=2020-01-01").json, [])
        self.assertEqual(self.host.call("GET", "/audit/export?to=2020-01-01&format=csv").body.count(b"\r\n"), 1)
        self.refused(self.host.call("GET", "/audit/export?format=xml"), 422, "INVALID", "format")

    def test_zz_all_routes_were_held_against_the_document(self):
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item}
        if len(self.used) > 20:  # all tests ran, not one by name
            self.assertEqual({r for r in routes if ACCOUNTS.match(r[1])} - self.used, set())


class ClosedTest(ServerTest):
    SERVE = ("--sign-up=off",)

    def test_sign_up_is_off(self):
        self.assertFalse(self.nobody.get("/me")["sign_up"])
        self.refused(self.nobody.call("POST", "/signup", {"login": "nora", "password": WORDS}), 403, "DENIED", word="admin")


if __name__ == "__main__":
    unittest.main(verbosity=1)
