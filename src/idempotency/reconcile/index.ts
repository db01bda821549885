export {
  type Decision,
  type Evidence,
  type FrozenRequest,
  type NothingApplied,
  answerOf,
} from './decision.js';
export type { ReconciliationEvent, ReconciliationEvents, ReconciliationEventType, ReconciliationListener } from './events.js';
export type { DeclaredSink, RaisableSink, ReconcilerOptions, Resolve, ResolveTurn } from './options.js';
export type { PassSummary } from './outcomes.js';
export { type Reconciler, reconciler } from './reconciler.js';
export type { Leading } from './steps.js';
