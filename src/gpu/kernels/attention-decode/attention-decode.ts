/**
 * One step of attention for rows that are each the only row of their sequence: norm and rotation of q and k, the new key and value
 * into the cache, softmax(q k^T scale) v over the positions up to its own, or the last `window` of them. One dispatch, and attention-combine after it where keys are split.
 * The new key and value never come from the cache: whoever attends to them computes them, and one workgroup a key head writes them.
 * Bindings: `qkv` or `q`, `k`, `v`; `rope`, `qGain`, `kGain`, `positions`, `rowSequence`, `pageTable`, `kv`; out `y`, or `yCodes`
 * and `yStats`, or `partials` (key-splits.ts). The heads of a workgroup share what is read of the cache.
 */
import {
  ROW_BINDINGS,
  attentionOutputBindings,
  attentionOutputFunctions,
  attentionSizes,
  headBindings,
  headFunctions,
  headQuadAt,
  keysBefore,
  kvBinding,
  kvFunctions,
  kvRounding,
} from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { finishText } from './finish.ts';
import { hasInvocationsFor, invocationForm } from './invocation-form.ts';
import { keysOfSplit } from './key-splits.ts';
import type { KeySplits } from './key-splits.ts';
import { subgroupForm } from './subgroup-form.ts';

export interface AttentionDecodeVariant {
  readonly shape: AttentionShape;
  /** Query heads of a workgroup, all of one key head: a divisor of heads / kvHeads. */
  readonly queryHeads: number;
  /** Undefined: a workgroup takes all keys and writes the result itself. */
  readonly splits: KeySplits | undefined;
  /** Undefined: no subgroup operations, invocations for keys and then for values. */
  readonly subgroupSize: number | undefined;
  readonly invocations: number;
  /** Keys that a lane has in flight; for the subgroup form only, else 1. */
  readonly unroll: number;
  /** For the subgroup form only; undefined: `refilled`. */
  readonly loads?: KeyLoads | undefined;
}

/**
 * When a lane asks for its next `unroll` keys and values. `together`: for both when it is done with the present ones. `refilled`: for
 * keys when the present scores are known, for values when the present ones are added. `ahead`: for both before it begins with the present
 * ones, with twice the registers.
 */
export type KeyLoads = 'together' | 'refilled' | 'ahead';

/** What the two forms bring to the kernel. */
export interface DecodeForm {
  /** Declarations of workgroup memory. */
  readonly memory: string;
  readonly workgroupBytes: number;
  /**
   * Statements that leave in workgroup memory, behind a barrier, `merged` [slices][queryHeads][paddedQuads] quads and `weights`
   * [slices][queryHeads] f32, all relative to the maxima in `highest` [queryHeads].
   */
  readonly body: string;
  readonly slices: number;
}

function check({ shape, queryHeads, invocations, subgroupSize, unroll, loads }: AttentionDecodeVariant): void {
  const { group } = attentionSizes(shape);
  if (group % queryHeads !== 0) throw new Error(`attention-decode: ${queryHeads} heads a workgroup do not divide a group of ${group}`);
  if (subgroupSize !== undefined && invocations % subgroupSize !== 0)
    throw new Error(`attention-decode: ${invocations} invocations are not whole subgroups of ${subgroupSize}`);
  if (subgroupSize === undefined && (unroll !== 1 || loads !== undefined))
    throw new Error('attention-decode: only the subgroup form unrolls and chooses its loads');
}

function partsOf(variant: AttentionDecodeVariant) {
  const form = variant.subgroupSize === undefined ? invocationForm(variant) : subgroupForm(variant, variant.subgroupSize);
  const finish = finishText(variant, form.slices);
  return { form, finish, workgroupBytes: form.workgroupBytes + finish.workgroupBytes + variant.queryHeads * 4 };
}

/** The most heads of a group, up to `most`, that a variant can take into one workgroup with `bytes` of memory. */
export function decodeQueryHeads(
  variant: Omit<AttentionDecodeVariant, 'queryHeads'>,
  { most, bytes }: { readonly most: number; readonly bytes: number },
): number {
  const { group } = attentionSizes(variant.shape);
  for (let queryHeads = Math.min(most, group); queryHeads > 0; queryHeads--) {
    const wanted = { ...variant, queryHeads };
    if (
      group % queryHeads === 0 &&
      (variant.subgroupSize !== undefined || hasInvocationsFor(wanted)) &&
      partsOf(wanted).workgroupBytes <= bytes
    )
      return queryHeads;
  }
  throw new Error(
    `attention-decode: a head of ${variant.shape.headDim} does not fit ${variant.invocations} invocations and ${bytes} bytes`,
  );
}

export function attentionDecodeKernel(variant: AttentionDecodeVariant): Kernel {
  check(variant);
  const { shape, splits, subgroupSize, invocations } = variant;
  const { form, finish, workgroupBytes } = partsOf(variant);
  const partials: Binding = { name: 'partials', access: 'write', type: 'array<vec4<f32>>' };
  const bindings = [
    ...headBindings(shape, ['q', 'k', 'v']),
    ...ROW_BINDINGS,
    kvBinding(shape, 'write'),
    ...(splits ? [partials] : attentionOutputBindings(shape)),
  ];
  const needs = { subgroupSize };
  const wgsl = `${kernelHeader(bindings, needs)}
${headFunctions(shape, ['q', 'k'])}
${kvFunctions(shape)}
${kvRounding(shape)}
${splits ? '' : attentionOutputFunctions(shape)}
${form.memory}
${finish.memory}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32${subgroupSize === undefined ? '' : ', @builtin(subgroup_invocation_id) laneInSubgroup: u32'}) {
${rangeText(variant)}
${form.body}
${finish.body}
}
`;
  const split = splits ? ` ${splits.count}x${splits.granule}` : '';
  const label = `attention-decode ${shape.kv} [${shape.heads}/${shape.kvHeads}, ${shape.headDim}]${split}`;
  return { key: kernelKey('attention-decode', variant), label, wgsl, bindings, workgroupSize: invocations, workgroupBytes, needs };
}

/** Which head and keys are this workgroup's. All of it is uniform. */
function rangeText({ shape, queryHeads, splits }: AttentionDecodeVariant): string {
  const { group } = attentionSizes(shape);
  const [oldest, first] =
    shape.window === undefined ? ['', ''] : [`  let oldestKey = position - ${keysBefore(shape, 'position')};\n`, 'oldestKey + '];
  const range = splits
    ? `${oldest}  let splitKeys = ${keysOfSplit(splits, keysBefore(shape, 'position'))};
  let firstKey = ${first}workgroup.y * splitKeys;
  if (firstKey > position) { return; }
  let hasNew = position - firstKey < splitKeys;
  let cachedEnd = min(firstKey + splitKeys, position);`
    : `${oldest}  let firstKey = ${shape.window === undefined ? '0u' : 'oldestKey'};
  let hasNew = true;
  let cachedEnd = position;`;
  return `  let row = workgroup.z;
  let position = positions[row];
${range}
  let cachedKeys = cachedEnd - firstKey;
  let firstHead = workgroup.x * ${queryHeads}u;
  let kvHead = workgroup.x / ${group / queryHeads}u;
  let writesCache = hasNew && workgroup.x % ${group / queryHeads}u == 0u;
  let sequence = rowSequence[row];
  let queryFrom = ${headQuadAt(shape, { name: 'q', row: 'row', head: 'firstHead' })};
  let keyFrom = ${headQuadAt(shape, { name: 'k', row: 'row', head: 'kvHead' })};
  let valueFrom = ${headQuadAt(shape, { name: 'v', row: 'row', head: 'kvHead' })};`;
}

/** `rows` must be the rows of the step exactly. */
export function attentionDecodeWorkgroups({ shape, queryHeads, splits }: AttentionDecodeVariant, rows: number): Workgroups {
  return [shape.heads / queryHeads, splits?.count ?? 1, rows];
}
