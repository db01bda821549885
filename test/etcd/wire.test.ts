import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bool, int, message, nested, repeated, text } from '../../src/backends/etcd/wire/codec.js';
import { keepAliveResponse, statusResponse, txnRequest } from '../../src/backends/etcd/wire/messages.js';

const inner = message({ name: text(1), size: int(2) });
const outer = message({
  list: repeated(nested(1, inner)),
  one: nested(3, inner),
  yes: bool(4),
  number: int(16),
  words: text(64),
});

describe('the wire format', () => {
  it('reads what it has written, whatever it is', () => {
    const part = fc.record({ name: fc.string({ unit: 'grapheme', maxLength: 300 }), size: fc.maxSafeNat() });
    const whole = fc.record({
      list: fc.array(part, { maxLength: 20 }),
      one: part,
      yes: fc.boolean(),
      number: fc.maxSafeNat(),
      words: fc.string({ unit: 'grapheme', maxLength: 20_000 }),
    });
    fc.assert(
      fc.property(whole, (value) => {
        expect(outer.decode(outer.encode(value))).toEqual(value);
      }),
    );
  });

  it('writes the bytes that protobuf says', () => {
    expect(outer.encode({ yes: true, number: 300 }).toString('hex')).toBe('20018001ac02');
    expect(txnRequest.encode({ compare: [{ key: 'k', createRevision: 5 }], success: [], failure: [] }).toString('hex')).toBe(
      '0a051a016b2805',
    );
  });

  it('skips what it does not know, and fills in what was not sent', () => {
    const more = message({ name: text(1), other: text(9), third: int(10), size: int(2) });
    expect(inner.decode(more.encode({ name: 'a', other: 'b', third: 7, size: 1 }))).toEqual({ name: 'a', size: 1 });
    expect(outer.decode(new Uint8Array())).toEqual({ list: [], one: undefined, yes: false, number: 0, words: '' });
  });

  it('shows ids of 64 bits as etcdctl does, and minus one as less than nothing', () => {
    const member = Buffer.from('20ffffffffffffffffff01', 'hex');
    expect(statusResponse.decode(member).leader).toBe('ffffffffffffffff');
    expect(keepAliveResponse.decode(Buffer.from('18ffffffffffffffffff01', 'hex')).ttl).toBeLessThan(0);
  });

  it('refuses a message that is cut off', () => {
    const bytes = outer.encode({ words: 'a text' });
    for (const length of [1, 2, 4, bytes.length - 1]) expect(() => outer.decode(bytes.subarray(0, length))).toThrow(RangeError);
  });
});
