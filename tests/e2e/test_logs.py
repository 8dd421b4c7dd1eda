"""Logs of scripts that mean no good, and of those that are just large: through the API and the command line."""

import os
import pty
import re
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

HOSTILE = (b"first line\n"
           b"\x1b]0;owned\x07title\x1b[2J\x1b[1;1Hclear\x1b[31m red\x1b[0m\x1b[6n\x1bP+q544e\x1b\\ask\n"
           b"</script><script>alert(1)</script><img src=x onerror=alert(1)>\n"
           b"nul \x00 bytes \xff\xfe \x80 end\r\n"
           b"\xe2\x80\xaereversed \xc2\x9b31m c1\n")
LONG = b"y" * 9999990 + b"Needle" + b"z" * 100
LAST = b"\n1 failed \x1b[31mNEEDLE\x1b[0m\nthe end without newline"
LOG = HOSTILE + LONG + LAST


class LogsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-logs-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        repo = wrata.make_project(os.path.join(cls.folder, "repo"), {
            "hostile.sh": "#!/bin/bash\nexec cat \"$(dirname \"$0\")/hostile.bin\"\n",
            "ticks.sh": "#!/bin/bash\nfor i in 1 2 3; do echo tick $i; sleep 0.4; done\n"})
        with open(os.path.join(repo, "hostile.bin"), "wb") as f:
            f.write(LOG)
        wrata.git(repo, "add", "-A")
        wrata.git(repo, "commit", "-qm", "bytes")
        cls.server = wrata.Server(cls.folder).start()
        cls.addClassCleanup(cls.end)
        cls.server.add_local("local-1", 2)
        cls.server.wait_online("local-1")
        cls.project = cls.server.post("/api/v1/projects", {"name": "logs", "url": repo})["name"]
        launch = cls.server.launch("logs", ["hostile.sh"])
        assert cls.server.wait_launch(launch["id"])["outcome"] == "passed"
        cls.run_id = cls.run_of(launch)
        cls.log = "/api/v1/runs/%d/log" % cls.run_id

    @classmethod
    def end(cls):
        cls.server.stop()
        for pid in wrata.pids_with(cls.folder):
            try:
                os.kill(pid, 9)
            except OSError:
                pass

    @classmethod
    def run_of(cls, launch):
        return wrata.wait_for("its run", lambda: cls.server.get("/api/v1/launches/%d/tests" % launch["id"])["items"][0]["run"])

    def wrata(self, *args, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WRATA_")}
        env.update(WRATA_DATA=self.server.data, LC_ALL="C.UTF-8", TZ="UTC", TERM="xterm")
        return subprocess.run([wrata.WRATA, *args], env=env, capture_output=True, timeout=60, **more)

    def on_terminal(self, *args):
        master, slave = pty.openpty()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("WRATA_", "NO_COLOR"))}
        env.update(WRATA_DATA=self.server.data, LC_ALL="C.UTF-8", TERM="xterm")
        p = subprocess.Popen([wrata.WRATA, *args], env=env, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        out, end = b"", time.monotonic() + 60
        while time.monotonic() < end:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(master, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            out += piece
        os.close(master)
        return p.wait(30), out

    def search(self, q, **more):
        return self.server.get(self.log + "/search?" + urllib.parse.urlencode({"q": q, **more}))

    # ---- the API ----

    def test_the_download_is_what_was_printed(self):
        self.assertEqual(self.server.call("GET", self.log + "?download=1", raw=True), LOG)
        out = self.wrata("log", str(self.run_id))
        self.assertEqual((out.returncode, out.stdout == LOG), (0, True))
        self.assertTrue(self.wrata("log", "--raw", str(self.run_id)).stdout == LOG)

    def test_lines_are_bounded_texts(self):
        raw = self.server.call("GET", self.log + "/lines?line=1", raw=True)
        self.assertLess(len(raw), 20000)
        self.assertNotIn(b"</script>", raw)
        got = self.server.get(self.log + "/lines?line=1")
        texts = [line["text"] for line in got["items"]]
        self.assertEqual(texts[:5], ["first line", "titleclear redask", "</script><script>alert(1)</script><img src=x onerror=alert(1)>",
                                     "nul \ufffd bytes \ufffd\ufffd \ufffd end", "\u202ereversed \x9b31m c1"])
        self.assertEqual(texts[5], "y" * 4096)
        self.assertEqual([(line["bytes"], line["cut"]) for line in got["items"][5:]], [(len(LONG), True), (24, False), (23, False)])
        self.assertEqual(texts[6:], ["1 failed NEEDLE", "the end without newline"])
        self.assertEqual((got["lines"], got["complete"], got["next_line"]), (8, True, None))
        for line in got["items"]:
            self.assertEqual(LOG[line["byte"]:line["byte"] + line["bytes"]].count(b"\n"), 0)
        part = self.server.call("GET", self.log + "?line=6&lines=1&max=1000", raw=True)
        self.assertEqual(part, b"y" * 1000)
        self.assertEqual(self.server.call("GET", self.log + "?line=7&lines=1", raw=True), LAST[1:26])

    def test_a_search_sees_text(self):
        found = self.search("needle")
        self.assertEqual([(m["line"], m["bytes"]) for m in found["matches"]], [(6, len(LONG)), (7, 24)])
        far = found["matches"][0]
        self.assertLessEqual(len(far["text"]), 2048)
        at = far["at"][0][0]
        self.assertEqual(far["text"][at:far["at"][0][1]], "Needle")
        self.assertEqual(LOG[far["text_byte"] + at:][:6], b"Needle")
        self.assertEqual([m["line"] for m in self.search("Needle")["matches"]], [6])
        self.assertEqual([m["line"] for m in self.search("title")["matches"]], [2])
        self.assertEqual(self.search("owned")["count"], 0)  # what a terminal would not show either
        self.assertEqual(self.search("^1 failed needle$", regex=1, case="no")["matches"][0]["at"], [[0, 15]])
        self.assertEqual(self.search("</SCRIPT>", case="no")["matches"][0]["at"], [[0, 9], [25, 34]])
        raw = self.server.call("GET", self.log + "/search?q=script", raw=True)
        self.assertNotIn(b"</script>", raw)
        one = self.search("e", limit=1)
        self.assertEqual((one["count"], one["next_line"]), (8, 2))
        self.assertEqual(self.search("e", limit=1, from_line=2)["matches"][0]["line"], 2)
        times = self.server.get(self.log + "/times")["times"]
        self.assertEqual(found["matches"][0]["ms"], [ms for line, ms in times if line <= 6][-1])

    def test_an_expression_that_explodes_is_bounded(self):
        begin = time.monotonic()
        found = self.search("(y+)+(Q|W)$", regex=1)
        self.assertEqual(found["count"], 0)
        self.assertEqual(found["gave_up"], {"lines": 1, "first": 6})
        self.assertTrue(found["whole"])
        self.assertLess(time.monotonic() - begin, 30)

    def test_what_is_missing_is_said(self):
        self.assertIsNone(self.server.get("/api/v1/runs/%d" % self.run_id)["log_dropped"])
        launch = self.server.launch("logs", ["ticks.sh"])
        self.server.wait_launch(launch["id"])
        run = self.run_of(launch)
        db = sqlite3.connect(os.path.join(self.server.data, "wrata.db"), timeout=20)
        db.execute("UPDATE runs SET log_dropped_bytes = 77, log_gap_plus_one = 4 WHERE id = ?", (run,))
        db.commit()
        self.assertEqual(self.server.get("/api/v1/runs/%d" % run)["log_dropped"], {"from": 3, "bytes": 77})
        db.execute("UPDATE runs SET log_gap_plus_one = 0 WHERE id = ?", (run,))
        db.commit()
        db.close()
        self.assertEqual(self.server.get("/api/v1/runs/%d" % run)["log_dropped"], {"from": 21, "bytes": 77})

    # ---- the command line ----

    def test_a_terminal_is_safe(self):
        for args in (["log", "--tail", "3"], ["log", "--lines", "1-5"], ["log", "--grep", "c"], ["log", "--lines", "1-5", "--times"]):
            code, out = self.on_terminal(*args, str(self.run_id))
            self.assertEqual(code, 0, out[-500:])
            self.assertEqual(re.sub(rb"\x1b\[[0-9;:]*m", b"", out).count(b"\x1b"), 0, args)
            self.assertEqual(re.findall(rb"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae", out), [], args)
        code, out = self.on_terminal("log", "--lines", "1-5", str(self.run_id))
        self.assertIn(b"\\x1b]0;owned\\x07title\\x1b[2J", out)
        self.assertIn(b"\x1b[31m red\x1b[0m", out)
        code, out = self.on_terminal("--color", "never", "log", "--lines", "2", str(self.run_id))
        self.assertNotIn(b"\x1b", out)
        code, out = self.on_terminal("log", "--raw", str(self.run_id))
        self.assertEqual(code, 2)
        self.assertIn(b"send it to a file", out)

    def test_parts_of_a_log(self):
        lines = LOG.split(b"\n")
        self.assertEqual(self.wrata("log", "--tail", "2", str(self.run_id)).stdout, b"\n".join(lines[-2:]))
        self.assertEqual(self.wrata("log", "--lines", "2-4", str(self.run_id)).stdout, b"\n".join(lines[1:4]) + b"\n")
        self.assertEqual(self.wrata("log", "--lines", "7-", str(self.run_id)).stdout, b"\n".join(lines[6:]))
        self.assertEqual(self.wrata("log", "--lines", "1", str(self.run_id)).stdout, lines[0] + b"\n")
        self.assertEqual(self.wrata("log", "--lines", "100-", str(self.run_id)).stdout, b"")
        for bad in ("0", "4-2", "x", "-3", "2-x", ""):
            out = self.wrata("log", "--lines=" + bad, str(self.run_id))
            self.assertEqual(out.returncode, 2, bad)
            self.assertIn(b"write 12, 10-20 or 10-", out.stderr)

    def test_finding_lines(self):
        out = self.wrata("log", "--grep", "failed", str(self.run_id))
        self.assertEqual((out.returncode, out.stdout), (0, b"7: 1 failed NEEDLE\n"))
        out = self.wrata("log", "--regex", "^FIRST|end$", "-i", str(self.run_id))
        self.assertEqual(out.stdout, b"1: first line\n4: nul \xef\xbf\xbd bytes \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd end\n")
        self.assertEqual(self.wrata("log", "--grep", "e", "--lines", "7-7", str(self.run_id)).stdout, b"7: 1 failed NEEDLE\n")
        self.assertEqual(self.wrata("log", "--grep", "nothing of it", str(self.run_id)).returncode, 1)
        out = self.wrata("log", "--regex", "a(", str(self.run_id))
        self.assertEqual(out.returncode, 2)
        self.assertIn(b"character 3", out.stderr)
        for wrong in (["--grep", "a", "--regex", "b"], ["--grep", "a", "-f"], ["--tail", "3", "--lines", "4"], ["-i"], ["--raw", "--times"]):
            self.assertEqual(self.wrata("log", *wrong, str(self.run_id)).returncode, 2, wrong)
        self.assertEqual(self.wrata("log", "--grep", "a", "999999").returncode, 2)

    def test_times_are_those_of_the_lines(self):
        launch = self.server.launch("logs", ["ticks.sh"])
        run = self.run_of(launch)
        out = self.wrata("log", "-f", "--times", str(run)).stdout.decode()
        self.assertEqual([line[14:] for line in out.splitlines()], ["tick 1", "tick 2", "tick 3"])
        self.server.wait_launch(launch["id"])
        again = self.wrata("log", "--times", str(run)).stdout.decode()
        times = [time.strptime(line[:8], "%H:%M:%S") and float(line[6:12]) + 60 * int(line[3:5]) for line in again.splitlines()]
        self.assertEqual(out, again)
        for a, b in zip(times, times[1:]):
            self.assertTrue(0.3 < (b - a) % 3600 < 5, times)
        found = self.wrata("log", "--grep", "tick 2", "--times", str(run)).stdout.decode()
        self.assertEqual(found, again.splitlines()[1].replace("  tick", "  2: tick") + "\n")


if __name__ == "__main__":
    wrata.main()
