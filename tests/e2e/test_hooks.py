#!/usr/bin/env python3
"""Webhooks and commit statuses: what a receiver gets, how it can check it, what is tried again, and where they may not lead."""

import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import hook_sink  # noqa: E402
import prometheus  # noqa: E402
import wrata  # noqa: E402
from hook_sink import HookSink  # noqa: E402
from wrata import SOURCE, WRATA, ApiError, wait_for  # noqa: E402

PASSWORD = "four plain words here"


class Base(wrata.Case):
    def sink(self, **more):
        sink = HookSink(**more).start()
        self.addCleanup(sink.stop)
        return sink

    def hooking(self, *args, env=None):
        """A server whose hooks may reach this machine."""
        return self.serve("--hooks-private", "127.0.0.1", "--hooks-gather-s", "1", *args, env=env)

    def wrata(self, *args, expect=0):
        p = subprocess.run([WRATA, *args, "--data", os.path.join(self.folder, "data")], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=120)
        self.assertEqual(p.returncode, expect, p.stdout + p.stderr)
        self.assertNotIn("Sanitizer", p.stderr)
        return p.stdout + p.stderr

    def add(self, server, url, *kinds, **more):
        return server.post("/api/v1/hooks", {"name": more.pop("name", "h%d" % time.monotonic_ns()), "url": url, "kinds": list(kinds), **more})

    def deliveries(self, server, hook):
        return server.get("/api/v1/hooks/%d/deliveries" % hook["id"])["items"]

    def delivery(self, server, hook, state, n=0):
        """The n-th newest, once it is in that state."""
        def claim():
            found = self.deliveries(server, hook)
            return found[n] if len(found) > n and found[n]["state"] == state else None
        return wait_for("delivery is %s" % state, claim)

    def ready(self, server, files, **more):
        server.add_local("local-1", 4)
        server.wait_online("local-1")
        return self.project({"%s.sh" % name: text for name, text in files.items()}, **more)

    def refused(self, status, what, call, *args):
        with self.assertRaises(ApiError) as e:
            call(*args)
        self.assertEqual(e.exception.status, status, e.exception.body)
        self.assertIn(what, e.exception.body)


class Telling(Base):
    def test_a_launch_is_told_signed_and_grouped(self):
        sink = self.sink()
        server = self.hooking()
        out = self.wrata("hooks", "add", "chat", sink.url(), "--on", "launch_started,runs_failed", "--on", "launch_ended")
        secret = re.search(r"secret +(whsec_\S+)", out).group(1)
        project = self.ready(server, {**{"bad%02d" % i: "exit 1\n" for i in range(30)}, "good": "exit 0\n"})
        began = time.monotonic()
        launch = server.launch(project, ["*.sh"], name='</script> "it"')
        done = server.wait_launch(launch["id"])
        wait_for("the end is told", lambda: "launch_ended" in sink.kinds() and sum(b["count"] for b in sink.bodies(kind="runs_failed")) == 30)
        self.assertEqual(sink.kinds().count("launch_started"), 1)
        self.assertEqual(sink.kinds().count("launch_ended"), 1)
        # gathered a second at a time, never one for each
        self.assertLessEqual(sink.kinds().count("runs_failed"), max(15, min(29, time.monotonic() - began + 1)))
        for g in sink.got:
            hook_sink.verify(secret, g["headers"], g["body"])
            self.assertEqual((g["headers"]["content-type"], g["headers"]["wrata-try"]), ("application/json", "1"))
            self.assertEqual(g["headers"]["wrata-kind"], json.loads(g["body"])["kind"])
            self.assertLess(abs(int(g["headers"]["webhook-timestamp"]) - time.time()), 120)
            with self.assertRaises(AssertionError):
                hook_sink.verify(secret, g["headers"], g["body"] + b" ")
            self.check_with_ruby(secret, g)
        self.assertEqual(len(sink.by_id()), len(sink.got))
        end = sink.bodies(kind="launch_ended")[0]
        self.assertEqual((end["launch"]["id"], end["launch"]["outcome"], end["launch"]["name"]), (launch["id"], "failed", launch["name"]))
        self.assertEqual({k: end["launch"]["tests"][k] for k in ("total", "passed", "failed")}, {"total": 31, "passed": 1, "failed": 30})
        self.assertEqual((end["launch"]["commit"], end["launch"]["url"]), (done["commit"], "%s/launches/%d" % (server.url, launch["id"])))
        bad = sink.bodies(kind="runs_failed")[0]
        self.assertEqual({r["outcome"] for r in bad["runs"]}, {"failed"})
        self.assertTrue(1 <= len(bad["runs"]) <= 20 and all(r["path"].startswith("bad") for r in bad["runs"]))
        for path in ("launch_started", "launch_ended", "runs_failed"):
            self.assertEqual(sink.bodies(kind=path)[0]["wrata"]["url"], server.url)
        # the secret is nowhere but at the receiver
        hook = server.get("/api/v1/hooks")["items"][0]
        self.assertNotIn("secret", hook)
        self.assertIn("well", self.wrata("hooks"))
        self.assertNotIn(secret, self.wrata("hooks", "show", "chat") + server.log_tail(200000))
        with sqlite3.connect(os.path.join(server.data, "wrata.db")) as db:
            self.assertNotIn(secret[6:], "\n".join(db.iterdump()))
        self.assertTrue(any(a["action"] == "hook.add" and "chat" in a["detail"] for a in server.get("/api/v1/audit")["items"]))
        metrics = prometheus.parse(server.call("GET", "/metrics", raw=True).decode())
        self.assertEqual(prometheus.value(metrics, "wrata_deliveries_total", result="delivered"), len(sink.got))
        self.assertEqual(prometheus.value(metrics, "wrata_deliveries_waiting"), 0)

    def check_with_ruby(self, secret, g, _seen=[]):
        """The document's own example, once: in Ruby and in Python."""
        if _seen:
            return
        _seen.append(True)
        with open(os.path.join(SOURCE, "docs", "notifications.md"), encoding="utf-8") as f:
            text = f.read()
        data = json.dumps({"secret": secret, "id": g["headers"]["webhook-id"], "timestamp": g["headers"]["webhook-timestamp"],
                           "signature": g["headers"]["webhook-signature"], "body": g["body"].decode()})
        for language, program, call in (
                ("ruby", ["ruby", "-rjson"], "d = JSON.parse(STDIN.read)\nprint wrata_signed?(d['secret'], {'webhook-id' => d['id'], 'webhook-timestamp' => d['timestamp'], "
                                             "'webhook-signature' => d['signature']}, d['body'] + ARGV[0].to_s)"),
                ("python", [sys.executable], "import json, sys\nd = json.load(sys.stdin)\nprint(str(wrata_signed(d['secret'], {'webhook-id': d['id'], 'webhook-timestamp': d['timestamp'], "
                                             "'webhook-signature': d['signature']}, (d['body'] + (sys.argv[1] if len(sys.argv) > 1 else '')).encode())).lower(), end='')")):
            example = re.search(r"```%s\n(.*?)```" % language, text, re.S).group(1)
            script = os.path.join(self.folder, "example." + language)
            with open(script, "w", encoding="utf-8") as f:
                f.write(example + "\n" + call + "\n")
            for more, expect in (([], "true"), (["x"], "false")):
                p = subprocess.run([*program, script, *more], input=data, capture_output=True, text=True, timeout=60)
                self.assertEqual((p.stdout, p.returncode), (expect, 0), p.stderr)

    def test_one_hears_of_the_own_launches_and_an_admin_of_all(self):
        sink = self.sink()
        server = self.hooking()
        project = self.ready(server, {"a": "exit 0\n"})
        people = {}
        for login in ("mira", "otto"):
            user = server.post("/api/v1/users", {"login": login, "password": PASSWORD, "email": login + "@example.org"})
            people[login] = self.as_user(server, login)
            self.add(people[login], sink.url("/" + login), "launch_ended")
        self.add(server, sink.url("/all"), "launch_ended", all=True)
        self.add(server, sink.url("/none"), "launch_ended", all=True, project=server.post("/api/v1/projects", {"name": "other", "url": self.project({"b.sh": ""}, "other")})["id"])
        for who in (server, people["mira"]):
            server.wait_launch(who.post("/api/v1/launches", {"project": project, "files": ["a.sh"]})["id"])
        wait_for("all hear of it", lambda: len(sink.at("/all")) == 2 and len(sink.at("/mira")) == 1)
        self.assertEqual((len(sink.at("/otto")), len(sink.at("/none"))), (0, 0))
        # whose it is
        mine = people["mira"].get("/api/v1/hooks")["items"]
        self.assertEqual(len(mine), 1)
        path = "/api/v1/hooks/%d" % mine[0]["id"]
        for call in (lambda: people["otto"].get(path), lambda: people["otto"].post(path, {"name": "x"}), lambda: people["otto"].call("DELETE", path),
                     lambda: people["otto"].post(path + "/test"), lambda: people["otto"].get(path + "/deliveries"),
                     lambda: people["otto"].get("/api/v1/hooks?all=1"), lambda: people["otto"].post("/api/v1/deliveries/1/retry")):
            self.refused(403, "DENIED", call)
        self.refused(403, '"field":"all"', lambda: self.add(people["otto"], sink.url(), "launch_ended", all=True))
        self.refused(403, '"field":"type"', lambda: people["otto"].post("/api/v1/hooks", {"name": "g", "type": "github", "project": 1}))
        self.refused(422, "server_sick: only hooks with all", lambda: self.add(people["otto"], sink.url(), "launch_ended", "server_sick"))
        self.assertEqual(next(h for h in server.get("/api/v1/hooks?all=1")["items"] if h["id"] == mine[0]["id"])["url"], "http://127.0.0.1:%d/..." % sink.port)
        # who may not work any more is told nothing, and hooks go with their account
        user = mine[0]["user"]["id"]
        server.post("/api/v1/users/%d" % user, {"locked": True})
        self.assertEqual(server.post(path + "/test")["error"], "its owner may not work here any more")
        self.assertEqual(server.get(path)["enabled"], False)
        server.call("DELETE", "/api/v1/users/%d" % user)
        self.refused(404, "no hook", server.get, path)
        self.refused(422, "kinds", lambda: server.post("/api/v1/hooks", {"name": "k", "url": sink.url(), "kinds": ["launch_endet"]}))
        self.refused(409, "already", lambda: server.post("/api/v1/hooks", {"name": server.get("/api/v1/hooks")["items"][0]["name"], "url": sink.url(), "kinds": ["error"], "all": True}))

    def as_user(self, server, login):
        """A server object that asks as this user, with a token that may all the user may."""
        c = http.client.HTTPConnection(server.url.split("//")[1], timeout=60)
        c.request("POST", "/api/v1/session", json.dumps({"login": login, "password": PASSWORD}), {"Content-Type": "application/json"})
        a = c.getresponse()
        cookie, csrf = a.headers["Set-Cookie"].split(";")[0], json.loads(a.read())["csrf"]
        c.request("POST", "/api/v1/tokens", json.dumps({"name": "t", "scope": "admin"}), {"Content-Type": "application/json", "Cookie": cookie, "X-CSRF-Token": csrf})
        token = json.loads(c.getresponse().read())["token"]
        c.close()
        who = wrata.Server.__new__(wrata.Server)
        who.url, who.token = server.url, token
        return who


class Receivers(Base):
    def test_what_is_not_taken_is_sent_again_with_the_same_bytes(self):
        sink = self.sink()
        server = self.hooking()
        hook = self.add(server, sink.url(), "launch_ended", name="flaky")
        sink.script("/in", (500, "no <b>database</b>\x00\x1b"), "close", (302, "", {"Location": sink.url("/secret")}), (200, "x" * 100000))
        first = server.post("/api/v1/hooks/%d/test" % hook["id"])
        self.assertEqual((first["state"], first["status"], first["tries"], first["error"]), ("waiting", 500, 1, "it answered 500"))
        self.assertEqual(first["answer"], "no <b>database</b>??")
        out = self.wrata("hooks", "show", "flaky")
        self.assertIn("failing, 1 in a row: it answered 500", out)
        for expect in ((None, "(?i)empty reply|closed|recv|reset"), (302, "redirects are not followed"), (200, None)):
            self.assertIn("is sent now", self.wrata("hooks", "retry", str(first["id"])))
            tries = first["tries"]
            first = wait_for("it is tried", lambda tries=tries: (lambda d: d if d["tries"] > tries else None)(server.get("/api/v1/deliveries/%d" % first["id"])))
            self.assertEqual(first["status"], expect[0])
            self.assertRegex(first["error"] or "", expect[1] or r"\A\Z")
        self.assertEqual((first["state"], first["tries"], len(first["answer"])), ("delivered", 4, 1021))
        self.assertEqual(sink.at("/secret"), [])
        self.assertEqual(len(sink.by_id()), 1)
        self.assertEqual([g["headers"]["wrata-try"] for g in sink.got], ["1", "2", "3", "4"])
        self.assertEqual(json.loads(first["body"])["kind"], "test")
        self.assertIn("well", self.wrata("hooks", "show", "flaky"))
        self.assertRegex(self.wrata("hooks", "deliveries", "flaky"), r"(?m)^%d +test .* delivered +4 +200" % first["id"])

    def test_a_receiver_of_an_authority_of_ones_own_is_verified(self):
        def certificate(name, *args):
            paths = [os.path.join(self.folder, name + end) for end in (".crt", ".key")]
            subprocess.run(["openssl", "req", "-x509" if not args else "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-keyout", paths[1], "-out", paths[0], "-subj", "/CN=" + name, *(args or ("-days", "2"))], check=True, capture_output=True)
            return paths

        ca, ca_key = certificate("our-authority")
        other, _ = certificate("somebody-elses")
        request, key = certificate("receiver", "-addext", "subjectAltName=IP:127.0.0.1")
        crt = os.path.join(self.folder, "signed.crt")
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-copy_extensions", "copyall",
                        "-out", crt], check=True, capture_output=True)
        sink = self.sink(tls=(crt, key))
        server = self.hooking("--hooks-ca", ca)
        hook = self.add(server, sink.url(), "launch_ended")
        tried = server.post("/api/v1/hooks/%d/test" % hook["id"])
        self.assertEqual(tried["state"], "delivered", tried)
        hook_sink.verify(hook["secret"], sink.got[0]["headers"], sink.got[0]["body"])
        server.stop()

        for words in (["--hooks-ca", other], []):  # another authority; the authorities of this machine
            server = self.hooking(*words)
            tried = server.post("/api/v1/hooks/%d/test" % hook["id"])
            self.assertEqual(tried["state"], "waiting", tried)
            self.assertRegex(tried["error"], "(?i)certificate")
            server.stop()
        self.assertEqual(len(sink.got), 1)

    def test_who_is_gone_is_asked_no_more(self):
        sink = self.sink()
        server = self.hooking()
        hook = self.add(server, sink.url(), "launch_ended", name="gone")
        sink.script("/in", (410, "bye"))
        out = self.wrata("hooks", "test", "gone", expect=3)
        self.assertIn("was not taken: it answered 410", out)
        found = server.get("/api/v1/hooks/%d" % hook["id"])
        self.assertEqual((found["enabled"], found["reason"]), (False, "the receiver says that it is gone (410)"))
        self.assertIn("disabled: the receiver says", self.wrata("hooks"))
        self.assertIn("is disabled", self.wrata("hooks", "test", "gone", expect=2))
        sink.script("/in", 200)
        self.wrata("hooks", "enable", "gone")
        self.assertIn("was taken: 200", self.wrata("hooks", "test", "gone"))
        self.wrata("hooks", "delete", "gone")
        self.assertIn("No hooks yet", self.wrata("hooks"))

    def test_runs_do_not_wait_for_a_receiver_that_hangs_and_others_hear_of_it(self):
        sink = self.sink()
        server = self.hooking()
        slow = self.add(server, sink.url("/slow"), "launch_started", "launch_ended", name="slow")
        self.add(server, sink.url("/quick"), "launch_ended", name="quick")
        sink.script("/slow", "hang", 200)
        project = self.ready(server, {"a": "exit 0\n", "b": "exit 1\n"})
        for n in range(2):  # a call that hangs is given up after 30 s
            server.wait_launch(server.launch(project, ["*.sh"])["id"])
            wait_for("the quick one hears of it", lambda n=n: len(sink.at("/quick")) == n + 1)
        self.assertEqual(len(sink.at("/slow")), 1)  # one at a time; it still hangs
        self.assertEqual([d["tries"] for d in self.deliveries(server, slow)], [0] * 4)
        sink.release()
        for d in reversed(self.deliveries(server, slow)):
            server.post("/api/v1/deliveries/%d/retry" % d["id"])
        wait_for("all of it arrives", lambda: len(sink.by_id("/slow")) == 4)
        self.assertEqual({d["state"] for d in wait_for("and is over", lambda: (lambda l: l if all(d["state"] != "waiting" for d in l) else None)(self.deliveries(server, slow)))}, {"delivered"})

    def test_whoever_waits_for_a_test_is_answered_when_its_hook_goes(self):
        sink = self.sink()
        sink.script("/hang", "hang")
        server = self.hooking()
        for what, status in ((lambda path: server.call("DELETE", path), 404), (lambda path: server.post(path, {"enabled": False}), 201)):
            hook = self.add(server, sink.url("/hang"), "launch_ended")
            path, said, before = "/api/v1/hooks/%d" % hook["id"], [], len(sink.got)

            def ask(path=path, said=said):
                try:
                    said.append((201, server.post(path + "/test")["state"]))
                except ApiError as e:
                    said.append((e.status, e.body))
            asking = [threading.Thread(target=ask) for _ in range(2)]
            for t in asking:
                t.start()
            wait_for("the first is on its way", lambda: len(sink.got) > before)
            wait_for("the second waits", lambda: len(self.deliveries(server, hook)) == 2)
            what(path)
            for t in asking:
                t.join(60)
            self.assertEqual([s for s, _ in said], [status, status], said)

    def test_killed_between_the_answer_and_the_commit_it_comes_again_and_is_known(self):
        sink = self.sink()
        server = self.hooking(env=dict(os.environ, WRATA_FAULTS="hook.crash_before_set=1"))
        hook = self.add(server, sink.url(), "launch_ended")
        try:
            server.post("/api/v1/hooks/%d/test" % hook["id"])
        except (OSError, ApiError):
            pass
        server.process.wait(60)
        self.assertEqual(len(sink.got), 1)
        server.env = None
        server.start()
        self.delivery(server, hook, "delivered")
        self.assertEqual((len(sink.got), len(sink.by_id())), (2, 1))


class Borders(Base):
    def test_no_hook_leads_to_this_machine_or_its_neighbours(self):
        sink = self.sink()
        server = self.serve("--hooks-gather-s", "0")
        for url in (sink.url(), "http://10.1.2.3/", "https://169.254.169.254/latest/meta-data", "http://[::1]:%d/" % sink.port, "https://[::ffff:127.0.0.1]/",
                    "https://0.0.0.0/", "https://192.168.1.1/", "https://[fd00::1]/", "https://100.64.0.1/", "https://[fe80::1]/", "http://93.184.216.34/"):
            self.refused(422, "hooks_private", self.add, server, url, "launch_ended")
        for url in ("ftp://example.org/", "file:///etc/passwd", "https://mira:pw@example.org/", "https://", "gopher://127.0.0.1:25/", "https://exa mple.org/"):
            self.refused(422, '"field":"url"', self.add, server, url, "launch_ended")
        # What only the resolver knows is looked at when it is connected to.
        for host in ("localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.1."):
            hook = self.add(server, "http://%s:%d/in" % (host, sink.port), "launch_ended")
            tried = server.post("/api/v1/hooks/%d/test" % hook["id"])
            self.assertEqual((tried["state"], tried["status"]), ("waiting", None), host)
            self.assertRegex(tried["error"], "hooks_private|[Rr]esolv", host)
        self.assertEqual(sink.got, [])

    def test_a_proxy_of_the_environment_is_not_asked(self):
        sink = self.sink()
        proxy = self.sink()
        server = self.hooking(env=dict(os.environ, http_proxy=proxy.url(""), https_proxy=proxy.url(""), ALL_PROXY=proxy.url("")))
        hook = self.add(server, "http://127.0.0.1:%d/in" % sink.port, "launch_ended")
        self.assertEqual(server.post("/api/v1/hooks/%d/test" % hook["id"])["state"], "delivered")
        self.assertEqual(proxy.got, [])

    def test_off_is_off(self):
        sink = self.sink()
        server = self.hooking("--hooks", "off")
        self.refused(409, "`hooks` is off", self.add, server, sink.url(), "launch_ended")


class GitHub(Base):
    def setUp(self):
        super().setUp()
        self.github = self.sink()

    def serving(self, token="ghp_abc"):
        text = os.path.join(self.folder, "credentials")
        with open(text, "w", encoding="utf-8") as f:
            f.write("github_token: %s\n" % token)
        editor = os.path.join(self.folder, "editor")
        with open(editor, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\ncp '%s' \"$1\"\n" % text)
        os.chmod(editor, 0o755)
        p = subprocess.run([WRATA, "credentials", "edit", "--data", os.path.join(self.folder, "data")], capture_output=True, text=True, timeout=60,
                           env=dict(os.environ, EDITOR=editor, VISUAL=editor))
        self.assertEqual(p.returncode, 0, p.stderr)
        return self.hooking("--github-url", self.github.url("/api/v3"))

    def test_a_commit_gets_its_status(self):
        server = self.serving()
        path = self.ready(server, {"a": "exit 0\n", "b": "exit 1\n"})
        project = server.post("/api/v1/projects", {"name": "docs", "url": path})
        self.assertIn("github qa/docs", self.wrata("hooks", "add", "statuses", "--github", "--project", "docs", "--repository", "qa/docs"))
        commit = wrata.git(path, "rev-parse", "HEAD").strip()
        where = "/api/v3/repos/qa/docs/statuses/" + commit
        self.github.script(where, 201)
        for files, name, state, text in ((["*.sh"], "nightly", "failure", "1 of 2 files failed, 1 cause"), (["a.sh"], "smoke", "success", "1 files passed")):
            before = len(self.github.at(where))
            launch = server.launch("docs", files, name=name)
            server.wait_launch(launch["id"])
            got = wait_for("its status", lambda: (lambda l: l if l and l[-1]["state"] == state else None)([json.loads(g["body"]) for g in self.github.at(where)[before:]]))
            self.assertEqual(got[-1], {"state": state, "target_url": "%s/launches/%d" % (server.url, launch["id"]), "description": text, "context": "wrata/" + name})
            self.assertTrue(all(g["state"] == "pending" for g in got[:-1]), got)
        headers = self.github.at(where)[0]["headers"]
        self.assertEqual(headers["authorization"], "Bearer ghp_abc")
        self.assertNotIn("webhook-signature", headers)
        self.assertNotIn("ghp_abc", server.log_tail(100000))
        self.assertEqual(project["name"], "docs")

    def test_its_limits_are_kept_and_what_it_refuses_for_good_is_given_up(self):
        server = self.serving()
        path = self.ready(server, {"a": "exit 0\n"})
        server.post("/api/v1/projects", {"name": "docs", "url": path})
        hook = server.post("/api/v1/hooks", {"name": "g", "type": "github", "project": 1, "repository": "qa/docs"})
        where = "/api/v3/repos/qa/docs/statuses/" + wrata.git(path, "rev-parse", "HEAD").strip()
        self.github.script(where, (403, "slow down", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1800)}))
        server.wait_launch(server.launch("docs", ["a.sh"])["id"])
        path = "/api/v1/hooks/%d" % hook["id"]
        wait_for("it was tried", lambda: server.get(path)["failures"] == 1)
        self.assertGreater(server.get(path)["paused_until"], time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() + 1500)))
        d = self.delivery(server, hook, "waiting")  # of the end: what was to say "pending" is of no use any more
        self.assertLessEqual(len(self.github.at(where)), 1)
        self.github.script(where, (422, "No commit found for SHA"))
        server.post("/api/v1/deliveries/%d/retry" % d["id"])
        d = wait_for("it is given up", lambda: next((x for x in self.deliveries(server, hook) if x["id"] == d["id"] and x["state"] == "failed"), None))
        self.assertIn("No commit found", server.get("/api/v1/deliveries/%d" % d["id"])["answer"])
        self.assertTrue(server.get("/api/v1/hooks/%d" % hook["id"])["enabled"])

    def test_what_it_needs_is_said(self):
        server = self.serving(token="")
        path = self.ready(server, {"a": "exit 0\n"})
        server.post("/api/v1/projects", {"name": "docs", "url": path})
        for body, field in (({"url": "https://x.org/"}, "url"), ({"project": 0}, "project"), ({"repository": "nothing"}, "repository"), ({"project": 99}, "project")):
            self.refused(422, '"field":"%s"' % field, server.post, "/api/v1/hooks", {"name": "g", "type": "github", "project": 1, **body})
        hook = server.post("/api/v1/hooks", {"name": "g", "type": "github", "project": 1})
        server.wait_launch(server.launch("docs", ["a.sh"])["id"])
        self.assertIn("give the hook its repository", self.delivery(server, hook, "failed")["error"])
        server.post("/api/v1/hooks/%d" % hook["id"], {"repository": "qa/docs"})
        server.wait_launch(server.launch("docs", ["a.sh"])["id"])
        self.assertIn("github_token", wait_for("it says so", lambda: next((d["error"] for d in self.deliveries(server, hook) if d["state"] == "waiting" and d["error"]), None)))
        self.assertEqual(self.github.got, [])


if __name__ == "__main__":
    wrata.main()
