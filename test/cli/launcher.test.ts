import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { beforeEach, describe, expect, it } from 'vitest';
import { linesOf } from './support/poll.js';
import { root, Scene } from './support/program.js';

const scene = new Scene();

/** A clone with a program of one line, and an npm that "installs" by linking this checkout's packages. */
function clone(): void {
  for (const folder of ['scripts', 'src/cli', 'bin']) mkdirSync(scene.file(folder), { recursive: true });
  for (const file of ['holdfast', 'package.json', 'package-lock.json', 'tsconfig.json']) copy(file);
  for (const file of ['setup.mjs', 'setup-lock.mjs', 'build.mjs']) copy(`scripts/${file}`);
  writeProgram("console.log('ran', process.argv.slice(2).join(' '));");
  fakeNpm(`echo "$*" >> ${scene.file('npm.log')}; sleep 0.5; ln -s ${root}node_modules ${scene.file('node_modules')}`);
}

function copy(file: string): void {
  copyFileSync(path.join(root, file), scene.file(file));
}

function writeProgram(text: string): void {
  writeFileSync(scene.file('src/cli/main.ts'), `${text}\nexport {};\n`);
}

function fakeNpm(script: string): void {
  writeFileSync(scene.file('bin/npm'), `#!/bin/sh\n${script}\n`);
  chmodSync(scene.file('bin/npm'), 0o755);
}

function launch(args: readonly string[] = ['a b'], file = scene.file('holdfast')) {
  return scene.start(file, args, { cwd: '/', env: { PATH: `${scene.file('bin')}:${process.env['PATH']}` } });
}

async function outcome(args?: readonly string[], file?: string) {
  const running = launch(args, file);
  const { status } = await running.ended;
  return { status, stdout: running.stdout(), stderr: running.stderr() };
}

const ran = { status: 0, stdout: 'ran a b\n', stderr: '' };

describe('./holdfast', () => {
  beforeEach(clone);

  it('installs and builds once when many start at once on a fresh clone', async () => {
    const crowd = Array.from({ length: 12 }, () => outcome());
    expect(await Promise.all(crowd)).toEqual(Array.from({ length: 12 }, () => ran));
    expect(linesOf(scene.file('npm.log')).length).toBe(1);
  });

  it('builds again after a change, and installs again only when the lockfile has other contents', async () => {
    expect(await outcome()).toEqual(ran);
    writeProgram("console.log('changed');");
    const soon = Date.now() / 1_000 + 1;
    utimesSync(scene.file('package-lock.json'), soon, soon);
    expect((await outcome()).stdout).toBe('changed\n');
    expect(linesOf(scene.file('npm.log')).length).toBe(1);
    writeFileSync(scene.file('package-lock.json'), '{"packages":{"node_modules/new":{"version":"1.0.0"}}}');
    fakeNpm(`echo again >> ${scene.file('npm.log')}`);
    expect((await outcome()).stdout).toBe('changed\n');
    expect(linesOf(scene.file('npm.log'))[1]).toBe('again');
  });

  it('says what failed, and tries again the next time', async () => {
    fakeNpm('echo no network; exit 1');
    const failed = await outcome();
    expect([failed.status, failed.stdout]).toEqual([69, '']);
    expect(failed.stderr).toContain('no network\nholdfast: npm ci failed');
    clone();
    writeProgram('const broken: number = "text";');
    const unbuilt = await outcome();
    expect(unbuilt.status).toBe(69);
    expect(unbuilt.stderr).toMatch(/main\.ts.*TS2322[\s\S]*holdfast: the build failed/);
    writeProgram("console.log('mended');");
    expect((await outcome()).stdout).toBe('mended\n');
  });

  it('takes over from a set-up that was killed', async () => {
    mkdirSync(scene.file('.holdfast-setup/lock'), { recursive: true });
    const { hostname } = await import('node:os');
    const dead = { pid: 2 ** 22 + 1, host: hostname(), startedAt: '1', nonce: 'dead' };
    writeFileSync(scene.file('.holdfast-setup/lock/owner.json'), JSON.stringify(dead));
    expect(await Promise.all([outcome(), outcome(), outcome()])).toEqual([ran, ran, ran]);
    expect(linesOf(scene.file('npm.log')).length).toBe(1);
  });

  it('works through symbolic links, and hands on signals and the exit status', async () => {
    symlinkSync('../holdfast', scene.file('bin/inner'));
    symlinkSync(scene.file('bin/inner'), scene.file('outer'));
    expect(await outcome(undefined, scene.file('outer'))).toEqual(ran);
    writeProgram("process.on('SIGUSR2', () => process.exit(9)); setInterval(() => {}, 1000); console.log('up');");
    const running = launch();
    await new Promise((resolve) => running.child.stdout?.once('data', resolve));
    running.child.kill('SIGUSR2');
    expect((await running.ended).status).toBe(9);
  });

  it('says that node is missing', async () => {
    for (const tool of ['dirname', 'readlink']) symlinkSync(`/usr/bin/${tool}`, scene.file(`bin/${tool}`));
    rmSync(scene.file('bin/npm'));
    const running = scene.start('/bin/sh', [scene.file('holdfast')], { env: { PATH: scene.file('bin') } });
    expect((await running.ended).status).toBe(69);
    expect(running.stderr()).toMatch(/^holdfast: node is not on PATH: [^\n]+\n$/);
  });
});
