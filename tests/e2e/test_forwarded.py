#!/usr/bin/env python3
"""Who the client is, as the audit log has it: the peer, or what a trusted proxy says, from real connections."""

import http.client
import os
import socket
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

HOST = "ci.example.org"


class Forwarded(wrata.Case):
    def ask(self, server, name, *headers, to="127.0.0.1"):
        """Something that the audit log takes down."""
        c = http.client.HTTPConnection(to, int(server.url.rsplit(":", 1)[1]), timeout=30)
        self.addCleanup(c.close)
        body = b'{"name":"%s","url":"/nowhere"}' % name.encode()
        c.putrequest("POST", "/api/v1/projects", skip_host=True)
        for line in (("Host", HOST), ("Authorization", "Bearer " + server.token), ("Content-Type", "application/json"),
                     ("Content-Length", str(len(body))), *headers):
            c.putheader(*line)
        c.endheaders(body)
        answer = c.getresponse()
        self.assertEqual(answer.status, 201, answer.read())

    def addresses(self, server):
        server.stop()
        with sqlite3.connect(os.path.join(server.data, "wrata.db")) as db:
            return [row[0] for row in db.execute("SELECT address FROM audit WHERE action = 'project.add' ORDER BY id")]

    def test_a_trusted_proxy_is_believed(self):
        server = self.serve("--public-host", HOST)
        self.ask(server, "a")
        self.ask(server, "b", ("X-Forwarded-For", "198.51.100.7"))
        self.ask(server, "c", ("X-Forwarded-For", "10.0.0.1, 198.51.100.7"))
        self.ask(server, "d", ("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "2001:DB8::7"))
        self.ask(server, "e", ("X-Forwarded-For", "10.0.0.1," * 600 + "198.51.100.7"))
        self.assertEqual(self.addresses(server), ["127.0.0.1", "198.51.100.7", "198.51.100.7", "2001:db8::7", "127.0.0.1"])

    def test_nobody_else_is(self):
        server = self.serve("--public-host", HOST, "--trusted-proxies", "10.0.0.0/8")
        self.ask(server, "a", ("X-Forwarded-For", "198.51.100.7"))
        server.stop()
        server = self.serve("--public-host", HOST, "--trusted-proxies", "none")
        self.ask(server, "b", ("X-Forwarded-For", "198.51.100.7"))
        self.assertEqual(self.addresses(server), ["127.0.0.1", "127.0.0.1"])

    def test_an_address_has_one_form(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no IPv6 here")
        server = self.serve("--listen", "[::]:0", "--insecure-listen", "--public-host", HOST, "--trusted-proxies", "none")
        self.ask(server, "a")
        self.ask(server, "b", to="::1")
        self.assertEqual(self.addresses(server), ["127.0.0.1", "::1"])


if __name__ == "__main__":
    wrata.main()
