#!/usr/bin/env python3
"""The whole way: a server, a cloud with its faults, droplets that are real ssh hosts, a launch, and nothing left behind."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fake_do  # noqa: E402
import hosts  # noqa: E402
from wrata import Server, wait_for  # noqa: E402

OPTIONS = {"image": "debian-12-x64", "regions": ["fra1"]}


def make_project(folder, n):
    path = os.path.join(folder, "project")
    os.mkdir(path)
    for i in range(n):
        with open(os.path.join(path, "t%02d.sh" % i), "w") as f:
            f.write("#!/bin/bash\necho here is $WRATA_SERVER\n")
    for args in (["init", "-q", "-b", "main"], ["add", "."],
                 ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", path] + args, check=True)
    return path


@unittest.skipIf(hosts.missing(), hosts.missing())
class Cloud(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wrata-cloud-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.hosts = hosts.Hosts()
        self.addCleanup(self.hosts.down)
        self.cloud = fake_do.FakeDO(hosts=self.hosts)
        self.addCleanup(self.cloud.close)
        self.server = Server(self.folder, env=dict(os.environ, WRATA_CLOUD_URL=self.cloud.url, DO_ACCESS_TOKEN=self.cloud.token))
        self.server.start()
        self.addCleanup(self.server.stop)
        self.server.post("/api/v1/fleets", {"name": "cloud", "kind": "digitalocean", "options": OPTIONS})

    def add(self, pattern):
        return [s["id"] for s in self.server.post("/api/v1/servers/add_many", {"name": pattern, "fleet": "cloud"})["servers"]]

    def seen(self, ids):
        return [self.server.get("/api/v1/servers/%d" % i) for i in ids]

    def until(self, ids, seconds=90, **members):
        def claim():
            return all(s[k] == v for s in self.seen(ids) for k, v in members.items())
        try:
            wait_for("servers with %s" % members, claim, seconds)
        except AssertionError as e:
            raise AssertionError("%s; they are %s; the log:\n%s" % (e, self.seen(ids), self.server.log_tail(4000))) from None

    def off(self, ids):
        self.server.post("/api/v1/servers/power_off", {"servers": ids, "force": True})
        self.until(ids, status="destroyed")
        wait_for("the cloud is empty", lambda: not self.cloud.alive(), 60)

    def on(self, ids):
        self.server.post("/api/v1/servers/power_on", {"servers": ids})

    def one_droplet_each(self):
        """At no time had a server two droplets that both lived: each create call made at most one."""
        intents = [t for d in self.cloud.made for t in d.body["tags"] if ":i" in t]
        self.assertEqual(len(intents), len(set(intents)))

    def costs_add_up(self, launch, droplets):
        """What the launch cost and what was idle is what the droplets cost, each for its whole life, and at least a cent."""
        def nano(usd):
            return round(usd * 10**9)
        total = self.server.get("/api/v1/cost")["total"]
        servers = [nano(s["cost_usd"]) for s in self.server.get("/api/v1/cost?by=server")["items"]]
        runs = [nano(r["cost_usd"]) for r in self.server.all("/api/v1/runs")]
        self.assertEqual(len(servers), droplets)
        self.assertEqual(nano(total["cost_usd"]), sum(servers))
        self.assertEqual(nano(total["idle_usd"]) + nano(self.server.get("/api/v1/launches/%d" % launch)["cost_usd"]), sum(servers))
        self.assertEqual(nano(total["runs_usd"]), sum(runs))
        self.assertGreater(sum(runs), 0)
        self.assertEqual(servers, [10**7] * droplets)  # $0.00893 an hour: minutes of it cost less

    def test_power_on_launch_power_off(self):
        ids = self.add("web-{1..4}")
        self.on(ids)
        self.until(ids, status="created", link="online")
        launch = self.server.launch(make_project(self.folder, 20), ["*.sh"])
        done = self.server.wait_launch(launch["id"])
        self.assertEqual(done["outcome"], "passed")
        self.off(ids)
        self.assertEqual(len(self.cloud.made), 4)
        self.one_droplet_each()
        self.costs_add_up(launch["id"], 4)
        print(self.cloud.summary())

    def test_a_doubtful_create_is_found_and_not_bought_twice(self):
        for fault in ("500-after-create", "lost-answer"):
            self.cloud.fault(fault)
            ids = self.add("a-%s" % fault.split("-")[0])
            self.on(ids)
            self.until(ids, status="created", link="online")
            self.assertEqual(len(self.cloud.alive()), 1)
            self.off(ids)
        self.one_droplet_each()
        self.assertEqual(len(self.cloud.made), 2)

    def test_another_host_key_is_said(self):
        self.cloud.fault("wrong-host-key", times=None)
        ids = self.add("swapped")
        self.on(ids)
        wait_for("the reason", lambda: "is not the one that was made for this machine" in str(self.seen(ids)), 60)
        self.off(ids)

    def test_killed_while_machines_are_made(self):
        ids = self.add("web-{1..3}")
        self.cloud.fault("slow-active", times=None, seconds=1.0)
        self.on(ids)
        wait_for("a droplet", lambda: len(self.cloud.made) > 0)
        self.server.kill()
        self.server.start()
        self.until(ids, status="created", link="online", seconds=150)
        self.server.kill()
        self.server.start()
        self.off(ids)
        self.one_droplet_each()


if __name__ == "__main__":
    unittest.main(verbosity=2)
