"""What the end-to-end tests share: a server of their own, its API, projects made on the spot, patience with a limit.

Standard library only. Everything lives under one temporary folder; nothing survives a test.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import told  # noqa: E402

SOURCE = os.environ.get("WRATA_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WRATA = os.environ.get("WRATA_BIN") or os.path.join(SOURCE, "build", "test", "wrata")


def wait_for(what, claim, seconds=60.0, every=0.05):
    """Until claim() is true; its value. A failure says what was waited for (a text, or what makes one then) and what there was."""
    deadline = time.monotonic() + seconds
    while True:
        is_last = time.monotonic() > deadline  # looked at first: a machine that stood still is asked once more
        value = claim()
        if value:
            return value
        if is_last:
            raise AssertionError("waited %.0f s in vain: %s%s" % (
                seconds, in_words(what), "" if value is None or value is False else "; there is %r" % (value,)))
        time.sleep(every)


def in_words(what):
    if not callable(what):
        return what
    try:
        return what()
    except (ApiError, OSError) as e:
        return "something that cannot be asked for any more: %s" % e


class ApiError(Exception):
    def __init__(self, status, body):
        self.status = status
        self.body = body
        super().__init__("%d %s" % (status, body))


def open_with_token(url, token, timeout=60):
    return urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Bearer " + token}), timeout=timeout)


class Server:
    """One `wrata serve` on a data folder. May be killed and started again."""

    def __init__(self, folder, *args, env=None):
        self.data = os.path.join(folder, "data")
        self.args = args
        self.env = env
        self.process = None
        self.url = None
        self.token = None  # the host's own: whoever has it is the operator
        self.log_path = os.path.join(folder, "serve.log")
        told.shows(folder)

    def start(self, expect_fail=False):
        announce = os.path.join(self.data, "serve.json")
        if os.path.exists(announce):
            os.unlink(announce)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [WRATA, "serve", "--data", self.data, "--listen", "127.0.0.1:0", *self.args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        if expect_fail:
            return self
        wait_for(lambda: "the server announces itself; its log:\n" + self.log_tail(),
                 lambda: os.path.exists(announce) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError("the server ended with %s:\n%s" % (self.process.returncode, self.log_tail()))
        with open(announce, encoding="utf-8") as f:
            announced = json.load(f)
        self.url, self.token = announced["url"], announced["token"]
        return self

    def log_tail(self, size=6000):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                return f.read()[-size:]
        except OSError:
            return ""

    def kill(self):
        """As a power cut would: no chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not end within a minute of SIGTERM:\n" + self.log_tail()) from None

    def call(self, method, path, body=None, raw=False, timeout=60):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", "Bearer " + self.token)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                content = answer.read()
        except urllib.error.HTTPError as e:
            raise ApiError(e.code, e.read().decode("utf-8", "replace")) from None
        if raw:
            return content
        return json.loads(content) if content else None

    def open(self, path, timeout=60):
        """A GET whose answer is read piece by piece: a stream, a large log."""
        return open_with_token(self.url + path, self.token, timeout)

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body=None):
        return self.call("POST", path, {} if body is None else body)

    def all(self, path):
        """Every item of a paged list."""
        items, cursor = [], None
        while True:
            page = self.get(path + ("&" if "?" in path else "?") + "limit=500" + ("&cursor=%s" % cursor if cursor else ""))
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                return items

    def log(self, run):
        out, at = b"", 0
        while True:
            piece = self.call("GET", "/api/v1/runs/%d/log?from=%d&max=4194304" % (run, at), raw=True)
            out += piece
            at += len(piece)
            if not piece:
                return out

    def add_local(self, name="local-1", slots=2):
        return self.post("/api/v1/servers", {"name": name, "fleet": "local", "slots": slots})

    def server(self, name):
        return next(s for s in self.servers() if s["name"] == name)

    def servers(self):
        answer = self.get("/api/v1/servers")
        return answer["items"] if isinstance(answer, dict) else answer

    def wait_online(self, *names, seconds=60):
        wait_for(lambda: "servers online: %s; they are %s" % (", ".join(names), self.servers()),
                 lambda: all(self.server(n)["link"] == "online" for n in names), seconds)

    def launch(self, project, files, **more):
        return self.post("/api/v1/launches", dict(project=project, files=files, **more))

    def wait_launch(self, launch_id, seconds=120):
        def done():
            found = self.get("/api/v1/launches/%d" % launch_id)
            return found if found["state"] == "done" else None
        return wait_for(lambda: "launch %d is done; it is %s, its runs are %s" % (
            launch_id, self.get("/api/v1/launches/%d" % launch_id), self.get("/api/v1/runs?limit=5&launch=%d" % launch_id)["items"]),
            done, seconds, 0.1)


def git(folder, *args):
    env = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="t", GIT_AUTHOR_EMAIL="t@example.org",
               GIT_COMMITTER_NAME="t", GIT_COMMITTER_EMAIL="t@example.org", HOME=folder)
    return subprocess.run(["git", "-C", folder, *args], env=env, check=True, capture_output=True, text=True).stdout


def make_project(folder, files):
    """A git repository with these files ({path: text}); *.sh and x_* get the executable bit. Its path."""
    os.makedirs(folder, exist_ok=True)
    for path, text in files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        if path.endswith(".sh"):
            os.chmod(full, 0o755)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "files")
    return folder


class Case(unittest.TestCase):
    """A test with a folder of its own; servers started by self.serve() end with it."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wrata-test-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self._kill_agents_at_end()

    def _kill_agents_at_end(self):
        folder = self.folder
        def end():
            for pid in pids_with(folder):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        self.addCleanup(end)

    def serve(self, *args, **more):
        server = Server(self.folder, *args, **more)
        server.start()
        self.addCleanup(server.stop)
        return server

    def project(self, files, name="project"):
        return make_project(os.path.join(self.folder, name), files)


def pids_with(text, also=None):
    """Processes whose command line holds this text (and the other one)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open("/proc/%s/cmdline" % entry, "rb") as f:
                line = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line and (also is None or also in line):
            found.append(int(entry))
    return found


def main():
    if not os.path.exists(WRATA):
        print("wrata is not built: %s" % WRATA, file=sys.stderr)
        sys.exit(1)
    unittest.main(verbosity=2)
