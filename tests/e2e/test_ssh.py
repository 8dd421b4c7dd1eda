"""test_ssh.py - servers reached by ssh: real sshd's in network namespaces (tests/lib/hosts.py), the real agent."""
# ctest: RESOURCE_LOCK hosts

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

import hosts  # noqa: E402
from wrata import Server, ApiError, wait_for  # noqa: E402

SCRIPT = """#!/bin/bash
for i in $(seq ${TICKS:-1}); do echo tick $i; sleep 0.2; done
echo "here is $WRATA_SERVER"
"""


def make_project(folder):
    path = os.path.join(folder, "project")
    os.mkdir(path)
    with open(os.path.join(path, "a.sh"), "w") as f:
        f.write(SCRIPT)
    for args in (["init", "-q", "-b", "main"], ["add", "."],
                 ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", path] + args, check=True)
    return path


@unittest.skipIf(hosts.missing(), hosts.missing())
class Ssh(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-ssh-")
        cls.hosts = hosts.Hosts()
        cls.server = Server(cls.folder)
        try:
            cls.project = make_project(cls.folder)
            cls.server.start()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.hosts.down()
            shutil.rmtree(cls.folder, ignore_errors=True)

    def add(self, name, host, **more):
        body = {"name": name, "fleet": "ssh", "address": host.address, "user": "root", "slots": 1,
                "identity": self.hosts.identity}
        body.update(more)
        return self.server.post("/api/v1/servers", body)

    def reason(self, name, words, seconds=90):
        """Until the server's reason holds these words, and it is not online; the whole reason."""
        def claim():
            s = self.server.server(name)
            return s["link"] != "online" and words in s["reason"] and s["reason"]
        try:
            return wait_for(words, claim, seconds)
        except AssertionError as e:
            raise AssertionError("%s; it is %s" % (e, self.server.server(name))) from None

    def run_on(self, name, **more):
        launch = self.server.launch(self.project, ["a.sh"], servers=[name], **more)
        done = self.server.wait_launch(launch["id"])
        runs = self.server.all("/api/v1/runs?launch=%d" % launch["id"])
        return done, runs

    def test_a_new_host_gets_its_agent_and_runs_a_script(self):
        host = self.hosts.add()
        self.add("fresh", host)
        self.server.wait_online("fresh")
        agents = [n for n in host.sh("ls /root/.wrata").split() if n.startswith("agent-")]
        self.assertEqual(len(agents), 1)
        self.assertNotIn("new-", host.sh("ls /root/.wrata"))
        done, runs = self.run_on("fresh")
        self.assertEqual(done["outcome"], "passed", runs)
        self.assertEqual(self.server.log(runs[0]["id"]), b"tick 1\nhere is fresh\n")

        # A second time the binary is there already, and the agent that runs is found again.
        inode = "stat -c %i /root/.wrata/" + agents[0]
        before = host.sh(inode)
        since = self.server.server("fresh")["since"]
        host.kill_sessions()
        wait_for("the link came back", lambda: self.server.server("fresh")["since"] != since)
        self.server.wait_online("fresh")
        self.assertEqual(before, host.sh(inode))
        done, runs = self.run_on("fresh")
        self.assertEqual(done["outcome"], "passed", runs)

    def test_a_wrong_key_is_refused_with_sshs_words(self):
        host = self.hosts.add()
        other = os.path.join(self.folder, "other")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True)
        self.add("stranger", host, identity=other)
        self.reason("stranger", "Permission denied (publickey")

    def test_a_changed_host_key_is_refused_until_accepted(self):
        host = self.hosts.add()
        self.add("moved", host)
        self.server.wait_online("moved")
        host.kill()
        host.new_host_key()
        host.boot()
        reason = self.reason("moved", "the host key of %s changed" % host.address)
        command = reason[reason.index("ssh-keygen"):]
        subprocess.run(command, shell=True, check=True, capture_output=True)
        self.server.wait_online("moved", seconds=60)

    def test_a_cut_host_goes_on_and_its_run_ends_once(self):
        host = self.hosts.add()
        self.add("far", host)
        self.server.wait_online("far")
        launch = self.server.launch(self.project, ["a.sh"], servers=["far"], env=["TICKS=30"])
        wait_for("the run has begun",
                 lambda: [r for r in self.server.all("/api/v1/runs?launch=%d" % launch["id"]) if r["log_bytes"] > 0])
        host.cut()
        self.reason("far", "not responding")
        host.heal()
        done = self.server.wait_launch(launch["id"])
        runs = self.server.all("/api/v1/runs?launch=%d" % launch["id"])
        self.assertEqual(done["outcome"], "passed", runs)
        self.assertEqual([r["attempt"] for r in runs], [1])
        ticks = b"".join(b"tick %d\n" % (i + 1) for i in range(30))
        self.assertEqual(self.server.log(runs[0]["id"]), ticks + b"here is far\n")

    def test_a_host_where_the_agent_cannot_be_says_why(self):
        self.add("noexec", self.hosts.add(root_mount="mode=700,noexec"))
        self.add("full", self.hosts.add(root_mount="mode=700,size=64k"))
        self.add("readonly", self.hosts.add(root_mount="ro"))
        folder = os.path.join(self.folder, "riscv")
        os.mkdir(folder)
        with open(os.path.join(folder, "uname"), "w") as f:
            f.write("#!/bin/sh\necho riscv64\n")
        os.chmod(os.path.join(folder, "uname"), 0o755)
        self.add("odd", self.hosts.add(env=["PATH=%s:/usr/bin:/bin" % folder]))
        self.reason("noexec", "noexec")
        self.reason("full", "No space left on device")
        self.reason("readonly", "Read-only file system")
        self.reason("odd", "no agent in this wrata for its processor, riscv64")

    def test_nobody_answers(self):
        host = self.hosts.add()
        host.kill()
        self.add("dead", host)
        self.reason("dead", "Connection refused")

    def test_a_host_that_is_an_option_is_refused(self):
        mark = os.path.join(self.folder, "mark")
        host = "-oProxyCommand=touch %s" % mark
        try:
            self.server.post("/api/v1/servers", {"name": "trick", "fleet": "ssh", "address": host, "slots": 1})
            self.reason("trick", "begins with '-'")
        except ApiError as e:
            self.assertEqual(e.status, 422)
        self.assertFalse(os.path.exists(mark))


if __name__ == "__main__":
    unittest.main(verbosity=2)
