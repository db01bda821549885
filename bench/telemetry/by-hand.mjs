import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { providerOf, toNowhere } from './sinks.mjs';

/** What the libraries take for it, if they are called by hand. */
export const byHand = {
  records() {
    const logger = toNowhere();
    const record = {
      node_id: 'a-host/12345/0123456789abcdef/0123456789abcdef',
      lock_id: 'free:123456',
      mode: 'exclusive',
      owner: '0123456789ab',
      fencing_token: '1700000000000000',
      lease_generation: '1700000000000000',
      ttl_ms: 6_000,
      acquired_at: '2026-01-01T00:00:00.000Z',
      renewal_count: 0,
      waited_ms: 0.123,
      held_ms: 0.012,
    };
    return () => {
      for (const event of ['granted', 'released']) logger.info({ event, ...record }, 'lock');
    };
  },
  spans() {
    const tracer = providerOf().getTracer('by hand');
    return () => {
      const whole = tracer.startSpan('lock', {}, ROOT_CONTEXT);
      const inner = trace.setSpan(ROOT_CONTEXT, whole);
      for (const name of ['lock wait', 'lock hold', 'lock release']) tracer.startSpan(name, {}, inner).end();
      whole.end();
    };
  },
};
