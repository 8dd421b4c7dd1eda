# frozen_string_literal: true

require_relative '../lib/grocer'

# Things the specs buy and sell.
module Shelf
  def apple = Grocer::Product.new(name: 'Apple', price: Grocer::Money.new(45))
  def melon = Grocer::Product.new(name: 'Water Melon', price: Grocer::Money.new(349))
  def flour = Grocer::Product.new(name: 'Flour', price: Grocer::Money.new(120), unit: :kilo)
  def money(text) = Grocer::Money.parse(text)

  # A till, a scale, a browser: real things answer after a while.
  def wait_for_the_till = sleep(0.2)
end

RSpec.configure do |config|
  config.include Shelf
  config.disable_monkey_patching!
end
