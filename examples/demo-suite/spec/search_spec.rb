# frozen_string_literal: true

RSpec.describe Grocer::Search do
  subject(:search) { described_class.new(Grocer::Catalog.new(apple, melon, flour)) }

  it('finds a whole name') { expect(search.find('Flour')).to eq([flour]) }
  it('finds a beginning') { expect(search.find('app')).to eq([apple]) }
  it('finds a second word') { expect(search.find('mel')).to eq([melon]) }
  it('wants all words') { expect(search.find('water apple')).to be_empty }
  it('takes words in any order') { expect(search.find('melon wat')).to eq([melon]) }
  it('finds nothing for nothing') { expect(search.find('  ')).to be_empty }

  it 'takes its time on a slow shelf' do
    sleep 0.8
    expect(search.find('kiwi')).to be_empty
  end
end
