import { Agent, request } from 'node:http';
import { consul } from 'holdfast/consul';
import { storeOf } from '../holdfast.mjs';
import { pollingStore } from '../polling.mjs';

/** The shortest that Consul grants. */
const sessionTtl = '10s';

const value = Buffer.from('bench').toString('base64');

/** The floor: a key of the process's session where nothing was, deleted where it is still ours. No fence of its own, no queue, no signal of loss. */
export async function openRaw({ port, ttlMs, retryMs }) {
  const agent = new Agent({ keepAlive: true });
  const put = (path, body = '') =>
    new Promise((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', method: 'PUT', path: `/v1/${path}`, agent }, (reply) => {
        let text = '';
        reply.setEncoding('utf8');
        reply.on('data', (part) => {
          text += part;
        });
        // 409: a transaction that did not come about.
        reply.on('end', () =>
          reply.statusCode < 300 || reply.statusCode === 409 ? resolve(JSON.parse(text)) : reject(new Error(text)),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const txn = (...steps) => put('txn', JSON.stringify(steps.map((step) => ({ KV: step }))));
  const { ID: Session } = await put('session/create', JSON.stringify({ TTL: sessionTtl, Behavior: 'delete', NodeChecks: [] }));
  const timer = setInterval(() => put(`session/renew/${Session}`).catch(() => {}), ttlMs / 3);

  const indexes = new Map();
  const store = {
    async take(name) {
      const Key = `bench/${name}`;
      const { Results } = await txn({ Verb: 'check-not-exists', Key }, { Verb: 'lock', Key, Value: value, Session });
      const taken = Results?.at(-1)?.KV;
      if (taken) indexes.set(name, taken.ModifyIndex);
      return taken !== undefined;
    },
    give: (name) => txn({ Verb: 'delete-cas', Key: `bench/${name}`, Index: indexes.get(name) }),
    async close() {
      clearInterval(timer);
      await put(`session/destroy/${Session}`);
      agent.destroy();
    },
  };
  return pollingStore(store, { ttlMs, retryMs });
}

export function openHoldfast({ port, ttlMs }) {
  return storeOf(consul({ addresses: [`http://127.0.0.1:${port}`] }), ttlMs);
}
