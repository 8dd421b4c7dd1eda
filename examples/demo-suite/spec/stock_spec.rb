# frozen_string_literal: true

RSpec.describe Grocer::Stock do
  subject(:stock) { described_class.new('apple' => 10, 'melon' => 1) }

  it('knows what is there') { expect(stock.of('apple')).to eq(10) }
  it('has none of what it never had') { expect(stock.of('kiwi')).to eq(0) }
  it('gets deliveries') { expect { stock.deliver('kiwi', 5) }.to change { stock.of('kiwi') }.by(5) }
  it('sells') { expect { stock.sell('apple', 4) }.to change { stock.of('apple') }.from(10).to(6) }
  it('does not sell what is not there') { expect { stock.sell('melon', 2) }.to raise_error(described_class::Empty) }
  it('says what runs low') { expect(stock.low).to eq(['melon']) }
  it('reserves for a customer') { pending('reservations are planned'); expect(stock).to respond_to(:reserve) }

  it 'waits for the lorry' do
    sleep 0.5
    stock.deliver('melon', 3)
    expect(stock.low).to be_empty
  end
end
