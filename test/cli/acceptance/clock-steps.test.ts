import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { expect, it } from 'vitest';
import { linesOf, until } from '../support/poll.js';
import type { Scene } from '../support/program.js';
import { onEveryStore, onRedlock } from '../support/stores.js';
import { faketimeLibrary as library } from '../../support/faketime.js';

const hourS = 3_600;

if (library === undefined && process.env['CI'] === undefined) {
  console.warn('SKIPPED: steps of the wall clock are not tested, because faketime is missing (apt-get install faketime)');
}

function cases(scene: Scene): void {
  /** In CI it runs and fails without faketime: a skip there would be seen by nobody. */
  it.skipIf(library === undefined && process.env['CI'] === undefined)(
    'steps of the wall clock by an hour, forward and back, while held and waited for: never two holders',
    async () => {
      const offset = scene.file('offset');
      const step = (seconds: number) => writeFileSync(offset, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
      step(0);
      const env = {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: offset,
        FAKETIME_NO_CACHE: '1',
        // A step of the wall clock leaves the kernel's monotonic clock alone.
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        DONT_FAKE_MONOTONIC: '1',
      };
      const log = scene.file('log');
      const work = `i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo $HOLDFAST_FENCE $HOLDFAST_RUN_ID >> ${log}; sleep 0.05; done`;
      const all = Array.from({ length: 6 }, () => scene.holdfast(['run', '--ttl', '3s', 'x', '--', 'sh', '-c', work], { env }));
      let over = 0;
      for (const each of all) void each.ended.then(() => (over += 1));

      for (const seconds of [hourS, 0, -hourS, 0, hourS, -hourS, 0]) {
        const seen = linesOf(log).length;
        await until('somebody works', 20_000, () => over === all.length || linesOf(log).length > seen + 10);
        step(seconds);
      }
      const statuses = await Promise.all(all.map((each) => each.ended.then(({ status }) => status)));

      // A step forward may end a lease early (and here does, or the clock was not stepped at all); nothing else may end one.
      expect(statuses).toContain(76);
      expect(statuses.filter((status) => status !== 0 && status !== 76)).toEqual([]);
      const lines = linesOf(log).map((line) => line.split(' '));
      const fences = lines.map(([fence = '']) => BigInt(fence));
      // Every run has a fence of its own. One that was ended at once has written nothing.
      const runs = new Set(lines.map(([, run]) => run));
      expect(new Set(fences).size).toBe(runs.size);
      expect(new Set(lines.map((line) => line.join(' '))).size).toBe(runs.size);
      expect(runs.size).toBeGreaterThanOrEqual(statuses.filter((status) => status === 0).length);
      // Written in the order of the real time: once a newer holder has worked, an older one never does again.
      expect(fences).toEqual([...fences].sort((a, b) => Number(a - b)));
    },
  );
}

onEveryStore(cases);
onRedlock(cases);
