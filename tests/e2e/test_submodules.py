#!/usr/bin/env python3
"""Submodules: brought into the project's mirror and from there to the machines, each at the commit that is written down; what a
hostile .gitmodules can ask for, and what happens then."""
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import git, make_project  # noqa: E402

LOCAL = ("-c", "protocol.file.allow=always")
# What a run sees; an untracked file and a change are left behind everywhere, for the next one.
LOOK = """cd "$(dirname "$0")"
git submodule status --recursive | sed 's/ (.*//'
git status --short --ignored --untracked-files=all
git submodule --quiet foreach --recursive 'git status --short --ignored --untracked-files=all'
find . -name .git -prune -o -type f -print | sort | while read f; do echo "$f: $(head -1 "$f")"; done | grep -v 'look.sh\\|gitmodules'
git submodule --quiet foreach --recursive 'echo left > left; for f in *; do test -f $f && echo changed > $f; done; true'
"""


def commit(repo, message="more"):
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", message)
    return git(repo, "rev-parse", "HEAD").strip()


def write(repo, path, text):
    full = os.path.join(repo, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)


class Submodules(wrata.Case):
    def setUp(self):
        super().setUp()
        self.projects = {}
        self.server = self.serve()
        self.server.add_local(slots=1)

    def repo(self, name, files):
        return make_project(os.path.join(self.folder, name), files)

    def add(self, repo, url, path, *more):
        git(repo, *LOCAL, "submodule", "add", "-q", *more, "--", url, path)
        return commit(repo, "with " + path)

    def nested(self):
        """top has vendor/lib by a relative url, which has deep in deep/er by one as well."""
        self.deep = self.repo("deep", {"d": "deep 1\n"})
        self.lib = self.repo("lib", {"l": "lib 1\n"})
        self.add(self.lib, "../deep", "deep/er")
        self.top = self.repo("top", {"look.sh": LOOK, "t": "top 1\n"})
        self.add(self.top, "../lib", "vendor/lib", "--name", "lib.of.ours")
        return self.top

    def move(self, repo, path, to):
        """The submodule at `path` of `repo` to commit `to` of its remote."""
        inside = os.path.join(repo, path)
        git(inside, *LOCAL, "fetch", "-q")
        git(inside, "checkout", "-q", to)
        return commit(repo, path + " at " + to[:8])

    def project(self, name, repo):
        self.projects[name] = self.server.post("/api/v1/projects", {"name": name, "url": "file://" + repo})["id"]

    def launch(self, project, files, ref):
        """Of what is there now: two seconds in which a mirror is fresh enough are many here."""
        self.server.post("/api/v1/projects/%d/refresh" % self.projects[project])
        return self.server.launch(project, list(files), ref=ref)

    def look(self, project="top", ref="", files=("look.sh",)):
        """The log of one run of look.sh."""
        launch = self.launch(project, files, ref)
        done = self.server.wait_launch(launch["id"])
        runs = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"]
        log = self.server.log(runs[0]["id"]).decode()
        self.assertEqual(done["outcome"], "passed", log)
        self.assertEqual(done["commit"], runs[0]["commit"])
        return log

    def refused(self, project="top", ref="", files=("look.sh",)):
        with self.assertRaises(wrata.ApiError) as caught:
            self.launch(project, files, ref)
        self.assertIn(caught.exception.status, (422, 429, 500, 504), caught.exception.body)
        self.assertIn('"field":"submodules"', caught.exception.body)
        return caught.exception.body

    def expected(self, *files, **commits):
        modules = "".join(" %s %s\n" % (git(repo, "rev-parse", "HEAD").strip(), path) for path, repo in commits.items())
        return modules + "".join("./%s\n" % f for f in sorted(files))

    # ---- what works ----

    def test_nested_ones_at_their_commits_and_clean(self):
        self.project("top", self.nested())
        log = self.look()
        old_deep = git(self.deep, "rev-parse", "HEAD").strip()
        lines = log.splitlines()
        self.assertEqual(lines[0].split()[1], "vendor/lib")
        self.assertEqual(lines[1].split(), [old_deep, "vendor/lib/deep/er"])
        self.assertEqual(lines[2:], ["./t: top 1", "./vendor/lib/deep/er/d: deep 1", "./vendor/lib/l: lib 1"], log)
        self.assertEqual(self.look().splitlines(), lines)  # what the first one left and changed is gone
        # the innermost moves; before anybody writes that down nothing changes
        write(self.deep, "d", "deep 2\n")
        new_deep = commit(self.deep)
        self.assertEqual(self.look().splitlines(), lines)
        self.move(self.lib, "deep/er", new_deep)
        old = git(self.top, "rev-parse", "HEAD").strip()
        self.move(self.top, "vendor/lib", git(self.lib, "rev-parse", "HEAD").strip())
        changed = self.look().splitlines()
        self.assertEqual(changed[1].split()[0], new_deep)
        self.assertIn("./vendor/lib/deep/er/d: deep 2", changed)
        # and an old commit has what it had, without asking anybody: the remotes are away
        for repo in (self.lib, self.deep, self.top):
            os.rename(repo, repo + ".away")
        self.assertEqual(self.look(ref=old).splitlines(), lines)
        self.assertEqual(self.look(ref="main").splitlines(), changed)

    def test_one_goes_becomes_files_and_comes_back(self):
        top = self.nested()
        self.project("top", top)
        with_it = self.look()
        first = git(top, "rev-parse", "HEAD").strip()
        # a folder with files where the submodule was: its .git is no part of it
        git(top, "rm", "-q", "vendor/lib")
        write(top, "vendor/lib/mine", "a file\n")
        commit(top)
        log = self.look()
        self.assertEqual(log.splitlines(), ["./t: top 1", "./vendor/lib/mine: a file"])
        self.look(files=["look.sh"], ref=first)
        # nothing at all
        git(top, "rm", "-qr", "vendor")
        commit(top)
        self.assertEqual(self.look().splitlines(), ["./t: top 1"])
        # a link that leads elsewhere, then the submodule again
        outside = os.path.join(self.folder, "outside")
        os.mkdir(outside)
        os.makedirs(os.path.join(top, "x"))
        shutil.rmtree(os.path.join(top, "vendor"), True)
        os.symlink(outside, os.path.join(top, "vendor"))
        commit(top)
        self.assertEqual(self.look().splitlines(), ["./t: top 1"])
        git(top, "checkout", "-q", "--detach", first)
        self.assertEqual(self.look(ref=first), with_it)
        self.assertEqual(os.listdir(outside), [])

    def test_what_a_run_does_to_its_trees_is_not_followed(self):
        top = self.nested()
        self.project("top", top)
        outside = os.path.join(self.folder, "outside")
        os.makedirs(os.path.join(outside, "lib"))
        write(outside, "lib/keep", "keep\n")
        evil = self.repo("evil", {"e": "x\n"})
        git(evil, "config", "core.fsmonitor", "touch %s/pwned; false" % outside)
        scripts = {
            "link.sh": "rm -rf vendor; ln -s %s vendor" % outside,
            "dotgit.sh": "rm vendor/lib/.git; cp -r %s/.git vendor/lib/.git" % evil,
            "top.sh": "rm .git; cp -r %s/.git .git" % evil,
            "other.sh": "cp vendor/lib/deep/er/.git vendor/lib/.git",
            "lock.sh": "touch $(git -C vendor/lib rev-parse --git-dir)/index.lock",
            "gone.sh": "rm -rf vendor/lib",
            "file.sh": "rm -rf vendor/lib; echo x > vendor/lib",
        }
        for name, text in scripts.items():
            write(top, name, 'cd "$(dirname "$0")"\n' + text + "\n")
        commit(top)
        wanted = self.look().splitlines()
        for name in scripts:
            self.look(files=[name])
            self.assertEqual(self.look().splitlines(), wanted, name)
        self.assertEqual(sorted(os.listdir(outside)), ["lib"])
        self.assertEqual(os.listdir(os.path.join(outside, "lib")), ["keep"])

    def test_a_project_that_wants_none(self):
        top = self.nested()
        self.project("top", top)
        self.look()
        write(top, "wrata.yml", "submodules: false\n")
        commit(top)
        for repo in (self.lib, self.deep):
            os.rename(repo, repo + ".away")
        self.assertEqual([line for line in self.look().splitlines() if "vendor" in line and not line.startswith("-")], [])

    def test_update_none_stays_empty(self):
        top = self.nested()
        git(top, "config", "-f", ".gitmodules", "submodule.lib.of.ours.update", "none")
        git(top, "config", "-f", ".gitmodules", "submodule.lib.of.ours.url", "../nowhere")
        commit(top)
        self.project("top", top)
        self.assertEqual(self.look().splitlines()[1:], ["./t: top 1"])
        git(top, "config", "-f", ".gitmodules", "--unset", "submodule.lib.of.ours.url")  # nobody needs one
        commit(top)
        self.assertEqual(self.look().splitlines()[1:], ["./t: top 1"])

    def test_a_plan_names_them(self):
        top = self.nested()
        self.project("top", top)
        self.server.post("/api/v1/projects/1/refresh")
        plan = self.server.post("/api/v1/launches/plan", {"project": "top", "files": ["look.sh"]})
        self.assertEqual([(m["path"], m["commit"]) for m in plan["submodules"]],
                         [("vendor/lib", git(self.lib, "rev-parse", "HEAD").strip()),
                          ("vendor/lib/deep/er", git(self.deep, "rev-parse", "HEAD").strip())])

    def test_a_remote_that_gives_no_commits_by_id(self):
        """Version 0 of git's protocol hands out what a branch or a tag names, and nothing else."""
        top = self.nested()
        write(self.lib, "l", "lib 2\n")
        commit(self.lib)  # the wanted one is no tip any more
        config = os.path.join(self.folder, "gitconfig")
        write(self.folder, "gitconfig", "[protocol]\n\tversion = 0\n")
        self.server.stop()
        self.server.env = dict(os.environ, GIT_CONFIG_GLOBAL=config)
        self.server.start()
        self.project("top", top)
        self.assertIn("./vendor/lib/l: lib 1", self.look().splitlines())
        mirror = next(d for d, _, _ in os.walk(self.server.data) if os.path.basename(d) == "p1.git")
        self.assertEqual(git(mirror, "for-each-ref", "refs/wrata/all"), "")  # only what is needed is kept

    # ---- a folder as it is ----

    def test_a_folder_with_its_submodules_as_they_are(self):
        """Changes that nobody committed and a commit that nobody pushed; one that is not checked out here stays away."""
        top = self.nested()
        self.add(top, "../deep", "not/here")
        git(top, *LOCAL, "submodule", "update", "-q", "--init", "--recursive")
        git(top, "submodule", "--quiet", "deinit", "-f", "not/here")
        write(top, "vendor/lib/l", "changed here\n")
        write(top, "vendor/lib/new", "new here\n")
        write(top, "vendor/lib/deep/er/d", "deeper here\n")
        before = git(os.path.join(top, "vendor/lib"), "status", "--short")
        for repo in (self.lib, self.deep):
            os.rename(repo, repo + ".away")
        write(top, "show.sh", 'cd "$(dirname "$0")"; cat vendor/lib/l vendor/lib/new vendor/lib/deep/er/d; ls not 2>&1; true\n')
        for n in (1, 2):
            done = subprocess.run([wrata.WRATA, "run", "show.sh", "--data", self.server.data], cwd=top, capture_output=True, text=True,
                                  env=dict(os.environ, HOME=self.folder), stdin=subprocess.DEVNULL, timeout=120)
            self.assertIn("passed", done.stdout + done.stderr, done.stdout + done.stderr)
            run = self.server.get("/api/v1/runs?launch=%d" % n)["items"][0]
            log = self.server.log(run["id"]).decode()
            self.assertEqual(log.splitlines()[:3], ["changed here", "new here", "deeper here"], log)
        self.assertEqual(git(os.path.join(top, "vendor/lib"), "status", "--short"), before)
        # a folder of no repository, with one inside of it
        plain = os.path.join(self.folder, "plain")
        os.makedirs(plain)
        self.repo("plain/inner", {"i": "inside\n"})
        write(plain, "show.sh", 'cat "$(dirname "$0")"/inner/i\n')
        done = subprocess.run([wrata.WRATA, "run", "show.sh", "--data", self.server.data], cwd=plain, capture_output=True, text=True,
                              env=dict(os.environ, HOME=self.folder), stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    # ---- what cannot be had ----

    def test_an_unreachable_one(self):
        top = self.nested()
        self.project("top", top)
        os.rename(self.deep, self.deep + ".away")
        said = self.refused()
        self.assertIn("submodule vendor/lib/deep/er: cannot fetch file://%s/deep: " % self.folder, said)
        self.assertIn("does not appear to be a git repository", said)
        os.rename(self.deep + ".away", self.deep)
        self.look()

    def test_a_commit_that_nobody_pushed(self):
        top = self.nested()
        self.project("top", top)
        inside = os.path.join(top, "vendor/lib")
        write(inside, "l", "not pushed\n")
        lost = commit(inside)
        commit(top)
        said = self.refused()
        self.assertRegex(said, "submodule vendor/lib: .*%s" % lost[:10])
        git(inside, *LOCAL, "push", "-q", "origin", "HEAD:refs/heads/late")
        self.assertIn("./vendor/lib/l: not pushed", self.look().splitlines())

    # ---- hostile ones ----

    def gitlink(self, repo, path, of):
        git(repo, "update-index", "--add", "--cacheinfo", "160000,%s,%s" % (of, path))

    def tree(self, repo, *entries):
        """A tree as nobody's git would make it: (mode, type, id, name)."""
        raw = b"".join(b"%s %s\0" % (mode.encode(), name.encode()) + bytes.fromhex(oid) for mode, oid, name in entries)
        return subprocess.run(["git", "-C", repo, "hash-object", "-t", "tree", "-w", "--stdin", "--literally"], input=raw,
                              capture_output=True, check=True).stdout.decode().strip()

    def commit_tree(self, repo, tree):
        made = git(repo, "commit-tree", "-m", "hostile", tree).strip()
        git(repo, "update-ref", "refs/heads/hostile", made)

    def test_hostile_urls(self):
        victim = self.repo("victim", {"v": "secret\n"})
        of = git(victim, "rev-parse", "HEAD").strip()
        pwned = os.path.join(self.folder, "pwned")
        top = self.repo("top", {"look.sh": LOOK})
        self.gitlink(top, "m", of)
        self.project("top", top)
        for url, expect in (("ext::sh -c touch% " + pwned, "blank"), ("ext::touch${IFS}%s" % pwned, "is none of"),
                            ("--upload-pack=touch %s" % pwned, "blank"), ("-u%s" % pwned, "is none of"),
                            ("ssh://-oProxyCommand=x/y", "is none of"), ("ssh://a@-oProxyCommand=x/y", "is none of"),
                            ("fd::17", "is none of"), ("owner/name", "is none of"), ("victim", "is none of"),
                            ("../" * 40 + "x", "leads out"), ("../a/../../b", "'..'"), ("http://", "is none of"), ("a" * 3000, "too long")):
            write(top, ".gitmodules", '[submodule "m"]\n\tpath = m\n\turl = "%s"\n' % url)
            git(top, "add", ".gitmodules", "look.sh")
            git(top, "commit", "-q", "-m", "x")
            self.assertIn(expect, self.refused(), url)
        self.assertFalse(os.path.exists(pwned))

    def test_hostile_places(self):
        lib = self.repo("lib", {"l": "x\n"})
        of = git(lib, "rev-parse", "HEAD").strip()
        top = self.repo("top", {"look.sh": LOOK})
        script = git(top, "rev-parse", "HEAD:look.sh").strip()
        self.project("top", top)

        def modules(path):
            return subprocess.run(["git", "-C", top, "hash-object", "-w", "--stdin"], capture_output=True, check=True,
                                  input=('[submodule "m"]\n\tpath = "%s"\n\turl = ../lib\n' % path).encode()).stdout.decode().strip()

        def deep(path, leaf):
            parts = path.split("/")
            tree = self.tree(top, leaf + (parts[-1],))
            for part in reversed(parts[:-1]):
                tree = self.tree(top, ("40000", tree, part))
            return tree

        link = subprocess.run(["git", "-C", top, "hash-object", "-w", "--stdin"], input=b"/tmp", capture_output=True, check=True).stdout.decode().strip()
        gitlink = ("160000", of)
        cases = {
            "..": [("40000", self.tree(top, gitlink + ("..",)), "a")],
            ".git": [gitlink + (".git",)],
            ".GIT in a folder": [("40000", deep("b/.GIT/hooks", gitlink), "a")],
            "-option": [gitlink + ("-u",)],
            "through a symbolic link": [("120000", link, "a"), ("40000", self.tree(top, gitlink + ("b",)), "a")],
            "over a file": [("100644", script, "a"), gitlink + ("a",)],
            "over a folder": [("40000", self.tree(top, ("100644", script, "x")), "a"), gitlink + ("a",)],
            "inside of another": [gitlink + ("a",), ("40000", self.tree(top, gitlink + ("b",)), "a")],
            "control characters": [gitlink + ("a\x01b",)],
        }
        for name, entries in cases.items():
            self.commit_tree(top, self.tree(top, ("100644", modules("a"), ".gitmodules"), *entries, ("100755", script, "look.sh")))
            said = self.refused(ref="hostile")
            self.assertIn("submodule", said, name)
        # no .gitmodules, one without it, one that is a link, one that is no such file, two urls
        for name, more in (("none", []), ("link", [("120000", link, ".gitmodules")]), ("other", [("100644", modules("b"), ".gitmodules")]),
                           ("broken", [("100644", script, ".gitmodules")])):
            self.commit_tree(top, self.tree(top, *more, gitlink + ("a",), ("100755", script, "look.sh")))
            with self.assertRaises(wrata.ApiError, msg=name) as caught:
                self.launch("top", ["look.sh"], "hostile")
            self.assertRegex(caught.exception.body, "gitmodules", name)

    def test_too_many_and_too_deep(self):
        lib = self.repo("lib", {"l": "x\n"})
        of = git(lib, "rev-parse", "HEAD").strip()
        top = self.repo("top", {"look.sh": LOOK})
        write(top, ".gitmodules", "".join('[submodule "m%d"]\n\tpath = m/%d\n\turl = ../lib\n' % (i, i) for i in range(501)))
        subprocess.run(["git", "-C", top, "update-index", "--index-info"], check=True, text=True,
                       input="".join("160000 %s\tm/%d\n" % (of, i) for i in range(501)))
        git(top, "add", ".gitmodules")
        git(top, "commit", "-q", "-m", "many")
        self.project("top", top)
        self.assertIn("more than 500", self.refused())
        # a pyramid: each holds the one below twice
        below = lib
        for level in range(12):
            one = self.repo("level%d" % level, {"f": "%d\n" % level})
            of = git(below, "rev-parse", "HEAD").strip()
            write(one, ".gitmodules", "".join('[submodule "%s"]\n\tpath = %s\n\turl = ../%s\n' % (n, n, os.path.basename(below)) for n in "ab"))
            git(one, "add", ".gitmodules")
            self.gitlink(one, "a", of)
            self.gitlink(one, "b", of)
            git(one, "commit", "-q", "-m", "x")
            below = one
        write(below, "look.sh", LOOK)
        git(below, "add", "look.sh")
        git(below, "commit", "-q", "-m", "look")
        self.project("pyramid", below)
        self.assertIn("more than 500", self.refused("pyramid"))
        # a chain: as deep as may be, and one more
        below = lib
        for level in range(11):
            one = self.repo("chain%d" % level, {"look.sh": LOOK})
            self.gitlink(one, "a", git(below, "rev-parse", "HEAD").strip())
            write(one, ".gitmodules", '[submodule "a"]\n\tpath = a\n\turl = ../%s\n' % os.path.basename(below))
            git(one, "add", ".gitmodules")
            git(one, "commit", "-q", "-m", "x")
            below = one
        self.project("chain", below)
        self.assertIn("levels deep", self.refused("chain"))
        self.project("shorter", os.path.join(self.folder, "chain9"))
        self.assertIn("a/a/a/a/a/a/a/a/a/a/l: x", self.look("shorter"))

    # ---- a machine that dies ----

    def test_an_agent_is_killed_in_the_middle(self):
        """Wherever: the next run has what is written down."""
        top = self.nested()
        big = self.repo("big", {"f%d" % i: "x" * 2000 + "\n" for i in range(300)})
        self.add(top, "../big", "big")
        write(top, "look.sh", LOOK + "sleep 0\n")
        commit(top)
        self.project("top", top)
        good = self.look().splitlines()
        agents = lambda: wrata.pids_with(self.server.data, "wrata-agent")  # noqa: E731
        work = next(os.path.join(d, "p1-s0") for d, folders, _ in os.walk(self.server.data) if "p1-s0" in folders and d.endswith("/work"))
        for spoilt in ("", "big", "vendor/lib/deep/er"):
            shutil.rmtree(os.path.join(work, spoilt))
            launch = self.server.launch("top", ["look.sh"])
            # as soon as it has begun to make it again
            wrata.wait_for("the tree is made again", lambda: os.path.exists(os.path.join(work, spoilt, ".git")), every=0.001)
            for pid in agents():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            done = self.server.wait_launch(launch["id"])
            runs = self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"]
            self.assertEqual(done["outcome"], "passed", [r["reason"] for r in runs])
            self.assertEqual(self.look().splitlines(), good, spoilt)
        # what git leaves when it is killed while it makes a work tree: nothing more would work in this cache
        trees = os.path.join(os.path.dirname(os.path.dirname(work)), "cache", "p1.git", "worktrees")
        for name, path in (("lib", "commondir"), ("er", "gitdir"), ("big", "HEAD")):
            os.truncate(os.path.join(trees, name, path), 0)
            self.assertEqual(self.look().splitlines(), good, path)
        write(trees, "p1-s0/locked", "initializing\n")
        self.assertEqual(self.look().splitlines(), good)


if __name__ == "__main__":
    wrata.main()
