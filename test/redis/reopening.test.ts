import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { reopening } from '../../src/backends/redis/drivers/reopening.js';

/** Of a client only what is looked at: ioredis does not end twice when it is told to. */
class Client extends EventEmitter {
  opened = 0;

  async connect(): Promise<void> {
    this.opened += 1;
  }
}

it('what ended twice is opened once, and never after the application has closed it', async () => {
  const [left, closed] = [new Client(), new Client()];
  const stops = [left, closed].map((client) => reopening(client));
  for (const client of [left, closed]) for (const event of ['end', 'end']) client.emit(event);
  stops[1]?.();
  await sleep(300);
  expect([left.opened, closed.opened]).toEqual([1, 0]);
  stops[0]?.();
});
