"""Two launches of one RSpec suite: what is new, known, fixed, flaky; from the shell, as a developer sees it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=develop"]

PAGE = """
class Page
  def click(id)
    raise "no element '#btn-#{id}' in #{id} s"
  end
end
"""
FIRST = """
require_relative '../lib/page'
RSpec.describe "Editor" do
  it("opens") { }
  it("bolds") { Page.new.click(12) }
  it("prints") { expect(1).to eq 2 }
  it("saves") { |e| e.metadata[:page_url] = 'https://example.org/editor'; raise "lost\\nError screenshot: 'https://s3.example.org/a.png'" }
  it("flips") { expect(ENV['FLIP']).to be_nil }
end
"""
# "prints" is repaired, "shares" is new, the others stay; lines have moved.
SECOND = FIRST.replace("expect(1).to eq 2", "expect(2).to eq 2").replace(
    '  it("opens") { }', '  # a comment\n  it("opens") { }\n  it("shares") { Page.new.click(13) }')


@unittest.skipIf(shutil.which("rspec") is None, "rspec is not installed")
class CausesFromTheShell(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-e2e-causes-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.repo = os.path.join(cls.folder, "suite")
        os.makedirs(os.path.join(cls.repo, "spec"))
        os.makedirs(os.path.join(cls.repo, "lib"))
        subprocess.run([*GIT, "init", "-q"], cwd=cls.repo, check=True)
        with open(os.path.join(cls.repo, "lib", "page.rb"), "w", encoding="utf-8") as f:
            f.write(PAGE)
        cls.commit(FIRST)
        cls.server = wrata.Server(cls.folder)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.server.add_local(slots=1)
        cls.project = cls.server.post("/api/v1/projects", {"name": "suite", "url": cls.repo})["id"]
        cls.first = cls.wrata("run", "--project", "suite", "--ref", "develop", "spec", code=1)
        cls.flipped = cls.wrata("run", "--project", "suite", "--ref", "develop", "-e", "FLIP=1", "spec", code=1)
        cls.commit(SECOND)
        cls.server.post("/api/v1/projects/%d/refresh" % cls.project)
        cls.second = cls.wrata("run", "--project", "suite", "--ref", "develop", "spec", code=1)

    @classmethod
    def commit(cls, spec):
        with open(os.path.join(cls.repo, "spec", "editor_spec.rb"), "w", encoding="utf-8") as f:
            f.write(spec)
        subprocess.run([*GIT, "add", "-A"], cwd=cls.repo, check=True)
        subprocess.run([*GIT, "commit", "-qm", "suite"], cwd=cls.repo, check=True)

    @classmethod
    def wrata(cls, *args, code=0):
        done = subprocess.run([wrata.WRATA, *args, "--data", cls.server.data], capture_output=True, text=True,
                              timeout=120, cwd=cls.folder, check=False)
        if done.returncode != code:
            raise AssertionError("wrata %s: %d\n%s\n%s" % (" ".join(args), done.returncode, done.stdout, done.stderr))
        return done.stdout

    def test_the_report_says_why_and_what_is_new(self):
        self.assertIn("3 failures, 3 causes: ", self.first)
        self.assertNotIn("since launch", self.first)
        self.assertIn("0 new, 1 flaky, 3 known, 0 fixed since launch 1\n", self.flipped)
        self.assertIn("3 failures, 2 causes: 2 x no element '#btn-<n>' in <n> s; 1 x lost", self.second)
        self.assertIn("1 new, 2 known, 2 fixed since launch 2\n", self.second)

    def test_compare(self):
        out = self.wrata("compare", "3")
        for what, example in (("new", "Editor shares"), ("known", "Editor bolds"), ("known", "Editor saves"),
                              ("fixed", "Editor prints"), ("fixed", "Editor flips")):
            self.assertRegex(out, r"(?m)^%s .*spec/editor_spec.rb +%s$" % (what, example))
        self.assertIn("launch 1 was asked for", self.wrata("compare", "3", "--with", "1"))
        self.assertEqual(json.loads(self.wrata("compare", "3", "--json"))["counts"]["new"], 1)
        self.wrata("compare", "3", "--with", "3", code=2)
        self.wrata("compare", "x", code=2)
        launch = wrata.wait_for("the launch has its counts", lambda: self.server.get("/api/v1/launches/3")["compare"])
        self.assertEqual(launch, {"with": 2, "new": 1, "flaky": 0, "known": 2, "fixed": 2, "gone": 0})

    def test_causes(self):
        out = self.wrata("causes", "3")
        self.assertIn("1) no element '#btn-<n>' in <n> s\n     2 failures in 1 file on local-1; known since launch 1, ", out)
        self.assertIn("# ./lib/page.rb:4:in", out)
        ids = {c["title"]: c["cause"] for c in json.loads(self.wrata("causes", "1", "--json"))["causes"]}
        again = {c["title"]: c["cause"] for c in json.loads(self.wrata("causes", "3", "--json"))["causes"]}
        self.assertEqual(ids["no element '#btn-<n>' in <n> s"], again["no element '#btn-<n>' in <n> s"])
        self.wrata("causes", "99", code=2)

    def test_flaky_and_slowest(self):
        out = self.wrata("flaky", "suite")
        self.assertRegex(out, r"(?m)^flaky +\.F\. +[0-9a-f]{10} +spec/editor_spec.rb +Editor flips$")
        self.assertIn("spec/editor_spec.rb", self.wrata("slowest", "suite"))
        self.assertIn("Editor bolds", self.wrata("slowest", "suite", "--examples"))
        self.wrata("flaky", "nothing", code=2)

    def test_the_page_of_a_failure(self):
        examples = self.server.get("/api/v1/launches/3/examples?status=failed")["items"]
        saves = next(e for e in examples if e["path"][-1] == "saves")
        self.assertEqual((saves["page_url"], saves["screenshot"]), ("https://example.org/editor", "https://s3.example.org/a.png"))

    def test_the_code_around_a_failure(self):
        examples = self.server.get("/api/v1/launches/1/examples?status=failed")["items"]
        bolds = next(e for e in examples if e["path"][-1] == "bolds")
        one = self.server.get("/api/v1/runs/%d/examples/%d" % (bolds["run"], bolds["seq"]))
        self.assertEqual(one["code"], {"file": "lib/page.rb", "line": 4, "first_line": 1, "text": PAGE})
        prints = next(e for e in examples if e["path"][-1] == "prints")
        code = self.server.get("/api/v1/runs/%d/examples/%d" % (prints["run"], prints["seq"]))["code"]
        self.assertEqual((code["file"], code["text"].splitlines()[code["line"] - code["first_line"]]),
                         ("spec/editor_spec.rb", FIRST.splitlines()[code["line"] - 1]))
        self.assertIn("expect(1).to eq 2", FIRST.splitlines()[code["line"] - 1])  # as it was then, not as it is now


if __name__ == "__main__":
    unittest.main(verbosity=2)
