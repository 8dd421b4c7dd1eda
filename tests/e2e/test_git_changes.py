#!/usr/bin/env python3
"""What people do to a repository while a project follows it: rewritten, renamed and deleted branches, tags that move, a default branch
that is another one, a repository that is empty, goes away and comes back. What was fetched serves on, and says how old it is."""
import os
import shutil
import subprocess
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import git, make_project  # noqa: E402


class GitChanges(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.repo = make_project(os.path.join(self.folder, "docs"), {"a.sh": "echo first\n"})
        self.add("docs", self.repo)

    def add(self, name, repo):
        self.path = "/api/v1/projects/%d" % self.server.post("/api/v1/projects", {"name": name, "url": repo})["id"]
        return self.refresh()

    def refresh(self):
        return self.server.post(self.path + "/refresh")

    def refreshed(self):
        self.assertIsNone(self.refresh()["error"])

    def write(self, name, text, *amend):
        with open(os.path.join(self.repo, name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(os.path.join(self.repo, name), 0o755)
        git(self.repo, "add", "-A")
        git(self.repo, "commit", "-q", "-m", "change", *amend)
        return self.head()

    def head(self, name="HEAD"):
        return git(self.repo, "rev-parse", name).strip()

    def names(self, kind="branches"):
        return {r["name"]: r["commit"] for r in self.server.get(self.path + "/refs")[kind]}

    def default(self):
        return self.server.get(self.path + "/refs")["head"]

    def tree(self, **query):
        return self.server.get(self.path + "/tree?" + urllib.parse.urlencode(query))

    def refused(self, call, *parts, status=422):
        with self.assertRaises(wrata.ApiError) as caught:
            call()
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        for part in parts:
            self.assertIn(part, caught.exception.body)

    def launch(self, ref, files=("a.sh",), project="docs"):
        return self.server.launch(project, list(files), ref=ref)

    def log_of(self, launch):
        done = self.server.wait_launch(launch["id"])
        runs = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"]
        self.assertEqual(done["outcome"], "passed", [r["reason"] for r in runs])
        self.assertEqual([r["commit"] for r in runs], [launch["commit"]] * len(runs))
        return self.server.log(runs[0]["id"]).decode()

    # ---- branches and tags ----

    def test_a_branch_that_is_rewritten(self):
        """A launch stays at the commit that it began with, also when no branch holds it any more and the mirror is tidied."""
        old = self.head()
        waiting = self.launch("main")  # no server yet
        new = self.write("a.sh", "echo second\n", "--amend")
        self.refreshed()
        self.assertEqual(self.names(), {"main": new})
        self.assertEqual(self.tree()["commit"], new)
        mirror = next(d for d, _, _ in os.walk(self.server.data) if os.path.basename(d) == "p1.git")
        self.assertNotEqual(git(mirror, "rev-parse", "main").strip(), old)
        # what the daily tidying does when there is something to drop
        git(mirror, "prune", "--expire=now")
        self.server.add_local(slots=1)
        self.assertEqual(waiting["commit"], old)
        self.assertIn("first", self.log_of(waiting))
        self.assertIn("second", self.log_of(self.launch("main")))
        # by its id it may still be launched, and its own launch run again
        self.assertIn("first", self.log_of(self.launch(old)))
        again = self.server.post("/api/v1/launches/%d/retest" % waiting["id"], {"what": "all"})
        self.assertEqual(again["commit"], old)
        self.assertIn("first", self.log_of(again))

    def test_branches_that_go_and_become_folders(self):
        git(self.repo, "branch", "a")
        git(self.repo, "branch", "gone")
        git(self.repo, "tag", "t")
        self.refreshed()
        listed = self.server.post("/api/v1/lists", {"name": "nightly", "project": "docs", "ref": "gone", "files": ["a.sh"]})
        git(self.repo, "branch", "-D", "a", "gone")
        git(self.repo, "tag", "-d", "t")
        git(self.repo, "branch", "a/b")
        git(self.repo, "tag", "t/1")
        self.refreshed()
        self.assertEqual(sorted(self.names()), ["a/b", "main"])
        self.assertEqual(sorted(self.names("tags")), ["t/1"])
        self.refused(lambda: self.launch("gone"), '"field":"ref"', "there is no branch, tag or commit 'gone'")
        self.refused(lambda: self.tree(ref="a"), "there is no branch, tag or commit 'a'")
        self.refused(lambda: self.server.post("/api/v1/lists/%d/launch" % listed["id"]), "there is no branch, tag or commit 'gone'")
        # back again: a file where the folder was
        git(self.repo, "branch", "-D", "a/b")
        git(self.repo, "branch", "a")
        git(self.repo, "tag", "-d", "t/1")
        git(self.repo, "tag", "t")
        git(self.repo, "branch", "gone")
        self.refreshed()
        self.assertEqual(sorted(self.names()), ["a", "gone", "main"])
        self.assertEqual(sorted(self.names("tags")), ["t"])
        self.assertEqual(self.launch("gone")["commit"], self.head())

    def test_a_tag_that_moves(self):
        old = self.head()
        git(self.repo, "tag", "v1")
        self.refreshed()
        self.assertEqual(self.names("tags"), {"v1": old})
        first = self.launch("v1")
        new = self.write("a.sh", "echo second\n")
        git(self.repo, "tag", "-f", "-a", "-m", "moved", "v1")
        self.refreshed()
        self.assertEqual(self.names("tags"), {"v1": new})
        self.assertEqual((first["commit"], self.launch("v1")["commit"]), (old, new))
        self.assertEqual(self.server.get("/api/v1/launches/%d" % first["id"])["commit"], old)

    # ---- the default branch ----

    def test_a_default_branch_that_is_renamed(self):
        git(self.repo, "branch", "-m", "trunk")
        new = self.write("b.sh", "echo b\n")
        self.refreshed()
        self.assertEqual((self.default(), self.names()), ("trunk", {"trunk": new}))
        self.assertEqual((self.tree()["commit"], self.launch("")["commit"]), (new, new))
        self.refused(lambda: self.launch("main"), "there is no branch, tag or commit 'main'")

    def test_a_default_branch_that_is_deleted(self):
        """The remote's HEAD leads nowhere: then there is none, and nothing pretends that there is."""
        git(self.repo, "branch", "side")
        git(self.repo, "checkout", "-q", "--detach")
        git(self.repo, "symbolic-ref", "HEAD", "refs/heads/main")
        git(self.repo, "update-ref", "-d", "refs/heads/main")
        self.refreshed()
        self.assertEqual((self.default(), list(self.names())), (None, ["side"]))
        self.refused(self.tree, "the default branch is not known; name a branch")
        self.refused(lambda: self.launch(""), "the default branch is not known; name a branch")
        self.assertEqual(self.tree(ref="side")["files"], ["a.sh"])
        # one of the usual names is what is used, and what is shown
        git(self.repo, "branch", "develop", "side")
        self.refreshed()
        self.assertEqual(self.default(), "develop")
        self.assertEqual(self.launch("")["commit"], self.head("develop"))

    # ---- the repository ----

    def test_an_empty_repository(self):
        self.repo = os.path.join(self.folder, "empty")
        subprocess.run(["git", "init", "-q", "-b", "main", self.repo], check=True)
        self.assertIsNone(self.add("empty", self.repo)["error"])
        self.assertEqual((self.default(), self.names(), self.names("tags")), (None, {}, {}))
        self.refused(self.tree, "the repository has no branches and no tags yet")
        self.refused(lambda: self.launch("", project="empty"), '"field":"ref"', "the repository has no branches and no tags yet")
        self.refused(lambda: self.launch("main", project="empty"), "there is no branch, tag or commit 'main'")
        first = self.write("a.sh", "echo first\n")
        self.refreshed()
        self.assertEqual((self.default(), self.launch("", project="empty")["commit"]), ("main", first))

    def test_one_that_goes_away_and_comes_back_as_another(self):
        old = self.head()
        git(self.repo, "branch", "side")
        fresh = self.refresh()
        os.rename(self.repo, self.repo + ".away")
        failed = self.refresh()
        self.assertIn("does not appear to be a git repository", failed["error"])
        self.assertEqual(failed["refreshed_at"], fresh["refreshed_at"])
        for answer in (self.server.get(self.path), self.server.get(self.path + "/refs"), self.tree()):
            self.assertEqual((answer["error"], answer["refreshed_at"]), (failed["error"], fresh["refreshed_at"]))
        # a commit, what its id means does not change: nobody is asked
        known = self.launch(old)
        self.assertEqual((known["commit"], known["note"]), (old, ""))
        # a branch is what it was, and the launch says so
        late = self.launch("main")
        self.assertEqual(late["commit"], old)
        self.assertIn("main is as it was fetched at %s UTC" % fresh["refreshed_at"][:19].replace("T", " "), late["note"])
        self.assertIn("does not appear to be a git repository", late["note"])
        self.assertEqual(self.server.get("/api/v1/launches/%d" % late["id"])["note"], late["note"])
        self.refused(lambda: self.launch("pushed-meanwhile"), "'pushed-meanwhile' is not known here", "does not appear to be a git repository",
                     status=500)
        # another history under the same url
        make_project(self.repo, {"b.sh": "echo other\n"})
        self.refreshed()
        self.assertEqual(self.names(), {"main": self.head()})
        self.assertEqual(self.tree()["files"], ["b.sh"])
        self.assertEqual(self.launch("main", ["b.sh"])["note"], "")
        self.assertEqual(self.launch(old)["commit"], old)
        # with nothing in it
        shutil.rmtree(self.repo)
        subprocess.run(["git", "init", "-q", "-b", "main", self.repo], check=True)
        self.refreshed()
        self.assertEqual(self.names(), {})

    def test_a_remote_that_does_not_answer(self):
        """Nobody listens there any more: said at once, with the address; nothing that was fetched is lost."""
        fresh = self.server.get(self.path)
        self.server.post(self.path, {"url": "git://127.0.0.1:9/docs.git"})
        failed = self.refresh()
        self.assertIn("127.0.0.1", failed["error"])
        self.assertEqual(failed["refreshed_at"], fresh["refreshed_at"])
        begin = time.monotonic()
        self.assertEqual(self.tree()["files"], ["a.sh"])
        self.assertLess(time.monotonic() - begin, 5)
        self.assertIn("127.0.0.1", self.launch("main")["note"])


if __name__ == "__main__":
    wrata.main()
