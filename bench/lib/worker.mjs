import { tasks } from './tasks.mjs';

/** A process of a crew: opens the contender's store, then does the tasks that it is sent, one at a time. */
const [moduleUrl, json] = process.argv.slice(2);
const options = JSON.parse(json);

function say(message) {
  process.send(message);
}

async function open() {
  const { open } = await import(moduleUrl);
  return open(options);
}

async function openMeter() {
  if (options.meter === undefined) return undefined;
  const { openMeter } = await import(options.meter);
  return openMeter(options);
}

async function serve(store, meter) {
  say({ result: 'open' });
  for await (const task of tasksSent()) {
    if (task.kind === 'close') break;
    say({ result: await tasks[task.kind](store, task, meter) });
  }
  await store.close();
}

async function* tasksSent() {
  const waiting = [];
  let wake = () => {};
  process.on('message', (task) => {
    waiting.push(task);
    wake();
  });
  for (;;) {
    while (waiting.length > 0) yield waiting.shift();
    await new Promise((resolve) => {
      wake = resolve;
    });
  }
}

// What a contender leaves behind, a timer or a connection, must not outlive the bench.
process.once('disconnect', () => process.exit());

try {
  await serve(await open(), await openMeter());
  process.disconnect();
} catch (error) {
  say({ error: error?.stack ?? String(error) });
  process.exitCode = 1;
  process.disconnect();
}
