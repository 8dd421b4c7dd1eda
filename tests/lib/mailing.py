"""mailing.py - a server that sends its mail to a sink: what the tests of mail share."""

import http.client
import json
import os
import subprocess
import tempfile

import wrata
from smtp_sink import Sink, make_ca, make_cert
from wrata import WRATA


class MailCase(wrata.Case):
    @classmethod
    def setUpClass(cls):
        cls.certs = tempfile.TemporaryDirectory(prefix="wrata-certs-")
        cls.addClassCleanup(cls.certs.cleanup)
        cls.ca = make_ca(cls.certs.name)
        cls.pair = make_cert(cls.certs.name, cls.ca, "localhost")

    def sink(self, **more):
        more.setdefault("certs", self.pair)
        sink = Sink(**more).start()
        self.addCleanup(sink.stop)
        return sink

    def wrata(self, *args, stdin="", expect=0, env=None):
        p = subprocess.run([WRATA, *args, "--data", os.path.join(self.folder, "data")], input=stdin, capture_output=True,
                           text=True, timeout=120, env=env)
        self.assertEqual(p.returncode, expect, p.stdout + p.stderr)
        self.assertNotIn("Sanitizer", p.stderr)
        return p.stdout + p.stderr

    def credentials(self, port, **more):
        more = {"smtp_host": "localhost", "smtp_port": port, "smtp_from": "wrata@ci.example.org", **more}
        text = os.path.join(self.folder, "credentials")
        with open(text, "w", encoding="utf-8") as f:
            f.write("".join("%s: %s\n" % (k, v) for k, v in more.items() if v is not None))
        editor = os.path.join(self.folder, "editor")
        with open(editor, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\ncp '%s' \"$1\"\n" % text)
        os.chmod(editor, 0o755)
        self.wrata("credentials", "edit", env=dict(os.environ, EDITOR=editor, VISUAL=editor))

    def mailing(self, sink, *args, env=None, **more):
        """A server that sends its mail to the sink."""
        self.credentials(sink.port, **more)
        return self.serve("--mail-ca", self.ca[0], *args, env=env)

    def signed_in(self, server, login, password):
        """What a browser sends with a session: its cookie, and the page's token."""
        c = http.client.HTTPConnection(server.url.split("//")[1], timeout=60)
        c.request("POST", "/api/v1/session", json.dumps({"login": login, "password": password}), {"Content-Type": "application/json"})
        answer = c.getresponse()
        self.assertEqual(answer.status, 200)
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        headers = {"Content-Type": "application/json", "Cookie": cookie, "X-CSRF-Token": json.loads(answer.read())["csrf"]}

        def post(path, body):
            c.request("POST", "/api/v1" + path, json.dumps(body), {**headers, "Host": "localhost:" + server.url.rsplit(":", 1)[1]})
            a = c.getresponse()
            text = a.read()
            self.assertIn(a.status, (200, 201), text)
            return json.loads(text)

        self.addCleanup(c.close)
        return post
