let offByMs = 0;
const rightMs = Date.now.bind(Date);

/** Steps the wall clock of this process, for all that asks `Date.now()`: core, the store's code, the client library. */
export function stepWallClock(byMs: number): void {
  offByMs = byMs;
}

/** Before anything else is loaded: some modules keep the function that they find. */
export function installWallClock(): void {
  Date.now = () => rightMs() + offByMs;
}
