#!/usr/bin/env python3
"""Does wrata count a suite as rspec itself does?  compare_suite.py SUITE [--per-file] [--hosts N] [--slots N]

Runs the RSpec suite (a git work tree with spec/) with plain rspec, in a clone as fresh as ours - in one process, or with --per-file in a process
for each file, since the files of many suites need each other - and with wrata, on this computer or
on N hosts over SSH (network namespaces, see tests/lib/hosts.py), and compares every example by its id; with --per-file also each
file's counts, its errors outside of examples, what it came to, and whether its ledger adds up.
Exit 0: the same examples with the same results; 1: not.
"""

import argparse
import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "lib"))
import wrata  # noqa: E402


def plain_per_file(suite, files):
    found, total, by_file = {}, collections.Counter(), {}
    for path in files:
        one, summary, code = plain(suite, [path])
        found.update(one)
        counts = counts_of(summary)
        by_file[path] = (counts, outcome_of(counts, code))
        total.update(dict(zip(("examples", "failed", "pending", "errors"), counts)))
    return found, dict(total), by_file


def plain(suite, files):
    """Its examples by id, its summary (empty when it wrote none), its exit status."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        code = subprocess.run(["rspec", "--format", "json", "--out", out.name, *files], cwd=suite, capture_output=True, check=False).returncode
        text = open(out.name, encoding="utf-8").read()
    report = json.loads(text) if text else {"examples": [], "summary": {}}
    return {e["id"]: e["status"] for e in report["examples"]}, report["summary"], code


def counts_of(summary):
    return tuple(summary.get(k, 0) for k in ("example_count", "failure_count", "pending_count", "errors_outside_of_examples_count"))


def outcome_of(counts, code):
    """What plain rspec's own report and exit status come to."""
    examples, failed, _, errors = counts
    return "error" if errors else "failed" if failed else "no_tests" if not examples else "error" if code else "passed"


def ours(server, project, files, names):
    launch = server.launch(project, files, order="finish-soonest", servers=names)
    done = server.wait_launch(launch["id"], 1800)
    found, double, messages = {}, [], {}
    for e in server.all("/api/v1/launches/%d/examples" % launch["id"]):
        if e["status"] == "error":
            continue  # outside of examples: rspec counts it in its summary, not among the examples
        if e["id"] in found:
            double.append(e["id"])
        found[e["id"]] = e["status"]
        messages[e["id"]] = e["message"]
    runs = {r["path"]: r for r in server.all("/api/v1/runs?launch=%d" % launch["id"])}
    return found, double, done, messages, runs


def different_files(by_file, runs):
    wrong = []
    for path, (counts, outcome) in by_file.items():
        run, e = runs[path], runs[path]["examples"]
        ran = e["passed"] + e["failed"] + e["pending"]
        if ((ran, e["failed"], e["pending"], e["errors"]), run["outcome"]) != (counts, outcome):
            wrong.append("%s: rspec %s %s, wrata %s %s (%s)" % (path, outcome, counts, run["outcome"], e, run["reason"]))
        if e["discovered"] != ran + e["not_run"]:
            wrong.append("%s: %s does not add up (%s)" % (path, e, run["reason"]))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("--per-file", action="store_true")
    parser.add_argument("--only", default="", help="files whose path holds this")
    parser.add_argument("--hosts", type=int, default=0)
    parser.add_argument("--slots", type=int, default=2)
    options = parser.parse_args()
    suite = os.path.abspath(options.suite)
    files = sorted(f for f in subprocess.run(["git", "-C", suite, "ls-files", "spec"], check=True, capture_output=True,
                                             text=True).stdout.split("\n") if f.endswith("_spec.rb") and options.only in f)
    folder = tempfile.mkdtemp(prefix="wrata-compare-")
    clone = os.path.join(folder, "work")
    subprocess.run(["git", "clone", "-q", suite, clone], check=True)
    by_file = {}
    if options.per_file:
        expected, summary, by_file = plain_per_file(clone, files)
    else:
        expected, summary, _ = plain(clone, files)
    print("plain rspec, %s: %d files, %s" % ("a process a file" if options.per_file else "one process", len(files), summary))
    with contextlib.ExitStack() as stack:
        server = wrata.Server(folder).start()
        stack.callback(server.stop)
        if options.hosts:
            import hosts  # pylint: disable=import-outside-toplevel
            fleet = stack.enter_context(hosts.Hosts())
            names = ["host-%d" % i for i in range(options.hosts)]
            for name in names:
                server.post("/api/v1/servers", {"name": name, "fleet": "ssh", "address": fleet.add().address, "user": "root",
                                                "identity": fleet.identity, "slots": options.slots})
        else:
            names = ["local-1"]
            server.add_local("local-1", options.slots)
        server.wait_online(*names, seconds=90)
        found, double, done, messages, runs = ours(server, suite, files, names)
    for pid in wrata.pids_with(folder):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    print("wrata on %s: %s, tests %s, examples %s" % (", ".join(names), done["outcome"], done["tests"], done["examples"]))
    print("plain: %s" % dict(collections.Counter(expected.values())))
    print("wrata: %s" % dict(collections.Counter(found.values())))
    wrong = [(i, expected.get(i), found.get(i)) for i in sorted(set(expected) | set(found)) if expected.get(i) != found.get(i)]
    for i, a, b in wrong[:20]:
        print("DIFFERENT %s: rspec %s, wrata %s\n%s" % (i, a, b, messages.get(i, "")[:600]))
    files_wrong = different_files(by_file, runs)
    for text in files_wrong[:20]:
        print("DIFFERENT " + text)
    print("%d examples compared, %d different, %d double; %d files compared, %d different"
          % (len(expected), len(wrong), len(double), len(by_file), len(files_wrong)))
    return 1 if wrong or double or files_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
