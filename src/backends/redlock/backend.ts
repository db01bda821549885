import type {
  Ask,
  Backend,
  Finding,
  Grant,
  Held,
  LockRecord,
  Refusal,
  Release,
  Renewal,
  Revocation,
  RevokedBy,
  Revoker,
  Stop,
  Traits,
} from '../../core/backend.js';
import { Calls } from '../../core/calls.js';
import { type Ports, systemPorts } from '../../core/clock.js';
import {
  BackendUnavailableError,
  ClosedError,
  InvalidArgumentError,
  NotSupportedError,
  OutcomeUnknownError,
} from '../../core/errors.js';
import type { Examination } from '../../core/examination.js';
import { seenTwice } from '../../core/examining.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { examinationOf } from './protocol/examining.js';
import type { Node } from './node.js';
import type { ProtocolSettings } from './options.js';
import { findings } from './probe.js';
import { Group } from './protocol/group.js';
import { excuseOf } from './protocol/member.js';
import { agreed, merged } from './protocol/merging.js';
import { roundOf } from './protocol/node-clock.js';
import { type Overlap, Overlaps } from './protocol/overlaps.js';
import { InFlight } from './protocol/in-flight.js';
import { poll, type Said } from './protocol/poll.js';
import { abandon, release } from './protocol/releasing.js';
import { renewAll } from './protocol/renewing.js';
import { type Granted, Round } from './protocol/round.js';
import { watchAll } from './protocol/waking.js';

/** What listing and revoking may take on one node: no lease depends on them. */
const looseTimeoutMs = 2_000;

/** What is under way when the backend is closed gets so long: less than the shortest deadline that core gives a call. */
const farewellMs = limits.callTimeoutMsMin / 2;

/** How often in a row a round may be overtaken before its caller is told to come again. */
const overtakenMax = 10;

/** Below it, two rounds to several nodes and the waiting for a silent one eat the whole lease. */
const ttlMsMin = 250;

/** The protocol over any nodes. It reads clocks and timers through ports, and does no I/O of its own. */
export class RedlockBackend implements Backend {
  readonly name = 'redlock';
  readonly traits: Traits;
  /** How often was granted, and how often the fences had to be written back first. */
  readonly tally = { granted: 0, wroteBack: 0 };
  readonly #group: Group;
  readonly #ports: Ports;
  readonly #overlaps = new Overlaps<Granted | Refusal>();
  #lastRound = 0;
  #closed = false;

  /** @param nodes an odd number of them, at least three */
  constructor(nodes: readonly Node[], settings: ProtocolSettings, ports: Ports = systemPorts()) {
    this.#ports = ports;
    this.#group = new Group(nodes, { ports, calls: new Calls(ports), settings, inFlight: new InFlight() });
    this.traits = traitsOf(settings, nodes.length);
  }

  async acquire(ask: Ask): Promise<Grant | Refusal> {
    this.#mustBeOpen(ask);
    return this.#counted(await this.#overlaps.run(ask.owner, (overlap) => this.#rounds(overlap, ask)));
  }

  async renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    this.#mustBeOpen();
    return renewAll(this.#group, holds);
  }

  async release(held: Held): Promise<Release> {
    this.#mustBeOpen();
    return release(this.#group, held);
  }

  async abandon(ask: Ask): Promise<void> {
    this.#mustBeOpen();
    await abandon(this.#group, ask);
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#closed ? () => {} : watchAll(this.#group, name, wake);
  }

  async read(name: LockName): Promise<readonly LockRecord[]> {
    this.#mustBeOpen();
    const { quorum } = this.#group;
    type Lists = readonly (readonly LockRecord[])[];
    // A node that hangs is not waited for where the others agree: observers look every second.
    const isEnough = (answers: Lists) => agreed(answers, quorum);
    const lists: Lists = await this.#ask('reading a name', isEnough, ({ node }) => node.read(name));
    return agreed(lists, quorum) ? merged(lists, 0, quorum) : this.#merged(lists);
  }

  async *list(prefix: string): AsyncIterable<LockRecord> {
    this.#mustBeOpen();
    const lists = await this.#ask('listing', 'all', ({ node }) => node.list(prefix));
    yield* this.#merged(lists);
  }

  async revoke(name: LockName, by: Revoker): Promise<Revocation> {
    this.#mustBeOpen(by.heir);
    const { kind, reason, heir, ifFence } = by;
    if (ifFence !== undefined) return this.#revokeOnly(name, { kind, reason }, ifFence);
    if (heir === undefined) {
      const upToRound = await this.#lastRoundOf(name);
      if (upToRound < 0) return { ended: [] };
      const lists = await this.#ask('revoking', 'all', ({ node }) => node.revoke(name, { kind, reason }, upToRound));
      return { ended: this.#merged(lists) };
    }
    const answer = await this.#overlaps.run(heir.owner, async (overlap) => {
      const after = await this.#lastRoundOf(name);
      return overlap.isLast ? this.#rounds(overlap, heir, { kind, reason }, after) : overlap.lastAnswer;
    });
    if (answer.outcome === 'refused') return { ended: [] };
    return { ended: this.#merged(answer.ended), grant: this.#counted(answer) as Grant };
  }

  async probe(): Promise<readonly Finding[]> {
    this.#mustBeOpen();
    return findings(this.#group);
  }

  examine(name: LockName): Promise<Examination> {
    return seenTwice(this.#ports, async () => {
      this.#mustBeOpen();
      const sights = await this.#ask('looking at a name', 'all', ({ node }) => node.examine(name));
      return examinationOf(sights, this.#group.quorum, this.#group.members.length);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#group.close(farewellMs);
  }

  /** Whose fence it is, a majority tells; each node then ends that owner's hold and no other, whatever has happened meanwhile. */
  async #revokeOnly(name: LockName, by: RevokedBy, fence: bigint): Promise<Revocation> {
    const found = await this.#ask('looking who holds it', 'all', ({ node }) => node.holderOf(name));
    const shown = this.#merged(found.map((holder) => (holder === undefined ? [] : [holder.record])));
    const meant = shown.find((record) => record.fence === fence);
    const owner = found.find((holder) => holder?.record.ownerDigest === meant?.ownerDigest)?.owner;
    if (meant === undefined || owner === undefined) return { ended: [] };
    const ended = await this.#ask('revoking', 'all', ({ node }) => node.revoke(name, by, Number.MAX_SAFE_INTEGER, owner));
    return { ended: this.#merged(ended) };
  }

  /** @param lists of each node that answered */
  #merged(lists: readonly (readonly LockRecord[])[]): readonly LockRecord[] {
    const { quorum, members } = this.#group;
    return merged(lists, members.length - lists.length, quorum);
  }

  /** Until one is not overtaken by another of the same owner. Rounds are in the order of the calls: a later one may take back what it overtakes. */
  async #rounds(overlap: Overlap<Granted | Refusal>, ask: Ask, robs?: RevokedBy, after?: number): Promise<Granted | Refusal> {
    for (let left = overtakenMax; left > 0; left -= 1) {
      const answer = await new Round(this.#group, ask, this.#nextRound(after), robs).run();
      if (answer.outcome !== 'superseded') return answer;
      if (!overlap.isLast) return overlap.lastAnswer;
    }
    return { outcome: 'refused', because: 'held', holders: [], ahead: 0, retryInMs: 1 };
  }

  /** Whom a revocation or a theft may end, at most: one that arrives late must not end who came after it. */
  async #lastRoundOf(name: LockName): Promise<number> {
    const rounds = await this.#ask('looking who holds it', 'majority', async ({ node }) => (await node.roundOf(name)) ?? -1);
    return Math.max(...rounds);
  }

  #counted(answer: Granted | Refusal): Grant | Refusal {
    if (answer.outcome === 'refused') return answer;
    const { outcome, fences, ttlMs, wroteBack } = answer;
    this.tally.granted += 1;
    if (wroteBack) this.tally.wroteBack += 1;
    return { outcome, fences, ttlMs };
  }

  /**
   * Waits for all nodes that are not skipped, or for as many as are enough, which are a majority at least.
   *
   * @throws if no majority answered
   */
  #ask<T>(
    doing: string,
    enough: 'all' | 'majority' | ((answers: readonly T[]) => boolean),
    ask: (member: Group['members'][number]) => Promise<T>,
  ): Promise<readonly T[]> {
    const { awake, quorum, members } = this.#group;
    const decide = (said: readonly Said<T>[], pending: number) => {
      const answers = said.flatMap((one) => (one.ok ? [one.value] : []));
      const isEnough = pending === 0 || enough === 'majority' || (enough !== 'all' && enough(answers));
      if (answers.length >= quorum && isEnough) return answers;
      if (pending > 0) return undefined;
      // No node was asked: they all say so.
      const refused = said.find((one) => !one.ok && one.error instanceof InvalidArgumentError);
      if (refused?.ok === false) throw refused.error;
      const excuses = members.map((member) => {
        const one = said.find((other) => other.member === member);
        return one?.ok === true ? `${member.name} answered` : excuseOf(member, one?.error ?? member.lastError);
      });
      const message = `${doing}: no majority of the nodes answered: ${excuses.join('; ')}: see that a majority is up and reachable`;
      throw doing === 'revoking' ? new OutcomeUnknownError(message) : new BackendUnavailableError(message);
    };
    return poll<T, readonly T[]>(
      awake,
      (member, answered, failed) => member.request(doing, 0, () => ask(member), answered, failed, looseTimeoutMs),
      decide,
    );
  }

  /** By the nodes' clocks: of several thieves at once the last to begin has all nodes in the end. */
  #nextRound(after = 0): number {
    const clocks = this.#group.members.map(({ clock }) => clock);
    this.#lastRound = Math.max(this.#lastRound + 1, after + 1, roundOf(clocks, this.#ports.now()));
    return this.#lastRound;
  }

  #mustBeOpen(ask?: Ask): void {
    if (this.#closed) throw new ClosedError('this Redlock backend is closed: make a new one');
    if (ask?.mode === 'shared') throw new NotSupportedError('Redlock has no shared mode: use another store for readers');
  }
}

function traitsOf({ maxTtlMs }: ProtocolSettings, count: number): Traits {
  return {
    shared: false,
    queue: false,
    push: true,
    seesDeadHolders: false,
    pollMs: limits.pollMsMax,
    ttlMs: { min: ttlMsMin, max: maxTtlMs },
    fencesPerGrant: limits.batchMax,
    fenceSource:
      'the highest of what a majority of the nodes mints: a proposal that is equal on all, or max(previous + 1, microseconds of its clock) where it is not followed; written back to a majority before it is used',
    guarantee: `exclusion while of ${count} nodes a majority keeps its data, or sits out its grace after having lost it, and no clock of a node is stepped forward; fences rise as long as a majority keeps them, or the nodes’ clocks agree within half of the grace`,
  };
}
