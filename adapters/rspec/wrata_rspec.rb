# frozen_string_literal: true

# Tells wrata what happens in an RSpec run, example by example (docs/results-channel.md).
#
#   WRATA_RESULTS_FD=3 rspec --require .../wrata_rspec.rb spec/a_spec.rb 3>results
#
# It listens to the reporter and is no formatter, so the formatters of the project, or the default one, stay as they
# are. It loads no library, changes no setting, prints nothing, and whatever goes wrong in here never reaches the
# suite. Without WRATA_RESULTS_FD it does nothing. Works with RSpec 3.0 and newer on Ruby 2.3 and newer.
module WrataRSpec
  MAX_LINE = 256 * 1024 - 1
  MAX_MESSAGE = 64 * 1024
  MAX_FRAME = 1024
  MAX_FRAMES = 200
  MAX_NAME = 4 * 1024
  MAX_DEPTH = 64
  MAX_CAUSES = 5
  MAX_ARTIFACTS = 50
  MAX_URL = 2048
  CUT = "\u2026"

  # A spec that replaces IO#write, or stubs it for any instance, does so for itself.
  WRITE = IO.instance_method(:write)

  # What user code may raise while we only ask for a text. Interrupt, exit and signals go their way.
  HARMLESS = [StandardError, ScriptError, SystemStackError].freeze

  # JSON and the texts in it. Written out here because loading 'json' would load it for the project too, and a spec
  # that forgot to require it would pass here and fail at home.
  module Text
    # NUL becomes the picture of it: many readers of JSON end a text there or refuse the line.
    ESCAPES = { '"' => '\"', '\\' => '\\\\', "\n" => '\n', "\r" => '\r', "\t" => '\t', "\0" => "\u2400" }.freeze
    # Quotes, controls, and what JavaScript takes for line ends.
    SPECIAL = /["\\\u0000-\u001f\u007f-\u009f\u2028\u2029]/

    class << self
      # Always valid UTF-8, whatever bytes and encoding come in.
      def utf8(value)
        text = value.is_a?(String) ? value : value.to_s
        if text.encoding == Encoding::BINARY || text.encoding == Encoding::US_ASCII
          text = String.new(text, :encoding => Encoding::UTF_8)
        elsif text.encoding != Encoding::UTF_8
          text = text.encode(Encoding::UTF_8, :invalid => :replace, :undef => :replace, :replace => "\ufffd")
        end
        text.valid_encoding? ? text : text.scrub("\ufffd")
      rescue *HARMLESS
        ''
      end

      def cut(value, limit)
        text = utf8(value)
        return text if text.bytesize <= limit
        text.byteslice(0, limit - CUT.bytesize).scrub('') + CUT
      end

      def json(value)
        case value
        when Hash then "{#{value.map { |k, v| "#{json(k.to_s)}:#{json(v)}" }.join(',')}}"
        when Array then "[#{value.map { |v| json(v) }.join(',')}]"
        when Integer, true, false then value.to_s
        when Float then value.finite? ? value.round(3).to_s : '0'
        when nil then 'null'
        else "\"#{utf8(value).gsub(SPECIAL) { |c| ESCAPES[c] || format('\u%04x', c.ord) }}\""
        end
      end
    end
  end

  # The pipe. One object a line, written at once; the first failed write closes it for good.
  class Channel
    def initialize(number)
      @pid = $$
      @io = IO.for_fd(number, 'wb')
      @io.sync = true
      @io.close_on_exec = true
      @midline = false
    end

    # A forked child has the same pipe but nothing to say.
    def mine?
      @pid == $$
    end

    def write(event)
      return if @io.nil? || !mine?
      line = shrunk(event)
      line = "\n" + line if @midline # SIGTERM or the like may have cut the previous line short
      @midline = true
      WRITE.bind(@io).call(line + "\n")
      @midline = false
    rescue SystemCallError, IOError
      @io = nil
    end

    private

    # The limits of the fields alone leave room for more than a line may hold: escapes grow, and all can be full.
    def shrunk(event)
      line = Text.json(event)
      [[50, 64 * 1024], [50, 16 * 1024], [10, 2 * 1024], [0, 200]].each do |frames, bytes|
        return line if line.bytesize <= MAX_LINE
        event = event.dup
        event[:backtrace] = event[:backtrace].first(frames) + [CUT] if event[:backtrace]
        event[:path] = event[:path].first(16).map { |part| Text.cut(part, bytes / 16) } if event[:path]
        event.each { |key, value| event[key] = Text.cut(value, bytes) if value.is_a?(String) }
        line = Text.json(event)
      end
      line
    end
  end

  # An exception as fields. Nothing about it can be trusted: messages raise, classes have no name, causes go in circles.
  module Failure
    class << self
      def fields(exception, root)
        {
          :exception => Text.cut(class_of(exception), MAX_FRAME),
          :message => Text.cut(whole_message(exception), MAX_MESSAGE),
          :backtrace => frames(exception, root)
        }
      end

      private

      def class_of(exception)
        Text.utf8(exception.class.to_s)
      rescue *HARMLESS
        'Exception'
      end

      def own_message(exception)
        return numbered(exception.all_exceptions) if several?(exception)
        Text.utf8(exception.message).sub(/\A\s*\n/, '').chomp('')
      rescue *HARMLESS => other
        "A #{class_of(exception)} for which `exception.message` raises #{class_of(other)}."
      end

      # A failed example whose hooks fail as well.
      def several?(exception)
        defined?(RSpec::Core::MultipleExceptionError) && exception.is_a?(RSpec::Core::MultipleExceptionError)
      end

      def numbered(exceptions)
        exceptions.map.with_index(1) { |one, n| "#{n}) #{class_of(one)}: #{own_message(one)}" }.join("\n\n")
      end

      def whole_message(exception)
        [own_message(exception), *causes(exception)].join("\n\n")
      end

      def causes(exception)
        seen = [exception]
        while seen.size <= MAX_CAUSES
          cause = seen.last.cause
          break if cause.nil? || seen.any? { |one| one.equal?(cause) }
          seen << cause
        end
        seen.drop(1).map { |cause| "Caused by #{class_of(cause)}: #{own_message(cause)}" }
      rescue *HARMLESS
        []
      end

      # The lines RSpec itself would show. Several failures in one example have their places in what they are made of.
      def frames(exception, root)
        raw = exception.backtrace
        raw = exception.all_exceptions.first.backtrace if raw.nil? && exception.respond_to?(:all_exceptions)
        shown = without_rspec(Array(raw).first(10 * MAX_FRAMES))
        lines = shown.first(MAX_FRAMES).map { |line| Text.cut(relative(Text.utf8(line), root), MAX_FRAME) }
        lines[-1] = CUT if shown.size > MAX_FRAMES
        lines
      rescue *HARMLESS
        []
      end

      def without_rspec(lines)
        RSpec.configuration.backtrace_formatter.format_backtrace(lines)
      rescue *HARMLESS
        lines
      end

      def relative(line, root)
        line.start_with?(root) ? "./#{line[root.size..-1]}" : line
      end
    end
  end

  # Turns the notifications of RSpec into events.
  class Listener
    NOTIFICATIONS = [:start, :example_started, :example_passed, :example_failed, :example_pending,
                     :stop, :dump_summary, :close].freeze

    def initialize(channel)
      @channel = channel
      @root = Text.utf8(Dir.pwd).chomp('/') + '/'
      @discovered = @began = @examples = @failed = @pending = @errors = 0
      @outside = 0
      @stopped = @ended = false
    end

    def attach(reporter)
      listener = self
      # RSpec hands errors outside of examples to formatters as ready made text only. Since 3.6.
      if reporter.respond_to?(:notify_non_example_exception)
        reporter.define_singleton_method(:notify_non_example_exception) do |exception, context|
          listener.error(exception, context)
          super(exception, context)
        end
      end
      reporter.register_listener(self, *NOTIFICATIONS)
    end

    def start(notification)
      guard do
        @discovered = notification.count
        @channel.write(:e => 'start', :v => 1, :adapter => 'rspec', :version => RSpec::Core::Version::STRING,
                       :discovered => @discovered)
      end
    end

    def example_started(notification)
      guard do
        next if listing?
        @began += 1
        example = notification.example
        @channel.write(:e => 'running', :id => id_of(example), :path => path_of(example))
      end
    end

    def example_passed(notification)
      finished(notification.example, 'passed') { {} }
    end

    # A pending example that passes ends here as well, with an exception that says so.
    def example_failed(notification)
      @failed += 1 unless listing?
      finished(notification.example, 'failed') do |result|
        result.exception ? Failure.fields(result.exception, @root) : {}
      end
    end

    def example_pending(notification)
      @pending += 1 unless listing?
      finished(notification.example, 'pending') do |result|
        { :pending => Text.cut(result.pending_message, MAX_MESSAGE) }
      end
    end

    def error(exception, context = nil)
      guard do
        @errors += 1
        fields = Failure.fields(exception, @root)
        context = Text.utf8(context)
        fields[:message] = Text.cut("#{context}\n#{fields[:message]}", MAX_MESSAGE) unless context.empty?
        @channel.write({ :e => 'error' }.merge(fields))
      end
    end

    def stop(_notification)
      @stopped = true
    end

    def dump_summary(summary)
      guard do
        @outside = summary.errors_outside_of_examples_count if summary.respond_to?(:errors_outside_of_examples_count)
      end
    end

    # The last notification. It also comes when an exception (exit, a signal) is on its way through the reporter.
    def close(_notification)
      raised = $!
      guard do
        next if @ended
        @ended = true
        error(raised) if failure?(raised)
        report_missed_errors
        report_not_run
        @channel.write(:e => 'end', :examples => @examples, :failed => @failed, :pending => @pending,
                       :errors => @errors, :aborted => aborted?(raised))
      end
    end

    # The process ends. Older versions of RSpec let errors outside of examples escape; this is the place to see them.
    def leave(raised)
      error(raised) if failure?(raised) && !@ended
    end

    private

    def failure?(raised)
      raised && !raised.is_a?(SystemExit) && !raised.is_a?(SignalException)
    end

    # It is told in any case, and all that can be told about it.
    def finished(example, status, &more)
      guard do
        next if listing?
        @examples += 1
        event = { :e => 'example', :status => status, :ms => 0 }
        guard { event[:id] = id_of(example) }
        guard { event[:path] = path_of(example) }
        guard { event[:file], event[:line] = place_of(example) }
        guard { event[:ms] = (example.execution_result.run_time || 0) * 1000.0 }
        guard { event.merge!(more.call(example.execution_result)) }
        artifacts = artifacts_of(example)
        event[:artifacts] = artifacts unless artifacts.empty?
        page = page_of(example)
        event[:page_url] = page if page
        @channel.write(event)
      end
    end

    # Files that .rspec requires are loaded before this one; RSpec counted their errors, the listener did not see them.
    def report_missed_errors
      missed = @outside - @errors
      return unless missed > 0
      @errors += missed
      missed.times do
        @channel.write(:e => 'error', :message => 'An error occurred outside of examples, before results could be ' \
                                                  'read: see the log.')
      end
    end

    # What RSpec chose not to do. An error outside of examples, or an end in the middle, speaks for itself.
    def report_not_run
      left = @discovered - @examples
      why = listing? ? '--dry-run: examples are listed, not executed' : ('--fail-fast' if fail_fast?)
      @channel.write(:e => 'not_run', :count => left, :why => why) if left > 0 && why
    end

    # A run that --fail-fast or an error outside of examples ended early is complete as far as RSpec goes.
    def aborted?(raised)
      return true if raised || !@stopped || @began > @examples
      @examples < @discovered && @errors.zero? && !fail_fast? && !listing?
    end

    # --dry-run: every example "passes", and none is executed.
    def listing?
      RSpec.configuration.dry_run?
    end

    # true, or after how many failures.
    def fail_fast?
      limit = RSpec.configuration.fail_fast
      limit && @failed >= (limit.is_a?(Integer) ? limit : 1)
    end

    def id_of(example)
      Text.cut(example.respond_to?(:id) ? example.id : example.location, MAX_NAME)
    end

    def path_of(example)
      parts = [example.description]
      group = example.metadata[:example_group]
      while group && parts.size < MAX_DEPTH
        parts.unshift(group[:description])
        group = group[:parent_example_group]
      end
      parts.map { |part| Text.cut(part, MAX_NAME) }.reject(&:empty?)
    end

    # Files that the example says it left: as capybara-screenshot says it, or by a metadata key of ours. Paths as seen from
    # where rspec runs; an upload's URL is no file.
    def artifacts_of(example)
      said = [:screenshot, :artifacts, :wrata_artifacts].flat_map do |key|
        value = example.metadata[key]
        value.is_a?(Hash) ? value.values : Array(value)
      end
      paths = said.select { |one| one.is_a?(String) || one.respond_to?(:to_path) }
      paths = paths.map { |one| Text.utf8(one.respond_to?(:to_path) ? one.to_path : one) }
      paths = paths.reject { |one| one.empty? || one =~ %r{\A[a-z][a-z0-9+.-]*://}i || one.bytesize > MAX_FRAME }
      paths.map { |one| one.start_with?(@root) ? one[@root.size..-1] : one.sub(%r{\A(\./+)+}, '') }.uniq.first(MAX_ARTIFACTS)
    rescue *HARMLESS
      []
    end

    # The page that the example was on, as it says itself.
    def page_of(example)
      value = example.metadata[:page_url] || example.metadata[:wrata_page_url]
      value = Text.utf8(value) unless value.nil?
      value if value =~ %r{\Ahttps?://} && value.bytesize <= MAX_URL
    rescue *HARMLESS
      nil
    end

    # Where somebody would look for the example: for shared examples the line that includes them, not the shared file.
    def place_of(example)
      data = example.metadata
      file = data[:rerun_file_path] || data[:file_path]
      line = inclusion_line(data, file)
      line ||= file == data[:file_path] ? data[:line_number] : group_line(data, file)
      [Text.cut(file, MAX_NAME), line]
    end

    def inclusion_line(data, file)
      places = Array(data[:shared_group_inclusion_backtrace]).map do |frame|
        RSpec::Core::Metadata.relative_path(frame.inclusion_location)
      end
      place = places.reverse.find { |one| one && one.start_with?("#{file}:") }
      place && place[file.size + 1..-1].to_i
    rescue *HARMLESS
      nil
    end

    def group_line(data, file)
      group = data[:example_group]
      group = group[:parent_example_group] while group && group[:file_path] != file
      group && group[:line_number]
    end

    # Whatever a project did to RSpec or to its own classes, the suite goes on.
    def guard
      yield if @channel.mine?
    rescue *HARMLESS
      nil
    end
  end

  # The number is taken out of the environment: an rspec that a test starts is a run of its own.
  def self.install
    number = ENV.delete('WRATA_RESULTS_FD')
    return unless number =~ /\A\d+\z/ && defined?(RSpec::Core::Reporter)
    listener = Listener.new(Channel.new(number.to_i))
    # Not configuration.reporter: asking for it would settle the output stream before the project had its say.
    listener.attach(RSpec.configuration.formatter_loader.reporter)
    at_exit { listener.leave($!) }
  rescue *HARMLESS
    nil
  end

  install
end
