import { randomInt } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { etcd } from 'holdfast/etcd';
// The messages are ours: what a raw Txn costs should not hang on a slower codec.
import { leaseGrant, leaseKeepAlive, txn } from '../../../dist/backends/etcd/methods.js';
import { storeOf } from '../holdfast.mjs';
import { pollingStore } from '../polling.mjs';

/** Of a compare: that a key was made at a revision; at 0, that it is not there. */
const created = (key, createRevision) => [{ key, target: 1, result: 0, createRevision }];

/** The floor: a key with a lease where nothing was, deleted where it is still ours. No fence of its own, no queue, no signal of loss. */
export async function openRaw({ port, ttlMs, retryMs }) {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { 'grpc.enable_retries': 0 });
  const metadata = new grpc.Metadata();
  const call = ({ path, encode, decode }, request) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, encode, decode, request, metadata, {}, (error, value) =>
        error ? reject(error) : resolve(value),
      );
    });
  const lease = randomInt(1, 2 ** 47);
  await call(leaseGrant, { ttl: ttlMs / 1_000, id: lease });
  const { path, encode, decode } = leaseKeepAlive;
  const renewals = client.makeBidiStreamRequest(path, encode, decode, metadata);
  renewals.on('data', () => {}).on('error', () => {});
  const timer = setInterval(() => renewals.write({ id: lease }), ttlMs / 3);

  const revisions = new Map();
  const store = {
    async take(key) {
      const { succeeded, header } = await call(txn, {
        compare: created(key, 0),
        success: [{ put: { key, value: 'bench', lease } }],
        failure: [],
      });
      if (succeeded) revisions.set(key, header.revision);
      return succeeded;
    },
    give: (key) => call(txn, { compare: created(key, revisions.get(key)), success: [{ delete: { key } }], failure: [] }),
    close() {
      clearInterval(timer);
      renewals.cancel();
      client.close();
    },
  };
  return pollingStore(store, { ttlMs, retryMs });
}

export function openHoldfast({ port, ttlMs }) {
  return storeOf(etcd({ grpc, endpoints: [`127.0.0.1:${port}`] }), ttlMs);
}
