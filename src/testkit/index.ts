export { check, type Violation } from './check/check.js';
export type { Happening, History, HistoryEvent } from './check/history.js';
export {
  type ConformanceCase,
  conformanceCaseIds,
  conformanceCases,
  type Fixture,
  type Runner,
  runConformance,
  type Skip,
} from './conformance/index.js';
export { type ClosableRecords, type RecordsFixture, runRecordsConformance } from './conformance/records.js';
export { type Faults, type Interceptor, wrapped } from './conformance/wrappers.js';
export type { HeldRequest, ProxyFault } from './faults/link.js';
export { FaultProxy } from './faults/proxy.js';
export { generate } from './sim/generate.js';
export { type RunResult, run } from './sim/run.js';
export type { Scenario } from './sim/scenario.js';
export { shrink } from './sim/shrink.js';
