import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { works } from './processes.js';

/** Only root can make network namespaces, with `ip` (apt-get install iproute2). */
export const hostsAreMissing = process.getuid?.() !== 0 || !works('ip', 'netns', 'list');

/** Some hosts on one network, on which this process is, too: a network namespace each, behind a bridge. */
export class Hosts {
  readonly count: number;
  /** Names of devices have at most 15 characters. */
  readonly #name = `hf${process.pid}`;
  /** Of a range that is for tests of networks. */
  readonly #net = `198.18.${process.pid % 256}`;

  constructor(count: number) {
    this.count = count;
    process.once('exit', this.remove);
    ip(`link add ${this.#name} type bridge`);
    ip(`address add ${this.#net}.254/24 dev ${this.#name}`);
    ip(`link set ${this.#name} up`);
    for (let i = 0; i < count; i++) this.#add(i);
  }

  address(i: number): string {
    return `${this.#net}.${i + 1}`;
  }

  /** What to run a program with, so that it runs there. */
  command(i: number): readonly string[] {
    return ['ip', 'netns', 'exec', this.#space(i)];
  }

  /** Nothing gets there any more, nor away from there, and nobody is told. */
  cut(i: number): void {
    ip(`link set ${this.#link(i)} down`);
  }

  mend(i: number): void {
    ip(`link set ${this.#link(i)} up`);
  }

  readonly remove = (): void => {
    process.off('exit', this.remove);
    for (let i = 0; i < this.count; i++) works('ip', 'netns', 'delete', this.#space(i));
    works('ip', 'link', 'delete', this.#name);
  };

  #add(i: number): void {
    const space = this.#space(i);
    ip(`netns add ${space}`);
    ip(`link add ${this.#link(i)} type veth peer name eth0 netns ${space}`);
    ip(`link set ${this.#link(i)} master ${this.#name}`);
    ip(`link set ${this.#link(i)} up`);
    ip(`-n ${space} address add ${this.address(i)}/24 dev eth0`);
    ip(`-n ${space} link set eth0 up`);
    ip(`-n ${space} link set lo up`);
  }

  #space(i: number): string {
    return `${this.#name}n${i}`;
  }

  #link(i: number): string {
    return `${this.#name}v${i}`;
  }
}

function ip(words: string): void {
  const { status, stderr } = spawnSync('ip', words.split(' '), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words}: ${stderr}`);
}
