import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type net from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';

interface Entry {
  readonly Key: string;
  readonly Value: string | null;
  readonly Session?: string;
  readonly LockIndex: number;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly Flags: 0;
}

interface Step {
  readonly Verb: string;
  readonly Key: string;
  readonly Value?: string;
  readonly Index?: number;
  readonly Session?: string;
}

interface Session {
  readonly ID: string;
  readonly Name: string;
  readonly ttlMs: number;
  readonly lockDelayMs: number;
  timer: NodeJS.Timeout;
}

class Refusal extends Error {}

/** As in Consul: sessions are ended when twice their TTL has gone by. */
const ttlMultiplier = 2;

/**
 * As much of Consul's HTTP API as the store uses, in this process: keys, transactions, sessions with their TTL and lock-delay, blocking
 * queries. For machines without an agent; `test/consul/contract.test.ts` holds it to the answers of a real one.
 */
export class ConsulFake {
  readonly #server = http.createServer((request, response) => void this.#serve(request, response));
  #ttlMinMs = 10_000;
  #index = 0;
  /** What the present transaction has changed, as it was before. */
  #undo = new Map<string, Entry | undefined>();
  #keys = new Map<string, Entry>();
  #sessions = new Map<string, Session>();
  #delays = new Map<string, number>();
  #waiting = new Set<() => void>();
  /** Where a key was deleted: a query that waits is told an index behind it. */
  #deleted = new Map<string, number>();

  static async start(ttlMinMs = 10_000): Promise<ConsulFake> {
    const fake = new ConsulFake();
    fake.#ttlMinMs = ttlMinMs;
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Of locks, without owners that are only remembered. */
  async keys(prefix = 'holdfast/locks/'): Promise<readonly string[]> {
    return [...this.#keys.keys()].filter((key) => key.startsWith(prefix));
  }

  async sessions(): Promise<readonly { readonly ID: string; readonly Name: string }[]> {
    return [...this.#sessions.values()];
  }

  /** As after a restart without its data. */
  async forget(): Promise<void> {
    for (const { timer } of this.#sessions.values()) clearTimeout(timer);
    this.#index = 0;
    this.#keys = new Map();
    this.#sessions = new Map();
    this.#delays = new Map();
    this.#deleted = new Map();
    this.#server.closeAllConnections();
  }

  async stop(): Promise<void> {
    await this.forget();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url ?? '/', 'http://localhost');
    const path = decodeURIComponent(url.pathname);
    const reply = (status: number, value: unknown, headers: http.OutgoingHttpHeaders = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof value === 'string' ? value : JSON.stringify(value));
    };
    try {
      if (path === '/v1/txn') {
        const answer = this.#txn((JSON.parse(body) as { KV: Step }[]).map(({ KV }) => KV));
        return reply(answer.Errors === null ? 200 : 409, answer);
      }
      if (path.startsWith('/v1/kv/')) return await this.#query(path.slice('/v1/kv/'.length), url.searchParams, reply, response);
      if (path === '/v1/session/create') return reply(200, { ID: this.#create(JSON.parse(body) as Record<string, string>) });
      const [, verb, id = ''] = /^\/v1\/session\/(renew|destroy)\/(.*)$/.exec(path) ?? [];
      if (verb === 'renew') return this.#renew(id) ? reply(200, [{ ID: id }]) : reply(404, `Session id '${id}' not found`);
      if (verb === 'destroy') {
        this.#end(id);
        return reply(200, true);
      }
      const known = this.#sessions.get(/^\/v1\/session\/info\/(.*)$/.exec(path)?.[1] ?? '');
      if (path.startsWith('/v1/session/info/')) {
        return reply(
          200,
          known === undefined ? [] : [{ ID: known.ID, Name: known.Name, Node: 'fake', TTL: `${known.ttlMs / 1_000}s` }],
        );
      }
      if (path === '/v1/session/list')
        return reply(
          200,
          [...this.#sessions.values()].map(({ ID, Name }) => ({ ID, Name })),
        );
      if (path === '/v1/status/leader') return reply(200, '"127.0.0.1:8300"');
      if (path === '/v1/status/peers') return reply(200, ['127.0.0.1:8300']);
      reply(404, `Invalid URL path: ${path}`);
    } catch (error) {
      reply(error instanceof Refusal ? 400 : 500, String((error as Error).message));
    }
  }

  async #query(
    key: string,
    query: URLSearchParams,
    reply: (status: number, value: unknown, headers: http.OutgoingHttpHeaders) => void,
    response: http.ServerResponse,
  ): Promise<void> {
    const after = Number(query.get('index') ?? 0);
    const waitMs = Number.parseFloat(query.get('wait') ?? '300') * 1_000;
    const indexNow = () => this.#keys.get(key)?.ModifyIndex ?? this.#deleted.get(key) ?? this.#index;
    const endMs = performance.now() + waitMs;
    while (after > 0 && indexNow() <= after && performance.now() < endMs && !response.destroyed) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, endMs - performance.now());
        this.#waiting.add(done);
        response.once('close', done);
      });
    }
    const entry = this.#keys.get(key);
    const headers = { 'x-consul-index': Math.max(1, indexNow()) };
    if (entry === undefined) reply(404, '', headers);
    else reply(200, [entry], headers);
  }

  #txn(steps: readonly Step[]): { Results: readonly { KV: Entry }[] | null; Errors: readonly object[] | null } {
    const delayed = steps.flatMap(({ Verb, Key }, OpIndex) =>
      Verb === 'lock' && (this.#delays.get(Key) ?? 0) > performance.now()
        ? [{ OpIndex, What: `failed to lock key ${JSON.stringify(Key)} due to lock delay` }]
        : [],
    );
    if (delayed.length > 0) return { Results: null, Errors: delayed };
    const index = this.#index + 1;
    this.#undo = new Map();
    const results: { KV: Entry }[] = [];
    const errors: object[] = [];
    for (const [OpIndex, step] of steps.entries()) {
      try {
        results.push(...this.#step(step, index).map((KV) => ({ KV })));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        errors.push({ OpIndex, What: error.message });
      }
    }
    if (errors.length > 0) {
      for (const [key, entry] of this.#undo) {
        if (entry === undefined) this.#keys.delete(key);
        else this.#keys.set(key, entry);
      }
      return { Results: null, Errors: errors };
    }
    const isWrite = steps.some(({ Verb }) => /^(?:set|cas|lock|unlock|delete)$/.test(Verb));
    if (isWrite) this.#changed(index);
    return { Results: results, Errors: null };
  }

  #changed(index: number): void {
    this.#index = index;
    for (const key of this.#undo.keys()) if (!this.#keys.has(key)) this.#deleted.set(key, index);
    for (const wake of [...this.#waiting]) wake();
  }

  #step(step: Step, index: number): readonly Entry[] {
    const { Verb, Key } = step;
    const found = this.#keys.get(Key);
    const refuse = (why: string): never => {
      throw new Refusal(why);
    };
    const bare = (entry: Entry): readonly Entry[] => [{ ...entry, Value: null }];
    switch (Verb) {
      case 'get':
        return [found ?? refuse(`key ${JSON.stringify(Key)} doesn't exist`)];
      case 'get-or-empty':
        return [found ?? { Key, Value: null, LockIndex: 0, CreateIndex: 0, ModifyIndex: 0, Flags: 0 }];
      case 'get-tree':
        return [...this.#keys.values()].filter((entry) => entry.Key.startsWith(Key)).sort((a, b) => (a.Key < b.Key ? -1 : 1));
      case 'check-not-exists':
        return found === undefined ? [] : refuse(`key ${JSON.stringify(Key)} exists`);
      case 'check-index':
        if (found === undefined) return refuse(`failed index check for key ${JSON.stringify(Key)}, key doesn't exist`);
        return found.ModifyIndex === step.Index
          ? bare(found)
          : refuse(`current modify index ${found.ModifyIndex} for key ${JSON.stringify(Key)}`);
      case 'delete':
        this.#write(Key, undefined);
        return [];
      case 'set':
        return bare(this.#put(step, index, found?.Session));
      case 'cas':
        if ((found?.ModifyIndex ?? 0) !== (step.Index ?? 0))
          return refuse(`failed to set key ${JSON.stringify(Key)}, index is stale`);
        return bare(this.#put(step, index, found?.Session));
      case 'lock':
        if (!this.#sessions.has(step.Session ?? '')) return refuse(`invalid session ${JSON.stringify(step.Session)}`);
        if (found?.Session !== undefined && found.Session !== step.Session) {
          return refuse(`failed to lock key ${JSON.stringify(Key)}, lock is already held`);
        }
        return bare(this.#put(step, index, step.Session, (found?.LockIndex ?? 0) + (found?.Session === undefined ? 1 : 0)));
      case 'unlock':
        if (found?.Session === undefined || found.Session !== step.Session) {
          return refuse(`failed to unlock key ${JSON.stringify(Key)}, lock isn't held, or is held by another session`);
        }
        return bare(this.#put(step, index, undefined));
      default:
        return refuse(`unknown KV operation: ${Verb}`);
    }
  }

  #put(
    { Key, Value = null }: Pick<Step, 'Key'> & { readonly Value?: string | null },
    index: number,
    session: string | undefined,
    lockIndex?: number,
  ): Entry {
    const found = this.#keys.get(Key);
    const LockIndex = lockIndex ?? found?.LockIndex ?? 0;
    // What does not differ is not written.
    if (found !== undefined && found.Value === Value && found.Session === session && found.LockIndex === LockIndex) return found;
    const entry: Entry = {
      Key,
      Value,
      LockIndex,
      CreateIndex: found?.CreateIndex ?? index,
      ModifyIndex: index,
      Flags: 0,
      ...(session === undefined ? {} : { Session: session }),
    };
    this.#write(Key, entry);
    return entry;
  }

  #write(key: string, entry: Entry | undefined): void {
    if (!this.#undo.has(key)) this.#undo.set(key, this.#keys.get(key));
    if (entry === undefined) this.#keys.delete(key);
    else this.#keys.set(key, entry);
  }

  #create(wanted: Record<string, string>): string {
    const ttlMs = durationMs(wanted['TTL']);
    if (ttlMs < this.#ttlMinMs || ttlMs > 86_400_000) {
      throw new Error(`Invalid Session TTL '${ttlMs * 1e6}', must be between [${this.#ttlMinMs / 1_000}s=24h0m0s]`);
    }
    const ID = randomUUID();
    const timer = this.#expiry(ID, ttlMs);
    this.#sessions.set(ID, { ID, Name: wanted['Name'] ?? '', ttlMs, lockDelayMs: durationMs(wanted['LockDelay']), timer });
    this.#index += 1;
    return ID;
  }

  #renew(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    clearTimeout(session.timer);
    session.timer = this.#expiry(id, session.ttlMs);
    return true;
  }

  #expiry(id: string, ttlMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#end(id), ttlMs * ttlMultiplier);
  }

  /** What it has locked is deleted, and may not be locked for a while. */
  #end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    clearTimeout(session.timer);
    this.#sessions.delete(id);
    this.#undo = new Map();
    for (const entry of [...this.#keys.values()]) {
      if (entry.Session !== id) continue;
      this.#write(entry.Key, undefined);
      if (session.lockDelayMs > 0) this.#delays.set(entry.Key, performance.now() + session.lockDelayMs);
    }
    this.#changed(this.#index + 1);
  }
}

function durationMs(text = '0s'): number {
  const [, count, unit] = /^([\d.]+)(ms|s)$/.exec(text) ?? [];
  return Number(count) * (unit === 's' ? 1_000 : 1);
}
