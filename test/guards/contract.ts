import assert from 'node:assert/strict';
import { expect, it } from 'vitest';
import { InvalidArgumentError, StaleFenceError } from '../../src/core/errors.js';
import type { Guard } from '../../src/core/guard.js';
import { thrownBy } from '../support/waits.js';

/** What every guard must do, on a real sink. */
export interface GuardScene<Context> {
  readonly guard: Guard<Context>;
  /** Writes a value for the resource. */
  write(context: Context, resource: string, value: string): void | Promise<void>;
  /** What stands there now, read past the guard. */
  read(resource: string): Promise<string | undefined>;
}

let count = 0;
const fresh = (kind = 'r') => `${kind}:${++count}`;
const max = 2n ** 63n - 1n;

export function guardContract<Context>(scene: () => GuardScene<Context>): void {
  const run = (resource: string, fence: bigint, value: string) =>
    scene().guard.run({ resource, fence }, (context) => scene().write(context, resource, value));

  async function stale(work: Promise<unknown>, resource: string, fence: bigint, mark: bigint): Promise<void> {
    const error = await thrownBy(work);
    assert(error instanceof StaleFenceError, String(error));
    expect({ resource: error.resource, fence: error.fence, mark: error.mark, sink: error.sink }).toEqual({
      resource,
      fence,
      mark,
      sink: scene().guard.sink,
    });
  }

  it('accepts a first fence, an equal one and a higher one, and refuses a lower one with both fences', async () => {
    const r = fresh();
    expect(await scene().guard.mark(r)).toBeUndefined();
    await run(r, 5n, 'a');
    await run(r, 5n, 'b');
    expect(await scene().read(r)).toBe('b');
    await run(r, 7n, 'c');
    await stale(run(r, 6n, 'late'), r, 6n, 7n);
    expect(await scene().read(r)).toBe('c');
    expect(await scene().guard.mark(r)).toBe(7n);
  });

  it('compares fences as numbers, up to 2^63 - 1, without loss', async () => {
    const r = fresh();
    for (const fence of [9n, 10n, 2n ** 53n, 2n ** 53n + 1n, max - 1n, max]) {
      await run(r, fence, String(fence));
      expect(await scene().guard.mark(r)).toBe(fence);
    }
    await stale(run(r, max - 1n, 'late'), r, max - 1n, max);
    await stale(run(r, 99n, 'late'), r, 99n, max);
    expect(await scene().read(r)).toBe(String(max));
  });

  it('raises the mark without a write, and answers the mark that stands', async () => {
    const r = fresh();
    expect(await scene().guard.raise({ resource: r, fence: 3n })).toBe(3n);
    expect(await scene().guard.raise({ resource: r, fence: 8n })).toBe(8n);
    expect(await scene().guard.raise({ resource: r, fence: 4n })).toBe(8n);
    expect(await scene().guard.raise({ resource: r, fence: 8n })).toBe(8n);
    await stale(run(r, 7n, 'late'), r, 7n, 8n);
    await run(r, 8n, 'mine');
    // What was written stays when the mark is raised.
    await scene().guard.raise({ resource: r, fence: 9n });
    expect(await scene().read(r)).toBe('mine');
    await stale(run(r, 8n, 'late'), r, 8n, 9n);
    expect(await scene().read(r)).toBe('mine');
  });

  it('leaves nothing behind when the work throws, and passes its error on', async () => {
    const r = fresh();
    await run(r, 5n, 'before');
    const own = new Error('of the work');
    const failing = scene().guard.run({ resource: r, fence: 9n }, async (context) => {
      await scene().write(context, r, 'half');
      throw own;
    });
    expect(await thrownBy(failing)).toBe(own);
    expect(await scene().read(r)).toBe('before');
    expect(await scene().guard.mark(r)).toBe(5n);
    await run(r, 6n, 'after');
    expect(await scene().read(r)).toBe('after');
  });

  it('answers what the work answers', async () => {
    const r = fresh();
    const answer = await scene().guard.run({ resource: r, fence: 1n }, async (context) => {
      await scene().write(context, r, 'x');
      return { ok: true };
    });
    expect(answer).toEqual({ ok: true });
  });

  it('keeps resources apart, whatever characters they have', async () => {
    const kind = fresh('odd');
    const odd = [
      '',
      ' ',
      'a',
      'a ',
      'A',
      'é',
      'e\u0301',
      '\0',
      '%00',
      '%',
      '"',
      "'; --",
      '\\',
      '{a}',
      '{b}',
      '\ud800',
      '\u{1f512}',
      'a\nb',
      '/',
      '..',
    ];
    for (const [i, text] of odd.entries()) {
      expect(await scene().guard.raise({ resource: kind + text, fence: BigInt(i + 1) }), JSON.stringify(text)).toBe(
        BigInt(i + 1),
      );
    }
    for (const [i, text] of odd.entries()) expect(await scene().guard.mark(kind + text)).toBe(BigInt(i + 1));
  });

  it('refuses what is no fence and no resource', async () => {
    const { guard } = scene();
    for (const fence of [0n, -1n, max + 1n, 5 as unknown as bigint, '5' as unknown as bigint]) {
      expect(await thrownBy(guard.raise({ resource: 'x', fence }))).toBeInstanceOf(InvalidArgumentError);
      expect(await thrownBy(guard.run({ resource: 'x', fence }, () => {}))).toBeInstanceOf(InvalidArgumentError);
    }
    expect(await thrownBy(guard.mark('x'.repeat(513)))).toBeInstanceOf(InvalidArgumentError);
    expect(await thrownBy(guard.mark(7 as unknown as string))).toBeInstanceOf(InvalidArgumentError);
  });

  it('applies no write with a lower fence after one with a higher fence, whatever the order in which they come', async () => {
    const r = fresh('race');
    // A generator of its own: the same every time, and no order that a person would think of.
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const outcomes: { fence: bigint; written: boolean }[] = [];
    let highest = 0n;
    for (let round = 0; round < 8; round++) {
      const fences = Array.from({ length: 8 }, () => BigInt(1 + random(40)));
      const before = highest;
      await Promise.all(
        fences.map(async (fence) => {
          try {
            await run(r, fence, String(fence));
            outcomes.push({ fence, written: true });
            // Whoever begins after this ends below it must be refused: `before` is from the round before.
            assert(fence >= before, `${fence} was written after ${before}`);
          } catch (error) {
            assert(error instanceof StaleFenceError, String(error));
            assert(error.mark > fence);
            outcomes.push({ fence, written: false });
          }
          if (outcomes.at(-1)?.written === true && fence > highest) highest = fence;
        }),
      );
      // What stands there is of the highest fence that was ever accepted: nothing lower came after it.
      expect(await scene().read(r)).toBe(String(highest));
      expect(await scene().guard.mark(r)).toBe(highest);
    }
    expect(outcomes.some(({ written }) => !written)).toBe(true);
  });
}
