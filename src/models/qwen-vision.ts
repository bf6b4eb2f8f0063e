/**
 * The tower of Qwen3-VL and Qwen3.5 (Qwen Team 2025, 2026): heads turn by row and column, positions are those of a square table between its
 * entries, squares of 2 x 2 patches become one row, and of some layers' states further rows are made for the language model's first layers
 * (DeepStack: Meng et al. 2024). Names as transformers' `qwen3_vl` and llama.cpp's projector `qwen3vl_merger`.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { embed } from '../graph/ops/embed.ts';
import { rope } from '../graph/ops/rope.ts';
import type { RopeTable } from '../graph/ops/rope.ts';
import { scaleRows } from '../graph/ops/scale-rows.ts';
import { windows } from '../graph/ops/windows.ts';
import { widthOf } from '../graph/value.ts';
import type { Dim, Value } from '../graph/value.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { configFields } from './config-fields.ts';
import { deepName, SEEING } from './vision.ts';
import type { Picture, VisionTower } from './vision.ts';
import { affine, biased, biasedPart, both, normed, towerLayer } from './vision-layers.ts';
import type { TowerSizes } from './vision-layers.ts';
import { visionFields, visionInfo } from './vision-part.ts';
import type { VisionPart } from './vision-part.ts';
import { reshape, slice, stack, tensor, transpose } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

interface QwenVisionConfig extends TowerSizes {
  readonly patchSize: number;
  readonly temporalPatchSize: number;
  readonly mergeSize: number;
  /** Side of the square table of positions. */
  readonly tableSide: number;
  readonly outDim: number;
  /** Layers behind which further rows are made. */
  readonly deepLayers: readonly number[];
  /** MLX's folders have the patches' matrix as [dim, time, row, column, colour], others with the colour before them. */
  readonly isChannelLast: boolean;
}

const CHANNELS = 3;
const THETA = 10_000;
/** A gain of a norm and of a merger: transformers has no setting for it. */
const EPS = 1e-6;

function deepLayersOf({ format, metadata, config = {}, name }: Checkpoint, layers: number): readonly number[] {
  const value = format === 'gguf' ? metadata.get('clip.vision.is_deepstack_layers') : config['deepstack_visual_indexes'];
  const list = Array.isArray(value) || ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<unknown>) : [];
  const numbers = format === 'gguf' ? list.flatMap((is, n) => (is === true || is === 1 ? [n] : [])) : list;
  if (numbers.every((n) => Number.isInteger(n) && (n as number) >= 0 && (n as number) < layers)) return numbers as number[];
  throw new FormatError(`${name}: layers with DeepStack must be numbers below ${layers}, found ${numbers.slice(0, 8).join(', ')}.`);
}

function parse({ checkpoint, outDim }: VisionPart): QwenVisionConfig {
  const own = visionFields(checkpoint);
  const { format, name, tensors } = checkpoint;
  const fields = configFields(own);
  const count = (hf: string, gguf: string) => fields.requiredCount({ hf, gguf });
  const isGguf = format === 'gguf';
  const table = tensors.get(isGguf ? 'v.position_embd.weight' : 'vision.pos_embed.weight');
  const tableSide = Math.sqrt(table?.shape[0] ?? NaN);
  if (!Number.isInteger(tableSide))
    throw new FormatError(`${name}: the vision tower's table of positions must be a square, found ${table?.shape[0] ?? 'none'} rows.`);
  const [dim, heads] = [count('hidden_size', 'embedding_length'), count('num_heads', 'attention.head_count')];
  if (dim % (4 * heads) !== 0)
    throw new FormatError(`${name}: heads of the vision tower must have a multiple of 4 values, found ${dim} / ${heads}.`);
  const layers = fields.requiredCount({ hf: 'depth', gguf: 'block_count' }, 1000);
  return {
    dim, heads, layers, outDim, tableSide,
    ffnDim: count('intermediate_size', 'feed_forward_length'),
    eps: EPS,
    patchSize: count('patch_size', 'patch_size'),
    temporalPatchSize: fields.count({ hf: 'temporal_patch_size', gguf: '' }) ?? 2,
    mergeSize: fields.count({ hf: 'spatial_merge_size', gguf: 'spatial_merge_size' }) ?? 2,
    deepLayers: deepLayersOf(own, layers),
    isChannelLast: !isGguf && tensors.get('vision.patch_embed.proj.weight')?.shape.at(-1) === CHANNELS,
  };
}

// Weights.

/** [dim, colours * times * pixels]. */
function patchWeights(config: QwenVisionConfig): readonly WeightSpec[] {
  const { dim, patchSize, temporalPatchSize: times, isChannelLast } = config;
  const area = patchSize * patchSize;
  const shape = [dim, CHANNELS * times * area];
  const folder = 'vision.patch_embed.proj';
  const kept = isChannelLast ? [dim, times, patchSize, patchSize, CHANNELS] : [dim, CHANNELS, times, patchSize, patchSize];
  const whole = tensor(`${folder}.weight`, kept);
  // A tensor for each time.
  const ofTime = (name: string) => reshape(tensor(name, [dim, CHANNELS, patchSize, patchSize]), [dim * CHANNELS, 1, area]);
  const parts = Array.from({ length: times }, (_, t) => ofTime(t === 0 ? 'v.patch_embd.weight' : `v.patch_embd.weight.${t}`));
  return [
    {
      id: 'vision.patch', shape,
      gguf: reshape(stack(parts), shape),
      safetensors: reshape(isChannelLast ? transpose(reshape(whole, [dim, times * area, CHANNELS])) : whole, shape),
    },
    { id: 'vision.patch.bias', shape: [dim], gguf: tensor('v.patch_embd.bias', [dim]), safetensors: tensor(`${folder}.bias`, [dim]) },
  ];
}

function layerWeights({ dim, ffnDim }: QwenVisionConfig, n: number): readonly WeightSpec[] {
  const id = `vision.layers.${n}`;
  const names = (gguf: string, folder: string) => ({ gguf: `v.blk.${n}.${gguf}`, safetensors: `vision.blocks.${n}.${folder}` });
  const own = (part: string, shape: readonly number[], gguf: string, folder: string) => biased(`${id}.${part}`, shape, names(gguf, folder));
  const ofThree = (kind: 'weight' | 'bias', i: number) => both((name): WeightExpression => {
    const whole = tensor(`${name}.${kind}`, kind === 'weight' ? [3 * dim, dim] : [3 * dim]);
    return slice(whole, i * dim, (i + 1) * dim);
  }, names('attn_qkv', 'attn.qkv'));
  return [
    ...own('norm1', [dim], 'ln1', 'norm1'),
    ...(['q', 'k', 'v'] as const).flatMap((part, i) => biasedPart(`${id}.${part}`, [dim, dim], (kind) => ofThree(kind, i))),
    ...own('o', [dim, dim], 'attn_out', 'attn.proj'),
    ...own('norm2', [dim], 'ln2', 'norm2'),
    ...own('up', [ffnDim, dim], 'ffn_up', 'mlp.linear_fc1'),
    ...own('down', [dim, ffnDim], 'ffn_down', 'mlp.linear_fc2'),
  ];
}

interface MergerNames {
  readonly norm: string;
  readonly up: string;
  readonly out: string;
}

function mergerWeights(config: QwenVisionConfig, id: string, { gguf, folder, normWidth }: {
  readonly gguf: MergerNames; readonly folder: string; readonly normWidth: number;
}): readonly WeightSpec[] {
  const merged = config.mergeSize * config.mergeSize * config.dim;
  return [
    ...biased(`${id}.norm`, [normWidth], { gguf: gguf.norm, safetensors: `${folder}.norm` }),
    ...biased(`${id}.up`, [merged, merged], { gguf: gguf.up, safetensors: `${folder}.linear_fc1` }),
    ...biased(`${id}.out`, [config.outDim, merged], { gguf: gguf.out, safetensors: `${folder}.linear_fc2` }),
  ];
}

function weightsOf(config: QwenVisionConfig): readonly WeightSpec[] {
  const { dim, tableSide, layers, deepLayers, mergeSize } = config;
  const places = [tableSide * tableSide, dim];
  const merged = mergeSize * mergeSize * dim;
  return [
    ...patchWeights(config),
    tensorSpec('vision.places', places, { gguf: 'v.position_embd.weight', safetensors: 'vision.pos_embed.weight' }),
    ...Array.from({ length: layers }, (_, n) => layerWeights(config, n)).flat(),
    ...mergerWeights(config, 'vision.merger', {
      gguf: { norm: 'v.post_ln', up: 'mm.0', out: 'mm.2' }, folder: 'vision.merger', normWidth: dim,
    }),
    ...deepLayers.flatMap((layer, k) => mergerWeights(config, `vision.deep.${k}`, {
      gguf: { norm: `v.deepstack.${layer}.norm`, up: `v.deepstack.${layer}.fc1`, out: `v.deepstack.${layer}.fc2` },
      folder: `vision.deepstack_merger_list.${k}`, normWidth: merged,
    })),
  ];
}

// Graph.

const CORNERS = [0, 1, 2, 3] as const;

/** Rows of the table at four corners, each times its share. */
function placed(g: GraphBuilder, { tableSide, dim }: QwenVisionConfig, pixels: Value): Value {
  const table = g.weight('vision.places', [tableSide * tableSide, dim]);
  return CORNERS.reduce((sum, n) => {
    const corner = embed(g, `corner.${n}`, g.input(`corner.${n}`, 'i32', ['patches']), table);
    return add(g, `placed.${n}`, sum, scaleRows(g, `share.${n}`, corner, g.input(`share.${n}`, 'f32', ['patches', 1])));
  }, pixels);
}

/** Rows and columns turn a half of the frequencies each. */
function turning({ dim, heads }: QwenVisionConfig): RopeTable {
  const quarter = dim / heads / 4;
  const frequencies = Float64Array.from({ length: 2 * quarter }, (_, i) => THETA ** (-(i % quarter) / quarter));
  return { id: 'vision.rope', frequencies, axes: Array.from({ length: 2 * quarter }, (_, i) => Math.floor(i / quarter)) };
}

function merge(g: GraphBuilder, { mergeSize, dim, outDim, eps }: QwenVisionConfig, x: Value, { merged, isNormedFirst }: {
  readonly merged: Dim; readonly isNormedFirst: boolean;
}): Value {
  const squares = { taps: mergeSize * mergeSize, stride: mergeSize * mergeSize, frames: merged };
  const joined = isNormedFirst
    ? windows(g, 'squares', normed(g, 'norm', x, eps), squares)
    : normed(g, 'norm', windows(g, 'squares', x, squares), eps);
  return affine(g, 'out', activation(g, 'act', 'gelu', affine(g, 'up', joined, mergeSize * mergeSize * dim)), outDim);
}

function writeTower(g: GraphBuilder, config: QwenVisionConfig): void {
  const { patchSize, temporalPatchSize, dim, heads, layers, deepLayers, mergeSize } = config;
  const patches = g.input(SEEING.tower.patches, 'f32', ['patches', CHANNELS * temporalPatchSize * patchSize * patchSize]);
  const positions = g.input('positions', 'i32', ['patches', 2]);
  const merged = g.derivedDim('merged', ({ patches: count = 0 }) => count / (mergeSize * mergeSize));
  const table = turning(config);
  const turn = (own: GraphBuilder, name: string, x: Value) => rope(own, name, x, { heads, headDim: widthOf(x) / heads, table, positions });
  g.scope('vision', () => {
    let x = placed(g, config, affine(g, 'patch', patches, dim));
    for (let n = 0; n < layers; n++) {
      x = g.scope(`layers.${n}`, () => towerLayer(g, x, { ...config, turn }));
      const k = deepLayers.indexOf(n);
      if (k >= 0) g.output(deepName(k), g.scope(`deep.${k}`, () => merge(g, config, x, { merged, isNormedFirst: false })));
    }
    g.tap('hidden', x);
    g.output(SEEING.tower.embeddings, g.scope('merger', () => merge(g, config, x, { merged, isNormedFirst: true })));
  });
}

// A run.

/** Row and column of each patch: squares row by row, and in each its patches row by row. */
function placesInOrder({ rows, columns }: Picture, side: number): readonly (readonly [row: number, column: number])[] {
  const places: (readonly [number, number])[] = [];
  for (let row = 0; row < rows; row += side)
    for (let column = 0; column < columns; column += side)
      for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) places.push([row + y, column + x]);
  return places;
}

/** Entry of the table below a place of an axis of `count`, and how far the place lies beyond it: ends lie on ends. */
function between(side: number, count: number, at: number): readonly [entry: number, beyond: number] {
  const place = count === 1 ? 0 : Math.fround((at * (side - 1)) / (count - 1));
  const entry = Math.min(Math.floor(place), side - 1);
  return [entry, place - entry];
}

function inputsOf({ tableSide, mergeSize }: QwenVisionConfig, picture: Picture) {
  const places = placesInOrder(picture, mergeSize);
  const corners = CORNERS.map(() => new Int32Array(places.length));
  const shares = CORNERS.map(() => new Float32Array(places.length));
  for (const [i, [row, column]] of places.entries()) {
    const [top, down] = between(tableSide, picture.rows, row);
    const [left, right] = between(tableSide, picture.columns, column);
    const [bottom, far] = [Math.min(top + 1, tableSide - 1), Math.min(left + 1, tableSide - 1)];
    const entries = [[top, left], [top, far], [bottom, left], [bottom, far]] as const;
    const parts = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right];
    for (const n of CORNERS) {
      corners[n]![i] = entries[n][0] * tableSide + entries[n][1];
      shares[n]![i] = parts[n]!;
    }
  }
  return {
    dims: { patches: places.length },
    inputs: {
      [SEEING.tower.patches]: picture.patches, positions: Int32Array.from(places.flat()),
      ...Object.fromEntries(CORNERS.flatMap((n) => [[`corner.${n}`, corners[n]!], [`share.${n}`, shares[n]!]])),
    },
  };
}

export function qwenVisionTower(part: VisionPart): VisionTower {
  const config = parse(part);
  const { patchSize, mergeSize, temporalPatchSize, deepLayers } = config;
  return {
    info: visionInfo(part, { family: 'qwen-vl', patchSize, mergeSize, temporalPatchSize }),
    weights: weightsOf(config),
    skips: [],
    deep: deepLayers.length,
    hasAxes: true,
    write: (m) => m.graph(SEEING.tower.graph, (g) => writeTower(g, config)),
    inputsOf: (picture) => inputsOf(config, picture),
  };
}
