"""A server that does not work is taken out, and what it failed runs on the other; its agent says how the machine is."""
import glob
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import ApiError, wait_for  # noqa: E402


class Sick(wrata.Case):
    def begin(self, *args):
        server = self.serve(*args)
        for name in ("ill", "well"):
            server.add_local(name, 1)
        server.wait_online("ill", "well")
        return server

    def work(self, name):
        found = glob.glob(os.path.join(self.folder, "**", "servers", name, "*", "work"), recursive=True)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def cli(self, server, *args):
        done = subprocess.run([wrata.WRATA, *args, "--data", server.data], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_it_is_taken_out_and_put_back(self):
        server = self.begin()
        work = self.work("ill")
        os.rename(work, work + ".away")
        open(work, "w").close()  # a file: no work tree can be made
        project = self.project({"%02d.sh" % i: "sleep 0.7\n" for i in range(12)})
        launch = server.launch(project, ["*.sh"], retries=0)
        done = server.wait_launch(launch["id"])
        # No retries at all, and still nothing is lost: what the sick server failed does not count.
        self.assertEqual((done["outcome"], done["tests"]["passed"]), ("passed", 12), server.log_tail())
        ill = server.server("ill")
        self.assertEqual(ill["sick_cause"], "failures")
        self.assertIn("3 runs in a row failed there", ill["sick"])
        self.assertIsNone(server.server("well")["sick"])
        runs = server.all("/api/v1/runs?launch=%d" % launch["id"])
        bad = [r for r in runs if r["outcome"] == "infrastructure"]
        self.assertEqual({r["server"]["name"] for r in bad}, {"ill"})
        self.assertGreaterEqual(len(bad), 3)
        self.assertEqual(len([r for r in runs if r["outcome"] == "passed"]), 12)

        # What only it may run waits, and says why.
        waiting = server.launch(project, ["00.sh"], servers=["ill"])
        why = wait_for("a reason", lambda: server.get("/api/v1/launches/%d/tests" % waiting["id"])["items"][0]["why"])
        self.assertIn("ill takes no tests: 3 runs in a row failed there", why)
        code, out = self.cli(server, "servers")
        self.assertEqual(code, 0, out)
        self.assertRegex(out, r"ill .*taken out: 3 runs in a row")
        code, out = self.cli(server, "doctor")
        self.assertIn("ill is taken out", out)
        rows = [r for r in server.get("/api/v1/audit")["items"] if r["action"] == "server.sick"]
        self.assertEqual([(r["object"], r["login"]) for r in rows], [("server ill", "wrata")])

        # It stays out through a restart. Mended and put back, it works.
        server.kill()
        server.start()
        server.wait_online("ill", "well")
        self.assertEqual(server.server("ill")["sick_cause"], "failures")
        os.unlink(work)
        os.rename(work + ".away", work)
        code, out = self.cli(server, "servers", "resume", "ill")
        self.assertEqual(code, 0, out)
        self.assertEqual(server.wait_launch(waiting["id"])["outcome"], "passed", server.log_tail())
        self.assertIsNone(server.server("ill")["sick"])

    def test_what_fails_everywhere_is_nobodys_fault(self):
        server = self.begin()
        yml = "prepare:\n  - {name: gems, run: [sh, -c, 'exit 7']}\n"
        project = self.project(dict({"%02d.sh" % i: "true\n" for i in range(8)}, **{"wrata.yml": yml}))
        launch = server.launch(project, ["*.sh"], retries=1)
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "infrastructure")
        for name in ("ill", "well"):
            self.assertIsNone(server.server(name)["sick"], server.log_tail())
        other = self.project({"a.sh": "true\n"}, "other")
        self.assertEqual(server.wait_launch(server.launch(other, ["a.sh"])["id"])["outcome"], "passed")

    def test_how_the_machine_is(self):
        server = self.begin()
        health = wait_for("its tools", lambda: (server.server("ill")["health"] or {}).get("tools") and server.server("ill")["health"], 90)
        for disk in ("disk", "tmp"):
            self.assertGreater(health[disk]["total_bytes"], health[disk]["free_bytes"])
            self.assertGreater(health[disk]["free_bytes"], 0)
        self.assertTrue(health["disk"]["path"].startswith(self.folder))
        self.assertEqual(health["cores"], os.cpu_count())
        self.assertGreater(health["memory_total_bytes"], health["memory_available_bytes"])
        self.assertIn("Linux", health["kernel"])
        self.assertTrue([t for t in health["tools"] if t.startswith("git ")], health["tools"])
        # One computer, one clock.
        self.assertLessEqual(abs(health["skew_ms"]), health["skew_error_ms"] + 50, health)
        code, out = self.cli(server, "servers", "show", "ill")
        self.assertEqual(code, 0, out)
        for words in ("clock", "free", "load", "memory", "git "):
            self.assertIn(words, out)
        code, out = self.cli(server, "servers", "show", "ill", "--json")
        self.assertEqual(json.loads(out)["health"]["cores"], os.cpu_count())
        code, out = self.cli(server, "servers", "show", "nobody")
        self.assertEqual(code, 2, out)

    def test_a_disk_without_room_takes_it_out_and_the_last_one_stays(self):
        # Half of any disk, however much that is: this computer's has less, or it is as good as empty.
        server = self.begin("--sick-disk-bytes", str(1 << 40), "--sick-disk-percent", "50")
        health = wait_for("its disk", lambda: server.server("ill")["health"])
        if health["disk"]["free_bytes"] * 2 >= health["disk"]["total_bytes"]:
            self.skipTest("more than half of the disk is free")
        wait_for("one is out", lambda: [s for s in server.servers() if s["sick_cause"] == "disk"], seconds=60)
        out = [s["name"] for s in server.servers() if s["sick_cause"] == "disk"]
        self.assertEqual(len(out), 1)
        with self.assertRaises(ApiError) as e:
            server.post("/api/v1/servers/resume", {"servers": [server.server(out[0])["id"]]})
        self.assertEqual(e.exception.status, 409)
        self.assertIn("Make room there", e.exception.body)
        project = self.project({"a.sh": "true\n"})
        self.assertEqual(server.wait_launch(server.launch(project, ["a.sh"])["id"])["outcome"], "passed")


if __name__ == "__main__":
    wrata.main()
