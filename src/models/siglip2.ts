/**
 * The tower of LFM2-VL and LFM2.5-VL: SigLIP 2 (Tschannen et al. 2025), NaFlex, of any number of rows and columns, and the projector behind
 * it, which puts squares of 2 x 2 patches side by side. Names as transformers' `lfm2_vl` and llama.cpp's projector `lfm2`.
 */
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { linear } from '../graph/ops/linear.ts';
import { windows } from '../graph/ops/windows.ts';
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { configFields, jsonBoolean, jsonNumber } from './config-fields.ts';
import { SEEING } from './vision.ts';
import type { Picture, VisionTower } from './vision.ts';
import { affine, biased, normed, towerLayer } from './vision-layers.ts';
import type { TowerSizes } from './vision-layers.ts';
import { visionFields, visionInfo } from './vision-part.ts';
import type { VisionPart } from './vision-part.ts';
import { padded, reshape, tensor, transpose } from './weight-expression.ts';
import { tensorSpec } from './weight-spec.ts';
import type { WeightSpec } from './weight-spec.ts';

// Config.

interface SiglipConfig extends TowerSizes {
  /** As the file has it; `ffnDim` is that in whole blocks. */
  readonly fileFfnDim: number;
  readonly patchSize: number;
  /** Side of the square table of positions. */
  readonly tableSide: number;
  readonly mergeSize: number;
  readonly projectorDim: number;
  readonly projectorNorm: boolean;
  readonly projectorEps: number;
  readonly outDim: number;
}

const CHANNELS = 3;
const BLOCK = 32;
const PROJECTOR_EPS = 1e-5;
/** Of a tile of 512 x 512 pixels, and at most of a picture that is no tile: larger ones are cut into tiles. */
const TILE_PATCHES = 1024;

/** As many as a tile has, or a picture that is none, where a processor has larger ones than are usual. */
function ownPatches({ patchSize, mergeSize }: SiglipConfig, processor: JsonObject): number {
  const asked = (name: string) => (Number.isSafeInteger(processor[name]) ? (processor[name] as number) : 0);
  return Math.max(TILE_PATCHES, (asked('tile_size') / patchSize) ** 2, asked('max_image_tokens') * mergeSize ** 2);
}

/** Layers up to the one whose states are taken: the last where nothing is said (mlx-vlm, llama.cpp's conversion/lfm2.py). */
function usedLayers({ config = {}, name }: Checkpoint, layers: number): number {
  const feature = jsonNumber(config, 'vision_feature_layer', name) ?? -1;
  const used = feature < 0 ? layers + feature + 1 : feature;
  if (Number.isInteger(used) && used >= 1 && used <= layers) return used;
  throw new FormatError(`${name}: vision_feature_layer must name one of ${layers} layers, found ${feature}.`);
}

function parse({ checkpoint, outDim }: VisionPart): SiglipConfig {
  const { config = {}, name, format, tensors } = checkpoint;
  const fields = configFields(visionFields(checkpoint));
  const count = (hf: string, gguf: string) => fields.requiredCount({ hf, gguf });
  const isGguf = format === 'gguf';
  const table = tensors.get(isGguf ? 'v.position_embd.weight' : 'vision.embeddings.position_embedding.weight');
  const tableSide = Math.sqrt(table?.shape[0] ?? NaN);
  if (!Number.isInteger(tableSide))
    throw new FormatError(`${name}: the vision tower's table of positions must be a square, found ${table?.shape[0] ?? 'none'} rows.`);
  const projector = tensors.get(isGguf ? 'mm.1.weight' : 'projector.linear_1.weight');
  const layers = fields.requiredCount({ hf: 'num_hidden_layers', gguf: 'block_count' }, 1000);
  const mergeSize = isGguf
    ? (fields.count({ hf: '', gguf: 'projector.scale_factor' }) ?? 2)
    : (jsonNumber(config, 'downsample_factor', name) ?? 2);
  const fileFfnDim = count('intermediate_size', 'feed_forward_length');
  return {
    dim: count('hidden_size', 'embedding_length'),
    heads: count('num_attention_heads', 'attention.head_count'),
    fileFfnDim,
    ffnDim: Math.ceil(fileFfnDim / BLOCK) * BLOCK,
    layers: isGguf ? layers : usedLayers(checkpoint, layers),
    eps: fields.positive({ hf: 'layer_norm_eps', gguf: 'attention.layer_norm_epsilon' }) ?? 1e-6,
    patchSize: count('patch_size', 'patch_size'),
    tableSide,
    mergeSize,
    projectorDim: projector?.shape[0] ?? 0,
    projectorNorm: isGguf ? tensors.has('mm.input_norm.weight') : (jsonBoolean(config, 'projector_use_layernorm', name) ?? true),
    projectorEps: PROJECTOR_EPS,
    outDim,
  };
}

// Weights.

/**
 * The width between `up` and `down` in whole blocks of 32, which kernels of products want: So400m's 4,304 values and 16 zeros, of which
 * gelu makes zeros. A bias is a vector, whatever its matrix is.
 */
function widened(specs: readonly WeightSpec[], shape: readonly number[]): readonly WeightSpec[] {
  return specs.map(({ gguf, safetensors, ...spec }) => {
    const own = spec.shape.length === 1 ? shape.slice(0, 1) : shape;
    return { ...spec, shape: own, gguf: padded(gguf, own), safetensors: padded(safetensors, own) };
  });
}

function layerWeights({ dim, fileFfnDim, ffnDim }: SiglipConfig, n: number): readonly WeightSpec[] {
  const own = (part: string, shape: readonly number[], gguf: string, folder: string) =>
    biased(`vision.layers.${n}.${part}`, shape, { gguf: `v.blk.${n}.${gguf}`, safetensors: `vision.encoder.layers.${n}.${folder}` });
  const between = (part: string, from: readonly number[], to: readonly number[], ...names: [gguf: string, folder: string]) =>
    fileFfnDim === ffnDim ? own(part, from, ...names) : widened(own(part, from, ...names), to);
  return [
    ...own('norm1', [dim], 'ln1', 'layer_norm1'),
    ...own('q', [dim, dim], 'attn_q', 'self_attn.q_proj'),
    ...own('k', [dim, dim], 'attn_k', 'self_attn.k_proj'),
    ...own('v', [dim, dim], 'attn_v', 'self_attn.v_proj'),
    ...own('o', [dim, dim], 'attn_out', 'self_attn.out_proj'),
    ...own('norm2', [dim], 'ln2', 'layer_norm2'),
    ...between('up', [fileFfnDim, dim], [ffnDim, dim], 'ffn_up', 'mlp.fc1'),
    ...between('down', [dim, fileFfnDim], [dim, ffnDim], 'ffn_down', 'mlp.fc2'),
  ];
}

function weightsOf(config: SiglipConfig): readonly WeightSpec[] {
  const { dim, patchSize, tableSide, mergeSize, projectorDim, projectorNorm, outDim, layers } = config;
  const area = patchSize * patchSize;
  const width = CHANNELS * area;
  const merged = mergeSize * mergeSize * dim;
  const patch = { gguf: 'v.patch_embd', safetensors: 'vision.embeddings.patch_embedding' };
  const ofColours = tensor(`${patch.gguf}.weight`, [dim, CHANNELS, patchSize, patchSize]);
  const places = [tableSide * tableSide, dim];
  return [
    {
      id: 'vision.patch', shape: [dim, width],
      // Colours lie together in a folder's patches, pixels of a colour in a GGUF file's.
      gguf: reshape(transpose(reshape(ofColours, [dim, CHANNELS, area])), [dim, width]),
      safetensors: tensor(`${patch.safetensors}.weight`, [dim, width]),
    },
    tensorSpec('vision.patch.bias', [dim], { gguf: `${patch.gguf}.bias`, safetensors: `${patch.safetensors}.bias` }),
    {
      id: 'vision.places', shape: [dim, tableSide * tableSide],
      gguf: transpose(tensor('v.position_embd.weight', places)),
      safetensors: transpose(tensor('vision.embeddings.position_embedding.weight', places)),
    },
    ...Array.from({ length: layers }, (_, n) => layerWeights(config, n)).flat(),
    ...biased('vision.last', [dim], { gguf: 'v.post_ln', safetensors: 'vision.post_layernorm' }),
    ...(projectorNorm ? biased('vision.projector.norm', [merged], { gguf: 'mm.input_norm', safetensors: 'projector.layer_norm' }) : []),
    ...biased('vision.projector.up', [projectorDim, merged], { gguf: 'mm.1', safetensors: 'projector.linear_1' }),
    ...biased('vision.projector.out', [outDim, projectorDim], { gguf: 'mm.2', safetensors: 'projector.linear_2' }),
  ];
}

/** Layers behind the one whose states are taken, and the head that pools. */
const SKIPS = [
  { pattern: /^vision\.encoder\.layers\.\d+\./, reason: 'of a layer of the vision tower behind the one whose states are taken' },
  { pattern: /^vision\.head\./, reason: 'of the head that makes one vector of an image' },
];

// Graph.

function writeTower(g: GraphBuilder, config: SiglipConfig): void {
  const { dim, patchSize, tableSide, mergeSize, projectorDim, projectorNorm, projectorEps, outDim, layers, eps } = config;
  const patches = g.input(SEEING.tower.patches, 'f32', ['patches', CHANNELS * patchSize * patchSize]);
  const places = g.input('places', 'f32', ['patches', tableSide * tableSide]);
  const order = g.input('order', 'i32', ['patches']);
  const merged = g.derivedDim('merged', ({ patches: count = 0 }) => count / (mergeSize * mergeSize));
  const embeddings = g.scope('vision', () => {
    const pixels = affine(g, 'patch', patches, dim);
    let x: Value = add(g, 'placed', pixels, linear(g, 'places', places, g.weight('vision.places', [dim, tableSide * tableSide])));
    for (let n = 0; n < layers; n++) x = g.scope(`layers.${n}`, () => towerLayer(g, x, config));
    const last = normed(g, 'last', x, eps);
    g.tap('hidden', last);
    const squares = { taps: mergeSize * mergeSize, stride: mergeSize * mergeSize, frames: merged };
    const joined = windows(g, 'squares', gatherRows(g, 'order', last, order), squares);
    return g.scope('projector', () => {
      const input = projectorNorm ? normed(g, 'norm', joined, projectorEps) : joined;
      return affine(g, 'out', activation(g, 'act', 'gelu', affine(g, 'up', input, projectorDim)), outDim);
    });
  });
  g.output(SEEING.tower.embeddings, embeddings);
}

// A run.

/**
 * How much of each entry of an axis of `from` entries is in each of `to`: bilinear, edges at the ends (`align_corners=False`), and over as
 * many entries as one covers where there are fewer (`antialias=True`): torch's `interpolate`. [to, from].
 */
export function resizeWeights(from: number, to: number): Float64Array {
  const scale = from / to;
  const support = Math.max(1, scale);
  const weights = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const centre = scale * (i + 0.5);
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(from, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = first; j < end; j++) sum += weights[i * from + j] = Math.max(0, 1 - Math.abs((j - centre + 0.5) / support));
    for (let j = first; j < end; j++) weights[i * from + j]! /= sum;
  }
  return weights;
}

/** Of each patch, how much of each entry of the table its position is: [rows * columns, side * side]. */
function placesOf(side: number, { rows, columns }: Picture): Float32Array {
  const [down, across] = [resizeWeights(side, rows), resizeWeights(side, columns)];
  const places = new Float32Array(rows * columns * side * side);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = (row * columns + column) * side * side;
      for (let y = 0; y < side; y++) {
        const share = down[row * side + y]!;
        if (share === 0) continue;
        for (let x = 0; x < side; x++) places[at + y * side + x] = share * across[column * side + x]!;
      }
    }
  }
  return places;
}

/** The patches of each square one after another, squares and what is in them row by row. */
export function squareOrder({ rows, columns }: Pick<Picture, 'rows' | 'columns'>, side: number): Int32Array {
  const order = new Int32Array(rows * columns);
  let at = 0;
  for (let row = 0; row < rows; row += side)
    for (let column = 0; column < columns; column += side)
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++) order[at++] = (row + y) * columns + column + x;
  return order;
}

export function siglip2Tower(part: VisionPart): VisionTower {
  const config = parse(part);
  return {
    info: visionInfo(part, {
      family: 'lfm2-vl', temporalPatchSize: 1, patchSize: config.patchSize, mergeSize: config.mergeSize, 
      ownPatches: (processor) => ownPatches(config, processor),
    }),
    weights: weightsOf(config),
    skips: SKIPS,
    deep: 0,
    hasAxes: false,
    write: (m) => m.graph(SEEING.tower.graph, (g) => writeTower(g, config)),
    inputsOf: (picture) => ({
      dims: { patches: picture.rows * picture.columns },
      inputs: {
        [SEEING.tower.patches]: picture.patches, places: placesOf(config.tableSide, picture), order: squareOrder(picture, config.mergeSize),
      },
    }),
  };
}
