import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventsOf } from '../../../test/server-rig.ts';
import { findServers, openControl } from './control.ts';
import type { ServerDescription } from './control.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
let folder = '';
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-servers-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ingot(...args: readonly string[]) {
  const env = { ...process.env, NO_COLOR: '', INGOT_HOME: folder };
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const told = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (told.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told.stderr += text));
  const over = (once(child, 'close') as Promise<[number | null]>).then(([code]) => ({ code, ...told }));
  return { child, told, over };
}

async function served(): Promise<ReturnType<typeof ingot> & { readonly origin: string }> {
  const server = ingot('serve', '--port', '0', '--device', 'cpu', '--threads', '1', '--context', '512');
  for (;;) {
    const [, origin] = /serving .* at (\S+)\/v1/.exec(server.told.stderr) ?? [];
    if (origin !== undefined) return { ...server, origin };
    if (server.child.exitCode !== null) throw new Error(server.told.stderr);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const listed = async () => JSON.parse((await ingot('ps', '--json').over).stdout) as ServerDescription[];
const filesOf = () => readdirSync(join(folder, 'servers'));

describe.skipIf(!existsSync(main))('ingot ps, ingot stop', () => {
  it('show servers that run, let requests end before they stop, and forget one that was killed', async () => {
    expect((await ingot('stop').over)).toMatchObject({ code: 2, stderr: expect.stringMatching(/no "ingot serve" of this user runs/) });
    const [one, other] = await Promise.all([served(), served()]);
    const [{ id: model }] = (await (await fetch(`${one.origin}/v1/models`)).json() as any).data;
    // A request that does not end by itself.
    const session = new WebSocket(`${one.origin.replace('http', 'ws')}/v1/realtime?model=${model}`);
    await once(session, 'message');
    const found = await listed();
    expect(found.map(({ pid }) => pid).toSorted()).toEqual([one.child.pid, other.child.pid].toSorted());
    expect(found.find(({ pid }) => pid === one.child.pid)).toMatchObject({
      origin: one.origin, status: 'ready', requests: 1, streams: 1, models: [{ name: model, status: 'loaded' }],
    });
    const row = new RegExp(`^ *${other.child.pid}  ${other.origin}  ready +\\d+s +0 +0  ${model}$`, 'm');
    expect((await ingot('ps').over).stdout).toMatch(row);
    const unclear = await ingot('stop').over;
    expect(unclear).toMatchObject({ code: 2, stderr: expect.stringMatching(/several servers run: .*There is \d+ at http/) });
    expect((await ingot('stop', '1').over).stderr).toMatch(/no server has the port or process id 1\. There is/);
    const modes = filesOf().map((name) => statSync(join(folder, 'servers', name)).mode & 0o077);
    if (process.platform !== 'win32') expect(modes).toEqual([0, 0]);
    other.child.kill('SIGKILL');
    await other.over;
    expect((await listed()).map(({ pid }) => pid)).toEqual([one.child.pid]);
    expect(filesOf()).toEqual([`${one.child.pid}.json`]);
    const body = { model, messages: [{ role: 'user', content: 'Tell me a story.' }], max_tokens: 200, stream: true };
    const stream = await fetch(`${one.origin}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) });
    const [text, left] = [stream.text(), once(session, 'close')];
    expect(await ingot('stop', new URL(one.origin).port).over).toMatchObject({ code: 0, stderr: expect.stringMatching(/has stopped\n$/) });
    expect(eventsOf(await text).at(-1)).toBe('[DONE]');
    expect((await left)[0]).toBe(1001);
    expect((await one.over).code).toBe(0);
    expect([await listed(), filesOf()]).toEqual([[], []]);
  });
});

it('a file of another process that has the number of a dead one is no server', async () => {
  const description = {
    pid: process.pid, origin: 'http://127.0.0.1:1', status: 'ready', startedAt: 0, requests: 0, streams: 0, models: [],
  } as const;
  let stop = () => {};
  const wasAsked = new Promise<void>((resolve) => (stop = resolve));
  const control = await openControl({ dataFolder: folder, describe: () => description, stop });
  writeFileSync(join(folder, 'servers', '1.json'), JSON.stringify({ pid: 1, socket: join(folder, 'none') }));
  writeFileSync(join(folder, 'servers', '2.json'), '{');
  const [found, ...others] = await findServers(folder);
  expect([found!.description, others, filesOf()]).toEqual([description, [], [`${process.pid}.json`]]);
  const stopped = found!.stop();
  await wasAsked;
  control.close();
  await stopped;
  expect(await findServers(folder)).toEqual([]);
});

it.skipIf(process.platform === 'win32')('a data folder that is a file is told', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await expect(findServers(file)).rejects.toMatchObject({ code: 'ENOTDIR', path: join(file, 'servers') });
  expect(await findServers(join(folder, 'none'))).toEqual([]);
});
