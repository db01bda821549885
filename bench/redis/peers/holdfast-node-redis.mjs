import { connectNodeRedis } from '../clients.mjs';
import { storeOf } from '../holdfast.mjs';

export async function open({ port, ttlMs }) {
  const client = await connectNodeRedis(port);
  return storeOf(client, ttlMs, () => client.destroy());
}
