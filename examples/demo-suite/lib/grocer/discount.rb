# frozen_string_literal: true

module Grocer
  # Money off, by a percentage or by quantity.
  module Discount
    def self.percent(amount, percent)
      raise ArgumentError, 'percent is 0 to 100' unless (0..100).cover?(percent)

      amount * (percent / 100r)
    end

    # Buy `every`, pay one less.
    def self.one_free(price, count, every) = price * (count / every)
  end
end
