import { once } from 'node:events';
import http from 'node:http';

const body = JSON.stringify({ amount: 100, currency: 'eur', order: 'o_1' });
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };

/** What the handler of every contender does and answers. */
export function charge({ amount }) {
  return { id: 'ch_1', amount, status: 'succeeded' };
}

/** An Express application on a free port, and a client with as many kept connections as there are callers: the same for all contenders. */
export async function serveAndAsk(app, close) {
  const server = app.listen(0, '127.0.0.1');
  // Between its turns a contender idles for longer than a kept connection is kept.
  server.keepAliveTimeout = 0;
  await once(server, 'listening');
  const { port } = server.address();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  return {
    request: (key) => ask(agent, port, key),
    async close() {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await close();
    },
  };
}

function ask(agent, port, key) {
  return new Promise((resolve, reject) => {
    const options = { agent, port, method: 'POST', path: '/charges', headers: { ...headers, 'idempotency-key': key } };
    const request = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 201 && text.includes('ch_1')) resolve();
        else reject(new Error(`answered ${response.statusCode}: ${text}`));
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
