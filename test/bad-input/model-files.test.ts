/** Damaged, hostile and contradictory model files. */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { badGgufFiles, badSafetensorsFiles } from '../bad-model-files.ts';
import type { BadFile } from '../bad-model-files.ts';
import { array, text, u32 } from '../model-bytes.ts';
import { describeRefusals, devices, goldenPath, runInChild, temporaryFolder } from './refusals.ts';
import type { BadCase } from './refusals.ts';
import { replacing, tensor, tinyModel, tinyVocabulary } from './tiny-model.ts';
import type { TinyChanges, TinyType } from './tiny-model.ts';

const folder = temporaryFolder();
let files = 0;

function badFile({ name, bytes, pattern }: BadFile): BadCase {
  const path = folder.write(`file-${files++}.gguf`, bytes);
  return { name, action: 'load', args: { path }, error: 'FormatError', message: pattern, names: path };
}

const badGguf = badGgufFiles.map(badFile);

const badSafetensors = badSafetensorsFiles.map(({ name, bytes, pattern }): BadCase => {
  const path = folder.write(`folder-${files++}/model.safetensors`, bytes);
  copyFileSync(join(goldenPath, 'config.json'), join(path, '..', 'config.json'));
  return { name, action: 'load', args: { path }, error: 'FormatError', message: pattern, names: path };
});

function tiny(name: string, changes: TinyChanges, message: RegExp, error: BadCase['error'] = 'FormatError'): BadCase {
  const fileName = `tiny-${files++}.gguf`;
  return { name, action: 'load', args: { path: folder.write(fileName, tinyModel(changes)) }, error, message, names: fileName };
}

const without = (name: string): TinyChanges => ({ tensors: (all) => all.filter((each) => each.name !== name) });
const adding = (name: string): TinyChanges => ({ tensors: (all) => [...all, tensor(name, 'f32', [8])] });
const reshaped = (name: string, shape: number[]): TinyChanges => ({ tensors: replacing(name, ({ type }) => tensor(name, type, shape)) });
const retyped = (name: string, type: TinyType): TinyChanges => ({
  dim: 256, tensors: replacing(name, ({ shape }) => tensor(name, type, shape)),
});
const metadata = (key: string, value: NonNullable<TinyChanges['metadata']>[string]): TinyChanges => ({ metadata: { [key]: value } });

const long = 'n'.repeat(60_000);
const longNames: readonly BadCase[] = [
  tiny('a tensor with a name of 60,000 characters', adding(long), /name|nnn/),
  tiny('a key of 60,000 characters with a bad value', metadata(long, { type: 'bool', value: 2 }), /boolean|key|long/),
  tiny('an architecture of 60,000 characters', metadata('general.architecture', text(long)), /is not supported; supported: llama, /),
  tiny('a tokenizer of 60,000 characters', metadata('tokenizer.ggml.model', text(long)), /expected one of/),
];

const contradictions: readonly BadCase[] = [
  tiny('an unknown architecture', metadata('general.architecture', text('mamba9')), /"mamba9" is not supported; supported: llama, /),
  tiny('a missing matrix', without('blk.0.ffn_up.weight'), /expected tensor blk\.0\.ffn_up\.weight of shape \[32, 32\], found none/),
  tiny('a missing norm', without('output_norm.weight'), /expected tensor output_norm\.weight of shape \[32\], found none/),
  tiny('no embedding table', without('token_embd.weight'), /expected tensor token_embd\.weight, found none/),
  tiny('no tensors', { tensors: () => [] }, /holds no weights/),
  tiny('an extra tensor', adding('blk.0.ssm_in.weight'), /found blk\.0\.ssm_in\.weight \[8\]/),
  tiny('a tensor of a layer too many', adding('blk.1.attn_norm.weight'), /found blk\.1\.attn_norm\.weight \[8\]/),
  tiny(
    'a misshapen matrix', reshaped('blk.0.ffn_up.weight', [64, 32]),
    /blk\.0\.ffn_up\.weight of shape \[32, 32\], found shape \[64, 32\]/,
  ),
  tiny('a matrix turned round', reshaped('blk.0.attn_k.weight', [32, 16]), /of shape \[16, 32\], found shape \[32, 16\]/),
  tiny(
    'a matrix of three dimensions', reshaped('blk.0.ffn_up.weight', [32, 32, 1]),
    /found shape \[32, 32, 1\]|shape \[1, 32, 32\]|found shape/,
  ),
  tiny('a norm of another length', reshaped('output_norm.weight', [31]), /of shape \[32\], found shape \[31\]/),
  tiny('weights of type tq2_0', retyped('blk.0.ffn_up.weight', 'tq2_0'), /has type tq2_0; expected one of .*get the Q2_K or Q4_0 file/),
  tiny('weights of type iq3_s', retyped('blk.0.ffn_up.weight', 'iq3_s'), /has type iq3_s; expected one of .*get the IQ4_XS/),
  tiny('weights of type f64', retyped('blk.0.ffn_up.weight', 'f64'), /has type f64; expected one of/),
  tiny('weights of integers', retyped('blk.0.ffn_up.weight', 'i32'), /has type i32; expected one of/),
  tiny('a quantised norm', retyped('output_norm.weight', 'q8_0'), /output_norm\.weight has type q8_0; expected one of/),
];

const settings: readonly BadCase[] = [
  tiny('no number of layers', metadata('llama.block_count', undefined), /llama\.block_count must be present/),
  tiny(
    'a number of layers that is a text', metadata('llama.block_count', text('1')),
    /"llama\.block_count" must be a number, found the string "1"/,
  ),
  tiny('no layers', metadata('llama.block_count', u32(0)), /llama\.block_count must be an integer from 1/),
  tiny(
    'four thousand million layers', metadata('llama.block_count', u32(2 ** 32 - 1)),
    /llama\.block_count must be an integer from 1 to \d+, found 4294967295/,
  ),
  tiny('four thousand layers that are not there', metadata('llama.block_count', u32(4096)), /expected tensor blk\.1\.\S+ of shape/),
  tiny(
    '2^63 layers', metadata('llama.block_count', { type: 'u64', value: 2n ** 63n }),
    /"llama\.block_count" must be a number, found bigint 9223372036854775808/,
  ),
  tiny(
    'a negative number of heads', metadata('llama.attention.head_count', { type: 'i32', value: -2 }),
    /head_count must be an integer from 1 to \d+, found -2/,
  ),
  tiny('heads that do not divide', metadata('llama.attention.head_count', u32(3)), /head|rope/),
  tiny(
    'more key heads than heads', metadata('llama.attention.head_count_kv', u32(4)),
    /attention heads \(2\) must be a multiple of the key\/value heads \(4\)/,
  ),
  tiny(
    'a context of 2^31 + 1', metadata('llama.context_length', u32(2 ** 31 + 1)),
    /context_length must be an integer from 1 to 2147483648/,
  ),
  tiny(
    'an epsilon of NaN', metadata('llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: NaN }),
    /layer_norm_rms_epsilon must be a number above 0, found NaN/,
  ),
  tiny('a rope base of 0', metadata('llama.rope.freq_base', { type: 'f32', value: 0 }), /rope theta must be a number above 0, found 0/),
  tiny(
    'a rope base of infinity', metadata('llama.rope.freq_base', { type: 'f32', value: Infinity }),
    /rope theta must be a number above 0, found Infinity/,
  ),
  tiny('another vocabulary size', metadata('llama.vocab_size', u32(7)), /as many rows as the vocabulary \(7\)/),
  tiny('split in 99,999 parts', metadata('split.count', u32(99_999)), /one of 99999 parts of a split model/),
  tiny('a split count that is a text', metadata('split.count', text('2')), /"split\.count" must be a number, found the string "2"/),
];

const many = (count: number) => Array.from({ length: count }, (_, id) => `t${id}`);
const changedTokens = (change: (tokens: (string | Uint8Array)[]) => void): TinyChanges => {
  const tokens: (string | Uint8Array)[] = [...tinyVocabulary];
  change(tokens);
  return metadata('tokenizer.ggml.tokens', array('string', tokens));
};
const badBytes = (...bytes: number[]) => new Uint8Array(bytes);

const vocabularies: readonly BadCase[] = [
  tiny(
    'two tokens of invalid UTF-8', changedTokens((tokens) => tokens.splice(260, 2, badBytes(0xff), badBytes(0xc0))),
    /tokenizer\.ggml\.tokens holds .* and again .*not UTF-8/,
  ),
  tiny('a token twice', changedTokens((tokens) => tokens.splice(260, 2, 'x', 'x')), /holds "x" at 260 and again at 261/),
  tiny('no tokens', metadata('tokenizer.ggml.tokens', array('string', [])), /tokens is empty/),
  tiny('tokens that are numbers', metadata('tokenizer.ggml.tokens', array('u32', [1, 2])), /tokens should be an array of strings/),
  tiny('an unknown kind of tokenizer', metadata('tokenizer.ggml.model', text('wordpiece9')), /is "wordpiece9"; expected one of/),
  tiny(
    'fewer scores than tokens', metadata('tokenizer.ggml.scores', array('f32', [0])),
    /scores should be \d+ numbers, one for each token/,
  ),
  tiny('a score of NaN', metadata('tokenizer.ggml.scores', array('f32', tinyVocabulary.map(() => NaN))), /scores holds NaN at 0/),
  tiny(
    'an unknown pre-tokenizer',
    { metadata: { 'tokenizer.ggml.model': text('gpt2'), 'tokenizer.ggml.pre': text('nobody') } },
    /tokenizer\.ggml\.pre is "nobody"/,
  ),
  tiny('merges that are missing', { metadata: { 'tokenizer.ggml.model': text('gpt2') } }, /tokenizer\.ggml\.merges is missing/),
  tiny(
    'a vocabulary of another model',
    { metadata: {
      'tokenizer.ggml.tokens': array('string', many(100_000)), 'tokenizer.ggml.scores': undefined,
      'tokenizer.ggml.token_type': undefined,
    } },
    /100,?000|token/,
  ),
  tiny('a template that is a number', metadata('tokenizer.chat_template', u32(3)), /chat_template/),
];

function configFolder(name: string, config: string, message: RegExp): BadCase {
  const directory = join(folder.path, `folder-${files++}`);
  mkdirSync(directory);
  copyFileSync(join(goldenPath, 'model.safetensors'), join(directory, 'model.safetensors'));
  folder.write(join(directory.slice(folder.path.length + 1), 'config.json'), config);
  return { name, action: 'load', args: { path: directory }, error: 'FormatError', message, names: directory };
}

const goldenConfig = JSON.parse(readFileSync(join(goldenPath, 'config.json'), 'utf8')) as Record<string, unknown>;
const config = (name: string, changes: object, message: RegExp) => configFolder(
  name, JSON.stringify({ ...goldenConfig, ...changes }), message,
);

const configs: readonly BadCase[] = [
  configFolder('an empty config.json', '', /config\.json.*not valid JSON/),
  configFolder('a config.json that is cut', '{"model_type": "qw', /config\.json.*not valid JSON/),
  configFolder('a config.json that is a list', '[]', /config\.json must be a JSON object/),
  configFolder(
    'a config.json nested 200,000 deep', `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)},"model_type":"qwen3"}`,
    /hidden_size must be present/,
  ),
  configFolder(
    'a size nested 200,000 deep', `{"hidden_size":${'['.repeat(200_000)}${']'.repeat(200_000)},"model_type":"qwen3"}`,
    /hidden_size must be a number, found an array of 1/,
  ),
  configFolder(
    'a kind of model of a million characters', JSON.stringify({ ...goldenConfig, model_type: 'x'.repeat(1e6) }),
    /is not supported/,
  ),
  configFolder(
    'a rope type nested 20,000 deep',
    JSON.stringify({ ...goldenConfig, rope_parameters: { rope_type: 0 } }).replace(
      '"rope_type":0', `"rope_type":${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    ),
    /rope scaling of type an array of 1 is not supported/,
  ),
  configFolder('no kind of model', '{}', /config\.json has no string "model_type"/),
  config('an unknown kind of model', { model_type: 'vision9' }, /"vision9" is not supported/),
  config('a size of null', { hidden_size: null }, /hidden_size must be present/),
  config('a size of 1e300', { hidden_size: 1e300 }, /hidden_size must be an integer from 1/),
  config('half a layer', { num_hidden_layers: 0.5 }, /num_hidden_layers must be an integer from 1/),
  config('a size that is an object', { hidden_size: { a: 1 } }, /hidden_size must be a number/),
  config('another activation', { hidden_act: 'gelu' }, /hidden_act must be "silu"/),
  config('more layers than weights', { num_hidden_layers: 4 }, /expected tensor model\.layers\.3\.\S+ of shape/),
  config('fewer layers than weights', { num_hidden_layers: 2 }, /found model\.layers\.2\./),
];

/** Where a block's 16-bit scale lies; bytes of a float16 (0x7e00: NaN, 0x7c00: infinity) or the type's own. */
const poisons: readonly (readonly [TinyType, string, number, readonly number[]])[] = [
  ['q4_0', 'a scale of NaN', 0, [0x00, 0x7e]],
  ['q4_0', 'a scale of infinity', 0, [0x00, 0x7c]],
  ['q8_0', 'a scale of NaN', 0, [0x01, 0xfc]],
  ['q8_0', 'a scale of minus infinity', 0, [0x00, 0xfc]],
  ['q4_k', 'a scale of NaN', 0, [0x00, 0x7e]],
  ['q4_k', 'a minimum of infinity', 2, [0x00, 0x7c]],
  ['q6_k', 'a scale of NaN', 208, [0x00, 0x7e]],
  ['f16', 'NaN', 0, [0x00, 0x7e]],
  ['f16', 'infinity', 0, [0x00, 0x7c]],
  ['bf16', 'NaN', 0, [0xc0, 0x7f]],
  ['bf16', 'minus infinity', 0, [0x80, 0xff]],
  ['f32', 'NaN', 0, [0, 0, 0xc0, 0x7f]],
  ['f32', 'infinity', 0, [0, 0, 0x80, 0x7f]],
];
const blockBytes: Partial<Record<TinyType, number>> = { q4_0: 18, q8_0: 34, q4_k: 144, q6_k: 210, f16: 2, bf16: 2, f32: 4 };

/** In the first block and in the last one of a matrix, and in a norm. */
const notFinite: readonly BadCase[] = poisons.flatMap(([type, what, at, bytes]) =>
  (['first', 'last'] as const).map((place) => {
    const poison = (each: Parameters<Parameters<typeof replacing>[1]>[0]) => {
      const begin = place === 'first' ? 0 : each.bytes.length - blockBytes[type]!;
      const changed = each.bytes.slice();
      changed.set(bytes, begin + at);
      return { ...each, bytes: changed };
    };
    const changes: TinyChanges = { type, dim: 256, tensors: replacing('blk.0.ffn_up.weight', poison) };
    return tiny(
      `${type}: ${what} in the ${place} block`, changes,
      /blk\.0\.ffn_up\.weight in .*expected finite weights, found .* row (0|255),.*file is damaged/,
    );
  }),
);
const nanNorm = tiny(
  'a norm of NaN',
  { tensors: replacing('output_norm.weight', (each) => ({ ...each, bytes: each.bytes.map(() => 0xff) })) },
  /output_norm\.weight in .*finite/,
);

/** What is refused above is refused for its one fault: the same file without it goes through. */
describe.each(devices)('sound files (%s)', (device) => {
  it('load and answer', async () => {
    const types = Object.keys(blockBytes) as TinyType[];
    const sound = types.map((type) => tiny(`of type ${type}`, { type, dim: 256 }, /none/));
    const oneBadToken = tiny('with one token of invalid UTF-8', changedTokens((tokens) => tokens.splice(260, 1, badBytes(0xff))), /none/);
    const { cases, code } = await runInChild([...sound, oneBadToken], device);
    expect(code).toBe(0);
    for (const { name } of [...sound, oneBadToken])
      expect(cases.get(name), name).toMatchObject({ result: expect.stringMatching(/^\d+,\d+,\d+$/) as string });
  });
});

describeRefusals('damaged GGUF files', 'cpu', () => badGguf);
describeRefusals('damaged safetensors files', 'cpu', () => badSafetensors);
describeRefusals('files whose parts contradict each other', 'cpu', () => [
  ...longNames, ...contradictions, ...settings, ...vocabularies, ...configs,
]);
for (const device of devices) describeRefusals('weights that are not finite', device, () => [...notFinite, nanNorm]);
