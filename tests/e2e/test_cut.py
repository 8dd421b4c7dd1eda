"""Machines that fall silent: cut and healed, and cut for good. Real sshd, real silence."""
# ctest: RESOURCE_LOCK hosts

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import hosts  # noqa: E402
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

LINES = 100
COUNTER = """#!/bin/bash
for i in $(seq 1 %d); do echo "line $i of $0"; sleep %%s; done
""" % LINES


def counted(path):
    return "".join("line %d of %s\n" % (i, path) for i in range(1, LINES + 1)).encode()


class Cut(wrata.Case):
    def setUp(self):
        super().setUp()
        reason = hosts.missing()
        if reason:
            self.skipTest(reason)
        self.fleet = hosts.Hosts()
        self.addCleanup(self.fleet.down)
        self.machines = [self.fleet.add(), self.fleet.add()]
        self.controller = self.serve()
        for i, host in enumerate(self.machines):
            self.controller.post("/api/v1/servers", {"name": "host-%d" % i, "fleet": "ssh", "address": host.address,
                                                     "user": "root", "identity": self.fleet.identity, "slots": 2})
        self.controller.wait_online("host-0", "host-1")

    def begin(self, n, pause, **more):
        repo = self.project({"t/%d.sh" % i: COUNTER % pause for i in range(n)})
        launch = self.controller.launch(repo, ["t/*.sh"], **more)
        wait_for("four run", lambda: self.controller.get("/api/v1/status")["tests"]["running"] == 4)
        wait_for("both print", lambda: all(r["log_bytes"] > 0 for r in self.runs(launch) if r["state"] == "running"))
        return launch

    def runs(self, launch):
        return self.controller.all("/api/v1/runs?launch=%d" % launch["id"])

    def check_counted_once(self, launch, n):
        done = [r for r in self.runs(launch) if r["state"] == "done"]
        self.assertEqual(sorted(r["path"] for r in done), sorted("t/%d.sh" % i for i in range(n)))
        for run in done:
            self.assertEqual(run["outcome"], "passed", run)
            self.assertEqual(self.controller.log(run["id"]), counted(run["path"]), "no gap, no double")
        found = self.controller.get("/api/v1/launches/%d" % launch["id"])
        self.assertEqual(found["tests"]["passed"], n)
        self.assertEqual(found["outcome"], "passed")

    def test_a_cut_of_a_minute_loses_nothing(self):
        launch = self.begin(4, "0.4")  # 40 s each: they end while nobody listens
        self.machines[0].cut()
        time.sleep(30)
        silent = self.controller.server("host-0")
        self.assertIn(silent["link"], ("lost", "connecting"))
        self.assertNotEqual(silent["reason"], "", "why it is not there is said: %s" % silent)
        time.sleep(30)
        self.machines[0].heal()
        self.controller.wait_launch(launch["id"], 120)
        self.check_counted_once(launch, 4)
        self.assertTrue(all(r["attempt"] == 1 for r in self.runs(launch)), "nothing ran twice")

    def test_a_host_cut_for_good_gives_its_runs_to_another(self):
        launch = self.begin(4, "0.1", lease_s=15)  # 10 s each
        self.machines[0].cut()
        cut_at = time.monotonic()
        lost = wait_for("its two runs are lost", lambda: len([r for r in self.runs(launch) if r["state"] == "lost"]) == 2 and
                        [r for r in self.runs(launch) if r["state"] == "lost"], 60)
        self.assertGreater(time.monotonic() - cut_at, 9, "not before the lease has ended there")
        for run in lost:
            self.assertEqual(run["server"]["name"], "host-0")
            self.assertIn("lease", run["reason"], "the reason is with the run")
        self.controller.wait_launch(launch["id"], 90)
        self.check_counted_once(launch, 4)
        again = [r for r in self.runs(launch) if r["attempt"] == 2]
        self.assertEqual([r["server"]["name"] for r in again], ["host-1", "host-1"])
        self.machines[0].heal()  # what it says now is late news
        wait_for("host-0 is back", lambda: self.controller.server("host-0")["link"] == "online", 60)
        time.sleep(2)
        self.check_counted_once(launch, 4)


if __name__ == "__main__":
    wrata.main()
