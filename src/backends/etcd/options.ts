import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { GrpcModule } from './grpc.js';

export interface EtcdOptions {
  /** The module `@grpc/grpc-js`: `import * as grpc from '@grpc/grpc-js'`. */
  readonly grpc: GrpcModule;
  /** Members of one cluster: `host:port`, or `http://localhost:2379`, `https://localhost:2379`. One is used until it fails, then the next. */
  readonly endpoints: readonly string[];
  /** `grpc.credentials.createSsl(…)`. Default: without TLS, or for `https:` with the system's certificates. */
  readonly credentials?: object;
  /** Where the cluster asks for a password. */
  readonly user?: { readonly name: string; readonly password: string };
  /** What the key of every lock starts with. Default: `holdfast/`. */
  readonly prefix?: string;
  /** How long one call may take, all retries included; never longer than the lease allows. Default: 2,000. */
  readonly commandTimeoutMs?: number;
}

export interface Settings {
  readonly grpc: GrpcModule;
  /** `host:port` each. */
  readonly endpoints: readonly [string, ...string[]];
  readonly credentials: unknown;
  readonly user: EtcdOptions['user'];
  readonly prefix: string;
  readonly commandTimeoutMs: number;
}

const prefixDefault = 'holdfast/';
const prefixBytesMax = 256;
const commandTimeoutMsDefault = 2_000;
/** A cluster has seven members at most; more addresses are a mistake. */
const endpointsMax = 32;

/** @throws InvalidArgumentError */
export function parseOptions(options: EtcdOptions): Settings {
  const {
    grpc,
    endpoints,
    credentials,
    user,
    prefix = prefixDefault,
    commandTimeoutMs = commandTimeoutMsDefault,
  } = options ?? {};
  if (typeof grpc?.Client !== 'function' || typeof grpc.Metadata !== 'function') {
    throw new InvalidArgumentError("etcd() needs the gRPC module: etcd({ grpc, … }) with import * as grpc from '@grpc/grpc-js'");
  }
  const parsed = parseEndpoints(endpoints);
  return {
    grpc,
    endpoints: parsed.addresses,
    credentials: credentials ?? (parsed.tls ? grpc.credentials.createSsl() : grpc.credentials.createInsecure()),
    user: parseUser(user),
    prefix: parsePrefix(prefix),
    commandTimeoutMs: parseTimeout(commandTimeoutMs),
  };
}

function parseEndpoints(endpoints: unknown): { readonly addresses: Settings['endpoints']; readonly tls: boolean } {
  if (!Array.isArray(endpoints) || endpoints.length === 0 || endpoints.length > endpointsMax) {
    throw new InvalidArgumentError(`endpoints must be a list of 1 to ${endpointsMax} addresses, such as ['10.0.0.1:2379']`);
  }
  const found = endpoints.map((endpoint: unknown) => {
    const match = /^(?:(https?):\/\/)?((?:\[[0-9a-f:.]+\]|[^\s:/[\]@]+):\d{1,5})\/?$/i.exec(String(endpoint));
    if (match === null) {
      throw new InvalidArgumentError(`an endpoint is "host:port" or "https://localhost:2379", not ${JSON.stringify(endpoint)}`);
    }
    return { tls: match[1]?.toLowerCase() === 'https', address: match[2] ?? '' };
  });
  const tls = found.some((one) => one.tls);
  if (tls && !found.every((one) => one.tls)) {
    throw new InvalidArgumentError('some endpoints are https: and others are not: write all of them the same way');
  }
  return { addresses: found.map((one) => one.address) as [string, ...string[]], tls };
}

function parseUser(user: unknown): EtcdOptions['user'] {
  if (user === undefined) return undefined;
  const { name, password } = Object(user) as Record<string, unknown>;
  if (typeof name !== 'string' || name === '' || typeof password !== 'string') {
    throw new InvalidArgumentError('user must be { name, password }, both text: leave it out where the cluster asks for none');
  }
  return { name, password };
}

function parsePrefix(prefix: unknown): string {
  const legal = typeof prefix === 'string' && prefix !== '' && !/[\u0000-\u001f\u007f]|[\ud800-\udfff]/u.test(prefix);
  if (!legal || Buffer.byteLength(prefix) > prefixBytesMax) {
    throw new InvalidArgumentError(
      `the key prefix must be a text of 1 to ${prefixBytesMax} bytes without control characters, not ${JSON.stringify(prefix)}`,
    );
  }
  return prefix;
}

function parseTimeout(ms: unknown): number {
  if (typeof ms !== 'number' || !Number.isInteger(ms) || ms < limits.callTimeoutMsMin || ms > limits.durationMsMax) {
    throw new InvalidArgumentError(
      `commandTimeoutMs must be ${limits.callTimeoutMsMin} to ${limits.durationMsMax}, not ${String(ms)}`,
    );
  }
  return ms;
}
