import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { ZooKeeperClient } from '../../src/backends/zookeeper/client.js';
import { breakConnection, mend, sending } from '../../src/backends/zookeeper/mending.js';

/** As much of the library's inside as is touched. */
class Client extends EventEmitter {
  connectionManager = {
    pendingBuffer: null as unknown,
    xid: 0,
    destroyed: 0,
    packetQueue: { queue: [] as { callback(error: unknown): void }[] },
    socket: {
      destroy: () => {
        this.connectionManager.destroyed += 1;
      },
    },
    onSocketData: (bytes: Buffer) => {
      if (bytes.length === 0) throw new Error('Unknown code: -118');
    },
  };
}

const mended = () => {
  const client = new Client();
  mend(client as unknown as ZooKeeperClient);
  return { client, inside: client.connectionManager };
};

describe('what the client library gets wrong', () => {
  it('a code that it does not know breaks the connection, and not the process', () => {
    const { inside } = mended();
    inside.onSocketData(Buffer.from('x'));
    expect(inside.destroyed).toBe(0);
    inside.onSocketData(Buffer.alloc(0));
    expect(inside.destroyed).toBe(1);
  });

  it('half an answer does not outlive its connection, and what was not sent is said to be lost', () => {
    const { client, inside } = mended();
    inside.pendingBuffer = Buffer.from('half');
    const lost: unknown[] = [];
    inside.packetQueue.queue.push({ callback: (error) => void lost.push(error) });
    client.emit('disconnected');
    expect(inside.pendingBuffer).toBeNull();
    expect(inside.packetQueue.queue).toEqual([]);
    expect(lost).toMatchObject([{ code: -4 }]);
  });

  it('numbers of requests begin anew before they are too large', () => {
    const { client, inside } = mended();
    inside.xid = 2 ** 30 + 1;
    sending(client as unknown as ZooKeeperClient)();
    expect(inside.xid).toBe(1);
  });

  it('requests of one turn leave together, but for the first', async () => {
    const { client, inside } = mended();
    const said: string[] = [];
    Object.assign(inside.socket, { cork: () => said.push('cork'), uncork: () => said.push('uncork') });
    const send = sending(client as unknown as ZooKeeperClient);
    for (let i = 0; i < 3; i++) {
      send();
      said.push('sent');
    }
    await new Promise((resolve) => setImmediate(resolve));
    send();
    expect(said).toEqual(['sent', 'cork', 'sent', 'sent', 'uncork']);
  });

  it('a client that shows nothing of its inside is left as it is', () => {
    const client = new EventEmitter() as unknown as ZooKeeperClient;
    mend(client);
    sending(client)();
    sending(client)();
    expect(breakConnection(client)).toBe(false);
  });
});
