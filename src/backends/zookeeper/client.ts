/** 64 bits, as the client library hands them out: eight bytes, the highest first. */
export type Long = Buffer;

/** What the server knows of a node. */
export interface Stat {
  /** The transaction that made the node, and the one that last wrote its data. */
  readonly czxid: Long;
  readonly mzxid: Long;
  /** By the leader's clock, in epoch milliseconds. */
  readonly ctime: Long;
  readonly mtime: Long;
  readonly version: number;
  /** The session that the node ends with; 0: it stays. */
  readonly ephemeralOwner: Long;
  readonly numChildren: number;
}

export interface ClientError {
  readonly code?: unknown;
}

/** What one operation of a transaction came to. */
export interface OpResult {
  readonly type: number;
  readonly path?: string;
  readonly stat?: Stat;
  /** 0: it was undone because of another one. */
  readonly err?: number;
}

type Done<T extends unknown[]> = (error: Error | ClientError | null | undefined, ...values: T) => void;

/** Who may do what with a node: `ACL.CREATOR_ALL_ACL` and the like of the library, passed on as they are. */
// biome-ignore lint/suspicious/noExplicitAny: the library's own class, of which nothing is used here
export type Acls = any[];

export interface Transaction {
  create(path: string, data: Buffer, acls: Acls | undefined, mode: number): unknown;
  setData(path: string, data: Buffer | null, version: number): unknown;
  check(path: string, version: number): unknown;
  remove(path: string, version: number): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the published types of the library differ from what it does
  commit(done: (error: any, results: any) => void): void;
}

/** The part of `node-zookeeper-client`'s `Client` that is used. */
export interface ZooKeeperClient {
  connect(): void;
  close(): void;
  getState(): object;
  getSessionId(): Buffer;
  getSessionTimeout(): number;
  // biome-ignore lint/suspicious/noExplicitAny: events of any kind
  on(event: string, listener: (...args: any[]) => void): unknown;
  create(path: string, data: Buffer, acls: Acls, mode: number, done: Done<[string]>): void;
  create(path: string, data: Buffer, mode: number, done: Done<[string]>): void;
  remove(path: string, version: number, done: Done<[]>): void;
  setData(path: string, data: Buffer | null, version: number, done: Done<[Stat]>): void;
  getData(path: string, done: Done<[Buffer, Stat]>): void;
  getData(path: string, watcher: (event: unknown) => void, done: Done<[Buffer, Stat]>): void;
  getChildren(path: string, done: Done<[string[], Stat]>): void;
  transaction(): Transaction;
}

/** Makes a client that is not connected yet, whose sessions last so long: `(ms) => createClient('a:2181,b:2181', { sessionTimeout: ms })`. */
export type ClientFactory = (sessionTimeoutMs: number) => ZooKeeperClient;

/** The library's numbers for the kinds of nodes. */
export const modes = { persistent: 0, ephemeral: 1, ephemeralSequential: 3 } as const;

/** The server's answers that are told apart. */
export const codes = {
  connectionLoss: -4,
  noNode: -101,
  noAuth: -102,
  badVersion: -103,
  nodeExists: -110,
  notEmpty: -111,
  sessionExpired: -112,
  invalidAcl: -114,
  authFailed: -115,
} as const;

export function codeOf(error: unknown): number | undefined {
  const code = (error as ClientError | null | undefined)?.code;
  return typeof code === 'number' ? code : undefined;
}

export function long(value: Long): bigint {
  return value.readBigInt64BE(0);
}
