"""The command line against a server that is made up: it speaks docs/http-api.md and does what a test asks of it.

Real git, real sockets, a real terminal where one matters; only the server's answers are invented. What needs the
real server is in test_cli_real.py."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
import urllib.parse
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from ports import free_port  # noqa: E402

WRATA = os.environ.get("WRATA_BIN", "build/test/wrata")
SOURCE = os.environ.get("WRATA_SOURCE", ".")
T = "2026-11-23T02:49:53.120Z"
DEADLINE_S = 120


def git(*args, cwd=None, **env):
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    done = subprocess.run(["git", *args], cwd=cwd, env={**os.environ, **who, **env}, capture_output=True, check=True)
    return done.stdout.decode()


class Fake:
    """What the server knows; `outcomes` says how a file ends, by its path: (outcome, examples)."""

    def __init__(self, folder):
        self.folder = folder
        self.projects, self.servers, self.launches = [], [], {}
        self.asked = []          # (method, path, body)
        self.outcomes = {}
        self.holds = False       # runs go on until somebody stops the launch
        self.cut_after = None    # events after which the stream breaks, once
        self.forget_ids = False  # answer a resumed stream with `reset`
        self.logs = {}
        self.refuse = None       # (status, error) for POST /launches
        self.pace_s = 0.005
        self.lock = threading.Condition()
        self.httpd = None
        self.start(free_port())  # it may be stopped, and started again

    def start(self, port):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes

            def log_message(self, *args):
                pass

            def do_GET(self):
                fake.handle(self, "GET")

            def do_POST(self):
                fake.handle(self, "POST")

            def do_DELETE(self):
                fake.handle(self, "DELETE")

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, address):
                pass

        self.up = True
        self.httpd = Server(("127.0.0.1", port), Handler)
        self.port = self.httpd.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        with self.lock:
            self.up = False
            self.lock.notify_all()
        self.httpd.shutdown()
        self.httpd.server_close()

    # ---- objects ----

    def repo(self, project):
        path = os.path.join(self.folder, f"p{project}.git")
        if not os.path.isdir(path):
            git("init", "-q", "--bare", path)
        return path

    def make_launch(self, body):
        number = len(self.launches) + 1
        files = []
        if isinstance(body["project"], int):
            tree = git("ls-tree", "-r", "-z", "--name-only", body["ref"], cwd=self.repo(body["project"])).split("\0")
        else:
            tree = []
        for pattern in body["files"]:
            base = re.sub(r"(\[[\d:,]+\]|(:\d+)+)$", "", pattern)
            if pattern == "." or pattern.endswith("/"):
                files += sorted(f for f in tree if f and (pattern == "." or f.startswith(pattern)))
            elif tree and base not in tree:
                rx = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
                files += sorted(f for f in tree if re.fullmatch(rx, f))
            else:
                files.append(pattern)
        launch = {"id": number, "name": body["name"], "state": "running", "outcome": None, "reason": "",
                  "project": {"id": 1, "name": "p"}, "ref": body.get("ref", ""), "commit": "4e1c" * 10,
                  "order": body["order"], "created_at": T, "started_at": T, "ended_at": None,
                  "tests": {"total": len(files), "waiting": len(files), "running": 0, "passed": 0, "failed": 0,
                            "error": 0, "no_tests": 0, "timed_out": 0, "stopped": 0, "infrastructure": 0},
                  "examples": {"discovered": 0, "passed": 0, "failed": 0, "pending": 0, "not_run": 0, "errors": 0}, "eta_ms": 1000}
        self.launches[number] = {"launch": launch, "tests": [], "runs": [], "examples": [], "events": [], "body": body}
        for i, path in enumerate(files):
            self.launches[number]["tests"].append(
                {"id": number * 1000 + i, "launch": number, "path": path, "state": "waiting", "outcome": None,
                 "attempts": 0, "run": None, "why": ""})
        threading.Thread(target=self.play, args=(number,), daemon=True).start()
        return launch

    def event(self, number, name, data):
        with self.lock:
            events = self.launches[number]["events"]
            events.append((f"e-{len(events) + 1}", name, json.dumps(data)))
            self.lock.notify_all()

    def play(self, number):
        """Run the launch: the events of each file, one after the other."""
        l = self.launches[number]
        for test in l["tests"]:
            time.sleep(self.pace_s)
            outcome, examples = self.outcomes.get(test["path"], ("passed", []))
            while self.holds and l["launch"]["state"] != "stopping":
                time.sleep(0.01)
            if l["launch"]["state"] == "stopping":
                outcome, examples = "stopped", []
            self.finish(l, test, outcome, examples)
        worst = ["passed", "stopped", "no_tests", "failed", "timed_out", "error", "infrastructure"]
        l["launch"]["outcome"] = max((t["outcome"] for t in l["tests"]), key=worst.index)
        l["launch"].update(state="done", ended_at=T, eta_ms=None)
        self.event(number, "launch", l["launch"])

    def finish(self, l, test, outcome, examples):
        number, counts = l["launch"]["id"], l["launch"]["tests"]
        run = {"id": test["id"] + 500000, "launch": number, "test": test["id"], "attempt": 1, "path": test["path"],
               "server": {"id": 1, "name": "local-1"}, "slot": 0, "state": "running", "outcome": None, "reason": "",
               "exit_code": None, "signal": None, "created_at": T, "started_at": T, "ended_at": None,
               "duration_ms": None, "cpu_ms": None, "max_rss_kib": None, "log_bytes": 0, "commit": "4e1c" * 10,
               "examples": {"discovered": 0, "passed": 0, "failed": 0, "pending": 0, "not_run": 0, "errors": 0}}
        l["runs"].append(run)
        test.update(state="running", run=run["id"], attempts=1)
        counts["waiting"] -= 1
        counts["running"] += 1
        self.event(number, "run", run)
        self.event(number, "test", test)
        for seq, e in enumerate(examples):
            e = {"run": run["id"], "seq": seq, "id": f"./{test['path']}[1:{seq + 1}]", "path": ["A thing", "does it"],
                 "file": "./" + test["path"], "line": 3, "status": "passed", "duration_ms": 1.5, "exception": "",
                 "message": "", "backtrace": [], "pending": None, **e}
            l["examples"].append(e)
            for c in (run["examples"], l["launch"]["examples"]):
                c["discovered"] += e["status"] != "error"
                c[e["status"] if e["status"] != "error" else "errors"] += 1
            if e["status"] != "passed":
                self.event(number, "example", e)
        run.update(state="done", outcome=outcome, reason=f"it came to {outcome}", duration_ms=1423, ended_at=T,
                   exit_code=0 if outcome == "passed" else 1)
        test.update(state="done", outcome=outcome)
        counts["running"] -= 1
        counts[outcome] += 1
        self.event(number, "test", test)
        self.event(number, "run", run)
        self.event(number, "launch", l["launch"])

    # ---- HTTP ----

    def handle(self, h, method):
        url = urllib.parse.urlsplit(h.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = h.rfile.read(int(h.headers.get("Content-Length") or 0))
        with self.lock:
            self.asked.append((method, h.path, body))
        try:
            if url.path == "/healthz":
                return self.send(h, 200, b"ok", "text/plain")
            if url.path == "/api/v1/stream":
                return self.stream(h, query)
            log = re.fullmatch(r"/api/v1/runs/(\d+)/log", url.path)
            if log:
                return self.log(h, int(log[1]), query)
            status, answer = self.answer(method, url.path, query, body)
            self.send(h, status, json.dumps(answer).encode())
        except (BrokenPipeError, ConnectionResetError):
            pass
        except Exception as e:  # a test reads it in the error of the command
            self.send(h, 500, json.dumps({"error": {"code": "IO", "message": f"fake: {e!r}"}}).encode())

    def send(self, h, status, body, kind="application/json", **headers):
        h.send_response(status)
        h.send_header("Content-Type", kind)
        h.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            h.send_header(k.replace("_", "-"), str(v))
        h.end_headers()
        h.wfile.write(body)

    def page(self, items, query):
        """Pages of three, so that paging is used."""
        at = int(query.get("cursor") or 0)
        rest = items[at + 3:]
        return 200, {"items": items[at:at + 3], "next": str(at + 3) if rest else None}

    def answer(self, method, path, query, body):
        parts = path.split("/")[3:]
        what, number = parts[0], int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None
        rest = parts[2] if len(parts) > 2 else None
        bad = lambda status, code, message, field=None: (
            status, {"error": {"code": code, "message": message, "field": field, "request_id": "r"}})
        if what in ("servers", "projects") and number is None:
            items = self.servers if what == "servers" else self.projects
            if method == "GET":
                return self.page(items, query)
            new = json.loads(body)
            if any(i["name"] == new["name"] for i in items):
                return bad(409, "CONFLICT", f"name: '{new['name']}' is taken", "name")
            new = {"id": len(items) + 1, "address": "", "user": "", "link": "online", "reason": "", "running": [],
                   "refreshed_at": None, "error": None, **new}
            items.append(new)
            return 201, new
        if what == "servers" and method == "POST":
            one = next(i for i in self.servers if i["id"] == number)
            one.update(json.loads(body))
            return 200, one
        if what in ("servers", "projects") and method == "DELETE":
            items = self.servers if what == "servers" else self.projects
            items[:] = [i for i in items if i["id"] != number]
            return 200, {}
        if what == "projects" and rest == "bundle":
            path = os.path.join(self.folder, "b")
            with open(path, "wb") as f:
                f.write(body)
            git("fetch", "-q", path, "+refs/heads/*:refs/wrata/*", cwd=self.repo(number))
            return 200, {"commits": []}
        if what == "projects" and rest == "tree":
            try:
                files = git("ls-tree", "-r", "-z", "--name-only", query["ref"], cwd=self.repo(number)).split("\0")
                return 200, {"commit": query["ref"], "files": files[:-1]}
            except subprocess.CalledProcessError:
                return bad(404, "NOTFOUND", "ref: there is no such thing", "ref")
        if what == "launches" and number is None:
            if method == "GET":
                return self.page([l["launch"] for l in reversed(self.launches.values())], query)
            if self.refuse:
                return bad(*self.refuse)
            return 201, self.make_launch(json.loads(body))
        if what == "launches":
            if number not in self.launches:
                return bad(404, "NOTFOUND", f"launch: there is no launch {number}", "launch")
            l = self.launches[number]
            if rest == "stop":
                if l["launch"]["state"] == "running":
                    l["launch"]["state"] = "stopping"
                return 200, l["launch"]
            if rest == "tests":
                return self.page([t for t in l["tests"] if query.get("state") in (None, t["state"])], query)
            if rest == "examples":
                wanted = query["status"].split(",") if "status" in query else None
                return self.page([e for e in l["examples"] if not wanted or e["status"] in wanted], query)
            return 200, l["launch"]
        if what == "runs" and number is None:
            return self.page(list(reversed(self.launches[int(query["launch"])]["runs"])), query)
        if what == "status":
            return 200, {"version": "0.1.0", "instance": "i", "started_at": T, "data": "/d",
                         "servers": {"total": 0, "online": 0, "slots": 0, "busy": 0}, "launches": {"running": 0},
                         "tests": {"waiting": 0, "running": 0}}
        return bad(404, "NOTFOUND", f"no such route: {path}")

    def log(self, h, run, query):
        data, complete = self.logs.get(run, (b"", True))
        if "tail" in query:
            start, end = max(0, len(data) - int(query["tail"])), len(data)
        else:
            start = min(int(query.get("from", 0)), len(data))
            end = min(len(data), start + min(int(query.get("max", 262144)), 7))  # small pieces, on purpose
        self.send(h, 200, data[start:end], "text/plain", X_Log_From=start, X_Log_To=end, X_Log_Size=len(data),
                  X_Log_Complete=int(complete and end == len(data)))

    def stream(self, h, query):
        topic, _, number = query["topics"].partition(":")
        h.send_response(200)
        h.send_header("Content-Type", "text/event-stream")
        h.send_header("Connection", "close")
        h.end_headers()
        h.close_connection = True
        if topic == "log":
            return self.stream_log(h, int(number.split("@")[0]))
        l = self.launches[int(number)]
        last = h.headers.get("Last-Event-ID") or query.get("since")
        at = int(last[2:]) if last and not self.forget_ids else len(l["events"])
        if last is None:
            self.write_event(h, f"e-{at}", "launch", json.dumps(l["launch"]))
        elif self.forget_ids:
            h.wfile.write(b"event: reset\ndata: {}\n\n")
        h.wfile.write(b": ping\n\n")
        while True:
            with self.lock:
                self.lock.wait_for(lambda: len(l["events"]) > at or not self.up, timeout=1)
                if not self.up:
                    return
                news = l["events"][at:]
            for event in news:
                if self.cut_after is not None and at >= self.cut_after:
                    self.cut_after = None
                    return
                self.write_event(h, *event)
                at += 1

    def stream_log(self, h, run):
        for _ in range(200):
            data, complete = self.logs[run]
            self.write_event(h, "x", "log", json.dumps({"run": run, "from": 0, "to": len(data), "text": "?",
                                                        "complete": complete}))
            if complete:
                return
            time.sleep(0.02)

    def write_event(self, h, rev, name, data):
        h.wfile.write(f"id: {rev}\nevent: {name}\ndata: {data}\n\n".encode())
        h.wfile.flush()


class CliTest(unittest.TestCase):
    def setUp(self):
        self.tmp = os.path.realpath(tempfile.mkdtemp(prefix="wrata-cli-"))
        self.addCleanup(shutil.rmtree, self.tmp, ignore_errors=True)
        os.mkdir(os.path.join(self.tmp, "fake"))
        self.fake = Fake(os.path.join(self.tmp, "fake"))
        self.addCleanup(lambda: self.fake.up and self.fake.stop())
        self.data = os.path.join(self.tmp, "data")
        self.work = os.path.join(self.tmp, "my project")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("WRATA_", "GIT_", "NO_COLOR"))}
        self.env.update(WRATA_DATA=self.data, HOME=self.tmp, LC_ALL="C.UTF-8", TMPDIR=self.tmp, TERM="xterm")
        for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if k in os.environ:
                self.env[k] = os.environ[k]

    def popen(self, *args, **streams):
        p = subprocess.Popen(self.command(*args), cwd=self.work_or_tmp(), env=self.env, **streams)
        for stream in (p.stdout, p.stderr):
            if stream:
                self.addCleanup(stream.close)
        self.addCleanup(lambda: p.poll() is None and p.kill())
        return p

    def command(self, *args, url=True):
        return [os.path.abspath(WRATA), *(["--url", self.fake.url] if url is True else []), *args]

    def wrata(self, *args, code=0, cwd=None, url=True, **env):
        done = subprocess.run(self.command(*args, url=url), cwd=cwd or self.work_or_tmp(), env={**self.env, **env},
                              capture_output=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
        done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if code is not None:
            self.assertEqual(done.returncode, code, done.out + done.err)
        return done

    def work_or_tmp(self):
        return self.work if os.path.isdir(self.work) else self.tmp

    def project(self, *names, commit=True):
        os.makedirs(self.work, exist_ok=True)
        for name in names:
            path = os.path.join(self.work, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(f"echo {name!r}\n")
        if commit:
            git("init", "-q", cwd=self.work)
            git("add", "-A", cwd=self.work)
            git("commit", "-qm", "one", cwd=self.work)
        self.fake.servers.append({"id": 1, "name": "box", "fleet": "local", "slots": 2, "address": "", "user": "",
                                  "link": "online", "reason": "", "running": []})

    def body(self, n=-1):
        """What the n-th launch was asked for."""
        return list(self.fake.launches.values())[n]["body"]

    def show(self, path, n=-1):
        b = self.body(n)
        return git("show", f"{b['ref']}:{path}", cwd=self.fake.repo(b["project"]))

    def count(self, method, ending):
        return sum(1 for m, p, _ in self.fake.asked if m == method and p.endswith(ending))


class Arguments(CliTest):
    def test_unknown_words_suggest_the_nearest(self):
        for args, text in [(["rnu"], "did you mean 'run'?"), (["run", "--timout", "3s"], "did you mean --timeout?"),
                           (["servers", "ad", "x"], "did you mean 'add'?"), (["help", "lunches"], "'launches'"),
                           (["run", "-Z"], "no option -Z"), (["--colour", "x"], "--color")]:
            self.assertIn(text, self.wrata(*args, code=2).err)

    def test_bad_values_name_the_option_and_say_what_is_right(self):
        for args, text in [(["-t", "10"], "--timeout: '10'"), (["-s", "0"], "--slots: '0'"),
                           (["-s", "2x"], "--slots: '2x' is not a number from 1 to 256"),
                           (["--order", "fast"], "--order: 'fast' is none of finish-soonest|as-given"),
                           (["--env", "1A=b"], "--env: '1A=b' is not NAME=VALUE"), (["--ref", "x"], "needs --project"),
                           (["--junit", "no/such/x.xml"], "--junit: no/such/x.xml"), (["x.sh", "--retries"], "needs a value"),
                           (["--no-follow=1"], "takes no value"), (["--dir", ".", "--project", "x"], "exclude")]:
            with self.subTest(args):
                self.assertIn(text, self.wrata("run", *([] if "x.sh" in args else ["x.sh"]), *args, code=2).err)
        self.assertIn("which files?", self.wrata("run", code=2).err)
        self.assertEqual(self.fake.asked, [])

    def test_help_and_version_need_no_server(self):
        self.fake.stop()
        self.assertIn("Commands:", self.wrata("help").out)
        self.assertIn("--timeout", self.wrata("run", "--help").out)
        self.assertIn("--listen", self.wrata("serve", "-h").out)
        self.assertRegex(self.wrata("version").out, r"^wrata \d+\.\d+")
        self.assertIn("Commands:", self.wrata(code=2).out)

    def test_documents_are_what_the_tables_say(self):
        for args, name in [(["man"], "packaging/wrata.1"), (["help", "--markdown"], "docs/cli.md")]:
            with open(os.path.join(SOURCE, name)) as f:
                self.assertEqual(f.read(), self.wrata(*args).out, f"make it again: wrata {' '.join(args)} > {name}")

    def test_no_server(self):
        self.fake.stop()
        self.assertIn("no server answers at", self.wrata("status", code=3).err)
        self.assertIn("start one with `wrata serve`", self.wrata("status", code=3, url=False).err)
        self.assertIn("not a URL", self.wrata("--url", "ftp://x", "status", code=2, url=False).err)

    def test_another_server_at_the_url_is_noticed(self):
        self.fake.send_real = self.fake.send
        self.fake.send = lambda h, status, body, *a, **k: self.fake.send_real(h, status, b"<html>", *a, **k)
        self.assertIn("not a wrata server", self.wrata("status", code=3).err)


class Lists(CliTest):
    def test_empty_lists_say_what_to_do_next(self):
        self.assertIn("wrata run", self.wrata("launches").out)
        self.assertIn("wrata servers add", self.wrata("servers").out)
        self.assertIn("wrata projects add", self.wrata("projects", "list").out)
        self.assertIn("wrata servers add", self.wrata("status").out)

    def test_servers(self):
        self.wrata("servers", "add", "one", "--slots", "4")
        self.wrata("servers", "add", "two", "--address", "10.0.0.7", "--user", "qa", "--port", "2222")
        self.assertEqual([(s["name"], s["fleet"], s["slots"]) for s in self.fake.servers],
                         [("one", "local", 4), ("two", "ssh", 1)])
        out = self.wrata("servers").out.splitlines()
        self.assertEqual(len({line.index(w) for line, w in zip(out, ["FLEET", "local", "ssh"])}), 1, out)
        self.assertIn("qa@10.0.0.7", out[2])
        self.assertEqual(json.loads(self.wrata("servers", "--json").out)["items"][1]["port"], 2222)
        self.assertIn("is taken", self.wrata("servers", "add", "one", code=2).err)
        self.assertIn("did you mean 'two'", self.wrata("servers", "remove", "twoo", code=2).err)
        self.assertIn("--address is needed", self.wrata("servers", "add", "x", "--fleet", "ssh", code=2).err)
        self.assertIn("what is to change", self.wrata("servers", "edit", "two", code=2).err)
        self.assertIn("is changed", self.wrata("servers", "edit", "two", "--rename", "zwei", "--slots", "3", "--user", "").out)
        self.assertEqual([self.fake.servers[1][k] for k in ("name", "slots", "user", "address", "port")], ["zwei", 3, "", "10.0.0.7", 2222])
        self.wrata("servers", "remove", "zwei")
        self.assertEqual(len(self.fake.servers), 1)

    def test_text_of_the_server_cannot_command_the_terminal(self):
        self.fake.servers.append({"id": 1, "name": "a\x1b[2Jb\u202e", "fleet": "local", "slots": 1, "address": "",
                                  "user": "", "status": "created", "link": "lost", "reason": "x\r\ny\x07", "running": []})
        out = self.wrata("servers").out
        self.assertIn(r"a\x1b[2Jb\u202e", out)
        self.assertIn(r"lost: x\r\ny\x07", out)

    def test_launches_show_and_stop(self):
        self.project("a.sh", "b.sh")
        self.fake.outcomes["b.sh"] = ("failed", [])
        self.wrata("run", "a.sh", "b.sh", "--name", "night", code=1)
        self.assertRegex(self.wrata("launches").out, r"1 +✗ failed +2/2 +1 +p +.* ago +night")
        out = self.wrata("show", "1").out
        self.assertIn("b.sh", out)
        self.assertNotIn("a.sh", out)
        self.assertIn("a.sh", self.wrata("show", "--all", "1").out)
        self.assertIn("no launch 9", self.wrata("show", "9", code=2).err)
        self.assertIn("launch: 'x'", self.wrata("stop", "x", code=2).err)
        self.assertEqual(self.wrata("stop", "1").out, "launch 1: done\n")


class Run(CliTest):
    def test_passes(self):
        self.project("a.sh", "spec/b_spec.rb")
        self.fake.outcomes["spec/b_spec.rb"] = ("passed", [{}, {"status": "pending", "pending": "later"}])
        out = self.wrata("run", "a.sh", "spec", "-e", "X=1", "-t", "90s", "--order", "as-given").out
        self.assertRegex(out, r"✓ passed +a\.sh  1\.4s  local-1")
        self.assertRegex(out, r"✓ passed +spec/b_spec\.rb  2 examples, 1 pending  1\.4s  local-1")
        self.assertRegex(out, r"✓ passed  launch 1  2 files: 2 passed")
        self.assertNotIn("\x1b", out)
        b = self.body()
        self.assertEqual((b["files"], b["env"], b["time_limit_s"], b["order"]), (["a.sh", "spec/"], ["X=1"], 90, "as-given"))
        self.assertFalse({"retries", "silence_limit_s"} & b.keys(), "what was not given is the server's to say")

    def test_failures_are_told_with_how_to_run_them_again(self):
        self.project("spec/b_spec.rb", "c.sh", "d_spec.rb")
        self.fake.outcomes.update({
            "spec/b_spec.rb": ("failed", [{}, {"status": "failed", "exception": "RSpec::X",
                                               "message": "\n  expected \x1b[31m1\ngot 2",
                                               "backtrace": ["/usr/lib/ruby/gems/3/x.rb:1:in `y'",
                                                             "./spec/b_spec.rb:9:in `block'"]}]),
            "c.sh": ("failed", []), "d_spec.rb": ("no_tests", [])})
        self.fake.logs[501001] = (b"one\ntwo \x1b[2J\n", True)
        out = self.wrata("run", ".", code=1).out
        self.assertIn("1) c.sh: failed", self.order(out, "d_spec.rb: no tests"))
        self.assertIn("RSpec::X:   expected \\x1b[31m1\n     got 2\n", out)
        self.assertLess(out.index("# ./spec/b_spec.rb:9"), out.index("# /usr/lib/ruby"))
        self.assertIn("wrata run --url", out)
        self.assertIn("'spec/b_spec.rb[1:2]'", out)
        self.assertIn("◌ no tests   d_spec.rb  0 examples", out)
        self.assertIn("3 files: 2 failed, 1 no tests", out)

    def order(self, out, last):
        return out[:out.index(last)]

    def test_log_tail_of_a_failed_script_is_shown(self):
        self.project("c.sh")
        self.fake.outcomes["c.sh"] = ("failed", [])
        self.fake.logs[501000] = (b"one\ntwo \x1b[2J\n", True)
        self.assertIn("     | one\n     | two \\x1b[2J\n", self.wrata("run", "c.sh", code=1).out)

    def test_exit_codes(self):
        self.project("a.sh")
        for outcome, code in [("passed", 0), ("failed", 1), ("error", 1), ("no_tests", 1), ("timed_out", 1),
                              ("stopped", 1), ("infrastructure", 3)]:
            with self.subTest(outcome):
                self.fake.outcomes["a.sh"] = (outcome, [])
                self.wrata("run", "a.sh", code=code)

    def test_refusal_of_the_server_is_its_own_sentence(self):
        self.project("a.sh")
        self.fake.refuse = (422, "INVALID", "there is no branch 'develp'", "ref")
        self.assertEqual(self.wrata("run", "--project", "docs", "--ref", "develp", "x", code=2).err,
                         "wrata: ref: there is no branch 'develp'\n")

    def test_project_needs_no_work_tree_and_no_upload(self):
        self.project("a.sh")
        self.wrata("run", "--project", "https://example.org/d.git", "--ref", "develop", "spec/x_spec.rb", cwd="/")
        self.assertEqual((self.body()["project"], self.body()["ref"], self.body()["files"]),
                         ("https://example.org/d.git", "develop", ["spec/x_spec.rb"]))
        self.assertEqual(self.count("POST", "/bundle"), 0)

    def test_no_follow(self):
        self.project("a.sh")
        self.fake.holds = True
        self.assertIn("launch 1: 1 file", self.wrata("run", "--no-follow", "a.sh").out)

    def test_json_is_one_object_a_line_and_nothing_else(self):
        self.project("a.sh", "b.sh")
        self.fake.outcomes["b.sh"] = ("failed", [{"status": "failed"}])
        done = self.wrata("run", "--json", ".", code=1)
        events = [json.loads(line) for line in done.out.splitlines()]
        self.assertEqual(events[-1], {"event": "end", "data": {"launch": 1, "outcome": "failed", "exit_code": 1}})
        done_tests = [e["data"]["path"] for e in events if e["event"] == "test" and e["data"]["state"] == "done"]
        self.assertEqual(done_tests, ["a.sh", "b.sh"])
        self.assertEqual(sum(e["event"] == "example" for e in events), 1)
        self.assertEqual(done.err, "")

    def test_junit(self):
        self.project("a.sh", "s_spec.rb", "n_spec.rb")
        self.fake.outcomes.update({
            "s_spec.rb": ("failed", [{}, {"status": "failed", "message": "<b>&\x1b]0;x\x07\nü", "exception": "E"},
                                     {"status": "pending", "pending": "später"}, {"status": "error", "id": ""}]),
            "n_spec.rb": ("no_tests", [])})
        out = os.path.join(self.tmp, "out.xml")
        self.wrata("run", "--junit", out, ".", code=1)
        root = ET.parse(out).getroot()
        suites = {s.get("name"): s for s in root}
        self.assertEqual(set(suites), {"a.sh", "s_spec.rb", "n_spec.rb"})
        s = suites["s_spec.rb"]
        self.assertEqual([s.get(k) for k in ("tests", "failures", "errors", "skipped")], ["4", "1", "1", "1"])
        self.assertIn("<b>&", s.find("testcase/failure").text)
        self.assertIn("\ufffd]0;x\ufffd\nü", s.find("testcase/failure").text)
        self.assertEqual(suites["n_spec.rb"].find("testcase/error").get("type"), "no_tests")
        self.assertIsNone(suites["a.sh"].find("testcase/*"))
        self.assertEqual(os.stat(out).st_mode & 0o111, 0)
        self.assertEqual([f for f in os.listdir(self.tmp) if f.startswith("out.xml.")], [])

    def test_servers_and_slots(self):
        self.project("a.sh")
        self.fake.servers.append({**self.fake.servers[0], "id": 2, "name": "far", "link": "lost"})
        self.wrata("run", "-s", "2", "a.sh")
        self.assertEqual(self.body()["servers"], ["box"])
        self.wrata("run", "-s", "3", "a.sh")
        self.assertEqual(self.body()["servers"], ["box", "far"])
        self.wrata("run", "a.sh")
        self.assertNotIn("servers", self.body())
        self.assertIn("only 4", self.wrata("run", "-s", "5", "a.sh", code=2).err)
        self.assertIn("no server 'nox'", self.wrata("run", "--servers", "box,nox", "a.sh", code=2).err)

    def test_a_closed_pipe_does_not_change_the_result(self):
        self.project(*[f"f{i}.sh" for i in range(30)])
        self.fake.outcomes["f7.sh"] = ("failed", [])
        p = self.popen("run", ".", stdout=subprocess.PIPE)
        p.stdout.readline()
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE_S), 1)

    def test_many_files(self):
        self.fake.pace_s = 0
        self.project(*[f"d/f{i:03}.sh" for i in range(300)])
        out = self.wrata("run", "d").out
        self.assertEqual(len(re.findall(r"✓ passed +d/f\d+\.sh", out)), 300)


class Snapshot(CliTest):
    def test_uncommitted_and_untracked_files_go_along_ignored_ones_do_not(self):
        self.project("a.sh", ".gitignore")
        for name, text in [(".gitignore", "*.tmp\n"), ("a.sh", "changed\n"), ("new.sh", "new\n"), ("x.tmp", "x")]:
            with open(os.path.join(self.work, name), "w") as f:
                f.write(text)
        before = self.fingerprint()
        self.wrata("run", "a.sh", "new.sh")
        self.assertEqual((self.show("a.sh"), self.show("new.sh")), ("changed\n", "new\n"))
        self.assertRaises(subprocess.CalledProcessError, self.show, "x.tmp")
        self.assertEqual(self.fingerprint(), before)
        self.assertIn("git ignores it", self.wrata("run", "x.tmp", code=2).err)

    def fingerprint(self):
        """Every file of the repository with its content."""
        out = {}
        for folder, _, files in os.walk(os.path.join(self.work, ".git")):
            for f in files:
                with open(os.path.join(folder, f), "rb") as h:
                    out[os.path.join(folder, f)] = h.read()
        return out

    def test_an_unchanged_tree_is_not_sent_again_and_a_changed_one_as_a_difference(self):
        self.project("a.sh")
        with open(os.path.join(self.work, "big.bin"), "wb") as f:
            f.write(os.urandom(1 << 20))
        git("add", "-A", cwd=self.work)
        git("commit", "-qm", "big", cwd=self.work)
        sizes = lambda: [len(b) for m, p, b in self.fake.asked if p.endswith("/bundle")]
        self.wrata("run", "a.sh")
        self.wrata("run", "a.sh")
        self.assertEqual(len(sizes()), 1)
        self.assertEqual(self.body(0)["ref"], self.body(1)["ref"])
        with open(os.path.join(self.work, "a.sh"), "w") as f:
            f.write("echo other\n")
        self.wrata("run", "a.sh")
        self.assertEqual(len(sizes()), 2)
        self.assertLess(sizes()[1], 4096)
        git("commit", "-qam", "more", cwd=self.work)
        self.wrata("run", "a.sh")
        self.assertEqual(len(sizes()), 2, "the same tree, committed now")

    def test_a_folder_that_is_no_repository(self):
        self.project("a.sh", "sub/b.sh", "x.tmp", ".gitignore", commit=False)
        with open(os.path.join(self.work, ".gitignore"), "w") as f:
            f.write("*.tmp\n")
        self.wrata("run", "sub/b.sh")
        self.assertIn("b.sh", self.show("sub/b.sh"))
        self.assertRaises(subprocess.CalledProcessError, self.show, "x.tmp")
        self.assertFalse(os.path.exists(os.path.join(self.work, ".git")))
        self.assertIn("too much", self.wrata("run", "x", cwd=self.tmp, code=2).err)

    def test_a_repository_without_a_commit_a_shallow_one_and_a_work_tree(self):
        self.project("a.sh", commit=False)
        git("init", "-q", cwd=self.work)
        self.wrata("run", "a.sh")
        git("add", "-A", cwd=self.work)
        git("commit", "-qm", "1", cwd=self.work)
        git("commit", "-qm", "2", "--allow-empty", cwd=self.work)
        shallow, tree = os.path.join(self.tmp, "shallow"), os.path.join(self.tmp, "tree")
        git("clone", "-q", "--depth", "1", "file://" + self.work, shallow)
        git("worktree", "add", "-q", tree, "-b", "b", cwd=self.work)
        for folder in (shallow, tree):
            with open(os.path.join(folder, "a.sh"), "w") as f:
                f.write(folder)
            self.wrata("run", "a.sh", cwd=folder)
            self.assertEqual(self.show("a.sh"), folder)

    def test_paths_are_those_of_the_current_folder(self):
        self.project("top.sh", "spec/a_spec.rb", "spec/deep/b_spec.rb")
        spec = os.path.join(self.work, "spec")
        self.wrata("run", "a_spec.rb:12", "deep", "../top.sh", "a_spec.rb[1:2]", "**/*_spec.rb", cwd=spec)
        self.assertEqual(self.body()["files"], ["spec/a_spec.rb:12", "spec/deep/", "top.sh", "spec/a_spec.rb[1:2]",
                                                "spec/**/*_spec.rb"])
        self.wrata("run", "--dir", self.work, "spec/a_spec.rb", os.path.join(self.work, "top.sh"), cwd="/")
        self.assertEqual(self.body()["files"], ["spec/a_spec.rb", "top.sh"])
        self.fake.outcomes["spec/a_spec.rb"] = ("failed", [])
        self.fake.outcomes["top.sh"] = ("failed", [])
        out = self.wrata("run", "a_spec.rb", "../top.sh", cwd=spec, code=1).out
        self.assertRegex(out, r"wrata run .* a_spec\.rb\n")
        self.assertRegex(out, r"wrata run .* \.\./top\.sh\n")

    def test_wrong_paths_are_refused_before_anything_is_sent(self):
        self.project("spec/a_spec.rb")
        self.fake.asked.clear()
        for name, text in [("spec/b_spec.rb", "did you mean spec/a_spec.rb?"), ("*.py", "no file matches *.py"),
                           ("../x.sh", "outside of the project"), ("", "empty file name"), ("a\nb", "control"),
                           (b"\xff.sh", "UTF-8")]:
            with self.subTest(name):
                self.assertIn(text, self.wrata("run", name, code=2).err)
        self.assertEqual(self.fake.asked, [])

    def test_names_of_every_kind(self):
        names = ["with space.sh", "-dash.sh", "ü 好.sh", "quote'\".sh", "a[1].sh", "$(x).sh", "star*.sh"]
        self.project(*names)
        for n in names:
            self.fake.outcomes[n] = ("failed", [])
        out = self.wrata("run", "--", *names, code=1).out
        self.assertEqual(self.body()["files"], names)
        again = [line.strip() for line in out.splitlines() if line.startswith("     wrata run")]
        for line, name in zip(again, names):
            words = subprocess.run(["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True).stdout
            self.assertEqual(words.decode().split("\0")[-2], name, line)

    def test_the_data_folder_inside_of_the_project_stays_out(self):
        self.project("a.sh")
        os.makedirs(os.path.join(self.work, "d"))
        with open(os.path.join(self.work, "d", "secret"), "w") as f:
            f.write("x")
        self.wrata("--data", "d", "run", "a.sh")
        self.assertRaises(subprocess.CalledProcessError, self.show, "d/secret")

    def test_a_hook_of_git_may_call_us(self):
        self.project("a.sh")
        self.wrata("run", "a.sh", GIT_DIR=".git", GIT_INDEX_FILE=".git/index", GIT_WORK_TREE="/nowhere")

    def test_git_missing(self):
        self.project("a.sh")
        self.assertIn("git is not installed", self.wrata("run", "a.sh", code=3, PATH="/nowhere").err)

    def test_nothing_is_left_behind(self):
        self.project("a.sh")
        before = set(os.listdir(self.tmp))
        self.wrata("run", "a.sh")
        self.wrata("run", "b.sh", code=2)
        self.assertEqual(set(os.listdir(self.tmp)) - before - {"data"}, set())


class Connection(CliTest):
    def test_a_stream_that_breaks_is_resumed(self):
        self.project(*[f"f{i}.sh" for i in range(12)])
        self.fake.cut_after = 10
        out = self.wrata("run", ".").out
        self.assertEqual(len(re.findall("✓ passed +f", out)), 12)
        self.assertEqual(sum("/stream" in p for _, p, _ in self.fake.asked), 2)

    def test_a_gap_is_filled_from_the_lists(self):
        self.project(*[f"f{i}.sh" for i in range(12)])
        self.fake.outcomes["f3.sh"] = ("failed", [{"status": "failed", "message": "boom"}])
        self.fake.cut_after = 5
        self.fake.forget_ids = True
        out = self.wrata("run", ".", code=1).out
        self.assertEqual(len(re.findall("(?m)^✓ passed +f", out)), 11)
        self.assertEqual(out.count("boom"), 1)

    def test_a_server_that_restarts(self):
        self.project(*[f"f{i}.sh" for i in range(20)])
        self.fake.pace_s = 0.05
        self.fake.forget_ids = True
        p = self.popen("run", ".", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4):
            p.stdout.readline()
        self.fake.stop()
        time.sleep(0.6)
        self.fake.start(self.fake.port)
        out, err = p.communicate(timeout=DEADLINE_S)
        self.assertEqual(p.returncode, 0, err)
        self.assertIn(b"reconnecting", err)
        self.assertIn(b"connected again", err)
        self.assertIn(b"20 files: 20 passed", out)

    def interrupt(self, signum, times=1):
        self.project("a.sh", "b.sh")
        self.fake.holds = True
        p = self.popen("run", ".", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.readline()
        if times == 2:  # a server that does not get there
            self.fake.play = None
            real = self.fake.answer
            self.fake.answer = lambda m, path, q, b: ((200, self.fake.launches[1]["launch"])
                                                      if path.endswith("/stop") else real(m, path, q, b))
        p.send_signal(signum)
        if times == 2:
            self.assertIn(b"stopping", p.stderr.readline())
            p.send_signal(signum)
        out, err = p.communicate(timeout=DEADLINE_S)
        return p.returncode, out.decode(), err.decode()

    def test_ctrl_c_stops_the_launch_and_waits_for_its_end(self):
        for signum in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signum):
                self.fake.launches.clear()
                code, out, err = self.interrupt(signum)
                self.assertEqual(code, 1)
                self.assertIn("stopping the launch", err)
                self.assertIn("2 files: 2 stopped", out)
                shutil.rmtree(self.work)

    def test_a_second_ctrl_c_leaves_at_once(self):
        started = time.monotonic()
        code, _, err = self.interrupt(signal.SIGINT, 2)
        self.assertEqual(code, 1)
        self.assertIn("left while launch 1 was ending", err)
        self.assertLess(time.monotonic() - started, 10)

    def test_server_is_found_by_the_data_folder(self):
        self.project("a.sh")
        os.makedirs(self.data)
        with open(os.path.join(self.data, "serve.json"), "w") as f:
            json.dump({"url": self.fake.url, "pid": os.getpid()}, f)
        self.wrata("run", "a.sh", url=False)
        # our own server, --slots: a machine with so many slots is used or made
        self.wrata("run", "-s", "2", "a.sh", url=False)
        self.assertEqual(self.body()["servers"], ["box"])
        self.wrata("run", "-s", "3", "a.sh", url=False)
        self.assertEqual(self.body()["servers"], ["local-3-slots"])
        self.wrata("run", "a.sh", url=False)
        self.assertEqual(self.body()["servers"], ["box"])


class Log(CliTest):
    def test_bytes_come_as_they_are(self):
        data = bytes(range(256)) + b"\x1b[2Jend"
        self.fake.logs[5] = (data, True)
        self.assertEqual(self.wrata("log", "5").stdout, data)
        self.assertEqual(self.wrata("log", "run:5", "--from", "250").stdout, data[250:])

    def test_follow(self):
        self.fake.logs[5] = (b"one\n", False)
        p = self.popen("log", "-f", "5", stdout=subprocess.PIPE)
        self.assertEqual(p.stdout.readline(), b"one\n")
        self.fake.logs[5] = (b"one\ntwo\n", False)
        self.assertEqual(p.stdout.readline(), b"two\n")
        self.fake.logs[5] = (b"one\ntwo\nthree\n", True)
        self.assertEqual(p.communicate(timeout=DEADLINE_S)[0], b"three\n")
        self.assertEqual(p.returncode, 0)

    def test_a_reader_that_leaves_ends_it_quietly(self):
        self.fake.logs[5] = (b"line\n" * 20000, True)
        p = self.popen("log", "5", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.readline()
        p.stdout.close()
        self.assertEqual(p.stderr.read(), b"")
        self.assertEqual(p.wait(DEADLINE_S), -signal.SIGPIPE)


class Terminal(CliTest):
    def on_terminal(self, *args, columns=80, rows=24, resize=None, **env):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        p = subprocess.Popen(self.command(*args), cwd=self.work_or_tmp(), env={**self.env, **env}, stdin=slave,
                             stdout=slave, stderr=slave)
        os.close(slave)
        out, end = b"", time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            out += piece
        os.close(master)
        return p.wait(DEADLINE_S), out.decode(errors="replace")

    def test_progress_stays_on_its_line_at_every_width(self):
        self.project(*[f"f{i}.sh" for i in range(12)])
        self.fake.pace_s = 0.05
        self.fake.outcomes["f1.sh"] = ("failed", [])
        for columns in (20, 40, 80, 200):
            with self.subTest(columns):
                code, out = self.on_terminal("run", ".", columns=columns)
                self.assertEqual(code, 1)
                bars = [re.sub(r"\x1b\[[\d;]*[mK]", "", b) for b in re.findall(r"\r\x1b\[K([^\r\n]+)(?=\r\x1b)", out)]
                self.assertGreater(len(bars), 2)
                self.assertLess(max(map(len, bars)), columns)
                self.assertTrue(any("/12" in b for b in bars))

    def test_colours_only_where_wanted(self):
        self.project("a.sh")
        self.assertIn("\x1b[32m✓ passed", self.on_terminal("run", "a.sh")[1])
        self.assertNotIn("\x1b[32m", self.on_terminal("run", "a.sh", NO_COLOR="1")[1])
        self.assertIn("\x1b[32m", self.wrata("run", "a.sh", "--color", "always").out)
        self.assertIn("+ passed", self.wrata("run", "a.sh", LC_ALL="C").out)

    def test_a_log_can_colour_and_nothing_else(self):
        self.fake.logs[5] = (b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\xc2\x9b\xff ok\r\n", True)
        _, out = self.on_terminal("log", "5")
        self.assertIn("\x1b[31mred\x1b[0m", out)
        self.assertIn(r"\x1b]0;title\x07 \x1b[2J\x9b\xff ok", out)


if __name__ == "__main__":
    if not os.access(WRATA, os.X_OK):
        print(f"{WRATA} is not built; skipped")
        sys.exit(77)
    unittest.main(verbosity=2)
