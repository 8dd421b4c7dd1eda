#!/usr/bin/python3
"""What 10,000 wrong passwords cost everybody else: the time of a user's request in quiet, under attack, in quiet again.

    python3 bench/brute_force.py [--tries 10000] [--connections 96]

The attackers come through a proxy that names another address for each try (X-Forwarded-For) and try another login each time, so
neither back-off stops them and as much argon2id runs as the server lets run. To tell what the server loses from what this
machine loses to the attackers' own work, the same number of requests for a page that costs nothing is measured, too.
"""

import argparse
import http.client
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "lib"))
import wrata  # noqa: E402

HOST = "ci.example.org"
PASSWORD = "correct horse battery"


def victim(address, token, over, pipe):
    """A user at work, in a process of its own: one request after the other, each timed."""
    http_ = http.client.HTTPConnection(address, timeout=60)
    times = []
    while not over.is_set():
        started = time.perf_counter()
        http_.request("GET", "/api/v1/launches?limit=20", headers={"Authorization": "Bearer " + token, "Host": HOST})
        answer = http_.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append((time.monotonic(), time.perf_counter() - started))
        time.sleep(0.002)
    pipe.send(times)


def attack(server, tries, connections, path, counts):
    todo = iter(range(tries))
    lock = threading.Lock()

    def one():
        http_ = http.client.HTTPConnection(server.url.split("//")[1], timeout=120)
        while True:
            with lock:
                i = next(todo, None)
            if i is None:
                return
            headers = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.%d.%d.%d" % (i >> 16, i >> 8 & 255, i & 255),
                       "Content-Type": "application/json"}
            if path == "/healthz":
                http_.request("GET", path, headers=headers)
            else:
                http_.request("POST", path, '{"login":"mira%d","password":"wrong wrong %d"}' % (i, i), headers)
            answer = http_.getresponse()
            answer.read()
            with lock:
                counts[answer.status] = counts.get(answer.status, 0) + 1
            if answer.status == 503:
                time.sleep(0.01)  # a polite one would wait a second

    threads = [threading.Thread(target=one) for _ in range(connections)]
    started = time.perf_counter()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tries", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=96)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = wrata.Server(folder, "--public-host", HOST).start()
        over, (mine, yours) = multiprocessing.Event(), multiprocessing.Pipe()
        user = multiprocessing.Process(target=victim, args=(server.url.split("//")[1], server.token, over, yours))
        user.start()
        begins, answers = [], {}

        def phase(name):
            begins.append((time.monotonic(), name))

        phase("quiet")
        time.sleep(4)
        phase("cheap requests")
        attack(server, options.tries, options.connections, "/healthz", {})
        phase("quiet")
        time.sleep(4)
        phase("wrong passwords")
        seconds = attack(server, options.tries, options.connections, "/api/v1/session", answers)
        phase("quiet")
        time.sleep(4)
        over.set()
        times = {}
        for at, took in mine.recv():
            name = [n for t, n in begins if t <= at][-1:] or ["quiet"]
            times.setdefault(name[0], []).append(took)
        user.join()
        with open("/proc/%d/status" % server.process.pid, encoding="utf-8") as f:
            peak = next(line.split()[1] for line in f if line.startswith("VmHWM"))
        server.stop()
    quiet = sorted(times["quiet"])
    for name, took in times.items():
        took.sort()
        print("%-16s n %6d  p50 %6.2f ms  p95 %6.2f ms  mean %6.2f ms  ratios to quiet: p50 %.2f, mean %.2f" % (
            name, len(took), 1e3 * statistics.median(took), 1e3 * took[len(took) * 95 // 100], 1e3 * statistics.mean(took),
            statistics.median(took) / statistics.median(quiet), statistics.mean(took) / statistics.mean(quiet)))
    print("%d tries in %.1f s, answers %s, peak memory of the server %d MiB" % (options.tries, seconds, answers, int(peak) // 1024))


if __name__ == "__main__":
    main()
