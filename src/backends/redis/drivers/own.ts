import { type Driver, NotConnectedError } from '../driver.js';

/** What an own client has gone through. */
export interface Troubles {
  /** Why it is not connected, as far as it has said so. */
  last: Error | undefined;
  /** It connects, and must not be used all the same. */
  lasting: boolean;
}

/** The driver of a client of our own: fails at once where it is not connected, and says why. */
export function ownDriver(driver: Driver, troubles: Troubles, isReady: () => boolean, close: () => void): Driver {
  return {
    ...driver,
    command(key, args) {
      if (isReady() && !troubles.lasting) return driver.command(key, args);
      const { last } = troubles;
      return Promise.reject(new NotConnectedError(last?.message ?? 'not connected yet', { cause: last }));
    },
    close,
  };
}
