import { RedisServer } from './redis-server.js';
import { assertInOrder, type Write } from './sink.js';

/** What a write does. */
const guardedWrite = `
local newest = redis.call('GET', KEYS[1])
local accepted = not newest or tonumber(ARGV[1]) >= tonumber(newest)
if accepted then redis.call('SET', KEYS[1], ARGV[1]) end
redis.call('RPUSH', KEYS[2], (accepted and 'accepted' or 'refused') .. ' ' .. ARGV[1] .. ' ' .. ARGV[2])
return accepted and 1 or 0`;

/** What the work writes to: a server of its own, which refuses an older fence and remembers every write that came. */
export class RedisSink {
  readonly #server: RedisServer;

  private constructor(server: RedisServer) {
    this.#server = server;
  }

  static async start(): Promise<RedisSink> {
    return new RedisSink(await RedisServer.start());
  }

  get url(): string {
    return this.#server.url;
  }

  /** False if a newer fence was here before. */
  async write(fence: bigint, turn: string): Promise<boolean> {
    return (await this.#server.command('EVAL', guardedWrite, '2', 'newest', 'history', String(fence), turn)) === ':1\r\n';
  }

  async history(): Promise<readonly Write[]> {
    const lines = await this.#server.lines(
      'EVAL',
      "return table.concat(redis.call('LRANGE', KEYS[1], 0, -1), '\\n')",
      '1',
      'history',
    );
    return lines.map((line) => {
      const [outcome, fence = '', ...turn] = line.split(' ');
      return { accepted: outcome === 'accepted', fence: BigInt(fence), turn: turn.join(' ') };
    });
  }

  /**
   * The accepted writes of two turns never interleave, and no fence was given out twice. Answers how many writes came too
   * late: none, where the store kept exclusion.
   */
  async check(): Promise<{ readonly turns: number; readonly refused: number }> {
    const history = await this.history();
    const turns = assertInOrder(history);
    return { turns, refused: history.filter(({ accepted }) => !accepted).length };
  }

  async clear(): Promise<void> {
    await this.#server.command('FLUSHALL');
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}
