#!/usr/bin/env python3
"""git_user and git_token: projects by https with the right ones, wrong ones, none; and nobody else ever sees the token.

Two git servers on loopback, with TLS by an authority of their own: the git host, and another one that takes notes."""

import base64
import http.server
import os
import signal
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402
from wrata import git, wait_for  # noqa: E402

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
        if part == "open":
            return self.serve_git(self.path[len("/open"):], body)
        if login != site.right:
            said = b"no" if login is None else b"this is wrong: " + base64.b64decode(login.split()[1])
            return self.answer(401, said, WWW_Authenticate='Basic realm="git"', Content_Type="text/plain")
        site.cmdlines += [c for c in cmdlines() if TOKEN.encode() in c]
        if part == "later":
            return self.answer(302, Location=site.other.url + self.path[len("/later"):])
        return self.serve_git(self.path, body)

    do_POST = do_GET

    def serve_git(self, path, body):
        path, _, query = path.partition("?")
        env = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.server.site.root, "GIT_HTTP_EXPORT_ALL": "1",
               "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "ann",
               "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
               "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
               "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
               "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", "")}
        out = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, timeout=30).stdout
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

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class GitLogin(wrata.Case):
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
                                  input=value, text=True, capture_output=True, env=self.env, timeout=30)
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

    def test_the_right_token_fetches(self):
        self.login()
        server = self.serve(env=self.env)
        self.assertIsNone(self.fetch(server, self.site.url + "/team/app.git"))
        self.assertIsNone(self.fetch(server, "team/app"), "a short name means the git host")
        self.assertIn(self.site.right, self.site.logins)
        self.assertFalse(os.path.exists(os.path.join(self.home, ".git-credentials")))

    def test_a_wrong_token_is_said(self):
        self.login("t0ken-of-yesterday")
        server = self.serve(env=self.env)
        said = self.fetch(server, self.site.url + "/team/app.git")
        self.assertIn("%s refuses git_user '%s' with git_token" % (self.site.host, USER), said)
        self.assertIn("wrata credentials set git_token", said)
        self.assertNotIn("t0ken", server.log_tail(100000))
        # renewed while the server runs
        self.login()
        server.process.send_signal(signal.SIGHUP)
        wait_for("the credentials are read", lambda: "event=config.reloaded" in server.log_tail())
        self.assertIsNone(self.fetch(server, self.site.url + "/team/app.git"))

    def test_a_token_that_stops_working(self):
        """What was fetched serves on, with its age and the reason; a launch of a branch says what it used."""
        self.login()
        server = self.serve(env=self.env)
        self.assertIsNone(self.fetch(server, "team/app"))
        fresh = server.get("/api/v1/projects/1")
        known = server.get("/api/v1/projects/1/refs")["branches"][0]["commit"]
        self.set(git_token="t0ken-of-yesterday")
        server.process.send_signal(signal.SIGHUP)
        wait_for("the credentials are read", lambda: "event=config.reloaded" in server.log_tail())
        said = server.post("/api/v1/projects/1/refresh")
        self.assertIn("%s refuses git_user" % self.site.host, said["error"])
        for path in ("", "/refs", "/tree"):
            answer = server.get("/api/v1/projects/1" + path)
            self.assertEqual((answer["error"], answer["refreshed_at"]), (said["error"], fresh["refreshed_at"]))
        self.assertEqual(server.get("/api/v1/projects/1/tree")["files"], ["a.sh"])
        launch = server.launch(1, ["a.sh"], ref="main")
        self.assertEqual(launch["commit"], known)
        self.assertRegex(launch["note"], "^main is as it was fetched at .* UTC; .* refuses git_user")
        self.assertEqual(server.launch(1, ["a.sh"], ref=known)["note"], "")
        self.assertNotIn("t0ken", server.log_tail(100000))
        self.login()
        server.process.send_signal(signal.SIGHUP)
        wait_for("the token works again", lambda: server.post("/api/v1/projects/1/refresh")["error"] is None)
        self.assertEqual(server.launch(1, ["a.sh"], ref="main")["note"], "")

    def submodules(self, **urls):
        """A project team/top with these submodules, all at the commit of team/app."""
        top = self.project({"a.sh": "cat lib/a.sh\n"}, "top")
        of = git(os.path.join(self.root, "team", "app.git"), "rev-parse", "HEAD").strip()
        with open(os.path.join(top, ".gitmodules"), "w", encoding="utf-8") as f:
            f.write("".join('[submodule "%s"]\n\tpath = %s\n\turl = %s\n' % (path, path, url) for path, url in urls.items()))
        git(top, "add", ".gitmodules")
        for path in urls:
            git(top, "update-index", "--add", "--cacheinfo", "160000,%s,%s" % (of, path))
        git(top, "commit", "-q", "-m", "submodules")
        subprocess.run(["git", "clone", "-q", "--bare", top, os.path.join(self.root, "team", "top.git")], check=True)
        return of

    def test_submodules_are_fetched_with_the_token(self):
        self.login()
        of = self.submodules(lib="../app.git", other=self.site.url + "/team/app.git")
        server = self.serve(env=self.env)
        server.add_local(slots=1)
        self.assertIsNone(self.fetch(server, "team/top"))
        launch = server.launch(1, ["a.sh"])
        self.assertEqual(server.wait_launch(launch["id"])["outcome"], "passed")
        self.assertEqual(server.log(server.get("/api/v1/runs")["items"][0]["id"]), b"true\n")
        plan = server.post("/api/v1/launches/plan", {"project": 1, "files": ["a.sh"]})
        self.assertEqual([(m["path"], m["commit"]) for m in plan["submodules"]], [("lib", of), ("other", of)])
        self.assertTrue([p for p in self.site.asked if p.startswith("/team/app.git")])

    def test_a_submodule_elsewhere_does_not_get_the_token(self):
        self.login()
        self.submodules(lib=self.other.url + "/team/app.git")
        server = self.serve(env=self.env)
        self.assertIsNone(self.fetch(server, "team/top"))
        with self.assertRaises(wrata.ApiError) as caught:
            server.launch(1, ["a.sh"])
        self.assertIn("submodule lib: cannot fetch %s/team/app.git: " % self.other.url, caught.exception.body)
        self.assertIn("asks for a name and a password", caught.exception.body)
        self.assertTrue([p for p in self.other.asked if p.startswith("/team/app.git")])

    def test_without_a_token_it_says_what_is_missing(self):
        server = self.serve(env=self.env)
        said = self.fetch(server, self.site.url + "/team/app.git")
        self.assertIn("%s asks for a name and a password, and the credentials have no git_token" % self.site.host, said)
        self.assertIsNone(self.fetch(server, self.site.url + "/open/team/app.git"))
        self.assertEqual(self.site.logins, [])

    def test_no_other_host_gets_it(self):
        self.login()
        server = self.serve(env=self.env)
        said = self.fetch(server, self.other.url + "/team/app.git")
        self.assertIn("git_token of the credentials is for https://%s (git_host)" % self.site.host, said)
        # the same host on another port, in plain text: nobody listens for TLS there, and nobody is asked for a token
        self.assertIsNotNone(self.fetch(server, "http://%s/team/app.git" % self.site.host))
        self.assertEqual(self.site.logins, [])
        # sent on, before a login and after one
        for way in ("away", "later"):
            said = self.fetch(server, "%s/%s/team/app.git" % (self.site.url, way))
            self.assertIsNotNone(said)
            self.assertTrue([p for p in self.other.asked if p.startswith("/team/app.git")], way)
        self.assertIn(self.site.right, self.site.logins)
        # where nobody is asked, sent on is fine
        self.assertIsNone(self.fetch(server, self.site.url + "/away/open/team/app.git"))

    def test_what_cannot_be_a_host_is_refused(self):
        self.set(git_host="https://github.com", git_token=TOKEN)
        server = wrata.Server(self.folder, env=self.env).start(expect_fail=True)
        self.assertEqual(server.process.wait(30), 2, server.log_tail())
        self.assertIn("git_host: 'https://github.com' is not a host like github.com", server.log_tail())

    def test_the_mode_for_git_answers_git_alone(self):
        env = dict(self.env, WRATA_ASKPASS_HOST="h", WRATA_ASKPASS_USER="u", WRATA_ASKPASS_TOKEN="t")
        for question, answer in (("Username for 'https://h': ", "u\n"), ("Password for 'https://u@h': ", "t\n"),
                                 ("Password for 'https://u@evil': ", ""), ("Password for 'http://u@h': ", ""),
                                 ("Password for 'https://x@h': ", ""), ("Password for 'https://u@h/p': ", ""), ("", "")):
            done = subprocess.run([wrata.WRATA, question], env=env, capture_output=True, text=True, timeout=30)
            self.assertEqual((done.stdout, done.returncode, done.stderr), (answer, 0 if answer else 1, ""), question)
        for command in (["help"], ["help", "--markdown"], ["man"]):
            shown = subprocess.run([wrata.WRATA, *command], env=self.env, capture_output=True, text=True, timeout=30).stdout
            self.assertNotIn("ASKPASS", shown)


if __name__ == "__main__":
    wrata.main()
