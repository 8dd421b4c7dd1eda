#!/usr/bin/env python3
"""Benchmarks, side by side in one run: every figure is a ratio to a peer measured within the same minute.

    bench/run.py [--rounds N] [--count N] [history|local|ssh|gap|rspec|latency|idle|logs ...]

Rounds are interleaved (A B C A B C ...); the medians of the ratios of neighbours in time are what counts. CPU per
script is taken from a cpuacct cgroup per contender where there is one (it counts daemons too), else from getrusage.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "lib"))
import wrata  # noqa: E402

BUILD = os.environ.get("WRATA_BUILD") or os.path.join(HERE, "..", "build", "release")
wrata.WRATA = os.environ.get("WRATA_BIN") or os.path.join(BUILD, "wrata")
SPAWN_LOOP = os.path.join(BUILD, "spawn_loop")
CPUACCT = "/sys/fs/cgroup/cpuacct"


class CpuGroup:
    """CPU time of everything that runs inside, daemons and all; None where cgroups cannot be made."""

    made = 0

    def __init__(self, name):
        CpuGroup.made += 1
        self.path = os.path.join(CPUACCT, "wrata-bench-%d-%d-%s" % (os.getpid(), CpuGroup.made, name))
        try:
            os.mkdir(self.path)
        except OSError:
            self.path = None

    def enter(self):
        if self.path:
            with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as f:
                f.write(str(os.getpid()))

    def seconds(self):
        if not self.path:
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime
        with open(os.path.join(self.path, "cpuacct.usage"), encoding="ascii") as f:
            return int(f.read()) / 1e9

    def close(self):
        if self.path:
            with contextlib.suppress(OSError):
                os.rmdir(self.path)


def run_in(group, argv, **more):
    return subprocess.run(argv, preexec_fn=group.enter, check=True, capture_output=True, **more)


class Contender:
    def __init__(self, name, once, share=1.0):
        self.name = name
        self.once = once    # (group) -> seconds
        self.share = share  # of the work: a slow peer does less of it, rate and CPU are per script all the same
        self.group = CpuGroup(name.replace(" ", "-").replace("/", "-"))
        self.rates = []
        self.cpus = []

    def round(self, count):
        before = self.group.seconds()
        seconds = self.once(self.group)
        self.rates.append(count * self.share / seconds)
        self.cpus.append((self.group.seconds() - before) / (count * self.share) * 1e6)


def table(title, contenders, rounds, count, unit="scripts"):
    """Run them interleaved and print each as a ratio to the first."""
    for _ in range(rounds):
        for c in contenders:
            c.round(count)
    print("\n## %s (%d %s a round, %d rounds, interleaved)" % (title, count, unit, rounds))
    print("| contender | %s/s median [min-max] | rate to %s | CPU us per %s | CPU to %s |" %
          (unit, contenders[0].name, unit.rstrip("s"), contenders[0].name))
    print("|---|---|---|---|---|")
    first = contenders[0]
    for c in contenders:
        rate = statistics.median(a / b for a, b in zip(c.rates, first.rates))
        cpu = statistics.median(a / b if b else 0 for a, b in zip(c.cpus, first.cpus))
        print("| %s | %.0f [%.0f-%.0f] | %.2f | %.0f | %.2f |" %
              (c.name, statistics.median(c.rates), min(c.rates), max(c.rates), rate, statistics.median(c.cpus), cpu))
        c.group.close()
    sys.stdout.flush()
    return contenders


class WrataContender(Contender):
    """A server that is there already, as it would be for a team; a round is one launch of `count` runs."""

    def __init__(self, name, folder, setup, files):
        super().__init__(name, self.launch_once)
        os.makedirs(folder, exist_ok=True)
        self.server = wrata.Server(folder)
        self.files = files
        self.project = None
        # The server, its agents and all they run are counted: they are started inside the group.
        pid = os.fork()
        if pid == 0:
            self.group.enter()
            self.server.start()
            with open(os.path.join(folder, "started"), "w", encoding="utf-8") as f:
                json.dump({"url": self.server.url, "token": self.server.token, "pid": self.server.process.pid}, f)
            os._exit(0)
        os.waitpid(pid, 0)
        with open(os.path.join(folder, "started"), encoding="utf-8") as f:
            found = json.load(f)
        self.server.url = found["url"]
        self.server.token = found["token"]
        self.pid = found["pid"]
        setup(self)

    def launch_once(self, group):
        del group
        begin = time.monotonic()
        launch = self.server.launch(self.project, self.files)
        done = wait_done(self.server, launch["id"])
        seconds = time.monotonic() - begin
        if done["outcome"] != "passed":
            raise AssertionError("launch %d: %s %s" % (launch["id"], done["outcome"], done["tests"]))
        return seconds

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        with contextlib.suppress(AssertionError):
            wrata.wait_for("the server ends", lambda: not os.path.exists("/proc/%d" % self.pid), 10)


def wait_done(server, launch_id):
    """By the live stream, as the command line does: no polling that would distort what is measured."""
    path = "/api/v1/stream?topics=launch:%d" % launch_id
    event = None
    with server.open(path, timeout=600) as stream:
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: ") and event == "launch":
                found = json.loads(line[6:])
                if found["id"] == launch_id and found["state"] == "done":
                    return found
    raise AssertionError("the stream ended before the launch did")


def trivial_project(folder):
    """A repository whose one file is a program that does nothing."""
    path = os.path.join(folder, "repo")
    os.makedirs(path)
    shutil.copy("/bin/true", os.path.join(path, "job"))
    wrata.git(path, "init", "-q", "-b", "main")
    wrata.git(path, "add", "-A")
    wrata.git(path, "commit", "-q", "-m", "job")
    return path


def bench_local(options, folder):
    repo = trivial_project(folder)
    job = os.path.join(repo, "job")
    count = options.count

    def setup(c):
        c.server.add_local("local-1", 2)
        c.server.wait_online("local-1")
        c.project = repo

    def spawn_loop(group):
        logs = tempfile.mkdtemp(dir=folder)
        out = run_in(group, [SPAWN_LOOP, str(count), "2", logs, "--", job])
        shutil.rmtree(logs)
        return json.loads(out.stdout)["seconds"]

    def timed(group, argv, **more):
        begin = time.monotonic()
        run_in(group, argv, **more)
        return time.monotonic() - begin

    numbers = "".join("%d\n" % i for i in range(count)).encode()
    few = max(1, count // 10)  # GNU parallel is slow: a tenth of the work
    ours = WrataContender("wrata", os.path.join(folder, "w"), setup, ["job"] * count)
    contenders = [
        Contender("spawn loop, a log each", spawn_loop),
        ours,
        Contender("xargs -P2", lambda g: timed(g, ["xargs", "-P2", "-n1", job], input=numbers)),
    ]
    if shutil.which("parallel"):
        contenders.append(Contender("GNU parallel -j2", lambda g: timed(
            g, ["parallel", "-j2", "--no-run-if-empty", job, "#", "{}"], input=b"".join(b"%d\n" % i for i in range(few))),
            few / count))
    ours.launch_once(None)  # warm: the code is on the server
    table("local, trivial scripts, 2 at a time", contenders, options.rounds, count)
    if len(contenders) > 3:
        print("wrata to GNU parallel: %.1f x" % statistics.median(
            a / b for a, b in zip(contenders[1].rates, contenders[3].rates)))
    gaps(ours.server)
    ours.end()


def gaps(server):
    """Slot free -> next exec, as the agent measured it for each run."""
    runs = server.all("/api/v1/runs")
    found = sorted(r["gap_us"] for r in runs if r.get("gap_us"))
    if found:
        print("gap slot free -> next exec: p50 %.2f ms, p99 %.2f ms (%d runs)" %
              (found[len(found) // 2] / 1000, found[int(len(found) * 0.99)] / 1000, len(found)))


def bench_latency(options, folder):
    """A line is printed by a script -> it is seen by a live subscriber."""
    del options
    repo = wrata.make_project(os.path.join(folder, "repo"), {
        "tick.py": "import time\nfor i in range(200):\n    print('%.6f' % time.time(), flush=True)\n    time.sleep(0.02)\n",
        "tick.sh": "#!/bin/bash\nexec /usr/bin/python3 -u tick.py\n"})
    server = wrata.Server(folder).start()
    try:
        server.add_local("local-1", 2)
        server.wait_online("local-1")
        launch = server.launch(repo, ["tick.sh"])
        run = wrata.wait_for("the run", lambda: server.get("/api/v1/runs?launch=%d" % launch["id"])["items"])[0]["id"]
        delays = []
        with server.open("/api/v1/stream?topics=log:%d@0" % run) as stream:
            for raw in stream:
                now = time.time()
                line = raw.decode("utf-8", "replace")
                if line.startswith("data: "):
                    event = json.loads(line[6:])
                    delays += [now - float(t) for t in event.get("text", "").split()]
                    if event.get("complete"):
                        break
        delays.sort()
        print("\n## a log line, printed -> seen by a live subscriber (%d lines)" % len(delays))
        print("p50 %.1f ms, p99 %.1f ms, max %.1f ms (limit: 300 ms p99)" %
              (delays[len(delays) // 2] * 1e3, delays[int(len(delays) * 0.99)] * 1e3, delays[-1] * 1e3))
    finally:
        server.stop()


def rss_kib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def bench_idle(options, folder):
    del options
    server = wrata.Server(folder).start()
    try:
        server.add_local("local-1", 2)
        server.wait_online("local-1")
        time.sleep(3)
        print("\n## idle")
        print("server RSS %.1f MiB (limit 20)" % (rss_kib(server.process.pid) / 1024))
        for pid in wrata.pids_with(folder, "wrata-agent"):
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                kind = f.read().split(b"\0")[1].decode()
            print("agent %s RSS %.2f MiB (limit 2)" % (kind, rss_kib(pid) / 1024))
        for name in sorted(os.listdir(BUILD)):
            if name.startswith("wrata-agent") and os.access(os.path.join(BUILD, name), os.X_OK):
                print("%s: %d bytes (limit 300,000)" % (name, os.path.getsize(os.path.join(BUILD, name))))
    finally:
        server.stop()


def bench_rspec(options, folder):
    """A real suite: --suite FOLDER (a git work tree with spec/), else the demo's."""
    suite = options.suite or os.path.join(HERE, "..", "examples", "demo-suite")
    repo = os.path.join(folder, "repo")
    shutil.copytree(suite, repo, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    wrata.git(repo, "init", "-q", "-b", "main")
    wrata.git(repo, "add", "-A")
    wrata.git(repo, "commit", "-q", "-m", "suite")
    files = sorted(os.path.relpath(os.path.join(d, f), repo) for d, _, names in os.walk(os.path.join(repo, "spec"))
                   for f in names if f.endswith("_spec.rb"))

    def setup(c):
        c.server.add_local("local-1", 2)
        c.server.wait_online("local-1")
        c.project = repo

    def timed(group, argv):
        begin = time.monotonic()
        subprocess.run(argv, preexec_fn=group.enter, cwd=repo, capture_output=True)
        return time.monotonic() - begin

    class Ours(WrataContender):
        def launch_once(self, group):
            del group
            begin = time.monotonic()
            launch = self.server.launch(self.project, self.files, order="finish-soonest")
            wait_done(self.server, launch["id"])
            return time.monotonic() - begin

    ours = Ours("wrata", os.path.join(folder, "w"), setup, files)
    contenders = [Contender("rspec, one process", lambda g: timed(g, ["rspec", *files])), ours]
    if shutil.which("parallel_rspec"):
        contenders.append(Contender("parallel_rspec -n2", lambda g: timed(g, ["parallel_rspec", "-n2", *files])))
    contenders.append(Contender("xargs -P2, a process a file", lambda g: timed(
        g, ["sh", "-c", "printf '%s\\n' \"$@\" | xargs -P2 -n1 rspec", "sh", *files])))
    ours.launch_once(None)
    table("RSpec suite of %d files" % len(files), contenders, options.rounds, len(files), "files")
    ours.end()


SMALL_FILES = 120


def small_suite(folder, wrata_yml):
    """A project of many small spec files over one helper and one library, as unit suites are."""
    files = {"spec/part%03d_spec.rb" % i: (
        "RSpec.describe 'part %d' do\n"
        "  let(:sum) { Sums.new([%d, 2, 3]) }\n"
        "  it('adds') { expect(sum.total).to eq %d }\n"
        "  it('counts') { expect(sum.numbers).to contain_exactly(%d, 2, 3) }\n"
        "  it('asks') { source = double(:numbers => [1]); expect(Sums.new(source.numbers).total).to eq 1 }\n"
        "end\n") % (i, i, i + 5, i) for i in range(SMALL_FILES)}
    files.update({
        ".rspec": "--require spec_helper\n",
        "lib/sums.rb": "class Sums\n  attr_reader :numbers\n  def initialize(numbers)\n    @numbers = numbers\n  end\n\n"
                       "  def total\n    numbers.sum\n  end\nend\n",
        "spec/spec_helper.rb": "require 'json'\nrequire 'set'\nrequire 'sums'\n"
                               "RSpec.configure { |c| c.disable_monkey_patching! }\n"})
    if wrata_yml:
        files["wrata.yml"] = wrata_yml
    return wrata.make_project(folder, files)


def bench_warm(options, folder):
    """RSpec started for each of many small files, forked for each, and in one process: two at a time."""
    files = ["spec/part%03d_spec.rb" % i for i in range(SMALL_FILES)]
    repos = {name: small_suite(os.path.join(folder, name), text) for name, text in (
        ("cold", "warm: false\n"), ("warm", None), ("preload", "preload: spec/spec_helper.rb\n"))}

    def ours(name, repo):
        def setup(c):
            c.server.add_local("local-1", 2)
            c.server.wait_online("local-1")
            c.project = repos[repo]

        contender = WrataContender(name, os.path.join(folder, "w-" + repo), setup, files)
        contender.launch_once(None)  # the code is on the server
        return contender

    def timed(argv):
        def once(group):
            begin = time.monotonic()
            run_in(group, argv, cwd=repos["warm"])
            return time.monotonic() - begin
        return once

    servers = [ours("wrata, a process a file (warm: false)", "cold"), ours("wrata, forked (the default)", "warm"),
               ours("wrata, forked, with preload", "preload")]
    contenders = [*servers, Contender("xargs -P2, a process a file", timed(
        ["sh", "-c", "printf '%s\\n' \"$@\" | xargs -P2 -n1 rspec", "sh", *files]))]
    if shutil.which("parallel_rspec"):
        contenders.append(Contender("parallel_rspec -n2", timed(["parallel_rspec", "-n2", *files])))
    contenders.append(Contender("rspec, one process", timed(["rspec", *files])))
    table("RSpec, %d small files" % len(files), contenders, options.rounds, len(files), "files")
    for server in servers:
        server.end()


def bench_ssh(options, folder):
    """4 hosts with an sshd each, in network namespaces of this machine."""
    import hosts  # pylint: disable=import-outside-toplevel

    reason = hosts.missing()
    if reason:
        print("\n## over SSH: skipped: %s" % reason)
        return
    count = options.count
    repo = trivial_project(folder)
    with hosts.Hosts() as fleet:
        machines = [fleet.add() for _ in range(4)]
        ssh_words = ["-i", fleet.identity, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                     "-o", "LogLevel=ERROR", "-l", "root"]

        def setup(c):
            for i, host in enumerate(machines):
                c.server.post("/api/v1/servers", {"name": "host-%d" % i, "fleet": "ssh", "address": host.address,
                                                  "user": "root", "identity": fleet.identity, "slots": 1})
            c.server.wait_online(*["host-%d" % i for i in range(4)], seconds=60)
            c.project = repo

        share = count // 4

        def loops(group):
            begin = time.monotonic()
            children = [subprocess.Popen(["ssh", *ssh_words, h.address, "mkdir -p /root/logs && exec %s %d 1 /root/logs -- /bin/true"
                                          % (os.path.abspath(SPAWN_LOOP), share)], preexec_fn=group.enter,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) for h in machines]
            if any(c.wait() for c in children):
                raise AssertionError("a spawn loop over ssh failed")
            return time.monotonic() - begin

        few = max(8, count // 10)
        contenders = [Contender("one ssh a host, spawn loop", loops)]
        ours = WrataContender("wrata", os.path.join(folder, "w"), setup, ["job"] * (share * 4))
        contenders.append(ours)
        if shutil.which("parallel"):
            logins = os.path.join(folder, "logins")
            with open(logins, "w", encoding="utf-8") as f:
                f.writelines("1/ssh %s %s\n" % (" ".join(ssh_words), h.address) for h in machines)

            def gnu(group):
                begin = time.monotonic()
                run_in(group, ["parallel", "--controlmaster", "--sshloginfile", logins, "/bin/true", "#", "{}"],
                       input=b"".join(b"%d\n" % i for i in range(few)))
                return time.monotonic() - begin
            contenders.append(Contender("GNU parallel --controlmaster", gnu, few / count))
        ours.launch_once(None)
        table("over SSH, 4 hosts, trivial scripts", contenders, options.rounds, count)
        if len(contenders) > 2:
            print("wrata to GNU parallel: %.1f x" % statistics.median(
                a / b for a, b in zip(contenders[1].rates, contenders[2].rates)))
        gaps(ours.server)
        ours.end()


def percentile(sorted_values, part):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))]


def hanging_receiver():
    """It takes connections and what is sent, and never answers."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def hang():
        held = []
        with contextlib.suppress(OSError):
            while True:
                held.append(listener.accept()[0])

    threading.Thread(target=hang, daemon=True).start()
    return listener, "http://127.0.0.1:%d/" % listener.getsockname()[1]


def bench_gap(options, folder):
    """Slot free -> next exec: alone, beside a clear of 100,000 runs, and beside 20 webhooks whose receiver hangs; interleaved."""
    repo = trivial_project(folder)
    data = os.path.join(folder, "data")
    run = subprocess.run([os.path.join(BUILD, "bench_history"), "make", data, "100000", "300000"], check=True, capture_output=True,
                         text=True)
    print(run.stderr.strip() or run.stdout.strip())
    server = wrata.Server(folder, "--hooks-private", "127.0.0.0/8", "--hooks-gather-s", "0", "--log-days", "0", "--example-days", "0",
                          "--history-days", "0").start()
    listener, url = hanging_receiver()
    found = {}
    cleared = sent = 0

    def launch(what):
        done = server.launch(repo, ["job"] * options.count)
        if wait_done(server, done["id"])["outcome"] != "passed":
            raise AssertionError("launch %d did not pass" % done["id"])
        found.setdefault(what, []).append(sorted(
            r["gap_us"] / 1000 for r in server.all("/api/v1/runs?launch=%d" % done["id"]) if r.get("gap_us")))

    try:
        for row in server.get("/api/v1/board")["launches"]:  # those of the made history that are not over
            if row["state"] != "done":
                server.post("/api/v1/launches/%d/stop" % row["id"])
        wrata.wait_for("them to end", lambda: server.get("/api/v1/status")["launches"]["running"] == 0)
        server.add_local("local-1", 2)
        server.wait_online("local-1")
        launch("warm")
        for _ in range(options.rounds):
            launch("alone")
            hooks = [server.post("/api/v1/hooks", {"name": "h%d" % i, "url": url, "kinds": ["launch_started", "launch_ended"]})["id"]
                     for i in range(20)]
            launch("beside 20 webhooks that hang")
            for hook in hooks:
                sent += len(server.get("/api/v1/hooks/%d/deliveries" % hook)["items"])
                server.call("DELETE", "/api/v1/hooks/%d" % hook)
            job = server.post("/api/v1/history/clear", {"everybody": True, "all": True})["id"]
            wrata.wait_for("the clear to be under way", lambda: server.get("/api/v1/jobs/%d" % job)["done"] > 0)
            launch("beside a clear")
            state = server.get("/api/v1/jobs/%d" % job)
            if state["state"] != "running":
                print("the clear was over before the launch: make more runs")
            else:
                state = server.call("DELETE", "/api/v1/jobs/%d" % job)
            cleared += state["done"]
    finally:
        server.stop()
        listener.close()
    print("\n## slot free -> next exec, %d runs a launch, %d rounds, interleaved; 1-minute load %.1f" %
          (options.count, options.rounds, os.getloadavg()[0]))
    print("%d runs were deleted meanwhile, %d deliveries were under way" % (cleared, sent))
    print("| | p50 ms | p99 ms | p50 to alone | p99 to alone |\n|---|---|---|---|---|")
    for what in list(found)[1:]:
        p50, p99 = ([percentile(g, part) for g in found[what]] for part in (0.5, 0.99))
        a50, a99 = ([percentile(g, part) for g in found["alone"]] for part in (0.5, 0.99))
        print("| %s | %.2f | %.2f | %.2f | %.2f |" % (
            what, statistics.median(p50), statistics.median(p99), statistics.median(x / y for x, y in zip(p50, a50)),
            statistics.median(x / y for x, y in zip(p99, a99))))


def bench_engine(options, folder):
    """The engine alone, no disk, no link: assigned, started, finished in one thread."""
    del options, folder
    print("\n## the engine alone")
    print(subprocess.run([os.path.join(BUILD, "bench_engine")], check=True, capture_output=True, text=True).stdout.strip())


def bench_queue(options, folder):
    """10,000 files in the queue: how long each operation takes at the API, and the server's memory."""
    files = ["d%02d/f%05d_test.sh" % (i % 100, i) for i in range(10000)]
    repo = wrata.make_project(os.path.join(folder, "repo"), {f: "#!/bin/bash\n" for f in files})
    took = {}

    def timed(name, call):
        started = time.perf_counter()
        answer = call()
        took.setdefault(name, []).append(1e3 * (time.perf_counter() - started))
        return answer

    server = wrata.Server(folder).start()
    try:
        project = server.post("/api/v1/projects", {"name": "large", "url": repo})
        server.post("/api/v1/projects/%d/refresh" % project["id"])

        def operation(name, **more):
            version = server.get("/api/v1/queue?limit=1")["version"]
            return timed(name, lambda: server.post("/api/v1/queue/" + name, dict(version=version, **more)))

        for _ in range(options.rounds):
            timed("add all", lambda: server.launch("large", files))
            for name in ("shuffle", "sort", "dedupe", "clear"):
                operation(name)
            operation("undo", undo=server.get("/api/v1/queue?limit=1")["undos"][0]["id"])
            timed("page of 500", lambda: server.get("/api/v1/queue?limit=500"))
            operation("clear")
        memory = rss_kib(server.process.pid)
    finally:
        server.stop()
    print("\n## a queue of 10,000 files (median of %d)" % options.rounds)
    for name, times in took.items():
        print("%-12s %7.1f ms" % (name, statistics.median(times)))
    print("memory       %7.1f MiB" % (memory / 1024))


def bench_logs(options, folder):
    """A log of a million lines: its end, and searches through all of it, by bench_logs alone and through the API. Others are
    asked for their status meanwhile: a search must not keep them waiting."""
    print("\n## a log of a million lines")
    made = subprocess.run([os.path.join(BUILD, "bench_logs"), os.path.join(folder, "data")], check=True, capture_output=True, text=True)
    print(made.stdout.strip())
    server = wrata.Server(folder).start()
    took = {}

    def timed(name, path):
        started = time.perf_counter()
        answer = server.call("GET", path, raw=True)
        took.setdefault(name, []).append(1e3 * (time.perf_counter() - started))
        return answer

    try:
        log = "/api/v1/runs/1/log"
        for _ in range(options.rounds):
            timed("its end, ?line=-200", log + "?line=-200&max=4194304")
            timed("its end as text", log + "/lines?line=-200")
            for name, query in (("text, found once", "q=Needle"), ("text, not found", "q=nowhere+to+be+found"), ("text, on every line", "q=document"),
                                ("expression", "regex=1&q=item+%5Cd%2B+in+99%5Cd%7B3%7D+us")):
                found = json.loads(timed(name, log + "/search?" + query))
                if not found["whole"]:
                    print("%s: not the whole log was searched" % name)
        searches = [subprocess.Popen(["curl", "-s", "-o", os.devnull, "-H", "Authorization: Bearer " + server.token,
                                      server.url + log + "/search?q=nowhere"]) for _ in range(4)]
        while any(s.poll() is None for s in searches):
            timed("a run, while 4 searches go on", "/api/v1/runs/1")
    finally:
        server.stop()
    print("through the API (%d rounds):" % options.rounds)
    for name, times in took.items():
        print("%-30s median %7.1f ms, max %7.1f ms" % (name, statistics.median(times), max(times)))


# What the HTML reports of the predecessor take, as rspec 3.12 writes them with --format html: a file of ten examples that pass, and one of
# which one fails. It kept each twice, in the log and beside it, and the log's own text.
HTML_PASSED_BYTES = 9804
HTML_FAILED_BYTES = 11170


def ready_ms(data):
    """From exec to the first 200 of /readyz."""
    announce = os.path.join(data, "serve.json")
    with contextlib.suppress(OSError):
        os.unlink(announce)
    started = time.monotonic()
    process = subprocess.Popen([wrata.WRATA, "serve", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            if process.poll() is not None:
                raise AssertionError("the server ended with %s" % process.returncode)
            try:
                with open(announce, encoding="utf-8") as f:
                    url = json.load(f)["url"]
                urllib.request.urlopen(url + "/readyz", timeout=10).close()
                return 1e3 * (time.monotonic() - started)
            except (OSError, ValueError):
                time.sleep(0.001)
    finally:
        process.terminate()
        process.wait()


def bench_history(options, folder):
    """A million runs, ten million examples: each filter of the history, the start of the server, the size of the files."""
    data = os.path.join(folder, "data")
    tool = os.path.join(BUILD, "bench_history")
    made = subprocess.run([tool, "make", data, str(options.runs), str(10 * options.runs)], check=True, capture_output=True, text=True).stdout
    print("\n## history: %s" % made.strip())
    sys.stdout.flush()
    subprocess.run([tool, "measure", data, "300"], check=True)
    times = sorted(ready_ms(data) for _ in range(11))
    empty = sorted(ready_ms(os.path.join(folder, "empty")) for _ in range(11))
    print("\nboot to ready: median %.0f ms, slowest %.0f ms; an empty folder: median %.0f ms" % (times[5], times[-1], empty[5]))
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(data) for name in names)
    html = 2 * (0.93 * HTML_PASSED_BYTES + 0.07 * HTML_FAILED_BYTES)
    print("files: %.2f GB, %.0f bytes a run with its ten examples and its log; two HTML reports of it: %.0f bytes" %
          (size / 1e9, size / options.runs, html))


BENCHES = {"history": bench_history, "logs": bench_logs, "queue": bench_queue, "engine": bench_engine, "local": bench_local, "ssh": bench_ssh, "gap": bench_gap, "latency": bench_latency, "idle": bench_idle, "rspec": bench_rspec,
           "warm": bench_warm}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=1000000, help="of the history")
    parser.add_argument("--suite", help="a git work tree with spec/, for rspec")
    parser.add_argument("what", nargs="*", choices=[[], *BENCHES])
    options = parser.parse_args()
    for name in options.what or BENCHES:
        folder = tempfile.mkdtemp(prefix="wrata-bench-")
        try:
            BENCHES[name](options, folder)
        finally:
            for pid in wrata.pids_with(folder):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
