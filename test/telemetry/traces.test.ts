import { SpanStatusCode, trace } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { OutcomeUnknownError } from '../../src/core/errors.js';
import type { Holdfast } from '../../src/core/holdfast.js';
import type { HoldfastOptions, RequestOptions } from '../../src/core/options.js';
import { leaseIn, openTelemetryTracer } from '../../src/telemetry/opentelemetry/index.js';
import type { Faults } from '../../src/testkit/conformance/wrappers.js';
import { instances, ttlMs } from '../core/instances.js';
import { settled } from '../core/ports.js';
import { thrownBy } from '../support/waits.js';
import { idOf, inSpan, isBelow, linked, Recording } from './traces/recording.js';

const { ERROR, UNSET } = SpanStatusCode;
const name = 'order:7';
let recording: Recording;
beforeAll(() => {
  recording = new Recording();
});
afterEach(() => recording.clear());
afterAll(() => recording.stop());

const traced = (faults: Faults = {}) => instances(faults, { tracer: openTelemetryTracer() });

/** A request in a span of the application; `end` ends its work. */
function start(locks: Holdfast, work: string, options: RequestOptions = {}) {
  let end: () => void = () => undefined;
  const ending = new Promise<void>((resolve) => {
    end = resolve;
  });
  const result = inSpan(work, () =>
    locks.request(name, options, async (lease) => {
      trace.getTracer('application').startSpan(`in ${work}`).end();
      await ending;
      return lease === null ? 'no lease' : 'done';
    }),
  );
  result.catch(() => undefined);
  return { result, end };
}

describe('the spans of a request', () => {
  it('lie below that of its caller, and what the callback does lies below the hold', async () => {
    const { locks } = traced();
    const { result, end } = start(locks, 'first');
    await settled();
    expect(recording.all('lock wait').length, 'the wait ends with the grant').toBe(1);
    expect(recording.all('lock hold').length, 'the hold does not').toBe(0);
    end();
    await result;
    const { work, lock, wait, hold, release } = recording.of('first');
    for (const span of [work, lock, wait, hold, release]) expect(span?.status.code).toBe(UNSET);
    expect(isBelow(recording.all('in first')[0], hold)).toBe(true);
    expect(lock?.attributes).toMatchObject({
      'holdfast.lock_id': name,
      'holdfast.mode': 'exclusive',
      'holdfast.method': 'request',
      'holdfast.ttl_ms': ttlMs,
      'holdfast.outcome': 'granted',
      'holdfast.release': 'released',
    });
    for (const span of [lock, wait, hold]) expect(linked(span)).toEqual([]);
  });

  it('a lease of `acquire` has them too, and its context', async () => {
    const tracer = openTelemetryTracer();
    const { locks } = instances({}, { tracer });
    const lease = await inSpan('first', () => locks.acquire(name));
    const carried = leaseIn(tracer.contextOf(lease));
    expect(carried).toMatchObject({ lockId: name, fencingToken: lease.fence });
    await lease.release();
    const { hold, release, lock } = recording.of('first');
    expect(trace.getSpan(tracer.contextOf(lease))?.spanContext().spanId).toBe(idOf(hold));
    expect(release?.attributes['holdfast.release']).toBe('released');
    expect(lock?.attributes['holdfast.method']).toBe('acquire');
  });

  it('those of `requestAll` lie inside each other, in the order of the names', async () => {
    const { locks } = traced();
    await locks.requestAll(['b', 'a'], async () => expect(leaseIn()?.lockId).toBe('b'));
    const holds = new Map(recording.all('lock hold').map((span) => [span.attributes['holdfast.lock_id'], span]));
    const inner = recording.all('lock').find((span) => span.attributes['holdfast.lock_id'] === 'b');
    expect(isBelow(inner, holds.get('a'))).toBe(true);
  });

  it('a callback has the spans of its own request, whoever had the turn before', async () => {
    const { locks } = traced();
    const all = ['first', 'second', 'third'].map((work) => start(locks, work));
    for (const { end } of all) end();
    await Promise.all(all.map(({ result }) => result));
    for (const work of ['first', 'second', 'third']) {
      expect(isBelow(recording.all(`in ${work}`)[0], recording.of(work).hold), work).toBe(true);
    }
  });
});

describe('links', () => {
  it('lead from a waiter of another process to the holder', async () => {
    const { locks, other, records } = traced();
    const first = start(locks, 'first');
    await settled();
    const second = start(other, 'second');
    await settled();
    expect(records().map(({ metadata }) => Object.keys(metadata))).toEqual([['traceparent'], ['traceparent']]);
    first.end();
    second.end();
    await Promise.all([first.result, second.result]);
    const lock = idOf(recording.of('first').lock);
    expect(linked(recording.of('second').wait)).toEqual([lock]);
    expect(linked(recording.of('second').hold)).toEqual([lock]);
    expect(recording.of('second').hold?.links[0]?.attributes).toEqual({ 'holdfast.came_after': 'waited' });
  });

  it('lead from each turn of a batch to the turn before, and only the last one releases', async () => {
    const { locks, other, ports } = traced();
    const holder = start(other, 'holder');
    await settled();
    const works = ['first', 'second', 'third', 'fourth'];
    const all = works.map((work) => start(locks, work));
    await settled();
    for (const { end } of [holder, ...all]) end();
    // The place was taken for one: the next ask of the same owner asks for a turn for each.
    await ports.pass(2_000);
    await Promise.all(all.map(({ result }) => result));
    const before = ['holder', ...works.slice(0, -1)].map((work) => [idOf(recording.of(work).lock)]);
    expect(works.map((work) => linked(recording.of(work).hold))).toEqual(before);
    expect(works.map((work) => recording.of(work).release !== undefined)).toEqual([false, false, false, true]);
    const holds = works.map((work) => recording.of(work).hold?.attributes);
    expect(new Set(holds.map((hold) => hold?.['holdfast.lease_generation'])).size, 'notes do not part a batch').toBe(1);
    expect(new Set(holds.map((hold) => hold?.['holdfast.fencing_token'])).size).toBe(4);
  });

  it('lead to the last turn of a hold of this process, also under the next grant', async () => {
    const { locks, other, ports } = traced();
    const holder = start(other, 'holder');
    await settled();
    // Two that share a grant, whose note in the store is that of the first; then those that want another one.
    const pair = ['w0', 'w1'].map((work) => start(locks, work));
    const metadata = { other: true };
    const next = start(locks, 'w2', { metadata });
    start(locks, 'late', { metadata, waitMs: 2_500 });
    await settled();
    holder.end();
    pair[0]?.end();
    await ports.pass(3_000);
    expect(linked(recording.of('w1').hold), 'still at work').toBeUndefined();
    pair[1]?.end();
    next.end();
    await ports.pass(2_000);
    await Promise.all([...pair, next].map(({ result }) => result));
    const last = [idOf(recording.of('w1').lock)];
    expect(linked(recording.of('w2').hold)).toEqual(last);
    expect(linked(recording.of('late').wait)).toEqual(last);
  });

  it('and notes do not keep those who come while it is held from having their turn under the same grant', async () => {
    const grants = async (options: HoldfastOptions) => {
      const { locks, other, ports } = instances({}, options);
      const generations: bigint[] = [];
      locks.on('granted', ({ leaseGeneration }) => generations.push(leaseGeneration ?? 0n));
      const holding = await other.acquire(name);
      let coming = 12;
      const come = (): Promise<unknown> =>
        locks.request(name, () => {
          coming -= 1;
          // Not awaited: it comes while this one runs, and has its turn afterwards.
          if (coming > 0) rest.push(come());
        });
      const rest = [come(), come(), come()];
      await settled();
      await holding.release();
      await ports.pass(2_000);
      await Promise.all(rest);
      return generations;
    };
    const untraced = await grants({});
    expect(new Set(untraced).size).toBeLessThan(untraced.length);
    expect(await grants({ tracer: openTelemetryTracer() })).toEqual(untraced);
  });

  it('lead from all readers of a batch to the writer before them, and not to each other', async () => {
    const { locks, other } = traced();
    const writer = start(locks, 'writer');
    await settled();
    const readers = ['r1', 'r2'].map((work) => start(other, work, { mode: 'shared' }));
    await settled();
    const second = start(locks, 'second writer');
    await settled();
    for (const { end } of [writer, ...readers, second]) {
      end();
      await settled();
    }
    await Promise.all([writer, ...readers, second].map(({ result }) => result));
    for (const work of ['r1', 'r2']) expect(linked(recording.of(work).hold), work).toEqual([idOf(recording.of('writer').lock)]);
  });

  it('go by who is first when it is asked, not by who has left', async () => {
    const { locks, other, ports, records } = traced();
    const holder = start(other, 'holder');
    await settled();
    const leaving = new AbortController();
    start(locks, 'left', { signal: leaving.signal });
    const stays = start(locks, 'stays');
    await settled();
    leaving.abort();
    holder.end();
    await ports.pass(2_000);
    expect(records().map(({ metadata }) => metadata['traceparent'])).toHaveLength(1);
    const note = String(records()[0]?.metadata['traceparent']);
    stays.end();
    await stays.result;
    expect(note).toContain(idOf(recording.of('stays').lock));
    expect(recording.of('left').lock?.attributes['holdfast.outcome']).toBe('aborted');
    expect(recording.of('left').lock?.status.code).toBe(UNSET);
    expect(linked(recording.of('left').wait)).toEqual([idOf(recording.of('holder').lock)]);
  });

  it('lead from a thief to those it robbed', async () => {
    const { locks, other, ports } = traced();
    const robbed = start(locks, 'robbed');
    await settled();
    const thief = start(other, 'thief', { steal: true });
    await ports.pass(ttlMs / 2);
    expect(await thrownBy(robbed.result)).toMatchObject({ name: 'AbortError' });
    expect(recording.all('lock hold').map(({ status }) => status.code)).toEqual([ERROR]);
    robbed.end();
    thief.end();
    await thief.result;
    expect(recording.of('robbed').hold?.attributes['holdfast.loss']).toBe('stolen');
    expect(recording.of('thief').hold?.links.map(({ attributes }) => attributes)).toEqual([{ 'holdfast.came_after': 'stole' }]);
    expect(linked(recording.of('thief').hold)).toEqual([idOf(recording.of('robbed').lock)]);
    expect(recording.of('robbed').release, 'there was nothing to release').toBeUndefined();
  });
});

describe('a request that never has its turn', () => {
  it.each([
    ['ifAvailable, in the same process', false, { ifAvailable: true }, 'not-available', UNSET],
    ['ifAvailable, in another process', true, { ifAvailable: true }, 'not-available', UNSET],
    ['waitMs: 0', true, { waitMs: 0 }, 'busy', ERROR],
    ['waitMs', true, { waitMs: 500 }, 'timed-out', ERROR],
    ['waitMs, in the same process', false, { waitMs: 500 }, 'timed-out', ERROR],
  ] as const)('%s', async (_, elsewhere, options, outcome, status) => {
    const { locks, other, ports } = traced();
    const holder = start(locks, 'holder');
    await settled();
    const refused = start(elsewhere ? other : locks, 'refused', options);
    refused.end();
    await ports.pass(600);
    holder.end();
    await holder.result;
    const { lock, wait, hold } = recording.of('refused');
    expect(hold).toBeUndefined();
    expect(lock?.attributes['holdfast.outcome']).toBe(outcome);
    expect(lock?.status.code).toBe(status);
    expect(linked(wait)).toEqual([idOf(recording.of('holder').lock)]);
    if (outcome === 'not-available') expect(isBelow(recording.all('in refused')[0], lock)).toBe(true);
  });
});

describe('trouble while it is held', () => {
  const unanswered = () => Promise.reject(new OutcomeUnknownError('no answer'));

  it('each failed renewal is a span with its error, and a loss ends the hold with its own', async () => {
    const { locks, ports } = traced({ renew: unanswered });
    const { result, end } = start(locks, 'first');
    await ports.pass(ttlMs);
    expect(await thrownBy(result)).toMatchObject({ name: 'AbortError' });
    const [hold] = recording.all('lock hold');
    expect(hold?.status.code).toBe(ERROR);
    expect(hold?.attributes['holdfast.loss']).toBe('expired');
    expect(hold?.events.map(({ name: event }) => event)).toEqual(['exception']);
    const failed = recording.all('lock renewal failed');
    expect(failed.length).toBeGreaterThan(1);
    for (const span of failed) {
      expect(span.status).toEqual({ code: ERROR, message: 'no answer' });
      expect(isBelow(span, hold)).toBe(true);
    }
    expect(recording.all('lock'), 'the work is still going on').toEqual([]);
    end();
    await ports.pass(0);
    const { lock, release } = recording.of('first');
    expect(lock?.attributes['holdfast.loss']).toBe('expired');
    expect(release?.attributes['holdfast.release']).toBe('absent');
  });

  it('every reader of a hold hears of its renewals', async () => {
    const { locks, ports } = traced({ renew: unanswered });
    const readers = ['r1', 'r2'].map((work) => start(locks, work, { mode: 'shared' }));
    await ports.pass(ttlMs / 2);
    const failed = recording.all('lock renewal failed');
    for (const { end } of readers) end();
    await Promise.all(readers.map(({ result }) => result));
    for (const work of ['r1', 'r2'])
      expect(
        failed.some((span) => isBelow(span, recording.of(work).hold)),
        work,
      ).toBe(true);
  });

  it('a release without an answer says so', async () => {
    const { locks, ports } = traced({ release: unanswered });
    const { result, end } = start(locks, 'first');
    await settled();
    end();
    await ports.pass(0);
    await result;
    const { release, hold } = recording.of('first');
    expect(release?.attributes['holdfast.release']).toBe('unknown');
    expect(release?.status.code).toBe(ERROR);
    expect(hold?.status.code).toBe(UNSET);
  });
});
