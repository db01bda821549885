import { endMs, fault, plan, rates } from '../generate.js';
import { between, chance, type Dice, integer, pick } from '../rng.js';
import type { Fault, MessageFaultRates, NodePlan, ProcessPlan, QuorumKind, Scenario } from '../scenario.js';

const kinds: readonly QuorumKind[] = [
  'calm',
  'minority',
  'minority',
  'flaky',
  'flaky',
  'fading',
  'clocks',
  'jumps',
  'processes',
  'amnesia',
  'amnesia',
  'amnesia',
  'storm',
  'storm',
];

const wallMs = 1_700_000_000_000;
/** As long as the longest TTL that is asked for. */
const maxTtlMs = 3_000;

/** The world of one seed, with a majority of nodes in place of the one store. */
export function generateQuorum(seed: number): Scenario {
  const dice: Dice = { seed };
  const kind = pick(dice, kinds, 'kind');
  const count = pick(dice, [3, 3, 3, 5], 'nodes');
  const names = ['a', 'b'].slice(0, integer(dice, 1, 2, 'names'));
  const nodes = Array.from({ length: count }, (_, i) => nodePlan(dice, kind, i, count));
  const processes = Array.from({ length: integer(dice, 2, 4, 'processes') }, (_, i) => fitted(plan(dice, kind, `p${i}`, names)));
  return {
    seed,
    kind,
    quorum: { nodes, maxTtlMs, nodeTimeoutMs: pick(dice, [250, 120, 60], 'node-timeout') },
    store: {
      rate: 1,
      wallMs,
      queue: false,
      push: true,
      pollMs: 1_000,
      fencesPerGrant: 64,
      latencyMs: pick(dice, [2, 2, 10, 20], 'latency'),
    },
    processes,
    faults: faults(dice, kind, processes, nodes, names),
    messages: messages(dice, kind),
    endMs,
  };
}

function nodePlan(dice: Dice, kind: QuorumKind, index: number, count: number): NodePlan {
  const who = `n${index}`;
  const apartMs = apart(kind);
  const minority = (count - 1) / 2;
  return {
    rate: kind === 'calm' ? 1 : between(dice, 0.996, 1.004, 'rate', who),
    wallMs: wallMs + between(dice, -apartMs / 2, apartMs / 2, 'wall', who),
    durable: chance(dice, 0.3, 'durable', who),
    spare: kind === 'minority' && index < minority,
  };
}

/** There is no other mode. A call goes to several nodes, and takes as long as the slowest that is waited for. */
function fitted(process: ProcessPlan): ProcessPlan {
  const callTimeoutMs = Math.max(process.callTimeoutMs, 300);
  return {
    ...process,
    callTimeoutMs,
    callers: process.callers.map((ops) => ops.map((op) => ({ ...op, mode: 'exclusive' as const }))),
  };
}

/** How far the clocks of nodes may disagree: nodes that forget leave the order of fences to them, and they agree within half of the grace. */
function apart(kind: QuorumKind): number {
  if (kind === 'calm') return 5;
  return kind === 'clocks' || kind === 'jumps' ? 60_000 : 800;
}

function messages(dice: Dice, kind: QuorumKind): MessageFaultRates {
  if (kind !== 'minority') return rates(dice, kind);
  return { ...rates(dice, 'flaky'), freeze: 0 };
}

/** How many faults of which sort a kind of world gets. */
const menus: Record<QuorumKind, readonly (readonly [sort: string, min: number, max: number])[]> = {
  calm: [],
  minority: [
    ['node-restart', 0, 3],
    ['node-outage', 0, 2],
    ['node-pause', 0, 2],
    ['link-cut', 0, 2],
  ],
  flaky: [
    ['link-cut', 1, 5],
    ['partition', 0, 1],
  ],
  fading: [
    ['fade', 2, 5],
    ['link-cut', 0, 1],
  ],
  clocks: [
    ['node-step-back', 1, 4],
    ['step-wall', 0, 3],
    ['suspend', 0, 2],
    ['link-cut', 0, 2],
  ],
  jumps: [
    ['node-step', 1, 4],
    ['node-outage', 0, 2],
    ['link-cut', 0, 2],
  ],
  processes: [
    ['pause', 1, 5],
    ['crash', 0, 2],
    ['link-cut', 0, 2],
  ],
  amnesia: [
    ['node-restart', 1, 5],
    ['link-cut', 0, 4],
    ['pause', 0, 1],
  ],
  storm: [
    ['node-restart', 0, 3],
    ['node-outage', 0, 2],
    ['node-pause', 0, 2],
    ['link-cut', 0, 3],
    ['pause', 0, 2],
    ['suspend', 0, 1],
    ['step-wall', 0, 1],
    ['crash', 0, 1],
    ['partition', 0, 1],
  ],
};

function faults(
  dice: Dice,
  kind: QuorumKind,
  processes: readonly ProcessPlan[],
  nodes: readonly NodePlan[],
  names: readonly string[],
): Fault[] {
  const own = nodes.some(({ spare }) => spare) ? nodes.filter(({ spare }) => spare).length : nodes.length;
  return menus[kind].flatMap(([sort, min, max]) =>
    Array.from({ length: integer(dice, min, max, 'faults', sort) }, (_, n) =>
      sort.startsWith('node-') || sort === 'link-cut'
        ? nodeFault(dice, sort, n, own, processes)
        : fault(dice, sort, n, processes, names),
    ),
  );
}

/** @param nodes how many of the first nodes anything may happen to */
function nodeFault(dice: Dice, sort: string, n: number, nodes: number, processes: readonly ProcessPlan[]): Fault {
  const range = (min: number, max: number, site: string) => between(dice, min, max, `${sort}-${site}`, '', n);
  const node = integer(dice, 0, nodes - 1, `${sort}-node`, '', n);
  const atMs = range(50, endMs * 0.7, 'at');
  switch (sort) {
    case 'node-restart': {
      const keeps = pick(dice, ['all', 'old', 'old', 'nothing', 'nothing'] as const, `${sort}-keeps`, '', n);
      return { kind: sort, node, atMs, forMs: range(1, 300, 'for'), keeps, lagMs: range(0, 1_000, 'lag') };
    }
    case 'node-outage':
      return {
        kind: sort,
        node,
        atMs,
        forMs: range(50, 3_000, 'for'),
        how: pick(dice, ['silent', 'refusing'], `${sort}-how`, '', n),
      };
    case 'node-pause':
      return { kind: sort, node, atMs, forMs: range(50, 2_500, 'for') };
    case 'link-cut': {
      const process = pick(dice, processes, `${sort}-process`, '', n).name;
      return {
        kind: sort,
        process,
        node,
        atMs,
        forMs: range(50, 4_000, 'for'),
        way: pick(dice, ['both', 'there', 'back'], `${sort}-way`, '', n),
      };
    }
    default: {
      const back = sort === 'node-step-back' || chance(dice, 0.5, `${sort}-back`, '', n);
      return { kind: 'node-step-wall', node, atMs, byMs: (back ? -1 : 1) * range(100, 10_000, 'by') };
    }
  }
}
