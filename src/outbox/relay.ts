import { randomBytes } from 'node:crypto';
import { backoffMs } from '../core/backoff.js';
import { type Ports, systemPorts } from '../core/clock.js';
import type { Database, DatabaseFunctions } from '../core/database.js';
import { limits } from '../core/limits.js';
import { Claim, type ClaimAnswer } from './claim.js';
import { Lag } from './lag.js';
import type { Publisher } from './publisher.js';
import { checkedPublisher, parseRelayOptions, type RelayEvent, type RelayOptions, type RelaySettings } from './relay-options.js';
import { Reports } from './reports.js';
import { Rest } from './rest.js';
import { Sender } from './sender.js';
import { channelOf } from './sql/common.js';
import { outboxDefinitions } from './sql/definitions.js';
import { type Letter, letterOf } from './stored.js';

/** Until it is told how many of its shards have something for it. */
const noClaim: ClaimAnswer = { shards: [], fences: [], leftMs: 0 };

const callMsMax = 5_000;
const sweepEveryMs = 3_600_000;
const sweepRowsMax = 10_000;

/**
 * Publishes what stands in the outbox: at least once, and per key in the order of commits. Any number may run at the same time, in
 * any number of processes: each has a share of the 16 parts of the outbox, under claims that end by themselves.
 *
 * One loop: tell the database what became of the last events, be told the next ones, hand them to the publisher.
 */
export class Relay {
  readonly #functions: DatabaseFunctions;
  readonly #database: Database;
  readonly #settings: RelaySettings;
  readonly #ports: Ports = systemPorts();
  readonly #reports: Reports;
  readonly #sender: Sender;
  readonly #lag: Lag;
  readonly #rest = new Rest();
  readonly #id = randomBytes(16).toString('base64url');
  #claim: Claim;
  /** How many events the next turn takes: fewer after one that failed, since it may have been too much for its time. */
  #batch: number;
  /** How many of each shard it looks at. */
  #each: number;
  #asleep = false;
  /** It can be woken, so it may sleep. */
  #listens = false;
  #stopping = false;
  #running: Promise<void> | undefined;
  #nextSweepMs = 0;

  constructor(database: Database, publisher: Publisher, options?: RelayOptions) {
    this.#database = database;
    this.#settings = parseRelayOptions(options);
    this.#functions = database.functions(outboxDefinitions);
    this.#lag = new Lag(this.#functions, this.#ports);
    this.#reports = new Reports(this.#settings.attemptsMax);
    this.#claim = new Claim(noClaim, this.#ports.now(), this.#ports);
    this.#batch = this.#settings.batch;
    this.#each = Math.ceil(this.#batch / limits.outboxShards);
    this.#sender = new Sender(checkedPublisher(publisher), this.#outcomes(), this.#settings.publishTimeoutMs);
  }

  /** Begins, and goes on until it is stopped, whatever fails. */
  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Finishes what is under way, writes it down, and gives its share to the others. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#rest.wake();
    await this.#running;
    this.#functions.close();
  }

  async #run(): Promise<void> {
    const hush = this.#database.listen(channelOf(this.#database.schema), () => this.#rest.wake());
    this.#listens = hush !== undefined;
    for (let failures = 0, idle = 0; !this.#stopping; ) {
      this.#lag.look();
      const letters = await this.#turn();
      if (letters === undefined) {
        failures += 1;
        await this.#rest.for(backoffMs(failures, limits.backoffMsMin, limits.backoffMsMax, this.#ports.random()));
        continue;
      }
      failures = 0;
      idle = letters.length > 0 ? 0 : idle + 1;
      if (letters.length === 0) {
        await this.#idle(idle);
        continue;
      }
      this.#asleep = false;
      await this.#sender.send(letters, this.#claim);
    }
    hush?.();
    this.#lag.ended();
    await this.#sender.finish();
    await this.#leave();
  }

  /** Reports, renews, and takes the next. Undefined: the database did not answer. */
  async #turn(): Promise<readonly Letter[] | undefined> {
    const { ttlMs } = this.#settings;
    const report = this.#reports.take();
    const sentAt = this.#ports.now();
    const args = [
      this.#id,
      ttlMs,
      this.#asleep,
      this.#claim.shards,
      this.#claim.fences,
      report.done,
      report.failed,
      this.#each,
      this.#batch,
    ];
    try {
      const said = await this.#functions.call('outbox_turn', args, 'taking events', Math.min(callMsMax, ttlMs / 3));
      const { claim, events } = JSON.parse(said ?? '{}') as { claim: ClaimAnswer; events: Parameters<typeof letterOf>[0][] };
      this.#claimed(claim);
      this.#claim = new Claim(claim, sentAt, this.#ports);
      const letters = events.map(letterOf);
      this.#adapt(letters);
      const count = JSON.parse(report.done).length;
      if (count > 0) this.#tell({ type: 'published', count });
      return letters;
    } catch (error) {
      report.undo();
      this.#batch = Math.ceil(this.#batch / 2);
      this.#each = Math.ceil(this.#batch / limits.outboxShards);
      this.#tell({ type: 'unavailable', error });
      return undefined;
    }
  }

  /** As many of each shard as fill a batch: where most shards have nothing, the others give more. */
  #adapt(letters: readonly Letter[]): void {
    const counts = new Map<number, number>();
    for (const { shard } of letters) counts.set(shard, (counts.get(shard) ?? 0) + 1);
    const full = [...counts.values()].filter((count) => count >= this.#each).length;
    const among = full === 0 ? Math.max(1, this.#claim.shards.length) : full;
    this.#batch = Math.min(this.#settings.batch, this.#batch + Math.ceil(this.#batch / 10));
    this.#each = Math.ceil(this.#batch / among);
  }

  async #idle(times: number): Promise<void> {
    if (this.#reports.size > 0) return;
    await this.#sweep();
    // Said with the next turn, which looks once more: what was written meanwhile has notified nobody.
    const wasAsleep = this.#asleep;
    this.#asleep = this.#listens && times > 4;
    if (this.#asleep && !wasAsleep) return;
    await this.#rest.for(Math.min(this.#settings.pollMsMax, limits.outboxPollMsMin * 2 ** Math.min(times - 1, 20)));
  }

  async #sweep(): Promise<void> {
    const nowMs = this.#ports.now().monotonicMs;
    if (nowMs < this.#nextSweepMs) return;
    this.#nextSweepMs = nowMs + sweepEveryMs;
    // What fails is tried again in an hour, here or elsewhere.
    await this.#functions.call('outbox_sweep', [sweepEveryMs, sweepRowsMax], 'sweeping', callMsMax).catch(() => {});
  }

  async #leave(): Promise<void> {
    const report = this.#reports.take();
    const args = [this.#id, this.#claim.shards, this.#claim.fences, report.done, report.failed];
    // Else the claim ends by itself, and what was published comes again.
    await this.#functions
      .call('outbox_leave', args, 'leaving the outbox', Math.min(callMsMax, this.#settings.ttlMs / 3))
      .catch((error: unknown) => this.#tell({ type: 'unavailable', error }));
  }

  #outcomes() {
    return {
      published: (letter: Letter) => {
        this.#reports.published(letter);
        this.#rest.wake();
      },
      failed: (letter: Letter, error: unknown) => {
        const { message } = letter;
        const { dead, retryInMs } = this.#reports.failed(letter, error);
        this.#tell(dead ? { type: 'dead', message, error } : { type: 'failed', message, error, retryInMs });
        this.#rest.wake();
      },
      // Twice its time: then it has settled, and what became of it is known here or lost.
      slow: (letter: Letter) => this.#reports.slow(letter, 2 * this.#settings.publishTimeoutMs),
    };
  }

  #claimed({ shards }: ClaimAnswer): void {
    if (String(shards) !== String(this.#claim.shards)) this.#tell({ type: 'claimed', shards });
  }

  #tell(event: RelayEvent): void {
    try {
      this.#settings.observe(event);
    } catch (error) {
      this.#ports.warn('the observer of a relay threw', error);
    }
  }
}

/**
 * A relay that runs until it is stopped.
 *
 * @param database such as `postgresDatabase(pool)` of `holdfast/postgres`
 * @throws InvalidArgumentError
 */
export function relay(database: Database, publisher: Publisher, options?: RelayOptions): Relay {
  return new Relay(database, publisher, options).start();
}
