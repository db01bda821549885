import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { fenceMax } from '../../src/core/fence.js';
import { ask, granted, heldOf, Scene } from './support.js';

describe('fences', () => {
  const scene = new Scene();
  afterEach(() => vi.restoreAllMocks());
  const turn = async (store: Backend, name: string, fences = 1) => {
    const one = ask(name, { fences });
    const grant = await granted(store, one);
    await store.release(heldOf(one));
    return grant.fences;
  };

  it('follow the clock, and rise when it is set back', async () => {
    const store = scene.store();
    const first = await turn(store, 'back');
    expect(Number(first.first / 1_000n)).toBeCloseTo(Date.now(), -5);
    const now = Date.now;
    const spy = vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) - 86_400_000);
    expect((await turn(scene.store(), 'back', 512)).first).toBeGreaterThan(first.last);
    spy.mockRestore();
    expect((await turn(scene.store(), 'back')).first).toBeGreaterThan(first.last + 1n);
  });

  it('rise when the item was deleted, from the clock', async () => {
    const store = scene.store();
    const before = await turn(store, 'deleted', 512);
    await scene.delete('deleted');
    await sleep(2);
    expect((await turn(store, 'deleted')).first).toBeGreaterThan(before.last);
  });

  it('rise above one of the future, and go on from there', async () => {
    const store = scene.store();
    await turn(store, 'ahead');
    const future = BigInt(Date.now() + 3_600_000) * 1_000n;
    await scene.set('ahead', 'fence', { N: String(future) });
    expect((await turn(store, 'ahead', 3)).first).toBe(future + 1n);
    expect((await turn(store, 'ahead')).first).toBe(future + 4n);
  });

  it('do not come back with an item that was restored from a backup', async () => {
    const store = scene.store();
    const old = await turn(store, 'restored');
    const last = await turn(store, 'restored', 512);
    await scene.set('restored', 'fence', { N: String(old.last) });
    await sleep(2);
    expect((await turn(store, 'restored')).first).toBeGreaterThan(last.last);
  });

  it('are exact where a number of JavaScript is not', async () => {
    const store = scene.store();
    await turn(store, 'large');
    await scene.set('large', 'fence', { N: String(fenceMax - 10n) });
    expect(await turn(store, 'large', 2)).toEqual({ first: fenceMax - 9n, last: fenceMax - 8n });
  });

  it('rise through a crowd whose clocks are apart', async () => {
    const now = Date.now;
    let turns = 0;
    vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) + (turns % 3) * 5_000);
    const holders = Array.from({ length: 3 }, () => scene.holder({ ttlMs: 20_000 }));
    const seen: bigint[] = [];
    for (; turns < 12; turns++) await holders[turns % 3]?.request('apart', (lease) => void seen.push(lease?.fence ?? 0n));
    expect(seen).toEqual([...seen].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(seen).size).toBe(12);
  });
});
