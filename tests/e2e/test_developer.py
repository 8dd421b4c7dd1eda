"""`wrata run` of a developer, who is no admin, in a clone of a project that the server knows: its commits go there."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import git, make_project  # noqa: E402


class Developer(wrata.Case):
    def setUp(self):
        super().setUp()
        self.origin = make_project(os.path.join(self.folder, "origin"), {"t/a_check.sh": "echo from-origin\n"})
        self.server = self.serve()
        self.server.add_local()
        self.server.wait_online("local-1")
        self.server.post("/api/v1/users", {"login": "mira", "password": "correct horse battery"})
        done = subprocess.run([wrata.WRATA, "login", "--url", self.server.url, "--login", "mira", "--password-stdin"],
                              env=self.env(), input="correct horse battery\n", capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.clone = os.path.join(self.folder, "mine")
        git(self.folder, "clone", "-q", self.origin, self.clone)

    def env(self):
        return dict(os.environ, HOME=os.path.join(self.folder, "home"), XDG_CONFIG_HOME=os.path.join(self.folder, "config"),
                    XDG_DATA_HOME=os.path.join(self.folder, "mydata"), WRATA_URL=self.server.url, NO_COLOR="1")

    def run_in_clone(self, *args, expect=0):
        done = subprocess.run([wrata.WRATA, "run", *args], cwd=self.clone, env=self.env(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def projects(self):
        return [p["name"] for p in self.server.get("/api/v1/projects")["items"]]

    def test_commits_go_to_the_project_of_the_clone(self):
        self.server.post("/api/v1/projects", {"name": "other", "url": make_project(os.path.join(self.folder, "other"), {"x.sh": ""})})
        made = self.server.post("/api/v1/projects", {"name": "docs", "url": "file://" + self.origin + "/"})
        with open(os.path.join(self.clone, "t", "b_check.sh"), "w", encoding="utf-8") as f:
            f.write("echo never committed\n")
        self.run_in_clone("t/")
        launch = self.server.get("/api/v1/launches")["items"][0]
        self.assertEqual((launch["project"]["id"], launch["project"]["name"], launch["user"]["login"]), (made["id"], "docs", "mira"))
        self.assertEqual((launch["outcome"], launch["tests"]["total"]), ("passed", 2))
        runs = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"]
        self.assertIn(b"never committed", self.server.log(next(r["id"] for r in runs if r["path"] == "t/b_check.sh")))
        self.assertEqual(sorted(self.projects()), ["docs", "other"])
        # What was brought stays when the project is fetched again.
        self.server.post("/api/v1/projects/%d/refresh" % made["id"])
        self.assertEqual(self.server.get("/api/v1/projects/%d/tree?ref=%s" % (made["id"], launch["commit"]))["files"],
                         ["t/a_check.sh", "t/b_check.sh"])

    def test_ssh_and_https_are_one_project(self):
        # Nobody answers there: what is needed comes in the bundle.
        made = self.server.post("/api/v1/projects", {"name": "docs", "url": "https://127.0.0.1:9/owner/name.git"})
        git(self.clone, "remote", "set-url", "origin", "git@nowhere.invalid:owner/else.git")
        git(self.clone, "remote", "add", "mine", "https://me:secret@127.0.0.1:9/owner/name")
        self.run_in_clone("t/a_check.sh")
        self.assertEqual(self.server.get("/api/v1/launches")["items"][0]["project"]["id"], made["id"])
        with open(self.server.log_path, encoding="utf-8") as f:
            self.assertNotIn("secret", f.read())
        found = self.server.get("/api/v1/projects?remote=ssh%3A%2F%2Fgit%40127.0.0.1%2Fowner%2Fname")["items"]
        self.assertEqual(found, [])  # another port, so another server
        self.server.post("/api/v1/projects", {"name": "short", "url": "owner/name"})
        for remote in ("git%40github.com%3Aowner%2Fname.git", "https%3A%2F%2Fgithub.com%2Fowner%2Fname", "owner%2Fname"):
            found = self.server.get("/api/v1/projects?remote=" + remote)["items"]
            self.assertEqual([p["name"] for p in found], ["short"])

    def test_without_one_it_says_what_an_admin_has_to_do(self):
        said = self.run_in_clone("t/", expect=2)
        self.assertIn("only an admin may make it", said)
        self.assertIn("wrata projects add origin %s" % self.origin, said)
        git(self.clone, "remote", "set-url", "origin", "https://me:secret@git.example.org/owner/name.git")
        said = self.run_in_clone("t/", expect=2)
        self.assertIn("wrata projects add name https://git.example.org/owner/name", said)
        self.assertNotIn("secret", said)
        git(self.clone, "remote", "remove", "origin")
        self.assertIn("wrata projects add mine-", self.run_in_clone("t/", expect=2))
        self.assertEqual(self.projects(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
