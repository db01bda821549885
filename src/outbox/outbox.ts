import { randomUUID } from 'node:crypto';
import type { Database, DatabaseFunctions, Transaction } from '../core/database.js';
import { InvalidArgumentError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { decodeName } from '../core/name.js';
import type { Json, OutboxEvent, WrittenEvent } from './event.js';
import { outboxDefinitions } from './sql/definitions.js';
import { stored } from './stored.js';

const timeoutMs = 10_000;

/** An event that could not be published. */
export interface OutboxLetter {
  readonly id: string;
  readonly key: string | undefined;
  readonly sequence: bigint | undefined;
  readonly type: string;
  /** Tries that failed. */
  readonly attempts: number;
  /** Not tried again until somebody says so. */
  readonly dead: boolean;
  readonly ageMs: number;
  /** When it is tried again; undefined if it is dead. */
  readonly dueInMs: number | undefined;
  readonly error: string;
  /** Events of its key that wait behind it, as far as a relay has seen them. */
  readonly blocks: number;
}

export interface OutboxStatus {
  /** Events that are not published, whatever the reason. */
  readonly waiting: number;
  /** Of these, how many wait behind a letter of their key. */
  readonly blocked: number;
  /** Age of the oldest event that is not published; undefined if there is none. */
  readonly oldestMs: number | undefined;
  /** The same without letters and what waits behind them: the lag of the relays. */
  readonly lagMs: number | undefined;
  readonly retrying: number;
  readonly dead: number;
  /** Relays that live. */
  readonly relays: number;
  /** Parts of the outbox, of 16, that no living relay has. */
  readonly unclaimed: number;
  /** Dead ones first; at most as many as were asked for. */
  readonly letters: readonly OutboxLetter[];
}

/** A dead letter that was taken out. The outbox forgets it after a week. */
export interface DiscardedEvent {
  readonly id: string;
  readonly key: string | undefined;
  readonly sequence: bigint | undefined;
  readonly type: string;
  readonly payload: Json;
  readonly headers: Readonly<Record<string, string>>;
  readonly writtenAtMs: number;
  readonly attempts: number;
  readonly error: string;
}

/**
 * Events that are written in the transaction that they tell of, and published after it has committed, at least once. The tables are
 * created on first use.
 */
export class Outbox {
  readonly #functions: DatabaseFunctions;

  constructor(database: Database) {
    this.#functions = database.functions(outboxDefinitions);
  }

  /**
   * Writes an event, or several, inside the caller's own transaction: they are published if it commits, and never if it does not. Several
   * are written in the order of their keys, so that two such calls cannot block each other for good; calls one after the other in one
   * transaction should keep an order of keys, too.
   *
   * Above READ COMMITTED, an event of the same key that was committed since the snapshot is a serialization failure (40001): try the transaction again.
   * Errors of the server are thrown as they are, because they end the transaction, whose business they are.
   *
   * @throws InvalidArgumentError if there is no transaction, or an event is not legal: nothing was sent
   * @throws BackendUnavailableError if the tables are not there and cannot be created
   */
  async write(tx: Transaction, event: OutboxEvent): Promise<WrittenEvent>;
  async write(tx: Transaction, events: readonly OutboxEvent[]): Promise<readonly WrittenEvent[]>;
  async write(tx: Transaction, what: OutboxEvent | readonly OutboxEvent[]): Promise<WrittenEvent | readonly WrittenEvent[]> {
    if (isList(what)) return this.#write(tx, what);
    const [written] = await this.#write(tx, [what]);
    return written as WrittenEvent;
  }

  async #write(tx: Transaction, events: readonly OutboxEvent[]): Promise<readonly WrittenEvent[]> {
    if (events.length === 0) return [];
    if (events.length > limits.outboxWriteMax) {
      throw new InvalidArgumentError(
        `${events.length} events in one write, at most ${limits.outboxWriteMax}: write them in parts`,
      );
    }
    const rows = events.map((event, index) => ({ index, id: randomUUID(), ...stored(event) }));
    // Stable: events of one key stay in the order in which they were given.
    rows.sort((a, b) => (a.key === b.key ? 0 : (a.key ?? '') < (b.key ?? '') ? -1 : 1));
    const column = (name: 'id' | 'key' | 'type' | 'payload' | 'headers') => rows.map((row) => row[name]);
    const args = [column('id'), column('key'), column('type'), column('payload'), column('headers')];
    const sequences = (await this.#functions.callIn(tx, 'outbox_write', args))?.split(' ') ?? [];
    const written = rows.map(({ index, id, key }, at): [number, WrittenEvent] => {
      return [index, { id, sequence: key === null ? undefined : BigInt(sequences[at] ?? 0) }];
    });
    return written.sort(([a], [b]) => a - b).map(([, one]) => one);
  }

  /** @throws BackendUnavailableError, OutcomeUnknownError */
  async status({ lettersMax = 100 }: { readonly lettersMax?: number } = {}): Promise<OutboxStatus> {
    const said = JSON.parse((await this.#call('outbox_status', [lettersMax], 'looking into the outbox')) ?? '{}');
    const { oldestReadyMs, oldestMs, letters, ...counts } = said;
    return { ...counts, oldestMs: oldestMs ?? undefined, lagMs: oldestReadyMs ?? undefined, letters: letters.map(letterShown) };
  }

  /**
   * Dead letters are tried again, in their places. Answers the ids of those that will be.
   *
   * @param ids undefined: all of them
   */
  async retry(ids?: readonly string[]): Promise<readonly string[]> {
    const args = [ids === undefined ? null : ids.map(checkedId)];
    return JSON.parse((await this.#call('outbox_retry', args, 'retrying dead letters')) ?? '[]');
  }

  /**
   * Takes a dead letter out, and answers it: keep it. What waited behind it goes on, and comes after what was before it, so that no consumer
   * misses it. Undefined if there is no such dead letter; one that was discarded is answered again for a week, so a lost answer loses nothing.
   *
   * @throws BackendUnavailableError, OutcomeUnknownError: ask again
   */
  async discard(id: string): Promise<DiscardedEvent | undefined> {
    const said = await this.#call('outbox_discard', [checkedId(id)], 'discarding a dead letter');
    return said === null ? undefined : decoded(JSON.parse(said));
  }

  /** Whether there are tables; creates none. */
  installed(): Promise<boolean> {
    return this.#functions.installed(timeoutMs);
  }

  #call(name: string, args: Parameters<DatabaseFunctions['call']>[1], doing: string): Promise<string | null> {
    return this.#functions.call(name, args, doing, timeoutMs);
  }
}

/** @param database such as `postgresDatabase(pool)` of `holdfast/postgres` */
export function outbox(database: Database): Outbox {
  return new Outbox(database);
}

function isList(what: OutboxEvent | readonly OutboxEvent[]): what is readonly OutboxEvent[] {
  return Array.isArray(what);
}

function checkedId(id: string): string {
  if (/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(id)) return id;
  throw new InvalidArgumentError(`${JSON.stringify(id)} is not the id of an event: it is a UUID, as status() shows it`);
}

type Said = { key: string | null; type: string; sequence: string | null; error: string };

function decoded<T extends Said>(said: T) {
  return {
    ...said,
    key: said.key === null ? undefined : decodeName(said.key),
    sequence: said.sequence === null ? undefined : BigInt(said.sequence),
    type: decodeName(said.type),
    error: decodeName(said.error),
  } as unknown as DiscardedEvent;
}

function letterShown(said: Said & { dueInMs: number | null }): OutboxLetter {
  return { ...(decoded(said) as unknown as OutboxLetter), dueInMs: said.dueInMs ?? undefined };
}
