/**
 * All times of the example in one place. They are short, so that a run sees many leases end; with times of seconds in place of minutes nothing else changes.
 */
export const times = {
  /** How long a claim outlives a worker that is dead, frozen or cut off. */
  leaseTtlMs: 2_000,
  /** The same for the leader of the reconcilers, and of the relays. */
  termTtlMs: 2_000,
  /** How long the service waits for the provider before it calls the outcome unknown. */
  providerTimeoutMs: 1_000,
  /** The same for a call to a store, beside the shorter deadlines of Holdfast itself. */
  storeTimeoutMs: 1_000,
  /** Pause between two looks of the reconciler. */
  reconcileEveryMs: 500,
  /** How long a client waits for an answer before it asks again. */
  clientTimeoutMs: 2_000,
  /** After this a client gives up. */
  clientPatienceMs: 60_000,
  /** A worker stands still for longer than its leases last. */
  freezeMs: [2_500, 4_000],
  /** A worker is cut off for about as long. */
  cutMs: [800, 2_500],
  /** Pause between two faults. */
  faultEveryMs: [1_200, 3_200],
  /** What was held in the network arrives this much later. The rest arrives after everything else. */
  holdMs: [3_500, 9_000],
  /** The provider is late by this much: longer than the service waits. */
  lateMs: [1_500, 4_000],
};
