# frozen_string_literal: true

module Grocer
  # The products, by slug.
  class Catalog
    include Enumerable

    def initialize(*products)
      @products = {}
      products.each { |product| add(product) }
    end

    def add(product)
      raise ArgumentError, "there is a #{product.slug} already" if @products.key?(product.slug)

      @products[product.slug] = product
    end

    def [](slug) = @products.fetch(slug) { raise KeyError, "no product #{slug}" }
    def each(&block) = @products.values.sort_by(&:name).each(&block)
    def size = @products.size
  end
end
