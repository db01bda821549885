import { setImmediate } from 'node:timers';

let due: (() => void)[] = [];

/**
 * Does something when this process next waits: after what has to be sent was sent, while others work on it. One call of the event
 * loop for all who want something done.
 *
 * @param work must not throw
 */
export function whenIdle(work: () => void): void {
  if (due.push(work) === 1) setImmediate(doAll);
}

function doAll(): void {
  const now = due;
  due = [];
  for (const work of now) work();
}
