import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { idOfKey } from '../../server/access/api-key.ts';
import { openStore } from './store/open-store.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;

let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-keys-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ingot(...args: readonly string[]) {
  const env = { ...process.env, NO_COLOR: '', INGOT_HOME: folder };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env, timeout: 60_000, killSignal: 'SIGKILL' });
}

describe.skipIf(!existsSync(main))('ingot keys, ingot usage', () => {
  it('make, list and revoke keys in the database of the server, and show a key once', async () => {
    expect(ingot('keys', 'list')).toMatchObject({ status: 2, stderr: expect.stringMatching(/there is no database .*serve\.db yet/) });
    const made = ingot('keys', 'create', 'alice', '--tokens-per-day', '1000', '--models', 'a, b', '--priority', '-3');
    expect(made.status).toBe(0);
    const text = made.stdout.trimEnd();
    const id = idOfKey(text)!;
    expect(made.stdout).toBe(`${text}\n`);
    expect(ingot('keys', 'create', 'alice')).toMatchObject({ status: 1, stderr: expect.stringMatching(/a key called "alice" already/) });
    expect(ingot('keys', 'create', 'bob', '--priority', '-100').status).toBe(2);
    for (const name of ['', ' ', 'a\nb', 'a\u001b[2J', 'x'.repeat(129)])
      expect(ingot('keys', 'create', name)).toMatchObject({ status: 2, stderr: expect.stringMatching(/1 to 128 printable characters/) });
    const listed = ingot('keys', 'list').stdout;
    expect(listed).toMatch(new RegExp(`^alice +${id} +\\d{4}-.* - +1000 tokens/day; models a, b; priority -3$`, 'm'));
    expect(ingot('keys', 'revoke', 'nobody')).toMatchObject({ status: 1, stderr: expect.stringMatching(/There is no key "nobody"/) });
    expect(ingot('keys', 'revoke', id)).toMatchObject({ status: 0, stderr: expect.stringMatching(/ends its answers .* within a second/) });
    expect(ingot('keys', 'revoke', id, '--let-end')).toMatchObject({ status: 0, stderr: expect.stringMatching(/lets its answers .* end/) });
    const json = ingot('keys', 'list', '--json').stdout;
    expect(JSON.parse(json)).toMatchObject([{ name: 'alice', id, tokensPerDay: 1000, models: ['a', 'b'], revokedAt: expect.any(Number) }]);
    for (const shown of [listed, json]) expect(shown.includes(text.slice(23)) || shown.includes('hash')).toBe(false);
  });

  it('print sums and the log as a table, as CSV and as JSON, from the database that a config file names', async () => {
    const file = join(folder, 'serve.json');
    writeFileSync(file, JSON.stringify({ database: 'team.db' }));
    const store = await openStore(join(folder, 'team.db'));
    const { key } = await store.keys.create('carol', {});
    const entry = {
      keyId: key.id, user: '=1+1', method: 'POST', route: '/v1/completions', status: 200, outcome: 'done', model: 'a "b", c',
      promptTokens: 3, cachedTokens: 1, completionTokens: 4, firstTokenMs: 1.5, totalMs: 0.8944750000000568, prompt: undefined,
    } as const;
    await store.audit.add({ ...entry, id: 'req_1', at: Date.UTC(2026, 10, 29, 12) });
    await store.audit.add({ ...entry, id: 'req_2', at: Date.UTC(2026, 10, 30), user: 'a\u001b[2J\u009b2J\r\nb' });
    await store.close();
    const usage = (...args: readonly string[]) => ingot('usage', '--config', file, ...args).stdout;
    expect(usage()).toMatch(/^KEY +MODEL +REQUESTS .*\ncarol +a "b", c +2 +0 +6 +2 +8\n$/);
    expect(JSON.parse(usage('--by', 'day', '--json', '--from', '2026-11-30'))).toEqual([
      { day: '2026-11-30', requests: 1, not_done: 0, prompt_tokens: 3, cached_tokens: 1, completion_tokens: 4 },
    ]);
    expect(usage('--by', 'model', '--csv')).toBe(
      'model,requests,not_done,prompt_tokens,cached_tokens,completion_tokens\r\n"a ""b"", c",2,0,6,2,8\r\n',
    );
    const [head, row, end] = usage('--requests', '--csv', '--to', '2026-11-29').split('\r\n');
    expect(head).toMatch(/^id,time,key,user,method,route,model,status,/);
    expect(row).toBe('req_1,2026-11-29T12:00:00.000Z,carol,\'=1+1,POST,/v1/completions,"a ""b"", c",200,done,3,1,4,1.5,0.894,');
    expect(end).toBe('');
    expect(usage('--requests', '--from', '2026-11-30').split('\r\n')[1]).toContain(',carol,a\\u001b[2J\\u009b2J\\r\\nb,POST,');
    expect(usage('--requests', '--json')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    const lines = usage('--requests', '--json').trimEnd().split('\n').map((line) => JSON.parse(line));
    expect(lines.map(({ id, user }) => [id, user])).toEqual([['req_1', '=1+1'], ['req_2', 'a\u001b[2J\u009b2J\r\nb']]);
    expect(ingot('usage', '--from', '2026-13-01')).toMatchObject({ status: 2, stderr: expect.stringMatching(/Expected a day/) });
    expect(ingot('usage', '--requests', '--by', 'day')).toMatchObject({ status: 2, stderr: expect.stringMatching(/leave --by out/) });
    expect(ingot('usage', '--from', '2026-11-30', '--to', '2026-11-29')).toMatchObject({
      status: 2, stderr: expect.stringMatching(/--from 2026-11-30 is later than --to 2026-11-29/),
    });
  });
});
