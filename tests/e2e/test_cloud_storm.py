#!/usr/bin/env python3
"""No droplet is forgotten, none is bought twice, no test counts twice: whatever the cloud does, and whenever the server dies.

Machines are switched on, a launch goes over them, they do nothing and go. Meanwhile the cloud has its faults, and the server is
killed (SIGKILL) while it creates, boots, prepares, runs, counts down and destroys. At the end the cloud is empty, and so are our
records; the cloud's own audit says that no server ever had two droplets at once.

    tests/e2e/test_cloud_storm.py              four machines, forty scripts, every fault, a kill in each part of the life
    WRATA_STORM=full ... -v                    ten machines, 200 scripts: in peace, with each fault, with twenty kills
    WRATA_STORM_SEED=N                         the same draws again; each run prints its own
"""
# ctest: TIMEOUT 600
# ctest: RESOURCE_LOCK hosts
import collections
import http.client
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import unittest
import urllib.error

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fake_do  # noqa: E402
import hosts  # noqa: E402
from wrata import ApiError, Server, make_project, pids_with, wait_for  # noqa: E402

FULL = os.environ.get("WRATA_STORM") == "full"
SEED = int(os.environ.get("WRATA_STORM_SEED") or random.SystemRandom().randrange(1 << 32))
PARTS = ("creating", "booting", "preparing", "running", "idle", "destroying")
OPTIONS = {"image": "debian-12-x64", "regions": ["fra1"]}
IDLE_MS = 8000  # a countdown is shown after 5 s
# Short waits. A machine that takes longer to be ready than this is destroyed and its tests wait for others: so it must be longer
# than all of them take on a busy computer.
WAITS = {"WRATA_MACHINE_MISSING_S": "6", "WRATA_MACHINE_STRAY_S": "6", "WRATA_LEASE_S": "30", "WRATA_RECONNECT_MAX_MS": "2000"}


class Yard(unittest.TestCase):
    ready_s = 120
    boot_s = 0.5

    @classmethod
    def setUpClass(cls):
        print("WRATA_STORM_SEED=%d" % SEED, flush=True)

    def setUp(self):
        why = hosts.missing()
        if why is not None:
            self.skipTest(why)
        self.rng = random.Random("%d %s" % (SEED, self.id()))
        self.folder = tempfile.mkdtemp(prefix="wrata-storm-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.hosts = hosts.Hosts()
        self.addCleanup(self.hosts.down)
        self.cloud = fake_do.FakeDO(hosts=self.hosts, boot_s=self.boot_s)
        self.addCleanup(self.cloud.close)
        self.cloud.per_page_max = 3  # lists have pages
        env = dict(os.environ, WRATA_CLOUD_URL=self.cloud.url, DO_ACCESS_TOKEN=self.cloud.token,
                   WRATA_MACHINE_READY_S=str(self.ready_s), **WAITS)
        self.server = Server(self.folder, env=env)
        self.server.start()
        self.addCleanup(self.server.stop)
        self.kills = collections.Counter()
        self.again = 0
        self.server.post("/api/v1/fleets", {"name": "cloud", "kind": "digitalocean", "options": OPTIONS, "idle_ms": IDLE_MS})

    # ---- the server, which may be dead at any moment ----

    def kill(self, part):
        if self.server.process.poll() is None:
            self.server.process.kill()
            self.kills[part] += 1

    def revive(self):
        if self.server.process.poll() is None:
            return
        self.assertEqual(self.server.process.wait(), -9, "the server died by itself:\n" + self.server.log_tail())
        time.sleep(self.rng.choice((0.0, 0.2, 1.5)))
        self.server.start()

    def ask(self, method, path, body=None):
        """Asked again when the server was killed meanwhile: only what may be asked twice."""
        while True:
            self.revive()
            try:
                return self.server.call(method, path, body)
            except (OSError, http.client.HTTPException, urllib.error.URLError):
                wait_for("the end of a server that does not answer", lambda: self.server.process.poll() is not None)

    def servers(self):
        return self.ask("GET", "/api/v1/servers")["items"]

    # ---- people ----

    def begin(self, machines, scripts):
        self.machines = machines
        self.scripts = scripts
        self.ids = [s["id"] for s in self.server.post("/api/v1/servers/add_many",
                                                      {"name": "web-{1..%d}" % machines, "fleet": "cloud", "slots": 2})["servers"]]
        ran = os.path.join(self.folder, "ran")
        os.mkdir(ran)
        self.project = make_project(os.path.join(self.folder, "project"),
                                    {"t%03d.sh" % i: "#!/bin/sh\necho $WRATA_SERVER >> %s/%d\nsleep 0.0%d\n" % (ran, i, i % 10)
                                     for i in range(scripts)})

    def power(self, word, ids):
        try:
            self.ask("POST", "/api/v1/servers/power_" + word, {"servers": ids, **({"force": True} if word == "off" else {})})
        except ApiError as e:
            self.assertEqual(e.status, 409, e)  # it was done before the answer was lost, or it changed since we looked

    def tend(self, launch, servers):
        """As a person would: nothing is left that could run the tests, so machines are switched on again."""
        if launch["state"] != "done" and all(s["status"] == "destroyed" for s in servers):
            self.again += 1
            self.power("on", self.ids)

    # ---- moments ----

    def arm(self, part):
        """Two parts are the cloud's own moments: the server dies right before, or right after, such a call is done."""
        method = {"creating": "POST", "destroying": "DELETE"}[part]
        left = [self.rng.randrange(max(self.machines // 2, 1))]

        def strike(asked, path):
            if asked != method or not path.startswith("/v2/droplets"):
                return
            left[0] -= 1
            if left[0] < 0:
                self.cloud.before = None
                threading.Timer(self.rng.choice((0.0, 0.01, 0.05)), self.kill, (part,)).start()
        self.cloud.before = strike

    def is_in(self, part, launch, servers):
        if part == "booting":
            return any(d.status == "new" for d in self.cloud.alive())
        if part == "preparing":
            return any(s["status"] == "creating" and s["address"] for s in servers)
        if part == "running":
            left = launch["tests"]["waiting"] + launch["tests"]["running"]
            return launch["state"] != "done" and left < self.scripts * self.share
        return part == "idle" and launch["state"] == "done" and any(s["destroys_at"] for s in servers)

    def look(self, parts, launch, servers):
        """Is it the moment of one of these parts? Those before it are over, then."""
        if launch["state"] == "done" and "destroying" in parts:
            parts.remove("destroying")
            self.arm("destroying")
        found = next((p for p in parts if self.is_in(p, launch, servers)), None)
        if found is None:
            return
        del parts[:parts.index(found) + 1]
        time.sleep(self.rng.random() * 0.5)
        self.kill(found)

    def life(self, parts=(), seconds=300, at_end=lambda: None):
        """Switch all on, run the launch, wait until all are gone; the server dies once in each of these parts."""
        kills = collections.Counter(self.kills)
        made = len(self.cloud.made)
        parts = sorted(parts, key=PARTS.index)
        self.share = 0.05 + self.rng.random() * 0.9
        self.launch = self.server.launch(self.project, ["*.sh"])["id"]
        if "creating" in parts:
            parts.remove("creating")
            self.arm("creating")
        self.power("on", self.ids)
        deadline = time.monotonic() + seconds
        was_running = True
        while True:
            servers = self.servers()
            launch = self.ask("GET", "/api/v1/launches/%d" % self.launch)
            self.assertEqual(self.cloud.doubles(), [])
            if launch["state"] == "done" and was_running:
                was_running = False
                at_end()
            if launch["state"] == "done" and all(s["status"] == "destroyed" for s in servers) and not self.cloud.alive():
                break
            self.tend(launch, servers)
            self.look(parts, launch, servers)
            if time.monotonic() > deadline:
                self.fail("after %d s: %s\n%s\nthe cloud has %s\n%s" % (
                    seconds, launch, [(s["name"], s["status"], s["progress"], s["status_reason"], s["reason"]) for s in servers],
                    [(d.id, d.status, d.tags) for d in self.cloud.alive()], self.server.log_tail(8000)))
            time.sleep(0.1)
        self.cloud.before = None
        self.revive()
        self.settled()
        print("%s: %d droplets, killed while %s; switched on again %d times" % (
            self.id().split(".")[-1], len(self.cloud.made) - made, ", ".join(self.kills - kills) or "nothing", self.again), flush=True)

    def settled(self):
        """The cloud's list is our list is empty, and every test counts once."""
        self.assertEqual([(d.id, d.tags) for d in self.cloud.alive()], [])
        for s in self.servers():
            self.assertEqual((s["status"], s["machine"], s["removing"]), ("destroyed", None, False), s)
        self.assertEqual(self.cloud.doubles(), [])
        launch = self.ask("GET", "/api/v1/launches/%d" % self.launch)
        self.assertEqual((launch["outcome"], launch["tests"]["total"], launch["tests"]["passed"]),
                         ("passed", self.scripts, self.scripts), self.failures())
        tests = self.server.all("/api/v1/launches/%d/tests" % self.launch)
        self.assertEqual(len({t["path"] for t in tests}), self.scripts)
        self.assertEqual({(t["state"], t["outcome"]) for t in tests}, {("done", "passed")})
        counted = collections.Counter(r["test"] for r in self.server.all("/api/v1/runs?launch=%d" % self.launch)
                                      if r["outcome"] == "passed")
        self.assertEqual(counted, {t["id"]: 1 for t in tests})
        # what a killed server had started ends by itself, if not at once: an ssh that waits for a machine that is gone, say
        wait_for("the end of processes of servers that were killed", lambda: not self.left(), 60)

    def failures(self):
        """Some runs that did not pass, with what they said."""
        runs = [r for r in self.server.all("/api/v1/runs?launch=%d" % self.launch) if r["outcome"] not in (None, "passed")]
        return "\n".join("%s\n%s" % (r, self.server.log(r["id"])) for r in runs[:5])

    def left(self):
        return [p for p in pids_with(self.folder) if p != self.server.process.pid]


@unittest.skipIf(FULL, "WRATA_STORM=full")
class Short(Yard):
    def test_every_fault_and_a_kill_in_each_part(self):
        self.begin(4, 40)
        self.cloud.fault("429", 3)
        self.cloud.fault("500", 2)
        self.cloud.fault("twice-in-pages", 2)
        self.cloud.fault("slow-active", 1, seconds=2.0)
        self.cloud.fault(self.rng.choice(("500-after-create", "lost-answer")), 1)
        self.cloud.fault("vanishes", 1)
        bad = self.rng.choice(("never-active", "wrong-host-key"))
        self.cloud.fault(bad, 1)

        def at_end():  # nobody waits for what will never be ready
            self.power("off", [s["id"] for s in self.servers() if s["status"] == "creating"])
        self.life(PARTS, at_end=at_end)


@unittest.skipUnless(FULL, "WRATA_STORM=full runs it")
class Full(Yard):
    ready_s = 60

    def test_in_peace(self):
        self.begin(10, 200)
        self.life()
        self.assertEqual(len(self.cloud.made), 10)
        print(self.cloud.summary())

    def test_each_fault(self):
        self.begin(10, 200)
        for name, times in (("500-after-create", 3), ("lost-answer", 3), ("lost-create", 3), ("429", 10), ("slow-active", 10),
                            ("never-active", 3), ("vanishes", 3), ("twice-in-pages", 12), ("wrong-host-key", 3), ("list-lags", 3),
                            ("late-tags", 3), ("500", 8), ("stays", 2)):
            with self.subTest(name):
                self.cloud.fault(name, times)
                self.life()
                self.cloud.clear(name)
                print("  with %s" % name, flush=True)

    def test_a_droplet_vanishes_while_it_works(self):
        self.begin(10, 200)

        def vanish():
            end = time.monotonic() + 120
            while time.monotonic() < end:
                working = [d for d in self.cloud.alive() if d.status == "active"]
                if len(working) >= 8 and len(os.listdir(os.path.join(self.folder, "ran"))) > 20:
                    for d in working[:2]:
                        self.cloud.remove(d)
                    return
                time.sleep(0.05)
        t = threading.Thread(target=vanish, daemon=True)
        t.start()
        self.life()
        t.join()

    def test_twenty_kills(self):
        self.begin(10, 200)
        while sum(self.kills.values()) < 20:
            self.life(PARTS, seconds=400)
        print(dict(self.kills))
        self.assertGreaterEqual(min(self.kills[p] for p in PARTS), 2, self.kills)

    def test_twenty_kills_and_every_fault(self):
        self.begin(10, 200)
        while sum(self.kills.values()) < 20:
            for name in ("500-after-create", "lost-answer", "lost-create", "429", "slow-active", "vanishes", "twice-in-pages",
                         "list-lags", "late-tags", "500"):
                self.cloud.fault(name, self.rng.randrange(3))
            self.life(self.rng.sample(PARTS, 5), seconds=400)
        print(dict(self.kills))


if __name__ == "__main__":
    unittest.main(verbosity=2)
