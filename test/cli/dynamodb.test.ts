import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoDBServer } from '../support/dynamodb-server.js';
import { firstLine, linesOf } from './support/poll.js';
import { registerCases } from './support/cases.js';
import { Scene } from './support/program.js';

describe('on DynamoDB', () => {
  let server: DynamoDBServer;
  const at = (query: string) => `dynamodb://eu-central-1/holdfast?endpoint=http://127.0.0.1:${server.port}${query}`;
  const scene = new Scene(() => at('&create=true'));
  const env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' };
  beforeAll(async () => {
    Object.assign(process.env, env);
    server = await DynamoDBServer.start();
  });
  afterAll(() => server?.stop());

  it('without its table says how to make one', async () => {
    const { status, stderr } = await scene.outcome(['run', '--backend', at(''), 'x', '--', 'true']);
    expect(status).toBe(69);
    expect(stderr).toMatch(/no table "holdfast".*aws dynamodb create-table/);
  });

  registerCases(scene);

  it('commands that wait for each other run one after the other, also when one of them is killed', async () => {
    const file = scene.file('out');
    const killed = scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo $$ >> ${file}; sleep 60`]);
    await firstLine(file);
    const words = ['run', 'x', '--', 'sh', '-c', `echo begin >> ${file}; sleep 0.05; echo end >> ${file}`];
    const running = Array.from({ length: 4 }, () => scene.holdfast(words));
    killed.child.kill('SIGKILL');
    for (const { ended } of running) expect(await ended).toMatchObject({ status: 0 });
    expect(linesOf(file).slice(1)).toEqual(Array.from({ length: 4 }, () => ['begin', 'end']).flat());
  });

  it('refuses a URL that it cannot read, and repeats nothing of it', async () => {
    const { status, stderr } = await scene.outcome(['run', '--backend', 'dynamodb://secret@eu/x', 'x', '--', 'true']);
    expect(status).toBe(64);
    expect(stderr).toMatch(/no DynamoDB URL/);
    expect(stderr).not.toContain('secret');
  });
});
