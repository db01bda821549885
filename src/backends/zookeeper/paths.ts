import { Buffer } from 'node:buffer';
import type { Mode } from '../../core/backend.js';
import { ownerHash } from '../../core/clock.js';
import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, type LockName } from '../../core/name.js';

/** What ZooKeeper does not take in the name of a node, and `~`, which begins an escape. */
const unsafe = /[/~\u0000-\u001f\u007f-\u009f\ue000-\uf8ff\ufff0-\uffff]|[\ud800-\udbff][\udc00-\udfff]/g;
const escaped = /(?:~[0-9A-F]{2})+/g;

/** Without loss: two different names never give the same node. */
export function segmentOf(encoded: string): string {
  if (encoded === '') return '~';
  if (encoded === '.' || encoded === '..') return '~2E'.repeat(encoded.length);
  return encoded.replace(unsafe, (char) => [...Buffer.from(char)].map(escapeByte).join(''));
}

function escapeByte(byte: number): string {
  return `~${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}

export function encodedOf(segment: string): string {
  if (segment === '~') return '';
  return segment.replace(escaped, (run) => Buffer.from(run.replaceAll('~', ''), 'hex').toString());
}

/** Where things lie below the root. */
export class Paths {
  readonly root: string;
  /** The parent of all names. */
  readonly locks: string;
  readonly records: string;
  /** Written to for the sake of the leader's time. */
  readonly clock: string;

  constructor(root: string) {
    this.root = root;
    this.locks = `${root}/locks`;
    this.records = `${root}/records`;
    this.clock = `${root}/clock`;
  }

  of(name: LockName): string {
    return `${this.locks}/${segmentOf(name.encoded)}`;
  }

  static nameOf(segment: string): string {
    return decodeName(encodedOf(segment));
  }
}

/** Whether the servers take it. */
export function isPath(path: string): boolean {
  return /^(?:\/(?!\.{1,2}(?:\/|$))[^/\s\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]+)+$/.test(path);
}

/** @throws InvalidArgumentError */
export function parseRoot(root: unknown): string {
  const legal = typeof root === 'string' && isPath(root);
  if (!legal || root === '/zookeeper' || root.startsWith('/zookeeper/')) {
    throw new InvalidArgumentError(`the root must be the path of a node such as "/holdfast", not ${JSON.stringify(root)}`);
  }
  return root;
}

/** What stands for an owner in the store: 128 bits of its SHA-256, of which the first are its digest. */
export function idOf(owner: string): string {
  return Buffer.from(ownerHash(owner).slice(0, 32), 'hex').toString('base64url');
}

export function digestOf(id: string): string {
  return Buffer.from(id, 'base64url').toString('hex').slice(0, 12);
}

const idChars = 22;

/** A child of a name. */
export interface Child {
  readonly node: string;
  readonly id: string;
  readonly mode: Mode;
}

export interface Place extends Child {
  /** Given by the server. Wraps around. */
  readonly sequence: number;
}

export function isHolding(node: string): boolean {
  return node.startsWith('h');
}

export function holdNode(mode: Mode, id: string): string {
  return `h${mode === 'shared' ? 's' : 'x'}-${id}`;
}

/** The server appends ten digits. */
export function placePrefix(mode: Mode, id: string): string {
  return `p${mode === 'shared' ? 's' : 'x'}-${id}-`;
}

/** This owner must not come back: it has given up. Ends with the session that its asks would come through. */
export function abandonedNode(id: string): string {
  return `t-${id}`;
}

/** This owner must not come back: it was revoked. Outlives the session of whoever did that. */
export function revokedNode(id: string): string {
  return `r-${id}`;
}

/** Tells this life of the parent from the next one, in which versions begin anew. */
export function lifeNode(unique: string): string {
  return `g-${unique}`;
}

/** What the children of a name say, as of one moment. */
export interface View {
  /** The name's own version: every grant changes it. */
  readonly version: number;
  /** None while the name has had one user only; several where several needed one at the same time. Any of them will do. */
  readonly lives: readonly string[];
  readonly holders: readonly Child[];
  /** In the order of the queue. */
  readonly places: readonly Place[];
  readonly abandoned: ReadonlySet<string>;
  readonly revoked: ReadonlySet<string>;
}

export function viewOf(children: readonly string[], version: number): View {
  const holders: Child[] = [];
  const places: Place[] = [];
  const abandoned = new Set<string>();
  const revoked = new Set<string>();
  const lives: string[] = [];
  for (const node of children) {
    const mode = node[1] === 's' ? 'shared' : 'exclusive';
    if (isHolding(node)) holders.push({ node, id: node.slice(3), mode });
    else if (node.startsWith('p'))
      places.push({ node, id: node.slice(3, 3 + idChars), mode, sequence: Number(node.slice(4 + idChars)) });
    else if (node.startsWith('t-')) abandoned.add(node.slice(2));
    else if (node.startsWith('r-')) revoked.add(node.slice(2));
    else if (node.startsWith('g-')) lives.push(node);
  }
  // The counter is 32 bits wide and begins anew below zero; those who wait at the same time are near each other.
  places.sort((a, b) => (a.sequence - b.sequence) | 0);
  return { version, lives, holders, places, abandoned, revoked };
}
