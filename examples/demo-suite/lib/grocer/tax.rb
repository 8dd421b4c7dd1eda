# frozen_string_literal: true

module Grocer
  # Tax that is contained in a price.
  module Tax
    RATES = { food: 7, other: 19 }.freeze

    def self.contained(gross, kind)
      rate = RATES.fetch(kind) { raise ArgumentError, "no tax for #{kind}" }
      gross * (rate / (100r + rate))
    end

    def self.net(gross, kind) = gross - contained(gross, kind)
  end
end
