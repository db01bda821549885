import type { Finding } from '../../../core/backend.js';
import type { Facts } from './facts.js';

const oldest = [6, 2] as const;

/** Too old to be among those that the tests run on. */
export function version({ info }: Facts): readonly Finding[] {
  const number = info.get('redis_version');
  if (number === undefined) return [];
  const [major = 0, minor = 0] = number.split('.').map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return [];
  return [
    {
      severity: 'critical',
      what: `this is Redis ${number}, older than ${oldest.join('.')}`,
      why: 'nobody has tried this library on it: before 5.0 a script that reads the clock may not write, and then nothing is granted',
      fix: `upgrade the server to Redis 7 or Valkey 8, or to ${oldest.join('.')} at least`,
    },
  ];
}

/** For messages: `Redis 7.0.15`, `Valkey 8.0.1`. */
export function productOf({ info }: Facts): string {
  const valkey = info.get('valkey_version');
  return valkey === undefined ? `Redis ${info.get('redis_version') ?? 'of an unknown version'}` : `Valkey ${valkey}`;
}
