# frozen_string_literal: true

%w[money product catalog basket discount tax stock order receipt shipping coupon search].each do |part|
  require_relative "grocer/#{part}"
end

# A greengrocer: products in a catalog, a basket, an order, a receipt.
module Grocer
end
