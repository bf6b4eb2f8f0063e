/**
 * Mutates small sound files at random and opens them: every outcome must be a checkpoint or one of our errors, and no
 * read may ask for more than the file has. INGOT_FUZZ_SEED begins elsewhere, INGOT_FUZZ_MS bounds the time of each test.
 */
import { expect, test } from 'vitest';
import { ggufBytes, smallGguf, smallSafetensors, text, u16, utf8 } from '../../test/model-bytes.ts';
import { ggmlBytes, madeTokens } from '../../test/whisper-ggml-file.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import type { SourceFolder } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { memorySource } from './memory-source.ts';
import { openCheckpoint } from './open-checkpoint.ts';

const mutations = 3000;
const limitMs = Number(process.env['INGOT_FUZZ_MS'] ?? 8000);
const firstSeed = Number(process.env['INGOT_FUZZ_SEED'] ?? 1);

/** mulberry32: a small generator, so that a seed is all that a failure needs to be repeated. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

const lies = [
  0n,
  1n,
  2n,
  4n,
  127n,
  128n,
  255n,
  65_535n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = original.slice();
  const times = 1 + random(3);
  for (let time = 0; time < times && bytes.length > 8; time++) {
    // Headers are the front of these files; the tail is data, where little can go wrong.
    const at = random(random(4) === 0 ? bytes.length : Math.ceil(bytes.length * 0.7));
    const kind = random(6);
    if (kind === 0) bytes[at]! ^= 1 << random(8);
    else if (kind === 1) bytes[at] = random(256);
    else if (kind === 2) bytes = bytes.slice(0, at);
    else if (kind === 3 && at + 8 <= bytes.length) new DataView(bytes.buffer).setBigUint64(at, lies[random(lies.length)]!, true);
    else if (kind === 4 && at + 4 <= bytes.length) new DataView(bytes.buffer).setUint32(at, random(48), true);
    else bytes.copyWithin(at, random(bytes.length), random(bytes.length));
  }
  return bytes;
}

/** JSON's own lies: a number, string or structure in place of another. */
function mutateJson(original: Uint8Array, random: (below: number) => number): Uint8Array {
  const json = new TextDecoder('latin1').decode(original);
  const values = ['-1', '1e308', '9007199254740993', 'null', '[]', '{}', '"F32"', '[[[]]]', 'true', '0.5', '"../x"', '-0', '1e-400'];
  const matches = [...json.matchAll(/\d+|"[^"]*"|\[[^\]]*\]/g)];
  const match = matches[random(matches.length)]!;
  const changed = json.slice(0, match.index) + values[random(values.length)] + json.slice(match.index + match[0].length);
  const bytes = Uint8Array.from(changed, (character) => character.charCodeAt(0));
  if (random(2) === 0) new DataView(bytes.buffer).setBigUint64(0, BigInt(changed.lastIndexOf('}') + 1 - 8), true);
  return bytes;
}

/** A folder that fails the test when a reader asks for more than there is. */
function strictFolder(files: ReadonlyMap<string, Uint8Array>): SourceFolder {
  return {
    name: 'fuzz',
    async open(fileName) {
      const bytes = files.get(fileName);
      if (!bytes) return undefined;
      const source = memorySource(bytes, fileName);
      return {
        ...source,
        read(offset, into, options) {
          if (offset + into.length > bytes.length) throw new Error(`read ${into.length} at ${offset} of ${bytes.length}`);
          return source.read(offset, into, options);
        },
      };
    },
  };
}

/** What a sound checkpoint promises: each tensor's bytes can be read. */
async function readAll(checkpoint: Checkpoint): Promise<void> {
  for (const entry of checkpoint.tensors.values()) await entry.read(0, new Uint8Array(entry.sizeBytes));
  await checkpoint.close();
}

interface Subject {
  readonly name: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly opened: string | undefined;
  readonly mutated: readonly string[];
  readonly mutate: typeof mutate;
}

const splitPart = (no: number) =>
  ggufBytes({
    metadata: [
      ['general.architecture', text('llama')],
      ['split.no', u16(no)],
      ['split.count', u16(2)],
      ['split.tensors.count', { type: 'i32', value: 2 }],
    ],
    tensors: [{ name: `t${no}`, dims: [8], typeId: 0, offset: 0 }],
    data: new Uint8Array(32),
  });
const hf: readonly (readonly [string, Uint8Array])[] = [
  ['config.json', utf8({ model_type: 'llama' })],
  ['model.safetensors', smallSafetensors()],
];
const index = utf8({
  weight_map: { 'model.norm.weight': 'a.safetensors', 'model.embed_tokens.weight': 'a.safetensors', 'lm_head.weight': 'a.safetensors' },
});
const whisperGgml = ggmlBytes({
  sizes: [280, 4, 8, 2, 1, 32, 8, 2, 1, 2, 1], bins: 3, tokens: madeTokens(20),
  tensors: ['a', 'b', 'c'].map((name) => ({ name, shape: [2, 3], bytes: new Uint8Array(24) })),
});
const subjects: readonly Subject[] = [
  { name: 'ggml', files: new Map([['m.bin', whisperGgml]]), opened: 'm.bin', mutated: ['m.bin'], mutate },
  { name: 'gguf', files: new Map([['m.gguf', smallGguf()]]), opened: 'm.gguf', mutated: ['m.gguf'], mutate },
  {
    name: 'split gguf',
    files: new Map([['m-00001-of-00002.gguf', splitPart(0)], ['m-00002-of-00002.gguf', splitPart(1)]]),
    opened: 'm-00001-of-00002.gguf',
    mutated: ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf'],
    mutate,
  },
  { name: 'safetensors', files: new Map(hf), opened: undefined, mutated: ['model.safetensors'], mutate },
  { name: 'safetensors header', files: new Map(hf), opened: undefined, mutated: ['model.safetensors'], mutate: mutateJson },
  {
    name: 'config and index',
    files: new Map([hf[0]!, ['a.safetensors', smallSafetensors()], ['model.safetensors.index.json', index]]),
    opened: undefined,
    mutated: ['config.json', 'model.safetensors.index.json'],
    mutate,
  },
];

test.each(subjects)('$name', { timeout: limitMs + 20_000 }, async (subject) => {
  const started = performance.now();
  const before = process.memoryUsage.rss();
  let opened = 0;
  let done = 0;
  for (; done < mutations && performance.now() - started < limitMs; done++) {
    const seed = firstSeed + done;
    const random = randomOf(seed);
    const files = new Map(subject.files);
    const name = subject.mutated[random(subject.mutated.length)]!;
    files.set(name, subject.mutate(files.get(name)!, random));
    try {
      await readAll(await openCheckpoint({ folder: strictFolder(files), fileName: subject.opened }));
      opened++;
    } catch (error) {
      if (error instanceof FormatError || error instanceof CapacityError) continue;
      throw new Error(`INGOT_FUZZ_SEED=${seed} makes ${subject.name} fail with ${String(error)}`, { cause: error });
    }
  }
  // Both outcomes must occur, or the mutations are not what they should be.
  expect(done, `only ${done} mutations in ${limitMs} ms`).toBeGreaterThan(100);
  expect(opened).toBeGreaterThan(0);
  expect(opened).toBeLessThan(done);
  expect(process.memoryUsage.rss() - before).toBeLessThan(512 * 1024 * 1024);
});
