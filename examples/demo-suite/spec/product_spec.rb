# frozen_string_literal: true

RSpec.describe Grocer::Product do
  it('is sold by the piece') { expect(apple).not_to be_by_weight }
  it('may be sold by weight') { expect(flour).to be_by_weight }
  it('costs its price times the amount') { expect(flour.cost(2.5)).to eq(money('3.00')) }
  it('makes a slug of its name') { expect(melon.slug).to eq('water-melon') }
  it('needs a name') { expect { described_class.new(name: ' ', price: money('1')) }.to raise_error(/name/) }

  it 'knows two units' do
    expect { described_class.new(name: 'Milk', price: money('1'), unit: :litre) }.to raise_error(/unit/)
  end
end
