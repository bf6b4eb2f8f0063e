/**
 * One step of attention for rows that are each the only row of their sequence: norm and rotation of q and k, the new key and value
 * into the cache, softmax(q k^T scale) v over the positions up to its own, or the last `window` of them. One dispatch, and
 * attention-combine after it where keys are split.
 * The new key and value never come from the cache: whoever attends to them computes them, and one workgroup a key head writes them. Only
 * where the shape has queries alone, another layer has written them before.
 * Bindings: `qkv` or `q`, `k`, `v`; `rope`, `qGain`, `kGain`, `positions`, `rowSequence`, `pageTable`, `kv`, `sinks` (unless keys are
 * split: attention-combine adds them then); out `y`, or `yCodes` and `yStats`, or `partials` (key-splits.ts). The heads of a workgroup
 * share what is read of the cache. Codes are another's too: kv-write stores them first.
 */
import { keysBefore, scoreFunctions, sinkBindings } from '../../attention-scores.ts';
import {
  ROW_BINDINGS,
  attentionOutputBindings,
  attentionOutputFunctions,
  attentionSizes,
  bringsKeys,
  hasCodes,
  headBindings,
  headFunctions,
  headQuadAt,
  headsText,
  kvBinding,
  kvFunctions,
  kvRounding,
  kvText,
} from '../../attention-shape.ts';
import type { HeadInput } from '../../attention-shape.ts';
import { kernelHeader, kernelKey, withTextOf, workgroupBytesOf } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import type { AttentionDecodeVariant } from './attention-decode-variant.ts';
import { finishText } from './finish.ts';
import { checkInvocations, hasInvocationsFor, invocationForm } from './invocation-form.ts';
import { keysOfSplit } from './key-splits.ts';
import { subgroupForm } from './subgroup-form.ts';

function check(variant: AttentionDecodeVariant): void {
  const { shape, queryHeads, invocations, subgroupSize, unroll, loads } = variant;
  const { group } = attentionSizes(shape);
  if (group % queryHeads !== 0) throw new Error(`attention-decode: ${queryHeads} heads a workgroup do not divide a group of ${group}`);
  if (subgroupSize !== undefined && invocations % subgroupSize !== 0)
    throw new Error(`attention-decode: ${invocations} invocations are not whole subgroups of ${subgroupSize}`);
  if (subgroupSize === undefined && (unroll !== 1 || loads !== undefined))
    throw new Error('attention-decode: only the subgroup form unrolls and chooses its loads');
  if (subgroupSize === undefined) checkInvocations(variant);
}

function partsOf(variant: AttentionDecodeVariant) {
  const form = variant.subgroupSize === undefined ? invocationForm(variant) : subgroupForm(variant, variant.subgroupSize);
  const finish = finishText(variant, form.slices);
  return { form, finish };
}

function memoryBytes(variant: AttentionDecodeVariant): number {
  const { form, finish } = partsOf(variant);
  return workgroupBytesOf(form.memory + finish.memory);
}

export interface DecodeLimits {
  /** Heads of a workgroup, at most. */
  readonly most: number;
  /** Of workgroup memory. */
  readonly bytes: number;
}

/** The most heads of a group that a variant can take into one workgroup; undefined where not even one fits. */
export function decodeQueryHeads(variant: Omit<AttentionDecodeVariant, 'queryHeads'>, { most, bytes }: DecodeLimits): number | undefined {
  const { group } = attentionSizes(variant.shape);
  for (let queryHeads = Math.min(most, group); queryHeads > 0; queryHeads--) {
    const wanted = { ...variant, queryHeads };
    if (
      group % queryHeads === 0 &&
      (variant.subgroupSize !== undefined || hasInvocationsFor(wanted)) &&
      memoryBytes(wanted) <= bytes
    )
      return queryHeads;
  }
  return undefined;
}

/**
 * The variant with as many invocations as asked for, or where heads are too wide for that the nearest number that does: without subgroups
 * more, so that every chunk of a head has its invocation, with subgroups fewer, whose sums take less memory. Undefined where none does.
 */
export function fittingDecodeVariant(
  wanted: Omit<AttentionDecodeVariant, 'queryHeads'>,
  limits: DecodeLimits & { readonly invocations: number },
): AttentionDecodeVariant | undefined {
  const { subgroupSize } = wanted;
  const next = (invocations: number) => (subgroupSize === undefined ? invocations * 2 : invocations / 2);
  const isPossible = (invocations: number) => invocations >= (subgroupSize ?? 1) && invocations <= limits.invocations;
  for (let { invocations } = wanted; isPossible(invocations); invocations = next(invocations)) {
    const variant = { ...wanted, invocations };
    const queryHeads = decodeQueryHeads(variant, limits);
    if (queryHeads !== undefined) return { ...variant, queryHeads };
  }
  return undefined;
}

export function attentionDecodeKernel(variant: AttentionDecodeVariant): Kernel {
  check(variant);
  const { shape, splits, subgroupSize, invocations } = variant;
  const partials: Binding = { name: 'partials', access: 'write', type: 'array<vec4<f32>>' };
  const bindings = [
    ...headBindings(shape, inputsOf(variant)),
    ...ROW_BINDINGS,
    kvBinding(shape, bringsKeys(shape) ? 'write' : 'read'),
    ...(splits ? [] : sinkBindings(shape)),
    ...(splits ? [partials] : attentionOutputBindings(shape)),
  ];
  const needs = { subgroupSize };
  const split = splits ? ` ${splits.count}x${splits.granule}` : '';
  const label = `attention-decode ${kvText(shape)} [${headsText(shape)}]${split}`;
  const kernel = { key: kernelKey('attention-decode', variant), label, bindings, workgroupSize: invocations, needs };
  return withTextOf(kernel, () => `${kernelHeader(bindings, needs)}\n${textOf(variant)}`);
}

function inputsOf({ shape }: AttentionDecodeVariant): readonly HeadInput[] {
  return hasCodes(shape) ? ['q'] : ['q', 'k', 'v'];
}

/** All but the bindings. */
function textOf(variant: AttentionDecodeVariant): string {
  const { shape, splits, subgroupSize, invocations } = variant;
  const { form, finish } = partsOf(variant);
  const laneInSubgroup = subgroupSize === undefined ? '' : ', @builtin(subgroup_invocation_id) laneInSubgroup: u32';
  return `${headFunctions(shape, inputsOf(variant))}
${kvFunctions(shape)}
${hasCodes(shape) ? '' : kvRounding(shape)}
${scoreFunctions(shape, 'f32')}${splits ? '' : attentionOutputFunctions(shape)}
${form.memory}
${finish.memory}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32${laneInSubgroup}) {
${rangeText(variant)}
${form.body}
${finish.body}
}
`;
}

/** Which head and keys are this workgroup's. All of it is uniform. */
function rangeText({ shape, queryHeads, splits }: AttentionDecodeVariant): string {
  const { group } = attentionSizes(shape);
  const [oldest, first] =
    shape.window === undefined ? ['', ''] : [`  let oldestKey = position - ${keysBefore(shape, 'position')};\n`, 'oldestKey + '];
  const hasNew = bringsKeys(shape);
  const end = hasNew ? 'position' : 'position + 1u';
  const range = splits
    ? `${oldest}  let splitKeys = ${keysOfSplit(splits, keysBefore(shape, 'position'))};
  let firstKey = ${first}workgroup.y * splitKeys;
  if (firstKey > position) { return; }
${hasNew ? '  let hasNew = position - firstKey < splitKeys;\n' : ''}  let cachedEnd = min(firstKey + splitKeys, ${end});`
    : `${oldest}  let firstKey = ${shape.window === undefined ? '0u' : 'oldestKey'};
${hasNew ? '  let hasNew = true;\n' : ''}  let cachedEnd = ${end};`;
  const from = (name: HeadInput) => headQuadAt(shape, { name, row: 'row', head: name === 'q' ? 'firstHead' : 'kvHead' });
  const newPlaces = `
  let keyFrom = ${from('k')};
  let valueFrom = ${from('v')};`;
  const writes = `  let writesCache = hasNew && workgroup.x % ${group / queryHeads}u == 0u;\n`;
  return `  let row = workgroup.z;
  let position = positions[row];
${range}
  let cachedKeys = cachedEnd - firstKey;
  let firstHead = workgroup.x * ${queryHeads}u;
  let kvHead = workgroup.x / ${group / queryHeads}u;
${hasNew ? writes : ''}  let sequence = rowSequence[row];
  let queryFrom = ${from('q')};${hasNew ? newPlaces : ''}`;
}

/** `rows` must be the rows of the step exactly. */
export function attentionDecodeWorkgroups({ shape, queryHeads, splits }: AttentionDecodeVariant, rows: number): Workgroups {
  return [shape.heads / queryHeads, splits?.count ?? 1, rows];
}
