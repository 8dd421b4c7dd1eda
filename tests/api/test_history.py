"""The history over HTTP: every filter of runs and launches, exports, the archive of logs, and chosen runs again.

One server for all: two projects, two users, some launches of scripts and of RSpec files, each as it came."""

import contextlib
import csv
import io
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import unittest
import urllib.parse
import xml.etree.ElementTree
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wrata  # noqa: E402
from contract import HISTORY, Contract  # noqa: E402
from test_accounts import WORDS, Client  # noqa: E402

RSPEC = os.environ.get("WRATA_TEST_RSPEC", "/usr/bin/rspec")
SPEC = """RSpec.describe "cells" do
  it("adds") { expect(1 + 1).to eq 2 }
  it("=divides") { expect(4 / 2).to eq(ENV["MENDED"] ? 2 : 3) }
  context "when shared" do
    it("keeps borders") { raise "border <lost> & gone" unless ENV["MENDED"] }
    it("is drawn") { }
  end
end
"""
FILES = {"good.sh": "echo fine $SPEC_LANGUAGE\n", "bad.sh": "echo broken\nexit 1\n", "deep/Part One/good.sh": "echo deep\n",
         "spec/cells_spec.rb": SPEC, "spec/load_spec.rb": "raise 'does not load'\n"}


def kill_agents(folder):
    for pid in wrata.pids_with(folder):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


class HistoryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.addClassCleanup(kill_agents, cls.folder)
        cls.repos = [wrata.make_project(os.path.join(cls.folder, name), dict(FILES, **{"only-%s.sh" % name: "exit 0\n"})) for name in "pq"]
        wrata.git(cls.repos[0], "branch", "develop")
        cls.server = wrata.Server(cls.folder)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.contract = Contract(cls.server.get("/api/v1/openapi.json"))
        cls.has_rspec = os.path.exists(RSPEC)
        for name, repo in zip("pq", cls.repos):
            cls.server.post("/api/v1/projects", {"name": name, "url": repo})
        for name in ("web-1", "web-2"):
            cls.server.add_local(name, 2)
        cls.server.wait_online("web-1", "web-2")
        cls.server.post("/api/v1/users", {"login": "mira", "password": WORDS, "verified": True})
        looker = unittest.TestCase()
        looker.contract = cls.contract
        cls.mira = Client(looker, cls.server)
        cls.mira.post("/session", {"login": "mira", "password": WORDS})
        specs = ["spec/cells_spec.rb", "spec/load_spec.rb"] if cls.has_rspec else []
        cls.launches = [
            cls.done(cls.server.launch("p", ["good.sh", "bad.sh", "deep/Part One/good.sh", *specs], name="Nightly smoke", languages=["en-US", "de-DE"])),
            cls.done(cls.server.launch("q", ["good.sh", "only-q.sh"], name="evening", ref="main", browsers=["chrome"])),
            cls.done(cls.server.launch("p", ["good.sh", "bad.sh"], ref="develop", servers=["web-2"], env=["A=1"])),
            cls.done(cls.mira.post("/launches", {"project": "p", "files": ["good.sh", "only-p.sh"], "ref": "main"}, 201)),
        ]
        cls.runs = cls.server.all("/api/v1/runs")

    @classmethod
    def done(cls, launch):
        return cls.server.wait_launch(launch["id"])

    def get(self, path):
        answer = self.server.call("GET", path, raw=True)
        self.contract.check("GET", path, 200, answer)
        return json.loads(answer)

    def found(self, **filters):
        return [r["id"] for r in self.server.all("/api/v1/runs?" + urllib.parse.urlencode(filters))]

    def refused(self, status, field, method, path, body=None):
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.call(method, path, body)
        error = json.loads(caught.exception.body)["error"]
        self.assertEqual((caught.exception.status, error.get("field")), (status, field), error)
        self.contract.use(method, path)
        return error["message"]

    # ---- filters ----

    def test_a_run_says_where_it_comes_from(self):
        page = self.get("/api/v1/runs?limit=500")
        self.assertEqual([r["id"] for r in page["items"]], sorted((r["id"] for r in page["items"]), reverse=True))
        by_launch = {x["id"]: x for x in self.launches}
        ours = [r for r in page["items"] if r["launch"] in by_launch]
        self.assertEqual(len({r["test"] for r in ours}), sum(x["tests"]["total"] for x in self.launches))
        for run in ours:
            launch = by_launch[run["launch"]]
            self.assertEqual((run["user"], run["login"], run["project"], run["project_name"], run["ref"]),
                             (launch["user"]["id"], launch["user"]["login"], launch["project"]["id"], launch["project"]["name"], launch["ref"]))
        self.assertEqual({r["language"] for r in self.runs if r["launch"] == self.launches[0]["id"]}, {"en-US", "de-DE"})

    def test_each_filter_and_each_two_of_them_find_what_they_say(self):
        l = self.launches
        one = next(r for r in self.runs if r["path"] == "bad.sh")
        filters = {
            ("launch", l[0]["id"]): lambda r: r["launch"] == l[0]["id"],
            ("server", one["server"]["id"]): lambda r: r["server"]["id"] == one["server"]["id"],
            ("test", one["test"]): lambda r: r["test"] == one["test"],
            ("user", 1): lambda r: r["login"] == "operator",
            ("user", 2): lambda r: r["login"] == "mira",
            ("project", l[1]["project"]["id"]): lambda r: r["project_name"] == "q",
            ("ref", "main"): lambda r: r["ref"] == "main",
            ("ref", ""): lambda r: r["ref"] == "",
            ("language", "de-DE"): lambda r: r["language"] == "de-DE",
            ("browser", "chrome"): lambda r: r["browser"] == "chrome",
            ("outcome", "failed"): lambda r: r["outcome"] == "failed",
            ("outcome", "passed,error"): lambda r: r["outcome"] in ("passed", "error"),
            ("state", "done"): lambda r: r["state"] == "done",
            ("state", "lost"): lambda r: r["state"] == "lost",
            ("file", "good.sh"): lambda r: r["path"] == "good.sh",
            ("file", "good"): lambda r: False,
            ("path", "PART deep"): lambda r: "Part" in r["path"],
            ("path", "sh"): lambda r: "sh" in r["path"],
            ("since", l[1]["created_at"]): lambda r: r["created_at"] >= l[1]["created_at"],
            ("until", l[1]["created_at"]): lambda r: r["created_at"] < l[1]["created_at"],
            ("since", "2031-01-01"): lambda r: False,
        }
        for (a, fits_a), (b, fits_b) in itertools.combinations_with_replacement(filters.items(), 2):
            if a[0] == b[0] and a != b:
                continue
            self.assertEqual(self.found(**dict([a, b])), [r["id"] for r in self.runs if fits_a(r) and fits_b(r)], (a, b))

    def test_launches_are_found_by_each_filter(self):
        ids = [x["id"] for x in self.launches]

        def found(**filters):
            page = self.get("/api/v1/launches?" + urllib.parse.urlencode(filters))
            self.assertIsNone(page["next"])
            return [ids.index(x["id"]) for x in page["items"] if x["id"] in ids]

        self.assertEqual(found(user=2), [3])
        self.assertEqual(found(project=self.launches[1]["project"]["id"]), [1])
        self.assertEqual(found(ref="main"), [3, 1])
        self.assertEqual(found(ref="main", user=1), [1])
        self.assertEqual(found(outcome="passed"), [3, 1])
        self.assertEqual(found(outcome="failed", q="nightly"), [] if self.has_rspec else [0])
        self.assertEqual(found(q="SMOKE night"), [0])
        self.assertEqual(found(until=self.launches[2]["created_at"]), [1, 0])
        self.assertEqual(found(since=self.launches[2]["created_at"], outcome="failed"), [2])
        self.assertEqual(found(schedule=7), [])
        self.assertEqual(found(state="running"), [])

    def test_pages_have_no_gap_while_runs_are_added(self):
        expected = self.found(file="good.sh")
        stop = threading.Event()

        def add():
            while not stop.is_set():
                self.done(self.server.launch("p", ["good.sh"], ref="main"))

        adder = threading.Thread(target=add)
        adder.start()
        try:
            for _ in range(5):
                seen, cursor = [], ""
                while cursor is not None:
                    page = self.server.get("/api/v1/runs?file=good.sh&limit=1" + ("&cursor=" + cursor if cursor else ""))
                    seen += [r["id"] for r in page["items"]]
                    cursor = page["next"]
                self.assertEqual(seen, sorted(set(seen), reverse=True))
                self.assertEqual([i for i in seen if i <= expected[0]], expected)
        finally:
            stop.set()
            adder.join()
        self.runs[:] = self.server.all("/api/v1/runs")

    def test_bad_values_are_refused_by_their_name(self):
        for field, value in (("user", "mira"), ("project", "-1"), ("outcome", "green"), ("outcome", "failed,"), ("state", "running,done"),
                             ("since", "yesterday"), ("until", "2026-02-30"), ("since", ""), ("language", ""), ("file", ""), ("limit", "501"),
                             ("cursor", "x"), ("ref", "r" * 513)):
            for path in ("/api/v1/runs", "/api/v1/runs/export", "/api/v1/runs/logs.zip"):
                if field in ("limit", "cursor") and path != "/api/v1/runs":
                    continue
                message = self.refused(422, field, "GET", path + "?" + urllib.parse.urlencode({field: value}))
                self.assertIn(field, message)
        for field, value in (("user", "mira"), ("outcome", "green"), ("since", "now"), ("schedule", "x")):
            self.refused(422, field, "GET", "/api/v1/launches?" + urllib.parse.urlencode({field: value}))
        self.refused(422, "format", "GET", "/api/v1/runs/export?format=xml")

    # ---- files ----

    def test_export_as_json_is_the_list(self):
        for query in ("", "&outcome=failed", "&user=2", "&path=nothing-like-that"):
            rows = self.get("/api/v1/runs/export?format=json" + query)
            self.assertEqual(rows, self.server.all("/api/v1/runs?" + query[1:]))

    def test_export_as_csv_opens_in_a_spreadsheet(self):
        text = self.server.call("GET", "/api/v1/runs/export?format=csv&project=%d" % self.launches[0]["project"]["id"], raw=True).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        runs = [r for r in self.server.all("/api/v1/runs") if r["project_name"] == "p"]
        self.assertEqual([(int(r["id"]), r["path"], r["user"], r["server"], r["outcome"], r["language"], r["duration_ms"]) for r in rows],
                         [(r["id"], r["path"], r["login"], r["server"]["name"], r["outcome"] or "", r["language"], str(r["duration_ms"] if r["duration_ms"] is not None else "")) for r in runs])
        self.assertTrue(text.startswith("id,launch,test,attempt,project,ref,commit,"))

    def test_a_cell_is_no_formula(self):
        wrata.git(self.repos[0], "tag", "=1+1")
        self.server.post("/api/v1/projects/%d/refresh" % self.launches[0]["project"]["id"])
        made = self.done(self.server.launch("p", ["good.sh"], ref="=1+1"))
        text = self.server.call("GET", "/api/v1/runs/export?format=csv&launch=%d" % made["id"], raw=True).decode()
        self.assertIn(",\"'=1+1\",", text)
        self.runs[:] = self.server.all("/api/v1/runs")

    def test_junit_of_a_launch_and_of_runs(self):
        launch = self.launches[0]
        for path in ("/api/v1/launches/%d/junit" % launch["id"], "/api/v1/runs/export?format=junit&launch=%d" % launch["id"]):
            self.contract.use("GET", path)
            root = xml.etree.ElementTree.fromstring(self.server.call("GET", path, raw=True))
            suites = root.findall("testsuite")
            self.assertEqual(len(suites), launch["tests"]["total"])
            for s in suites:
                cases = s.findall("testcase")
                self.assertEqual((int(s.get("tests")), int(s.get("failures")), int(s.get("errors"))),
                                 (len(cases), len(s.findall("testcase/failure")), len(s.findall("testcase/error"))))
                self.assertEqual(s.get("name") != "bad.sh", s.find("testcase/failure") is None or s.get("name").startswith("spec/"))
            if self.has_rspec:
                spec = next(s for s in suites if s.get("name") == "spec/cells_spec.rb")
                self.assertEqual([c.get("name") for c in spec.findall("testcase")],
                                 ["cells adds", "cells =divides", "cells when shared keeps borders", "cells when shared is drawn"])
                self.assertIn("border <lost> & gone", spec.findall("testcase")[2].find("failure").get("message"))
                broken = next(s for s in suites if s.get("name") == "spec/load_spec.rb")
                self.assertGreater(int(broken.get("errors")), 0)
        self.assertEqual(root.get("name"), "wrata")
        self.refused(404, None, "GET", "/api/v1/launches/999999/junit")

    def test_junit_waits_for_the_end(self):
        repo = wrata.make_project(os.path.join(self.folder, "slow"), {"slow.sh": "sleep 60\n"})
        made = self.server.launch(repo, ["slow.sh"])
        self.refused(409, None, "GET", "/api/v1/launches/%d/junit" % made["id"])
        self.server.post("/api/v1/launches/%d/stop" % made["id"])
        self.done(made)
        self.runs[:] = self.server.all("/api/v1/runs")

    def test_the_archive_of_logs(self):
        path = "/api/v1/runs/logs.zip?launch=%d" % self.launches[0]["id"]
        self.contract.use("GET", path)
        archive = zipfile.ZipFile(io.BytesIO(self.server.call("GET", path, raw=True)))
        self.assertIsNone(archive.testzip())
        runs = {r["id"]: r for r in self.server.all("/api/v1/runs?launch=%d" % self.launches[0]["id"]) if r["log_bytes"] > 0}
        self.assertGreater(len(runs), 3)
        self.assertEqual(len(archive.namelist()), len(runs))
        for name in archive.namelist():
            folder, base = name.rsplit("/", 1)
            run = runs[int(base.rsplit("run-", 1)[1].split(".")[0])]
            at = run["started_at"]
            self.assertEqual(name, "%s/%s_%s_%s_run-%d.log" % (run["path"], at[:10], at[11:19].replace(":", "-"), run["server"]["name"], run["id"]))
            self.assertEqual(archive.read(name), self.server.log(run["id"]))
            self.assertEqual(folder, run["path"])
        self.refused(404, None, "GET", "/api/v1/runs/logs.zip?path=nothing-like-that")

    # ---- again ----

    def retest(self, launch, **body):
        return self.done(self.server.post("/api/v1/launches/%d/retest" % launch["id"], body))

    def test_chosen_runs_are_one_launch(self):
        first = [r for r in self.runs if r["launch"] == self.launches[0]["id"]]
        chosen = [r for r in first if r["path"].endswith("good.sh") and r["language"] == "de-DE"]
        body = {"runs": [r["id"] for r in chosen]}
        answer = self.server.call("POST", "/api/v1/runs/retest", body, raw=True)
        self.contract.check("POST", "/api/v1/runs/retest", 201, answer)
        again = self.done(json.loads(answer))
        self.assertEqual((again["tests"]["total"], again["outcome"], again["commit"], again["name"]),
                         (2, "passed", self.launches[0]["commit"], "Nightly smoke"))
        runs = self.server.all("/api/v1/runs?launch=%d" % again["id"])
        self.assertEqual(sorted((r["path"], r["language"]) for r in runs), sorted((r["path"], r["language"]) for r in chosen))
        # twice the same test is one test, also by another attempt
        twice = self.done(self.server.post("/api/v1/runs/retest", {"runs": [chosen[0]["id"], chosen[0]["id"]]}))
        self.assertEqual(twice["tests"]["total"], 1)
        # of two launches that were started alike
        both = self.done(self.server.post("/api/v1/runs/retest", {"runs": [runs[0]["id"], chosen[1]["id"]]}))
        self.assertEqual(both["outcome"], "passed")
        self.runs[:] = self.server.all("/api/v1/runs")

    def test_runs_of_launches_that_differ_are_refused(self):
        of = [next(r["id"] for r in self.runs if r["launch"] == x["id"]) for x in self.launches]
        message = self.refused(422, "runs", "POST", "/api/v1/runs/retest", {"runs": [of[0], of[1]]})
        self.assertIn("another project", message)
        message = self.refused(422, "runs", "POST", "/api/v1/runs/retest", {"runs": [of[0], of[2]]})
        self.assertIn("another variables", message)
        self.refused(422, "runs", "POST", "/api/v1/runs/retest", {"runs": [999999]})
        self.refused(422, "runs", "POST", "/api/v1/runs/retest", {"runs": []})
        self.refused(422, "runs", "POST", "/api/v1/runs/retest", {})

    def test_only_the_examples_that_failed(self):
        if not self.has_rspec:
            self.skipTest("rspec is not installed")
        again = self.retest(self.launches[0], what="failed_examples")
        runs = self.server.all("/api/v1/runs?launch=%d" % again["id"])
        self.assertEqual({r["path"] for r in runs}, {"bad.sh", "spec/cells_spec.rb[1:2,1:3:1]", "spec/load_spec.rb"})
        self.assertEqual(again["note"], "4 of 6 files run whole: which examples failed there is not known by their names")
        for run in runs:
            if run["path"].startswith("spec/cells"):
                self.assertEqual((run["examples"]["discovered"], run["examples"]["failed"]), (2, 2))
        once_more = self.retest(again, what="failed_examples")
        self.assertEqual({r["path"] for r in self.server.all("/api/v1/runs?launch=%d" % once_more["id"])}, {r["path"] for r in runs})
        self.runs[:] = self.server.all("/api/v1/runs")

    def test_zz_each_route_was_held_against_the_document(self):
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item}
        self.assertEqual({r for r in routes if HISTORY.match(r[1])} - self.contract.used, set())


if __name__ == "__main__":
    wrata.main()
