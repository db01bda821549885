import type { Ask, Grant, Refusal, Release, Revocation } from '../../core/backend.js';
import type { LockName } from '../../core/name.js';
import type { Reply } from './driver.js';
import { list, misdelivered, number, text } from './replies.js';
import { holderRecord } from './values.js';

// What the scripts answer, in the words of the contract. Their replies are described at the top of each.

export function answerOf(reply: Reply, ask: Ask, key: string): Grant | Refusal {
  if (typeof reply === 'string') return grantUpTo(reply, ask);
  const [yes, second, third, retry, now, holders] = list(reply);
  if (number(yes) === 1) return grantOf(second, third, retry, ask);
  if (number(yes) !== 0 || !Array.isArray(holders)) throw misdelivered();
  const retryInMs = number(retry);
  const place = { name: ask.name.text, key, nowMs: number(now) };
  return {
    outcome: 'refused',
    because: text(second) as Refusal['because'],
    holders: list(holders).map((holder) => holderRecord(holder, place)),
    ahead: number(third),
    ...(retryInMs < 0 ? {} : { retryInMs }),
  };
}

/** Of the reply to an ask. */
export function saysGranted(reply: Reply): boolean {
  return typeof reply === 'string' || number(list(reply)[0]) === 1;
}

/** Of the reply to a revocation with an heir. */
export function saysInherited(reply: Reply): boolean {
  return list(reply)[3] !== undefined;
}

function grantUpTo(reply: string, { owner, fences, ttlMs }: Ask): Grant {
  const [last = '', to] = reply.split(' ');
  if (to !== owner) throw misdelivered();
  return { outcome: 'granted', fences: { first: BigInt(last) - BigInt(fences) + 1n, last: BigInt(last) }, ttlMs };
}

function grantOf(first: Reply | undefined, last: Reply | undefined, to: Reply | undefined, ask: Ask): Grant {
  if (to !== ask.owner) throw misdelivered();
  return { outcome: 'granted', fences: { first: BigInt(text(first)), last: BigInt(text(last)) }, ttlMs: ask.ttlMs };
}

export function releaseOf(reply: Reply): Release {
  const code = number(reply);
  if (code === 1) return 'released';
  if (code === 2) return 'not-owner';
  if (reply === null || code !== 0) throw misdelivered();
  return 'absent';
}

export function revocationOf(reply: Reply, id: string, name: LockName, key: string, heir: Ask | undefined): Revocation {
  const [of, now, ended, first, last] = list(reply);
  if (of !== id || !Array.isArray(ended)) throw misdelivered();
  const place = { name: name.text, key, nowMs: number(now) };
  const records = list(ended).map((holder) => holderRecord(holder, place));
  if (heir === undefined || first === undefined) return { ended: records };
  return { ended: records, grant: grantOf(first, last, of, heir) };
}
