#!/usr/bin/env python3
# ctest: RUN_SERIAL ON
"""The real wrata-agent, driven over the pipes of `wrata-agent attach` with a small codec of our own."""
import hashlib
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import told  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(HERE))


def find_agent():
    if os.environ.get("WRATA_AGENT"):
        return os.environ["WRATA_AGENT"]
    folders = [os.environ.get("WRATA_AGENT_DIR"), os.path.join(SOURCE, "build/test/agent"),
               os.path.join(SOURCE, "build/agent"), os.path.join(SOURCE, "build/test"), os.path.join(SOURCE, "build")]
    for folder in filter(None, folders):
        for name in ("wrata-agent", "wrata-agent-" + os.uname().machine):
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
    return None


AGENT = find_agent()

# ---- the codec, read from the schema itself ----


def read_schema():
    with open(os.path.join(SOURCE, "src/wire/frames.def")) as schema:
        text = re.sub(r"/\*.*?\*/", "", schema.read(), flags=re.S)
    parts, frames, fields = {}, {}, None
    for line in text.splitlines():
        m = re.match(r"\s*(\w+)\(([^)]*)\)", line)
        if not m:
            continue
        word, args = m.group(1), [a.strip() for a in m.group(2).split(",")]
        if word == "STRUCT":
            fields = parts[args[0]] = []
        elif word == "FRAME":
            fields = []
            frames[int(args[2])] = (args[0], fields)
        elif word in ("U32", "U64", "I64", "STR", "BYTES", "LIST"):
            fields.append((word, args))
    return parts, frames


PARTS, FRAMES = read_schema()
NUMBERS = {name: number for number, (name, _) in FRAMES.items()}


def put(fields, values):
    out = b""
    for word, args in fields:
        v = values.get(args[0])
        if word == "U32":
            out += struct.pack("<I", v or 0)
        elif word in ("U64", "I64"):
            out += struct.pack("<Q", v or 0)
        elif word in ("STR", "BYTES"):
            v = v or b""
            v = v.encode("utf-8", "surrogateescape") if isinstance(v, str) else v
            out += struct.pack("<I", len(v)) + v
        else:
            out += struct.pack("<I", len(v or []))
            for item in v or []:
                body = put(PARTS[args[1]], item)
                out += struct.pack("<I", len(body)) + body
    return out


def get(fields, data, at):
    values = {}
    for word, args in fields:
        if word == "U32":
            values[args[0]], = struct.unpack_from("<I", data, at)
            at += 4
        elif word in ("U64", "I64"):
            values[args[0]], = struct.unpack_from("<Q", data, at)
            at += 8
        elif word in ("STR", "BYTES"):
            n, = struct.unpack_from("<I", data, at)
            values[args[0]] = data[at + 4:at + 4 + n]
            if word == "STR":
                values[args[0]] = values[args[0]].decode("utf-8", "surrogateescape")
            at += 4 + n
        else:
            n, = struct.unpack_from("<I", data, at)
            at += 4
            values[args[0]] = []
            for _ in range(n):
                size, = struct.unpack_from("<I", data, at)
                values[args[0]].append(get(PARTS[args[1]], data[at + 4:at + 4 + size], 0)[0])
                at += 4 + size
    return values, at


def encode(name, **values):
    body = put(FRAMES[NUMBERS[name]][1], values)
    return struct.pack("<II", len(body), NUMBERS[name]) + body


EXITED, SIGNALLED, STOPPED, TIME_LIMIT, SILENCE_LIMIT, LEASE_ENDED, NOT_STARTED, NO_CODE, AGENT_DIED, NO_DISK, \
    MEMORY_LIMIT, DISK_LOST = range(12)
RUN, STOP, BACK = range(3)
WAITING, PREPARING, RUNNING, STOPPING, FINISHED = range(5)


class Link:
    """One attach, and what a controller does with it: acknowledges, keeps goals, collects streams."""

    def __init__(self, where, idle_exit_s=30, stderr=subprocess.DEVNULL, more=(), agent=None, before=()):
        self.p = subprocess.Popen(list(before) + [agent or AGENT, "attach", "--dir", where, "--instance", "i1", "--idle-exit-s",
                                   str(idle_exit_s)] + list(more), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                  bufsize=0)
        self.data = b""
        self.frames = []
        self.logs = {}      # (run, stream) -> bytearray
        self.times = {}     # run -> [(offset in its log, ms)]
        self.finished = {}
        self.started = {}
        self.preparing = {}  # run -> what was told of it
        self.beat = None
        self.hello = None
        self.acking = True
        self.window = 1 << 20
        self.max_unacked = 0
        self.goals = {}     # run -> want, in order
        self.goals_seq = 0
        self.lease_ms = 60000
        self.acks = []

    def send(self, name, **values):
        self.p.stdin.write(encode(name, **values))

    def welcome(self, slots=2, beat_ms=200, grace_ms=500, instance="i1"):
        self.wait(lambda: self.hello)
        self.send("WELCOME", protocol=1, instance=instance, server="test", server_id=1, slots=slots, beat_ms=beat_ms,
                  grace_ms=grace_ms, window_bytes=self.window)
        return self

    def send_goals(self):
        self.goals_seq += 1
        self.send("GOALS", seq=self.goals_seq, beat_seq=self.beat["seq"] if self.beat else 0,
                  goals=[{"run": r, "want": w, "lease_ms": self.lease_ms} for r, w in self.goals.items()])

    def spec(self, run, argv, **more):
        v = {"run": run, "test": run, "launch": 1, "attempt": 1, "project": 0, "adapter": "exit",
             "argv": [{"s": a} for a in argv], "kill_grace_ms": 500, "log_max_bytes": 16 << 20}
        v.update(more)
        v["env"] = [{"s": e} for e in more.get("env", [])]
        v["secrets"] = [{"s": e} for e in more.get("secrets", [])]
        v["reports"] = [{"s": g} for g in more.get("reports", [])]
        v["setup"] = [{"s": l} for l in more.get("setup", [])]
        self.send("RUN_SPEC", **v)

    def start(self, run, argv, **more):
        self.spec(run, argv, **more)
        self.goals[run] = RUN
        self.send_goals()

    def want(self, run, want):
        self.goals[run] = want
        self.send_goals()

    def drop(self, run):
        del self.goals[run]
        self.send_goals()

    def feed(self, timeout):
        """Read what is there; False at the end of the link."""
        if not select.select([self.p.stdout], [], [], timeout)[0]:
            return True
        got = os.read(self.p.stdout.fileno(), 1 << 20)
        if not got:
            return False
        self.data += got
        at = 0
        while len(self.data) - at >= 8:
            size, number = struct.unpack_from("<II", self.data, at)
            if len(self.data) - at - 8 < size:
                break
            name, fields = FRAMES[number]
            self.on_frame(name, get(fields, self.data[at + 8:at + 8 + size], 0)[0])
            at += 8 + size
        self.data = self.data[at:]
        if self.acks and self.acking:
            for i in range(0, len(self.acks), 1000):
                self.send("ACKS", acks=self.acks[i:i + 1000])
            self.acks = []
        return True

    def on_frame(self, name, f):
        self.frames.append(name)
        if name == "HELLO":
            self.hello = f
        elif name == "BEAT":
            self.beat = f
            if self.acking:
                self.send_goals()
        elif name == "STARTED":
            self.started[f["run"]] = f
        elif name == "PREPARING":
            self.preparing.setdefault(f["run"], []).append(f["step"])
        elif name == "STREAM":
            log = self.logs.setdefault((f["run"], f["stream"]), bytearray())
            assert f["offset"] <= len(log), "a gap in run %d: %d after %d" % (f["run"], f["offset"], len(log))
            known = len(log) - f["offset"]
            assert log[f["offset"]:] == f["bytes"][:known], "other bytes at the same place"
            log += f["bytes"][known:]
            if f["stream"] == 0:
                self.times.setdefault(f["run"], []).append((f["offset"], f["at_ms"]))
            if self.acking:
                self.acks.append({"run": f["run"], "stream": f["stream"], "offset": len(log)})
        elif name == "FINISHED":
            self.finished[f["run"]] = f

    def wait(self, cond, timeout=60.0):
        end = time.monotonic() + timeout
        while not cond():
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError("waited %.0f s in vain; frames: %s" % (timeout, self.frames[-20:]))
            if not self.feed(left):
                raise AssertionError("the link closed; frames: %s" % self.frames[-20:])
        return cond()

    def for_s(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.feed(end - time.monotonic()):
                return False
        return True

    def end(self, run, timeout=60.0):
        """Wait until the run is finished and its streams are here; then take it off the goals."""
        self.wait(lambda: run in self.finished, timeout)
        f = self.finished[run]
        self.wait(lambda: len(self.log(run)) >= f["log_len"] and len(self.log(run, 1)) >= f["results_len"], timeout)
        assert len(self.log(run)) == f["log_len"]
        if run in self.goals:
            self.drop(run)
        return f

    def log(self, run, stream=0):
        return bytes(self.logs.get((run, stream), b""))

    def close(self):
        for f in (self.p.stdin, self.p.stdout):
            f.close()
        self.p.wait(60)

    def cut(self):
        self.p.kill()
        self.close()


def slurp(path):
    with open(path, errors="replace") as f:
        return f.read()


def pid_of_agent(where):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            args = slurp("/proc/%s/cmdline" % pid).split("\0")
        except OSError:
            continue
        if "serve" in args and where in args:
            return int(pid)
    return None


def is_alive(pid):
    try:
        return slurp("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_dead(pid, timeout=30.0):
    end = time.monotonic() + timeout
    while is_alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@unittest.skipUnless(AGENT, "wrata-agent is not built: set WRATA_AGENT or WRATA_AGENT_DIR")
class AgentCase(unittest.TestCase):
    options = ()

    def setUp(self):
        self.expected_errors = None
        self.where = os.path.realpath(tempfile.mkdtemp(prefix="wrata-agent-"))
        told.shows(self.where)
        self.links = []
        self.valgrind = None
        if os.environ.get("WRATA_VALGRIND"):  # the daemon under valgrind; attach finds it
            os.mkdir(os.path.join(self.where, "i1"))
            with open(os.path.join(self.where, "i1", "agent.log"), "w") as log:
                self.valgrind = subprocess.Popen(
                    ["valgrind", "-q", "--leak-check=full", "--error-exitcode=99", "--track-fds=no", AGENT, "serve",
                     "--foreground", "--dir", self.where, "--instance", "i1"] + list(self.options), stderr=log)
            while not os.path.exists(os.path.join(self.where, "i1", "agent.sock")):
                time.sleep(0.05)

    def tearDown(self):
        for link in self.links:
            if link.p.poll() is None:
                link.p.kill()
                link.p.wait()
            for f in (link.p.stdin, link.p.stdout):
                if not f.closed:
                    try:
                        f.close()
                    except OSError:
                        pass
        pid = pid_of_agent(self.where)
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_dead(pid)
        if self.valgrind:
            self.assertIn(self.valgrind.wait(20), (0, -9), slurp(os.path.join(self.where, "i1", "agent.log")))
        log = os.path.join(self.where, "i1", "agent.log")
        text = slurp(log) if os.path.exists(log) else ""
        shutil.rmtree(self.where, ignore_errors=True)
        for line in text.splitlines():
            if self.expected_errors and self.expected_errors in line:
                continue
            if "level=error" in line or "ERROR:" in line or "runtime error" in line or "==" in line:
                self.fail("the agent's log: " + line)

    def attach(self, welcome=True, **more):
        link = Link(self.where, more=self.options)
        self.links.append(link)
        return link.welcome(**more) if welcome else link

    def sh(self, link, run, script, **more):
        link.start(run, ["/bin/sh", "-c", script], **more)
        return link


class AgentTest(AgentCase):
    # ---- the link ----

    def test_hello_says_who_and_what(self):
        link = self.attach()
        self.assertEqual(link.hello["protocol"], 6)
        self.assertRegex(link.hello["hash"], "^[0-9a-f]{64}$")
        self.assertRegex(link.hello["facts"], r"cores, .*cgroup.*git")
        self.assertGreater(link.hello["disk_free_bytes"], 1 << 20)
        self.assertEqual(link.hello["held"], [])
        link.wait(lambda: link.beat)
        self.assertLess(abs(link.hello["wall_ms"] - time.time() * 1000), 60000)

    def test_second_attach_takes_over(self):
        one = self.attach()
        two = self.attach()
        self.assertFalse(one.for_s(20), "the older link must close")
        self.sh(two, 1, "echo two")
        self.assertEqual(two.end(1)["how"], EXITED)
        self.assertEqual(two.hello["incarnation"], one.hello["incarnation"])

    def test_other_instance_is_refused(self):
        link = self.attach(welcome=False)
        link.welcome(instance="other")
        self.assertFalse(link.for_s(20))

    def test_garbage_closes_the_link_only(self):
        link = self.attach()
        link.p.stdin.write(b"\xff" * 64)
        self.assertFalse(link.for_s(20))
        link = self.attach()
        self.sh(link, 1, "true")
        self.assertEqual(link.end(1)["how"], EXITED)

    # ---- ends ----

    def test_exit_codes_output_and_usage(self):
        link = self.attach()
        self.sh(link, 1, "echo out; echo err >&2; exit 3")
        f = link.end(1)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 3))
        self.assertEqual(sorted(link.log(1).split()), [b"err", b"out"])
        self.assertGreater(f["duration_us"], 0)
        self.assertGreater(f["max_rss_kib"], 100)
        self.assertEqual(link.started[1]["slot"], 0)
        link.wait(lambda: link.beat["held"] == [])

    def test_signals(self):
        link = self.attach()
        self.sh(link, 1, "kill -SEGV $$")
        f = link.end(1)
        self.assertEqual((f["how"], f["signal"]), (SIGNALLED, signal.SIGSEGV))

    def test_command_not_found(self):
        link = self.attach()
        link.start(1, ["no-such-command-here"])
        f = link.end(1)
        self.assertEqual(f["how"], NOT_STARTED)
        self.assertEqual(f["reason"], "no-such-command-here: command not found on this server")
        self.assertEqual(f["duration_us"], 0)

    def test_not_executable_and_no_command(self):
        link = self.attach()
        link.start(1, ["/etc/passwd"])
        self.assertIn("ermission denied", link.end(1)["reason"])
        link.start(2, [])
        self.assertEqual(link.end(2)["how"], NOT_STARTED)

    def test_script_without_interpreter_line(self):
        script = os.path.join(self.where, "plain")
        with open(script, "w") as f:
            f.write("echo plain $1\n")
        os.chmod(script, 0o755)
        link = self.attach()
        link.start(1, [script, "arg"])
        link.end(1)
        self.assertEqual(link.log(1), b"plain arg\n")

    def test_names_with_odd_characters(self):
        link = self.attach()
        names = ["a b", "c'd\"e", "new\nline", "\u00e4\u20ac", "./-x", "$HOME `id`", "\\"]
        link.start(1, ["/usr/bin/printf", "%s|"] + names)
        link.end(1)
        self.assertEqual(link.log(1).decode(), "|".join(names) + "|")

    def test_stop_and_term_ignorer(self):
        link = self.attach()
        self.sh(link, 1, "trap 'echo got term; exit 5' TERM; echo up; while :; do sleep 0.02; done")
        link.wait(lambda: link.log(1))
        link.want(1, STOP)
        f = link.end(1)
        self.assertEqual((f["how"], f["exit_code"]), (STOPPED, 5))
        self.assertIn(b"got term", link.log(1))
        self.sh(link, 2, "trap '' TERM; echo up; while :; do sleep 0.02; done")
        link.wait(lambda: link.log(2))
        at = time.monotonic()
        link.want(2, STOP)
        f = link.end(2)
        self.assertEqual((f["how"], f["signal"]), (STOPPED, signal.SIGKILL))
        self.assertLess(time.monotonic() - at, 30)

    def test_stop_and_back_before_start(self):
        link = self.attach(slots=1)
        self.sh(link, 1, "sleep 30")
        self.sh(link, 2, "echo no")
        self.sh(link, 3, "echo no")
        link.wait(lambda: 1 in link.started)
        link.want(2, STOP)
        f = link.end(2)
        self.assertEqual((f["how"], f["duration_us"]), (STOPPED, 0))
        link.want(3, BACK)
        link.wait(lambda: [h["run"] for h in link.beat["held"]] == [1])
        link.drop(1)
        link.wait(lambda: link.beat["held"] == [])

    def test_goals_that_drop_a_run_kill_it(self):
        link = self.attach(slots=1)
        self.sh(link, 1, "echo $$; exec sleep 100")
        link.wait(lambda: link.log(1).endswith(b"\n"))
        pid = int(link.log(1))
        link.drop(1)
        self.assertTrue(wait_dead(pid))
        self.sh(link, 2, "echo next")
        self.assertEqual(link.end(2)["how"], EXITED)
        self.assertNotIn(1, link.finished)

    def test_time_and_silence_limits(self):
        link = self.attach()
        self.sh(link, 1, "echo one; echo two; sleep 100", time_limit_ms=2000)
        self.sh(link, 2, "echo working; echo on; echo it; sleep 100", silence_limit_ms=2000)
        f = link.end(1)
        self.assertEqual(f["how"], TIME_LIMIT)
        f = link.end(2)
        self.assertEqual(f["how"], SILENCE_LIMIT)
        self.assertIn("sleep", f["reason"])
        self.assertIn("working | on | it", f["reason"])
        self.sh(link, 3, "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done", silence_limit_ms=2000)
        self.assertEqual(link.end(3)["how"], EXITED)

    def test_lease_end(self):
        link = self.attach(grace_ms=200)
        link.lease_ms = 1000
        self.sh(link, 1, "echo $$; exec sleep 100")
        link.wait(lambda: link.log(1).endswith(b"\n"))
        pid = int(link.log(1))
        link.acking = False  # beats are no longer answered
        self.assertTrue(wait_dead(pid))
        link.wait(lambda: 1 in link.finished)
        self.assertEqual(link.finished[1]["how"], LEASE_ENDED)

    # ---- environment and adapters ----

    def test_environment(self):
        link = self.attach(slots=2)
        self.sh(link, 1, "sleep 0.3")
        self.sh(link, 2, "env; pwd; ls -A; cat <&0", env=["FOO=b a r", "DISPLAY=:7", "WRATA_SLOT=9"])
        link.end(1)
        link.end(2)
        text = link.log(2).decode()
        for want in ("FOO=b a r\n", "DISPLAY=:7\n", "WRATA_SLOT=1\n", "TEST_ENV_NUMBER=2\n", "/work/none-s1\n"):
            self.assertIn(want, text)
        self.assertNotIn("WRATA_RESULTS_FD", text)
        self.sh(link, 3, "env; ls -l /proc/self/fd")
        link.end(3)
        text = link.log(3).decode()
        self.assertIn("TEST_ENV_NUMBER=\n", text)
        self.assertIn("DISPLAY=:0.0\n", text)
        self.assertRegex(text, r"PATH=\S*/usr/bin")
        self.assertRegex(text, r"(LANG|LC_ALL)=", "text is not ASCII only because ssh brought no locale")

    def test_results_channel(self):
        link = self.attach()
        self.sh(link, 1, "echo '{\"e\":\"start\"}' >&$WRATA_RESULTS_FD; echo log; echo '{\"e\":\"end\"}' >&3",
                adapter="rspec")
        f = link.end(1)
        self.assertEqual(link.log(1, 1), b'{"e":"start"}\n{"e":"end"}\n')
        self.assertEqual(link.log(1), b"log\n")
        self.assertEqual(f["results_len"], len(link.log(1, 1)))

    def test_rspec_gets_the_adapter(self):
        folder = os.path.join(self.where, "bin")
        os.mkdir(folder)
        for name in ("rspec", "bundle"):
            with open(os.path.join(folder, name), "w") as f:
                f.write('#!/bin/sh\nfor a; do echo "$a"; done\n')
            os.chmod(os.path.join(folder, name), 0o755)
        env = ["PATH=" + folder]
        link = self.attach()
        link.start(1, ["rspec", "spec/a b_spec.rb"], adapter="rspec", env=env)
        link.start(2, ["bundle", "exec", "rspec", "x_spec.rb"], adapter="rspec", env=env)
        link.end(1)
        link.end(2)
        one, two = link.log(1).decode().splitlines(), link.log(2).decode().splitlines()
        if "--require" not in one:
            self.skipTest("this agent was built without adapters")
        self.assertEqual((one[0], one[2:]), ("--require", ["spec/a b_spec.rb"]))
        self.assertEqual(two[:3] + two[4:], ["exec", "rspec", "--require", "x_spec.rb"])
        self.assertTrue(os.path.isfile(one[1]), one[1])

    # ---- secrets ----

    SECRET = "hunter2-and-more/Zq9"

    def assert_hidden(self, what):
        for folder, _, names in os.walk(self.where):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        self.assertNotIn(what.encode(), f.read(), path)

    def test_secrets_are_for_the_script_alone(self):
        link = self.attach()
        secrets = ["TOKEN=" + self.SECRET, "EMPTY=", "SAME=secret-one"]
        self.sh(link, 1, 'echo "<$TOKEN> $SAME"; echo "[$EMPTY]"; printf %s "$TOKEN" | sha256sum; '
                'echo "{\\"m\\":\\"$TOKEN\\"}" >&3', adapter="rspec", secrets=secrets, env=["SAME=plain"])
        self.sh(link, 2, 'echo "<$TOKEN>"', env=["TOKEN=" + self.SECRET])  # no secret of this run
        link.end(1)
        link.end(2)
        digest = hashlib.sha256(self.SECRET.encode()).hexdigest()
        self.assertEqual(link.log(1).decode(), "<***> ***\n[]\n%s  -\n" % digest)
        self.assertEqual(link.log(1, 1), b'{"m":"***"}\n')
        self.assertEqual(link.log(2).decode(), "<%s>\n" % self.SECRET)

    def test_secrets_are_in_no_file_and_not_in_reasons(self):
        link = self.attach(slots=1)
        secrets = ["TOKEN=" + self.SECRET]
        self.sh(link, 1, 'echo "last words $TOKEN"; sleep 60', secrets=secrets, time_limit_ms=2000)
        self.sh(link, 2, 'echo "$TOKEN"', secrets=secrets)  # waits, so it is in the journal
        f = link.end(1)
        self.assertEqual(f["how"], TIME_LIMIT)
        self.assertIn("last words ***", f["reason"])
        self.assertEqual(link.end(2)["exit_code"], 0)
        self.assertEqual(link.log(2), b"***\n")
        self.assert_hidden(self.SECRET)

    def test_a_beginning_of_a_secret_is_held_back_for_a_moment(self):
        link = self.attach()
        secrets = ["TOKEN=" + self.SECRET]
        go = os.path.join(self.where, "go")
        self.sh(link, 1, 'printf "a hun"; until [ -e %s ]; do sleep 0.1; done; printf "ter2-and-mor"; sleep 0.5; echo "e/Zq9."' % go,
                secrets=secrets)
        link.wait(lambda: link.log(1) == b"a hun")  # no end of line, and still it is there
        open(go, "w").close()
        link.end(1)
        self.assertEqual(link.log(1), b"a hun***.\n")
        self.sh(link, 2, 'printf "a %.15s" "$TOKEN"; sleep 0.5; printf "%s.\\n" "$TOKEN" | cut -c16-', secrets=secrets)
        link.end(2)
        self.assertEqual(link.log(2), b"a ***.\n")

    def test_a_process_that_outlives_the_script_hides_them_too(self):
        link = self.attach()
        self.sh(link, 1, '(sleep 0.01; printf "late %s" "$TOKEN") & exit 0', secrets=["TOKEN=" + self.SECRET])
        link.end(1)
        self.assertEqual(link.log(1), b"late ***")

    def test_a_flood_with_secrets_is_hidden_and_cut(self):
        link = self.attach()
        self.sh(link, 1, 'yes "$TOKEN" | head -c 20000000', secrets=["TOKEN=" + self.SECRET], log_max_bytes=1 << 20)
        f = link.end(1, 60)
        log = link.log(1)
        self.assertLessEqual(len(log), 1 << 20)
        self.assertGreater(f["log_dropped"], 1 << 20)
        self.assertEqual(set(log.split(b"\n")) - {b"***", b"**", b"*", b""} - {l for l in log.split(b"\n") if l.startswith(b"[wrata:")}, set())

    def test_more_secrets_than_can_be_hidden_are_refused(self):
        link = self.attach()
        self.sh(link, 1, "true", secrets=["A=" + "x" * 20000, "B=" + "y" * 20000])
        f = link.end(1)
        self.assertEqual(f["how"], NOT_STARTED)
        self.assertIn("its secrets have more than 32768 bytes", f["reason"])

    # ---- streams ----

    def test_binary_output_and_long_line(self):
        link = self.attach()
        link.start(1, [sys.executable, "-c", "import os; os.write(1, bytes(range(256)) * 512)"])
        link.end(1)
        self.assertEqual(link.log(1), bytes(range(256)) * 512)
        link.start(2, [sys.executable, "-c", "import sys; sys.stdout.write('x' * 10000000)"])
        link.end(2)
        self.assertEqual(link.log(2), b"x" * 10000000)

    def test_gigabyte_is_capped(self):
        link = self.attach()
        limit = 4 << 20
        self.sh(link, 1, "echo first; head -c 1000000000 /dev/zero | tr '\\0' 'y'; echo last", log_max_bytes=limit)
        f = link.end(1, 60)
        log = link.log(1)
        self.assertLessEqual(len(log), limit)
        self.assertTrue(log.startswith(b"first\nyyy"))
        self.assertTrue(log.endswith(b"yyylast\n"))
        mark = re.search(rb"\n\[wrata: the limit of (\d+) bytes of output is reached: [^\n]*\]\n\[wrata: (\d+) bytes of output are not kept here\]\n",
                         log)
        self.assertEqual(int(mark.group(1)), limit)
        self.assertEqual(int(mark.group(2)), f["log_dropped"])
        self.assertEqual(f["log_gap_plus_one"], mark.start() + 1)
        self.assertEqual(len(log) - len(mark.group(0)) + f["log_dropped"], 1000000000 + 11)
        self.assertEqual(len(log) - mark.end(), limit // 8)

    def test_whoever_watches_a_log_over_its_limit_is_told(self):
        link = self.attach()
        self.sh(link, 1, "head -c 3000000 /dev/zero | tr '\\0' 'y'; sleep 100", log_max_bytes=1 << 20)
        link.wait(lambda: b"only the end is kept" in link.log(1))
        self.assertNotIn(b"not kept here", link.log(1))
        link.want(1, STOP)
        f = link.end(1)
        self.assertIn(b"[wrata: %d bytes of output are not kept here]\n" % f["log_dropped"], link.log(1))

    def test_log_at_and_just_over_the_limit(self):
        link = self.attach()
        limit = 1 << 20
        tail = limit // 8
        for run, n in enumerate((limit - tail - 257, limit - tail, limit - 256, limit - 255, limit, limit + 1), 1):
            link.start(run, [sys.executable, "-c", "import os,sys\nd=bytes(i*7%%251 for i in range(%d))\n"
                             "sys.stdout.buffer.write(d)" % n], log_max_bytes=limit)
            f = link.end(run)
            log = link.log(run)
            data = bytes(i * 7 % 251 for i in range(n))
            self.assertLessEqual(len(log), limit)
            if f["log_dropped"] == 0:
                self.assertEqual(log, data)
                self.assertEqual(f["log_gap_plus_one"], 0)
            else:
                self.assertEqual(log[-tail:], data[-tail:])
                self.assertGreater(n, limit - 256)

    def test_bytes_say_when_they_were_printed_also_after_a_cut(self):
        link = self.attach()
        link.acking = False
        self.sh(link, 1, "echo one; sleep 1; echo two; sleep 1; echo three")
        link.wait(lambda: 1 in link.finished)
        link.cut()
        again = Link(self.where, more=self.options)
        self.links.append(again)
        again.goals = {1: RUN}
        again.welcome().end(1)  # it all comes again, with the times it was printed at
        self.assertEqual(again.log(1), b"one\ntwo\nthree\n")
        self.assertEqual([offset for offset, _ in again.times[1]], [0, 4, 8])
        self.assertEqual(again.times[1], link.times[1])
        times = [at for _, at in again.times[1]]
        self.assertGreater(times[1] - times[0], 700)
        self.assertGreater(times[2] - times[1], 700)

    def test_closed_outputs(self):
        link = self.attach()
        self.sh(link, 1, "exec >&- 2>&-; sleep 0.4; exit 4")
        f = link.end(1)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 4))
        self.assertGreater(f["duration_us"], 300000)

    def test_window_is_respected(self):
        link = Link(self.where, more=self.options)
        self.links.append(link)
        link.window = 100000
        link.welcome()
        link.acking = False
        link.start(1, [sys.executable, "-c", "print('x' * 999999)"])
        link.wait(lambda: 1 in link.finished)
        link.for_s(0.3)
        self.assertEqual(len(link.log(1)), 100000)
        link.acking = True
        link.send("ACKS", acks=[{"run": 1, "stream": 0, "offset": 100000}])
        link.end(1)
        self.assertEqual(len(link.log(1)), 1000000)

    # ---- what runs leave behind ----

    def test_daemons_left_behind_are_killed(self):
        link = self.attach()
        script = ("sleep 1000 & echo $!; setsid sleep 1001 & echo $!; "
                  "(setsid sh -c 'sleep 1002 >/dev/null 2>&1 & echo $!') ; "
                  "setsid env -i sh -c 'echo $$; exec sleep 1003 >/dev/null 2>&1' & sleep 1; exit 0")
        at = time.monotonic()
        self.sh(link, 1, script)
        f = link.end(1)
        self.assertLess(time.monotonic() - at, 30)
        self.assertEqual(f["exit_code"], 0)
        pids = [int(p) for p in link.log(1).split()]
        self.assertEqual(len(pids), 4)
        for pid in pids:
            self.assertFalse(is_alive(pid), "pid %d outlived its run" % pid)

    def test_quick_end_with_holder_of_the_pipe(self):
        link = self.attach()
        took = []
        for run in range(11, 16):
            self.sh(link, run, "sleep 1000 & exit 0")
            took.append(link.end(run)["duration_us"])
        self.assertLess(min(took), 150000)
        self.sh(link, 2, "(sleep 0.01; echo late) & exit 0")
        link.end(2)
        self.assertEqual(link.log(2), b"late\n")

    def cpu_s(self):
        with open("/proc/%d/stat" % pid_of_agent(self.where)) as stat:
            return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def test_ends_are_seen_beside_a_script_that_never_stops_writing(self):
        link = self.attach(slots=8)
        for run in range(1, 8):
            self.sh(link, run, "exec yes", log_max_bytes=1 << 20)
        link.wait(lambda: len(link.started) == 7)
        link.for_s(0.5)
        took = []
        for run in range(10, 40):
            at = time.monotonic()
            link.start(run, ["/bin/true"])
            link.end(run)
            took.append(time.monotonic() - at)
        for run in range(1, 8):
            link.want(run, STOP)
        for run in range(1, 8):
            link.end(run)
        self.assertLess(sorted(took)[5], 0.05)  # 0.09 when an end waited for a quiet moment, 0.003 now

    def test_channel_client_that_went_away_costs_nothing(self):
        link = self.attach()
        link.wait(lambda: link.beat)
        for half in (True, False):
            client = socket.socket(socket.AF_UNIX)
            client.connect(os.path.join(self.where, "i1", "agent.sock"))
            opened = link.frames.count("CHAN_OPEN")
            client.sendall(b"channel git:7:" + b"0" * 40 + b"\n")
            link.wait(lambda: link.frames.count("CHAN_OPEN") > opened)
            if half:
                client.shutdown(socket.SHUT_WR)
                link.wait(lambda: "CHAN_CLOSE" in link.frames)
            else:
                client.setblocking(False)
                for _ in range(100):  # the whole credit, and more
                    try:
                        client.send(b"x" * 65536)
                    except BlockingIOError:
                        link.for_s(0.01)
            client.close()
            before = self.cpu_s()
            link.for_s(1)
            self.assertLess(self.cpu_s() - before, 0.3)

    def test_why_another_channel_broke_is_not_why_code_did_not_come(self):
        link = self.attach()
        chans = []
        plain = link.on_frame

        def on_frame(name, f):
            if name == "CHAN_OPEN":
                chans.append(f["chan"])
            plain(name, f)
        link.on_frame = on_frame
        for run, own in ((1, ""), (2, "the mirror is broken")):
            del chans[:]
            self.sh(link, run, "true", project=7, commit=str(run) * 40, launch=run)
            link.wait(lambda: len(chans) == 1)
            client = socket.socket(socket.AF_UNIX)
            client.connect(os.path.join(self.where, "i1", "agent.sock"))
            client.sendall(b"channel git:8:" + b"0" * 40 + b"\n")
            link.wait(lambda: len(chans) == 2)
            link.send("CHAN_CLOSE", chan=chans[1], error="nothing is known of project 8")
            link.for_s(0.1)
            client.close()
            link.send("CHAN_CLOSE", chan=chans[0], error=own)
            f = link.end(run)
            self.assertEqual(f["how"], NO_CODE)
            self.assertNotIn("project 8", f["reason"])
            self.assertIn(own, f["reason"])

    # ---- faults ----

    def test_link_cut_in_mid_stream(self):
        link = self.attach()
        link.start(1, [sys.executable, "-u", "-c",
                       "import time\nfor i in range(3000):\n print('line', i)\n if i % 50 == 0: time.sleep(0.02)"])
        logs = {}
        for _ in range(5):
            link.wait(lambda: len(link.log(1)) > len(logs.get((1, 0), b"")) + 200 or 1 in link.finished)
            logs = {k: bytearray(v) for k, v in link.logs.items()}
            link.cut()
            link = Link(self.where, more=self.options)
            self.links.append(link)
            link.logs, link.goals = logs, {1: RUN}
            link.welcome()
            link.send("ACKS", acks=[{"run": 1, "stream": 0, "offset": len(logs[(1, 0)])}])
            link.send_goals()
            self.assertEqual([h["run"] for h in link.hello["held"]], [1])
        f = link.end(1)
        self.assertEqual(f["exit_code"], 0)
        self.assertEqual(link.log(1).decode(), "".join("line %d\n" % i for i in range(3000)))

    def test_agent_killed_and_attached_again(self):
        link = self.attach(slots=1)
        self.sh(link, 1, "setsid sh -c 'echo $$; exec sleep 1000' & echo $$; sleep 1000")
        self.sh(link, 2, "echo waits")
        link.wait(lambda: link.log(1).count(b"\n") == 2 and link.beat and len(link.beat["held"]) == 2)
        pids = [int(p) for p in link.log(1).split()]
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        self.assertFalse(link.for_s(20))
        logs, first = link.logs, link.hello["incarnation"]
        link = Link(self.where, more=self.options)
        self.links.append(link)
        link.logs, link.goals = logs, {1: RUN, 2: RUN}
        link.welcome(slots=1)
        self.assertNotEqual(link.hello["incarnation"], first)
        self.assertEqual([(h["run"], h["state"]) for h in link.hello["held"]][1], (2, WAITING))
        for pid in pids:
            self.assertTrue(wait_dead(pid), "pid %d outlived its agent" % pid)
        link.send_goals()
        f = link.end(1)
        self.assertEqual(f["how"], AGENT_DIED)
        self.assertEqual(f["log_len"], len(link.log(1)))
        self.assertEqual(link.end(2)["how"], EXITED)
        self.assertEqual(link.log(2), b"waits\n")

    def test_after_a_power_cut_nothing_begins_again(self):
        """With a link the journal is not synced: what it says had not begun may have, when power was lost."""
        link = self.attach(slots=1)
        self.sh(link, 1, "sleep 1000")
        self.sh(link, 2, "echo waits")
        link.wait(lambda: 1 in link.started and link.beat and len(link.beat["held"]) == 2)
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        self.assertFalse(link.for_s(20))
        with open(os.path.join(self.where, "i1", "boot"), "w") as boot:
            boot.write("0123456789abcdef\n")
        link = Link(self.where, more=self.options)
        self.links.append(link)
        link.goals = {1: RUN, 2: RUN}
        link.welcome(slots=1)
        self.assertEqual([(h["run"], h["state"]) for h in link.hello["held"]], [(1, FINISHED)])
        self.assertEqual(link.end(1)["how"], AGENT_DIED)

    def test_processes_of_an_agent_without_a_journal_are_killed(self):
        link = self.attach()
        self.sh(link, 1, "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000")
        link.wait(lambda: link.log(1).count(b"\n") == 1)
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        self.assertFalse(link.for_s(20))
        shutil.rmtree(os.path.join(self.where, "i1", "spool"))  # as if it had died before it wrote
        self.attach()
        self.assertTrue(wait_dead(int(link.log(1))), "a process outlived its agent")

    def test_finished_is_told_again_until_dropped(self):
        link = self.attach()
        self.sh(link, 1, "echo done")
        link.wait(lambda: 1 in link.finished)
        link.cut()
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        logs = link.logs
        for _ in range(2):
            link = Link(self.where, more=self.options)
            self.links.append(link)
            link.goals, link.logs = {1: RUN}, logs
            link.welcome()
            self.assertEqual([(h["run"], h["state"]) for h in link.hello["held"]], [(1, FINISHED)])
            link.send_goals()
            link.wait(lambda: 1 in link.finished and link.log(1) == b"done\n")
            link.cut()
        link = self.attach()
        link.send_goals()
        link.wait(lambda: link.beat and link.beat["held"] == [])

    def test_idle_agent_ends(self):
        link = Link(self.where, idle_exit_s=1, more=self.options)
        self.links.append(link)
        link.welcome()
        pid = pid_of_agent(self.where)
        link.close()
        self.assertTrue(wait_dead(pid))

    def test_agent_ends_with_its_folder(self):
        link = self.attach()
        self.sh(link, 1, "echo $$; exec sleep 1000")
        link.wait(lambda: link.log(1).endswith(b"\n"))
        pid, agent = int(link.log(1)), pid_of_agent(self.where)
        shutil.rmtree(os.path.join(self.where, "i1"))
        link.cut()
        self.assertTrue(wait_dead(agent))
        self.assertTrue(wait_dead(pid))

    def test_memory_limit(self):
        link = self.attach()
        if "memory" not in link.hello["facts"]:
            self.skipTest("no memory control group here: " + link.hello["facts"])
        link.start(1, [sys.executable, "-c", "x = bytearray(400 << 20); print(len(x))"], memory_max_bytes=64 << 20)
        f = link.end(1)
        self.assertEqual(f["how"], MEMORY_LIMIT)
        link.start(2, [sys.executable, "-c", "x = bytearray(100 << 20); print(len(x))"])
        self.assertEqual(link.end(2)["how"], EXITED)

    def test_disk_that_loses_what_was_written(self):
        self.expected_errors = "spool.gap"
        link = Link(self.where, more=self.options)
        self.links.append(link)
        link.window = 100000
        link.welcome()
        link.acking = False
        link.start(1, [sys.executable, "-c", "import time; print('x' * 2999999, flush=True); time.sleep(0.5)"])
        link.start(2, ["/bin/sh", "-c", "sleep 0.3; echo fine"])
        link.wait(lambda: len(link.log(1)) == 100000)
        link.for_s(0.2)
        spool = os.path.join(self.where, "i1", "spool")
        for name in os.listdir(spool):
            if name.endswith(".seg"):
                with open(os.path.join(spool, name), "r+b") as seg:
                    size = os.fstat(seg.fileno()).st_size
                    seg.write(b"\xff" * size)
        link.acking = True
        link.send("ACKS", acks=[{"run": 1, "stream": 0, "offset": 100000}])
        f = link.end(1)
        self.assertEqual(f["how"], DISK_LOST)
        self.assertIn("the disk of the server lost what the run wrote", f["reason"])
        self.assertEqual(f["log_len"] + f["log_dropped"], 3000000)
        self.assertEqual(link.end(2)["how"], EXITED)
        self.assertEqual(link.log(2), b"fine\n")

    def test_full_disk(self):
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", self.where],
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("mounting a small disk is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.where])
        self.expected_errors = "disk.full"
        link = self.attach()
        self.sh(link, 1, "sleep 100")
        self.sh(link, 2, "head -c 20000000 /dev/zero; sleep 50", log_max_bytes=64 << 20)
        f = link.end(2)
        self.assertEqual(f["how"], NO_DISK)
        self.assertGreater(f["log_dropped"], 0)
        self.assertEqual(f["log_len"], len(link.log(2)))
        self.sh(link, 3, "true")
        if link.end(3)["how"] != EXITED:  # there may be room again already
            self.assertIn("disk of the server is full", link.finished[3]["reason"])
        for run in range(4, 40):  # acknowledged bytes make room within seconds
            self.sh(link, run, "echo again")
            if link.end(run)["how"] == EXITED:
                break
            link.for_s(0.2)
        self.assertEqual(link.log(run), b"again\n")
        link.drop(1)
        link.wait(lambda: link.beat["held"] == [])

    # ---- code ----

    def git(self, *args, cwd):
        return subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main",
                               "-c", "commit.gpgsign=false"] + list(args), cwd=cwd, check=True,
                              stdout=subprocess.PIPE).stdout.decode().strip()

    def serve_git(self, link, repo):
        """The controller's end of channels: git upload-pack on a mirror, under credit."""
        chans = {}
        plain = link.on_frame

        def on_frame(name, f):
            if name == "CHAN_OPEN":
                p = subprocess.Popen(["git", "-c", "uploadpack.allowAnySHA1InWant=true", "upload-pack", repo],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
                chans[f["chan"]] = [p, link.window]
            elif f.get("chan") and f["chan"] not in chans:
                pass  # late news of a channel that ended here
            elif name == "CHAN_DATA":
                try:
                    chans[f["chan"]][0].stdin.write(f["bytes"])
                except BrokenPipeError:
                    pass  # git refused what was asked before
                link.send("CHAN_CREDIT", chan=f["chan"], bytes=len(f["bytes"]))
            elif name == "CHAN_CREDIT":
                chans[f["chan"]][1] += f["bytes"]
            elif name == "CHAN_CLOSE":
                chans[f["chan"]][0].stdin.close()
            plain(name, f)

        def pump():
            for chan, c in list(chans.items()):
                while c[1] > 0 and select.select([c[0].stdout], [], [], 0)[0]:
                    data = os.read(c[0].stdout.fileno(), min(c[1], 65536))
                    c[1] -= len(data)
                    if data:
                        link.send("CHAN_DATA", chan=chan, bytes=data)
                    else:
                        link.send("CHAN_CLOSE", chan=chan)
                        c[0].stdin.close()
                        c[0].stdout.close()
                        c[0].wait()
                        del chans[chan]
                        break

        plain_feed = link.feed

        def feed(timeout):
            pump()
            return plain_feed(min(timeout, 0.01) if chans else timeout)

        link.on_frame, link.feed = on_frame, feed
        return link

    def test_code_comes_by_git(self):
        repo = os.path.join(self.where, "repo")
        os.mkdir(repo)
        self.git("init", "-q", cwd=repo)
        with open(os.path.join(repo, "hello"), "w") as f:
            f.write("one\n")
        with open(os.path.join(repo, "big"), "wb") as f:
            f.write(os.urandom(3 << 20))
        self.git("add", ".", cwd=repo)
        self.git("commit", "-qm", "one", cwd=repo)
        one = self.git("rev-parse", "HEAD", cwd=repo)
        with open(os.path.join(repo, "hello"), "w") as f:
            f.write("two\n")
        self.git("commit", "-qam", "two", cwd=repo)
        two = self.git("rev-parse", "HEAD", cwd=repo)
        link = self.serve_git(self.attach(), repo)
        for run, commit in ((1, one), (2, two), (3, one), (4, one)):
            self.sh(link, run, "cat hello; git ls-files; ls; touch junk", project=7, commit=commit, launch=run,
                    adapter="exit")
        for run, text in ((1, "one"), (2, "two"), (3, "one"), (4, "one")):
            f = link.end(run)
            self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0), f["reason"])
            self.assertEqual(link.log(run).decode().split(), [text, "big", "hello", "big", "hello"])
        self.sh(link, 5, "true", project=7, commit="0" * 40, launch=5)
        f = link.end(5)
        self.assertEqual(f["how"], NO_CODE)
        self.assertIn("git fetch failed", f["reason"])
        self.sh(link, 6, "true", project=7, commit="--upload-pack=x", launch=6)
        self.assertEqual(link.end(6)["how"], NO_CODE)

    def one_commit(self):
        repo = os.path.join(self.where, "repo")
        os.mkdir(repo)
        self.git("init", "-q", cwd=repo)
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "one"],
                       cwd=repo, check=True, env=dict(os.environ, GIT_COMMITTER_DATE="1600000000 +0000"))
        return repo, self.git("rev-parse", "HEAD", cwd=repo)

    def wait_for(self, cond, seconds=60):
        end = time.monotonic() + seconds
        while not cond():
            self.assertLess(time.monotonic(), end, "waited %d s in vain" % seconds)
            time.sleep(0.02)

    def test_old_trees_go(self):
        repo, commit = self.one_commit()
        link = self.serve_git(self.attach(slots=1), repo)
        for run in range(1, 12):
            self.sh(link, run, "pwd", project=run, commit=commit, launch=run)
            self.assertEqual(link.end(run)["how"], EXITED)
        work = os.path.join(self.where, "i1", "work")
        self.wait_for(lambda: len(os.listdir(work)) <= 9 and "gone" not in os.listdir(work))
        self.assertNotIn("p1-s0", os.listdir(work))
        self.assertIn("p11-s0", os.listdir(work))
        self.sh(link, 20, "git rev-parse HEAD", project=1, commit=commit, launch=20)  # one that had gone
        self.assertEqual((link.end(20)["how"], link.log(20).decode().strip()), (EXITED, commit))

    def test_old_commits_leave_the_cache(self):
        repo, commit = self.one_commit()
        cache = os.path.join(self.where, "i1", "cache", "p7.git")
        os.makedirs(os.path.dirname(cache), exist_ok=True)
        self.git("clone", "-q", "--bare", repo, cache, cwd=self.where)
        subprocess.run(["git", "--git-dir", cache, "update-ref", "--stdin"], check=True, input="".join(
            "create refs/wrata/%d %s\n" % (i, commit) for i in range(250)).encode())
        self.git("commit", "-q", "--allow-empty", "-m", "two", cwd=repo)
        two = self.git("rev-parse", "HEAD", cwd=repo)
        link = self.serve_git(self.attach(), repo)
        self.sh(link, 1, "git rev-parse HEAD", project=7, commit=two)
        self.assertEqual((link.end(1)["how"], link.log(1).decode().strip()), (EXITED, two))

        def refs():
            return self.git("--git-dir", cache, "for-each-ref", "--format=%(refname)", "refs/wrata", cwd=cache).split()
        self.wait_for(lambda: len(refs()) == 200)
        self.assertIn("refs/wrata/" + two, refs())

    def test_agent_whose_file_was_removed_still_fetches(self):
        repo, commit = self.one_commit()
        copy = os.path.join(self.where, "agent-copy")
        shutil.copy(AGENT, copy)
        link = Link(self.where, more=self.options, agent=copy)
        self.links.append(link)
        self.serve_git(link.welcome(), repo)
        os.unlink(copy)
        self.sh(link, 1, "git rev-parse HEAD", project=7, commit=commit)
        self.assertEqual((link.end(1)["how"], link.log(1).decode().strip()), (EXITED, commit))

    def test_no_git_on_the_server(self):
        tools = os.path.join(self.where, "tools")
        os.mkdir(tools)
        for name in ("rm", "sh"):
            os.symlink(shutil.which(name), os.path.join(tools, name))
        # The agent puts the usual folders behind its PATH: here they are hidden, as on a host that has no git.
        hide = ["unshare", "-rm", "sh", "-c", "for d in $(which -a git); do mount --bind /dev/null $d; done; exec \"$@\"", "x"]
        if subprocess.run(hide + ["true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("unshare is not allowed here: git cannot be hidden")
        link = Link(self.where, more=self.options, before=hide)
        self.links.append(link)
        link.welcome(slots=1)
        for run in (1, 2):
            self.sh(link, run, "true", project=7, commit="1" * 40, launch=run)
            f = link.end(run)
            self.assertEqual(f["how"], NO_CODE)
            self.assertRegex(f["reason"], "^git: .*(not found on this server|denied)")
        self.sh(link, 3, "echo without a project")
        self.assertEqual(link.end(3)["how"], EXITED)

    # ---- figures ----

    def test_speed_and_size(self):
        link = self.attach(slots=2)
        link.wait(lambda: link.beat)
        pid = pid_of_agent(self.where)

        def status(name):
            return int(re.search(name + r":\s+(\d+)", slurp("/proc/%d/status" % pid)).group(1))

        def cpu():
            return sum(map(int, slurp("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[11:13])) / \
                os.sysconf("SC_CLK_TCK")

        idle_kib, cpu0, sw0, total = status("VmRSS"), cpu(), status("voluntary_ctxt_switches"), 2000
        at = time.monotonic()
        nxt, gaps = 1, []
        while len(link.finished) < total:
            batch = b""
            while nxt <= total and len(link.goals) < 24:
                batch += encode("RUN_SPEC", run=nxt, test=nxt, launch=1, attempt=1, adapter="exit",
                                argv=[{"s": "/bin/true"}], kill_grace_ms=1000, log_max_bytes=1 << 20)
                link.goals[nxt] = RUN
                nxt += 1
            if batch:
                link.p.stdin.write(batch)
                link.send_goals()
            link.feed(1)
            for run in [r for r in link.goals if r in link.finished]:
                gaps.append(link.finished[run]["gap_us"])
                del link.goals[run]
        took = time.monotonic() - at
        gaps.sort()
        self.assertTrue(all(f["how"] == EXITED and f["exit_code"] == 0 for f in link.finished.values()))
        print("\n  %d runs of /bin/true, 2 slots: %.0f a second, agent CPU %.2f ms and %.1f switches each, gap p50 %d us "
              "p99 %d us; agent %d bytes, RSS idle %d KiB, after %d KiB" %
              (total, total / took, (cpu() - cpu0) * 1000 / total, (status("voluntary_ctxt_switches") - sw0) / total,
               gaps[len(gaps) // 2], gaps[len(gaps) * 99 // 100], os.path.getsize(AGENT), idle_kib, status("VmRSS")),
              file=sys.stderr)


class WithoutCgroupsTest(AgentTest):
    """The same where the kernel offers no control groups: orphans are adopted and found through /proc."""
    options = ("--no-cgroup",)

    def test_limits_without_groups_are_refused(self):
        link = self.attach()
        self.sh(link, 1, "true", memory_max_bytes=64 << 20)
        f = link.end(1)
        self.assertEqual(f["how"], NOT_STARTED)
        self.assertIn("no control groups", f["reason"])


# What does not touch processes left behind need not run twice.
for name in dir(AgentTest):
    if name.startswith("test_") and not re.search("daemon|killed|drop|holder|stop|speed|lease|limits|code", name):
        setattr(WithoutCgroupsTest, name, None)


if __name__ == "__main__":
    if not AGENT:
        print("SKIP: wrata-agent is not built")
        sys.exit(77)
    unittest.main(verbosity=2)
