import { createClient } from 'redis6';
import { serveHoldfast } from '../holdfast.mjs';

export async function open({ port }) {
  const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  return serveHoldfast(client, () => client.close());
}
