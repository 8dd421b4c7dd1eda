# frozen_string_literal: true

# RSpec booted once and forked for each file: what the agent's warm processes are made of (docs/warm.md).
#
#   RUBYOPT=-r.../wrata_warm.rb WRATA_WARM= rspec --version 3<>socket
#
# That is an ordinary rspec, by bundler where the command says so. This file, loaded before everything else, only waits for
# RSpec::Core::Runner.invoke to be called: all that a fresh process does before it looks at its arguments is done then. There
# the process stays and forks, and each child goes on from that very place as if it had come there by itself: the same stack,
# the same $0, the same exit; its arguments and its whole environment are those of its run.
#
# The hook is a TracePoint, so no method is another one than usual and no frame of ours is in any backtrace. No library is
# loaded, so that none is there that a project forgot to require: the descriptors of a run are opened through /proc, as the
# library that could receive them would be such a one.
#
# On descriptor 3, a packet each:
#   we say     ready | child PID | stale WHAT | failed WHY
#   we hear    fork AGENT LOG RESULTS REQUEST: a pid, and pipes of that process as NUMBER:INODE
# The child reads its arguments and environment from the request, which is written when the agent has taken it in: before
# that nothing of the run happens, and a child that is not wanted any more finds the pipe at its end and goes. Secrets are
# in the request alone: the process that forks never has them.
#
# Where something is not as it must be, we leave: the agent starts the run the plain way.
module WrataWarm
  SOCKET = 3
  REPARENTED_TRIES = 10_000 # of half a millisecond
  PR_SET_PDEATHSIG = 1
  PRCTL = { 'x86_64' => 157, 'aarch64' => 167, 'riscv64' => 167, 'ppc64le' => 171, 'i686' => 172, 'armv7l' => 172 }.freeze
  # What a boot depends on besides the code that it loaded; absent ones may come.
  FILES = ['Gemfile', 'Gemfile.lock', 'gems.rb', 'gems.locked', '.bundle/config', '.ruby-version', '.tool-versions',
           '~/.bundle/config', '~/.gemrc'].freeze
  SEED_OF_SOMEBODY = 2**64 # Ruby's own are longer

  class << self
    # Our words leave the environment at once: what bundler keeps of it must not have them.
    def install(preload)
      rest = ENV['RUBYOPT'].to_s.sub("-r#{__FILE__}", '')
      rest.empty? ? ENV.delete('RUBYOPT') : ENV['RUBYOPT'] = rest.sub(' ', '')
      @preload = preload.empty? ? nil : preload
      @environment = ENV.to_h
      wait_for_runner
    end

    private

    # The end of the class is where its methods are there and nobody has called one.
    def wait_for_runner
      seen = TracePoint.new(:end) do |point|
        next unless point.self.is_a?(Module) && point.self.name == 'RSpec::Core::Runner'
        seen.disable
        hook = TracePoint.new(:call) do
          hook.disable
          boot
          stay
        end
        hook.enable(:target => RSpec::Core::Runner.method(:invoke))
      end
      seen.enable
    end

    def boot
      @socket = IO.for_fd(SOCKET, 'r+b')
      @socket.autoclose = false
      load_project if @preload
      forget_self
      @stamps = files.map { |file| [file, stamp_of(file)] }
      @changes = changes
      null = open_number('/dev/null', File::WRONLY) # what was said until now is of every run; the rest is of nobody
      write_to(null)
      null.close
      @title = File.binread('/proc/self/cmdline').tr("\0", ' ')[/\A(.*?)--version/, 1].to_s # bundler has its own
      Process.setproctitle("wrata: rspec is warm#{" with #{@preload}" if @preload}")
      3.times { GC.start } # what is old is written to less, and stays shared with the children
      @ahead = rspec_files
      @compiled = {}
    rescue Exception => e
      STDERR.puts "#{e.class}: #{e.message}", Array(e.backtrace).first(3)
      exit!(1)
    end

    # Returns in children alone.
    def stay
      say 'ready'
      loop do
        compile_ahead
        request = @socket.sysread(4096).split
        changed = @stamps.find { |file, stamp| stamp_of(file) != stamp }
        if changed
          say "stale #{changed.first}"
          next
        end
        failed = fork_child
        return become_run(request) if failed == :child
        say "failed #{failed}" if failed
      end
    rescue EOFError, SystemCallError
      exit!(0)
    end

    # What RSpec will load when it knows its options, as code that is compiled and not yet run. So nothing is there earlier than
    # in a fresh process, also where a project has other mocks, and yet most of the work is done. Once, while nobody asks.
    def compile_ahead
      until @ahead.empty? || IO.select([@socket], nil, nil, 0)
        file = @ahead.shift
        @compiled[file] = RubyVM::InstructionSequence.compile_file(file) unless $VERBOSE # or its warnings would be lost
        GC.start if @ahead.empty?
      end
    rescue SyntaxError, SystemCallError
      @ahead.clear
    end

    def rspec_files
      return [] unless defined?(RubyVM::InstructionSequence)
      core = $LOADED_FEATURES.find { |file| file.end_with?('/lib/rspec/core.rb') }.to_s
      beside = Dir["#{core[%r{\A.*/(?=rspec-core)}]}rspec-{expectations,mocks}-*/lib"] if core =~ %r{/rspec-core[^/]*/lib}
      found = %w[expectations mocks].map do |name|
        ($LOAD_PATH + beside.to_a.sort).reverse.find { |folder| File.file?("#{folder}/rspec/#{name}.rb") }
      end
      found.compact.flat_map { |lib| Dir["#{lib}/rspec/*.rb"] + Dir["#{lib}/rspec/{expectations,matchers,mocks}/**/*.rb"] } +
        Dir["#{File.dirname(core)}/core/formatters/{base,base_text,progress}_formatter.rb"] - $LOADED_FEATURES
    end

    # Each once: a file that is loaded again is compiled again. Coverage counts what it sees being compiled.
    def use_compiled
      compiled = @compiled
      compiler = RubyVM::InstructionSequence
      options = compiler.compile_option
      return if compiled.empty? || compiler.respond_to?(:load_iseq)
      compiler.define_singleton_method(:load_iseq) do |path|
        next if $VERBOSE || !compiled.key?(path) || (defined?(Coverage) && Coverage.running?) || compile_option != options
        compiled.delete(path)
      end
    end

    # With the folders in the load path that RSpec would put there.
    def load_project
      RSpec::Core::RubyProject.add_to_load_path('lib', 'spec')
      @seed = RSpec.configuration.seed
      raise 'preload needs Ruby 3.1' unless TracePoint.respond_to?(:allow_reentry)
      TracePoint.allow_reentry { require File.expand_path(@preload) } # loaders of code trace, too
      @given_seed = Random.respond_to?(:seed) ? Random.seed : Random::DEFAULT.seed
      @given_seed = nil unless @given_seed < SEED_OF_SOMEBODY
    end

    def forget_self
      Object.send(:remove_const, :WrataWarm)
      $LOADED_FEATURES.delete(__FILE__)
      require 'rbconfig' # is there: but what is loaded is indexed again now, and not in each child
    end

    def files
      root = "#{Dir.pwd}/"
      bundle = ENV['BUNDLE_GEMFILE']
      FILES.map { |file| File.expand_path(file) } + (bundle ? [bundle, "#{bundle}.lock"] : []) +
        Dir["#{root}*.gemspec"] + $LOADED_FEATURES.select { |file| file.start_with?(root) }
    end

    def stamp_of(file)
      stat = File.stat(file)
      [stat.ino, stat.size, stat.mtime.to_r]
    rescue SystemCallError
      nil
    end

    # What boot did to the environment: done again on top of that of each run.
    def changes
      now = ENV.to_h
      (@environment.keys - now.keys).map { |name| [name, nil] } +
        now.reject { |name, value| @environment[name] == value }.to_a
    end

    def say(text)
      @socket.syswrite(text)
    end

    # Without a path: what is reopened to it would show that.
    def open_number(path, mode)
      IO.for_fd(IO.sysopen(path, mode), mode)
    end

    def write_to(other)
      [STDOUT, STDERR].each do |io|
        sync = io.sync
        io.flush.reopen(other)
        io.sync = sync
      end
    end

    # :child in the child; nil: it is on its way; a text: why not. Forked twice, so that it is the agent's.
    def fork_child
      between = fork
      if between
        Process.wait(between)
        return $?.success? ? nil : 'there is no room for another process'
      end
      begin
        return :child unless fork
      rescue SystemCallError
        exit!(1)
      end
      exit!(0)
    rescue SystemCallError => e
      e.message
    end

    # ---- in the child ----

    def become_run(request)
      words, environment = meet_agent(*request.drop(1))
      Process.setproctitle(@title + words.join(' '))
      environment_of_run(environment)
      ARGV.replace(ARGV.first.frozen? ? words.each(&:freeze) : words)
      $_rspec_core_load_started_at = Time.now
      use_compiled
      reset_preloaded if @preload
    end

    # Until the end of it the agent may start the run another way; then it is ours.
    def meet_agent(agent, log, results, request)
      agent = agent.to_i
      Process.setsid
      wait_for_parent(agent)
      die_with_parent
      exit!(1) unless Process.ppid == agent
      log, results = [log, results].map { |pipe| open_pipe(agent, pipe, File::WRONLY) }
      request = open_pipe(agent, request, File::RDONLY)
      say "child #{$$}"
      message = read_message(request)
      write_to(log)
      @socket.reopen(results)
      [log, results, request].each(&:close)
      message
    rescue SystemCallError => e
      say "failed #{e.message}"
      exit!(1)
    end

    # When the number means another pipe by now, we were given up.
    def open_pipe(agent, text, mode)
      number, inode = text.split(':')
      io = open_number("/proc/#{agent}/fd/#{number}", mode)
      io.stat.ino == inode.to_i ? io : exit!(1)
    end

    def wait_for_parent(agent)
      REPARENTED_TRIES.times do
        return if Process.ppid == agent
        sleep 0.0005
      end
      exit!(1)
    end

    # The one thing that Ruby has no method for. It goes by the parent of the moment, so that has to be the agent.
    def die_with_parent
      number = PRCTL[RbConfig::CONFIG['host_cpu']]
      verbose = $VERBOSE
      $VERBOSE = nil # or it is said that this call will be gone one day
      syscall(number, PR_SET_PDEATHSIG, Signal.list['KILL']) if number
    rescue NotImplementedError, SystemCallError
      nil # then whoever comes after the agent finds us
    ensure
      $VERBOSE = verbose
    end

    # COUNT words, COUNT variables, "end": each with a NUL behind it.
    def read_message(io)
      fields = io.read.force_encoding(Encoding.find('locale')).split("\0", -1)
      words = fields.shift(fields.shift.to_i)
      environment = fields.shift(fields.shift.to_i)
      exit!(1) unless fields.first == 'end'
      [words, environment.map { |entry| entry.split('=', 2) }]
    end

    def environment_of_run(environment)
      ENV.clear
      (environment + @changes).each { |name, value| ENV[name] = value }
      return unless defined?(Bundler::ORIGINAL_ENV) && !Bundler::ORIGINAL_ENV.frozen?
      given = Hash[environment]
      (@environment.keys - given.keys).each { |name| Bundler::ORIGINAL_ENV.delete(name) }
      given.each { |name, value| Bundler::ORIGINAL_ENV[name] = value unless @environment[name] == value }
    end

    # What was made before the fork and is each run's own: its time and its luck. A project that chose a seed keeps it; what
    # it gave to srand is given again, as a fork forgets it.
    def reset_preloaded
      SimpleCov.pid = $$ if defined?(SimpleCov) && SimpleCov.respond_to?(:pid=)
      RSpec.configuration.start_time = Time.now
      given = @given_seed
      if RSpec.configuration.seed == @seed
        seed = rand(0xFFFF)
        RSpec.configuration.instance_variable_get(:@ordering_manager).instance_variable_set(:@seed, seed)
        given = seed if given == @seed
      end
      srand(given) if given
    end
  end

  preload = ENV.delete('WRATA_WARM')
  install(preload) if preload && Process.respond_to?(:fork)
end
