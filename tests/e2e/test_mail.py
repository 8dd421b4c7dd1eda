#!/usr/bin/env python3
"""Mail: what a mail server gets, whom we believe, what is tried again, and that each mail arrives once."""

import email
import email.policy
import http.client
import os
import re
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from mailing import MailCase  # noqa: E402
from smtp_sink import make_ca, make_cert  # noqa: E402
from wrata import wait_for  # noqa: E402

TO = "mira@example.org"


class Base(MailCase):
    def queue(self, server, to=TO):
        return server.post("/api/v1/mails/test", {"to": to})["id"]

    def mail(self, server, mail_id):
        return server.get("/api/v1/mails/%d" % mail_id)

    def wait_state(self, server, mail_id, state, seconds=60):
        return wait_for("mail %d is %s" % (mail_id, state), lambda: (lambda m: m if m["state"] == state else None)(self.mail(server, mail_id)), seconds)

    def wait_tries(self, server, mail_id, tries=1, seconds=60):
        return wait_for("mail %d was tried" % mail_id, lambda: (lambda m: m if m["tries"] >= tries else None)(self.mail(server, mail_id)), seconds)


class Sending(Base):
    def test_a_mail_arrives_by_starttls_with_a_login(self):
        sink = self.sink(user="robot", password="s3cr3t word")
        server = self.mailing(sink, smtp_user="robot", smtp_password="s3cr3t word")
        out = self.wrata("mail", "test", TO)
        self.assertIn("mail 1 to %s was handed over" % TO, out)
        got = sink.mails
        self.assertEqual(len(got), 1)
        self.assertEqual((got[0]["from"], got[0]["to"], got[0]["tls"], got[0]["user"]), ("wrata@ci.example.org", [TO], True, "robot"))
        for line in got[0]["data"].split(b"\r\n"):
            self.assertNotIn(b"\n", line)
            self.assertLessEqual(len(line), 78)
        m = email.message_from_bytes(got[0]["data"], policy=email.policy.default)
        self.assertFalse(m.defects)
        self.assertEqual((m["From"], m["To"], m["Auto-Submitted"]), ("wrata@ci.example.org", TO, "auto-generated"))
        self.assertTrue(m["Subject"].startswith("Test mail from wrata at 127.0.0.1:"), m["Subject"])
        self.assertLess(abs(m["Date"].datetime.timestamp() - time.time()), 60)
        self.assertEqual(m.get_content_type(), "multipart/alternative")
        self.assertEqual([p.get_content_type() for p in m.iter_parts()], ["text/plain", "text/html"])
        self.assertIn("`wrata mail test`", m.get_body(("plain",)).get_content())
        self.assertIn("<code>wrata mail test</code>", m.get_body(("html",)).get_content())
        listed = self.mail(server, 1)
        self.assertEqual((listed["state"], listed["tries"], listed["error"], listed["subject"]), ("sent", 1, None, ""))
        self.assertEqual(m["Message-ID"], "<%s>" % listed["message_id"])
        self.assertRegex(self.wrata("mail"), r"(?m)^1 +sent +test +mira@example.org ")
        with sqlite3.connect(os.path.join(server.data, "wrata.db")) as db:
            self.assertEqual(db.execute("SELECT subject, body_text, body_html FROM mails").fetchall(), [("", "", "")])
        log = server.log_tail(20000)
        for secret in ("s3cr3t", TO, "Test mail"):
            self.assertNotIn(secret, log)

    def test_a_link_arrives_as_text_and_page_says_how_long_and_works(self):
        sink = self.sink()
        server = self.mailing(sink)
        mira = server.post("/api/v1/users", {"login": "mira", "email": TO, "password": "four plain words here"})

        def letters():  # but for those that say that the password was changed
            all_of_them = [email.message_from_bytes(m["data"], policy=email.policy.default) for m in list(sink.mails)]
            return [m for m in all_of_them if "was changed" not in m["Subject"]]

        for n, purpose in enumerate(("confirm", "invite", "reset")):
            made = server.post("/api/v1/users/%d/link" % mira["id"], {"purpose": purpose, "mail": True})
            wait_for("the mail is there", lambda n=n: len(letters()) == n + 1)
            m = letters()[n]
            until = "%s %s UTC" % (made["expires_at"][:10], made["expires_at"][11:16])
            for kind in ("plain", "html"):
                body = m.get_body((kind,)).get_content()
                for word in ("mira", made["url"], until):
                    self.assertIn(word, body, kind)
            used = server.post("/api/v1/links/use", {"token": made["url"].split("#")[1], **({} if purpose == "confirm" else {"password": "quite another phrase"})})
            if purpose != "confirm":
                self.assertEqual(used["user"]["login"], "mira")
        self.assertTrue(server.get("/api/v1/users/%d" % mira["id"])["email_confirmed"])

    def arrived(self, sink, n):
        """The n-th mail, from 0: its only receiver, its subject and its text."""
        wait_for("mail %d is there" % n, lambda: len(sink.mails) > n)
        m = email.message_from_bytes(sink.mails[n]["data"], policy=email.policy.default)
        self.assertEqual(sink.mails[n]["to"], [m["To"]])
        for body in ("plain", "html"):
            self.assertIn("mira", m.get_body((body,)).get_content())
        return m["To"], m["Subject"], m.get_body(("plain",)).get_content()

    def test_an_address_that_was_confirmed_hears_that_it_was_changed(self):
        sink = self.sink()
        server = self.mailing(sink)
        words = "four plain words here"
        mira = server.post("/api/v1/users", {"login": "mira", "email": "first@example.org", "password": words})
        post = self.signed_in(server, "mira", words)
        post("/me", {"email": TO, "current": words})  # of the first, never confirmed, nobody knows whose it is
        server.post("/api/v1/users/%d" % mira["id"], {"email_confirmed": True})
        post("/me", {"email": TO, "position": "QA"})
        post("/me", {"email": "thief@example.org", "current": words})
        to, subject, text = self.arrived(sink, 0)
        self.assertEqual((to, subject), (TO, "The address of your wrata account was changed"))
        self.assertIn(server.url + "/", text.split())
        self.assertNotIn("thief", text)
        self.queue(server)  # the next one: there was none between
        self.assertTrue((wait_for("the last mail", lambda: len(sink.mails) > 1 and sink.mails[1]))["to"] == [TO])
        self.assertEqual([m["kind"] for m in server.get("/api/v1/mails")["items"]], ["test", "email_changed"])

    def test_a_stranger_who_asks_for_a_letter_voids_no_link(self):
        sink = self.sink()
        server = self.mailing(sink)
        mira = server.post("/api/v1/users", {"login": "mira", "email": TO, "password": "four plain words here"})
        server.post("/api/v1/users/%d" % mira["id"], {"email_confirmed": True})
        handed = server.post("/api/v1/users/%d/link" % mira["id"], {"purpose": "reset"})["url"].split("#")[1]
        for _ in range(2):
            server.post("/api/v1/links/reset", {"login": "mira"})
        mailed = [re.search(r"/welcome#(\S+)", self.arrived(sink, n)[2]).group(1) for n in range(2)]
        for token in (handed, *mailed):
            self.assertEqual(server.post("/api/v1/links/look", {"token": token})["purpose"], "reset")
        server.post("/api/v1/links/use", {"token": mailed[0], "password": "quite another phrase"})
        for token in (handed, *mailed):
            with self.assertRaises(wrata.ApiError) as gone:
                server.post("/api/v1/links/look", {"token": token})
            self.assertEqual(gone.exception.status, 404)

    def test_another_password_and_being_verified_are_told(self):
        sink = self.sink()
        server = self.mailing(sink)
        words, path = ["four plain words here", "quite another phrase", "a third long sentence"], "/api/v1/users/%d"
        mira = server.post("/api/v1/users", {"login": "mira", "email": TO, "verified": False})
        link = lambda purpose: {"token": server.post((path + "/link") % mira["id"], {"purpose": purpose})["url"].split("#")[1]}  # noqa: E731
        server.post("/api/v1/links/use", {**link("invite"), "password": words[0]})  # the first password is nobody's news
        post = self.signed_in(server, "mira", words[0])
        post("/me/password", {"current": words[0], "password": words[1]})  # the address is not confirmed: it may be anybody's
        server.post(path % mira["id"], {"verified": True, "locked": True})  # may not work all the same
        server.post(path % mira["id"], {"verified": False, "locked": False})
        server.post(path % mira["id"], {"verified": True})
        self.assertEqual(self.arrived(sink, 0)[:2], (TO, "Your account of wrata at %s is verified" % server.url.split("//")[1]))
        server.post(path % mira["id"], {"verified": True, "email_confirmed": True})  # it was already
        post = self.signed_in(server, "mira", words[1])
        post("/me/password", {"current": words[1], "password": words[2]})
        to, subject, text = self.arrived(sink, 1)
        self.assertEqual((to, subject), (TO, "The password of your wrata account was changed"))
        self.assertIn(server.url + "/", text.split())
        server.post("/api/v1/links/use", {**link("reset"), "password": words[0]})
        self.assertEqual(self.arrived(sink, 2)[1], subject)
        self.queue(server)
        wait_for("the last mail", lambda: len(sink.mails) == 4)
        self.assertEqual([m["kind"] for m in server.get("/api/v1/mails")["items"]], ["test", "password", "password", "verified"])

    def test_without_an_address_it_goes_to_the_first_admin(self):
        sink = self.sink()
        self.mailing(sink, admin_emails="[boss@example.org, second@example.org]")
        self.wrata("mail", "test")
        self.assertEqual(sink.mails[0]["to"], ["boss@example.org"])

    def test_port_465_is_tls_from_the_start(self):
        try:
            sink = self.sink(port=465, tls_at_once=True)
        except OSError as e:
            self.skipTest("port 465: %s" % e)
        self.mailing(sink)
        self.wrata("mail", "test", TO)
        self.assertTrue(sink.mails[0]["tls"])
        self.assertNotIn("STARTTLS", sink.seen)

    def test_off_and_optional_are_for_this_machine(self):
        sink = self.sink(starttls=False)
        server = self.mailing(sink, "--mail-tls", "off")
        self.wrata("mail", "test", TO)
        self.assertFalse(sink.mails[0]["tls"])
        server.stop()
        for tls, more, why in (("off", {}, "off is for a server on this machine"),
                               ("optional", {"smtp_user": "u", "smtp_password": "p"}, "in the clear")):
            self.credentials(25, smtp_host="mail.example.org", **more)
            server = self.serve("--mail-tls", tls)
            self.assertIn("event=mail.wrong", server.log_tail())
            self.assertIn(why, self.wrata("mail", "test", TO, expect=3))
            server.stop()

    def test_one_connection_at_a_time(self):
        sink = self.sink()
        server = self.mailing(sink)
        ids = [self.queue(server) for _ in range(8)]
        for i in ids:
            self.wait_state(server, i, "sent")
        self.assertEqual(len(set(sink.ids())), 8)
        self.assertEqual(len(sink.mails), 8)
        self.assertEqual(sink.most_at_once, 1)


class Refusing(Base):
    def test_bad_addresses_queue_nothing(self):
        sink = self.sink()
        server = self.mailing(sink)
        for bad in ("a@b\r\nRCPT TO:<c@d>", "a@b\nBcc: c@d", "nobody", "a@b,c@d", "<a@b>", "a" * 251 + "@b.c", "\u00fc@b.c"):
            with self.assertRaises(wrata.ApiError) as e:
                self.queue(server, bad)
            self.assertEqual(e.exception.status, 422, bad)
            self.assertIn('"field":"to"', e.exception.body)
        self.assertIn("to:", self.wrata("mail", "test", expect=2))
        self.assertEqual(server.get("/api/v1/mails")["items"], [])
        self.assertEqual(sink.connections, 0)

    def test_without_a_server_it_says_so_until_hangup_brings_one(self):
        server = self.serve("--mail-ca", self.ca[0])
        with self.assertRaises(wrata.ApiError) as e:
            self.queue(server)
        self.assertEqual(e.exception.status, 503)
        self.assertIn("smtp_host is not set", e.exception.body)
        self.assertEqual(server.get("/api/v1/mails")["items"], [])
        sink = self.sink()
        self.credentials(sink.port)
        server.process.send_signal(signal.SIGHUP)
        wait_for("mail is ready", lambda: "event=mail.ready" in server.log_tail())
        self.wait_state(server, self.queue(server), "sent")

    def test_no_tls_no_mail_and_no_password(self):
        sink = self.sink(starttls=False, user="u", password="p")
        server = self.mailing(sink, smtp_user="u", smtp_password="p")
        self.assertIn("will be tried again", self.wrata("mail", "test", TO, expect=3))
        self.assertEqual(sink.mails, [])
        self.assertFalse([line for line in sink.seen if line.startswith(("AUTH", "MAIL"))])
        self.assertEqual(self.mail(server, 1)["state"], "waiting")

    def test_wrong_certificates(self):
        other = make_cert(self.folder, self.ca, "other.example.org")
        stranger = os.path.join(self.folder, "stranger")
        os.mkdir(stranger)
        unknown = make_cert(stranger, make_ca(stranger), "localhost")
        for pair in (other, unknown):
            sink = self.sink(certs=pair)
            server = self.mailing(sink)
            m = self.wait_tries(server, self.queue(server))
            self.assertEqual(m["state"], "waiting")
            self.assertRegex(m["error"], "(?i)certificate")
            self.assertFalse([line for line in sink.seen if line.startswith("MAIL")])
            server.stop()

    def test_a_wrong_password_is_the_operators_business(self):
        sink = self.sink(user="u", password="right")
        server = self.mailing(sink, smtp_user="u", smtp_password="wrong")
        m = self.wait_tries(server, self.queue(server))
        self.assertEqual(m["state"], "waiting")
        self.assertIn("answered AUTH with: 535 5.7.8", m["error"])
        self.credentials(sink.port, smtp_user="u", smtp_password="right")
        server.process.send_signal(signal.SIGHUP)
        wait_for("the credentials are read", lambda: server.log_tail().count("event=mail.ready") == 2)
        self.assertIn("1 mails are tried now", self.wrata("mail", "retry"))
        self.wait_state(server, 1, "sent")

    def test_a_refused_recipient_is_not_tried_again(self):
        sink = self.sink()
        sink.refuse["gone@example.org"] = "550 5.1.1 no such user"
        server = self.mailing(sink)
        out = self.wrata("mail", "test", "gone@example.org", expect=3)
        self.assertIn("answered RCPT with: 550 5.1.1 no such user", out)
        self.assertNotIn("tried again", out)
        m = self.mail(server, 1)
        self.assertEqual((m["state"], m["tries"], m["next_at"]), ("failed", 1, None))
        self.assertIn("event=mail.failed", server.log_tail())
        self.wait_state(server, self.queue(server), "sent")
        self.assertRegex(self.wrata("mail", "list"), r"(?m)^1 +failed .*550 5.1.1 no such user")
        del sink.refuse["gone@example.org"]
        self.wrata("mail", "retry")  # asked for by a person, it is
        self.wait_state(server, 1, "sent")
        self.assertEqual(len(sink.mails), 2)

    def test_a_refused_content_fails_and_a_busy_server_does_not(self):
        for stage, answer, state in (("RCPT", "451 4.7.1 greylisted", "waiting"),
                                     ("MAIL", "452 4.3.1 full", "waiting"), ("body", "451 later", "waiting"),
                                     ("MAIL", "553 5.7.1 not your address", "waiting"), ("connect", "554 go away", "waiting"),
                                     ("body", "554 5.6.0 spam", "failed")):
            sink = self.sink()
            sink.answer[stage] = answer
            server = self.mailing(sink)
            m = self.wait_tries(server, self.queue(server))
            self.assertEqual((m["state"], m["tries"]), (state, 1), (stage, answer))
            self.assertIn(answer, m["error"])
            if state == "waiting":
                self.assertIsNotNone(m["next_at"])
                sink.answer.clear()
                self.wrata("mail", "retry")
                self.wait_state(server, m["id"], "sent")
                self.assertEqual(len(sink.mails), 1)
            server.stop()


class Lasting(Base):
    def test_down_and_up_again(self):
        sink = self.sink()
        server = self.mailing(sink)
        sink.stop()
        first = self.queue(server)
        m = self.wait_tries(server, first)
        self.assertEqual(m["state"], "waiting")
        self.assertIn("localhost port %d" % sink.port, m["error"])
        second = self.queue(server)
        server.stop()
        sink.start()
        server.start()
        self.wait_state(server, second, "sent")  # no try was made yet: due at once
        self.assertEqual(self.mail(server, first)["state"], "waiting")  # its minute is not over
        self.wrata("mail", "retry")
        self.wait_state(server, first, "sent")
        self.assertEqual(len(sink.mails), 2)
        self.assertEqual(len(set(sink.ids())), 2)

    def test_a_slow_server_delays_nothing(self):
        for stage in ("connect", "RCPT", "body"):
            sink = self.sink()
            gate = threading.Event()
            self.addCleanup(gate.set)
            sink.hook[stage] = lambda gate=gate: not gate.wait(60)
            server = self.mailing(sink)
            mail = self.queue(server)
            wait_for("the mail is on its way", lambda: sink.connections == 1)
            slowest = 0
            for _ in range(20):
                began = time.monotonic()
                server.get("/api/v1/status")
                self.mail(server, mail)
                slowest = max(slowest, time.monotonic() - began)
            self.assertLess(slowest, 20, "as long as the mail's server takes")
            self.assertEqual(self.mail(server, mail)["state"], "waiting")
            began = time.monotonic()
            server.stop()
            self.assertLess(time.monotonic() - began, 20)
            server.start()
            self.wait_state(server, mail, "sent")
            gate.set()
            server.stop()

    def test_a_server_that_does_not_say_goodbye_delays_nothing(self):
        sink = self.sink()
        gate = threading.Event()
        self.addCleanup(gate.set)
        sink.hook["QUIT"] = lambda: not gate.wait(60)
        server = self.mailing(sink)
        self.wait_state(server, self.queue(server), "sent", 10)

    def test_killed_at_any_moment_each_mail_arrives_once(self):
        sink = self.sink()
        server = self.mailing(sink)
        for stage in ("connect", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "body"):
            before = len(sink.mails)
            killed = threading.Event()

            def kill(killed=killed):
                server.kill()
                killed.set()
                return True  # the peer is dead: nothing was promised
            sink.hook[stage] = kill
            try:
                self.queue(server)
            except (OSError, http.client.HTTPException):
                pass  # killed before the answer; the mail was in the queue, else it would not have been on its way
            self.assertTrue(killed.wait(60), stage)
            server.start()
            wait_for("everything is sent", lambda: all(m["state"] == "sent" for m in server.get("/api/v1/mails")["items"]))
            server.kill()
            server.start()
            other = self.queue(server)
            self.wait_state(server, other, "sent")
            self.assertEqual(len(sink.mails), before + 2, stage)
        self.assertEqual(len(set(sink.ids())), len(sink.mails))

    def test_killed_between_the_servers_word_and_our_commit_it_is_the_same_mail_again(self):
        sink = self.sink()
        server = self.mailing(sink, env=dict(os.environ, WRATA_FAULTS="mail.crash_before_set=1"))
        mail = self.queue(server)
        server.process.wait(60)
        self.assertEqual(len(sink.mails), 1)
        server.env = None
        server.start()
        self.wait_state(server, mail, "sent")
        self.assertEqual(len(sink.mails), 2)
        self.assertEqual(sink.mails[0]["data"], sink.mails[1]["data"])

    def test_what_is_over_for_a_month_goes_with_its_time(self):
        sink = self.sink()
        server = self.mailing(sink)
        for _ in range(2):
            self.wait_state(server, self.queue(server), "sent")
        server.stop()
        with sqlite3.connect(os.path.join(server.data, "wrata.db")) as db:
            db.execute("UPDATE mails SET ended_at = ended_at - 31 * 86400000 WHERE id = 1")
            db.execute("UPDATE mails SET ended_at = ended_at - 29 * 86400000 WHERE id = 2")
        server.start()
        wait_for("the old row is gone", lambda: [m["id"] for m in server.get("/api/v1/mails")["items"]] == [2], 60, 0.2)


if __name__ == "__main__":
    wrata.main()
