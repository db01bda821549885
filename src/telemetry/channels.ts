import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import process from 'node:process';
import type { Stop } from '../core/backend.js';

/** The events of one prefix by their types, and what is done with them. */
export type Handlers<Events> = { readonly [T in keyof Events]?: (event: Events[T]) => void };

/**
 * Listens to events of all instances of this process. What a handler throws is a warning, once for each type: a channel would make it an
 * uncaught exception, and watching never breaks what is watched.
 */
export function listen<Events>(prefix: string, handlers: Handlers<Events>): Stop {
  const entries = Object.entries(handlers) as [string, (event: unknown) => void][];
  const stops = entries.map(([type, handle]) => listenTo(`${prefix}${type}`, handle));
  return () => {
    for (const stop of stops) stop();
  };
}

/** One channel, by its whole name. */
export function listenTo(name: string, handle: (event: never) => void): Stop {
  const guarded = guard(name, handle as (event: unknown) => void);
  // Held on to: a channel that nobody holds may be collected, and its subscribers with it.
  const held = channel(name);
  subscribe(name, guarded);
  return () => {
    unsubscribe(held.name, guarded);
  };
}

/** What it throws is a warning, once. */
export function guard<T>(of: string, handle: (about: T) => void): (about: T) => void {
  let warned = false;
  return (about) => {
    try {
      handle(about);
    } catch (error) {
      if (!warned) process.emitWarning(`telemetry of "${of}" failed: ${String(error)}`, 'HoldfastWarning');
      warned = true;
    }
  };
}
