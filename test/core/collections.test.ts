import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bag } from '../../src/core/bag.js';
import { Caller, type CallerActions } from '../../src/core/caller.js';
import { Line } from '../../src/core/line.js';
import type { Settings } from '../../src/core/options.js';
import { ManualPorts } from './ports.js';

const numbers = fc.array(fc.nat(20), { maxLength: 60 });

describe('a bag', () => {
  it('holds what was put in and not taken out', () => {
    fc.assert(
      fc.property(numbers, (toggled) => {
        const items = Array.from({ length: 21 }, (_, id) => ({ id, bagIndex: -1 }));
        const bag = new Bag<(typeof items)[number]>();
        const model = new Set<number>();
        for (const item of toggled.flatMap((id) => items[id] ?? [])) {
          expect(bag.remove(item)).toBe(model.delete(item.id));
          if (item.id % 2 === model.size % 2) continue;
          bag.add(item);
          model.add(item.id);
        }
        const left = [...bag].map(({ id }) => id);
        expect(left.length).toBe(bag.size);
        expect(new Set(left)).toEqual(model);
        expect(bag.takeAll().length).toBe(model.size);
        expect(bag.size).toBe(0);
        for (const item of items) expect(bag.remove(item)).toBe(false);
      }),
    );
  });
});

describe('a line', () => {
  const caller = (ttlMs: number) =>
    new Caller({ mode: 'exclusive', ttlMs, metadata: {} } as Settings, new ManualPorts().now(), {} as CallerActions);

  it('keeps the order, whoever leaves', () => {
    fc.assert(
      fc.property(numbers, (toggled) => {
        const callers = Array.from({ length: 21 }, () => caller(1_000));
        const line = new Line();
        let model: Caller[] = [];
        for (const each of toggled.flatMap((id) => callers[id] ?? [])) {
          const stood = model.includes(each);
          expect(line.leave(each)).toBe(stood);
          model = model.filter((other) => other !== each);
          if (stood) continue;
          if (model.length % 3 === 0) {
            line.putBack([each]);
            model.unshift(each);
          } else {
            line.join(each);
            model.push(each);
          }
        }
        expect([...line]).toEqual(model);
        expect([line.size, line.head]).toEqual([model.length, model[0]]);
        while (model.length > 0) expect(line.takeHead()).toBe(model.shift());
        expect([line.size, line.head, line.takeHead()]).toEqual([0, undefined, undefined]);
      }),
    );
  });

  it('gives those at its head that want the same', () => {
    const [a, b, c] = [caller(1_000), caller(1_000), caller(2_000)];
    const line = new Line();
    for (const each of [b, c]) line.join(each);
    line.putBack([a]);
    expect(line.runLength(a.settings, 64)).toBe(2);
    expect(line.runLength(a.settings, 1)).toBe(1);
    expect(line.takeRun(a.settings, 64)).toEqual([a, b]);
    expect(line.takeAll()).toEqual([c]);
    expect(line.head).toBeUndefined();
  });
});
