#!/usr/bin/env python3
"""Fleets of commands: the contract of docs/fleets.md, kept and broken; and its example, run as it stands there."""
import json
import os
import re
import stat
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_fleet_do import Drive, INSTANCE  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
DOCS = os.path.join(HERE, "..", "..", "docs", "fleets.md")
URL = "http://127.0.0.1:1"  # no cloud of ours is asked

# A cloud in a folder: one file for each machine. What it is asked is kept beside.
CLOUD = """
import json, os, sys
what, folder = sys.argv[1:3]
asked = json.load(sys.stdin)
with open(os.path.join(folder, "log"), "a") as log:
    log.write(json.dumps([what, asked]) + "\\n")
trap = os.path.join(folder, "trap-" + what)
if os.path.exists(trap):
    exec(open(trap).read())
machines = os.path.join(folder, "machines")
path = lambda i: os.path.join(machines, i)
if what == "create":
    machine = {k: asked[k] for k in ("instance", "server", "intent", "name", "size", "lease_until")}
    machine.update(id="vm-" + asked["intent"], state="active", address="192.0.2.1", price_hour_microusd=12345)
    json.dump(machine, open(path(machine["id"]), "w"))
    print(json.dumps(machine))
elif what == "list":
    print(json.dumps({"machines": [json.load(open(path(i))) for i in sorted(os.listdir(machines))]}))
elif what == "destroy":
    os.unlink(path(asked["id"]))
elif what == "renew":
    machine = json.load(open(path(asked["id"])))
    machine["lease_until"] = asked["lease_until"]
    json.dump(machine, open(path(asked["id"]), "w"))
elif what == "connect":
    print(json.dumps({"argv": ["ssh", asked["user"] + "@" + asked["address"]]}))
"""


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wrata-command-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.mkdir(os.path.join(self.folder, "machines"))
        self.program = os.path.join(self.folder, "cloud.py")
        with open(self.program, "w") as f:
            f.write(CLOUD)

    def options(self, **more):
        words = {w: ["/usr/bin/python3", self.program, w, self.folder] for w in ("create", "destroy", "list", "connect", "renew")}
        return dict(words, **more)

    def drive(self, **more):
        d = Drive("command", self.options(**more), URL, "", self.folder)
        self.addCleanup(d.process.stdout.close)
        self.addCleanup(d.end)
        return d

    def trap(self, what, text):
        with open(os.path.join(self.folder, "trap-" + what), "w") as f:
            f.write(text)

    def free(self, what):
        os.unlink(os.path.join(self.folder, "trap-" + what))

    def asked(self, what):
        with open(os.path.join(self.folder, "log")) as f:
            return [asked for w, asked in map(json.loads, f) if w == what]

    def test_a_machine_is_made_listed_renewed_reached_and_destroyed(self):
        d = self.drive(size="small")
        made = d.ask("create", 17, 4711)
        self.assertEqual((made["told"], made["id"], made["server"], made["intent"], made["price"]),
                         ("created", "vm-4711", 17, 4711, 12345))
        asked = self.asked("create")[0]
        self.assertEqual((asked["instance"], asked["server"], asked["intent"], asked["size"], asked["user"]),
                         (INSTANCE, "17", "4711", "small", "root"))
        self.assertTrue(asked["host_key"]["private"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n"))
        self.assertTrue(asked["user_data"].startswith("#cloud-config\n"))
        listed = d.list()["machines"]
        self.assertEqual([(m["id"], m["server"], m["intent"], m["state"], m["address"]) for m in listed],
                         [("vm-4711", 17, 4711, "active", "192.0.2.1")])
        self.assertEqual(d.ask("renew", "vm-4711", 7200)["told"], "renewed")
        self.assertNotEqual(d.list()["machines"][0]["lease_until"], listed[0]["lease_until"])
        self.assertEqual(d.ask("connect", "vm-4711", "192.0.2.1")["argv"], ["ssh", "root@192.0.2.1"])
        self.assertEqual(d.ask("destroy", "vm-4711")["told"], "destroyed")
        self.assertEqual(d.list()["machines"], [])
        self.assertEqual(d.ask("destroy", "vm-4711")["told"], "destroyed")  # it is gone
        self.assertEqual(len(self.asked("destroy")), 1)

    def test_many_at_once(self):
        d = self.drive()
        for i in range(1, 31):
            d.say("create", i, i)
        self.assertEqual({a["told"] for a in d.wait(30)}, {"created"})
        for i in range(1, 31):
            d.say("destroy", "vm-%d" % i)
        self.assertEqual({a["told"] for a in d.wait(30)}, {"destroyed"})
        self.assertEqual(d.list()["machines"], [])
        self.assertLess(len(self.asked("list")), 10)  # one list serves many

    def test_what_is_not_ours_is_neither_listed_nor_destroyed(self):
        d = self.drive()
        with open(os.path.join(self.folder, "machines", "theirs"), "w") as f:
            json.dump({"id": "theirs", "instance": "another", "server": 1, "intent": 1}, f)
        with open(os.path.join(self.folder, "machines", "nobodys"), "w") as f:
            json.dump({"id": "nobodys"}, f)
        self.assertEqual(d.list()["machines"], [])
        for machine in ("theirs", "nobodys"):
            answer = d.ask("destroy", machine)
            self.assertEqual((answer["told"], answer["fault"]), ("destroy_failed", "invalid"))
            self.assertIn("does not carry the mark of this instance", answer["reason"])
        self.assertFalse(os.path.exists(os.path.join(self.folder, "log")) and self.asked("destroy"))

    def test_a_create_that_says_nothing_is_unknown_and_its_own_words_count(self):
        patient, hasty = self.drive(), self.drive(deadline_s=1)
        for trap, fault, words in (
                ("sys.exit('quota? no idea')", "unknown", "quota? no idea"),
                ("sys.exit(0)", "unknown", "id: it is missing"),
                ("print('x'); sys.exit(0)", "unknown", "not JSON"),
                ("os.kill(os.getpid(), 9)", "unknown", "signal 9"),
                ("import time; time.sleep(60)", "unknown", "took too long"),
                ("print(json.dumps({'fault': 'limit', 'message': 'no room', 'retry_after_s': 7})); sys.exit(1)", "limit", "no room"),
                ("print(json.dumps({'fault': 'auth', 'message': 'who are you'})); sys.exit(1)", "auth", "who are you"),
                ("print(json.dumps({'id': 'a b'})); sys.exit(0)", "unknown", "cannot be a machine's"),
                ("print(json.dumps({'id': '-rf'})); sys.exit(0)", "unknown", "cannot be a machine's"),
                ("print(json.dumps({'id': 'x', 'ip': 'y'})); sys.exit(0)", "unknown", "there is no field 'ip'")):
            with self.subTest(trap):
                self.trap("create", trap)
                answer = (hasty if words == "took too long" else patient).ask("create", 1, 1)
                self.assertEqual((answer["told"], answer["fault"]), ("create_failed", fault), answer)
                self.assertIn(words, answer["reason"])
                if fault == "limit":
                    self.assertEqual(answer["retry_after_ms"], 7000)
        self.assertNotIn("PRIVATE KEY", json.dumps(patient.told + hasty.told))

    def test_a_command_that_is_not_there_made_nothing(self):
        d = self.drive(create=["/nonexistent/create"])
        answer = d.ask("create", 1, 1)
        self.assertEqual((answer["told"], answer["fault"]), ("create_failed", "invalid"))

    def test_a_list_is_whole_or_none(self):
        d = self.drive()
        d.ask("create", 1, 1)
        for trap in ("sys.exit(1)", "print('{\"machines\":[{\"id\":\"a\"},{}]}'); sys.exit(0)",
                     "print('{}'); sys.exit(0)", "print('{\"machines\":[]'); sys.exit(0)",
                     "print('{\"machines\":[{\"id\":\"a\",\"instance\":\"%s\",\"server\":\"x\"}]}'); sys.exit(0)" % INSTANCE,
                     "print(' ' * 9000000 + '{\"machines\":[]}'); sys.exit(0)"):
            with self.subTest(trap[:60]):
                self.trap("list", trap)
                self.assertEqual(d.list()["told"], "list_failed")
                answer = d.ask("destroy", "vm-1")  # nothing is destroyed that is not seen
                self.assertEqual(answer["told"], "destroy_failed")
        self.free("list")
        self.assertEqual(len(d.list()["machines"]), 1)

    def test_options_are_checked(self):
        d = self.drive()
        d.say("change", json.dumps(self.options(deadline_s=0)))
        d.say("change", json.dumps({"create": ["x"]}))
        self.assertEqual(d.ask("create", 1, 1)["told"], "created")  # nothing changed

    def test_sizes_of_the_options_are_the_catalog(self):
        d = self.drive(sizes=[{"name": "small", "price_hour_microusd": 5}, {"name": "large", "cpus": 8}])
        self.assertEqual(d.ask("catalog")["sizes"], ["small", "large"])


class Example(unittest.TestCase):
    """The script of docs/fleets.md, with a command line of a cloud that is none."""

    FAKE_HCLOUD = """#!/usr/bin/python3
import json, os, sys
folder = os.environ["FAKE_CLOUD"]
words = [w for w in sys.argv[1:]]
def value(name):
    return words[words.index(name) + 1]
def labels():
    return dict(words[i + 1].split("=", 1) for i, w in enumerate(words) if w == "--label")
def every():
    return [json.load(open(os.path.join(folder, f))) for f in sorted(os.listdir(folder)) if f.endswith(".json")]
if words[:2] == ["server", "create"]:
    if os.path.exists(os.path.join(folder, "full")):
        sys.exit("hcloud: server limit reached (resource_limit_exceeded)")
    data = open(value("--user-data-from-file")).read() if value("--user-data-from-file") != "-" else sys.stdin.read()
    assert data.startswith("#cloud-config\\n"), data[:40]
    number = 100 + len(os.listdir(folder))
    server = {"id": number, "name": value("--name"), "status": "running", "labels": labels(),
              "created": "2026-11-30T00:00:00+00:00", "server_type": {"name": value("--type")},
              "datacenter": {"location": {"name": value("--location")}}, "public_net": {"ipv4": {"ip": "192.0.2.9"}}}
    json.dump(server, open(os.path.join(folder, "%d.json" % number), "w"))
    print(json.dumps({"server": server}))
elif words[:2] == ["server", "list"]:
    key, _, wanted = value("--selector").partition("=")
    print(json.dumps([s for s in every() if s["labels"].get(key) == wanted]))
elif words[:2] == ["server", "delete"]:
    path = os.path.join(folder, words[2] + ".json")
    if not os.path.exists(path):
        sys.exit("hcloud: Server not found: " + words[2])
    os.unlink(path)
elif words[:2] == ["server", "add-label"]:
    path = os.path.join(folder, words[-2] + ".json")
    server = json.load(open(path))
    server["labels"].update([words[-1].split("=", 1)])
    json.dump(server, open(path, "w"))
else:
    sys.exit("hcloud: unknown command " + " ".join(words))
"""

    def test_the_example_of_the_document_works(self):
        with open(DOCS, encoding="utf-8") as f:
            text = f.read()
        script = re.search(r"```python\n(#!/usr/bin/env python3\n.*?)```", text, re.S).group(1)
        with tempfile.TemporaryDirectory(prefix="wrata-example-") as folder:
            cloud = os.path.join(folder, "cloud")
            os.mkdir(cloud)
            for name, content in (("hetzner", script), ("hcloud", self.FAKE_HCLOUD)):
                path = os.path.join(folder, name)
                with open(path, "w") as f:
                    f.write(content)
                os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
            os.environ["PATH"] = folder + ":" + os.environ["PATH"]
            os.environ["FAKE_CLOUD"] = cloud
            options = {w: [os.path.join(folder, "hetzner"), w] for w in ("create", "destroy", "list", "connect", "renew")}
            d = Drive("command", options, URL, "", folder)
            try:
                made = d.ask("create", 17, 4711)
                self.assertEqual((made["told"], made["server"], made["intent"]), ("created", 17, 4711), made)
                machine = d.list()["machines"][0]
                self.assertEqual((machine["id"], machine["server"], machine["intent"], machine["state"], machine["address"]),
                                 (made["id"], 17, 4711, "active", "192.0.2.9"))
                self.assertIsNotNone(machine["lease_until"])
                self.assertEqual(d.ask("renew", made["id"], 90000)["told"], "renewed")
                self.assertGreater(d.list()["machines"][0]["lease_until"], time.strftime("%Y-%m-%dT%H:%M", time.gmtime(
                    time.time() + 80000)))
                self.assertEqual(d.ask("connect", made["id"], "192.0.2.9")["address"], "192.0.2.9")
                with open(os.path.join(cloud, "full"), "w"):
                    pass
                answer = d.ask("create", 18, 4712)
                self.assertEqual((answer["told"], answer["fault"]), ("create_failed", "limit"), answer)
                self.assertEqual(d.ask("destroy", made["id"])["told"], "destroyed")
                self.assertEqual(d.list()["machines"], [])
            finally:
                d.end()
                d.process.stdout.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
