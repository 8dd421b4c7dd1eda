"""A git host on loopback with TLS by an authority of its own, where a login is needed, and another one that takes notes; and a place for
files of Git LFS on both. Cases made from GitSiteCase find the token nowhere but in the sealed file afterwards."""

import base64
import hashlib
import http.server
import json
import os
import ssl
import subprocess
import threading

import wrata

USER = "ann@example.org"  # git shows it in its question as it is, or with %40
TOKEN = "t0ken/with+odd='chars\"$1"


class Handler(http.server.BaseHTTPRequestHandler):
    """/open/… asks nobody; /away/… goes on to the other server at once, /later/… after a login; the rest is git with a login."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        site = self.server.site
        login = self.headers.get("Authorization")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        part = self.path.split("/")[1]
        if login is not None:
            site.logins.append(login)
        site.asked.append(self.path)
        if part == "away":
            return self.answer(302, Location=site.other.url + self.path[len("/away"):])
        if part == "object":
            return self.lfs_object(self.path.rsplit("/", 1)[1])
        if part == "open":
            return self.serve_git(self.path[len("/open"):], body)
        if login != site.right:
            said = b"no" if login is None else b"this is wrong: " + base64.b64decode(login.split()[1])
            return self.answer(401, said, WWW_Authenticate='Basic realm="git"', Content_Type="text/plain")
        site.cmdlines += [c for c in cmdlines() if TOKEN.encode() in c]
        if part == "later":
            return self.answer(302, Location=site.other.url + self.path[len("/later"):])
        return self.lfs_batch(body) if "/info/lfs/" in self.path else self.serve_git(self.path, body)

    do_POST = do_GET

    def lfs_batch(self, body):
        """Where the objects are; with a login, as lfs_mode says."""
        site = self.server.site
        if site.lfs_mode == "garbage":
            return self.answer(200, b"\0\xff{]", Content_Type="application/vnd.git-lfs+json")
        if site.lfs_mode == "sent on":
            return self.answer(307, Location=site.other.url + self.path)
        at = site.other.url if site.lfs_mode == "elsewhere" else site.url
        objects = [{"oid": o["oid"], "size": o["size"], "actions": {"download": {"href": "%s/object/%s" % (at, o["oid"])}}}
                   for o in json.loads(body)["objects"]]
        return self.answer(200, json.dumps({"transfer": "basic", "objects": objects}).encode(), Content_Type="application/vnd.git-lfs+json")

    def lfs_object(self, oid):
        site = self.server.site
        if site.lfs_mode == "endless":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for _ in range(1024):
                    self.wfile.write(b"x" * (1 << 20))
                    site.sent += 1 << 20
            except OSError:
                pass
            self.close_connection = True
            return None
        data = site.objects.get(oid)
        if site.lfs_mode == "wrong" and data is not None:
            data = data[::-1]
        return self.answer(404) if data is None else self.answer(200, data, Content_Type="application/octet-stream")

    def serve_git(self, path, body):
        path, _, query = path.partition("?")
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.server.site.root, "GIT_HTTP_EXPORT_ALL": "1",
               "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "ann",
               "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, timeout=120).stdout
        head, _, content = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200 OK").split()[0])
        headers.pop("Content-Length", None)
        self.answer(status, content, **headers)


def cmdlines():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as f:
                    yield f.read()
            except OSError:
                pass


class Site:
    def __init__(self, name, crt, key, root, other=None):
        self.logins, self.asked, self.cmdlines = [], [], []
        self.other, self.root = other, root
        self.objects, self.lfs_mode, self.sent = {}, "fine", 0  # Git LFS: content by oid
        self.right = "Basic " + base64.b64encode(("%s:%s" % (USER, TOKEN)).encode()).decode()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.site = self
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # plain http to it is part of the test
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.host = "%s:%d" % (name, self.http.server_address[1])
        self.url = "https://" + self.host
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def hold(self, data):
        """An object of Git LFS; the text of its pointer."""
        oid = hashlib.sha256(data).hexdigest()
        self.objects[oid] = data
        return "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (oid, len(data))

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class GitSiteCase(wrata.Case):
    def setUp(self):
        super().setUp()
        crt, key = (os.path.join(self.folder, n) for n in ("ca.pem", "ca.key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", key, "-out", crt, "-days", "2", "-subj", "/CN=git",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        self.root = os.path.join(self.folder, "repos")
        source = self.project({"a.sh": "true\n"}, "source")
        subprocess.run(["git", "clone", "-q", "--bare", source, os.path.join(self.root, "team", "app.git")], check=True)
        self.other = Site("localhost", crt, key, self.root)
        self.addCleanup(self.other.close)
        self.site = Site("127.0.0.1", crt, key, self.root, self.other)
        self.addCleanup(self.site.close)
        # A home whose git keeps every password it hears, and shows what it sends.
        self.home = os.path.join(self.folder, "home")
        os.mkdir(self.home)
        with open(os.path.join(self.home, ".gitconfig"), "w", encoding="utf-8") as f:
            f.write("[credential]\n\thelper = store\n[http]\n\tfollowRedirects = true\n")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "XDG_", "WRATA_"))}
        self.env.update(HOME=self.home, GIT_SSL_CAINFO=crt, GIT_CURL_VERBOSE="1", GIT_TRACE_REDACT="0",
                        GIT_CONFIG_NOSYSTEM="1")
        os.makedirs(os.path.join(self.folder, "data"), 0o700)

    def tearDown(self):
        """After each: the token is nowhere but in the sealed file."""
        hidden = [TOKEN.encode(), base64.b64encode(("%s:%s" % (USER, TOKEN)).encode())]
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if not os.path.isfile(os.path.join(folder, name)):  # a socket of an agent
                    continue
                with open(os.path.join(folder, name), "rb") as f:
                    content = f.read()
                for secret in hidden:
                    self.assertNotIn(secret, content, os.path.join(folder, name))
        self.assertEqual(self.site.cmdlines, [])
        self.assertEqual(self.other.logins, [], "the other server has got a login")
        super().tearDown()

    def set(self, **credentials):
        for key, value in credentials.items():
            done = subprocess.run([wrata.WRATA, "credentials", "set", key, "--data", os.path.join(self.folder, "data")],
                                  input=value, text=True, capture_output=True, env=self.env, timeout=120)
            self.assertEqual(done.returncode, 0, done.stderr)

    def login(self, token=TOKEN):
        self.set(git_host=self.site.host, git_user=USER, git_token=token)

    def fetch(self, server, url):
        """How it ended: None, or the error."""
        name = "p%d" % (len(server.get("/api/v1/projects")["items"]) + 1)
        at = "/api/v1/projects/%d" % server.post("/api/v1/projects", {"name": name, "url": url})["id"]
        said = server.post(at + "/refresh")["error"]
        if said is not None:
            self.assertNotIn("t0ken", said)
            return said
        self.assertEqual([b["name"] for b in server.get(at + "/refs")["branches"]], ["main"])
        return None
