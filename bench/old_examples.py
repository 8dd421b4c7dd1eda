#!/usr/bin/env python3
"""A data folder as it was before examples were kept once (schema 24), and how long this version takes to move it.

    bench/old_examples.py [EXAMPLES]        default 1000000; WRATA_BUILD names the build with bench_examples

500 files of 100 examples run again and again; one example of a hundred failed. The rows are written by SQL with the migrations up to 24,
then bench_examples opens the folder: what is said is the time of that process on the clock and on the CPU, beside the load of the machine.
"""

import glob
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("WRATA_BUILD") or os.path.join(HERE, "..", "build", "release")
WORDS = {"{id}": "INTEGER PRIMARY KEY", "{bytes}": "BLOB", "{clustered}": "WITHOUT ROWID"}
LAST = 24
FILES = 500
EXAMPLES = 100


def row_of(db, table, **values):
    """A statement that fills every column: the values given, else 0 or ''."""
    columns = [(c[1], c[2]) for c in db.execute("PRAGMA table_info(%s)" % table)]
    put = [values.get(name, "''" if kind in ("TEXT", "BLOB") else "0") for name, kind in columns]
    return "INSERT INTO %s (%s) SELECT %s" % (table, ", ".join(c[0] for c in columns), ", ".join(put))


def numbers(n):
    return " FROM (WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)" % (n - 1)


def make(path, examples):
    db = sqlite3.connect(path)
    for pragma in ("page_size = 4096", "journal_mode = WAL", "synchronous = OFF", "cache_size = -200000"):
        db.execute("PRAGMA " + pragma)
    db.execute("CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)")
    for script in sorted(glob.glob(os.path.join(HERE, "../src/store/migrations/*.sql"))):
        number = int(os.path.basename(script)[:4])
        if number > LAST:
            break
        with open(script, encoding="utf-8") as f:
            text = f.read()
        for word, by in WORDS.items():
            text = text.replace(word, by)
        db.executescript(text)
        db.execute("INSERT INTO schema_version VALUES (?, ?, 1)", (number, os.path.basename(script)[5:-4]))
    launches = max(1, examples // (FILES * EXAMPLES))
    runs = launches * FILES
    when = "1700000000000 + (i / %d) * 3600000" % FILES
    db.execute(row_of(db, "projects", id="1", name="'bench'", url="'/nowhere'"))
    db.execute(row_of(db, "paths", id="i + 1", project="1", path="printf('spec/models/some/folder/test_%04d_spec.rb', i)") + numbers(FILES))
    db.execute(row_of(db, "launches", id="i + 1", user_id="1", project="1", project_name="'bench'", ref="'main'", commit_hash="'4e1c'", state="'done'",
                      outcome="'failed'", test_order="'as-given'", n_tests=str(FILES), created_at="1700000000000 + i * 3600000") + numbers(launches))
    db.execute(row_of(db, "tests", id="i + 1", launch="i / %d + 1" % FILES, position="i %% %d" % FILES, path="i %% %d + 1" % FILES, state="'done'",
                      outcome="'failed'", attempts="1", run="i + 1") + numbers(runs))
    db.execute(row_of(db, "runs", id="i + 1", test="i + 1", launch="i / %d + 1" % FILES, server="1", server_name="'local-1'", path="i %% %d + 1" % FILES,
                      attempt="1", state="'done'", outcome="'failed'", created_at=when, started_at=when, ended_at=when, discovered="100",
                      passed="99", failed="1") + numbers(runs))
    db.commit()
    frames = "".join("./lib/pages/page_%%d.rb:%d:in `method_that_does_step_%d'\0" % (10 + i, i) for i in range(12))
    columns = [c[1] for c in db.execute("PRAGMA table_info(examples)")]
    insert = "INSERT INTO examples (%s) VALUES (%s)" % (", ".join(columns), ", ".join("?" * len(columns)))

    def examples_of(run):
        launch, file = divmod(run, FILES)
        path = "./spec/models/some/folder/test_%04d_spec.rb" % file
        for i in range(EXAMPLES):
            failed = (run * 7 + i) % 100 == 0
            where = (run + i) % 8
            row = {"run": run + 1, "seq": i, "launch": launch + 1, "status": "failed" if failed else "passed",
                   "example_id": "%s[1:%d:%d]" % (path, i // 10 + 1, i % 10 + 1), "file": path, "line": 10 + 4 * i, "duration_ms": i * 1.5,
                   "description": ("A document of kind %d\0when it was opened %d times\0has all of its styles and number %d\0" % (file, i // 10, i)).encode(),
                   "exception": "RSpec::Expectations::ExpectationNotMetError" if failed else "", "pending": "", "artifacts": b"",
                   "message": "expected the document to have %d pages\n     got: %d\n\n(compared using ==)" % (run % 100, i) if failed else "",
                   "backtrace": (frames.replace("%d", str(where))).encode() if failed else b""}
            yield tuple(row[c] for c in columns)

    for run in range(runs):
        db.executemany(insert, examples_of(run))
        if run % 200 == 199:
            db.commit()
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return runs * EXAMPLES


def main():
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    folder = tempfile.mkdtemp(prefix="wrata-bench-")
    try:
        path = os.path.join(folder, "wrata.db")
        os.chmod(folder, 0o700)
        made = make(path, examples)
        before = os.path.getsize(path)
        cpu, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([os.path.join(BUILD, "bench_examples"), "open", folder], check=True, stdout=subprocess.DEVNULL)
        clock = time.monotonic() - clock
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print("%d examples: %.1f s on the clock, %.1f s of CPU (%.1f of it in the kernel); 1-minute load %.1f" %
              (made, clock, used.ru_utime - cpu.ru_utime + used.ru_stime - cpu.ru_stime, used.ru_stime - cpu.ru_stime, os.getloadavg()[0]))
        print("the file: %d bytes an example before, %d after" % (before / made, os.path.getsize(path) / made))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
