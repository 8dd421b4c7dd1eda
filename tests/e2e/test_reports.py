#!/usr/bin/env python3
# ctest: COMPUTES ON
"""Results that are not RSpec's: TAP, JUnit XML and pytest, from real programs, through the real agent; pytest up to the verdict.

Whatever a program does (it dies in the middle, writes no report, exits 0 with failures), what is told must say so.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

from told import shows  # noqa: E402
import test_agent as agent  # noqa: E402  (Link, the codec)
import wrata  # noqa: E402

PLUGIN = os.path.join(wrata.SOURCE, "adapters", "pytest")
PYTEST = "/usr/bin/pytest" if os.path.exists("/usr/bin/pytest") else shutil.which("pytest")


def told(lines):
    """The story of a results channel: events without what differs from run to run."""
    out = []
    for line in lines.decode().splitlines():
        e = json.loads(line)
        if e["e"] == "example":
            more = e.get("message") or e.get("pending") or ""
            out.append("%s %s%s" % (e["status"], " > ".join(e["path"]), ": " + more.split("\n")[0] if more else ""))
        elif e["e"] == "error":
            out.append("error " + e["message"].split("\n")[0])
        elif e["e"] == "end":
            out.append("end %d %d %d %d%s" % (e["examples"], e["failed"], e["pending"], e["errors"],
                                              " aborted" if e["aborted"] else ""))
        elif e["e"] in ("plan", "start"):
            out.append("%s %s" % (e["e"], e["discovered"] if e["e"] == "plan" else e["adapter"]))
    return out


def all_examples(lines):
    return [json.loads(line) for line in lines.decode().splitlines() if '"e":"example"' in line]


@unittest.skipUnless(agent.AGENT, "wrata-agent is not built")
class WithAgent(unittest.TestCase):
    def setUp(self):
        self.where = os.path.realpath(tempfile.mkdtemp(prefix="wrata-reports-"))
        shows(self.where)
        self.addCleanup(shutil.rmtree, self.where, True)
        self.link = agent.Link(self.where)
        self.addCleanup(self.end)
        self.link.welcome()
        self.run = 0

    def end(self):
        self.link.cut()
        pid = agent.pid_of_agent(self.where)
        if pid:
            os.kill(pid, signal.SIGTERM)
            agent.wait_dead(pid)
        log = os.path.join(self.where, "i1", "agent.log")
        text = agent.slurp(log) if os.path.exists(log) else ""
        self.assertNotIn("level=error", text)

    def result(self, argv, **more):
        """(FINISHED, what was told)"""
        self.run += 1
        self.link.start(self.run, argv, **more)
        f = self.link.end(self.run, 60)
        return f, told(self.link.log(self.run, 1))

    def bash(self, script, **more):
        return self.result(["bash", "-c", script], **more)


class Tap(WithAgent):
    def tap(self, script, **more):
        return self.bash(script, adapter="tap", **more)

    def test_bash(self):
        f, story = self.tap("echo 1..3; echo ok 1 - a; echo noise; echo 'not ok 2 - b'; echo '# got 3'; echo 'ok 3 - c # SKIP why'; "
                            "[ -z \"$WRATA_RESULTS_FD\" ]")
        self.assertEqual(story, ["start tap", "plan 3", "passed a", "failed b: got 3", "pending c: why", "end 3 1 1 0"])
        self.assertEqual((f["how"], f["exit_code"]), (agent.EXITED, 0))  # exit 0 with failures: the verdict sees both
        self.assertEqual(self.link.log(self.run), b"1..3\nok 1 - a\nnoise\nnot ok 2 - b\n# got 3\nok 3 - c # SKIP why\n")

    def test_exit_1_without_failures(self):
        f, story = self.tap("echo 1..1; echo ok; exit 1")
        self.assertEqual(story[-1], "end 1 0 0 0")
        self.assertEqual(f["exit_code"], 1)

    def test_it_dies_in_the_middle(self):
        f, story = self.tap("echo 1..3; echo ok 1; exit 7")
        self.assertEqual(story, ["start tap", "plan 3", "passed test 1",
                                 "error TAP: 3 tests were planned and 1 came: the output ended too early", "end 1 0 0 1"])
        f, story = self.tap("echo 1..3; echo ok 1; kill -SEGV $$")
        self.assertEqual((f["how"], story), (agent.SIGNALLED, ["start tap", "plan 3", "passed test 1"]))

    def test_no_tap_at_all(self):
        _, story = self.tap("echo hello")
        self.assertEqual(story, [])

    def test_bail_out(self):
        _, story = self.tap("echo 1..2; echo ok 1; echo 'Bail out! no database'; exit 255")
        self.assertEqual(story[-2:], ["error Bail out! no database", "end 1 0 0 1 aborted"])

    def test_what_passed_is_told_while_it_runs(self):
        go = os.path.join(self.where, "go")
        self.run += 1
        self.link.start(self.run, ["bash", "-c", "echo 1..2; echo ok 1 - a; until [ -e %s ]; do sleep 0.05; done; echo ok 2 - b" % go],
                        adapter="tap")
        self.link.wait(lambda: b'"passed"' in self.link.log(self.run, 1))
        self.assertNotIn(self.run, self.link.finished)
        with open(go, "w", encoding="utf-8"):
            pass
        self.link.end(self.run)
        self.assertEqual(told(self.link.log(self.run, 1))[-2:], ["passed b", "end 2 0 0 0"])

    def test_a_time_limit(self):
        f, story = self.tap("echo 1..2; echo ok 1 - a; echo -n 'ok 2 - b'; sleep 60", time_limit_ms=3000)
        self.assertEqual((f["how"], story), (agent.TIME_LIMIT, ["start tap", "plan 2", "passed a"]))

    def test_a_log_that_is_cut_is_read_whole(self):
        f, story = self.tap("echo 1..2; echo ok 1 - a; head -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 1000; echo; echo ok 2 - b",
                            log_max_bytes=20000)
        self.assertGreater(f["log_dropped"], 0)
        self.assertEqual(story, ["start tap", "plan 2", "passed a", "passed b", "end 2 0 0 0"])

    def test_secrets_are_hidden_in_results(self):
        self.tap("echo 1..1; echo \"not ok 1 - login with $PASS\"; echo \"# $PASS was refused\"", secrets=["PASS=hunter2-and-more"])
        results = self.link.log(self.run, 1)
        self.assertNotIn(b"hunter2", results)
        self.assertIn(b"login with ***", results)
        self.assertIn(b"*** was refused", results)

    @unittest.skipUnless(shutil.which("node"), "node is not installed")
    def test_node(self):
        suite = """cat > t.test.mjs <<'END'
            import { describe, it } from 'node:test';
            import assert from 'node:assert';
            describe('math', () => {
              it('adds', () => assert.equal(1 + 1, 2));
              it('breaks', () => assert.equal(1, 2));
              it('waits', { skip: 'later' }, () => {});
              it('is not done', { todo: true }, () => assert.fail('x'));
            });
            END
            node --test --test-reporter=tap t.test.mjs""".replace("\n            ", "\n")
        f, story = self.tap(suite)
        story = [line for line in story if not line.startswith("plan")]
        self.assertEqual(len(story), 6, story)
        self.assertTrue(story[1].endswith("math > adds"), story)
        self.assertRegex(story[2], "^failed .*math > breaks: (1 == 2|Expected values)")
        self.assertRegex(story[3], "^pending .*math > waits: later")
        self.assertRegex(story[4], "^pending .*math > is not done")
        self.assertEqual(story[5], "end 4 1 2 0")
        self.assertEqual(f["exit_code"], 1)
        broken = all_examples(self.link.log(self.run, 1))[1]
        self.assertEqual(os.path.basename(broken["file"]), "t.test.mjs")
        self.assertGreater(broken["line"], 0)


class Junit(WithAgent):
    def junit(self, script, reports=("out/**/*.xml",), **more):
        return self.bash(script, adapter="junit", reports=list(reports), **more)

    ONE = "mkdir -p out/deep; echo '<testsuite name=\"s\"><testcase name=\"a\"/><testcase name=\"b\"><failure message=\"no\"/></testcase>" \
          "</testsuite>' > out/deep/r.xml; "

    def test_a_report(self):
        f, story = self.junit(self.ONE)
        self.assertEqual(story, ["start junit", "passed s > a", "failed s > b: no", "plan 2", "end 2 1 0 0"])
        self.assertEqual((f["how"], f["exit_code"]), (agent.EXITED, 0))

    def test_files_are_found_by_globs(self):
        make = "mkdir -p out/x/y .git other; for f in out/1.xml out/x/2.xml out/x/y/3.xml .git/4.xml other/5.xml out/6.txt; do " \
               "echo \"<testsuite><testcase name='$f'/></testsuite>\" > $f; done; ln -s ../other out/link; ln -s 1.xml out/7.xml; "
        for globs, names in ((["out/**/*.xml"], "out/1.xml out/x/2.xml out/x/y/3.xml"), (["out/*.xml"], "out/1.xml"),
                             (["**/[25].xml", "out/x/*.xml"], "other/5.xml out/x/2.xml"), (["./out/x/y/3.xml"], "out/x/y/3.xml"),
                             (["**"], "other/5.xml out/1.xml out/6.txt out/x/2.xml out/x/y/3.xml")):
            _, story = self.junit(make, globs)
            self.assertEqual([s.split()[1] for s in story if s.startswith("passed")], names.split(), globs)

    def test_no_report(self):
        _, story = self.junit("true", ("out/*.xml", "b.xml"))
        self.assertEqual(story, ["start junit", "error JUnit: no report was written: no file of this run matches out/*.xml or b.xml",
                                 "end 0 0 0 1"])

    def test_a_report_of_an_earlier_run_does_not_count(self):
        _, story = self.junit(self.ONE + "touch -d '1 minute ago' out/deep/r.xml")
        self.assertEqual(story[1], "error JUnit: no report was written: no file of this run matches out/**/*.xml (1 of an earlier time: "
                                   "they are older than the run)")

    def test_it_dies_in_the_middle_of_its_report(self):
        f, story = self.junit("mkdir out; echo '<testsuite><testcase name=\"a\"/><testcase' > out/r.xml; exit 1")
        self.assertEqual(story, ["start junit", "passed a",
                                 "error JUnit: out/r.xml, line 2: it ends in the middle: <testsuite> is open", "plan 1", "end 1 0 0 1"])

    def test_a_time_limit_keeps_what_was_written(self):
        f, story = self.junit(self.ONE + "sleep 60", time_limit_ms=3000)
        self.assertEqual((f["how"], story), (agent.TIME_LIMIT, ["start junit", "passed s > a", "failed s > b: no", "plan 2"]))
        self.assertLess(f["duration_us"], 20000000)

    def test_hostile_files_hurt_nobody(self):
        _, story = self.junit("mkdir out; mkfifo out/a.xml; mkdir out/b.xml; head -c 70000000 /dev/zero | tr '\\0' ' ' > out/c.xml; "
                              "printf '<!DOCTYPE x [<!ENTITY a \"b\">]><testsuite/>' > out/d.xml; chmod 0 out/d.xml; "
                              + self.ONE)
        self.assertIn("error JUnit: out/c.xml has more than 64 MiB: the rest is not read", story)
        self.assertIn("error JUnit: out/d.xml, line 1: it has a document type (<!DOCTYPE): that is refused", story)
        self.assertIn("failed s > b: no", story)
        self.assertEqual(story[-1], "end 2 1 0 3")

    def test_secrets_are_hidden_in_results(self):
        self.junit("mkdir out; printf '<testsuite><testcase name=\"a\"><failure message=\"%s\"/></testcase></testsuite>' "
                   "'pass&lt;word&amp;\"more\"' | sed 's/\"more\"/more/' > out/r.xml", secrets=["PASS=pass<word&more"])
        results = self.link.log(self.run, 1)
        self.assertIn(b'"message":"***"', results)

    def test_many_at_once(self):
        for run in range(1, 21):
            self.link.start(run, ["bash", "-c", self.ONE], adapter="junit", reports=["out/**/*.xml"])
        for run in range(1, 21):
            self.link.end(run, 60)
            self.assertEqual(told(self.link.log(run, 1))[-1], "end 2 1 0 0")

    @unittest.skipUnless(shutil.which("node"), "node is not installed")
    def test_node(self):
        f, story = self.junit("echo \"import test from 'node:test'; import assert from 'node:assert'; test('a & b', () => {}); "
                              "test('c', () => assert.ok(false))\" > t.test.mjs; mkdir out; "
                              "node --test --test-reporter=junit --test-reporter-destination=out/r.xml t.test.mjs")
        self.assertEqual(story[-1], "end 2 1 0 0", story)
        self.assertTrue(story[1].endswith("a & b"), story)
        self.assertEqual(f["exit_code"], 1)

    @unittest.skipUnless(subprocess.run(["ruby", "-e", "require 'minitest'"], stderr=subprocess.DEVNULL, check=False).returncode == 0,
                         "minitest is not installed")
    def test_minitest(self):
        f, story = self.junit("""cat > t.rb <<'END'
require 'minitest/autorun'
class Report < Minitest::StatisticsReporter
  def report
    cases = results_all.map { |r| "<testcase classname='#{r.class_name}' name='#{r.name}' time='#{r.time}'>" +
      r.failures.map { |x| x.is_a?(Minitest::Skip) ? "<skipped message=#{x.message.encode(xml: :attr)}/>" :
        "<failure type='#{x.class}' message=#{x.message.encode(xml: :attr)}>#{x.location}</failure>" }.join + "</testcase>" }
    File.write('report.xml', "<?xml version='1.0' encoding='UTF-8'?><testsuite name='t'>#{cases.join}</testsuite>")
  end
  def results_all; @all ||= []; end
  def record(result); super; results_all << result; end
end
module Minitest
  def self.plugin_report_init(_options); reporter << Report.new(nil, {}); end
  extensions << 'report'
end
class TestSums < Minitest::Test
  def test_adds; assert_equal 2, 1 + 1; end
  def test_breaks; assert_equal '<3>', 'x'; end
  def test_waits; skip 'later'; end
end
END
ruby t.rb --seed 1""", ("report.xml",))
        self.assertEqual(sorted(story[1:4]), ["failed t > TestSums > test_breaks: Expected: \"<3>\"", "passed t > TestSums > test_adds",
                                              "pending t > TestSums > test_waits: later"])
        self.assertEqual((story[-1], f["exit_code"]), ("end 3 1 1 0", 1))


@unittest.skipUnless(PYTEST, "pytest is not installed")
class Pytest(unittest.TestCase):
    """The plugin against the real pytest, as the agent calls it."""

    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="wrata-pytest-"))
        self.addCleanup(shutil.rmtree, self.dir, True)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
            f.write(text)

    def pytest(self, *args, text=None, name="test_a.py"):
        if text is not None:
            self.write(name, "import os, pytest, sys\n" + text)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("WRATA_", "PYTEST", "PYTHONPATH"))}
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        argv = [PYTEST, "-p", "no:cacheprovider", *(args or [name])]
        plain = subprocess.run(argv, cwd=self.dir, env=env, capture_output=True, timeout=60, check=False)
        with open(os.path.join(self.dir, "results"), "w+b") as f:
            fd = f.fileno()
            env.update(WRATA_RESULTS_FD=str(fd), PYTHONPATH=PLUGIN)
            ours = subprocess.run([argv[0], "-p", "wrata_pytest", *argv[1:]], cwd=self.dir, env=env, capture_output=True, timeout=60,
                                  pass_fds=[fd], check=False)
            f.seek(0)
            self.lines = f.read()
        self.assertEqual(ours.returncode, plain.returncode, ours.stdout.decode("utf-8", "replace"))
        self.assertEqual(strip_times(ours.stdout), strip_times(plain.stdout))
        self.assertEqual(ours.stderr, plain.stderr)
        self.code = ours.returncode
        return told(self.lines)

    def test_files_that_a_test_left(self):
        self.pytest(text="""
def test_a(record_property):
    record_property("artifact", os.path.join(os.getcwd(), "out", "a.png"))
    record_property("artifact", "out/b.png")
    record_property("artifact", "out/b.png")
    record_property("other", "x")
    assert False
def test_b(): pass
""")
        left = [e.get("artifacts") for e in (json.loads(line) for line in self.lines.splitlines()) if e["e"] == "example"]
        self.assertEqual(left, [["out/a.png", "out/b.png"], None])

    def test_each_outcome(self):
        story = self.pytest(text="""
def test_ok(): pass
def test_bad(): assert [1] == [2]
@pytest.mark.skip(reason="later")
def test_skip(): pass
def test_skip_inside(): pytest.skip("not here")
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail(reason="was known")
def test_xpass(): pass
@pytest.mark.xfail(strict=True, reason="strictly")
def test_xpass_strict(): pass
@pytest.mark.parametrize("v", ["a::b", "x]y"])
def test_p(v): assert v
class TestC:
    def test_m(self): raise KeyError("k")
""")
        self.assertEqual(story, [
            "start pytest", "plan 10", "passed test_ok", "failed test_bad: assert [1] == [2]", "pending test_skip: later",
            "pending test_skip_inside: not here", "pending test_xfail: known", "passed test_xpass",
            "failed test_xpass_strict: [XPASS(strict)] strictly", "passed test_p[a::b]", "passed test_p[x]y]",
            "failed TestC > test_m: KeyError: 'k'", "end 10 3 3 0"])
        bad = all_examples(self.lines)[-1]
        self.assertEqual((bad["exception"], bad["file"], bad["line"], bad["backtrace"]),
                         ("KeyError", "test_a.py", 17, ["./test_a.py:17:in `test_m'"]))

    def test_setup_and_teardown(self):
        story = self.pytest(text="""
@pytest.fixture
def broken(): raise ValueError("no setup")
@pytest.fixture
def late():
    yield
    raise RuntimeError("no teardown")
def test_a(broken): pass
def test_b(late): pass
def test_c(late): assert 0, "both"
def test_d(nobody): pass
""")
        self.assertEqual([s.split(":")[0] for s in story[2:-1]], ["failed test_a", "failed test_b", "failed test_c", "failed test_d"])
        self.assertEqual(story[2:4], ["failed test_a: setup: ValueError: no setup", "failed test_b: teardown: RuntimeError: no teardown"])
        both = all_examples(self.lines)[2]
        self.assertIn("both", both["message"])
        self.assertIn("no teardown", both["message"])
        self.assertEqual(story[-1], "end 4 4 0 0")

    def test_a_file_that_does_not_load(self):
        story = self.pytest(text="def test_a(: pass")
        self.assertEqual([story[0], story[1], story[-1]], ["start pytest", "error test_a.py", "end 0 0 0 1"])
        story = self.pytest("test_a.py", "test_b.py", text="def test_b(): pass", name="test_b.py")
        self.assertEqual(story[-1], "end 0 0 0 1")

    def test_a_conftest_that_does_not_load(self):
        self.write("conftest.py", "1/0")
        self.assertEqual(self.pytest(text="def test_a(): pass"), [])
        self.assertNotEqual(self.code, 0)

    def test_nothing_to_do(self):
        self.assertEqual(self.pytest(text=""), ["start pytest", "end 0 0 0 0"])
        self.assertEqual(self.pytest(text="pytest.skip('no', allow_module_level=True)"), ["start pytest", "end 0 0 0 0"])
        self.assertEqual(self.code, 5)
        self.write("test_b.py", "def test_b(): pass")
        self.assertEqual(self.pytest("test_a.py", "test_b.py"),
                         ["start pytest", "plan 2", "pending test_a.py: no", "passed test_b", "end 2 0 1 0"])

    def test_it_stops_at_the_first_failure(self):
        story = self.pytest("-x", "test_a.py", text="def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): pass\n")
        self.assertEqual(story, ["start pytest", "plan 3", "passed test_a", "failed test_b: assert 0", "end 2 1 0 0"])

    def test_interrupted(self):
        story = self.pytest(text="def test_a(): pass\ndef test_b(): raise KeyboardInterrupt\n")
        self.assertEqual(story[2:], ["passed test_a", "end 1 0 0 0 aborted"])
        story = self.pytest(text="def test_a(): pytest.exit('enough')\n")
        self.assertEqual(story[2:], ["end 0 0 0 0 aborted"])

    def test_it_dies(self):
        story = self.pytest(text="def test_a(): pass\ndef test_b(): os._exit(3)\n")
        self.assertEqual(story, ["start pytest", "plan 2", "passed test_a"])
        self.assertEqual(json.loads(self.lines.decode().splitlines()[-1])["e"], "running")

    def test_exit_status_of_a_hook(self):
        self.write("conftest.py", "def pytest_sessionfinish(session): session.exitstatus = 9\n")
        self.assertEqual(self.pytest(text="def test_a(): pass")[-1], "end 1 0 0 0")

    def test_children_get_nothing_of_ours(self):
        story = self.pytest(text="""
def test_env(): assert "WRATA_RESULTS_FD" not in os.environ and "PYTHONPATH" not in os.environ
def test_fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()
""")
        self.assertEqual(story[-1], "end 2 0 0 0")

    def test_odd_texts(self):
        self.pytest(text="""
class Odd(Exception):
    def __str__(self): raise ValueError("no text")
def test_a(): raise Odd()
def test_b(): raise ValueError("\\0 \\udc80 " + "x" * 500000)
def test_c():
    def deep(n): return deep(n - 1) if n else 1 / 0
    deep(400)
""")
        examples = all_examples(self.lines)
        self.assertEqual([e["status"] for e in examples], ["failed"] * 3)
        self.assertTrue(examples[1]["message"].endswith("\u2026"))
        self.assertNotIn("\0", examples[1]["message"])
        self.assertEqual(len(examples[2]["backtrace"]), 200)
        self.assertLess(max(map(len, self.lines.splitlines())), 256 * 1024)

    def test_unittest_and_doctest(self):
        story = self.pytest("--doctest-modules", "test_a.py", text='''
import unittest
def double(x):
    """
    >>> double(2)
    5
    """
    return 2 * x
class T(unittest.TestCase):
    def test_a(self): self.assertEqual(1, 2)
    @unittest.skip("not now")
    def test_b(self): pass
''')
        self.assertEqual(story[-1], "end 3 2 1 0")


def strip_times(output):
    return re.sub(rb"\d+\.\d+s|0x[0-9a-f]+", b"TIME", output)


@unittest.skipUnless(PYTEST, "pytest is not installed")
class Verdict(wrata.Case):
    """pytest files through wrata: what a person sees."""

    def test_pytest_files(self):
        env = dict(os.environ, PATH=os.path.dirname(PYTEST) + ":" + os.environ["PATH"])
        server = self.serve(env=env)
        server.add_local(slots=2)
        server.wait_online("local-1")
        folder = self.project({
            "test_good.py": "def test_a(): pass\nclass TestB:\n    def test_c(self): pass\n",
            "test_bad.py": "def test_a(): pass\ndef test_b(): assert 1 == 2\n",
            "none_test.py": "x = 1\n",
            "test_broken.py": "import nothing_like_that\n",
            "test_dies.py": "import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\n",
            "conf/conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 1\n",
            "conf/test_hook.py": "def test_a(): pass\n",
        })
        launch = server.launch(folder, ["test_good.py", "test_bad.py", "none_test.py", "test_broken.py", "test_dies.py", "conf/test_hook.py"])
        server.wait_launch(launch["id"])
        outcomes = {t["path"]: t["outcome"] for t in server.all("/api/v1/launches/%d/tests" % launch["id"])}
        self.assertEqual(outcomes, {"test_good.py": "passed", "test_bad.py": "failed", "none_test.py": "no_tests",
                                    "test_broken.py": "error", "test_dies.py": "error", "conf/test_hook.py": "error"})
        examples = server.all("/api/v1/launches/%d/examples" % launch["id"])
        found = {(e["file"], tuple(e["path"])): e["status"] for e in examples if e["status"] != "error"}
        self.assertEqual(found[("test_good.py", ("TestB", "test_c"))], "passed")
        self.assertEqual(found[("test_bad.py", ("test_b",))], "failed")


if __name__ == "__main__":
    wrata.main()
