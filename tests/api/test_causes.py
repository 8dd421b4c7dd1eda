"""Causes, comparison, examples, stability: what a launch failed by, and what of it is new."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wrata  # noqa: E402
from contract import CAUSES, Contract  # noqa: E402
from test_api import Stream, git  # noqa: E402

# A script of TAP: no framework is needed to fail in many ways.
TAP = """#!/bin/bash
# wrata: tap
"""
FILES = {
    "wrata.yml": "commands:\n  - glob: 't/*.tap.sh'\n    run: [bash, '{file}']\n    report: tap\n",
    "t/a.tap.sh": "echo 1..4\necho 'ok 1 - opens'\n"
                  "printf 'not ok 2 - first\\n  ---\\n  message: \"no button #btn-12 in 5 s\"\\n  ...\\n'\n"
                  "printf 'not ok 3 - second\\n  ---\\n  message: \"no button #btn-13 in 7 s\"\\n  ...\\n'\n"
                  "echo 'ok 4 - closes # SKIP not yet'\n",
    "t/b.tap.sh": "echo 1..2\necho 'ok 1 - stays'\n"
                  "printf 'not ok 2 - third\\n  ---\\n  message: \"no button #btn-99 in 5 s\"\\n  ...\\n'\n",
    "t/c.tap.sh": "echo 1..1\nif [ -n \"$FLIP\" ]; then echo 'not ok 1 - flips'; else echo 'ok 1 - flips'; fi\n",
    "exit3.sh": "echo broken; exit 3\n",
    "fine.sh": "echo fine\n",
}


# The second commit: one is repaired, one is new, one is gone, and the script is repaired.
LATER = {
    "t/a.tap.sh": "sleep 0.2\necho 1..4\necho 'ok 1 - opens'\n"
                  "printf 'not ok 2 - first\\n  ---\\n  message: \"no button #btn-55 in 5 s\"\\n  ...\\n'\n"
                  "echo 'ok 3 - second'\necho 'not ok 4 - extra'\n",
    "t/b.tap.sh": "echo 1..1\necho 'ok 1 - stays'\n",
    "exit3.sh": "echo repaired\n",
}


class CausesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-causes-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.repo = os.path.join(cls.folder, "suite.git")
        os.mkdir(cls.repo)
        git(cls.repo, "init", "-q")
        cls.write(FILES)
        cls.server = wrata.Server(cls.folder)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.contract = Contract(json.loads(urllib.request.urlopen(cls.server.url + "/api/v1/openapi.json").read()))
        cls.server.add_local(slots=2)
        cls.project = cls.server.post("/api/v1/projects", {"name": "suite", "url": cls.repo})["id"]
        cls.first = cls.launch()
        cls.flipped = cls.launch(env=["FLIP=1"])
        cls.write(LATER, "repaired")
        cls.server.post("/api/v1/projects/%d/refresh" % cls.project)
        cls.later = cls.launch()

    @classmethod
    def write(cls, files, message="suite"):
        for name, text in files.items():
            path = os.path.join(cls.repo, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        git(cls.repo, "add", "-A")
        git(cls.repo, "commit", "-qm", message)

    @classmethod
    def launch(cls, files=("t/*.tap.sh", "exit3.sh", "fine.sh"), **more):
        made = cls.server.post("/api/v1/launches", {"project": cls.project, "files": list(files), **more})
        return wrata.wait_for("launch %d is done" % made["id"], lambda: cls.done(made["id"]), 60)

    @classmethod
    def done(cls, launch):
        found = cls.server.get("/api/v1/launches/%d" % launch)
        return found if found["state"] == "done" else None

    def get(self, path):
        body = self.server.call("GET", path, raw=True)
        self.contract.check("GET", path, 200, body)
        return json.loads(body)

    def refused(self, path, status, field=None):
        with self.assertRaises(wrata.ApiError) as e:
            self.server.get(path)
        self.assertEqual(e.exception.status, status, e.exception.body)
        if field is not None:
            self.assertEqual(json.loads(e.exception.body)["error"].get("field"), field)

    # ---- comparison ----

    def compared(self, launch, query=""):
        found = self.get("/api/v1/launches/%d/compare%s" % (launch, query))
        return found, {what: sorted((i["path"], i["description"]) for i in found["items"] if i["what"] == what)
                       for what in ("new", "flaky", "known", "fixed", "gone")}

    def test_the_first_launch_is_compared_with_none(self):
        found, items = self.compared(self.first["id"])
        self.assertIsNone(found["with"])
        self.assertIn("no earlier launch", found["why"])
        self.assertEqual((found["items"], found["next"]), ([], None))
        kept = wrata.wait_for("it is kept", lambda: self.get("/api/v1/launches/%d" % self.first["id"])["compare"])
        self.assertEqual(kept, {"with": None, "new": 0, "flaky": 0, "known": 0, "fixed": 0, "gone": 0})

    def test_on_one_commit_what_fails_and_passed_is_flaky(self):
        found, items = self.compared(self.flipped["id"])
        self.assertEqual(found["with"]["id"], self.first["id"])
        self.assertEqual(items, {"new": [], "flaky": [("t/c.tap.sh", "flips")], "fixed": [], "gone": [],
                                 "known": [("exit3.sh", ""), ("t/a.tap.sh", "first"), ("t/a.tap.sh", "second"),
                                           ("t/b.tap.sh", "third")]})

    def test_new_known_fixed_and_gone(self):
        found, items = self.compared(self.later["id"])
        self.assertEqual(found["with"]["id"], self.flipped["id"])
        self.assertEqual(items, {"new": [("t/a.tap.sh", "extra")], "flaky": [], "known": [("t/a.tap.sh", "first")],
                                 "fixed": [("exit3.sh", ""), ("t/a.tap.sh", "second"), ("t/c.tap.sh", "flips")],
                                 "gone": [("t/b.tap.sh", "third")]})
        self.assertEqual(found["counts"], {"new": 1, "flaky": 0, "known": 1, "fixed": 3, "gone": 1})
        kept = wrata.wait_for("it is kept", lambda: self.get("/api/v1/launches/%d" % self.later["id"])["compare"])
        self.assertEqual(kept, {"with": self.flipped["id"], **found["counts"]})
        known = next(i for i in found["items"] if i["what"] == "known")
        run = self.get("/api/v1/runs/%d" % known["before"]["run"])
        self.assertEqual((run["launch"], run["path"]), (self.flipped["id"], "t/a.tap.sh"))

    def test_some_items_are_asked_for(self):
        found, items = self.compared(self.later["id"], "?what=new,gone")
        self.assertEqual({w for w, i in items.items() if i}, {"new", "gone"})
        self.assertEqual(found["counts"]["fixed"], 3)
        self.refused("/api/v1/launches/%d/compare?what=old" % self.later["id"], 422, "what")

    def test_items_come_in_pages(self):
        path, items, cursor = "/api/v1/launches/%d/compare?limit=2" % self.later["id"], [], None
        while True:
            page = self.get(path + ("&cursor=%s" % cursor if cursor else ""))
            self.assertLessEqual(len(page["items"]), 2)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        self.assertEqual(items, self.get("/api/v1/launches/%d/compare" % self.later["id"])["items"])

    def test_with_another_launch(self):
        found, items = self.compared(self.later["id"], "?with=%d" % self.first["id"])
        self.assertEqual((found["with"]["id"], found["counts"]["fixed"]), (self.first["id"], 2))
        self.assertIn("was asked for", found["why"])
        self.refused("/api/v1/launches/%d/compare?with=%d" % (self.later["id"], self.later["id"]), 422, "with")
        self.refused("/api/v1/launches/%d/compare?with=99999" % self.later["id"], 422, "with")
        self.refused("/api/v1/launches/99999/compare", 404)

    def test_a_launch_of_other_files_is_not_the_one_before(self):
        few = self.launch(["fine.sh"])
        found, _ = self.compared(few["id"])
        self.assertEqual(found["with"]["id"], self.later["id"])  # it has all of its one file
        other = self.launch(["t/*.tap.sh", "exit3.sh", "fine.sh"], location="https://elsewhere.example")
        found, _ = self.compared(other["id"])
        self.assertIsNone(found["with"])

    # ---- stability ----

    def project_path(self, what):
        return "/api/v1/projects/%d/%s" % (self.project, what)

    def test_flaky_is_what_failed_and_passed_on_one_commit(self):
        items = self.get(self.project_path("stability"))["items"]
        self.assertEqual([(i["path"], i["description"], i["what"]) for i in items], [("t/c.tap.sh", "flips", "flaky")])
        self.assertEqual(items[0]["flaky"]["commit"], self.first["commit"])
        self.assertEqual([p["passed"] for p in items[0]["strip"]][-3:], [True, False, True])
        failed = self.get("/api/v1/runs/%d" % items[0]["flaky"]["failed"])
        self.assertEqual((failed["path"], failed["outcome"]), ("t/c.tap.sh", "failed"))
        self.assertEqual(self.get(self.project_path("stability?ref=nowhere"))["items"], [])

    def test_all_of_one_file(self):
        items = self.get(self.project_path("stability?what=all&path=t/a.tap.sh"))["items"]
        self.assertEqual({i["description"]: i["what"] for i in items},
                         {"opens": "stable", "first": "failing", "second": "stable", "extra": "failing"})
        self.assertEqual(self.get(self.project_path("stability?what=all&path=nothing"))["items"], [])
        script = self.get(self.project_path("stability?what=all&path=exit3.sh"))["items"]
        self.assertEqual([(i["description"], i["what"], i["failed"]) for i in script if "elsewhere" not in i["location"]],
                         [("", "stable", 2)])

    def test_stability_comes_in_pages(self):
        items, cursor = [], None
        while True:
            page = self.get(self.project_path("stability?what=all&limit=3") + ("&cursor=%s" % cursor if cursor else ""))
            self.assertLessEqual(len(page["items"]), 3)
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        names = [(i["path"], i["description"]) for i in items if "elsewhere" not in i["location"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({path for path, _ in names}, {"exit3.sh", "fine.sh", "t/a.tap.sh", "t/b.tap.sh", "t/c.tap.sh"})
        self.refused(self.project_path("stability?runs=1"), 422, "runs")
        self.refused("/api/v1/projects/99999/stability", 404)

    def test_the_slowest(self):
        files = self.get(self.project_path("slowest"))["items"]
        self.assertEqual({f["path"] for f in files}, {"exit3.sh", "fine.sh", "t/a.tap.sh", "t/b.tap.sh", "t/c.tap.sh"})
        self.assertEqual([f["duration_ms"] for f in files], sorted((f["duration_ms"] for f in files), reverse=True))
        examples = self.get(self.project_path("slowest?what=examples&limit=2"))["items"]
        self.assertEqual(len(examples), 2)
        self.assertTrue(all(e["seq"] is not None and e["description"] for e in examples))
        self.assertEqual(self.get(self.project_path("slowest?ref=nowhere"))["items"], [])

    def test_the_trend(self):
        launches = self.get(self.project_path("trend"))["items"]
        self.assertEqual([t["launch"] for t in launches][-3:], [self.later["id"], self.flipped["id"], self.first["id"]])
        runs = self.get(self.project_path("trend?path=t/a.tap.sh"))["items"]
        self.assertEqual((runs[-1]["launch"], runs[-1]["outcome"], runs[-1]["failed"]), (self.first["id"], "failed", 2))
        self.assertEqual(len(self.get(self.project_path("trend?limit=1"))["items"]), 1)

    # ---- causes ----

    def test_many_failures_are_few_causes(self):
        found = self.get("/api/v1/launches/%d/causes" % self.first["id"])
        self.assertEqual((found["failures"], found["n_causes"]), (4, 2), found)
        button, status = found["causes"]
        self.assertEqual(button["title"], "no button #btn-<n> in <n> s")
        self.assertEqual((button["count"], button["runs"], button["files"], button["known"]), (3, 2, 2, False))
        self.assertEqual({(e["path"], e["description"]) for e in button["examples"]},
                         {("t/a.tap.sh", "first"), ("t/a.tap.sh", "second"), ("t/b.tap.sh", "third")})
        self.assertEqual((status["count"], status["examples"][0]["path"], status["examples"][0]["seq"]), (1, "exit3.sh", None))
        self.assertEqual(status["servers"], ["local-1"])
        self.assertEqual(status["first_seen"]["launch"], self.first["id"])
        for cause in found["causes"]:
            self.assertRegex(cause["cause"], r"\A[0-9a-f]{16}\Z")
        examples = self.get("/api/v1/launches/%d/examples?status=failed" % self.first["id"])["items"]
        self.assertEqual({e["cause"] for e in examples}, {button["cause"]})

    def test_causes_are_listed_up_to_a_limit(self):
        found = self.get("/api/v1/launches/%d/causes?limit=1" % self.first["id"])
        self.assertEqual((len(found["causes"]), found["failures"], found["n_causes"]), (1, 4, 2))
        self.refused("/api/v1/launches/%d/causes?limit=0" % self.first["id"], 422, "limit")
        self.refused("/api/v1/launches/999999/causes", 404)

    def test_causes_come_live(self):
        made = self.server.post("/api/v1/launches", {"project": self.project, "files": ["t/a.tap.sh"]})
        stream = Stream(self.server.url + "/api/v1/stream?topics=launch:%d" % made["id"], self.server.token)
        try:
            told = wrata.wait_for("its causes are told",
                                  lambda: [e for e in stream.named("causes") if e["json"]["failures"] == 2], 30)
        finally:
            stream.close()
        self.assertEqual(told[-1]["json"]["launch"], made["id"])
        self.assertIn(("no button #btn-<n> in <n> s", True), [(c["title"], c["known"]) for c in told[-1]["json"]["causes"]])


    # ---- examples ----

    def found(self, query):
        items, cursor = [], None
        while True:
            page = self.get("/api/v1/examples?" + query + ("&cursor=%s" % cursor if cursor else ""))
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    def test_examples_of_all_launches(self):
        of = "project=%d" % self.project
        both = self.found(of + "&q=BUTTON%20btn-12")
        self.assertEqual({e["path"][-1] for e in both}, {"first"})
        self.assertEqual([e["run"] for e in both], sorted((e["run"] for e in both), reverse=True))
        self.assertEqual(self.found(of + "&q=no%20such%20words"), [])
        self.assertEqual({e["path"][-1] for e in self.found("launch=%d&status=failed" % self.first["id"])}, {"first", "second", "third"})
        self.assertEqual(len(self.found("launch=%d&limit=2" % self.first["id"])), 7)
        flips = self.found(of + "&path=t/c.tap.sh&limit=1")
        self.assertEqual({e["path"][-1] for e in flips}, {"flips"})
        self.assertGreaterEqual(len(flips), 3)
        one = flips[0]
        self.assertEqual({e["path"][-1] for e in self.found(of + "&id=" + urllib.parse.quote(one["id"]))}, {"flips"} if one["id"] else set())
        cause = next(e["cause"] for e in both)
        self.assertEqual({e["path"][-1] for e in self.found("launch=%d&cause=%s" % (self.first["id"], cause))}, {"first", "second", "third"})
        self.assertEqual({e["cause"] for e in self.found("cause=" + cause)}, {cause})
        self.assertEqual({e["status"] for e in self.found(of + "&status=pending")}, {"pending"})

    def test_examples_are_refused(self):
        self.refused("/api/v1/examples?path=t/a.tap.sh", 422, "path")
        self.refused("/api/v1/examples?id=x", 422, "id")
        self.refused("/api/v1/examples?cause=xyz", 422, "cause")
        self.refused("/api/v1/examples?launch=99999", 422, "launch")

    def test_one_example_with_its_code(self):
        example = self.found("launch=%d&status=failed" % self.first["id"])[0]
        one = self.get("/api/v1/runs/%d/examples/%d" % (example["run"], example["seq"]))
        self.assertEqual(one["example"], example)
        self.refused("/api/v1/runs/%d/examples/999" % example["run"], 404)
        self.refused("/api/v1/runs/999999/examples/0", 404)

    def test_zz_its_routes_were_held_against_the_document(self):
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item if CAUSES.match(p)}
        if len(self.contract.used) > 4:
            self.assertEqual(routes - self.contract.used, set())


if __name__ == "__main__":
    unittest.main(verbosity=2)
