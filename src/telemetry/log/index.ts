import type { Stop } from '../../core/backend.js';
import type { LiveEvents, LockEvents } from '../../core/events.js';
import { listen } from '../channels.js';
import { type LogOptions, levelsOf, type Logger } from './options.js';
import { type LogEvent, type Recorded, recordOf } from './record.js';

export type { Level, Logger, LogOptions } from './options.js';
export type { LogEvent, LogRecord } from './record.js';

/** Records that are being written. */
export interface Log {
  stop(): void;
}

/**
 * Writes one structured record for each grant, renewal, hand-over, loss, release and revocation of this process to a logger such as pino's.
 * Nothing else needs to be wired. `docs/telemetry.md` lists the fields, and the levels.
 *
 * @throws InvalidArgumentError
 */
export function log(logger: Logger, options: LogOptions = {}): Log {
  const levels = levelsOf(logger, options);
  const say = (event: LogEvent, about: () => Recorded) => {
    const level = levels[event];
    if (level === 'silent' || logger.isLevelEnabled?.(level) === false) return;
    logger[level](recordOf(event, about()), `lock ${event.replace('-', ' ')}`);
  };
  return { stop: listenTo(say) };
}

/** Of turns nothing is made that no logger wants. */
function listenTo(say: (event: LogEvent, about: () => Recorded) => void): Stop {
  const turns = listen<LiveEvents>('holdfast:live:', {
    granted: (turn) => say('granted', () => turn.event()),
    released: (turn) => {
      const { releaseOutcome: outcome = 'released' } = turn;
      say(turn.releaseOutcome === undefined ? 'handed-over' : 'released', () => Object.assign(turn.event(), { outcome }));
    },
  });
  const others = listen<LockEvents>('holdfast:', {
    renewed: (event) => say('renewed', () => event),
    lost: (event) => say('lost', () => event),
    revoked: (event) => say('revoked', () => event),
  });
  return () => {
    turns();
    others();
  };
}
