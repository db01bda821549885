import { performance } from 'node:perf_hooks';
import { type Calls, isPermanent } from '../../core/calls.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../../core/errors.js';
import { type Acls, codeOf, codes, modes, type OpResult, type Stat, type Transaction, type ZooKeeperClient } from './client.js';
import { fault } from './errors.js';
import type { Session } from './session.js';

type Start<T> = (client: ZooKeeperClient, done: (error: unknown, value: T) => void) => void;

const nothing = Buffer.alloc(0);

/** The server undid a transaction: one of its operations could not be done. */
export interface Refused {
  readonly done: false;
  readonly code: number;
  /** Which operation it was. */
  readonly index: number;
}

export interface Committed {
  readonly done: true;
  readonly results: readonly OpResult[];
}

export interface Node {
  readonly data: Buffer;
  readonly stat: Stat;
}

/** Said before the caller loses patience: that nothing was sent is worth knowing. */
const connectRatio = 0.8;
/** A session is a transaction of its own, whatever the TTL of the lease that is the first in it. */
const connectMsMin = 400;

/** The operations of one transaction, in the order in which they are done. */
export class Steps {
  readonly #transaction: Transaction;
  readonly #acls: Acls | undefined;
  count = 0;

  constructor(transaction: Transaction, acls: Acls | undefined) {
    this.#transaction = transaction;
    this.#acls = acls;
  }

  create(path: string, mode: keyof typeof modes, data: Buffer = nothing): this {
    this.#transaction.create(path, data, this.#acls, modes[mode]);
    this.count += 1;
    return this;
  }

  /**
   * Only if its version is still this one. Neither 0 nor −1 can be asked for: the library takes 0 for "whichever", and
   * −1 means that.
   */
  write(path: string, version: number, data: Buffer = nothing): this {
    this.#transaction.setData(path, data, version);
    this.count += 1;
    return this;
  }

  /** Whatever its version is. */
  touch(path: string, data: Buffer = nothing): this {
    this.#transaction.setData(path, data, -1);
    this.count += 1;
    return this;
  }

  exists(path: string): this {
    this.#transaction.check(path, -1);
    this.count += 1;
    return this;
  }

  remove(path: string): this {
    this.#transaction.remove(path, -1);
    this.count += 1;
    return this;
  }

  /** Not there: making it would fail otherwise. */
  isMissing(path: string): this {
    return this.create(path, 'persistent').remove(path);
  }
}

/** One call of the contract: one or more requests under one deadline. */
export class Operation {
  readonly session: Session;
  readonly #calls: Calls;
  readonly #timeoutMs: number;
  #dueMs: number;
  readonly #doing: string;
  readonly #acls: Acls | undefined;
  /** Something of it has been done, or may have been. */
  hasWritten = false;

  constructor(session: Session, calls: Calls, timeoutMs: number, doing: string, acls: Acls | undefined) {
    this.session = session;
    this.#calls = calls;
    this.#timeoutMs = timeoutMs;
    this.#dueMs = performance.now() + timeoutMs;
    this.#doing = doing;
    this.#acls = acls;
  }

  get leftMs(): number {
    return this.#dueMs - performance.now();
  }

  /** Once, as one step, or not at all. @throws BackendUnavailableError, OutcomeUnknownError, ClosedError */
  async commit(build: (steps: Steps) => void): Promise<Committed | Refused> {
    await this.#connected();
    return this.#commitNow(build);
  }

  async #commitNow(build: (steps: Steps) => void): Promise<Committed | Refused> {
    let refused: Refused | undefined;
    const results = await this.#request<readonly OpResult[]>(true, (client, done) => {
      const transaction = client.transaction();
      build(new Steps(transaction, this.#acls));
      transaction.commit((error, all: readonly OpResult[] | undefined) => {
        refused = error ? refusalOf(error, all) : undefined;
        if (refused === undefined) done(error, all ?? []);
        else done(undefined, []);
      });
    });
    if (refused !== undefined) return refused;
    this.hasWritten = true;
    return { done: true, results };
  }

  /** The names of a node's children and its version, as of one moment; undefined if there is no such node. */
  async children(path: string): Promise<{ readonly children: readonly string[]; readonly stat: Stat } | undefined> {
    await this.#connected();
    return orMissing(
      this.#request(false, (client, done) =>
        client.getChildren(path, (error, children, stat) => done(error, { children, stat })),
      ),
    );
  }

  async read(path: string): Promise<Node | undefined> {
    await this.#connected();
    return this.#readNow(path);
  }

  /** Sent together. The server answers in this order, so what is read is not older than what was written. */
  async both(build: (steps: Steps) => void, path: string): Promise<[Committed | Refused, Node | undefined]> {
    await this.#connected();
    return Promise.all([this.#commitNow(build), this.#readNow(path)]);
  }

  #readNow(path: string): Promise<Node | undefined> {
    return orMissing(
      this.#request(false, (client, done) =>
        client.getData(path, (error, data, stat) => done(error, { data: data ?? nothing, stat })),
      ),
    );
  }

  /** Asks the client something of its own. */
  async inspect<T>(look: (client: ZooKeeperClient) => Promise<T>): Promise<T> {
    await this.#connected();
    return this.#request(false, (client, done) => {
      look(client).then((value) => done(undefined, value), done as (error: unknown) => void);
    });
  }

  /** Makes a node that stays, and its parents. */
  async makePath(path: string): Promise<void> {
    await this.#connected();
    const parts = path.split('/').slice(1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const part = `/${parts.slice(0, depth).join('/')}`;
      const acls = this.#acls;
      await this.#request<string>(true, (client, done) => {
        if (acls === undefined) client.create(part, nothing, modes.persistent, done);
        else client.create(part, nothing, acls, modes.persistent, done);
      }).catch((error: Error) => {
        const code = codeOf(error.cause);
        if (code === codes.nodeExists) return;
        throw depth === 1 && code === codes.noNode ? noChroot(error) : error;
      });
    }
  }

  /** False if it is not there; undefined if it has another version. */
  async remove(path: string, version = -1): Promise<boolean | undefined> {
    await this.#connected();
    try {
      await this.#request<void>(true, (client, done) => client.remove(path, version, (error) => done(error, undefined)));
      return true;
    } catch (error) {
      const code = codeOf((error as Error).cause);
      if (code === codes.noNode) return false;
      if (code === codes.badVersion || code === codes.notEmpty) return undefined;
      throw error;
    }
  }

  #connected(): Promise<void> | undefined {
    return this.session.connected ? undefined : this.#connect();
  }

  async #connect(): Promise<void> {
    await this.session.ready(Math.max(connectMsMin, this.leftMs * connectRatio));
    this.#dueMs = performance.now() + this.#timeoutMs;
  }

  async #request<T>(writes: boolean, start: Start<T>): Promise<T> {
    const leftMs = this.leftMs;
    if (leftMs <= 0) throw this.#late();
    const uncertain = writes || this.hasWritten;
    try {
      return await this.#calls.promise(leftMs, this.#doing, () => this.session.send(start));
    } catch (error) {
      const certain = error instanceof BackendUnavailableError && !isPermanent(error);
      if (certain && this.hasWritten) throw new OutcomeUnknownError(error.message, { cause: error });
      if (!uncertain && error instanceof OutcomeUnknownError) throw new BackendUnavailableError(error.message, { cause: error });
      const told = fault(error, this.#doing, uncertain);
      if (writes && told instanceof OutcomeUnknownError) this.hasWritten = true;
      throw told;
    }
  }

  #late(): Error {
    const message = `${this.#doing} took too long: check that the servers are reachable and not overloaded`;
    return this.hasWritten ? new OutcomeUnknownError(message) : new BackendUnavailableError(message);
  }
}

/** The first operation that has an error of its own is the one that failed; the others were undone. */
function refusalOf(error: unknown, results: readonly OpResult[] | undefined): Refused | undefined {
  const index = results?.findIndex(({ err }) => err !== undefined && err !== 0) ?? -1;
  const code = codeOf(error);
  if (index < 0 || code === undefined || !ordinary.has(code)) return undefined;
  return { done: false, code, index };
}

/** What another client's doings lead to, and no fault. */
const ordinary: ReadonlySet<number> = new Set([codes.noNode, codes.nodeExists, codes.badVersion, codes.notEmpty]);

function noChroot(cause: Error): BackendUnavailableError {
  const message = 'ZooKeeper: the node that the connection string ends with is not there: create it, or leave it out';
  return new BackendUnavailableError(message, { cause, permanent: true });
}

async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (codeOf((error as Error).cause) === codes.noNode) return undefined;
    throw error;
  }
}
