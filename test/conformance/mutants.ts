import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryStore, memory } from '../../src/backends/memory/index.js';
import type { Ask, Backend, LockRecord, Renewal } from '../../src/core/backend.js';
import { encodeName, type LockName } from '../../src/core/name.js';
import { type Faults, type Fixture, wrapped } from '../../src/testkit/index.js';

/** A backend with one defect, and the cases that must find it. */
export interface Mutant {
  readonly defect: string;
  readonly foundBy: readonly string[];
  readonly fixture: Fixture;
}

function newStore(): MemoryStore {
  const wallUs = () => BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000));
  return new MemoryStore({ nowMs: () => performance.now(), wallUs });
}

function mutant(defect: string, foundBy: readonly string[], faults: (store: MemoryStore) => Faults): Mutant {
  const store = newStore();
  const open = (): Backend => wrapped(memory({ store }), faults(store));
  return {
    defect,
    foundBy,
    fixture: { name: defect, open, graceMs: 200, timeoutMs: 10_000, forgetEverything: () => store.forgetEverything() },
  };
}

async function* mapped(records: AsyncIterable<LockRecord>, map: (record: LockRecord) => LockRecord) {
  for await (const record of records) yield map(record);
}

/** Every name goes through `spoil` on its way to the store. */
function misnaming(spoil: (text: string) => string): Faults {
  const rename = ({ text }: LockName): LockName => ({ text, encoded: encodeName(spoil(text)) });
  return {
    acquire: (call, ask) => call({ ...ask, name: rename(ask.name) }),
    renew: (call, holds) => call(holds.map((held) => ({ ...held, name: rename(held.name) }))),
    release: (call, held) => call({ ...held, name: rename(held.name) }),
    abandon: (call, ask) => call({ ...ask, name: rename(ask.name) }),
  };
}

const withTtl =
  (factor: number): (() => Faults) =>
  () => ({ acquire: (call, ask) => call({ ...ask, ttlMs: ask.ttlMs * factor }) });

/** Whoever asks, asks for everyone who ever waited. */
function keepingPlaces(): () => Faults {
  const waiting = new Map<string, Ask>();
  return () => ({
    acquire: async (call, ask) => {
      if (ask.enqueue) waiting.set(ask.owner, ask);
      for (const other of waiting.values()) await call(other);
      return call(ask);
    },
  });
}

function closing(defect: string, close: (backend: Backend) => Promise<void>): Mutant {
  const store = newStore();
  const open = () => {
    const backend = wrapped(memory({ store }), {});
    return Object.assign(backend, { close: () => close(backend) });
  };
  return { defect, foundBy: ['close/later-calls-reject-rather-than-hang'], fixture: { name: defect, open, graceMs: 200 } };
}

function hang(backend: Backend): void {
  const never = () => new Promise<never>(() => {});
  Object.assign(backend, { acquire: never, renew: never, release: never, abandon: never, revoke: never });
}

function amnesiac(): Mutant {
  const store = new MemoryStore({ nowMs: () => performance.now(), wallUs: () => 0n });
  const fixture = { name: 'amnesiac', open: () => memory({ store }), forgetEverything: () => store.forgetEverything() };
  return { defect: 'fences restart with the store', foundBy: ['fences/rise-although-the-store-forgot-everything'], fixture };
}

export const mutants: readonly Mutant[] = [
  mutant(
    'a release frees whoever holds it',
    ['release/stale-holder-cannot-release', 'release/stranger-cannot-release'],
    (store) => ({
      release: async (_call, held) => {
        const { ended } = store.revoke(held.name.encoded, { kind: 'revoked', reason: '', node: {} as never });
        return ended.length > 0 ? 'released' : 'absent';
      },
    }),
  ),
  mutant('a release of nothing throws', ['release/never-granted-is-absent', 'release/expired-is-absent-and-no-throw'], () => ({
    release: async (call, held) => {
      const outcome = await call(held);
      if (outcome === 'absent') throw new Error('not locked');
      return outcome;
    },
  })),
  mutant('whoever waits is told to ask again at once', ['acquire/nobody-behind-others-is-hurried'], () => ({
    acquire: async (call, ask) => {
      const answer = await call(ask);
      return answer.outcome === 'refused' ? { ...answer, retryInMs: 0 } : answer;
    },
  })),
  mutant('a release does nothing', ['release/frees-at-once', 'renew/released-creates-nothing'], () => ({
    release: async () => 'released' as const,
  })),
  mutant(
    'a renewal creates',
    ['renew/never-granted-creates-nothing', 'renew/released-creates-nothing', 'renew/expired-creates-nothing'],
    (store) => ({
      renew: async (call, holds) => {
        const answers = await call(holds);
        const node = { host: '', pid: 0, bootId: '', startedAt: '', nonce: '' };
        const renewed: Renewal[] = answers.map((answer, i) => {
          const held = holds[i];
          if (answer.outcome !== 'gone' || held === undefined) return answer;
          store.acquire({ ...held, fences: 1, enqueue: false, node, metadata: {} });
          return { outcome: 'renewed', ttlMs: held.ttlMs };
        });
        return renewed;
      },
    }),
  ),
  mutant('a renewal always says yes', ['renew/stale-holder-cannot-renew', 'revoke/stale-holder-can-do-nothing'], () => ({
    renew: async (_call, holds) => holds.map(({ ttlMs }) => ({ outcome: 'renewed' as const, ttlMs })),
  })),
  mutant('a renewal extends nothing', ['renew/keeps-a-hold-beyond-its-ttl'], () => ({
    renew: async (call, holds) => call(holds.map((held) => ({ ...held, ttlMs: 1 }))),
  })),
  mutant('renewals of a batch are told apart by name only', ['renew/one-batch-with-a-name-twice'], () => ({
    renew: async (call, holds) => {
      const byName = new Map((await call(holds)).map((answer, i) => [holds[i]?.name.encoded, answer]));
      return holds.map(({ name }) => byName.get(name.encoded) as Renewal);
    },
  })),
  mutant('renewals are answered in another order', ['renew/thousand-at-once-in-order'], () => ({
    renew: async (call, holds) => [...(await call(holds))].reverse(),
  })),
  mutant('every ask is a new one', ['acquire/same-owner-holds-once', 'acquire/lost-reply-is-asked-for-again'], () => {
    let asks = 0;
    return { acquire: (call, ask) => call({ ...ask, owner: `${ask.owner}${asks++}` }) };
  }),
  mutant('the same owner is told other fences', ['acquire/same-owner-holds-once'], () => ({
    acquire: async (call, ask) => {
      const answer = await call(ask);
      if (answer.outcome !== 'granted') return answer;
      const first = BigInt(Math.ceil(performance.now() * 1_000_000));
      return { ...answer, fences: { first, last: first + BigInt(ask.fences) - 1n } };
    },
  })),
  mutant('a lock is over before its TTL', ['acquire/not-grantable-before-the-ttl-and-soon-after'], withTtl(0.3)),
  mutant('a lock outlasts its TTL', ['acquire/not-grantable-before-the-ttl-and-soon-after'], withTtl(10)),
  mutant('everyone is granted', ['acquire/one-winner-among-many', 'acquire/refuses-a-held-name-and-says-who'], () => ({
    acquire: (call, ask) => call({ ...ask, mode: 'shared' }),
  })),
  mutant('the owner is shown', ['acquire/never-shows-an-owner'], () => {
    return {
      acquire: (call, ask) => call({ ...ask, metadata: { ...ask.metadata, owner: ask.owner } }),
    };
  }),
  mutant(
    'an abandoned owner is not remembered',
    ['abandon/late-ask-is-refused', 'abandon/racing-its-ask-leaves-nothing'],
    (store) => ({
      abandon: async (_call, ask) => void store.release(ask),
    }),
  ),
  mutant('abandoning ends whoever holds it', ['abandon/leaves-others-alone', 'abandon/twice-is-once'], (store) => ({
    abandon: async (call, ask) => {
      store.revoke(ask.name.encoded, { kind: 'revoked', reason: '', node: ask.node });
      return call(ask);
    },
  })),
  mutant('the queue is none', ['queue/newcomer-cannot-overtake', 'queue/first-come-first-served-across-clients'], () => ({
    acquire: (call, ask) => call({ ...ask, enqueue: false }),
  })),
  mutant('a dead waiter keeps its place', ['queue/dead-waiter-loses-its-place'], keepingPlaces()),
  mutant('asking again goes to the end of the queue', ['queue/asking-again-keeps-the-place'], () => ({
    acquire: async (call, ask) => {
      const answer = await call({ ...ask, enqueue: false });
      if (answer.outcome === 'granted' || !ask.enqueue) return answer;
      // Lost and found under another name: the place is new at every ask.
      return call({ ...ask, owner: `${ask.owner}${performance.now()}` });
    },
  })),
  mutant('readers exclude each other', ['shared/readers-together'], () => ({
    acquire: (call, ask) => call({ ...ask, mode: 'exclusive' }),
  })),
  mutant(
    'every fence is the same',
    ['fences/rise-over-release', 'fences/rise-over-expiry', 'fences/rise-over-ten-thousand-grants'],
    () => ({
      acquire: async (call, ask) => {
        const answer = await call(ask);
        return answer.outcome === 'granted' ? { ...answer, fences: { first: 1n, last: BigInt(ask.fences) } } : answer;
      },
    }),
  ),
  amnesiac(),
  closing('close does nothing', async () => {}),
  closing('calls hang after close', async (backend) => hang(backend)),
  mutant('names ignore case', ['names/case-stay-apart'], () => misnaming((text) => text.toLowerCase())),
  mutant('names end at a NUL', ['names/controls-stay-apart'], () => misnaming((text) => text.split('\0')[0] ?? '')),
  mutant('names are trimmed', ['names/spaces-stay-apart'], () => misnaming((text) => text.trim())),
  mutant('names are normalized', ['names/unicode-stay-apart'], () => misnaming((text) => text.normalize('NFKC'))),
  mutant('lone surrogates are replaced', ['names/surrogates-stay-apart'], () =>
    misnaming((text) => Buffer.from(text).toString()),
  ),
  mutant('names come back encoded', ['names/percent-stay-apart', 'names/controls-stay-apart'], (store) => ({
    list: (prefix) => mapped(memory({ store }).list(prefix), (record) => ({ ...record, name: record.key })),
  })),
  mutant(
    'an owner that was ended may come back',
    ['revoke/stale-holder-cannot-ask-again', 'abandon/late-ask-is-refused'],
    () => ({
      acquire: async (call, ask) => {
        const answer = await call(ask);
        const ended = answer.outcome === 'refused' && answer.because === 'abandoned';
        return ended ? call({ ...ask, owner: `${ask.owner}~` }) : answer;
      },
    }),
  ),
  mutant(
    'nobody is told why',
    ['revoke/stale-holder-is-told-why', 'revoke/stolen-holder-is-told-why', 'loss/revoked-is-told'],
    () => ({
      renew: async (call, holds) =>
        (await call(holds)).map((answer) =>
          answer.outcome === 'gone' ? { outcome: 'gone' } : answer.outcome === 'not-yours' ? { outcome: 'not-yours' } : answer,
        ),
    }),
  ),
  mutant('stealing takes two steps', ['revoke/steal-goes-before-whoever-waits'], (store) => ({
    revoke: async (call, name, { heir, ...by }) => {
      const revocation = await call(name, by);
      const answer = heir === undefined ? undefined : store.acquire(heir);
      return answer?.outcome === 'granted' ? { ...revocation, grant: answer } : revocation;
    },
  })),
  mutant(
    'a revocation ignores the fence',
    ['revoke/if-another-fence-ends-nothing', 'revoke/if-its-fence-spares-whoever-it-was-handed-to'],
    () => ({ revoke: (call, name, { kind, reason, node }) => call(name, { kind, reason, node }) }),
  ),
  mutant(
    'the fence is compared in a step before the revocation',
    ['revoke/if-its-fence-spares-whoever-comes-meanwhile'],
    (store) => ({
      revoke: async (call, name, { ifFence, ...by }) => {
        const isThere = [...store.list(name.text)].some(({ fence }) => fence === ifFence);
        await sleep(5);
        return ifFence === undefined || isThere ? call(name, by) : { ended: [] };
      },
    }),
  ),
  mutant('list ignores the prefix', ['list/filters-by-prefix'], (store) => ({ list: () => memory({ store }).list('') })),
  mutant('list forgets metadata', ['list/shows-of-each-name-what-reading-it-shows'], (store) => ({
    list: (prefix) => mapped(memory({ store }).list(prefix), (record) => ({ ...record, metadata: {} })),
  })),
  mutant('list turns the queue round', ['queue/asking-again-keeps-the-place'], (store) => ({
    list: async function* (prefix) {
      yield* [...store.list(prefix)].reverse();
    },
  })),
  mutant('list hides readers', ['shared/readers-together'], (store) => ({
    list: async function* (prefix) {
      yield* [...store.list(prefix)].filter(({ mode }) => mode === 'exclusive');
    },
  })),
  mutant('reading a name answers after close', ['close/later-calls-reject-rather-than-hang'], (store) => ({
    read: async (name) => store.read(name.encoded),
  })),
  mutant('reading a name finds none that is encoded', ['names/controls-stay-apart', 'names/percent-stay-apart'], (store) => ({
    read: async (name) => (name.encoded === name.text ? store.read(name.encoded) : []),
  })),
  mutant('reading a name forgets metadata', ['list/shows-a-holder', 'list/keeps-metadata-as-it-was'], (store) => ({
    read: async (name) => store.read(name.encoded).map((record) => ({ ...record, metadata: {} })),
  })),
  mutant('reading a name shows those that begin alike', ['list/shows-of-each-name-what-reading-it-shows'], (store) => ({
    read: async (name) => [...store.list(name.text)],
  })),
  mutant('watching hears nothing', ['watch/wakes-on-release'], () => ({ watch: () => () => {} })),
  mutant('watching never stops', ['watch/stop-stops-only-itself'], (store) => ({
    watch: (name, wake) => {
      memory({ store }).watch(name, wake);
      return () => {};
    },
  })),
];
