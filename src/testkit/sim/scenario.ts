import type { Mode } from '../../core/backend.js';

/** One thing that a caller does. Everything that is decided before the run stands here, so that a run can be cut down. */
export interface Op {
  readonly id: string;
  readonly kind: 'request' | 'acquire' | 'revoke' | 'query';
  readonly thinkMs: number;
  readonly name: string;
  readonly mode: Mode;
  readonly ttlMs: number;
  readonly ifAvailable: boolean;
  readonly steal: boolean;
  readonly waitMs: number | undefined;
  /** The caller's own signal aborts so long after the request. */
  readonly abortAfterMs: number | undefined;
  readonly maxHoldMs: number | undefined;
  readonly workMs: number;
  readonly touchEveryMs: number;
  /** How long the work goes on, without touching the lease, after it learned of a loss. */
  readonly heedlessMs: number;
  readonly throws: boolean;
}

/** Callers of one process run side by side, each one's ops one after the other. */
export interface ProcessPlan {
  readonly name: string;
  readonly rate: number;
  readonly wallMs: number;
  readonly upMs: number;
  readonly callTimeoutMs: number;
  readonly closesAtMs: number | undefined;
  readonly callers: readonly (readonly Op[])[];
}

export type Fault =
  | { readonly kind: 'pause' | 'suspend' | 'partition'; readonly process: string; readonly atMs: number; readonly forMs: number }
  /** Replies come later and later-than-that, and then nothing comes through at all. */
  | {
      readonly kind: 'fade';
      readonly process: string;
      readonly atMs: number;
      readonly byMs: number;
      readonly cutAfterMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'step-wall'; readonly process: string; readonly atMs: number; readonly byMs: number }
  | { readonly kind: 'crash'; readonly process: string; readonly atMs: number; readonly restartAfterMs: number | undefined }
  /** The store answers nothing (and does nothing), or refuses everything at once. */
  | { readonly kind: 'outage'; readonly atMs: number; readonly forMs: number; readonly how: 'silent' | 'refusing' }
  /** The store stands still, then does everything that was sent to it. */
  | { readonly kind: 'store-pause'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'store-step-wall'; readonly atMs: number; readonly byMs: number }
  /** Down for a moment, back without its data. */
  | { readonly kind: 'forget'; readonly atMs: number; readonly forMs: number }
  /** Down for a moment, back with the data of a replica that lagged. */
  | { readonly kind: 'failover'; readonly atMs: number; readonly forMs: number; readonly lagMs: number }
  | { readonly kind: 'spurious-wake'; readonly atMs: number; readonly name: string }
  | NodeFault;

/** What happens to one node of a quorum, or to the way to it. */
export type NodeFault =
  /** Down for a moment, then another incarnation: with everything, with what it had `lagMs` earlier, or with nothing. */
  | {
      readonly kind: 'node-restart';
      readonly node: number;
      readonly atMs: number;
      readonly forMs: number;
      readonly keeps: 'all' | 'old' | 'nothing';
      readonly lagMs: number;
    }
  | {
      readonly kind: 'node-outage';
      readonly node: number;
      readonly atMs: number;
      readonly forMs: number;
      readonly how: 'silent' | 'refusing';
    }
  | { readonly kind: 'node-pause'; readonly node: number; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'node-step-wall'; readonly node: number; readonly atMs: number; readonly byMs: number }
  /** Between one process and one node nothing gets through, or nothing in one direction. */
  | {
      readonly kind: 'link-cut';
      readonly process: string;
      readonly node: number;
      readonly atMs: number;
      readonly forMs: number;
      readonly way: 'both' | 'there' | 'back';
    };

/** What may happen to one message, each with its probability. */
export interface MessageFaultRates {
  readonly lostRequest: number;
  readonly lostReply: number;
  readonly slowRequest: number;
  readonly slowReply: number;
  /** The client library sends it again after losing the reply. */
  readonly resent: number;
  /** The library sends it again, and the first copy arrives much later. */
  readonly straggler: number;
  /** The process stands still right after sending it. */
  readonly freeze: number;
  readonly lostWake: number;
  readonly lateWake: number;
}

export type Kind = 'calm' | 'flaky' | 'fading' | 'clocks' | 'processes' | 'store' | 'storm';

/** One of several independent servers. */
export interface NodePlan {
  readonly rate: number;
  readonly wallMs: number;
  /** Every write is on disk before it is answered. */
  readonly durable: boolean;
  /** All that goes wrong goes wrong here and on others like it, and they are a minority: nobody may suffer by it. */
  readonly spare: boolean;
}

export type QuorumKind = 'calm' | 'minority' | 'flaky' | 'fading' | 'clocks' | 'jumps' | 'processes' | 'amnesia' | 'storm';

/** Nodes that grant by majority, in place of the one store. */
export interface QuorumPlan {
  readonly nodes: readonly NodePlan[];
  readonly maxTtlMs: number;
  readonly nodeTimeoutMs: number;
}

export interface Scenario {
  readonly seed: number;
  readonly kind: Kind | QuorumKind;
  readonly quorum?: QuorumPlan;
  readonly store: {
    readonly rate: number;
    readonly wallMs: number;
    readonly queue: boolean;
    readonly push: boolean;
    readonly pollMs: number;
    readonly fencesPerGrant: number;
    /** Longest way of an undisturbed message to it or back. */
    readonly latencyMs: number;
  };
  readonly processes: readonly ProcessPlan[];
  readonly faults: readonly Fault[];
  readonly messages: MessageFaultRates;
  /** Where given, only these message faults happen (`process/number`): for shrinking. */
  readonly onlyMessages?: readonly string[];
  /** No message fault happens after that. */
  readonly endMs: number;
}

export const noMessageFaults: MessageFaultRates = {
  lostRequest: 0,
  lostReply: 0,
  slowRequest: 0,
  slowReply: 0,
  resent: 0,
  straggler: 0,
  freeze: 0,
  lostWake: 0,
  lateWake: 0,
};
