import { randomBytes } from 'node:crypto';
import type { Finding, Stop } from '../../../core/backend.js';
import type { Commands } from '../commands.js';
import type { Driver } from '../driver.js';
import { literal } from '../sql/text.js';

const arrivesMsMax = 1_500;

const polling =
  'waiters ask again up to five times a second instead of being woken, and a hand-over between processes takes that long';

/** Whether a notification arrives: tried out, since no setting tells. `listener`: undefined where listening was switched off. */
export async function pooler(
  driver: Driver,
  listener: Driver | undefined,
  commands: Commands,
  timeoutMs: number,
): Promise<readonly Finding[]> {
  const { told, answering } = await driver.backends();
  const pooled = told !== undefined && told !== answering;
  const found: Finding[] = pooled
    ? [
        {
          severity: 'info',
          what: 'a connection pooler stands between',
          why: 'that is fine: no call depends on its session. Only LISTEN does',
          fix: 'nothing, if wake-ups go past it',
        },
      ]
    : [];
  if (listener === undefined) {
    return [
      ...found,
      { severity: 'info', what: 'nobody listens for wake-ups', why: polling, fix: 'take the option listen: false out again' },
    ];
  }
  const outcome = await arrives(listener, commands, timeoutMs);
  if (outcome === 'yes') return found;
  return [
    ...found,
    {
      severity: 'warning',
      what: outcome === 'impossible' ? 'wake-ups cannot pass the pooler' : 'a notification did not arrive',
      why: polling,
      fix: 'postgres(pool, { listen: directPool }) with a pool that leads to the server itself: one connection for each process',
    },
  ];
}

async function arrives(listener: Driver, commands: Commands, timeoutMs: number): Promise<'yes' | 'no' | 'impossible'> {
  const channel = `holdfast_probe_${randomBytes(8).toString('hex')}`;
  let stop: Stop = () => {};
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      timer = setTimeout(() => resolve('no'), arrivesMsMax);
      stop = listener.listen(channel, {
        message: () => resolve('yes'),
        active: () => void commands.query(`SELECT pg_notify(${literal(channel)}, '') AS r`, 'notifying', timeoutMs).catch(reject),
        impossible: () => resolve('impossible'),
      });
    });
  } finally {
    clearTimeout(timer);
    stop();
  }
}
