import diagnostics from 'node:diagnostics_channel';
import { syncBuiltinESMExports } from 'node:module';

/**
 * A listener that is made once, as in a service, and hears only while it is switched on: one that were made anew for each slice would be
 * measured as it is compiled. For that its subscriptions are caught as they are made.
 */
export function switchable(make) {
  const caught = [];
  const { subscribe, unsubscribe } = diagnostics;
  replaceSubscribe((name, listener) => caught.push([name, listener]));
  make();
  replaceSubscribe(subscribe);
  return {
    on() {
      for (const subscription of caught) subscribe(...subscription);
    },
    off() {
      for (const subscription of caught) unsubscribe(...subscription);
    },
  };
}

/** Also for modules that have imported it by its name. */
function replaceSubscribe(subscribe) {
  diagnostics.subscribe = subscribe;
  syncBuiltinESMExports();
}
