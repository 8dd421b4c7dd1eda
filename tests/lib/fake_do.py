#!/usr/bin/env python3
"""fake_do.py - a DigitalOcean for tests, written from the public description of its API (version 2).

It keeps what it is told: droplets, tags, images, sizes, regions, the account and its limit; lists are paged, requests are counted
and limited as the real one does it (per minute and per hour, with its headers). Whatever it does not know is a 404, so that a
client that asks for more is noticed.

With `hosts` (hosts.py) a droplet boots: a network namespace with a real OpenSSH server, whose host key is the one of its user
data. Without, it only says that it is active.

    with FakeDO() as cloud:
        cloud.url, cloud.token
        cloud.fault("500-after-create", 2)      # the next two
        cloud.counts                            # {"POST /v2/droplets": 3, ...}

Faults by name, each so many times (or for good, with times=None):

    500-after-create   the droplet is made, and the answer is 500
    lost-answer        the droplet is made, and the connection is closed without an answer
    lost-create        nothing is made, and the connection is closed without an answer
    429                a request is refused, with Retry-After: 1
    500                a request is refused
    limit              a create is refused: the account is full
    no-room            a create is refused: the region has no room
    slow-active        a droplet takes `seconds` more to become active
    never-active       a droplet stays new
    vanishes           a droplet is gone once it was active
    twice-in-pages     a page of a list shows the last droplet of the page before, and leaves out one of its own
    wrong-host-key     a droplet has another host key than the one in its user data
    list-lags          a droplet is shown by lists only after `seconds`
    late-tags          a droplet gets its tags only after `seconds`
    stays              a DELETE is answered 204, and the droplet stays

Run as a program it serves until it is interrupted, and prints what was asked.
"""
import http.server
import json
import random
import re
import sys
import threading
import time
import urllib.parse

PER_PAGE = 20
PER_PAGE_MAX = 200
DROPLET_FAULTS = ("slow-active", "never-active", "vanishes", "wrong-host-key", "list-lags", "late-tags")

SIZES = [
    {"slug": "s-1vcpu-1gb", "memory": 1024, "vcpus": 1, "disk": 25, "transfer": 1.0, "price_monthly": 6.0,
     "price_hourly": 0.00892999991774559, "regions": ["ams3", "fra1", "nyc3"], "available": True, "description": "Basic"},
    {"slug": "s-2vcpu-2gb", "memory": 2048, "vcpus": 2, "disk": 60, "transfer": 3.0, "price_monthly": 18.0,
     "price_hourly": 0.02679, "regions": ["ams3", "fra1"], "available": True, "description": "Basic"},
    {"slug": "gpu-h100x1-80gb", "memory": 245760, "vcpus": 20, "disk": 720, "transfer": 15.0, "price_monthly": 2522.88,
     "price_hourly": 3.39, "regions": ["nyc3"], "available": True, "description": "H100 GPU"},
]
REGIONS = [{"slug": slug, "name": name, "available": True, "features": ["metadata"], "sizes": [s["slug"] for s in SIZES]}
           for slug, name in (("ams3", "Amsterdam 3"), ("fra1", "Frankfurt 1"), ("nyc3", "New York 3"))]
IMAGES = [
    {"id": 9001, "name": "12 x64", "type": "base", "distribution": "Debian", "slug": "debian-12-x64", "public": True,
     "regions": ["ams3", "fra1", "nyc3"], "created_at": "2026-01-10T10:00:00Z", "min_disk_size": 7, "status": "available"},
    {"id": 9101, "name": "qa-2026-09", "type": "snapshot", "distribution": "Debian", "slug": None, "public": False,
     "regions": ["ams3", "fra1"], "created_at": "2026-09-01T10:00:00Z", "min_disk_size": 25, "status": "available"},
    {"id": 9102, "name": "qa-2026-10", "type": "snapshot", "distribution": "Debian", "slug": None, "public": False,
     "regions": ["fra1"], "created_at": "2026-10-01T10:00:00Z", "min_disk_size": 25, "status": "available"},
    {"id": 9103, "name": "qa-2026-11", "type": "snapshot", "distribution": "Debian", "slug": None, "public": False,
     "regions": ["fra1"], "created_at": "2026-11-01T10:00:00Z", "min_disk_size": 25, "status": "pending"},
]


def iso(t):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


class Droplet:
    def __init__(self, cloud, number, body):
        self.cloud = cloud
        self.id = number
        self.body = body
        self.name = body["name"]
        self.size = next(s for s in SIZES if s["slug"] == body["size"])
        self.region = body["region"]
        self.tags = list(body.get("tags") or [])
        self.created = time.time()
        self.status = "new"
        self.address = None
        self.host = None
        self.shown_from = 0.0  # lists show it from this moment on
        self.tagged_from = 0.0
        self.is_gone = False
        self.began = time.monotonic()
        self.ended = None

    def mark(self):
        """(server, intent) of the tag it was made with; None: it has none. What the tags became later does not count."""
        for tag in self.body.get("tags") or []:
            found = re.fullmatch(r"wrata:[A-Za-z0-9-]+:s(\d+):i(\d+)", tag)
            if found:
                return int(found.group(1)), int(found.group(2))
        return None

    def user_data(self):
        """What cloud-init would read; {} when there is none."""
        text = self.body.get("user_data") or ""
        head, _, rest = text.partition("\n")
        return json.loads(rest) if head == "#cloud-config" else {}

    def shown(self):
        v4 = []
        if self.address is not None:
            v4 = [{"ip_address": self.address, "netmask": "255.255.255.0", "gateway": self.address, "type": "public"}]
        tags = self.tags if time.time() >= self.tagged_from else []
        return {"id": self.id, "name": self.name, "memory": self.size["memory"], "vcpus": self.size["vcpus"],
                "disk": self.size["disk"], "locked": False, "status": self.status, "created_at": iso(self.created),
                "features": [], "backup_ids": [], "snapshot_ids": [], "volume_ids": [], "next_backup_window": None,
                "image": {"id": 1}, "size": self.size, "size_slug": self.size["slug"],
                "networks": {"v4": v4, "v6": []}, "region": next(r for r in REGIONS if r["slug"] == self.region),
                "tags": list(tags), "vpc_uuid": self.body.get("vpc_uuid")}


class Refused(Exception):
    def __init__(self, status, message, word=None, headers=None):
        self.status = status
        self.headers = headers or {}
        self.body = {"id": word or {401: "unauthorized", 404: "not_found", 422: "unprocessable_entity",
                                    429: "too_many_requests"}.get(status, "server_error"), "message": message}
        super().__init__(message)


class Silence(Exception):
    """The connection is closed without a word."""


class FakeDO:
    def __init__(self, hosts=None, token="dop_v1_test", droplet_limit=25, per_minute=250, per_hour=5000, boot_s=0.0):
        self.hosts = hosts
        self.token = token
        self.droplet_limit = droplet_limit
        self.per_minute = per_minute
        self.per_hour = per_hour
        self.boot_s = boot_s
        self.per_page_max = PER_PAGE_MAX
        self.lock = threading.RLock()
        self.droplets = {}
        self.tags = []
        self.images = [dict(i) for i in IMAGES]
        self.projects = {}
        self.next_id = 3164494
        self.faults = {}  # name: [times or None, seconds]
        self.counts = {}
        self.asked = []  # (when, method, path, status)
        self.made = []  # every droplet that ever was
        self.limited = 0
        self.before = None  # called with (method, path) before a request is answered
        self.threads = []
        self.server = QuietServer(("127.0.0.1", 0), handler_of(self))
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    # ---- for tests ----

    def fault(self, name, times=1, seconds=3.0):
        with self.lock:
            self.faults[name] = [times, seconds]

    def clear(self, name):
        with self.lock:
            self.faults.pop(name, None)

    def alive(self):
        with self.lock:
            return sorted(self.droplets.values(), key=lambda d: d.id)

    def with_tag(self, tag):
        return [d for d in self.alive() if tag in d.tags]

    def add(self, name, tags, **body):
        """A droplet that somebody else made."""
        with self.lock:
            d = self.make(dict({"name": name, "size": "s-1vcpu-1gb", "region": "fra1", "image": 9001, "tags": tags}, **body))
            d.status, d.address = "active", "192.0.2.%d" % (d.id % 250 + 1)
            return d

    def doubles(self):
        """What may never be: two droplets for one server at one time, or two that one call made. Sentences; [] when all is well."""
        with self.lock:
            lives = [(d, d.mark()) for d in self.made if d.mark() is not None]
        wrong = []
        for i, (a, (server, intent)) in enumerate(lives):
            for b, (other, other_intent) in lives[:i]:
                if intent == other_intent:
                    wrong.append("droplets %d and %d are both of intent %d" % (b.id, a.id, intent))
                if server == other and (b.ended is None or a.began < b.ended):
                    wrong.append("server %d had droplet %d (intent %d) while %d (intent %d) was there"
                                 % (server, a.id, intent, b.id, other_intent))
        return wrong

    def total(self):
        with self.lock:
            return sum(self.counts.values())

    def summary(self):
        with self.lock:
            lines = ["%6d %s" % (n, kind) for kind, n in sorted(self.counts.items())]
            return "\n".join(lines + ["%6d together, %d refused as too many, at most %d in a minute"
                                      % (sum(self.counts.values()), self.limited, self.busiest_minute())])

    def busiest_minute(self):
        times = [t for t, _, _, _ in self.asked]
        most, first = 0, 0
        for last, t in enumerate(times):
            while t - times[first] >= 60:
                first += 1
            most = max(most, last - first + 1)
        return most

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        for d in list(self.droplets.values()):
            self.remove(d)
        for t in self.threads:
            t.join(30)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    # ---- life of a droplet ----

    def strikes(self, name):
        """Seconds when the fault strikes now, else None."""
        with self.lock:
            fault = self.faults.get(name)
            if fault is None or fault[0] == 0:
                return None
            if fault[0] is not None:
                fault[0] -= 1
            return fault[1]

    def make(self, body):
        d = Droplet(self, self.next_id, body)
        self.next_id += random.randint(1, 50)
        self.droplets[d.id] = d
        self.made.append(d)
        for tag in d.tags:
            self.tag_made(tag)
        return d

    def tag_made(self, tag):
        if tag not in self.tags:
            self.tags.append(tag)

    def in_background(self, work, *args):
        t = threading.Thread(target=work, args=args, daemon=True)
        self.threads = [x for x in self.threads if x.is_alive()] + [t]
        t.start()

    def boot(self, d, struck):
        time.sleep(self.boot_s + (struck["slow-active"] or 0.0))
        if struck["never-active"] is not None or d.is_gone:
            return
        host = None
        if self.hosts is not None:
            data = d.user_data()
            key = None if struck["wrong-host-key"] is not None else data.get("ssh_keys", {}).get("ed25519_private")
            authorized = "\n".join(data.get("ssh_authorized_keys", []))
            host = self.hosts.add(host_key=key, authorized=authorized)
        with self.lock:
            d.host = host
            if not d.is_gone:
                d.address = host.address if host is not None else "192.0.2.%d" % (d.id % 250 + 1)
                d.status = "active"
                if struck["vanishes"] is not None:
                    self.remove(d)
                return
        if host is not None:
            self.hosts.drop(host)

    def remove(self, d):
        with self.lock:
            self.droplets.pop(d.id, None)
            if not d.is_gone:
                d.ended = time.monotonic()
            d.is_gone = True
            host, d.host = d.host, None
        if host is not None:
            self.in_background(self.power_off, host)

    def power_off(self, host):
        """As a cloud does it: all at once. Processes die one after the other here, and none may tell of the end of another."""
        host.cut()
        self.hosts.drop(host)

    # ---- the API ----

    def admit(self, method, path, auth):
        """Count it; the headers of every answer."""
        now = time.time()
        kind = method + " " + "/".join("ID" if part.isdigit() else "TAG" if part.startswith("wrata") else part
                                       for part in urllib.parse.unquote(path.partition("?")[0]).split("/"))
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.asked.append((now, method, path, 0))
            hour = sum(1 for t, _, _, _ in self.asked if now - t < 3600)
            minute = sum(1 for t, _, _, _ in self.asked if now - t < 60)
            oldest = next(t for t, _, _, _ in self.asked if now - t < 3600)
            headers = {"ratelimit-limit": str(self.per_hour), "ratelimit-remaining": str(max(self.per_hour - hour, 0)),
                       "rateLimit-reset": str(int(oldest + 3600))}
            if auth != "Bearer " + self.token:
                raise Refused(401, "Unable to authenticate you", headers=headers)
            if minute > self.per_minute or hour > self.per_hour:
                self.limited += 1
                headers["ratelimit-remaining"] = "0"
                if minute > self.per_minute:
                    headers["retry-after"] = "5"
                raise Refused(429, "API Rate limit exceeded.", headers=headers)
        if self.strikes("429") is not None:
            self.limited += 1
            raise Refused(429, "API Rate limit exceeded.", headers=dict(headers, **{"retry-after": "1"}))
        if self.strikes("500") is not None:
            raise Refused(500, "Server was unable to give you a response.", headers=headers)
        return headers

    def answer(self, method, path, body):
        """(status, document or None)"""
        parts = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        words = [urllib.parse.unquote(w) for w in parts.path.strip("/").split("/")]
        if words[0] != "v2":
            raise Refused(404, "The resource you were accessing could not be found.")
        words = words[1:]
        if self.before is not None:
            self.before(method, path)
        with self.lock:
            if words == ["droplets"]:
                return self.create(body) if method == "POST" else self.list_droplets(query)
            if len(words) == 2 and words[0] == "droplets" and words[1].isdigit():
                return self.one_droplet(method, int(words[1]))
            if words[0] == "tags":
                return self.tags_api(method, words[1:], query, body)
            if method == "GET" and words == ["sizes"]:
                return self.page("sizes", SIZES, query)
            if method == "GET" and words == ["regions"]:
                return self.page("regions", REGIONS, query)
            if method == "GET" and words == ["images"]:
                private = query.get("private") == "true"
                return self.page("images", [i for i in self.images if i["public"] != private], query)
            if method == "GET" and words == ["account"]:
                return 200, {"account": {"droplet_limit": self.droplet_limit, "status": "active", "email": "x@example.org"}}
            if method == "POST" and len(words) == 3 and words[0] == "projects" and words[2] == "resources":
                self.projects.setdefault(words[1], []).extend(body["resources"])
                return 200, {"resources": []}
        raise Refused(404, "The resource you were accessing could not be found.")

    def page(self, key, items, query):
        per_page = min(int(query.get("per_page", PER_PAGE)), self.per_page_max)
        page = int(query.get("page", 1))
        first = (page - 1) * per_page
        shown = items[first:first + per_page]
        if key == "droplets" and page > 1 and len(shown) > 0 and self.strikes("twice-in-pages") is not None:
            shown = [items[first - 1]] + shown[:-1]
        links = {}
        if first + per_page < len(items):
            more = "%s/v2/%s?page=%d" % (self.url, key, page + 1)
            links = {"pages": {"next": more, "last": more}}
        return 200, {key: [i.shown() if isinstance(i, Droplet) else i for i in shown], "links": links,
                     "meta": {"total": len(items)}}

    def list_droplets(self, query):
        if "tag_name" in query and "type" in query:
            raise Refused(400, "tag_name and type can not be combined", "bad_request")
        now = time.time()
        found = [d for d in sorted(self.droplets.values(), key=lambda d: d.id) if now >= d.shown_from]
        if "tag_name" in query:
            found = [d for d in found if now >= d.tagged_from and query["tag_name"] in d.tags]
        else:
            found = [d for d in found if d.size["slug"].startswith("gpu-") == (query.get("type") == "gpus")]
        return self.page("droplets", found, query)

    def create(self, body):
        if self.strikes("lost-create") is not None:
            raise Silence()
        for field in ("name", "size", "image", "region"):
            if field not in body:
                raise Refused(422, "%s can't be blank" % field)
        if self.strikes("limit") is not None or len(self.droplets) >= self.droplet_limit:
            raise Refused(422, "creating this/these droplet(s) will exceed your droplet limit")
        size = next((s for s in SIZES if s["slug"] == body["size"]), None)
        if size is None:
            raise Refused(422, "You specified an invalid size for Droplet creation.")
        if all(r["slug"] != body["region"] for r in REGIONS):
            raise Refused(422, "You specified an invalid region for Droplet creation.")
        if body["region"] not in size["regions"] or self.strikes("no-room") is not None:
            raise Refused(422, "Size is not available in this region.")
        if all(body["image"] not in (i["id"], i["slug"]) for i in self.images):
            raise Refused(422, "You specified an invalid image for Droplet creation.")
        if len(body.get("user_data") or "") > 65536:
            raise Refused(422, "user_data is too long")
        for tag in body.get("tags") or []:
            if not tag or len(tag) > 255 or not all(c.isalnum() or c in ":-_" for c in tag):
                raise Refused(422, "invalid tag name: " + tag)
        struck = {name: self.strikes(name) for name in DROPLET_FAULTS}
        d = self.make(body)
        d.shown_from = d.created + (struck["list-lags"] or 0.0)
        d.tagged_from = d.created + (struck["late-tags"] or 0.0)
        self.in_background(self.boot, d, struck)
        if self.strikes("500-after-create") is not None:
            raise Refused(500, "Server was unable to give you a response.")
        if self.strikes("lost-answer") is not None:
            raise Silence()
        return 202, {"droplet": d.shown(), "links": {"actions": [{"id": d.id * 7, "rel": "create", "href": self.url}]}}

    def one_droplet(self, method, number):
        d = self.droplets.get(number)
        if d is None:
            raise Refused(404, "The resource you were accessing could not be found.")
        if method == "GET":
            return 200, {"droplet": d.shown()}
        if method == "DELETE":
            if self.strikes("stays") is None:
                self.remove(d)
            return 204, None
        raise Refused(404, "The resource you were accessing could not be found.")

    def tags_api(self, method, words, query, body):
        carried = {}
        for d in self.droplets.values():
            for tag in d.tags:
                carried[tag] = carried.get(tag, 0) + 1
        if not words and method == "GET":
            return self.page("tags", [{"name": t, "resources": {"count": carried.get(t, 0)}} for t in self.tags], query)
        if not words and method == "POST":
            self.tag_made(body["name"])
            return 201, {"tag": {"name": body["name"], "resources": {"count": carried.get(body["name"], 0)}}}
        if not words or words[0] not in self.tags:
            raise Refused(404, "The resource you were accessing could not be found.")
        if len(words) == 1 and method == "DELETE":
            self.tags.remove(words[0])
            for d in self.droplets.values():
                d.tags = [t for t in d.tags if t != words[0]]
            return 204, None
        if len(words) == 2 and words[1] == "resources" and method in ("POST", "DELETE"):
            wanted = [self.droplets.get(int(r["resource_id"])) for r in body["resources"]]
            if None in wanted:
                raise Refused(404, "The resource you were accessing could not be found.")
            for d in wanted:
                d.tagged_from = 0.0
                d.tags = [t for t in d.tags if t != words[0]] + ([words[0]] if method == "POST" else [])
            return 204, None
        raise Refused(404, "The resource you were accessing could not be found.")


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that was killed resets its connections; anything else is a fault of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def handler_of(cloud):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def reply(self, status, document, headers):
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def handle_any(self):
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length) if length else b""
            headers = {}
            status, document = 500, None
            try:
                headers = cloud.admit(self.command, self.path, self.headers.get("Authorization"))
                status, document = cloud.answer(self.command, self.path, json.loads(text) if text else None)
            except Refused as e:
                status, document, headers = e.status, e.body, dict(headers, **e.headers)
            except Silence:
                self.close_connection = True
                status = -1
            with cloud.lock:
                when, method, path, _ = cloud.asked[-1]
                cloud.asked[-1] = (when, method, path, status)
            if status > 0:
                try:
                    self.reply(status, document, headers)
                except OSError:
                    pass

        do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = handle_any

    return Handler


def main():
    with FakeDO() as cloud:
        print("WRATA_CLOUD_URL=%s DO_ACCESS_TOKEN=%s" % (cloud.url, cloud.token), flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print(cloud.summary())


if __name__ == "__main__":
    sys.exit(main())
