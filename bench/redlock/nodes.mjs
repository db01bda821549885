import { command } from '../redis/command.mjs';
import { startServer } from '../redis/server.mjs';

const count = 5;

/** The servers that all contenders share. They are emptied before each turn; in the work `stopped`, one of them is stopped then. */
export async function startNodes({ folder }) {
  const servers = [];
  const stop = async () => {
    for (const server of servers) await server.stop();
  };
  try {
    for (let i = 0; i < count; i++) servers.push(await startServer(folder));
  } catch (error) {
    await stop();
    throw error;
  }
  const [victim] = servers;
  return {
    options: { ports: servers.map(({ port }) => port) },
    async empty(work) {
      victim.signal('SIGCONT');
      for (const { port } of servers) await command(port, 'FLUSHALL');
      if (work === 'stopped') victim.signal('SIGSTOP');
    },
    stop,
  };
}
