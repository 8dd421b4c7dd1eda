"""Accounts as somebody sees them who wants more than is theirs: order, time and numbers, not single answers."""

import ctypes
import ctypes.util
import json
import os
import socket
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_accounts import OTHER, WORDS, Client, ServerTest  # noqa: E402
import wrata  # noqa: E402


class Begun:
    """A request whose head is in and judged, while its body is still to come."""

    def __init__(self, client, path, body):
        host, port = client.server.url.split("//")[1].split(":")
        self.test, self.body = client.test, json.dumps(body).encode()
        lines = ["POST /api/v1%s HTTP/1.1" % path, "Host: %s:%s" % (host, port), "Content-Type: application/json",
                 "Content-Length: %d" % len(self.body), "Expect: 100-continue", "Connection: close"]
        if client.token:
            lines.append("Authorization: Bearer " + client.token)
        if client.cookie:
            lines += ["Cookie: " + client.cookie, "X-CSRF-Token: " + client.csrf]
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.test.assertIn(b"100 Continue", self.socket.recv(200))

    def finish(self):
        """Status and body of the answer."""
        self.socket.sendall(self.body)
        with self.socket.makefile("rb") as f:
            answer = f.read()
        self.socket.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)


class Late(ServerTest):
    """Who sends a request is seen by its head; what was taken away until its body is here is gone."""

    def late(self, client, path, body, meanwhile, status, code):
        begun = Begun(client, path, body)
        meanwhile()
        got, answer = begun.finish()
        self.assertEqual(got, status, answer)
        self.assertEqual(answer["error"]["code"], code)

    def test_a_session_that_was_ended_makes_no_token(self):
        mira = self.person("mira")
        thief = self.client("mira")
        self.late(thief, "/tokens", {"name": "mine", "scope": "run"}, lambda: mira.delete("/sessions"), 401, "SIGN_IN")
        self.assertEqual(mira.get("/tokens"), [])
        row = self.audit(action="token.make")[0]
        self.assertEqual((row["login"], row["status"]), ("mira", 401))

    def test_nor_one_of_before_a_new_password(self):
        mira = self.person("mira")
        thief = self.client("mira")
        self.late(thief, "/tokens", {"name": "mine", "scope": "run"},
                  lambda: mira.post("/me/password", {"current": WORDS, "password": OTHER}), 401, "SIGN_IN")

    def test_an_admin_that_is_none_any_more_makes_no_admin(self):
        self.add("boss", admin=True)
        ada = self.person("ada", admin=True)
        body = {"login": "second", "password": WORDS, "admin": True}
        self.late(ada, "/users", body, lambda: self.host.post("/users/%d" % ada.id, {"admin": False}), 403, "DENIED")
        self.assertNotIn("second", [u["login"] for u in self.host.get("/users")["items"]])

    def test_a_launch_does_not_begin_after_its_user(self):
        self.host.post("/servers", {"name": "local-1", "fleet": "local", "slots": 1}, 201)
        for word, change in (("locked", {"locked": True}), ("doubtful", {"verified": False})):
            user = self.person(word)
            self.late(user, "/launches", {"project": "docs", "files": ["a.sh"]},
                      lambda u=user, c=change: self.host.post("/users/%d" % u.id, c),
                      401 if word == "locked" else 403, "SIGN_IN" if word == "locked" else "DENIED")
        gone = self.person("gone")
        self.late(gone, "/launches", {"project": "docs", "files": ["a.sh"]}, lambda: self.host.delete("/users/%d" % gone.id), 401, "SIGN_IN")

    def test_a_token_that_was_revoked_starts_nothing(self):
        mira = self.person("mira")
        made = mira.post("/tokens", {"name": "ci", "scope": "run"}, 201)
        ci = Client(self, self.server, made["token"])
        self.late(ci, "/launches", {"project": "docs", "files": ["a.sh"]}, lambda: mira.delete("/tokens/%d" % made["id"]), 401, "SIGN_IN")
        self.assertEqual(self.host.get("/launches")["items"], [])

    def test_who_is_still_in_is_served(self):
        mira = self.person("mira")
        status, answer = Begun(mira, "/tokens", {"name": "mine", "scope": "run"}).finish()
        self.assertEqual((status, answer["name"]), (201, "mine"))


class Counted(ServerTest):
    """What is counted of one must not tell of another, nor be counted against another."""

    SERVE = ("--trusted-proxies=127.0.0.1",)

    def setUp(self):
        super().setUp()
        for key, value in (("smtp_host", "localhost"), ("smtp_port", "9"), ("smtp_from", "wrata@example.org")):
            subprocess.run([wrata.WRATA, "credentials", "set", key, "--data", self.server.data], input=value, text=True, check=True, capture_output=True)
        self.server.stop()
        self.server.start()
        self.host = Client(self, self.server, self.server.token)
        self.nobody = Client(self, self.server)

    def call(self, address, path, body):
        return self.nobody.call("POST", path, body, {"X-Forwarded-For": address})


    def test_a_forgotten_password_tells_nothing_by_what_is_counted(self):
        mira = self.add("mira", email="mira@example.org")
        self.host.post("/users/%d" % mira["id"], {"email_confirmed": True})
        for _ in range(5):
            self.assertEqual(self.call("192.0.2.1", "/links/reset", {"login": "mira"}).status, 200)
        # the answer does not wait for them
        wrata.wait_for("five letters", lambda: len(self.host.get("/mails")["items"]) == 5)
        # of 50 wrong sign-ins this address has 45 left: each letter counted once, as for a login that is nobody's
        self.slowed_down(lambda n: self.call("192.0.2.1", "/session", {"login": "n%d" % n, "password": "x"}),
                         lambda a: self.refused(a, 401, "SIGN_IN"), free=45)

    def test_a_login_that_looks_like_a_counter_is_none(self):
        for what, path, body in (("reset", "/links/reset", {"login": "mira"}), ("link", "/links/use", {"token": "x"})):
            for _ in range(5):  # after the fifth, it would have to wait for a second
                self.assertEqual(self.call("192.0.2.1", "/session", {"login": what + " 192.0.2.9", "password": "x"}).status, 401)
            self.assertNotEqual(self.call("192.0.2.9", path, body).status, 429, what)


class Flooded(ServerTest):
    """The audit log of a server that strangers shout at: bounded, and who gets in stands there all the same."""

    def shout(self, client, n=260):
        for _ in range(n):
            client.call("POST", "/launches", {"project": "x", "files": ["a.sh"]})

    def test_who_gets_in_is_written_down_in_any_case(self):
        mira = self.add("mira")
        self.shout(self.nobody)
        self.client("mira")
        rows = self.audit(action="session.begin")
        self.assertEqual([(r["object"], r["status"], r["user"], r["login"]) for r in rows], [("user mira", 200, mira["id"], "mira")])

    def test_an_account_that_nobody_let_in_is_a_stranger(self):
        new = Client(self, self.server)
        new.post("/signup", {"login": "new", "password": WORDS}, 201)
        self.shout(new)
        self.assertLess(len(self.audit(action="launch.start")), 240)


class Crowd(ServerTest):
    def test_strangers_do_not_take_all_places(self):
        for i in range(500):
            self.host.post("/users", {"login": "n%d" % i, "verified": False}, 201)
        answer = self.nobody.call("POST", "/signup", {"login": "one-more", "password": WORDS})
        self.refused(answer, 429, "LIMIT", word="admin")
        self.assertIn("Retry-After", answer.headers)
        self.add("colleague")  # an admin's wish is another matter
        self.host.post("/users/%d" % self.host.get("/users?limit=1")["items"][0]["id"], {"verified": True})
        Client(self, self.server).post("/signup", {"login": "one-more", "password": WORDS}, 201)


class Hostile(ServerTest):
    def test_a_password_that_a_hand_gave_the_operator_lets_nobody_in(self):
        made = ctypes.create_string_buffer(128)
        sodium = ctypes.CDLL(ctypes.util.find_library("sodium"))
        cheap = (ctypes.c_ulonglong(1), ctypes.c_size_t(8192))  # so that it would be made anew
        self.assertEqual(sodium.crypto_pwhash_str(made, WORDS.encode(), ctypes.c_ulonglong(len(WORDS)), *cheap), 0)
        self.server.stop()
        with sqlite3.connect(os.path.join(self.server.data, "wrata.db")) as db:
            db.execute("UPDATE users SET password = ? WHERE id = 1", (made.value.decode(),))
        self.server.start()
        self.refused(Client(self, self.server).call("POST", "/session", {"login": "operator", "password": WORDS}), 403, "DENIED")
        self.assertEqual(Client(self, self.server).get("/me")["role"], "nobody")


if __name__ == "__main__":
    unittest.main(verbosity=1)
