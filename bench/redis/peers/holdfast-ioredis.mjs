import { connectIoredis } from '../clients.mjs';
import { storeOf } from '../holdfast.mjs';

export async function open({ port, ttlMs }) {
  const client = await connectIoredis(port);
  return storeOf(client, ttlMs, () => client.disconnect());
}
