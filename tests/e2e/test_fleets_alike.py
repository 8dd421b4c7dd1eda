#!/usr/bin/env python3
"""Small promises at the edges of fleets and logs: names that two clouds share, options as they are typed, lines of the log that can be
read by a program, and a download that does not end as if it were whole."""
import glob
import http.client
import os
import re
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402

# A cloud of one machine, which it calls "vm" as the other one does; it is a home of its own here. The way to it of the cloud that is
# asked first is told first, and not before the other one was asked, too.
CLOUD = """
import json, os, sys, time
what, folder, other = sys.argv[1:4]
asked = json.load(sys.stdin)
path = os.path.join(folder, "machine")
if what == "create":
    machine = {k: asked[k] for k in ("instance", "server", "intent", "name", "lease_until")}
    machine.update(id="vm", state="active", address="192.0.2.1")
    json.dump(machine, open(path, "w"))
    print(json.dumps(machine))
elif what == "list":
    print(json.dumps({"machines": [json.load(open(path))] if os.path.exists(path) else []}))
elif what == "destroy":
    os.unlink(path)
elif what == "connect":
    first = os.path.basename(folder) == "first"
    open(os.path.join(folder, "asked"), "w").close()
    for _ in range(200):
        if os.path.exists(os.path.join(other, "asked" if first else "told")):
            break
        time.sleep(0.05)
    time.sleep(0 if first else 0.5)
    print(json.dumps({"argv": ["env", "HOME=" + folder, "sh", "-c"]}))
    open(os.path.join(folder, "told"), "w").close()
"""


class Alike(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--machine-missing-s", "5")

    def test_two_clouds_that_call_their_machines_alike_are_not_confused(self):
        program = os.path.join(self.folder, "cloud.py")
        with open(program, "w") as f:
            f.write(CLOUD)
        homes = {name: os.path.join(self.folder, name) for name in ("first", "second")}
        servers = {}
        for name, other in (("first", "second"), ("second", "first")):
            os.mkdir(homes[name])
            options = {w: [sys.executable, program, w, homes[name], homes[other]] for w in ("create", "destroy", "list", "connect")}
            self.server.post("/api/v1/fleets", {"name": name, "kind": "command", "options": options})
            servers[name] = self.server.post("/api/v1/servers", {"name": "on-" + name, "fleet": name, "slots": 1})
        self.server.post("/api/v1/servers/power_on", {"servers": [servers["first"]["id"]]})
        wait_for("the first is asked for its way", lambda: os.path.exists(os.path.join(homes["first"], "asked")))
        self.server.post("/api/v1/servers/power_on", {"servers": [servers["second"]["id"]]})
        self.server.wait_online("on-first", "on-second", seconds=90)
        project = self.project({"where.sh": "#!/bin/sh\npwd\n"})
        for name in homes:
            launch = self.server.launch(project, ["where.sh"], servers=["on-" + name])
            self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")
            run = self.server.all("/api/v1/runs?launch=%d" % launch["id"])[0]["id"]
            self.assertIn(homes[name] + "/", self.server.log(run).decode())

    def test_options_are_taken_as_json_says(self):
        words = ["fleets", "add", "cloud", "--kind", "digitalocean", "-o", "image=debian-12-x64", "-o", 'regions=["fra1"]', "-o",
                 'size="s-2vcpu-2gb"', "-o", 'user="7"']
        done = subprocess.run([wrata.WRATA] + words, env=dict(os.environ, WRATA_URL=self.server.url, WRATA_TOKEN=self.server.token),
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        options = next(f for f in self.server.get("/api/v1/fleets")["items"] if f["name"] == "cloud")["options"]
        self.assertEqual((options["image"], options["size"], options["user"]), ("debian-12-x64", "s-2vcpu-2gb", "7"))

    def test_why_is_one_field_of_a_line(self):
        self.server.post("/api/v1/fleets", {"name": "cloud", "kind": "digitalocean",
                                            "options": {"image": "debian-12-x64", "regions": ["fra1"]}})
        line = wait_for("the line of the catalog", lambda: re.search("event=fleet.catalog .*", self.server.log_tail()))
        self.assertRegex(line.group(0), r'fleet=cloud why="[^"]+ cloud_token is missing in the credentials[^"]*"$')

    def test_a_download_that_cannot_go_on_does_not_end_as_if_it_were_whole(self):
        self.server.add_local()
        launch = self.server.launch(self.project({"long.sh": "#!/bin/sh\nseq 1 300000\n"}), ["long.sh"])
        self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")
        run = self.server.all("/api/v1/runs?launch=%d" % launch["id"])[0]["id"]
        path = "/api/v1/runs/%d/log?download=1" % run
        whole = self.server.call("GET", path, raw=True)
        self.assertEqual(whole.split(b"\n")[-2], b"300000")
        database = next(p for p in glob.glob(os.path.join(self.server.data, "*.db")))
        with sqlite3.connect(database, timeout=30) as db:
            db.execute("DELETE FROM log_blocks WHERE run = ? AND raw_offset = "
                       "(SELECT max(raw_offset) FROM log_blocks WHERE run = ?)", (run, run))
        db.close()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.server.call("GET", path, raw=True)


if __name__ == "__main__":
    wrata.main()
