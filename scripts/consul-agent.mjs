/**
 * Builds a Consul agent with Go, from its sources on the Go module proxy, into the user's cache folder, for the tests. Prints where it
 * is; does nothing where it is already there, or where CONSUL_BIN names one. It takes minutes and some gigabytes of Go's caches. Nothing of it
 * comes into this repository.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const version = '1.22.0';
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'holdfast');
const target = path.join(cache, `consul-${version}`);
const module = 'github.com/hashicorp/consul';

/**
 * Parts of the same repository that are modules of their own. The sources name them by folders that are not in what the proxy has; their
 * releases are there, and these are their checksums, which the checksum database does not have.
 */
const parts = {
  api: ['v1.33.0', 'h1:MnFUzN1Bo6YDGi/EsRLbVNgA4pyCymmcswrE5j4OHBM=', 'h1:vLz2I/bqqCYiG0qRHGerComvbwSWKswc8rRFtnYBrIw='],
  envoyextensions: [
    'v0.9.0',
    'h1:cjCQQKHZTDfivjmMlzzDvpwudjSdlMyiT0rw/ExbJLk=',
    'h1:1SqIWCjKtgbHU2ThOtznAxDktkbRCWm/wgNjIuDM/r0=',
  ],
  'proto-public': [
    'v0.7.0',
    'h1:eHnDLHh8kBDxJZS1fYHNoh/JPjLN7FAwu1vLXOa8QxE=',
    'h1:0EVZbKUi8/w5l6gTi4GZdcvGMG9k/CCkPmZVxJEBRpA=',
  ],
  sdk: ['v0.17.0', 'h1:N/JigV6y1yEMfTIhXoW0DXUecM2grQnFuRpY7PcLHLI=', 'h1:8dgIhY6VlPUprRH7o7UenVuFEgq017qUn3k9wS5mCt4='],
  troubleshoot: ['v0.8.0', 'h1:bgOY5JMsBQmrlhmNz97v4CnSr0ppb7Ob2fwPeDAn3hQ=', 'h1:+9DFCMwOdlcHI3OWwnIajaUr35GDgD+9NwNi630hGIY='],
};

function go(args, cwd, timeoutMs = 120_000) {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false', GOWORK: 'off' };
  const { status, stdout, error } = spawnSync('go', args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: timeoutMs,
  });
  if (error !== undefined) throw new Error(`Go did not run (1.25 or later is needed): ${error.message}`);
  if (status !== 0) throw new Error(`go ${args[0]} ended with status ${status}`);
  return stdout;
}

function writable(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) writable(file);
    else if (entry.isFile()) chmodSync(file, 0o644);
  }
}

function buildInto(folder) {
  const { Dir } = JSON.parse(go(['mod', 'download', '-json', `${module}@v${version}`], folder));
  const source = path.join(folder, 'source');
  // Go keeps its own copy read-only.
  cpSync(Dir, source, { recursive: true });
  writable(source);
  for (const [part, [release, sum, modSum]] of Object.entries(parts)) {
    go(['mod', 'edit', `-dropreplace=${module}/${part}`], source);
    const lines = `${module}/${part} ${release} ${sum}\n${module}/${part} ${release}/go.mod ${modSum}\n`;
    appendFileSync(path.join(source, 'go.sum'), lines);
  }
  const built = path.join(folder, 'built');
  mkdirSync(built);
  go(['build', '-ldflags', '-s -w', '-o', path.join(built, 'consul'), '.'], source, 1_800_000);
  return built;
}

if (process.env.CONSUL_BIN) {
  console.log(process.env.CONSUL_BIN);
} else if (existsSync(target)) {
  console.log(path.join(target, 'consul'));
} else {
  mkdirSync(cache, { recursive: true });
  // Complete or not there at all.
  const folder = mkdtempSync(path.join(cache, 'building-'));
  try {
    const built = buildInto(folder);
    if (!existsSync(target)) renameSync(built, target);
    console.log(path.join(target, 'consul'));
  } catch (error) {
    console.error(`Consul ${version} could not be built: ${error.message}`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
