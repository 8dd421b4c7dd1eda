#!/usr/bin/env python3
"""Lists and schedules: what is due is started once, whatever is killed when; times are held against zoneinfo; and each
weakness that the predecessor had is tried."""

import datetime
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import WRATA, ApiError, wait_for  # noqa: E402

try:
    import zoneinfo
    zoneinfo.ZoneInfo("Europe/Berlin")
except Exception:  # no tz database here
    zoneinfo = None

UTC = datetime.timezone.utc
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]


def iso(t):
    return t.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def soon(seconds):
    """So many seconds from now, to the second, as a schedule takes it."""
    return datetime.datetime.fromtimestamp(int(time.time() + seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Base(wrata.Case):
    def world(self, files=None, *args):
        repo = self.project(files or {"a.sh": "#!/bin/bash\n", "b.sh": "#!/bin/bash\n"})
        server = self.serve(*args)
        server.post("/api/v1/projects", {"name": "p", "url": repo})
        wait_for("the mirror", lambda: server.get("/api/v1/projects")["items"][0]["refreshed_at"])
        return server

    def list(self, server, name="nightly", files=("a.sh",), **more):
        return server.post("/api/v1/lists", dict(name=name, project="p", files=list(files), **more))

    def refused(self, status, call, *args):
        with self.assertRaises(ApiError) as e:
            call(*args)
        self.assertEqual(e.exception.status, status, e.exception.body)
        return e.exception.body

    def wrata(self, *args, expect=0, stdin=""):
        p = subprocess.run([WRATA, *args, "--data", os.path.join(self.folder, "data")], input=stdin, capture_output=True,
                           text=True, timeout=120)
        self.assertEqual(p.returncode, expect, p.stdout + p.stderr)
        self.assertNotIn("Sanitizer", p.stderr)
        return p.stdout + p.stderr

    def sql(self, server, text, *args):
        with sqlite3.connect(os.path.join(server.data, "wrata.db"), timeout=20) as db:
            return db.execute(text, args).fetchall()


class Lists(Base):
    def test_a_list_is_made_read_changed_launched_and_deleted(self):
        server = self.world()
        made = self.list(server, files=["b.sh", "a.sh"], env=["A=1"], order="finish-soonest")
        self.assertEqual((made["files"], made["n_files"], made["version"], made["project"]["name"]),
                         (["b.sh", "a.sh"], 2, 1, "p"))
        path = "/api/v1/lists/%d" % made["id"]
        launch = server.post(path + "/launch")
        self.assertEqual((launch["name"], launch["order"], launch["tests"]["total"]), ("nightly", "finish-soonest", 2))
        tests = server.all("/api/v1/launches/%d/tests" % launch["id"])
        self.assertEqual([t["path"] for t in tests], ["b.sh", "a.sh"])
        edited = server.post(path, {"files": ["*.sh"], "version": 1})
        self.assertEqual((edited["files"], edited["env"], edited["version"]), (["*.sh"], ["A=1"], 2))
        self.assertIn("version", self.refused(409, server.post, path, {"name": "x", "version": 1}))
        self.assertEqual(server.post(path, {"env": []})["env"], [])
        server.call("DELETE", path)
        self.refused(404, server.get, path)

    def test_a_list_keeps_the_parameters_of_its_launch(self):
        server = self.world()
        location = server.get("/api/v1/locations")["items"][0]["name"]
        languages = [x["name"] for x in server.get("/api/v1/languages")["items"]][:2]
        made = self.list(server, files=["a.sh", "b.sh"], location=location, languages=languages)
        launch = server.post("/api/v1/lists/%d/launch" % made["id"])
        self.assertEqual(launch["tests"]["total"], 4)
        self.assertEqual(launch["location"], location)
        one = server.post("/api/v1/lists/%d/launch" % made["id"], {"languages": languages[:1], "at": "front"})
        self.assertEqual(one["tests"]["total"], 2)
        bad = self.list(server, "bad", location="no such place")
        self.assertIn("no such place", self.refused(422, server.post, "/api/v1/lists/%d/launch" % bad["id"]))

    def test_a_name_is_taken_until_it_is_to_be_replaced_and_then_schedules_stay(self):
        server = self.world()
        made = self.list(server)
        schedule = server.post("/api/v1/schedules", {"list": "nightly", "kind": "daily", "at": "02:00"})
        self.assertIn("a list named 'nightly' already", self.refused(409, self.list, server))
        again = server.post("/api/v1/lists", {"name": "nightly", "project": "p", "files": ["b.sh"], "replace": True})
        self.assertEqual((again["id"], again["version"], again["files"]), (made["id"], 2, ["b.sh"]))
        self.assertTrue(server.get("/api/v1/schedules/%d" % schedule["id"])["enabled"])
        # A refused replacement leaves the old one as it was.
        self.refused(422, server.post, "/api/v1/lists", {"name": "nightly", "project": "none", "files": ["a.sh"], "replace": True})
        self.assertEqual(server.get("/api/v1/lists/%d" % made["id"])["files"], ["b.sh"])

    def test_bad_lists_name_field_and_value(self):
        server = self.world()
        good = {"name": "l", "project": "p", "files": ["a.sh"]}
        for field, value in (("name", ""), ("name", " l"), ("name", "x" * 81), ("name", "a\nb"), ("files", ["/etc/passwd"]),
                             ("files", ["../a.sh"]), ("files", []), ("files", ["a.sh"] * 20001), ("project", "nope"),
                             ("project", 99), ("env", ["nothing"]), ("order", "random")):
            with self.subTest(field=field, value=str(value)[:30]):
                self.assertIn('"field":"%s"' % field, self.refused(422, server.post, "/api/v1/lists", dict(good, **{field: value})))
        self.assertEqual(server.post("/api/v1/lists", dict(good, name="\u00e4" * 80, files=["a.sh"] * 20000))["n_files"], 20000)

    def test_a_list_that_is_scheduled_needs_force_and_nothing_crashes(self):
        server = self.world()
        made = self.list(server)
        schedule = server.post("/api/v1/schedules", {"name": "s1", "list": made["id"], "kind": "daily", "at": "02:00"})
        self.assertIn("'s1' starts this list", self.refused(409, server.call, "DELETE", "/api/v1/lists/%d" % made["id"]))
        server.call("DELETE", "/api/v1/lists/%d?force=1" % made["id"])
        got = server.get("/api/v1/schedules/%d" % schedule["id"])
        self.assertEqual((got["enabled"], got["reason"], got["next_at"]), (False, "its list 'nightly' was deleted", None))
        self.refused(409, server.post, "/api/v1/schedules/%d" % schedule["id"], {"enabled": True})
        server.stop()
        server.start()
        self.assertFalse(server.get("/api/v1/schedules/%d" % schedule["id"])["enabled"])


@wrata.unittest.skipIf(zoneinfo is None, "no tz database")
class Times(Base):
    """Against another implementation: every local minute of three years, by Python's zoneinfo."""

    def expected(self, zone, matches, begin, end):
        z = zoneinfo.ZoneInfo(zone)
        out = []
        local = begin.astimezone(z).replace(tzinfo=None) - datetime.timedelta(days=1)
        while local < end.astimezone(z).replace(tzinfo=None) + datetime.timedelta(days=1):
            for minute in matches(local):
                there = local.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
                at = there.replace(tzinfo=z, fold=0).astimezone(UTC)
                if at.astimezone(z).replace(tzinfo=None) != there:  # in the gap: its end, found second by second
                    low, high = at - datetime.timedelta(hours=3), at + datetime.timedelta(hours=3)
                    old = low.astimezone(z).utcoffset()
                    while high - low > datetime.timedelta(seconds=1):
                        mid = low + datetime.timedelta(seconds=int((high - low).total_seconds()) // 2)
                        low, high = (mid, high) if mid.astimezone(z).utcoffset() == old else (low, mid)
                    at = high
                if begin < at <= end:
                    out.append(at)
            local = (local + datetime.timedelta(days=1)).replace(hour=0, minute=0)
        return sorted(set(out))

    def previewed(self, server, begin, end, **rule):
        out, at = [], begin
        while True:
            query = dict(rule, count=1000, **{"from": at.strftime("%Y-%m-%dT%H:%M:%SZ")})
            items = server.get("/api/v1/schedules/preview?" + urllib.parse.urlencode(query))["items"]
            got = [datetime.datetime.strptime(i["at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) for i in items]
            out += [t for t in got if t <= end]
            if len(items) < 1000 or got[-1] > end:
                return out
            at = got[-1]

    def test_three_years_in_four_zones(self):
        server = self.serve()
        begin = datetime.datetime(2026, 1, 1, tzinfo=UTC)
        end = datetime.datetime(2029, 1, 1, tzinfo=UTC)
        compared = 0
        rules = [(dict(kind="daily", at="02:15"), lambda d: [135]),
                 (dict(kind="daily", at="01:45"), lambda d: [105]),
                 (dict(kind="weekly", at="02:30", days="sun,wed"), lambda d: [150] if d.isoweekday() in (7, 3) else []),
                 (dict(kind="cron", cron="*/20 1-3 * * *"), lambda d: [h * 60 + m for h in (1, 2, 3) for m in (0, 20, 40)]),
                 (dict(kind="cron", cron="0 0 1,15 * fri"), lambda d: [0] if d.day in (1, 15) or d.isoweekday() == 5 else []),
                 (dict(kind="cron", cron="59 23 28-31 2,12 *"),
                  lambda d: [1439] if d.day >= 28 and d.month in (2, 12) else [])]
        for zone in ZONES:
            for rule, matches in rules:
                with self.subTest(zone=zone, rule=rule):
                    want = self.expected(zone, matches, begin, end)
                    got = self.previewed(server, begin, end, zone=zone, **rule)
                    self.assertEqual([iso(t) for t in got], [iso(t) for t in want])
                    compared += len(want)
        self.assertGreater(compared, 40000)

    def test_far_years_come_from_the_footer(self):
        server = self.serve()
        for zone in ZONES + ["Europe/Dublin", "America/Santiago"]:
            for year in (2040, 2061):
                begin = datetime.datetime(year, 1, 1, tzinfo=UTC)
                end = begin + datetime.timedelta(days=365)
                want = self.expected(zone, lambda d: [150], begin, end)
                self.assertEqual(self.previewed(server, begin, end, zone=zone, kind="daily", at="02:30"), want, zone)


class CommandLine(Base):
    def test_lists_and_schedules_from_the_command_line(self):
        server = self.world()
        self.wrata("lists", "add", "l1", "--project", "p", "--env", "A=1", "b.sh", "a.sh")
        self.assertIn("already", self.wrata("lists", "add", "l1", "--project", "p", "a.sh", expect=2))
        self.assertEqual(self.wrata("lists", "show", "l1"), "b.sh\na.sh\n")
        self.assertRegex(self.wrata("lists"), r"#1 +l1 +2 +p ")
        # As JSON and as plain files, out and in again.
        exported = self.wrata("lists", "export", "l1")
        self.wrata("lists", "import", "l2", "-", stdin=exported)
        again = server.get("/api/v1/lists/2")
        self.assertEqual((again["files"], again["env"], again["project"]["name"]), (["b.sh", "a.sh"], ["A=1"], "p"))
        self.wrata("lists", "import", "l3", "-", "--project", "p", stdin=self.wrata("lists", "export", "l1", "--files"))
        self.assertEqual(server.get("/api/v1/lists/3")["files"], ["b.sh", "a.sh"])
        self.assertIn("no list named", self.wrata("schedules", "add", "s", "--list", "none", "--daily", "02:30", expect=2))
        self.wrata("schedules", "add", "s", "--list", "l1", "--weekly", "mon,fri", "--at", "02:30", "--zone", "Europe/Berlin")
        self.assertRegex(self.wrata("schedules"), r"#1 +s +l1 +weekly mon,fri 02:30 +Europe/Berlin +20")
        # A user's own zone: of schedules that name none, and of the times that are shown.
        self.assertRegex(self.wrata("schedules"), r" 0[01]:30 \+00:00 ")
        self.assertIn("no time zone 'Mars/Base'", self.wrata("account", "edit", "--zone", "Mars/Base", expect=2))
        self.assertIn("nothing is to be changed", self.wrata("account", "edit", expect=2))
        self.wrata("account", "edit", "--zone", "Asia/Kathmandu")
        self.assertRegex(self.wrata("account"), r"(?m)^time zone +Asia/Kathmandu$")
        self.assertRegex(self.wrata("schedules"), r"Europe/Berlin +20..-..-.. 0[67]:15 \+05:45 ")
        self.wrata("schedules", "add", "here", "--list", "l1", "--daily", "02:30")
        self.assertRegex(self.wrata("schedules"), r"here +l1 +daily 02:30 +Asia/Kathmandu +20..-..-.. 02:30 \+05:45 ")
        self.assertRegex(self.wrata("schedules", "preview", "--daily", "02:30", "--count", "1"), r"T02:30:00\+05:45\n$")
        self.wrata("account", "edit", "--zone", "UTC")  # one that there is keeps its own
        self.assertRegex(self.wrata("schedules"), r"here +l1 +daily 02:30 +Asia/Kathmandu +20..-..-.. 20:45 \+00:00 ")
        self.wrata("schedules", "remove", "here")
        self.assertIn("must be 1 minute", self.wrata("schedules", "edit", "s", "--every", "0m", expect=2))
        self.wrata("schedules", "edit", "s", "--every", "1h30m")
        self.assertIn("every 1 h 30 min", self.wrata("schedules"))
        self.wrata("schedules", "disable", "s")
        self.assertIn("disabled", self.wrata("schedules"))
        self.wrata("schedules", "enable", "s")
        self.assertRegex(self.wrata("schedules", "run-now", "s"), r"^launch 1: 2 files")
        self.assertRegex(self.wrata("schedules", "starts", "s"), r"started +1")
        self.assertEqual(self.wrata("schedules", "preview", "--cron", "30 2 29 2 *", "--zone", "Europe/Berlin", "--count", "2",
                                    "--from", "2026-01-01T00:00"), "2028-02-29T02:30:00+01:00\n2032-02-29T02:30:00+01:00\n")
        self.assertIn("exclude each other", self.wrata("schedules", "preview", "--daily", "02:30", "--cron", "* * * * *", expect=2))
        self.assertIn("'s' starts this list", self.wrata("lists", "remove", "l1", expect=2))
        self.wrata("lists", "remove", "l1", "--force")
        self.assertIn("was deleted", self.wrata("schedules"))
        self.wrata("schedules", "remove", "s")
        self.assertIn("No schedules yet", self.wrata("schedules"))


class Borrowed(Base):
    def test_servers_are_booked_for_its_launch_and_given_back(self):
        gate = os.path.join(self.folder, "gate")
        server = self.world({"a.sh": "while [ ! -e '%s' ]; do sleep 0.1; done\n" % gate, "b.sh": "echo $WRATA_SERVER\n"})
        server.post("/api/v1/fleets", {"name": "cloud", "kind": "fake"})
        self.list(server, files=("a.sh", "b.sh"))
        self.wrata("schedules", "add", "big", "--list", "nightly", "--daily", "03:00", "--book", "2", "--fleet", "cloud")
        big = server.get("/api/v1/schedules")["items"][0]
        self.assertEqual(big["servers"], {"book": 2, "fleet": "cloud", "size": ""})
        launch = server.post("/api/v1/schedules/%d/run" % big["id"])
        wait_for("it runs", lambda: server.get("/api/v1/runs?state=running")["items"], 60)
        self.assertEqual([(s["fleet"], s["booked_by"] is not None) for s in server.servers()], [("cloud", True)] * 2)
        with open(gate, "w", encoding="utf-8"):
            pass
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        wait_for("they are given back", lambda: all(s["status"] == "destroyed" and s["booked_by"] is None for s in server.servers()), 60)
        self.assertIn("launch %d, which it was switched on for, is over" % launch["id"], json.dumps(server.servers()))
        self.assertEqual(server.post("/api/v1/schedules/%d" % big["id"], {"servers_book": 3})["servers"]["book"], 3)
        self.wrata("schedules", "edit", "big", "--no-book")
        self.assertIsNone(server.get("/api/v1/schedules/%d" % big["id"])["servers"])

    def test_one_that_is_due_books_them_too(self):
        server = self.world()
        server.post("/api/v1/fleets", {"name": "cloud", "kind": "fake", "machines_max": 1})
        self.list(server)
        made = server.post("/api/v1/schedules", {"list": "nightly", "kind": "once", "at": soon(2), "servers_book": 5, "servers_fleet": "cloud"})
        start = wait_for("it was due", lambda: server.get("/api/v1/schedules/%d/starts" % made["id"])["items"], 60)[0]
        self.assertEqual(start["result"], "started", start)
        self.assertEqual(server.wait_launch(start["launch"])["outcome"], "passed")
        wait_for("it is given back", lambda: [s["status"] for s in server.servers()] == ["destroyed"], 60)


class Rules(Base):
    def test_bad_schedules_name_field_and_value(self):
        server = self.world()
        self.list(server)
        good = {"list": "nightly", "kind": "daily", "at": "02:00"}
        rows = [("at", dict(at="25:00")), ("at", dict(at="")), ("at", dict(kind="once", at="2020-01-01T00:00")),
                ("at", dict(kind="once", at="31.12.2030 02:00")), ("zone", dict(zone="Mars/Base")),
                ("zone", dict(zone="../../etc/passwd")), ("list", dict(list="none")), ("list", dict(list=99)),
                ("kind", dict(kind="each_undefined_hours_undefined_minutes")), ("kind", dict(kind="each")),
                ("minutes", dict(kind="every", at="", hours=0, minutes=0)), ("minutes", dict(kind="every", at="")),
                ("hours", dict(kind="every", hours=-1)), ("days", dict(kind="weekly")), ("days", dict(kind="weekly", days="mon,day")),
                ("cron", dict(kind="cron", at="")), ("cron", dict(kind="cron", at="", cron="* * * *")),
                ("cron", dict(kind="cron", at="", cron="0 0 30 2 *")), ("until", dict(until="2020-01-01T00:00")),
                ("until", dict(until="soon")), ("give_up_h", dict(give_up_h=0)), ("name", dict(name=" x")),
                ("servers_fleet", dict(servers_book=3, servers_size="s-1vcpu")), ("servers_fleet", dict(servers_book=3, servers_fleet="moon")),
                ("servers_book", dict(servers_fleet="local")), ("servers_book", dict(servers_book=1001, servers_fleet="local")), ("overlap", dict(overlap="maybe"))]
        for field, change in rows:
            with self.subTest(**change):
                self.assertIn('"field":"%s"' % field, self.refused(422, server.post, "/api/v1/schedules", dict(good, **change)))
        self.assertEqual(server.get("/api/v1/schedules")["items"], [])

    def test_an_edit_keeps_what_is_not_given_and_another_kind_begins_anew(self):
        server = self.world()
        self.list(server)
        made = server.post("/api/v1/schedules", {"list": "nightly", "kind": "every", "hours": 1, "minutes": 30, "overlap": "queue"})
        self.assertEqual((made["name"], made["hours"], made["minutes"], made["zone"]), ("nightly", 1, 30, "UTC"))
        path = "/api/v1/schedules/%d" % made["id"]
        named = server.post(path, {"name": "n", "version": 1})
        self.assertEqual((named["next_at"], named["version"], named["overlap"]), (made["next_at"], 2, "queue"))
        self.assertIn("version", self.refused(409, server.post, path, {"name": "m", "version": 1}))
        weekly = server.post(path, {"kind": "weekly", "at": "05:00", "days": "sun,fri"})
        self.assertEqual((weekly["days"], weekly["minutes"]), ("sun,fri", 0))
        daily = server.post(path, {"kind": "daily", "at": "05:00", "zone": "UTC"})
        self.assertEqual((daily["hours"], daily["minutes"], daily["at"]), (0, 0, "05:00"))
        off = server.post(path, {"enabled": False})
        self.assertEqual((off["enabled"], off["next_at"], off["reason"]), (False, None, ""))
        self.assertTrue(server.post(path, {"enabled": True})["next_at"])
        server.call("DELETE", path)
        self.refused(404, server.get, path)


class Starts(Base):
    def starts(self, server, schedule):
        return server.get("/api/v1/schedules/%d/starts" % schedule)["items"]

    def launches(self, server):
        return server.all("/api/v1/launches")

    def test_once_starts_once_at_its_time_and_never_again(self):
        server = self.world()
        self.list(server)
        made = server.post("/api/v1/schedules", {"list": "nightly", "kind": "once", "at": soon(3)})
        self.assertEqual(self.launches(server), [])
        start = wait_for("it starts", lambda: self.starts(server, made["id"]))[0]
        self.assertEqual((start["result"], start["due_at"]), ("started", made["next_at"]))
        self.assertLess(start["late_ms"], 20000)
        server.post("/api/v1/schedules", {"name": "other", "list": "nightly", "kind": "daily", "at": "02:00"})
        time.sleep(3)
        server.kill()
        server.start()
        time.sleep(2)
        self.assertEqual([la["id"] for la in self.launches(server)], [start["launch"]])
        self.assertIsNone(server.get("/api/v1/schedules/%d" % made["id"])["next_at"])

    def test_a_missed_start_is_made_up_for_once_and_says_how_late(self):
        server = self.world()
        self.list(server)
        late = server.post("/api/v1/schedules", {"name": "late", "list": "nightly", "kind": "every", "minutes": 10, "overlap": "queue"})
        gone = server.post("/api/v1/schedules", {"name": "gone", "list": "nightly", "kind": "daily", "at": "02:00", "give_up_h": 1})
        server.stop()
        # As if the server had been away: for 3 hours (18 times missed), and for days.
        now = int(time.time() * 1000)
        grid = int(datetime.datetime.strptime(late["next_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp() * 1000)
        self.sql(server, "UPDATE schedules SET start_at = start_at - ?, next_at = ? WHERE id = ?", 36000000, grid - 3 * 3600000, late["id"])
        two_ago = now - now % 86400000 - 5 * 86400000 + 2 * 3600000
        self.sql(server, "UPDATE schedules SET next_at = ?, at_text = ? WHERE id = ?", two_ago,
                 time.strftime("%H:%M", time.gmtime(now / 1000 - 2 * 3600)), gone["id"])
        server.start()
        start = wait_for("it is made up for", lambda: self.starts(server, late["id"]))[0]
        self.assertEqual(start["result"], "started")
        self.assertLess(start["late_ms"], 10 * 60000 + 60000)
        missed = wait_for("it is given up", lambda: self.starts(server, gone["id"]))[0]
        self.assertEqual((missed["result"], missed["launch"]), ("missed", None))
        self.assertIn("late, and given up after 1 h", missed["text"])
        time.sleep(3)
        self.assertEqual(len(self.launches(server)), 1)
        for schedule in (late, gone):
            self.assertGreater(server.get("/api/v1/schedules/%d" % schedule["id"])["next_at"], iso(datetime.datetime.now(UTC)))

    def test_overlap_skips_or_queues(self):
        server = self.world({"a.sh": "#!/bin/bash\nsleep 600\n"})
        self.list(server)
        made = {rule: server.post("/api/v1/schedules", {"name": rule, "list": "nightly", "kind": "daily", "at": "00:00", "overlap": rule})
                for rule in ("skip", "queue")}
        for rule, schedule in made.items():
            server.post("/api/v1/schedules/%d/run" % schedule["id"])
        server.stop()
        self.sql(server, "UPDATE schedules SET next_at = ?", int(time.time() * 1000) - 1000)
        self.sql(server, "UPDATE schedules SET at_text = ?", time.strftime("%H:%M", time.gmtime(time.time())))
        server.start()
        results = {rule: wait_for("it is judged", lambda: (lambda s: s if len(s) > 1 else None)(self.starts(server, schedule["id"])))
                   for rule, schedule in made.items()}
        self.assertIn("skipped", [s["result"] for s in results["skip"]])
        self.assertIn("is not done", next(s for s in results["skip"] if s["result"] == "skipped")["text"])
        self.assertEqual([s["result"] for s in results["queue"]], ["started", "started"])

    def test_what_cannot_start_says_why_and_the_others_go_on(self):
        """Poison rows: an unknown kind, a period of 0, a zone that is none, a list that is gone, times that are no times."""
        server = self.world()
        self.list(server)
        self.list(server, "broken", files=["none.sh"])
        poison = {}
        for name, column, value in (("kind", "kind", "each_undefined_hours"), ("period", "every_minutes", 0), ("zone", "zone", "No/Where"),
                                    ("at", "at_text", "yesterday"), ("list", "list", 999), ("cron", "cron", "x"), ("next", "next_at", 1)):
            made = server.post("/api/v1/schedules", {"name": name, "list": "nightly", "kind": "every", "minutes": 5})
            poison[name] = (made["id"], column, value)
        bad = server.post("/api/v1/schedules", {"name": "no file", "list": "broken", "kind": "once", "at": soon(120)})
        server.stop()
        due = int(time.time() * 1000) - 1000
        for name, (schedule, column, value) in poison.items():
            self.sql(server, "UPDATE schedules SET next_at = ? WHERE id = ?", due, schedule)
            self.sql(server, "UPDATE schedules SET %s = ? WHERE id = ?" % column, value, schedule)
        self.sql(server, "UPDATE schedules SET next_at = ? WHERE id = ?", due, bad["id"])
        server.start()
        good = server.post("/api/v1/schedules", {"name": "good", "list": "nightly", "kind": "once", "at": soon(2)})
        self.assertEqual(wait_for("the good one starts", lambda: self.starts(server, good["id"]))[0]["result"], "started")
        for name in ("kind", "period", "zone", "at", "list", "cron"):
            got = wait_for("%s is disabled" % name, lambda: (lambda s: s if not s["enabled"] else None)(
                server.get("/api/v1/schedules/%d" % poison[name][0])))
            self.assertNotEqual(got["reason"], "", name)
        failed = wait_for("it fails", lambda: self.starts(server, bad["id"]))[0]
        self.assertEqual(failed["result"], "failed")
        self.assertIn("none.sh", failed["text"])
        self.assertTrue(server.get("/api/v1/schedules/%d" % poison["next"][0])["enabled"])
        with open("/proc/%d/stat" % server.process.pid, encoding="utf-8") as f:
            before = int(f.read().split()[13])
        time.sleep(3)
        with open("/proc/%d/stat" % server.process.pid, encoding="utf-8") as f:
            self.assertLess(int(f.read().split()[13]) - before, 100, "it turns in circles")

    def test_nothing_is_started_twice_or_lost_whenever_the_server_is_killed(self):
        server = self.world()
        self.list(server)
        n, seconds = 24, 12
        schedules = [server.post("/api/v1/schedules", {"name": "s%d" % i, "list": "nightly", "kind": "once", "overlap": "queue",
                                                       "at": soon(4 + i * seconds / n)})["id"] for i in range(n)]
        rng = random.Random(7)
        kills, end = 0, time.monotonic() + 4 + seconds + 2
        while time.monotonic() < end or kills < 9:  # a busy machine starts a server more slowly
            time.sleep(rng.uniform(0.05, 1.2))
            server.kill()
            kills += 1
            server.start()
        for schedule in schedules:
            wait_for("schedule %d started" % schedule, lambda: self.starts(server, schedule), 60)
        time.sleep(2)
        starts = [self.starts(server, s) for s in schedules]
        self.assertEqual([[x["result"] for x in s] for s in starts], [["started"]] * n)
        self.assertEqual(sorted(s[0]["launch"] for s in starts), sorted(la["id"] for la in self.launches(server)))

    def test_killed_right_before_the_commit_and_right_after_it(self):
        server = self.world()
        self.list(server)
        before = server.post("/api/v1/schedules", {"name": "before", "list": "nightly", "kind": "once", "at": soon(8)})
        due = datetime.datetime.strptime(before["next_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp()
        time.sleep(due - time.time() - 0.7)
        db = sqlite3.connect(os.path.join(server.data, "wrata.db"), timeout=20, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")  # nobody else commits: the launch is decided, and not on disk
        time.sleep(due - time.time() + 1.5)
        server.kill()
        self.assertEqual(db.execute("SELECT (SELECT COUNT(*) FROM launches), (SELECT COUNT(*) FROM schedule_starts)").fetchall(), [(0, 0)])
        db.execute("ROLLBACK")
        db.close()
        server.start()
        start = wait_for("it starts now", lambda: self.starts(server, before["id"]))[0]
        self.assertEqual((start["result"], start["launch"]), ("started", self.launches(server)[0]["id"]))
        self.assertGreater(start["late_ms"], 1000)

        after = server.post("/api/v1/schedules", {"name": "after", "list": "nightly", "kind": "once", "overlap": "queue", "at": soon(3)})
        wait_for("it is on disk", lambda: self.sql(server, "SELECT launch FROM schedule_starts WHERE schedule = ?", after["id"]), every=0.002)
        server.kill()
        server.start()
        time.sleep(6)
        self.assertEqual([x["result"] for x in self.starts(server, after["id"])], ["started"])
        self.assertEqual(len(self.launches(server)), 2)

    def test_a_clock_that_jumps_brings_no_storm(self):
        """A time that was dealt with is not started again when the clock goes back over it."""
        server = self.world()
        self.list(server)
        made = server.post("/api/v1/schedules", {"list": "nightly", "kind": "every", "minutes": 1, "overlap": "queue"})
        server.stop()
        now = int(time.time() * 1000)
        # The clock was a year ahead: one start is on record for a time that comes now, the next time lies far away.
        grid = int(datetime.datetime.strptime(made["next_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp() * 1000)
        year = 365 * 86400000
        self.sql(server, "UPDATE schedules SET next_at = ?, start_at = start_at - 600000 WHERE id = ?", grid + year, made["id"])
        for due in (grid - 60000, grid):
            self.sql(server, "INSERT INTO schedule_starts VALUES (?, ?, ?, 'started', 77, '')", made["id"], due, now)
        server.start()
        wait_for("the next time is near again", lambda: server.get("/api/v1/schedules/%d" % made["id"])["next_at"] < iso(
            datetime.datetime.fromtimestamp(now / 1000 + 3600, UTC)))
        self.sql(server, "UPDATE schedules SET next_at = ? WHERE id = ?", grid - 60000, made["id"])
        time.sleep(7)
        self.assertEqual(self.launches(server), [])


if __name__ == "__main__":
    wrata.main()
