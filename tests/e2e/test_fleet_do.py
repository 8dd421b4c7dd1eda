#!/usr/bin/env python3
"""DigitalOcean's driver over real HTTP, against a cloud that counts, lags and lies; with droplets that are real ssh hosts."""
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fake_do  # noqa: E402
import hosts  # noqa: E402
from wrata import wait_for  # noqa: E402

BUILD = os.environ.get("WRATA_BUILD") or os.path.join(os.path.dirname(__file__), "..", "..", "build", "test")
DRIVE = os.path.join(BUILD, "fleet_drive")
OPTIONS = {"image": "debian-12-x64", "regions": ["fra1", "ams3"]}
INSTANCE = "0123456789abcdef"
MARK = "wrata:" + INSTANCE


class Drive:
    """A fleet by hand (tests/programs/fleet_drive.c)."""

    def __init__(self, kind, options, url, token, folder):
        self.process = subprocess.Popen([DRIVE, kind, json.dumps(options), url, folder], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=dict(os.environ, DO_ACCESS_TOKEN=token))
        self.told = []
        self.seen = 0
        self.asks = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def say(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()

    def wait(self, n=1, seconds=60):
        """The next n answers."""
        wait_for(lambda: "%d answers; there are %d, the last are %r" % (n, len(self.told) - self.seen, self.told[-3:]), lambda: len(self.told) >= self.seen + n, seconds)
        answers = self.told[self.seen:self.seen + n]
        self.seen += n
        return answers

    def ask(self, *words):
        self.say(*words)
        return self.wait()[0]

    def list(self):
        self.asks += 1
        return self.ask("list", self.asks)

    def until_active(self, n, seconds=60):
        def look():
            machines = self.list()["machines"]
            return machines if sum(m["state"] == "active" for m in machines) == n else None

        return wait_for("%d active machines" % n, look, seconds, every=0.2)

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        if code != 0:
            raise AssertionError("fleet_drive ended with %d" % code)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="wrata-fleet-")
        self.cloud = fake_do.FakeDO(**self.cloud_options())
        self.addCleanup(self.cloud.close)

    def cloud_options(self):
        return {}

    def drive(self, options=None):
        d = Drive("digitalocean", options or OPTIONS, self.cloud.url, self.cloud.token, self.folder)
        self.addCleanup(d.process.stdout.close)
        self.addCleanup(d.end)
        return d


class Driver(Case):
    def test_ten_are_made_listed_renewed_and_destroyed(self):
        d = self.drive()
        for i in range(1, 11):
            d.say("create", i, 100 + i)
        self.assertEqual({a["told"] for a in d.wait(10)}, {"created"})
        machines = d.until_active(10)
        self.assertEqual(sorted((m["server"], m["intent"]) for m in machines), [(i, 100 + i) for i in range(1, 11)])
        self.assertEqual({m["price"] for m in machines}, {8930})
        for m in machines:
            d.say("renew", m["id"], 7200)
        self.assertEqual({a["told"] for a in d.wait(10)}, {"renewed"})
        for droplet in self.cloud.alive():
            self.assertEqual(len([t for t in droplet.tags if t.startswith("wrata:until:")]), 1)
        for m in machines:
            d.say("destroy", m["id"])
        self.assertEqual({a["told"] for a in d.wait(10)}, {"destroyed"})
        self.assertEqual(self.cloud.alive(), [])
        self.assertEqual(d.list()["machines"], [])
        print(self.cloud.summary())

    def test_doubtful_creates_are_found_by_the_list_and_never_repeated(self):
        for fault, makes in (("500-after-create", 1), ("lost-answer", 1), ("lost-create", 0)):
            with self.subTest(fault):
                d = self.drive()
                self.cloud.fault(fault)
                before = self.cloud.counts.get("POST /v2/droplets", 0)
                answer = d.ask("create", 7, 70)
                self.assertEqual((answer["told"], answer["fault"]), ("create_failed", "unknown"), answer)
                found = d.list()["machines"]
                self.assertEqual([(m["server"], m["intent"]) for m in found], [(7, 70)] * makes)
                self.assertEqual(self.cloud.counts["POST /v2/droplets"], before + 1)
                for m in found:
                    self.assertEqual(d.ask("destroy", m["id"])["told"], "destroyed")

    def test_a_list_that_lags_and_tags_that_come_late_hide_nothing(self):
        d = self.drive()
        self.cloud.fault("list-lags", seconds=1000)
        made = d.ask("create", 1, 10)
        self.assertEqual([m["id"] for m in d.list()["machines"]], [made["id"]])
        self.cloud.fault("late-tags", seconds=1000)
        late = d.ask("create", 2, 20)
        self.assertEqual(sorted(m["id"] for m in d.list()["machines"]), sorted([made["id"], late["id"]]))
        self.assertEqual(d.ask("destroy", late["id"])["told"], "destroyed")

    def test_a_list_of_many_pages_is_whole(self):
        d = self.drive()
        self.cloud.per_page_max = 3
        for i in range(1, 8):
            self.cloud.add("web-%d" % i, ["wrata", MARK, "%s:s%d:i%d" % (MARK, i, i)])
        self.cloud.fault("twice-in-pages")
        self.assertEqual(sorted(m["server"] for m in d.list()["machines"]), list(range(1, 8)))
        self.cloud.fault("twice-in-pages", times=None)
        self.assertEqual(d.list()["told"], "list_failed")

    def test_a_busy_cloud_is_waited_for(self):
        d = self.drive()
        self.cloud.fault("429", 2)
        began = time.monotonic()
        self.assertEqual(d.ask("create", 1, 10)["told"], "created")
        self.assertGreater(time.monotonic() - began, 1.0)  # Retry-After
        self.cloud.fault("500", 2)
        self.assertEqual(len(d.list()["machines"]), 1)

    def test_a_full_account_and_a_wrong_token_are_said(self):
        d = self.drive()
        self.cloud.droplet_limit = 0
        answer = d.ask("create", 1, 10)
        self.assertEqual(answer["fault"], "limit")
        self.assertIn("will exceed your droplet limit", answer["reason"])
        self.cloud.token = "another"
        answer = d.list()
        self.assertEqual((answer["told"], answer["fault"]), ("list_failed", "auth"))
        self.assertNotIn("dop_v1_test", json.dumps(d.told))

    def test_what_can_be_had_is_read(self):
        d = self.drive()
        answer = d.ask("catalog")
        self.assertEqual(answer["sizes"], ["s-1vcpu-1gb", "s-2vcpu-2gb", "gpu-h100x1-80gb"])
        self.assertEqual(answer["images"], ["qa-2026-10", "qa-2026-09", "12 x64"])
        self.assertEqual(answer["machines_max"], 25)

    def test_a_snapshot_is_found_by_its_name_and_other_options_count_from_then_on(self):
        d = self.drive(dict(OPTIONS, image="qa-*"))
        d.ask("create", 1, 10)
        self.assertEqual(self.cloud.made[-1].body["image"], 9102)
        d.say("change", json.dumps(dict(OPTIONS, image="qa-2026-09", regions=["ams3"], size="s-2vcpu-2gb")))
        d.ask("create", 2, 20)
        self.assertEqual((self.cloud.made[-1].body["image"], self.cloud.made[-1].region, self.cloud.made[-1].body["size"]),
                         (9101, "ams3", "s-2vcpu-2gb"))

    def test_two_hundred_at_once_stay_under_the_budget(self):
        d = self.drive()
        self.cloud.droplet_limit = 500
        self.cloud.per_minute = 100000  # it counts, and does not make us wait: that is tested in virtual time
        for i in range(1, 201):
            d.say("create", i, i)
        self.assertEqual({a["told"] for a in d.wait(200)}, {"created"})
        self.assertEqual(len(d.list()["machines"]), 200)
        print(self.cloud.summary())
        self.assertLessEqual(self.cloud.busiest_minute(), 225)


class RealHosts(Case):
    def cloud_options(self):
        self.hosts = hosts.Hosts()
        self.addCleanup(self.hosts.down)
        return {"hosts": self.hosts}

    def setUp(self):
        why = hosts.missing()
        if why is not None:
            self.skipTest(why)
        super().setUp()

    def ssh(self, d, machine, server, intent):
        known = os.path.join(self.folder, "known")
        login = os.path.join(self.folder, "login")
        d.ask("login", login)
        with open(known, "w") as f:
            f.write(d.ask("key", server, intent, machine["address"])["line"])
        return subprocess.run(["ssh", "-F", "/dev/null", "-i", login, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
                               "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + known, "-o",
                               "GlobalKnownHostsFile=/dev/null", "root@" + machine["address"], "echo", "hello"],
                              capture_output=True, text=True, timeout=60)

    def test_the_first_connection_is_verified_already(self):
        d = self.drive()
        d.ask("create", 1, 10)
        machine = d.until_active(1)[0]
        done = self.ssh(d, machine, 1, 10)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)

    def test_another_host_key_is_refused(self):
        d = self.drive()
        self.cloud.fault("wrong-host-key")
        d.ask("create", 1, 10)
        machine = d.until_active(1)[0]
        done = self.ssh(d, machine, 1, 10)
        self.assertEqual(done.returncode, 255)
        self.assertIn("Host key verification failed", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_the_agent_is_brought_over_a_connection_that_is_verified(self):
        d = self.drive()
        d.ask("create", 1, 10)
        machine = d.until_active(1)[0]
        d.ask("login", os.path.join(self.folder, "login"))
        self.assertEqual(d.ask("link", 1, 10, machine["address"]), {"told": "up", "server": 1})

    def test_a_link_to_another_host_key_is_refused_and_says_so(self):
        d = self.drive()
        self.cloud.fault("wrong-host-key")
        d.ask("create", 1, 10)
        machine = d.until_active(1)[0]
        d.ask("login", os.path.join(self.folder, "login"))
        answer = d.ask("link", 1, 10, machine["address"])
        self.assertEqual((answer["told"], answer["was_up"]), ("down", False))
        self.assertIn("the host key of %s is not the one that was made for this machine" % machine["address"], answer["reason"])
        # Nothing was said to it that is meant for our machine.
        self.assertFalse(any("/.wrata/" in command for _, command in self.hosts.all[0].commands()))

    def test_droplets_that_vanish_or_never_come_up_are_shown_as_they_are(self):
        d = self.drive()
        self.cloud.fault("never-active")
        never = d.ask("create", 1, 10)
        self.cloud.fault("vanishes")
        d.ask("create", 2, 20)
        wait_for("one is gone", lambda: len(self.cloud.alive()) == 1)
        self.assertEqual([(m["id"], m["state"]) for m in d.list()["machines"]], [(never["id"], "new")])


class Fake(unittest.TestCase):
    """The fake fleet: a machine is a folder, and a real agent runs in it."""

    def test_an_agent_runs_in_the_folder_of_a_machine_and_ends_with_it(self):
        folder = tempfile.TemporaryDirectory(prefix="wrata-fake-")
        self.addCleanup(folder.cleanup)
        d = Drive("fake", {}, "http://127.0.0.1:1", "", folder.name)
        self.addCleanup(d.process.stdout.close)
        self.addCleanup(d.end)
        made = d.ask("create", 1, 10)
        home = os.path.join(folder.name, "fake", made["id"])
        self.assertEqual(d.ask("words", made["id"])["told"], "up")
        self.assertEqual(len([n for n in os.listdir(os.path.join(home, ".wrata")) if n.startswith("agent-")]), 1)

        def running():
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    if os.readlink("/proc/%s/exe" % pid).startswith(home):
                        found.append(pid)
                except OSError:
                    pass  # it has ended, or is not ours to look at
            return found

        self.assertNotEqual(running(), [])
        d.say("destroy", made["id"])
        self.assertEqual({a["told"] for a in d.wait(2)}, {"destroyed", "down"})
        wait_for("its processes end", lambda: not running())


if __name__ == "__main__":
    unittest.main(verbosity=2)
