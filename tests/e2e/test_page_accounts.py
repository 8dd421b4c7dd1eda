"""Accounts in the page, against a real server: the first admin by the address that the server printed, a second person who
signs up and waits, is verified, makes a token; an ended session; what each screen looks like to axe."""
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


class PageAccounts(wrata.Case):
    def test_first_admin_sign_up_verify_token_session_end_sign_out(self):
        web = os.path.join(wrata.SOURCE, "web")
        if shutil.which("node") is None:
            self.skipTest("node is not installed")
        if not os.path.exists(os.path.join(web, "node_modules")):
            self.skipTest("the page's packages are not installed (scripts/build-web.sh)")
        server = self.serve()
        printed = wrata.wait_for("the address of the first admin",
                                 lambda: re.search(r"https?://\S+(/welcome#\S+)", server.log_tail()))
        # Something that runs for as long as the walk takes: whose stop button is it?
        project = self.project({"long.sh": "sleep 1200\n"})
        server.add_local("local-1", 1)
        server.wait_online("local-1")
        launch = server.launch(project, ["long.sh"])
        shots = os.environ.get("WRATA_SHOTS") or os.path.join(self.folder, "shots")
        done = subprocess.run(["node", "--test", "test/server_accounts.test.mjs"], cwd=web, capture_output=True, text=True, timeout=820,
                              env=dict(os.environ, WRATA_URL=server.url, WRATA_FIRST=printed.group(1), WRATA_SHOTS=shots,
                                       WRATA_LAUNCH=str(launch["id"])))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("# pass 1\n", done.stdout, "the walk was skipped")
        self.assertNotIn(printed.group(1).split("#")[1], server.log_tail(1 << 20).replace(printed.group(0), ""),
                         "the secret of the link is in the log")


if __name__ == "__main__":
    wrata.main()
