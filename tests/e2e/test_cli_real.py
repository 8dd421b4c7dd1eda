"""`wrata run` with everything real: the private server it starts, the agent on this computer, git, bash, rspec."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ET

WRATA = os.path.abspath(os.environ.get("WRATA_BIN", "build/test/wrata"))
DEADLINE_S = 120

A_SPEC = """
RSpec.describe "A" do
  it("adds") { expect(1 + 1).to eq 2 }
  it("fails") { expect(1 + 1).to eq 3 }
  it("waits") { pending "later"; raise "not yet" }
end
"""


def git(*args, cwd):
    who = {f"GIT_{w}_{k}": "a@b" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
    subprocess.run(["git", *args], cwd=cwd, env={**os.environ, **who}, capture_output=True, check=True)


class RealTest(unittest.TestCase):
    def setUp(self):
        self.tmp = os.path.realpath(tempfile.mkdtemp(prefix="wrata-real-"))
        self.addCleanup(shutil.rmtree, self.tmp, ignore_errors=True)
        self.data, self.work = os.path.join(self.tmp, "data"), os.path.join(self.tmp, "work")
        os.mkdir(self.work)
        self.addCleanup(self.end_server)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("WRATA_", "GIT_", "NO_COLOR"))}
        self.env.update({k: v for k, v in os.environ.items() if k == "WRATA_AGENT_DIR"})
        self.env.update(WRATA_DATA=self.data, LC_ALL="C.UTF-8", TMPDIR=self.tmp)

    def server(self):
        """url and pid of the server on our data folder; None when there is none."""
        try:
            with open(os.path.join(self.data, "serve.json")) as f:
                announced = json.load(f)
            os.kill(announced["pid"], 0)
            return announced
        except (OSError, ValueError):
            return None

    def end_server(self):
        """It ends by itself; a test that left one running has failed already, and must not disturb the next."""
        self.wait_for(lambda: self.server() is None, 30, fail=False)
        left = self.server()
        if left:
            os.kill(left["pid"], signal.SIGKILL)

    def wait_for(self, condition, seconds=DEADLINE_S, fail=True):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.02)
        self.assertFalse(fail, f"not within {seconds} s")
        return False

    def write(self, **files):
        for name, text in files.items():
            self.write_file(name.replace("__", "/"), text)

    def write_file(self, name, text):
        path = os.path.join(self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def commit(self):
        git("init", "-q", cwd=self.work)
        git("add", "-A", cwd=self.work)
        git("commit", "-qm", "one", cwd=self.work)

    def wrata(self, *args, code=0, cwd=None, env=None):
        done = subprocess.run([WRATA, *args], cwd=cwd or self.work, env={**self.env, **(env or {})},
                              capture_output=True, timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
        done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if code is not None:
            self.assertEqual(done.returncode, code, done.out + done.err)
        return done

    def popen(self, *args):
        p = subprocess.Popen([WRATA, *args], cwd=self.work, env=self.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(lambda: (p.stdout.close(), p.stderr.close(), p.poll() is None and p.kill()))
        return p

    # ---- the tests ----

    def test_a_project_of_scripts_and_specs(self):
        if not shutil.which("rspec"):
            self.skipTest("rspec is not installed")
        self.write_file("spec/a_spec.rb", A_SPEC)
        self.write_file("spec/none_spec.rb", "# nothing\n")
        self.write_file("ok.sh", "echo fine\n")
        self.commit()
        self.write_file("new.sh", "echo $WRATA_COMMIT $X; test $X = 1\n")  # not committed
        out = os.path.join(self.tmp, "out.xml")
        done = self.wrata("run", "-s", "2", "-e", "X=1", "--junit", out, "spec", "ok.sh", "new.sh", code=1)
        self.assertRegex(done.out, r"✗ failed +spec/a_spec\.rb  3 examples, 1 failed, 1 pending")
        self.assertRegex(done.out, r"◌ no tests +spec/none_spec\.rb")
        self.assertRegex(done.out, r"✓ passed +new\.sh")
        self.assertIn("'spec/a_spec.rb[1:2]'", done.out)
        cases = {c.get("name"): c for c in ET.parse(out).getroot().iter("testcase")}
        self.assertIsNotNone(cases["A fails"].find("failure"))
        self.assertIsNotNone(cases["A waits"].find("skipped"))
        self.assertEqual(len(cases["A adds"]), 0)
        # history is kept; the line that says how to run it again is true
        self.assertRegex(self.wrata("launches").out, r"1 +✗ failed +4/4")
        self.assertIn("A fails", self.wrata("show", "1").out)
        again = re.search(r"wrata (run .*\[1:2\]')", done.out)[1]
        done = subprocess.run(["bash", "-c", f'"{WRATA}" {again}'], cwd=self.work, env=self.env, capture_output=True,
                              timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 file: 1 failed  1 example, 1 failed", done.stdout.decode())

    def test_exit_codes(self):
        self.write_file("ok.sh", "exit 0\n")
        self.write_file("bad.sh", "exit 7\n")
        self.write_file("slow.sh", "sleep 30\n")
        self.commit()
        self.wrata("run", "ok.sh")
        self.assertIn("7", self.wrata("run", "ok.sh", "bad.sh", code=1).out)
        self.assertRegex(self.wrata("run", "-t", "1s", "slow.sh", code=1).out, "⏱ timed out +slow.sh")
        self.assertIn("no file nix.sh", self.wrata("run", "nix.sh", code=2).err)
        self.assertIn("no server", self.wrata("run", "--servers", "mars", "ok.sh", code=2).err)

    def test_ctrl_c_stops_the_launch_and_nothing_is_left(self):
        self.write_file("slow.sh", "echo begun; sleep 300\n")
        self.write_file("later.sh", "sleep 300\n")
        self.commit()
        p = self.popen("run", "-s", "1", "slow.sh", "later.sh")
        p.stdout.readline()
        time.sleep(0.5)
        os.killpg(p.pid, signal.SIGINT)
        out, err = p.communicate(timeout=DEADLINE_S)
        self.assertEqual(p.returncode, 1, err)
        self.assertIn(b"stopping the launch", err)
        self.assertIn(b"2 stopped", out)
        self.wait_for(lambda: self.server() is None)

    def test_a_folder_that_is_no_repository(self):
        self.write_file("ok.sh", "cat data.txt\n")
        self.write_file("data.txt", "42\n")
        self.wrata("run", "ok.sh")
        self.assertEqual(self.wrata("log", "1").out, "42\n")

    def test_names_of_every_kind(self):
        names = ["with space.sh", "-dash.sh", "ü 好.sh", "quote'\".sh", "$(touch x).sh"]
        for n in names:
            self.write_file(n, "true\n")
        self.commit()
        self.assertIn("5 files: 5 passed", self.wrata("run", "--", *names).out)
        self.write_file("line\nend.sh", "true\n")
        self.assertIn("control characters", self.wrata("run", "line\nend.sh", code=2).err)

    def test_two_at_once_share_one_server(self):
        self.write_file("a.sh", "sleep 1\n")
        self.write_file("b.sh", "sleep 2\n")
        self.commit()
        first, second = self.popen("run", "a.sh"), self.popen("run", "b.sh")
        self.wait_for(self.server)
        urls = {re.search(rb"http://\S+", p.stdout.readline())[0] for p in (first, second)}
        self.assertEqual(len(urls), 1)
        for p in (first, second):
            out, err = p.communicate(timeout=DEADLINE_S)
            self.assertEqual(p.returncode, 0, out + err)
        self.assertEqual({l["outcome"] for l in json.loads(self.wrata("launches", "--json").out)["items"]},
                         {"passed"})

    def test_the_server_is_killed_and_the_launch_goes_on(self):
        for i in range(6):
            self.write_file(f"f{i}.sh", f"sleep 0.5; echo {i}\n")
        self.commit()
        p = self.popen("run", ".")
        p.stdout.readline()
        p.stdout.readline()  # the first file is over
        os.kill(self.server()["pid"], signal.SIGKILL)
        out, err = p.communicate(timeout=DEADLINE_S)
        self.assertEqual(p.returncode, 0, out + err)
        self.assertIn(b"6 files: 6 passed", out)

    def test_the_log_is_the_output_as_it_was(self):
        self.write_file("x.sh", r"printf 'a\0\377\033[2Jb\n'; echo err >&2" + "\n")
        self.commit()
        self.wrata("run", "x.sh")
        self.assertEqual(self.wrata("log", "1").stdout, b"a\0\xff\x1b[2Jb\nerr\n")


if __name__ == "__main__":
    usable = os.access(WRATA, os.X_OK) and subprocess.run([WRATA, "version"], capture_output=True).returncode == 0
    if not usable:
        print(f"{WRATA} is not built; skipped")
        sys.exit(77)
    unittest.main(verbosity=2)
