#!/usr/bin/env python3
"""`wrata reap`: machines that nobody owns go, with nothing but the token; all others stay."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fake_do  # noqa: E402
from wrata import WRATA  # noqa: E402

INSTANCE = "0123456789abcdef"
OTHER = "fedcba9876543210"


def until(minutes):
    return time.strftime("wrata:until:%Y-%m-%d-%H%M", time.gmtime(time.time() + minutes * 60))


class Reap(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wrata-reap-")
        self.addCleanup(folder.cleanup)
        self.data = os.path.join(folder.name, "data")
        self.cloud = fake_do.FakeDO()
        self.addCleanup(self.cloud.close)

    def machine(self, name, lease=None, instance=INSTANCE, **body):
        """lease: in so many minutes."""
        tags = ["wrata", "wrata:" + instance, "wrata:%s:s%d:i%d" % (instance, 7, 70)]
        return self.cloud.add(name, tags + ([until(lease)] if lease is not None else []), **body)

    def reap(self, *args, instance=INSTANCE, env=None, code=0):
        variables = {k: v for k, v in os.environ.items() if k not in ("DO_ACCESS_TOKEN", "WRATA_CLOUD_TOKEN")}
        variables.update({"WRATA_CLOUD_URL": self.cloud.url, "DO_ACCESS_TOKEN": self.cloud.token} if env is None else env)
        done = subprocess.run([WRATA, "reap", "--data", self.data, *(["--instance", instance] if instance else []), *args],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, env=variables)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn(self.cloud.token, done.stdout + done.stderr)
        return done

    def names(self):
        return sorted(d.name for d in self.cloud.alive())

    def test_what_is_past_its_lease_goes_and_all_else_stays(self):
        past = self.machine("past", -90)
        self.machine("alive", 90)
        self.machine("leaseless")
        self.machine("others", -90, instance=OTHER)
        self.cloud.add("strangers", ["web", until(-90)])
        self.cloud.add("untagged", [])
        done = self.reap()
        self.assertEqual(self.names(), ["alive", "leaseless", "others", "strangers", "untagged"])
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^kept        %d alive \(fra1, s-1vcpu-1gb\): its lease goes on until 20" %
                         self.cloud.with_tag("wrata:" + INSTANCE)[0].id)
        self.assertRegex(done.stdout, r"(?m)^destroyed   %d past \(fra1, s-1vcpu-1gb\): its lease ended 20.* UTC, \d+ min ago$"
                         % past.id)
        self.assertRegex(done.stdout, r"(?m)^left alone  \d+ leaseless \(fra1, s-1vcpu-1gb\): it has no lease; to destroy it: "
                                      r"wrata reap \d+$")
        self.assertEqual(lines[-1], "1 destroyed, 0 due, 1 kept, 1 without a lease, 0 failed")
        self.assertEqual(done.stderr, "")

    def test_a_dry_run_destroys_nothing_and_says_what_would_be(self):
        self.machine("past", -200)
        done = self.reap("--dry-run")
        self.assertRegex(done.stdout, r"(?m)^due         \d+ past .*: its lease ended .*, \d h ago$")
        self.assertIn("0 destroyed, 1 due", done.stdout)
        self.assertEqual(self.names(), ["past"])
        self.assertNotIn("DELETE", self.cloud.summary())

    def test_json_says_all_of_it(self):
        past = self.machine("past", -90)
        self.machine("alive", 90)
        doc = json.loads(self.reap("--json").stdout)
        found = {m["name"]: m for m in doc["machines"]}
        self.assertEqual(found["past"]["verdict"], "destroyed")
        self.assertEqual(found["alive"]["verdict"], "kept")
        self.assertEqual((found["past"]["id"], found["past"]["server"], found["past"]["intent"]), (str(past.id), 7, 70))
        self.assertEqual(found["past"]["price_hour_microusd"], 8930)
        self.assertRegex(found["past"]["lease_until"], r"^20\d\d-")

    def test_those_of_every_wrata_only_when_asked_for(self):
        self.machine("past", -90)
        self.machine("others", -90, instance=OTHER)
        self.cloud.add("strangers", ["wratabe", until(-90)])
        self.reap("--all", instance=None)
        self.assertEqual(self.names(), ["strangers"])

    def test_the_instance_is_that_of_the_data_folder(self):
        os.makedirs(self.data, mode=0o700)
        with open(os.path.join(self.data, "instance"), "w") as f:
            f.write(INSTANCE + "\n")
        self.machine("past", -90)
        self.machine("others", -90, instance=OTHER)
        self.reap(instance=None)
        self.assertEqual(self.names(), ["others"])

    def test_one_that_is_named_goes_without_a_lease_and_others_stay(self):
        named = self.machine("leaseless")
        self.machine("second")
        self.machine("past", -90)
        done = self.reap(str(named.id))
        self.assertIn("it has no lease, and was named", done.stdout)
        self.assertEqual(self.names(), ["past", "second"])

    def test_one_that_is_named_keeps_its_lease_unless_forced(self):
        alive = self.machine("alive", 90)
        done = self.reap(str(alive.id), code=1)
        self.assertIn("its lease goes on; --force destroys it all the same", done.stderr)
        self.assertEqual(self.names(), ["alive"])
        self.reap("--force", str(alive.id))
        self.assertEqual(self.names(), [])

    def test_what_is_not_ours_is_not_touched_when_named(self):
        stranger = self.cloud.add("stranger", ["web"])
        other = self.machine("others", -90, instance=OTHER)
        done = self.reap("--force", str(stranger.id), str(other.id), "12", code=1)
        self.assertEqual(done.stderr.count("there is no such machine with the tag of this instance"), 3)
        self.assertEqual(self.names(), ["others", "stranger"])
        self.assertNotIn("DELETE", self.cloud.summary())

    def test_a_lease_that_is_moved_on_at_the_last_moment_saves_the_machine(self):
        past = self.machine("past", -90)

        def move_on(method, path):
            if method == "GET" and path.endswith("/%d" % past.id):
                past.tags.append(until(90))

        self.cloud.before = move_on
        done = self.reap(code=1)
        self.assertIn("its lease was moved on meanwhile", done.stderr)
        self.assertEqual(self.names(), ["past"])

    def test_a_tag_that_is_taken_off_at_the_last_moment_saves_the_machine(self):
        past = self.machine("past", -90)

        def take_off(method, path):
            if method == "GET" and path.endswith("/%d" % past.id):
                past.tags.remove("wrata:" + INSTANCE)

        self.cloud.before = take_off
        done = self.reap(code=1)
        self.assertIn("does not carry the tag wrata:" + INSTANCE, done.stderr)
        self.assertEqual(self.names(), ["past"])

    def test_many_pages_and_a_cloud_in_a_bad_mood(self):
        self.cloud.per_page_max = 4
        for i in range(9):
            self.machine("past-%d" % i, -90)
        self.cloud.fault("twice-in-pages")
        self.cloud.fault("500", 2)
        self.cloud.fault("429", 1)
        self.reap()
        self.assertEqual(self.names(), [])

    def test_machines_with_a_gpu_are_not_forgotten(self):
        self.machine("costly", -90, size="gpu-h100x1-80gb", region="nyc3")
        self.reap()
        self.assertEqual(self.names(), [])

    def test_no_token_no_instance_and_no_cloud_are_said(self):
        done = self.reap(env={"WRATA_CLOUD_URL": self.cloud.url}, code=2)
        self.assertIn("there is no token", done.stderr)
        done = self.reap(instance=None, code=2)
        self.assertIn("--all means those of every wrata", done.stderr)
        done = self.reap("--all", code=2)
        self.assertIn("--instance and --all say two things", done.stderr)
        done = self.reap(instance="A/B", code=2)
        self.assertIn("cannot be the mark of an instance", done.stderr)
        done = self.reap("--cloud-url", "http://192.0.2.1", code=2)
        self.assertIn("plain http", done.stderr)
        done = self.reap(env={"WRATA_CLOUD_URL": self.cloud.url, "WRATA_CLOUD_TOKEN": "wrong"}, code=3)
        self.assertIn("does not accept the token", done.stderr)

    def test_the_token_may_be_in_the_credentials(self):
        self.machine("past", -90)
        subprocess.run([WRATA, "credentials", "set", "cloud_token", "--data", self.data], input=self.cloud.token, text=True,
                       check=True, capture_output=True)
        self.reap(env={"WRATA_CLOUD_URL": self.cloud.url})
        self.assertEqual(self.names(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
