import { readCommands, spentBetween } from '../redis/meter.mjs';

/** What reached the server: a script counts once, whatever it calls. */
export function openMeter({ port }) {
  return {
    read: () => readCommands(port),
    callsBetween: (before, after) => spentBetween(before, after).reduce((sum, { calls }) => sum + calls, 0),
  };
}
