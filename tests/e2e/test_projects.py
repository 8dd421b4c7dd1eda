"""Projects of a real server: edited, searched, refreshed, shown with their age, removed."""

import os
import subprocess
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import git, make_project  # noqa: E402


class Projects(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()

    def project(self, name, files, **more):
        repo = make_project(os.path.join(self.folder, name), files)
        made = self.server.post("/api/v1/projects", dict(name=name, url=repo, **more))
        return repo, "/api/v1/projects/%d" % made["id"]

    def refused(self, status, field, method, path, body=None):
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.call(method, path, body)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        self.assertIn('"field":"%s"' % field, caught.exception.body)

    def tree(self, path, **query):
        return self.server.get(path + "/tree?" + urllib.parse.urlencode(query))

    def test_an_edit_changes_what_it_names(self):
        repo, path = self.project("docs", {"a.sh": "x"})
        self.server.post(path + "/refresh")
        other = make_project(os.path.join(self.folder, "other"), {"b.sh": "x"})
        before = self.server.get(path)
        self.assertEqual(before["refresh_s"], 300)
        row = self.server.post(path, {"name": "docs 2", "refresh_s": 0})
        self.assertEqual((row["name"], row["url"], row["refresh_s"], row["refreshed_at"]), ("docs 2", repo, 0, before["refreshed_at"]))
        self.assertEqual(self.tree(path)["files"], ["a.sh"])
        self.server.post(path, {"url": other})  # fetched by itself
        wrata.wait_for("the tree of the other url", lambda: self.tree(path)["files"] == ["b.sh"])
        self.assertEqual(self.server.get(path)["url"], other)
        self.project("third", {"c.sh": "x"})
        for body, status, field in (({"name": "third"}, 409, "name"), ({"url": "ext::sh -c id"}, 422, "url"), ({"url": "../x"}, 422, "url"),
                                    ({"name": "-x"}, 422, "name"), ({"name": ""}, 422, "name"), ({"refresh_s": 29}, 422, "refresh_s"),
                                    ({"refresh_s": 604801}, 422, "refresh_s")):
            self.refused(status, field, "POST", path, body)
        self.refused(422, "url", "POST", "/api/v1/projects", {"name": "x", "url": "--upload-pack=id"})
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.get(path)["name"], "docs 2")

    def wrata(self, *args, expect=0):
        done = subprocess.run([wrata.WRATA, *args, "--data", self.server.data], env=dict(os.environ, HOME=self.folder),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_the_command_line(self):
        repo = make_project(os.path.join(self.folder, "docs"), {"a.sh": "x"})
        self.wrata("projects", "add", "docs", repo, "--refresh", "1h")
        self.assertEqual(self.server.get("/api/v1/projects/1")["refresh_s"], 3600)
        self.wrata("projects", "edit", "docs", "--rename", "pages", "--refresh", "0")
        row = self.server.get("/api/v1/projects/1")
        self.assertEqual((row["name"], row["refresh_s"], row["url"]), ("pages", 0, repo))
        other = make_project(os.path.join(self.folder, "other"), {"b.sh": "x"})
        self.wrata("projects", "edit", "pages", "--git", other)
        self.assertEqual(self.server.get("/api/v1/projects/1")["url"], other)
        self.assertIn("what is to change", self.wrata("projects", "edit", "pages", expect=2))
        self.assertIn("refresh_s", self.wrata("projects", "edit", "pages", "--refresh", "1s", expect=2))
        self.assertIn("url", self.wrata("projects", "edit", "pages", "--git", "ext::id", expect=2))

    def test_a_list_that_cannot_be_refreshed_is_the_old_one(self):
        repo, path = self.project("docs", {"a.sh": "x"})
        git(repo, "branch", "develop")
        fresh = self.server.post(path + "/refresh")
        refs = self.server.get(path + "/refs")
        self.assertEqual([(b["name"], b["subject"]) for b in refs["branches"]], [("develop", "files"), ("main", "files")])
        os.rename(repo, repo + ".away")
        failed = self.server.post(path + "/refresh")
        self.assertIn("does not appear to be a git repository", failed["error"])
        self.assertEqual(failed["refreshed_at"], fresh["refreshed_at"])
        for answer in (self.server.get(path + "/refs"), self.tree(path)):
            self.assertEqual((answer["error"], answer["refreshed_at"]), (failed["error"], fresh["refreshed_at"]))
        self.assertEqual(self.server.get(path + "/refs")["branches"], refs["branches"])
        self.assertEqual(self.tree(path)["files"], ["a.sh"])
        os.rename(repo + ".away", repo)
        self.assertIsNone(self.server.post(path + "/refresh")["error"])

    def test_subjects_of_branches_and_tags(self):
        repo, path = self.project("docs", {"a.sh": "x"})
        git(repo, "commit", "-q", "--allow-empty", "-m", "a:b: one\nline two\n\nbody")
        git(repo, "tag", "-a", "v1", "-m", "words of the tag")
        git(repo, "branch", "ä/ö")
        self.server.post(path + "/refresh")
        refs = self.server.get(path + "/refs")
        self.assertEqual([(r["name"], r["subject"]) for r in refs["branches"]], [("main", "a:b: one line two"), ("ä/ö", "a:b: one line two")])
        self.assertEqual([(r["name"], r["subject"], r["commit"]) for r in refs["tags"]],
                         [("v1", "a:b: one line two", git(repo, "rev-parse", "HEAD").strip())])

    def test_the_tree_can_be_of_tests_alone(self):
        files = {"README.md": "", "lib/a.rb": "", "spec/a_spec.rb": "", "smoke.sh": "", "check/one.feature": "", "test_b.py": ""}
        repo, path = self.project("tests", files)
        self.assertEqual(self.tree(path)["files"], sorted(files))
        self.assertEqual(self.tree(path, tests=1)["files"], ["smoke.sh", "spec/a_spec.rb", "test_b.py"])
        self.assertEqual(self.tree(path, tests=1, q="spec")["files"], ["spec/a_spec.rb"])
        wrata.make_project(repo, {"wrata.yml": "commands:\n  - {glob: 'check/**', run: ['true', '{file}']}\n"})
        self.server.post(path + "/refresh")
        self.assertEqual(self.tree(path, tests=1)["files"], ["check/one.feature", "smoke.sh", "spec/a_spec.rb", "test_b.py"])
        wrata.make_project(repo, {"wrata.yml": "commands: [\n"})
        self.server.post(path + "/refresh")
        self.assertEqual(self.tree(path, tests=1)["files"], ["smoke.sh", "spec/a_spec.rb", "test_b.py"])
        self.refused(422, "tests", "GET", path + "/tree?tests=perhaps")

    def test_search_in_a_large_tree(self):
        repo, path = self.project("large", {"spec/Docs/pivot_%02d_spec.rb" % i: "" for i in range(50)})
        # 20,000 files more without a work tree
        lines = "".join("100644 blob e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\tmore/folder_%03d/Datei_%05d_spec.rb\n" % (i % 200, i) for i in range(20000))
        subprocess.run(["git", "-C", repo, "update-index", "--index-info"], input=lines, text=True, check=True)
        git(repo, "commit", "-q", "-m", "many")
        self.server.post(path + "/refresh")
        self.assertEqual(len(self.tree(path)["files"]), 20050)
        found = self.tree(path, q="PIVOT docs 7")["files"]
        self.assertEqual(found, ["spec/Docs/pivot_%02d_spec.rb" % i for i in (7, 17, 27, 37, 47)])
        self.assertEqual(len(self.tree(path, glob="spec/**/*_1?_spec.rb")["files"]), 10)
        self.assertEqual(self.tree(path, q="pivot", glob="more/**")["files"], [])
        pages, after = [], ""
        while after is not None:
            page = self.tree(path, q="datei folder_00", limit=300, after=after)
            pages += page["files"]
            after = page["next"]
        self.assertEqual(pages, self.tree(path, q="datei folder_00")["files"])
        self.assertEqual(len(pages), 1000)
        self.refused(422, "limit", "GET", path + "/tree?limit=0")
        self.refused(422, "q", "GET", path + "/tree?q=" + "a%20" * 17)
        times = []
        for _ in range(9):
            start = time.monotonic()
            self.tree(path, q="datei 1999", limit=100)
            times.append((time.monotonic() - start) * 1000)
        print("search in 20,050 files: median %.1f ms, best %.1f ms" % (sorted(times)[4], min(times)), file=sys.stderr)

    def test_what_a_crash_left_is_swept(self):
        repo, path = self.project("docs", {"a.sh": "x"})
        self.server.post(path + "/refresh")
        self.server.stop()
        mirrors = next(d for d, _, _ in os.walk(self.server.data) if os.path.basename(d) == "p1.git")
        mirrors = os.path.dirname(mirrors)
        for name in ("p7.git.new", "gone-1-p8.git.new"):
            os.makedirs(os.path.join(mirrors, name, "objects"))
        self.server.start()
        wrata.wait_for("leftovers are gone", lambda: os.listdir(mirrors) == ["p1.git"])
        self.assertEqual(self.tree(path)["files"], ["a.sh"])

    def test_history_stays_when_a_project_goes(self):
        repo, path = self.project("docs", {"a.sh": "echo kept\n"})
        self.server.add_local()
        launch = self.server.wait_launch(self.server.launch("docs", ["a.sh"])["id"])
        self.server.call("DELETE", path)
        again = self.server.get("/api/v1/launches/%d" % launch["id"])
        self.assertEqual((again["project"]["name"], again["outcome"]), ("docs", "passed"))
        run = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"][0]
        self.assertIn(b"kept", self.server.log(run["id"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
