import { Redlock } from '@sesamecare-oss/redlock';
import { connectIoredis } from '../clients.mjs';
import { redlockStore } from '../redlocks.mjs';

export async function open(options) {
  const client = await connectIoredis(options.port);
  return redlockStore(new Redlock([client]), client, options);
}
