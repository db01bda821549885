/**
 * Every bound of the library, with its reason. Nothing else in the code base holds a magic number
 * that a user could run into.
 */
export const limits = {
  /** Longest encoded name. Keeps a key well inside what every store takes (etcd, ZooKeeper path part, DynamoDB key). */
  nameBytesMax: 512,

  /** Shortest TTL. Below it, a timer's granularity and one round trip eat the whole lease. */
  ttlMsMin: 50,
  /** Longest TTL: one day. A longer one only delays recovery; renewal keeps a lease alive for as long as the work runs. */
  ttlMsMax: 86_400_000,
  /** TTL where the user names none: survives an ordinary GC pause and a server restart, and is over before a person looks. */
  ttlMsDefault: 10_000,

  /** Longest wait or hold that may be asked for: the largest delay of a Node timer (2^31 − 1 ms, 24.8 days). */
  durationMsMax: 2_147_483_647,

  /** Share of the TTL taken off for clocks that run at different rates: 1 %, ten thousand times worse than a quartz. */
  driftRatio: 0.01,
  /** Taken off on top: covers the granularity of the store's clock and of our timers. */
  marginMs: 10,
  /** A short TTL cannot spare all of `marginMs`: the margin is at most this share of it. */
  marginRatioMax: 0.1,

  /** Renewals start after this share of the TTL, so two may fail before the deadline is near. */
  renewAfterRatio: 1 / 3,
  /** Renewals are brought forward by up to this share of the period, so that fleets do not beat in step. */
  renewJitterRatio: 0.1,
  /** Renewals due within this share of the period go out together. */
  renewWindowRatio: 0.1,
  /** Deadlines within this share of the TTL are looked at together; early, never late. */
  deadlineWindowRatio: 0.01,
  /** Largest number of holds in one renew call: bounds a script's run time in the store. */
  renewBatchMax: 1_000,
  /** First pause before a failed renewal is sent again; doubles up to the period. */
  renewRetryMsMin: 20,

  /** While something is held, the clocks are compared at least this often: timers stand still while a machine sleeps. */
  clockCheckMsMax: 1_000,

  /** Local callers that a grant serves because they waited when it came. Bounds how long another process waits for its turn. */
  batchMax: 64,
  /**
   * How long a grant goes on with local callers that came while it ran: some hand-overs between processes long, and no
   * longer than a short piece of work. So much longer another process may have to wait.
   */
  sliceMs: 5,
  /** Fences of one grant, hence turns. They must not outrun the clock, also if most of them go unused: a turn takes microseconds. */
  fencesPerGrantMax: 512,
  /** Local callers that may wait for one name. Beyond it something is wrong, and memory would grow in silence. */
  localQueueMax: 100_000,
  /** Below this number of names, those with nothing to do are remembered: some hundred bytes each. */
  idleQueuesMax: 1_000,
  /** Names in one `requestAll`. */
  namesPerRequestMax: 64,

  /** One call to a store, where the lease leaves it that long. */
  callTimeoutMsDefault: 5_000,
  /** No single try of an ask or a renewal may use up more of the TTL than this share. */
  callTimeoutTtlRatioMax: 0.5,
  /** A renewal that got no answer after this share of the TTL is sent again: there is time for three. */
  renewTimeoutTtlRatioMax: 0.2,
  /** Shortest deadline of a call: below it a healthy store would be called dead. */
  callTimeoutMsMin: 25,

  /** A waiter asks again at least this often although nothing woke it: wake-ups are hints and can be lost. */
  pollMsMax: 1_000,
  /** Shortest pause between two tries of one ask, whatever the store advises: nothing may spin. */
  retryMsMin: 5,
  /**
   * Tries of one ask in a row that wake-ups may bring forward at once; after them `retryMsMin` is kept. Enough for a name
   * that changes hands every few milliseconds, and a store that wakes its waiters with every ask cannot make them spin.
   */
  wokenTriesMax: 8,
  /** First pause after a failed call; doubles with jitter up to `backoffMsMax`. */
  backoffMsMin: 10,
  backoffMsMax: 1_000,
  /** How long an ask goes on through an unavailable store before it gives up, if `waitMs` does not end it first. */
  unavailableMsMax: 10_000,

  /** How long the head of a queue may take to claim its turn before the next one is served: two polls, so that one lost wake-up costs no place. */
  claimMs: 2_000,
  /** A place in a queue that was not asked for again for this long is forgotten. Only to tidy up: what it costs is bounded by `claimMs`. */
  placeMs: 20_000,
  /** How long an abandoned owner is remembered, so that its ask cannot take effect when it arrives late. */
  tombstoneMs: 60_000,

  /** Releases and withdrawals that are tried again at the same time: what comes back must not be met by more calls than this. */
  backgroundMax: 1_000,
  /** They come less often the longer they can matter: the pause grows to this share of that time, and to `backgroundPauseMsMax`. */
  backgroundPauseRatio: 0.1,
  backgroundPauseMsMax: 30_000,
  /** A process that has nothing else to do ends after this time, although something may still be held until its TTL is over. */
  backgroundAliveMs: 30_000,

  /** Encoded `metadata` of one ask: it is stored with every hold and shown in tables. */
  metadataBytesMax: 1_024,
  /** Text of a revocation's reason. */
  reasonBytesMax: 512,
} as const;
