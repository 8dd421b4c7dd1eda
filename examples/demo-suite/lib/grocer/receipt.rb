# frozen_string_literal: true

module Grocer
  # What the till prints.
  class Receipt
    WIDTH = 32

    def initialize(basket)
      @basket = basket
    end

    def lines
      @basket.lines.map { |product, amount| line(label(product, amount), product.cost(amount)) }
    end

    def to_s = [*lines, '-' * WIDTH, line('total', @basket.total)].join("\n")

    # Cash has no single cents: to the nearest five. (Wrong on purpose: it rounds down.)
    def cash_total = Money.new(@basket.total.cents / 5 * 5)

    private

    def label(product, amount)
      return product.name if amount == 1

      product.by_weight? ? "#{product.name}, #{amount} kg" : "#{amount} x #{product.name}"
    end

    def line(label, money) = label[0, WIDTH - 9].ljust(WIDTH - 8) + money.to_s.rjust(8)
  end
end
