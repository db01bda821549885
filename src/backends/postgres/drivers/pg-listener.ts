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

/** Keeps one listening connection, and makes another one when it breaks. Nothing of it keeps the process alive. */
export function listenWithPg(open: () => PgOwnClient, channel: string, listener: Listener): Stop {
  let stopped = false;
  let current: PgOwnClient | undefined;
  let timer: NodeJS.Timeout | undefined;
  let failures = 0;

  const later = (ms: number, fn: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(fn, ms);
    timer.unref();
  };
  const drop = (client: PgOwnClient) => {
    if (current !== client) return;
    current = undefined;
    clearTimeout(timer);
    end(client);
    if (stopped) return;
    failures += 1;
    later(backoffMs(failures, limits.backoffMsMin, limits.backoffMsMax, Math.random()), connect);
  };
  const ask = (client: PgOwnClient) => {
    later(heartbeatTimeoutMs, () => drop(client));
    client.query('SELECT 1').then(
      () => current === client && later(heartbeatMs, () => ask(client)),
      () => drop(client),
    );
  };
  const start = async (client: PgOwnClient) => {
    await client.connect();
    client.unref?.();
    const answering = Number(answerOf(await client.query('SELECT pg_backend_pid() AS r')));
    const told = toldOf(client);
    if (told !== undefined && told !== answering) {
      stop();
      listener.impossible();
      return;
    }
    await client.query(`LISTEN ${identifier(channel)}`);
    if (current !== client) return;
    failures = 0;
    later(heartbeatMs, () => ask(client));
    listener.active();
  };
  const connect = () => {
    if (stopped) return;
    const client = open();
    current = client;
    client.on('error', () => drop(client));
    client.on('end', () => drop(client));
    client.on('notification', ({ payload }) => {
      if (current === client) listener.message(payload ?? '');
    });
    start(client).catch(() => drop(client));
  };
  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    const client = current;
    current = undefined;
    if (client !== undefined) end(client);
  };
  connect();
  return stop;
}

/** Also where it hangs: the goodbye of a connection that is cut off would wait for ever, and so would one that is being made. */
function end(client: PgOwnClient): void {
  client.end().catch(() => {});
  const { connection } = client as { connection?: { stream?: { destroy?: () => void; unref?: () => void } } };
  const timer = setTimeout(() => connection?.stream?.destroy?.(), 1_000);
  timer.unref();
  connection?.stream?.unref?.();
}
