/** What is used of redlock 5: the package has types, but its exports hide them. */
declare module 'redlock' {
  import type { Redis } from 'ioredis';

  export default class Redlock {
    constructor(clients: Iterable<Redis>, settings?: { readonly retryCount?: number });
    acquire(resources: readonly string[], ttlMs: number): Promise<{ release(): Promise<unknown> }>;
    on(event: 'error', listener: (error: unknown) => void): this;
  }
}
