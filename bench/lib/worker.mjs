import { tasks } from './tasks.mjs';

/** A process of a crew: opens the contender's store, then does the tasks that it is sent, one at a time. */
const [moduleUrl, options] = process.argv.slice(2);

function say(message) {
  process.send(message);
}

async function open() {
  const { open } = await import(moduleUrl);
  return open(JSON.parse(options));
}

async function serve(store) {
  say({ result: 'open' });
  for await (const task of tasksSent()) {
    if (task.kind === 'close') break;
    say({ result: await tasks[task.kind](store, task) });
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

try {
  await serve(await open());
  process.disconnect();
} catch (error) {
  say({ error: error?.stack ?? String(error) });
  process.exitCode = 1;
  process.disconnect();
}
