/** The same through the command line: code 1 or 2, one line on stderr, no stack. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { text } from '../model-bytes.ts';
import { goldenPath, temporaryFolder } from './refusals.ts';
import { replacing, tinyModel } from './tiny-model.ts';

const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = temporaryFolder();
const tiny = folder.write('tiny.gguf', tinyModel());
const absent = join(folder.path, 'absent.gguf');
const empty = folder.write('empty.gguf', '');
const cut = folder.write('cut.gguf', tinyModel().subarray(0, -5000));
const broken = folder.write(
  'nan.gguf',
  tinyModel({ tensors: replacing('output_norm.weight', (each) => ({ ...each, bytes: each.bytes.map(() => 0xff) })) }),
);
const unknown = folder.write('unknown.gguf', tinyModel({ metadata: { 'general.architecture': text('mamba9') } }));
const throwing = folder.write(
  'throws.gguf',
  tinyModel({ metadata: { 'tokenizer.chat_template': text("{{ raise_exception('not\nyou') }}") } }),
);
const looping = folder.write(
  'loops.gguf',
  tinyModel({ metadata: { 'tokenizer.chat_template': text('{% for i in range(1000000000) %}{% endfor %}') } }),
);

const cases: readonly (readonly [name: string, args: readonly string[], code: number, message: RegExp])[] = [
  ['a path that is not there', [absent, 'hello'], 1, /absent\.gguf/],
  ['an empty file', [empty, 'hello'], 1, /empty\.gguf.*ends early/],
  ['a file that is cut', [cut, 'hello'], 1, /cut\.gguf.*should take bytes/],
  ['weights of NaN', [broken, 'hello'], 1, /output_norm\.weight in nan\.gguf.*finite/],
  ['an unknown architecture', [unknown, 'hello'], 1, /"mamba9" is not supported/],
  ['a template that throws', [throwing, 'hello'], 1, /does not accept these messages: not you/],
  ['a template that loops', [looping, 'hello'], 1, /may loop without end/],
  ['a prompt longer than the context', [tiny, 'word '.repeat(1000)], 1, /exceeds the context of 128 tokens/],
  ['an empty prompt', [tiny, ''], 2, /empty/],
  ['an id past the vocabulary', [tiny, '--ids', '1,9999'], 1, /found 9999 at index 1/],
  ['a prompt for a model without a tokenizer', [goldenPath, 'hello'], 2, /no tokenizer/],
  ['a negative temperature', [tiny, 'hello', '--temperature=-1'], 2, /temperature must be/],
  ['a temperature of NaN', [tiny, 'hello', '--temperature', 'NaN'], 2, /NaN/],
  ['an unknown option', [tiny, 'hello', '--temprature', '0'], 2, /temprature/],
  ['an unknown device', [tiny, 'hello', '--device', 'npu'], 2, /npu/],
];

describe.skipIf(!existsSync(cli))('the command line', () => {
  it.each(cases)('%s', (_, args, code, message) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [cli, 'run', ...args], {
      encoding: 'utf8',
      timeout: 60_000,
      input: '',
      env: { ...process.env, NO_COLOR: '1', INGOT_DEBUG: '' },
    });
    expect({ status, signal, stdout }, stderr).toEqual({ status: code, signal: null, stdout: '' });
    expect(stderr).toMatch(/^ingot: /m);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('says what to do where the kernels were not built', () => {
    const copy = join(folder.path, 'copy');
    const root = fileURLToPath(new URL('../../', import.meta.url));
    cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true, filter: (path) => !path.endsWith('.wasm') });
    cpSync(join(root, 'package.json'), join(copy, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
    const { status, stderr } = spawnSync(process.execPath, [join(copy, 'dist', 'cli', 'main.js'), 'run', tiny, 'hello'], {
      encoding: 'utf8',
      timeout: 60_000,
      input: '',
    });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(
        new RegExp(
          String.raw`^ingot: The CPU device needs the kernels in .*cpu(-relaxed)?\.wasm, which cannot be read \(ENOENT\)\. ` +
            String.raw`In a clone, run "npm run build" once.*\n$`,
        ),
      ) as string,
    });
  });
});
