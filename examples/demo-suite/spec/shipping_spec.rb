# frozen_string_literal: true

RSpec.describe Grocer::Shipping do
  { town: '2.90', country: '5.90', abroad: '14.90' }.each do |zone, price|
    it("costs #{price} to #{zone}") { expect(described_class.cost(money('10'), zone)).to eq(money(price)) }
  end

  it('is free above 50.00') { expect(described_class.cost(money('50.01'), :town)).to be_zero }
  it('is free from 50.00') { expect(described_class.cost(money('50.00'), :country)).to be_zero }
  it('is never free abroad') { expect(described_class.cost(money('500'), :abroad)).to eq(money('14.90')) }
  it('refuses the moon') { expect { described_class.cost(money('10'), :moon) }.to raise_error(/moon/) }
end
