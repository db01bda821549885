import { describe, expect, it } from 'vitest';
import { parseName } from '../../src/core/name.js';
import { dynaliteInMemory } from '../support/dynamodb-server.js';
import { ask, granted, heldOf, Scene } from './support.js';

describe('what stands in the way of a name', () => {
  const scene = new Scene(dynaliteInMemory);
  const put = (name: string, attributes: Record<string, { S: string } | { N: string }>) =>
    scene.client.putItem({ TableName: 'holdfast', Item: { name: { S: name }, ...attributes } });
  const seen = (name: string) => scene.store().examine?.(parseName(name));

  it("an item of Amazon's lock client under the bare name, until it is given back", async () => {
    const alive = { ownerName: { S: 'me' }, leaseDuration: { S: '20000' }, recordVersionNumber: { S: 'v1' } };
    await put('billing', alive);
    expect(await seen('billing')).toMatchObject({
      foreign: [{ key: 'billing', library: 'amazon-dynamodb-lock-client', endsWith: expect.stringContaining('20 s') }],
    });
    await put('billing', { ...alive, isReleased: { S: '1' } });
    expect(await seen('billing')).toMatchObject({ foreign: [] });
  });

  it('an item under our key that nobody knows, and that nothing ends', async () => {
    await put('holdfast:odd', { locked: { S: 'yes' } });
    const [lock] = (await seen('odd'))?.foreign ?? [];
    expect(lock).toMatchObject({
      library: undefined,
      shape: 'an item with locked',
      remove: expect.stringContaining('--condition-expression'),
    });
    expect(lock).not.toHaveProperty('endsWith');
    await scene.client.deleteItem({ TableName: 'holdfast', Key: { name: { S: 'holdfast:odd' } } });
  });

  it('the same name in other letters', async () => {
    const store = scene.store();
    const one = ask('JOB');
    const { fences } = await granted(store, one);
    expect(await seen('job')).toMatchObject({ foreign: [], rivals: [{ differs: 'case', name: 'JOB', fence: fences.last }] });
    await store.release(heldOf(one));
    expect(await seen('job')).toMatchObject({ rivals: [] });
  });
});
