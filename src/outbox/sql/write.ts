import { limits } from '../../core/limits.js';
import { channelOf, inTransaction, nowUs } from './common.js';
import { nothingBefore } from './tables.js';

/** Above it nobody is notified, and relays poll. The rest of the queue is for others. */
const notifyUsageMax = 0.9;

/**
 * Writes events in the transaction of the caller. Answers their sequences.
 *
 * The head of the key is locked from here to the commit, and only then is a place drawn (`pos`): so within a key places are in the order
 * of commits, and who sees an event sees all that came before it.
 */
export const write = (s: string, schema: string): string => `
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_write(_ids text[], _keys text[], _types text[], _payloads text[], _headers text[]) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _seqs text := '';
  _h ${s}.outbox_heads;
  _us bigint;
BEGIN
  ${inTransaction}
  FOR _i IN 1 .. array_length(_ids, 1) LOOP
    IF _keys[_i] IS NULL THEN
      INSERT INTO ${s}.outbox_events (shard, parked, id, type, payload, headers)
        VALUES (floor(random() * ${limits.outboxShards}), false, _ids[_i]::uuid, _types[_i], _payloads[_i]::json, _headers[_i]::json);
      _seqs := _seqs || ' -';
    ELSE
      _us := ${nowUs};
      INSERT INTO ${s}.outbox_heads AS h VALUES (_keys[_i], _us, _us, ${nothingBefore}, hashtextextended(_keys[_i], 0) & ${limits.outboxShards - 1})
        ON CONFLICT (key) DO UPDATE SET seq = greatest(h.seq + 1, _us), tail = greatest(h.seq + 1, _us), before = h.tail RETURNING * INTO _h;
      INSERT INTO ${s}.outbox_events (shard, parked, id, key, seq, after, type, payload, headers)
        VALUES (_h.shard, false, _ids[_i]::uuid, _keys[_i], _h.seq, _h.before, _types[_i], _payloads[_i]::json, _headers[_i]::json);
      _seqs := _seqs || ' ' || _h.seq;
    END IF;
  END LOOP;
  -- NOTIFY takes a lock of the whole database at commit: nothing is sent to those who come by themselves.
  IF EXISTS (SELECT FROM ${s}.outbox_relays WHERE asleep AND until > clock_timestamp()) AND pg_notification_queue_usage() < ${notifyUsageMax} THEN
    PERFORM pg_notify('${channelOf(schema)}', '');
  END IF;
  RETURN substr(_seqs, 2);
END $holdfast$;
`;
