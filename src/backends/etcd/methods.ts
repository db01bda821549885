import type { Buffer } from 'node:buffer';
import type { Message } from './wire/codec.js';
import * as messages from './wire/messages.js';

/** One method of etcd's API. */
export interface Method<In, Out> {
  readonly path: string;
  /** For messages: `granting a lease`. */
  readonly doing: string;
  readonly encode: (value: In) => Buffer;
  readonly decode: (bytes: Uint8Array) => Out;
  /** Whether a member may answer that has lost its leader. */
  readonly hasLeader: boolean;
}

function method<In, Out>(
  path: string,
  doing: string,
  request: Message<In, unknown>,
  response: Message<never, Out>,
  hasLeader = true,
): Method<In, Out> {
  return {
    path: `/etcdserverpb.${path}`,
    doing,
    encode: (value) => request.encode(value),
    decode: (bytes) => response.decode(bytes),
    hasLeader,
  };
}

export const range = method('KV/Range', 'reading keys', messages.rangeRequest, messages.rangeResponse);
/** The same of keys that others may have written. */
export const anyRange = method('KV/Range', 'reading keys', messages.rangeRequest, messages.anyRangeResponse);
export const txn = method('KV/Txn', 'a transaction', messages.txnRequest, messages.txnResponse);
export const leaseGrant = method('Lease/LeaseGrant', 'granting a lease', messages.leaseGrantRequest, messages.leaseGrantResponse);
export const leaseRevoke = method(
  'Lease/LeaseRevoke',
  'revoking a lease',
  messages.leaseRevokeRequest,
  messages.leaseRevokeResponse,
);
export const leaseKeepAlive = method(
  'Lease/LeaseKeepAlive',
  'renewing leases',
  messages.keepAliveRequest,
  messages.keepAliveResponse,
);
export const leaseTimeToLive = method(
  'Lease/LeaseTimeToLive',
  'reading what a lease has left',
  messages.timeToLiveRequest,
  messages.timeToLiveResponse,
);
export const anyTimeToLive = method(
  'Lease/LeaseTimeToLive',
  'reading what a lease has left',
  messages.anyTimeToLiveRequest,
  messages.timeToLiveResponse,
);
export const watch = method('Watch/Watch', 'watching keys', messages.watchRequest, messages.watchResponse);
export const memberList = method(
  'Cluster/MemberList',
  'listing members',
  messages.memberListRequest,
  messages.memberListResponse,
  false,
);
export const status = method('Maintenance/Status', 'reading the status', messages.statusRequest, messages.statusResponse, false);
export const alarms = method('Maintenance/Alarm', 'reading alarms', messages.alarmRequest, messages.alarmResponse, false);
export const authenticate = method(
  'Auth/Authenticate',
  'logging in',
  messages.authenticateRequest,
  messages.authenticateResponse,
  false,
);
