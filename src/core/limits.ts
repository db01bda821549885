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

  /** First pause of a candidate after a term that was lost or failed; doubles with jitter, so that a sick candidate lets the others lead. */
  campaignPauseMsMin: 100,
  campaignPauseMsMax: 10_000,
  /** Pause of an observer between two looks at who leads. */
  lookMsDefault: 1_000,
  /** Shortest such pause. */
  lookMsMin: 50,

  /** Encoded `metadata` of one ask: it is stored with every hold and shown in tables. */
  metadataBytesMax: 1_024,
  /** Text of a revocation's reason. */
  reasonBytesMax: 512,

  /** Tries to raise a mark in a record store. One fails only where another request raised it, so this many newer ones came first. */
  markTriesMax: 64,
  /** Longest idempotency key of a request: what Stripe takes, and more than any UUID. */
  idempotencyKeyCharsMax: 255,
  /** Longest request body that is read to be signed: as much as is read of one into memory anyway. */
  signedBodyBytesMax: 1_048_576,
  /** Longest response body that is kept for replays. In base64, with headers, it fits a record of 64 KB. */
  replayBodyBytesMax: 32_768,
  /** How long a handler may go on without an answer once its client has left: then nobody waits for it, and its lease must end. */
  abandonedHandlerMs: 60_000,

  /** How long an answer is kept where the user names no time: clients that retry for longer are rare. */
  answerTtlMsDefault: 86_400_000,
  /** A year. What must be known for longer belongs into a table of one's own. */
  answerTtlMsMax: 31_536_000_000,
  /** Largest answer that is kept, unless more is asked for: thousands of them still fit into memory. */
  answerBytesDefault: 65_536,
  /** What every store takes in one record, encoded and beside what else stands there. */
  answerBytesMax: 200_000,
  /** An idempotency key, a tenant, an operation, a namespace. They stand in the record. */
  requestTextMax: 1_024,
  /** Handlers at a time in one process. Beyond it, its event loop is the bottleneck anyway. */
  inFlightDefault: 1_000,
  inFlightMax: 1_000_000,
  /** Tries to keep an answer in a store that is full, before only its tombstone is written. */
  fullTriesMax: 3,
  /** When to ask again after there was no room. */
  fullRetryMs: 1_000,
  /** Marked effects of one claim that are remembered by name. */
  effectsMax: 64,
  /** Late outcomes that a record keeps: there is one for each claim that was lost. */
  lateOutcomesMax: 8,
  /** Text of an error in a record. */
  errorTextMax: 512,
  /** Records that a process remembers to have seen unchanged: some hundred bytes each. */
  sightingsMax: 10_000,
  /** Tries of one write in a record that others keep changing: evidence and renewals are few. */
  recordWriteTriesMax: 16,
  /** First and longest pause between two looks at a record that is running elsewhere. */
  replayPollMsMin: 20,
  replayPollMsMax: 500,
  /** Pause of a reconciler between two passes over all records, and the shortest: some stores read all that they have for a pass. */
  reconcileEveryMsDefault: 10_000,
  reconcileEveryMsMin: 100,
  /** Records that a reconciler works on at a time: most of it is waiting for sinks and providers, which must not meet a crowd. */
  reconcileConcurrencyDefault: 8,
  reconcileConcurrencyMax: 256,
  /** How long `resolve` may take: it asks other services, and a pass goes on behind it. */
  resolveTimeoutMsDefault: 30_000,
  /** A record that stays unknown is asked about less and less often, and at least this often. */
  unknownPauseMsMax: 3_600_000,
  /** How often one decision is made anew because evidence came while it was made. */
  decisionTriesMax: 4,
  /** A step of a listing is this many calls long at most: a store that finds little reads page after page. */
  listStepTimeouts: 12,

  /**
   * Parts of an outbox that relays share out among themselves: so many relays can work at once. Stored with every key: it cannot
   * change without moving what is there.
   */
  outboxShards: 16,
  /** Events of one `write`: they are one statement in the transaction of the caller. */
  outboxWriteMax: 1_000,
  /** Payload of one event, as stored. What is larger belongs elsewhere, with the event pointing to it: every relay carries it whole. */
  outboxPayloadBytesMax: 262_144,
  /** Headers of one event, as stored. */
  outboxHeadersBytesMax: 8_192,
  /** Events that a relay takes at once, where nothing else is said: enough that round trips do not matter. */
  outboxBatchDefault: 500,
  outboxBatchMax: 5_000,
  /** How long a relay's claim lasts after its last sign of life, and so how long a killed relay's events wait. */
  outboxTtlMsMin: 1_000,
  outboxTtlMsDefault: 15_000,
  /** One try to publish may take this share of the claim: there is time left to write down what became of it. */
  outboxPublishTtlRatioMax: 1 / 3,
  /** A relay goes on without those of a batch that take longer, so that a slow receiver holds up its own keys alone. */
  outboxLingerMs: 250,
  /** How often a relay looks how far behind the outbox is, while somebody listens: metrics are read less often. */
  outboxLagEveryMs: 2_000,
  /** First pause of a relay that finds nothing; doubles up to `pollMsMax`. */
  outboxPollMsMin: 4,
  /** Pauses between tries of an event that cannot be published, and how many there are before it is a dead letter: about an hour and a half. */
  outboxRetryMsMin: 500,
  outboxRetryMsMax: 600_000,
  outboxAttemptsDefault: 20,
  /** Text of an error that is kept with a dead letter. */
  outboxErrorCharsMax: 1_000,
  /** How long the last sequence of a key is kept after its last event; later the server's clock keeps the order alone. */
  outboxHeadRetentionMs: 604_800_000,

  /** Keys of a consensus log: a third of them per request, some hundred bytes each, in a database of two gigabytes. */
  logEntriesMaxDefault: 1_000_000,
  /** How long entries stay that nothing depends on any more: for those who look into what happened. */
  logKeepMsDefault: 604_800_000,
} as const;
