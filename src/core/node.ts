import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';

/**
 * A process that asks for locks. The fields make it possible, on the same machine, to tell a dead
 * process from a living one that got the same pid.
 */
export interface NodeIdentity {
  readonly host: string;
  readonly pid: number;
  /**
   * Changes at every boot. On Linux it ends with the process-id namespace: a container's pids mean nothing
   * outside of it, so pids compare only where the whole `bootId` is the same.
   */
  readonly bootId: string;
  /** When the process started, in the kernel's own unit; empty where the platform does not say. */
  readonly startedAt: string;
  /** Random per instance, so that two instances in one process differ. */
  readonly nonce: string;
}

/** `host/pid/boot id/start nonce`: the `clientId` of the Web Locks API. */
export function nodeId(node: NodeIdentity): string {
  return `${node.host}/${node.pid}/${node.bootId.slice(0, 8)}/${node.nonce}`;
}

function orElse<T>(read: () => T, fallback: T): T {
  try {
    return read();
  } catch {
    return fallback;
  }
}

/** Linux names its boots. Elsewhere the host and the minute of the boot stand in. */
function readBootId(): string {
  const boot = orElse(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(), '');
  if (boot === '') return `${os.hostname()}@${Math.round(Date.now() / 60_000 - os.uptime() / 60)}`;
  return `${boot} ${orElse(() => readlinkSync('/proc/self/ns/pid'), 'pid:?')}`;
}

/**
 * Start time of a process in clock ticks since boot: field 22 of `/proc/PID/stat`, counted after the command's closing
 * parenthesis, because a command may contain spaces and parentheses. Empty where it cannot be read.
 */
export function readStartedAt(pid: number): string {
  const stat = orElse(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

export function readNodeIdentity(): NodeIdentity {
  return {
    host: os.hostname(),
    pid: process.pid,
    bootId: readBootId(),
    startedAt: readStartedAt(process.pid),
    nonce: randomBytes(6).toString('base64url'),
  };
}
