import type { ForeignLock } from '../../core/examination.js';
import { shellWord } from '../../core/shell-word.js';
import { long } from './client.js';
import type { Node } from './operation.js';
import { isHolding } from './paths.js';
import { isOurs } from './values.js';

/** How a lock of somebody else looks. */
export interface Looks {
  readonly library: string | undefined;
  readonly shape: string;
}

const uuid = '[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}';

/** How the recipes of libraries name their nodes. The lowest number at the end has the lock. */
const recipes: readonly (readonly [pattern: RegExp, looks: Looks])[] = [
  [new RegExp(`^_c_${uuid}-.*\\d{10}$`), { library: 'Apache Curator', shape: '_c_, a GUID and a number' }],
  [/^[0-9a-f]{32}__r?w?lock__\d{10}$/, { library: 'kazoo', shape: '32 hex digits, __lock__ and a number' }],
  [/^(?:x-\d+-|lock-|write-|read-)\d{10}$/, { library: "ZooKeeper's lock recipe", shape: 'a prefix and a number' }],
];

export function recipeOf(node: string): Looks | undefined {
  return recipes.find(([pattern]) => pattern.test(node))?.[1];
}

const ours = /^(?:h[xs]-[\w-]{22}|p[xs]-[\w-]{22}--?\d{10}|[tr]-[\w-]{22}|g-.+)$/;

/** A child of a name of ours, where nobody else has business. */
export function looksOf(node: string): Looks | undefined {
  if (ours.test(node)) return undefined;
  return recipeOf(node) ?? { library: undefined, shape: `a node called ${node.slice(0, 20)}${node.length > 20 ? '…' : ''}` };
}

/** A hold by its name, which need not be one of ours, or may have lost what ends it. */
export function looksOfHold(node: string, { data, stat }: Node): Looks | undefined {
  if (!isHolding(node)) return undefined;
  if (!isOurs(data)) return { library: undefined, shape: `${data.length} bytes where a hold belongs` };
  return long(stat.ephemeralOwner) === 0n
    ? { library: 'holdfast', shape: 'a hold that was made again without a session' }
    : undefined;
}

export function foreignLock(path: string, { stat }: Node, { library, shape }: Looks): ForeignLock {
  const session = long(stat.ephemeralOwner);
  return {
    key: path,
    library,
    shape,
    expiresInMs: undefined,
    ...(session === 0n ? {} : { endsWith: `session 0x${BigInt.asUintN(64, session).toString(16)}` }),
    look: `zkCli.sh get -s ${shellWord(path)}`,
    remove: `zkCli.sh delete -v ${stat.version} ${shellWord(path)}`,
  };
}

/** By the number at the end: it wraps around. */
export function firstInLine(nodes: readonly string[]): string | undefined {
  return [...nodes].sort((a, b) => (Number(a.slice(-10)) - Number(b.slice(-10))) | 0)[0];
}
