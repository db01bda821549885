import { connectAll, connectNodeRedis } from '../clients.mjs';
import { storeOf } from '../holdfast.mjs';

export async function open({ ports, ttlMs }) {
  return storeOf(await connectAll(ports, connectNodeRedis), ttlMs);
}
