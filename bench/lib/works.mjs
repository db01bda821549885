import { median, spread, sum } from './stats.mjs';
import { percentiles } from './waits.mjs';

/**
 * The works that every suite shares. Each says what is done, with which task, and what is read off its results. How many
 * leases are held, and how long they are watched, is the suite's to say.
 */
export function works({ quick, held }) {
  // Until V8 has compiled what a pair runs through, which takes up to ten thousand pairs: many callers get there sooner than one.
  const crowd = { callers: 16, durationMs: 10_000 };
  const slice = quick
    ? { durationMs: 150, warmUps: [{ durationMs: 100 }] }
    : { durationMs: 2_000, warmUps: [crowd, { durationMs: 3_000 }] };
  // Long enough for a few dozen turns of each of the 32 callers: fairness over two turns would be chance.
  const longSlice = quick
    ? { durationMs: 300, warmUps: [{ durationMs: 100 }] }
    : { durationMs: 4_000, warmUps: [{ durationMs: 8_000 }] };
  // A whole HTTP server has more to compile.
  const serverSlice = quick
    ? { durationMs: 500, warmUps: [{ durationMs: 500 }] }
    : { durationMs: 2_000, warmUps: [{ durationMs: 6_000 }] };
  return [
    {
      key: 'solo',
      title: 'solo: one caller, free names',
      processes: 1,
      ...slice,
      task: { kind: 'pairs', callers: 1, names: 'free', workMs: 0 },
      summary: summarizePairs,
    },
    {
      key: 'parallel',
      title: 'parallel: 64 callers of one process, 64 names',
      processes: 1,
      ...slice,
      task: { kind: 'pairs', callers: 64, names: 'own', workMs: 0 },
      summary: summarizePairs,
    },
    {
      key: 'inproc',
      title: 'inproc: 64 callers of one process, one name',
      processes: 1,
      ...slice,
      task: { kind: 'pairs', callers: 64, names: 'one', workMs: 0 },
      summary: summarizePairs,
    },
    {
      key: 'xproc',
      title: 'xproc: 4 processes × 8 callers, one name, 1 ms of work',
      processes: 4,
      ...longSlice,
      task: { kind: 'pairs', callers: 8, names: 'one', workMs: 1 },
      summary: summarizePairs,
    },
    {
      key: 'handover',
      title: 'handover: 4 processes × 8 callers, one name, no work',
      processes: 4,
      ...longSlice,
      task: { kind: 'pairs', callers: 8, names: 'one', workMs: 0 },
      summary: summarizePairs,
    },
    {
      key: 'stopped',
      title: 'stopped: one caller, free names, one of the servers is stopped before each round',
      processes: 1,
      ...slice,
      task: { kind: 'pairs', callers: 1, names: 'free', workMs: 0 },
      summary: summarizePairs,
    },
    requesting('fresh', 'fresh: 64 callers, every request under a key of its own', serverSlice),
    requesting('replay', 'replay: 64 callers, every request was answered before', serverSlice),
    ...(held === undefined ? [] : [holding(quick ? held.quick : held.full)]),
  ];
}

function requesting(mode, title, slice) {
  return { key: mode, title, processes: 1, ...slice, task: { kind: 'requests', callers: 64, mode }, summary: summarizeRequests };
}

function holding({ count, settleMs, windowMs }) {
  return {
    key: 'held',
    title: `held: ${count.toLocaleString('en')} leases, TTL 6 s`,
    processes: 1,
    task: { kind: 'hold', count, settleMs, windowMs },
    summary: summarizeHeld,
  };
}

/** One row out of many rounds: the median of each figure, and percentiles over all waits. */
function summarizePairs(rounds, { durationMs }) {
  const perRound = rounds.map((results) => results.flatMap((result) => result.counts));
  const rates = perRound.map((counts) => sum(counts) / (durationMs / 1000));
  const cpuMs = rounds.map((results) => sum(results.map((result) => result.cpuMs)));
  return {
    pairsPerSecond: median(rates),
    pairsPerSecondRounds: rates,
    cpuMsPerPair: median(cpuMs.map((ms, round) => ms / sum(perRound[round]))),
    waitMs: percentiles(rounds.flatMap((results) => results.map((result) => result.waits))),
    spread: median(perRound.map(spread)),
    workMs: median(rounds.flatMap((results) => results.map((result) => result.workMs ?? 0))),
    ...secondRounds(rounds.flat()),
  };
}

function summarizeRequests(rounds, { durationMs }) {
  const { pairsPerSecond, pairsPerSecondRounds, cpuMsPerPair, waitMs } = summarizePairs(rounds, { durationMs });
  return {
    requestsPerSecond: pairsPerSecond,
    requestsPerSecondRounds: pairsPerSecondRounds,
    cpuMsPerRequest: cpuMsPerPair,
    waitMs,
    roundTripsPerRequest: median(rounds.map(([result]) => result.roundTripsPerRequest)),
  };
}

/** Of a protocol that may need two: how many of its grants did. */
function secondRounds(results) {
  if (results[0].grants === undefined) return {};
  return { secondRoundShare: sum(results.map((result) => result.secondRounds)) / sum(results.map((result) => result.grants)) };
}

function summarizeHeld(rounds) {
  const of = (key) => median(rounds.map(([result]) => result[key]));
  const own = { cpuShare: of('cpuShare'), heapPerLease: of('heapPerLease'), renewCallsPerSecond: of('renewCallsPerSecond') };
  if (rounds[0][0].serverShare === undefined) return own;
  return { ...own, serverUsPerLeaseSecond: of('serverUsPerLeaseSecond'), serverShare: of('serverShare') };
}
