import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.js';
import { postgresIsMissing } from '../../support/postgres-server.js';
import { awakeMs, until } from '../../support/waits.js';
import { Scene } from '../scene.js';

/**
 * It takes eight gigabytes of messages to fill the real one. So functions of these names stand in front of the server's own, and
 * say what it says then: that it is full, when asked, and an error at the commit of whoever notifies.
 */
const full = `CREATE SCHEMA full_queue;
CREATE TABLE full_queue.sent (channel text);
CREATE FUNCTION full_queue.refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'too many notifications in the NOTIFY queue'; END $$;
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON full_queue.sent DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION full_queue.refuse();
CREATE FUNCTION full_queue.pg_notify(channel text, payload text) RETURNS void LANGUAGE sql AS $$ INSERT INTO full_queue.sent VALUES (channel) $$;
CREATE FUNCTION full_queue.pg_notification_queue_usage() RETURNS double precision LANGUAGE sql AS 'SELECT 1.0::double precision';
ALTER ROLE holdfast SET search_path = full_queue, pg_catalog`;
const empty = 'ALTER ROLE holdfast RESET ALL; DROP SCHEMA full_queue CASCADE';

describe.skipIf(postgresIsMissing)('a queue of notifications that is full', () => {
  const scene = new Scene();

  it.each(['pg', 'postgres'])('costs a waiter a poll, and nobody a release or a revocation (%s)', async (library) => {
    await (await scene.holder().acquire('warm-up')).release();
    const admin = scene.server.client();
    await admin.connect();
    await admin.query(full);
    try {
      const [first, second] = [scene.holder({ library }), scene.holder({ library })];
      const waits = async () => until(async () => (await first.query()).pending.length === 1, 'somebody waits');
      const held = await first.acquire('job');
      const waiting = second.acquire('job');
      await waits();
      expect(await held.release()).toBe('released');
      const sinceMs = awakeMs();
      const next = await waiting;
      expect(awakeMs() - sinceMs).toBeLessThan(limits.pollMsMax + 1_500);

      const revoked = first.acquire('job');
      await waits();
      expect((await first.revoke('job', { reason: 'a test' })).ended).toHaveLength(1);
      await next.release();
      expect(await (await revoked).release()).toBe('released');
    } finally {
      await admin.query(empty);
      await admin.end();
    }
  });
});
