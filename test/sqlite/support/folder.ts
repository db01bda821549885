import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type Connection, loadDriver } from '../../../src/backends/sqlite/driver.js';
import { type SqliteOptions, sqlite } from '../../../src/backends/sqlite/index.js';
import type { Ask, Backend, Grant, LockRecord, Refusal } from '../../../src/core/backend.js';
import { parseName } from '../../../src/core/name.js';
import { readNodeIdentity } from '../../../src/core/node.js';

/** A folder for each test, and everything that was opened in it closed behind it. */
export class Folder {
  path = '';
  #backends: Backend[] = [];
  #connections: Connection[] = [];

  constructor() {
    beforeEach(() => {
      this.path = mkdtempSync(path.join(tmpdir(), 'holdfast-sqlite-'));
    });
    afterEach(async () => {
      await Promise.allSettled(this.#backends.map((backend) => backend.close()));
      for (const connection of this.#connections) connection.close();
      this.#backends = [];
      this.#connections = [];
      rmSync(this.path, { recursive: true, force: true });
    });
  }

  file(name: string): string {
    return path.join(this.path, name);
  }

  get db(): string {
    return this.file('locks.db');
  }

  open(options: SqliteOptions = {}): Backend {
    const backend = sqlite({ path: this.db, ...options });
    this.#backends.push(backend);
    return backend;
  }

  /** A person with SQLite's own tools. */
  shell(file = this.db): Connection {
    const connection = loadDriver().open(file);
    this.#connections.push(connection);
    return connection;
  }
}

const node = readNodeIdentity();

export function ask(text: string, over: Partial<Ask> = {}): Ask {
  const owner = randomBytes(16).toString('base64url');
  return {
    name: parseName(text),
    owner,
    mode: 'exclusive',
    ttlMs: 60_000,
    fences: 1,
    enqueue: false,
    node,
    metadata: {},
    ...over,
  };
}

export function grantOf(answer: Grant | Refusal): Grant {
  if (answer.outcome !== 'granted') throw new Error(`refused: ${answer.because}`);
  return answer;
}

export async function recordsOf(backend: Backend, prefix = ''): Promise<LockRecord[]> {
  const records: LockRecord[] = [];
  for await (const record of backend.list(prefix)) records.push(record);
  return records;
}

export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
