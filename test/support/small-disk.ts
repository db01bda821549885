import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { works } from './processes.js';

/** Only root can mount one. */
export const smallDiskIsMissing = process.getuid?.() !== 0 || !works('mountpoint', '/');

/** A disk in memory that can be filled to the brim. */
export class SmallDisk {
  readonly folder: string;

  /** @param owner who may write to it, if not root alone */
  constructor(folder: string, kilobytes: number, owner: { readonly uid?: number; readonly gid?: number } = {}) {
    this.folder = folder;
    mkdirSync(folder);
    const { uid = 0, gid = 0 } = owner;
    const options = `size=${kilobytes}k,uid=${uid},gid=${gid},mode=0700`;
    if (!works('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', folder)) throw new Error('tmpfs cannot be mounted here');
  }

  fill(): void {
    try {
      writeFileSync(this.#ballast, Buffer.alloc(16 << 20));
    } catch {
      // What fitted is there.
    }
  }

  empty(): void {
    rmSync(this.#ballast);
  }

  unmount(): void {
    works('umount', '-l', this.folder);
  }

  get #ballast(): string {
    return path.join(this.folder, 'ballast');
  }
}
