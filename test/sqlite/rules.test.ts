import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isAlive } from '../../src/backends/sqlite/alive.js';
import { Bell } from '../../src/backends/sqlite/bell.js';
import { parseBoottimeOffsetMs, uptimeIsVirtual } from '../../src/backends/sqlite/clock.js';
import { mountTypeOf, networkFilesystem } from '../../src/backends/sqlite/filesystem.js';
import { parseOptions, parseUrl } from '../../src/backends/sqlite/location.js';
import { readNodeIdentity, readProcess } from '../../src/core/node.js';
import { Folder } from './support/folder.js';

const folder = new Folder();

describe('file systems', () => {
  it.each([
    [0xef53, '', undefined],
    [0x01021994, '', undefined],
    [0x6969, '', 'NFS'],
    [0xff534d42, '', 'CIFS'],
    [0xff534d42 | 0, '', 'CIFS'],
    [0xfe534d42, '', 'SMB2'],
    [0x01021997, '', '9p'],
    [0x65735546, 'fuse.sshfs', 'fuse.sshfs'],
    [0x65735546, '', 'FUSE'],
    [0x65735546, 'virtiofs', 'virtiofs'],
    [0x65735546, 'fuse.fuse-overlayfs', undefined],
    [0x65735546, 'fuseblk', undefined],
  ])('%i %s is %s', (magic, type, expected) => expect(networkFilesystem(magic, type)).toBe(expected));

  it('the mount of a directory is the longest that contains it, the last of equals', () => {
    const mountinfo = [
      '1 0 8:1 / / rw - ext4 /dev/a rw',
      '2 1 0:40 / /mnt/my\\040share rw shared:1 - fuse.sshfs host: rw',
      '3 1 0:41 / /mnt rw - tmpfs tmpfs rw',
      '4 1 0:42 / /mnt rw - xfs /dev/b rw',
    ].join('\n');
    expect(mountTypeOf('/mnt/my share/deep', mountinfo)).toBe('fuse.sshfs');
    expect(mountTypeOf('/mnt/my share2', mountinfo)).toBe('xfs');
    expect(mountTypeOf('/var', mountinfo)).toBe('ext4');
  });
});

describe('the clock', () => {
  it('an uptime below the start of this very process is not the machine’s', () => {
    expect(uptimeIsVirtual(60_000, 500_000)).toBe(true);
    expect(uptimeIsVirtual(500_010, 500_000)).toBe(false);
    expect(uptimeIsVirtual(os.uptime() * 1_000, Number(readProcess(process.pid)?.startedAt ?? '') * 10)).toBe(false);
  });

  it('reads the offset of a time namespace', () => {
    expect(parseBoottimeOffsetMs('monotonic           0         0\nboottime        86400 500000000\n')).toBe(86_400_500);
    expect(parseBoottimeOffsetMs('monotonic  5  0\nboottime  -3  250000000\n')).toBe(-2_750);
    expect(parseBoottimeOffsetMs('')).toBe(0);
  });
});

describe('processes', () => {
  const node = readNodeIdentity();
  const self = { node, skewTicks: 0 };

  it('this one lives', () => expect(isAlive(self, self)).toBe(true));

  it('another with the same pid is dead', () => {
    expect(isAlive({ node: { ...node, startedAt: '5' }, skewTicks: 0 }, self)).toBe(false);
  });

  it('one that ended is dead', () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    expect(isAlive({ node: { ...node, pid, startedAt: '5' }, skewTicks: 0 }, self)).toBe(false);
  });

  it('one seen through a shifted uptime lives', () => {
    const shifted = String(Number(node.startedAt) + 5_000);
    expect(isAlive({ node: { ...node, startedAt: shifted }, skewTicks: 5_000 }, self)).toBe(true);
    expect(isAlive({ node: { ...node, startedAt: shifted }, skewTicks: 0 }, self)).toBe(false);
  });

  it('one of another namespace or boot cannot be judged', () => {
    expect(isAlive({ node: { ...node, bootId: 'another pid:[1]' }, skewTicks: 0 }, self)).toBeUndefined();
  });
});

describe('bells', () => {
  it('wake the watchers of one name, in another instance and in our own', async () => {
    const bells = [new Bell(folder.db, readNodeIdentity()), new Bell(folder.db, readNodeIdentity())] as const;
    const woken: string[] = [];
    for (const [i, bell] of bells.entries()) for (const name of ['a', 'b']) bell.watch(name, () => woken.push(`${name}${i}`));
    bells[0].ring(new Set(bells.map((bell) => bell.id)), 'a');
    await expect.poll(() => woken, { timeout: 5_000 }).toEqual(['a0', 'a1']);
    for (const bell of bells) bell.close();
  });

  it('a bell that cannot be made makes its owner deaf, and one that is not there harms nobody', () => {
    const bell = new Bell(`${folder.db}/no/such`, readNodeIdentity());
    bell.watch('a', () => {});
    bell.ring(new Set(['../../etc/passwd', '00000000-1-aaaaaaaa']), 'a');
    bell.close();
    expect(new Bell(folder.db, readNodeIdentity()).deaf).toBe(false);
  });

  it('go on after their file was deleted', async () => {
    const [bell, other] = [new Bell(folder.db, readNodeIdentity()), new Bell(folder.db, readNodeIdentity())];
    let wakes = 0;
    bell.watch('a', () => {
      wakes += 1;
    });
    const file = folder.file(`locks.db-bells/${bell.id}`);
    rmSync(file);
    await expect.poll(() => existsSync(file), { timeout: 5_000 }).toBe(true);
    const before = wakes;
    other.ring(new Set([bell.id]), 'a');
    await expect.poll(() => wakes, { timeout: 5_000 }).toBeGreaterThan(before);
    bell.close();
    other.close();
  });

  it('go on after their file has grown', async () => {
    const [bell, other] = [new Bell(folder.db, readNodeIdentity()), new Bell(folder.db, readNodeIdentity())];
    let wakes = 0;
    bell.watch('a', () => {
      wakes += 1;
    });
    for (let i = 0; i < 200; i++) other.ring(new Set([bell.id]), 'x'.repeat(500));
    await sleep(50);
    const before = wakes;
    other.ring(new Set([bell.id]), 'a');
    await expect.poll(() => wakes, { timeout: 5_000 }).toBeGreaterThan(before);
    bell.close();
    other.close();
  });
});

describe('where the file lies', () => {
  it.each([
    ['sqlite:/var/lib/locks.db', '/var/lib/locks.db', 'normal'],
    ['sqlite:///var/lib/locks.db?synchronous=full', '/var/lib/locks.db', 'full'],
    ['sqlite:/with%20space.db', '/with space.db', 'normal'],
    ['sqlite:locks.db', `${process.cwd()}/locks.db`, 'normal'],
    ['SQLITE:./a/../locks.db', `${process.cwd()}/locks.db`, 'normal'],
  ])('%s', (url, path, synchronous) => expect(parseUrl(url)).toMatchObject({ path, synchronous }));

  it('without a path, in the state folder', () => {
    const before = process.env['XDG_STATE_HOME'];
    process.env['XDG_STATE_HOME'] = '/state';
    expect(parseUrl('sqlite:').path).toBe('/state/holdfast/locks.db');
    expect(parseUrl('sqlite:?synchronous=full')).toMatchObject({ path: '/state/holdfast/locks.db', synchronous: 'full' });
    process.env['XDG_STATE_HOME'] = 'relative';
    expect(parseOptions().path).toBe(`${os.homedir()}/.local/state/holdfast/locks.db`);
    if (before === undefined) delete process.env['XDG_STATE_HOME'];
    else process.env['XDG_STATE_HOME'] = before;
  });

  it.each(['sqlite://host/path.db', 'redis:x', 'sqlite:x?mode=ro', 'sqlite:x?synchronous=off', 'sqlite:%zz', 'sqlite::memory:'])(
    '%s is refused',
    (url) => expect(() => parseUrl(url)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' })),
  );
});
