import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import process from 'node:process';
import { asciiJson } from './ascii.js';

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

const texts = new WeakMap<NodeIdentity, string>();

/** As JSON, in printable ASCII, which every store keeps as it is. An instance sends the same node with every ask, so it is written once. */
export function nodeText(node: NodeIdentity): string {
  let text = texts.get(node);
  if (text === undefined) {
    text = asciiJson(node);
    texts.set(node, text);
  }
  return text;
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

/** A process as the kernel shows it in `/proc/PID/stat`. */
export interface ProcessStatus {
  /** It does nothing any more, and nobody has collected it yet. */
  readonly dead: boolean;
  /** Stopped by a signal (SIGSTOP, Ctrl-Z) or a debugger: it does nothing until it is continued. */
  readonly stopped: boolean;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** In clock ticks since boot. */
  readonly startedAt: string;
}

/**
 * Undefined where there is no such process, or it is hidden, or there is no `/proc`. The fields (3, 4, 5, 6, 20 and 22 of proc(5)) are counted
 * after the command's closing parenthesis, because a command may contain spaces and parentheses.
 */
export function readProcess(pid: number): ProcessStatus | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = ''] = fields;
    return {
      // A process whose first thread has ended shows as a zombie, too, while its other threads work on.
      dead: state === 'X' || (state === 'Z' && Number(fields[17]) <= 1),
      stopped: state === 'T' || state === 't',
      parentPid: Number(fields[1]),
      groupId: Number(fields[2]),
      sessionId: Number(fields[3]),
      startedAt: fields[19] ?? '',
    };
  } catch {
    return undefined;
  }
}

/** Whether somebody has this pid. Works on every platform; says nothing of who it is, and counts zombies. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is one, but it is somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

export function readNodeIdentity(): NodeIdentity {
  return {
    host: os.hostname(),
    pid: process.pid,
    bootId: readBootId(),
    startedAt: readProcess(process.pid)?.startedAt ?? '',
    nonce: randomBytes(6).toString('base64url'),
  };
}
