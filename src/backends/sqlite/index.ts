import type {
  Ask,
  Backend,
  Grant,
  Held,
  LockRecord,
  Refusal,
  Release,
  Renewal,
  Revoker,
  Stop,
  Traits,
} from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { readNodeIdentity } from '../../core/node.js';
import { Bell } from './bell.js';
import { machineClock } from './clock.js';
import { Context, type Here } from './context.js';
import type { Database } from './database.js';
import { examination } from './examining.js';
import { recordsOf, selectRows, selectRowsOf } from './list.js';
import { parseOptions, parseUrl, type Settings, type SqliteOptions } from './location.js';
import { findings } from './probe.js';
import { Quick } from './quick.js';
import { recordsIn, type SqliteRecords } from './records.js';
import { sqliteCode } from './result-codes.js';
import { type AfterCommit, Session, type Work } from './session.js';
import * as store from './store.js';
import { sweep, sweepEvery } from './sweep.js';
import { Watching } from './watching.js';

export { type SqliteTransaction, sqliteRecords } from './records.js';
export type { SqliteOptions, SqliteRecords };

const traits: Traits = {
  shared: true,
  queue: true,
  push: true,
  seesDeadHolders: true,
  pollMs: limits.pollMsMax,
  ttlMs: { min: limits.ttlMsMin, max: limits.ttlMsMax },
  fencesPerGrant: limits.fencesPerGrantMax,
  fenceSource: 'max(previous + 1, microseconds of the wall clock), in the row of the name',
  guarantee:
    'one machine, local disk: exclusion between all its processes while the file is there; a holder that died is replaced at once, expiry counts on the uptime, which nobody can step',
};

/**
 * Leases in an SQLite file, for all processes of one machine. The file is opened at the first use.
 *
 * @param options a path, or options; without them `$XDG_STATE_HOME/holdfast/locks.db` (`~/.local/state/…`)
 * @throws InvalidArgumentError
 */
export function sqlite(options?: string | SqliteOptions): Backend {
  return new SqliteBackend(parseOptions(options));
}

/**
 * `sqlite:` (the default place), `sqlite:/abs.db`, `sqlite:relative.db`; `?synchronous=full`.
 *
 * @throws InvalidArgumentError
 */
export function sqliteFromUrl(url: string): Backend {
  return new SqliteBackend(parseUrl(url));
}

class SqliteBackend implements Backend {
  readonly name = 'sqlite';
  readonly traits = traits;
  readonly #settings: Settings;
  readonly #session: Session;
  readonly #bell: Bell;
  readonly #watching: Watching;
  #read: { readonly here: Here; readonly quick: Quick } | undefined;
  // Random, so that many short-lived processes sweep as often as one long-lived does.
  #untilSweep = Math.floor(Math.random() * sweepEvery);
  readonly #contended = new Contended();
  /** How many of the next calls may meet code that was never run. */
  #coldCalls = 8;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#session = new Session(settings);
    this.#bell = new Bell(settings.path, readNodeIdentity());
    this.#watching = new Watching(this.#bell, this.#session, () => this.#whereabouts().here);
  }

  acquire(ask: Ask): Promise<Grant | Refusal> {
    const { placed, rung } = this.#watching.standing(ask.name.encoded, ask.owner);
    const cold = this.#isCold();
    // Whoever has a place finds the lock taken, or itself in the queue.
    const quickly = !cold && !placed && !this.#contended.has(ask.name.encoded);
    const granted = quickly ? this.#session.now((db) => this.#whereabouts().quick.acquire(db, ask)) : undefined;
    if (granted !== undefined) {
      this.#sweepNowAndThen();
      return Promise.resolve(granted);
    }
    return this.#acquire(ask, quickly, { look: cold || (placed && !rung), urgent: placed && rung });
  }

  async #acquire(ask: Ask, quickly: boolean, how: Pick<Work<never>, 'look' | 'urgent'>): Promise<Grant | Refusal> {
    const { here, quick } = this.#whereabouts();
    const answer = await this.#run<Grant | Refusal>({
      ...how,
      quick: (db) => (quickly ? quick.acquire(db, ask) : undefined),
      full: (db, after) => store.acquire(new Context(here, db, after), ask),
    });
    if (answer.outcome === 'refused') this.#contended.add(ask.name.encoded);
    if (ask.enqueue) {
      this.#watching.placed(ask.name.encoded, ask.owner, answer.outcome === 'refused' && answer.because !== 'abandoned');
    }
    return answer;
  }

  async renew(holds: readonly Held[]) {
    const { here, quick } = this.#whereabouts();
    return this.#run({
      urgent: true,
      full: (db, after) => {
        const now = here.clock.nowMs();
        return holds.map(
          (held) => quick.renew(db, held, now) ?? eachForItself(() => store.renew(new Context(here, db, after), held)),
        );
      },
    });
  }

  release(held: Held): Promise<Release> {
    const cold = this.#isCold();
    const quickly = !cold && !this.#contended.has(held.name.encoded);
    const released = quickly ? this.#session.now((db) => this.#whereabouts().quick.release(db, held)) : undefined;
    return released === undefined ? this.#release(held, cold, quickly) : Promise.resolve(released);
  }

  async #release(held: Held, look: boolean, quickly: boolean): Promise<Release> {
    const { here, quick } = this.#whereabouts();
    return this.#run<Release>({
      look,
      urgent: true,
      quick: (db) => (quickly ? quick.release(db, held) : undefined),
      full: (db, after) => store.release(new Context(here, db, after), held),
    });
  }

  async abandon(ask: Ask) {
    const { here } = this.#whereabouts();
    this.#watching.placed(ask.name.encoded, ask.owner, false);
    await this.#run({ look: this.#isCold(), full: (db, after) => store.abandon(new Context(here, db, after), ask) });
    // An ask that was under way has been answered meanwhile, and may have noted its place.
    this.#watching.placed(ask.name.encoded, ask.owner, false);
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#watching.watch(name.encoded, wake);
  }

  async read(name: LockName): Promise<readonly LockRecord[]> {
    const { here } = this.#whereabouts();
    const at = (db: Database, after: AfterCommit = ignore) =>
      recordsOf(new Context(here, db, after), selectRowsOf(db, name), name.text);
    return this.#session.run({ quick: (db) => at(db), full: at });
  }

  async *list(prefix: string): AsyncIterable<LockRecord> {
    const { here } = this.#whereabouts();
    const records = await this.#session.run({
      quick: (db) => recordsOf(new Context(here, db, ignore), selectRows(db), prefix),
      full: (db, after) => recordsOf(new Context(here, db, after), selectRows(db), prefix),
    });
    yield* records;
  }

  async revoke(name: LockName, by: Revoker) {
    const { here } = this.#whereabouts();
    return this.#run({ full: (db, after) => store.revoke(new Context(here, db, after), name.encoded, by) });
  }

  async examine(name: LockName) {
    const { here } = this.#whereabouts();
    const read = (db: Database, after: AfterCommit = ignore) => examination(new Context(here, db, after), name);
    return this.#session.run({ quick: (db) => read(db), full: read });
  }

  async probe() {
    const read: Work<ReturnType<typeof findings>> = { full: (db) => findings(this.#settings, db) };
    return this.#session.run({ ...read, quick: (db) => findings(this.#settings, db) });
  }

  records(): Omit<SqliteRecords, 'close'> {
    return recordsIn(this.#session);
  }

  async close() {
    this.#watching.close();
    await this.#session.close();
    this.#bell.close();
  }

  /**
   * The first calls of a process compile what they run. When a crowd of processes starts at once, one that does so with
   * the write lock in its hands, and loses its core to the others, keeps all of them waiting.
   */
  #isCold(): boolean {
    if (this.#coldCalls > 0) this.#coldCalls -= 1;
    return this.#coldCalls > 0;
  }

  #run<T>(work: Work<T>): Promise<T> {
    this.#sweepNowAndThen();
    return this.#session.run(work);
  }

  #sweepNowAndThen(): void {
    this.#untilSweep -= 1;
    if (this.#untilSweep < 0) this.#sweepLater();
  }

  #sweepLater(): void {
    this.#untilSweep = sweepEvery;
    const { here } = this.#whereabouts();
    const swept = this.#session.run({ full: (db, after) => sweep(new Context(here, db, after)) ?? true });
    // Housekeeping: the next process will do it.
    swept.catch(ignore);
  }

  /** Read at the first use, so that an error is that call's. */
  #whereabouts(): { readonly here: Here; readonly quick: Quick } {
    if (this.#read !== undefined) return this.#read;
    const node = readNodeIdentity();
    const clock = machineClock(node);
    const bell = this.#bell;
    const here: Here = {
      path: this.#settings.path,
      clock,
      self: { node, skewTicks: clock.skewTicks },
      bell: bell.id,
      deaf: () => bell.deaf,
      ring: (bells, name) => bell.ring(bells, name),
    };
    this.#read = { here, quick: new Quick(clock) };
    return this.#read;
  }
}

/** A record that cannot be read is that hold's trouble; what SQLite itself says concerns the whole batch. */
function eachForItself(renew: () => Renewal): Renewal {
  try {
    return renew();
  } catch (cause) {
    if (sqliteCode(cause) !== undefined) throw cause;
    return { outcome: 'unknown', cause };
  }
}

/** How long a name that was taken is expected to have others who want it. */
const contendedMs = 250;
const contendedNamesMax = 1_000;

/** Names for which the one-statement ways are most likely in vain, and would only take the write lock once more. */
class Contended {
  readonly #untilMs = new Map<string, number>();

  add(name: string): void {
    if (this.#untilMs.size >= contendedNamesMax) this.#untilMs.clear();
    this.#untilMs.set(name, performance.now() + contendedMs);
  }

  has(name: string): boolean {
    const untilMs = this.#untilMs.get(name);
    if (untilMs === undefined) return false;
    if (untilMs > performance.now()) return true;
    this.#untilMs.delete(name);
    return false;
  }
}

function ignore(): void {}
