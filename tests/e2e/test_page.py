"""The page against a real server: a launch of the demo's suite, then a person's walk through it in Chromium."""
# ctest: RESOURCE_LOCK browser
# ctest: COMPUTES ON
# ctest: TIMEOUT 900

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402


LEFT_SPEC = """
require "base64"
RSpec.describe "A form" do
  it "is sent" do |example|
    Dir.mkdir("left")
    File.binwrite("left/pixel.png", Base64.decode64("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNogAIAAIIAgZ1yQ5sAAAAASUVORK5CYII="))
    File.write("left/mischief.html", "<script>document.title = 'done'</script>")
    File.write("left/mischief.svg", "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    example.metadata[:screenshot] = { :image => "left/pixel.png" }
    raise "it was not"
  end
end
"""


class Page(wrata.Case):
    def test_from_the_board_to_the_log_of_a_failing_example(self):
        web = os.path.join(wrata.SOURCE, "web")
        for needed in ("node", "rspec"):
            if shutil.which(needed) is None:
                self.skipTest("%s is not installed" % needed)
        if not os.path.exists(os.path.join(web, "node_modules")):
            self.skipTest("the page's packages are not installed (scripts/build-web.sh)")
        suite = os.path.join(self.folder, "suite")
        shutil.copytree(os.path.join(wrata.SOURCE, "examples", "demo-suite"), suite)
        wrata.make_project(suite, {})
        server = self.serve()
        server.add_local("local-1", 2)
        server.wait_online("local-1")
        left = self.project({"left_spec.rb": LEFT_SPEC}, "left")
        first = server.wait_launch(server.launch(left, ["left_spec.rb"], artifacts=["left/*"])["id"])
        run = server.get("/api/v1/runs?launch=%d" % first["id"])["items"][0]
        launch = server.wait_launch(server.launch(suite, ["spec/"])["id"])
        self.assertEqual(launch["outcome"], "failed")
        self.assertEqual(launch["examples"], {"discovered": 92, "passed": 88, "failed": 2, "pending": 2, "not_run": 0, "errors": 0})
        done = subprocess.run(["node", "--test", "test/server.test.mjs"], cwd=web, capture_output=True, text=True,
                              env=dict(os.environ, WRATA_URL=server.url, WRATA_TOKEN=server.token, WRATA_LEFT=str(run["id"])), timeout=820)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    wrata.main()
