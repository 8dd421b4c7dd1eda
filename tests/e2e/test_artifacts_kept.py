#!/usr/bin/env python3
"""Artifacts, whole: what runs leave is asked for, sent, kept, shown, zipped and given back, whatever dies in between."""
import glob
import hashlib
import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

YML = """
artifacts:
  - "out/**"
  - glob: big/*.bin
    max_size: 1m
commands:
  - glob: "*.tap.sh"
    run: [bash, "{file}"]
    report: tap
"""


class Kept(wrata.Case):
    def begin(self, files, *args, slots=2, yml=YML, **more):
        self.server = self.serve(*args, **more)
        self.server.add_local("local-1", slots)
        self.server.wait_online("local-1")
        self.repo = self.project(dict(files, **({"wrata.yml": yml} if yml else {})))
        return self.server

    def launch(self, *files, seconds=120, **more):
        launch = self.server.launch(self.repo, list(files), **more)
        return self.server.wait_launch(launch["id"], seconds)

    def runs(self, launch):
        return {r["path"]: r for r in self.server.all("/api/v1/runs?launch=%d" % launch["id"])}

    def artifacts(self, what):
        kind = "runs" if "path" in what else "launches"
        return self.server.all("/api/v1/%s/%d/artifacts" % (kind, what["id"]))

    def names(self, what):
        return [a["path"] for a in self.artifacts(what)]

    def get(self, path, **headers):
        request = urllib.request.Request(self.server.url + path, headers=dict({"Authorization": "Bearer " + self.server.token}, **headers))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def bytes_of(self, artifact):
        return self.get("/api/v1/artifacts/%d" % artifact["id"])[2]

    def packs(self):
        found = []
        for folder, _, files in os.walk(os.path.join(self.server.data, "artifacts")):
            found += [os.path.join(os.path.basename(folder), f) for f in files]
        return sorted(found)

    def rows(self, sql):
        db = sqlite3.connect("file:%s/wrata.db?mode=ro" % self.server.data, uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


class Whole(Kept):
    def test_after_pass_fail_time_out_and_stop(self):
        leave = "mkdir -p out; echo %s > out/note.txt; printf '\\x89PNG' > out/a.png; "
        server = self.begin({"pass.sh": leave % "pass", "fail.sh": leave % "fail" + "exit 3\n", "slow.sh": leave % "slow" + "sleep 1000\n",
                             "stop.sh": leave % "stop" + "echo up; sleep 1000\n", "none.sh": "true\n"})
        done = self.launch("pass.sh", "fail.sh", "none.sh")
        runs = self.runs(done)
        for name in ("pass", "fail"):
            found = self.artifacts(runs[name + ".sh"])
            self.assertEqual([(a["path"], a["bytes"], a["type"], a["inline"]) for a in found],
                             [("out/a.png", 4, "image/png", True), ("out/note.txt", 5, "text/plain", True)])
            self.assertEqual([self.bytes_of(a) for a in found], [b"\x89PNG", name.encode() + b"\n"])
            self.assertTrue(all(a["run"] == runs[name + ".sh"]["id"] and a["launch"] == done["id"] for a in found))
            self.assertLess(abs(time.time() - wrata_time(found[0]["modified_at"])), 60)
        self.assertEqual((runs["pass.sh"]["outcome"], runs["fail.sh"]["outcome"]), ("passed", "failed"))
        self.assertEqual(self.names(runs["none.sh"]), [])
        self.assertEqual(len(self.artifacts(done)), 4)  # of equal names in two runs
        slow = self.launch("slow.sh", time_limit_s=4)
        self.assertEqual(slow["outcome"], "timed_out")
        self.assertEqual(self.names(slow), ["out/a.png", "out/note.txt"])
        stopped = server.launch(self.repo, ["stop.sh"])
        run = wait_for("it runs", lambda: next(iter(server.get("/api/v1/runs?launch=%d&state=running" % stopped["id"])["items"]), None))
        wait_for("it has begun", lambda: b"up" in server.log(run["id"]))
        server.post("/api/v1/launches/%d/stop" % stopped["id"])
        stopped = server.wait_launch(stopped["id"])
        self.assertEqual(stopped["outcome"], "stopped")
        self.assertEqual(self.names(stopped), ["out/a.png", "out/note.txt"])
        self.assertEqual(server.get("/api/v1/artifacts")["files"], 8)

    def test_limits_are_kept_and_told(self):
        self.begin({"a.sh": "mkdir -p out big; head -c 2000 /dev/zero > out/2000; head -c 1500000 /dev/zero > big/1.bin; head -c 100 /dev/zero > big/2.bin\n",
                    "many.sh": "mkdir -p out; for i in 1 2 3 4 5 6; do echo $i > out/$i; done\n",
                    "sum.sh": "mkdir -p out; for i in 1 2 3; do head -c 900 /dev/zero > out/$i; done; head -c 200 /dev/zero > out/4\n"},
                   "--artifact-files-max", "5", "--artifact-run-max-bytes", "2100")
        runs = self.runs(self.launch("a.sh", "many.sh", "sum.sh"))
        self.assertEqual(self.names(runs["a.sh"]), ["big/2.bin", "out/2000"])
        self.assertIn(b"[wrata: artifact big/1.bin is not kept: it is larger than one file may be]", self.server.log(runs["a.sh"]["id"]))
        self.assertEqual(len(self.names(runs["many.sh"])), 5)
        self.assertIn(b"the run has as many files as are kept", self.server.log(runs["many.sh"]["id"]))
        self.assertEqual(sum(a["bytes"] for a in self.artifacts(runs["sum.sh"])), 2000)
        self.assertIn(b"larger together than is kept", self.server.log(runs["sum.sh"]["id"]))
        self.assertTrue(all(r["outcome"] == "passed" for r in runs.values()))

    def test_a_launch_asks_for_files_of_its_own(self):
        server = self.begin({"a.sh": "mkdir -p out own; echo 1 > out/1; echo 2 > own/2; echo 3 > own/3.txt\n"})
        done = self.launch("a.sh", artifacts=["own/*.txt"])
        self.assertEqual(self.names(done), ["out/1", "own/3.txt"])
        again = server.wait_launch(server.post("/api/v1/launches/%d/retest" % done["id"], {"what": "all"})["id"])
        self.assertEqual(self.names(again), ["out/1", "own/3.txt"])
        self.assertEqual(self.names(self.launch("a.sh")), ["out/1"])
        for globs, words in ((["/etc/*"], "artifacts[0]: '/etc/*'"), (["ok", "../x"], "artifacts[1]: '../x' leads out of the project"),
                             ([""], "artifacts"), (["a"] * 51, "artifacts")):
            with self.assertRaises(wrata.ApiError) as refused:
                server.launch(self.repo, ["a.sh"], artifacts=globs)
            self.assertEqual(refused.exception.status, 422)
            self.assertIn(words, refused.exception.body)

    def test_a_browser_gets_them_harmless_and_in_parts(self):
        script = "mkdir -p out; cd out; seq 100000 > long.log; printf '<script>1</script>' > page.html; printf '<svg/>' > x.svg; " \
                 "printf '\\x89PNG' > 'ein Bild \u20ac.png'; : > empty.txt; echo '<a>' > data.xml\n"
        self.begin({"a.sh": script})
        found = {a["path"]: a for a in self.artifacts(self.launch("a.sh"))}
        whole = "".join("%d\n" % i for i in range(1, 100001)).encode()
        path = "/api/v1/artifacts/%d" % found["out/long.log"]["id"]
        status, headers, body = self.get(path)
        self.assertEqual((status, body, headers["Content-Length"]), (200, whole, str(len(whole))))
        self.assertEqual(headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["Content-Security-Policy"],
                         "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'")
        self.assertTrue(headers["Content-Disposition"].startswith("inline; filename=\"long.log\""))
        self.assertEqual(self.get(path, **{"If-None-Match": headers["ETag"]})[0], 304)
        for given, want in (("bytes=0-9", (0, 10)), ("bytes=300000-", (300000, len(whole))), ("bytes=-7", (len(whole) - 7, len(whole))),
                            ("bytes=588890-99999999", (588890, len(whole)))):
            status, headers, body = self.get(path, Range=given)
            self.assertEqual((status, body), (206, whole[want[0]:want[1]]), given)
            self.assertEqual(headers["Content-Range"], "bytes %d-%d/%d" % (want[0], want[1] - 1, len(whole)))
        self.assertEqual(self.get(path, Range="bytes=%d-" % len(whole))[0], 416)
        self.assertEqual(self.get(path, Range="bytes=0-1,5-6")[0], 200)
        self.assertEqual(self.get(path, Range="bytes=0-9", **{"If-Range": "\"other\""})[2], whole)
        for name, kind, how in (("page.html", "text/html", "attachment"), ("x.svg", "image/svg+xml", "attachment"),
                                ("ein Bild \u20ac.png", "image/png", "inline"), ("data.xml", "text/plain; charset=utf-8", "inline"),
                                ("empty.txt", "text/plain; charset=utf-8", "inline")):
            artifact = found["out/" + name]
            status, headers, body = self.get("/api/v1/artifacts/%d" % artifact["id"])
            self.assertEqual((status, headers["Content-Type"], headers["Content-Disposition"].split(";")[0]), (200, kind, how), name)
            self.assertIn("sandbox", headers["Content-Security-Policy"])
            self.assertEqual(artifact["inline"], how == "inline")
            self.assertEqual(len(body), artifact["bytes"])
        self.assertIn("filename=\"ein_Bild____.png\"; filename*=UTF-8''ein%20Bild%20%E2%82%AC.png",
                      self.get("/api/v1/artifacts/%d" % found["out/ein Bild \u20ac.png"]["id"])[1]["Content-Disposition"])
        self.assertTrue(self.get(path + "?download=1")[1]["Content-Disposition"].startswith("attachment"))
        self.assertEqual(self.get("/api/v1/artifacts/999999")[0], 404)
        self.assertEqual(self.get("/api/v1/runs/999999/artifacts")[0], 404)

    def test_a_launch_zipped_is_byte_by_byte_what_was_left(self):
        script = "mkdir -p out/deep; for i in $(seq %d); do head -c $((i * 37)) /dev/urandom > out/deep/$i.bin; done; " \
                 "head -c 700000 /dev/urandom > 'out/gro\u00df.bin'; : > out/empty; echo x > 'out/a\\b:c'\n"
        server = self.begin({"one.sh": script % 150, "two.sh": script % 60, "none.sh": "true\n"}, slots=2)
        done = self.launch("one.sh", "two.sh", "none.sh")
        runs = self.runs(done)
        want = {}
        for artifact in self.artifacts(done):
            run = next(r for r in runs.values() if r["id"] == artifact["run"])
            want["%d-%s/%s" % (run["id"], run["path"], re.sub(r"[\\:]", "_", artifact["path"]))] = self.bytes_of(artifact)
        self.assertEqual(len(want), 153 + 63)
        status, headers, body = self.get("/api/v1/launches/%d/artifacts.zip" % done["id"])
        self.assertEqual((status, headers["Content-Type"]), (200, "application/zip"))
        self.assertIn("launch-%d-artifacts.zip" % done["id"], headers["Content-Disposition"])
        with zipfile.ZipFile(io.BytesIO(body)) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual({n: z.read(n) for n in z.namelist()}, want)
            self.assertTrue(all(i.flag_bits & 0x800 and i.compress_type == 0 for i in z.infolist()))
        path = os.path.join(self.folder, "all.zip")
        with open(path, "wb") as f:
            f.write(body)
        if shutil.which("unzip"):
            tested = subprocess.run(["unzip", "-tqq", path], capture_output=True, text=True)
            self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)
        one = runs["one.sh"]
        with zipfile.ZipFile(io.BytesIO(self.get("/api/v1/runs/%d/artifacts.zip" % one["id"])[2])) as z:
            self.assertIn("out/gro\u00df.bin", z.namelist())
            self.assertEqual(len(z.namelist()), 153)
        self.assertEqual(self.get("/api/v1/runs/%d/artifacts.zip" % runs["none.sh"]["id"])[0], 404)
        self.assertEqual(self.get("/api/v1/launches/999/artifacts.zip")[0], 404)
        self.assertEqual(os.listdir(os.path.join(server.data, "tmp")), [])
        # one whose file was lost is left out of the zip, and said to be lost when it is asked for
        lost = next(p for p in self.packs() if os.path.basename(p).startswith("%d-" % one["id"]))
        os.unlink(os.path.join(server.data, "artifacts", lost))
        with zipfile.ZipFile(io.BytesIO(self.get("/api/v1/launches/%d/artifacts.zip" % done["id"])[2])) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual(sorted(n for n in z.namelist() if not n.endswith("/out/empty")),
                             sorted(n for n in want if n.startswith("%d-" % runs["two.sh"]["id"]) and not n.endswith("/out/empty")))
        status, _, body = self.get("/api/v1/artifacts/%d" % self.artifacts(one)[0]["id"])
        self.assertEqual((status, json.loads(body)["error"]["message"]), (404, "the file of artifact %d is not there any more" % self.artifacts(one)[0]["id"]))

    def test_one_is_deleted_then_the_last_and_the_space_returns(self):
        server = self.begin({"a.sh": "mkdir -p out; head -c 3000000 /dev/urandom > out/1; echo 2 > out/2\n"})
        done = self.launch("a.sh")
        first, second = self.artifacts(done)
        pack = os.path.join(server.data, "artifacts", next(p for p in self.packs() if not p.startswith("tmp")))
        before = os.stat(pack).st_blocks
        self.assertEqual(server.call("DELETE", "/api/v1/artifacts/%d" % first["id"]), {})
        self.assertEqual(self.names(done), ["out/2"])
        self.assertEqual(self.bytes_of(second), b"2\n")
        self.assertEqual(self.get("/api/v1/artifacts/%d" % first["id"])[0], 404)
        wait_for("its space is free", lambda: os.stat(pack).st_blocks < before / 10)
        self.assertEqual(server.get("/api/v1/artifacts"), {"runs": 1, "files": 1, "bytes": 2})
        server.call("DELETE", "/api/v1/artifacts/%d" % second["id"])
        wait_for("the file is gone", lambda: self.packs() == [])
        self.assertEqual(server.get("/api/v1/artifacts"), {"runs": 0, "files": 0, "bytes": 0})
        with self.assertRaises(wrata.ApiError) as refused:
            server.call("DELETE", "/api/v1/artifacts/%d" % second["id"])
        self.assertEqual(refused.exception.status, 404)
        want = [("artifact %d" % first["id"], 200), ("artifact %d" % second["id"], 200), ("artifact %d" % second["id"], 404)]
        wait_for("the audit log", lambda: sorted((a["object"], a["status"]) for a in server.get("/api/v1/audit?action=artifact.delete")["items"]) == want)

    def test_one_that_is_deleted_while_it_is_taken_is_cut_and_not_made_up(self):
        server = self.begin({"a.sh": "mkdir -p out; head -c 60000000 /dev/zero | tr '\\0' x > out/big; echo 1 > out/other\n"})
        done = self.launch("a.sh")
        big = self.artifacts(done)[0]
        with server.open("/api/v1/artifacts/%d" % big["id"]) as answer:
            got = answer.read(100000)
            server.call("DELETE", "/api/v1/artifacts/%d" % big["id"])
            pack = glob.glob(os.path.join(server.data, "artifacts", "01", "*"))[0]
            wait_for("its space is given back", lambda: os.stat(pack).st_blocks * 512 < 1000000)
            try:
                while True:
                    piece = answer.read(1 << 20)
                    if not piece:
                        break
                    got += piece
            except (http.client.IncompleteRead, ConnectionError):
                pass
        self.assertLess(len(got), big["bytes"])
        self.assertEqual(got.strip(b"x"), b"")

    def test_watchers_hear_of_them(self):
        server = self.begin({"a.sh": "mkdir -p out; echo 1 > out/1\n"})
        heard = []
        stream = server.open("/api/v1/stream?topics=launches,launch:1")

        def listen():
            name = None
            try:
                for line in stream:
                    if line.startswith(b"event: "):
                        name = line[7:].strip().decode()
                    elif line.startswith(b"data: ") and name == "artifacts":
                        heard.append(json.loads(line[6:]))
            except (OSError, ValueError, AttributeError):
                pass
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        done = self.launch("a.sh")
        run = self.runs(done)["a.sh"]["id"]
        wait_for("the event", lambda: heard)
        self.assertEqual(heard, [{"launch": done["id"], "run": run}])


class Crashes(Kept):
    def pack_names(self):
        return sorted(os.path.basename(p) for p in self.packs())

    def named(self):
        return sorted(r[0] for r in self.rows("SELECT name FROM artifact_packs"))

    def arriving(self, at_least=1):
        def look():
            folder = os.path.join(self.server.data, "artifacts", "tmp")
            return [f for f in os.listdir(folder) if os.stat(os.path.join(folder, f)).st_size >= at_least]
        return look

    def test_a_link_cut_in_the_middle_means_all_again(self):
        self.begin({"a.sh": "mkdir -p out; head -c 150000000 /dev/zero > out/big; echo x > out/small; echo left\n"}, "--artifact-file-max-bytes", "200000000", slots=1)
        launch = self.server.launch(self.repo, ["a.sh"])
        wait_for("files arrive", self.arriving(1000000), every=0.01)
        attach = wrata.pids_with(self.server.data, "attach")
        self.assertEqual(len(attach), 1)
        os.kill(attach[0], signal.SIGKILL)
        done = self.server.wait_launch(launch["id"])
        self.assertEqual(done["outcome"], "passed")
        self.assertEqual([(a["path"], a["bytes"]) for a in self.artifacts(done)], [("out/big", 150000000), ("out/small", 2)])
        self.assertEqual(self.server.get("/api/v1/runs?launch=%d" % launch["id"])["items"][0]["attempt"], 1)
        wait_for("only what is named stays", lambda: self.pack_names() == self.named())
        digest = hashlib.sha256()
        with self.server.open("/api/v1/artifacts/%d" % self.artifacts(done)[0]["id"]) as answer:
            while True:
                piece = answer.read(1 << 20)
                if not piece:
                    break
                digest.update(piece)
        self.assertEqual(digest.hexdigest(), hashlib.sha256(bytes(150000000)).hexdigest())

    def test_kill_9_while_files_arrive(self):
        server = self.begin({"a.sh": "mkdir -p out; head -c 150000000 /dev/zero > out/big; echo x > out/small\n"}, "--artifact-file-max-bytes", "200000000", slots=1)
        launch = server.launch(self.repo, ["a.sh"])
        wait_for("files arrive", self.arriving(1000000), every=0.01)
        server.kill()
        self.assertEqual(len(self.pack_names()), 1)
        server.start()
        done = server.wait_launch(launch["id"])
        self.assertEqual(done["outcome"], "passed")
        self.assertEqual([(a["path"], a["bytes"]) for a in self.artifacts(done)], [("out/big", 150000000), ("out/small", 2)])
        wait_for("only what is named stays", lambda: self.pack_names() == self.named())

    def test_death_at_each_step_of_keeping(self):
        for point, left, named in (("pack.crash_before_rename", "tmp", 0), ("pack.crash_after_rename", "01", 0),
                                   ("artifacts.crash_before_commit", "01", 0), ("artifacts.crash_after_commit", "01", 1)):
            with self.subTest(point):
                self.setUp()
                server = self.begin({"a.sh": "mkdir -p out; echo 1 > out/1; sleep ${NAP:-0}\n"}, slots=1)
                server.stop()
                server.env = dict(os.environ, WRATA_FAULTS=point + "=1")
                server.start()
                server.wait_online("local-1")
                launch = server.launch(self.repo, ["a.sh"])
                wait_for("the server dies", lambda: server.process.poll() is not None)
                self.assertEqual([os.path.dirname(p) for p in self.packs()], [left])
                self.assertEqual(len(self.named()), named)
                server.env = None
                server.start()
                done = server.wait_launch(launch["id"])
                self.assertEqual((done["outcome"], self.names(done)), ("passed", ["out/1"]))
                wait_for("only what is named stays", lambda: self.pack_names() == self.named() and len(self.named()) == 1)
                server.stop()

    def test_what_no_row_names_goes_at_the_next_start(self):
        server = self.begin({"a.sh": "mkdir -p out; echo 1 > out/1\n"}, slots=1)
        done = self.launch("a.sh")
        server.stop()
        folder = os.path.join(server.data, "artifacts")
        for path in ("tmp/7-abc-1", "07/7-abc-1", "ff/255-abc-2", "01/1-abc-9", "01/not-a-pack"):
            os.makedirs(os.path.join(folder, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(folder, path), "w") as f:
                f.write("stray")
        server.start()
        wait_for("strays go", lambda: self.pack_names() == sorted(self.named() + ["not-a-pack"]))
        self.assertEqual(self.bytes_of(self.artifacts(done)[0]), b"1\n")
        self.assertIn("artifacts.tidied packs=3", server.log_tail())


class Disk(Kept):
    def test_a_disk_that_fills_up_is_told_and_the_result_stands(self):
        server = self.begin({"a.sh": "mkdir -p out; echo 1 > out/1; head -c 300000 /dev/zero > out/2\n"}, slots=1)
        server.stop()
        server.env = dict(os.environ, WRATA_FAULTS="pack.write=2")
        server.start()
        server.wait_online("local-1")
        first = self.launch("a.sh")
        self.assertEqual((first["outcome"], self.names(first)), ("passed", []))
        run = self.runs(first)["a.sh"]
        self.assertEqual(server.log(run["id"]), b"[wrata: artifacts are not kept: the disk of the controller is full]\n")
        self.assertIn("artifacts.refused run=%d" % run["id"], server.log_tail())
        wait_for("nothing of it stays", lambda: self.packs() == [])
        self.assertEqual(self.names(self.launch("a.sh")), ["out/1", "out/2"])  # there is room again

    def test_the_last_of_a_disk_is_for_the_database(self):
        disk = os.path.join(self.folder, "data", "artifacts")
        os.makedirs(disk)
        os.chmod(os.path.dirname(disk), 0o700)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True, text=True)
        if mounted.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here: " + mounted.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", disk], capture_output=True))
        server = self.begin({"a.sh": "mkdir -p out; head -c $BYTES /dev/zero > out/1\n"}, slots=1)
        done = self.launch("a.sh", env=["BYTES=16000000"])
        self.assertEqual((done["outcome"], self.names(done)), ("passed", []))
        self.assertIn(b"artifacts are not kept: the disk of the controller is nearly full", server.log(self.runs(done)["a.sh"]["id"]))
        self.assertEqual(self.names(self.launch("a.sh", env=["BYTES=9000000"])), ["out/1"])


class Retention(Kept):
    def test_old_ones_too_many_and_those_of_nobody_go(self):
        server = self.begin({"a.sh": "mkdir -p out; head -c 1000 /dev/zero > out/1\n"}, "--artifact-days", "7", slots=1)
        launches = [self.launch("a.sh") for _ in range(5)]
        runs = [next(iter(self.runs(one).values()))["id"] for one in launches]
        server.stop()
        db = sqlite3.connect(os.path.join(server.data, "wrata.db"))
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("UPDATE artifact_packs SET created_at = created_at - 8 * 86400000 WHERE run = ?", (runs[1],))
        db.execute("DELETE FROM launches WHERE id = ?", (launches[3]["id"],))
        db.commit()
        db.close()
        server.start()

        def left():
            return [r[0] for r in self.rows("SELECT run FROM artifact_packs ORDER BY run")]
        wait_for("the old one and that of no run are gone", lambda: left() == [runs[0], runs[2], runs[4]])
        wait_for("and their files", lambda: len(self.packs()) == 3)
        self.assertEqual(self.artifacts(launches[1]), [])
        self.assertEqual(server.get("/api/v1/artifacts"), {"runs": 3, "files": 3, "bytes": 3000})
        self.assertIn("artifacts.pruned runs=2 bytes=2000", server.log_tail())
        server.stop()
        server.args += ("--artifacts-max-bytes", "1500")
        server.start()
        wait_for("the oldest are gone", lambda: left() == [runs[4]])
        self.assertEqual(self.names(launches[4]), ["out/1"])


class Hostile(Kept):
    """Whoever speaks to an agent's socket can say anything on a channel of artifacts."""

    def say(self, run, data, late=None):
        """What comes back on a channel of that run, until it is closed. `late`: so many seconds later one byte more is sent."""
        here = os.getcwd()
        os.chdir(os.path.dirname(glob.glob(os.path.join(self.server.data, "servers", "local-1", "*", "agent.sock"))[0]))
        try:
            s = socket.socket(socket.AF_UNIX)
            s.connect("agent.sock")
        finally:
            os.chdir(here)
        with s:
            s.settimeout(20)
            try:
                s.sendall(b"channel artifacts:%d:\n" % run + data)
                if late is not None and not select.select([s], [], [], late)[0]:
                    s.sendall(b"x")
            except OSError:
                pass
            answer = b""
            try:
                while True:
                    piece = s.recv(4096)
                    if not piece:
                        return answer
                    answer += piece
            except ConnectionError:
                return answer

    def test_nothing_of_it_is_kept_and_the_server_goes_on(self):
        server = self.begin({"a.sh": "echo up; sleep 1000\n"}, "--artifact-run-max-bytes", "100000", slots=2)
        launch = server.launch(self.repo, ["a.sh"])
        run = wait_for("it runs", lambda: next(iter(server.get("/api/v1/runs?launch=%d&state=running" % launch["id"])["items"]), None))["id"]
        outside = os.path.join(self.folder, "outside")
        for data in (b"file 1 1 10\n../outsidexend 0\n", b"file 1 1 %d\n%sxend 0\n" % (len(outside), outside.encode()),
                     b"file 1 1 2\na\nxend 0\n", b"rubbish\n", b"file 9999999999999999999999 1 1\na", b"end 0\nmore",
                     b"file 0 1 1\nbfile 0 1 1\naend 0\n"):
            self.assertEqual(self.say(run, data), b"", data)
        self.assertRegex(self.say(run, b"file 100001 1 1\na" + bytes(100001) + b"end 0\n"), rb"\Ano a file of the run is|\Ano the files of the run")
        self.assertRegex(self.say(run + 1, b"end 0\n"), rb"\Ano run %d is over, or not of this server\n\Z" % (run + 1))
        self.assertEqual(self.artifacts({"id": run, "path": ""}), [])
        wait_for("nothing stays", lambda: self.packs() == [])
        self.assertEqual(server.server("local-1")["link"], "online")
        # and what makes sense is kept; a second sending replaces the first
        self.assertEqual(self.say(run, b"file 1 1 1\naxfile 2 1 1\nbyzend 0\n"), b"ok\n")
        self.assertEqual(self.names({"id": run, "path": ""}), ["a", "b"])
        self.assertEqual(self.say(run, b"file 3 1 1\nb123end 0\n"), b"ok\n")
        found = self.artifacts({"id": run, "path": ""})
        self.assertEqual([(a["path"], self.bytes_of(a)) for a in found], [("b", b"123")])
        wait_for("one pack", lambda: len(self.packs()) == 1)
        self.assertEqual(self.say(run, b"end 4\n"), b"ok\n")
        self.assertEqual(self.names({"id": run, "path": ""}), [])
        wait_for("none", lambda: self.packs() == [])
        self.assertEqual(server.get("/api/v1/artifacts"), {"runs": 0, "files": 0, "bytes": 0})
        self.assertFalse(os.path.exists(outside))
        server.post("/api/v1/launches/%d/stop" % launch["id"])
        server.wait_launch(launch["id"])


    def test_bytes_behind_the_end_of_what_is_being_kept(self):
        """Its rows are on their way to the disk, and still more comes: what was whole is kept, the rest is nobody's."""
        server = self.begin({"a.sh": "echo up; sleep 1000\n"}, slots=2)
        launch = server.launch(self.repo, ["a.sh"])
        run = wait_for("it runs", lambda: next(iter(server.get("/api/v1/runs?launch=%d&state=running" % launch["id"])["items"]), None))["id"]
        kept = 0
        for i in range(120):
            answer = self.say(run, b"file 1 1 1\naxend 0\n", late=i % 40 / 4000)
            self.assertIn(answer, (b"ok\n", b""))
            kept += answer == b"ok\n"
        self.assertGreater(kept, 0)
        self.assertEqual(self.names({"id": run, "path": ""}), ["a"])
        wait_for("one pack", lambda: len(self.packs()) == 1)
        self.assertEqual(server.server("local-1")["link"], "online")
        server.post("/api/v1/launches/%d/stop" % launch["id"])
        server.wait_launch(launch["id"])


class CommandLine(Kept):
    def wrata(self, *args, code=0):
        done = subprocess.run([wrata.WRATA, args[0], "--data", self.server.data, *args[1:]], capture_output=True, text=True, timeout=120,
                              cwd=self.folder, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def tree(self, *parts):
        top, found = os.path.join(self.folder, *parts), {}
        for folder, _, files in os.walk(top):
            for name in files:
                with open(os.path.join(folder, name), "rb") as f:
                    found[os.path.relpath(os.path.join(folder, name), top)] = f.read()
        return found

    def test_listed_downloaded_zipped(self):
        self.begin({"spec/a.sh": "mkdir -p out/deep; echo one > out/1.txt; head -c 2000000 /dev/zero > 'out/deep/\u00e4 b.bin'\n", "b.sh": "mkdir -p out; echo two > out/1.txt\n",
                    "none.sh": "true\n"})
        done = self.launch("spec/a.sh", "b.sh", "none.sh")
        runs = self.runs(done)
        first, second = runs["spec/a.sh"]["id"], runs["b.sh"]["id"]
        text = self.wrata("artifacts", str(done["id"]))
        self.assertRegex(text, r"ARTIFACT +RUN +SIZE +EXAMPLE +FILE\n")
        self.assertRegex(text, r"\d+ +%d +1\.9 MiB +- +out/deep/\u00e4 b\.bin" % first)
        self.assertEqual(len(text.splitlines()), 4)
        self.assertEqual(len(json.loads(self.wrata("artifacts", "run:%d" % second, "--json"))["items"]), 1)
        self.assertIn("left no files to be kept", self.wrata("artifacts", "run:%d" % runs["none.sh"]["id"]))
        self.assertEqual(self.wrata("artifacts", str(done["id"]), "--download", "all"), "3 files, 1.9 MiB, below all\n")
        self.assertEqual(self.tree("all"), {"%d-a.sh/out/1.txt" % first: b"one\n", "%d-a.sh/out/deep/\u00e4 b.bin" % first: bytes(2000000),
                                            "%d-b.sh/out/1.txt" % second: b"two\n"})
        self.assertEqual(self.wrata("artifacts", "run:%d" % second, "-d", "all"), "1 file, 4 bytes, below all\n")
        self.assertEqual(self.tree("all")["out/1.txt"], b"two\n")
        self.assertIn(" in x.zip", self.wrata("artifacts", str(done["id"]), "--zip", "x.zip"))
        with zipfile.ZipFile(os.path.join(self.folder, "x.zip")) as z:
            self.assertEqual(sorted(z.namelist()), sorted(k for k in self.tree("all") if k != "out/1.txt"))
        self.assertEqual([n for n in os.listdir(self.folder) if "part" in n], [])

    def test_what_is_refused(self):
        self.begin({"a.sh": "mkdir -p out; echo one > out/1.txt\n"})
        done = self.launch("a.sh")
        ident = str(done["id"])
        self.assertIn("there is no launch 99", self.wrata("artifacts", "99", code=2))
        self.assertIn("exclude each other", self.wrata("artifacts", ident, "-d", "x", "-z", "y", code=2))
        self.assertIn("cannot be", self.wrata("artifacts", ident, "-z", "no/such/folder/x.zip", code=2))
        self.assertIn("there is no run 99", self.wrata("artifacts", "run:99", "-z", "x.zip", code=2))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "x.zip")))
        # a link in the folder does not lead anywhere
        os.makedirs(os.path.join(self.folder, "here"))
        os.makedirs(os.path.join(self.folder, "elsewhere"))
        os.symlink("../elsewhere", os.path.join(self.folder, "here", "out"))
        self.assertIn("out/1.txt cannot be used", self.wrata("artifacts", "run:1", "-d", "here", code=2))
        self.assertEqual(os.listdir(os.path.join(self.folder, "elsewhere")), [])

    def test_a_run_brings_them_at_its_end(self):
        self.begin({"a.sh": "mkdir -p out own; echo one > out/1.txt; echo 2 > own/2.log; exit 1\n"})
        text = subprocess.run([wrata.WRATA, "run", "--data", self.server.data, "--project", self.repo, "--artifacts", "own/*.log", "--artifacts-dir",
                               "got", "a.sh"], capture_output=True, text=True, timeout=120, cwd=self.folder, check=False)
        self.assertEqual(text.returncode, 1, text.stderr)
        self.assertIn("artifacts: 2 files, 6 bytes, below got\n", text.stdout)
        self.assertEqual(self.tree("got"), {"1-a.sh/out/1.txt": b"one\n", "1-a.sh/own/2.log": b"2\n"})
        self.assertIn("leave out --no-follow", self.wrata("run", "--no-follow", "--artifacts-dir", "x", "a.sh", code=2))
        self.assertIn("artifacts[0]: '../x' leads out", self.wrata("run", "--project", self.repo, "--artifacts", "../x", "a.sh", code=2))


class Linked(Kept):
    def test_by_the_names_of_tap_points(self):
        script = "mkdir -p out; echo 1..3; echo 'ok 1 - the cart is empty'; echo 'not ok 2 - the cart keeps its items'; echo 'not ok 3 - pay'; " \
                 "echo a > out/the_cart_keeps_its_items.png; echo b > out/other.png; echo c > out/2024-the-cart-is-empty-1.png\n"
        self.begin({"a.tap.sh": script})
        run = next(iter(self.runs(self.launch("a.tap.sh")).values()))
        examples = self.server.all("/api/v1/runs/%d/examples" % run["id"])
        by_path = {a["path"]: a for a in self.artifacts(run)}
        self.assertEqual(by_path["out/the_cart_keeps_its_items.png"]["example"], examples[1]["seq"])
        self.assertEqual(by_path["out/2024-the-cart-is-empty-1.png"]["example"], examples[0]["seq"])
        self.assertIsNone(by_path["out/other.png"]["example"])
        self.assertEqual([e["artifacts"] for e in examples],
                         [[by_path["out/2024-the-cart-is-empty-1.png"]["id"]], [by_path["out/the_cart_keeps_its_items.png"]["id"]], []])
        failed = self.server.all("/api/v1/launches/%d/examples?status=failed" % run["launch"])
        self.assertEqual([len(e["artifacts"]) for e in failed], [1, 0])


    def test_by_what_rspec_examples_say(self):
        if not shutil.which("rspec"):
            self.skipTest("rspec is not installed")
        spec = """
RSpec.describe "Cart" do
  def leave(name)
    Dir.mkdir("out") unless Dir.exist?("out")
    File.write("out/#{name}", name)
    "#{Dir.pwd}/out/#{name}"
  end
  it("pays") { |e| e.metadata[:screenshot] = { :image => leave("1.png"), :html => leave("1.html") }; raise "no money" }
  it("keeps its items") { leave("cart keeps its items.png") }
  it("is empty") {}
end
"""
        self.begin({"cart_spec.rb": spec})
        run = next(iter(self.runs(self.launch("cart_spec.rb")).values()))
        by_path = {a["path"]: a["example"] for a in self.artifacts(run)}
        self.assertEqual(by_path, {"out/1.html": 0, "out/1.png": 0, "out/cart keeps its items.png": 1})
        examples = self.server.all("/api/v1/runs/%d/examples" % run["id"])
        self.assertEqual([len(e["artifacts"]) for e in examples], [2, 1, 0])


def wrata_time(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


if __name__ == "__main__":
    wrata.main()
