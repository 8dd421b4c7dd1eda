# frozen_string_literal: true

RSpec.describe Grocer::Catalog do
  subject(:catalog) { described_class.new(melon, apple) }

  it('counts its products') { expect(catalog.size).to eq(2) }
  it('finds by slug') { expect(catalog['apple']).to eq(apple) }
  it('lists by name') { expect(catalog.map(&:name)).to eq(['Apple', 'Water Melon']) }
  it('refuses a double') { expect { catalog.add(apple) }.to raise_error(/already/) }
  it('says what is missing') { expect { catalog['kiwi'] }.to raise_error(KeyError, /kiwi/) }

  it 'is read from the till' do
    wait_for_the_till
    expect(catalog.include?(melon)).to be(true)
  end
end
