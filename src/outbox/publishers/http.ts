import { asciiJson, asciiName } from '../../core/ascii.js';
import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName } from '../../core/name.js';
import type { Json, OutboxMessage } from '../event.js';
import { type SinglePublisher, UnpublishableError } from '../publisher.js';

export interface HttpOptions {
  readonly url: string | URL;
  /** Sent with every request, such as an `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Requests at the same time; those of one key come one after the other. Default: 32. */
  readonly concurrency?: number;
}

/** Statuses that a second try cannot change. Others of 4xx may be a receiver that is being deployed. */
const hopeless = new Set([400, 413, 422]);

/**
 * Posts each event, its payload as the JSON body. `Idempotency-Key` is the event's id and `Fencing-Token` its sequence, so a receiver with the guard and
 * the idempotency of this library drops duplicates, and what comes too late. Any 2xx is a success; so is a 412 that names a newer fence of the
 * same key, because a newer event is only sent when this one has arrived.
 *
 * @throws InvalidArgumentError
 */
export function httpPublisher({ url, headers = {}, concurrency = 32 }: HttpOptions): SinglePublisher {
  const target = String(url);
  if (!URL.canParse(target))
    throw new InvalidArgumentError('httpPublisher needs the URL of the receiver, such as https://example.com/events');
  return {
    concurrency,
    async publishOne(message, { signal }) {
      const response = await fetch(target, {
        method: 'POST',
        headers: { ...headers, ...headersOf(message) },
        body: JSON.stringify(message.payload),
        signal,
        redirect: 'error',
      });
      const body = await response.text();
      if (response.ok || isOvertaken(response.status, body, message)) return;
      const said = `the receiver answered ${response.status}: ${body.slice(0, 200)}`;
      throw hopeless.has(response.status) ? new UnpublishableError(said) : new Error(said);
    },
  };
}

function headersOf({ id, key, sequence, after, type, headers, writtenAtMs }: OutboxMessage): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    // A string of RFC 8941, as the draft of the header has it.
    'Idempotency-Key': `"${id}"`,
    'Outbox-Type': headerText(type),
    'Outbox-Headers': asciiJson(headers),
    'Outbox-Written': String(writtenAtMs),
    ...(key === undefined ? {} : { 'Outbox-Key': headerText(key) }),
    ...(sequence === undefined ? {} : { 'Fencing-Token': String(sequence) }),
    ...(after === undefined ? {} : { 'Outbox-After': String(after) }),
  };
}

/** What a receiver gets as headers and body, as a message again. @throws InvalidArgumentError */
export function messageOfRequest(headers: Readonly<Record<string, string | string[] | undefined>>, payload: Json): OutboxMessage {
  const text = (name: string): string | undefined => {
    const value = headers[name.toLowerCase()] ?? headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const [id, type] = [text('Idempotency-Key')?.replace(/^"|"$/g, ''), text('Outbox-Type')];
  if (id === undefined || type === undefined)
    throw new InvalidArgumentError('this request is none of an outbox: it has no Idempotency-Key or no Outbox-Type');
  const [key, sequence, after] = [text('Outbox-Key'), text('Fencing-Token'), text('Outbox-After')];
  return {
    id,
    key: key === undefined ? undefined : fromHeader(key),
    sequence: sequence === undefined ? undefined : BigInt(sequence),
    after: after === undefined ? undefined : BigInt(after),
    type: fromHeader(type),
    payload,
    headers: JSON.parse(text('Outbox-Headers') ?? '{}') as Record<string, string>,
    writtenAtMs: Number(text('Outbox-Written') ?? 0),
    attempt: 1,
  };
}

/** A header's value is trimmed on its way. */
function headerText(text: string): string {
  return asciiName(encodeName(text)).replace(/^ | $/g, '%20');
}

function fromHeader(text: string): string {
  return decodeName(text);
}

function isOvertaken(status: number, body: string, { sequence }: OutboxMessage): boolean {
  if (status !== 412 || sequence === undefined) return false;
  try {
    const { fence, mark } = JSON.parse(body) as { fence?: unknown; mark?: unknown };
    return fence === String(sequence) && BigInt(mark as string) > sequence;
  } catch {
    return false;
  }
}
