# frozen_string_literal: true

module Grocer
  # An amount in cents. Never a float: a third of a cent has no coin.
  class Money
    include Comparable
    attr_reader :cents

    def self.parse(text)
      raise ArgumentError, "not an amount: #{text.inspect}" unless text =~ /\A(\d+)(?:\.(\d{2}))?\z/

      new(Regexp.last_match(1).to_i * 100 + Regexp.last_match(2).to_i)
    end

    def initialize(cents)
      raise ArgumentError, 'cents are whole' unless cents.is_a?(Integer)

      @cents = cents
    end

    def +(other) = Money.new(cents + other.cents)
    def -(other) = Money.new(cents - other.cents)
    def *(other) = Money.new((cents * other).round)
    def <=>(other) = cents <=> other.cents
    def eql?(other) = other.is_a?(Money) && cents == other.cents
    def hash = cents.hash
    def inspect = "#<Money #{self}>"
    def zero? = cents.zero?
    def to_s = format('%d.%02d', cents / 100, cents % 100)

    # Parts whose sum is the whole: the first ones get the odd cents.
    def split(parts)
      each, odd = cents.divmod(parts)
      Array.new(parts) { |i| Money.new(each + (i < odd ? 1 : 0)) }
    end
  end
end
