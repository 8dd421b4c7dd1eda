"""Who may use which route: the whole table, walked as everybody.

The route rows say it, docs/security.md shows it, and a real server is asked. `python3 tests/api/test_access.py --write`
writes the table into the document after a route was added.

A request that is let through is told from one that is refused without doing anything: it carries a query field that
no route knows, which is found wrong (422) after the caller was judged and before anything is done.
"""

import json
import os
import re
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402

DOCUMENT = os.path.join(wrata.SOURCE, "docs", "security.md")
BEGIN, END = "<!-- routes: generated -->", "<!-- end -->"
CALLERS = ["nobody", "unverified", "user", "admin", "read token", "run token", "admin token"]
ROLES = ["nobody", "unverified", "user", "admin"]
SCOPES = ["read", "run", "admin"]
PASSWORD = "correct horse battery"


def expected(rule):
    """What the rule gives to each of CALLERS; tokens are an admin's, so that only their scope decides."""
    by_role = [ROLES.index(r) >= ROLES.index(rule["role"]) for r in ROLES]
    by_scope = [rule["token"] is not None and SCOPES.index(s) >= SCOPES.index(rule["token"]) for s in SCOPES]
    return by_role + by_scope


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def table(document):
    rules = document["x-access-rules"]
    lines = ["| access | who | role | token | owner |", "|---|---|---|---|---|"]
    for name, rule in rules.items():
        lines.append("| %s | %s | %s | %s | %s |" % (name, rule["doc"], rule["role"], rule["token"] or "no", rule["owner"] or ""))
    lines += ["", "| route | access | " + " | ".join(CALLERS) + " | audit log |", "|---|---|" + "---|" * (len(CALLERS) + 1)]
    for method, path, operation in operations(document):
        rule = rules[operation["x-access"]]
        marks = ["own" if yes and rule["owner"] and who != "admin" and not who.endswith("token") else "yes" if yes else ""
                 for who, yes in zip(CALLERS, expected(rule))]
        lines.append("| `%s %s` | %s | %s | %s |" % (method, path, operation["x-access"], " | ".join(marks),
                                                  operation.get("x-audit", "")))
    return "\n".join(lines)


def written():
    with open(DOCUMENT, encoding="utf-8") as f:
        text = f.read()
    found = re.search(re.escape(BEGIN) + "\n(.*?)\n" + re.escape(END), text, re.S)
    return text, found


def write(document):
    text, found = written()
    with open(DOCUMENT, "w", encoding="utf-8") as f:
        f.write(text[:found.start(1)] + table(document) + text[found.end(1):])


class Browser:
    """A cookie and the page's token, as a browser has them; or a token."""

    def __init__(self, url, token=None):
        self.url, self.cookie, self.csrf, self.token = url, None, None, token

    def call(self, method, path, body=None, kind="application/json"):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", kind)
        if self.token:
            request.add_header("Authorization", "Bearer " + self.token)
        if self.cookie:
            request.add_header("Cookie", self.cookie)
        if self.csrf:
            request.add_header("X-CSRF-Token", self.csrf)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return self.took(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as e:
            return self.took(e.code, e.headers, e.read())

    def took(self, status, headers, body):
        cookie = headers.get("Set-Cookie")
        if cookie:
            self.cookie = cookie.split(";")[0]
        try:
            return status, json.loads(body) if body else {}
        except ValueError:
            return status, body

    def sign_in(self, login):
        status, me = self.call("POST", "/api/v1/session", {"login": login, "password": PASSWORD})
        assert status == 200, (status, me)
        self.csrf = me["csrf"]
        return self


class AccessTest(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.host = Browser(self.server.url, self.server.token)
        for login, more in (("una", {"verified": False}), ("mira", {}), ("otto", {}), ("ada", {"admin": True})):
            status, made = self.host.call("POST", "/api/v1/users", {"login": login, "password": PASSWORD, **more})
            self.assertEqual(status, 201, made)
        self.document = self.server.get("/api/v1/openapi.json")

    def as_user(self, login):
        return Browser(self.server.url).sign_in(login)

    def token(self, login, scope):
        status, made = self.as_user(login).call("POST", "/api/v1/tokens", {"name": "t-" + os.urandom(4).hex(), "scope": scope})
        self.assertEqual(status, 201, made)
        return Browser(self.server.url, made["token"])

    def test_the_document_shows_the_routes_as_they_are(self):
        _, found = written()
        self.assertIsNotNone(found, "docs/security.md has no " + BEGIN)
        self.assertEqual(found.group(1), table(self.document), "run: python3 tests/api/test_access.py --write")

    def test_every_change_is_in_the_audit_log(self):
        for method, path, operation in operations(self.document):
            with self.subTest(route="%s %s" % (method, path)):
                self.assertEqual("x-audit" in operation, method != "GET")

    def test_the_whole_table(self):
        callers = dict(zip(CALLERS, [Browser(self.server.url), self.as_user("una"), self.as_user("mira"),
                                     self.as_user("ada"), *[self.token("ada", s) for s in SCOPES]]))
        walked = 0
        for method, path, operation in operations(self.document):
            rule = self.document["x-access-rules"][operation["x-access"]]
            url = re.sub(r"\{[a-z]+\}", "999999", path) + "?no_such_field=1"
            kind = next(iter(operation.get("requestBody", {}).get("content", {})), "application/json")
            body = None if method != "POST" else b"x" if kind == "application/octet-stream" else {}
            for who, allowed in zip(CALLERS, expected(rule)):
                with self.subTest(route="%s %s" % (method, path), who=who):
                    status, answer = callers[who].call(method, url, body, kind)
                    if allowed:
                        self.assertEqual((status, answer["error"]["code"]), (422, "INVALID"), answer)
                        self.assertIn("no_such_field", answer["error"]["message"])
                    elif who == "nobody":
                        self.assertEqual((status, answer["error"]["code"]), (401, "SIGN_IN"), answer)
                    else:
                        self.assertEqual((status, answer["error"]["code"]), (403, "DENIED"), answer)
                    walked += 1
        self.assertGreater(walked, 300)

    def test_the_owner_rule(self):
        project = wrata.make_project(os.path.join(self.folder, "repo"), {"slow.sh": "#!/bin/bash\nsleep 600\n"})
        self.server.add_local("local-1", 4)
        self.server.post("/api/v1/projects", {"name": "p", "url": project})
        self.server.wait_online("local-1")
        mira, otto, ada = self.as_user("mira"), self.as_user("otto"), self.as_user("ada")

        def launch():
            status, made = mira.call("POST", "/api/v1/launches", {"project": "p", "files": ["slow.sh"]})
            self.assertEqual(status, 201, made)
            self.assertEqual(made["user"]["login"], "mira")
            run = wrata.wait_for("its run", lambda: self.server.get("/api/v1/runs?launch=%d" % made["id"])["items"])[0]
            return "/api/v1/launches/%d/stop" % made["id"], "/api/v1/runs/%d/stop" % run["id"]

        of_launch, of_run = launch()
        for path in (of_run, of_launch):
            for stranger in (otto, self.token("otto", "admin")):
                status, answer = stranger.call("POST", path, {})
                self.assertEqual((status, answer["error"]["code"]), (403, "DENIED"), answer)
            self.assertEqual(self.token("mira", "read").call("POST", path, {})[0], 403)
        for caller, expect in ((otto, 403), (mira, 200), (ada, 200), (self.token("mira", "read"), 403)):
            self.assertEqual(caller.call("POST", of_launch[:-len("/stop")], {"name": "x"})[0], expect)
        # One launch each: it is over when its only run was stopped.
        for caller, path in ((mira, of_run), (mira, launch()[0]), (ada, launch()[1]), (ada, launch()[0])):
            status, answer = caller.call("POST", path, {})
            self.assertEqual(status, 200, answer)

    def test_lists_and_schedules_belong_to_who_made_them(self):
        project = wrata.make_project(os.path.join(self.folder, "repo3"), {"a.sh": "#!/bin/bash\n"})
        self.server.post("/api/v1/projects", {"name": "p", "url": project})
        mira, otto, ada = self.as_user("mira"), self.as_user("otto"), self.as_user("ada")
        body = {"name": "l", "project": "p", "files": ["a.sh"]}
        made = mira.call("POST", "/api/v1/lists", body)[1]
        path = "/api/v1/lists/%d" % made["id"]
        rule = {"list": made["id"], "kind": "daily", "at": "02:00"}
        schedule = "/api/v1/schedules/%d" % mira.call("POST", "/api/v1/schedules", rule)[1]["id"]
        # Not shared: for others it is not there. An admin sees and may do all.
        self.assertEqual(otto.call("GET", path)[0], 404)
        self.assertEqual(otto.call("POST", path + "/launch", {})[0], 404)
        self.assertEqual(otto.call("POST", "/api/v1/schedules", rule)[0], 422)
        self.assertEqual(otto.call("GET", "/api/v1/lists")[1]["items"], [])
        self.assertEqual(ada.call("GET", path)[0], 200)
        # Shared: to read and to launch, not to change.
        self.assertEqual(mira.call("POST", path, {"shared": True})[0], 200)
        self.assertEqual(otto.call("GET", path)[1]["files"], ["a.sh"])
        self.assertEqual([x["name"] for x in otto.call("GET", "/api/v1/lists")[1]["items"]], ["l"])
        status, launch = otto.call("POST", path + "/launch", {})
        self.assertEqual((status, launch["user"]["login"]), (201, "otto"), launch)
        self.assertEqual(self.token("mira", "read").call("POST", path + "/launch", {})[0], 403)
        for method, url, data in (("POST", path, {"name": "x"}), ("DELETE", path, None), ("GET", schedule, None),
                                  ("GET", schedule + "/starts", None), ("POST", schedule, {"enabled": False}),
                                  ("POST", schedule + "/run", {}), ("DELETE", schedule, None)):
            with self.subTest(method=method, url=url):
                status, answer = otto.call(method, url, data)
                self.assertEqual((status, answer["error"]["code"]), (403, "DENIED"), answer)
        self.assertEqual(otto.call("GET", "/api/v1/schedules")[1]["items"], [])
        self.assertEqual(otto.call("GET", "/api/v1/schedules?all=1")[0], 403)
        self.assertEqual(len(ada.call("GET", "/api/v1/schedules?all=1")[1]["items"]), 1)
        # Somebody else's name for a list is no obstacle, and a list that is taken back stops what others made of it.
        self.assertEqual(otto.call("POST", "/api/v1/lists", body)[0], 201)
        self.assertEqual(ada.call("POST", schedule, {"enabled": False})[0], 200)
        self.assertEqual(ada.call("DELETE", schedule)[0], 200)
        self.assertEqual(mira.call("DELETE", path)[0], 200)

    def test_a_cookie_alone_changes_nothing(self):
        mira = self.as_user("mira")
        mira.csrf, right = None, mira.csrf
        for wrong in (None, "", "x", right[:-1], self.as_user("otto").csrf):
            mira.csrf = wrong
            status, answer = mira.call("POST", "/api/v1/me", {"position": "changed"})
            self.assertEqual((status, answer["error"]["code"]), (403, "CSRF"), answer)
        mira.csrf = right
        self.assertEqual(mira.call("POST", "/api/v1/me", {"position": "changed"})[0], 200)

    def test_only_an_admin_adds_projects_even_by_a_launch(self):
        project = wrata.make_project(os.path.join(self.folder, "repo2"), {"a.sh": "#!/bin/bash\n"})
        status, answer = self.as_user("mira").call("POST", "/api/v1/launches", {"project": project, "files": ["a.sh"]})
        self.assertEqual((status, answer["error"]["code"]), (403, "DENIED"), answer)
        self.assertEqual(self.server.get("/api/v1/projects")["items"], [])

    def test_accounts_off_is_for_this_machine_alone(self):
        for args in (["--listen", "0.0.0.0:0", "--insecure-listen"], ["--public-host", "ci.example.org"]):
            server = wrata.Server(tempfile.mkdtemp(dir=self.folder), "--accounts", "off", *args)
            server.start(expect_fail=True)
            self.assertEqual(server.process.wait(60), 2)
            self.assertIn("accounts: 'off'", server.log_tail())

    def test_a_stream_ends_with_its_session(self):
        mira = self.as_user("mira")
        request = urllib.request.Request(self.server.url + "/api/v1/stream?topics=servers", headers={"Cookie": mira.cookie})
        with urllib.request.urlopen(request, timeout=10) as stream:
            stream.readline()
            user = next(u for u in self.server.get("/api/v1/users")["items"] if u["login"] == "mira")
            self.server.post("/api/v1/users/%d" % user["id"], {"locked": True})
            while stream.readline():
                pass
        self.assertEqual(mira.call("GET", "/api/v1/servers")[0], 401)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        with tempfile.TemporaryDirectory() as folder:
            it = wrata.Server(folder).start()
            write(it.get("/api/v1/openapi.json"))
            it.stop()
    else:
        unittest.main(verbosity=2)
