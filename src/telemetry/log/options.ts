import { refuseUnknown, show } from '../../core/checks.js';
import { InvalidArgumentError } from '../../core/errors.js';
import type { LogEvent } from './record.js';

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** What is called of a logger: pino's, and what has its shape. */
export interface Logger extends Record<Level, (record: object, message: string) => void> {
  /** Where it is there, records below the level of the logger are not even made. */
  isLevelEnabled?(level: string): boolean;
}

export interface LogOptions {
  /** Level of each record, `silent` for none. Default: `debug`; `warn` for losses and revocations. */
  readonly levels?: Partial<Record<LogEvent, Level | 'silent'>>;
}

const defaults: Readonly<Record<LogEvent, Level | 'silent'>> = {
  // Two for each turn, and there may be thousands of turns in a second.
  granted: 'debug',
  renewed: 'debug',
  'handed-over': 'debug',
  released: 'debug',
  lost: 'warn',
  revoked: 'warn',
};
const known = ['trace', 'debug', 'info', 'warn', 'error'];

/** @throws InvalidArgumentError */
export function levelsOf(logger: Logger, options: LogOptions): Readonly<Record<LogEvent, Level | 'silent'>> {
  refuseUnknown(options, ['levels']);
  const { levels = {} } = options;
  refuseUnknown(levels, Object.keys(defaults));
  for (const [event, level] of Object.entries(levels)) {
    if (level === 'silent' || known.includes(level)) continue;
    throw new InvalidArgumentError(`the level of "${event}" is ${show(level)}: choose among ${known.join(', ')} and silent`);
  }
  const all = { ...defaults, ...levels };
  const methods = Object(logger) as Record<string, unknown>;
  const missing = Object.values(all).find((level) => level !== 'silent' && typeof methods[level] !== 'function');
  if (missing !== undefined)
    throw new InvalidArgumentError(`the logger has no method ${missing}(): pass pino(), or what has its shape`);
  return all;
}
