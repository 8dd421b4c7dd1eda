# frozen_string_literal: true

module Grocer
  # What is sold: by the piece, or by weight.
  Product = Struct.new(:name, :price, :unit, keyword_init: true) do
    def initialize(name:, price:, unit: :piece)
      raise ArgumentError, 'a product has a name' if name.to_s.strip.empty?
      raise ArgumentError, 'unit is :piece or :kilo' unless %i[piece kilo].include?(unit)

      super
    end

    def by_weight? = unit == :kilo
    def cost(amount) = price * amount
    def slug = name.downcase.gsub(/[^a-z0-9]+/, '-').gsub(/\A-|-\z/, '')
  end
end
