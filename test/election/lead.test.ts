import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { ClosedError, LeaseLostError } from '../../src/core/errors.js';
import { Holdfast } from '../../src/core/holdfast.js';
import {
  type CandidateState,
  type LeadOptions,
  type LeadWork,
  lead,
  leader,
  observe,
  type Term,
} from '../../src/election/index.js';
import { thrownBy, until } from '../support/waits.js';

describe('a candidate', () => {
  let locks: Holdfast;
  let states: CandidateState[];
  beforeEach(() => {
    locks = new Holdfast(memory(), { ttlMs: 5_000 });
    states = [];
  });
  afterEach(() => locks.close());

  function run(work: LeadWork, options: LeadOptions = {}) {
    return lead(locks, 'job', work, { onState: (state) => states.push(state), ...options });
  }

  /** Leads until it is told to end. */
  async function untilTold({ signal }: Term): Promise<void> {
    await until(() => signal.aborted, 'the work is told to end');
  }

  it('leads one term after the other until it is closed', async () => {
    const terms: bigint[] = [];
    const candidate = run(async (term) => {
      terms.push(term.term);
      term.assertLeading();
      expect(term.remainingMs).toBeGreaterThan(0);
      await untilTold(term);
    });
    await until(() => terms.length === 1, 'it leads');
    await candidate.resign();
    await until(() => terms.length === 2, 'it leads again');
    await candidate.close();
    await candidate.ended;
    expect(terms[1]).toBeGreaterThan(terms[0] ?? 0n);
    const [first, second] = terms;
    expect(states).toEqual([
      { state: 'leading', term: first },
      { state: 'stepping-down', term: first, because: 'resigned' },
      { state: 'campaigning' },
      { state: 'leading', term: second },
      { state: 'stepping-down', term: second, because: 'closed' },
      { state: 'campaigning' },
      { state: 'ended' },
    ]);
    expect((await locks.query()).held).toEqual([]);
  });

  it('keeps the lease, and its term, until the work has ended', async () => {
    const ended: bigint[] = [];
    const work: LeadWork = async (term) => {
      await untilTold(term);
      expect(term.signal.reason).toBeInstanceOf(ClosedError);
      await sleep(3_000);
      ended.push(term.term);
    };
    const candidate = run(work, { ttlMs: 1_500 });
    await until(() => candidate.state.state === 'leading', 'it leads');
    const closed = candidate.close();
    await sleep(2_000);
    expect((await locks.inspect('job')).held).toHaveLength(1);
    expect(ended).toEqual([]);
    await closed;
    expect(ended).toHaveLength(1);
    expect((await locks.inspect('job')).held).toEqual([]);
  });

  it('does not campaign after a loss before its own work has ended', async () => {
    let atWork = 0;
    let most = 0;
    const reasons: unknown[] = [];
    const candidate = run(async (term) => {
      atWork += 1;
      most = Math.max(most, atWork);
      await untilTold(term);
      reasons.push(term.signal.reason);
      await sleep(400);
      atWork -= 1;
    });
    await until(() => candidate.state.state === 'leading', 'it leads');
    await locks.revoke('job', { reason: 'a test' });
    await until(() => candidate.state.state === 'stepping-down', 'it hears of the loss');
    expect(candidate.state).toMatchObject({ because: 'lost' });
    await until(() => reasons.length === 1 && candidate.state.state === 'leading', 'it leads again');
    await candidate.close();
    expect(most).toBe(1);
    expect(reasons[0]).toBeInstanceOf(LeaseLostError);
  });

  it('ends with what the work threw, and with onError it goes on', async () => {
    const fault = new Error('a fault of the work');
    const strict = run(() => Promise.reject(fault));
    expect(await thrownBy(strict.ended)).toBe(fault);
    expect(states.at(-1)).toEqual({ state: 'ended', error: fault });
    const told: unknown[] = [];
    const patient = run(() => Promise.reject(fault), {
      onError(error) {
        told.push(error);
        throw new Error('a fault of the listener');
      },
    });
    await until(() => told.length === 3, 'it was elected three times');
    await patient.close();
    await patient.ended;
    expect(told[2]).toBe(fault);
  });

  it('is not at fault when it throws because it was told to end', async () => {
    const candidate = run(async (term) => {
      await untilTold(term);
      term.signal.throwIfAborted();
    });
    await until(() => candidate.state.state === 'leading', 'it leads');
    await candidate.close();
    await candidate.ended;
  });

  it('may resign and close inside its work, which does not wait for itself', async () => {
    let terms = 0;
    const candidate = run(async (term) => {
      terms += 1;
      if (terms === 1) term.resign();
      else if (terms === 2) await candidate.resign();
      else await candidate.close();
      expect(term.signal.aborted).toBe(true);
    });
    await candidate.ended;
    expect(terms).toBe(3);
  });

  it('ends when its signal is aborted, when its instance is closed, and when it cannot be elected ever', async () => {
    const controller = new AbortController();
    const first = run(untilTold, { signal: controller.signal });
    await until(() => first.state.state === 'leading', 'it leads');
    const second = run(untilTold);
    controller.abort();
    await first.ended;
    await until(() => second.state.state === 'leading', 'the second leads');
    await second.close();
    expect(await thrownBy(run(untilTold, { ttlMs: 1 }).ended)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await run(untilTold, { signal: AbortSignal.abort() }).ended;
    await locks.close();
    await run(untilTold).ended;
    expect(() => lead(locks, 'job', untilTold, { ttl: 1 } as LeadOptions)).toThrow('did you mean "ttlMs"?');
  });

  it('shows others the number of its term, also with more candidates on the same instance', async () => {
    const led: bigint[] = [];
    const candidates = [1, 2, 3].map((number) =>
      run(
        (term) => {
          led.push(term.term);
          return untilTold(term);
        },
        { metadata: { number } },
      ),
    );
    for (let terms = 1; terms <= 4; terms++) {
      await until(() => led.length === terms, `somebody leads in term ${terms}`);
      const leading = candidates.find(({ state }) => state.state === 'leading');
      expect(leading?.state).toMatchObject({ term: led[terms - 1] });
      expect((await leader(locks, 'job'))?.term).toBe(led[terms - 1]);
      await leading?.resign();
    }
    await Promise.all(candidates.map((candidate) => candidate.close()));
  });

  it('an observation ends with the instance', async () => {
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { state } of observe(locks, 'job', { lookMs: 50 })) seen.push(state);
    })();
    await until(() => seen.length === 1, 'it has seen that nobody leads');
    await locks.close();
    await watching;
    expect(seen).toEqual(['vacant']);
  });
});
