#!/usr/bin/env python3
"""`prepare` on a machine: once for all slots, waited for, kept, tried once more, and never the script's fault."""
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import test_agent  # noqa: E402
import wrata  # noqa: E402
from test_agent import AGENT, EXITED, pid_of_agent, wait_dead  # noqa: E402

NOT_PREPARED = 13


class Base(test_agent.AgentTest):
    """What that file's cases share, without its tests."""


for name in dir(Base):
    if name.startswith("test"):
        setattr(Base, name, None)


def step(name, script, limit_ms=0):
    return ["step=" + name, "arg=/bin/sh", "arg=-c", "arg=" + script] + (["limit_ms=%d" % limit_ms] if limit_ms else [])


class Prepare(Base):
    def begin(self, slots=2):
        self.repo, self.commit = self.one_commit()
        self.marks = os.path.join(self.where, "marks")
        link = self.serve_git(self.attach(slots=slots), self.repo)
        return link

    def run_one(self, link, run, script, setup, **more):
        more = dict({"project": 7, "commit": self.commit, "launch": 1}, **more)
        return self.sh(link, run, script, setup=setup, **more)

    def count(self):
        try:
            with open(self.marks) as f:
                return len(f.read().splitlines())
        except FileNotFoundError:
            return 0

    def test_once_for_all_slots_and_launches_of_a_key(self):
        link = self.begin()
        setup = step("gems", "echo x >> %s; echo cache=$WRATA_CACHE; mkdir -p $BUNDLE_PATH node_modules/a; "
                     "echo gem > $BUNDLE_PATH/one; echo js > node_modules/a/b; sleep 0.5; echo made" % self.marks) + ["key=k1"]
        script = "cat $BUNDLE_PATH/one node_modules/a/b; echo $npm_config_cache"
        for run in (1, 2):
            self.run_one(link, run, script, setup)
        for run in (1, 2):
            f = link.end(run)
            self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0), f["reason"] + link.log(run).decode())
            self.assertRegex(link.log(run).decode(), r"gem\njs\n/\S+/npm\n\Z")
        self.assertEqual(self.count(), 1)
        logs = sorted((link.log(1).decode(), link.log(2).decode()), key=lambda t: "made" in t)
        self.assertIn("is being prepared for run", logs[0])
        self.assertRegex(logs[1], r"\[wrata: prepare: step 1 of 1, gems: /bin/sh -c .*\]\ncache=/.*\nmade\n\[wrata: prepared in \d")
        # another launch finds it, in whatever slot; another key does not
        self.run_one(link, 3, script, setup, launch=2)
        self.assertEqual(link.end(3)["exit_code"], 0, link.log(3))
        self.assertEqual(self.count(), 1)
        self.run_one(link, 4, script, setup[:-1] + ["key=k2"], launch=3)
        self.assertEqual(link.end(4)["exit_code"], 0, link.log(4))
        self.assertEqual(self.count(), 2)

    def test_a_failure_is_tried_once_more_then_told_to_all(self):
        link = self.begin()
        setup = step("first", "true") + step("gems", "echo x >> %s; seq 5; echo no such gem >&2; exit 5" % self.marks)
        for run in (1, 2):
            self.run_one(link, run, "true", setup)
        for run in (1, 2):
            f = link.end(run)
            self.assertEqual(f["how"], NOT_PREPARED)
            self.assertEqual(f["reason"], "step 'gems': exit status 5; last lines: 4|5|no such gem")
            self.assertEqual(f["log_len"], len(link.log(run)))
        self.assertEqual(self.count(), 2)
        begun = time.monotonic()
        self.run_one(link, 3, "true", setup, launch=2)  # within the minute: not again
        self.assertEqual(link.end(3)["how"], NOT_PREPARED)
        self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual(self.count(), 2)

    def test_the_second_try_begins_clean(self):
        link = self.begin()
        setup = step("a", "echo x >> %s; test -e $WRATA_CACHE/half && exit 9; touch $WRATA_CACHE/half; "
                     "test $(wc -l < %s) = 2" % (self.marks, self.marks))
        self.run_one(link, 1, "true", setup)
        f = link.end(1)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0), f["reason"])
        self.assertIn("tried once more", link.log(1).decode())

    def test_a_step_has_a_limit_and_what_it_started_ends(self):
        link = self.begin()
        setup = step("slow", "trap '' TERM; sleep 1000 & echo $! > %s; wait; wait" % self.marks, limit_ms=3000)
        self.run_one(link, 1, "true", setup)
        f = link.end(1)
        self.assertEqual(f["how"], NOT_PREPARED)
        self.assertIn("step 'slow': it took longer than its limit of 3 s", f["reason"])
        with open(self.marks) as m:
            self.assertTrue(wait_dead(int(m.read())), "the step's background job lives")

    def test_a_missing_command_and_a_setup_that_makes_no_sense(self):
        link = self.begin()
        self.run_one(link, 1, "true", ["step=x", "arg=no-such-command-here"])
        f = link.end(1)
        self.assertEqual(f["how"], NOT_PREPARED)
        self.assertIn("command not found on this server", f["reason"])
        self.run_one(link, 2, "true", ["arg=word"], launch=2)
        f = link.end(2)
        self.assertEqual(f["how"], NOT_PREPARED)
        self.assertIn("no step stands before it", f["reason"])
        self.run_one(link, 3, "echo fine", ["of=the future"], launch=3)
        self.assertEqual(link.end(3)["exit_code"], 0)

    def test_output_is_live_and_a_stopped_run_leaves_the_others_alone(self):
        link = self.begin()
        setup = step("slow", "echo begun; sleep 5; echo x >> %s" % self.marks)
        self.run_one(link, 1, "true", setup)
        link.wait(lambda: b"begun" in link.log(1))
        self.assertNotIn(1, link.finished)
        self.run_one(link, 2, "true", setup)
        link.want(1, test_agent.STOP)
        self.assertEqual(link.end(1)["how"], test_agent.STOPPED)
        self.assertEqual(link.end(2)["exit_code"], 0)
        self.assertEqual(self.count(), 1)

    def test_an_agent_killed_in_the_middle_begins_anew(self):
        link = self.begin()
        setup = step("slow", "(sleep 1000 & echo $! > %s.pid; wait) & touch $WRATA_CACHE/half; sleep 5; echo x >> %s" % (self.marks, self.marks))
        self.run_one(link, 1, "true", setup)
        link.wait(lambda: os.path.exists(self.marks + ".pid") and os.path.getsize(self.marks + ".pid") > 0)
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        link.close()
        link = self.serve_git(self.attach(), self.repo)
        with open(self.marks + ".pid") as f:
            self.assertTrue(wait_dead(int(f.read())), "what the step started outlived agent and step")
        self.run_one(link, 2, "ls $WRATA_CACHE", setup, launch=2)
        f = link.end(2)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0), f["reason"])
        self.assertEqual(self.count(), 1)

    def test_old_environments_go(self):
        link = self.begin(slots=1)
        for n in range(8):
            self.run_one(link, n + 1, "true", step("a", "echo %d > $WRATA_CACHE/n" % n) + ["key=%d" % n], launch=n + 1)
            self.assertEqual(link.end(n + 1)["exit_code"], 0)
        folder = os.path.join(self.where, "i1", "cache", "ready")
        self.wait_for(lambda: len([n for n in os.listdir(folder) if re.match("p7-", n)]) <= 5)


YML = """
env: { FROM: the file }
prepare:
  - name: gems
    run: [bash, gems.sh, %s]
    key: [Gemfile.lock]
"""
GEMS = """echo x >> $1; echo "FROM=$FROM"; mkdir -p $BUNDLE_PATH; cp Gemfile.lock $BUNDLE_PATH/lock; sleep 1; while [ -e $1.hold ]; do sleep 0.1; done; test ! -e $1.fail || { echo "no such gem"; exit 3; }
"""


class WithServer(wrata.Case):
    def begin(self, slots=2):
        self.marks = os.path.join(self.folder, "marks")
        server = self.serve()
        server.add_local("local-1", slots)
        server.wait_online("local-1")
        self.path = self.project({"wrata.yml": YML % self.marks, "gems.sh": GEMS, "Gemfile.lock": "one\n",
                                  "a.sh": "cat $BUNDLE_PATH/lock\n", "b.sh": "cat $BUNDLE_PATH/lock\n"})
        return server

    def count(self):
        return wrata_count(self.marks)

    def hold(self):
        """The step does not end, until go()."""
        open(self.marks + ".hold", "w").close()

    def go(self):
        os.unlink(self.marks + ".hold")

    def logs(self, server, launch):
        return {r["path"]: server.log(r["id"]).decode() for r in server.all("/api/v1/runs?launch=%d" % launch["id"])}

    def test_wrata_yml_prepares_once_and_again_for_another_lock_file(self):
        server = self.begin()
        launch = server.launch(self.path, ["a.sh", "b.sh"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed", self.logs(server, launch))
        logs = self.logs(server, launch)
        self.assertEqual(self.count(), 1)
        self.assertTrue(all(t.startswith("[wrata: ") and t.endswith("\none\n") for t in logs.values()), logs)
        self.assertEqual(sum("[wrata: prepare: step 1 of 1, gems: bash gems.sh" in t and "\nFROM=the file\n" in t for t in logs.values()), 1)
        launch = server.launch(self.path, ["a.sh", "b.sh"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        self.assertEqual((self.count(), set(self.logs(server, launch).values())), (1, {"one\n"}))
        with open(os.path.join(self.path, "Gemfile.lock"), "w") as f:
            f.write("two\n")
        wrata.git(self.path, "commit", "-qam", "two")
        launch = server.launch(self.path, ["a.sh"], ref=wrata.git(self.path, "rev-parse", "HEAD").strip())
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        self.assertTrue(self.logs(server, launch)["a.sh"].endswith("\ntwo\n"))
        self.assertEqual(self.count(), 2)

    def test_a_failure_is_the_machines(self):
        server = self.begin()
        open(self.marks + ".fail", "w").close()
        launch = server.launch(self.path, ["a.sh", "b.sh"], retries=0)
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "infrastructure")
        for run in server.all("/api/v1/runs?launch=%d" % launch["id"]):
            self.assertEqual(run["outcome"], "infrastructure")
            self.assertEqual(run["reason"], "prepare failed: step 'gems': exit status 3; last lines: FROM=the file|no such gem")
        self.assertEqual(self.count(), 2)

    def shown(self, server, launch):
        """One slot prepares, the other one waits for it; everybody who looks sees which is which."""
        def runs():
            found = server.all("/api/v1/runs?launch=%d&state=preparing" % launch["id"])
            is_said = "step" in str(found) and "prepares this machine" in str(found)
            return sorted(found, key=lambda r: r["reason"]) if len(found) == 2 and is_said else None
        waits, makes = wrata.wait_for("both are prepared", runs, every=0.02)
        self.assertEqual((makes["reason"], waits["reason"]),
                         ("step 1 of 1: gems", "run %d prepares this machine already" % makes["id"]))
        self.assertEqual((makes["started_at"], {makes["slot"], waits["slot"]}), (None, {0, 1}))
        self.assertEqual({(s["run"], s["state"], s["reason"]) for s in server.server("local-1")["running"]},
                         {(r["id"], "preparing", r["reason"]) for r in (makes, waits)})
        tests = server.all("/api/v1/launches/%d/tests" % launch["id"])
        self.assertEqual({t["run"]: (t["state"], t["why"]) for t in tests},
                         {r["id"]: ("running", "local-1 is made ready for it: " + r["reason"]) for r in (makes, waits)})

    def test_a_server_killed_meanwhile(self):
        server = self.begin()
        self.hold()
        launch = server.launch(self.path, ["a.sh", "b.sh"])
        wrata.wait_for("the step runs", lambda: self.count() == 1)
        self.shown(server, launch)
        server.kill()
        server.start()
        self.shown(server, launch)
        self.go()
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed", self.logs(server, launch))
        self.assertEqual(self.count(), 1)
        self.assertEqual({r["reason"] for r in server.all("/api/v1/runs?launch=%d" % launch["id"])}, {"the script exited with status 0"})

    def test_the_command_line_says_what_is_prepared(self):
        server = self.begin(slots=1)
        self.hold()
        launch = server.launch(self.path, ["a.sh"])
        wrata.wait_for("the step runs", lambda: self.count() == 1)
        wrata.wait_for("it is told", lambda: server.all("/api/v1/runs?state=preparing"), every=0.02)
        env = dict(os.environ, WRATA_DATA=server.data)
        said = subprocess.run([wrata.WRATA, "show", str(launch["id"])], env=env, text=True, capture_output=True, check=True).stdout
        self.assertIn("1 is prepared: a.sh on local-1, step 1 of 1: gems\n", said)
        said = subprocess.run([wrata.WRATA, "servers"], env=env, text=True, capture_output=True, check=True).stdout
        self.assertIn("1: a.sh (prepared)", said)
        self.go()
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")


def wrata_count(path):
    if not os.path.exists(path):
        return 0
    with open(path) as f:
        return len(f.read().splitlines())


if __name__ == "__main__":
    if not AGENT:
        sys.exit(77)
    unittest.main(verbosity=2)
