import { between, chance, type Dice, integer, pick } from './rng.js';
import {
  type Fault,
  type Kind,
  type MessageFaultRates,
  noMessageFaults,
  type Op,
  type ProcessPlan,
  type QuorumKind,
  type Scenario,
} from './scenario.js';

const kinds: readonly Kind[] = [
  'calm',
  'calm',
  'calm',
  'flaky',
  'flaky',
  'fading',
  'fading',
  'clocks',
  'clocks',
  'processes',
  'processes',
  'store',
  'store',
  'storm',
];
export const endMs = 6_000;

/** The world of one seed. */
export function generate(seed: number): Scenario {
  const dice: Dice = { seed };
  const kind = pick(dice, kinds, 'kind');
  const queue = chance(dice, kind === 'calm' ? 0.9 : 0.75, 'queue');
  const names = ['a', 'b', 'c'].slice(0, integer(dice, 1, 3, 'names'));
  const processes = Array.from({ length: integer(dice, 2, 4, 'processes') }, (_, i) => plan(dice, kind, `p${i}`, names));
  return {
    seed,
    kind,
    store: {
      rate: kind === 'calm' ? 1 : between(dice, 0.996, 1.004, 'store-rate'),
      wallMs: 1_700_000_000_000,
      queue,
      push: chance(dice, kind === 'calm' ? 0.85 : 0.75, 'push'),
      // A claim window must see more than one poll, or a healthy waiter that nothing wakes is passed over.
      pollMs: pick(dice, [200, 500, 1_000], 'poll'),
      fencesPerGrant: pick(dice, [1, 4, 64], 'fences'),
      latencyMs: pick(dice, [2, 2, 10, 20], 'latency'),
    },
    processes,
    faults: faults(dice, kind, processes, names),
    messages: rates(dice, kind),
    endMs,
  };
}

/** One process and its work. */
export function plan(dice: Dice, kind: Kind | QuorumKind, name: string, names: readonly string[]): ProcessPlan {
  const callers = Array.from({ length: integer(dice, 1, 4, 'callers', name) }, (_, caller) =>
    Array.from({ length: (isHot(dice) ? 3 : 1) * integer(dice, 2, 4, 'ops', name, caller) }, (_, n) =>
      op(dice, kind, `${name}.${caller}.${n}`, names),
    ),
  );
  return {
    name,
    rate: kind === 'calm' ? 1 : between(dice, 0.996, 1.004, 'rate', name),
    wallMs: 1_700_000_000_000 + between(dice, -60_000, 60_000, 'wall', name),
    upMs: between(dice, 1_000, 1e7, 'up', name),
    callTimeoutMs: pick(dice, [100, 300, 5_000], 'call-timeout', name),
    closesAtMs: chance(dice, 0.1, 'closes', name) ? between(dice, 500, 5_000, 'closes-at', name) : undefined,
    callers,
  };
}

/** Many short turns of callers that want the same: one grant then serves those, too, that come while it runs. */
function isHot(dice: Dice): boolean {
  return chance(dice, 0.2, 'hot');
}

function op(dice: Dice, kind: Kind | QuorumKind, id: string, names: readonly string[]): Op {
  const is = (probability: number, site: string) => chance(dice, probability, site, id);
  const hot = isHot(dice);
  const ttlMs = hot ? 1_000 : pick(dice, [600, 1_000, 1_500, 3_000], 'ttl', id);
  // Theft spoils order and promptness: most calm worlds go without.
  const thieves = kind !== 'calm' || chance(dice, 0.3, 'thieves');
  const steal = thieves && is(0.04, 'steal');
  const mode = !steal && is(0.3, 'shared') ? 'shared' : 'exclusive';
  const ifAvailable = !steal && is(0.1, 'if-available');
  const long = is(kind === 'fading' ? 0.5 : 0.2, 'long');
  const workMs = hot
    ? between(dice, 0, 2, 'hot-work', id)
    : long
      ? between(dice, ttlMs * 0.6, ttlMs * 2, 'work', id)
      : between(dice, 0, 60, 'work', id);
  const kindOf =
    thieves && is(0.03, 'revoke') ? 'revoke' : is(0.04, 'query') ? 'query' : is(0.4, 'acquire') ? 'acquire' : 'request';
  return {
    id,
    kind: kindOf,
    thinkMs: hot || is(0.3, 'eager') ? 0 : between(dice, 0, 400, 'think', id),
    name: pick(dice, hot ? names.slice(0, 1) : names, 'name', id),
    mode,
    ttlMs,
    steal,
    ifAvailable: kindOf === 'acquire' ? false : ifAvailable,
    waitMs: is(0.12, 'waits') ? between(dice, 0, 1_500, 'wait', id) : undefined,
    abortAfterMs: !steal && !ifAvailable && is(0.12, 'aborts') ? between(dice, 0, 600, 'abort', id) : undefined,
    maxHoldMs: kind !== 'calm' && is(0.03, 'max-hold') ? between(dice, 50, 1_000, 'hold', id) : undefined,
    workMs,
    touchEveryMs: Math.max(3, long ? ttlMs / 25 : workMs / 3),
    heedlessMs: is(0.3, 'heedless') ? between(dice, 10, ttlMs, 'heedless-for', id) : 0,
    throws: is(0.1, 'throws'),
  };
}

export function rates(dice: Dice, kind: Kind | QuorumKind): MessageFaultRates {
  if (kind === 'calm') return noMessageFaults;
  const scale = kind === 'flaky' || kind === 'storm' ? pick(dice, [0.3, 1, 2], 'scale') : 0.2;
  const rate = (site: string, max: number) => scale * between(dice, 0, max, `rate-${site}`);
  return {
    lostRequest: rate('lost-request', 0.05),
    lostReply: rate('lost-reply', 0.05),
    slowRequest: rate('slow-request', 0.05),
    slowReply: rate('slow-reply', 0.08),
    resent: rate('resent', 0.04),
    straggler: rate('straggler', 0.04),
    freeze: kind === 'processes' || kind === 'storm' ? between(dice, 0, 0.15, 'rate-freeze') : 0,
    lostWake: rate('lost-wake', 0.2),
    lateWake: rate('late-wake', 0.2),
  };
}

/** How many faults of which sort a kind of world gets. */
const menus: Record<Kind, readonly (readonly [sort: string, min: number, max: number])[]> = {
  calm: [],
  flaky: [
    ['partition', 0, 2],
    ['spurious-wake', 0, 3],
  ],
  fading: [['fade', 2, 5]],
  clocks: [
    ['suspend', 1, 3],
    ['step-wall', 1, 4],
    ['partition', 1, 3],
    ['store-step-wall', 0, 2],
  ],
  processes: [
    ['pause', 1, 5],
    ['crash', 0, 2],
    ['partition', 0, 1],
  ],
  store: [
    ['outage', 0, 2],
    ['store-pause', 0, 2],
    ['loss', 0, 2],
    ['store-step-wall', 0, 1],
  ],
  storm: [
    ['pause', 0, 3],
    ['suspend', 0, 2],
    ['step-wall', 0, 2],
    ['partition', 0, 2],
    ['crash', 0, 1],
    ['outage', 0, 1],
    ['store-pause', 0, 1],
    ['spurious-wake', 0, 2],
  ],
};

function faults(dice: Dice, kind: Kind, processes: readonly ProcessPlan[], names: readonly string[]): Fault[] {
  const all = menus[kind].flatMap(([sort, min, max]) =>
    Array.from({ length: integer(dice, min, max, 'faults', sort) }, (_, n) => fault(dice, sort, n, processes, names)),
  );
  // A store that forgets owes its fences to its clock: then that clock must not be stepped back.
  const forgets = all.some((it) => it.kind === 'forget' || it.kind === 'failover');
  return forgets ? all.filter((it) => it.kind !== 'store-step-wall' || it.byMs > 0) : all;
}

/** The `n`th fault of a sort. */
export function fault(dice: Dice, sort: string, n: number, processes: readonly ProcessPlan[], names: readonly string[]): Fault {
  const range = (min: number, max: number, site: string) => between(dice, min, max, `${sort}-${site}`, '', n);
  const atMs = range(50, endMs * 0.7, 'at');
  const process = pick(dice, processes, `${sort}-process`, '', n).name;
  const sign = chance(dice, 0.7, `${sort}-back`, '', n) ? -1 : 1;
  switch (sort) {
    case 'pause':
      return { kind: 'pause', process, atMs, forMs: range(5, 2_500, 'for') };
    case 'suspend':
      return { kind: 'suspend', process, atMs, forMs: range(100, 5_000, 'for') };
    case 'partition':
      return { kind: 'partition', process, atMs, forMs: range(50, 4_000, 'for') };
    case 'fade':
      return {
        kind: 'fade',
        process,
        atMs,
        byMs: range(20, 280, 'by'),
        cutAfterMs: range(50, 900, 'cut'),
        forMs: range(600, 4_000, 'for'),
      };
    case 'step-wall':
      return { kind: 'step-wall', process, atMs, byMs: sign * range(100, 10_000, 'by') };
    case 'crash':
      return {
        kind: 'crash',
        process,
        atMs,
        restartAfterMs: chance(dice, 0.7, 'restarts', '', n) ? range(0, 1_000, 'for') : undefined,
      };
    case 'outage':
      return {
        kind: 'outage',
        atMs,
        forMs: range(50, 3_000, 'for'),
        how: chance(dice, 0.5, 'how', '', n) ? 'silent' : 'refusing',
      };
    case 'store-pause':
      return { kind: 'store-pause', atMs, forMs: range(50, 2_500, 'for') };
    case 'store-step-wall':
      return { kind: 'store-step-wall', atMs, byMs: sign * range(100, 10_000, 'by') };
    case 'loss':
      if (chance(dice, 0.5, 'loss-kind', '', n)) return { kind: 'forget', atMs, forMs: range(1, 300, 'for') };
      return { kind: 'failover', atMs, forMs: range(1, 300, 'for'), lagMs: range(5, 500, 'lag') };
    default:
      return { kind: 'spurious-wake', atMs, name: pick(dice, names, 'wake-name', '', n) };
  }
}
