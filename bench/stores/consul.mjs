import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort, startServer, succeeds } from '../lib/server.mjs';
import { holdfast } from './holdfast.mjs';

const built = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast/consul-1.22.0/consul');
const program = process.env.CONSUL_BIN ?? (existsSync(built) ? built : 'consul');

export const peers = {
  raw: async (options) => (await import('./peers/consul.mjs')).openRaw(options),
  holdfast: async (options) => (await import('./peers/consul.mjs')).openHoldfast(options),
};

export const store = {
  title: 'one Consul server: as it comes, what it answers is on the disk, HTTP over loopback, kept connections',
  contenders: [
    {
      key: 'raw',
      label: 'raw transactions (floor)',
      options: { retryMs: 5 },
      settings:
        'a transaction that locks where nothing is, with the one session of the process, and one that compares and deletes, over `node:http`; asks again every 5 ms; renews that session',
    },
    holdfast('`node:http`'),
  ],
  missing: () =>
    spawnSync(program, ['version']).status === 0 ? undefined : 'there is no Consul agent (node scripts/consul-agent.mjs)',
  versions: () => [execFileSync(program, ['version'], { encoding: 'utf8' }).split('\n')[0]],
  start,
};

async function start(folder) {
  return startServer(async () => {
    const own = mkdtempSync(join(folder, 'consul-'));
    const [http, server, serf] = [await freePort(), await freePort(), await freePort()];
    const file = join(own, 'agent.json');
    writeFileSync(
      file,
      JSON.stringify({
        node_name: 'bench',
        ports: { http, server, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1, grpc_tls: -1 },
        ui_config: { enabled: false },
        connect: { enabled: false },
        peering: { enabled: false },
        limits: { http_max_conns_per_client: 10_000 },
        performance: { raft_multiplier: 1 },
        disable_update_check: true,
        log_level: 'ERROR',
        server: true,
        bootstrap_expect: 1,
        data_dir: join(own, 'data'),
        bind_addr: '127.0.0.1',
        client_addr: '127.0.0.1',
      }),
    );
    return {
      program,
      args: ['agent', '-config-file', file],
      answers: () =>
        succeeds(fetch(`http://127.0.0.1:${http}/v1/status/leader`).then(async (reply) => (await reply.json()).length > 0)),
      port: http,
    };
  }, 'node scripts/consul-agent.mjs').then((one) => ({ ...one, options: { port: one.port } }));
}
