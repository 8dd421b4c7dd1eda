"""The HTTP contract: docs/http-api.md and /api/v1/openapi.json, held against a live server."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wrata  # noqa: E402
from contract import GOING, ACCOUNTS, CAUSES, COST, HISTORY, QUEUE, SERVERS, Contract  # noqa: E402

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=develop"]


def git(folder, *args):
    return subprocess.run([*GIT, "-C", folder, *args], check=True, capture_output=True, text=True).stdout.strip()


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


class Stream(threading.Thread):
    """Reads server-sent events until it is closed."""

    def __init__(self, url, token, headers=None):
        super().__init__(daemon=True)
        self.events = []
        self.comments = 0
        self.answer = urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Bearer " + token, **(headers or {})}), timeout=40)
        self.start()

    def run(self):
        event = {}
        try:
            for line in self.answer:
                line = line.decode("utf-8").rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                else:
                    if "data" in event:
                        event["json"] = json.loads(event["data"])
                        self.events.append(event)
                    event = {}
        except (OSError, ValueError, AttributeError):
            pass

    def named(self, *names):
        return [e for e in list(self.events) if e.get("event") in names]

    def close(self):
        # Closing the file under a thread that reads it would wait for the thread.
        try:
            self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        self.join(5)


class ApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-api-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.repo = os.path.join(cls.folder, "docs.git")
        os.mkdir(cls.repo)
        git(cls.repo, "init", "-q")
        for name, text in {
            "ok.sh": "echo one\necho two\n",
            "bad.sh": "echo broken; exit 3\n",
            "slow.sh": "echo started; sleep 600\n",
            "leaves.sh": "mkdir -p out; echo abc > out/a.txt; head -c 1000 /dev/zero > out/b.bin\n",
            "umlaut.sh": "i=0; while [ $i -lt 40 ]; do printf 'gr\\303'; sleep 0.02; printf '\\274n %d\\n' $i; "
                         "i=$((i+1)); done\nprintf 'bad \\377 end\\303'\n",
        }.items():
            with open(os.path.join(cls.repo, name), "w", encoding="utf-8") as f:
                f.write("#!/bin/bash\n" + text)
            os.chmod(os.path.join(cls.repo, name), 0o755)
        git(cls.repo, "add", "-A")
        git(cls.repo, "commit", "-qm", "scripts")
        cls.server = wrata.Server(cls.folder, "--hooks-private", "127.0.0.1")
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.url = cls.server.url
        cls.host = cls.url.split("//")[1]
        cls.contract = Contract(json.loads(urllib.request.urlopen(cls.url + "/api/v1/openapi.json").read()))

    # ---- helpers ----

    def call(self, method, path, body=None, headers=None, check=True):
        data = None
        headers = {"Authorization": "Bearer " + self.server.token, **(headers or {})}
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as r:
                answer = Answer(r.status, r.headers, r.read())
        except urllib.error.HTTPError as e:
            answer = Answer(e.code, e.headers, e.read())
        if check and path.startswith("/api/v1/") and method != "HEAD":
            self.contract.check(method, path, answer.status, answer.body)
        return answer

    def get(self, path):
        answer = self.call("GET", path)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def refused(self, answer, status, code, field=None, word=None):
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json["error"]
        self.assertEqual(error["code"], code)
        if field is not None:
            self.assertEqual(error.get("field"), field)
        if word is not None:
            self.assertIn(word, error["message"])
        self.assertTrue(error["request_id"].startswith("r-"))

    def raw(self, data, seconds=20):
        """Send bytes as they are; what came back until the end or silence."""
        with socket.create_connection(self.host.rsplit(":", 1), timeout=seconds) as s:
            answer = b""
            try:
                s.sendall(data)  # it may be refused before its end
                while chunk := s.recv(65536):
                    answer += chunk
            except (socket.timeout, ConnectionResetError, BrokenPipeError):
                pass
        return answer

    def local(self):
        servers = self.get("/api/v1/servers")["items"]
        if servers:
            return servers[0]
        answer = self.call("POST", "/api/v1/servers", {"name": "local-1", "fleet": "local", "slots": 2})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json

    def launch(self, files, **more):
        answer = self.call("POST", "/api/v1/launches", {"project": self.repo, "files": files, **more})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json

    def finished(self, launch, seconds=120):
        path = "/api/v1/launches/%d" % launch["id"]
        return wrata.wait_for("launch %d ends" % launch["id"],
                              lambda: (x := self.get(path))["state"] == "done" and x, seconds)

    def run_of(self, launch):
        return wrata.wait_for("a run of launch %d" % launch["id"],
                              lambda: self.get("/api/v1/runs?launch=%d" % launch["id"])["items"])[0]

    # ---- the frame ----

    def test_health(self):
        self.assertEqual(self.call("GET", "/healthz").body, b"ok\n")
        self.assertEqual(self.call("GET", "/readyz").status, 200)

    def test_routes_and_document_and_page_agree(self):
        with open(os.path.join(wrata.SOURCE, "docs", "http-api.md"), encoding="utf-8") as f:
            page = f.read()
        written = set(re.findall(r"^\| `(GET|POST|DELETE) (/[^`?]*)", page, re.M))
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item}
        self.assertEqual(routes - written, set(), "in the table, not in docs/http-api.md")
        self.assertEqual(written - routes, set(), "in docs/http-api.md, not in the table")

    def test_document_refers_to_what_it_has(self):
        text = json.dumps(self.get("/api/v1/openapi.json"))
        names = set(re.findall(r'#/components/schemas/([a-z_]+)', text))
        self.assertEqual(names - set(self.contract.document["components"]["schemas"]), set())

    def test_unknown_route(self):
        self.refused(self.call("GET", "/api/v1/nothing", check=False), 404, "NOTFOUND")
        self.refused(self.call("GET", "/api", check=False), 404, "NOTFOUND")
        self.refused(self.call("GET", "/api/v1/launches/x", check=False), 404, "NOTFOUND")
        self.refused(self.call("GET", "/api/v1/launches/999999"), 404, "NOTFOUND")

    def test_wrong_method_names_the_right_ones(self):
        answer = self.call("DELETE", "/api/v1/launches", check=False)
        self.refused(answer, 405, "INVALID")
        self.assertEqual(answer.headers["Allow"], "GET, HEAD, POST")

    def test_head(self):
        answer = self.call("HEAD", "/api/v1/status")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertGreater(int(answer.headers["Content-Length"]), 50)

    def test_foreign_host_and_origin(self):
        self.refused(self.call("GET", "/api/v1/status", headers={"Host": "evil.example"}), 403, "DENIED")
        self.refused(self.call("POST", "/api/v1/servers", {}, {"Origin": "http://evil.example"}), 403, "DENIED")
        self.refused(self.call("POST", "/api/v1/servers", {}, {"Origin": "null"}), 403, "DENIED")
        same = self.call("POST", "/api/v1/servers", {}, {"Origin": self.url})
        self.refused(same, 422, "INVALID")
        port = self.host.rsplit(":", 1)[1]
        self.assertEqual(self.call("GET", "/api/v1/status", headers={"Host": "localhost:" + port}).status, 200)

    def test_form_posts_are_refused(self):
        answer = self.call("POST", "/api/v1/servers", b"{}", {"Content-Type": "text/plain"})
        self.refused(answer, 400, "PROTO", word="application/json")

    def test_page(self):
        for path in ("/", "/launches/12", "/favicon.ico.x"):
            answer = self.call("GET", path)
            self.assertEqual(answer.status, 200)
            self.assertIn("text/html", answer.headers["Content-Type"])
            self.assertIn("require-trusted-types-for 'script'", answer.headers["Content-Security-Policy"])
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(self.call("GET", "/assets/none.js").status, 404)

    def test_assets_are_immutable_and_gzipped(self):
        html = self.call("GET", "/").body.decode()
        asset = re.search(r'"(/assets/[^"]+)"', html)
        if asset is None:
            self.skipTest("the page is not built in")
        answer = self.call("GET", asset[1], headers={"Accept-Encoding": "gzip"})
        self.assertEqual(answer.headers["Content-Encoding"], "gzip")
        self.assertIn("immutable", answer.headers["Cache-Control"])
        again = self.call("GET", asset[1], headers={"If-None-Match": answer.headers["ETag"]})
        self.assertEqual((again.status, again.body), (304, b""))
        dist = os.path.join(os.path.dirname(__file__), "../../web/dist")
        for file in json.load(open(os.path.join(dist, "manifest.json")))["files"]:
            with self.subTest(file), open(dist + file, "rb") as plain, open(dist + file + ".gz", "rb") as packed:
                self.assertEqual(self.call("GET", file, headers={"Accept-Encoding": "gzip"}).body, packed.read())
                self.assertEqual(self.call("GET", file, headers={"Accept-Encoding": "identity"}).body, plain.read())

    # ---- fields ----

    def test_fields_are_named(self):
        post = lambda body: self.call("POST", "/api/v1/launches", body)  # noqa: E731
        ok = {"project": self.repo, "files": ["ok.sh"]}
        self.refused(post({"files": ["a"]}), 422, "INVALID", "project", "missing")
        self.refused(post({**ok, "fles": 1}), 422, "INVALID", None, "'fles'")
        self.refused(post({**ok, "files": []}), 422, "INVALID", "files")
        self.refused(post({**ok, "files": "ok.sh"}), 422, "INVALID", "files", "list")
        self.refused(post({**ok, "files": [1]}), 422, "INVALID", "files", "files[0]")
        self.refused(post({**ok, "retries": 11}), 422, "INVALID", "retries", "0..10")
        self.refused(post({**ok, "retries": 1.5}), 422, "INVALID", "retries")
        self.refused(post({**ok, "order": "fast"}), 422, "INVALID", "order", "finish-soonest")
        self.refused(post({**ok, "name": "a\u0007b"}), 422, "INVALID", "name", "control")
        self.refused(post({**ok, "name": "x" * 129}), 422, "INVALID", "name", "128")
        self.refused(post({**ok, "env": ["nonsense"]}), 422, "INVALID", "env", "NAME=value")
        self.refused(post({**ok, "servers": ["nowhere"]}), 422, "INVALID", "servers", "nowhere")
        self.refused(post({**ok, "project": "no-such-project"}), 422, "INVALID", "project")
        self.refused(post({**ok, "project": 4711}), 422, "INVALID", "project", "4711")
        self.refused(post({**ok, "ref": "develp"}), 422, "INVALID", None, "develp")
        self.refused(post({**ok, "files": ["none.sh"]}), 422, "INVALID", None, "none.sh")
        self.refused(post({**ok, "files": ["no/*.sh"]}), 422, "INVALID", None, "no/*.sh")

    def test_bodies_that_are_not_json(self):
        send = lambda b: self.call("POST", "/api/v1/launches", b, {"Content-Type": "application/json"})  # noqa: E731
        self.refused(send(b"{"), 400, "PROTO", word="line 1")
        self.refused(send(b"[]"), 400, "PROTO", word="object")
        self.refused(send(b'{"project":"\xff"}'), 400, "PROTO")
        self.refused(send(b'{"project":"a\\u0000b"}'), 400, "PROTO")
        self.refused(send(b'{"name":"a","name":"b"}'), 422, "INVALID", word="name")
        self.refused(send(b"[" * 100000), 400, "PROTO")

    def test_queries(self):
        get = lambda q: self.call("GET", "/api/v1/launches?" + q)  # noqa: E731
        self.refused(get("limit=0"), 422, "INVALID", "limit", "1..500")
        self.refused(get("limit=501"), 422, "INVALID", "limit")
        self.refused(get("limit=5x"), 422, "INVALID", "limit")
        self.refused(get("limit=5&limit=6"), 422, "INVALID", "limit", "twice")
        self.refused(get("state=odd"), 422, "INVALID", "state", "running")
        self.refused(get("colour=red"), 422, "INVALID", None, "colour")
        self.refused(get("state=%zz"), 400, "PROTO")
        self.refused(get("state=%00"), 400, "PROTO")
        self.refused(get("state=%ff"), 400, "PROTO")

    def test_body_too_large(self):
        for size in (100000, 900000):
            answer = self.call("POST", "/api/v1/servers", {"name": "x" * size, "fleet": "local"})
            self.refused(answer, 413, "LIMIT")
        self.refused(self.call("POST", "/api/v1/none", {"name": "x" * 900000}, check=False), 404, "NOTFOUND")
        head = (b"POST /api/v1/launches HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                b"Content-Length: 99000000\r\n\r\n" % (self.host.encode(), self.server.token.encode()))
        self.assertTrue(self.raw(head).startswith(b"HTTP/1.1 413 "))

    # ---- servers, projects ----

    def test_servers(self):
        local = self.local()
        answer = self.call("POST", "/api/v1/servers",
                           {"name": "far", "fleet": "ssh", "address": "192.0.2.1", "port": 2222, "slots": 3})
        self.assertEqual(answer.status, 201, answer.body)
        one = answer.json
        self.assertEqual((one["name"], one["port"], one["slots"], one["running"]), ("far", 2222, 3, []))
        self.refused(self.call("POST", "/api/v1/servers", {"name": "far", "fleet": "local"}), 409, "CONFLICT")
        self.refused(self.call("POST", "/api/v1/servers", {"name": "a b", "fleet": "local"}), 422, "INVALID", "name")
        self.assertIn("far", [s["name"] for s in self.get("/api/v1/servers")["items"]])
        self.assertEqual(self.get("/api/v1/servers/%d" % one["id"])["name"], "far")
        path = "/api/v1/servers/%d" % one["id"]
        changed = self.call("POST", path, {"name": "farther", "address": "192.0.2.2", "port": 0, "user": "qa", "slots": 4})
        self.assertEqual(changed.status, 200, changed.body)
        self.assertEqual([changed.json[k] for k in ("name", "address", "port", "user", "slots")], ["farther", "192.0.2.2", 0, "qa", 4])
        self.assertEqual(self.call("POST", path, {}).json["name"], "farther")  # nothing is named: it stays
        self.assertEqual(self.call("POST", path, {"user": ""}).json["user"], "")
        for body, field in (({"name": "a b"}, "name"), ({"slots": 0}, "slots"), ({"slots": 1000}, "slots"), ({"address": ""}, "address"),
                            ({"address": "-oProxyCommand=x"}, "address"), ({"port": 70000}, "port"), ({"idle_ms": 60000}, "idle_ms"), ({"fleet": "local"}, None)):
            self.refused(self.call("POST", path, body), 422, "INVALID", field)
        self.refused(self.call("POST", path, {"name": local["name"]}), 409, "CONFLICT", "name")
        for field, value in (("name", "x"), ("address", "x"), ("user", "x"), ("port", 22), ("identity", "/x")):
            self.refused(self.call("POST", "/api/v1/servers/%d" % local["id"], {field: value}), 422, "INVALID", field)
        self.refused(self.call("POST", "/api/v1/servers/9999", {"slots": 2}), 404, "NOTFOUND")
        row = self.get("/api/v1/audit?action=server.edit&limit=100")["items"][-1]
        self.assertEqual((row["object"], row["detail"]), ("server %d" % one["id"], "name=farther address=192.0.2.2 port=0 user=qa slots=4"))
        self.assertEqual(self.call("DELETE", "/api/v1/servers/%d" % one["id"]).status, 200)
        self.refused(self.call("GET", "/api/v1/servers/%d" % one["id"]), 404, "NOTFOUND")
        self.refused(self.call("DELETE", "/api/v1/servers/%d" % one["id"]), 404, "NOTFOUND")

    def test_projects(self):
        answer = self.call("POST", "/api/v1/projects", {"name": "second", "url": self.repo})
        self.assertEqual(answer.status, 201, answer.body)
        path = "/api/v1/projects/%d" % answer.json["id"]
        self.refused(self.call("POST", "/api/v1/projects", {"name": "second", "url": self.repo}), 409, "CONFLICT")
        self.refused(self.call("POST", "/api/v1/projects", {"name": "other", "url": "x"}), 422, "INVALID", "url")
        self.assertEqual(self.call("POST", path, {"refresh_s": 60}).json["refresh_s"], 60)
        self.refused(self.call("POST", path, {"refresh_s": 1}), 422, "INVALID", "refresh_s")
        self.assertIsNone(self.call("POST", path + "/refresh").json["error"])
        refs = self.get(path + "/refs")
        self.assertEqual([b["name"] for b in refs["branches"]], ["develop"])
        self.assertIsNotNone(refs["refreshed_at"])
        tree = self.get(path + "/tree?ref=develop")
        self.assertEqual(tree["commit"], git(self.repo, "rev-parse", "HEAD"))
        self.assertIn("ok.sh", tree["files"])
        self.refused(self.call("GET", path + "/tree?ref=nope"), 422, "INVALID")
        config = self.get(path + "/config?ref=develop")
        self.assertEqual((config["has_file"], config["problems"], config["config"]["commands"]), (False, [], None))
        self.refused(self.call("GET", path + "/config?ref=nope"), 422, "INVALID")
        self.refused(self.call("GET", "/api/v1/projects/99999/config"), 404, "NOTFOUND")
        plan = self.call("POST", "/api/v1/launches/plan", {"project": "second", "files": ["ok.sh"]})
        self.assertEqual([f["command"] for f in plan.json["files"]], [["bash", "ok.sh"]], plan.body)
        self.refused(self.call("POST", "/api/v1/launches/plan", {"project": "second", "files": ["no.sh"]}), 422, "INVALID")
        self.refused(self.call("POST", "/api/v1/launches/plan", {"project": "/no/such.git", "files": ["ok.sh"]}), 422,
                     "INVALID")
        self.assertEqual(self.call("DELETE", path).status, 200)
        self.refused(self.call("GET", path), 404, "NOTFOUND")
        self.assertNotIn("second", [p["name"] for p in self.get("/api/v1/projects")["items"]])

    def test_a_project_that_cannot_be_fetched_says_so(self):
        url = os.path.join(self.folder, "absent.git")
        answer = self.call("POST", "/api/v1/projects", {"name": "absent", "url": url})
        path = "/api/v1/projects/%d" % answer.json["id"]
        row = self.call("POST", path + "/refresh").json
        self.assertIsNone(row["refreshed_at"])
        self.assertTrue(row["error"])
        answer = self.call("POST", "/api/v1/launches", {"project": "absent", "files": ["a.sh"]})
        self.refused(answer, 422, "INVALID", "project")

    def test_a_launch_of_a_url_that_cannot_be_fetched_leaves_no_project(self):
        url = os.path.join(self.folder, "mistyped.git")
        for _ in range(2):
            answer = self.call("POST", "/api/v1/launches", {"project": url, "files": ["a.sh"]})
            self.refused(answer, 422, "INVALID", "project")
        wrata.wait_for("the project is gone again",
                       lambda: url not in [p["url"] for p in self.get("/api/v1/projects")["items"]])

    def test_a_project_stays_while_a_launch_needs_it(self):
        answer = self.call("POST", "/api/v1/servers", {"name": "away", "fleet": "ssh", "address": "192.0.2.7"})
        away = "/api/v1/servers/%d" % answer.json["id"]
        path = "/api/v1/projects/%d" % self.call("POST", "/api/v1/projects",
                                                 {"name": "needed", "url": self.repo}).json["id"]
        launch = self.call("POST", "/api/v1/launches",
                           {"project": "needed", "files": ["ok.sh"], "servers": ["away"]}).json
        self.refused(self.call("DELETE", path), 409, "CONFLICT")
        self.assertEqual(self.call("POST", "/api/v1/launches/%d/stop" % launch["id"], {}).status, 200)
        wrata.wait_for("the launch is done",
                       lambda: self.get("/api/v1/launches/%d" % launch["id"])["state"] == "done")
        self.assertEqual(self.call("DELETE", path).status, 200)
        self.assertEqual(self.call("DELETE", away).status, 200)

    def test_bundle(self):
        clone = os.path.join(self.folder, "clone")
        subprocess.run([*GIT, "clone", "-q", self.repo, clone], check=True)
        with open(os.path.join(clone, "big.bin"), "wb") as f:
            f.write(os.urandom(3 << 20))
        git(clone, "add", "-A")
        git(clone, "commit", "-qm", "only here")
        bundle = os.path.join(self.folder, "b.bundle")
        git(clone, "bundle", "create", "-q", bundle, "develop", "^origin/develop")
        project = self.call("POST", "/api/v1/projects", {"name": "bundled", "url": self.repo}).json
        path = "/api/v1/projects/%d" % project["id"]
        self.call("POST", path + "/refresh")
        with open(bundle, "rb") as f:
            data = f.read()
        answer = self.call("POST", path + "/bundle", data, {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 200, answer.body)
        head = git(clone, "rev-parse", "HEAD")
        self.assertIn(head, answer.json["commits"])
        self.assertIn("big.bin", self.get(path + "/tree?ref=" + head)["files"])
        bad = self.call("POST", path + "/bundle", b"no bundle", {"Content-Type": "application/octet-stream"})
        self.assertEqual(bad.status, 422, bad.body)
        self.refused(self.call("POST", path + "/bundle", b"x", {"Content-Type": "application/json"}), 400, "PROTO")
        wrata.wait_for("uploads are removed",
                       lambda: not os.listdir(os.path.join(self.server.data, "tmp")))

    # ---- launches ----

    def test_what_it_was_started_with(self):
        here = self.local()["name"]
        launch = self.launch(["ok.sh"], env=["A=b=c"], time_limit_s=77, artifacts=["tmp/**"], servers=[here], languages=["de-DE"],
                             location="https://qa.example.org:8080/x", mail="never", retries=1)
        self.assertEqual(launch["mail"], "never")
        self.finished(launch)
        said = self.get("/api/v1/launches/%d/parameters" % launch["id"])
        self.assertEqual({**said, "env": [], "servers": []},
                         {"launch": launch["id"], "retries": 1, "time_limit_s": 77, "silence_limit_s": 0, "lease_s": said["lease_s"],
                          "servers": [], "artifacts": ["tmp/**"], "env": []})
        self.assertEqual([s["name"] for s in said["servers"]], [here])
        self.assertIn({"name": "A", "value": "b=c", "secret": False}, said["env"])
        run = self.run_of(launch)
        started = self.get("/api/v1/runs/%d/command" % run["id"])
        self.assertEqual((started["argv"], started["report"], started["time_limit_s"]), (["bash", "ok.sh"], "exit", 77))
        env = {v["name"]: v["value"] for v in started["env"]}
        self.assertEqual([env[n] for n in ("A", "SPEC_REGION", "SPEC_SERVER_IP", "SPEC_LANGUAGE", "WRATA_RUN_ID", "WRATA_SERVER", "WRATA_COMMIT")],
                         ["b=c", "https://qa.example.org:8080/x", "qa.example.org", "de-DE", str(run["id"]), here, launch["commit"]])
        for path in ("/api/v1/launches/9999/parameters", "/api/v1/runs/9999/command"):
            self.refused(self.call("GET", path), 404, "NOTFOUND")

    def test_a_launch_from_start_to_log(self):
        self.local()
        launch = self.launch(["ok.sh", "bad.sh"], name="first", order="finish-soonest")
        self.assertEqual((launch["name"], launch["tests"]["total"], launch["state"]), ("first", 2, "running"))
        done = self.finished(launch)
        self.assertEqual((done["outcome"], done["tests"]["passed"], done["tests"]["failed"]), ("failed", 1, 1))
        tests = self.get("/api/v1/launches/%d/tests" % launch["id"])["items"]
        self.assertEqual([t["path"] for t in tests], ["ok.sh", "bad.sh"])
        self.assertEqual([t["outcome"] for t in tests], ["passed", "failed"])
        failed = self.get("/api/v1/launches/%d/tests?outcome=failed" % launch["id"])["items"]
        self.assertEqual([t["path"] for t in failed], ["bad.sh"])
        run = self.get("/api/v1/runs/%d" % tests[1]["run"])
        self.assertEqual((run["exit_code"], run["state"], run["server"]["name"]), (3, "done", "local-1"))
        self.assertGreaterEqual(run["duration_ms"], 0)
        log = "/api/v1/runs/%d/log" % tests[0]["run"]
        answer = self.call("GET", log)
        self.assertEqual(answer.body, b"one\ntwo\n")
        self.assertEqual([answer.headers["X-Log-" + n] for n in ("From", "To", "Size", "Complete")],
                         ["0", "8", "8", "1"])
        self.assertEqual(self.call("GET", log + "?from=4&max=2").body, b"tw")
        self.assertEqual(self.call("GET", log + "?tail=4").body, b"two\n")
        whole = self.call("GET", log + "?download=1")
        self.assertEqual(whole.body, b"one\ntwo\n")
        self.assertIn("attachment", whole.headers["Content-Disposition"])
        self.refused(self.call("GET", log + "?from=1&tail=1"), 422, "INVALID", "tail")
        self.refused(self.call("GET", "/api/v1/runs/999999/log"), 404, "NOTFOUND")
        last = self.call("GET", log + "?line=-1")
        self.assertEqual((last.body, last.headers["X-Log-From"], last.headers["X-Log-Line"], last.headers["X-Log-Lines"]),
                         (b"two\n", "4", "2", "2"))
        self.assertEqual(self.call("GET", log + "?line=1&lines=1").body, b"one\n")
        self.assertEqual(self.call("GET", log + "?line=7").body, b"")
        self.refused(self.call("GET", log + "?line=0"), 422, "INVALID", "line")
        self.refused(self.call("GET", log + "?lines=3"), 422, "INVALID", "lines")
        self.refused(self.call("GET", log + "?line=1&from=3"), 422, "INVALID", "line")
        ms = [self.get(log + "/times?from_line=%d&lines=1" % line)["times"][0][1] for line in (1, 2)]
        self.assertEqual(self.get(log + "/lines?line=2"),
                         {"items": [{"line": 2, "ms": ms[1], "byte": 4, "bytes": 3, "text": "two", "cut": False}], "lines": 2,
                          "complete": True, "next_line": None})
        self.refused(self.call("GET", log + "/lines?line=0"), 422, "INVALID", "line")
        self.refused(self.call("GET", "/api/v1/runs/999999/log/lines"), 404, "NOTFOUND")
        self.assertEqual(self.get(log + "/search?q=O&case=no&limit=1"),
                         {"matches": [{"line": 1, "ms": ms[0], "byte": 0, "bytes": 3, "text_byte": 0, "text": "one", "at": [[0, 1]]}],
                          "count": 2, "whole": True, "next_line": 2, "lines": 2, "complete": True, "gave_up": None})
        self.assertEqual(self.get(log + "/search?q=%5Et&regex=1")["count"], 1)
        times = self.get(log + "/times")["times"]
        self.assertEqual(times[0][0], 1)
        self.assertLess(abs(times[0][1] / 1000 - time.time()), 60)
        self.assertEqual(self.get(log + "/times?from_line=2&lines=1")["times"], [[2, times[-1][1]]])
        self.refused(self.call("GET", log + "/times?from_line=0"), 422, "INVALID", "from_line")
        self.refused(self.call("GET", "/api/v1/runs/999999/log/times"), 404, "NOTFOUND")
        self.refused(self.call("GET", log + "/search"), 422, "INVALID", "q")
        self.refused(self.call("GET", log + "/search?q=a%28&regex=1"), 422, "INVALID", "q")
        self.refused(self.call("GET", log + "/search?q=a&case=maybe"), 422, "INVALID", "case")
        self.refused(self.call("GET", "/api/v1/runs/999999/log/search?q=a"), 404, "NOTFOUND")
        self.assertEqual(self.get("/api/v1/runs/%d/examples" % run["id"])["items"], [])
        self.assertEqual(self.get("/api/v1/launches/%d/examples?status=failed,error" % launch["id"])["items"], [])
        self.assertEqual(len(self.get("/api/v1/runs?launch=%d&path=bad" % launch["id"])["items"]), 1)

    def test_pages_of_a_list(self):
        ids = [self.launch(["ok.sh"])["id"] for _ in range(5)]
        seen, cursor = [], ""
        while True:
            page = self.get("/api/v1/launches?limit=2" + cursor)
            self.assertLessEqual(len(page["items"]), 2)
            seen += [x["id"] for x in page["items"]]
            if page["next"] is None:
                break
            cursor = "&cursor=" + page["next"]
        self.assertEqual(seen, sorted(seen, reverse=True))
        self.assertEqual(len(seen), len(set(seen)))
        self.assertTrue(set(ids) <= set(seen))

    def test_stop(self):
        self.local()
        launch = self.launch(["slow.sh"] * 4)
        self.run_of(launch)
        waiting = self.get("/api/v1/launches/%d/tests?state=waiting" % launch["id"])["items"]
        self.assertTrue(all(t["why"] for t in waiting))
        stopped = self.call("POST", "/api/v1/launches/%d/stop" % launch["id"])
        self.assertEqual(stopped.status, 200, stopped.body)
        self.assertEqual(self.finished(launch)["outcome"], "stopped")
        self.refused(self.call("POST", "/api/v1/launches/999999/stop"), 404, "NOTFOUND")

    def test_a_launch_is_called_something_else_also_when_it_is_over(self):
        launch = self.launch(["slow.sh"], name="one")
        path = "/api/v1/launches/%d" % launch["id"]
        for name in ("two", ""):
            named = self.call("POST", path, {"name": name})
            self.assertEqual((named.status, named.json["name"]), (200, name))
            self.call("POST", path + "/stop")
            self.finished(launch)
        self.assertEqual(self.call("POST", path, {"name": "th\u00e9 end"}).json["name"], "th\u00e9 end")
        self.assertEqual(self.call("GET", path).json["name"], "th\u00e9 end")
        self.refused(self.call("POST", path, {}), 422, "INVALID", "name")
        self.refused(self.call("POST", path, {"name": "a\u0007b"}), 422, "INVALID", "name")
        self.refused(self.call("POST", path, {"name": "x" * 1000}), 422, "INVALID", "name")
        self.refused(self.call("POST", "/api/v1/launches/999999", {"name": "x"}), 404, "NOTFOUND")

    def test_retest(self):
        self.local()
        done = self.finished(self.launch(["ok.sh", "bad.sh"]))
        path = "/api/v1/launches/%d/retest" % done["id"]
        again = self.call("POST", path, {})
        self.assertEqual(again.status, 201, again.body)
        self.assertEqual(again.json["tests"]["total"], 1)
        self.finished(again.json)
        self.refused(self.call("POST", path, {"what": "none"}), 422, "INVALID", "what")
        self.refused(self.call("POST", "/api/v1/launches/999999/retest", {}), 404, "NOTFOUND")

    def test_stop_one_run(self):
        self.local()
        launch = self.launch(["slow.sh"])
        run = self.run_of(launch)
        self.assertEqual(self.call("POST", "/api/v1/runs/%d/stop" % run["id"], {}).status, 200)
        self.assertEqual(self.finished(launch)["tests"]["stopped"], 1)

    def test_a_client_that_leaves_harms_nobody(self):
        body = json.dumps({"project": self.repo, "files": ["ok.sh"]}).encode()
        for cut in (0.0, 0.001, 0.005, 0.02):
            for _ in range(5):
                s = socket.create_connection(self.host.rsplit(":", 1))
                s.sendall(b"POST /api/v1/launches HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\n\r\n" % (self.host.encode(), len(body)) + body)
                time.sleep(cut)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.close()
        self.assertEqual(self.call("GET", "/healthz").status, 200)

    # ---- live ----

    def stream(self, topics, **more):
        headers = more.pop("headers", None)
        query = urllib.parse.urlencode({"topics": topics, **more})
        stream = Stream(self.url + "/api/v1/stream?" + query, self.server.token, headers)
        self.addCleanup(stream.close)
        return stream

    def validate(self, events):
        for e in events:
            if e["event"] in ("launch", "server", "test", "run", "example"):
                schema = self.contract.document["components"]["schemas"][e["event"]]
                self.assertEqual(list(self.contract.problems(schema, e["json"], e["event"])), [])

    def test_stream_shows_a_launch_to_its_end(self):
        self.local()
        board = self.get("/api/v1/board")
        all_of_it = self.stream("servers,launches", since=board["rev"])
        launch = self.launch(["ok.sh", "bad.sh"])
        one = self.stream("launch:%d" % launch["id"])
        wrata.wait_for("its present state", lambda: one.named("launch"))
        self.finished(launch)
        wrata.wait_for("the end on the stream",
                       lambda: any(e["json"]["state"] == "done" for e in one.named("launch")))
        wrata.wait_for("the end on the other",
                       lambda: any(e["json"]["id"] == launch["id"] and e["json"]["state"] == "done"
                                   for e in all_of_it.named("launch")))
        last = [e["json"] for e in one.named("launch")][-1]
        self.assertEqual(last, self.get("/api/v1/launches/%d" % launch["id"]))
        wrata.wait_for("both runs", lambda: len({e["json"]["id"] for e in one.named("run")}) == 2)
        self.validate(one.events + all_of_it.events)
        wrata.wait_for("the server with its runs", lambda: all_of_it.named("server"))

    def test_stream_resumes_without_a_gap(self):
        self.local()
        first = self.stream("launches", since=self.get("/api/v1/board")["rev"])
        a = self.launch(["ok.sh"])
        self.finished(a)
        wrata.wait_for("the end", lambda: any(e["json"]["state"] == "done" for e in first.named("launch")))
        first.close()
        last_id = first.events[-1]["id"]
        b = self.launch(["ok.sh"])
        self.finished(b)
        second = self.stream("launches", headers={"Last-Event-ID": last_id})
        wrata.wait_for("what was missed",
                       lambda: any(e["json"]["id"] == b["id"] and e["json"]["state"] == "done"
                                   for e in second.named("launch")))
        self.assertEqual(second.named("reset"), [])
        revs = [int(e["id"].split("~")[0].rsplit("-", 1)[1]) for e in second.events]
        self.assertEqual(revs, sorted(revs))
        self.assertGreater(revs[0], int(last_id.rsplit("-", 1)[1]))

    def test_stream_says_when_it_cannot_resume(self):
        for since in ("0-1", "junk", self.get("/api/v1/board")["rev"] + "99"):
            stream = self.stream("servers", since=since)
            wrata.wait_for("a reset", lambda: stream.named("reset"))

    def test_stream_topics_are_checked(self):
        for bad in ("", "nothing", "launch:", "launch:1:some", "log:1@x", "servers,,", "log:1,log:1@5"):
            answer = self.call("GET", "/api/v1/stream?topics=" + bad)
            self.refused(answer, 422, "INVALID", "topics")

    def test_a_followed_log_has_no_gap_and_no_byte_twice(self):
        self.local()
        launch = self.launch(["umlaut.sh"])
        run = self.run_of(launch)
        streams = [self.stream("log:%d@0" % run["id"])]
        for _ in range(3):
            time.sleep(0.15)
            streams.append(self.stream("log:%d" % run["id"]))
        late = self.stream("log:%d@3" % run["id"])
        self.finished(launch)
        for s in [*streams, late]:
            wrata.wait_for("the end of the log", lambda: any(e["json"]["complete"] for e in s.named("log")))
        streams.append(self.stream("log:%d" % run["id"]))
        wrata.wait_for("a finished log", lambda: any(e["json"]["complete"] for e in streams[-1].named("log")))
        log = self.call("GET", "/api/v1/runs/%d/log" % run["id"]).body
        expected = "".join("gr\u00fcn %d\n" % i for i in range(40)) + "bad \ufffd end\ufffd"
        for s in streams:
            events = [e["json"] for e in s.named("log")]
            self.assertEqual("".join(e["text"] for e in events), expected)
            at = 0
            for e in events:
                self.assertEqual(e["from"], at)
                at = e["to"]
            self.assertEqual(at, len(log))
            self.assertEqual([e["complete"] for e in events], [False] * (len(events) - 1) + [True])
            self.assertTrue(s.events[-1]["id"].endswith("~%d@%d" % (run["id"], len(log))))
        self.assertEqual("".join(e["json"]["text"] for e in late.named("log")), "\ufffd" + expected[3:])

    def test_a_log_resumes_by_the_id_of_its_last_event(self):
        self.local()
        launch = self.launch(["ok.sh"])
        self.finished(launch)
        run = self.run_of(launch)
        rev = self.get("/api/v1/board")["rev"]
        again = self.stream("log:%d@0" % run["id"], headers={"Last-Event-ID": "%s~%d@4" % (rev, run["id"])})
        wrata.wait_for("its end", lambda: any(e["json"]["complete"] for e in again.named("log")))
        self.assertEqual([(e["json"]["from"], e["json"]["text"]) for e in again.named("log")], [(4, "two\n")])

    # ---- malformed requests ----

    def test_malformed_requests(self):
        h = b"Host: " + self.host.encode() + b"\r\n"
        get = b"GET /api/v1/status HTTP/1.1\r\n"
        post = b"POST /api/v1/servers HTTP/1.1\r\n" + h + b"Content-Type: application/json\r\n"
        end = b"\r\n"
        refused = {
            "content length and transfer encoding":
                post + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "transfer encoding and content length":
                post + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
            "two different lengths": post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
            "two equal lengths": post + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "a list of lengths": post + b"Content-Length: 2, 2\r\n\r\n{}",
            "a negative length": post + b"Content-Length: -2\r\n\r\n{}",
            "a signed length": post + b"Content-Length: +2\r\n\r\n{}",
            "a hex length": post + b"Content-Length: 0x2\r\n\r\n{}",
            "an empty length": post + b"Content-Length: \r\n\r\n{}",
            "a length too long to count": post + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
            "an unknown coding": post + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "two codings": post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "coding twice": post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "coding identity": post + b"Transfer-Encoding: identity\r\n\r\n",
            "no host": get + end,
            "two hosts": get + h + h + end,
            "an empty host": get + b"Host: \r\n" + end,
            "a list of hosts": get + b"Host: " + self.host.encode() + b", evil.example\r\n" + end,
            "a bare CR in a value": get + h + b"X-A: a\rb\r\n" + end,
            "a control character in a value": get + h + b"X-A: a\x01b\r\n" + end,
            "a blank before the colon": get + h + b"X-A : a\r\n" + end,
            "a bad character in a name": get + h + b"X(A): a\r\n" + end,
            "a version that is none": b"GET /api/v1/status HTTP/9.9\r\n" + h + end,
            "a target that is no path": b"GET api HTTP/1.1\r\n" + h + end,
            "a target with a high byte": b"GET /\xff HTTP/1.1\r\n" + h + end,
            "a chunk size that overflows":
                post + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            "a head of 100 KB": get + h + b"X-A: " + b"a" * 100000 + b"\r\n" + end,
            "not HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + end + end,
        }
        self.assertEqual(len(refused), 28)
        for name, data in refused.items():
            with self.subTest(name):
                answer = self.raw(data + get + h + end, seconds=2)
                status = answer[:12]
                self.assertNotIn(b" 200 ", answer, "the request after it was answered: the connection stayed open")
                self.assertTrue(status == b"" or status.startswith(b"HTTP/1.1 4") or status.startswith(b"HTTP/1.1 5"),
                                answer[:200])
        self.assertEqual(self.call("GET", "/healthz").status, 200)

    def test_a_plain_request_by_hand(self):
        answer = self.raw(b"GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % self.host.encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
        chunked = self.raw(b"POST /api/v1/servers HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                           b"Content-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"2\r\n{}\r\n0\r\n\r\n" % (self.host.encode(), self.server.token.encode()))
        self.assertTrue(chunked.startswith(b"HTTP/1.1 422 "), chunked)

    def test_mail_without_a_mail_server(self):
        refused = self.call("POST", "/api/v1/mails/test", {"to": "a@example.org"})
        self.refused(refused, 503, "BUSY")
        self.assertIn("smtp_host is not set", refused.json["error"]["message"])
        self.assertEqual(self.get("/api/v1/mails")["items"], [])
        self.assertEqual(self.get("/api/v1/mails?state=failed")["items"], [])
        self.refused(self.call("GET", "/api/v1/mails?state=lost"), 422, "INVALID", "state")
        self.refused(self.call("GET", "/api/v1/mails/1"), 404, "NOTFOUND")
        self.assertEqual(self.call("POST", "/api/v1/mails/retry").json, {"waiting": 0})

    def test_locations(self):
        names = [x["name"] for x in self.get("/api/v1/locations")["items"]]
        self.assertEqual(names, ["info us", "info eu", "info sg", "com us", "com eu", "com sg", "com org", "default"])
        answer = self.call("POST", "/api/v1/locations", {"name": "staging", "type": "own", "position": 2,
                                                         "url": "https://s.example.org", "health_url": "https://s.example.org/health"})
        self.assertEqual(answer.status, 201, answer.body)
        one = answer.json
        self.assertEqual((one["position"], one["type"], one["url"], one["used_at"]), (2, "own", "https://s.example.org", None))
        path = "/api/v1/locations/%d" % one["id"]
        moved = self.call("POST", path, {"position": 1}).json
        self.assertEqual((moved["position"], moved["name"], moved["health_url"]), (1, "staging", "https://s.example.org/health"))
        self.assertEqual([x["name"] for x in self.get("/api/v1/locations")["items"]], ["staging"] + names)
        self.refused(self.call("POST", "/api/v1/locations", {"name": "staging"}), 409, "CONFLICT", "name")
        for body, field in (({}, "name"), ({"name": "a  b"}, "name"), ({"name": "http://x"}, "name"), ({"name": "custom"}, "name"),
                            ({"name": "x", "url": "javascript:1"}, "url"), ({"name": "x", "health_url": "http://a:b@c"}, "health_url"),
                            ({"name": "x", "position": 0}, "position"), ({"name": "x", "archived": True}, None)):
            self.refused(self.call("POST", "/api/v1/locations", body), 422, "INVALID", field)
        self.assertTrue(self.call("POST", path, {"archived": True}).json["archived"])
        self.assertEqual([x["name"] for x in self.get("/api/v1/locations")["items"]], names)
        self.assertEqual(self.get("/api/v1/locations?archived=1")["items"][-1]["name"], "staging")
        self.assertEqual(self.get(path)["position"], 0)
        self.assertEqual(self.call("DELETE", path).json, {"archived": False})
        self.refused(self.call("GET", path), 404, "NOTFOUND")
        self.refused(self.call("DELETE", path), 404, "NOTFOUND")
        preset = next(x for x in self.get("/api/v1/locations")["items"] if x["preset"])
        self.refused(self.call("DELETE", "/api/v1/locations/%d" % preset["id"]), 409, "CONFLICT")

    def test_own_locations(self):
        for bad in ("ftp://x", "http://", "http://a b", "https://me:pw@x", "x"):
            self.refused(self.call("POST", "/api/v1/locations/own", {"url": bad}), 422, "INVALID", "url")
        for i in range(22):
            answer = self.call("POST", "/api/v1/locations/own", {"url": "https://%d.example.org/" % i})
            self.assertEqual(answer.status, 200, answer.body)
        own = [x["url"] for x in self.get("/api/v1/locations")["own"]]
        self.assertEqual((len(own), own[0]), (20, "https://21.example.org/"))
        gone = self.call("DELETE", "/api/v1/locations/own?url=" + urllib.parse.quote(own[0], safe=""))
        self.assertEqual([x["url"] for x in gone.json["own"]], own[1:])
        self.refused(self.call("DELETE", "/api/v1/locations/own?url=http%3A%2F%2Fx"), 422, "INVALID", "url")

    def test_browsers_and_languages(self):
        for things, first, bad in (("browsers", ["default", "chrome", "firefox"], "two words"),
                                   ("languages", ["cs-CZ", "de-DE", "en-US", "es-ES", "fr-FR", "it-IT", "pt-BR", "ru-RU"], "")):
            path = "/api/v1/" + things
            self.assertEqual([x["name"] for x in self.get(path)["items"]], first)
            answer = self.call("POST", path, {"name": "new-1", "preset": True})
            self.assertEqual(answer.status, 201, answer.body)
            self.assertEqual([x["name"] for x in self.get(path)["items"] if x["preset"]], ["new-1"])
            one = "%s/%d" % (path, answer.json["id"])
            self.refused(self.call("DELETE", one), 409, "CONFLICT")
            self.refused(self.call("POST", path, {"name": bad}), 422, "INVALID", "name")
            self.refused(self.call("POST", path, {"name": "x", "url": "http://x"}), 422, "INVALID")
            back = next(x for x in self.get(path)["items"] if x["name"] in ("default", "en-US"))
            self.assertEqual(self.call("POST", "%s/%d" % (path, back["id"]), {"preset": True, "name": back["name"]}).status, 200)
            self.assertEqual(self.get(one)["name"], "new-1")
            self.assertEqual(self.call("DELETE", one).json, {"archived": False})

    def test_lists_and_schedules(self):
        self.local()
        self.finished(self.launch(["ok.sh"]))
        made = self.call("POST", "/api/v1/lists", {"name": "l", "project": self.repo, "files": ["ok.sh"], "env": ["A=1"]})
        self.assertEqual(made.status, 201, made.body)
        path = "/api/v1/lists/%d" % made.json["id"]
        self.assertEqual(self.get(path)["files"], ["ok.sh"])
        self.assertEqual([x["name"] for x in self.get("/api/v1/lists")["items"]], ["l"])
        self.assertEqual(self.call("POST", path, {"shared": True}).json["shared"], True)
        self.refused(self.call("POST", path, {"version": 1}), 409, "CONFLICT", "version")
        launch = self.call("POST", path + "/launch", {"name": "by hand"}).json
        self.assertEqual((launch["name"], self.finished(launch)["outcome"]), ("by hand", "passed"))
        rule = {"name": "s", "list": "l", "kind": "weekly", "days": "mon,fri", "at": "02:30", "zone": "UTC"}
        made = self.call("POST", "/api/v1/schedules", rule)
        self.assertEqual(made.status, 201, made.body)
        one = "/api/v1/schedules/%d" % made.json["id"]
        self.assertEqual((self.get(one)["last"], self.get(one)["days"]), (None, "mon,fri"))
        self.assertEqual(self.finished(self.call("POST", one + "/run", {}).json)["name"], "l")
        self.assertEqual(self.get(one + "/starts")["items"][0]["result"], "started")
        self.assertEqual([x["last"]["result"] for x in self.get("/api/v1/schedules?all=1")["items"]], ["started"])
        self.assertFalse(self.call("POST", one, {"enabled": False}).json["enabled"])
        self.assertEqual(len(self.get("/api/v1/schedules/preview?kind=every&minutes=1&count=7")["items"]), 7)
        self.refused(self.call("DELETE", path), 409, "CONFLICT", "force")
        self.assertEqual(self.call("DELETE", one).json, {})
        self.assertEqual(self.call("DELETE", path).json, {})
        self.refused(self.call("DELETE", one), 404, "NOTFOUND")

    def test_artifacts_of_a_run_and_of_a_launch(self):
        launch = self.launch(["leaves.sh"], artifacts=["out/**"])
        self.assertEqual(self.finished(launch)["outcome"], "passed")
        run = self.get("/api/v1/runs?launch=%d" % launch["id"])["items"][0]
        of_run, of_launch = "/api/v1/runs/%d/artifacts" % run["id"], "/api/v1/launches/%d/artifacts" % launch["id"]
        found = self.get(of_run)["items"]
        self.assertEqual([(a["path"], a["bytes"], a["example"]) for a in found], [("out/a.txt", 4, None), ("out/b.bin", 1000, None)])
        self.assertEqual(self.get(of_launch)["items"], found)
        page = self.get(of_launch + "?limit=1")
        self.assertEqual((page["items"], self.get(of_launch + "?limit=1&cursor=" + page["next"])["items"]), (found[:1], found[1:]))
        self.assertEqual(self.get("/api/v1/artifacts"), {"runs": 1, "files": 2, "bytes": 1004})
        one = "/api/v1/artifacts/%d" % found[1]["id"]
        self.assertEqual(self.call("GET", one).body, bytes(1000))
        answer = self.call("HEAD", one)
        self.assertEqual((answer.status, answer.headers["Content-Length"], answer.body), (200, "1000", b""))
        part = self.call("GET", one, headers={"Range": "bytes=990-"})
        self.assertEqual((part.status, part.body), (206, bytes(10)))
        self.assertEqual(self.call("GET", one, headers={"If-None-Match": part.headers["ETag"]}).status, 304)
        self.refused(self.call("GET", one, headers={"Range": "bytes=1000-"}), 416, "INVALID")
        for path in (of_run, of_launch):
            self.assertEqual(self.call("GET", path + ".zip").body[:4], b"PK\x03\x04")
        self.refused(self.call("GET", "/api/v1/launches/999999/artifacts.zip"), 404, "NOTFOUND")
        self.refused(self.call("GET", "/api/v1/launches/999999/artifacts"), 404, "NOTFOUND")
        for artifact in found:
            self.assertEqual(self.call("DELETE", "/api/v1/artifacts/%d" % artifact["id"]).json, {})
        self.refused(self.call("DELETE", one), 404, "NOTFOUND")
        self.refused(self.call("GET", of_run + ".zip"), 404, "NOTFOUND", word="there are no artifacts of run %d" % run["id"])
        body = {"project": self.repo, "files": ["ok.sh"], "artifacts": ["fine", "a//b"]}
        self.refused(self.call("POST", "/api/v1/launches", body), 422, "INVALID", "artifacts", "artifacts[1]: 'a//b' has an empty name")

    def test_hooks_and_their_deliveries(self):
        body = {"name": "h", "url": "http://127.0.0.1:1/in", "kinds": ["launch_ended", "error"], "all": True}
        made = self.call("POST", "/api/v1/hooks", body)
        self.assertEqual(made.status, 201, made.body)
        self.assertRegex(made.json["secret"], r"\Awhsec_[A-Za-z0-9+/]{43}=\Z")
        one = "/api/v1/hooks/%d" % made.json["id"]
        self.assertEqual((self.get(one)["kinds"], self.get(one)["failures"], self.get(one)["last_at"]), (["launch_ended", "error"], 0, None))
        self.assertEqual([h["name"] for h in self.get("/api/v1/hooks?all=1")["items"]], ["h"])
        self.assertIsNone(self.call("POST", one, {"name": "i"}).json["secret"])
        self.assertNotEqual(self.call("POST", one, {"new_secret": True}).json["secret"], made.json["secret"])
        tried = self.call("POST", one + "/test")
        self.assertEqual((tried.status, tried.json["state"], tried.json["tries"], tried.json["status"]), (201, "waiting", 1, None), tried.body)
        self.assertEqual(json.loads(tried.json["body"])["kind"], "test")
        self.assertEqual(self.get(one)["failures"], 1)
        self.assertEqual([d["id"] for d in self.get(one + "/deliveries?state=waiting&limit=1")["items"]], [tried.json["id"]])
        self.assertEqual(self.get(one + "/deliveries?state=delivered")["items"], [])
        delivery = "/api/v1/deliveries/%d" % tried.json["id"]
        self.assertEqual(self.get(delivery)["hook"], made.json["id"])
        self.assertEqual(self.call("POST", delivery + "/retry").json["state"], "waiting")
        for wrong, field in (({"url": "https://10.0.0.1/"}, "url"), ({"url": "ftp://x/"}, "url"), ({"kinds": ["launch_endet"]}, "kinds"), ({"kinds": ["test"]}, "kinds"),
                             ({"kinds": []}, "kinds"), ({"project": 999}, "project"), ({"repository": "a/b"}, "repository"), ({"name": ""}, "name"), ({"type": "mail"}, "type"),
                             ({"all": False}, "kinds"), ({"url": "https://x.org/" + "x" * 2000}, "url")):
            self.refused(self.call("POST", "/api/v1/hooks", {**body, "name": "w", **wrong}), 422, "INVALID", field)
        self.refused(self.call("POST", "/api/v1/hooks", {**body, "name": "i"}), 409, "CONFLICT", "name")
        self.assertFalse(self.call("POST", one, {"enabled": False}).json["enabled"])
        self.refused(self.call("POST", one + "/test"), 409, "CONFLICT")
        self.refused(self.call("POST", delivery + "/retry"), 409, "CONFLICT")
        self.assertEqual(self.call("DELETE", one).json, {})
        for path in (one, one + "/deliveries", delivery):
            self.refused(self.call("GET", path), 404, "NOTFOUND")

    def test_zz_most_routes_were_held_against_the_document(self):
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item}
        missing = {r for r in routes - self.contract.used if r[1].startswith("/api/") and not ACCOUNTS.match(r[1])
                   and not QUEUE.match(r[1]) and not SERVERS.match(r[1]) and not COST.match(r[1]) and not HISTORY.match(r[1])
                   and not CAUSES.match(r[1])}
        missing = {r for r in missing if not GOING.match(r[1]) and (r[0] != "DELETE" or r[1] not in ("/api/v1/runs/{run}", "/api/v1/launches/{launch}"))}
        if len(self.contract.used) > 10:
            self.assertEqual(missing, set())


if __name__ == "__main__":
    unittest.main(verbosity=1)
