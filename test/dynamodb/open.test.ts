import * as commands from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { dynamodb, dynamodbFromUrl } from '../../src/backends/dynamodb/index.js';
import { parseUrl } from '../../src/backends/dynamodb/url.js';
import { clientConfig } from '../support/dynamodb-server.js';
import { thrownBy } from '../support/waits.js';
import { ask, granted, heldOf, Scene } from './support.js';

describe('a client', () => {
  const scene = new Scene();

  it('may be the aggregated one, or the bare one with its commands; it stays open', async () => {
    const aggregated = scene.server.client();
    const bare = new commands.DynamoDBClient(clientConfig(scene.server.port));
    for (const client of [aggregated, { client: bare, commands }]) {
      const store = dynamodb(client);
      const one = ask('a');
      await granted(store, one);
      expect(await store.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
      expect(await store.release(heldOf(one))).toBe('released');
      await store.probe();
      await store.close();
      await granted(dynamodb(client), one);
      await store.abandon(one).catch(() => {});
      await dynamodb(client).abandon(one);
    }
    bare.destroy();
  });

  it('of another kind is refused, with the way out', async () => {
    const bare = new commands.DynamoDBClient(clientConfig(1));
    for (const [client, said] of [
      [undefined, /needs a client of the AWS SDK 3: pass new DynamoDB/],
      [{}, /needs a client of the AWS SDK 3/],
      [bare, /pass \{ client, commands \}/],
      [{ client: bare, commands: {} }, /commands has no GetItemCommand/],
    ] as const) {
      const error = await thrownBy(() => dynamodb(client as never));
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(said) });
    }
    const few = {
      GetItemCommand: commands.GetItemCommand,
      UpdateItemCommand: commands.UpdateItemCommand,
      ScanCommand: commands.ScanCommand,
    };
    const store = dynamodb({ client: new commands.DynamoDBClient(clientConfig(scene.server.port)), commands: few });
    await granted(store, ask('few'));
    expect(await store.probe()).toMatchObject([{ what: expect.stringMatching(/DescribeTable, /) }]);
  });

  it('has its options checked', async () => {
    for (const [options, said] of [
      [{ table: 'a b' }, /^table must be/],
      [{ prefix: 'x'.repeat(257) }, /^prefix must be/],
      [{ create: 'yes' }, /^create must be/],
      [{ commandTimeoutMs: 1 }, /^commandTimeoutMs must be/],
      [{ pollMs: 5_000 }, /^pollMs must be/],
      [{ retentionMs: 1_000 }, /^retentionMs must be/],
      [{ deadAfterMs: 60_000 }, /^deadAfterMs must be/],
      [{ ttl: 1 }, /no option "ttl".*known ones are table/],
    ] as const) {
      const error = await thrownBy(() => dynamodb(scene.client, options as never));
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(said) });
    }
    expect(dynamodb(scene.client, { pollMs: 900 }).traits.pollMs).toBe(900);
    expect(() => dynamodb(scene.client, { table: 'arn:aws:dynamodb:eu-central-1:123456789012:table/locks' })).not.toThrow();
    const error = await thrownBy(dynamodb(scene.client, { prefix: '' }).acquire(ask('')));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('a URL', () => {
  it('names region, table and options', () => {
    const url =
      'dynamodb://eu-central-1/locks?create=true&prefix=a%3A&pollMs=500&deadAfterMs=3600000&endpoint=http://127.0.0.1:8000';
    expect(parseUrl(url)).toEqual({
      region: 'eu-central-1',
      endpoint: 'http://127.0.0.1:8000',
      options: { table: 'locks', create: true, prefix: 'a:', pollMs: 500, deadAfterMs: 3_600_000 },
    });
    expect(parseUrl('dynamodb://us-east-1').options).toEqual({ create: false });
  });

  it('that is wrong is refused without repeating a secret', async () => {
    for (const url of [
      'dynamodb:locks',
      'dynamodb:///locks',
      'dynamodb://key:secret@eu-central-1/locks',
      'dynamodb://eu-central-1/locks/secret',
      'dynamodb://eu-central-1/locks?create=secret',
      'dynamodb://eu-central-1/locks?endpoint=secret',
      `dynamodb://eu-central-1/locks?endpoint=http:${'//user:secret@'}127.0.0.1:8000`,
      'dynamodb://eu-central-1/%secret',
      'dynamodb://eu-central-1/locks?pollMs=secret',
      'dynamodb://eu-central-1/locks?what=secret',
    ]) {
      const error = (await thrownBy(dynamodbFromUrl(url))) as Error;
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(error.message).not.toContain('secret');
    }
  });
});
