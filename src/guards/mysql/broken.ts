/** The rollback was not answered for: the connection is closed, and the server rolls back. */
export class Broken extends Error {
  readonly because: unknown;

  constructor(because: unknown, cause: unknown) {
    super('the connection is broken', { cause });
    this.because = because;
  }
}
