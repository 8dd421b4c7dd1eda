"""`wrata queue` and the parameters of `wrata run`, against a real server whose one slot is taken."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

SEEN = 'echo "saw $SPEC_REGION $SPEC_LANGUAGE ${SPEC_BROWSER-none} ${SPEC_SERVER_IP-none}"\n'


class CliQueue(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.gate = os.path.join(self.folder, "gate")
        self.repo = self.project({"hold.sh": "while [ ! -e '%s' ]; do sleep 0.05; done\n" % self.gate, "seen.sh": SEEN,
                                  **{"%s.sh" % c: "exit 0\n" for c in "abcd"}})

    def wrata(self, *args, expect=0, **more):
        env = dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "none"), NO_COLOR="1")
        done = subprocess.run([wrata.WRATA, *args, "--data", self.server.data], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, **more)
        self.assertEqual(done.returncode, expect, (args, done.stdout, done.stderr))
        return done.stdout if expect == 0 else done.stderr

    def run_files(self, *files, options=()):
        self.wrata("run", "--no-follow", "--project", self.repo, *options, *files)

    def hold(self):
        """One slot, and it is taken: what comes now waits."""
        self.server.add_local("one", 1)
        self.server.wait_online("one")
        self.run_files("hold.sh", options=("--servers", "one"))
        wrata.wait_for("the slot is taken", lambda: self.server.get("/api/v1/runs?state=running")["items"])

    def open_gate(self):
        with open(self.gate, "w", encoding="utf-8"):
            pass

    def look(self, *options):
        return json.loads(self.wrata("queue", "--json", *options))

    def order(self):
        return "".join(t["path"][0] for t in self.look()["items"])

    def ids(self, letters):
        known = {t["path"][0]: str(t["id"]) for t in self.look()["items"]}
        return [known[c] for c in letters]

    def test_retest_follows_what_did_not_pass(self):
        self.server.add_local("one", 2)
        self.server.wait_online("one")
        repo = self.project({"fine.sh": "exit 0\n", "red.sh": "echo \"saw $SPEC_LANGUAGE\"; exit 1\n"})
        first = self.server.wait_launch(self.server.launch(repo, ["fine.sh", "red.sh"], languages=["de-DE"])["id"])
        out = subprocess.run([wrata.WRATA, "retest", str(first["id"]), "--data", self.server.data], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(out.returncode, 1, out.stdout + out.stderr)
        self.assertIn("1 file of", out.stdout)
        self.assertIn("red.sh", out.stdout)
        self.assertNotIn("fine.sh", out.stdout)
        self.assertIn("launch %d" % (first["id"] + 2), self.wrata("retest", str(first["id"]), "--all", "--no-follow"))
        self.assertIn("there is no launch 99", self.wrata("retest", "99", expect=2))
        self.assertIn("not a number", self.wrata("retest", "x", expect=2))

    def test_every_operation_and_its_order(self):
        self.hold()
        self.assertIn("Nothing waits in your queue", self.wrata("queue"))
        self.run_files("a.sh", "b.sh", options=("--order", "as-given"))
        self.run_files("c.sh")
        self.run_files("d.sh", options=("--at", "front"))
        self.assertEqual(self.order(), "dabc")
        self.wrata("queue", "move", *self.ids("cd"), "--before", *self.ids("b"))
        self.assertEqual(self.order(), "adcb")
        self.wrata("queue", "move", *self.ids("a"), "--end")
        self.assertEqual(self.order(), "dcba")
        self.assertIn("2 tests moved, 4 wait", self.wrata("queue", "move", *self.ids("ab"), "--front"))
        self.assertEqual(self.order(), "badc")
        said = self.wrata("queue", "delete", *self.ids("ad"))
        self.assertRegex(said, r"2 tests taken out of the queue, 2 wait\nUntil \d\d:\d\d:\d\d UTC .*wrata queue undo \d+\n")
        self.assertEqual(self.order(), "bc")
        self.assertRegex(self.wrata("queue", "list"), r"2 tests out of the queue by .*wrata queue undo \d+")
        first = said.split()[-1]
        self.assertIn("2 tests taken out", self.wrata("queue", "clear"))
        self.assertEqual(self.order(), "")
        self.assertIn("2 tests put back, 2 wait", self.wrata("queue", "undo", first))
        self.assertEqual(self.order(), "ad")
        self.wrata("queue", "undo")
        self.assertEqual(self.order(), "badc")
        self.assertIn("nothing to undo", self.wrata("queue", "undo", expect=2))
        self.assertIn("4 tests shuffled", self.wrata("queue", "shuffle"))
        self.assertEqual(sorted(self.order()), list("abcd"))
        self.wrata("queue", "sort")
        self.wrata("queue", "move", *self.ids("abcd"), "--end")
        before = self.order()
        self.run_files("b.sh")
        self.assertIn("1 test taken out as duplicates", self.wrata("queue", "dedupe"))
        self.assertEqual(self.order(), before)
        self.assertEqual(len(self.look("--limit", "2")["items"]), 2)
        self.assertIn("2 of 4; --limit N shows more", self.wrata("queue", "--limit", "2"))
        self.open_gate()
        wrata.wait_for("all is done", lambda: self.look()["waiting"] == 0)

    def test_what_is_sorted_is_what_took_longest(self):
        self.repo = self.project({"l.sh": "sleep 1.5\n", "s.sh": "exit 0\n", "hold.sh": "while [ ! -e '%s' ]; do sleep 0.05; done\n"
                                  % self.gate}, "timed")
        self.server.add_local("one", 1)
        self.server.wait_online("one")
        self.wrata("run", "--project", self.repo, "--servers", "one", "s.sh", "l.sh")
        self.run_files("hold.sh", options=("--servers", "one"))
        wrata.wait_for("the slot is taken", lambda: self.server.get("/api/v1/runs?state=running")["items"])
        self.run_files("s.sh", "l.sh", options=("--order", "as-given"))
        self.assertEqual(self.order(), "sl")
        self.assertIn("2 tests sorted", self.wrata("queue", "sort"))
        self.assertEqual(self.order(), "ls")
        self.open_gate()

    def test_a_paused_queue_is_said_by_who_waits_in_it(self):
        self.hold()
        said = self.wrata("queue", "pause")
        self.assertRegex(said, r"^Paused by \S+ since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: .*`wrata queue resume`\.\nNothing waits\.\n$")
        waiting = subprocess.Popen([wrata.WRATA, "run", "--project", self.repo, "a.sh", "--data", self.server.data], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env=dict(os.environ, HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "none"), NO_COLOR="1"))
        self.addCleanup(waiting.kill)
        wrata.wait_for("it waits", lambda: self.look()["waiting"] == 1)
        self.open_gate()
        wrata.wait_for("what ran is over", lambda: not self.server.get("/api/v1/runs?state=running")["items"])
        listed = self.wrata("queue")
        self.assertRegex(listed, r"^Paused by \S+ since ")
        self.assertIn("the queue is paused by ", listed)
        self.assertIsNotNone(json.loads(self.wrata("queue", "pause", "--json"))["paused"])
        self.assertRegex(self.wrata("queue", "resume"), r"The queue is not paused\.\n")
        out, _ = waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, 0, out)
        self.assertRegex(out, r"the queue is paused by \S+ since .* UTC: what waits starts after `wrata queue resume`")
        self.server.post("/api/v1/users", {"login": "mira", "password": "correct horse battery"})
        self.assertIn("`wrata queue resume --user mira`", self.wrata("queue", "pause", "--user", "mira"))
        self.assertIn("The queue of mira is not paused", self.wrata("queue", "resume", "--user", "mira"))

    def test_a_change_of_others_is_said(self):
        self.hold()
        self.run_files("a.sh", "b.sh", options=("--order", "as-given"))
        version = str(self.look()["version"])
        answer = json.loads(self.wrata("queue", "move", *self.ids("b"), "--front", "--if-version", version, "--json"))
        self.assertEqual((answer["done"], answer["passed_over"], answer["undo"]), (1, 0, None))
        self.assertIn("the queue changed since version", self.wrata("queue", "clear", "--if-version", version, expect=2))
        self.assertEqual(self.order(), "ba")
        self.server.post("/api/v1/users", {"login": "mira", "password": "correct horse battery"})
        self.assertIn("Nothing waits in the queue of mira", self.wrata("queue", "--user", "mira"))
        self.assertIn("0 tests taken out", self.wrata("queue", "clear", "--user", "mira"))
        self.assertEqual(self.order(), "ba")
        self.open_gate()

    def test_what_is_wrong_is_named(self):
        for args, word in ((("move", "7"), "--before ID"), (("move", "7", "--front", "--end"), "say one of"), (("move", "--front"), "at least 1"),
                           (("move", "7", "--before", "x"), "--before"), (("delete", "seven"), "'seven'"), (("delete",), "at least 1"),
                           (("undo", "999"), "cannot be undone"), (("shufle",), "did you mean 'shuffle'"),
                           (("list", "--user", "nobody"), "no user 'nobody'"), (("list", "--limit", "0"), "limit")):
            with self.subTest(args=args):
                self.assertIn(word, self.wrata("queue", *args, expect=2))
        for option, value in (("location", "mars"), ("language", "xx-XX"), ("browser", "lynx")):
            with self.subTest(option=option):
                said = self.wrata("run", "--project", self.repo, "--%s" % option, value, "a.sh", expect=2)
                self.assertIn(value, said)
        self.assertEqual(self.look()["waiting"], 0)

    def test_each_language_in_each_browser_sees_its_own(self):
        self.server.add_local("one", 1)
        self.server.wait_online("one")
        self.wrata("run", "--project", self.repo, "--servers", "one", "--location", "https://under.example.org", "--language", "de-DE",
                   "--language", "en-US", "--browser", "chrome", "--browser", "default", "seen.sh")
        saw = {}
        for test in self.server.all("/api/v1/launches/1/tests"):
            line = next(x for x in self.server.log(test["run"]).decode().splitlines() if x.startswith("saw "))
            saw[test["language"], test["browser"]] = line.split()[1:]
        self.assertEqual(set(saw), {(x, y) for x in ("de-DE", "en-US") for y in ("chrome", "default")})
        for (language, browser), seen in saw.items():
            self.assertEqual(seen[1:], [language, "none" if browser == "default" else browser, "under.example.org"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
