/** Models that see on an executor, against what transformers computes of them (../shared/golden, "vision"). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import { tokenRun } from '../src/graph/decoder-steps.ts';
import type { Executor, GraphRun, Program, SequenceRows } from '../src/graph/executor.ts';
import { decoderOf } from '../src/graph/model-graphs.ts';
import { EMPTY_SLOT } from '../src/graph/state-sizes.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { deepName, pictureReach, pictureTokens, SEEING, seenRun, towerRun } from '../src/models/vision.ts';
import type { Picture, VisionTower } from '../src/models/vision.ts';
import { locate } from '../src/node/open-path.ts';
import type { Checkpoint, JsonObject, TensorEntry } from '../src/tensor/checkpoint.ts';
import { f32Of, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { entryOf } from './memory-checkpoint.ts';
import { expectClose } from './relative-error.ts';

export const VISION_GOLDENS = ['lfm2_vl', 'qwen3_vl', 'qwen3_5_vl'] as const;
export type VisionGoldenName = (typeof VISION_GOLDENS)[number];

export interface VisionGolden {
  readonly folder: string;
  readonly picture: Picture;
  readonly promptIds: readonly number[];
  readonly greedy: readonly number[];
  /** Index of the first image token, and how many there are. */
  readonly first: number;
  readonly tokens: number;
  of(name: string): Float32Array;
  has(name: string): boolean;
}

export function readVisionGolden(name: VisionGoldenName): VisionGolden {
  const folder = `${sharedPath}/golden/${name}`;
  const { prompts, greedy, image_token_id: image } = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as {
    readonly prompts: { readonly image: number[] }; readonly greedy: { readonly image: number[] }; readonly image_token_id: number;
  };
  const tensors = readFixtureTensors(`${folder}/golden.safetensors`);
  const ints = (key: string) => {
    const { bytes } = tensors.get(key)!;
    return new Int32Array(bytes.slice().buffer);
  };
  const shape = tensors.has('inputs.spatial_shapes') ? ints('inputs.spatial_shapes') : ints('inputs.image_grid_thw').subarray(1);
  const [rows, columns] = [shape[0]!, shape[1]!];
  const pixels = f32Of(tensors, 'inputs.pixel_values');
  const width = tensors.get('inputs.pixel_values')!.shape.at(-1)!;
  return {
    folder,
    picture: { patches: pixels.slice(0, rows * columns * width), rows, columns, key: name },
    promptIds: prompts.image,
    greedy: greedy.image,
    first: prompts.image.indexOf(image),
    tokens: prompts.image.filter((id) => id === image).length,
    of: (key) => f32Of(tensors, key),
    has: (key) => tensors.has(key),
  };
}

const PAGES = 4;

export interface LoadedVision {
  readonly program: Program;
  readonly tower: VisionTower;
}

/** @param path another file of the golden's model */
export async function loadVision(executor: Executor, { folder, picture }: VisionGolden, path = folder): Promise<LoadedVision> {
  const checkpoint = await openCheckpoint(await locate(path));
  try {
    const { model, weights, vision } = await openDecoder(checkpoint);
    const patches = picture.rows * picture.columns;
    const kv = { type: 'f32', pageTokens: 16, maxPages: PAGES } as const;
    const program = await executor.load({ model, weights, kv, sizes: { rows: 64, patches, [SEEING.seen.pictureRows]: patches / 4 } });
    program.ensurePages(0, PAGES);
    if (model.states.some(({ kind }) => kind === 'slot')) program.ensureSlots(3);
    return { program, tower: vision! };
  } finally {
    await checkpoint.close();
  }
}

/** Steps of one sequence, each of which leaves its slots where the next one finds them. */
function placesOf(program: Program): (start: number, rows: number) => SequenceRows {
  let slot: number = EMPTY_SLOT;
  const hasSlots = program.model.states.some(({ kind }) => kind === 'slot');
  return (start, rows) => {
    const slots = hasSlots ? { read: slot, write: slot === 1 ? 2 : 1 } : undefined;
    slot = slots?.write ?? slot;
    return { rows, start, pages: [Array.from({ length: PAGES }, (_, i) => i)], slots };
  };
}

function rowsFrom(values: Float32Array, width: number, [from, to]: readonly [number, number]): Float32Array {
  return values.subarray(from * width, to * width);
}

/** The tower's states and what its projector makes of them. */
export async function checkTower({ program, tower }: LoadedVision, golden: VisionGolden, tolerance: number): Promise<void> {
  const { picture } = golden;
  const deep = Array.from({ length: tower.deep }, (_, k) => deepName(k));
  const [made] = await program.run([towerRun(tower, picture, ['hidden', SEEING.tower.embeddings, ...deep])]);
  const hidden = golden.of('vision.hidden').subarray(0, made!.get('hidden')!.length);
  expectClose('hidden', { found: made!.get('hidden')!, wanted: hidden }, tolerance);
  expectClose('embeddings', { found: made!.get(SEEING.tower.embeddings)!, wanted: golden.of('vision.embeds') }, tolerance);
  for (const [k, name] of deep.entries())
    expectClose(name, { found: made!.get(name)!, wanted: golden.of(`vision.deepstack.${k}`) }, tolerance);
}

/** Text, a picture whose rows never leave the device, and text, then the likeliest tokens: states and logits of all rows that have them. */
export async function checkSeen(loaded: LoadedVision, golden: VisionGolden, tolerance: number): Promise<void> {
  const { program, tower } = loaded;
  const names = decoderOf(program.model);
  const { promptIds, picture, first, tokens } = golden;
  expect(pictureTokens(tower.info, picture)).toBe(tokens);
  const layers = [...program.model.graphs.get(SEEING.seen.graph)!.taps.keys()];
  const place = placesOf(program);
  const shift = pictureReach(tower, picture) - tokens;
  const text = (ids: readonly number[], start: number, own: number): GraphRun => {
    const sequence = place(start, ids.length);
    return tokenRun(names, [{ ...sequence, tokens: ids, outputs: ids.map((_, i) => i), shift: own }], [names.logits, ...layers]);
  };
  const end = first + tokens;
  const runs = [
    text(promptIds.slice(0, first), 0, 0),
    towerRun(tower, picture),
    seenRun(tower, { picture, from: 0, shift: 0, sequence: place(first, tokens) }, layers),
    text(promptIds.slice(end), end, shift),
  ];
  const made = await program.run(runs);
  const ranges = [[0, first], undefined, [first, end], [end, promptIds.length]] as const;
  for (const [i, range] of ranges.entries()) {
    if (range === undefined) continue;
    for (const layer of layers) {
      const expected = golden.of(`image.${layer}`);
      // What lies behind the last layer is normed there.
      if (layer === layers.at(-1)) continue;
      const width = expected.length / promptIds.length;
      expectClose(`${layer} of run ${i}`, { found: made[i]!.get(layer)!, wanted: rowsFrom(expected, width, range) }, tolerance);
    }
    const logits = made[i]!.get(names.logits);
    const expected = golden.of('image.logits');
    const wanted = rowsFrom(expected, expected.length / promptIds.length, range);
    if (logits !== undefined) expectClose(`logits of run ${i}`, { found: logits, wanted }, tolerance);
  }
  let last = made.at(-1)!.get(names.logits)!;
  const vocab = golden.of('image.logits').length / promptIds.length;
  const chosen: number[] = [];
  for (let step = 0; step < golden.greedy.length; step++) {
    last = last.subarray(last.length - vocab);
    chosen.push(last.indexOf(Math.max(...last)));
    const [next] = await program.run([text([chosen.at(-1)!], promptIds.length + step, shift)]);
    last = next!.get(names.logits)!;
  }
  expect(chosen).toEqual(golden.greedy);
}


/** A tower in parts, with rows of text between them, and rows of what it makes in a list of their own: the same values as in one. */
export async function checkParts({ program, tower }: LoadedVision, golden: VisionGolden): Promise<void> {
  const { picture, promptIds, tokens } = golden;
  const names = decoderOf(program.model);
  const whole = towerRun(tower, picture, [SEEING.tower.embeddings]);
  const layer = [...program.model.graphs.get(SEEING.seen.graph)!.taps.keys()].at(-1)!;
  const seen = () => seenRun(tower, { picture, from: 0, shift: 0, sequence: placesOf(program)(0, tokens) }, [layer]);
  const text = () => tokenRun(names, [{ ...placesOf(program)(0, 5), tokens: promptIds.slice(0, 5), outputs: [4] }], [names.logits]);
  const copied = (made: Float32Array | undefined) => Float32Array.from(made!);
  const [first, last] = await program.run([whole, seen()]);
  const wanted = { embeddings: copied(first!.get(SEEING.tower.embeddings)), rows: copied(last!.get(layer)) };
  const of = 2 * 7;
  for (const [from, to] of [[0, 1], [1, 2], [2, 9], [9, 12]] as const) {
    await program.run([{ ...whole, part: { from, to, of }, wanted: [] }]);
    await program.run([text()]);
  }
  const [end] = await program.run([{ ...whole, part: { from: 12, to: of, of } }]);
  expect(copied(end!.get(SEEING.tower.embeddings))).toEqual(wanted.embeddings);
  await program.run([text()]);
  const [rows] = await program.run([seen()]);
  expect(copied(rows!.get(layer))).toEqual(wanted.rows);
  await expect(program.run([{ ...text(), part: { from: 0, to: 1, of: 2 } }])).rejects.toThrow('it has states, and comes in no parts');
  await expect(program.run([{ ...whole, part: { from: 1, to: 1, of: 2 } }])).rejects.toThrow('expected a part of 2, found 1 to 1');
}

/** The tower's layers with `kept` of the values between their two products: the others are zeros, or, `isCut`, not in the file. */
async function narrowed(path: string, kept: number, isCut: boolean): Promise<Checkpoint> {
  const { config = {}, ...checkpoint } = await openCheckpoint(await locate(path));
  const tensors = new Map(checkpoint.tensors);
  for (const [name, entry] of tensors) {
    if (/vision_tower.*mlp\.fc[12]\./.test(name) && !name.endsWith('fc2.bias')) tensors.set(name, await narrowedTensor(entry, kept, isCut));
  }
  const vision = { ...(config['vision_config'] as JsonObject), ...(isCut && { intermediate_size: kept }) };
  return { ...checkpoint, config: { ...config, vision_config: vision }, tensors };
}

async function narrowedTensor(entry: TensorEntry, kept: number, isCut: boolean): Promise<TensorEntry> {
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes);
  const [rows, inner = 1] = entry.shape as readonly [number, number?];
  const isWide = entry.name.endsWith('fc2.weight');
  const [lines, most] = isWide ? [rows, inner] : [1, rows];
  const each = bytes.length / (lines * most);
  const width = isCut ? kept : most;
  const own = new Uint8Array(lines * width * each);
  for (let line = 0; line < lines; line++)
    own.set(bytes.subarray(line * most * each, (line * most + kept) * each), line * width * each);
  const shape = isWide ? [rows, width] : entry.shape.length === 1 ? [width] : [width, inner];
  return entryOf(entry.name, { shape, type: entry.type, bytes: own });
}

/** A file whose layers have a width that is no whole number of blocks makes what one makes that has zeros there. */
export async function checkWidened(executor: Executor, tolerance: number): Promise<void> {
  const { folder, picture } = readVisionGolden('lfm2_vl');
  const patches = picture.rows * picture.columns;
  const made: Float32Array[] = [];
  for (const isCut of [true, false]) {
    const checkpoint = await narrowed(folder, 70, isCut);
    const { model, weights, vision } = await openDecoder(checkpoint);
    const kv = { type: 'f32', pageTokens: 16, maxPages: 1 } as const;
    const program = await executor.load({ model, weights, kv, sizes: { rows: 16, patches, [SEEING.seen.pictureRows]: patches / 4 } });
    await checkpoint.close();
    const [run] = await program.run([towerRun(vision!, picture, [SEEING.tower.embeddings])]);
    made.push(Float32Array.from(run!.get(SEEING.tower.embeddings)!));
    await program.dispose();
  }
  const [found, wanted] = made as [Float32Array, Float32Array];
  expectClose('embeddings', { found, wanted }, tolerance);
  expect(wanted.some((value) => Math.abs(value) > 0.01)).toBe(true);
}
