import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';

/** This process does nothing else meanwhile. */
function busy(forMs: number): void {
  for (const endMs = performance.now() + forMs; performance.now() < endMs; );
}

it('what a proxy delays keeps its order, in both directions, also when the delay ends and the process is busy', async () => {
  const echo = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => socket.write(bytes));
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const proxy = await FaultProxy.start((echo.address() as net.AddressInfo).port);
  try {
    const client = net.connect(proxy.port, '127.0.0.1').setNoDelay(true);
    await once(client, 'connect');
    let heard = '';
    client.on('data', (bytes) => {
      heard += bytes.toString();
    });
    let sent = '';
    for (let n = 0; n < 300; n += 1) {
      proxy.latencyMs = [3, 0, 1.5, 0][n % 4] as number;
      client.write(`${n} `);
      sent += `${n} `;
      if (n % 7 === 0) busy(2.2);
      await turn();
    }
    while (heard.length < sent.length) await once(client, 'data');
    expect(heard).toBe(sent);
    client.end();
    await once(client, 'close');
  } finally {
    await proxy.close();
    echo.close();
  }
});
