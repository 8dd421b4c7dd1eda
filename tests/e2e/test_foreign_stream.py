#!/usr/bin/env python3
"""A machine says something of a run that was given to another: nobody listens. Both agents are scripts (lib/fake_agent.py)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import SOURCE, wait_for  # noqa: E402


class ForeignStream(wrata.Case):
    def script(self, name, *words):
        folder = os.path.join(self.folder, "data", "servers", name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "script"), "w", encoding="utf-8") as f:
            f.write("\n".join(words) + "\n")
        return os.path.join(folder, "got")

    def got(self, path, frame):
        try:
            with open(path, encoding="utf-8") as f:
                return '"frame": "%s"' % frame in f.read()
        except OSError:
            return False

    def test_a_log_and_an_end_of_another_machines_run_do_not_count(self):
        server = self.serve("--agent", os.path.join(SOURCE, "tests", "lib", "fake_agent.py"))
        honest = self.script("honest", "hello", "beat 1", "expect RUN_SPEC", "stream 1 0 0 honest")
        server.add_local("honest", slots=1)
        server.wait_online("honest")
        launch = server.launch(self.project({"a.sh": "true\n"}), ["a.sh"], servers=["honest"])
        wait_for("the run is given to it", lambda: self.got(honest, "RUN_SPEC"))
        wait_for("its log is here", lambda: server.log(1) == b"honest")

        self.script("liar", "hello", "beat 1", "stream 1 0 6 -forged", "finished 1", "beat 2")
        server.add_local("liar", slots=1)
        server.wait_online("liar")
        wait_for("it was noticed", lambda: server.log_tail(200000).count("stream.foreign") >= 2)
        self.assertEqual(server.log(1), b"honest")
        self.assertEqual(server.get("/api/v1/runs/1")["outcome"], None)
        self.assertEqual(server.get("/api/v1/launches/%d" % launch["id"])["state"], "running")


if __name__ == "__main__":
    wrata.main()
