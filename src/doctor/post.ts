import type { Backend } from '../core/backend.js';
import { Calls } from '../core/calls.js';
import { type Ports, systemPorts } from '../core/clock.js';
import { limits } from '../core/limits.js';
import type { NodeIdentity } from '../core/node.js';

/** Where the doctor looks from, and with which deadlines. */
export interface Post {
  readonly backend: Backend;
  readonly calls: Calls;
  readonly ports: Ports;
  readonly self: NodeIdentity;
  readonly callTimeoutMs: number;
}

/** This process, on the clocks of this machine. */
export function postAt(backend: Backend, ports = systemPorts()): Post {
  return { backend, ports, calls: new Calls(ports), self: ports.identity(), callTimeoutMs: limits.callTimeoutMsDefault };
}
