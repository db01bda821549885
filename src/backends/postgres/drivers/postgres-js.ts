import type { Stop } from '../../../core/backend.js';
import { type Driver, type Listener, NotSentError, type Running } from '../driver.js';
import { codeOf } from '../errors.js';

/** A query of postgres.js: it begins when it is first waited for. */
export interface PostgresJsQuery extends PromiseLike<readonly { readonly r?: unknown }[]> {
  cancel(): void;
}

/** What is used of an `sql` of postgres.js (the package `postgres`). */
export interface PostgresJsClient {
  // biome-ignore lint/suspicious/noExplicitAny: the library's own type has a parameter for each driver type
  unsafe(text: string): any;
  listen(channel: string, message: (payload: string) => void, active?: () => void): Promise<{ unlisten(): Promise<void> }>;
  // biome-ignore lint/suspicious/noExplicitAny: it serves to tell the library, and to be handed on
  readonly options: any;
}

/** Codes of errors that say that nothing was sent. */
const notSent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'CONNECT_TIMEOUT',
  'CONNECTION_ENDED',
  'ENOENT',
  'EACCES',
]);

/** `close` ends a client that is ours. */
export function postgresJsDriver(sql: PostgresJsClient, close: () => Promise<void> = async () => {}): Driver {
  return {
    library: 'postgres',
    run: (text) => run(sql, text),
    listen: (channel, listener) => listen(sql, channel, listener),
    backends: () => backends(sql),
    close,
  };
}

function run(sql: PostgresJsClient, text: string): Running {
  const query = sql.unsafe(text) as PostgresJsQuery;
  // Without values it goes out in the simple protocol.
  const answer = Promise.resolve(query).then(answerOf, (error: unknown) => {
    if (!notSent.has(codeOf(error) ?? '')) throw error;
    throw new NotSentError(error instanceof Error ? error.message : String(error), { cause: error });
  });
  return {
    answer,
    giveUp() {
      if (stateOf(query) !== undefined) return false;
      // Still in the library's queue: taken out. One that was sent stays: to cancel it, the library would open a connection, and
      // report its failure to nobody.
      query.cancel();
      return true;
    },
  };
}

/** Results of several statements are a list of results. */
function answerOf(result: unknown): string | null {
  const rows = result as readonly unknown[];
  const last = Array.isArray(rows.at(-1)) ? (rows.at(-1) as readonly unknown[]) : rows;
  const value = (last[0] as { r?: unknown } | undefined)?.r;
  return value === undefined || value === null ? null : String(value);
}

/** The connection that a query went out on. */
function stateOf(query: unknown): { readonly pid?: number | null } | undefined {
  return (query as { state?: { pid?: number | null } | null }).state ?? undefined;
}

async function backends(sql: PostgresJsClient): Promise<{ told: number | undefined; answering: number }> {
  const query = sql.unsafe('SELECT pg_backend_pid() AS r') as PostgresJsQuery;
  const answering = Number(answerOf(await query));
  return { told: stateOf(query)?.pid ?? undefined, answering };
}

/** Pauses between the tries, and how long the question may take that comes before LISTEN: its connection may be dead without saying so. */
const retryMs = 1_000;
const askTimeoutMs = 3_000;

/**
 * The library listens on a connection of its own, and does so again when it breaks. One that hangs is the library's as well: it
 * asks for keep-alives of TCP, and until they fail nobody is woken, and waiters poll.
 */
function listen(sql: PostgresJsClient, channel: string, listener: Listener): Stop {
  let stopped = false;
  let stop = () => {};
  const start = async () => {
    const { told, answering } = await within(askTimeoutMs, backends(sql));
    if (stopped) return;
    if (told !== undefined && told !== answering) return listener.impossible();
    const { unlisten } = await sql.listen(
      channel,
      (payload) => {
        if (!stopped) listener.message(payload);
      },
      () => {
        if (!stopped) listener.active();
      },
    );
    stop = () => void unlisten().catch(() => {});
    if (stopped) stop();
  };
  const tryAgain = () => {
    if (stopped) return;
    start().catch(() => {
      setTimeout(tryAgain, retryMs).unref();
    });
  };
  tryAgain();
  return () => {
    stopped = true;
    stop();
  };
}

async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NotSentError('the connection does not answer')), ms);
    timer.unref();
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
