#!/usr/bin/env python3
"""Mail about launches and schedules: who hears of what, once, whatever is killed when; and that a storm is one mail."""

import contextlib
import datetime
import email
import email.policy
import os
import re
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from mailing import MailCase  # noqa: E402
from wrata import pids_with, wait_for  # noqa: E402

TO = "mira@example.org"
BOSS = "boss@example.org"
WORDS = "four plain words here"
EVIL = "<script>alert(1)</script>\u202e{{login}}"

FAILS_TAP = """#!/bin/bash
echo 1..3
echo "ok 1 - adds"
echo "not ok 2 - keeps <b>borders</b>"
echo "  ---"
echo "  message: 'expected 4, got <5>'"
echo "  ..."
echo "ok 3 - waits # SKIP later"
exit 1
"""
FILES = {
    "wrata.yml": "commands:\n  - glob: '*.tap.sh'\n    run: [bash, '{file}']\n    report: tap\n",
    "good.sh": "#!/bin/bash\n",
    "bad.sh": "#!/bin/bash\nexit 3\n",
    "cart.tap.sh": FAILS_TAP,
    "none.tap.sh": "#!/bin/bash\necho 1..0\n",
    "slow.sh": "#!/bin/bash\nfor i in $(seq 200); do echo line $i; done\necho pid $$ >> $PIDS\nsleep 60\n",
}


def soon(seconds):
    return datetime.datetime.fromtimestamp(int(time.time() + seconds), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Base(MailCase):
    def world(self, sink, *args, servers=1, env=None, **more):
        """A server with a project, and mira, who can get mail; self.mira posts as she does."""
        server = self.mailing(sink, "--mail-first-s", "1", "--mail-again-s", "2", *args, env=env, **more)
        server.post("/api/v1/projects", {"name": "p", "url": self.project(FILES)})
        for i in range(servers):
            server.add_local("local-%d" % (i + 1), 4)
        user = server.post("/api/v1/users", {"login": "mira", "email": TO, "password": WORDS})
        server.post("/api/v1/users/%d" % user["id"], {"email_confirmed": True})
        self.mira = self.signed_in(server, "mira", WORDS)
        self.mira("/me", {"mail_launch_min_s": 0})
        return server

    def mails(self, sink, to=TO):
        return [email.message_from_bytes(m["data"], policy=email.policy.default) for m in list(sink.mails) if m["to"] == [to]]

    def wait_mails(self, sink, n, to=TO, seconds=60):
        return wait_for("%d mails to %s" % (n, to), lambda: (lambda ms: ms if len(ms) >= n else None)(self.mails(sink, to)), seconds)

    def launch(self, server, *files, **more):
        """By mira, until it is done."""
        made = self.mira("/launches", dict(project="p", files=list(files), **more))
        return server.wait_launch(made["id"])

    def settled(self, server, sink, n, to=TO):
        """No notice waits and no mail: there are n."""
        left = "SELECT (SELECT COUNT(*) FROM notices) + (SELECT COUNT(*) FROM mails WHERE state = 'waiting')"
        wait_for("nothing waits to be told", lambda: self.sql(server, left) == [(0,)], 60)
        self.assertEqual(len(self.mails(sink, to)), n, [m["Subject"] for m in self.mails(sink, to)])

    def text(self, m, kind="plain"):
        return m.get_body((kind,)).get_content().replace("\r\n", "\n")

    def sql(self, server, text, *args):
        with contextlib.closing(sqlite3.connect(os.path.join(server.data, "wrata.db"), timeout=20)) as db, db:
            return db.execute(text, args).fetchall()


class Owner(Base):
    def test_a_launch_that_failed_is_told_once_with_what_failed(self):
        sink = self.sink()
        server = self.world(sink)
        launch = self.launch(server, "good.sh", "bad.sh", "cart.tap.sh", name=EVIL)
        m = self.wait_mails(sink, 1)[0]
        self.assertEqual(m["Subject"], "failed: <script>alert(1)</script>?{{login}}: p main, launch %d" % launch["id"]
                         if launch["ref"] else m["Subject"])
        text, html = self.text(m), self.text(m, "html")
        url = "%s/launches/%d" % (server.url, launch["id"])
        for body in (text, html):
            self.assertIn(url, body)
            self.assertIn("Files: 3: 1 passed, 2 failed", body)
            self.assertIn("Examples: 1 passed, 1 failed, 1 pending, 0 not run", body)
            self.assertIn("bad.sh: failed", body)
            self.assertIn("/account", body)
            self.assertIn("--mail-launches never", body)
        self.assertIn("keeps <b>borders</b>", text)
        self.assertIn("expected 4, got <5>", text)
        self.assertNotIn("\u202e", text + html)
        self.assertNotIn("<script", html)
        self.assertNotIn("<b>borders", html)
        self.assertIn("keeps &lt;b&gt;borders", html)
        for body in (text, html):  # every link leads somewhere here
            for word in re.split(r'[\s"<>]+', body):
                if "://" in word:
                    self.assertTrue(word.startswith(server.url + "/"), word)
        self.settled(server, sink, 1)

    def test_choices_are_obeyed(self):
        sink = self.sink()
        server = self.world(sink)
        self.launch(server, "good.sh")  # preset: failed only
        self.mira("/me", {"mail_launches": "never"})
        self.launch(server, "bad.sh")
        self.launch(server, "bad.sh", mail="failed")  # its own word goes first
        self.assertIn("asked for a mail", self.text(self.wait_mails(sink, 1)[0]))
        self.settled(server, sink, 1)
        self.mira("/me", {"mail_launches": "always", "mail_launch_min_s": 3600})
        self.launch(server, "good.sh")
        self.settled(server, sink, 1)
        self.mira("/me", {"mail_launch_min_s": 0})
        self.launch(server, "bad.sh", mail="never")
        self.settled(server, sink, 1)
        done = self.launch(server, "good.sh")
        m = self.wait_mails(sink, 2, seconds=90)[1]
        self.assertTrue(m["Subject"].startswith("passed: p"), m["Subject"])
        self.assertIn("launch %d" % done["id"], m["Subject"])

    def test_the_command_line_shows_and_sets_the_choices(self):
        sink = self.sink()
        server = self.world(sink)
        self.assertIn("launches that ended: failed, when they took 60 s or more", self.wrata("account"))
        self.wrata("account", "edit", "--mail-launches", "always", "--mail-launch-min", "5m", "--mail-schedule-missed", "no")
        said = self.wrata("account", "show")
        self.assertIn("launches that ended: always, when they took 300 s or more", said)
        self.assertRegex(said, r"miss their start: no")
        self.wrata("account", "edit", "--mail-launches", "sometimes", expect=2)
        # who waits for the end needs no letter about it
        self.wrata("run", "--project", "p", "bad.sh", expect=1)
        self.wrata("run", "--project", "p", "--no-follow", "bad.sh")
        self.assertEqual(self.sql(server, "SELECT mail FROM launches ORDER BY id"), [("never",), ("choice",)])

    def test_an_address_that_is_not_confirmed_gets_nothing(self):
        sink = self.sink()
        server = self.world(sink)
        kim = server.post("/api/v1/users", {"login": "kim", "email": "kim@example.org", "password": WORDS})
        self.mira = self.signed_in(server, "kim", WORDS)
        self.launch(server, "bad.sh", mail="always")
        self.settled(server, sink, 0, "kim@example.org")
        server.post("/api/v1/users/%d" % kim["id"], {"email_confirmed": True})
        self.settled(server, sink, 0, "kim@example.org")
        self.launch(server, "bad.sh", mail="always")
        self.wait_mails(sink, 1, "kim@example.org")

    def test_many_at_once_are_one_mail_and_an_outage_holds_them(self):
        sink = self.sink()
        server = self.world(sink)
        sink.answer["connect"] = "421 come back later"
        self.launch(server, "bad.sh")
        wait_for("the first one waits", lambda: [m for m in server.get("/api/v1/mails")["items"] if m["kind"] == "launch" and m["tries"] > 0])
        ids = [self.launch(server, "bad.sh")["id"] for _ in range(4)]
        self.assertEqual(len(server.get("/api/v1/mails")["items"]), 1)
        self.assertEqual(len(sink.mails), 0)
        del sink.answer["connect"]
        server.post("/api/v1/mails/retry")
        one, many = self.wait_mails(sink, 2, seconds=90)
        self.assertTrue(one["Subject"].startswith("failed: p"), one["Subject"])
        self.assertEqual(many["Subject"], "4 launches have ended")
        for i in ids:
            self.assertIn("%s/launches/%d\n" % (server.url, i), self.text(many))
        self.settled(server, sink, 2)


class Killed(Base):
    def killed_between(self, fault):
        sink = self.sink()
        server = self.world(sink, env=dict(os.environ, WRATA_FAULTS=fault))
        made = self.mira("/launches", {"project": "p", "files": ["bad.sh"], "name": "once"})
        server.process.wait(60)
        self.assertEqual(len(sink.mails), 0)
        server.env = None
        server.start()
        m = self.wait_mails(sink, 1)[0]
        self.assertIn("launch %d" % made["id"], m["Subject"])
        self.settled(server, sink, 1)
        server.kill()
        server.start()
        self.settled(server, sink, 1)

    def test_killed_between_the_end_and_the_sending_it_is_told_once(self):
        self.killed_between("notice.crash_taken=1")

    def test_killed_while_nobody_takes_mail_it_is_told_once(self):
        sink = self.sink()
        server = self.world(sink)
        sink.answer["connect"] = "421 come back later"
        self.launch(server, "bad.sh")
        wait_for("it waits", lambda: server.get("/api/v1/mails")["items"])
        server.kill()
        del sink.answer["connect"]
        server.start()
        server.post("/api/v1/mails/retry")
        self.wait_mails(sink, 1)
        self.settled(server, sink, 1)


class Schedules(Base):
    def list(self, files):
        return self.mira("/lists", {"name": "nightly", "project": "p", "files": files})

    def schedule(self, name, **rule):
        return self.mira("/schedules", {"name": name, "list": "nightly", **rule})

    def test_files_that_are_not_there_and_a_project_that_is_gone(self):
        sink = self.sink()
        server = self.world(sink)
        self.list(["gone.sh"])
        self.schedule("night <i>", kind="once", at=soon(1))
        m = self.wait_mails(sink, 1)[0]
        self.assertEqual(m["Subject"], "A schedule did not start: schedule night <i>")
        (result, why), = self.sql(server, "SELECT result, text FROM schedule_starts")
        self.assertEqual(result, "failed")
        self.assertIn("gone.sh", why)
        self.assertIn(why, self.text(m))  # the same sentence as on the page
        self.assertIn("night &lt;i&gt;", self.text(m, "html"))
        server.call("DELETE", "/api/v1/projects/%d" % server.get("/api/v1/projects")["items"][0]["id"])
        self.schedule("later", kind="once", at=soon(1))
        m = self.wait_mails(sink, 2)[1]
        self.assertIn("schedule later", m["Subject"], self.text(m))
        self.mira("/me", {"mail_schedule_failed": False, "mail_schedule_disabled": False})
        self.schedule("unheard", kind="once", at=soon(1))
        wait_for("it failed", lambda: self.sql(server, "SELECT t.result FROM schedule_starts t JOIN schedules s ON s.id = t.schedule WHERE s.name = 'unheard'"))
        self.settled(server, sink, 2)

    def test_a_launch_of_a_schedule_and_a_start_that_was_missed(self):
        sink = self.sink()
        server = self.world(sink)
        self.list(["bad.sh"])
        self.mira("/me", {"mail_launch_min_s": 3600})  # of other launches
        self.schedule("nightly", kind="once", at=soon(1))
        m = self.wait_mails(sink, 1)[0]
        self.assertIn("the schedule nightly started it", self.text(m))
        self.assertIn("--mail-schedule-launches never", self.text(m))
        late = self.schedule("late", kind="once", at=soon(3600))
        server.stop()
        at = datetime.datetime.fromtimestamp(int(time.time()) - 30 * 3600, datetime.timezone.utc)
        self.sql(server, "UPDATE schedules SET next_at = ?, at_text = ?, start_at = 0 WHERE id = ?", int(at.timestamp()) * 1000, at.strftime("%Y-%m-%dT%H:%M:%S"), late["id"])
        server.start()
        m = self.wait_mails(sink, 2)[1]
        self.assertEqual(m["Subject"], "A schedule missed its start: schedule late")
        self.assertRegex(self.text(m), r"it is 30 h \d+ min late")


class Admins(Base):
    def test_runs_that_were_lost_are_one_mail_with_the_end_of_a_log(self):
        sink = self.sink()
        pids = os.path.join(self.folder, "pids")
        server = self.world(sink, "--mail-first-s", "4", admin_emails="[%s]" % BOSS)
        made = server.post("/api/v1/launches", {"project": "p", "files": ["slow.sh"], "languages": [x["name"] for x in server.get("/api/v1/languages")["items"]][:3],
                                                "retries": 0, "env": ["PIDS=" + pids]})
        wait_for("all of them run", lambda: os.path.exists(pids) and len(open(pids, encoding="utf-8").readlines()) == 3, 60)
        for pid in pids_with(self.folder, "wrata-agent"):
            os.kill(pid, signal.SIGKILL)
        server.wait_launch(made["id"])
        m = self.wait_mails(sink, 1, BOSS)[0]
        self.assertEqual(m["Subject"], "Runs were lost: 3 times, launch %d, p main" % made["id"] if made["ref"] else m["Subject"])
        text = self.text(m)
        self.assertIn("%s/launches/%d" % (server.url, made["id"]), text)
        self.assertIn("on local-1: ", text)
        self.assertIn("  | line 200\n", text)
        self.assertEqual(text.count("  | "), 60)
        self.settled(server, sink, 1, BOSS)

    def test_no_tests_and_a_server_that_cannot_be_made(self):
        sink = self.sink()
        server = self.world(sink, admin_emails="[%s, second@example.org]" % BOSS)
        self.launch(server, "none.tap.sh", mail="never")
        for to in (BOSS, "second@example.org"):
            m = self.wait_mails(sink, 1, to)[0]
            self.assertTrue(m["Subject"].startswith("No tests were executed: launch 1"), m["Subject"])
        cloud = os.path.join(self.folder, "cloud")
        with open(cloud, "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\ncat > /dev/null\nif [ $1 = list ]; then echo '{\"machines\": []}'\n"
                    "else echo '{\"message\": \"no <credit> left\", \"fault\": \"limit\"}'; exit 1; fi\n")
        os.chmod(cloud, 0o755)
        server.post("/api/v1/fleets", {"name": "own", "kind": "command", "options": {w: [cloud, w] for w in ("create", "destroy", "list", "connect")}})
        made = server.post("/api/v1/servers", {"name": "w1", "fleet": "own"})
        server.post("/api/v1/servers/power_on", {"servers": [made["id"]]})
        m = self.wait_mails(sink, 2, BOSS)[1]
        self.assertEqual(m["Subject"], "A server could not be created: server w1")
        self.assertIn("no <credit> left", self.text(m))
        self.assertIn("no &lt;credit&gt; left", self.text(m, "html"))


if __name__ == "__main__":
    wrata.main()
