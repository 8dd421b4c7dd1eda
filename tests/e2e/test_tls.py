#!/usr/bin/env python3
"""TLS: what is spoken, what is refused, a renewal under load, a pair that does not fit; and clients that dawdle."""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from ports import free_port  # noqa: E402

HOST = "ci.example.org"


def openssl(*args):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def make_key(path):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
    os.chmod(path, 0o600)


def make_certificate(key, crt, days=30, subject="/CN=" + HOST, name=HOST):
    """Self-signed: its own authority."""
    openssl("req", "-x509", "-new", "-key", key, "-out", crt, "-days", str(days), "-subj", subject,
            "-addext", "subjectAltName=DNS:" + name)


def s_client(port, *args):
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-servername", HOST, *args],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


class Tls(wrata.Case):
    def setUp(self):
        super().setUp()
        self.certs = os.path.join(self.folder, "data", "certs")
        os.makedirs(self.certs, mode=0o700)
        os.chmod(os.path.dirname(self.certs), 0o700)
        self.crt = os.path.join(self.certs, "tls.crt")
        self.key = os.path.join(self.certs, "tls.key")

    def pair(self, **more):
        make_key(self.key)
        make_certificate(self.key, self.crt, **more)

    def serve_tls(self, *args):
        server = self.serve(*args)
        self.assertTrue(server.url.startswith("https://"), server.url)
        server.port = int(server.url.rsplit(":", 1)[1])
        return server

    def serve_fails(self, *args):
        server = wrata.Server(self.folder, *args).start(expect_fail=True)
        self.assertEqual(server.process.wait(60), 2, server.log_tail())
        return server.log_tail()

    def ask(self, port, method="GET", path="/healthz", host=HOST, crt=None):
        context = ssl.create_default_context(cafile=crt or self.crt)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
            with context.wrap_socket(raw, server_hostname=HOST) as s:
                s.sendall(("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (method, path, host)).encode())
                answer = http.client.HTTPResponse(s, method=method)
                answer.begin()
                return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()

    def cli(self, *args, **env):
        return subprocess.run([wrata.WRATA, *args], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, **env))

    # ---- what is spoken ----

    def test_nothing_below_1_2(self):
        self.pair()
        server = self.serve_tls("--public-host", HOST)
        weak = ["-cipher", "ALL:@SECLEVEL=0"]
        for old in ("-tls1", "-tls1_1"):
            rc, out = s_client(server.port, old, *weak)
            self.assertNotEqual(rc, 0, out)
            self.assertRegex(out, r"handshake has read (0|7) bytes and written [1-9]",
                             "the client offers it, the server does not take it")
        for new, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
            rc, out = s_client(server.port, new, "-CAfile", self.crt)
            self.assertEqual(rc, 0, out)
            self.assertIn("New, %s, Cipher is" % name, out)
        # without forward secrecy, or without authentication of what is encrypted: no
        for cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "DES-CBC3-SHA", "NULL"):
            rc, out = s_client(server.port, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
            self.assertNotEqual(rc, 0, cipher + "\n" + out)

    def test_answers_say_https_for_ever_and_plain_goes_there(self):
        self.pair()
        plain = free_port()
        server = self.serve_tls("--public-host", HOST, "--redirect", "127.0.0.1:%d" % plain)
        status, headers, body = self.ask(server.port)
        self.assertEqual((status, body), (200, b"ok\n"))
        self.assertRegex(headers["strict-transport-security"], r"max-age=31536000")
        # of localhost it would hold for every other server there
        _, headers, _ = self.ask(server.port, host="localhost:%d" % server.port)
        self.assertNotIn("strict-transport-security", headers)

        def knock(method, path, host, body=None):
            c = http.client.HTTPConnection("127.0.0.1", plain, timeout=10)
            c.request(method, path, body=body, headers={"Host": host})
            r = c.getresponse()
            r.read()
            c.close()
            return r.status, r.getheader("Location")
        self.assertEqual(knock("GET", "/launches/7?tab=log", HOST),
                         (308, "https://%s:%d/launches/7?tab=log" % (HOST, server.port)))
        self.assertEqual(knock("HEAD", "/", HOST + ":80"), (308, "https://%s:%d/" % (HOST, server.port)))
        self.assertEqual(knock("GET", "/", "[::1]:3"), (308, "https://[::1]:%d/" % server.port))
        self.assertEqual(knock("GET", "/", "a@b"), (400, None))
        self.assertEqual(knock("GET", "/", "a/b"), (400, None))
        # a secret was said in the clear: that is not to go unnoticed
        self.assertEqual(knock("POST", "/api/v1/launches", HOST, b"{}"), (403, None))
        # and the TLS port speaks TLS alone
        with self.assertRaises((http.client.HTTPException, OSError)):
            c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            c.request("GET", "/healthz")
            c.getresponse()

    def test_the_command_line_verifies(self):
        self.pair()
        server = self.serve_tls("--public-host", HOST)
        # by the data folder: it knows the key
        done = self.cli("status", "--data", server.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        # by a URL: authorities and names count
        done = self.cli("status", "--url", server.url)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is not to be believed", done.stderr)
        self.assertIn("--ca", done.stderr)
        done = self.cli("status", "--url", server.url, "--ca", self.crt)
        self.assertNotEqual(done.returncode, 0, "its certificate is for another name")
        self.assertIn("is not to be believed", done.stderr)
        done = self.cli("status", "--url", server.url, "--ca", self.key)
        self.assertIn("holds no certificates", done.stderr)
        os.makedirs(os.path.join(self.folder, "local"))
        other = wrata.Server(os.path.join(self.folder, "local"))
        os.makedirs(os.path.join(other.data, "certs"))
        crt = os.path.join(other.data, "certs", "tls.crt")
        make_key(os.path.join(other.data, "certs", "tls.key"))
        make_certificate(os.path.join(other.data, "certs", "tls.key"), crt, name="localhost")
        other.start()
        self.addCleanup(other.stop)
        url = other.url.replace("127.0.0.1", "localhost")
        done = self.cli("status", "--url", url, "--ca", crt, WRATA_TOKEN=other.token)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.cli("status", WRATA_URL=url, WRATA_CA=crt, WRATA_TOKEN=other.token)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_private_server_needs_no_certificate(self):
        with open(self.crt, "w", encoding="utf-8") as f:
            f.write("nonsense")
        done = self.cli("servers", "--data", os.path.join(self.folder, "data"))
        self.assertEqual(done.returncode, 0, done.stderr)

    # ---- plain HTTP ----

    def test_plain_is_for_this_machine_alone_unless_asked(self):
        data = os.path.join(self.folder, "data")
        for address in ("0.0.0.0:0", ":0", "[::]:0"):
            done = subprocess.run([wrata.WRATA, "serve", "--data", data, "--listen", address], capture_output=True,
                                  text=True, timeout=30)
            self.assertEqual(done.returncode, 2, done.stderr)
            for word in ("tls.crt", "proxy", "--insecure-listen"):
                self.assertIn(word, done.stderr)
        server = self.serve("--listen", "0.0.0.0:0", "--insecure-listen")
        self.assertTrue(server.url.startswith("http://"))
        self.assertEqual(server.get("/api/v1/servers")["items"], [])
        server.stop()
        self.pair()
        self.serve_tls("--listen", "0.0.0.0:0")

    # ---- a pair that does not fit ----

    def test_a_wrong_pair_is_named_at_the_start(self):
        self.pair()
        os.rename(self.key, self.key + ".old")
        self.assertIn("tls.crt is there, but not its key", self.serve_fails())
        make_key(self.key)
        self.assertRegex(self.serve_fails(), r"tls.key is the key of another certificate than the first one in \S*tls.crt")
        with open(self.key, "w", encoding="utf-8") as f:
            f.write("no key\n")
        self.assertRegex(self.serve_fails(), r"tls.key: there is no private key in PEM form")
        os.rename(self.key + ".old", self.key)
        with open(self.crt, "w", encoding="utf-8") as f:
            f.write("no certificate\n")
        self.assertRegex(self.serve_fails(), r"tls.crt: there is no certificate in PEM form")
        os.unlink(self.crt)
        os.mkdir(self.crt)
        self.assertRegex(self.serve_fails(), r"tls.crt: the certificate cannot be read")
        os.rmdir(self.crt)
        self.assertIn("tls.key is there, but not its certificate", self.serve_fails())
        self.expired()
        self.assertRegex(self.serve_fails(), r"tls.crt: certificate 1 of it expired on 20")
        # a chain in the wrong order
        self.chain(["tls", "ca"])
        server = self.serve_tls("--public-host", HOST)
        self.assertEqual(self.ask(server.port, crt=os.path.join(self.folder, "ca.crt"))[0], 200)
        server.stop()
        make_key(os.path.join(self.folder, "x.key"))
        make_certificate(os.path.join(self.folder, "x.key"), os.path.join(self.folder, "x.crt"))
        self.chain(["tls", "x"])
        self.assertRegex(self.serve_fails(), r"the chain is broken: certificate 1 was not issued by certificate 2")
        # a key with a passphrase
        self.pair()
        openssl("ec", "-in", self.key, "-aes256", "-passout", "pass:secret", "-out", self.key + ".locked")
        os.rename(self.key + ".locked", self.key)
        self.assertIn("passphrase", self.serve_fails())

    def expired(self):
        make_key(self.key)
        request = os.path.join(self.folder, "x.csr")
        config = os.path.join(self.folder, "ca.cnf")
        with open(config, "w", encoding="utf-8") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\n"
                    "policy=p\n[p]\ncommonName=supplied\n" % ((self.folder,) * 3))
        open(os.path.join(self.folder, "index"), "w", encoding="utf-8").close()
        with open(os.path.join(self.folder, "serial"), "w", encoding="utf-8") as f:
            f.write("01\n")
        openssl("req", "-new", "-key", self.key, "-subj", "/CN=" + HOST, "-out", request)
        openssl("ca", "-batch", "-selfsign", "-config", config, "-keyfile", self.key, "-in", request, "-out", self.crt,
                "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-notext")

    def chain(self, names):
        """tls.crt is signed by ca; the file holds the certificates of these names in this order."""
        ca_key, ca = os.path.join(self.folder, "ca.key"), os.path.join(self.folder, "ca.crt")
        leaf, request = os.path.join(self.folder, "tls.crt"), os.path.join(self.folder, "tls.csr")
        extensions = os.path.join(self.folder, "ext")
        with open(extensions, "w", encoding="utf-8") as f:
            f.write("subjectAltName=DNS:%s\n" % HOST)
        make_key(ca_key)
        make_certificate(ca_key, ca, subject="/CN=Our own authority", name="ca.example.org")
        make_key(self.key)
        openssl("req", "-new", "-key", self.key, "-subj", "/CN=" + HOST, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30",
                "-extfile", extensions, "-out", leaf)
        with open(self.crt, "w", encoding="utf-8") as out:
            for name in names:
                with open(os.path.join(self.folder, name + ".crt"), encoding="utf-8") as f:
                    out.write(f.read())

    # ---- renewal ----

    def serial(self, port):
        _, out = s_client(port)
        return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=out, capture_output=True, text=True,
                              check=True).stdout.strip()

    def test_a_renewal_loses_no_request(self):
        self.pair()
        server = self.serve_tls("--public-host", HOST)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        over = threading.Event()
        lost, done, made = [], [0] * 6, [0] * 6

        def stream(i):
            # half of them keep their connection over the renewal, half make a new one for each request
            c = None
            while not over.is_set():
                try:
                    if c is None:
                        c = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)
                        made[i] += 1
                    c.request("GET", "/api/v1/servers", headers={"Host": HOST, "Authorization": "Bearer " + server.token})
                    r = c.getresponse()
                    r.read()
                    if r.status != 200:
                        lost.append("status %d" % r.status)
                    done[i] += 1
                    if i % 2 == 0:
                        c.close()
                        c = None
                except Exception as e:  # noqa: BLE001
                    lost.append(repr(e))
                    c = None
            if c is not None:
                c.close()
        threads = [threading.Thread(target=stream, args=(i,), daemon=True) for i in range(6)]
        for t in threads:
            t.start()
        serials = [self.serial(server.port)]
        for turn in range(4):
            make_key(self.key + ".new")
            make_certificate(self.key + ".new", self.crt + ".new")
            os.rename(self.key + ".new", self.key)
            os.rename(self.crt + ".new", self.crt)
            if turn > 0:  # the first one is found without being told
                server.process.send_signal(1)
            serials.append(wrata.wait_for("the new certificate is shown", lambda: (
                lambda s: s if s not in serials else None)(self.serial(server.port)), 30, 0.2))
        before = sum(done)
        wrata.wait_for("requests go on", lambda: sum(done) > before + 50)
        over.set()
        for t in threads:
            t.join(30)
        self.assertEqual(lost, [])
        self.assertEqual([made[i] for i in (1, 3, 5)], [1, 1, 1], "connections outlive the renewal")
        self.assertEqual(len(set(serials)), 5)
        # the command line on this machine follows
        self.assertEqual(self.cli("status", "--data", server.data).returncode, 0)
        self.assertEqual(server.log_tail(100000).count("event=tls.renewed"), 4)

    @unittest.skipIf(shutil.which("wrk") is None, "wrk is not installed (scripts/install-deps.sh test)")
    def test_renewals_under_load(self):
        self.pair()
        server = self.serve_tls("--public-host", HOST)
        began = time.monotonic()
        # one keeps its connections over the renewals, the other makes a new one for each request; both until they are told to end
        loads = [subprocess.Popen(["wrk", "-t1", "-c10", "-d300s", "--timeout", "10s", "-H", "Host: " + HOST, "-H", header,
                                   "https://127.0.0.1:%d/healthz" % server.port], stdout=subprocess.PIPE, text=True)
                 for header in ("X-Kept: 1", "Connection: close")]
        serials = [self.serial(server.port)]
        for turn in range(3):
            time.sleep(max(0, began + 2.5 * (turn + 1) - time.monotonic()))
            make_key(self.key + ".new")
            make_certificate(self.key + ".new", self.crt + ".new")
            os.rename(self.key + ".new", self.key)
            os.rename(self.crt + ".new", self.crt)
            server.process.send_signal(1)
            serials.append(wrata.wait_for("the new certificate is shown", lambda: (
                lambda s: s if s not in serials else None)(self.serial(server.port)), 30, 0.1))
            self.assertTrue(all(load.poll() is None for load in loads), "renewed while there is load")
        time.sleep(max(0, began + 10 - time.monotonic()))
        for load in loads:
            load.send_signal(signal.SIGINT)
            out = load.communicate(timeout=60)[0]
            self.assertEqual(load.returncode, 0, out)
            # wrk has these lines only when there is something to count
            self.assertNotIn("Socket errors", out)
            self.assertNotIn("Non-2xx", out)
            self.assertGreater(int(re.search(r"(\d+) requests in", out)[1]), 100, out)
        self.assertEqual(server.log_tail(100000).count("event=tls.renewed"), 3)

    def test_a_wrong_renewal_keeps_the_old_pair(self):
        self.pair()
        server = self.serve_tls("--public-host", HOST)
        before = self.serial(server.port)
        make_key(self.key)
        server.process.send_signal(1)
        wrata.wait_for("the error is logged", lambda: "level=error event=tls.kept" in server.log_tail())
        self.assertIn("is the key of another certificate", server.log_tail())
        self.assertEqual(self.serial(server.port), before)
        make_certificate(self.key, self.crt)
        server.process.send_signal(1)
        wrata.wait_for("the right pair is taken", lambda: self.serial(server.port) != before)


class Headers(wrata.Case):
    def test_every_answer_is_harmless_in_a_browser(self):
        server = self.serve()
        port = int(server.url.rsplit(":", 1)[1])
        for method, path in (("GET", "/"), ("GET", "/launches/3"), ("GET", "/api/v1/servers"), ("GET", "/api/v1/nothing"),
                             ("GET", "/healthz"), ("POST", "/api/v1/launches"), ("GET", "/assets/nothing.js"),
                             ("PUT", "/api/v1/servers"), ("GET", "/api/v1/openapi.json")):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            c.request(method, path)
            r = c.getresponse()
            r.read()
            c.close()
            what = "%s %s: %s" % (method, path, r.getheaders())
            csp = r.getheader("Content-Security-Policy")
            self.assertIn("default-src 'none'", csp, what)
            self.assertIn("frame-ancestors 'none'", csp, what)
            self.assertNotIn("unsafe", csp, what)
            self.assertNotIn("*", csp, what)
            self.assertEqual(r.getheader("X-Content-Type-Options"), "nosniff", what)
            self.assertEqual(r.getheader("X-Frame-Options"), "DENY", what)
            self.assertEqual(r.getheader("Referrer-Policy"), "same-origin", what)
            self.assertIsNone(r.getheader("Strict-Transport-Security"), what)
            self.assertEqual([k for k, _ in r.getheaders()].count("X-Content-Type-Options"), 1, what)


class Slow(wrata.Case):
    """Clients that are never silent and never done."""

    def connect(self, port, text):
        s = socket.create_connection(("127.0.0.1", port), timeout=10)
        s.sendall(text)
        return s

    def is_cut(self, s):
        s.setblocking(False)
        try:
            return s.recv(4096) == b""
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def dawdle(self, port, heads, seconds):
        """Send a byte on each every second while a client is served; how long until all were cut."""
        slow = [self.connect(port, head) for head in heads]
        began, worst = time.monotonic(), 0.0
        open_ones = list(slow)
        while open_ones and time.monotonic() < began + seconds:
            rest = []
            for s in open_ones:
                if self.is_cut(s):
                    continue
                try:
                    s.send(b"x")
                    rest.append(s)
                except BlockingIOError:
                    rest.append(s)
                except OSError:
                    pass
            open_ones = rest
            for _ in range(5):
                at = time.monotonic()
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                c.request("GET", "/healthz")
                self.assertEqual(c.getresponse().status, 200)
                c.close()
                worst = max(worst, time.monotonic() - at)
                time.sleep(0.2)
        took = time.monotonic() - began
        for s in slow:
            s.close()
        self.assertEqual(open_ones, [], "they hold their connections after %.0f s" % took)
        self.assertLess(worst, 15.0, "a normal client waited %.1f s" % worst)
        return took

    def test_a_head_or_a_body_that_never_ends_is_cut_and_others_are_served(self):
        server = self.serve()
        port = int(server.url.rsplit(":", 1)[1])
        host = b"Host: 127.0.0.1:%d\r\n" % port
        heads = [b""] * 100 + [b"GET / HTTP/1.1\r\n" + host + b"X-Slow: "] * 250
        heads += [b"POST /api/v1/launches HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
                  b"Authorization: Bearer " + server.token.encode() + b"\r\nContent-Length: 20000\r\n\r\n{"] * 50
        self.assertGreater(self.dawdle(port, heads, 60), 15)
        self.assertIn("event=http.slow", server.log_tail())

    def test_an_address_has_so_many_connections_and_no_more(self):
        server = self.serve("--connections-per-address", "20")
        port = int(server.url.rsplit(":", 1)[1])
        held = [self.connect(port, b"") for _ in range(20)]
        wrata.wait_for("one too many is closed", lambda: self.is_closed_at_once(port))
        held[0].close()
        wrata.wait_for("its place is free again", lambda: not self.is_closed_at_once(port))
        for s in held[1:]:
            s.close()
        wrata.wait_for("all is well", lambda: not self.is_closed_at_once(port))
        self.assertEqual(server.call("GET", "/healthz", raw=True), b"ok\n")

    def is_closed_at_once(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as s:
            try:
                return s.recv(1) == b""
            except socket.timeout:
                return False
            except OSError:
                return True


if __name__ == "__main__":
    wrata.main()
