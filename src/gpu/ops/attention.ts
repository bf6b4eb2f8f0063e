/** Kernels of attention: one dispatch over all keys or over parts of them for single rows, tiles for many rows of a sequence, or both. */
import type { Graph } from '../../graph/graph.ts';
import { kvVectorBytes } from '../../graph/kv-types.ts';
import { scoring, visibility } from '../../graph/ops/attention.ts';
import type { AttentionOp as GraphAttentionOp } from '../../graph/ops/attention.ts';
import { stateName } from '../../graph/state.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { hasCodes, kvText, widthsText } from '../attention-shape.ts';
import type { AttentionShape } from '../attention-shape.ts';
import { attentionCombineKernel, attentionCombineWorkgroups } from '../kernels/attention-combine/attention-combine.ts';
import { attentionDecodeKernel, attentionDecodeWorkgroups, fittingDecodeVariant } from '../kernels/attention-decode/attention-decode.ts';
import type { AttentionDecodeVariant } from '../kernels/attention-decode/attention-decode-variant.ts';
import { partialBytes } from '../kernels/attention-decode/key-splits.ts';
import type { KeySplits } from '../kernels/attention-decode/key-splits.ts';
import { attentionMatrixKernel, attentionMatrixWorkgroups } from '../kernels/attention-matrix/attention-matrix.ts';
import { attentionMatrixVariant } from '../kernels/attention-matrix/attention-matrix-variant.ts';
import type { AttentionMatrixVariant, TileWidth } from '../kernels/attention-matrix/attention-matrix-variant.ts';
import { attentionPrefillKernel, attentionPrefillWorkgroups } from '../kernels/attention-prefill/attention-prefill.ts';
import { attentionPrefillVariant } from '../kernels/attention-prefill/attention-prefill-variant.ts';
import type { AttentionPrefillVariant } from '../kernels/attention-prefill/attention-prefill-variant.ts';
import { kvWriteKernel, kvWriteWorkgroups } from '../kernels/kv-write/kv-write.ts';
import type { GpuOpRules, Lower, UseOptions } from '../plan/gpu-op-rules.ts';
import { rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import { hasTiles } from '../plan/kernel-use.ts';
import type { AttentionMode, GridCounts, KernelUse, SingleMode, StepCost, StepCounts } from '../plan/kernel-use.ts';
import { gainOf } from '../plan/planned-weights.ts';
import type { PlannedVector } from '../plan/planned-weights.ts';
import { sizeOfValue } from '../plan/value-refs.ts';
import type { DeviceProfile } from '../profile/device-profile.ts';
import { attentionCuts } from './attention-cuts.ts';
import { asIs, overStored } from './attention-op.ts';
import type { AttentionOp, HeadPreparation } from './attention-op.ts';
import { buffersOf, gainIn, shapeOf } from './attention-refs.ts';
import type { AttentionOptions, AttentionStep } from './attention-refs.ts';

/** The largest part of a group of heads that shares what a workgroup reads of the cache: its lanes hold that many queries. */
const MOST_QUERY_HEADS: { readonly [Mode in SingleMode]: number } = { whole: 1, split: 3, grouped: 4, groupedSplit: 4 };

/** Undefined where a workgroup takes all keys. */
function splitsOf(mode: SingleMode, { knobs: { attention } }: DeviceProfile): KeySplits | undefined {
  const granule = attention.splitGranule;
  if (mode === 'split') return { count: attention.splits, granule };
  return mode === 'groupedSplit' ? { count: attention.groupedSplits, granule } : undefined;
}

/** Positions of a sequence up to which a subgroup takes all keys of a head: more of them would only wait for each other at the end. */
const FEW_POSITIONS = 32;

function decodeVariant(
  { shape, positions = Infinity }: { readonly shape: AttentionShape; readonly positions: number | undefined },
  mode: SingleMode, { profile }: AttentionOptions,
): AttentionDecodeVariant | undefined {
  const { subgroupSize, knobs } = profile;
  const { invocations, splitInvocations, unroll, splitUnroll, flatInvocations } = knobs.attention;
  const splits = splitsOf(mode, profile);
  const limits = { most: MOST_QUERY_HEADS[mode], bytes: profile.workgroupBytes, invocations: profile.invocations };
  if (subgroupSize !== undefined && splits === undefined && positions <= FEW_POSITIONS)
    return fittingDecodeVariant({ shape, subgroupSize, splits, invocations: subgroupSize, unroll: 1, loads: undefined }, limits);
  const wanted = {
    shape, subgroupSize, splits,
    invocations: subgroupSize === undefined ? flatInvocations : splits ? splitInvocations : invocations,
    unroll: subgroupSize === undefined ? 1 : mode === 'whole' ? unroll : splitUnroll,
    // Few workgroups wait for memory: the next keys are on their way while these are worked on.
    loads: subgroupSize !== undefined && mode !== 'whole' ? ('ahead' as const) : undefined,
  };
  return fittingDecodeVariant(wanted, limits);
}

/** Undefined where the device has no matrix units, or the shape does not suit them. */
function matrixVariant(shape: AttentionShape, { profile }: AttentionOptions, width: TileWidth): AttentionMatrixVariant | undefined {
  const { subgroupMatrix: matrix, invocations, workgroupBytes, knobs } = profile;
  if (matrix === undefined || (width === 'wide' && knobs.attention.wideTilesFrom === 0)) return undefined;
  return attentionMatrixVariant(shape, { matrix, invocations, workgroupBytes }, width);
}

function prefillVariant(shape: AttentionShape, { profile }: AttentionOptions): AttentionPrefillVariant | undefined {
  const { invocations, workgroupBytes, knobs } = profile;
  return attentionPrefillVariant(shape, {
    invocations: Math.min(invocations, knobs.attention.tileInvocations),
    bytes: Math.min(workgroupBytes, knobs.attention.tileBytes),
    mostBytes: workgroupBytes,
  });
}

/** A variant that must be there. @throws CapacityError naming the op, its heads and the device's limits */
function required<Variant>(variant: Variant | undefined, { label, shape, profile }: RequiredVariant): Variant {
  if (variant !== undefined) return variant;
  const { name, invocations, workgroupBytes } = profile;
  throw new CapacityError(
    `The GPU's attention has no form for the heads of ${label} (${widthsText(shape)} values, ${kvText(shape)}): a workgroup of this ` +
      `device (profile ${name}) has ${invocations} invocations and ${workgroupBytes} bytes. Use the CPU.`,
  );
}

interface RequiredVariant {
  readonly label: string;
  readonly shape: AttentionShape;
  readonly profile: DeviceProfile;
}

/** The steps of a graph that become attention here, as they are lowered. */
function attentionsOf({ nodes }: Graph): readonly AttentionStep[] {
  return nodes.flatMap(({ op, inputs, outputs, label }) => {
    if (op.kind === 'attention') return [{ op: asIs(op), inputs, outputs, label }];
    return op.kind === 'storedAttention' && !op.state.memory ? [{ op: overStored(op), inputs, outputs, label }] : [];
  });
}

/** Bytes of `partials` for steps of up to `rows` rows. */
export function partialsBytes(graph: Graph, { profile, rows }: Pick<AttentionOptions, 'profile'> & { readonly rows: number }): number {
  const { splits, groupedSplits, splitGranule: granule } = profile.knobs.attention;
  const most = { count: Math.max(splits, groupedSplits), granule };
  const sizes = attentionsOf(graph).map(({ op }) => partialBytes({ heads: op.heads, valueDim: op.state.valueDim }, most, rows));
  return Math.max(16, ...sizes);
}

/** Query rows of the tiles that the host lists for a graph: those of its largest tile, of which others take parts. */
export function listedTileRows(graph: Graph, options: AttentionOptions): number {
  const rows = attentionsOf(graph).map((step) => {
    const shape = shapeOf(step, options);
    const variant = matrixVariant(shape, options, 'wide') ?? matrixVariant(shape, options, 'narrow') ?? prefillVariant(shape, options);
    return required(variant, { label: step.label, shape, profile: options.profile }).tileRows;
  });
  return Math.max(1, ...rows);
}

/** Rows of a step's sequences. */
function rowsOfStep({ inputs }: AttentionStep) {
  return ({ sizes }: GridCounts) => rowsOfValue(inputs.at(-1) as GpuValue, sizes);
}

function costOf(step: AttentionStep, { kv }: AttentionOptions) {
  const { heads, window = Infinity, causal, state: { heads: kvHeads, keyDim, valueDim } } = step.op;
  const widths = keyDim + valueDim;
  const { type, valueType = type } = kv;
  const keyBytes = kvHeads * (kvVectorBytes(type, keyDim) + kvVectorBytes(valueType, valueDim));
  const rowsOf = rowsOfStep(step);
  const ioBytes = (counts: StepCounts) => [...step.inputs, ...step.outputs].reduce((sum, value) => sum + sizeOfValue(value, counts), 0);
  return {
    /** Each row reads all its keys. */
    decode: (counts: StepCounts): StepCost => ({
      bytes: ioBytes(counts) + rowsOf(counts) * Math.min(counts.keys, window) * keyBytes,
      multiplyAdds: rowsOf(counts) * Math.min(counts.keys, window) * heads * widths,
    }),
    /** Rows are the last ones of one sequence: half of the square of them is masked, where rows do not see what follows them. */
    tiles: (counts: StepCounts): StepCost => ({
      bytes: ioBytes(counts) + counts.tiles * Math.min(counts.keys, window + rowsOf(counts) / Math.max(1, counts.tiles)) * keyBytes,
      multiplyAdds: rowsOf(counts) * Math.min(window, counts.keys - (causal ? rowsOf(counts) / 2 : 0)) * heads * widths,
    }),
    write: (counts: StepCounts): StepCost => ({ bytes: rowsOf(counts) * (keyBytes + kvHeads * widths * 4), multiplyAdds: 0 }),
    none: (): StepCost => ({ bytes: 0, multiplyAdds: 0 }),
  };
}

const KV_WRITE_INVOCATIONS = 64;
const COMBINE_INVOCATIONS = 256;

function combineInvocations({ valueDim }: AttentionShape): number {
  return Math.max(COMBINE_INVOCATIONS, valueDim / 4);
}

/** Attention of several rows of a sequence, whose keys and values are in the cache. */
function tileUses(step: AttentionStep, mode: 'tiles' | 'splitTiles', options: UseOptions): readonly KernelUse[] {
  const shape = shapeOf(step, options);
  const buffers = buffersOf(step);
  const cost = costOf(step, options);
  const listed = <Tile extends { readonly tileRows: number }>(tile: Tile) =>
    tile.tileRows === options.tileRows ? tile : { ...tile, listedRows: options.tileRows };
  const onMatrices = matrixVariant(shape, options, 'narrow');
  if (onMatrices === undefined) {
    const tile = listed(required(prefillVariant(shape, options), { label: step.label, shape, profile: options.profile }));
    const workgroups = (counts: GridCounts) => attentionPrefillWorkgroups(tile, counts);
    return [{ kernel: attentionPrefillKernel(tile), buffers, workgroups, cost: cost.tiles }];
  }
  const { tileSplits, tileSplitRows, wideTilesFrom } = options.profile.knobs.attention;
  const useOf = (tile: AttentionMatrixVariant, isFor: (counts: GridCounts) => boolean = () => true): KernelUse => ({
    kernel: attentionMatrixKernel(tile), buffers,
    // Each part of a listed tile reads its keys.
    cost: (counts) => cost.tiles({ ...counts, tiles: (counts.tiles * (tile.listedRows ?? tile.tileRows)) / tile.tileRows }),
    workgroups: (counts) => (isFor(counts) ? attentionMatrixWorkgroups(tile, counts) : [0, 1, 1]),
  });
  if (mode === 'tiles') {
    const [narrow, wide] = [listed(onMatrices), matrixVariant(shape, options, 'wide')];
    if (wide === undefined) return [useOf(narrow)];
    const isWide = (counts: GridCounts) => {
      const [x, y] = attentionMatrixWorkgroups(narrow, counts);
      return x * y > wideTilesFrom;
    };
    return [useOf(narrow, (counts) => !isWide(counts)), useOf(listed(wide), isWide)];
  }
  const attend = useOf(listed({ ...onMatrices, keySplits: tileSplits }));
  const splits = { count: tileSplits, granule: 1 };
  const combine = { shape, splits, invocations: combineInvocations(shape), ofTiles: true } as const;
  return [
    { ...attend, partialBytes: partialBytes(shape, splits, tileSplitRows) },
    {
      kernel: attentionCombineKernel(combine), buffers, cost: cost.none,
      workgroups: (counts) => attentionCombineWorkgroups(combine, rowsOfStep(step)(counts)),
    },
  ];
}

/** Attention of rows that are alone in their sequences: the first `rowsOf` of the step. */
function singleUses(
  step: AttentionStep,
  { mode, rowsOf }: { readonly mode: SingleMode; readonly rowsOf: (counts: GridCounts) => number },
  options: UseOptions,
): readonly KernelUse[] {
  const shape = shapeOf(step, options);
  const buffers = buffersOf(step);
  const cost = costOf(step, options);
  const { positions } = step.op.state;
  const variant = required(decodeVariant({ shape, positions }, mode, options), { label: step.label, shape, profile: options.profile });
  const attend: KernelUse = {
    kernel: attentionDecodeKernel(variant),
    buffers,
    workgroups: (counts) => attentionDecodeWorkgroups(variant, rowsOf(counts)),
    cost: cost.decode,
  };
  const { splits } = variant;
  if (splits === undefined) return [attend];
  const combine = { shape, splits, invocations: combineInvocations(shape) };
  return [
    attend,
    {
      kernel: attentionCombineKernel(combine),
      buffers,
      workgroups: (counts) => attentionCombineWorkgroups(combine, rowsOf(counts)),
      cost: cost.none,
    },
  ];
}

function attentionUses(step: AttentionStep, mode: AttentionMode, options: UseOptions): readonly KernelUse[] {
  const rowsOf = rowsOfStep(step);
  const shape = shapeOf(step, options);
  const write = { shape, invocations: KV_WRITE_INVOCATIONS };
  const writeUse: KernelUse = {
    kernel: kvWriteKernel(write), buffers: buffersOf(step), cost: costOf(step, options).write,
    workgroups: (counts) => kvWriteWorkgroups(write, rowsOf(counts)),
  };
  const written = step.op.stored ? [] : [writeUse];
  // Kernels for single rows write theirs, except as codes; where rows are in tiles too, they write it again, which is the same.
  if (!hasTiles(mode)) return [...(hasCodes(shape) ? written : []), ...singleUses(step, { mode, rowsOf }, options)];
  if (mode === 'tiles' || mode === 'splitTiles') return [...written, ...tileUses(step, mode, options)];
  const singles = { mode: mode === 'wholeAndTiles' ? 'whole' : 'split', rowsOf: (counts: GridCounts) => counts.singles ?? 0 } as const;
  return [...written, ...tileUses(step, 'tiles', options), ...singleUses(step, singles, options)];
}

function describeHeads(name: string, { norm, table }: HeadPreparation): string {
  const parts = [...(norm ? [`norm ${norm.weight.id}`] : []), ...(table ? [`rope ${table.id}`] : [])];
  return parts.length === 0 ? '' : ` ${name}=(${parts.join(', ')})`;
}

function describe({ heads, state, joined, stored, q, k, vNorm, ...op }: AttentionOp): string {
  const prepared = `${describeHeads('q', q)}${describeHeads('k', k)}${describeHeads('v', { norm: vNorm, table: undefined })}`;
  const input = `${joined ? ' joined' : ''}${stored ? ' stored' : ''}${op.gated ? ' gated' : ''}${op.shifted ? ' shifted' : ''}`;
  const ahead = op.ahead === 0 ? '' : ` ahead=${op.ahead}`;
  return `heads=${heads} state=${stateName(state)}${ahead}${visibility(op)}${scoring(op)}${input}${prepared}`;
}

/** Gains of heads' norms, and sinks. */
function vectorsOf({ q, k, sinks }: AttentionOp): readonly (PlannedVector | undefined)[] {
  const weights = [gainIn(q.norm), gainIn(k.norm), sinks];
  return weights.map((weight) => weight && gainOf({ weight }));
}

export const attentionRules: GpuOpRules<AttentionOp> = {
  describe,
  vectors: vectorsOf,
  form: 'attention',
  uses: (step, { attention }, options) => attentionUses(step, attention, options),
  rounded: (op, rounding) => (rounding.norm === undefined && op.state.valueDim % 16 === 0 ? op : undefined),
  cuts: attentionCuts,
};

export const lowerAttention: Lower<GraphAttentionOp, AttentionOp> = ({ op }) => ({ op: asIs(op) });
