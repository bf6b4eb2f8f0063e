/** The first hour on the packed archive, installed in an empty folder: a chat on a terminal, a model of a hub, a server, a voice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasShared } from '../fixture-tensors.ts';
import { serveHub } from '../hub-server.ts';
import type { TestHub } from '../hub-server.ts';
import { KOKORO_GOLDEN } from '../kokoro-golden.ts';
import { makeVoiceFolder } from '../kokoro-voice.ts';
import { hasPseudoTerminal, onTerminal } from '../pseudo-terminal.ts';
import { installPacked } from './packed-package.ts';
import type { PackedPackage } from './packed-package.ts';

const PROMPT = /\u001b\[2m> \u001b\[22m\u001b\[K\u001b\[J/;

describe('the packed archive', { tags: ['slow'] }, () => {
  let packed: PackedPackage;
  let hub: TestHub;
  let variables: Record<string, string>;
  let command = '';
  beforeAll(async () => {
    packed = installPacked();
    command = join(packed.folder, 'node_modules', '.bin', process.platform === 'win32' ? 'ingot.cmd' : 'ingot');
    const ember = readFileSync(join(packed.folder, 'node_modules', 'ingot', 'models', 'ember-21m-q4_0.gguf'));
    hub = await serveHub({ 'o/ember': { 'ember-Q4_0.gguf': ember, 'README.md': Buffer.from('x') } });
    variables = { INGOT_MODEL: '', INGOT_HOME: join(packed.folder, 'home'), HF_HOME: packed.folder, HF_ENDPOINT: hub.origin, HF_TOKEN: '' };
  }, 240_000);
  afterAll(async () => {
    await hub?.close();
    packed?.remove();
  });

  /** While this process goes on, which is the hub. */
  function begin(args: readonly string[]) {
    const env = { ...process.env, ...variables, NO_COLOR: '1' };
    return spawn(command, args, { cwd: packed.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async function ingot(...args: readonly string[]) {
    const child = begin(args);
    const told = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => void (told[name] += text));
    const [code] = (await once(child, 'close')) as [number];
    return { code, ...told };
  }

  it.skipIf(!hasPseudoTerminal)('chats, says how to go on, and goes on', async () => {
    const terminal = onTerminal([command, 'chat', '-t', '0', '--no-think', '--device', 'cpu'], { env: variables });
    await terminal.until(PROMPT);
    terminal.write('What is 17 + 25?\r');
    await terminal.until(PROMPT);
    terminal.write('/exit\r');
    expect(await terminal.ended).toBe(0);
    const shown = await terminal.screen();
    expect(shown).toContain('17 + 25 = 42');
    const id = /--resume (\S+)/.exec(shown.at(-1)!)![1]!;
    const again = onTerminal([command, 'chat', '--resume', id], { env: variables });
    await again.until(PROMPT);
    again.write('\u0004');
    expect(await again.ended).toBe(0);
    expect((await again.screen()).join('\n')).toContain('a conversation of 2 messages');
  });

  it('gets a model of a hub, lists it and answers with it', async () => {
    expect((await ingot('pull', 'o/ember')).stdout).toMatch(/ember-Q4_0\.gguf\n$/);
    expect((await ingot('list')).stdout).toContain('o/ember:Q4_0');
    const { code, stdout } = await ingot('run', '-m', 'o/ember', '-t', '0', '--no-think', '--device', 'cpu', 'What is 17 + 25?');
    expect([code, stdout]).toEqual([0, '17 + 25 = 42\n']);
    expect((await ingot('completions', 'models')).stdout).toContain('o/ember:Q4_0');
  });

  it('serves', async () => {
    const child = begin(['serve', '--port', '0', '--device', 'cpu', '--context', '512']);
    let stderr = '';
    const origin = await new Promise<string>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
        const found = /serving .* at (\S+)\/v1/.exec(stderr)?.[1];
        if (found !== undefined) resolve(found);
      });
      child.on('close', () => reject(new Error(stderr)));
    });
    try {
      const listed = (await (await fetch(`${origin}/v1/models`)).json()) as { data: { id: string }[] };
      const messages = [{ role: 'user', content: 'What is 17 + 25?' }];
      const body = JSON.stringify({ model: listed.data[0]!.id, messages, temperature: 0, reasoning_effort: 'none' });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${origin}/v1/chat/completions`, { method: 'POST', headers, body });
      expect(await answer.json()).toMatchObject({ choices: [{ message: { content: '17 + 25 = 42' } }] });
    } finally {
      child.removeAllListeners('close');
      const over = once(child, 'close');
      child.kill('SIGTERM');
      await over;
    }
  });

  it.skipIf(!hasShared(KOKORO_GOLDEN))('speaks', async () => {
    const model = makeVoiceFolder(join(packed.folder, 'voice'));
    const path = join(packed.folder, 'a.wav');
    const { code, stderr } = await ingot('speak', '--model', model, '--device', 'cpu', '--phonemes', 'h\u0259l\u02c8O.', '-o', path);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(readFileSync(path).toString('latin1', 0, 4)).toBe('RIFF');
  });
});
