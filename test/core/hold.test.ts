import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Renewal } from '../../src/core/backend.js';
import { type Instant, remainingMs } from '../../src/core/clock.js';
import { deadlineFor, type HoldEvent, type HoldState, startHold, transition } from '../../src/core/hold.js';

function at(ms: number, wallStepMs = 0): Instant {
  return { monotonicMs: ms, uptimeMs: ms, wallMs: ms + wallStepMs };
}

const ttlMs = 1_000;
const yes: Renewal = { outcome: 'renewed', ttlMs };

function run(state: HoldState, ...events: HoldEvent[]) {
  const seen: string[] = [];
  let now = state;
  for (const event of events) {
    const [next, effects] = transition(now, event);
    now = next;
    seen.push(...effects.map((effect) => (effect.type === 'signal-loss' ? `loss:${effect.loss}` : effect.type)));
  }
  return { state: now, effects: seen };
}

describe('invariant 1: the deadline is local and early', () => {
  it('counts from before the request was sent, less drift and margin', () => {
    expect(deadlineFor(at(5), ttlMs)).toEqual({ since: at(5), lengthMs: 980 });
  });

  it('takes off a margin that a short TTL can spare', () => {
    expect(deadlineFor(at(0), 50).lengthMs).toBeCloseTo(50 * 0.99 - 5);
  });

  it('is not moved by a wall clock stepped back, and only brought nearer by one stepped forward', () => {
    const { deadline } = startHold(at(0), ttlMs) as Extract<HoldState, { phase: 'held' }>;
    expect(remainingMs(deadline, at(100, -3_600_000))).toBe(880);
    expect(remainingMs(deadline, at(100, 500))).toBe(380);
  });

  it('counts the time that a sleeping machine missed on its monotonic clock', () => {
    const { deadline } = startHold(at(0), ttlMs) as Extract<HoldState, { phase: 'held' }>;
    expect(remainingMs(deadline, { monotonicMs: 10, uptimeMs: 60_010, wallMs: 10 })).toBeLessThan(0);
  });
});

describe('invariant 3: renewal', () => {
  it('is counted from when it was sent, not from when it was answered', () => {
    const { state } = run(
      startHold(at(0), ttlMs),
      { type: 'renewal-due', now: at(300) },
      { type: 'renewal-answered', answer: yes, now: at(800) },
    );
    expect(state).toMatchObject({ phase: 'held', deadline: { since: at(300) }, renewals: 1 });
  });

  it('a late yes revives nothing', () => {
    const { state, effects } = run(
      startHold(at(0), ttlMs),
      { type: 'renewal-due', now: at(300) },
      { type: 'renewal-answered', answer: yes, now: at(981) },
    );
    expect(state.phase).toBe('lost');
    expect(effects).toEqual(['send-renewal', 'loss:expired']);
  });

  it('is not sent after the deadline, nor while one is under way', () => {
    expect(run(startHold(at(0), ttlMs), { type: 'renewal-due', now: at(981) }).effects).toEqual(['loss:expired']);
    const twice = run(startHold(at(0), ttlMs), { type: 'renewal-due', now: at(300) }, { type: 'renewal-due', now: at(400) });
    expect(twice.effects).toEqual(['send-renewal']);
  });

  it('one failure ends nothing: it is tried again', () => {
    const { state, effects } = run(
      startHold(at(0), ttlMs),
      { type: 'renewal-due', now: at(300) },
      { type: 'renewal-answered', answer: { outcome: 'unknown', cause: 'x' }, now: at(400) },
    );
    expect(state).toMatchObject({ phase: 'held', failures: 1, endangered: false });
    expect(effects).toEqual(['send-renewal', 'report-renewal-failed', 'schedule-renewal']);
  });

  it('failures near the end are reported as danger, once', () => {
    const unknown: Renewal = { outcome: 'unknown', cause: 'x' };
    const { effects } = run(
      startHold(at(0), ttlMs),
      { type: 'renewal-due', now: at(700) },
      { type: 'renewal-answered', answer: unknown, now: at(720) },
      { type: 'renewal-due', now: at(740) },
      { type: 'renewal-answered', answer: unknown, now: at(760) },
    );
    expect(effects.filter((effect) => effect === 'report-endangered')).toHaveLength(1);
  });

  it.each([
    [{ outcome: 'gone' } as const, 'forgotten'],
    [{ outcome: 'not-yours' } as const, 'forgotten'],
    [{ outcome: 'gone', by: { kind: 'revoked', reason: '' } } as const, 'revoked'],
    [{ outcome: 'not-yours', by: { kind: 'stolen', reason: '' } } as const, 'stolen'],
  ])('the answer %j is the loss %s', (answer, loss) => {
    const events: HoldEvent[] = [
      { type: 'renewal-due', now: at(300) },
      { type: 'renewal-answered', answer, now: at(310) },
    ];
    expect(run(startHold(at(0), ttlMs), ...events).effects).toContain(`loss:${loss}`);
  });
});

describe('release', () => {
  it('follows the end of the work', () => {
    expect(run(startHold(at(0), ttlMs), { type: 'work-done', now: at(10) }).effects).toEqual(['release']);
  });

  it('after a loss that others caused there is nothing to release', () => {
    const { effects } = run(
      startHold(at(0), ttlMs),
      { type: 'ended', loss: 'stolen', now: at(10) },
      { type: 'work-done', now: at(20) },
    );
    expect(effects).toEqual(['loss:stolen']);
  });

  it('work that ran past the deadline is told of the loss before the store is tidied', () => {
    expect(run(startHold(at(0), ttlMs), { type: 'work-done', now: at(2_000) }).effects).toEqual(['loss:expired', 'release']);
  });
});

describe('any sequence of events', () => {
  const answers: Renewal[] = [yes, { outcome: 'gone' }, { outcome: 'not-yours' }, { outcome: 'unknown', cause: 'x' }];
  const event = fc.record({
    type: fc.constantFrom('tick', 'renewal-due', 'renewal-answered', 'ended', 'work-done'),
    answer: fc.constantFrom(...answers),
    stepMs: fc.integer({ min: 0, max: 700 }),
    wallStepMs: fc.integer({ min: -5_000, max: 5_000 }),
  });

  it('never leaves lost or over for held, signals a loss once, and is never held after its deadline', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (steps) => {
        let state: HoldState = startHold(at(0), ttlMs);
        let now = 0;
        let losses = 0;
        for (const { type, answer, stepMs, wallStepMs } of steps) {
          now += stepMs;
          const [next, effects] = transition(state, { type, answer, loss: 'overdue', now: at(now, wallStepMs) } as HoldEvent);
          if (state.phase !== 'held') expect(next.phase).not.toBe('held');
          if (next.phase === 'held') expect(remainingMs(next.deadline, at(now, wallStepMs))).toBeGreaterThan(0);
          losses += effects.filter((effect) => effect.type === 'signal-loss').length;
          if (next.phase !== 'held') expect(effects.map((effect) => effect.type)).not.toContain('send-renewal');
          state = next;
        }
        expect(losses).toBeLessThanOrEqual(1);
      }),
      { numRuns: 2_000 },
    );
  });
});
