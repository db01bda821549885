import { once } from 'node:events';
import { connect } from 'node:net';

/** One command past every client library; resolves with the raw reply. */
export async function command(port, ...args) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
    // Ends with the reply to QUIT, however long the one before is.
    socket.write(`*${args.length}\r\n${parts.join('')}*1\r\n$4\r\nQUIT\r\n`);
    let reply = '';
    for await (const chunk of socket) reply += String(chunk);
    return reply.replace(/\+OK\r\n$/, '');
  } finally {
    socket.destroy();
  }
}
