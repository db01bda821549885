import type { Held, LockRecord, Release, RevokedBy, Stop } from '../../../core/backend.js';
import type { Ports } from '../../../core/clock.js';
import { OutcomeUnknownError } from '../../../core/errors.js';
import { limits } from '../../../core/limits.js';
import type { LockName } from '../../../core/name.js';
import { Commands, callId } from '../../redis/commands.js';
import type { Driver, Reply } from '../../redis/driver.js';
import { Keys } from '../../redis/keys.js';
import { Server } from '../../redis/probe/server.js';
import { list, misdelivered, mustBeDone, number, text } from '../../redis/replies.js';
import { Wakes } from '../../redis/wakes.js';
import type {
  Ballot,
  Claim,
  Confirmed,
  HoldCopy,
  Joined,
  Node,
  NodeHolder,
  NodeRenewal,
  Report,
  Sight,
  Standing,
  Terms,
  Vote,
} from '../node.js';
import { patienceMs, type Settings } from '../options.js';
import { confirmedOf, copyOf, endedOf, holderIn, releaseOf, renewalsOf, roundIn, standingOf, voteOf } from './answers.js';
import { holdersAt, holdersBelow } from './listing.js';
import { selfOf } from './persistence.js';
import { report } from './report.js';
import { abandonScript } from './scripts/abandon.js';
import { confirmScript } from './scripts/confirm.js';
import { copyScript } from './scripts/copy.js';
import { joinScript } from './scripts/join.js';
import { passOnScript } from './scripts/pass-on.js';
import { releaseScript } from './scripts/release.js';
import { renewScript } from './scripts/renew.js';
import { repairScript } from './scripts/repair.js';
import { revokeScript } from './scripts/revoke.js';
import { voteScript } from './scripts/vote.js';
import { sightOf } from './sight.js';
import { ballotTexts, ttlOf, whole } from './texts.js';

/** How often a server may be another one between two questions, before it is called unreachable. */
const joinTriesMax = 3;

/** One Redis server as a node: each request is one script, and the script knows which server it runs on. */
export class RedisNode implements Node {
  readonly name: string;
  readonly #driver: Driver;
  readonly #settings: Settings;
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #wakes: Wakes;
  readonly #record: string;
  readonly #retention: string;
  readonly #tool: string;

  /** @param tool how the server's own tool is called to reach it; else that is told from its name */
  constructor(name: string, driver: Driver, settings: Settings, ports?: Ports, tool?: string) {
    this.#tool =
      tool ??
      `redis-cli${name.replace(/^(.*):(\d+)$|.*/, (_, host, port) => (port === undefined ? '' : ` -h ${host} -p ${port}`))}`;
    this.name = name;
    this.#driver = driver;
    this.#settings = settings;
    this.#commands = new Commands(driver, ports);
    this.#keys = new Keys(settings.prefix);
    // Each release wakes one process: one that has nobody waiting passes it on.
    this.#wakes = new Wakes(driver, settings.prefix, (key) => this.#passOn(key));
    this.#record = recordKey(settings.prefix);
    this.#retention = String(settings.fenceRetentionMs);
  }

  async join({ graceMs, trustNew }: Terms): Promise<Joined> {
    const timeoutMs = this.#settings.commandTimeoutMs;
    const server = new Server((args) => this.#driver.command(this.#record, args), timeoutMs);
    for (let tries = 1; tries <= joinTriesMax; tries++) {
      const { runId, durable } = await selfOf(server);
      const args = [runId, String(Math.ceil(graceMs)), flag(trustNew), flag(durable)];
      const reply = await this.#commands.eval(joinScript, [this.#record], args, timeoutMs);
      if (list(reply)[0] === 'moved') continue;
      const { state, ...standing } = standingOf(reply);
      if (state === 'stranger') throw misdelivered();
      return { ...standing, state, incarnation: text(list(reply)[3]) };
    }
    throw new OutcomeUnknownError(`${this.name} is restarted again and again: see its log`);
  }

  vote(ballot: Ballot, incarnation: string): Promise<Standing & { readonly vote?: Vote }> {
    const { ask, robs } = ballot;
    const key = this.#keys.of(ask.name);
    const texts = ballotTexts(ballot);
    const { owner, ttl, rest, fences, proposal, round } = texts;
    const args = [owner, ttl, rest, this.#retention, fences, proposal, round, incarnation];
    // Each word more costs the server as much as a small part of the script.
    const isWatched = this.#wakes.isWatched(key);
    if (isWatched || robs !== undefined) args.push(isWatched ? this.#wakes.channel : '');
    if (robs !== undefined) args.push(whyOf(robs));
    const place = { name: ask.name.text, key };
    const read = (reply: Reply) => voteOf(reply, texts, place);
    return this.#commands.ask(voteScript, [key, this.#record], args, this.#timeoutMs(ask.ttlMs), read);
  }

  async confirm(claim: Claim, incarnation: string): Promise<Confirmed> {
    const { name, owner, round, first, last, ttlMs } = claim;
    const args = [owner, whole(round), String(first), String(last), this.#retention, incarnation];
    const reply = await this.#commands.eval(confirmScript, [this.#keys.of(name), this.#record], args, this.#timeoutMs(ttlMs));
    return confirmedOf(reply, owner);
  }

  /** One script for all holds of a TTL. */
  async renew(holds: readonly Held[], incarnation: string): Promise<Standing & { readonly renewals: readonly NodeRenewal[] }> {
    const renewals: NodeRenewal[] = [];
    const parts = await Promise.all(portions(holds).map((portion) => this.#renewPortion(portion, incarnation, renewals)));
    const stranger = parts.find(({ state }) => state === 'stranger');
    const last = stranger ?? parts.at(-1);
    if (last === undefined) throw misdelivered();
    return { ...last, renewals: stranger === undefined ? renewals : [] };
  }

  async copy({ name, owner, ttlMs }: Held): Promise<HoldCopy | undefined> {
    return copyOf(await this.#commands.eval(copyScript, [this.#keys.of(name)], [owner], this.#timeoutMs(ttlMs)), owner);
  }

  async repair(
    held: Held,
    copy: HoldCopy,
    untilUs: number,
    incarnation: string,
  ): Promise<Standing & { readonly repaired: boolean }> {
    const { round, last, text: value } = copy;
    const until = whole(Math.floor(untilUs / 1_000));
    const args = [held.owner, whole(round), String(last), value, until, ttlOf(held), this.#retention, incarnation];
    const keys = [this.#keys.of(held.name), this.#record];
    const reply = await this.#commands.eval(repairScript, keys, args, this.#timeoutMs(held.ttlMs));
    return { ...standingOf(reply), repaired: number(list(reply)[3]) === 1 };
  }

  release({ name, owner, ttlMs }: Held): Promise<Release> {
    return this.#commands.ask(releaseScript, [this.#keys.of(name)], [owner], this.#timeoutMs(ttlMs), releaseOf);
  }

  async abandon(name: LockName, owner: string, round?: number): Promise<void> {
    const args = [owner, round === undefined ? '' : whole(round)];
    const reply = await this.#commands.eval(abandonScript, [this.#keys.of(name)], args, this.#timeoutMs());
    mustBeDone(reply);
  }

  async roundOf(name: LockName): Promise<number | undefined> {
    return roundIn(await this.#look(this.#keys.of(name)));
  }

  async holderOf(name: LockName): Promise<NodeHolder | undefined> {
    const key = this.#keys.of(name);
    return holderIn(await this.#look(key), { name: name.text, key });
  }

  async revoke(name: LockName, by: RevokedBy, upToRound: number, only = ''): Promise<readonly LockRecord[]> {
    const key = this.#keys.of(name);
    const reply = await this.#commands.eval(
      revokeScript,
      [key],
      [whyOf(by), whole(upToRound), only, callId()],
      this.#timeoutMs(),
    );
    return endedOf(reply, { name: name.text, key });
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return holdersAt(this.#commands, this.#keys, [this.#keys.of(name)], name.text, this.#settings.commandTimeoutMs);
  }

  list(prefix: string): Promise<readonly LockRecord[]> {
    return holdersBelow(this.#commands, this.#keys, prefix, this.#settings.commandTimeoutMs);
  }

  examine(name: LockName): Promise<Sight> {
    const { commandTimeoutMs: timeoutMs } = this.#settings;
    const examiner = { commands: this.#commands, keys: this.#keys, timeoutMs, tool: this.#tool };
    return sightOf(this.name, examiner, this.#driver, this.#settings, this.#record, name);
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#wakes.watch(this.#keys.of(name), wake);
  }

  probe(): Promise<Report> {
    return report(this.#driver, this.#settings, this.#record);
  }

  close(): void {
    this.#commands.close();
    this.#wakes.close();
    this.#driver.close();
  }

  async #renewPortion(portion: readonly Entry[], incarnation: string, renewals: NodeRenewal[]): Promise<Standing> {
    const ttlMs = portion[0]?.held.ttlMs ?? 0;
    const owners = portion.map(({ held }) => held.owner);
    const keys = [this.#record, ...portion.map(({ held }) => this.#keys.of(held.name))];
    const args = [ttlOf({ ttlMs }), incarnation, ...owners];
    const reply = await this.#commands.eval(renewScript, keys, args, this.#timeoutMs(ttlMs));
    const { renewals: found, ...standing } = renewalsOf(reply, owners);
    for (const [n, { index }] of portion.entries()) renewals[index] = found[n] ?? { outcome: 'gone' };
    return standing;
  }

  #look(key: string): Promise<Reply> {
    return this.#commands.eval(revokeScript, [key], ['', '', '', ''], this.#timeoutMs());
  }

  /** Whoever is woken next will do; if it is lost, a poll finds the name free. */
  #passOn(key: string): void {
    this.#commands.eval(passOnScript, [key], [], this.#timeoutMs()).catch(() => {});
  }

  /** The deadline is the protocol's: this one only ends the retries behind it. */
  #timeoutMs(ttlMs: number = limits.ttlMsMax): number {
    return 2 * patienceMs(this.#settings, ttlMs);
  }
}

interface Entry {
  readonly held: Held;
  readonly index: number;
}

/** Holds of one TTL, not too many. */
function portions(holds: readonly Held[]): readonly (readonly Entry[])[] {
  const byTtl = new Map<number, Entry[]>();
  for (const [index, held] of holds.entries()) {
    const entry = { held, index };
    const known = byTtl.get(held.ttlMs);
    if (known === undefined) byTtl.set(held.ttlMs, [entry]);
    else known.push(entry);
  }
  const cut: Entry[][] = [];
  for (const group of byTtl.values()) {
    for (let i = 0; i < group.length; i += limits.renewBatchMax) cut.push(group.slice(i, i + limits.renewBatchMax));
  }
  return cut;
}

/** The node's own record: beside the siblings of the empty name, where no lock can lie. */
export function recordKey(prefix: string): string {
  return `{${prefix}}:node`;
}

function whyOf({ kind, reason }: RevokedBy): string {
  return JSON.stringify({ kind, reason });
}

function flag(yes: boolean): string {
  return yes ? '1' : '0';
}
