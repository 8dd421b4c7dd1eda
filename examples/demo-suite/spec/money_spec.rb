# frozen_string_literal: true

RSpec.describe Grocer::Money do
  it('reads whole amounts') { expect(described_class.parse('12').cents).to eq(1200) }
  it('reads cents') { expect(described_class.parse('12.05').cents).to eq(1205) }
  it('adds') { expect(money('1.20') + money('0.85')).to eq(money('2.05')) }
  it('subtracts') { expect(money('1.20') - money('0.85')).to eq(money('0.35')) }
  it('multiplies and rounds') { expect(money('0.99') * 1.5).to eq(money('1.49')) }
  it('prints two digits') { expect(money('3.07').to_s).to eq('3.07') }
  it('compares') { expect([money('2'), money('1')].min).to eq(money('1')) }

  ['', '1.2', '-3', 'five', '1,50'].each do |text|
    it("refuses #{text.inspect}") { expect { described_class.parse(text) }.to raise_error(ArgumentError) }
  end

  describe '#split' do
    it('gives odd cents to the first') { expect(money('1.00').split(3).map(&:cents)).to eq([34, 33, 33]) }
    it('loses nothing') { expect(money('9.99').split(7).sum(&:cents)).to eq(999) }
  end
end
