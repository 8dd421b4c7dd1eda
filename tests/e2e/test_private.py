"""Servers that end: told to in the middle of requests, or because nobody needs them any more."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402


class Stops(wrata.Case):
    def test_a_server_told_to_end_amid_requests_ends_well(self):
        project = self.project({"a.sh": "echo a\n"})
        server = self.serve()
        asks = [lambda n: server.post("/api/v1/launches", {"project": project, "files": ["a.sh"]}),
                lambda n: server.post("/api/v1/projects", {"name": "p%d" % n, "url": project}),
                lambda n: server.post("/api/v1/projects/1/refresh"),
                lambda n: server.get("/api/v1/projects/1/refs")]
        ended = threading.Event()

        def hammer(ask):
            n = 0
            while not ended.is_set():
                n += 1
                try:
                    ask(n)
                except (wrata.ApiError, OSError):
                    pass

        threads = [threading.Thread(target=hammer, args=(asks[i % len(asks)],), daemon=True) for i in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        try:
            code = server.process.wait(60)
        finally:
            ended.set()
        self.assertEqual(code, 0, server.log_tail())
        for thread in threads:
            thread.join(10)


class Private(wrata.Case):
    """`wrata run` with no server: it starts one, which ends when nobody needs it any more."""

    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")
        self.tests = self.project({"a.sh": "echo a\n", "b.sh": "sleep 0.3\n", "c.sh": "exit 1\n"})

    def start(self, *files):
        return subprocess.Popen([wrata.WRATA, "run", "--dir", self.tests, *files], cwd=self.tests, text=True,
                                env=dict(os.environ, WRATA_DATA=self.data), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ends(self, process, code):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, out + err)

    def announced(self):
        try:
            with open(os.path.join(self.data, "serve.json"), encoding="utf-8") as f:
                return json.load(f)
        except OSError:
            return None

    def test_one_after_another_without_a_pause(self):
        for _ in range(4):
            self.ends(self.start("a.sh"), 0)

    def test_several_at_once_share_it(self):
        for _ in range(2):
            runs = [self.start("a.sh", "b.sh"), self.start("a.sh", "c.sh"), self.start("b.sh", "c.sh")]
            for run, code in zip(runs, (0, 1, 1)):
                self.ends(run, code)

    def test_it_stays_while_somebody_looks(self):
        run = self.start("b.sh")
        found = wrata.wait_for("the private server", self.announced)
        page = wrata.open_with_token(found["url"] + "/api/v1/stream?topics=servers", found["token"])
        self.ends(run, 0)
        with wrata.open_with_token(found["url"] + "/api/v1/launches", found["token"]) as answer:
            self.assertEqual(len(json.load(answer)["items"]), 1)
        page.close()
        wrata.wait_for("its end", lambda: self.announced() is None, 40)


if __name__ == "__main__":
    wrata.main()
