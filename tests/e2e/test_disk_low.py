"""A disk that is nearly full: what is old goes, the oldest first; what is young stays, and scripts run on."""

import os
import re
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

DAY_MS = 86400000
LOUD = "head -c 4000000 /dev/urandom | base64\nmkdir -p out; head -c 1000000 /dev/urandom > out/noise.bin\n"


class DiskLow(wrata.Case):
    def small_disk(self, size):
        path = os.path.join(self.folder, "small")
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % size, "tmpfs", path], capture_output=True)
        if done.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here: %s" % done.stderr.decode().strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", path], capture_output=True))
        return path

    def start(self, *args):
        self.server = wrata.Server(self.disk, *args)
        self.server.log_path = os.path.join(self.folder, "serve.log")
        self.server.start()
        return self.server

    def free(self):
        fs = os.statvfs(self.disk)
        return fs.f_bavail * fs.f_frsize

    def fill(self, left):
        """Somebody else fills the disk, until only so much is left: again, when journals are cut meanwhile, until it is called low."""
        self.filler = os.path.join(self.disk, "somebody-elses")

        def is_low():
            with open(self.filler, "ab") as f:
                f.write(b"x" * max(self.free() - left, 0) if self.said("disk.low") == 0 else b"")
            return self.said("disk.low") > 0

        wait_for("the disk to be low", is_low)

    def days_ago(self, run, days):
        db = sqlite3.connect("%s/wrata.db" % self.server.data)
        for sql in ("UPDATE runs SET created_at = created_at - ?, ended_at = ended_at - ? WHERE id = %d" % run,
                    "UPDATE artifact_packs SET created_at = created_at - ? + 0 * ? WHERE run = %d" % run):
            db.execute(sql, (days * DAY_MS, days * DAY_MS))
        db.commit()
        db.close()

    def gone(self):
        return [(self.server.get("/api/v1/runs/%d" % run)["log_gone"] or {}).get("why") for run in self.ids]

    def kept_files(self):
        return [len(self.server.get("/api/v1/runs/%d/artifacts" % run)["items"]) for run in self.ids]

    def said(self, what):
        with open(os.path.join(self.folder, "serve.log"), encoding="utf-8") as f:
            return len(re.findall(what, f.read()))

    def test_the_oldest_logs_go_then_artifacts_and_never_what_is_young(self):
        self.disk = self.small_disk("80m")
        self.start("--disk-low-bytes", "0")
        self.addCleanup(lambda: self.server.stop())
        self.server.add_local("local-1", 1)
        self.server.wait_online("local-1")
        repo = self.project({"loud.sh": LOUD, "wrata.yml": "artifacts: ['out/**']\n"})
        for _ in range(5):
            done = self.server.wait_launch(self.server.launch(repo, ["loud.sh"])["id"])
            self.assertEqual(done["outcome"], "passed")
        self.ids = sorted(r["id"] for r in self.server.all("/api/v1/runs"))
        self.assertEqual(self.gone(), [None] * 5)
        self.server.stop()
        for run, days in zip(self.ids, (5, 4, 3, 2)):
            self.days_ago(run, days)

        # A little too little room: one or two of the oldest logs are enough.
        self.start("--disk-low-bytes", str(20 << 20), "--disk-low-percent", "50")
        self.server.wait_online("local-1")
        self.fill(16 << 20)
        wait_for("the oldest to go", lambda: self.gone()[0] == "disk")
        wait_for("room", lambda: not self.server.get("/api/v1/retention")["disk"]["low"])
        gone = self.gone()
        self.assertEqual(gone, ["disk"] * gone.count("disk") + [None] * gone.count(None), "the oldest first")
        self.assertIsNone(gone[3], "no more than is needed")
        self.assertEqual(self.kept_files(), [1] * 5, "logs first")
        wait_for("it to be said", lambda: self.said("disk.has_room") == 1)
        self.assertEqual((self.said("disk.low"), self.said("disk.gives_up")), (1, 1))
        self.server.stop()

        # Far too little: all that is old goes, and no more than that.
        self.start("--disk-low-bytes", str(90 << 20), "--disk-low-percent", "50", "--log-days", "0")
        self.server.wait_online("local-1")
        wait_for("all that is old to go", lambda: self.gone() == ["disk"] * 4 + [None] and self.kept_files() == [0] * 4 + [1])
        done = self.server.wait_launch(self.server.launch(repo, ["loud.sh"])["id"])
        self.assertEqual(done["outcome"], "passed", "scripts run on while it is low")
        self.assertTrue(self.server.get("/api/v1/retention")["disk"]["low"])
        self.assertIsNone(self.gone()[4])
        os.remove(self.filler)
        wait_for("room", lambda: not self.server.get("/api/v1/retention")["disk"]["low"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
