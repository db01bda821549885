/**
 * Suites in place of the usual one, one per peer that can be tuned: the pauses that were tried for those that poll, so that
 * each is shown at its best. The first of a suite is the setting that the peer comes with.
 */
export function tunings({ raw, redlock, sesamecare, redisSemaphore, redlockUniversal, verrou, simpleRedisMutex, nodeRedisson }) {
  const pauses = [2, 5, 10, 20, 50, 100];
  const jittered = (ms) => ({ retryDelay: ms, retryJitter: 0.4 * ms });
  const redlocks = [{ retryDelay: 200, retryJitter: 100 }, ...pauses.map(jittered)];
  return [
    tuning(
      raw,
      pauses.map((retryMs) => ({ retryMs })),
    ),
    tuning(redlock, redlocks),
    tuning(sesamecare, redlocks),
    tuning(
      redisSemaphore,
      [10, 2, 5, 20, 50, 100].map((retryInterval) => ({ retryInterval })),
    ),
    tuning(
      redlockUniversal,
      [100, 2, 5, 10, 20, 50].map((retryDelay) => ({ retryDelay })),
    ),
    tuning(
      verrou,
      [250, ...pauses].map((delay) => ({ delay })),
    ),
    tuning(
      simpleRedisMutex,
      [10_000, 1_000, 100, 20].map((pollingInterval) => ({ pollingInterval })),
    ),
    tuning(
      nodeRedisson,
      ['pubsub', 'streams'].map((eventAdapter) => ({ eventAdapter })),
    ),
  ];
}

function tuning(contender, choices) {
  const contenders = choices.map((options) => {
    const told = Object.entries(options).map(([name, value]) => `${name} ${value}`);
    const key = `${contender.key}-${Object.values(options).join('-')}`;
    return {
      ...contender,
      key,
      label: told.join(', '),
      options: { ...contender.options, ...options },
      settings: told.join(', '),
    };
  });
  return {
    of: contender.key,
    title: `${contender.label}: settings for waiters`,
    works: ['inproc', 'xproc'],
    targets: [],
    contenders,
  };
}
