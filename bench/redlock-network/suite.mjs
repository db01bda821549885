import { startNodes } from '../redlock/nodes.mjs';
import { contenders as all, chart as chartOf, machine as machineOf, targets as targetsOf } from '../redlock/suite.mjs';
import { delayed } from './delay.mjs';

const delayMs = 1;

export const title = `five Redis servers, each ${delayMs} ms away in each direction; else as above`;
export const chart = `${chartOf}, servers ${delayMs} ms away`;
export const contenders = all;
export const works = ['solo', 'xproc', 'handover'];
export const targets = targetsOf;
export const machine = machineOf;

/** Nodes that are independent are not on the client's machine: there they share its processors, and no way lies between. */
export async function start(options) {
  const nodes = await startNodes(options);
  const ways = await Promise.all(nodes.options.ports.map((port) => delayed(port, delayMs)));
  return {
    options: { ports: ways.map(({ port }) => port) },
    empty: (work) => nodes.empty(work),
    async stop() {
      for (const way of ways) await way.stop();
      await nodes.stop();
    },
  };
}
