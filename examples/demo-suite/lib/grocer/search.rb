# frozen_string_literal: true

module Grocer
  # Finds products by the beginnings of their words.
  class Search
    def initialize(catalog)
      @catalog = catalog
    end

    def find(text)
      words = text.downcase.split
      return [] if words.empty?

      @catalog.select do |product|
        parts = product.name.downcase.split
        words.all? { |word| parts.any? { |part| part.start_with?(word) } }
      end
    end
  end
end
