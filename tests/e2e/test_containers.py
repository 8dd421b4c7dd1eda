#!/usr/bin/env python3
"""Runs in containers, with the real agent and real podman; the test is the controller."""
# ctest: RESOURCE_LOCK containers
# ctest: COMPUTES ON
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import pod  # noqa: E402
import test_agent  # noqa: E402
import wrata  # noqa: E402
from test_agent import AGENT, EXITED, MEMORY_LIMIT, NOT_STARTED, SIGNALLED, STOP, STOPPED, TIME_LIMIT, pid_of_agent  # noqa: E402

NOT_PREPARED = 13
IMAGE = "localhost/wrata-test:1"


class Base(test_agent.AgentTest):
    """What that file's cases share, without its tests."""


for name in dir(Base):
    if name.startswith("test"):
        setattr(Base, name, None)


def command_lines():
    """(pid, words) of every process."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                found.append((pid, f.read().replace(b"\0", b" ").decode("utf-8", "replace")))
        except OSError:
            pass
    return found


def is_of_script(pid, line):
    """What the script of a run is and starts, in a container: there its words stand, as they must."""
    try:
        return os.readlink("/proc/%s/ns/pid" % pid) != os.readlink("/proc/self/ns/pid") and line.split(" ")[0] in ("/bin/sh", "sleep")
    except OSError:
        return True  # it is gone


class Containers(Base):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-pod-")
        cls.addClassCleanup(os.rmdir, cls.folder)
        cls.engine = pod.Engine(os.path.join(cls.folder, "engine"))
        cls.addClassCleanup(cls.engine.close)
        cls.engine.image(IMAGE, packages=pod.SMALL + ["git"], changes=["ENV FROM_IMAGE=yes"])
        for key in ("CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF"):
            os.environ[key] = cls.engine.env[key]
            cls.addClassCleanup(os.environ.pop, key)

    def run_in(self, link, run, script, *setup, image=IMAGE, **more):
        return self.sh(link, run, script, setup=["image=" + image] + list(setup), **more)

    def nothing_left(self):
        wrata.wait_for("no container is left", lambda: not self.engine.containers())

    def test_ends_are_true(self):
        link = self.attach(slots=2)
        for run, script in enumerate(("echo out; exit 3", "kill -SEGV $$", "exit 137", "kill -9 $$"), 1):
            self.run_in(link, run, script)
        got = {run: link.end(run, 60) for run in range(1, 5)}
        self.assertEqual([(got[r]["how"], got[r]["exit_code"], got[r]["signal"]) for r in got],
                         [(EXITED, 3, 0), (SIGNALLED, 0, signal.SIGSEGV), (EXITED, 137, 0), (SIGNALLED, 0, signal.SIGKILL)])
        self.assertRegex(link.log(1).decode(), r"\A\[wrata: in a container of %s, sha256:[0-9a-f]{64}, by podman [\d.]+\]\nout\n\Z" % IMAGE)
        self.nothing_left()

    def test_the_environment_is_the_images_and_the_runs(self):
        for name in ("HERE", "RBENV_ROOT"):  # the second is one that runs on the machine itself do get
            os.environ[name] = "leak"
            self.addCleanup(os.environ.pop, name)
        link = self.attach()
        self.run_in(link, 1, "echo $FROM_IMAGE $X $DISPLAY $WRATA_SLOT $HOSTNAME $HOME; test -n \"$HERE$RBENV_ROOT\" && echo leaks",
                    env=["X=1", "WRATA_SERVER=qa"])
        link.end(1, 60)
        self.assertTrue(link.log(1).endswith(b"\nyes 1 :0.0 0 wrata-qa-0 /root\n"), link.log(1))

    def test_secrets_words_and_variables_are_in_no_command_line_and_no_inspect(self):
        link = self.attach()
        self.run_in(link, 1, "echo $S; echo waiting; sleep 30", secrets=["S=very-secret-value"], env=["PLAIN=plain-value"])
        link.wait(lambda: b"waiting" in link.log(1), 60)
        container, = self.engine.containers()
        shown = str(self.engine.inspect(container))
        lines = [line for pid, line in command_lines() if not is_of_script(pid, line)]
        self.assertTrue(any("conmon" in line for line in lines), lines)
        self.assertTrue(any("inside" in line for line in lines), lines)
        lines = "\n".join(lines)
        for text in ("very-secret-value", "plain-value", "sleep 30"):
            self.assertNotIn(text, shown)
            self.assertNotIn(text, lines)
        link.want(1, STOP)
        self.assertEqual(link.end(1)["how"], STOPPED)
        self.assertIn(b"\n***\nwaiting\n", link.log(1))
        self.nothing_left()

    def test_a_script_is_timed_from_its_begin_and_git_takes_the_work_tree_for_safe(self):
        repo, commit = self.one_commit()
        link = self.serve_git(self.attach(), repo)
        self.run_in(link, 1, "git rev-parse HEAD; git status --short; sleep 1", "container_user=4711", project=7, commit=commit)
        f = link.end(1, 60)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0), link.log(1))
        self.assertTrue(link.log(1).endswith(b"]\n%s\n" % commit.encode()), link.log(1))
        self.assertGreater(f["duration_us"], 1000000)
        self.assertRegex(f["image"], "^%s@sha256:[0-9a-f]{64}$" % IMAGE)
        self.run_in(link, 2, "exit 4")
        self.assertGreater(link.end(2, 60)["duration_us"], 100)  # not a guess, however short it is
        self.nothing_left()

    def test_limits(self):
        link = self.attach(slots=2)
        self.run_in(link, 1, "echo begun; sleep 1000", time_limit_ms=3000)
        self.run_in(link, 2, "head -c 200000000 /dev/zero | tail > /dev/null; exit 0", "container_memory=33554432")
        f = link.end(1, 60)
        self.assertEqual(f["how"], TIME_LIMIT)
        self.assertIn("sleep 1000", f["reason"])
        end = link.end(2, 60)
        self.assertEqual(end["how"], MEMORY_LIMIT, (end, link.log(2)))
        self.nothing_left()

    def test_a_memory_limit_ends_the_script_before_what_tells_of_it(self):
        link = self.attach(slots=2)
        for run, limit in (1, []), (2, ["container_memory=33554432"]):
            self.run_in(link, run, "cat /proc/1/oom_score_adj /proc/self/oom_score_adj", *limit)
        adj = {}
        for run in 1, 2:
            self.assertEqual(link.end(run, 60)["exit_code"], 0, link.log(run))
            adj[run] = [int(line) for line in link.log(run).splitlines()[-2:]]
        own = adj[1][0]
        self.assertEqual(adj, {1: [own, own], 2: [own, min(own + 500, 1000)]})

    def test_a_memory_limit_is_told_when_nothing_in_the_container_is_left_to_tell(self):
        """Podman may not know of it yet: this one never does."""
        podman = os.path.join(self.where, "podman")
        with open(podman, "w") as f:
            f.write('#!/bin/sh\n[ "$1 $2" = "container inspect" ] || exec {0} "$@"\n{0} "$@" | sed "s/|true|/|false|/"\n'.format(
                shutil.which("podman")))
        os.chmod(podman, 0o755)
        self.addCleanup(os.environ.update, PATH=os.environ["PATH"])
        os.environ["PATH"] = self.where + ":" + os.environ["PATH"]
        link = self.attach()
        # Process 1 is to be ended first, and no other uses nearly all there is.
        self.run_in(link, 1, "echo 1000 > /proc/1/oom_score_adj; echo 0 > /proc/self/oom_score_adj; echo ready; "
                    "for i in 1 2 3; do head -c 200000000 /dev/zero | tail > /dev/null & done; sleep 1000", "container_memory=33554432")
        end = link.end(1, 60)
        self.assertEqual((end["how"], end["signal"]), (MEMORY_LIMIT, signal.SIGKILL), (end, link.log(1)))
        self.assertTrue(link.log(1).endswith(b"]\nready\n"), link.log(1))
        self.nothing_left()

    def test_a_killed_agent_leaves_nothing(self):
        link = self.attach()
        self.run_in(link, 1, "echo waiting; sleep 1000")
        link.wait(lambda: b"waiting" in link.log(1), 60)
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        link.close()
        self.nothing_left()
        link = self.attach()
        self.run_in(link, 2, "echo again")
        self.assertEqual(link.end(2, 60)["exit_code"], 0)

    def test_what_cannot_be_started_says_why(self):
        link = self.attach()
        self.run_in(link, 1, "true", "pull=never", image="localhost/there-is-none:1")
        f = link.end(1, 60)
        self.assertEqual(f["how"], NOT_PREPARED)
        self.assertIn("is not on this server", f["reason"])
        link.start(2, ["no-such-command"], setup=["image=" + IMAGE], launch=2)
        f = link.end(2, 60)
        self.assertEqual((f["how"], f["reason"]), (NOT_STARTED, "no-such-command: command not found in this image"))
        self.nothing_left()

    def test_user_mounts_and_no_network(self):
        shared = os.path.join(self.where, "shared")
        os.mkdir(shared)
        with open(os.path.join(shared, "file"), "w") as f:
            f.write("from the machine\n")
        link = self.attach()
        self.run_in(link, 1, "id -un; echo $HOME; cat /m/file; touch /m/x 2>/dev/null || echo fixed; echo mine > made; ls /sys/class/net",
                    "container_user=tester", "container_mount=%s:/m:ro" % shared, "container_network=none")
        f = link.end(1, 60)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0), f["reason"] + link.log(1).decode())
        self.assertTrue(link.log(1).endswith(b"tester\n/home/tester\nfrom the machine\nfixed\nlo\n"), link.log(1))
        made = os.path.join(self.where, "i1", "work", "none-s0", "made")
        self.assertEqual(os.stat(made).st_uid, os.getuid(), "what the run made is the agent's again")

    def test_two_at_once(self):
        link = self.attach(slots=2)
        for run in (1, 2):
            self.run_in(link, run, "echo here; sleep 1")
        for run in (1, 2):
            self.assertEqual(link.end(run, 60)["exit_code"], 0)
        self.assertEqual({link.finished[r]["slot_plus_one"] for r in (1, 2)}, {1, 2})
        self.nothing_left()


if __name__ == "__main__":
    if not AGENT:
        sys.exit(77)
    program = unittest.main(verbosity=2, exit=False)
    ran = program.result
    sys.exit(1 if not ran.wasSuccessful() else 77 if ran.testsRun == 0 and ran.skipped else 0)
