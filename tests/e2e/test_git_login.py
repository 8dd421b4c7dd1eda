#!/usr/bin/env python3
"""git_user and git_token: projects by https with the right ones, wrong ones, none; and nobody else ever sees the token.

Two git servers on loopback, with TLS by an authority of their own: the git host, and another one that takes notes."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import git_site  # noqa: E402
import wrata  # noqa: E402
from wrata import git, wait_for  # noqa: E402


class GitLogin(git_site.GitSiteCase):
    def test_the_right_token_fetches(self):
        self.login()
        server = self.serve(env=self.env)
        self.assertIsNone(self.fetch(server, self.site.url + "/team/app.git"))
        self.assertIsNone(self.fetch(server, "team/app"), "a short name means the git host")
        self.assertIn(self.site.right, self.site.logins)
        self.assertFalse(os.path.exists(os.path.join(self.home, ".git-credentials")))

    def test_a_wrong_token_is_said(self):
        self.login("t0ken-of-yesterday")
        server = self.serve(env=self.env)
        said = self.fetch(server, self.site.url + "/team/app.git")
        self.assertIn("%s refuses git_user '%s' with git_token" % (self.site.host, git_site.USER), said)
        self.assertIn("wrata credentials set git_token", said)
        self.assertNotIn("t0ken", server.log_tail(100000))
        # renewed while the server runs
        self.login()
        server.process.send_signal(signal.SIGHUP)
        wait_for("the credentials are read", lambda: "event=config.reloaded" in server.log_tail())
        self.assertIsNone(self.fetch(server, self.site.url + "/team/app.git"))

    def test_a_token_that_stops_working(self):
        """What was fetched serves on, with its age and the reason; a launch of a branch says what it used."""
        self.login()
        server = self.serve(env=self.env)
        self.assertIsNone(self.fetch(server, "team/app"))
        fresh = server.get("/api/v1/projects/1")
        known = server.get("/api/v1/projects/1/refs")["branches"][0]["commit"]
        self.set(git_token="t0ken-of-yesterday")
        server.process.send_signal(signal.SIGHUP)
        wait_for("the credentials are read", lambda: "event=config.reloaded" in server.log_tail())
        said = server.post("/api/v1/projects/1/refresh")
        self.assertIn("%s refuses git_user" % self.site.host, said["error"])
        for path in ("", "/refs", "/tree"):
            answer = server.get("/api/v1/projects/1" + path)
            self.assertEqual((answer["error"], answer["refreshed_at"]), (said["error"], fresh["refreshed_at"]))
        self.assertEqual(server.get("/api/v1/projects/1/tree")["files"], ["a.sh"])
        launch = server.launch(1, ["a.sh"], ref="main")
        self.assertEqual(launch["commit"], known)
        self.assertRegex(launch["note"], "^main is as it was fetched at .* UTC; .* refuses git_user")
        self.assertEqual(server.launch(1, ["a.sh"], ref=known)["note"], "")
        self.assertNotIn("t0ken", server.log_tail(100000))
        self.login()
        server.process.send_signal(signal.SIGHUP)
        wait_for("the token works again", lambda: server.post("/api/v1/projects/1/refresh")["error"] is None)
        self.assertEqual(server.launch(1, ["a.sh"], ref="main")["note"], "")

    def submodules(self, **urls):
        """A project team/top with these submodules, all at the commit of team/app."""
        top = self.project({"a.sh": "cat lib/a.sh\n"}, "top")
        of = git(os.path.join(self.root, "team", "app.git"), "rev-parse", "HEAD").strip()
        with open(os.path.join(top, ".gitmodules"), "w", encoding="utf-8") as f:
            f.write("".join('[submodule "%s"]\n\tpath = %s\n\turl = %s\n' % (path, path, url) for path, url in urls.items()))
        git(top, "add", ".gitmodules")
        for path in urls:
            git(top, "update-index", "--add", "--cacheinfo", "160000,%s,%s" % (of, path))
        git(top, "commit", "-q", "-m", "submodules")
        subprocess.run(["git", "clone", "-q", "--bare", top, os.path.join(self.root, "team", "top.git")], check=True)
        return of

    def test_submodules_are_fetched_with_the_token(self):
        self.login()
        of = self.submodules(lib="../app.git", other=self.site.url + "/team/app.git")
        server = self.serve(env=self.env)
        server.add_local(slots=1)
        self.assertIsNone(self.fetch(server, "team/top"))
        launch = server.launch(1, ["a.sh"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        self.assertEqual(server.log(server.get("/api/v1/runs")["items"][0]["id"]), b"true\n")
        plan = server.post("/api/v1/launches/plan", {"project": 1, "files": ["a.sh"]})
        self.assertEqual([(m["path"], m["commit"]) for m in plan["submodules"]], [("lib", of), ("other", of)])
        self.assertTrue([p for p in self.site.asked if p.startswith("/team/app.git")])

    def test_a_submodule_elsewhere_does_not_get_the_token(self):
        self.login()
        self.submodules(lib=self.other.url + "/team/app.git")
        server = self.serve(env=self.env)
        self.assertIsNone(self.fetch(server, "team/top"))
        with self.assertRaises(wrata.ApiError) as caught:
            server.launch(1, ["a.sh"])
        self.assertIn("submodule lib: cannot fetch %s/team/app.git: " % self.other.url, caught.exception.body)
        self.assertIn("asks for a name and a password", caught.exception.body)
        self.assertTrue([p for p in self.other.asked if p.startswith("/team/app.git")])

    def test_without_a_token_it_says_what_is_missing(self):
        server = self.serve(env=self.env)
        said = self.fetch(server, self.site.url + "/team/app.git")
        self.assertIn("%s asks for a name and a password, and the credentials have no git_token" % self.site.host, said)
        self.assertIsNone(self.fetch(server, self.site.url + "/open/team/app.git"))
        self.assertEqual(self.site.logins, [])

    def test_no_other_host_gets_it(self):
        self.login()
        server = self.serve(env=self.env)
        said = self.fetch(server, self.other.url + "/team/app.git")
        self.assertIn("git_token of the credentials is for https://%s (git_host)" % self.site.host, said)
        # the same host on another port, in plain text: nobody listens for TLS there, and nobody is asked for a token
        self.assertIsNotNone(self.fetch(server, "http://%s/team/app.git" % self.site.host))
        self.assertEqual(self.site.logins, [])
        # sent on, before a login and after one
        for way in ("away", "later"):
            said = self.fetch(server, "%s/%s/team/app.git" % (self.site.url, way))
            self.assertIsNotNone(said)
            self.assertTrue([p for p in self.other.asked if p.startswith("/team/app.git")], way)
        self.assertIn(self.site.right, self.site.logins)
        # where nobody is asked, sent on is fine
        self.assertIsNone(self.fetch(server, self.site.url + "/away/open/team/app.git"))

    def test_what_cannot_be_a_host_is_refused(self):
        self.set(git_host="https://github.com", git_token=git_site.TOKEN)
        server = wrata.Server(self.folder, env=self.env).start(expect_fail=True)
        self.assertEqual(server.process.wait(60), 2, server.log_tail())
        self.assertIn("git_host: 'https://github.com' is not a host like github.com", server.log_tail())

    def test_the_mode_for_git_answers_git_alone(self):
        env = dict(self.env, WRATA_ASKPASS_HOST="h", WRATA_ASKPASS_USER="u", WRATA_ASKPASS_TOKEN="t")
        for question, answer in (("Username for 'https://h': ", "u\n"), ("Password for 'https://u@h': ", "t\n"),
                                 ("Password for 'https://u@evil': ", ""), ("Password for 'http://u@h': ", ""),
                                 ("Password for 'https://x@h': ", ""), ("Password for 'https://u@h/p': ", ""), ("", "")):
            done = subprocess.run([wrata.WRATA, question], env=env, capture_output=True, text=True, timeout=120)
            self.assertEqual((done.stdout, done.returncode, done.stderr), (answer, 0 if answer else 1, ""), question)
        for command in (["help"], ["help", "--markdown"], ["man"]):
            shown = subprocess.run([wrata.WRATA, *command], env=self.env, capture_output=True, text=True, timeout=120).stdout
            self.assertNotIn("ASKPASS", shown)


if __name__ == "__main__":
    wrata.main()
