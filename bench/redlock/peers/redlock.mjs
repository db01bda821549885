import Redlock from 'redlock';
import { redlockStore } from '../../redis/redlocks.mjs';
import { connectAll, disconnectAll } from '../clients.mjs';

export async function open(options) {
  const clients = await connectAll(options.ports);
  return redlockStore(new Redlock(clients), { disconnect: () => disconnectAll(clients) }, options);
}
