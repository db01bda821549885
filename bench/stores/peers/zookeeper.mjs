import { once } from 'node:events';
import { promisify } from 'node:util';
import { zookeeper } from 'holdfast/zookeeper';
import zk from 'node-zookeeper-client';
import { takeAll } from '../../lib/leases.mjs';
import { storeOf } from '../holdfast.mjs';
import { pollingStore } from '../polling.mjs';

const { EPHEMERAL, EPHEMERAL_SEQUENTIAL, PERSISTENT } = zk.CreateMode;
const { NODE_EXISTS, NO_NODE } = zk.Exception;
const data = Buffer.from('bench');

async function connectTo(port, sessionTimeout, root) {
  const client = zk.createClient(`127.0.0.1:${port}`, { sessionTimeout });
  client.connect();
  await once(client, 'connected');
  const calls = Object.fromEntries(
    ['create', 'remove', 'getChildren', 'exists'].map((name) => [name, promisify(client[name]).bind(client)]),
  );
  await makeNode(calls, root);
  return { ...calls, client };
}

/** One that may be there. */
async function makeNode({ create }, path) {
  try {
    await create(path, data, PERSISTENT);
  } catch (error) {
    if (error.code !== NODE_EXISTS) throw error;
  }
}

/** The floor: whoever makes the node has the lock. */
export async function openRaw({ port, ttlMs, retryMs }) {
  const { client, create, remove } = await connectTo(port, ttlMs, '/raw');
  const store = {
    async take(name) {
      try {
        await create(`/raw/${name}`, data, EPHEMERAL);
        return true;
      } catch (error) {
        if (error.code === NODE_EXISTS) return false;
        throw error;
      }
    },
    give: (name) => remove(`/raw/${name}`, -1),
    close: () => client.close(),
  };
  return pollingStore(store, { ttlMs, retryMs });
}

/** The recipe of ZooKeeper's documentation. */
export async function openRecipe({ port, ttlMs }) {
  const session = await connectTo(port, ttlMs, '/recipe');
  const { client, create, remove, getChildren } = session;
  const made = new Set();

  async function acquire(name) {
    const parent = `/recipe/${name}`;
    if (!made.has(parent)) await makeNode(session, parent);
    made.add(parent);
    const path = await create(`${parent}/n-`, data, EPHEMERAL_SEQUENTIAL);
    const own = path.slice(parent.length + 1);
    for (;;) {
      const children = (await getChildren(parent)).sort();
      const before = children[children.indexOf(own) - 1];
      if (before === undefined) return path;
      await gone(`${parent}/${before}`);
    }
  }

  function gone(path) {
    return new Promise((resolve, reject) => {
      client.exists(path, resolve, (error, stat) => {
        if (error && error.code !== NO_NODE) reject(error);
        else if (!stat) resolve();
      });
    });
  }

  return {
    async pair(name, work) {
      const path = await acquire(name);
      try {
        await work();
      } finally {
        await remove(path, -1);
      }
    },
    hold: (names) =>
      takeAll(names, async (name) => {
        const path = await acquire(name);
        return () => remove(path, -1);
      }),
    close: () => client.close(),
  };
}

export function openHoldfast({ port, ttlMs }) {
  return storeOf(
    zookeeper((sessionTimeout) => zk.createClient(`127.0.0.1:${port}`, { sessionTimeout })),
    ttlMs,
  );
}
