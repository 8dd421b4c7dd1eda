"""hook_sink.py - a receiver of webhooks, and a GitHub that knows commit statuses: real HTTP on loopback, as bad as a test wishes.

    sink = HookSink(); sink.start(); ...; sink.stop()
    sink.url("/in")                where to send
    sink.script("/in", 500, 200)   what it answers there, one after another; the last for ever. Each is a status, or (status, body),
                                   (status, body, headers), "close" (no answer), "hang" (no answer until sink.release())
    sink.got                       what arrived, in order: {"path", "headers", "body", "answered"}
"""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def verify(secret, headers, body):
    """As docs/notifications.md tells a receiver to: an exception when it is not signed with this secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b"%s.%s.%s" % (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    mine = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(mine, theirs) for theirs in headers["webhook-signature"].split()):
        raise AssertionError("the signature is another one")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # who goes away in the middle is part of the game


class HookSink:
    def __init__(self, port=0, tls=None):
        """tls: (certificate, key), as files."""
        self.tls = tls
        self.lock = threading.Lock()
        self.got = []
        self.scripts = {}
        self.released = threading.Event()
        self.port = port
        self.server = None

    def start(self):
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path
                answer = sink.next(path)
                with sink.lock:
                    sink.got.append({"path": path, "headers": dict((k.lower(), v) for k, v in self.headers.items()), "body": body, "answered": answer})
                if answer == "hang":
                    sink.released.wait(120)
                    answer = "close"
                if answer == "close":
                    self.close_connection = True
                    return
                status, text, headers = answer
                data = text.encode() if isinstance(text, str) else text
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self.released.set()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def release(self):
        self.released.set()

    def url(self, path="/in"):
        return "%s://127.0.0.1:%d%s" % ("https" if self.tls else "http", self.port, path)

    def script(self, path, *answers):
        with self.lock:
            self.scripts[path] = [a if isinstance(a, str) else (a, "", {}) if isinstance(a, int) else (*a, {}) if len(a) == 2 else a for a in answers]

    def next(self, path):
        with self.lock:
            left = self.scripts.get(path, [(204, "", {})])
            return left.pop(0) if len(left) > 1 else left[0]

    def at(self, path):
        with self.lock:
            return [g for g in self.got if g["path"] == path]

    def kinds(self, path="/in"):
        return [json.loads(g["body"])["kind"] for g in self.at(path)]

    def bodies(self, path="/in", kind=None):
        found = [json.loads(g["body"]) for g in self.at(path)]
        return [b for b in found if kind is None or b["kind"] == kind]

    def by_id(self, path="/in"):
        """What a receiver that drops doubles keeps: {webhook-id: body}; the same id has the same bytes."""
        kept = {}
        for g in self.at(path):
            if kept.setdefault(g["headers"]["webhook-id"], g["body"]) != g["body"]:
                raise AssertionError("one id, two bodies")
        return kept
