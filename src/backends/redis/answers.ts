import type { Ask, Grant, Refusal, Release, Revocation } from '../../core/backend.js';
import type { LockName } from '../../core/name.js';
import type { Reply } from './driver.js';
import { list, number, text } from './replies.js';
import { holderRecord } from './values.js';

// What the scripts answer, in the words of the contract. Their replies are described at the top of each.

export function answerOf(reply: Reply, ask: Ask, key: string): Grant | Refusal {
  if (typeof reply === 'string') return grantFrom(BigInt(reply), ask);
  const [yes, second, third, retry, now, holders] = list(reply);
  if (number(yes) === 1) return grantOf(second, third, ask);
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

function grantFrom(first: bigint, { fences, ttlMs }: Ask): Grant {
  return { outcome: 'granted', fences: { first, last: first + BigInt(fences) - 1n }, ttlMs };
}

function grantOf(first: Reply | undefined, last: Reply | undefined, ask: Ask): Grant {
  return { outcome: 'granted', fences: { first: BigInt(text(first)), last: BigInt(text(last)) }, ttlMs: ask.ttlMs };
}

export function releaseOf(reply: Reply): Release {
  const code = number(reply);
  if (code === 1) return 'released';
  return code === 0 ? 'absent' : 'not-owner';
}

export function revocationOf(reply: Reply, name: LockName, key: string, heir: Ask | undefined): Revocation {
  const [now, ended, first, last] = list(reply);
  const place = { name: name.text, key, nowMs: number(now) };
  const records = list(ended).map((holder) => holderRecord(holder, place));
  if (heir === undefined || first === undefined) return { ended: records };
  return { ended: records, grant: grantOf(first, last, heir) };
}
