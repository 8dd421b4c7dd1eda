#!/usr/bin/env python3
"""RSpec booted once and forked for each file: the same as a process per file, in all that anybody can see.

The real agent runs each file of a suite three times: by itself (warm=off), as the first fork of a warm process, and as a later
one. Exit status, log and results have to be the same, times and pids aside. Then what ends such a process, and what happens to
runs when it goes wrong.
"""
import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_agent as agent  # noqa: E402
from test_agent import EXITED, MEMORY_LIMIT, SIGNALLED, TIME_LIMIT, is_alive, pid_of_agent, slurp, wait_dead  # noqa: E402

COLD = ["warm=off"]


def still(text):
    """A log without what is another one each time: times, seeds, pids, numbers of runs, addresses."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "TIME", text)
    text = re.sub(r"\d+(\.\d+)? (milli)?seconds?|\d+ minutes?", "TIME", text)
    text = re.sub(r"\d+\.\d+(e-\d+)?%?", "TIME", text)
    text = re.sub(r"(Randomized with seed |--seed |@seed=|@pid=)\d+", r"\1SEED", text)
    text = re.sub(r"0x0[0-9a-f]+", "0xADDRESS", text)
    return re.sub(r"\b(process|parent|run) \d+", r"\1 N", text)


def results(raw):
    """The lines of the results channel, times aside."""
    found = []
    for line in raw.decode().splitlines():
        event = json.loads(line)
        event.pop("ms", None)
        if "message" in event:
            event["message"] = still(event["message"])
        found.append(event)
    return found


def warm_pids(where):
    """The processes that fork, of the agent in this folder."""
    found = []
    parent = pid_of_agent(where)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if slurp("/proc/%s/cmdline" % pid).startswith("wrata: rspec is warm") and \
                    int(slurp("/proc/%s/stat" % pid).rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(pid))
        except OSError:
            pass
    return found


@unittest.skipUnless(agent.AGENT, "wrata-agent is not built: set WRATA_AGENT or WRATA_AGENT_DIR")
@unittest.skipUnless(os.path.exists("/usr/bin/rspec"), "rspec is not installed")
class Warm(agent.AgentCase):
    """A project is the folder of a run without one: what is written there stays for the launch."""

    command = ["rspec"]

    def setUp(self):
        super().setUp()
        self.link = self.attach(slots=1)
        self.launch = 1
        self.last = 0
        self.run_one(["/bin/true"], adapter="exit")
        self.tree = os.path.join(self.where, "i1", "work", "none-s0")
        self.env = []
        self.warm_runs = 0

    def write(self, name, text):
        path = os.path.join(self.tree, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(textwrap.dedent(text))

    def run_one(self, argv, **more):
        self.last += 1
        more = {"adapter": "rspec", "env": getattr(self, "env", []), **more}
        more["env"] = more["env"] + ["WRATA_RUN_ID=%d" % self.last]
        self.link.start(self.last, argv, launch=self.launch, **more)
        return self.link.end(self.last, 60)

    def rspec(self, *args, **more):
        """What is left of a run: how it ended, its log and its results."""
        f = self.run_one([*self.command, *args], **more)
        return {"how": f["how"], "code": f["exit_code"], "signal": f["signal"], "reason": still(f["reason"]),
                "log": still(self.link.log(self.last).decode("utf-8", "surrogateescape")),
                "results": results(self.link.log(self.last, 1))}

    def same(self, *args, **more):
        """By itself, and forked twice; what it was."""
        cold, first, later = [self.rspec(*args, **{**more, "setup": setup}) for setup in (COLD, [], [])]
        for other in (first, later):
            lines = difflib.unified_diff(cold["log"].splitlines(), other["log"].splitlines(), "by itself", "forked", n=0)
            if other["log"] != cold["log"]:
                self.fail("%s:\n%s" % (args, "\n".join(line[:2000] for line in lines)))
            self.assertEqual(other, cold, args)
        self.warm_runs += 2
        return cold

    def events(self, name):
        text = slurp(os.path.join(self.where, "i1", "agent.log"))
        return [line for line in text.splitlines() if "event=%s " % name in line]

    def end_warm(self):
        """Another environment ends the process: how many runs it served."""
        known = len(self.events("warm.end"))
        other = ["ANOTHER=%d" % self.last]
        for _ in range(3):  # one that served less would have to show first that it is worth it
            self.run_one(["rspec", "--version"], env=other)
        return [int(re.search(r"forks=(\d+)", line).group(1)) for line in self.events("warm.end")[known:]]

    def served(self):
        """All that was to be forked was, by one process."""
        self.assertEqual(self.end_warm(), [self.warm_runs])
        self.assertEqual(self.events("warm.failed"), [])


class TheSame(Warm):
    """Whatever a file does."""

    def test_examples_and_how_files_are_chosen(self):
        self.write(".rspec", "--require spec_helper\n")
        self.write("spec/spec_helper.rb", """
            RSpec.configure do |c|
              c.filter_run_when_matching :focus
              c.example_status_persistence_file_path = 'status.txt' if ENV['STATUS']
            end
        """)
        self.write("spec/a_spec.rb", """
            RSpec.describe 'A' do
              it('passes') { expect(1).to eq 1 }
              it('fails') { expect([1, {:a => 2}]).to eq [1, {:a => 3}] }
              it('raises') { raise ArgumentError, 'odd' }
              it('is pending') { pending 'a bug'; raise 'still' }
              it 'is not written'
              it('doubles') { d = double(:x => 1); expect(d).to receive(:y).with(3); d.x; d.y(3) }
              it('misses a call') { expect(double('dd')).to receive(:never) }
              context 'twice' do
                it('fails twice', :aggregate_failures) { expect(1).to eq 2; expect(3).to be > 4 }
                it('has words') { expect('abc').to include('z').and start_with('q') }
              end
            end
        """)
        self.write("spec/focus_spec.rb", "RSpec.describe('F') { fit('x') {}; it('y') { raise } }\n")
        self.write("spec/order_spec.rb", "RSpec.describe('O') { 9.times { |i| it(i.to_s) { puts i } } }\n")
        self.write("spec/empty_spec.rb", "")
        cold = self.same("spec/a_spec.rb")
        self.assertEqual((cold["code"], cold["results"][-1]["failed"]), (1, 5))
        self.same("--backtrace", "spec/a_spec.rb")
        self.same("--format", "documentation", "--force-color", "--profile", "2", "spec/a_spec.rb:3", "spec/a_spec.rb[1:8:2]")
        self.same("--fail-fast", "spec/a_spec.rb")
        self.same("--dry-run", "spec/a_spec.rb")
        self.assertEqual(len(self.same("spec/focus_spec.rb")["results"]), 4)
        self.same("--order", "rand", "--seed", "4711", "spec/order_spec.rb")
        self.same("spec/empty_spec.rb")
        self.same("--format", "json", "spec/empty_spec.rb")
        self.same("--fail-if-no-examples", "--example", "nobody", "spec/a_spec.rb")
        self.same("spec/no_such_spec.rb")
        self.same("--no-such-option")
        self.same("--help")
        self.same()
        self.served()

    def test_files_that_do_not_load(self):
        for name, text in (("syntax", "RSpec.describe('A') {"), ("raise", "raise 'at the top'"),
                           ("missing", "require 'no/such/library'"), ("exit", "exit"), ("exit7", "exit 7"),
                           ("abort", "abort 'enough'"), ("now", "puts 'x'; exit! 5"), ("throw", "throw :x"),
                           ("stack", "def x; x; end; x")):
            self.write("spec/%s_spec.rb" % name, text + "\n")
            self.same("spec/%s_spec.rb" % name)
        self.served()

    def test_how_a_process_ends(self):
        for i, text in enumerate((
                "at_exit { puts 'bye'; exit 3 }\nRSpec.describe('A') { it('x') {} }",
                "at_exit { puts 'one' }\nat_exit { puts 'two'; raise 'in at_exit' }\nRSpec.describe('A') { it('x') {} }",
                "RSpec.describe('A') { it('x') {}; it('y') { exit! 9 }; it('z') {} }",
                "RSpec.describe('A') { it('y') { exit 4 }; it('z') {} }",
                "RSpec.describe('A') { it('y') { abort 'so' } }",
                "RSpec.describe('A') { it('y') { Process.kill(:KILL, $$); sleep } }",
                "trap('TERM') { puts 'told'; exit 6 }\nRSpec.describe('A') { it('y') { Process.kill(:TERM, $$); sleep } }",
                "RSpec.describe('A') { it('y') { Process.kill(:INT, $$); sleep 0.2 }; it('z') {} }",
                "RSpec.describe('A') { it('y') { Thread.new { loop { sleep 0.01 } }; Thread.new { raise 'there' }.join } }",
                "Thread.new { loop { sleep 0.01 } }\nRSpec.describe('A') { it('y') { expect(Thread.list.size).to eq 2 } }",
                "Thread.report_on_exception = false\nThread.abort_on_exception = true\n"
                "RSpec.describe('A') { it('y') { Thread.new { raise 'main gets it' }; sleep 1 } }",
                "RSpec.describe('A') { it('y') { exec 'echo', 'another' } }",
                "RSpec.describe('A') { after(:suite) {}; it('y') {} }\nRSpec.configure { |c| c.after(:suite) { raise 'z' } }",
                "RSpec.configure { |c| c.failure_exit_code = 42; c.error_exit_code = 43 }\n"
                "RSpec.describe('A') { it('y') { raise } }")):
            self.write("spec/end%d_spec.rb" % i, text + "\n")
            cold = self.same("spec/end%d_spec.rb" % i)
            self.assertIn(cold["how"], (EXITED, SIGNALLED))
        self.served()

    def test_processes_that_an_example_makes(self):
        self.write("spec/fork_spec.rb", """
            at_exit { puts "leaving, #{$! ? $!.class : 'nothing'}"; $stdout.flush }
            RSpec.describe 'A' do
              it('waits for a child') { Process.wait(fork { exit! 3 }); expect($?.exitstatus).to eq 3 }
              it('has a child that exits as ever') { Process.wait(fork { puts 'child'; exit 2 }); expect($?.exitstatus).to eq 2 }
              it('runs a command') { puts `echo command`; system('echo more; exit 4'); expect($?.exitstatus).to eq 4 }
              it('runs rspec') { puts IO.popen(%w[rspec --version], :err => [:child, :out], &:read) }
              it('has no descriptor of ours') { expect(`ls /proc/self/fd`.split.size).to eq 4 }
              it('waits for any') { fork { exit! 0 }; expect(Process.waitall.size).to eq 1 }
            end
        """)
        self.assertEqual(self.same("spec/fork_spec.rb")["code"], 0)
        self.write("spec/daemon_spec.rb", """
            RSpec.describe 'A' do
              it('leaves') { File.write('left', [fork { sleep 1000 }, spawn('setsid sleep 1001'), fork { Process.daemon; sleep }].join(' ')) }
            end
        """)
        self.same("spec/daemon_spec.rb")
        with open(os.path.join(self.tree, "left"), encoding="ascii") as f:
            for pid in map(int, f.read().split()):
                self.assertFalse(is_alive(pid), "pid %d outlived its run" % pid)
        self.served()

    def test_what_a_file_can_see_of_its_process(self):
        self.write("spec/see_spec.rb", """
            def status(*names)
              File.readlines('/proc/self/status').grep(/^(#{names.join('|')}):/)
            end

            ios = [STDIN, STDOUT, STDERR]
            seen = {
              :name => [$0, $PROGRAM_NAME, __FILE__],
              :words => [ARGV, ARGV.map(&:frozen?), ARGV.map(&:encoding), $*.equal?(ARGV)],
              :title => File.read('/proc/self/cmdline').tr("\\0", ' ').strip,
              :loaded => $LOADED_FEATURES, :path => $LOAD_PATH, :gems => Gem.loaded_specs.keys.sort,
              :constants => Object.constants.sort, :globals => global_variables.sort,
              :modules => ObjectSpace.each_object(Module).map(&:to_s).grep_v(/#<|^WrataWarm$/).sort,
              :methods => [Kernel, Object, Process, ENV, RSpec, RSpec::Core::Runner].map { |m| m.methods(false).sort },
              :runner => RSpec::Core::Runner.method(:invoke).inspect,
              :monkeys => [:should, :stub].map { |name| BasicObject.method_defined?(name) },
              :caller => caller,
              :environment => ENV.map { |name, value| [name, value.gsub(/\\d+/) { |n| name =~ /\\AWRATA_(RUN_ID|AGENT_RUN)/ ? 'N' : n }] },
              :environment_encodings => ENV.values.map(&:encoding).uniq,
              :bundler => defined?(Bundler) && Bundler::ORIGINAL_ENV.sort.reject { |name, _| name =~ /RUN_ID|AGENT_RUN/ },
              :encodings => [Encoding.default_external, Encoding.default_internal, Encoding.find('locale')],
              :io => ios.map { |io| [io.inspect, io.fileno, io.sync, io.tty?, io.close_on_exec?, io.fcntl(3) & 0xfff] },
              :io_text => ios.map { |io| [io.binmode?, io.external_encoding, io.internal_encoding] },
              :same_io => [$stdin.equal?(STDIN), $stdout.equal?(STDOUT), $stderr.equal?(STDERR)],
              :input => STDIN.read,
              :files => Dir['/proc/self/fd/*'].map { |fd| [fd[/\\d+/].to_i, (File.readlink(fd).sub(/\\d+/, 'N') rescue nil)] }
                           .reject { |number, path| number > 3 && path == '/dev/null' }, # bundler leaves them to the GC
              :place => [Dir.pwd, File.umask],
              :limits => [Process.getrlimit(:NOFILE), Process.getrlimit(:STACK), Process.getpriority(Process::PRIO_PROCESS, 0)],
              :ids => [Process.uid, Process.euid, Process.gid, Process.groups],
              :leads => [Process.getpgrp == $$, Process.getsid == $$],
              :parent => File.read("/proc/#{Process.ppid}/cmdline").split("\\0").values_at(1, 5),
              :groups => File.read('/proc/self/cgroup'),
              :threads => Thread.list.map { |t| [t.name, t.status, t.keys, t.priority, t == Thread.main] },
              :signals => status('SigBlk', 'SigIgn', 'SigCgt'), :rights => status('CapEff', 'NoNewPrivs', 'Seccomp'),
              :traps => %w[TERM INT CHLD PIPE HUP USR1].map { |name| [name, trap(name, 'DEFAULT').inspect[/\\w+/]] },
              :warnings => [$VERBOSE, $DEBUG, Warning[:deprecated], Warning[:experimental]],
              :compiler => RubyVM::InstructionSequence.compile_option, :gc => [GC.stress, GC.disable, GC.enable],
              :rspec => [RSpec.configuration.files_to_run, RSpec.configuration.requires, RSpec.world.example_groups.size],
            }
            seen.each { |name, what| puts "#{name}: #{what.inspect}" }

            RSpec.describe 'A' do
              it 'sees' do
                puts caller
                traced = []
                TracePoint.new(:call) { |point| traced << point.method_id }.enable { def self.hop; end; hop }
                puts traced.inspect, $LOADED_FEATURES.sort, File.read('/proc/self/status')[/^Threads.*/]
              end
            end
        """)
        cold = self.same("spec/see_spec.rb", env=["ONE=1", "TWO=a=b \u00e4", "EMPTY=", "SPEC_LANGUAGE=de", "WRATA_ATTEMPT=1"])
        self.assertEqual(cold["code"], 0, cold["log"])
        for word in ("WRATA_ATTEMPT", "SPEC_LANGUAGE", "[:hop]", "/s0"):
            self.assertIn(word, cold["log"])
        self.served()

    def test_luck_is_each_runs_own(self):
        self.write("spec/luck_spec.rb", """
            require 'securerandom'
            RSpec.configure { |c| c.order = :random }
            RSpec.describe('A') { it('x') { File.write("luck", [rand(2**64), Random.new_seed, SecureRandom.hex, RSpec.configuration.seed, Random.rand, [*1..99].shuffle.first(9)].join(' ') + "\\n", :mode => 'a') } }
        """)
        self.same("spec/luck_spec.rb")
        with open(os.path.join(self.tree, "luck"), encoding="ascii") as f:
            lines = [line.split() for line in f]
        for column in range(6):
            self.assertEqual(len({line[column] for line in lines}), 3, "column %d of %s" % (column, lines))
        self.write("spec/srand_spec.rb", "srand 42\nRSpec.describe('A') { it('x') { puts rand(1000), Random.rand(1000), [*1..9].shuffle.inspect } }\n")
        self.same("spec/srand_spec.rb")
        self.served()

    def test_nothing_is_left_for_the_next_file(self):
        self.write("spec/one_spec.rb", """
            class Thing; SIZE = 1; def one; end; end
            class String; def shout; upcase; end; end
            ENV['LEFT'] = 'here'; ENV.delete('GIVEN'); $left = 1; Dir.chdir('/'); File.umask(0); srand 5; trap('TERM') {}
            $stdout.sync = true; $PROGRAM_NAME = 'other'; $LOAD_PATH << '/left'; Encoding.default_internal = 'UTF-16LE'; $VERBOSE = true
            RSpec.configure { |c| c.add_setting :left; c.before { raise 'left' if ENV['RAISE'] }; c.fail_fast = true }
            RSpec.describe('A') { it('x') { expect(Thing.new).to respond_to(:one) } }
        """)
        self.write("spec/two_spec.rb", """
            class Thing; SIZE = 2; def two; end; end
            RSpec.describe 'A' do
              it('is as fresh') do
                puts Thing::SIZE, Thing.new.respond_to?(:one), ''.respond_to?(:shout), ENV['LEFT'].inspect, ENV['GIVEN'], $left.inspect
                puts Dir.pwd, File.umask, $stdout.sync, $0, $LOAD_PATH.include?('/left'), Encoding.default_internal.inspect, $VERBOSE
                puts RSpec.configuration.respond_to?(:left), RSpec.configuration.fail_fast.inspect
              end
            end
        """)
        self.env = ["GIVEN=yes"]
        for name in ("spec/one_spec.rb", "spec/two_spec.rb", "spec/one_spec.rb", "spec/two_spec.rb"):
            self.same(name)
        self.served()

    def test_configurations_of_all_kinds(self):
        for i, text in enumerate((
                "RSpec.configuration.freeze\nRSpec.describe('A') { it('x') {} }",
                "RSpec.configure { |c| c.mock_with :nothing; c.expect_with(:rspec) { |e| e.syntax = :expect } }\n"
                "RSpec.describe('A') { it('x') { puts defined?(RSpec::Mocks).inspect; expect(1.respond_to?(:should)).to be false } }",
                "require 'test/unit/assertions'\nRSpec.configure { |c| c.expect_with :test_unit }\n"
                "RSpec.describe('A') { it('x') { puts defined?(RSpec::Matchers).inspect, 1.respond_to?(:should); assert_equal 1, 2 } }",
                "RSpec.configure { |c| c.formatter = 'doc'; c.around { |e| puts 'around'; e.run } }\nRSpec.describe('A') { it('x') {} }",
                "RSpec.configure { |c| c.warnings = true }\nRSpec.describe('A') { it('x') { @y; eval 'z = 1' } }",
                "require 'coverage'\nCoverage.start\nrequire './lib/thing'\n"
                "RSpec.describe('A') { it('x') { p Coverage.result.select { |f, _| f =~ /thing|rspec/ }.sort } }",
                "RSpec.describe('A') { it('x') { p RubyVM::InstructionSequence.compile_option; load './lib/thing.rb'; load './lib/thing.rb' } }",
                "RubyVM::InstructionSequence.compile_option = { :frozen_string_literal => true }\n"
                "RSpec.describe('A') { it('x') { load './lib/thing.rb'; p Thing.text.frozen? } }",
                "require 'set'\nrequire 'json'\nRSpec.describe('A') { it('x') { puts JSON.generate(:a => Set.new([1]).to_a) } }",
                "RSpec.describe('A') { it('x') { puts defined?(JSON).inspect, defined?(Socket).inspect, defined?(IO.console).inspect } }",
                "RSpec.describe('A') { it('x') { $stdout.write('a' * 300000); $stderr.puts 'b'; $stdout.puts \"\\xff\\x00\" } }")):
            self.write("lib/thing.rb", "module Thing\n  def self.text\n    'text'\n  end\nend\n")
            self.write("spec/kind%d_spec.rb" % i, text + "\n")
            self.same("spec/kind%d_spec.rb" % i)
        self.served()

    def test_limits(self):
        self.write("spec/loop_spec.rb", "RSpec.describe('A') { it('spins') { puts 'here'; $stdout.flush; loop {} } }\n")
        cold = self.same("spec/loop_spec.rb", time_limit_ms=4000)
        self.assertEqual(cold["how"], TIME_LIMIT)
        self.assertIn("spins", cold["reason"])
        self.assertIn("rspec --require", cold["log"])
        self.write("spec/deaf_spec.rb", "trap('TERM') {}\nRSpec.describe('A') { it('sleeps') { fork { sleep 1000 }; sleep } }\n")
        self.same("spec/deaf_spec.rb", silence_limit_ms=4000)  # longer than a boot takes on a busy computer
        if "memory" in self.link.hello["facts"]:
            self.write("spec/memory_spec.rb", "RSpec.describe('A') { it('eats') { x = 'x' * (400 << 20); puts x.size } }\n")
            self.assertEqual(self.same("spec/memory_spec.rb", memory_max_bytes=128 << 20)["how"], MEMORY_LIMIT)
        self.served()


class TheSameByBundler(TheSame):
    """With bundler's own ways with the environment and the stack."""

    command = ["bundle", "exec", "rspec"]

    def setUp(self):
        super().setUp()
        self.write("Gemfile", "source 'https://rubygems.org'\ngem 'rspec'\n")
        made = subprocess.run(["bundle", "install", "--local"], cwd=self.tree, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if made.returncode != 0:
            self.skipTest("bundler cannot make a Gemfile.lock here: %s" % made.stdout.decode()[-300:])

    def test_a_clean_environment_is_that_of_the_run(self):
        self.write("spec/clean_spec.rb", """
            RSpec.describe 'A' do
              it 'knows what bundler changed' do
                Bundler.with_unbundled_env { puts `env | sort | grep -v WRATA_AGENT_RUN | grep -v RUN_ID` }
                Bundler.with_original_env { puts `env | sort | grep -v WRATA_AGENT_RUN | grep -v RUN_ID` }
                puts ENV['WRATA_RUN_ID'] == Bundler::ORIGINAL_ENV['WRATA_RUN_ID']
                puts `env | sort | grep -v WRATA_AGENT_RUN | grep -v RUN_ID`, IO.popen(%w[rspec --version], &:read)
              end
            end
        """)
        for env in ([], ["RUBYOPT=-W:no-deprecated", "SPEC_BROWSER=firefox"], ["BUNDLE_GEMFILE=" + self.tree + "/Gemfile"]):
            self.warm_runs = 0
            cold = self.same("spec/clean_spec.rb", env=env)
            self.assertEqual(cold["code"], 0, cold["log"])
            self.served()

    def test_a_gemfile_that_looks_at_the_environment(self):
        """Runs that differ in it do not share a process, and one with secrets has none."""
        self.write("Gemfile", "source 'https://rubygems.org'\ngem 'rspec'\n$language = ENV['SPEC_LANGUAGE']\n$key = ENV['KEY']\n")
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { puts $language.inspect, $key.inspect } }\n")
        for language in ("de", "fr"):
            self.warm_runs = 0
            self.assertIn(language, self.same("spec/a_spec.rb", env=["SPEC_LANGUAGE=" + language])["log"])
            self.served()
        known = len(self.events("warm.up"))
        self.assertIn("***", self.rspec("spec/a_spec.rb", secrets=["KEY=very-much-hidden"])["log"])
        self.assertEqual(len(self.events("warm.up")), known)


# The rest is RSpec's alone: seen once is enough.
for name in dir(TheSame):
    if name.startswith("test_") and not re.search("chosen|can_see|makes|configurations", name):
        setattr(TheSameByBundler, name, None)


class Boot(Warm):
    """What a process that forks is made of, and when it is another one."""

    def rss(self, pid):
        return int(re.search(r"VmRSS:\s+(\d+)", slurp("/proc/%d/status" % pid)).group(1))

    def warm_pid(self):
        found = warm_pids(self.where)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_what_a_boot_says_stands_in_every_log(self):
        self.write("loud.rb", "warn 'from the boot'\n")
        self.write("spec/a_spec.rb", "puts 'from the file'\nRSpec.describe('A') { it('x') {} }\n")
        for env in (["RUBYOPT=-r%s/loud.rb" % self.tree], ["RUBYOPT=-w -rset"], ["RUBYOPT="], ["SPEC_OPTS=--format doc --no-color"],
                    ["LANG=C", "LC_ALL=C"], ["TZ=Asia/Tokyo", "RUBY_GC_HEAP_INIT_SLOTS=100000"]):
            self.warm_runs = 0
            cold = self.same("spec/a_spec.rb", env=env)
            self.assertEqual(cold["code"], 0, cold["log"])
            self.served()

    def test_secrets_are_in_the_child_alone(self):
        self.write("spec/a_spec.rb", """
            RSpec.describe('A') { it('x') { puts ENV['KEY'], ENV['KEY'].reverse, `echo $KEY`; sleep 0.5 } }
        """)
        secret = "very-much-hidden-Zq9"
        cold = self.same("spec/a_spec.rb", secrets=["KEY=" + secret])
        self.assertEqual(cold["log"].split()[:3], ["***", secret[::-1], "***"])
        pid = self.warm_pid()
        self.assertNotIn(secret, slurp("/proc/%d/environ" % pid))
        with open("/proc/%d/maps" % pid, encoding="utf-8") as maps, open("/proc/%d/mem" % pid, "rb") as memory:
            for line in maps:
                first, last = [int(n, 16) for n in line.split()[0].split("-")]
                if line.split()[1].startswith("rw") and "[v" not in line:
                    memory.seek(first)
                    self.assertNotIn(secret.encode(), memory.read(last - first), line)
        self.served()
        self.assertEqual(self.rspec("spec/a_spec.rb", env=["KEY=no-secret"])["log"].split()[0], "no-secret")
        known = len(self.events("warm.up"))
        for name in ("RUBYOPT", "LD_PRELOAD"):  # a secret that says something to Ruby
            self.rspec("spec/a_spec.rb", secrets=[name + "=", "KEY=" + secret])
        self.assertEqual(len(self.events("warm.up")), known)

    def test_one_process_for_all_that_is_equal(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { puts ENV['SPEC_LANGUAGE'], ENV['SPEC_BROWSER'].inspect } }\n")
        for language, browser in (("en", []), ("de", ["SPEC_BROWSER=firefox"]), ("en", [])):
            log = self.rspec("spec/a_spec.rb", env=["SPEC_LANGUAGE=" + language, *browser])["log"]
            self.assertEqual(log.split()[:2], [language, '"firefox"' if browser else "nil"])
        self.assertEqual(len(self.events("warm.up")), 1)
        self.rspec("spec/a_spec.rb", env=["ANY=other"])
        self.assertEqual(len(self.events("warm.up")), 2)

    def test_kinds_that_take_turns_are_not_booted_each_time(self):
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {} }\n")
        for i in range(6):
            self.rspec("spec/a_spec.rb", env=["ANY=%d" % (i % 2)])
        self.assertEqual(len(self.events("warm.up")), 1)
        self.rspec("spec/a_spec.rb", env=["ANY=1"])  # twice in a row: it pays again
        self.assertEqual(len(self.events("warm.up")), 2)

    def test_files_that_change_make_it_stale(self):
        self.write("Gemfile", "# nothing\n")
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {} }\n")
        self.write("spec/b_spec.rb", "RSpec.describe('A') { it('x') { File.write('Gemfile', 'a' * rand(999)) } }\n")
        for _ in range(3):
            self.assertEqual(self.rspec("spec/a_spec.rb")["code"], 0)
        self.write("Gemfile", "# another thing\n")
        for _ in range(3):
            self.assertEqual(self.rspec("spec/a_spec.rb")["code"], 0)
        self.assertEqual([re.search("forks=.*", line).group() for line in self.events("warm.end")],
                         ['forks=3 why="stale %s/Gemfile"' % self.tree])
        self.assertEqual(len(self.events("warm.up")), 2)
        for _ in range(6):  # by each run: that does not pay
            self.assertEqual(self.rspec("spec/b_spec.rb")["code"], 0)
        self.assertLessEqual(len(self.events("warm.up")), 3)

    def test_a_boot_that_cannot_be_had(self):
        """Nobody waits for it twice, and what is shown is what it would have been."""
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { puts 'ran' } }\n")
        self.write("bin/rspec", "#!/bin/sh\necho own program: $*\nexit 3\n")
        os.chmod(os.path.join(self.tree, "bin/rspec"), 0o755)
        for env in (["PATH=%s/bin" % self.tree], ["RUBYOPT=--disable-gems"], ["RUBYOPT=-rno/such/file"], ["PATH=/nowhere"]):
            runs = [self.rspec("spec/a_spec.rb", env=env, setup=setup) for setup in (COLD, [], [])]
            self.assertEqual(runs[1], runs[0], env)
            self.assertEqual(runs[2], runs[0], env)
        self.assertEqual(self.events("warm.up"), [])
        self.assertLessEqual(len(self.events("warm.failed")), 3)
        self.assertEqual(self.rspec("spec/a_spec.rb")["log"].split()[0], "ran")
        self.assertEqual(len(self.events("warm.up")), 1)


class Preload(Warm):
    """A file of the project that is loaded before the fork: what the docs promise, and what they say it shares."""

    setup = ["preload=spec/spec_helper.rb"]

    def setUp(self):
        super().setUp()
        self.write(".rspec", "--require spec_helper\n")
        self.write("lib/thing.rb", "module Thing; File.write('loads', 'x', :mode => 'a'); end\n")
        self.write("spec/spec_helper.rb", """
            require 'thing'
            puts 'helper is here'
            ENV['MODE'] = 'test'
            at_exit { puts 'helper says bye' }
            RSpec.configure do |c|
              c.order = :random
              Kernel.srand c.seed
              c.before { @helped = true }
            end
        """)
        self.write("spec/a_spec.rb", """
            RSpec.describe 'A' do
              it('x') { expect(@helped).to be true; expect(ENV['MODE']).to eq 'test'; puts defined?(Thing) }
              it('y') { File.write('luck', "#{RSpec.configuration.seed} #{Random.seed} #{rand(2**60)}\\n", :mode => 'a') }
            end
        """)

    def loads(self):
        return len(slurp(os.path.join(self.tree, "loads")))

    def test_it_is_loaded_once_and_works_in_each(self):
        cold = self.rspec("spec/a_spec.rb", setup=COLD)
        for _ in range(4):
            warm = self.rspec("spec/a_spec.rb", setup=self.setup)
            self.assertEqual(sorted(warm["log"].replace(".", " ").split()), sorted(cold["log"].replace(".", " ").split()))
            self.assertEqual((warm["code"], warm["how"]), (0, EXITED))
        self.assertEqual(self.loads(), 2)
        luck = [line.split() for line in slurp(os.path.join(self.tree, "luck")).splitlines()]
        self.assertEqual(len({seed for seed, _, _ in luck}), 5)  # one in 10,000 times two are equal
        self.assertEqual(len({number for _, _, number in luck}), 5)
        for seed, given, _ in luck:
            self.assertEqual(seed, given)
        self.warm_runs = 4
        self.served()

    def test_another_language_is_another_process(self):
        for i, language in enumerate(("de", "fr")):
            for _ in range(2):
                self.assertEqual(self.rspec("spec/a_spec.rb", setup=self.setup, env=["SPEC_LANGUAGE=" + language])["code"], 0)
            self.assertEqual(self.loads(), i + 1)

    def test_a_run_with_secrets_loads_it_by_itself(self):
        self.assertEqual(self.rspec("spec/a_spec.rb", setup=self.setup, secrets=["KEY=very-much-hidden"])["code"], 0)
        self.assertIn('preload=""', self.events("warm.up")[0])
        self.assertEqual(self.loads(), 1)

    def test_a_change_of_what_it_loaded_is_seen(self):
        self.rspec("spec/a_spec.rb", setup=self.setup)
        self.write("lib/thing.rb", "module Thing; def self.inspect; 'the new one'; end; end\n")
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { p Thing } }\n")
        self.assertIn("the new one", self.rspec("spec/a_spec.rb", setup=self.setup)["log"])

    def test_one_that_does_not_load_is_told_once(self):
        self.write("spec/spec_helper.rb", "raise 'not without a database'\n")
        self.write(".rspec", "")
        first, second = [self.rspec("spec/a_spec.rb", setup=self.setup) for _ in range(2)]
        self.assertIn("[wrata: spec/spec_helper.rb is not preloaded, each file starts by itself: it ended while it started: "
                      "RuntimeError: not without a database", first["log"])
        self.assertNotIn("wrata:", second["log"])
        self.assertEqual((first["code"], second["code"]), (1, 1))  # nobody gave it its helper

    def test_coverage_is_reported_by_each(self):
        if subprocess.run(["ruby", "-rsimplecov", "-e", "SimpleCov.pid"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("simplecov is not installed")
        self.write("spec/spec_helper.rb", "require 'simplecov'\nSimpleCov.start { add_filter '/spec/' }\nrequire 'thing'\n")
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') {} }\n")
        for _ in range(2):
            shutil.rmtree(os.path.join(self.tree, "coverage"), ignore_errors=True)
            self.rspec("spec/a_spec.rb", setup=self.setup)
            self.assertIn("thing.rb", slurp(os.path.join(self.tree, "coverage", ".resultset.json")))


class Faults(Warm):
    """Whatever dies, no run is worse off than by itself."""

    def setUp(self):
        super().setUp()
        self.write("spec/a_spec.rb", "RSpec.describe('A') { it('x') { puts 'ran' } }\n")
        self.write("spec/slow_spec.rb", "RSpec.describe('A') { it('x') { puts \"pid #{$$}\"; $stdout.flush; sleep 4; puts 'to the end' } }\n")

    def assert_runs(self):
        after = self.rspec("spec/a_spec.rb")
        self.assertEqual((after["how"], after["code"], after["log"].split()[0]), (EXITED, 0, "ran"), after)

    def start(self, name):
        self.last += 1
        self.link.start(self.last, [*self.command, name], launch=self.launch, adapter="rspec")

    def pid_of_run(self):
        self.link.wait(lambda: b"pid" in self.link.log(self.last))
        return int(self.link.log(self.last).split()[1])

    def test_killed_between_runs(self):
        self.assert_runs()
        os.kill(warm_pids(self.where)[0], signal.SIGKILL)
        self.assert_runs()
        self.assert_runs()
        self.assertEqual(len(self.events("warm.up")), 2)

    def test_killed_in_the_middle_of_a_run(self):
        self.assert_runs()
        self.start("spec/slow_spec.rb")
        pid = self.pid_of_run()
        os.kill(warm_pids(self.where)[0], signal.SIGKILL)
        f = self.link.end(self.last)
        self.assertEqual((f["how"], f["exit_code"]), (EXITED, 0))
        self.assertIn(b"to the end", self.link.log(self.last))
        self.assertFalse(is_alive(pid))
        self.assert_runs()

    def test_the_child_is_killed(self):
        self.assert_runs()
        self.start("spec/slow_spec.rb")
        os.kill(self.pid_of_run(), signal.SIGKILL)
        f = self.link.end(self.last)
        self.assertEqual((f["how"], f["signal"]), (SIGNALLED, signal.SIGKILL))
        self.assert_runs()
        self.assertEqual(len(self.events("warm.up")), 1)

    def test_killed_while_it_boots(self):
        self.start("spec/a_spec.rb")
        end = time.monotonic() + 60
        found = []
        while not found and time.monotonic() < end:
            self.link.feed(0.005)
            found = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and self.is_booting(pid)]
        os.kill(found[0], signal.SIGKILL)
        self.assertEqual(self.link.end(self.last)["exit_code"], 0)
        self.assertIn(b"ran", self.link.log(self.last))
        self.assert_runs()

    def is_booting(self, pid):
        try:
            return "....." in slurp("/proc/%s/cmdline" % pid) and \
                int(slurp("/proc/%s/stat" % pid).rsplit(")", 1)[1].split()[1]) == pid_of_agent(self.where)
        except OSError:
            return False

    def test_one_that_hangs_is_not_waited_for(self):
        self.assert_runs()
        pid = warm_pids(self.where)[0]
        os.kill(pid, signal.SIGSTOP)
        self.assert_runs()  # after 10 s
        self.assertFalse(is_alive(pid))
        self.assertIn('why="no child came"', self.events("warm.end")[0])
        self.assert_runs()

    def test_stopped_while_it_waits(self):
        self.assert_runs()
        pid = warm_pids(self.where)[0]
        os.kill(pid, signal.SIGSTOP)
        self.start("spec/slow_spec.rb")
        self.link.for_s(0.5)
        self.link.drop(self.last)
        self.link.wait(lambda: self.link.beat and self.link.beat["held"] == [])
        self.assertTrue(wait_dead(pid))
        self.assert_runs()

    def test_all_end_with_the_agent(self):
        self.assert_runs()
        self.start("spec/slow_spec.rb")
        pids = [self.pid_of_run(), *warm_pids(self.where)]
        os.kill(pid_of_agent(self.where), signal.SIGKILL)
        for pid in pids:
            self.assertTrue(wait_dead(pid), "pid %d outlived the agent" % pid)


class FaultsWithoutCgroups(Faults):
    options = ("--no-cgroup",)


# What has nothing to do with processes left behind need not run twice.
for name in ("test_one_that_hangs_is_not_waited_for", "test_killed_while_it_boots"):
    setattr(FaultsWithoutCgroups, name, None)


if __name__ == "__main__":
    unittest.main(verbosity=2)
