"""A disk that is full, and nothing on it may go: no run begins, what runs goes on, and all goes on by itself when there is room."""

import os
import re
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

LOUD = "touch %s/begun\nwhile ! test -e %s/go; do sleep 0.1; done\nhead -c 1000000 /dev/urandom | base64\ntouch %s/told\n"


class DiskFull(wrata.Case):
    def small_disk(self, size):
        path = os.path.join(self.folder, "small")
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % size, "tmpfs", path], capture_output=True)
        if done.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here: %s" % done.stderr.decode().strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", path], capture_output=True))
        return path

    def free(self):
        fs = os.statvfs(self.disk)
        return fs.f_bavail * fs.f_frsize

    def fill(self, left):
        """Somebody else fills the disk until so much is left."""
        with open(os.path.join(self.disk, "somebody-elses"), "ab") as f:
            f.write(b"x" * max(self.free() - left, 0))

    def said(self, what):
        with open(os.path.join(self.folder, "serve.log"), encoding="utf-8") as f:
            return len(re.findall(what, f.read()))

    def disk_of_status(self):
        return self.server.get("/api/v1/status")["disk"]

    def cli(self, *words):
        return subprocess.run([wrata.WRATA, *words, "--data", self.server.data], capture_output=True, text=True)

    def ready(self):
        try:
            self.server.call("GET", "/readyz", raw=True)
            return 200
        except wrata.ApiError as e:
            return e.status

    def test_nothing_begins_and_what_runs_goes_on(self):
        self.disk = self.small_disk("200m")
        self.server = wrata.Server(self.disk, "--disk-hold-bytes", str(24 << 20), "--disk-low-percent", "50",
                                   "--disk-low-bytes", str(24 << 20))
        self.server.log_path = os.path.join(self.folder, "serve.log")
        self.server.start()
        self.addCleanup(lambda: self.server.stop())
        self.server.add_local("local-1", 2)
        self.server.wait_online("local-1")
        repo = self.project({"loud.sh": LOUD % (self.folder, self.folder, self.folder), "quick.sh": "echo quick\n"})
        loud = self.server.launch(repo, ["loud.sh"])["id"]
        wait_for("it to run", lambda: os.path.exists(os.path.join(self.folder, "begun")))

        self.fill(20 << 20)
        wait_for("the disk to be full", lambda: self.disk_of_status()["full"])
        quick = self.server.launch(repo, ["quick.sh"])["id"]
        wait_for("the reason", lambda: "the disk of the server is full: less than" in str(
            self.server.get("/api/v1/launches/%d/tests" % quick)["items"][0]["why"]))
        self.assertEqual(self.server.get("/api/v1/launches/%d" % quick)["tests"]["waiting"], 1)
        self.assertIn("the disk of the server is full", self.cli("status").stdout)
        told = self.cli("doctor")
        self.assertEqual(told.returncode, 1)
        self.assertIn("no run begins until then", told.stdout)
        self.assertEqual(self.ready(), 503)

        open(os.path.join(self.folder, "go"), "w").close()  # what runs goes on: its log is taken, as long as there is room for it
        self.assertEqual(self.server.wait_launch(loud)["outcome"], "passed")
        self.assertEqual(self.server.get("/api/v1/launches/%d" % quick)["tests"]["waiting"], 1)

        self.server.stop()  # also after a restart
        self.server.start()
        self.server.wait_online("local-1")
        self.assertTrue(self.disk_of_status()["full"])
        self.assertEqual(self.server.get("/api/v1/launches/%d" % quick)["tests"]["waiting"], 1)

        # Nothing at all: what is asked for waits, and is done when there is room. What the server gives back meanwhile is taken, too.
        late = []
        asking = []

        def waits():
            self.fill(100 << 10)
            if not any(t.is_alive() for t in asking):
                asking.append(threading.Thread(target=lambda: late.append(self.server.launch(repo, ["quick.sh"])["id"])))
                asking[-1].start()
            return self.said("store.waits") > 0

        wait_for("the store to wait", waits)
        os.remove(os.path.join(self.disk, "somebody-elses"))
        self.assertEqual(self.server.wait_launch(quick)["outcome"], "passed")
        for thread in asking:
            thread.join(60)
        self.assertEqual([self.server.wait_launch(x)["outcome"] for x in late], ["passed"] * len(asking))
        wait_for("room", lambda: not self.disk_of_status()["full"])
        wait_for("it to be said", lambda: self.said("store.goes_on") > 0 and self.said("disk.room state=room") == 1)
        self.assertEqual(self.ready(), 200)


if __name__ == "__main__":
    unittest.main()
