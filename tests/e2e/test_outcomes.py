#!/usr/bin/env python3
# ctest: COMPUTES ON
"""What a run comes to: a table of real files of RSpec, ruby, bash, pytest, TAP and JUnit XML, each through a real server and agent.

A row is a file, its outcome, a part of its reason, and its ledger: discovered = passed + failed + pending + not run (why), and the
errors outside of examples. Every row's ledger has to add up, or the reason says that it does not. All rows are one launch of one
project, so what the launch adds up is checked, too.
"""
import collections
import os
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import wrata  # noqa: E402

PYTEST = next((p for p in (shutil.which("pytest-3"), shutil.which("pytest")) if p), None)
HAS_XDIST = PYTEST and subprocess.run([PYTEST, "-p", "xdist", "--version"], capture_output=True, check=False).returncode == 0

Row = collections.namedtuple("Row", "path text outcome reason counts why run report limit")
ROWS = []


def row(path, text, outcome, reason, counts=None, why="", run=None, report=None, limit=None):
    """`counts`: "discovered passed failed pending not-run errors"; None: whatever it was, it adds up."""
    counts = None if counts is None else tuple(int(n) for n in counts.split())
    assert counts is None or len(counts) == 6, path
    ROWS.append(Row(path, text, outcome, reason, counts, why, run, report, limit))


def spec(name, text, outcome, reason, counts=None, why="", **more):
    row("spec/%s_spec.rb" % name, text, outcome, reason, counts, why, **more)


# ---- RSpec ----

TWO = "RSpec.describe('A') { it('x') {}; it('y') {} }\n"
MANY = "RSpec.describe('A') { it('x') {}; it('y') { %s }; it('z') {} }\n"
SAYS_NO = "no example failed, but the process says that it failed"
NO_END = "its results have no end"
OUTSIDE = "an error outside of examples"
SIGNAL = "a signal that wrata did not send ended it (signal %d)"
NONE_RAN = "no example was executed"

spec("passes", TWO, "passed", "every example passed or is pending (2 passed, 0 failed, 0 pending)", "2 2 0 0 0 0")
spec("fails", MANY % "raise 'no'", "failed", "examples failed (1 of 3)", "3 2 1 0 0 0")
spec("pending", "RSpec.describe('A') { it 'x'; xit('y') { raise }; it('z') { pending 'bug'; raise } }\n", "passed", "3 pending",
     "3 0 0 3 0 0")
spec("fixed", MANY % "pending 'was a bug'", "failed", "1 of 3", "3 2 1 0 0 0")
spec("skips", "RSpec.describe('A') { before(:all) { skip 'no browser' }; it('x') { raise }; it('y') {} }\n", "passed", "2 pending",
     "2 0 0 2 0 0")
# nothing to run
spec("empty", "", "no_tests", NONE_RAN, "0 0 0 0 0 0")
spec("no_examples", "RSpec.describe('A') { let(:x) { 1 } }\n", "no_tests", NONE_RAN, "0 0 0 0 0 0")
spec("filtered", "RSpec.configure { |c| c.filter_run :focus => true }\n" + TWO, "no_tests", NONE_RAN, "0 0 0 0 0 0")
spec("excluded", "RSpec.configure { |c| c.filter_run_excluding :slow; c.fail_if_no_examples = true }\n"
     "RSpec.describe('A', :slow) { it('x') {} }\n", "no_tests", NONE_RAN, "0 0 0 0 0 0")
spec("only_named", TWO, "no_tests", NONE_RAN, "0 0 0 0 0 0", run=["rspec", "--example", "nothing like it", "{file}"])
spec("dry", "RSpec.configure { |c| c.dry_run = true }\n" + MANY % "raise", "no_tests",
     NONE_RAN + " (3 of 3 not run: --dry-run: examples are listed, not executed)", "3 0 0 0 3 0", "--dry-run")
spec("dry_option", TWO, "no_tests", "2 of 2 not run: --dry-run", "2 0 0 0 2 0", "--dry-run", run=["rspec", "--dry-run", "{file}"])
spec("fast", "RSpec.configure { |c| c.fail_fast = true }\n" + MANY % "raise", "failed", "1 of 2", "3 1 1 0 1 0", "--fail-fast")
spec("fast_enough", "RSpec.configure { |c| c.fail_fast = 2 }\n" + MANY % "raise", "failed", "1 of 3", "3 2 1 0 0 0")
spec("fast_groups", "RSpec.describe('A') { before(:all) { raise 'no' }; it('x') {}; it('y') {} }\nRSpec.describe('B') { it('z') {} }\n",
     "failed", "of 2", "3 0 2 0 1 0", "--fail-fast", run=["rspec", "--fail-fast", "{file}"])
spec("quits", MANY % "RSpec.world.wants_to_quit = true", "error", "the tests were cut short from within", "3 2 0 0 1 0", "cut short")
# does not load
spec("syntax", "RSpec.describe('A') {\n", "error", OUTSIDE, "0 0 0 0 0 1")
spec("missing", "require 'no/such/library'\n" + TWO, "error", OUTSIDE, "0 0 0 0 0 1")
spec("raises_late", TWO + "raise 'at the end of the file'\n", "error", OUTSIDE, "0 0 0 0 0 1")
spec("no_constant", "RSpec.describe(NoSuchThing) { it('x') {} }\n", "error", OUTSIDE, "0 0 0 0 0 1")
spec("exits_loading", TWO + "exit\n", "error", OUTSIDE, "0 0 0 0 0 1")
spec("exits_hard_loading", TWO + "exit!(0)\n", "error", "it ended before its tests began to report (exit status 0)", "0 0 0 0 0 0")
# hooks
spec("before_all", "RSpec.describe('A') { before(:all) { raise 'no' }; it('x') {}; context('c') { it('y') {} } }\n", "failed", "2 of 2",
     "2 0 2 0 0 0")
spec("after_all", "RSpec.describe('A') { after(:all) { raise 'no' }; it('x') {} }\n", "error", OUTSIDE, "1 1 0 0 0 1")
spec("after_each", "RSpec.describe('A') { after { raise 'no' }; it('x') {} }\n", "failed", "1 of 1", "1 0 1 0 0 0")
spec("before_suite", "RSpec.configure { |c| c.before(:suite) { raise 'no' } }\n" + TWO, "error", OUTSIDE, "2 0 0 0 2 1", OUTSIDE)
spec("after_suite", "RSpec.configure { |c| c.after(:suite) { raise 'no' } }\n" + TWO, "error", OUTSIDE, "2 2 0 0 0 1")
spec("at_exit_raises", "at_exit { raise 'late' }\n" + TWO, "error", SAYS_NO + " (exit status 1)", "2 2 0 0 0 0")
spec("at_exit_7", "at_exit { exit 7 }\n" + TWO, "error", SAYS_NO + " (exit status 7)", "2 2 0 0 0 0")
spec("at_exit_0", "at_exit { exit! 0 }\n" + MANY % "raise", "failed", "1 of 3", "3 2 1 0 0 0")
spec("status_0", "RSpec.configure { |c| c.failure_exit_code = 0 }\n" + MANY % "raise", "failed", "1 of 3", "3 2 1 0 0 0")
spec("status_1", "module RSpec::Core; class Runner; def exit_code(*) 1 end; end; end\n" + TWO, "error", SAYS_NO, "2 2 0 0 0 0")
# ends in the middle, and after the last example
for name, how in (("exit", "exit"), ("exit_0", "exit 0"), ("abort", "abort 'enough'"), ("wrapped", "begin; exit 0; ensure; 1 + 1; end")):
    spec("mid_" + name, MANY % how, "error", "the tests were cut short from within", "3 1 0 0 2 0", "cut short")
spec("mid_exit_hard", MANY % "exit!(0)", "error", NO_END, "3 1 0 0 2 0", "went away")
spec("mid_exec", MANY % "exec 'true'", "error", NO_END, "3 1 0 0 2 0", "went away")
spec("mid_kill", MANY % "Process.kill(:KILL, $$); sleep", "error", SIGNAL % signal.SIGKILL, "3 1 0 0 2 0", "a signal")
spec("mid_interrupt", MANY % "raise Interrupt", "error", SIGNAL % signal.SIGINT, "3 1 0 0 2 0", "a signal")
spec("mid_segv", MANY % "trap(:SEGV, 'SYSTEM_DEFAULT') rescue 0; Process.kill(:SEGV, $$); sleep 9", "error", "signal", "3 1 0 0 2 0", "a signal")
spec("last_exit_hard", "RSpec.configure { |c| c.after(:suite) { exit!(0) } }\n" + TWO, "error", NO_END, "2 2 0 0 0 0")
spec("last_kill", "at_exit { Process.kill(:KILL, $$); sleep }\n" + TWO, "error", SIGNAL % signal.SIGKILL, "2 2 0 0 0 0")
spec("throws", MANY % "throw :out", "failed", "1 of 3", "3 2 1 0 0 0")
spec("exits_in_thread", MANY % "Thread.new { exit! }.join; sleep 9", "error", NO_END, "3 1 0 0 2 0", "went away")
# output, formatters
spec("output_closed", MANY % "$stdout.close", "error", "")
spec("output_elsewhere", MANY % "$stdout.reopen('/dev/null'); $stderr.reopen('/dev/null')", "passed", "3 passed", "3 3 0 0 0 0")
spec("results_closed", MANY % "ObjectSpace.each_object(IO) { |io| io.close unless io.closed? || io.fileno < 3 }", "error", NO_END,
     "3 1 0 0 2 0", "went away")
spec("formatter_dies", "class Dies; RSpec::Core::Formatters.register self, :example_passed; def initialize(_) end\n"
     "  def example_passed(n) raise 'the formatter' if n.example.description == 'y' end\nend\n"
     "RSpec.configure { |c| c.add_formatter Dies }\n" + MANY % "", "error", "the examples do not add up (3 discovered; 2 passed, ")  # RSpec tells the examples again, as failed
spec("formatter_dies_late", "class Dies; RSpec::Core::Formatters.register self, :dump_summary; def initialize(_) end\n"
     "  def dump_summary(_) raise 'the formatter' end\nend\nRSpec.configure { |c| c.add_formatter Dies }\n" + TWO, "error", OUTSIDE,
     "2 2 0 0 0 1")
spec("swallows", "RSpec.configure { |c| c.output_stream = File.open(File::NULL, 'w') }\n" + TWO, "passed", "2 passed", "2 2 0 0 0 0")
spec("endless", MANY % "loop { puts 'x' * 1000 }", "timed_out", "longer than its time limit", limit="3s")
spec("deep", "def again(n) again(n + 1) end\n" + MANY % "again(0)", "failed", "1 of 3", "3 2 1 0 0 0")
spec("forks", MANY % "fork { sleep 600 }; fork { exit!(1) }; fork { raise 'child' }", "passed", "3 passed", "3 3 0 0 0 0")
spec("daemon", MANY % "Process.detach(spawn('sleep', '600', :pgroup => true))", "passed", "3 passed", "3 3 0 0 0 0")
spec("threads", MANY % "10.times.map { |i| Thread.new { Thread.current.report_on_exception = false; raise 'a' if i == 3; sleep 0.01 } }",
     "passed", "3 passed", "3 3 0 0 0 0")
spec("thread_aborts", MANY % "Thread.abort_on_exception = true; Thread.new { raise 'a' }; sleep 5", "failed", "1 of 3", "3 2 1 0 0 0")
# things that a spec breaks for itself
for name, how, whole in (
        ("json", "require 'json'; def JSON.generate(*) raise 'no' end; Object.send(:remove_const, :JSON)", True),
        ("write", "class IO; def write(*) 0 end; def puts(*) nil end; def print(*) nil end; def <<(_) self end; end", True),
        ("time", "def Time.now() at(0) end; def Process.clock_gettime(*) 0.0 end", True),
        ("env", "ENV.clear; $VERBOSE = true; $, = '-'; $/ = 'x'", True),
        ("pid", "def Process.pid() 1 end", True),
        ("exit", "module Kernel; def exit(*) end; def abort(*) end; end; def Process.exit(*) end; def at_exit() end", True),
        # RSpec itself needs these while it loads, so they break in an example
        ("open", "def File.open(*) raise 'no' end; def IO.for_fd(*) raise 'no' end; def IO.sysopen(*) raise 'no' end", False),
        ("dir", "Dir.mkdir('gone'); Dir.chdir('gone'); Dir.rmdir('../gone')", False),
):
    if whole:
        spec("breaks_" + name, how + "\n" + MANY % "raise 'seen'", "failed", "1 of 3", "3 2 1 0 0 0")
    spec("breaks_%s_within" % name, "HOW = %r\n" % how + MANY % "eval(HOW, TOPLEVEL_BINDING)", "passed", "3 passed", "3 3 0 0 0 0")
spec("breaks_output", MANY % "$stdout.freeze", "error", OUTSIDE)  # RSpec cannot write either
spec("breaks_rspec", MANY % "class RSpec::Core::Example; def id() raise 'no' end; end", "error", OUTSIDE)
spec("parallel", MANY % "raise unless ENV['TEST_ENV_NUMBER'] && ENV['PARALLEL_TEST_GROUPS'] == '4'", "passed", "3 passed", "3 3 0 0 0 0")
spec("inner", "RSpec.describe('A') { it('x') { g = RSpec::Core::Sandbox.sandboxed { RSpec.describe('B') { it('y') { raise } }.run } } }\n"
     "require 'rspec/core/sandbox'\n", "passed", "1 passed", "1 1 0 0 0 0")
spec("odd_message", "class Odd < StandardError; def message() raise 'odd' end; end\n" + MANY % "raise Odd",
     "failed", "1 of 3", "3 2 1 0 0 0")

# ---- scripts: the exit status decides ----

FAILED = "the script failed (exit status %d)"
row("s/passes.sh", "echo ok\n", "passed", "the script exited with status 0", "0 0 0 0 0 0")
row("s/empty.sh", "", "passed", "the script exited with status 0", "0 0 0 0 0 0")
row("s/fails.sh", "exit 3\n", "failed", FAILED % 3, "0 0 0 0 0 0")
row("s/syntax.sh", "if then\n", "failed", FAILED % 2, "0 0 0 0 0 0")
row("s/no_command.sh", "no-such-command\n", "failed", FAILED % 127, "0 0 0 0 0 0")
row("s/kill.sh", "kill -9 $$\n", "failed", SIGNAL % 9, "0 0 0 0 0 0")
row("s/segv.sh", "ulimit -c 0; kill -SEGV $$\n", "failed", SIGNAL % 11, "0 0 0 0 0 0")
row("s/closed.sh", "exec >&- 2>&-; echo lost; exit 0\n", "passed", "status 0", "0 0 0 0 0 0")
row("s/closed_fails.sh", "exec >&- 2>&-; exit 4\n", "failed", FAILED % 4, "0 0 0 0 0 0")
row("s/outlives.sh", "sleep 600 & setsid sleep 600 & exit 0\n", "passed", "status 0", "0 0 0 0 0 0")
row("s/endless.sh", "yes 'y y y y y y y y y y y y y y y'\n", "timed_out", "longer than its time limit", "0 0 0 0 0 0", run=["bash", "{file}"],
    limit="1s")
row("s/sleeps.sh", "sleep 600\n", "timed_out", "longer than its time limit", "0 0 0 0 0 0", run=["bash", "{file}"], limit="1s")
row("s/fakes.sh", "echo '{\"e\":\"example\",\"status\":\"failed\"}' >&3 2>/dev/null || true; echo 'not ok 1'\n", "passed", "status 0",
    "0 0 0 0 0 0")
row("r/passes.rb", "puts 1\n", "passed", "status 0", "0 0 0 0 0 0")
row("r/empty.rb", "", "passed", "status 0", "0 0 0 0 0 0")
row("r/raises.rb", "raise 'no'\n", "failed", FAILED % 1, "0 0 0 0 0 0")
row("r/syntax.rb", "def\n", "failed", FAILED % 1, "0 0 0 0 0 0")
row("r/missing.rb", "require 'no/such'\n", "failed", FAILED % 1, "0 0 0 0 0 0")
row("r/abort.rb", "abort 'x'\n", "failed", FAILED % 1, "0 0 0 0 0 0")
row("r/kill.rb", "Process.kill(:KILL, $$); sleep\n", "failed", SIGNAL % 9, "0 0 0 0 0 0")
row("r/at_exit.rb", "at_exit { exit 9 }\n", "failed", FAILED % 9, "0 0 0 0 0 0")
row("r/deep.rb", "def a() a end\na\n", "failed", FAILED % 1, "0 0 0 0 0 0")
row("r/exits_hard.rb", "at_exit { exit 9 }; exit!(0)\n", "passed", "status 0", "0 0 0 0 0 0")

# ---- pytest ----

T_MANY = "import os, sys, pytest\ndef test_a(): pass\ndef test_b():\n    %s\ndef test_c(): pass\n"


def py(name, text, outcome, reason, counts=None, why="", **more):
    if PYTEST:
        row("t/%s/test_it.py" % name, text, outcome, reason, counts, why, **more)


py("passes", T_MANY % "pass", "passed", "3 passed", "3 3 0 0 0 0")
py("fails", T_MANY % "assert 0", "failed", "1 of 3", "3 2 1 0 0 0")
py("empty", "", "no_tests", NONE_RAN, "0 0 0 0 0 0")
py("filtered", T_MANY % "pass", "no_tests", NONE_RAN, "0 0 0 0 0 0", run=["pytest", "-k", "nothing_like_it", "{file}"], report="pytest")
py("collect", T_MANY % "pass", "no_tests", NONE_RAN + " (3 of 3 not run: --collect-only", "3 0 0 0 3 0", "--collect-only",
   run=["pytest", "--collect-only", "{file}"], report="pytest")
py("setup_only", T_MANY % "assert 0", "no_tests", "3 of 3 not run: its fixtures were set up, and it was not called", "3 0 0 0 3 0", "fixtures",
   run=["pytest", "--setup-only", "{file}"], report="pytest")
py("first", T_MANY % "assert 0", "failed", "1 of 2", "3 1 1 0 1 0", "stopping after 1 failures", run=["pytest", "-x", "{file}"], report="pytest")
py("stepwise", T_MANY % "assert 0", "failed", "1 of 2", "3 1 1 0 1 0", "continuing", run=["pytest", "--stepwise", "{file}"], report="pytest")
py("syntax", "def test_a(: pass\n", "error", OUTSIDE, "0 0 0 0 0 1")
py("missing", "import nothing_like_that\n", "error", OUTSIDE, "0 0 0 0 0 1")
py("fixture", "import pytest\n@pytest.fixture\ndef x(): raise ValueError('no')\ndef test_a(x): pass\n", "failed", "1 of 1", "1 0 1 0 0 0")
py("teardown", "import pytest\n@pytest.fixture(scope='session')\ndef x():\n    yield\n    raise ValueError('no')\n"
   "def test_a(x): pass\ndef test_b(): pass\n", "failed", "1 of 2", "2 1 1 0 0 0")
py("properties", "import pytest\n@pytest.fixture\ndef x(request):\n    yield\n    request.node.user_properties.append(3)\n    assert 0\n"
   "def test_a(x): pass\ndef test_b(): pass\n", "failed", "1 of 2", "2 1 1 0 0 0")  # what a test put there is not what was agreed
py("fixed", "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): pass\n@pytest.mark.xfail\ndef test_b(): assert 0\n", "failed",
   "1 of 2", "2 0 1 1 0 0")
py("module_skips", "import pytest\npytest.skip('no', allow_module_level=True)\n", "no_tests", NONE_RAN, "0 0 0 0 0 0")
py("mid_exit_hard", T_MANY % "os._exit(0)", "error", NO_END, "3 1 0 0 2 0", "went away")
py("mid_exit", T_MANY % "pytest.exit('enough', returncode=0)", "error", "cut short", "3 1 0 0 2 0", "cut short")
py("mid_sys_exit", T_MANY % "sys.exit(0)", "failed", "1 of 3", "3 2 1 0 0 0")
py("mid_kill", T_MANY % "os.kill(os.getpid(), 9)", "error", SIGNAL % 9, "3 1 0 0 2 0", "a signal")
py("mid_segv", T_MANY % "import ctypes; ctypes.string_at(0)", "error", SIGNAL % 11, "3 1 0 0 2 0", "a signal")
py("mid_interrupt", T_MANY % "raise KeyboardInterrupt", "error", "cut short", "3 1 0 0 2 0", "cut short")
py("last_exit_hard", "import atexit, os\natexit.register(os._exit, 0)\ndef test_a(): assert 0\n", "failed", "1 of 1", "1 0 1 0 0 0")
py("last_kill", "import atexit, os\natexit.register(os.kill, os.getpid(), 9)\ndef test_a(): pass\n", "error", SIGNAL % 9, "1 1 0 0 0 0")
py("results_closed", T_MANY % "os.closerange(3, 50)", "error", NO_END, "3 1 0 0 2 0", "went away")
py("status_0", "def test_a(): assert 0\n", "failed", "1 of 1", "1 0 1 0 0 0")
py("status_9", "def test_a(): pass\n", "error", SAYS_NO + " (exit status 9)", "1 1 0 0 0 0")
py("deep", "def deep(): return deep()\ndef test_a(): deep()\n", "failed", "1 of 1", "1 0 1 0 0 0")
py("forks", T_MANY % "\n    if os.fork() == 0:\n        import time; time.sleep(600)", "passed", "3 passed", "3 3 0 0 0 0")
py("threads", T_MANY % "import threading; threading.Thread(target=lambda: 1 / 0).start()", "passed", "3 passed", "3 3 0 0 0 0")
py("breaks", "import json, os, sys, time, builtins\njson.dumps = json.JSONEncoder.encode = os.write = os.getpid = time.time = None\n"
   "os.chdir('/')\nsys.stdout = None\n" + T_MANY.replace("import os, sys, pytest\n", "") % "builtins.open = None; assert 0", "failed", "1 of 3",
   "3 2 1 0 0 0", run=["pytest", "-p", "no:cacheprovider", "{file}"], report="pytest")
py("odd", "class Odd(BaseException):\n    def __str__(self): raise ValueError('odd')\n    __repr__ = __str__\ndef test_a(): raise Odd()\n",
   "failed", "1 of 1", "1 0 1 0 0 0")
if HAS_XDIST:
    py("xdist", "import pytest, time\n@pytest.mark.parametrize('n', range(8))\ndef test_a(n):\n    time.sleep(0.02 * (8 - n) % 3)\n"
       "    assert n not in (2, 5)\n", "failed", "2 of 8", "8 6 2 0 0 0", run=["pytest", "-n", "2", "{file}"], report="pytest")
    py("xdist_crash", "import os, pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_a(n):\n    if n == 2: os._exit(1)\n", "failed",
       "1 of 4", "4 3 1 0 0 0", run=["pytest", "-n", "2", "{file}"], report="pytest")

# ---- TAP ----


def tap(name, text, outcome, reason, counts=None, why=""):
    row("tap/%s.sh" % name, text, outcome, reason, counts, why)


tap("passes", "echo 1..2; echo ok 1; echo ok 2\n", "passed", "2 passed", "2 2 0 0 0 0")
tap("fails", "echo 1..2; echo ok 1; echo not ok 2\n", "failed", "1 of 2", "2 1 1 0 0 0")
tap("empty", "", "error", "it ended before its tests began to report", "0 0 0 0 0 0")
tap("no_tap", "echo hello\n", "error", "it ended before its tests began to report", "0 0 0 0 0 0")
tap("none", "echo 1..0\n", "no_tests", NONE_RAN, "0 0 0 0 0 0")
tap("skip_all", "echo '1..0 # SKIP no database'\n", "passed", "1 pending", "1 0 0 1 0 0")
tap("no_plan", "echo ok 1; echo ok 2\n", "error", OUTSIDE, "2 2 0 0 0 1")
tap("too_few", "echo 1..5; echo ok 1; echo ok 2\n", "error", OUTSIDE, "5 2 0 0 3 1", "the plan promised more than came")
tap("too_many", "echo 1..1; echo ok 1; echo ok 2\n", "error", OUTSIDE, "2 2 0 0 0 1")
tap("bails", "echo 1..3; echo ok 1; echo 'Bail out! no database'\n", "error", OUTSIDE, "3 1 0 0 2 1", "Bail out!")
tap("status_1", "echo 1..1; echo ok 1; exit 1\n", "error", SAYS_NO + " (exit status 1)", "1 1 0 0 0 0")
tap("status_0", "echo 1..1; echo not ok 1; exit 0\n", "failed", "1 of 1", "1 0 1 0 0 0")
tap("kill", "echo 1..3; echo ok 1; kill -9 $$\n", "error", SIGNAL % 9, "3 1 0 0 2 0", "a signal")
tap("kill_last", "echo 1..1; echo ok 1; kill -9 $$\n", "error", SIGNAL % 9, "1 1 0 0 0 0")
tap("fixed", "echo 1..2; echo 'ok 1 # todo was a bug'; echo 'not ok 2 # todo bug'\n", "failed", "1 of 2", "2 0 1 1 0 0")
tap("closed", "echo 1..2; echo ok 1; exec >&-; echo ok 2 2>/dev/null; exit 0\n", "error", OUTSIDE, "2 1 0 0 1 1", "the plan promised")
tap("half_line", "echo 1..2; echo ok 1; printf 'not ok 2'\n", "failed", "1 of 2", "2 1 1 0 0 0")

# ---- JUnit XML ----


def junit(name, text, outcome, reason, counts=None, why=""):
    row("junit/%s.sh" % name, "mkdir -p out/%s; cat > out/%s/r.xml <<'END'\n%s\nEND\n" % (name, name, text[0]) + text[1]
        if isinstance(text, tuple) else text, outcome, reason, counts, why)


CASE = "<testcase name='%s'/>"
BAD = "<testcase name='b'><failure message='no'/></testcase>"
junit("passes", ("<testsuite tests='1'>" + CASE % "a" + "</testsuite>", ""), "passed", "1 passed", "1 1 0 0 0 0")
junit("fails", ("<testsuite>" + CASE % "a" + BAD + "</testsuite>", "exit 1\n"), "failed", "1 of 2", "2 1 1 0 0 0")
junit("nothing", "true\n", "error", OUTSIDE, "0 0 0 0 0 1")
junit("empty", ("", ""), "error", OUTSIDE, "0 0 0 0 0 1")
junit("no_cases", ("<testsuite tests='0'/>", ""), "no_tests", NONE_RAN, "0 0 0 0 0 0")
junit("cut_off", ("<testsuite>" + CASE % "a" + "<testcase name=", ""), "error", OUTSIDE, "1 1 0 0 0 1")
junit("status_0", ("<testsuite>" + BAD + "</testsuite>", "exit 0\n"), "failed", "1 of 1", "1 0 1 0 0 0")
junit("status_1", ("<testsuite>" + CASE % "a" + "</testsuite>", "exit 1\n"), "error", SAYS_NO, "1 1 0 0 0 0")
junit("kill", ("<testsuite>" + CASE % "a" + "</testsuite>", "kill -9 $$\n"), "error", SIGNAL % 9, "1 1 0 0 0 0")
junit("suite_error", ("<testsuite errors='1'>" + CASE % "a" + "<error message='setup'/></testsuite>", ""), "error", OUTSIDE, "1 1 0 0 0 1")
junit("lost_tests", ("<testsuites><testsuite name='s' tests='4'/><testsuite name='u'>" + CASE % "a" + "</testsuite></testsuites>", ""),
      "error", "examples were found and not run (4 of 5 not run: JUnit: out/lost_tests/r.xml says tests=\"4\" of s, and holds none)",
      "5 1 0 0 4 0", "holds none")
junit("all_lost", ("<testsuites tests='4'/>", ""), "no_tests", "4 of 4 not run", "4 0 0 0 4 0", "holds none")
junit("lost_failure", ("<testsuite name='s' tests='1' failures='1'>" + CASE % "a" + "</testsuite>", ""), "error", OUTSIDE, "1 1 0 0 0 1")
junit("skipped", ("<testsuite skipped='1'><testcase name='a'><skipped message='later'/></testcase></testsuite>", ""), "passed", "1 pending",
      "1 0 0 1 0 0")


def wrata_yml(rows):
    lines = ["commands:"]
    for r in rows:
        if r.run or r.limit:
            run = r.run or ["rspec", "{file}"]
            if run[0] == "pytest":
                run = [PYTEST] + run[1:]
            lines += ["  - glob: %s" % r.path, "    run: [%s]" % ", ".join('"%s"' % w for w in run)]
            report = r.report or ("rspec" if run[0] == "rspec" else "exit")
            lines += ["    report: %s" % report] + (["    time_limit: %s" % r.limit] if r.limit else [])
    lines += ["  - glob: tap/*.sh", "    run: [bash, \"{file}\"]", "    report: tap"]
    lines += ["  - glob: junit/%s.sh\n    run: [bash, \"{file}\"]\n    report: junit\n    reports: [\"out/%s/*.xml\"]" % (name, name)
              for name in (os.path.basename(r.path)[:-3] for r in rows if r.path.startswith("junit/"))]
    return "\n".join(lines) + "\n"


FILES = {
    "t/status_0/conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 0\n",
    "t/status_9/conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 9\n",
}


def counts_of(examples):
    return tuple(examples[k] for k in ("discovered", "passed", "failed", "pending", "not_run", "errors"))


@unittest.skipUnless(shutil.which("rspec"), "rspec is not installed")
class Outcomes(wrata.Case):
    def test_every_row(self):
        files = dict(FILES, **{r.path: r.text for r in ROWS})
        files["wrata.yml"] = wrata_yml(ROWS)
        env = dict(os.environ, PATH=(os.path.dirname(PYTEST) + ":" if PYTEST else "") + os.environ["PATH"])
        server = self.serve(env=env)
        server.add_local(slots=2)
        server.wait_online("local-1")
        launch = server.launch(self.project(files), [r.path for r in ROWS], retries=0,
                               env=["PARALLEL_TEST_GROUPS=4"])
        launch = server.wait_launch(launch["id"], 250)
        runs = {r["path"]: r for r in server.all("/api/v1/runs?launch=%d" % launch["id"])}
        wrong = [self.told(server, r, runs[r.path]) for r in ROWS if self.faults(r, runs[r.path])]
        slow = sorted(runs.values(), key=lambda run: -run["duration_ms"])[:5]
        self.assertEqual(wrong, [], "\n%s\n%d of %d rows; the slowest: %s" % (
            "\n".join(wrong), len(wrong), len(ROWS), ["%s %d ms" % (run["path"], run["duration_ms"]) for run in slow]))
        self.check_launch(server, launch, runs)
        left = [p for p in wrata.pids_with("sleep", "600") if self.folder in environment_of(p)]
        self.assertEqual(left, [], "processes that outlived their runs")

    def told(self, server, r, run):
        lines = [line for line in server.log(run["id"])[-4000:].decode("utf-8", "replace").splitlines() if "from /usr/" not in line]
        return "%s: %s\n   got %s, %s, %s, %r\n%s" % (
            r.path, "; ".join(self.faults(r, run)), run["outcome"], run["reason"], counts_of(run["examples"]), run["not_run_reason"],
            "".join("   | %s\n" % line[:200] for line in lines[-5:]))

    @staticmethod
    def faults(r, run):
        found, examples = [], run["examples"]
        if run["outcome"] != r.outcome:
            found.append("outcome should be %s" % r.outcome)
        if r.reason not in run["reason"]:
            found.append("reason should hold %r" % r.reason)
        if r.counts is not None and counts_of(examples) != r.counts:
            found.append("counts should be %s" % (r.counts,))
        if r.why not in run["not_run_reason"] or (examples["not_run"] == 0) != (run["not_run_reason"] == ""):
            found.append("why examples did not run should hold %r" % r.why)
        adds_up = examples["discovered"] == examples["passed"] + examples["failed"] + examples["pending"] + examples["not_run"]
        if not adds_up and "do not add up" not in run["reason"]:
            found.append("the ledger does not add up, and nobody says so")
        return found

    def check_launch(self, server, launch, runs):
        """The launch is as bad as its worst run, its examples are the sum, and so are its files."""
        self.assertEqual(launch["outcome"], "error")
        total = collections.Counter()
        for run in runs.values():
            total.update(run["examples"])
        self.assertEqual(launch["examples"], {k: total[k] for k in launch["examples"]})
        tests = dict(launch["tests"])
        self.assertEqual(tests.pop("total"), sum(tests.values()))
        for outcome, n in collections.Counter(r.outcome for r in ROWS).items():
            self.assertEqual(tests[outcome], n, outcome)
        statuses = collections.Counter(e["status"] for e in server.all("/api/v1/launches/%d/examples" % launch["id"]))
        for status, key in (("passed", "passed"), ("failed", "failed"), ("pending", "pending"), ("error", "errors")):
            self.assertEqual(statuses[status], total[key], status)

    def test_a_stop_is_in_the_ledgers(self):
        server = self.serve()
        server.add_local(slots=1)
        server.wait_online("local-1")
        folder = self.project({"spec/a_spec.rb": "RSpec.describe('A') { it('x') {}; it('y') { sleep 600 }; it('z') {} }\n",
                               "spec/b_spec.rb": TWO, "c.sh": "exit 0\n"})
        launch = server.launch(folder, ["spec/a_spec.rb", "spec/b_spec.rb", "c.sh"])
        path = "/api/v1/launches/%d" % launch["id"]
        wrata.wait_for("its first example", lambda: server.get(path)["examples"]["passed"] == 1)
        server.post(path + "/stop")
        launch = server.wait_launch(launch["id"])
        self.assertEqual(counts_of(launch["examples"]), (3, 1, 0, 0, 2, 0))
        self.assertEqual((launch["tests"]["total"], launch["tests"]["stopped"]), (3, 3))
        run = server.all("/api/v1/runs?launch=%d" % launch["id"])
        self.assertEqual([(r["path"], counts_of(r["examples"]), r["not_run_reason"]) for r in run],
                         [("spec/a_spec.rb", (3, 1, 0, 0, 2, 0), "it was stopped")])
        self.assertEqual({t["path"]: (t["state"], t["outcome"], t["run"] is None) for t in server.all(path + "/tests")},
                         {"spec/a_spec.rb": ("done", "stopped", False), "spec/b_spec.rb": ("done", "stopped", True),
                          "c.sh": ("done", "stopped", True)})

    def test_the_command_line_says_it(self):
        server = self.serve()
        server.add_local(slots=1)
        server.wait_online("local-1")
        folder = self.project({"spec/a_spec.rb": MANY % "raise 'no'", ".rspec": "--fail-fast\n"})
        report = os.path.join(self.folder, "r.xml")
        said = subprocess.run([wrata.WRATA, "run", "--junit", report, "spec/a_spec.rb"], capture_output=True, text=True, cwd=folder, timeout=60,
                              env=dict(os.environ, WRATA_URL=server.url, WRATA_TOKEN=server.token), check=False)
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertIn("3 examples, 1 failed, 1 not run", said.stdout)
        with open(report, encoding="utf-8") as f:
            xml = f.read()
        self.assertIn('tests="3" failures="1" errors="0" skipped="1"', xml)
        self.assertIn('name="1 example not run"', xml)
        self.assertIn('<skipped message="--fail-fast"/>', xml)


def environment_of(pid):
    try:
        with open("/proc/%d/environ" % pid, "rb") as f:
            return f.read().decode("utf-8", "replace")
    except OSError:
        return ""


if __name__ == "__main__":
    wrata.main()
