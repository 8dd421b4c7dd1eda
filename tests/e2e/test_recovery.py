"""Nothing is lost, whatever is killed: real processes, real signals."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

# Prints numbered lines for about two seconds: a gap or a double would show.
COUNTER = """#!/bin/bash
for i in $(seq 1 %d); do echo "line $i of $0"; sleep %s; done
"""
LINES = 40


def counted(path):
    return "".join("line %d of %s\n" % (i, path) for i in range(1, LINES + 1)).encode()


class Recovery(wrata.Case):
    def files(self, n):
        return {"t/%03d.sh" % i: COUNTER % (LINES, "0.05") for i in range(n)}

    def check_all_once(self, server, launch_id, n, lost_may_be=0):
        launch = server.get("/api/v1/launches/%d" % launch_id)
        self.assertEqual(launch["outcome"], "passed", server.log_tail())
        self.assertEqual(launch["tests"]["passed"], n)
        self.assertEqual(launch["tests"]["total"], n)
        runs = server.all("/api/v1/runs?launch=%d" % launch_id)
        done = [r for r in runs if r["state"] == "done"]
        self.assertEqual(len(done), n, "every test is counted once")
        self.assertEqual(len({r["test"] for r in done}), n)
        self.assertLessEqual(len(runs) - len(done), lost_may_be, [r for r in runs if r["state"] != "done"])
        for run in done:
            self.assertEqual(server.log(run["id"]), counted(run["path"]), "run %d: no gap, no double" % run["id"])
        return runs

    def test_a_killed_server_goes_on_where_it_was(self):
        server = self.serve()
        server.add_local("local-1", 4)
        server.wait_online("local-1")
        launch = server.launch(self.project(self.files(12)), ["t/*.sh"])
        for _ in range(3):
            time.sleep(0.9)
            server.kill()
            time.sleep(0.3)
            server.start()
        server.wait_launch(launch["id"])
        runs = self.check_all_once(server, launch["id"], 12)
        self.assertTrue(all(r["attempt"] == 1 for r in runs), "the agent kept the runs: nothing ran twice")

    def test_a_server_that_was_away_longer_than_the_runs_finds_their_results(self):
        server = self.serve()
        server.add_local("local-1", 4)
        server.wait_online("local-1")
        launch = server.launch(self.project(self.files(4)), ["t/*.sh"])
        wait_for("all four run", lambda: server.get("/api/v1/status")["tests"]["running"] == 4)
        server.kill()
        time.sleep(4)
        server.start()
        server.wait_launch(launch["id"])
        runs = self.check_all_once(server, launch["id"], 4)
        self.assertTrue(all(r["attempt"] == 1 for r in runs))

    def test_a_killed_agent_gives_its_runs_back_at_once(self):
        server = self.serve()
        server.add_local("local-1", 2)
        server.wait_online("local-1")
        launch = server.launch(self.project(self.files(4)), ["t/*.sh"])
        runs = lambda: server.all("/api/v1/runs?launch=%d" % launch["id"])  # noqa: E731
        # What has not begun is not lost, and begins again as the same attempt.
        wait_for("two have begun", lambda: len([r for r in runs() if server.log(r["id"])]) == 2)
        agents = wrata.pids_with(self.folder, " serve ")
        agents = [p for p in agents if p != server.process.pid]
        self.assertTrue(agents)
        before = time.monotonic()
        for pid in agents:
            os.kill(pid, signal.SIGKILL)
        wait_for("the runs were lost", lambda: [r for r in runs() if r["attempt"] == 2], 15)
        self.assertLess(time.monotonic() - before, 15, "not after the lease of two minutes: at once")
        server.wait_launch(launch["id"])
        launch = server.get("/api/v1/launches/%d" % launch["id"])
        self.assertEqual(launch["outcome"], "passed", server.log_tail())
        self.assertEqual(launch["tests"]["passed"], 4)

    def test_a_planned_restart_loses_nothing(self):
        server = self.serve()
        server.add_local("local-1", 4)
        server.wait_online("local-1")
        launch = server.launch(self.project(self.files(8)), ["t/*.sh"])
        time.sleep(1)
        server.stop()
        server.start()
        server.wait_launch(launch["id"])
        runs = self.check_all_once(server, launch["id"], 8)
        self.assertTrue(all(r["attempt"] == 1 for r in runs))

    def test_two_controllers_on_one_folder(self):
        server = self.serve()
        second = wrata.Server(self.folder)
        second.log_path += ".second"
        second.start(expect_fail=True)
        self.assertEqual(second.process.wait(60), 3)
        self.assertIn(str(server.process.pid), second.log_tail(), "it names who is there")
        self.assertEqual(server.get("/api/v1/status")["servers"]["total"], 0, "the first one is unharmed")


if __name__ == "__main__":
    wrata.main()
