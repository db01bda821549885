import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import type { Stop } from '../../core/backend.js';
import { type NodeIdentity, processExists } from '../../core/node.js';
import { makeFolders } from './folders.js';

/** After this many bytes of names the file is emptied. */
const fileBytesMax = 65_536;
/** Wake-ups that are followed without reading the file. */
const unreadMax = 256;
/** A bell of another boot or container, whose process cannot be looked up, is forgotten after this. */
const foreignBellMsMax = 86_400_000;
const bellName = /^([0-9a-f]{8})-(\d+)-[\w-]{8}$/;

/**
 * How one process wakes another: each has a file of its own, which it watches; whoever makes a name free appends the name
 * to the files of those who are next. Losing a bell costs one poll, so nothing here may fail a call.
 */
export class Bell {
  /** Name of our file, as it stands in `places.bell`. */
  readonly id: string;
  readonly #directory: string;
  readonly #host: string;
  readonly #watchers = new Map<string, Set<() => void>>();
  #open: { readonly fd: number; readonly watcher: fs.FSWatcher } | undefined;
  #offset = 0;
  #unread = 0;
  #deaf = false;

  constructor(path: string, self: NodeIdentity) {
    this.#directory = `${path}-bells`;
    this.#host = createHash('sha256').update(self.bootId).digest('hex').slice(0, 8);
    this.id = `${this.#host}-${process.pid}-${randomBytes(6).toString('base64url')}`;
  }

  /** Whether wake-ups cannot be heard (too many inotify watches, a read-only directory), so that waiting is polling. */
  get deaf(): boolean {
    return this.#deaf;
  }

  watch(name: string, wake: () => void): Stop {
    this.#listen();
    const set = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, set);
    const entry = () => wake();
    set.add(entry);
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#watchers.get(name) === set) this.#watchers.delete(name);
    };
  }

  /** Wakes the waiters of `name` in the processes that these bells belong to. */
  ring(bells: ReadonlySet<string>, name: string): void {
    for (const bell of bells) {
      if (bell === this.id) this.#wake(name);
      else if (bellName.test(bell)) append(join(this.#directory, bell), `${name}\n`);
    }
  }

  close(): void {
    this.#watchers.clear();
    if (this.#open === undefined) return;
    this.#silence();
    quietly(() => fs.unlinkSync(this.#path));
  }

  get #path(): string {
    return join(this.#directory, this.id);
  }

  #listen(): void {
    if (this.#open !== undefined || this.#deaf) return;
    let fd: number | undefined;
    try {
      makeFolders(this.#directory);
      this.#sweep();
      fd = fs.openSync(this.#path, 'a+', 0o600);
      // Core's own timers keep a waiting process alive; this must not.
      const watcher = fs.watch(this.#path, { persistent: false }, (event) => this.#onChange(event));
      watcher.on('error', () => this.#goDeaf());
      this.#open = { fd, watcher };
      this.#offset = 0;
    } catch {
      if (fd !== undefined) quietly(() => fs.closeSync(fd as number));
      this.#goDeaf();
    }
  }

  #goDeaf(): void {
    this.#silence();
    quietly(() => fs.unlinkSync(this.#path));
    this.#deaf = true;
    this.#wakeEveryone();
  }

  #silence(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    quietly(() => open.watcher.close());
    quietly(() => fs.closeSync(open.fd));
  }

  #onChange(event: string): void {
    if (this.#open === undefined) return;
    // A file that is deleted while we have it open: Linux reports that as a change.
    if (event !== 'rename' && linked(this.#open.fd)) return this.#heard(this.#open.fd);
    // Somebody deleted the file: make another, and look at everything once, for what may have been missed.
    this.#silence();
    this.#listen();
    this.#wakeEveryone();
  }

  /** Whoever listens to one name only need not read which it was. Now and then all the same, or the file would grow. */
  #heard(fd: number): void {
    const [only, ...others] = this.#watchers.keys();
    this.#unread += 1;
    if (only === undefined || others.length > 0 || this.#unread > unreadMax) return this.#read(fd);
    this.#wake(only);
  }

  #read(fd: number): void {
    this.#unread = 0;
    const names = readFrom(fd, this.#offset);
    if (names === undefined) return this.#wakeEveryone();
    this.#offset += names.length;
    for (const name of new Set(names.toString('utf8').split('\n').slice(0, -1))) this.#wake(name);
    if (this.#offset <= fileBytesMax) return;
    quietly(() => fs.ftruncateSync(fd, 0));
    this.#offset = 0;
    // A name written in between is gone.
    this.#wakeEveryone();
  }

  #wake(name: string): void {
    // A copy: a woken waiter may stop watching at once.
    for (const wake of [...(this.#watchers.get(name) ?? [])]) wake();
  }

  #wakeEveryone(): void {
    for (const name of [...this.#watchers.keys()]) this.#wake(name);
  }

  /** Removes the files of processes that died without closing. */
  #sweep(): void {
    for (const file of fs.readdirSync(this.#directory)) {
      const [, host, pid] = bellName.exec(basename(file)) ?? [];
      if (host === undefined) continue;
      const path = join(this.#directory, file);
      const over = host === this.#host ? !processExists(Number(pid)) : isOld(path);
      if (over) quietly(() => fs.unlinkSync(path));
    }
  }
}

/** Without creating it: a bell that is gone has nobody behind it. */
function append(path: string, text: string): void {
  quietly(() => {
    const fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_APPEND | fs.constants.O_NONBLOCK);
    try {
      fs.writeSync(fd, text);
    } finally {
      fs.closeSync(fd);
    }
  });
}

/** What was written since, undefined if that cannot be told. Cut after the last complete line. */
function readFrom(fd: number, offset: number): Buffer | undefined {
  try {
    const { size } = fs.fstatSync(fd);
    if (size < offset) return undefined;
    const buffer = Buffer.alloc(size - offset);
    const length = fs.readSync(fd, buffer, 0, buffer.length, offset);
    return buffer.subarray(0, buffer.lastIndexOf(0x0a, length - 1) + 1);
  } catch {
    return undefined;
  }
}

function linked(fd: number): boolean {
  try {
    return fs.fstatSync(fd).nlink > 0;
  } catch {
    return false;
  }
}

function isOld(path: string): boolean {
  return Date.now() - (fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > foreignBellMsMax;
}

function quietly(attempt: () => void): void {
  try {
    attempt();
  } catch {
    // A bell is a hint.
  }
}
