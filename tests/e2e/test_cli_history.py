"""`wrata history` and `wrata retest` of runs and examples, against a real server."""

import csv
import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

RSPEC = os.environ.get("WRATA_TEST_RSPEC", "/usr/bin/rspec")
SPEC = 'RSpec.describe "sums" do\n  it("adds") { expect(1 + 1).to eq 2 }\n  it("divides") { expect(4 / 2).to eq 3 }\nend\n'


class CliHistory(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.repo = self.project({"good.sh": "echo fine\n", "deep/bad.sh": "echo broken\nexit 1\n", "spec/sums_spec.rb": SPEC})
        self.server.post("/api/v1/projects", {"name": "p", "url": self.repo})
        self.server.add_local("web-1", 2)
        self.server.wait_online("web-1")
        self.files = ["good.sh", "deep/bad.sh"] + (["spec/sums_spec.rb"] if os.path.exists(RSPEC) else [])
        self.first = self.server.wait_launch(self.server.launch("p", self.files, languages=["de-DE"])["id"])

    def wrata(self, *args, expect=0):
        env = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "none"), NO_COLOR="1")
        done = subprocess.run([wrata.WRATA, *args, "--data", self.server.data], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, cwd=self.folder)
        self.assertEqual(done.returncode, expect, (args, done.stdout, done.stderr))
        return done.stdout if expect == 0 else done.stderr

    def ids(self, *filters):
        return sorted(r["path"] for r in json.loads(self.wrata("history", "--json", *filters))["items"])

    def test_history_as_table_file_and_zip(self):
        table = self.wrata("history").splitlines()
        self.assertEqual(table[0].split(), ["RUN", "TIME", "(UTC)", "OUTCOME", "TOOK", "SERVER", "WHO", "PROJECT", "REF", "FILE"])
        self.assertEqual(len(table), 1 + len(self.files))
        self.assertEqual(self.ids("--outcome", "failed", "--path", "BAD"), ["deep/bad.sh"])
        self.assertEqual(self.ids("--user", "operator", "--project", "p", "--server", "web-1", "--language", "de-DE", "--ref", "",
                                  "--file", "good.sh", "--launch", str(self.first["id"]), "--since", "1h", "--state", "done"), ["good.sh"])
        self.assertEqual(self.ids("--until", "1h"), [])
        self.assertIn("No run fits.", self.wrata("history", "--file", "none.sh"))
        self.assertEqual(len(self.ids("--limit", "1")), 1)
        rows = list(csv.DictReader(io.StringIO(self.wrata("history", "--csv", "--limit", "1"))))
        self.assertEqual(sorted(r["path"] for r in rows), sorted(self.files))
        self.assertEqual(json.loads(self.wrata("history", "export", "--outcome", "passed"))[0]["path"], "good.sh")

        self.assertIn("runs.xml, ", self.wrata("history", "export", "--format", "junit", "-o", "runs.xml"))
        root = xml.etree.ElementTree.parse(os.path.join(self.folder, "runs.xml")).getroot()
        self.assertEqual(sorted(s.get("name") for s in root), sorted(self.files))
        self.wrata("history", "logs", "--file", "deep/bad.sh", "-o", "logs.zip")
        with zipfile.ZipFile(os.path.join(self.folder, "logs.zip")) as archive:
            self.assertEqual(archive.read(archive.namelist()[0]), b"broken\n")
            self.assertRegex(archive.namelist()[0], r"^deep/bad\.sh/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_web-1_run-\d+\.log$")

    def test_what_makes_no_sense_is_refused(self):
        for args, words in ((("history", "--outcome", "green"), "outcome"), (("history", "--since", "tomorrow"), "since"),
                            (("history", "logs"), "-o FILE.zip"), (("retest", "run:x"), "run"), (("retest", "1", "2"), "one LAUNCH"),
                            (("retest", "run:1", "--all"), "--all"), (("retest", "1", "--all", "--failed-examples"), "exclude")):
            self.assertIn(words, self.wrata(*args, expect=2))
        self.wrata("history", "--project", "nothing", expect=2)
        self.wrata("history", "logs", "--file", "none.sh", "-o", "logs.zip", expect=2)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "logs.zip")))

    def test_chosen_runs_and_failed_examples_run_again(self):
        runs = {r["path"]: r["id"] for r in self.server.all("/api/v1/runs")}
        self.wrata("retest", "run:%d" % runs["good.sh"])
        self.wrata("retest", "run:%d" % runs["good.sh"], "run:%d" % runs["deep/bad.sh"], expect=1)
        if "spec/sums_spec.rb" not in runs:
            self.skipTest("rspec is not installed")
        self.wrata("retest", str(self.first["id"]), "--failed-examples", expect=1)
        again = self.server.all("/api/v1/runs")[:2]
        self.assertEqual(sorted(r["path"] for r in again), ["deep/bad.sh", "spec/sums_spec.rb[1:2]"])


if __name__ == "__main__":
    wrata.main()
