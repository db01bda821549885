import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';

export interface ConsulOptions {
  /** Agents or servers of one datacenter: `http://127.0.0.1:8500`, `https://localhost:8501`. One is used until it fails, then the next. */
  readonly addresses: readonly string[];
  /** An ACL token that may write the keys below the prefix and sessions. Never logged or shown. */
  readonly token?: string;
  /** Another datacenter than that of the agent. */
  readonly datacenter?: string;
  /** For `https:`: texts in PEM, as `node:tls` takes them. Default: the system's certificates. */
  readonly tls?: ConsulTls;
  /** What every key starts with. Default: `holdfast/`. */
  readonly prefix?: string;
  /** How long one call may take, all retries included; never longer than the lease allows. Default: 2,000. */
  readonly commandTimeoutMs?: number;
}

export interface ConsulTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** The name in the server's certificate, where it is not the one in the address. */
  readonly servername?: string;
}

export interface Settings {
  readonly addresses: readonly [string, ...string[]];
  readonly token: string | undefined;
  readonly datacenter: string | undefined;
  readonly tls: ConsulTls;
  readonly prefix: string;
  readonly commandTimeoutMs: number;
}

const prefixDefault = 'holdfast/';
const prefixBytesMax = 256;
const commandTimeoutMsDefault = 2_000;
/** A datacenter has seven servers at most; more addresses are a mistake. */
const addressesMax = 32;

/** @throws InvalidArgumentError */
export function parseOptions(options: ConsulOptions): Settings {
  const {
    addresses,
    token,
    datacenter,
    tls = {},
    prefix = prefixDefault,
    commandTimeoutMs = commandTimeoutMsDefault,
  } = options ?? {};
  return {
    addresses: parseAddresses(addresses),
    token: parseText('token', token),
    datacenter: parseText('datacenter', datacenter),
    tls,
    prefix: parsePrefix(prefix),
    commandTimeoutMs: parseTimeout(commandTimeoutMs),
  };
}

function parseAddresses(addresses: unknown): Settings['addresses'] {
  if (!Array.isArray(addresses) || addresses.length === 0 || addresses.length > addressesMax) {
    throw new InvalidArgumentError(`addresses must be a list of 1 to ${addressesMax}, such as ['http://127.0.0.1:8500']`);
  }
  return addresses.map(parseAddress) as [string, ...string[]];
}

function parseAddress(address: unknown): string {
  const isText = typeof address === 'string' && /^https?:\/\/[^/@?#]+\/?$/i.test(address);
  if (!isText || !URL.canParse(address)) {
    throw new InvalidArgumentError(
      'an address is "http://localhost:8500" or "https://localhost:8501", without a path or a user: a token has an option of its own',
    );
  }
  return new URL(address).origin;
}

/** Its value is in no message: it may be a secret. */
function parseText(what: string, text: unknown): string | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(text)) {
    throw new InvalidArgumentError(
      `${what} must be a text of 1 to 256 printable characters without spaces: leave it out for none`,
    );
  }
  return text;
}

function parsePrefix(prefix: unknown): string {
  const legal = typeof prefix === 'string' && /^[^/]/.test(prefix) && !/[\u0000-\u001f\u007f]|[\ud800-\udfff]/u.test(prefix);
  if (!legal || Buffer.byteLength(prefix) > prefixBytesMax) {
    throw new InvalidArgumentError(
      `the key prefix must be a text of 1 to ${prefixBytesMax} bytes without control characters or a slash in front, not ${JSON.stringify(prefix)}`,
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
