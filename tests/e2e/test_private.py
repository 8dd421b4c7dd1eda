"""Servers that end: told to in the middle of requests, or because nobody needs them any more."""

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
            code = server.process.wait(20)
        finally:
            ended.set()
        self.assertEqual(code, 0, server.log_tail())
        for thread in threads:
            thread.join(10)


if __name__ == "__main__":
    wrata.main()
