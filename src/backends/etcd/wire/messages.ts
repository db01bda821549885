import { bool, id, int, int64, type Message, message, nested, repeated, text } from './codec.js';

// The messages of etcd's API that are used here, with the numbers of its rpc.proto and kv.proto (etcd 3.4 to 3.6). Fields that
// nobody reads are left out: they are skipped.

export type In<M> = M extends Message<infer T, unknown> ? T : never;
export type Out<M> = M extends Message<never, infer T> ? T : never;

const header = message({ clusterId: id(1), memberId: id(2), revision: int(3), raftTerm: int(4) });
export type Header = Out<typeof header>;

const keyValue = message({
  key: text(1),
  createRevision: int(2),
  modRevision: int(3),
  value: text(5),
  lease: int(6),
});
export type KeyValue = Out<typeof keyValue>;

export const rangeRequest = message({
  key: text(1),
  rangeEnd: text(2),
  limit: int(3),
  revision: int(4),
  serializable: bool(7),
  keysOnly: bool(8),
  countOnly: bool(9),
});
export const rangeResponse = message({
  header: nested(1, header),
  kvs: repeated(nested(2, keyValue)),
  more: bool(3),
  count: int(4),
});
/** The same of keys that others may have written, whose leases have any of 64 bits. */
const anyKeyValue = message({ key: text(1), createRevision: int(2), modRevision: int(3), value: text(5), lease: int64(6) });
export const anyRangeResponse = message({ kvs: repeated(nested(2, anyKeyValue)) });
export type AnyKeyValue = Out<typeof anyKeyValue>;
export type RangeRequest = In<typeof rangeRequest>;

const putRequest = message({ key: text(1), value: text(2), lease: int(3) });
const putResponse = message({ header: nested(1, header) });
export type PutRequest = In<typeof putRequest>;

const deleteRequest = message({ key: text(1), rangeEnd: text(2), previous: bool(3) });
const deleteResponse = message({ header: nested(1, header), deleted: int(2), previous: repeated(nested(3, keyValue)) });
export type DeleteRequest = In<typeof deleteRequest>;

/** Which relation, and what of the key is compared. A key that is not there has 0 everywhere. */
export const relation = { equal: 0, greater: 1, less: 2 } as const;
export const target = { created: 1, modified: 2, value: 3 } as const;

const compare = message({
  result: int(1),
  target: int(2),
  key: text(3),
  createRevision: int(5),
  modRevision: int(6),
  value: text(7),
  rangeEnd: text(64),
});
export type Compare = In<typeof compare>;

export interface Op {
  readonly range?: RangeRequest;
  readonly put?: PutRequest;
  readonly delete?: DeleteRequest;
  readonly txn?: TxnRequest;
}

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure: readonly Op[];
}

export interface OpResponse {
  readonly range: Out<typeof rangeResponse> | undefined;
  readonly delete: Out<typeof deleteResponse> | undefined;
  readonly txn: TxnResponse | undefined;
}

export interface TxnResponse {
  readonly header: Header | undefined;
  readonly succeeded: boolean;
  readonly responses: readonly OpResponse[];
}

const op: Message<Op, unknown> = message({
  range: nested(1, rangeRequest),
  put: nested(2, putRequest),
  delete: nested(3, deleteRequest),
  txn: nested(4, (): Message<TxnRequest, unknown> => txnRequest),
}) as Message<Op, unknown>;
export const txnRequest: Message<TxnRequest, unknown> = message({
  compare: repeated(nested(1, compare)),
  success: repeated(nested(2, op)),
  failure: repeated(nested(3, op)),
}) as Message<TxnRequest, unknown>;

const opResponse: Message<unknown, OpResponse> = message({
  range: nested(1, rangeResponse),
  put: nested(2, putResponse),
  delete: nested(3, deleteResponse),
  txn: nested(4, (): Message<unknown, TxnResponse> => txnResponse),
}) as unknown as Message<unknown, OpResponse>;
export const txnResponse: Message<unknown, TxnResponse> = message({
  header: nested(1, header),
  succeeded: bool(2),
  responses: repeated(nested(3, opResponse)),
}) as unknown as Message<unknown, TxnResponse>;

export const leaseGrantRequest = message({ ttl: int(1), id: int(2) });
export const leaseGrantResponse = message({ header: nested(1, header), id: int(2), ttl: int(3), error: text(4) });
export const leaseRevokeRequest = message({ id: int(1) });
export const leaseRevokeResponse = message({ header: nested(1, header) });
export const keepAliveRequest = message({ id: int(1) });
export const keepAliveResponse = message({ header: nested(1, header), id: int(2), ttl: int(3) });
export const timeToLiveRequest = message({ id: int(1) });
export const anyTimeToLiveRequest = message({ id: int64(1) });
export const timeToLiveResponse = message({ header: nested(1, header), id: int(2), ttl: int(3), grantedTtl: int(4) });

/** Of `filters`. */
export const noPuts = 0;

const watchCreate = message({
  key: text(1),
  rangeEnd: text(2),
  startRevision: int(3),
  filters: repeated(int(5)),
  watchId: int(7),
});
const watchCancel = message({ watchId: int(1) });
const event = message({ type: int(1), kv: nested(2, keyValue) });
export const watchRequest = message({ create: nested(1, watchCreate), cancel: nested(2, watchCancel) });
export const watchResponse = message({
  header: nested(1, header),
  watchId: int(2),
  created: bool(3),
  canceled: bool(4),
  compactRevision: int(5),
  cancelReason: text(6),
  events: repeated(nested(11, event)),
});

const member = message({
  id: id(1),
  name: text(2),
  peerUrls: repeated(text(3)),
  clientUrls: repeated(text(4)),
  isLearner: bool(5),
});
export const memberListRequest = message({});
export const memberListResponse = message({ header: nested(1, header), members: repeated(nested(2, member)) });

export const statusRequest = message({});
export const statusResponse = message({
  header: nested(1, header),
  version: text(2),
  dbSize: int(3),
  leader: id(4),
  raftIndex: int(5),
  raftTerm: int(6),
  errors: repeated(text(8)),
  dbSizeInUse: int(9),
  isLearner: bool(10),
  dbSizeQuota: int(12),
});

const alarmMember = message({ memberId: id(1), alarm: int(2) });
/** Without fields it asks for all alarms that are raised. */
export const alarmRequest = message({});
export const alarmResponse = message({ header: nested(1, header), alarms: repeated(nested(2, alarmMember)) });

export const authenticateRequest = message({ name: text(1), password: text(2) });
export const authenticateResponse = message({ header: nested(1, header), token: text(2) });
