"""Somebody who is no developer, against a real server: from nothing to a launch, by ticking files and pressing Run."""
# ctest: RESOURCE_LOCK browser
# ctest: COMPUTES ON
# ctest: TIMEOUT 900

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402


class PageCompose(wrata.Case):
    def test_from_nothing_to_the_failure(self):
        web = os.path.join(wrata.SOURCE, "web")
        for needed in ("node", "rspec"):
            if shutil.which(needed) is None:
                self.skipTest("%s is not installed" % needed)
        if not os.path.exists(os.path.join(web, "node_modules")):
            self.skipTest("the page's packages are not installed (scripts/build-web.sh)")
        suite = os.path.join(self.folder, "suite")
        shutil.copytree(os.path.join(wrata.SOURCE, "examples", "demo-suite"), suite)
        wrata.make_project(suite, {"<img src=x onerror=alert(1)>.sh": "exit 0\n", "notes.txt": "no test\n"})
        server = self.serve()
        server.post("/api/v1/fleets", {"name": "lab", "kind": "fake", "options": {}})  # machines that are folders
        printed = wrata.wait_for("the address of the first admin", lambda: re.search(r"https?://\S+(/welcome#\S+)", server.log_tail()))
        shots = os.environ.get("WRATA_SHOTS") or os.path.join(self.folder, "shots")
        done = subprocess.run(["node", "--test", "test/server_compose.test.mjs"], cwd=web, capture_output=True, text=True, timeout=820,
                              env=dict(os.environ, WRATA_URL=server.url, WRATA_FIRST=printed.group(1), WRATA_REPO=suite, WRATA_SHOTS=shots))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("# pass 1\n", done.stdout, "the walk was skipped")


if __name__ == "__main__":
    wrata.main()
