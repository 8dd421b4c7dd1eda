# frozen_string_literal: true

module Grocer
  # Products with their amounts, in the order they were put in.
  class Basket
    attr_reader :lines

    def initialize
      @lines = {}
    end

    def put(product, amount = 1)
      raise ArgumentError, 'an amount is positive' unless amount.positive?

      lines[product] = lines.fetch(product, 0) + amount
      self
    end

    def take(product, amount = 1)
      left = lines.fetch(product, 0) - amount
      left.positive? ? lines[product] = left : lines.delete(product)
      self
    end

    def total = lines.sum(Money.new(0)) { |product, amount| product.cost(amount) }
    def empty? = lines.empty?
    def count = lines.sum { |product, amount| product.by_weight? ? 1 : amount }
  end
end
