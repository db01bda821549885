// A store with one defect, for `holdfast drill --module`: a file of SQLite behind a wrapper, in every process of the drill. The defect and
// the file are in the environment.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { sqlite } from '../../../dist/backends/sqlite/index.js';
import { wrapped } from '../../../dist/testkit/index.js';

const operator = (backend, name) =>
  backend.revoke(name, { kind: 'revoked', reason: 'a defect', node: { host: '', pid: 0, bootId: '', startedAt: '', nonce: '' } });

async function anyOf(backend, name) {
  for await (const _ of backend.list(name.text)) return true;
  return false;
}

/** What all processes of the drill know. */
const file = (what) => `${process.env.DRILL_FILE}.${what}`;
const kept = (what) => (existsSync(file(what)) ? readFileSync(file(what), 'utf8') : undefined);
function keep(what, text, flag) {
  writeFileSync(file(what), text, { flag });
  return text;
}

/** How each goes wrong, in terms of the contract. */
const defects = {
  none: () => ({}),
  'fences go back': () => ({
    async acquire(call, ask) {
      const answer = await call(ask);
      if (answer.outcome !== 'granted') return answer;
      // A counter that was stored in the wrong order.
      const turned = (fence) => 2n ** 62n - fence;
      return { ...answer, fences: { first: turned(answer.fences.last), last: turned(answer.fences.first) } };
    },
  }),
  'a release frees whoever holds it': (backend) => ({
    async release(_call, { name }) {
      const { ended } = await operator(backend, name);
      return ended.length > 0 ? 'released' : 'absent';
    },
  }),
  'a renewal takes the name back': (backend) => ({
    async renew(call, holds) {
      const answers = await call(holds);
      return Promise.all(
        answers.map(async (answer, i) => {
          const held = holds[i];
          if (answer.outcome !== 'gone' && answer.outcome !== 'not-yours') return answer;
          await operator(backend, held.name);
          return { outcome: 'renewed', ttlMs: held.ttlMs };
        }),
      );
    },
  }),
  'everybody is granted': () => ({ acquire: (call, ask) => call({ ...ask, mode: 'shared' }) }),
  'leases end before their time': () => ({
    async acquire(call, ask) {
      const answer = await call({ ...ask, ttlMs: ask.ttlMs / 4 });
      return answer.outcome === 'granted' ? { ...answer, ttlMs: ask.ttlMs } : answer;
    },
    async renew(call, holds) {
      const answers = await call(holds.map((held) => ({ ...held, ttlMs: held.ttlMs / 4 })));
      return answers.map((answer, i) => (answer.outcome === 'renewed' ? { ...answer, ttlMs: holds[i].ttlMs } : answer));
    },
  }),
  'a release frees nobody': () => ({ release: async () => 'released' }),
  'a free name forgets its fences': (backend) => ({
    async acquire(call, ask) {
      const idle = !(await anyOf(backend, ask.name));
      const answer = await call(ask);
      if (answer.outcome !== 'granted') return answer;
      if (idle) keep('base', String(answer.fences.first - 1n), 'w');
      const base = BigInt(kept('base'));
      return { ...answer, fences: { first: answer.fences.first - base, last: answer.fences.last - base } };
    },
  }),
  'one is served when nobody else asks': (backend) => ({
    async acquire(call, ask) {
      const patient = kept('patient') ?? keep('patient', String(process.pid), 'wx');
      if (patient !== String(process.pid) || !(await anyOf(backend, ask.name))) return call(ask);
      return { outcome: 'refused', because: 'queued', holders: [], ahead: 1 };
    },
  }),
  'nobody is let go': () => ({
    acquire: (call, ask) => call({ ...ask, ttlMs: 60_000 }),
    renew: (call, holds) => call(holds.map((held) => ({ ...held, ttlMs: 60_000 }))),
  }),
};

export async function open() {
  const backend = sqlite(process.env.DRILL_FILE);
  return wrapped(backend, defects[process.env.DRILL_DEFECT](backend));
}
