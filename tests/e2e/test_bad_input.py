"""Bad input, bad scripts, bad machines: a clear message where the user looks, nothing lost, no hang."""

import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import wait_for  # noqa: E402


class Requests(wrata.Case):
    """What is refused before anything runs."""

    def refused(self, status, field, *words, **launch):
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.launch(launch.pop("project", self.repo), launch.pop("files", ["a.sh"]), **launch)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        if field is not None:
            self.assertIn('"field":"%s"' % field, caught.exception.body.replace(" ", ""), caught.exception.body)
        for word in words:
            self.assertIn(word, caught.exception.body)

    def test_what_does_not_make_sense_is_refused_by_name_and_value(self):
        self.server = self.serve()
        self.repo = self.project({"a.sh": "exit 0\n", "spec/b_spec.rb": "", "notes.txt": "x"})
        self.refused(422, "ref", "develp", ref="develp")
        self.refused(422, "files", "spec/c_spec.rb", files=["a.sh", "spec/c_spec.rb"])
        self.refused(422, "files", "nothing/**/*.sh", files=["nothing/**/*.sh"])
        self.refused(422, "files", "notes.txt", files=["notes.txt"])
        self.refused(422, "files", files=[])
        self.refused(422, "files", files=["../../etc/passwd"])
        self.refused(422, "servers", "nobody", servers=["nobody"])
        self.refused(422, "order", "sideways", order="sideways")
        self.refused(422, "retries", retries=99)
        self.refused(422, "env", env=["no equals sign"])
        self.refused(422, "lease_s", lease_s=1)
        self.refused(422, None, "no field 'colour'", colour="red")
        self.assertEqual(self.server.get("/api/v1/launches")["items"], [], "nothing half-done")

    def test_a_repository_that_cannot_be_reached_says_so(self):
        self.server = self.serve()
        with self.assertRaises(wrata.ApiError) as caught:
            self.server.launch("file:///no/such/place.git", ["a.sh"])
        self.assertIn("/no/such/place.git", caught.exception.body)
        self.assertIn(caught.exception.status, (422, 500, 504))

    def test_a_server_that_makes_no_sense_is_refused(self):
        server = self.serve()
        for body, field in (({"name": "a b", "fleet": "local"}, "name"), ({"name": "x", "fleet": "cloud"}, "fleet"),
                            ({"name": "x", "fleet": "local", "slots": 0}, "slots"),
                            ({"name": "x", "fleet": "ssh"}, "address"),
                            ({"name": "x", "fleet": "ssh", "address": "-oProxyCommand=id"}, "address"),
                            ({"fleet": "local"}, "name")):
            with self.assertRaises(wrata.ApiError) as caught:
                server.post("/api/v1/servers", body)
            self.assertEqual(caught.exception.status, 422, body)
            self.assertIn('"field":"%s"' % field, caught.exception.body.replace(" ", ""))
        server.add_local("one")
        with self.assertRaises(wrata.ApiError) as caught:
            server.add_local("one")
        self.assertEqual(caught.exception.status, 409)


class Scripts(wrata.Case):
    """Scripts that behave badly."""

    def run_all(self, files, patterns=None, **more):
        server = self.serve()
        server.add_local("local-1", 4)
        server.wait_online("local-1")
        launch = server.launch(self.project(files), patterns or sorted(files), **more)
        self.launch = server.wait_launch(launch["id"], 200)
        self.server = server
        return {r["path"]: r for r in server.all("/api/v1/runs?launch=%d" % launch["id"])}

    def test_names_of_every_kind_run_and_are_shown(self):
        names = ["with space.sh", "quote'\".sh", "new\nline.sh", "ümläut-日本.sh", "-dash.sh", "$(id).sh", "a;b.sh"]
        runs = self.run_all({n: "#!/bin/bash\necho ran\n" for n in names}, ["*.sh"])
        self.assertEqual(sorted(runs), sorted(names))
        for name in names:
            self.assertEqual(runs[name]["outcome"], "passed", name)
            self.assertEqual(self.server.log(runs[name]["id"]), b"ran\n")

    def test_output_of_every_kind_is_kept_as_it_is(self):
        binary = bytes(range(256)) * 16
        runs = self.run_all({
            "binary.sh": "#!/bin/bash\n/usr/bin/python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 16)'\n",
            "longline.sh": "#!/bin/bash\nhead -c 10000000 /dev/zero | tr '\\0' x\n",
            "nothing.sh": "#!/bin/bash\n",
            "closes.sh": "#!/bin/bash\necho before\nexec >&- 2>&-\nsleep 0.5\nexit 3\n"})
        self.assertEqual(self.server.log(runs["binary.sh"]["id"]), binary)
        self.assertEqual(self.server.log(runs["longline.sh"]["id"]), b"x" * 10000000)
        self.assertEqual(self.server.log(runs["nothing.sh"]["id"]), b"")
        self.assertEqual(self.server.log(runs["closes.sh"]["id"]), b"before\n")
        self.assertEqual(runs["closes.sh"]["exit_code"], 3)

    def test_a_gigabyte_of_output_is_cut_with_a_mark(self):
        runs = self.run_all({"loud.sh": "#!/bin/bash\necho first\nhead -c 1000000000 /dev/zero | tr '\\0' '\\n'\necho last\n"})
        run = runs["loud.sh"]
        self.assertEqual(run["outcome"], "passed")
        log = self.server.log(run["id"])
        self.assertLessEqual(len(log), 128 << 20)
        self.assertTrue(log.startswith(b"first\n"))
        self.assertTrue(log.endswith(b"last\n"))
        self.assertEqual(len(log), run["log_bytes"])
        gap = run["log_dropped"]
        mark = re.match(rb"\n\[wrata: the limit of 134217728 bytes of output is reached: [^\n]*\]\n\[wrata: (\d+) bytes of output are not kept here\]\n",
                        log[gap["from"]:gap["from"] + 400])
        self.assertEqual(int(mark.group(1)), gap["bytes"])
        self.assertEqual(len(log) - len(mark.group(0)) + gap["bytes"], 1000000011)
        self.assertGreater(len(log) - gap["from"], 16 << 20)  # the end

    def test_who_will_not_end_is_ended_and_what_is_left_behind_too(self):
        marker = self.folder + "/daemon"
        runs = self.run_all({
            "stubborn.sh": "#!/bin/bash\ntrap '' TERM\necho stays\nwhile true; do sleep 0.2; done\n",
            "daemon.sh": "#!/bin/bash\n(setsid bash -c 'while true; do date >> %s; sleep 0.2; done' >/dev/null 2>&1 &)\necho gone\n" % marker,
        }, time_limit_s=3)
        self.assertEqual(runs["stubborn.sh"]["outcome"], "timed_out")
        self.assertEqual(runs["daemon.sh"]["outcome"], "passed")
        time.sleep(0.5)
        size = os.path.getsize(marker) if os.path.exists(marker) else 0
        time.sleep(1)
        self.assertEqual(os.path.getsize(marker) if os.path.exists(marker) else 0, size, "the daemon is gone")

    def test_silence_has_a_limit(self):
        runs = self.run_all({"mute.sh": "#!/bin/bash\necho one\nsleep 60\n"}, silence_limit_s=2)
        self.assertEqual(runs["mute.sh"]["outcome"], "timed_out")
        self.assertLess(runs["mute.sh"]["duration_ms"], 30000)

    def test_stop_ends_what_runs_and_cancels_what_waits(self):
        server = self.serve()
        server.add_local("local-1", 1)
        server.wait_online("local-1")
        launch = server.launch(self.project({"a.sh": "sleep 60\n", "b.sh": "sleep 60\n"}), ["*.sh"])
        wait_for("one runs", lambda: server.get("/api/v1/status")["tests"]["running"] == 1)
        server.post("/api/v1/launches/%d/stop" % launch["id"])
        done = server.wait_launch(launch["id"])
        self.assertEqual(done["outcome"], "stopped")
        self.assertEqual(done["tests"]["stopped"], 2)


class Machines(wrata.Case):
    """Servers that lack something."""

    def path_without(self, *missing):
        """A PATH of links to everything but these."""
        folder = os.path.join(self.folder, "bin")
        os.makedirs(folder)
        for source in ("/usr/bin", "/bin", "/usr/local/bin"):
            for name in os.listdir(source):
                if not any(name.startswith(m) for m in missing) and not os.path.lexists(os.path.join(folder, name)):
                    os.symlink(os.path.join(source, name), os.path.join(folder, name))
        return folder

    def test_no_ruby_on_the_server_is_said(self):
        repo = self.project({"a.rb": "puts 1\n"})
        server = self.serve()
        server.add_local("local-1", 1)
        server.wait_online("local-1")
        launch = server.launch(repo, ["a.rb"], env=["PATH=" + self.path_without("ruby")], retries=0)
        done = server.wait_launch(launch["id"])
        run = server.get("/api/v1/runs?launch=%d" % launch["id"])["items"][0]
        self.assertEqual(done["outcome"], "infrastructure", run)
        self.assertIn("ruby", run["reason"])

    def small_disk(self, size):
        path = os.path.join(self.folder, "small")
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s" % size, "tmpfs", path], capture_output=True)
        if done.returncode != 0:
            self.skipTest("a tmpfs cannot be mounted here: %s" % done.stderr.decode().strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", path], capture_output=True))
        return path

    def test_a_full_disk_is_said_and_what_was_acknowledged_stays(self):
        disk = self.small_disk("24m")
        server = wrata.Server(disk)
        server.log_path = os.path.join(self.folder, "serve.log")
        server.start()
        self.addCleanup(server.stop)
        server.add_local("local-1", 1)
        server.wait_online("local-1")
        repo = self.project({"a.sh": "echo fine\n", "loud.sh": "head -c 60000000 /dev/urandom | base64\n"})
        first = server.wait_launch(server.launch(repo, ["a.sh"])["id"])
        self.assertEqual(first["outcome"], "passed")
        launch = server.launch(repo, ["loud.sh"], retries=0)
        # Either the agent notices first (the run says so) or the controller does (it ends, and says why).

        def said():
            try:
                return server.process.poll() is not None or \
                    server.get("/api/v1/launches/%d" % launch["id"])["state"] == "done"
            except OSError:  # it ended while it was asked
                return server.process.wait(60) is not None
        wait_for("somebody says that the disk is full", said, 60)
        if server.process.poll() is None:
            run = server.get("/api/v1/runs?launch=%d" % launch["id"])["items"][0]
            self.assertEqual(run["outcome"], "infrastructure", run)
            self.assertIn("disk", run["reason"])
        else:
            self.assertIn("disk", server.log_tail())
        for pid in wrata.pids_with(disk, "wrata-agent"):
            os.kill(pid, 9)
        subprocess.run(["mount", "-o", "remount,size=400m", disk], check=True)
        if server.process.poll() is not None:
            server.start()
        self.assertEqual(server.get("/api/v1/launches/%d" % first["id"])["outcome"], "passed")
        server.wait_launch(launch["id"], 120)


if __name__ == "__main__":
    wrata.main()
