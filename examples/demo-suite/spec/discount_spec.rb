# frozen_string_literal: true

RSpec.describe Grocer::Discount do
  it('takes a percentage') { expect(described_class.percent(money('20'), 15)).to eq(money('3.00')) }
  it('takes nothing at 0') { expect(described_class.percent(money('20'), 0)).to be_zero }
  it('takes all at 100') { expect(described_class.percent(money('20'), 100)).to eq(money('20')) }
  it('refuses more than all') { expect { described_class.percent(money('20'), 101) }.to raise_error(/percent/) }
  it('gives the third free') { expect(described_class.one_free(money('1.50'), 3, 3)).to eq(money('1.50')) }
  it('gives nothing for two') { expect(described_class.one_free(money('1.50'), 2, 3)).to be_zero }
  it('gives two for seven') { expect(described_class.one_free(money('1.50'), 7, 3)).to eq(money('3.00')) }
end
