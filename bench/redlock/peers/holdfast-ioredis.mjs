import { connectAll } from '../clients.mjs';
import { storeOf } from '../holdfast.mjs';

export async function open({ ports, ttlMs }) {
  return storeOf(await connectAll(ports), ttlMs);
}
