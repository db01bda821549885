import { expect, it } from 'vitest';
import { linesOf } from '../support/poll.js';
import type { Scene } from '../support/program.js';
import { onEveryStore, onRedlock } from '../support/stores.js';

function cases(scene: Scene, crowd: number): void {
  it(`${crowd} processes started at once on one name run one after the other, with rising fences`, {
    timeout: 300_000,
  }, async () => {
    const log = scene.file('log');
    const work = `echo "start $HOLDFAST_FENCE" >> ${log}; sleep 0.01; echo "end $HOLDFAST_FENCE" >> ${log}`;
    const all = Array.from({ length: crowd }, () => scene.holdfast(['run', '--ttl', '30s', 'x', '--', 'sh', '-c', work]));
    const ended = await Promise.all(all.map((each) => each.ended));
    const failed = ended.map(({ status }, i) => ({ status, stderr: all[i]?.stderr() })).filter(({ status }) => status !== 0);
    expect(failed).toEqual([]);

    const lines = linesOf(log).map((line) => line.split(' '));
    expect(lines.length).toBe(2 * crowd);
    let last = 0n;
    for (let i = 0; i < lines.length; i += 2) {
      const [started, ended] = [lines[i], lines[i + 1]];
      expect([started?.[0], ended?.[0]]).toEqual(['start', 'end']);
      expect(ended?.[1]).toBe(started?.[1]);
      const fence = BigInt(started?.[1] ?? 0);
      expect(fence).toBeGreaterThan(last);
      last = fence;
    }
  });
}

onEveryStore((scene) => cases(scene, 200));
// Without a queue in the store each of them asks all nodes again and again.
onRedlock((scene) => cases(scene, 40));
