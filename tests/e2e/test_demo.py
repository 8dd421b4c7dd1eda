"""`make demo` shows what README promises: it starts, runs the example suite, reports its failures, cleans up."""
import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from ports import free_port  # noqa: E402

SOURCE = os.environ.get("WRATA_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("WRATA_BIN") or os.path.join(SOURCE, "build/release/wrata")


class Demo(unittest.TestCase):
    def test_demo__shows_the_failures_and_leaves_nothing_running(self):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            port = free_port()
            env = dict(os.environ, DEMO_EXIT="1", DEMO_BIN=BIN, DEMO_DIR=folder, DEMO_PORT=str(port), WRATA_SKIP_DEPS="1")
            done = subprocess.run([os.path.join(SOURCE, "scripts/demo.sh")], env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500, check=False)
            log = ""
            if os.path.exists(os.path.join(folder, "server.log")):
                with open(os.path.join(folder, "server.log"), encoding="utf-8", errors="replace") as f:
                    log = f.read()
            told = done.stdout + "\n--- server.log ---\n" + log
            self.assertEqual(done.returncode, 0, told)
            self.assertIn("exit 1: two examples fail on purpose", done.stdout, told)
            self.assertRegex(done.stdout, re.compile("receipt|Receipt"), told)
            self.assertRegex(done.stdout, re.compile("shipping|Shipping"), told)
            with socket.socket() as s:
                self.assertNotEqual(s.connect_ex(("127.0.0.1", port)), 0, "the server still listens")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
