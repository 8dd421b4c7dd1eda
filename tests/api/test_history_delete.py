"""What goes from the history: by whom it may, what it leaves, and jobs that go on wherever wrata dies."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402
from contract import Contract  # noqa: E402
from test_access import PASSWORD, Browser  # noqa: E402
from wrata import ApiError, wait_for  # noqa: E402

LOUD = "for i in $(seq 4000); do echo line $i $RANDOM $RANDOM $RANDOM; done\nmkdir -p out; echo kept > out/a.txt\n"
YML = "artifacts: ['out/**']\n"


class HistoryCase(wrata.Case):
    def begin(self, *args, **more):
        self.server = self.serve(*args, **more)
        self.contract = Contract(self.server.get("/api/v1/openapi.json"))
        self.server.add_local("local-1", 4)
        self.server.wait_online("local-1")
        return self.server

    def ask(self, method, path, body=None, server=None):
        answer = (server or self.server).call(method, path, body)
        self.contract.check(method, path, 200, json.dumps(answer))
        return answer

    def refused(self, status, method, path, body=None, word="", by=None):
        if by is not None:
            got, answer = by.call(method, path, body)
            self.assertEqual(got, status, answer)
            self.assertIn(word, json.dumps(answer))
            return
        with self.assertRaises(ApiError) as caught:
            self.server.call(method, path, body)
        self.assertEqual(caught.exception.status, status, caught.exception.body)
        self.assertIn(word, caught.exception.body)

    def rows(self, sql):
        db = sqlite3.connect("file:%s/wrata.db?mode=ro" % self.server.data, uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def change(self, *statements):
        """Rows as time would make them; while no server runs."""
        db = sqlite3.connect("%s/wrata.db" % self.server.data)
        for sql in statements:
            db.execute(sql)
        db.commit()
        db.close()

    def files(self):
        return sorted(os.path.join(os.path.basename(folder), f) for top in ("blobs", "artifacts")
                      for folder, _, files in os.walk(os.path.join(self.server.data, top)) for f in files)

    def run_all(self, files, *names):
        self.repo = self.project(files)
        launch = self.server.launch(self.repo, list(names or ["*.sh"]))
        return self.server.wait_launch(launch["id"])

    def runs(self, launch):
        return {r["path"]: r for r in self.server.all("/api/v1/runs?launch=%d" % launch["id"])}

    def nothing_is_left(self):
        """Rows of what is gone, or files."""
        for table, column in (("runs", "run"), ("runs", "run"), ("logs", "run"), ("artifact_packs", "run")):
            for child in ("examples", "logs", "artifacts", "artifact_packs"):
                self.assertEqual(self.rows("SELECT %s FROM %s WHERE %s NOT IN (SELECT id FROM runs)" % (column, child, column)), [])
        self.assertEqual(self.rows("SELECT id FROM runs WHERE launch NOT IN (SELECT id FROM launches)"), [])
        self.assertEqual(self.rows("SELECT id FROM tests WHERE launch NOT IN (SELECT id FROM launches)"), [])
        wait_for("files of what is gone to go", lambda: self.rows("SELECT path FROM going_files") == [])
        named = ["%02x/%d.gz" % (r & 255, r) for r, in self.rows("SELECT run FROM logs WHERE blob_file_bytes > 0")]
        named += ["%02x/%s" % (r & 255, n) for r, n in self.rows("SELECT run, name FROM artifact_packs")]
        self.assertEqual(self.files(), sorted(named))

    def many(self, launches, runs, examples=3, user=1):
        """A history that nobody had to wait for; while no server runs."""
        db = sqlite3.connect("%s/wrata.db" % self.server.data)
        cur = db.cursor()
        l0, t0, r0 = [cur.execute("SELECT COALESCE(MAX(id), 0) FROM " + t).fetchone()[0] for t in ("launches", "tests", "runs")]

        def like(table, row_id, **over):
            names = [c[1] for c in cur.execute("PRAGMA table_info(%s)" % table)]
            row = dict(zip(names, cur.execute("SELECT * FROM %s WHERE %s = ?" % (table, names[0]), (row_id,)).fetchone()))
            row.update(over)
            return "INSERT INTO %s (%s) VALUES (%s)" % (table, ",".join(row), ",".join("?" * len(row))), list(row.values())
        n = runs // launches
        for i in range(launches):
            cur.execute(*like("launches", l0, id=l0 + 1 + i, user_id=user, n_tests=n))
            cur.execute(*like("launch_sums", l0, launch=l0 + 1 + i, tests_passed=n, passed=0))
        for table, first, over in (("tests", t0, {"state": "done", "outcome": "passed"}), ("runs", r0, {"passed": 0})):
            sql, row = like(table, first, id=0, launch=0, **over)
            names = sql[sql.index("(") + 1:sql.index(")")].split(",")
            id_at, launch_at = names.index("id"), names.index("launch")
            link_at = names.index("run") if table == "tests" else names.index("test")
            rows = []
            for i in range(launches * n):
                row[id_at], row[launch_at], row[link_at] = first + 1 + i, l0 + 1 + i // n, (r0 if table == "tests" else t0) + 1 + i
                if table == "tests":
                    row[names.index("position")] = i % n
                rows.append(list(row))
            cur.executemany(sql, rows)
        cur.executemany("INSERT INTO examples (run, seq, status, case_id, line, duration_us) VALUES (?,?,0,0,1,1)",
                        ((r0 + 1 + i, s) for i in range(launches * n) for s in range(examples)))
        cur.execute("UPDATE kept_sums SET items = items + ? WHERE kind = 'run'", (launches * n,))
        cur.execute("UPDATE kept_sums SET items = items + ? WHERE kind = 'example'", (launches * n * examples,))
        db.commit()
        db.close()
        return range(l0 + 1, l0 + 1 + launches)


class Deleting(HistoryCase):
    def test_runs_and_launches_go_with_all_that_they_have(self):
        self.begin()
        launch = self.run_all({"a.sh": LOUD, "b.sh": LOUD, "c.sh": LOUD, "wrata.yml": YML})
        runs = self.runs(launch)
        self.assertEqual(len(self.files()), 6)
        gone = self.ask("DELETE", "/api/v1/runs/%d" % runs["a.sh"]["id"])
        self.assertEqual(gone, {"runs": 1, "launches": 0, "job": None})
        self.refused(404, "GET", "/api/v1/runs/%d" % runs["a.sh"]["id"])
        self.refused(404, "DELETE", "/api/v1/runs/%d" % runs["a.sh"]["id"])
        left = self.server.get("/api/v1/launches/%d" % launch["id"])
        self.assertEqual((left["tests"], left["outcome"]), (launch["tests"], "passed"))
        tests = {t["path"]: t["run"] for t in self.server.all("/api/v1/launches/%d/tests" % launch["id"])}
        self.assertEqual(tests, {"a.sh": None, "b.sh": runs["b.sh"]["id"], "c.sh": runs["c.sh"]["id"]})
        self.nothing_is_left()
        self.refused(404, "POST", "/api/v1/runs/delete", {"runs": [runs["b.sh"]["id"], 999]}, "there is no run 999")
        self.refused(422, "POST", "/api/v1/runs/delete", {"runs": []}, "runs")
        ids = [runs["b.sh"]["id"], runs["c.sh"]["id"], runs["b.sh"]["id"]]
        self.assertEqual(self.ask("POST", "/api/v1/runs/delete", {"runs": ids}), {"runs": 2, "launches": 1, "job": None})
        self.refused(404, "GET", "/api/v1/launches/%d" % launch["id"])
        self.nothing_is_left()
        self.assertEqual(self.files(), [])
        again = self.server.wait_launch(self.server.launch(self.repo, ["*.sh"])["id"])
        self.assertGreater(again["id"], launch["id"])
        self.assertEqual(self.ask("DELETE", "/api/v1/launches/%d" % again["id"]), {"runs": 3, "launches": 1, "job": None})
        self.nothing_is_left()
        self.assertEqual([(a["action"], a["object"]) for a in self.server.all("/api/v1/audit?action=launch.delete")],
                         [("launch.delete", "launch %d" % again["id"])])
        self.assertEqual(len(self.server.all("/api/v1/audit?action=run.delete")), 4)

    def test_what_lives_is_refused_and_so_is_what_is_of_others(self):
        self.begin()
        repo = self.project({"quick.sh": "true\n", "slow.sh": "echo up; sleep 3000\n"})
        launch = self.server.launch(repo, ["*.sh"])
        wait_for("one to end", lambda: any(r["state"] == "done" for r in self.runs(launch).values()) and len(self.runs(launch)) == 2)
        for run in self.runs(launch).values():
            self.refused(409, "DELETE", "/api/v1/runs/%d" % run["id"], word="wrata stop %d" % launch["id"])
        self.refused(409, "DELETE", "/api/v1/launches/%d" % launch["id"], word="is not over: wait for its end, or stop it first")
        self.server.post("/api/v1/launches/%d/stop" % launch["id"])
        self.server.wait_launch(launch["id"])
        for login in ("mira", "otto"):
            self.server.post("/api/v1/users", {"login": login, "password": PASSWORD})
        mira, otto = [Browser(self.server.url).sign_in(login) for login in ("mira", "otto")]
        status, hers = mira.call("POST", "/api/v1/launches", {"project": repo, "files": ["quick.sh"]})
        self.assertEqual(status, 201, hers)
        hers = self.server.wait_launch(hers["id"])
        run = self.runs(hers)["quick.sh"]["id"]
        self.refused(403, "DELETE", "/api/v1/launches/%d" % hers["id"], by=otto)
        self.refused(403, "DELETE", "/api/v1/runs/%d" % run, by=otto)
        self.refused(403, "POST", "/api/v1/runs/delete", {"runs": [run]}, "run %d is of somebody else" % run, by=otto)
        status, answer = mira.call("DELETE", "/api/v1/runs/%d" % run)
        self.assertEqual((status, answer), (200, {"runs": 1, "launches": 1, "job": None}))
        self.assertEqual(self.ask("DELETE", "/api/v1/launches/%d" % launch["id"])["launches"], 1)
        self.nothing_is_left()


class Jobs(HistoryCase):
    def test_a_large_launch_goes_by_a_job_that_outlives_the_server(self):
        self.begin()
        self.run_all({"a.sh": "true\n"})
        self.server.stop()
        big, other = self.many(2, 16000)
        self.server.start()
        gone = self.ask("DELETE", "/api/v1/launches/%d" % big)
        job = gone["job"]
        self.assertEqual((job["kind"], job["state"], job["what"], job["by"], job["error"]), ("delete", "running", {"launch": big}, "operator", None))
        self.assertGreater(gone["runs"], 0)
        wait_for("it to move", lambda: self.ask("GET", "/api/v1/jobs/%d" % job["id"])["done"] > gone["runs"])
        self.server.kill()
        at = self.rows("SELECT done FROM jobs WHERE id = %d" % job["id"])[0][0]
        self.assertEqual(self.rows("SELECT COUNT(*) FROM runs WHERE launch = %d" % big)[0][0], 8000 - at)
        self.assertGreater(8000 - at, 0)
        self.server.start()
        job = wait_for("it to end", lambda: (lambda j: j["state"] == "done" and j)(self.ask("GET", "/api/v1/jobs/%d" % job["id"])), 240)
        self.assertEqual(job["done"], 8000)
        self.refused(404, "GET", "/api/v1/launches/%d" % big)
        self.assertEqual(self.server.get("/api/v1/launches/%d" % other)["tests"]["passed"], 8000)
        self.refused(409, "DELETE", "/api/v1/jobs/%d" % job["id"], word="job %d is over" % job["id"])
        self.assertEqual([j["id"] for j in self.ask("GET", "/api/v1/jobs")["items"]], [job["id"]])
        self.nothing_is_left()
        events = self.watch()
        second = self.ask("DELETE", "/api/v1/launches/%d" % other)["job"]["id"]
        canceled = self.ask("DELETE", "/api/v1/jobs/%d" % second)
        self.assertEqual(canceled["state"], "canceled")
        wait_for("it to be shown", lambda: any(e["id"] == second and e["state"] == "canceled" for e in events))
        left = self.server.get("/api/v1/launches/%d" % other)["tests"]["passed"]
        self.assertGreater(left, 0)
        self.assertEqual(self.rows("SELECT COUNT(*) FROM runs WHERE launch = %d" % other)[0][0], 8000 - canceled["done"])
        self.nothing_is_left()

    def test_a_clear_takes_what_its_filter_finds_and_goes_on_after_kill_9(self):
        self.begin()
        self.run_all({"a.sh": "true\n"})
        self.server.stop()
        launches = self.many(20, 5000, examples=1)
        self.server.start()
        repo = self.project({"slow.sh": "echo up; sleep 3000\n"}, "slow")
        alive = self.server.launch(repo, ["slow.sh"])
        wait_for("it to run", lambda: self.runs(alive) and self.runs(alive)["slow.sh"]["state"] == "running")
        self.refused(422, "POST", "/api/v1/history/clear", {}, "all")
        self.refused(422, "POST", "/api/v1/history/clear", {"all": True, "server": 1}, "it excludes filters")
        self.refused(422, "POST", "/api/v1/history/clear", {"since": "yesterday"}, "since")
        self.server.post("/api/v1/users", {"login": "mira", "password": PASSWORD})
        mira = Browser(self.server.url).sign_in("mira")
        self.refused(403, "POST", "/api/v1/history/clear", {"everybody": True}, "only admins", by=mira)
        self.refused(403, "POST", "/api/v1/history/clear", {"user": 1}, "only admins", by=mira)
        job = self.clear({"launch": launches[0]})
        self.assertEqual((job["kind"], job["what"]), ("clear", {"launch": launches[0]}))
        job = self.ended(job)
        self.assertEqual((job["state"], job["done"], job["total"]), ("done", 250, 250))
        self.refused(404, "GET", "/api/v1/launches/%d" % launches[0])
        job = self.clear({"outcome": "passed"})
        wait_for("it to move", lambda: self.ask("GET", "/api/v1/jobs/%d" % job["id"])["done"] > 100)
        self.server.kill()
        before = self.rows("SELECT done, total, work_cursor FROM jobs WHERE id = %d" % job["id"])[0]
        self.assertEqual(self.rows("SELECT COUNT(*) FROM runs WHERE state = 'done'")[0][0], 4751 - before[0])
        self.server.start()
        job = self.ended(job)
        self.assertEqual((job["state"], job["done"], job["total"]), ("done", 4751, 4751))
        self.assertEqual([launch["id"] for launch in self.server.all("/api/v1/launches")], [alive["id"]])
        self.assertEqual(self.ended(self.clear({"all": True}))["done"], 0)
        self.server.post("/api/v1/launches/%d/stop" % alive["id"])
        self.server.wait_launch(alive["id"])
        mira.url = self.server.url  # of the server after it
        status, hers = mira.call("POST", "/api/v1/history/clear", {"all": True})
        self.assertEqual((status, self.ended(hers)["done"]), (202, 0))
        self.assertEqual(self.ended(self.clear({"all": True}))["done"], 1)
        self.assertEqual(self.server.all("/api/v1/launches"), [])
        self.assertEqual(self.rows("SELECT COUNT(*) FROM examples")[0][0], 0)
        self.nothing_is_left()
        wait_for("the file to shrink", lambda: os.path.getsize(self.server.data + "/wrata.db") < 3000000)
        self.assertIn("done: 4751 runs", [a["detail"] for a in self.server.all("/api/v1/audit?action=job.end")])

    def clear(self, body):
        answer = self.server.call("POST", "/api/v1/history/clear", body)
        self.contract.check("POST", "/api/v1/history/clear", 202, json.dumps(answer))
        return answer

    def ended(self, job):
        return wait_for("job %d to end" % job["id"], lambda: (lambda j: j["state"] != "running" and j)(self.ask("GET", "/api/v1/jobs/%d" % job["id"])), 240)

    def watch(self):
        """Jobs, as the stream shows them."""
        events = []
        stream = self.server.open("/api/v1/stream?topics=jobs")

        def read():
            kind = None
            try:
                for line in stream:
                    line = line.decode().strip()
                    if line.startswith("event:"):
                        kind = line[6:].strip()
                    elif line.startswith("data:") and kind == "job":
                        events.append(json.loads(line[5:]))
            except (OSError, ValueError):
                pass
        threading.Thread(target=read, daemon=True).start()
        return events


DAY = 86400000


class Retention(HistoryCase):
    def kinds(self):
        return {k["kind"]: k for k in self.ask("GET", "/api/v1/retention")["kinds"]}

    def cli(self, *args):
        return subprocess.run([wrata.WRATA, "history", *args, "--data", self.server.data], capture_output=True, text=True, timeout=60)

    def test_what_is_old_goes_and_says_so(self):
        self.begin("--log-days", "90", "--example-days", "180", "--history-days", "730")
        tap = "echo 1..2; echo ok 1 - a; echo not ok 2 - b\n" + LOUD
        yml = YML + "commands: [{glob: '*.tap.sh', run: [bash, '{file}'], report: tap}]\n"
        launches = [self.run_all({"a.tap.sh": tap, "wrata.yml": yml} if i == 0 else {"a.tap.sh": tap + "# %d\n" % i, "wrata.yml": yml}) for i in range(1)]
        launches += [self.server.wait_launch(self.server.launch(self.repo, ["*.sh"])["id"]) for _ in range(3)]
        runs = [self.runs(launch)["a.tap.sh"]["id"] for launch in launches]
        self.assertEqual([self.kinds()[k]["items"] for k in ("logs", "artifacts", "examples", "history")], [4, 4, 8, 4])
        now = self.kinds()
        self.assertEqual((now["logs"]["days"], now["logs"]["max_bytes"], now["artifacts"]["days"]), (90, None, 30))
        self.assertLess(0, now["logs"]["bytes"])
        disk = self.ask("GET", "/api/v1/retention")["disk"]
        self.assertLess(0, disk["free"])
        self.assertLessEqual(disk["free"], disk["total"])
        for kind in now.values():
            self.assertLess(kind["oldest_at"], kind["goes_next"])
        self.server.stop()
        for launch, run, days in zip(launches, runs, (800, 200, 100, 1)):
            self.change("UPDATE runs SET created_at = created_at - %d, ended_at = ended_at - %d WHERE id = %d" % (days * DAY, days * DAY, run),
                        "UPDATE launches SET created_at = created_at - %d, ended_at = ended_at - %d WHERE id = %d" % (days * DAY, days * DAY, launch["id"]))
        self.server.start()
        dry = json.loads(self.cli("prune", "--dry-run", "--json").stdout)
        wait_for("launches to go", lambda: [r[0] for r in self.rows("SELECT id FROM launches")] == [launch["id"] for launch in launches[1:]])
        self.assertEqual([k["kind"] for k in dry["kinds"]], ["logs", "artifacts", "examples", "history"])
        wait_for("logs to go", lambda: self.kinds()["logs"]["items"] == 1)
        wait_for("examples to go", lambda: self.kinds()["examples"]["items"] == 4)
        self.nothing_is_left()
        old, middle, young = [self.server.get("/api/v1/runs/%d" % run) for run in runs[1:]]
        self.assertEqual([(r["log_gone"] or {}).get("why") for r in (old, middle, young)], ["age", "age", None])
        self.assertEqual([(r["examples_gone"] or {}).get("why") for r in (old, middle, young)], ["age", None, None])
        self.assertEqual([r["examples"]["failed"] for r in (old, middle, young)], [1, 1, 1])
        self.refused(404, "GET", "/api/v1/runs/%d/log" % runs[1], word="the log of run %d is gone since" % runs[1])
        self.refused(404, "GET", "/api/v1/runs/%d/log?download=1" % runs[1], word="it was older than such things are kept")
        self.assertIn(b"line 4000", self.server.log(runs[3]))
        shown = self.cli("kept")
        self.assertIn("90 days", shown.stdout, shown.stderr)
        self.assertIn("are free", shown.stdout)
        gone = self.cli("delete", "run:%d" % runs[3], str(launches[2]["id"]))
        self.assertIn("is deleted: 1 runs, 1 launches", gone.stdout, gone.stderr)
        self.assertIn("is done: 1 runs are gone", self.cli("clear", "--path", "tap", "--outcome", "failed").stdout)
        self.assertEqual(self.cli("clear").returncode, 2)
        self.assertEqual(self.server.all("/api/v1/launches"), [])

    def test_a_prune_goes_on_after_kill_9_and_the_space_comes_back(self):
        self.begin("--history-days", "30", "--log-days", "0")
        self.run_all({"a.sh": "true\n"})
        self.server.stop()
        self.many(30, 12000, examples=5)
        self.change("UPDATE launches SET created_at = created_at - %d, ended_at = ended_at - %d" % (40 * DAY, 40 * DAY),
                    "UPDATE runs SET created_at = created_at - %d, ended_at = ended_at - %d" % (40 * DAY, 40 * DAY))
        size = os.path.getsize(self.server.data + "/wrata.db")
        self.server.start()
        wait_for("it to begin", lambda: self.rows("SELECT items FROM kept_sums WHERE kind = 'run'")[0][0] < 11500)
        self.server.kill()
        left = self.rows("SELECT COUNT(*) FROM runs")[0][0]
        self.assertGreater(left, 0)
        self.assertEqual(self.rows("SELECT items FROM kept_sums WHERE kind = 'run'")[0][0], left)
        self.server.start()
        wait_for("all of it to go", lambda: self.rows("SELECT COUNT(*) FROM launches")[0][0] == 0, 240)
        self.nothing_is_left()
        wait_for("the space to come back", lambda: os.path.getsize(self.server.data + "/wrata.db") < size / 2 and
                 os.path.getsize(self.server.data + "/wrata.db-wal") < 5000000, 240)


if __name__ == "__main__":
    unittest.main(verbosity=2)
