"""wrata.yml of a real project: its commands, variables and limits are what runs; a fault in it lets nothing run."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

YML = """\
report: tap
time_limit: 40s
retries: 1
env:
  GREETING: "hello there"
  COLOUR: green
commands:
  - glob: features/slow/*.feature
    run: [bash, tools/feature.sh, "{file}"]
    report: exit
    time_limit: 1s
    retries: 0
  - glob: "**/*.feature"
    run: [bash, tools/feature.sh, "{file}", "--line={line}", "a b; $(touch pwned) {{x}"]
"""

# A feature is lines of steps; one with "fail" fails.
RUNNER = """\
set -u
echo "args: $*" >&2
echo "env: $GREETING/$COLOUR" >&2
n=0
while read -r step; do
    n=$((n + 1))
    case $step in
    *sleep*) sleep 30 ;;
    *fail*) echo "not ok $n - $step" ;;
    *) echo "ok $n - $step" ;;
    esac
done < "$1"
echo "1..$n"
"""

FILES = {
    "wrata.yml": YML,
    "tools/feature.sh": RUNNER,
    "features/a.feature": "one\ntwo\n",
    "features/b.feature": "one\nfail\n",
    "features/slow/c.feature": "sleep\n",
    "plain.sh": "echo $GREETING/$COLOUR\n",
}


class WrataYml(wrata.Case):
    def setUp(self):
        super().setUp()
        self.folder_of_project = self.project(FILES)
        self.server = self.serve("--retries", "2", "--time-limit-s", "300")
        self.server.add_local(slots=2)
        self.server.post("/api/v1/projects", {"name": "p", "url": self.folder_of_project})

    def run_all(self, files, **more):
        launch = self.server.launch("p", files, **more)
        self.server.wait_launch(launch["id"])
        return {run["path"]: run for run in self.server.all("/api/v1/runs?launch=%d" % launch["id"])}

    def log(self, run):
        return self.server.log(run["id"]).decode()

    def commit(self, files):
        for name, text in files.items():
            with open(os.path.join(self.folder_of_project, name), "w", encoding="utf-8") as f:
                f.write(text)
        wrata.git(self.folder_of_project, "add", "-A")
        wrata.git(self.folder_of_project, "commit", "-q", "-m", "more")
        self.server.post("/api/v1/projects/1/refresh")  # a mirror that is some seconds old is not fetched for a launch

    def wrata(self, *args, code=0):
        env = dict(os.environ, WRATA_DATA=self.server.data)
        done = subprocess.run([wrata.WRATA, *args], env=env, cwd=self.folder_of_project, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def test_its_commands_run_with_its_variables_and_limits(self):
        runs = self.run_all(["features/", "plain.sh"])
        self.assertEqual({path: run["outcome"] for path, run in runs.items()},
                         {"features/a.feature": "passed", "features/b.feature": "failed",
                          "features/slow/c.feature": "timed_out", "plain.sh": "passed"})
        self.assertEqual(runs["features/a.feature"]["examples"]["passed"], 2)
        self.assertEqual(runs["features/b.feature"]["examples"]["failed"], 1)
        self.assertLess(runs["features/slow/c.feature"]["duration_ms"], 20000)
        log = self.log(runs["features/a.feature"])
        self.assertIn("args: features/a.feature a b; $(touch pwned) {x}", log)
        self.assertIn("env: hello there/green", log)
        self.assertIn("hello there/green", self.log(runs["plain.sh"]))

    def test_what_the_launch_says_goes_before_the_file(self):
        runs = self.run_all(["features/a.feature:2", "features/slow/"], env=["COLOUR=red"], time_limit_s=3)
        log = self.log(runs["features/a.feature:2"])
        self.assertIn("args: features/a.feature --line=2 a b;", log)
        self.assertIn("env: hello there/red", log)
        self.assertGreater(runs["features/slow/c.feature"]["duration_ms"], 2500)

    def test_limits_survive_a_restart(self):
        launch = self.server.launch("p", ["features/slow/"], name="x")
        self.server.kill()
        self.server.start()
        self.server.wait_online("local-1")
        self.server.wait_launch(launch["id"])
        run, = self.server.all("/api/v1/runs?launch=%d" % launch["id"])
        self.assertEqual(run["outcome"], "timed_out", run)
        self.assertIn("time limit", run["reason"])

    def test_a_fault_lets_nothing_run(self):
        self.commit({"wrata.yml": YML.replace("retries: 1", "retrys: 1")})
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.launch("p", ["features/"])
        self.assertEqual(caught.exception.status, 422)
        self.assertIn("wrata.yml:3: retrys: there is no such key; did you mean retries?", str(caught.exception))
        self.assertEqual(self.server.all("/api/v1/launches"), [])
        said = self.wrata("run", "--project", "p", "features/", code=2)
        self.assertIn("wrata.yml:3: retrys", said)
        self.assertIn("wrata.yml:3: retrys", self.wrata("projects", "config", "p", code=2))
        self.assertIn("./wrata.yml:3: retrys", self.wrata("project", "check", code=2))
        # the commit before is fine, and is still planned by its own file
        self.assertEqual(self.run_all(["features/a.feature"], ref=self.first())
                         ["features/a.feature"]["outcome"], "passed")

    def first(self):
        return subprocess.run(["git", "-C", self.folder_of_project, "rev-list", "--max-parents=0", "HEAD"], text=True,
                              check=True, stdout=subprocess.PIPE).stdout.strip()

    def test_what_is_in_force_can_be_seen(self):
        config = self.server.get("/api/v1/projects/1/config")
        self.assertEqual((config["has_file"], config["problems"]), (True, []))
        self.assertEqual(config["limits"], {"retries": 1, "time_limit_s": 40, "silence_limit_s": 0, "lease_s": 120,
                                            "slots": None})
        self.assertEqual(config["config"]["commands"][0]["time_limit_s"], 1)
        self.assertEqual(config["config"]["env"], ["GREETING=hello there", "COLOUR=green"])
        self.assertIsNone(config["config"]["image"])
        said = self.wrata("projects", "config", "p")
        self.assertIn("glob: \"**/*.feature\"", said)
        self.assertIn("time_limit_s: 40", said)
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.get("/api/v1/projects/1/config?ref=nothing")
        self.assertEqual(caught.exception.status, 422)

    def test_rspec_is_forked_with_what_preload_names(self):
        """One process reads the named file, and the files of its slot share what it made; without it each reads it alone."""
        self.commit({"wrata.yml": "preload: helper.rb\n", "helper.rb": "LOADED_BY = Process.pid\n",
                     **{"%s_spec.rb" % name: 'require "./helper"\nRSpec.describe("x") { it("y") '
                                             '{ puts "loaded by #{LOADED_BY} in #{Process.pid}" } }\n' for name in "abcdef"}})
        files = ["%s_spec.rb" % name for name in "abcdef"]

        def loaded():
            runs = self.run_all(files)
            self.assertEqual([run["outcome"] for run in runs.values()], ["passed"] * 6, runs)
            return [re.search(r"loaded by (\d+) in (\d+)", self.log(run)).groups() for run in runs.values()]

        told = loaded()
        self.assertTrue(all(by != pid for by, pid in told), told)
        self.assertLessEqual(len({by for by, pid in told}), 2, told)  # a process for each of the two slots
        self.commit({"wrata.yml": "warm: true\n"})
        told = loaded()
        self.assertTrue(all(by == pid for by, pid in told), told)

    def test_so_many_runs_at_once_on_a_machine(self):
        """A script that finds another one of its project at work fails; a machine has room for two."""
        alone = 'mkdir "$HERE/taken" || exit 1\nwhile [ ! -e "$HERE/go" ]; do sleep 0.02; done\nrmdir "$HERE/taken"\n'
        self.commit({"wrata.yml": "slots: 1\n", "a.sh": alone, "b.sh": alone, "c.sh": alone})
        other = self.project({"o.sh": "echo other\n"}, name="other")
        self.server.post("/api/v1/projects", {"name": "other", "url": other})
        here = ["HERE=" + self.folder]
        launch = self.server.launch("p", ["a.sh", "b.sh", "c.sh"], env=here)
        self.assertEqual(launch["slots"], 1)
        wrata.wait_for("the first runs", lambda: os.path.isdir(os.path.join(self.folder, "taken")))
        # the other slot is for others, and why the next one waits is said
        self.server.wait_launch(self.server.launch("other", ["o.sh"])["id"])
        self.assertEqual({q["why"] for q in self.server.all("/api/v1/queue")},
                         {"1 run of p is on local-1, and p says at most 1"})
        open(os.path.join(self.folder, "go"), "w").close()
        self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")
        # again, and for one launch alone
        again = self.server.post("/api/v1/launches/%d/retest" % launch["id"], {"what": "all"})
        self.assertEqual(again["slots"], 1)
        self.assertEqual(self.server.wait_launch(again["id"])["outcome"], "passed")
        self.assertEqual(self.server.launch("p", ["a.sh"], env=here, slots=2)["slots"], 2)
        said = self.wrata("run", "--project", "p", "--per-server", "3", "--dry-run", "a.sh")
        self.assertIn("at most 3 at a time on one server\n", said)
        for slots in (0, 257, "many"):
            with self.assertRaises(wrata.ApiError) as caught:
                self.server.launch("p", ["a.sh"], slots=slots)
            self.assertEqual(caught.exception.status, 422)
            self.assertEqual(json.loads(caught.exception.body)["error"]["field"], "slots")

    def test_a_dry_run_starts_nothing(self):
        plan = self.server.post("/api/v1/launches/plan", {"project": "p", "files": ["features/", "plain.sh"], "retries": 5})
        self.assertEqual([(f["path"], f["report"], f["time_limit_s"], f["retries"], f["rule"]) for f in plan["files"]],
                         [("features/a.feature", "tap", 40, 5, "**/*.feature"), ("features/b.feature", "tap", 40, 5, "**/*.feature"),
                          ("features/slow/c.feature", "exit", 1, 5, "features/slow/*.feature"), ("plain.sh", "exit", 40, 5, "")])
        self.assertEqual(plan["files"][2]["command"], ["bash", "tools/feature.sh", "features/slow/c.feature"])
        said = self.wrata("run", "--dry-run", "features/slow", "plain.sh")
        self.assertIn("features/slow/c.feature\n    bash tools/feature.sh features/slow/c.feature\n"
                      "    report exit, time limit 1.0s, retries 0, by wrata.yml for features/slow/*.feature\n", said)
        self.assertIn("plain.sh\n    bash plain.sh\n    report exit", said)
        self.assertIn("nothing was started", said)
        self.assertEqual(len(json.loads(self.wrata("run", "--dry-run", "--json", "."))["files"]), 5)
        self.assertEqual(self.server.all("/api/v1/launches"), [])


if __name__ == "__main__":
    wrata.main()
