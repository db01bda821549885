import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { type Log, log, type LogOptions } from '../../src/telemetry/log/index.js';
import { thrownBy, until } from '../support/waits.js';

describe('the log, with pino', () => {
  let locks: Holdfast;
  let lines: Record<string, unknown>[];
  let writing: Log | undefined;

  beforeEach(() => {
    lines = [];
    locks = new Holdfast(memory(), { ttlMs: 3_000 });
  });
  afterEach(async () => {
    writing?.stop();
    await locks.close();
  });

  function start(level = 'trace', options?: LogOptions): void {
    const stream = new Writable({
      write(chunk: Buffer, _, done) {
        lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
        done();
      },
    });
    writing = log(pino({ level }, stream), options);
  }
  const of = (event: string) => lines.filter((line) => line['event'] === event);

  it('one record for each grant, renewal, hand-over and release, of the same lease', async () => {
    const lease = await locks.acquire('a');
    // Both wait when the next grant comes, so it is one for both.
    const both = [locks.request('a', () => until(() => of('renewed').length > 0, 'renewed')), locks.request('a', () => {})];
    await until(async () => (await locks.query()).pending.length > 0, 'they wait');
    start();
    const earlier = String(lease.fence);
    await lease.release();
    await Promise.all(both);
    lines = lines.filter((line) => line['fencing_token'] !== earlier);
    expect(lines.map(({ event }) => event)).toEqual(['granted', 'renewed', 'handed-over', 'granted', 'released']);
    const [granted, renewed, handedOver, next, released] = lines;
    expect(granted).toMatchObject({
      level: 20,
      msg: 'lock granted',
      lock_id: 'a',
      mode: 'exclusive',
      ttl_ms: 3_000,
      renewal_count: 0,
      owner: expect.stringMatching(/^[0-9a-f]{12}$/),
      fencing_token: expect.stringMatching(/^\d+$/),
      node_id: expect.stringContaining(`/${process.pid}/`),
      waited_ms: expect.any(Number),
      acquired_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(renewed).toMatchObject({ level: 20, renewal_count: 1, owner: granted?.['owner'] });
    expect(handedOver).toMatchObject({
      msg: 'lock handed over',
      fencing_token: granted?.['fencing_token'],
      held_ms: expect.any(Number),
    });
    // Who comes next under the same grant has a fence of its own, and the same generation.
    expect(next?.['fencing_token']).toBe(String(BigInt(String(granted?.['fencing_token'])) + 1n));
    expect(next?.['lease_generation']).toBe(granted?.['lease_generation']);
    expect(released).toMatchObject({ outcome: 'released', fencing_token: next?.['fencing_token'] });
    await locks.request('a', () => {});
    expect(BigInt(String(lines.at(-1)?.['lease_generation']))).toBeGreaterThan(BigInt(String(next?.['lease_generation'])));
  });

  it('a revocation and the loss that comes of it are warnings, with the reason', async () => {
    start();
    const lease = await locks.acquire('a');
    await locks.revoke('a', { reason: 'test' });
    expect(of('lost')).toMatchObject([{ level: 40, loss: 'revoked', reason: 'test', lock_id: 'a', held_ms: expect.any(Number) }]);
    expect(of('revoked')).toMatchObject([{ level: 40, reason: 'test', lock_id: 'a' }]);
    await lease.release();
    expect(of('released')).toEqual([]);
  });

  it('of turns, a logger at its usual level hears of losses alone', async () => {
    start('info');
    const lease = await locks.acquire('a');
    await locks.revoke('a', { reason: 'test' });
    await lease.release();
    await locks.request('a', () => {});
    expect(lines.map(({ event }) => event)).toEqual(['lost', 'revoked']);
  });

  it('levels are the user’s, and what the logger would not write is not made', async () => {
    start('info', { levels: { granted: 'silent', released: 'error', renewed: 'trace' } });
    await locks.request('a', () => {});
    expect(lines).toMatchObject([{ event: 'released', level: 50 }]);
  });

  it('a logger that throws breaks no lock', async () => {
    const broken = () => {
      throw new Error('the disk is full');
    };
    writing = log({ trace: broken, debug: broken, info: broken, warn: broken, error: broken });
    expect(await locks.request('a', () => 'done')).toBe('done');
  });

  it('refuses what is no logger, and levels that it does not know', async () => {
    expect(await thrownBy(() => log({} as never))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await thrownBy(() => start('info', { levels: { granted: 'loud' as never } }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(await thrownBy(() => start('info', { levels: { gone: 'info' } as never }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});
