#!/usr/bin/env python3
"""What a script of a project finds around it: RSpec, pytest, TAP, bash and JUnit files, two languages and two browsers each, in a
container and on the machine itself. Each script writes down the environment that it saw; that is compared, variable by variable,
with what it should be.

WRATA_TEST_IMAGE=debootstrap runs it in a Debian made by debootstrap (tests/lib/pod.py)."""
# ctest: TIMEOUT 900
# ctest: RESOURCE_LOCK containers
# ctest: COMPUTES ON
import hashlib
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import pod  # noqa: E402
import wrata  # noqa: E402

IMAGE = "localhost/wrata-env:1"
SECRET = "a value that nobody may read"
LANGUAGES, BROWSERS = ("de-DE", "en-US"), ("default", "chrome")
PLACE = "https://qa.example.org:8443/x"

# Each writes NAME=value, ended by NULs, to seen/NAME; of the secret its hash, and the value to its log, where it must not be.
SHELL_WRITES = '''mkdir -p seen
echo "the secret is $TOKEN"
git rev-parse HEAD > seen/commit
cp /tmp/hook seen/hook 2>/dev/null
cat "$WRATA_CACHE/made" > seen/made
TOKEN=$(printf %%s "$TOKEN" | sha256sum | cut -d" " -f1) env -0 > seen/%s
'''
FILES = {
    "spec/env_spec.rb": '''require 'digest'
RSpec.describe 'the environment' do
  it 'is written down' do
    Dir.mkdir('seen') unless Dir.exist?('seen')
    puts "the secret is #{ENV['TOKEN']}"
    seen = ENV.to_h.merge('TOKEN' => Digest::SHA256.hexdigest(ENV.fetch('TOKEN', '')))
    File.write('seen/rspec', seen.map { |name, value| "#{name}=#{value}\\0" }.join)
  end

  it('is pending') { skip 'for a reason' }
end
''',
    "test_env.py": '''import hashlib
import os


def test_is_written_down(capfd):
    os.makedirs("seen", exist_ok=True)
    with capfd.disabled():
        print("\\nthe secret is " + os.environ["TOKEN"])
    seen = dict(os.environ, TOKEN=hashlib.sha256(os.environ["TOKEN"].encode()).hexdigest())
    with open("seen/pytest", "w") as f:
        f.write("".join("%s=%s\\0" % item for item in seen.items()))


def test_other():
    assert True
''',
    "env.sh": SHELL_WRITES % "bash",
    "tap/env.t": "echo 1..2\n" + SHELL_WRITES % "tap" + "echo ok 1 - written down\necho ok 2 - other\n",
    "junit/env.junit": SHELL_WRITES % "junit" + '''cat > junit/out.xml <<XML
<testsuite name="env" tests="2"><testcase classname="env" name="written down" time="0.1"/>
<testcase classname="env" name="other" time="0.1"/></testsuite>
XML
''',
    "prepare.sh": 'echo "prepare in: $(cat /etc/wrata-image 2>/dev/null || echo the machine)"\n'
                  'cat /etc/wrata-image > "$WRATA_CACHE/made" 2>/dev/null || echo the machine > "$WRATA_CACHE/made"\n',
}
YML = '''%sprepare:
- script: prepare.sh
  key: [prepare.sh]
commands:
- glob: tap/*.t
  run: [bash, "{file}"]
  report: tap
- glob: junit/*.junit
  run: [bash, "{file}"]
  report: junit
  reports: [junit/out.xml]
artifacts: ["seen/*"]
env:
  FILE: of the file
  FILE_AND_USER: of the file
  ALL: of the file
'''
RUN = {"spec/env_spec.rb": "rspec", "test_env.py": "pytest", "env.sh": "bash", "tap/env.t": "tap", "junit/env.junit": "junit"}
# What shells, ruby and pytest themselves put there.
OWN = {"PWD", "OLDPWD", "SHLVL", "_", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "LINES", "COLUMNS"}


def variables(data):
    return dict(line.split("=", 1) for line in data.decode().split("\0") if line)


class Environment(wrata.Case):
    maxDiff = None

    def begin(self, env, slots=2):
        self.server = self.serve(env=env)
        self.server.add_local("local-1", slots)
        self.server.wait_online("local-1")
        self.server.post("/api/v1/env", {"lines": [
            {"name": "TOKEN", "value": SECRET, "secret": True}, {"name": "USERS", "value": "of the user", "secret": False},
            {"name": "FILE_AND_USER", "value": "of the user", "secret": False}, {"name": "ALL", "value": "of the user", "secret": False}]})

    def launch(self, yml):
        project = self.project(dict(FILES, **{"wrata.yml": yml}), name="project")
        launch = self.server.launch(project, list(RUN), languages=list(LANGUAGES), browsers=list(BROWSERS), location=PLACE,
                                    env=["ALL=of the launch", "EMPTY="])
        done = self.server.wait_launch(launch["id"], 300)
        self.commit = done["commit"]
        return done

    def seen(self, run):
        found = {}
        for a in self.server.all("/api/v1/runs/%d/artifacts" % run["id"]):
            found[a["path"]] = self.server.call("GET", "/api/v1/artifacts/%d" % a["id"], raw=True)
        return found

    def expected(self, base, run, test, kind):
        want = dict(base)
        want.update({
            "FILE": "of the file", "FILE_AND_USER": "of the user", "ALL": "of the launch", "USERS": "of the user", "EMPTY": "",
            "TOKEN": hashlib.sha256(SECRET.encode()).hexdigest(), "DISPLAY": ":0.0", "SPEC_REGION": PLACE,
            "SPEC_SERVER_IP": "qa.example.org", "SPEC_LANGUAGE": test["language"], "WRATA_RUN_ID": str(run["id"]),
            "WRATA_LAUNCH_ID": str(run["launch"]), "WRATA_ATTEMPT": "1", "WRATA_COMMIT": self.commit, "WRATA_SERVER": "local-1",
            "WRATA_SLOT": str(run["slot"]), "TEST_ENV_NUMBER": str(run["slot"] + 1) if run["slot"] else ""})
        if test["browser"] != "default":
            want["SPEC_BROWSER"] = test["browser"]
        return want

    def one(self, base, run, test, kind, made):
        """What was seen by one run, beside what it should be; what has no fixed value is taken out, and looked at."""
        found = self.seen(run)
        log = self.server.log(run["id"]).decode()
        self.assertIn("the secret is ***\n", log)
        self.assertNotIn(SECRET, log)
        seen = {k: v for k, v in variables(found["seen/" + kind]).items() if k not in OWN}
        self.assertRegex(seen.pop("WRATA_AGENT_RUN", ""), r"\A[^/]+/[0-9a-f]+/%d/\Z" % run["id"])
        cache = seen.pop("WRATA_CACHE", "none")
        self.assertTrue(cache.startswith(self.server.data + "/"), cache)
        self.assertEqual((seen.pop("BUNDLE_PATH", ""), seen.pop("npm_config_cache", "")), (cache + "/bundle", cache + "/npm"))
        tree = seen.pop("GIT_CONFIG_VALUE_0", "")
        if "container" in base:
            self.assertRegex(tree, r"\A%s/.*/work/p1-s%d\Z" % (re.escape(self.server.data), run["slot"]))
        self.assertNotIn("WRATA_RESULTS_FD", seen, "the adapters take it away")
        self.assertEqual(seen, self.expected(base, run, test, kind), (run["path"], test["language"], test["browser"]))
        if kind not in ("rspec", "pytest"):
            self.assertEqual(found["seen/commit"].decode(), self.commit + "\n")
            self.assertEqual(found["seen/made"].decode(), made)
        counts = run["examples"]
        self.assertEqual((counts["passed"], counts["pending"]),
                         {"rspec": (1, 1), "pytest": (2, 0), "tap": (2, 0), "junit": (2, 0), "bash": (0, 0)}[kind], run)
        return found

    def all(self, launch, base, made):
        runs = {r["id"]: r for r in self.server.all("/api/v1/runs?launch=%d" % launch["id"])}
        self.assertEqual(launch["outcome"], "passed", [(r["path"], r["outcome"], r["reason"], self.server.log(r["id"])[-2000:])
                                                       for r in runs.values() if r["outcome"] != "passed"][:2])
        tests = self.server.all("/api/v1/launches/%d/tests" % launch["id"])
        combinations = set()
        found = {}
        for test in tests:
            run = runs[test["run"]]
            kind = RUN[test["path"]]
            found[run["id"]] = self.one(base, run, test, kind, made)
            combinations.add((kind, test["language"], test["browser"]))
        self.assertEqual(combinations, {(k, l, b) for k in RUN.values() for l in LANGUAGES for b in BROWSERS})
        self.assertEqual({r["slot"] for r in runs.values()}, {0, 1})
        prepared = [self.server.log(r).decode() for r in runs if "prepare in: " in self.server.log(r).decode()]
        self.assertEqual([re.search("prepare in: (.*)", log).group(1) + "\n" for log in prepared], [made])
        return runs, found

    def test_on_the_machine_itself(self):
        own = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.folder, "LANG": "C.UTF-8"}
        self.begin(dict(own, LEAK="x", GEM_HOME="/none", WRATA_URL="http://127.0.0.1:1"))
        runs, _ = self.all(self.launch(YML % ""), own, "the machine\n")
        self.assertEqual({(r["image"], r["image_digest"]) for r in runs.values()}, {(None, None)})

    def test_in_a_container(self):
        folder = tempfile.mkdtemp(prefix="wrata-pod-")
        self.addCleanup(os.rmdir, folder)
        engine = pod.Engine(os.path.join(folder, "engine"))
        self.addCleanup(engine.close)
        hook = "#!/bin/sh\ntr '\\0' '\\n' < /proc/self/environ > /tmp/hook\nchmod 644 /tmp/hook\necho the hook ran\n"
        engine.image(IMAGE, packages=pod.RUNTIMES, more=[("etc/wrata-image", 0o644, "the image\n"), ("before-run.sh", 0o755, hook)],
                     changes=["ENV FROM_IMAGE=yes"])
        digest = engine.podman("image", "inspect", "--format", "{{.Digest}}", IMAGE).stdout.strip()
        self.begin(dict(engine.env, LEAK="x", LANG="xx_XX.UTF-8"))
        launch = self.launch(YML % ("image: %s\ncontainer:\n  network: none\n  user: tester\n  hostname: qa\n" % IMAGE))
        base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/home/tester", "HOSTNAME": "qa",
                "TERM": "xterm", "container": "podman", "LANG": "C.UTF-8", "FROM_IMAGE": "yes",
                "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
        runs, found = self.all(launch, base, "the image\n")
        self.assertEqual({(r["image"], r["image_digest"]) for r in runs.values()}, {(IMAGE, digest)})
        for run in runs.values():
            log = self.server.log(run["id"]).decode()
            self.assertIn("[wrata: in a container of %s, %s, by podman " % (IMAGE, digest), log)
            self.assertIn("the hook ran\n", log)
        hooks = [f["seen/hook"].decode() for f in found.values() if "seen/hook" in f]
        self.assertEqual(len(hooks), 12)
        for text in hooks:
            self.assertIn("ALL=of the launch\n", text)
            self.assertNotIn("TOKEN", text)
        self.assertEqual(engine.containers(), [])


if __name__ == "__main__":
    wrata.main()
