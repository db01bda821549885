import { usage } from './exit.js';

const store = `  --backend URL     where the locks lie; default $HOLDFAST_BACKEND, else sqlite:
                    (holdfast/locks.db under $XDG_STATE_HOME or ~/.local/state)`;

const general = `holdfast: run commands under a lock that cannot go stale in silence

  holdfast run NAME -- COMMAND ARGS…     run a command while holding the lock NAME
  holdfast query [PREFIX]                who holds, who waits
  holdfast inspect NAME                  the same for one name
  holdfast doctor [NAME]                 what is the matter, and what to do about it
  holdfast revoke NAME --reason TEXT     end a hold; its command is stopped
  holdfast top [PREFIX]                  what goes on, by groups of names, live
  holdfast outbox POSTGRES_URL           what an outbox has not published; dead letters
  holdfast reconcile MODULE              resolve requests whose outcome nobody knows
  holdfast verify-guard URL              whether a sink refuses a stale fence
  holdfast rules prometheus              alerts, routes and a dashboard, to be saved
  holdfast drill                         whether this store keeps what is promised

  holdfast COMMAND --help                options and examples
  holdfast --version

Exit status: 0, that of the command, or
  1 a check found something
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
writes to refuse older ones), HOLDFAST_TTL_MS and HOLDFAST_RUN_ID. Streams, signals and
the exit status pass through. If the lease cannot be renewed, or is revoked, COMMAND is
stopped before the lock can pass on. Durations need a unit: 500ms, 10s, 5m, 1h.

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

  --json            one object {name, held, waiting, revocations}
${store}

Below stand the revocations of the last thirty days: who, where, which fence, and why.

  holdfast inspect nightly-report
`;

const doctor = `holdfast doctor [OPTIONS] [NAME]

Says what is the matter with NAME, what was seen, and the command to run next. Without NAME:
what could make the store unsafe.

  --expected-hold 30s   how long the work should take
  --sink URL            compare the mark of a sink with the fence (URL as for verify-guard)
  --resource NAME       the resource there, if it is not NAME
  --operation NAME      NAME is the idempotency key of a request of this operation
  --namespace NAME, --tenant NAME    of that request, if it has them
  --scan                all names, or those that start with NAME, looked at twice
  --json                one object
${store}

A holder is looked at until a renewal was seen or missed, for 10 s at most.

Exit status: 0 free or healthy, 1 something found, 64 usage, 69 store unavailable.

  holdfast doctor nightly-report
  holdfast doctor --scan payment: --json | jq .counts
`;

const revoke = `holdfast revoke [OPTIONS] NAME --reason TEXT

Ends every hold on NAME. The holder learns of it with its next renewal at the latest; a
command under "holdfast run" is then stopped (exit 76). The next fence is higher.

  --reason TEXT     shown to the holder, and noted
  --if-fence N      only if the hold with this fence is still there; else exit 1
  -y, --yes         do not ask first (a script without a terminal is never asked)
  --json            one object {name, ended, recorded}
${store}

It is noted who ended what and why: "holdfast inspect NAME" shows that for thirty days.

Exit status: 0 ended, or nobody held it; 1 another fence than N, or answered with no.

  holdfast revoke nightly-report --reason 'hangs since 3 am, ticket 4711'
  holdfast revoke nightly-report --reason 'paused' --if-fence 1763769612345678
`;

const top = `holdfast top [OPTIONS] [PREFIX]

Shows what goes on, by groups of names: who holds and waits, how often, for how long. On a
terminal it is drawn anew until q or Ctrl-C; elsewhere one table follows the other.

  --every 1s        pause between two looks, each of which reads all that is held; from 200ms
  --group-by REGEX  what it finds in a name, or its first group; default: before the first ":"
  --once            one table, from two looks, then end
  --json            one object per table; times milliseconds
${store}

All is told from what differs between two looks, over the last minute. HOLD and WAIT are right
within a pause, GRANTS/S and LOST (not renewed until the TTL was over) are the least it can be.

  holdfast top payment:
  holdfast top --once --json --every 5s | jq '.groups[] | select(.lostAtLeast > 0)'
`;

const outbox = `holdfast outbox [--json] POSTGRES_URL
holdfast outbox retry [--json] POSTGRES_URL ID… | --all
holdfast outbox discard POSTGRES_URL ID

Shows how far an outbox is behind, and what could not be published: events that are tried
again, and dead letters, which are not, and which hold up the later events of their key.

  retry             tries dead letters again, in their places
  discard           takes a dead letter out and prints it as JSON: keep it. What waited
                    behind it goes on, and no consumer misses it
  --all             all dead letters
  --json            one object; sequences are strings, times milliseconds

POSTGRES_URL is postgres://user:password@host:5432/database?schema=holdfast. Nothing is
created there.

  holdfast outbox "$DATABASE_URL"
  holdfast outbox --json "$DATABASE_URL" | jq .lagMs
  holdfast outbox retry "$DATABASE_URL" 0b7e8f2c-9a3d-4a55-8f0e-3c1f5f0c9d11
`;

const reconcile = `holdfast reconcile [OPTIONS] MODULE

Finds frozen idempotency records, and has MODULE say what became of their requests. One
process at a time does it: the others wait to be elected.

MODULE exports records, sinks, resolve, and if wanted log, namespace, operation, close;
each may be a promise.

  --once            one pass, then end; exit 75 if another process is at it
  --every 10s       pause between two passes
  --name NAME       what is campaigned for; default: "holdfast reconcile"
  --ttl 10s         how long a leader that vanished keeps the others waiting
  --json            one object per line for each event, and for the summary of --once
${store}

Exit status: 0 done, or ended by a signal; with --once 65 if some requests stay frozen.

  holdfast reconcile ./reconcile.mjs
  holdfast reconcile --once --json ./reconcile.mjs
`;

const verifyGuard = `holdfast verify-guard [OPTIONS] URL | FILE

Sends a fresh fence to a sink, then stale ones, also one that becomes stale while the work
runs; looks whether they are refused, and whether something would end the mark.

  --resource NAME   whose mark is raised; default: holdfast:verify-guard
  --method METHOD   for http; default: POST
  --header N:VALUE  for http: one more header, such as an authorization
  --json            one object {safe, verifications}

URL is that of a database (postgres:, mysql:, redis:, dynamodb:, s3:), or the address of a
receiver (http:, https:), which gets requests with the header Fencing-Token: give one that
is there to be tried. FILE is a module whose default export is a guard, or makes one.

Exit status: 0 safe, 1 not safe, 64 usage, 69 the sink is unavailable.

  holdfast verify-guard postgres://app@db.example.com/app
  holdfast verify-guard https://example.com/fence-test
`;

const rules = `holdfast rules prometheus [OPTIONS]
holdfast rules alertmanager [--by LABEL,…] [--pagerduty-key FILE]
holdfast rules grafana [--by LABEL,…]

Writes files for a monitoring that is there already, on standard output: recording and
alerting rules; an example of routes to PagerDuty; a dashboard to import.

  --by job,namespace      labels that keep services apart, besides group; default: job
  --runbooks URL          the folder that has the pages that alerts link to
  --severity A=warning,…  another severity: critical, warning or info
  --without A,…           leaves alerts out
  --interval 30s          how often the rules are evaluated; default: as Prometheus has it
  --pagerduty-key FILE    has the key; default: /etc/alertmanager/pagerduty.key

When alerts fire (percentages and numbers have no unit):
  --acquisition-p99 5s    --window 5m           waits are long, for so long
  --drift 15              --drift-window 1m     % of the TTL that renewals are late
  --renewal-failures 5    --renewal-window 2m   a minute, over so long
  --hold-p99 1m                                 a bound for holds besides what is expected
  --until-ttl 5           --events 10m          % of turns that expire; how long a single
                                                loss or refusal is shown
  --overdue-for 1m        --frozen-for 5m       how long it is so
  --store-errors 5        --outbox-lag 1m       % of calls; age of the oldest event
  --stuck-after 10m       --patient-groups REGEX
                          callers wait so long and none is granted (default: no alert);
                          groups that are meant to wait

  holdfast rules prometheus --runbooks https://example.com/runbooks > holdfast.rules.yml
  holdfast rules alertmanager > alertmanager-example.yml
  holdfast rules grafana > holdfast.json
`;

const drill = `holdfast drill [OPTIONS]

A game day on your own store, in names of its own. Processes of the drill hold, wait, and
are killed, stopped, blocked, cut off, have their clocks stepped and their hold revoked;
then four want the same name. What was promised stands beside what was seen.

  --only A,B        some of crash, freeze, block, cut, clock, revoke, contention, failover
  --ttl 2s          TTL of its leases: most of its time is waiting for one to end
  --module FILE     a module that exports open(), which returns a backend: your own client
  --failover        also has the sentinels of a redis+sentinel: URL change the master: this
                    concerns everybody who uses that Redis
  --json            one object {outcome, rows, notTried, left, ttlMs, tookMs}
${store}

All is given back at the end, also after Ctrl-C. It takes about a quarter of a minute.

Exit status: 0 all held, 1 a promise did not hold, 64 usage, 69 the store is unavailable
or a fault could not be tried.

  holdfast drill --backend redis://redis.example.com
  holdfast drill --only crash,freeze --json | jq '.rows[] | select(.held | not)'
`;

const topics: Readonly<Record<string, string>> = {
  run,
  query,
  inspect,
  doctor,
  revoke,
  top,
  reconcile,
  outbox,
  'verify-guard': verifyGuard,
  rules,
  drill,
};

export function helpFor(topic: string | undefined): string {
  if (topic === undefined || topic.startsWith('-')) return general;
  const text = Object.hasOwn(topics, topic) ? topics[topic] : undefined;
  if (text === undefined) throw usage(`no help for "${topic}": there is ${Object.keys(topics).join(', ')}`);
  return text;
}
