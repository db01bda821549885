import { clearTimeout, setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { backoffMs } from '../../../core/backoff.js';
import { limits } from '../../../core/limits.js';
import type { Listener } from '../driver.js';
import { identifier } from '../sql/text.js';
import { answerOf, type PgOwnClient, toldOf } from './pg-client.js';

/** How often a connection on which nothing arrives is asked whether it is there, and how long it may take. */
const heartbeatMs = 20_000;
const heartbeatTimeoutMs = 5_000;
/** How long a connection that was made may take until it listens. */
const startTimeoutMs = 3_000;

/** Keeps one listening connection, and makes another one when it breaks. Nothing of it keeps the process alive. */
export function listenWithPg(open: () => PgOwnClient, channel: string, listener: Listener): Stop {
  const listening = new Listening(open, channel, listener);
  listening.connect();
  return () => listening.stop();
}

class Listening {
  readonly #open: () => PgOwnClient;
  readonly #channel: string;
  readonly #listener: Listener;
  #current: PgOwnClient | undefined;
  /** One at a time: of the next connection, the next question, or the end of patience. */
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopped = false;

  constructor(open: () => PgOwnClient, channel: string, listener: Listener) {
    this.#open = open;
    this.#channel = channel;
    this.#listener = listener;
  }

  connect(): void {
    if (this.#stopped) return;
    const client = this.#open();
    this.#current = client;
    client.on('error', () => this.#drop(client));
    client.on('end', () => this.#drop(client));
    client.on('notification', ({ payload }) => {
      if (this.#current === client) this.#listener.message(payload ?? '');
    });
    this.#start(client).catch(() => this.#drop(client));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const client = this.#current;
    this.#current = undefined;
    if (client !== undefined) end(client);
  }

  async #start(client: PgOwnClient): Promise<void> {
    await client.connect();
    if (this.#current !== client) return;
    client.unref?.();
    this.#later(startTimeoutMs, () => this.#drop(client));
    const answering = Number(answerOf(await client.query('SELECT pg_backend_pid() AS r')));
    const told = toldOf(client);
    if (told !== undefined && told !== answering) {
      this.stop();
      this.#listener.impossible();
      return;
    }
    await client.query(`LISTEN ${identifier(this.#channel)}`);
    if (this.#current !== client) return;
    this.#failures = 0;
    this.#later(heartbeatMs, () => this.#ask(client));
    this.#listener.active();
  }

  #ask(client: PgOwnClient): void {
    this.#later(heartbeatTimeoutMs, () => this.#drop(client));
    client.query('SELECT 1').then(
      () => this.#current === client && this.#later(heartbeatMs, () => this.#ask(client)),
      () => this.#drop(client),
    );
  }

  #drop(client: PgOwnClient): void {
    if (this.#current !== client) return;
    this.#current = undefined;
    clearTimeout(this.#timer);
    end(client);
    if (this.#stopped) return;
    this.#failures += 1;
    const pauseMs = backoffMs(this.#failures, limits.backoffMsMin, limits.backoffMsMax, Math.random());
    this.#later(pauseMs, () => this.connect());
  }

  #later(ms: number, fn: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(fn, ms);
    this.#timer.unref();
  }
}

/** Also where it hangs: the goodbye of a connection that is cut off would wait for ever, and so would one that is being made. */
function end(client: PgOwnClient): void {
  client.end().catch(() => {});
  const { connection } = client as { connection?: { stream?: { destroy?: () => void; unref?: () => void } } };
  const timer = setTimeout(() => connection?.stream?.destroy?.(), 1_000);
  timer.unref();
  connection?.stream?.unref?.();
}
