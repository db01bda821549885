import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/core/errors.js';
import { type InboxMessage, type InboxOptions, inbox } from '../../src/outbox/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { thrownBy, until } from '../support/waits.js';
import { Scene } from './support/scene.js';

const id = '0b7e8f2c-9a3d-4a55-8f0e-3c1f5f0c9d11';
const message = (sequence: bigint, after: bigint, key = 'k'): InboxMessage => ({ id, key, sequence, after });

describe.skipIf(postgresIsMissing)('the inbox', () => {
  const scene = new Scene();
  const open = (options: Partial<InboxOptions> = {}) => inbox(scene.database(), { consumer: 'a', ...options });

  async function accept(
    one: InboxMessage,
    options?: Partial<InboxOptions>,
    end: 'COMMIT' | 'ROLLBACK' = 'COMMIT',
  ): Promise<string> {
    const tx = scene.transaction();
    await tx.begin();
    const { outcome } = await open(options).accept(tx.client, one);
    await tx.end(end);
    return outcome;
  }

  it('takes each once and in order, says what is missing, and keeps consumers and keys apart', async () => {
    expect(await accept(message(20n, 10n))).toBe('gap');
    expect(await accept(message(10n, 0n))).toBe('taken');
    expect(await accept(message(10n, 0n))).toBe('duplicate');
    expect(await accept(message(30n, 20n))).toBe('gap');
    expect(await accept(message(20n, 10n))).toBe('taken');
    expect(await accept(message(30n, 20n))).toBe('taken');
    expect(await accept(message(20n, 10n))).toBe('duplicate');
    // One between was discarded, and the next one comes after what was before it.
    expect(await accept(message(50n, 30n))).toBe('taken');
    // The key was forgotten by the outbox: its first event again.
    expect(await accept(message(90n, 0n))).toBe('taken');
    expect(await accept(message(10n, 0n), { consumer: 'b' })).toBe('taken');
    expect(await accept(message(5n, 0n, 'other'))).toBe('taken');
  });

  it('takes what has no key once', async () => {
    const loose: InboxMessage = { id, key: undefined, sequence: undefined, after: undefined };
    expect([await accept(loose), await accept(loose), await accept(loose, { consumer: 'b' })]).toEqual([
      'taken',
      'duplicate',
      'taken',
    ]);
  });

  it('a rollback makes it new again', async () => {
    expect(await accept(message(10n, 0n), {}, 'ROLLBACK')).toBe('taken');
    expect(await accept(message(10n, 0n))).toBe('taken');
  });

  it('who comes later may begin where it comes in', async () => {
    expect(await accept(message(20n, 10n), { joining: 'start' })).toBe('taken');
    expect(await accept(message(10n, 0n), { joining: 'start' })).toBe('duplicate');
    expect(await accept(message(40n, 30n), { joining: 'start' })).toBe('gap');
  });

  it.each(['COMMIT', 'ROLLBACK'] as const)('two deliveries at once: the second waits for the first (%s)', async (end) => {
    await accept(message(10n, 0n));
    const [first, second] = [scene.transaction(), scene.transaction()];
    await first.begin();
    await second.begin();
    expect((await open().accept(first.client, message(20n, 10n))).outcome).toBe('taken');
    const waiting = open().accept(second.client, message(20n, 10n));
    await until(
      async () => (await scene.server.value("SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) === 1,
      'it waits',
    );
    await first.end(end);
    expect((await waiting).outcome).toBe(end === 'COMMIT' ? 'duplicate' : 'taken');
    await second.end('COMMIT');
  });

  it('forgets what is old, when it is told to', async () => {
    await accept(message(10n, 0n));
    await accept({ id, key: undefined, sequence: undefined, after: undefined });
    expect(await open().forget(60_000)).toBe(0);
    expect(await open({ consumer: 'b' }).forget(0)).toBe(0);
    expect(await open().forget(0)).toBe(2);
  });

  it('a key that was forgotten goes on, and what is newer than all that was forgotten still cannot be missing', async () => {
    await accept(message(10n, 0n));
    await accept(message(30n, 0n, 'other'));
    expect(await open().forget(0)).toBe(2);
    expect(await accept(message(50n, 40n, 'other'))).toBe('gap');
    expect(await accept(message(20n, 10n))).toBe('taken');
    expect(await accept(message(40n, 30n, 'other'))).toBe('taken');
    expect(await accept(message(50n, 40n, 'other'))).toBe('taken');
    expect(await accept(message(20n, 10n), { consumer: 'b' })).toBe('gap');
  });

  it('is refused outside of a transaction, and for what is no message', async () => {
    await accept(message(10n, 0n));
    expect(await thrownBy(open().accept(scene.pool(), message(20n, 10n)))).toBeInstanceOf(InvalidArgumentError);
    expect(await thrownBy(open().accept(scene.pool(), { ...message(20n, 10n), after: undefined }))).toBeInstanceOf(
      InvalidArgumentError,
    );
    expect(() => open({ consumer: '' })).toThrow(InvalidArgumentError);
    expect(() => open({ joining: 'anywhere' as never })).toThrow(InvalidArgumentError);
  });
});
