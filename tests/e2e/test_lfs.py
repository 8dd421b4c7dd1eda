#!/usr/bin/env python3
"""Files of Git LFS: fetched into the project's mirror by git-lfs on the server, from there to the machines, which need no git-lfs."""
import concurrent.futures
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import git, make_project  # noqa: E402

# What a run sees; changes and new files are left behind, for the next one.
LOOK = """cd "$(dirname "$0")"
git status --short --ignored --untracked-files=all
find . -name .git -prune -o -name '*.bin' -type f -print | sort | xargs -d '\\n' sha256sum
if [ "$1" != keep ]; then find . -name '*.bin' | while read f; do echo changed > "$f"; done; echo new > left.bin; fi
"""


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Lfs(wrata.Case):
    def setUp(self):
        super().setUp()
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        with open(os.path.join(self.home, ".gitconfig"), "w", encoding="utf-8") as f:
            f.write("")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XDG_", "WRATA_"))}
        self.env.update(HOME=self.home, GIT_CONFIG_NOSYSTEM="1")
        self.server = self.serve(env=self.env)
        self.server.add_local(slots=1)

    def repo(self, name="docs", files=None, attributes="*.bin filter=lfs diff=lfs merge=lfs -text\n"):
        repo = make_project(os.path.join(self.folder, name), {"look.sh": LOOK, ".gitattributes": attributes})
        git(repo, "lfs", "install", "--local")
        return repo, self.commit(repo, files or {})

    def commit(self, repo, files):
        """Bytes by path; git-lfs makes pointers of those that are its own."""
        for path, data in files.items():
            full = os.path.join(repo, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as f:
                f.write(data)
        git(repo, "add", "-A")
        git(repo, "commit", "-q", "--allow-empty", "-m", "files")
        return git(repo, "rev-parse", "HEAD").strip()

    def pointer(self, repo, path, text):
        """A commit with this text as it is, whatever a filter thinks of it."""
        blob = subprocess.run(["git", "-C", repo, "hash-object", "-w", "--stdin"], input=text, capture_output=True, check=True).stdout.decode().strip()
        git(repo, "update-index", "--add", "--cacheinfo", "100644,%s,%s" % (blob, path))
        git(repo, "commit", "-q", "-m", "pointer")
        return git(repo, "rev-parse", "HEAD").strip()

    def add(self, name, repo):
        at = "/api/v1/projects/%d" % self.server.post("/api/v1/projects", {"name": name, "url": "file://" + repo})["id"]
        self.refresh(at)
        return at

    def refresh(self, at="/api/v1/projects/1"):
        self.assertIsNone(self.server.post(at + "/refresh")["error"])

    def look(self, ref="", project="docs", file="look.sh"):
        launch = self.server.launch(project, [file], ref=ref)
        done = self.server.wait_launch(launch["id"])
        runs = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"]
        log = self.server.log(runs[0]["id"]).decode()
        self.assertEqual(done["outcome"], "passed", [log] + [r["reason"] for r in runs])
        return log.splitlines()

    def refused(self, *parts, ref="", project="docs", status=(422, 429, 500)):
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.launch(project, ["look.sh"], ref=ref)
        self.assertIn(caught.exception.status, status, caught.exception.body)
        for part in ('"field":"lfs"',) + parts:
            self.assertIn(part, caught.exception.body)

    def lines(self, files):
        return ["%s  ./%s" % (sha(data), path) for path, data in sorted(files.items())]

    def mirror(self, n=1):
        return next(d for d, _, _ in os.walk(self.server.data) if os.path.basename(d) == "p%d.git" % n and "/projects/" in d)

    def caches(self):
        return [p for p in glob.glob(self.server.data + "/servers/*/*/cache/lfs-p1/*/*")]

    # ---- what works ----

    def test_runs_have_the_files_and_a_clean_tree(self):
        first = {"a.bin": os.urandom(300000), "deep/b c.bin": b"small\n", "empty.bin": b"", "deep/same.bin": b"small\n"}
        repo, old = self.repo(files=first)
        self.add("docs", repo)
        self.assertEqual(self.look(), self.lines(first))
        self.assertEqual(self.look(), self.lines(first))  # what the first one left and changed is gone
        second = dict(first, **{"a.bin": os.urandom(70000)})
        new = self.commit(repo, {"a.bin": second["a.bin"]})
        self.refresh()
        plan = self.server.post("/api/v1/launches/plan", {"project": "docs", "files": ["look.sh"]})
        self.assertEqual(plan["lfs"], {"files": 3, "bytes": 70012})
        self.assertEqual(self.look(), self.lines(second))
        # what is here is not asked for again: the remote is away, the machine's cache too
        os.rename(repo, repo + ".away")
        self.assertEqual(self.look(ref=old), self.lines(first))
        for path in self.caches():
            os.unlink(path)
        for work in glob.glob(self.server.data + "/servers/*/*/work/p1-s0"):
            shutil.rmtree(work)
        self.assertEqual(self.look(ref=new), self.lines(second))

    def test_many_files_and_a_script_that_uses_git(self):
        files = {"f/%03d.bin" % i: b"%d\n" % i * (i + 1) for i in range(300)}
        repo, _ = self.repo(files=files)
        with open(os.path.join(repo, "use.sh"), "w", encoding="utf-8") as f:
            f.write('cd "$(dirname "$0")"\nrm f/001.bin; git checkout -q f/001.bin; touch f/*.bin; git status --short; git stash -q; '
                    'printf x > f/002.bin; git add f; git show :f/002.bin; sha256sum f/001.bin\n')
        self.commit(repo, {})
        self.add("docs", repo)
        self.assertEqual(self.look(), self.lines(files))
        self.assertEqual(self.look(file="use.sh"), ["version https://git-lfs.github.com/spec/v1", "oid sha256:" + sha(b"x"), "size 1",
                                                    sha(files["f/001.bin"]) + "  f/001.bin"])
        self.assertEqual(self.look(), self.lines(files))

    def test_launches_and_slots_at_once(self):
        """Each fetches what it lacks, one after the other; slots of a machine bring a file once."""
        shared, own = os.urandom(400000), [os.urandom(50000) for _ in range(4)]
        repo, _ = self.repo(files={"shared.bin": shared})
        commits = [self.commit(repo, {"own.bin": data}) for data in own]
        self.add("docs", repo)
        self.server.add_local("local-2", slots=3)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            logs = list(pool.map(lambda c: self.look(ref=c), commits))
        for log, data in zip(logs, own):
            self.assertEqual(log, self.lines({"shared.bin": shared, "own.bin": data}))
        self.assertEqual([p for p in self.caches() if "." in os.path.basename(p)], [])  # nothing half done

    def test_what_is_waited_for_is_said(self):
        repo, _ = self.repo(files={"a.bin": b"x" * 500})
        self.add("docs", repo)
        self.look()
        for path in self.caches() + glob.glob(self.server.data + "/servers/*/*/work/p1-s0"):
            subprocess.run(["rm", "-rf", path], check=True)
        with open(glob.glob(self.server.data + "/servers/*/*/cache/lfs-p1/lock")[0], "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # as if another slot were bringing it
            launch = self.server.launch("docs", ["look.sh"])["id"]
            wrata.wait_for("the test says what it waits for", lambda: "brings the files of Git LFS" in
                           self.server.get("/api/v1/launches/%d/tests" % launch)["items"][0]["why"], 60)
        self.assertEqual(self.server.wait_launch(launch)["outcome"], "passed")

    def test_a_folder_as_it_is(self):
        """A change that nobody committed: git-lfs has its content in the folder, and the server is on the same computer."""
        repo, _ = self.repo(files={"a.bin": b"old" * 100})
        with open(os.path.join(repo, "a.bin"), "wb") as f:
            f.write(b"new" * 100)
        done = subprocess.run([wrata.WRATA, "run", "look.sh", "--data", self.server.data], cwd=repo, capture_output=True, text=True,
                              env=self.env, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        run = self.server.get("/api/v1/runs")["items"][0]
        self.assertEqual(self.server.log(run["id"]).decode().splitlines(), self.lines({"a.bin": b"new" * 100}))

    def test_submodules_have_theirs(self):
        inner = {"i.bin": b"inner" * 1000}
        lib, _ = self.repo("lib", inner)
        repo, _ = self.repo("docs", {"a.bin": b"outer" * 1000})
        git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "--", "../lib", "lib")
        self.commit(repo, {})
        self.add("docs", repo)
        self.assertEqual(self.look(), self.lines({"a.bin": b"outer" * 1000, "lib/i.bin": inner["i.bin"]}))

    def test_a_project_that_wants_its_pointers(self):
        """And a change of attributes alone, of which git writes nothing by itself."""
        files = {"a.bin": b"content" * 100}
        repo, with_lfs = self.repo(files=files)
        pointer = git(repo, "show", "HEAD:a.bin").encode()
        self.add("docs", repo)
        self.assertEqual(self.look(), self.lines(files))
        without = self.commit(repo, {"wrata.yml": b"lfs: false\n"})
        self.refresh()
        self.assertEqual(self.look(), self.lines({"a.bin": pointer}))
        self.assertEqual(self.look(ref=with_lfs), self.lines(files))
        self.assertEqual(self.look(ref=without), self.lines({"a.bin": pointer}))
        git(repo, "checkout", "-q", "--detach", with_lfs)
        with open(os.path.join(repo, ".gitattributes"), "w", encoding="utf-8") as f:
            f.write("*.bin -text\n")
        git(repo, "add", ".gitattributes")
        git(repo, "commit", "-q", "-m", "none")
        self.assertEqual(git(repo, "show", "HEAD:a.bin").encode(), pointer)
        git(repo, "branch", "none")
        self.refresh()
        self.assertEqual(self.look(ref="none"), self.lines({"a.bin": pointer}))
        self.assertEqual(self.look(ref=with_lfs), self.lines(files))

    def test_a_pointer_that_is_a_file_like_any_other(self):
        repo, _ = self.repo(files={"a.bin": b"x" * 500})
        text = "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12\n" % ("0" * 64)
        self.commit(repo, {"fixtures/pointer.txt": text.encode()})
        self.add("docs", repo)
        self.assertEqual(self.look(), self.lines({"a.bin": b"x" * 500}))

    # ---- what cannot be had ----

    def test_a_server_without_git_lfs(self):
        repo, _ = self.repo(files={"deep/a.bin": b"x" * 500})
        self.server.stop()
        bare = os.path.join(self.folder, "bin")
        os.mkdir(bare)
        for folder in ("/usr/bin", "/bin"):
            for name in os.listdir(folder):
                if name != "git-lfs" and not os.path.lexists(os.path.join(bare, name)):
                    os.symlink(os.path.join(folder, name), os.path.join(bare, name))
        self.server.env = dict(self.env, PATH=bare)
        self.server.start()
        self.add("docs", repo)
        self.refused("deep/a.bin of file://%s is in Git LFS, and git-lfs is not installed on the server" % repo, "apt-get install git-lfs", status=(422,))
        self.commit(repo, {"wrata.yml": b"lfs: false\n"})
        self.refresh()
        self.assertEqual(len(self.look()), 1)

    def test_objects_that_nobody_has(self):
        repo, good = self.repo(files={"a.bin": b"x" * 500})
        oid = sha(b"never pushed")
        self.pointer(repo, "lost.bin", ("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12\n" % oid).encode())
        self.add("docs", repo)
        self.refused("lost.bin (%s…) cannot be fetched from file://%s" % (oid[:12], repo), status=(500,))
        self.assertEqual(self.look(ref=good), self.lines({"a.bin": b"x" * 500}))

    def test_content_that_is_not_what_its_name_says(self):
        data = b"right" * 100
        repo, _ = self.repo(files={"a.bin": data})
        where = os.path.join(repo, ".git/lfs/objects", sha(data)[:2], sha(data)[2:4], sha(data))
        with open(where, "wb") as f:
            f.write(b"wrong" * 100)
        self.add("docs", repo)
        self.refused("downloaded file failed checks", status=(500,))
        with open(where, "wb") as f:
            f.write(data)
        self.assertEqual(self.look(), self.lines({"a.bin": data}))
        # damaged afterwards, on the server's disk
        mine = os.path.join(self.mirror(), "lfs/objects", sha(data)[:2], sha(data)[2:4], sha(data))
        os.unlink(mine)
        with open(mine, "wb") as f:
            f.write(b"wrong" * 100)
        for path in self.caches() + glob.glob(self.server.data + "/servers/*/*/work/p1-s0"):
            subprocess.run(["rm", "-rf", path], check=True)
        launch = self.server.launch("docs", ["look.sh"], retries=0)
        done = self.server.wait_launch(launch["id"])
        run = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"][0]
        self.assertEqual((done["outcome"], self.server.log(run["id"])), ("infrastructure", b""))
        self.assertIn("%s… was damaged on the server of wrata, and is removed" % sha(data)[:12], run["reason"])
        # it is gone from the mirror; the next launch fetches it again
        self.assertEqual(self.look(), self.lines({"a.bin": data}))

    def test_hostile_pointers(self):
        repo, _ = self.repo()
        self.add("docs", repo)
        version = "version https://git-lfs.github.com/spec/v1\n"
        for name, text, said in (
                ("dots", version + "oid sha256:%s\nsize 3\n" % ("../" * 20 + "etc/"), "says nothing git-lfs understands"),
                ("huge", version + "oid sha256:%s\nsize 1000000000000\n" % ("1" * 64), "GiB is the most"),
                ("more", version + "oid sha256:%s\nsize 99999999999999999999\n" % ("1" * 64), "says nothing git-lfs understands"),
                ("extension", version + "ext-0-sh sha256:%s\noid sha256:%s\nsize 3\n" % ("1" * 64, "2" * 64), "says nothing git-lfs understands")):
            git(repo, "checkout", "-q", "-B", name, "main")
            self.pointer(repo, "evil.bin", text.encode())
            git(repo, "checkout", "-q", "-f", "main")
            self.refresh()
            self.refused(said, ref=name)

    def test_hostile_servers_in_lfsconfig(self):
        victim, _ = self.repo("victim", {"v.bin": b"secret" * 100})
        repo, _ = self.repo()
        pwned = os.path.join(self.folder, "pwned")
        text = "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 600\n" % sha(b"secret" * 100)
        self.pointer(repo, "v.bin", text.encode())
        # the project is a folder here, so another folder is nothing that it could not have had; commands are
        self.add("docs", repo)
        for url, said in (("ext::sh -c id", "is no url"), ("ssh://-oProxyCommand=touch$IFS%s/x" % pwned, "is no url"), ("../victim", "is no url"),
                          ("http://127.0.0.1:9/x", "cannot be fetched from http://127.0.0.1:9/x")):
            with open(os.path.join(repo, ".lfsconfig"), "w", encoding="utf-8") as f:
                f.write('[lfs]\n\turl = "%s"\n\tstandalonetransferagent = evil\n\tfetchexclude = *\n'
                        '[lfs "customtransfer.evil"]\n\tpath = touch\n\targs = %s\n[filter "lfs"]\n\tprocess = touch %s\n' % (url, pwned, pwned))
            git(repo, "add", ".lfsconfig")
            git(repo, "commit", "-q", "-m", "x")
            self.refresh()
            self.refused(said)
        self.assertFalse(os.path.exists(pwned))
        # without a url of its own it is the project's, whatever else stands there
        with open(os.path.join(repo, ".lfsconfig"), "w", encoding="utf-8") as f:
            f.write("[lfs]\n\tfetchexclude = *\n")
        git(repo, "add", ".lfsconfig")
        git(repo, "commit", "-q", "-m", "x")
        self.refresh()
        self.refused("cannot be fetched from file://%s" % repo)


if __name__ == "__main__":
    wrata.main()
