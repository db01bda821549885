import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';

describe('FaultProxy.hold', () => {
  let server: Server;
  let proxy: FaultProxy;
  let arrived: string[];

  beforeEach(async () => {
    arrived = [];
    server = createServer((request, response) => {
      arrived.push(request.url ?? '');
      response.end('done');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    proxy = await FaultProxy.start((server.address() as AddressInfo).port);
  });

  afterEach(async () => {
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });

  const ask = (path: string, signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${proxy.port}${path}`, signal === undefined ? {} : { signal }).then((response) => response.text());

  it('stops the next request with the text, and no other', async () => {
    const held = proxy.hold('GET /a');
    const answer = ask('/a');
    const request = await held;
    expect(await ask('/b')).toBe('done');
    expect(arrived).toEqual(['/b']);
    await request.deliver();
    expect(await answer).toBe('done');
    expect(arrived).toEqual(['/b', '/a']);
    expect(await ask('/a')).toBe('done');
  });

  it('delivers it although its client has given up, and the connection was reset', async () => {
    const held = proxy.hold('GET /a');
    const leaving = new AbortController();
    const answer = ask('/a', leaving.signal);
    const request = await held;
    leaving.abort();
    await expect(answer).rejects.toThrow();
    proxy.reset();
    expect(arrived).toEqual([]);
    await request.deliver();
    expect(arrived).toEqual(['/a']);
    await request.deliver();
    expect(arrived).toEqual(['/a']);
  });
});
