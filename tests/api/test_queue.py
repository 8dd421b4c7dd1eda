"""The queue over HTTP: what a launch adds and where, each operation, its refusals, and what a restart keeps.

No server is added: everything waits, so that the order is what was made of it.
"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wrata  # noqa: E402
from contract import QUEUE, Contract  # noqa: E402


class QueueTest(wrata.Case):
    used = set()

    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.contract = Contract(self.server.get("/api/v1/openapi.json"))
        self.contract.used = self.used
        self.repo = self.project({"a.sh": "exit 0\n", "b.sh": "exit 0\n", "c.sh": "exit 0\n", "d.sh": "exit 0\n"})

    def add(self, *files, **more):
        return self.server.launch(self.repo, list(files), **more)

    def look(self, query=""):
        answer = self.server.get("/api/v1/queue" + query)
        self.contract.check("GET", "/api/v1/queue", 200, json.dumps(answer))
        return answer

    def order(self):
        return [t["path"][0] for t in self.look()["items"]]

    def ids(self):
        return {t["path"][0]: t["id"] for t in self.look()["items"]}

    def change(self, what, **body):
        answer = self.server.post("/api/v1/queue/" + what, body)
        self.contract.check("POST", "/api/v1/queue/" + what, 200, json.dumps(answer))
        return answer

    def refused(self, status, field, call, *args, **more):
        with self.assertRaises(wrata.ApiError) as caught:
            call(*args, **more)
        error = json.loads(caught.exception.body)["error"]
        self.assertEqual((caught.exception.status, error.get("field")), (status, field), error)

    def test_a_launch_stands_at_the_end_or_at_the_front_as_given(self):
        self.add("b.sh", "a.sh")
        self.add("c.sh")
        self.add("d.sh", at="front")
        page = self.look()
        self.assertEqual([t["path"] for t in page["items"]][0], "d.sh")
        self.assertEqual(page["items"][-1]["path"], "c.sh")
        self.assertEqual([t["ahead"] for t in page["items"]], [0, 1, 2, 3])
        self.assertEqual(page["waiting"], 4)
        self.assertIn("there is no server", page["items"][0]["why"])
        self.assertIsNone(page["items"][0]["starts_in_ms"])

    def test_each_file_in_each_language_in_each_browser(self):
        self.add("a.sh", "b.sh", languages=["de-DE", "en-US"], browsers=["chrome", "firefox"], location="com eu")
        items = self.look()["items"]
        self.assertEqual([(t["path"], t["language"], t["browser"]) for t in items],
                         [(f, lang, b) for f in ("a.sh", "b.sh") for lang in ("de-DE", "en-US") for b in ("chrome", "firefox")])
        self.assertEqual({t["location"] for t in items}, {"com eu"})
        self.add("a.sh", location="http://portal.example:8080/x", at="front")
        self.assertEqual(self.look()["items"][0]["location"], "http://portal.example:8080/x")
        self.refused(422, "location", self.add, "a.sh", location="com mars")
        self.refused(422, "location", self.add, "a.sh", location="ftp://portal.example")
        self.refused(422, "languages", self.add, "a.sh", languages=["de-DE", "xx-XX"])
        self.refused(422, "browsers", self.add, "a.sh", browsers=["netscape"])
        self.assertEqual(self.look()["waiting"], 9)

    def test_pages_go_on_after_a_test(self):
        self.add("a.sh", "b.sh", "c.sh", "d.sh")
        page = self.look("?limit=3")
        self.assertEqual(len(page["items"]), 3)
        rest = self.look("?limit=3&cursor=" + page["next"])
        self.assertEqual([t["path"] for t in rest["items"]], ["d.sh"])
        self.assertIsNone(rest["next"])
        self.assertEqual(rest["items"][0]["ahead"], 3)
        self.refused(409, "cursor", self.look, "?cursor=99999")

    def test_moved_tests_keep_their_order_through_a_restart(self):
        self.add("a.sh", "b.sh", "c.sh", "d.sh")
        t = self.ids()
        self.change("move", tests=[t["d"], t["c"]], to="front")
        self.assertEqual(self.order(), ["c", "d", "a", "b"])
        self.change("move", tests=[t["c"]], to="end")
        self.assertEqual(self.order(), ["d", "a", "b", "c"])
        answer = self.change("move", tests=[t["c"], 99999], before=t["a"])
        self.assertEqual((answer["done"], answer["passed_over"]), (1, 1))
        self.assertEqual(self.order(), ["d", "c", "a", "b"])
        self.server.kill()
        self.server.start()
        self.assertEqual(self.order(), ["d", "c", "a", "b"])
        self.refused(409, "before", self.change, "move", tests=[t["a"]], before=99999)
        self.refused(422, "to", self.change, "move", tests=[t["a"]])
        self.refused(422, "tests", self.change, "move", tests=["a"], to="end")
        self.refused(422, "tests", self.change, "move", tests=[], to="end")

    def test_a_hundred_moves_to_one_place(self):
        self.add("a.sh", "b.sh", "c.sh", "d.sh")
        t = self.ids()
        want = ["a", "b", "c", "d"]
        for i in range(100):
            who = "abd"[i % 3]
            self.change("move", tests=[t[who]], before=t["c"])
            want.remove(who)
            want.insert(want.index("c"), who)
        self.assertEqual(self.order(), want)

    def test_who_acts_on_an_old_version_is_told(self):
        self.add("a.sh", "b.sh")
        seen = self.look()["version"]
        t = self.ids()
        now = self.change("move", tests=[t["b"]], to="front", version=seen)["version"]
        self.assertNotEqual(now, seen)
        self.refused(409, "version", self.change, "clear", version=seen)
        self.assertEqual(self.order(), ["b", "a"])
        self.assertEqual(self.change("clear", version=now)["done"], 2)

    def test_what_was_taken_out_comes_back(self):
        launch = self.add("a.sh", "b.sh", "c.sh")
        t = self.ids()
        one = self.change("delete", tests=[t["b"], 99999])
        self.assertEqual((one["done"], one["passed_over"], one["waiting"]), (1, 1, 2))
        two = self.change("clear")
        self.assertEqual((two["done"], two["waiting"]), (2, 0))
        page = self.look()
        self.assertEqual([u["tests"] for u in page["undos"]], [2, 1])
        self.assertEqual(page["undos"][0]["id"], two["undo"])
        counts = self.server.get("/api/v1/launches/%d" % launch["id"])
        self.assertEqual((counts["state"], counts["tests"]["removed"], counts["tests"]["waiting"]), ("running", 3, 0))
        self.server.kill()
        self.server.start()
        self.assertEqual(self.change("undo", undo=one["undo"])["done"], 1)
        self.assertEqual(self.order(), ["b"])
        self.assertEqual(self.change("undo")["done"], 2)
        self.assertEqual(self.order(), ["a", "b", "c"])
        self.refused(404, "undo", self.change, "undo")
        self.refused(404, "undo", self.change, "undo", undo=one["undo"])
        counts = self.server.get("/api/v1/launches/%d" % launch["id"])["tests"]
        self.assertEqual((counts["removed"], counts["waiting"]), (0, 3))

    def test_a_paused_queue_starts_nothing_until_it_is_resumed(self):
        first = self.add("a.sh", "b.sh")
        self.assertIsNone(self.look()["paused"])
        version = self.look()["version"]
        answer = self.change("pause", version=version)
        self.assertEqual((answer["done"], answer["waiting"]), (2, 2))
        self.assertGreater(answer["version"], version)
        self.refused(409, "version", self.change, "resume", version=version)
        again = self.change("pause")
        self.assertEqual((again["done"], again["paused"], again["version"]), (0, answer["paused"], answer["version"]))
        late = self.add("c.sh")
        self.server.add_local("one", 2)
        self.server.wait_online("one")
        self.server.kill()
        self.server.start()
        self.server.wait_online("one")
        page = self.look()
        self.assertEqual(page["paused"], answer["paused"])
        by, at = answer["paused"]["by"], answer["paused"]["at"]
        for item in page["items"]:
            self.assertEqual(item["why"], "the queue is paused by %s since %s %s UTC" % (by, at[:10], at[11:16]))
            self.assertIsNone(item["starts_in_ms"])
        for launch in (first, late):
            shown = self.server.get("/api/v1/launches/%d" % launch["id"])
            self.assertEqual((shown["paused"], shown["tests"]["running"], shown["eta_ms"]), (answer["paused"], 0, None))
        self.assertEqual(self.server.get("/api/v1/runs")["items"], [])
        self.change("move", tests=[page["items"][2]["id"]], to="front")
        self.assertEqual(self.order(), ["c", "a", "b"])
        events = self.server.open("/api/v1/stream?topics=queue,launch:%d" % first["id"])
        self.addCleanup(events.close)
        self.assertEqual(self.change("resume")["done"], 3)
        told = {}
        while "queue" not in told or told["launch"]["paused"] is not None:
            line = events.readline().decode()
            if line.startswith("event: "):
                told[line[7:].strip()] = json.loads(events.readline().decode()[6:])
        self.assertIsNone(told["queue"]["paused"])
        for launch in (first, late):
            done = self.server.wait_launch(launch["id"])
            self.assertEqual((done["outcome"], done["paused"]), ("passed", None))
        self.assertEqual(self.change("resume")["done"], 0)
        self.refused(422, None, self.change, "pause", tests=[1])

    def test_a_stopped_launch_takes_its_removed_tests_along(self):
        launch = self.add("a.sh", "b.sh")
        self.change("clear")
        self.server.post("/api/v1/launches/%d/stop" % launch["id"])
        done = self.server.wait_launch(launch["id"])
        self.assertEqual((done["outcome"], done["tests"]["stopped"], done["tests"]["removed"]), ("stopped", 2, 0))
        tests = self.server.get("/api/v1/launches/%d/tests" % launch["id"])["items"]
        self.assertEqual({t["why"] for t in tests}, {"its launch was stopped before it ran"})
        self.refused(404, "undo", self.change, "undo")

    def test_duplicates_shuffle_and_sort(self):
        self.add("a.sh", "b.sh")
        self.add("b.sh", "c.sh")
        self.add("b.sh", env=["X=1"])
        answer = self.change("dedupe")
        self.assertEqual(answer["done"], 1)
        self.assertEqual(self.order(), ["a", "b", "c", "b"])
        self.assertEqual(self.change("undo")["done"], 1)
        self.assertEqual(self.order(), ["a", "b", "b", "c", "b"])
        self.assertEqual(self.change("shuffle")["done"], 5)
        self.assertEqual(sorted(self.order()), ["a", "b", "b", "b", "c"])
        self.assertEqual(self.change("sort")["done"], 5)
        self.refused(422, None, self.change, "shuffle", users=1)
        self.refused(422, "user", self.look, "?user=99999")


    def test_zz_all_routes_were_held_against_the_document(self):
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item}
        self.assertEqual({r for r in routes if QUEUE.match(r[1])} - self.used, set())


if __name__ == "__main__":
    wrata.main()
