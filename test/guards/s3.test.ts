import assert from 'node:assert/strict';
import type { S3 } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendCorruptError, OutcomeUnknownError, StaleFenceError } from '../../src/core/errors.js';
import { seesExpiry } from '../../src/guards/expiry.js';
import { type S3Client, type S3Guard, type S3Writes, s3Guard } from '../../src/guards/s3/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { S3Server, s3IsMissing } from '../support/s3-server.js';
import { thrownBy } from '../support/waits.js';
import { guardContract } from './contract.js';

describe.skipIf(s3IsMissing)('guard of S3', () => {
  let server: S3Server;
  let client: S3;
  let guard: S3Guard;
  const text = async (resource: string) => {
    const found = await guard.get(resource);
    return found === undefined ? undefined : Buffer.from(found.body).toString();
  };

  beforeAll(async () => {
    server = await S3Server.start('things');
    client = server.client();
    guard = s3Guard(client, { bucket: 'things', commandTimeoutMs: 15_000 });
  });
  afterAll(() => server?.stop());

  guardContract<S3Writes>(() => ({ guard, write: (writes, _resource, value) => writes.put(value), read: text }));

  it('keeps bytes, type and metadata, also when the mark is raised', async () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, i) => i % 256);
    await guard.run({ resource: 'bytes', fence: 1n }, (writes) =>
      writes.put(bytes, { contentType: 'application/x-test', metadata: { owner: 'a' } }),
    );
    await guard.raise({ resource: 'bytes', fence: 2n });
    const found = await guard.get('bytes');
    expect(found).toMatchObject({ fence: 2n, contentType: 'application/x-test', metadata: { owner: 'a' } });
    expect(Buffer.from(found?.body ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  it('keeps the mark of what is deleted', async () => {
    await guard.run({ resource: 'deleted', fence: 5n }, (writes) => writes.put('x'));
    await guard.run({ resource: 'deleted', fence: 6n }, (writes) => writes.delete());
    expect(await guard.get('deleted')).toBeUndefined();
    expect(await thrownBy(guard.run({ resource: 'deleted', fence: 5n }, (writes) => writes.put('late')))).toBeInstanceOf(
      StaleFenceError,
    );
  });

  /** A client whose next write waits until something else has happened, as that of a process that was stopped. */
  function pausing(between: () => Promise<unknown>): S3Client {
    let waited = false;
    return {
      headObject: (input) => client.headObject(input),
      getObject: (input) => client.getObject(input),
      async putObject(input) {
        if (!waited) {
          waited = true;
          await between();
        }
        return client.putObject(input);
      },
    };
  }

  it('refuses a writer that was stopped between its look and its write', async () => {
    await guard.run({ resource: 'stopped', fence: 3n }, (writes) => writes.put('three'));
    const slow = s3Guard(
      pausing(() => guard.run({ resource: 'stopped', fence: 6n }, (writes) => writes.put('six'))),
      { bucket: 'things' },
    );
    expect(await thrownBy(slow.run({ resource: 'stopped', fence: 5n }, (writes) => writes.put('five')))).toMatchObject({
      fence: 5n,
      mark: 6n,
    });
    expect(await text('stopped')).toBe('six');
  });

  it('refuses it also where the object has its old content back, or was only raised: the ETag is of the content', async () => {
    await guard.run({ resource: 'back', fence: 3n }, (writes) => writes.put('same'));
    const slow = s3Guard(
      pausing(async () => {
        await guard.run({ resource: 'back', fence: 6n }, (writes) => writes.put('other'));
        await guard.run({ resource: 'back', fence: 6n }, (writes) => writes.put('same'));
      }),
      { bucket: 'things' },
    );
    expect(await thrownBy(slow.run({ resource: 'back', fence: 5n }, (writes) => writes.put('late')))).toBeInstanceOf(
      StaleFenceError,
    );
    const raised = s3Guard(
      pausing(() => guard.raise({ resource: 'back', fence: 9n })),
      { bucket: 'things' },
    );
    expect(await thrownBy(raised.run({ resource: 'back', fence: 8n }, (writes) => writes.put('late')))).toBeInstanceOf(
      StaleFenceError,
    );
    expect(await text('back')).toBe('same');
  });

  it('refuses it also where there was nothing when it looked', async () => {
    const slow = s3Guard(
      pausing(() => guard.run({ resource: 'first', fence: 6n }, (writes) => writes.put('six'))),
      { bucket: 'things' },
    );
    expect(await thrownBy(slow.run({ resource: 'first', fence: 5n }, (writes) => writes.put('five')))).toBeInstanceOf(
      StaleFenceError,
    );
    expect(await text('first')).toBe('six');
  });

  it('recognises its own write where the answer was lost and the SDK has sent it again', async () => {
    const proxy = await FaultProxy.start(server.port);
    const far = server.client(proxy.port);
    let puts = 0;
    const counting: S3Client = {
      headObject: (input) => far.headObject(input),
      getObject: (input) => far.getObject(input),
      putObject: (input) => {
        puts++;
        return far.putObject(input);
      },
    };
    const own = s3Guard(counting, { bucket: 'things' });
    const lost = proxy.once('PUT /things/guarded/lost', 'lose-reply');
    await own.run({ resource: 'lost', fence: 5n }, (writes) => writes.put('once'));
    await lost;
    expect(await text('lost')).toBe('once');
    expect(puts).toBe(1);
    await proxy.close();
  });

  it('does not call a write refused that was done, and then overtaken before it was sent again', async () => {
    const proxy = await FaultProxy.start(server.port);
    const far = server.client(proxy.port);
    const lost = proxy.once('PUT /things/guarded/overtaken', 'lose-reply');
    // Comes before the SDK's second try, which it makes after a pause.
    const overtaking = lost.then(() => guard.raise({ resource: 'overtaken', fence: 9n }));
    const error = await thrownBy(
      s3Guard(far, { bucket: 'things' }).run({ resource: 'overtaken', fence: 5n }, (writes) => writes.put('x')),
    );
    expect(await overtaking).toBe(9n);
    expect(error).toBeInstanceOf(OutcomeUnknownError);
    await proxy.close();
  });

  it('raises a mark that was raised further before the second copy came', async () => {
    const proxy = await FaultProxy.start(server.port);
    const lost = proxy.once('PUT /things/guarded/raised', 'lose-reply');
    const overtaking = lost.then(() => guard.raise({ resource: 'raised', fence: 9n }));
    const own = s3Guard(server.client(proxy.port), { bucket: 'things' });
    expect(await own.raise({ resource: 'raised', fence: 5n })).toBe(9n);
    expect(await overtaking).toBe(9n);
    await proxy.close();
  });

  it('takes nothing for its own that others have put there, and sees a lifecycle rule', async () => {
    await client.putObject({ Bucket: 'things', Key: 'guarded/foreign', Body: 'x' });
    expect(await thrownBy(guard.mark('foreign'))).toBeInstanceOf(BackendCorruptError);
    expect(await thrownBy(guard.run({ resource: 'foreign', fence: 1n }, (writes) => writes.put('y')))).toBeInstanceOf(
      BackendCorruptError,
    );
    const expiring = s3Guard(
      {
        ...pausing(async () => {}),
        headObject: async (input) => ({ ...(await client.headObject(input)), Expiration: 'rule-id="tidy"' }),
      },
      { bucket: 'things' },
    );
    assert(seesExpiry(expiring));
    expect(await expiring.expiryOf('first')).toContain('tidy');
  });
});
