/** A guard that can see whether a mark would be forgotten. */
export interface Expiry {
  /** What would end the mark of a resource, as a sentence; undefined if nothing that can be seen would. */
  expiryOf(resource: string): Promise<string | undefined>;
}

export function seesExpiry(guard: object): guard is Expiry {
  return 'expiryOf' in guard && typeof guard.expiryOf === 'function';
}
