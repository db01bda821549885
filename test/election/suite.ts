import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { limits } from '../../src/core/limits.js';
import { type Leadership, leader, observe } from '../../src/election/index.js';
import { until } from '../support/waits.js';
import { expectTermsToRise, leads, type Scene } from './scene.js';

/** A leader that is not meant to be lost must outlive a machine that stands still for a second. */
const ttlMs = 2_500;
/** A leader that is gone costs its TTL, and what a queue takes to pass over those who died waiting; and a busy machine. */
const nextWithinMs = ttlMs + limits.claimMs + 5_000;

let names = 0;
function newName(): string {
  names += 1;
  return `election ${names}`;
}

/** What every store must show with candidates in real processes. */
export function electionCases(scene: Scene, url: () => string, open: () => Backend | Promise<Backend>): void {
  it('a leader that was killed is followed by another within its TTL and the grace', async () => {
    const name = newName();
    const candidates = [1, 2, 3].map(() => scene.candidate(url(), name, ttlMs));
    let before = 0n;
    for (let killed = 0; killed < 2; killed++) {
      const living = candidates.filter(({ worker }) => worker.child.signalCode === null);
      const leading = await leads(living, nextWithinMs);
      const term = leading.terms.at(-1) ?? 0n;
      expect(term).toBeGreaterThan(before);
      before = term;
      leading.signal('SIGKILL');
      await leading.worker.exited;
      leading.said.push({ state: 'killed' });
    }
    await leads(candidates, nextWithinMs);
    expectTermsToRise(candidates);
  });

  it('a leader that was stopped past its TTL and goes on writing: the next leader is let in, and the late writes are not', async () => {
    const name = newName();
    const [first, second] = [scene.candidate(url(), name, ttlMs, 20), scene.candidate(url(), name, ttlMs, 20)];
    const stopped = await leads([first, second], nextWithinMs);
    const other = stopped === first ? second : first;
    const stoppedIn = stopped.terms.at(-1);
    // Else it may be stopped before its work has picked up its term, and write nothing late.
    await until(() => scene.sink.history.some(({ fence }) => fence === stoppedIn), 'it writes');
    stopped.signal('SIGSTOP');
    await leads([other], nextWithinMs);
    await until(() => scene.sink.history.some(({ fence }) => fence === other.terms[0]), 'the next leader writes');
    const refusedBefore = scene.sink.refused;
    stopped.signal('SIGCONT');
    await until(() => stopped.said.some(({ workEnded }) => workEnded === String(stoppedIn)), 'its work has ended');
    expect(stopped.said).toContainEqual({ state: 'stepping-down', term: String(stoppedIn), because: 'lost' });
    expect(scene.sink.refused).toBeGreaterThanOrEqual(refusedBefore + 20);
    expect(other.leads).toBe(true);
    // It campaigns again, and not before its own work has ended.
    const campaigning = stopped.said.findIndex(({ state }, i) => state === 'campaigning' && i > 0);
    expect(campaigning === -1 || campaigning > stopped.said.findIndex(({ workEnded }) => workEnded !== undefined)).toBe(true);
    other.signal('SIGKILL');
    await leads([stopped], nextWithinMs);
    expectTermsToRise([first, second]);
  });

  it('stepping down waits for the work: the next leader starts when it has ended, and the first comes back', async () => {
    const name = newName();
    const candidates = [scene.candidate(url(), name, ttlMs, 10), scene.candidate(url(), name, ttlMs, 10)];
    const first = await leads(candidates, nextWithinMs);
    const second = candidates.find((one) => one !== first) as typeof first;
    // Else the first one, which campaigns again at once, would be elected again.
    const locks = scene.watch(new Holdfast(await open(), { ttlMs }));
    await until(async () => (await locks.inspect(name)).waiting.length === 1, 'the second waits');
    await sleep(50);
    first.worker.say('resign');
    await leads([second], nextWithinMs);
    expect(first.said).toContainEqual({ workEnded: String(first.terms[0]) });
    expect(first.said).toContainEqual({ state: 'stepping-down', term: String(first.terms[0]), because: 'resigned' });
    // Not one write was late: the lease was kept until the last.
    expect(scene.sink.refused).toBe(0);
    second.worker.say('leave');
    await second.worker.exited;
    await leads([first], nextWithinMs);
    expect(first.terms).toHaveLength(2);
    expect(scene.sink.refused).toBe(0);
    expect(second.said.at(-1)).toEqual({ state: 'ended' });
    expectTermsToRise(candidates);
  });

  it('observers see the leader with its metadata, the change of leaders, and that there is none', async () => {
    const name = newName();
    const locks = scene.watch(new Holdfast(await open(), { ttlMs }));
    const seen: Leadership[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const now of observe(locks, name, { lookMs: 50, signal: stop.signal })) seen.push(now);
    })();
    await until(() => seen.at(-1)?.state === 'vacant', 'nobody leads');
    const candidates = [scene.candidate(url(), name, ttlMs), scene.candidate(url(), name, ttlMs)];
    for (const round of [1, 2]) {
      const leading = await leads(candidates, nextWithinMs);
      await until(() => isLedBy(seen.at(-1), leading.terms.at(-1)), `the leader ${round} is seen`);
      const found = await leader(locks, name);
      expect(found).toMatchObject({ term: leading.terms.at(-1), metadata: { pid: leading.worker.child.pid } });
      expect(found?.node.pid).toBe(leading.worker.child.pid);
      leading.worker.say('leave');
      await leading.worker.exited;
    }
    await until(() => seen.at(-1)?.state === 'vacant', 'nobody leads any more');
    expect(await leader(locks, name)).toBeUndefined();
    stop.abort();
    await watching;
  });
}

function isLedBy(seen: Leadership | undefined, term: bigint | undefined): boolean {
  return seen?.state === 'led' && seen.leader.term === term;
}
