# frozen_string_literal: true

RSpec.describe Grocer::Basket do
  subject(:basket) { described_class.new }

  it('is empty at first') { expect(basket).to be_empty }
  it('sums up') { expect(basket.put(apple, 2).put(melon).total).to eq(money('4.39')) }
  it('joins equal products') { expect(basket.put(apple).put(apple).lines).to eq(apple => 2) }
  it('counts pieces') { expect(basket.put(apple, 3).put(melon).count).to eq(4) }
  it('counts a weight as one') { expect(basket.put(flour, 2.5).count).to eq(1) }
  it('gives back') { expect(basket.put(apple, 3).take(apple).lines).to eq(apple => 2) }
  it('forgets what is gone') { expect(basket.put(apple).take(apple, 5)).to be_empty }
  it('refuses nothing') { expect { basket.put(apple, 0) }.to raise_error(ArgumentError) }

  it 'waits for the scale' do
    wait_for_the_till
    expect(basket.put(flour, 0.5).total).to eq(money('0.60'))
  end
end
