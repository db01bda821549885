/** How the values of other libraries look: to tell a person whose lock it is, not to decide anything. */

export interface Shape {
  /** Undefined where several could be meant, or none is known. */
  readonly library: string | undefined;
  /** Says nothing that could be a secret. */
  readonly shape: string;
}

interface Known extends Shape {
  readonly pattern: RegExp;
}

const known: readonly Known[] = [
  // Also the first: a UUID of version 1 without dashes would be one of 64 random texts.
  { pattern: /^[0-9a-f]{12}1[0-9a-f]{3}[89ab][0-9a-f]{15}$/, library: 'redlock (or redis-py)', shape: '32 hexadecimal digits' },
  { pattern: /^[0-9a-f]{32}$/, library: 'redlock', shape: '32 hexadecimal digits' },
  { pattern: /^[0-9a-f]{40}$/, library: undefined, shape: '40 hexadecimal digits' },
  {
    pattern: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
    library: 'redis-semaphore (or another with a UUID)',
    shape: 'a UUID',
  },
  { pattern: /^ADDED:\d{4}-\d\d-\d\dT\S+@\S+$/, library: 'ShedLock', shape: '"ADDED:", a time and a host' },
  { pattern: /^[A-Za-z0-9+/]{22}==$/, library: 'redsync', shape: '16 bytes in base64' },
  { pattern: /^[A-Za-z0-9_-]{22}$/, library: 'bsm/redislock (or redlock-py)', shape: '22 characters' },
];

/** Times that are meant as such: this century. */
const times: readonly { readonly pattern: RegExp; readonly unitMs: number }[] = [
  { pattern: /^[1-4]\d{12}(?:\.\d+)?$/, unitMs: 1 },
  { pattern: /^[1-4]\d{9}(?:\.\d+)?$/, unitMs: 1_000 },
];

/** Whether some library's locks look so. Numbers and words do not count: caches are full of them. */
export function looksLikeLock(value: string): boolean {
  return known.some(({ pattern, library }) => library !== undefined && pattern.test(value));
}

/** @param fields of a hash */
export function shapeOf(kind: string, value: string, fields: readonly string[], nowMs: number): Shape {
  if (kind === 'hash') {
    const isRedisson = fields.length > 0 && fields.every((field) => /^[0-9a-f-]{36}:\d+$/i.test(field));
    return { library: isRedisson ? 'Redisson' : undefined, shape: `a hash of ${count(fields.length, 'field')}` };
  }
  if (kind !== 'string') return { library: undefined, shape: `a key of the type ${kind}` };
  if (value.startsWith('{"holdfast":1,')) return { library: 'holdfast', shape: 'a hold of Holdfast' };
  for (const { pattern, unitMs } of times) {
    if (pattern.test(value)) return timeShape(Number(value) * unitMs, nowMs);
  }
  const match = known.find(({ pattern }) => pattern.test(value));
  return match ?? { library: undefined, shape: `a text of ${count(value.length, 'character')}` };
}

/** The algorithm of the SETNX page of the Redis documentation: the value says when the lock is over. */
function timeShape(atMs: number, nowMs: number): Shape {
  const text = new Date(atMs).toISOString();
  const when = atMs < nowMs ? 'is over' : 'is to come';
  return { library: 'GETSET code (the SETNX page of the Redis manual)', shape: `the time ${text}, which ${when}` };
}

function count(n: number, what: string): string {
  return n === 1 ? `1 ${what}` : `${n} ${what}s`;
}
