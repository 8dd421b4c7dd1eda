#!/usr/bin/env python3
"""`wrata doctor`: each check made to fail once, on purpose; and all of it well."""

import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
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

    def doctor(self, code=None, path=None, **more):
        env = dict(os.environ, **more)
        if "DO_ACCESS_TOKEN" not in more:
            env.pop("DO_ACCESS_TOKEN", None)
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

    def one(self, check, level, text, mend=None, path=None, **more):
        found = self.doctor(path=path, **more)
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
        self.assertRegex(text, r"(?m)^ok +artifacts +0 files that runs left, 0 bytes$")
        self.assertRegex(text, r"(?m)^ +mend: wrata serve")

    # ---- who may come in ----

    def test_an_admin_can_sign_in(self):
        self.filled()
        self.one("accounts", "warn", "no admin can sign in", "wrata user add LOGIN --admin")
        columns = ("id, login, email, first_name, last_name, position, password, is_admin, created_at, verified_at, "
                   "email_confirmed_at, locked_at, deleted_at, seen_at")
        with sqlite3.connect(os.path.join(self.data, "wrata.db")) as db:
            db.execute("INSERT INTO users (%s) VALUES (7, 'mira', '', '', '', '', '', 1, 1, 1, 0, 0, 0, 0)" % columns)
        for change, level in (("password = 'hash'", "ok"), ("locked_at = 1", "warn"), ("locked_at = 0, deleted_at = 1", "warn"),
                              ("deleted_at = 0, is_admin = 0", "warn"), ("is_admin = 1", "ok"), ("password = ''", "warn")):
            with sqlite3.connect(os.path.join(self.data, "wrata.db")) as db:
                db.execute("UPDATE users SET %s WHERE id = 7" % change)
            self.one("accounts", level, "admin can sign in")
        # by address: a server knows whether it is confirmed, the database alone does not
        subprocess.run([wrata.WRATA, "credentials", "set", "admin_emails", "--data", self.data], input=b"a@b.c",
                       check=True, capture_output=True)
        self.one("accounts", "ok", "an admin can sign in")

    def test_accounts_off(self):
        self.filled()
        self.one("accounts", "warn", "accounts: off: whoever reaches the server is its operator", "remove `accounts: off`",
                 WRATA_ACCOUNTS="off")
        self.config("lease_s: x\n")
        self.one("settings", "wrong", "lease_s: 'x'", "wrata config check")

    def test_a_server_says_who_may_come_in(self):
        server = self.serve("--accounts", "off")
        self.one("accounts", "warn", "accounts: off")
        server.stop()
        server = self.serve()
        self.one("accounts", "warn", "no admin can sign in")
        done = subprocess.run([wrata.WRATA, "user", "add", "mira", "--admin", "--password-stdin", "--data", self.data],
                              input=b"a long enough pass phrase\n", capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.one("accounts", "ok", "an admin can sign in")

    def config(self, text):
        with open(os.path.join(self.data, "config.yml"), "w", encoding="utf-8") as f:
            return f.write(text)

    # ---- the cloud ----

    def cloud(self, status, body=b"{}", wait_s=0, **headers):
        """A cloud that always answers so; its address, and what it was asked."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers.get("Authorization")))
                time.sleep(wait_s)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        cloud = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cloud.daemon_threads = True
        cloud.handle_error = lambda *_: None
        threading.Thread(target=cloud.serve_forever, daemon=True).start()
        self.addCleanup(cloud.server_close)
        self.addCleanup(cloud.shutdown)
        return "http://127.0.0.1:%d" % cloud.server_address[1], asked

    def test_the_cloud_and_its_token(self):
        self.filled()
        self.one("cloud", "ok", "no cloud_token")
        account = b'{"account":{"status":"%s","droplet_limit":25}}'
        for status, body, level, text, mend, headers in (
                (200, account % b"active", "ok", "takes the token; at most 25 machines", "", {}),
                (200, account % b"locked", "warn", "the account is 'locked'", "", {}),
                (200, b"<html>", "wrong", "is not the API of a cloud (200)", "grep cloud_url", {}),
                (401, b'{"id":"Unauthorized"}', "wrong", "does not know cloud_token (401)", "credentials set cloud_token", {}),
                (403, b"{}", "warn", "may not read the account (403)", "credentials set cloud_token", {}),
                (404, b"{}", "wrong", "is not the API of a cloud (404)", "grep cloud_url", {}),
                (429, b"{}", "warn", "too many requests of this account (429)", "sleep 17;", {"Retry_After": "17"}),
                (503, b"", "warn", "has a fault of its own (503)", "sleep 60;", {})):
            url, asked = self.cloud(status, body, **headers)
            self.one("cloud", level, text, mend, WRATA_CLOUD_URL=url, DO_ACCESS_TOKEN="dop_v1_hush")
            self.assertEqual(asked, [("/v2/account", "Bearer dop_v1_hush")])
        # sent on: not with the token
        other, heard = self.cloud(200, account % b"active")
        url, _ = self.cloud(302, b"", Location=other + "/v2/account")
        self.one("cloud", "wrong", "is not the API of a cloud (302)", WRATA_CLOUD_URL=url, DO_ACCESS_TOKEN="t")
        self.assertEqual(heard, [])

    def test_a_cloud_that_cannot_be_asked(self):
        self.filled()
        url, _ = self.cloud(200, wait_s=30)
        began = time.monotonic()
        self.one("cloud", "warn", "it took longer than 10 s", "curl", WRATA_CLOUD_URL=url, DO_ACCESS_TOKEN="t")
        self.assertLess(time.monotonic() - began, 25)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            nobody = "http://127.0.0.1:%d" % s.getsockname()[1]
        self.one("cloud", "warn", "did not answer", WRATA_CLOUD_URL=nobody, DO_ACCESS_TOKEN="t")
        for bad, text in (("http://192.0.2.1", "is plain HTTP"), ("api.example.org", "is not a URL")):
            self.one("cloud", "wrong", text, "grep cloud_url", WRATA_CLOUD_URL=bad, DO_ACCESS_TOKEN="t")
        text = json.dumps(self.doctor(WRATA_CLOUD_URL=nobody, DO_ACCESS_TOKEN="dop_v1_hush"))
        self.assertNotIn("hush", text)
        with open(os.path.join(self.data, "credentials.yml.enc"), "w", encoding="utf-8") as f:
            f.write("damaged\n")
        os.chmod(f.name, 0o600)
        self.one("credentials", "wrong", "", "wrata credentials show")

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
        for program, ends, level, text in (("docker", 1, "warn", "docker does not work: Cannot connect"), ("podman", 0, "ok", "by podman 4.3.1")):
            with open(os.path.join(bare, program), "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\necho %s\nexit %d\n" % ("4.3.1" if ends == 0 else "Cannot connect to the daemon", ends))
            os.chmod(os.path.join(bare, program), 0o755)
            self.one("containers", level, text, "docker info" if ends else None, path=bare)
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
