import { parseArgs } from 'node:util';

const help = `npm run example:payments -- [options]

  --requests N              requests to send, duplicates included     (2000)
  --guards on|off           whether sinks refuse older fences         (on)
  --stores sqlite|postgres  embedded, or PostgreSQL and Redis         (sqlite)
  --workers N               processes of the service                  (3)
  --rate N                  requests per second                       (80)
  --faults on|off           whether anything is frozen, killed or cut (on)
  --seed N                  replays the plan of requests and faults   (random)
  --keep                    leave the folder with all logs and data
  --json                    the last line is the audit as JSON

It starts all servers that it needs. Ends with 1 if the audit fails while the guards are on.`;

const options = {
  requests: { type: 'string', default: '2000' },
  guards: { type: 'string', default: 'on' },
  stores: { type: 'string', default: 'sqlite' },
  workers: { type: 'string', default: '3' },
  rate: { type: 'string', default: '80' },
  faults: { type: 'string', default: 'on' },
  seed: { type: 'string' },
  keep: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

/** What a run is made of; or ends the process, with the reason. */
export function readArgs(words) {
  try {
    const { values } = parseArgs({ args: words, options });
    if (values.help) {
      console.log(help);
      process.exit(0);
    }
    return {
      requests: count('requests', values.requests),
      guards: oneOf('guards', values.guards, ['on', 'off']) === 'on',
      stores: oneOf('stores', values.stores, ['sqlite', 'postgres']),
      workers: count('workers', values.workers),
      ratePerSecond: count('rate', values.rate),
      faults: oneOf('faults', values.faults, ['on', 'off']) === 'on',
      seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : count('seed', values.seed),
      keep: values.keep,
      json: values.json,
    };
  } catch (error) {
    console.error(`${error.message}\n\n${help}`);
    process.exit(2);
  }
}

function count(name, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} is ${text}: give a whole number from 1 on`);
  return value;
}

function oneOf(name, text, known) {
  if (!known.includes(text)) throw new Error(`--${name} is ${text}: use ${known.join(' or ')}`);
  return text;
}
