# frozen_string_literal: true

module Grocer
  # A basket on its way to somebody.
  class Order
    STEPS = { placed: %i[packed cancelled], packed: %i[sent cancelled], sent: %i[delivered],
              delivered: [], cancelled: [] }.freeze
    attr_reader :basket, :state, :history

    def initialize(basket)
      raise ArgumentError, 'an empty basket is no order' if basket.empty?

      @basket = basket
      @state = :placed
      @history = [:placed]
    end

    def become(state)
      raise ArgumentError, "#{@state} does not become #{state}" unless STEPS.fetch(@state).include?(state)

      @state = state
      history << state
    end

    def done? = STEPS.fetch(state).empty?
  end
end
