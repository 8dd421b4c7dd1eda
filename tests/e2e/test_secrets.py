"""Secrets of users: the script gets them, and nobody else sees them: not the log, the results, the API or any file."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

TOKEN = 'hunter2 "quoted" & more/+\\x-Zq9'
PEM = "-----BEGIN SOMETHING-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3\nxfn/ygWyF8PbnGy0AHB7MIIEpAIBA\n-----END SOMETHING-----\n"
CHECK = '[ "$(printf %%s "$TOKEN" | sha256sum | cut -c1-64)" = %s ] || { echo "no token"; exit 9; }\n' % (
    hashlib.sha256(TOKEN.encode()).hexdigest())

FILES = {
    "whole.sh": "#!/bin/bash\n" + CHECK + 'echo "out <$TOKEN>"\necho "err <$TOKEN>" >&2\nenv | grep -a TOKEN\necho "$PEM"\n',
    # Pauses longer than what the agent waits before it lets go of a beginning.
    "bytes.sh": "#!/bin/bash\n" + CHECK + 'echo -n "<"\nfor ((i = 0; i < ${#TOKEN}; i++)); do printf %s "${TOKEN:i:1}"; sleep 0.07; done\necho ">"\n',
    "encoded.sh": "#!/bin/bash\n" + CHECK + """
for pad in '' x xx; do printf '%s%s.' "$pad" "$TOKEN" | base64 -w0; echo; done
printf %s "$PEM" | base64
python3 -c 'import os, json, urllib.parse as u; t = os.environ["TOKEN"]; print(u.quote(t), u.quote_plus(t), json.dumps({"t": t}), repr(t))'
""",
    "spec/a_spec.rb": """
RSpec.describe "a token" do
  it("fails") { expect(ENV["TOKEN"]).to eq("nope") }
  it("raises") { raise "it was #{ENV["TOKEN"]}\\n#{ENV["PEM"]}" }
  it("has a description: #{ENV["TOKEN"]}") { }
end
""",
    "slow.sh": "#!/bin/bash\n" + CHECK + 'for i in $(seq 30); do echo "$i <$TOKEN>"; sleep 0.1; done\n',
    "lag.sh": '#!/bin/bash\nprintf "no end of line: hun"\nsleep 300\n',
    "plain.sh": '#!/bin/bash\necho "PLAIN=$PLAIN OWN=$OWN TOKEN=$TOKEN"\n',
}


def forms(secret):
    """What must be nowhere."""
    found = {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret), json.dumps(secret)[1:-1]}
    for pad in range(3):
        text = base64.b64encode(b"x" * pad + secret.encode()).decode().rstrip("=")
        found.add(text[4 if pad else 0:len(text) // 4 * 4 - 4])
    found |= {line for line in secret.split("\n") if len(line) >= 6}
    return {f.encode() for f in found}


HIDDEN = forms(TOKEN) | forms(PEM)


class Secrets(wrata.Case):
    def set_env(self, server, **secrets):
        lines = [{"name": n, "value": v, "secret": True} for n, v in secrets.items()]
        lines += [{"name": "PLAIN", "value": "of the user", "secret": False}, {"name": "OWN", "value": "of the user", "secret": False}]
        return server.post("/api/v1/env", {"lines": lines})

    def begin(self, slots=2):
        server = self.serve()
        server.add_local("local-1", slots)
        server.wait_online("local-1")
        answer = self.set_env(server, TOKEN=TOKEN, PEM=PEM)
        self.assertEqual([l["value"] for l in answer if l["secret"]], [None, None])
        return server

    def assert_hidden(self, what, content):
        for form in HIDDEN:
            self.assertNotIn(form, content, "%s shows a secret" % what)

    def assert_nowhere(self, server):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as f:
                        self.assert_hidden(path, f.read())
        for path in ("/launches", "/runs", "/env", "/servers", "/status", "/board"):
            try:
                self.assert_hidden(path, server.call("GET", "/api/v1" + path, raw=True))
            except wrata.ApiError as e:
                self.assertEqual(e.status, 404, path)
        for launch in server.all("/api/v1/launches"):
            for path in ("", "/tests", "/parameters"):
                self.assert_hidden("launch", server.call("GET", "/api/v1/launches/%d%s" % (launch["id"], path), raw=True))
        for run in server.all("/api/v1/runs"):
            self.assert_hidden("run", server.call("GET", "/api/v1/runs/%d" % run["id"], raw=True))
            self.assert_hidden("command", server.call("GET", "/api/v1/runs/%d/command" % run["id"], raw=True))
            self.assert_hidden("examples", server.call("GET", "/api/v1/runs/%d/examples" % run["id"], raw=True))
            self.assert_hidden("log of %s" % run["path"], server.log(run["id"]))

    def logs(self, server, launch):
        return {r["path"]: server.log(r["id"]).decode() for r in server.all("/api/v1/runs?launch=%d" % launch["id"])}

    def test_the_script_has_them_and_nobody_sees_them(self):
        server = self.begin()
        files = ["whole.sh", "bytes.sh", "encoded.sh"] + (["spec/a_spec.rb"] if shutil.which("rspec") else [])
        launch = server.launch(self.project(FILES), files)
        done = server.wait_launch(launch["id"])
        logs = self.logs(server, launch)
        self.assertEqual(done["tests"]["passed"], 3, logs)
        self.assertIn("out <***>\n", logs["whole.sh"])
        for path in ("launches/%d/parameters" % launch["id"], "runs/%d/command" % server.all("/api/v1/runs?launch=%d" % launch["id"])[0]["id"]):
            env = {v["name"]: v for v in server.get("/api/v1/" + path)["env"]}  # it is over: their names are left
            self.assertEqual([(env[n]["value"], env[n]["secret"]) for n in ("TOKEN", "PEM", "PLAIN")],
                             [(None, True), (None, True), ("of the user", False)])
        self.assertIn("err <***>\n", logs["whole.sh"])
        self.assertIn("TOKEN=***\n", logs["whole.sh"])
        self.assertRegex(logs["bytes.sh"], r"^<.{0,%d}\*\*\*>\n$" % (len(TOKEN) // 4))
        self.assertGreaterEqual(logs["encoded.sh"].count("***"), 7)
        if "spec/a_spec.rb" in files:
            run = next(r for r in server.all("/api/v1/runs?launch=%d" % launch["id"]) if r["path"] == "spec/a_spec.rb")
            self.assertEqual((run["outcome"], run["examples"]["failed"], run["examples"]["passed"]), ("failed", 2, 1), run)
            examples = server.call("GET", "/api/v1/runs/%d/examples" % run["id"], raw=True).decode()
            self.assertIn("it was ***", examples)
            self.assertIn("has a description: ***", examples)
        self.assert_nowhere(server)
        server.stop()
        self.assert_nowhere_on_disk()

    def assert_nowhere_on_disk(self):
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as f:
                        self.assert_hidden(path, f.read())

    def test_what_the_launch_says_goes_before_the_variables_of_the_user(self):
        server = self.begin()
        launch = server.launch(self.project(FILES), ["plain.sh"], env=["OWN=of the launch", "TOKEN=mine"])
        server.wait_launch(launch["id"])
        self.assertEqual(self.logs(server, launch)["plain.sh"], "PLAIN=of the user OWN=of the launch TOKEN=mine\n")

    def test_a_beginning_of_a_secret_does_not_hold_up_the_log(self):
        server = self.begin()
        launch = server.launch(self.project(FILES), ["lag.sh"])
        wait_for("the line shows while the script sleeps", lambda: "no end of line: hun" in "".join(self.logs(server, launch).values()))
        self.assertEqual(server.get("/api/v1/launches/%d" % launch["id"])["state"], "running")
        server.post("/api/v1/launches/%d/stop" % launch["id"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "stopped")

    def test_a_killed_server_and_a_new_master_key_change_nothing(self):
        server = self.begin(slots=1)
        files = dict(FILES, **{"slow2.sh": FILES["slow.sh"]})
        launch = server.launch(self.project(files), ["slow.sh", "slow2.sh"])  # the second waits for the slot
        wait_for("one runs", lambda: server.get("/api/v1/status")["tests"]["running"] == 1)
        time.sleep(0.5)
        server.kill()
        self.assert_nowhere_on_disk()
        subprocess.run([wrata.WRATA, "credentials", "rotate", "--data", server.data], check=True, capture_output=True)
        server.start()
        done = server.wait_launch(launch["id"])
        self.assertEqual((done["outcome"], done["tests"]["passed"]), ("passed", 2), self.logs(server, launch))
        for log in self.logs(server, launch).values():
            self.assertEqual(log, "".join("%d <***>\n" % i for i in range(1, 31)))
        self.assert_nowhere(server)

    def test_a_killed_agent_starts_no_run_without_its_secret(self):
        server = self.begin(slots=1)
        files = dict(FILES, **{"slow2.sh": FILES["slow.sh"]})
        launch = server.launch(self.project(files), ["slow.sh", "slow2.sh"])
        wait_for("one runs", lambda: server.get("/api/v1/status")["tests"]["running"] == 1)
        time.sleep(0.5)
        for pid in wrata.pids_with(self.folder, " serve "):
            if pid != server.process.pid:
                os.kill(pid, signal.SIGKILL)
        done = server.wait_launch(launch["id"])
        self.assertEqual((done["outcome"], done["tests"]["passed"]), ("passed", 2), self.logs(server, launch))
        self.assert_nowhere(server)

    def test_a_secret_that_does_not_open_ends_the_run_and_nothing_else(self):
        server = self.begin()
        project = self.project(FILES)
        server.stop()
        os.unlink(os.path.join(server.data, "data.key.enc"))
        server.start()
        server.wait_online("local-1")
        launch = server.launch(project, ["whole.sh"])
        done = server.wait_launch(launch["id"])
        self.assertEqual(done["outcome"], "infrastructure")
        runs = server.all("/api/v1/runs?launch=%d" % launch["id"])
        self.assertEqual(len(runs), 1, "it is not tried again: no server would do better")
        self.assertRegex(runs[0]["reason"], "a secret of its user could not be given to it: (TOKEN|PEM): there is no .*data.key.enc")
        self.assertEqual(server.server("local-1")["link"], "online")
        self.set_env(server, TOKEN=TOKEN, PEM=PEM)  # sealed anew, with a key made for it
        launch = server.launch(project, ["whole.sh"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        self.assert_nowhere(server)


if __name__ == "__main__":
    wrata.main()
