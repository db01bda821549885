import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Keeping, type Kept } from '../../src/backends/zookeeper/keeping.js';
import type { Session } from '../../src/backends/zookeeper/session.js';
import { parseName } from '../../src/core/name.js';
import { readNodeIdentity } from '../../src/core/node.js';
import { ask } from '../support/asks.js';
import { zookeeperIsMissing } from '../support/zookeeper-server.js';
import { OneServer } from './one-server.js';

const node = readNodeIdentity();

describe.skipIf(zookeeperIsMissing)('what a crashed process left', () => {
  const scene = new OneServer();

  it('sweeps up what a crashed process left: names without anybody, and revocations that nobody asks about any more', async () => {
    const internal = scene.internal();
    const held = ask('held');
    await scene.store.acquire(held);
    await scene.store.acquire(ask('job'));
    await scene.store.revoke(parseName('job'), { kind: 'revoked', reason: 'a test', node });
    await scene.operator.create('/holdfast/locks/empty');
    await internal.tidying.sweep();
    expect(await scene.operator.children('/holdfast/locks')).toEqual(expect.arrayContaining(['held', 'job']));
    expect(await scene.operator.children('/holdfast/locks')).not.toContain('empty');
    await sleep(20);
    await internal.tidying.sweep(10);
    expect(await scene.operator.children('/holdfast/locks')).toEqual(['held']);
    expect(await scene.store.renew([held])).toMatchObject([{ outcome: 'renewed' }]);
    await internal.close();
  });
});

describe('keeping', () => {
  it('ends nothing any more when it is closed', async () => {
    let ended = 0;
    const keeping = new Keeping((kept: Kept) => {
      ended += 1;
      keeping.again(kept, 20);
    });
    const session = { generation: 1 } as Session;
    keeping.add(session, '/p', 'a', 10_000);
    expect(keeping.takeAll()).toHaveLength(1);
    // The answer to an ask that was under way.
    keeping.add(session, '/p', 'b', 20);
    await sleep(150);
    expect(ended).toBe(0);
  });

  it('does not end what is being proven, and nothing of a session that is over', async () => {
    const ended: string[] = [];
    const keeping = new Keeping((kept: Kept) => void ended.push(kept.path));
    const session = { generation: 1 } as { generation: number };
    for (const each of ['a', 'b', 'c', 'd']) keeping.add(session as Session, '/p', each, 40);
    const busy = keeping.get('/p/a') as Kept;
    busy.busy += 1;
    keeping.forget('/p/b');
    await sleep(120);
    expect(ended.sort()).toEqual(['/p/c', '/p/d']);
    busy.busy -= 1;
    await sleep(60);
    expect(ended).toContain('/p/a');
    keeping.add(session as Session, '/p', 'e', 10_000);
    session.generation += 1;
    expect(keeping.get('/p/e')).toBeUndefined();
    keeping.forgetSession(session as Session);
    expect(keeping.takeAll()).toEqual([]);
  });
});
