/** The rhythms that were tried for those that can only poll, so that each peer is shown at its best. */
const rhythms = {
  '1 ms': { minTimeout: 1, maxTimeout: 1 },
  '1–10 ms': { minTimeout: 1, maxTimeout: 10, factor: 2 },
  '2 ms': { minTimeout: 2, maxTimeout: 2 },
  '5 ms': { minTimeout: 5, maxTimeout: 5 },
  '5–20 ms': { minTimeout: 5, maxTimeout: 20, factor: 2 },
  '20 ms': { minTimeout: 20, maxTimeout: 20 },
  '100 ms': { minTimeout: 100, maxTimeout: 100 },
  '1–20 ms, randomized': { minTimeout: 1, maxTimeout: 20, factor: 2, randomize: true },
  'its default: 1 s, 2 s, 4 s …': {},
};

/** A suite in place of the usual one. */
export function tuning(raw, properLockfile) {
  return {
    title: 'the rhythm in which a waiter asks again',
    works: ['xproc', 'handover'],
    targets: [],
    contenders: [
      ...[1, 2, 5, 10].map((retryMs) => variant(raw, `raw SQL, ${retryMs} ms`, { retryMs })),
      ...Object.entries(rhythms).map(([told, retries]) => variant(properLockfile, `proper-lockfile, ${told}`, { retries })),
    ],
  };
}

function variant(contender, label, options) {
  return { ...contender, key: label, label, options: { ...contender.options, ...options }, settings: JSON.stringify(options) };
}
