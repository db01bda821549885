export {
  type ConformanceCase,
  conformanceCaseIds,
  conformanceCases,
  type Fixture,
  type Runner,
  runConformance,
  type Skip,
} from './conformance/index.js';
export { type Faults, type Interceptor, wrapped } from './conformance/wrappers.js';
