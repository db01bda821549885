import { usage } from './exit.js';

const store = `  --backend URL     where the locks lie; default $HOLDFAST_BACKEND, else sqlite:
                    (holdfast/locks.db under $XDG_STATE_HOME or ~/.local/state)`;

const general = `holdfast: run commands under a lock that cannot go stale in silence

  holdfast run NAME -- COMMAND ARGS…     run a command while holding the lock NAME
  holdfast query [PREFIX]                who holds, who waits
  holdfast inspect NAME                  the same for one name
  holdfast revoke NAME --reason TEXT     end a hold; its command is stopped

  holdfast COMMAND --help                options and examples
  holdfast --version

Exit status: 0, that of the command, or
  64 wrong usage           69 the store is unavailable
  75 not obtained in time  76 the lease was lost and the command stopped
`;

const run = `holdfast run [OPTIONS] NAME -- COMMAND ARGS…

Waits for the lock NAME, runs COMMAND while it is held and renewed, then releases it.

  --wait 30s        wait at most that long, then exit 75; 0 tries once; default: forever
  --ttl 10s         how long the store keeps the lock if this process vanishes
  --shared          share it with others that also say --shared
  --max-hold 5m     stop COMMAND when it has run that long (exit 76)
  --grace 3s        time between SIGTERM and SIGKILL when COMMAND must be stopped;
                    at most half of the TTL; default: 3s, or a third of the TTL if less
${store}

COMMAND sees HOLDFAST_NAME, HOLDFAST_FENCE (larger than every one before: have what it
writes to refuse older ones) and HOLDFAST_TTL_MS. Streams, signals and the exit status
pass through. If the lease cannot be renewed, or is revoked, COMMAND is stopped before
the lock can pass on. Durations need a unit: 500ms, 10s, 5m, 1h.

Exit status: that of COMMAND (128+n for signal n), 126 not executable, 127 not found,
64 usage, 69 store unavailable, 75 not obtained in time, 76 lost and stopped.

  holdfast run nightly-report -- ./report.sh --all
  holdfast run --wait 0 sync -- rsync -a /data/ backup:/data/     # skip if it runs already
  holdfast run --shared --wait 30s catalogue -- ./read-only-job
`;

const query = `holdfast query [OPTIONS] [PREFIX]

Shows who holds and who waits, for all names or those that start with PREFIX.

  --json            one object {at, held, waiting}; fences are strings, times milliseconds
  --watch           again every second until Ctrl-C; with --json one object per line
${store}

ALIVE is "?" for processes of another machine or container.

  holdfast query payment:
  holdfast query --json | jq '.held[] | select(.sinceMs > 60000)'
`;

const inspect = `holdfast inspect [OPTIONS] NAME

Shows who holds NAME and who waits for it, in the order of the queue.

  --json            one object {name, held, waiting}
${store}

  holdfast inspect nightly-report
`;

const revoke = `holdfast revoke [OPTIONS] NAME --reason TEXT

Ends every hold on NAME. The holder learns of it with its next renewal at the latest; a
command under "holdfast run" is then stopped (exit 76). The next fence is higher.

  --reason TEXT     shown to the holder
  --json            one object {name, ended}
${store}

  holdfast revoke nightly-report --reason 'hangs since 3 am, ticket 4711'
`;

const topics: Readonly<Record<string, string>> = { run, query, inspect, revoke };

export function helpFor(topic: string | undefined): string {
  if (topic === undefined || topic.startsWith('-')) return general;
  const text = Object.hasOwn(topics, topic) ? topics[topic] : undefined;
  if (text === undefined) throw usage(`no help for "${topic}": there is run, query, inspect and revoke`);
  return text;
}
