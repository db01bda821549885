import { Redis } from 'ioredis';
import { serveHoldfast } from '../holdfast.mjs';

export function open({ port }) {
  const client = new Redis(port);
  return serveHoldfast(client, () => client.quit());
}
