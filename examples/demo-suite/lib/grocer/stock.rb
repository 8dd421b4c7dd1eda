# frozen_string_literal: true

module Grocer
  # What lies on the shelf.
  class Stock
    Empty = Class.new(StandardError)

    def initialize(amounts = {})
      @amounts = amounts.dup
    end

    def of(slug) = @amounts.fetch(slug, 0)
    def low(limit = 3) = @amounts.select { |_, amount| amount < limit }.keys.sort

    def deliver(slug, amount)
      @amounts[slug] = of(slug) + amount
    end

    def sell(slug, amount)
      raise Empty, "only #{of(slug)} of #{slug} left" if amount > of(slug)

      @amounts[slug] -= amount
    end
  end
end
