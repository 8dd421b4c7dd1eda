#!/usr/bin/env python3
"""Ways that runs in containers take less often: a registry, docker's command line, an agent that is not root, an engine that hangs,
the image's hook, limits, networks, privileges, and what a crash leaves. The real agent and real podman; the test is the controller."""
# ctest: TIMEOUT 600
# ctest: RUN_SERIAL ON
import hashlib
import http.server
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import pod  # noqa: E402
import test_agent  # noqa: E402
import wrata  # noqa: E402
from test_agent import AGENT, EXITED, LEASE_ENDED, NOT_STARTED, SILENCE_LIMIT, STOP, STOPPED, pid_of_agent, wait_dead  # noqa: E402

NOT_PREPARED = 13
IMAGE = "localhost/wrata-ways:1"
HOOK = '#!/bin/sh\necho "the hook sees ${X-nothing} and ${SECRET-no secret}"\nsleep 1000 &\nexit ${HOOK_ENDS:-0}\n'


class Base(test_agent.AgentTest):
    """What that file's cases share, without its tests."""


for name in dir(Base):
    if name.startswith("test"):
        setattr(Base, name, None)


class Registry:
    """What a registry answers to who pulls: images of `podman push ... dir:`. The first pulls may be refused."""

    def __init__(self):
        self.manifests = {}  # tag or digest -> bytes
        self.blobs = {}
        self.asked = []      # paths of manifests
        self.pulls = 0
        self.refuses = 0     # so many pulls
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body=b"", kind="application/json", **more):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for key, value in more.items():
                    self.send_header(key.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_GET(self):
                words = self.path.strip("/").split("/")
                if words == ["v2"]:
                    registry.pulls += 1
                    self.answer(200, b"{}", Docker_Distribution_Api_Version="registry/2.0")
                elif words[-2] == "manifests" and registry.pulls > registry.refuses and words[-1] in registry.manifests:
                    body = registry.manifests[words[-1]]
                    registry.asked.append(words[-1])
                    self.answer(200, body, json.loads(body)["mediaType"], Docker_Content_Digest=digest(body))
                elif words[-2] == "blobs" and words[-1] in registry.blobs:
                    self.answer(200, registry.blobs[words[-1]], "application/octet-stream")
                else:
                    self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not yet"}]}')

            do_HEAD = do_GET

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = "127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def put(self, engine, image, tag, folder):
        engine.podman("push", "--format", "v2s2", image, "dir:" + folder)
        with open(os.path.join(folder, "manifest.json"), "rb") as f:
            manifest = f.read()
        for blob in [json.loads(manifest)["config"]] + json.loads(manifest)["layers"]:
            with open(os.path.join(folder, blob["digest"].split(":")[1]), "rb") as f:
                self.blobs[blob["digest"]] = f.read()
        self.manifests[tag] = self.manifests[digest(manifest)] = manifest
        return digest(manifest)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def digest(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


class Ways(Base):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="wrata-pod-")
        cls.addClassCleanup(os.rmdir, cls.folder)
        cls.engine = pod.Engine(os.path.join(cls.folder, "engine"))
        cls.addClassCleanup(cls.engine.close)
        cls.engine.image(IMAGE, more=[("before-run.sh", 0o755, HOOK)])
        cls.registry = Registry()
        cls.addClassCleanup(cls.registry.close)
        registries = os.path.join(cls.folder, "engine", "registries.conf")
        with open(registries, "w") as f:
            f.write('[[registry]]\nlocation = "%s"\ninsecure = true\n' % cls.registry.host)
        cls.engine.env["CONTAINERS_REGISTRIES_CONF"] = registries
        for key in ("CONTAINERS_STORAGE_CONF", "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF"):
            os.environ[key] = cls.engine.env[key]
            cls.addClassCleanup(os.environ.pop, key)

    def set_env(self, **values):
        for name, value in values.items():
            self.addCleanup(os.environ.__setitem__ if name in os.environ else lambda n, _: os.environ.pop(n), name, os.environ.get(name))
            os.environ[name] = value

    def run_in(self, link, run, script, *setup, image=IMAGE, **more):
        return self.sh(link, run, script, setup=["image=" + image] + list(setup), **more)

    def nothing_left(self):
        wrata.wait_for("no container is left", lambda: not self.engine.containers())

    def ended(self, link, run, seconds=60):
        f = link.end(run, seconds)
        return f["how"], f["exit_code"], f["reason"]

    def pushed(self, image, folder, *changes):
        """As somebody else would have: this machine has no image of that kind."""
        self.engine.image(image, more=[("etc/which", 0o644, image), ("before-run.sh", 0o755, HOOK)], changes=changes)
        found = self.registry.put(self.engine, image, "1", os.path.join(self.where, folder))
        self.engine.podman("rmi", image)
        return found

    def test_a_registry_is_asked_once_for_each_launch_and_once_more_when_it_fails(self):
        first = self.pushed("localhost/wrata-ways:first", "one")
        name = self.registry.host + "/qa/small:1"
        self.registry.refuses = self.registry.pulls + 1
        link = self.attach()
        self.run_in(link, 1, "echo there", image=name)
        self.assertEqual(self.ended(link, 1), (EXITED, 0, ""), link.log(1))
        log = link.log(1).decode()
        self.assertIn("[wrata: podman fetches image %s]\n" % name, log)
        self.assertIn("; tried once more]\n", log)
        self.assertTrue(log.endswith("the hook sees nothing and no secret\nthere\n"), log)
        self.assertEqual(link.finished[1]["image"], "%s@%s" % (name, first))
        # the tag moves: the launch that has begun stays with what it found
        second = self.pushed("localhost/wrata-ways:second", "two", "ENV SECOND=yes")
        self.registry.asked.clear()
        pinned = "%s/qa/small@%s" % (self.registry.host, first)
        for run, launch, line, image, want, what in ((2, 1, "container_privileged=0", name, b"first\n", first),
                                                     (3, 2, "container_privileged=0", name, b"yes\n", second),
                                                     (4, 3, "pull=missing", name, b"yes\n", second),
                                                     (5, 4, "container_privileged=0", pinned, b"first\n", first)):
            self.run_in(link, run, "echo ${SECOND-first}", line, image=image, launch=launch)
            self.assertEqual(self.ended(link, run), (EXITED, 0, ""), link.log(run))
            self.assertTrue(link.log(run).endswith(want), (run, link.log(run)))
            self.assertEqual(link.finished[run]["image"].split("@")[1], what, (run, first, second))
        self.assertEqual(set(self.registry.asked), {"1"}, "the tag alone, of the launch that looks again")
        self.run_in(link, 6, "true", image=self.registry.host + "/qa/small:none", launch=5)
        how, _, reason = self.ended(link, 6)
        self.assertEqual(how, NOT_PREPARED)
        self.assertRegex(reason, "image .*/qa/small:none could not be fetched: podman pull")
        self.nothing_left()

    def by_docker(self):
        self.set_env(DOCKER_HOST=self.engine.api())
        with open(os.path.join(self.where, "engine"), "w") as f:
            f.write("docker 50\n")

    @unittest.skipUnless(shutil.which("docker"), "docker's command line is not installed")
    def test_dockers_command_line(self):
        self.by_docker()
        link = self.attach(slots=2)
        self.run_in(link, 1, "echo $X $SECRET; exit 3", env=["X=1"], secrets=["SECRET=hidden-value"])
        self.run_in(link, 2, "kill -9 $$", "container_network=none")
        self.assertEqual(self.ended(link, 1)[:2], (EXITED, 3), link.finished[1])
        self.assertEqual(link.end(2, 60)["signal"], signal.SIGKILL)
        self.assertRegex(link.log(1).decode(), r"by docker [\d.]+\]\nthe hook sees 1 and no secret\n1 \*\*\*\n\Z")
        self.run_in(link, 3, "echo waiting; sleep 1000")
        link.wait(lambda: b"waiting" in link.log(3), 60)
        link.want(3, STOP)
        self.assertEqual(self.ended(link, 3)[0], STOPPED)
        self.nothing_left()

    @unittest.skipUnless(shutil.which("docker") and shutil.which("setpriv"), "docker's command line or setpriv is not installed")
    def test_an_agent_that_is_not_root_gets_its_files_back(self):
        self.by_docker()
        os.chmod(self.engine.socket[len("unix://"):], 0o666)
        for folder in (self.folder, self.engine.folder):
            os.chmod(folder, 0o755)
        os.chown(self.where, 4711, 4711)
        self.set_env(HOME=self.where, TMPDIR="/tmp")
        link = test_agent.Link(self.where, before=["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"])
        self.links.append(link)
        link.welcome()
        self.assertEqual(os.stat("/proc/%d" % pid_of_agent(self.where)).st_uid, 4711)
        self.run_in(link, 1, "id -u; mkdir made; echo x > made/by-root; chmod 700 made")
        self.assertEqual(self.ended(link, 1), (EXITED, 0, ""), link.log(1))
        self.assertTrue(link.log(1).endswith(b"\n0\n"), link.log(1))
        made = os.path.join(self.where, "i1", "work", "none-s0", "made")
        self.assertEqual({os.stat(p).st_uid for p in (made, made + "/by-root")}, {4711})
        self.run_in(link, 2, "id -u; ls", "container_user=tester")
        self.assertEqual(self.ended(link, 2), (EXITED, 0, ""), link.log(2))
        self.nothing_left()

    def test_an_engine_that_hangs_costs_its_own_runs(self):
        tools = os.path.join(self.where, "tools")
        os.mkdir(tools)
        with open(os.path.join(tools, "podman"), "w") as f:
            f.write('#!/bin/sh\ncase "$1" in create) sleep 1000;; esac\nexec %s "$@"\n' % shutil.which("podman"))
        os.chmod(os.path.join(tools, "podman"), 0o755)
        with open(os.path.join(self.where, "engine"), "w") as f:
            f.write("podman 20\n")
        self.set_env(PATH=tools + ":" + os.environ["PATH"])
        link = self.attach(slots=2)
        begun = time.monotonic()
        self.run_in(link, 1, "true")
        self.sh(link, 2, "echo here", launch=2)
        self.assertEqual(self.ended(link, 2, 60)[:2], (EXITED, 0))
        self.assertEqual(self.ended(link, 1, 90), (NOT_STARTED, 0, "podman create gave no answer for 20 s"))
        self.assertGreater(time.monotonic() - begun, 19)
        self.nothing_left()

    def test_the_hook(self):
        link = self.attach()
        self.run_in(link, 1, "echo script; ps -e -o args | grep -c '^sleep 1000'", env=["X=here"], secrets=["SECRET=hidden-value"])
        self.assertEqual(self.ended(link, 1)[:2], (EXITED, 0))
        self.assertTrue(link.log(1).endswith(b"\nthe hook sees here and no secret\nscript\n1\n"), link.log(1))
        self.run_in(link, 2, "echo script", env=["HOOK_ENDS=3"])
        self.assertEqual(self.ended(link, 2), (NOT_STARTED, 0, "/before-run.sh of the image ended with exit status 3"))
        self.assertNotIn(b"script", link.log(2))
        self.nothing_left()

    def test_silence_and_the_end_of_a_lease(self):
        link = self.attach(slots=2)
        self.run_in(link, 1, "echo working; sleep 1000", silence_limit_ms=3000)
        how, _, reason = self.ended(link, 1)
        self.assertEqual(how, SILENCE_LIMIT)
        self.assertIn("sleep 1000", reason)
        self.run_in(link, 2, "trap '' TERM; echo working; sleep 1000; sleep 1000")
        link.wait(lambda: b"working" in link.log(2), 60)
        link.lease_ms = 1000
        link.send_goals()
        link.acking = False  # nothing renews it
        wrata.wait_for("the container is gone without a word from here", lambda: not self.engine.containers(), 60)
        link.acking = True
        self.assertEqual(self.ended(link, 2)[0], LEASE_ENDED)

    def test_privileges(self):
        link = self.attach()
        look = "grep -E 'CapEff|NoNewPrivs' /proc/self/status | cut -f2 | tr '\\n' ' '"
        seen = {}
        for run, line in ((1, "container_privileged=0"), (2, "container_new_privileges=1"), (3, "container_privileged=1")):
            self.run_in(link, run, look, line)
            self.assertEqual(self.ended(link, run)[:2], (EXITED, 0), link.finished[run])
            caps, no_new = link.log(run).decode().split("\n")[-1].split()
            seen[run] = int(caps, 16), no_new
        self.assertEqual([no_new for _, no_new in seen.values()], ["1", "0", "0"])
        self.assertEqual(seen[1][0], seen[2][0])
        self.assertGreater(seen[3][0], seen[1][0])
        self.assertFalse(seen[1][0] >> 21 & 1, "CAP_SYS_ADMIN")

    def test_a_network_with_a_name(self):
        if not self.engine.has_bridge(IMAGE):
            self.skipTest("podman's bridge does not work on this machine, or is somebody else's")
        self.engine.podman("network", "create", "wrata-ways")
        self.addCleanup(self.engine.podman, "network", "rm", "-f", "wrata-ways", check=False)
        link = self.attach()
        self.run_in(link, 1, "ls /sys/class/net | tr '\\n' ' '", "container_network=wrata-ways")
        self.assertEqual(self.ended(link, 1)[:2], (EXITED, 0), link.finished[1])
        self.assertTrue(link.log(1).endswith(b"\neth0 lo "), link.log(1))
        self.run_in(link, 2, "true", "container_network=there-is-none")
        how, _, reason = self.ended(link, 2)
        self.assertEqual(how, NOT_STARTED)
        self.assertIn("there-is-none", reason)

    def test_what_a_crash_left_is_removed_by_the_next_agent(self):
        link = self.attach()
        self.run_in(link, 1, "echo waiting; sleep 1000")
        link.wait(lambda: b"waiting" in link.log(1), 60)
        agent = pid_of_agent(self.where)
        helpers = [p for p in wrata.pids_with("container run") if "/i1" in os.readlink("/proc/%d/cwd" % p) and p != agent]
        self.assertEqual(len(helpers), 1)
        os.kill(agent, signal.SIGSTOP)  # so that it does not see its helper die, and removes nothing
        os.kill(helpers[0], signal.SIGKILL)
        os.kill(agent, signal.SIGKILL)
        wait_dead(agent)
        link.close()
        left, = self.engine.containers()
        folder = os.path.join(self.where, "i1", "box")
        self.assertEqual(len(os.listdir(folder)), 1)
        self.engine.podman("create", "--name", "wrata-somebody-elses", "--label", "wrata.agent=other", IMAGE, "true")
        self.addCleanup(self.engine.podman, "rm", "-f", "wrata-somebody-elses")
        self.attach()
        wrata.wait_for("%s is removed" % left, lambda: self.engine.containers() == ["wrata-somebody-elses"], 60)
        wrata.wait_for("its folder, too", lambda: not os.listdir(folder))


if __name__ == "__main__":
    if not AGENT:
        sys.exit(77)
    program = unittest.main(verbosity=2, exit=False)
    ran = program.result
    sys.exit(1 if not ran.wasSuccessful() else 77 if ran.testsRun == 0 and ran.skipped else 0)
