#!/usr/bin/python3
# ctest: COMPUTES ON
"""The RSpec adapter against the real rspec: what it reports, and that nobody notices it.

Each test writes a small project into a temporary folder and runs rspec there with the adapter required, as the agent
does. Counts are compared with rspec's own JSON report, output byte by byte with a run without the adapter.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ADAPTER = os.path.join(HERE, "..", "..", "adapters", "rspec", "wrata_rspec.rb")
RSPEC = os.environ.get("WRATA_TEST_RSPEC", "/usr/bin/rspec")


class Result:
    def __init__(self, raw, status, out, err):
        self.raw, self.status, self.out, self.err = raw, status, out, err
        self.events = [json.loads(line) for line in raw.decode("utf-8").split("\n") if line]

    def of(self, kind):
        return [e for e in self.events if e["e"] == kind]

    @property
    def end(self):
        ends = self.of("end")
        return ends[0] if len(ends) == 1 else None

    def by_name(self, name):
        found = [e for e in self.of("example") if e["path"][-1] == name]
        assert len(found) == 1, (name, self.events)
        return found[0]


@unittest.skipUnless(os.path.exists(RSPEC), "rspec is not installed")
class Adapter(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="wrata-rspec-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)

    def environment(self, fd=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("WRATA", "SPEC_OPTS", "RUBYOPT"))}
        env["HOME"] = self.dir  # no ~/.rspec of whoever runs this
        if fd is not None:
            env["WRATA_RESULTS_FD"] = str(fd)
        return env

    def start(self, *args, require=True):
        """Starts rspec with the adapter; the reading end of its pipe and the process."""
        reader, writer = os.pipe()
        argv = [RSPEC] + (["--require", ADAPTER] if require else []) + list(args)
        process = subprocess.Popen(argv, cwd=self.dir, env=self.environment(writer), pass_fds=[writer],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(writer)
        return reader, process

    def rspec(self, *args):
        # The results go to a file here, so that nobody has to read three pipes at once.
        path = os.path.join(self.dir, "results")
        with open(path, "wb") as f:
            done = subprocess.run([RSPEC, "--require", ADAPTER, *args], cwd=self.dir, env=self.environment(f.fileno()),
                                  pass_fds=[f.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        with open(path, "rb") as f:
            return Result(f.read(), done.returncode, done.stdout, done.stderr)

    def plain(self, *args):
        return subprocess.run([RSPEC, *args], cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)

    def summary(self, *args):
        path = os.path.join(self.dir, "summary.json")
        self.plain("--format", "json", "--out", path, *args)
        with open(path) as f:
            return json.load(f)["summary"]

    def assert_same_counts(self, result, *args):
        own = self.summary(*args)
        end = result.end
        self.assertIsNotNone(end, result.events)
        self.assertEqual((end["examples"], end["failed"], end["pending"], end["errors"]),
                         (own["example_count"], own["failure_count"], own["pending_count"],
                          own.get("errors_outside_of_examples_count", 0)))
        self.assertEqual(end["errors"], len(result.of("error")))
        self.assertEqual(end["examples"], len(result.of("example")))
        for status, count in (("failed", end["failed"]), ("pending", end["pending"])):
            self.assertEqual(count, sum(e["status"] == status for e in result.of("example")))

    def assert_unnoticed(self, *args):
        """Output, errors and exit status are those of a run without the adapter, times aside."""
        def still(text):
            text = re.sub(rb"[\d.]+% of", b"SHARE of", text)
            text = re.sub(rb"\d+(\.\d+)? (milli)?seconds?|\d+ minutes?", b"TIME", text)
            text = re.sub(rb"\d+(\.\d+)?e-\d+|\d+\.\d{4,}", b"TIME", text)
            return sorted(text.splitlines()) if "--profile" in args else text  # the slowest first
        with_it, without = self.rspec(*args), self.plain(*args)
        self.assertEqual(still(with_it.out), still(without.stdout))
        self.assertEqual(still(with_it.err), still(without.stderr))
        self.assertEqual(with_it.status, without.returncode)
        return with_it


class Examples(Adapter):
    def test_every_kind_of_ending(self):
        self.write("spec/a_spec.rb", """
            RSpec.describe 'Pivot' do
              it('passes') { sleep 0.02 }
              context 'copies style' do
                it('fails') { expect(1).to eq 2 }
                it('raises') { raise ArgumentError, 'odd' }
              end
              it('is pending') { pending 'a bug'; raise 'still' }
              it 'is not written yet'
              xit('is skipped') { raise }
              it('is fixed') { pending 'was a bug' }
              it('fails twice') { aggregate_failures { expect(1).to eq 2; expect(3).to eq 4 } }
              it { expect(5).to eq 5 }
              context 'with a hook' do
                after { raise 'the hook as well' }
                it('fails in two places') { expect(1).to eq 2 }
              end
            end
        """.replace("            ", ""))
        r = self.rspec("spec/a_spec.rb")
        self.assert_same_counts(r, "spec/a_spec.rb")
        self.assertEqual(r.events[0], {"e": "start", "v": 1, "adapter": "rspec", "version": r.events[0]["version"],
                                       "discovered": 10})
        self.assertEqual(r.events[-1], {"e": "end", "examples": 10, "failed": 5, "pending": 3, "errors": 0,
                                        "aborted": False})
        self.assertEqual(len(r.of("running")), 10)
        passed = r.by_name("passes")
        self.assertEqual((passed["status"], passed["id"], passed["file"], passed["line"]),
                         ("passed", "./spec/a_spec.rb[1:1]", "./spec/a_spec.rb", 3))
        self.assertTrue(15 < passed["ms"] < 5000)
        failed = r.by_name("fails")
        self.assertEqual(failed["path"], ["Pivot", "copies style", "fails"])
        self.assertEqual(failed["message"], "expected: 2\n     got: 1\n\n(compared using ==)")
        self.assertEqual(failed["exception"], "RSpec::Expectations::ExpectationNotMetError")
        self.assertTrue(failed["backtrace"][0].startswith("./spec/a_spec.rb:5:in "))
        self.assertEqual((r.by_name("raises")["exception"], r.by_name("raises")["message"]), ("ArgumentError", "odd"))
        self.assertEqual(r.by_name("is pending")["pending"], "a bug")
        self.assertEqual(r.by_name("is not written yet")["pending"], "Not yet implemented")
        self.assertEqual(r.by_name("is skipped")["status"], "pending")
        fixed = r.by_name("is fixed")
        self.assertEqual(fixed["status"], "failed")
        self.assertIn("passed", fixed["message"])
        self.assertIn("2 failures", r.by_name("fails twice")["message"])
        self.assertIn("got: 3", r.by_name("fails twice")["message"])
        self.assertEqual(r.by_name("is expected to eq 5")["status"], "passed")
        both = r.by_name("fails in two places")["message"]
        self.assertIn("got: 1", both)
        self.assertIn("2) RuntimeError: the hook as well", both)

    def test_shared_examples_belong_to_the_spec_that_includes_them(self):
        self.write("spec/shared.rb", "RSpec.shared_examples('a list') do\n  it('sorts') { raise 'no' }\nend\n")
        self.write("spec/b_spec.rb", "require_relative 'shared'\n\nRSpec.describe 'B' do\n  it_behaves_like 'a list'\n"
                                     "  include_examples 'a list'\nend\n")
        r = self.rspec("spec/b_spec.rb")
        self.assert_same_counts(r, "spec/b_spec.rb")
        places = {e["id"]: (e["file"], e["line"], e["path"]) for e in r.of("example")}
        self.assertEqual(places, {
            "./spec/b_spec.rb[1:1:1]": ("./spec/b_spec.rb", 4, ["B", "behaves like a list", "sorts"]),
            "./spec/b_spec.rb[1:2]": ("./spec/b_spec.rb", 5, ["B", "sorts"])})

    def test_before_context_failure_fails_each_example(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { before(:context) { raise 'no' }; it('x') {}; it('y') {} }\n")
        r = self.rspec("spec/a_spec.rb")
        self.assert_same_counts(r, "spec/a_spec.rb")
        self.assertEqual([e["message"] for e in r.of("example")], ["no", "no"])

    def test_fail_fast_is_not_an_abortion(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {}; it('y') { raise }; it('z') {} }\n")
        r = self.rspec("--fail-fast", "spec/a_spec.rb")
        self.assert_same_counts(r, "--fail-fast", "spec/a_spec.rb")
        self.assertEqual((r.of("start")[0]["discovered"], r.end["examples"], r.end["aborted"]), (3, 2, False))
        self.assertEqual(r.of("not_run"), [{"e": "not_run", "count": 1, "why": "--fail-fast"}])
        r = self.rspec("--fail-fast=2", "spec/a_spec.rb")  # one failure is not enough
        self.assertEqual((r.end["examples"], r.of("not_run")), (3, []))

    def test_dry_run_executes_nothing(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { raise }; it 'y' }\n")
        for args, config in ((["--dry-run"], ""), ([], "RSpec.configure { |c| c.dry_run = true }\n")):
            self.write("spec/a_spec.rb", config + "RSpec.describe('A') { it('x') { raise }; it 'y' }\n")
            r = self.rspec(*args, "spec/a_spec.rb")
            self.assertEqual([e["e"] for e in r.events], ["start", "not_run", "end"])
            self.assertEqual((r.events[0]["discovered"], r.events[1]["count"], r.end["examples"], r.end["aborted"]), (2, 2, 0, False))
            self.assertIn("--dry-run", r.events[1]["why"])

    def test_nothing_to_run(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {} }\n")
        self.write("spec/empty_spec.rb", "")
        for args in (["spec/empty_spec.rb"], ["--example", "nothing like it", "spec/a_spec.rb"]):
            r = self.rspec(*args)
            self.assertEqual([e["e"] for e in r.events], ["start", "end"], args)
            self.assertEqual(r.end, {"e": "end", "examples": 0, "failed": 0, "pending": 0, "errors": 0,
                                     "aborted": False})

    def test_only_the_chosen_example(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {}; it('y') {} }\n")
        r = self.rspec("spec/a_spec.rb[1:2]")
        self.assertEqual([e["id"] for e in r.of("example")], ["./spec/a_spec.rb[1:2]"])
        self.assertEqual(r.of("start")[0]["discovered"], 1)


class Outside(Adapter):
    def test_files_that_do_not_load(self):
        self.write("spec/good_spec.rb", "RSpec.describe('A') { it('x') {} }\n")
        for text, kind, words in (
                ("RSpec.describe('A') {", "SyntaxError", "spec/bad_spec.rb"),
                ("raise 'at the top'", "RuntimeError", "at the top"),
                ("require 'no/such/library'", "LoadError", "no/such/library")):
            self.write("spec/bad_spec.rb", text + "\n")
            r = self.rspec("spec/good_spec.rb", "spec/bad_spec.rb")
            self.assert_same_counts(r, "spec/good_spec.rb", "spec/bad_spec.rb")
            self.assertEqual(r.end["errors"], 1, text)
            error = r.of("error")[0]
            self.assertEqual(error["exception"], kind)
            self.assertIn(words, error["message"])
            self.assertRegex(error["message"], "(?i)while loading ./spec/bad_spec.rb")

    def test_a_file_that_leaves_while_it_loads(self):
        # RSpec makes no report then, and the exit status may be 0: no end, but the error says why.
        for text, status in (("exit", 0), ("abort 'enough'", 1)):
            self.write("spec/bad_spec.rb", text + "\n")
            r = self.rspec("spec/bad_spec.rb")
            self.assertEqual([e["exception"] for e in r.of("error")], ["SystemExit"], text)
            self.assertEqual((r.status, r.end), (status, None))

    def test_hooks_of_the_suite(self):
        for hook, ran in (("before", 0), ("after", 1)):
            self.write("spec/a_spec.rb", "RSpec.configure { |c| c.%s(:suite) { raise 'the suite' } }\n"
                                         "RSpec.describe('A') { it('x') {} }\n" % hook)
            r = self.rspec("spec/a_spec.rb")
            self.assert_same_counts(r, "spec/a_spec.rb")
            self.assertEqual((r.end["examples"], r.end["errors"]), (ran, 1))
            self.assertIn("the suite", r.of("error")[0]["message"])

    def test_an_error_before_the_adapter_was_there(self):
        self.write(".rspec", "--require ./spec/spec_helper.rb\n")
        self.write("spec/spec_helper.rb", "raise 'early'\n")
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {} }\n")
        r = self.rspec("spec/a_spec.rb")
        self.assert_same_counts(r, "spec/a_spec.rb")
        self.assertIn("see the log", r.of("error")[-1]["message"])

    def test_an_exception_that_leaves_rspec(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {} }\n"
                                     "module RSpec::Core; class World; def ordered_example_groups; raise 'inside'; end; end; end\n")
        r = self.rspec("spec/a_spec.rb")
        self.assertEqual([e["message"] for e in r.of("error")], ["inside"])
        self.assertIsNone(r.end)

    def test_leaving_in_the_middle(self):
        for how in ("exit", "exit 3", "abort 'enough'", "Process.kill(:TERM, $$); sleep 5", "raise Interrupt"):
            self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {}; it('y') { %s }; it('z') {} }\n" % how)
            r = self.rspec("spec/a_spec.rb")
            self.assertEqual([e["path"][-1] for e in r.of("running")], ["x", "y"], how)
            self.assertEqual(len(r.of("example")), 1, how)
            self.assertTrue(r.end["aborted"], how)
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {}; it('y') { exit! } }\n")
        r = self.rspec("spec/a_spec.rb")
        self.assertIsNone(r.end)
        self.assertEqual([e["path"][-1] for e in r.of("running")], ["x", "y"])

    def test_ctrl_c_is_an_abortion(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { Process.kill(:INT, $$); sleep 0.2 }; it('y') {} }\n")
        r = self.rspec("spec/a_spec.rb")
        self.assertEqual((r.end["examples"], r.end["aborted"]), (1, True))

    def test_terminated_from_outside(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {}; it('y') { puts 'here'; $stdout.flush; sleep 30 } }\n")
        reader, process = self.start("spec/a_spec.rb")
        with os.fdopen(reader, "rb") as stream:
            # Inside the example: a signal that finds RSpec between two examples becomes a TypeError of RSpec's own.
            while b"here" not in process.stdout.readline():
                pass
            time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            # A line that the signal cut, or that may be cut, is ended by a new line: an empty one says nothing.
            rest = [json.loads(line) for line in stream if line != b"\n"]
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, -signal.SIGTERM)
        self.assertTrue(all(e.get("aborted") for e in rest if e["e"] == "end"), rest)

    def test_at_exit_of_the_project_runs(self):
        self.write("spec/a_spec.rb", "at_exit { puts 'goodbye'; exit 7 }\nRSpec.describe('A') { it('x') {} }\n")
        r = self.assert_unnoticed("spec/a_spec.rb")
        self.assertEqual((r.status, r.end["aborted"]), (7, False))
        self.assertIn(b"goodbye", r.out)


class Texts(Adapter):
    def test_bytes_nobody_can_show(self):
        self.write("spec/a_spec.rb", b"""# encoding: utf-8
RSpec.describe "A\\u0000\\e[31m\\n\\u007f\\u2028 \\"\\\\" do
  it("invalid") { raise "a\\xffb\\xc3" }
  it("binary") { raise "\\xe2\\x82\\xac\\xff".b }
  it("utf-16") { raise "\\u00e4\\u20ac".encode("UTF-16LE") }
  it("latin") { raise "\\u00e4".encode("ISO-8859-1") }
end
""")
        r = self.rspec("spec/a_spec.rb")
        self.assertEqual(r.by_name("invalid")["message"], "a\ufffdb\ufffd")
        self.assertEqual(r.by_name("binary")["message"], "\u20ac\ufffd")
        self.assertEqual(r.by_name("utf-16")["message"], "\u00e4\u20ac")
        self.assertEqual(r.by_name("latin")["message"], "\u00e4")
        self.assertEqual(r.by_name("latin")["path"][0], "A\u2400\x1b[31m\n\x7f\u2028 \"\\")
        self.assertNotIn(b"\x1b", r.raw)
        self.assertNotIn(b"\\u0000", r.raw)

    def test_huge(self):
        self.write("spec/a_spec.rb", r"""
            def deep(n) n.zero? ? raise('bottom') : deep(n - 1) end
            RSpec.describe 'A' do
              it('message') { raise '€' * 1_000_000 }
              it('controls') { raise "\0" * 1_000_000 }
              it('x' * 1_000_000) { raise "\1" * 70_000 }
              it('stack') { def again(n) again(n + 1) end; again(0) }
              it('deep') { deep(900) }
              it('frames') { e = RuntimeError.new("\2" * 70_000); e.set_backtrace(["./spec/#{"\3" * 5000}:1"] * 500); raise e }
            end
        """)
        r = self.rspec("spec/a_spec.rb")
        self.assertEqual(r.end["failed"], 6)
        self.assertLessEqual(max(len(line) + 1 for line in r.raw.splitlines()), 256 * 1024)
        message = r.by_name("message")["message"]
        self.assertLessEqual(len(message.encode()), 64 * 1024)
        self.assertTrue(message.endswith("€…"))
        self.assertTrue(r.by_name("controls")["message"].endswith("…"))
        deep = r.by_name("deep")["backtrace"]
        self.assertEqual((len(deep), deep[-1]), (200, "…"))
        self.assertEqual(r.by_name("stack")["exception"], "SystemStackError")

    def test_exceptions_that_misbehave(self):
        self.write("spec/a_spec.rb", """
            class Mute < StandardError; def message; raise 'mute'; end; end
            class Odd < StandardError; def message; nil; end; end
            class Bare < StandardError; def backtrace; nil; end; end
            RSpec.describe 'A' do
              it('mute') { raise Mute }
              it('odd') { raise Odd }
              it('bare') { raise Bare }
              it('nameless') { raise Class.new(StandardError), 'who' }
              it('caused') { begin; raise 'inner'; rescue; raise 'outer'; end }
              it('circle') do
                a, b = RuntimeError.new('a'), RuntimeError.new('b')
                a.define_singleton_method(:cause) { b }
                b.define_singleton_method(:cause) { a }
                raise a
              end
            end
        """)
        r = self.rspec("spec/a_spec.rb")
        self.assertEqual(len(r.of("example")), 6)
        self.assertEqual(r.by_name("mute")["message"],
                         "A Mute for which `exception.message` raises RuntimeError.")
        self.assertEqual(r.by_name("odd")["message"], "")
        self.assertEqual(r.by_name("bare")["backtrace"], [])
        self.assertEqual(r.by_name("nameless")["message"], "who")
        self.assertEqual(r.by_name("caused")["message"], "outer\n\nCaused by RuntimeError: inner")
        self.assertEqual(r.by_name("circle")["message"], "a\n\nCaused by RuntimeError: b")


class Unnoticed(Adapter):
    SPEC = """
        RSpec.describe 'A' do
          it('x') { expect(1).to eq 2 }
          it('y') { pending 'why'; raise }
          it('z') { puts 'out'; warn 'err' }
        end
    """

    def test_output_stays(self):
        self.write("spec/a_spec.rb", self.SPEC)
        for args in ([], ["--format", "documentation"], ["--format", "json"], ["--profile"], ["--format", "failures"],
                     ["--force-color"], ["--format", "progress", "--format", "doc", "--out", "doc.txt"],
                     ["--order", "rand:7"], ["--backtrace"]):
            self.assertEqual(self.assert_unnoticed(*args).end["examples"], 3, args)

    def test_output_stays_when_loading_fails(self):
        self.write("spec/a_spec.rb", "raise 'no'\n")
        self.assert_unnoticed()

    def test_formatters_of_dot_rspec(self):
        self.write("spec/a_spec.rb", self.SPEC)
        self.write(".rspec", "--format documentation\n--color\n")
        self.assert_unnoticed()

    def test_formatters_and_output_of_the_helper(self):
        self.write("spec/a_spec.rb", "require 'spec_helper'\n" + self.SPEC)
        self.write("spec/spec_helper.rb", "RSpec.configure { |c| c.formatter = :documentation }\n")
        self.assert_unnoticed()
        self.write("spec/spec_helper.rb", "RSpec.configure { |c| c.default_formatter = 'doc' }\n")
        self.assert_unnoticed()
        self.write("spec/spec_helper.rb", "RSpec.configure { |c| c.output_stream = File.open('out.txt', 'w') }\n")
        self.assert_unnoticed()
        with open(os.path.join(self.dir, "out.txt")) as f:
            self.assertIn("3 examples", f.read())

    def test_helper_required_by_dot_rspec(self):
        self.write("spec/a_spec.rb", self.SPEC)
        self.write(".rspec", "--require spec_helper\n")
        self.write("spec/spec_helper.rb", """
            class Mine
              RSpec::Core::Formatters.register self, :example_passed, :close
              def initialize(out) @out = out end
              def example_passed(n) @out.puts "mine: #{n.example.description}" end
              def close(_) @out.puts 'closed' end
            end
            RSpec.configure { |c| c.add_formatter Mine; c.reporter.message('hello') }
        """)
        r = self.assert_unnoticed()
        self.assertIn(b"mine: z", r.out)
        self.assertEqual(r.end["examples"], 3)

    def test_files_that_an_example_left(self):
        self.write("a_spec.rb", """
            RSpec.describe "files" do
              after { |e| e.metadata[:screenshot] = { :html => "#{Dir.pwd}/tmp/p.html", :image => "./tmp/p.png" } if e.metadata[:shot] }
              it("by capybara-screenshot", :shot => true) { raise "x" }
              it("one", :artifacts => "out/a.png") {}
              it("many", :wrata_artifacts => ["out/a.png", "out/b.png", "out/b.png", 7, nil, "", "https://s3.example/x.png", "y" * 2000]) {}
              it("odd", :screenshot => true, :artifacts => { :a => :b }) {}
              it("too many", :artifacts => (1..80).map { |i| "f#{i}" }) {}
              it("its own texts", :artifacts => Class.new { def to_path; raise "no"; end }.new) {}
              it("a path", :artifacts => Pathname("out/p.png")) {}
              it("none") {}
            end
        """.replace("RSpec.describe", "require 'pathname'\nRSpec.describe", 1))
        result = self.rspec("a_spec.rb")
        self.assert_same_counts(result, "a_spec.rb")
        self.assertEqual([e.get("artifacts") for e in result.of("example")],
                         [["tmp/p.html", "tmp/p.png"], ["out/a.png"], ["out/a.png", "out/b.png"], None, ["f%d" % i for i in range(1, 51)],
                          None, ["out/p.png"], None])
        self.assert_unnoticed("a_spec.rb")

    def test_the_page_that_an_example_was_on(self):
        self.write("a_spec.rb", """
            RSpec.describe "pages" do
              after { |e| e.metadata[:page_url] = e.metadata[:was_on] if e.metadata.key?(:was_on) }
              it("says it", :was_on => "https://example.org/editor?doc=1") { raise "x" }
              it("said before", :wrata_page_url => "http://example.org/") {}
              it("is no page", :was_on => "javascript:alert(1)") {}
              it("is odd", :was_on => Class.new { def to_s; raise "no"; end }.new) {}
              it("none") {}
            end
        """)
        result = self.rspec("a_spec.rb")
        self.assert_same_counts(result, "a_spec.rb")
        self.assertEqual([e.get("page_url") for e in result.of("example")],
                         ["https://example.org/editor?doc=1", "http://example.org/", None, None, None])
        self.assert_unnoticed("a_spec.rb")

    def test_nothing_is_loaded_or_left_behind(self):
        self.write("spec/a_spec.rb", """
            RSpec.describe 'A' do
              it('loads nothing') { expect(defined?(JSON)).to be_nil }
              it('leaves no variable') { expect(ENV['WRATA_RESULTS_FD']).to be_nil }
              it('adds no formatter') { expect(RSpec.configuration.formatters.map(&:class).map(&:to_s).grep(/rata/i)).to eq [] }
            end
        """)
        r = self.rspec()
        self.assertEqual((r.end["examples"], r.end["failed"]), (3, 0), r.out)

    def test_without_the_variable_it_does_nothing(self):
        self.write("spec/a_spec.rb", self.SPEC)
        done = subprocess.run([RSPEC, "--require", ADAPTER], cwd=self.dir, env=self.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertIn(b"3 examples, 1 failure, 1 pending", done.stdout)
        for number in ("", "x", "-1", "99", "4096000"):
            env = dict(self.environment(), WRATA_RESULTS_FD=number)
            again = subprocess.run([RSPEC, "--require", ADAPTER], cwd=self.dir, env=env, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, timeout=60)
            self.assertEqual((again.returncode, again.stderr), (done.returncode, done.stderr), number)

    def test_a_reader_that_went_away(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { 50.times { |i| it(i.to_s) { raise 'x' * 10_000 if i == 3 } } }\n")
        reader, process = self.start("spec/a_spec.rb")
        os.close(reader)
        out, err = process.communicate(timeout=30)
        self.assertIn(b"50 examples, 1 failure", out)
        self.assertEqual((process.returncode, err), (1, b""))

    def test_a_slow_reader_gets_everything(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { 60.times { |i| it(i.to_s) { raise 'x' * 10_000 } } }\n")
        reader, process = self.start("spec/a_spec.rb", "--format", "json", "--out", "/dev/null")
        time.sleep(1.5)
        with os.fdopen(reader, "rb") as stream:
            events = [json.loads(line) for line in stream]
        process.communicate(timeout=30)
        self.assertEqual((len([e for e in events if e["e"] == "example"]), events[-1]["failed"]), (60, 60))

    def test_children_have_no_part_in_it(self):
        self.write("spec/inner_spec.rb", "RSpec.describe('Inner') { it('i') {} }\n")
        reader, writer = os.pipe()
        self.write("spec/a_spec.rb", """
            RSpec.describe 'A' do
              it('forks') { fork { at_exit { }; exit }; Process.wait }
              it('forks and falls through') { pid = fork { raise 'child' }; Process.wait pid }
              it('runs rspec') { expect(system(%q(RSPEC), '--require', %q(ADAPTER), 'spec/inner_spec.rb', out: File::NULL)).to be true }
              it('starts a long one') { $child = spawn('sleep', '20', in: :close, out: :close, err: :close) }
              it('lists') { expect(`ls -l /proc/self/fd`).not_to include(File.readlink("/proc/#{$$}/fd/FD")) }
            end
        """.replace("RSPEC)", RSPEC + ")").replace("ADAPTER", ADAPTER).replace("/fd/FD", "/fd/%d" % writer))
        process = subprocess.Popen([RSPEC, "--require", ADAPTER, "spec/a_spec.rb"], cwd=self.dir,
                                   env=self.environment(writer), pass_fds=[writer], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(writer)
        began = time.monotonic()
        with os.fdopen(reader, "rb") as stream:  # ends with rspec, not with the child that sleeps
            events = [json.loads(line) for line in stream]
        took = time.monotonic() - began
        out = process.communicate(timeout=30)[0]
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.assertLess(took, 15)
        self.assertEqual([e["e"] for e in events], ["start"] + ["running", "example"] * 5 + ["end"], out)
        self.assertEqual(events[-1]["failed"], 0, out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
