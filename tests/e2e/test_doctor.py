#!/usr/bin/env python3
"""`wrata doctor`: each check made to fail once, on purpose; and all of it well."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from test_tls import make_certificate, make_key  # noqa: E402


class Doctor(wrata.Case):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")

    def filled(self, *servers):
        """A data folder that a server has worked on."""
        server = self.serve()
        for row in servers:
            server.post("/api/v1/servers", row)
        server.stop()

    def doctor(self, code=None, path=None):
        env = dict(os.environ)
        if path is not None:
            env["PATH"] = path
        done = subprocess.run([wrata.WRATA, "doctor", "--json", "--data", self.data], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL, env=env)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if report["wrong"] else 0, done.stdout)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout)
        return report["checks"]

    def one(self, check, level, text, mend=None, path=None):
        found = self.doctor(path=path)
        hits = [f for f in found if f["check"] == check and f["level"] == level and text in f["text"]]
        self.assertTrue(hits, "no %s %s: %s in %s" % (level, check, text, json.dumps(found, indent=1)))
        if mend is not None:
            self.assertIn(mend, hits[0]["mend"])
        return hits[0]

    def run_mend(self, finding):
        subprocess.run(["sh", "-c", finding["mend"]], check=True)

    def test_all_is_well_beside_a_server_and_without(self):
        server = self.serve()
        server.add_local("here")
        server.wait_online("here")
        found = self.doctor(0)
        by = {}
        for f in found:
            by.setdefault(f["check"], []).append(f)
        for check in ("data", "disk", "tls", "server", "database", "servers", "git", "ssh", "tar"):
            self.assertEqual([f["level"] for f in by[check]], ["ok"], by[check])
        self.assertIn("1 online", by["servers"][0]["text"])
        server.stop()
        self.one("server", "warn", "none is running", "wrata serve --data")
        self.one("servers", "ok", "here is this machine")
        text = subprocess.run([wrata.WRATA, "doctor", "--data", self.data], capture_output=True, text=True, check=True).stdout
        self.assertRegex(text, r"(?m)^ok +database +whole, schema \d+$")
        self.assertRegex(text, r"(?m)^ +mend: wrata serve")

    def test_the_folder(self):
        self.one("data", "warn", "is not there yet", "wrata serve")
        self.filled()
        os.chmod(self.data, 0o755)
        self.run_mend(self.one("data", "wrong", "open to other users (mode 0755)", "chmod 700"))
        self.one("data", "ok", self.data)
        shutil.rmtree(self.data)
        open(self.data, "w", encoding="utf-8").close()
        self.one("data", "wrong", "is not a folder", "mv")

    def test_the_disk(self):
        os.makedirs(self.data, mode=0o700)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", self.data],
                          capture_output=True).returncode != 0:
            self.skipTest("no right to mount a small disk")
        self.addCleanup(subprocess.run, ["umount", self.data])
        self.one("disk", "wrong", "MiB and", "du -xh")

    def test_files_that_hold_secrets(self):
        self.filled()
        for name in ("master.key", "credentials.yml.enc"):
            path = os.path.join(self.data, name)
            with open(path, "w", encoding="utf-8") as f:
                f.write("x")
            os.chmod(path, 0o644)
            self.run_mend(self.one("secrets", "wrong", name + " is open to other users", "chmod 600"))
            self.one("secrets", "ok", name)

    def test_the_certificate(self):
        self.filled()
        certs = os.path.join(self.data, "certs")
        os.mkdir(certs, 0o700)
        key, crt = os.path.join(certs, "tls.key"), os.path.join(certs, "tls.crt")
        make_key(key)
        self.one("tls", "wrong", "tls.crt is missing", "cp ")
        make_certificate(key, crt, days=10)
        self.one("tls", "warn", "the certificate ends in ")
        make_certificate(key, crt, days=30)
        self.one("tls", "ok", "certificate and key fit")
        os.chmod(key, 0o640)
        self.one("secrets", "wrong", "tls.key is open", "chmod 600")
        os.chmod(key, 0o600)
        make_key(key)
        self.one("tls", "wrong", "is the key of another certificate")

    def test_the_server(self):
        server = self.serve()
        self.one("server", "ok", "it answers at " + server.url)
        server.process.send_signal(signal.SIGSTOP)
        try:
            self.one("server", "wrong", "process %d has the data folder and does not answer" % server.process.pid,
                     "kill %d" % server.process.pid)
        finally:
            server.process.send_signal(signal.SIGCONT)

    def test_the_database(self):
        self.filled()
        path = os.path.join(self.data, "wrata.db")
        with sqlite3.connect(path) as db:
            db.execute("INSERT INTO schema_version VALUES (999, 'future', 0)")
        db.close()
        self.one("database", "wrong", "written by a newer wrata (schema 999")
        with open(path, "r+b") as f:
            f.seek(4096)
            f.write(b"\xa5" * 8192)
        self.one("database", "wrong", "wrata.db: ", "BACKUP/wrata.db")
        with open(path, "wb") as f:
            f.write(b"this is no database at all" * 400)
        self.one("database", "wrong", "wrata.db: ", "mv ")

    def test_machines_that_do_not_answer(self):
        self.filled({"name": "gone", "fleet": "ssh", "address": "127.0.0.1", "port": 1, "slots": 1})
        self.one("servers", "wrong", "gone cannot be reached: ", "ssh -v -p 1 127.0.0.1 true")
        server = self.serve()
        wrata.wait_for("the server has tried", lambda: server.server("gone")["link"] == "offline")
        self.one("servers", "wrong", "gone is offline: ", "wrata servers")

    def test_programs(self):
        self.filled()
        bare = os.path.join(self.folder, "bin")
        os.mkdir(bare)
        for program, level in (("git", "wrong"), ("ssh", "wrong"), ("tar", "warn"), ("ruby", "warn"), ("rspec", "warn")):
            self.one(program, level, program + " is not installed", "apt-get install", path=bare)
        self.one("containers", "warn", "neither docker nor podman", "apt-get install", path=bare)
        with open(os.path.join(bare, "git"), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\necho broken\nexit 3\n")
        os.chmod(os.path.join(bare, "git"), 0o755)
        self.one("git", "wrong", "git --version fails: broken", "--reinstall git", path=bare)

    def test_the_clock(self):
        self.filled()
        ahead = time.time() + 7200
        os.utime(os.path.join(self.data, "wrata.db"), (ahead, ahead))
        self.one("clock", "wrong", "s behind the last change of", "timedatectl")


if __name__ == "__main__":
    wrata.main()
