import type { Stop } from '../../core/backend.js';
import type { Bell } from './bell.js';
import { Context, type Here } from './context.js';
import { Entry } from './entry.js';
import type { Session } from './session.js';
import { floorOf } from './store.js';

const insertWatcher = 'INSERT OR IGNORE INTO watchers (name, bell, boot, since) VALUES (:name, :bell, :boot, :now)';
const deleteWatcher = 'DELETE FROM watchers WHERE name = :name AND bell = :bell';

/**
 * Who listens to which name. A place in the queue says by itself whom to wake, so the common watcher, who waits, needs
 * nothing written; any other is written down in `watchers`.
 */
export class Watching {
  readonly #bell: Bell;
  readonly #session: Session;
  readonly #here: () => Here;
  /** Owners of ours that have a place, by name. */
  readonly #placed = new Map<string, Set<string>>();
  /** Names for which the bell rang since they were last asked for. */
  readonly #rung = new Set<string>();
  readonly #written = new Map<string, number>();

  constructor(bell: Bell, session: Session, here: () => Here) {
    this.#bell = bell;
    this.#session = session;
    this.#here = here;
  }

  /** An ask of ours took a place, or has none any more. */
  placed(name: string, owner: string, has: boolean): void {
    const owners = this.#placed.get(name);
    if (has && owners === undefined) this.#placed.set(name, new Set([owner]));
    else if (has) owners?.add(owner);
    else if (owners?.delete(owner) === true && owners.size === 0) {
      this.#placed.delete(name);
      this.#rung.delete(name);
    }
  }

  /** Whether this ask has a place, and whether the bell rang since it was last asked for: without, it is most likely as it was. */
  standing(name: string, owner: string): { placed: boolean; rung: boolean } {
    return { placed: this.#placed.get(name)?.has(owner) === true, rung: this.#rung.delete(name) };
  }

  watch(name: string, wake: () => void): Stop {
    const stop = this.#bell.watch(name, () => {
      this.#rung.add(name);
      wake();
    });
    if (this.#placed.has(name)) return stop;
    this.#count(name, 1);
    let stopped = false;
    return () => {
      stop();
      if (!stopped) this.#count(name, -1);
      stopped = true;
    };
  }

  /** Before the session is closed: leaves no row behind. */
  close(): void {
    for (const [name, count] of this.#written) this.#count(name, -count);
  }

  #count(name: string, by: number): void {
    const before = this.#written.get(name) ?? 0;
    const now = before + by;
    if (now === 0) this.#written.delete(name);
    else this.#written.set(name, now);
    if ((before === 0) !== (now === 0)) this.#write(name, now > 0 ? insertWatcher : deleteWatcher);
  }

  #write(name: string, sql: string): void {
    const written = this.#session.run({
      full: (db, after) => {
        const here = this.#here();
        const context = new Context(here, db, after);
        const entry = Entry.load(context, name);
        const bound = { name, bell: here.bell };
        entry.fence ??= floorOf(context);
        db.run(sql, sql === insertWatcher ? { ...bound, boot: context.boot, now: context.nowMs } : bound);
        entry.changed = true;
        entry.save();
      },
    });
    // A hint that cannot be had; the poll remains.
    written.catch(() => {});
  }
}
