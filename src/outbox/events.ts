/** What relays tell on `node:diagnostics_channel`, as `holdfast:outbox:<type>`. */
export interface OutboxEvents {
  /**
   * Looked at every few seconds while somebody listens. `lagMs`: age of the oldest event that is still to be published, by the database's
   * clock, and 0 if there is none; undefined if the database did not answer. Events behind a dead letter do not count: they wait for a person.
   */
  readonly lag: { readonly relay: string; readonly lagMs: number | undefined };
  /** This relay has stopped. */
  readonly ended: { readonly relay: string };
}

/** All of them; the record makes a missing one a compile error. */
const everyType: Record<keyof OutboxEvents, true> = { lag: true, ended: true };
export const outboxEventTypes = Object.keys(everyType) as readonly (keyof OutboxEvents)[];
export const outboxChannelPrefix = 'holdfast:outbox:';
