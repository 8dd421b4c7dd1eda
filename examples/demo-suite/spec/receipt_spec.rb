# frozen_string_literal: true

RSpec.describe Grocer::Receipt do
  subject(:receipt) { described_class.new(Grocer::Basket.new.put(apple, 2).put(flour, 1.5).put(melon)) }

  it('has a line for each product') { expect(receipt.lines.size).to eq(3) }
  it('shows pieces') { expect(receipt.lines[0]).to start_with('2 x Apple') }
  it('shows weights') { expect(receipt.lines[1]).to start_with('Flour, 1.5 kg') }
  it('shows one piece by its name') { expect(receipt.lines[2]).to start_with('Water Melon') }
  it('ends in the total') { expect(receipt.to_s.lines.last).to match(/\Atotal +6\.19\z/) }
  it('fits the paper') { expect(receipt.to_s.lines.map(&:chomp).map(&:size)).to all(eq(32)) }

  it 'rounds to the nearest five cents for cash' do
    wait_for_the_till
    expect(receipt.cash_total).to eq(money('6.20'))
  end
end
