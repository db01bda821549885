import process from 'node:process';
import type { LockRecord } from '../core/backend.js';
import { DeadlockError } from '../core/errors.js';
import type { Holdfast } from '../core/holdfast.js';
import { roughDuration } from './duration.js';
import { locksAbove } from './outer-locks.js';
import { isTerminal, say } from './say.js';

const noticeAfterMs = 2_000;

/**
 * Tells a person at a terminal for whom the command waits; a program's standard error stays empty. And gives up at
 * once where this process itself runs under the lock that it waits for, however far above: that wait would never end.
 *
 * @returns ends the watching
 */
export function watchWaiting(locks: Holdfast, name: string, giveUp: AbortController): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const stop = locks.on('waiting', () => {
    stop();
    void refuseOwn(locks, name, giveUp);
    if (!isTerminal(2)) return;
    timer = setTimeout(() => void notice(locks, name, () => isOver), noticeAfterMs);
  });
  return () => {
    isOver = true;
    stop();
    clearTimeout(timer);
  };
}

async function holders(locks: Holdfast, name: string): Promise<readonly LockRecord[]> {
  // The wait itself reports a store that is away.
  return locks.inspect(name).then(
    ({ held }) => held,
    () => [],
  );
}

async function notice(locks: Holdfast, name: string, isOver: () => boolean): Promise<void> {
  const [holder, ...others] = await holders(locks, name);
  if (isOver()) return;
  if (holder === undefined) return say(`waiting for "${name}"`);
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  const who = `process ${holder.node.pid} on ${holder.node.host}`;
  say(`waiting for "${name}": ${who}${more} has held it for ${roughDuration(holder.sinceMs)}`);
}

async function refuseOwn(locks: Holdfast, name: string, giveUp: AbortController): Promise<void> {
  const fences = new Set(locksAbove(process.env).flatMap(([held, fence]) => (held === name ? [fence] : [])));
  if (fences.size === 0) return;
  const own = (await holders(locks, name)).some((holder) => fences.has(String(holder.fence)));
  if (own) giveUp.abort(new DeadlockError(`this command already runs under "${name}": waiting for it would never end`));
}
