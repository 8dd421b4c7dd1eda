# frozen_string_literal: true

RSpec.describe Grocer::Tax do
  it('is low on food') { expect(described_class.contained(money('10.70'), :food)).to eq(money('0.70')) }
  it('is high on the rest') { expect(described_class.contained(money('11.90'), :other)).to eq(money('1.90')) }
  it('rounds to the cent') { expect(described_class.contained(money('1.00'), :food)).to eq(money('0.07')) }
  it('refuses what it does not know') { expect { described_class.net(money('1'), :air) }.to raise_error(/air/) }

  [['0.99', :food], ['5.00', :other], ['123.45', :food]].each do |gross, kind|
    it "adds up again for #{gross} of #{kind}" do
      sum = described_class.net(money(gross), kind) + described_class.contained(money(gross), kind)
      expect(sum).to eq(money(gross))
    end
  end
end
