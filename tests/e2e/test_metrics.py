#!/usr/bin/env python3
"""For whoever watches: /metrics that a scraper takes, /readyz with its reasons, and a log of which every line can be read."""

import http.client
import json
import os
import re
import signal
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import prometheus  # noqa: E402
import wrata  # noqa: E402
from wrata import SOURCE, ApiError, wait_for  # noqa: E402

FIELD = r'[A-Za-z0-9_.]+=(?:"(?:[^"\\]|\\.)*"|[^ "]*)'
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(?:debug|info|warn|error) event=[a-z_.]+(?: %s)* ?" % FIELD)


class Base(wrata.Case):
    def ask(self, server, path, token=None, **headers):
        """Status, type and text of a GET as anybody."""
        if token:
            headers["Authorization"] = "Bearer " + token
        try:
            with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=headers), timeout=30) as a:
                return a.status, a.headers["Content-Type"], a.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers["Content-Type"], e.read().decode()

    def metrics(self, server):
        status, kind, text = self.ask(server, "/metrics", server.token)
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        return prometheus.parse(text)

    def launch(self, server):
        """Three files: one passes, one fails, one has no tests."""
        self.path = self.project({"a.sh": "exit 0\n", "b.sh": "exit 1\n", "c.sh": "echo 'a \"b\" \\ c\u2028\x1b[1m'; exit 0\n"})
        launch = server.launch(self.path, ["*.sh"], name='a "quoted" \\ name')
        server.wait_launch(launch["id"])


class Metrics(Base):
    def test_a_scraper_takes_the_page_and_it_says_what_happened(self):
        server = self.serve()
        before = self.metrics(server)
        self.assertEqual(prometheus.value(before, "wrata_runs_total", outcome="passed"), 0)
        server.add_local()
        server.wait_online("local-1")
        self.launch(server)
        after = self.metrics(server)
        self.assertEqual(sorted(before), sorted(after))
        self.assertEqual(prometheus.value(after, "wrata_runs_total", outcome="passed"), 2)
        self.assertEqual(prometheus.value(after, "wrata_runs_total", outcome="failed"), 1)
        self.assertEqual(prometheus.value(after, "wrata_server_links", state="online"), 1)
        self.assertEqual(prometheus.value(after, "wrata_servers", status="created"), 1)
        for name in ("wrata_tests_waiting", "wrata_runs_active", "wrata_launches_active", "wrata_queue_oldest_age_seconds", "wrata_slots_busy",
                     "wrata_spool_bytes", "wrata_mails_waiting", "wrata_cost_today_dollars"):
            self.assertEqual(prometheus.value(after, name), 0, name)
        self.assertEqual(prometheus.value(after, "wrata_slots"), 2)
        self.assertGreater(prometheus.value(after, "wrata_commit_seconds_count"), prometheus.value(before, "wrata_commit_seconds_count"))
        self.assertLessEqual(prometheus.value(after, "wrata_dispatch_gap_seconds_count"), 3)
        for name in ("process_resident_memory_bytes", "process_open_fds", "wrata_disk_free_bytes", "process_cpu_seconds_total"):
            self.assertGreater(prometheus.value(after, name), 0, name)
        with open(os.path.join(SOURCE, "VERSION"), encoding="utf-8") as f:
            self.assertEqual(prometheus.value(after, "wrata_build_info", version=f.read().strip()), 1)
        with open(os.path.join(SOURCE, "docs", "operations.md"), encoding="utf-8") as f:
            text = f.read()
        for name, family in after.items():
            self.assertTrue("| `%s` | %s | %s |" % (name, family["type"], family["help"]) in text, "docs/operations.md lacks or differs: " + name)

        # what waits, and for how long
        server.post("/api/v1/queue/pause")
        server.launch(self.path, ["*.sh"])
        waiting = wait_for("they wait", lambda: (lambda m: m if prometheus.value(m, "wrata_tests_waiting") == 3 else None)(self.metrics(server)))
        self.assertEqual(prometheus.value(waiting, "wrata_launches_active"), 1)
        wait_for("and get older", lambda: prometheus.value(self.metrics(server), "wrata_queue_oldest_age_seconds") > 0.2)

    def test_who_may_read_them_is_a_setting(self):
        server = self.serve("--config", self.config("metrics: token\n"))
        self.assertEqual(self.ask(server, "/metrics")[0], 401)
        self.assertEqual(self.ask(server, "/metrics", "wrt_wrong")[0], 401)
        self.assertEqual(self.ask(server, "/metrics", server.token)[0], 200)
        for word, free, past_a_proxy in (("local", 200, 401), ("open", 200, 200), ("off", 404, 404)):
            self.config("metrics: %s\n" % word)
            server.process.send_signal(signal.SIGHUP)
            wait_for(word, lambda word=word: 'name=metrics from="' in server.log_tail(100000) and 'to="%s"' % word in server.log_tail(100000))
            self.assertEqual(self.ask(server, "/metrics")[0], free, word)
            self.assertEqual(self.ask(server, "/metrics", **{"X-Forwarded-For": "203.0.113.9"})[0], past_a_proxy, word)
        self.assertEqual(self.ask(server, "/metrics", server.token)[0], 404)

    def config(self, text):
        path = os.path.join(self.folder, "settings.yml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


class Ready(Base):
    def test_it_says_what_was_looked_at(self):
        server = self.serve()
        self.assertEqual(self.ask(server, "/readyz")[2], "ready\n")
        status, kind, text = self.ask(server, "/readyz?format=json")
        found = json.loads(text)
        self.assertEqual((status, kind.split(";")[0], found["ready"]), (200, "application/json", True))
        self.assertEqual([c["name"] for c in found["checks"]], ["running", "store", "commit", "schema", "disk", "leader"])
        self.assertTrue(all(c["ok"] and c["why"] is None for c in found["checks"]))
        self.assertEqual(self.ask(server, "/readyz?format=xml")[0], 422)

    def test_a_schema_that_is_another_is_a_reason(self):
        server = self.serve()
        self.sql(server, "INSERT INTO schema_version (version, name, applied_at) VALUES (9999, 'of tomorrow', 0)")
        status, _, text = self.ask(server, "/readyz")
        self.assertEqual(status, 503)
        self.assertRegex(text, r"\Aschema: the database is at 9999, the program at \d+\n\Z")
        found = json.loads(self.ask(server, "/readyz?format=json")[2])
        self.assertEqual([(c["name"], c["ok"]) for c in found["checks"] if not c["ok"]], [("schema", False)])
        self.assertFalse(found["ready"])

    def sql(self, server, text):
        import sqlite3
        with sqlite3.connect(os.path.join(server.data, "wrata.db"), timeout=30) as db:
            db.execute(text)


class Log(Base):
    def lines(self, server):
        with open(server.log_path, encoding="utf-8") as f:
            return [line for line in f.read().split("\n")[:-1] if line]

    def work(self, server):
        """What makes many kinds of lines, with names that need quotes."""
        server.add_local()
        server.wait_online("local-1")
        self.launch(server)
        with self.assertRaises(ApiError):
            server.get("/api/v1/runs/999999")
        try:
            c = http.client.HTTPConnection(server.url.split("//")[1], timeout=10)
            c.request("GET", "/", headers={"Bad Header": "x"})
            c.getresponse().read()
        except (http.client.HTTPException, ValueError, OSError):
            pass
        server.process.send_signal(signal.SIGHUP)
        wait_for("it is read again", lambda: "config.reloaded" in server.log_tail(100000))
        server.stop()

    def own(self, lines):
        """Without what `wrata serve` says to the person at the terminal before anybody has signed in."""
        return [line for line in lines if line.startswith("{") or re.match(r"\d{4}-", line) or "level=" in line]

    def test_every_line_is_key_and_value(self):
        server = self.serve("--log-level", "debug")
        self.work(server)
        lines = self.own(self.lines(server))
        self.assertGreater(len(lines), 15)
        for line in lines:
            self.assertTrue(LINE.fullmatch(line), line)
        self.assertTrue(any('text="run ' in line for line in lines))

    def test_every_line_is_json_when_that_is_wished(self):
        server = self.serve("--log-level", "debug", "--log-json")
        self.work(server)
        lines = self.own(self.lines(server))
        self.assertGreater(len(lines), 15)
        seen = {}
        for line in lines:
            found = json.loads(line, object_pairs_hook=self.no_doubles)
            self.assertRegex(found["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
            self.assertIn(found["level"], ("debug", "info", "warn", "error"))
            seen.setdefault(found["event"], found)
        self.assertIn("url", seen["listening"])
        self.assertTrue(seen["engine"]["text"])
        self.assertIsInstance(seen["server.stopping"]["runs_active"], int)

    def no_doubles(self, pairs):
        self.assertEqual(len(pairs), len(dict(pairs)), pairs)
        return dict(pairs)


if __name__ == "__main__":
    wrata.main()
