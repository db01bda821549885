import type { Ballot, Claim, HoldCopy, Node, Report, Sight, Terms } from '../../../../backends/redlock/node.js';
import type { Held, RevokedBy } from '../../../../core/backend.js';
import type { LockName } from '../../../../core/name.js';
import type { VirtualNode } from '../virtual-node.js';

/** A request that has not arrived. */
export interface Request {
  readonly id: string;
  readonly client: string;
  readonly node: number;
  /** Done on the node; answers with what hands its reply over. */
  readonly carryOut: () => Reply;
}

/** An answer that has not arrived. */
export interface Reply {
  readonly id: string;
  readonly client: string;
  readonly said: string;
  readonly handOver: () => void;
}

/** One client's way to one node. Joining is at once; everything else waits for whoever decides what arrives next. */
export function wire(client: string, index: number, node: VirtualNode, send: (request: Request) => void): Node {
  let calls = 0;
  const call = <T>(what: string, request: () => T) =>
    new Promise<T>((resolve) => {
      const id = `${client}>${index} ${what} ${calls++}`;
      const carryOut = () => {
        const answer = request();
        return { id, client, said: show(answer), handOver: () => resolve(answer) };
      };
      send({ id, client, node: index, carryOut });
    });
  return {
    name: `n${index}`,
    join: async (terms: Terms) => node.join(terms),
    vote: (ballot: Ballot, incarnation: string) => call(`vote ${ballot.round}`, () => node.vote(ballot, incarnation, '')),
    confirm: (claim: Claim, incarnation: string) => call(`confirm ${claim.first}`, () => node.confirm(claim, incarnation)),
    renew: (holds: readonly Held[], incarnation: string) => call('renew', () => node.renew(holds, incarnation)),
    copy: (held: Held) => call('copy', () => node.copy(held)),
    repair: (held: Held, copy: HoldCopy, untilUs: number, incarnation: string) =>
      call('repair', () => node.repair(held, copy, untilUs, incarnation)),
    release: (held: Held) => call('release', () => node.release(held)),
    abandon: (name: LockName, owner: string, round?: number) =>
      call(`abandon ${round ?? 'all'}`, () => node.abandon(name, owner, round)),
    roundOf: (name: LockName) => call('round', () => node.roundOf(name)),
    holderOf: (name: LockName) => call('holder', () => node.holderOf(name)),
    revoke: (name: LockName, by: RevokedBy, upToRound: number, only?: string) =>
      call('revoke', () => node.revoke(name, by, upToRound, only)),
    read: (name: LockName) => call('read', () => node.read(name)),
    list: (prefix: string) => call('list', () => node.list(prefix)),
    examine: async (): Promise<Sight> => ({ node: `n${index}`, others: [], votesInMs: 0 }),
    watch: () => () => {},
    probe: async (): Promise<Report> => ({ findings: [], votesInMs: 0 }),
    close: () => {},
  };
}

export function show(value: unknown): string {
  return JSON.stringify(value, (_, it: unknown) => {
    if (typeof it === 'bigint') return String(it);
    if (it instanceof Map) return [...it];
    return it instanceof Set ? [...it] : it;
  });
}
