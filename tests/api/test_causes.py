"""Causes, comparison, examples, stability: what a launch failed by, and what of it is new."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wrata  # noqa: E402
from contract import Contract  # noqa: E402
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
    "exit3.sh": "echo broken; exit 3\n",
    "fine.sh": "echo fine\n",
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
        made = self.server.post("/api/v1/launches", {"project": self.project, "files": ["t/b.tap.sh"]})
        stream = Stream(self.server.url + "/api/v1/stream?topics=launch:%d" % made["id"], self.server.token)
        try:
            told = wrata.wait_for("its causes are told",
                                  lambda: [e for e in stream.named("causes") if e["json"]["failures"] == 1], 30)
        finally:
            stream.close()
        self.assertEqual(told[-1]["json"]["launch"], made["id"])
        self.assertEqual(told[-1]["json"]["causes"][0]["title"], "no button #btn-<n> in <n> s")
        self.assertTrue(told[-1]["json"]["causes"][0]["known"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
