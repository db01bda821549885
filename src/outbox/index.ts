export type { Json, OutboxEvent, OutboxMessage, WrittenEvent } from './event.js';
export { type Inbox, type InboxMessage, type InboxOptions, inbox, type Taken } from './inbox.js';
export { type DiscardedEvent, type Outbox, type OutboxLetter, type OutboxStatus, outbox } from './outbox.js';
export {
  type BatchPublisher,
  type PublishContext,
  type Publisher,
  type SinglePublisher,
  UnpublishableError,
} from './publisher.js';
export { type HttpOptions, httpPublisher, messageOfRequest } from './publishers/http.js';
export { messageOfEntry, type RedisStreamsOptions, redisStreams, type StreamsClient } from './publishers/redis-streams.js';
export { type Relay, relay } from './relay.js';
export type { RelayEvent, RelayOptions } from './relay-options.js';
export { outboxDefinitions } from './sql/definitions.js';
export { inboxDefinitions } from './sql/inbox.js';
