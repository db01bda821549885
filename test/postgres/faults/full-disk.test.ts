import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Ask } from '../../../src/core/backend.js';
import { ask, heldOf } from '../../support/asks.js';
import { postgresIsMissing, serverFolder, serverUser } from '../../support/postgres-server.js';
import { SmallDisk, smallDiskIsMissing } from '../../support/small-disk.js';
import { Scene } from '../scene.js';

describe.skipIf(postgresIsMissing || smallDiskIsMissing)('a disk of the server that is full', () => {
  const scene = new Scene();

  it.each(['pg', 'postgres'])(
    'is an error that says so, loses no hold, and when there is room again all goes on (%s)',
    async (library) => {
      const folder = serverFolder();
      const disk = new SmallDisk(path.join(folder, 'disk'), 1_024, serverUser());
      try {
        await scene.server.rows(`CREATE TABLESPACE small LOCATION '${disk.folder}'`);
        await scene.server.rows('ALTER ROLE holdfast SET default_tablespace = small');
        const [locks, other] = [scene.holder({ library, ttlMs: 3_000 }), scene.holder({ library })];
        const lease = await locks.acquire('job');
        const { fence } = lease;
        disk.fill();
        const store = scene.backend(library);
        const metadata = { ballast: 'x'.repeat(1_000) };
        const granted: Ask[] = [];
        let error: unknown;
        while (error === undefined && granted.length < 500) {
          const one = ask(`job ${granted.length}`, { metadata });
          await store.acquire(one).then(
            () => granted.push(one),
            (thrown: unknown) => {
              error = thrown;
            },
          );
        }
        expect(error).toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          permanent: false,
          message: expect.stringMatching(/the disk of the server is full/),
        });
        // Nobody else gets what is held, and its holder is never told a lie.
        await expect(other.acquire('job', { waitMs: 0 })).rejects.toMatchObject({ code: /BUSY|BACKEND_UNAVAILABLE/ });
        expect(await scene.work(lease)).toBe(true);
        disk.empty();
        for (const one of granted) expect(await store.release(heldOf(one))).toBe('released');
        expect(await lease.release()).toBe('released');
        const next = await other.acquire('job');
        expect(next.fence).toBeGreaterThan(fence);
        expect(await scene.work(next)).toBe(true);
        await next.release();
      } finally {
        await scene.server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE');
        await scene.server.rows('ALTER ROLE holdfast RESET ALL');
        await scene.server.rows('DROP TABLESPACE IF EXISTS small');
        disk.unmount();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});
