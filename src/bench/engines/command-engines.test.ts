/** Samples are written for these tests in the forms that the programs' own sources and scripts have (`command-output.ts` says where). */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineSettings } from '../engine.ts';
import { basertFigures, mlxFigures, uzuFigures } from './command-output.ts';
import { engineNamed } from './engine-named.ts';

const MLX = `Running warmup..
Timing with prompt_tokens=512, generation_tokens=128, batch_size=1.
Trial 1:  prompt_tps=4321.125, generation_tps=210.500, peak_memory=1.750
Averages: prompt_tps=4321.125, generation_tps=210.500, peak_memory=1.750
`;
const BASERT = `Qwen/Qwen3-4B · default-q4
| model        |        size |  test |               t/s |
| ------------ | ----------- | ----- | ----------------- |
| Qwen3-4B     | 2260.50 MiB | pp512 |    632.10 ± 3.20  |
| Qwen3-4B     | 2260.50 MiB | tg128 |     88.40 ± 0.10  |
`;
const UZU = JSON.stringify([
  {
    task: {}, device: {}, engine_version: '0.2.1', timestamp: 1, memory_used: 1, tokens_count_input: 520, tokens_count_output: 128,
    time_to_first_token: 0.1, prompt_tokens_per_second: 5100.5, generate_tokens_per_second: 222.25, text: 'x',
  },
]);

describe('what programs print', () => {
  it.each([
    ['mlx-lm', mlxFigures(MLX), 4321.125, 210.5],
    ['basert', basertFigures(BASERT), 632.1, 88.4],
    ['uzu', uzuFigures(UZU), 5100.5, 222.25],
  ])('%s', (_, { promptPerSecond, answerPerSecond }, prompt, answer) =>
    expect([promptPerSecond, answerPerSecond]).toEqual([prompt, answer]));

  it.each([
    [mlxFigures, 'Traceback: no such model', 'no prompt_tps; its last words: Traceback: no such model'],
    [basertFigures, BASERT.replace(/.*tg128.*\n/, ''), 'no row of tg'],
    [uzuFigures, '[{"prompt_tokens_per_second": 5, "generate_tokens_per_second": null}]', 'no generate_tokens_per_second'],
  ] as const)('that says nothing is refused: %o', (figuresOf, output, message) => expect(() => figuresOf(output)).toThrow(message));
});

describe.skipIf(process.platform === 'win32')('programs that measure themselves', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-commands-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A program that writes down how it was called. */
  function program(name: string, script: string): string {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\necho "$@" >> ${join(folder, `${name}.calls`)}\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }
  const settings = (path: string): EngineSettings => ({
    modelPath: 'm.gguf', modelName: 'their-folder', device: 'gpu', contextLength: 1024, purpose: 'tokens', program: path,
  });
  const calls = (name: string) => readFileSync(join(folder, `${name}.calls`), 'utf8').trim().split('\n');
  const ids = Array.from({ length: 512 }, (_, i) => i);

  it.each([
    ['mlx-lm', `cat <<'END'\n${MLX}END`, [4321.125, 210.5], '--model their-folder -p 512 -g 128 -n 1', 'unknown'],
    ['basert', `[ "$1" = --version ] && echo basert 0.2.5 && exit\ncat <<'END'\n${BASERT}END`, [632.1, 88.4],
      'bench their-folder -p 512 -n 128 -r 1 -w 1', 'basert 0.2.5'],
    ['uzu', `cp "$3" ${'$'}(dirname "$0")/task.json; cat > "$4" <<'END'\n${UZU}\nEND`, [5100.5, 222.25], 'bench their-folder', '0.2.1'],
  ] as const)('%s is asked for prompts and answers of their lengths', async (name, script, figures, call, version) => {
    const path = program(name, script);
    const engine = await engineNamed(name).open(settings(path));
    expect([await engine.prefill!(ids), await engine.decode!(ids, 128)]).toEqual(figures);
    expect(engine.facts.version).toBe(version);
    expect(calls(name).at(-1)).toContain(call);
    if (name !== 'uzu') return;
    const task = JSON.parse(readFileSync(join(folder, 'task.json'), 'utf8'));
    expect([task.tokens_limit, task.number_of_runs, task.messages[0].content.split(' ').length]).toEqual([128, 1, 512]);
  });

  it('that are not there, or have no weights of theirs, are said to be so', () => {
    expect(engineNamed('uzu').problem({ modelPath: 'm.gguf', program: join(folder, 'none') })).toContain('there is no program');
    const path = program('mlx-lm', 'true');
    const nameless = engineNamed('mlx-lm').problem({ modelPath: 'm.gguf', program: path });
    expect(nameless).toContain('say where a folder or a name of MLX weights is');
    expect(engineNamed('basert').problem({ modelPath: 'm.gguf', program: path })).toBeUndefined();
  });
});
