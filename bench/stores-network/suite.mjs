import { delayed } from '../lib/delay.mjs';
import { parts as near } from '../stores/suite.mjs';

const delayMsDefault = 1;

/** The same stores, contenders and targets. `held` is left out: what it costs to keep a lease does not hang on the way. */
export const parts = near.map((part) => ({
  ...part,
  title: ({ delayMs = delayMsDefault }) => `${part.title}; the server ${delayMs} ms away in each direction`,
  works: ['solo', 'xproc', 'handover'],
  start: (options) => startAway(part, options),
}));

/** On the client's machine a store shares its processors, and no way lies between: no one has it there in production. */
async function startAway(part, { delayMs = delayMsDefault, ...options }) {
  const server = await part.start(options);
  try {
    const way = await delayed(server.options.port, delayMs);
    return {
      ...server,
      options: { ...server.options, port: way.port },
      async stop() {
        await way.stop();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
