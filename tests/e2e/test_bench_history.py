"""The history that the benchmark makes is one that the server reads: so its figures are of what people use."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
import wrata  # noqa: E402

BENCH = os.path.join(os.environ.get("WRATA_BUILD") or os.path.dirname(wrata.WRATA), "bench_history")


class BenchHistoryTest(wrata.Case):
    def bench(self, *args):
        return subprocess.run([BENCH, *args], capture_output=True, text=True, timeout=120)

    def test_a_history_is_made_measured_and_served(self):
        data = os.path.join(self.folder, "data")
        made = self.bench("make", data, "1500", "6000")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertRegex(made.stdout, r"^made: 1500 runs of \d+ launches, [4-9]\d{3} examples")
        measured = self.bench("measure", data, "4")
        self.assertEqual(measured.returncode, 0, measured.stderr)
        rows = [line.split("|")[1:-1] for line in measured.stdout.splitlines()[3:]]
        self.assertGreater(len(rows), 35)
        self.assertEqual([r[0] for r in rows if float(r[5]) <= 0], [])
        self.assertGreater(float(rows[0][6]), 20)
        server = self.serve()
        page = server.get("/api/v1/runs?limit=500")
        self.assertEqual(page["items"][0]["id"], 1500)
        self.assertEqual(len(server.all("/api/v1/runs")), 1500)
        failed = server.all("/api/v1/runs?outcome=failed")
        self.assertGreater(len(failed), 30)
        examples = server.all("/api/v1/runs/%d/examples?status=failed" % failed[0]["id"])
        self.assertEqual(len(examples), failed[0]["examples"]["failed"])
        self.assertIn("is plain", examples[0]["message"])

    def test_it_says_what_it_takes(self):
        for args in ((), ("make",), ("measure",), ("make", self.folder, "1", "1000")):
            answer = self.bench(*args)
            self.assertNotEqual(answer.returncode, 0, args)
            self.assertIn("make", answer.stderr)


if __name__ == "__main__":
    wrata.main()
