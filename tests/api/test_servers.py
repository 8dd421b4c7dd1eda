"""Fleets and the life of their servers, through the API, with machines of the fake kind: made, booked, shared, drained, destroyed.

A fake machine is a folder of this computer with a real agent in it.
"""

import json
import os
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402
from contract import SERVERS, Contract  # noqa: E402
from wrata import ApiError, wait_for  # noqa: E402


class ServersTest(wrata.Case):
    used = set()

    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.contract = Contract(self.server.get("/api/v1/openapi.json"))
        self.contract.used = self.used
        call = self.server.call

        def checked(method, path, body=None, **more):
            try:
                answer = call(method, path, body, **more)
            except ApiError as e:
                self.contract.check(method, path, e.status, e.body)
                raise
            status = 201 if path in ("/api/v1/fleets", "/api/v1/servers/add_many") and method == "POST" else 200
            if SERVERS.match(path.split("?")[0]):
                self.contract.check(method, path, status, json.dumps(answer))
            return answer
        self.server.call = checked

    def refused(self, status, path, body=None, field=None, method="POST"):
        with self.assertRaises(ApiError) as caught:
            self.server.call(method, path, body)
        self.assertEqual(caught.exception.status, status, caught.exception)
        error = json.loads(caught.exception.body)["error"]
        if field:
            self.assertEqual(error["field"], field, error)
        return error["message"]

    def fleet(self, name="cloud", **more):
        return self.server.post("/api/v1/fleets", {"name": name, "kind": "fake", **more})

    def add(self, names, fleet="cloud", **more):
        return self.server.post("/api/v1/servers/add_many", {"name": names, "fleet": fleet, **more})["servers"]

    def op(self, op, servers, **more):
        return self.server.post("/api/v1/servers/" + op, {"servers": [s["id"] for s in servers], **more})["servers"]

    def now(self, s):
        return self.server.get("/api/v1/servers/%d" % s["id"])

    def until(self, servers, **members):
        def so():
            seen = [self.now(s) for s in servers]
            return seen if all(s[k] == v for s in seen for k, v in members.items()) else None
        return wait_for("servers with %s" % members, so, 60)

    def test_local_and_ssh_are_always_there(self):
        fleets = self.server.get("/api/v1/fleets")["items"]
        self.assertEqual([(f["name"], f["kind"], f["makes_machines"], f["booked_only"]) for f in fleets],
                         [("local", "local", False, False), ("ssh", "ssh", False, False)])
        self.refused(409, "/api/v1/fleets/1", method="DELETE")
        self.refused(422, "/api/v1/fleets", {"name": "more", "kind": "ssh"}, "kind")
        self.server.add_local("here", 1)
        here = self.server.server("here")
        self.assertEqual((here["fleet"], here["kind"], here["status"]), ("local", "local", "created"))
        self.assertIn("neither makes its machine", self.refused(422, "/api/v1/servers/power_off", {"servers": [here["id"]]}))
        self.assertEqual(self.server.post("/api/v1/fleets/1", {"booked_only": True})["booked_only"], True)

    def test_a_fleet_is_checked_before_it_is_saved(self):
        self.assertEqual(self.fleet(machines_max=3, day_usd_max="12.50")["day_usd_max"], 12.5)
        self.refused(409, "/api/v1/fleets", {"name": "cloud", "kind": "fake"}, "name")
        self.refused(422, "/api/v1/fleets", {"name": "x", "kind": "fake", "options": {"no_such": 1}})
        self.refused(422, "/api/v1/fleets", {"name": "x", "kind": "fake", "options": []}, "options")
        self.refused(422, "/api/v1/fleets", {"name": "a b", "kind": "fake"}, "name")
        self.refused(422, "/api/v1/fleets", {"name": "x", "kind": "fake", "idle_ms": 5}, "idle_ms")
        self.refused(422, "/api/v1/fleets", {"name": "x", "kind": "fake", "day_usd_max": "much"}, "day_usd_max")
        self.refused(422, "/api/v1/fleets", {"name": "x", "kind": "fake", "day_usd_max": -1}, "day_usd_max")
        self.refused(404, "/api/v1/fleets/77", method="GET")
        edited = self.server.post("/api/v1/fleets/3", {"idle_ms": 120000})
        self.assertEqual((edited["idle_ms"], edited["machines_max"]), (120000, 3))
        catalog = wait_for("a catalog", lambda: self.server.get("/api/v1/fleets/3/catalog"))
        wait_for("its sizes", lambda: [s["name"] for s in self.server.get("/api/v1/fleets/3/catalog")["sizes"]] == ["small", "medium", "large"])
        self.assertEqual(catalog["error"], "")
        self.refused(404, "/api/v1/fleets/1/catalog", method="GET")

    def test_many_are_made_and_destroyed(self):
        self.fleet(machines_max=4, options={"boot_ms": 200})
        four = self.add("web-{08..11}")
        self.assertEqual([s["name"] for s in four], ["web-08", "web-09", "web-10", "web-11"])
        self.assertEqual({s["status"] for s in four}, {"destroyed"})
        self.assertIn("web-11", self.refused(409, "/api/v1/servers/add_many", {"name": "web-{11..12}", "fleet": "cloud"}, "name"))
        self.refused(422, "/api/v1/servers/add_many", {"name": "web-{9..1}", "fleet": "cloud"}, "name")
        self.assertIn("no size \"huge\"", wait_for("prices", lambda: self.refused(
            422, "/api/v1/servers/power_on", {"servers": [s["id"] for s in four], "size": "huge"}, "size")))
        self.assertEqual({s["status"] for s in self.op("power_on", four, size="small")}, {"creating"})
        self.assertEqual(self.op("power_on", four), [])  # they are on already
        ready = self.until(four, status="created", link="online")
        self.assertEqual({(s["size"], s["usd_per_hour"], s["progress"]) for s in ready}, {("small", 0.00744, "")})
        self.assertEqual(len({s["machine"] for s in ready}), 4)
        one = self.add("more-{1..1}")
        self.assertIn("may have 4 machines", self.refused(429, "/api/v1/servers/power_on", {"servers": [one[0]["id"]]}, "servers"))
        self.refused(409, "/api/v1/servers/%d" % four[0]["id"], method="DELETE", field="machine")
        self.server.call("DELETE", "/api/v1/servers/%d?machine=destroy" % four[0]["id"])
        wait_for("its record to be gone", lambda: four[0]["id"] not in [s["id"] for s in self.server.servers()])
        self.op("power_off", four[1:])
        gone = self.until(four[1:], status="destroyed", machine=None, address="")
        self.assertEqual({s["status_reason"] for s in gone}, {"switched off by operator"})
        self.refused(409, "/api/v1/fleets/3", method="DELETE", field="fleet")

    def test_a_refusal_ends_it_and_says_why(self):
        self.fleet(options={"faults": ["create-limit"]})
        s = self.add("a-{1..1}")
        self.op("power_on", s)
        gone = self.until(s, status="destroyed")[0]
        self.assertEqual(gone["status_reason"], "the fake cloud is full")

    def test_a_lost_answer_buys_no_second_machine(self):
        self.fleet(options={"faults": ["create-unknown=1"], "boot_ms": 100})
        s = self.add("a-{1..1}")
        self.op("power_on", s)
        self.until(s, status="created", link="online")
        self.op("power_off", s)
        self.until(s, status="destroyed")

    def test_booking_has_one_winner_and_keeps_others_away(self):
        self.fleet(options={"boot_ms": 50})
        two = self.add("b-{1..2}")
        self.refused(409, "/api/v1/servers/book", {"servers": [two[0]["id"]]})
        self.op("power_on", two)
        self.until(two, status="created", link="online")
        mira = self.user("mira")
        booked = mira("POST", "/api/v1/servers/book", {"servers": [two[0]["id"]]})["servers"][0]
        self.assertEqual(booked["booked_by"]["login"], "mira")
        self.assertIn("booked by somebody else", self.refused(409, "/api/v1/servers/book", {"servers": [t["id"] for t in two]}))
        self.assertIsNone(self.now(two[1])["booked_by"])  # all, or none
        project = self.project({"a.sh": "echo hello\n"})
        launch = self.server.launch(project, ["a.sh"], servers=["b-1"])
        wait_for("a reason", lambda: "booked by somebody else" in self.server.get(
            "/api/v1/launches/%d/tests" % launch["id"])["items"][0]["why"])
        self.assertEqual(self.server.post("/api/v1/servers/unbook", {"servers": [two[0]["id"]]})["servers"][0]["booked_by"], None)
        self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")

    def test_what_is_missing_is_made(self):
        self.fleet(options={"boot_ms": 50}, booked_only=True)
        self.add("t-{1..1}")
        taken = self.server.post("/api/v1/fleets/3/take", {"count": 3})["servers"]
        self.assertEqual({s["booked_by"]["login"] for s in taken}, {"operator"})
        self.assertEqual([s["name"] for s in taken], ["cloud-1", "cloud-2", "t-1"])
        self.until(taken, status="created", link="online")
        project = self.project({"a.sh": "echo hello\n", "b.sh": "echo hello\n"})
        self.assertEqual(self.server.wait_launch(self.server.launch(project, ["a.sh", "b.sh"])["id"])["outcome"], "passed")
        self.assertEqual(len(self.server.post("/api/v1/servers/unbook", {})["servers"]), 3)
        launch = self.server.launch(project, ["a.sh"])
        wait_for("a reason", lambda: "none of 3 servers may be used" in self.server.get(
            "/api/v1/launches/%d/tests" % launch["id"])["items"][0]["why"])
        self.server.post("/api/v1/fleets/3", {"booked_only": False})
        self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")

    def test_maintenance_lets_it_finish(self):
        self.server.add_local("here", 1)
        self.server.wait_online("here")
        here = self.server.server("here")
        gate = os.path.join(self.folder, "gate")
        project = self.project({"a.sh": "while [ ! -e %s ]; do sleep 0.1; done\n" % gate, "b.sh": "true\n"})
        launch = self.server.launch(project, ["a.sh", "b.sh"], order="as-given")
        wait_for("a run that has begun", lambda: [r for r in self.server.server("here")["running"] if r["state"] == "running"])
        self.assertTrue(self.op("drain", [here])[0]["maintenance"])
        open(gate, "w").close()
        wait_for("its end", lambda: not self.server.server("here")["running"])
        self.assertEqual(self.server.get("/api/v1/launches/%d" % launch["id"])["tests"]["waiting"], 1)
        self.op("resume", [here])
        self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")

    def test_a_record_changes_when_nothing_runs_there(self):
        self.server.add_local("here", 1)
        self.server.wait_online("here")
        here = self.server.server("here")
        path = "/api/v1/servers/%d" % here["id"]
        gate = os.path.join(self.folder, "gate")
        project = self.project({"a.sh": "while [ ! -e %s ]; do sleep 0.1; done\n" % gate,
                                "b.sh": "while [ ! -e %s-b-$OTHER ]; do touch %s-b-$WRATA_SLOT; OTHER=$((1 - WRATA_SLOT)); sleep 0.1; done\n" % (gate, gate)})
        launch = self.server.launch(project, ["a.sh"])
        wait_for("a run that has begun", lambda: [r for r in self.server.server("here")["running"] if r["state"] == "running"])
        self.assertIn("holds 1 run: put it into maintenance", self.refused(409, path, {"slots": 2}))
        self.assertIn("here is on this computer, where its folder has its name", self.refused(422, path, {"name": "there"}, "name"))
        self.assertEqual(self.server.post(path, {"slots": 1, "name": "here"})["slots"], 1)  # it is so already
        open(gate, "w").close()
        self.assertEqual(self.server.wait_launch(launch["id"])["outcome"], "passed")
        wait_for("nothing held", lambda: not self.server.server("here")["running"])
        changed = wait_for("the record to change", lambda: self.server.post(path, {"slots": 2}))
        self.assertEqual((changed["slots"], changed["name"]), (2, "here"))
        self.server.wait_online("here")
        both = self.server.launch(project, ["b.sh", "b.sh"])  # each waits for the other: two slots
        self.assertEqual(self.server.wait_launch(both["id"])["outcome"], "passed")
        self.assertEqual({r["server"]["name"] for r in self.server.get("/api/v1/runs?launch=%d" % both["id"])["items"]}, {"here"})
        self.server.kill()
        self.server.start()
        self.assertEqual(self.now(here)["slots"], 2)

    def test_a_machine_that_is_made_keeps_its_address(self):
        self.fleet(options={"boot_ms": 50})
        s = self.add("m-{1..1}")
        path = "/api/v1/servers/%d" % s[0]["id"]
        self.assertEqual(self.server.post(path, {"idle_ms": 120000})["idle_ms"], 120000)
        self.op("power_on", s)
        there = self.until(s, status="created", link="online")[0]
        self.refused(422, path, {"address": "10.1.1.1"}, "address")
        self.refused(422, path, {"idle_ms": 7}, "idle_ms")
        self.assertEqual(self.server.post(path, {"slots": 3, "idle_ms": -1})["slots"], 3)
        again = self.until(s, status="created", link="online")[0]
        self.assertEqual((again["slots"], again["idle_ms"], again["machine"], again["address"]), (3, None, there["machine"], there["address"]))

    def test_by_hand(self):
        self.fleet(options={"faults": ["never-active"]})
        s = self.add("h-{1..1}")
        self.op("power_on", s)
        wait_for("its machine", lambda: self.now(s[0])["machine"])
        self.refused(422, "/api/v1/servers/status", {"servers": [s[0]["id"]], "status": "created"}, "address")
        self.assertEqual(self.op("status", s, status="destroyed")[0]["status_reason"], "set by operator")
        self.op("idle", s, idle_ms=0)
        self.assertEqual(self.now(s[0])["idle_ms"], 0)
        self.assertEqual(self.op("status", s, status="created", address="10.9.9.9")[0]["status"], "created")
        # What was made for it belongs to nobody now, and goes: only then the fleet can be removed.
        self.op("status", s, status="destroyed")
        self.server.call("DELETE", "/api/v1/servers/%d" % s[0]["id"])

        def removed():
            try:
                return self.server.call("DELETE", "/api/v1/fleets/3") == {}
            except ApiError as e:
                self.assertIn("belongs to no server", e.body)
        wait_for("the fleet to be gone", removed)

    def test_a_restart_keeps_booking_and_finds_what_is_gone(self):
        self.fleet(options={"boot_ms": 50})
        s = self.add("r-{1..1}")
        self.server.add_local("here", 1)
        here = self.server.server("here")
        self.op("power_on", s)
        self.until(s, status="created", link="online")
        self.op("book", s + [here])
        self.server.kill()
        self.server.start()
        self.assertEqual(self.now(here)["booked_by"]["login"], "operator")
        self.assertEqual(self.now(s[0])["booked_by"]["login"], "operator")

    def test_zz_every_route_was_held_against_the_document(self):
        routes = {(m.upper(), p) for p, item in self.contract.document["paths"].items() for m in item}
        if len(self.used) > 12:
            self.assertEqual({r for r in routes if SERVERS.match(r[1])} - self.used, set())

    def user(self, login):
        """A caller with a token of this user."""
        password = "correct horse battery"
        self.server.post("/api/v1/users", {"login": login, "password": password})
        def open_as(path, body, cookie=None, csrf=None, token=None, method="POST"):
            request = urllib.request.Request(self.server.url + path, data=json.dumps(body).encode(), method=method,
                                             headers={"Content-Type": "application/json"})
            for name, value in (("Cookie", cookie), ("X-CSRF-Token", csrf), ("Authorization", token and "Bearer " + token)):
                if value:
                    request.add_header(name, value)
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read()), answer.headers.get("Set-Cookie", "").split(";")[0]

        me, cookie = open_as("/api/v1/session", {"login": login, "password": password})
        token = open_as("/api/v1/tokens", {"name": "t", "scope": "run"}, cookie, me["csrf"])[0]["token"]
        return lambda method, path, body: open_as(path, body, token=token, method=method)[0]


if __name__ == "__main__":
    wrata.main()
