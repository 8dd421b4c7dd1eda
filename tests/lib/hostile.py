"""hostile.py - a server where every name that people give tries something: markup, quotes, text that runs backwards, no end.

What is in it is enough for every screen of the page to have something to show: launches that failed twice, a flaky example,
one that goes on, a queue that waits, files that runs left, servers that cannot be reached, mail and hooks that fail, a job.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import wrata
from wrata import git, make_project, wait_for

PASSWORD = "a long sentence for everybody"
IMG = "<img src=x onerror=hacked()>"
SVG = "<svg onload=hacked()>"
QUOTES = "\"it's\" & <b>bold</b>"
BACKWARDS = "cart\u202egnp.exe"
LONG = "the_longest_name_that_anybody_ever_gave_to_a_file_of_tests_" * 3
BRANCH = "<img/src=x/onerror=hacked()>"
TAG = "v1\"'><b>"

BOLD_SPEC = """
RSpec.describe "Editor %(img)s" do
  it("opens") { }
  it("bolds") { raise "no element '#btn-12' in 12 s" }
  it("bolds again") { raise "no element '#btn-13' in 13 s" }
  it("prints %(svg)s") { expect(1).to eq(%(second)s), "%(img)s it\\u202e is\\nsecond line with <b>bold</b>" }
  it("waits", skip: "until %(img)s is there") { }
end
"""
LEFT_SPEC = """
require "base64"
RSpec.describe %%q(%(quotes)s) do
  it %%q(leaves %(svg)s) do |example|
    Dir.mkdir("left")
    File.binwrite("left/%(img)s.png", Base64.decode64("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNogAIAAIIAgZ1yQ5sAAAAASUVORK5CYII="))
    File.write("left/%(svg)s.html", "<script>hacked()</script>")
    example.metadata[:screenshot] = { :image => "left/%(img)s.png" }
    example.metadata[:page_url] = "https://example.org/?q=%(img)s"
    raise IOError, "javascript:hacked() is no link, http://example.org/%(long)s is one"
  end
  it("passes") { }
end
"""
NOISE = r"""
i=0
while [ $i -lt 400 ]; do i=$((i+1)); printf '\033[3%dmline %d of <b>bold</b>\033[0m\n' $((i % 8)) $i; done
printf '%s\n' '<img src=x onerror=hacked()> </pre><script>hacked()</script>' 'javascript:hacked() and https://example.org/shop?a=1&b=2'
printf '\033]0;title\007\342\200\256backwards\n'
printf 'Error: nothing is where it was\n'
exit 3
"""
TAP = """cat <<'end'
1..3
ok 1 - %(img)s
not ok 2 - %(quotes)s
  ---
  message: "%(svg)s was not there"
  ...
ok 3 - later # SKIP %(img)s
end
"""
# More than the page keeps of a log; what is looked for stands in front of it.
LONG_LOG = "echo 'a needle in front'\nseq -f 'line %%.0f of a log that says nothing much, to nobody at all' 300000\n".replace("%%", "%")
TALKS = "i=0; while [ $i -lt 6000 ]; do i=$((i+1)); echo \"step $i\"; sleep 0.2; done\n"
YML = """commands:
  - glob: tap/*.sh
    run: [sh, "{file}"]
    report: tap
"""


class Person:
    """Somebody who is signed in, as a browser is."""

    def __init__(self, server, login):
        self.host = server.url.split("//")[1]
        status, head, body = self._send("POST", "/session", {"login": login, "password": PASSWORD}, {})
        assert status == 200, body
        self.head = {"Cookie": head["Set-Cookie"].split(";")[0], "X-CSRF-Token": body["csrf"]}

    def _send(self, method, path, body, head):
        c = http.client.HTTPConnection(self.host, timeout=60)
        c.request(method, "/api/v1" + path, None if body is None else json.dumps(body), {"Content-Type": "application/json", **head})
        answer = c.getresponse()
        text = answer.read()
        c.close()
        return answer.status, answer.headers, json.loads(text) if text else None

    def post(self, path, body=None):
        status, _, answer = self._send("POST", path, {} if body is None else body, self.head)
        if status not in (200, 201, 202):
            raise wrata.ApiError(status, "%s: %s" % (path, answer))
        return answer

    def get(self, path):
        status, _, answer = self._send("GET", path, None, self.head)
        if status != 200:
            raise wrata.ApiError(status, "%s: %s" % (path, answer))
        return answer


def _files(second):
    words = {"img": IMG, "svg": SVG, "quotes": QUOTES, "long": LONG, "second": 1 if second else 2}
    folder = "spec/" + IMG
    return {
        folder + "/editor_spec.rb": BOLD_SPEC % words,
        folder + "/" + QUOTES.replace("/", "|") + "_spec.rb": LEFT_SPEC % words,
        "spec/flips_spec.rb": "RSpec.describe('Flips') { it('flips') { expect(ENV['FLIP']).to be_nil } }\n",
        "spec/" + BACKWARDS + "_spec.rb": "RSpec.describe('one') { it('passes') { } }\n",
        "spec/" + LONG + "_spec.rb": "RSpec.describe('%s') { it('%s') { } }\n" % (LONG, LONG),
        "noise/" + SVG + ".sh": NOISE,
        "tap/one.sh": TAP % words,
        "long/log.sh": LONG_LOG,
        "slow/talks.sh": TALKS,
        "slow/" + IMG + ".sh": TALKS,
        "wrata.yml": YML,
    }


def _mail_to_nowhere(server, folder):
    text, editor = os.path.join(folder, "credentials"), os.path.join(folder, "editor")
    with open(text, "w", encoding="utf-8") as f:
        f.write("smtp_host: localhost\nsmtp_port: 1\nsmtp_from: wrata@ci.example.org\n")
    with open(editor, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\ncp '%s' \"$1\"\n" % text)
    os.chmod(editor, 0o755)
    subprocess.run([wrata.WRATA, "credentials", "edit", "--data", server.data], check=True, capture_output=True,
                   env=dict(os.environ, EDITOR=editor, VISUAL=editor))


def fill(folder):
    """The server, and what is where in it; `boss` is its admin, `mira` a user, `jo` waits to be verified."""
    server = wrata.Server(folder, "--hooks-private", "127.0.0.1")
    os.makedirs(server.data, mode=0o700)
    _mail_to_nowhere(server, folder)
    server.start()
    there = {"url": server.url, "password": PASSWORD}
    server.post("/api/v1/users", {"login": "boss", "password": PASSWORD, "admin": True, "first_name": IMG, "last_name": QUOTES, "email": "boss@example.org"})
    server.post("/api/v1/users", {"login": "mira", "password": PASSWORD, "first_name": SVG, "position": BACKWARDS, "email": "mira@example.org"})
    server.post("/api/v1/users", {"login": "jo", "password": PASSWORD, "verified": False, "last_name": LONG[:100]})
    there["invite"] = server.post("/api/v1/users", {"login": "new-one"})["link"]["url"].split("/", 3)[3]
    boss = Person(server, "boss")
    there["user"] = next(u["id"] for u in server.get("/api/v1/users")["items"] if u["login"] == "mira")

    for kind, name in (("locations", IMG), ("locations", QUOTES), ("browsers", BRANCH), ("languages", BRANCH)):
        server.post("/api/v1/" + kind, {"name": name})
    server.add_local("local-1", 2)
    server.post("/api/v1/servers", {"name": "w" * 63, "fleet": "ssh", "address": "127.0.0.1", "port": 1, "user": "nobody"})
    server.post("/api/v1/fleets", {"name": "lab", "kind": "fake", "options": {}, "idle_ms": 600000})
    server.wait_online("local-1")

    repo = make_project(os.path.join(folder, "shop"), _files(False))
    git(repo, "tag", TAG)
    git(repo, "checkout", "-q", "-b", BRANCH)
    project = boss.post("/projects", {"name": QUOTES, "url": repo})["id"]
    there["project"] = project
    boss.post("/projects/%d/refresh" % project)
    boss.post("/projects", {"name": "gone " + IMG, "url": os.path.join(folder, BRANCH)})
    more = {"project": project, "ref": BRANCH, "artifacts": ["left/*"], "name": "nightly " + IMG}
    files = ["spec/", "noise/", "tap/"]
    for body in ({}, {"env": ["FLIP=1"]}):
        there["second"] = server.wait_launch(boss.post("/launches", dict(more, files=files, **body))["id"])["id"]
    make_project(repo, _files(True))
    boss.post("/projects/%d/refresh" % project)
    there["launch"] = boss.post("/launches", dict(more, files=files))["id"]
    server.wait_launch(there["launch"])
    runs = server.get("/api/v1/runs?launch=%d" % there["launch"])["items"]
    there["runs"] = {r["path"]: r["id"] for r in runs}

    long = server.wait_launch(boss.post("/launches", {"project": project, "ref": BRANCH, "files": ["long/log.sh"]})["id"])
    there["long_run"] = server.get("/api/v1/runs?launch=%d" % long["id"])["items"][0]["id"]

    # A launch that is cleared away again: a job.
    cleared = boss.post("/launches", {"project": project, "ref": BRANCH, "files": ["tap/one.sh"], "name": "cleared"})
    server.wait_launch(cleared["id"])
    boss.post("/history/clear", {"launch": cleared["id"]})

    there["list"] = boss.post("/lists", {"name": "full " + IMG, "project": project, "ref": BRANCH, "files": ["spec/", "tap/one.sh", "no/" + SVG + ".sh"], "shared": True})["id"]
    there["schedule"] = boss.post("/schedules", {"list": there["list"], "name": "daily " + QUOTES, "kind": "daily", "at": "02:00", "zone": "Europe/Berlin", "enabled": False})["id"]
    there["hook"] = boss.post("/hooks", {"name": "hook " + IMG, "type": "webhook", "url": "http://127.0.0.1:1/it's?a&b", "kinds": ["launch_ended"]})["id"]
    boss.post("/mails/test", {"to": "boss@example.org"})
    boss.post("/tokens", {"name": "laptop " + IMG, "scope": "read", "expires_days": 30})
    boss.post("/env", {"lines": [{"name": "GREETING", "value": IMG, "secret": False}, {"name": "HUSH", "value": "my darling", "secret": True}]})

    # What goes on, and what waits behind it.
    there["live"] = boss.post("/launches", {"project": project, "ref": BRANCH, "files": ["slow/talks.sh", "slow/" + IMG + ".sh"], "name": "live " + SVG})["id"]
    live = "/api/v1/runs?launch=%d" % there["live"]
    wait_for("both run and say so", lambda: len([r for r in server.get(live)["items"] if r["state"] == "running" and r["log_bytes"] > 0]) == 2)
    there["live_run"] = server.get(live)["items"][0]["id"]
    boss.post("/queue/pause")
    there["waiting"] = boss.post("/launches", {"project": project, "ref": BRANCH, "files": files, "languages": ["en-US", "de-DE"]})["id"]
    return server, there


def end(folder):
    """Agents outlive their server; of a test nothing should stay."""
    for pid in wrata.pids_with(folder):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    shutil.rmtree(folder, True)

WEB = os.path.join(wrata.SOURCE, "web")


class Walk(unittest.TestCase):
    """A server that is filled, and web/test/server_walk.test.mjs in it."""

    @classmethod
    def setUpClass(cls):
        for needed in ("node", "rspec"):
            if shutil.which(needed) is None:
                raise unittest.SkipTest("%s is not installed" % needed)
        if not os.path.exists(os.path.join(WEB, "node_modules")):
            raise unittest.SkipTest("the page's packages are not installed (scripts/build-web.sh)")
        cls.folder = tempfile.mkdtemp(prefix="wrata-walk-")
        cls.addClassCleanup(end, cls.folder)
        cls.server, cls.there = fill(cls.folder)
        cls.addClassCleanup(cls.server.stop)

    def walk(self, part):
        done = subprocess.run(["node", "--test", "test/server_walk.test.mjs"], cwd=WEB, capture_output=True, text=True, timeout=280, check=False,
                              env=dict(os.environ, WRATA_WALK=json.dumps(self.there), WRATA_PART=part))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("# skipped 0\n", done.stdout, "the walk was skipped")
