"""What machines cost, through the API: the ledger adds up to the billionth of a dollar, also when wrata was killed."""

import copy
import csv
import decimal
import json
import os
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402
from contract import Contract  # noqa: E402
from wrata import ApiError, wait_for  # noqa: E402

HOUR_MICROUSD = 3600000000  # a dollar a second


def nano(usd):
    return round(usd * 10**9)


class CostTest(wrata.Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve()
        self.contract = Contract(self.server.get("/api/v1/openapi.json"))

    def cost(self, query="", call=None):
        path = "/api/v1/cost" + query
        answer = (call or self.server.call)("GET", path)
        self.contract.check("GET", path, 200, json.dumps(answer))
        return answer

    def sums(self, by):
        return sum(nano(i["cost_usd"]) for i in self.cost("?by=" + by)["items"])

    def fleet(self, **more):
        return self.server.post("/api/v1/fleets", {
            "name": "cloud", "kind": "fake", "options": {"price_hour_microusd": HOUR_MICROUSD}, **more})

    def on(self, names, slots=1):
        ids = [s["id"] for s in self.server.post("/api/v1/servers/add_many", {"name": names, "fleet": "cloud", "slots": slots})["servers"]]
        self.server.post("/api/v1/servers/power_on", {"servers": ids})
        self.until(ids, "created")
        return ids

    def off(self, ids):
        self.server.post("/api/v1/servers/power_off", {"servers": ids, "force": True})
        self.until(ids, "destroyed")

    def until(self, ids, status):
        wait_for("servers to be " + status, lambda: all(
            self.server.get("/api/v1/servers/%d" % i)["status"] == status for i in ids), 60)

    def adds_up(self):
        """What launches cost and what was idle is what machines cost, whatever it is added up by."""
        def seen():
            """All of it as of one moment: no entry came in between."""
            total = self.cost()["total"]
            sums = {by: self.sums(by) for by in ("server", "fleet", "day", "launch", "user")}
            for what in ("launches", "runs"):
                sums[what] = sum(nano(a["cost_usd"]) for a in self.server.all("/api/v1/" + what))
            return (total, sums) if self.cost()["total"] == total else None
        total, sums = wait_for("a moment without an entry", seen)
        machines, launches = nano(total["cost_usd"]), nano(total["runs_usd"])
        self.assertEqual(nano(total["idle_usd"]) + launches, machines)
        self.assertEqual(sums, {"server": machines, "fleet": machines, "day": machines, "launch": launches, "user": launches,
                                "launches": launches, "runs": launches})
        return machines, launches

    def test_nothing_costs_nothing(self):
        self.server.add_local("here", 1)
        done = self.server.launch(self.project({"a.sh": "exit 0\n"}), ["*.sh"])
        self.assertEqual(self.server.wait_launch(done["id"])["cost_usd"], 0)
        answer = self.cost()
        self.assertEqual(answer["items"], [])
        self.assertEqual((answer["now"]["machines"], answer["now"]["usd_per_hour"], answer["now"]["charged_at"]), (0, 0, None))
        self.assertEqual(answer["total"]["idle_percent"], None)

    def test_the_ledger_adds_up_also_after_a_kill(self):
        self.fleet()
        ids = self.on("web-{1..2}", slots=2)
        rate = self.cost()["now"]
        self.assertEqual((rate["machines"], rate["usd_per_hour"]), (2, 7200))
        self.assertEqual({s["usd_per_hour"] for s in self.server.servers()}, {3600})
        project = self.project({"t%d.sh" % i: "sleep 0.3\n" for i in range(6)})
        self.assertEqual(self.server.wait_launch(self.server.launch(project, ["*.sh"])["id"])["outcome"], "passed")
        machines, launches = self.adds_up()
        # Six runs of 0.3 s, each half a machine of a dollar a second.
        self.assertGreater(launches, 6 * 0.3 / 2 * 10**9 * 0.8)
        self.assertLess(launches, machines)
        self.assertEqual(nano(self.server.all("/api/v1/launches")[0]["cost_usd"]), launches)

        self.server.launch(self.project({"long.sh": "sleep 60\n"}, "other"), ["*.sh"])
        wait_for("it runs", lambda: self.server.get("/api/v1/runs?state=running")["items"])
        self.server.kill()
        self.server.start()
        after, _ = self.adds_up()
        self.assertGreaterEqual(after, machines)
        self.off(ids)
        machines, launches = self.adds_up()
        self.assertGreaterEqual(machines, 2 * 60 * 10**9)  # a minute of each at least
        answer = self.cost()
        self.assertEqual(answer["now"]["machines"], 0)
        self.assertEqual(nano(answer["today"]["cost_usd"]), machines)
        self.assertEqual(answer["total"]["days"], 1)
        self.assertEqual(nano(answer["total"]["idle_usd_per_day"]), machines - launches)
        self.assertEqual(nano(self.server.get("/api/v1/fleets/3")["today_usd"]), machines)
        self.assertEqual({s["cost_usd"] for s in self.server.servers()}, {0})

    def cli(self, *args):
        done = subprocess.run([wrata.WRATA, *args, "--data", self.server.data], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_command_shows_it(self):
        self.assertIn("no machine is paid for", self.cli("cost"))
        self.fleet()
        ids = self.on("web-{1..1}")
        launch = self.server.launch(self.project({"a.sh": "sleep 0.2\n"}), ["*.sh"], name="=1+1")
        self.server.wait_launch(launch["id"])
        self.assertRegex(self.cli("show", str(launch["id"])), r", cost \$0\.[0-9]{4}\n")
        self.assertIn("$3600.0000", self.cli("servers"))
        self.assertIn("$3600.00 an hour, 1 machine", self.cli("cost"))
        self.off(ids)
        shown = self.cli("cost", "--by", "launch")
        self.assertRegex(shown, r"LAUNCH +USER +COST +IN SLOTS")
        self.assertIn("operator", shown)
        self.assertRegex(self.cli("cost", "--by", "server"), r"web-1 +cloud +\$")
        rows = list(csv.DictReader(self.cli("cost", "--by", "launch", "--csv").splitlines()))
        self.assertEqual([(r["name"], r["of"]) for r in rows], [("'=1+1", "operator")])  # no formula
        days = list(csv.DictReader(self.cli("cost", "--csv").splitlines()))
        self.assertEqual(sum(decimal.Decimal(d["cost_usd"]) for d in days),
                         sum(decimal.Decimal(d["runs_usd"]) + decimal.Decimal(d["idle_usd"]) for d in days))
        self.assertEqual(nano(float(days[0]["cost_usd"])), nano(json.loads(self.cli("cost", "--json"))["total"]["cost_usd"]))
        both = subprocess.run([wrata.WRATA, "cost", "--csv", "--json", "--data", self.server.data], capture_output=True, text=True)
        self.assertEqual(both.returncode, 2)
        self.assertIn("one of them", both.stderr)

    def test_own_hosts_have_the_price_of_their_fleet(self):
        self.server.add_local("here", 1)
        self.assertEqual(self.server.post("/api/v1/fleets/1", {"usd_per_hour": "3600"})["usd_per_hour"], 3600)
        wait_for("its price", lambda: self.server.server("here")["usd_per_hour"] == 3600)
        launch = self.server.launch(self.project({"a.sh": "sleep 0.2\n"}), ["*.sh"])
        self.assertGreater(self.server.wait_launch(launch["id"])["cost_usd"], 0.1)
        self.adds_up()
        self.server.post("/api/v1/fleets/1", {"usd_per_hour": 0})
        wait_for("its price is gone", lambda: self.server.server("here")["usd_per_hour"] is None)
        self.adds_up()
        for bad in (-1, 10001, "much"):
            with self.assertRaises(ApiError) as caught:
                self.server.post("/api/v1/fleets/1", {"usd_per_hour": bad})
            self.assertEqual((caught.exception.status, json.loads(caught.exception.body)["error"]["field"]), (422, "usd_per_hour"))

    def test_a_cap_counts_what_was_spent(self):
        self.fleet(day_usd_max="90000")  # one machine for a day is $86,400
        ids = [s["id"] for s in self.server.post("/api/v1/servers/add_many", {"name": "a-{1..2}", "fleet": "cloud"})["servers"]]

        def refused(n):
            with self.assertRaises(ApiError) as caught:
                self.server.post("/api/v1/servers/power_on", {"servers": ids[:n], "size": "small"})
            return json.loads(caught.exception.body)["error"]["message"]
        self.assertIn("could cost $172800.00", wait_for("prices", lambda: "172800" in refused(2) and refused(2)))

    def test_what_is_asked_wrongly_is_said(self):
        for query, field in (("by=hat", "by"), ("from=2026-13-01", "from"), ("to=yesterday", "to"),
                             ("from=2026-11-30&to=2026-11-01", "from"), ("cursor=7", "cursor"), ("cursor=1.x", "cursor"),
                             ("user=1&by=server", "by"), ("limit=0", "limit"), ("to=2026-11-01T00:00Z", "to")):
            with self.assertRaises(ApiError) as caught:
                self.cost("?" + query)
            error = json.loads(caught.exception.body)["error"]
            self.assertEqual((caught.exception.status, error["field"]), (422, field), query)

    def test_users_see_their_own(self):
        self.fleet()
        self.on("web-{1..1}")
        project = self.project({"a.sh": "sleep 0.2\n"})
        mira, otto = self.user("mira"), self.user("otto")
        body = {"project": project, "files": ["*.sh"], "ref": "main"}
        self.server.post("/api/v1/projects", {"name": "p", "url": project})
        body["project"] = "p"
        launch = mira("POST", "/api/v1/launches", body)
        self.server.wait_launch(launch["id"])
        own = self.cost("?by=launch", mira)
        self.assertEqual([i["id"] for i in own["items"]], [launch["id"]])
        self.assertEqual(own["items"][0]["of"], "mira")
        self.assertGreater(own["total"]["cost_usd"], 0.1)
        self.assertEqual(own["total"]["idle_usd"], None)
        self.assertEqual(own["today"]["cost_usd"], own["total"]["cost_usd"])
        self.assertEqual(self.cost("?by=launch", otto)["items"], [])
        self.assertEqual([i["name"] for i in self.cost("?by=user")["items"]], ["mira"])
        for query in ("?user=1", "?by=server", "?by=fleet"):
            with self.assertRaises(ApiError) as caught:
                otto("GET", "/api/v1/cost" + query)
            self.assertEqual(caught.exception.status, 403, query)

    def user(self, login):
        """The call of a server, as this user, by a token."""
        password = "correct horse battery"
        self.server.post("/api/v1/users", {"login": login, "password": password})

        def post(path, body, **headers):
            request = urllib.request.Request(self.server.url + path, data=json.dumps(body).encode(), method="POST",
                                             headers={"Content-Type": "application/json", **headers})
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read()), answer.headers.get("Set-Cookie", "").split(";")[0]
        me, cookie = post("/api/v1/session", {"login": login, "password": password})
        other = copy.copy(self.server)
        other.token = post("/api/v1/tokens", {"name": "t", "scope": "run"}, **{"Cookie": cookie, "X-CSRF-Token": me["csrf"]})[0]["token"]
        return other.call


if __name__ == "__main__":
    wrata.main()
