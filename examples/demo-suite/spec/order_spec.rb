# frozen_string_literal: true

RSpec.describe Grocer::Order do
  subject(:order) { described_class.new(Grocer::Basket.new.put(apple)) }

  it('is placed first') { expect(order.state).to eq(:placed) }
  it('refuses an empty basket') { expect { described_class.new(Grocer::Basket.new) }.to raise_error(/empty/) }
  it('may be cancelled') { expect { order.become(:cancelled) }.to change(order, :done?).to(true) }
  it('cannot skip packing') { expect { order.become(:sent) }.to raise_error(/does not become/) }

  context 'when sent' do
    before { %i[packed sent].each { |state| order.become(state) } }

    it('cannot be cancelled') { expect { order.become(:cancelled) }.to raise_error(/does not become/) }
    it('remembers its way') { expect(order.history).to eq(%i[placed packed sent]) }

    it 'arrives' do
      wait_for_the_till
      order.become(:delivered)
      expect(order).to be_done
    end
  end
end
