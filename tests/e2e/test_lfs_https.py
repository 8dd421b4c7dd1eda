#!/usr/bin/env python3
"""Files of Git LFS by https with git_token: from a server that does what it should, and from those that do anything else."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import git_site  # noqa: E402
import wrata  # noqa: E402


class LfsHttps(git_site.GitSiteCase):
    def repository(self, **more):
        """team/media with a file that this site holds."""
        self.data = os.urandom(200000)
        source = self.project(dict({"a.sh": "sha256sum a.bin\n", ".gitattributes": "*.bin filter=lfs -text\n", "a.bin": self.site.hold(self.data)},
                                   **more), "media")
        subprocess.run(["git", "clone", "-q", "--bare", source, os.path.join(self.root, "team", "media.git")], check=True)

    def test_with_the_token(self):
        self.repository()
        self.login()
        server = self.serve(env=self.env)
        server.add_local(slots=1)
        self.assertIsNone(self.fetch(server, "team/media"))
        launch = server.launch(1, ["a.sh"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        self.assertEqual(server.log(server.get("/api/v1/runs")["items"][0]["id"]).split()[0].decode(), list(self.site.objects)[0])
        self.assertIn("/team/media.git/info/lfs/objects/batch", self.site.asked)

    def test_servers_that_do_anything_else(self):
        self.repository()
        server = self.serve(env=self.env)

        def refused(*parts):
            with self.assertRaises(wrata.ApiError) as caught:
                server.launch(1, ["a.sh"])
            for part in ('"field":"lfs"', "a.bin (") + parts:
                self.assertIn(part, caught.exception.body)
            self.assertNotIn("t0ken", caught.exception.body)

        # git itself is asked nothing here, git-lfs is, and has no login
        self.assertIsNone(self.fetch(server, self.site.url + "/open/team/media.git"))
        server.post("/api/v1/projects/1", {"url": self.site.url + "/team/media.git"})
        refused("cannot be fetched from %s/team/media.git/info/lfs" % self.site.url, "and the credentials have no git_token")
        self.assertEqual(self.site.logins, [])
        server.stop()
        self.login()
        server.start()
        for mode in ("garbage", "wrong", "endless", "sent on", "elsewhere"):
            self.site.lfs_mode = mode
            refused("cannot be fetched from %s/team/media.git/info/lfs" % self.site.url)
        self.assertLess(self.site.sent, 300 << 20)
        for folder, _, names in os.walk(os.path.join(server.data, "projects")):
            for name in names:
                self.assertLess(os.path.getsize(os.path.join(folder, name)), 2 << 20, name)
        self.site.lfs_mode = "fine"
        self.assertEqual(server.launch(1, ["a.sh"])["state"], "running")

    def test_what_a_project_by_https_may_not_name(self):
        self.repository()
        self.login()
        server = self.serve(env=self.env)
        work = os.path.join(self.folder, "media")
        bare = os.path.join(self.root, "team", "media.git")
        shutil.rmtree(bare)
        for n, (url, said) in enumerate((("file://%s" % work, "is a folder of this computer"), ("http://169.254.169.254/x", "without encryption"),
                                         ("git://127.0.0.1/x", "without encryption"), (work, "is a folder of this computer"))):
            with open(os.path.join(work, ".lfsconfig"), "w", encoding="utf-8") as f:
                f.write("[lfs]\n\turl = %s\n" % url)
            wrata.git(work, "add", ".lfsconfig")
            wrata.git(work, "commit", "-q", "-m", "x")
            subprocess.run(["git", "clone", "-q", "--bare", work, bare], check=True)
            if n == 0:
                self.assertIsNone(self.fetch(server, "team/media"))
            else:
                self.assertIsNone(server.post("/api/v1/projects/1/refresh")["error"])
            with self.assertRaises(wrata.ApiError) as caught:
                server.launch(1, ["a.sh"])
            self.assertIn("lfs.url '%s' in .lfsconfig" % url, caught.exception.body)
            self.assertIn(said, caught.exception.body)
            shutil.rmtree(bare)


if __name__ == "__main__":
    wrata.main()
