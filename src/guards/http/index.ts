export { fencingOf } from './admitted.js';
export { type ExpressFences, expressFences, type NodeRequest } from './express.js';
export { type FastifyFences, type FastifyReplyLike, type FastifyRequestLike, fastifyFences } from './fastify.js';
export { type HonoContextLike, type HonoFences, honoFences } from './hono.js';
export type { Fencing, FencesOptions } from './receiver.js';
export { type Fetch, type HttpGuardOptions, httpGuard } from './sender.js';
export { tokenHeader } from './token.js';
