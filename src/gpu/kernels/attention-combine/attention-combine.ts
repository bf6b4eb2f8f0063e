/**
 * Partial results of attention-decode into one for each head and row. A workgroup a head and row: slices of invocations take every
 * n-th split, a quad of the head each, and are merged in workgroup memory. All splits are read, used or not, so that no load waits for
 * the position; what an unused one holds, which may be anything, is then left out. A head's sink joins here, once.
 * Bindings: `positions` (of rows by themselves), `partials`, where gated `qkv`, `sinks`, out `y`, or `yCodes` and `yStats`.
 */
import { LOWEST_MAX, MASKED_SCORE, keysBefore, sinkBindings, sinkScore } from '../../attention-scores.ts';
import { attentionOutputBindings, attentionOutputFunctions, dividedBy, gatedQuad, remainderOf } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { keysOfSplit, partialQuads } from '../attention-decode/key-splits.ts';
import type { KeySplits } from '../attention-decode/key-splits.ts';

type UngatedShape = Pick<AttentionShape, 'heads' | 'valueDim' | 'output' | 'window' | 'causal' | 'sinks'> & { readonly gated?: undefined };

export interface AttentionCombineVariant {
  readonly shape: AttentionShape | UngatedShape;
  readonly splits: KeySplits;
  readonly invocations: number;
  /** Set where all splits of a row hold something, if only a weight of 0: those of tiles of rows, which end with the tile's last key. */
  readonly ofTiles?: true | undefined;
}

/** Most partial results that an invocation has in flight. */
const MOST_IN_FLIGHT = 8;

/** Causality says nothing without a window. */
function keyOf({ shape, splits, invocations, ofTiles }: AttentionCombineVariant): string {
  const { heads, valueDim, output, window, causal, sinks } = shape;
  const joined = shape.gated && { kvHeads: shape.kvHeads, keyDim: shape.keyDim, gated: shape.gated };
  const bounds = window === undefined || ofTiles ? {} : { window, causal };
  return kernelKey('attention-combine', { heads, valueDim, output, ...bounds, ...joined, sinks, splits, invocations, ofTiles });
}

export function attentionCombineKernel(variant: AttentionCombineVariant): Kernel {
  const { shape, splits, invocations, ofTiles } = variant;
  const quads = shape.valueDim / 4;
  const slices = Math.min(splits.count, Math.floor(invocations / quads));
  if (slices < 1) throw new Error(`attention-combine: ${invocations} invocations are too few for values of ${shape.valueDim}`);
  const inputs: readonly Binding[] = [
    ...(ofTiles ? [] : [{ name: 'positions', access: 'read', type: 'array<u32>' } as const]),
    { name: 'partials', access: 'read', type: 'array<vec4<f32>>' },
    ...(shape.gated ? [{ name: 'qkv', access: 'read', type: 'array<vec4<f32>>' } as const] : []),
  ];
  const bindings = [...inputs, ...sinkBindings(shape), ...attentionOutputBindings(shape)];
  const isRounded = shape.output === 'q8';
  const before = keysBefore(shape, 'position');
  const wgsl = `${kernelHeader(bindings, {})}
${attentionOutputFunctions(shape)}
var<workgroup> merged: array<vec4<f32>, ${slices * quads}>;
var<workgroup> maxima: array<f32, ${slices}>;
var<workgroup> weights: array<f32, ${slices}>;
${isRounded ? `var<workgroup> finished: array<vec4<f32>, ${quads}>;` : ''}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let head = workgroup.y * ${shape.heads}u + workgroup.x;
${ofTiles ? `  let used = ${splits.count}u;` : `  let position = positions[workgroup.y];
  let used = ${before} / (${keysOfSplit(splits, before)}) + 1u;`}
${sliceText(variant, slices)}
  workgroupBarrier();
${storeText(variant, slices)}
}
`;
  const label = `attention-combine [${shape.heads}, ${shape.valueDim}] ${splits.count}x${splits.granule}`;
  return { key: keyOf(variant), label, wgsl, bindings, workgroupSize: invocations, needs: {} };
}

/** An invocation's own splits. Past the last, the last is read again, and weighs nothing. */
function sliceText({ shape, splits }: AttentionCombineVariant, slices: number): string {
  const quads = shape.valueDim / 4;
  const width = partialQuads(shape);
  const perSlice = Math.ceil(splits.count / slices);
  const unroll = Math.min(MOST_IN_FLIGHT, perSlice);
  const inFlight = Array.from({ length: unroll }, (_, i) => i);
  const lines = (text: (i: number) => string) => inFlight.map(text).join('\n');
  return `  let slice = ${dividedBy('lane', quads)};
  let quad = ${remainderOf('lane', quads)};
  if (slice < ${slices}u) {
    var most = ${LOWEST_MAX};
    var weight = 0.0;
    var y = vec4<f32>();
    for (var n = 0u; n < ${Math.ceil(perSlice / unroll)}u; n++) {
${lines((i) => `      let split${i} = n * ${slices * unroll}u + ${i * slices}u + slice;
      let first${i} = (head * ${splits.count}u + min(split${i}, ${splits.count - 1}u)) * ${width}u;
      let stats${i} = partials[first${i} + ${width - 1}u];
      let y${i} = partials[first${i} + quad];`)}
${lines((i) => `      let isUsed${i} = split${i} < used;
      let most${i} = select(${MASKED_SCORE}, stats${i}.x, isUsed${i});`)}
      let next = ${inFlight.reduce((text, i) => `max(${text}, most${i})`, 'most')};
      let fade = exp2(most - next);
      most = next;
      weight *= fade;
      y *= fade;
${lines((i) => `      {
        let share = exp2(most${i} - most);
        weight += select(0.0, share * stats${i}.y, isUsed${i});
        y += select(vec4<f32>(), share * y${i}, isUsed${i});
      }`)}
    }
    merged[lane] = y;
    if (quad == 0u) {
      maxima[slice] = most;
      weights[slice] = weight;
    }
  }`;
}

const sinkText = `    let sink = ${sinkScore('workgroup.x')};
    most = max(most, sink);
    var weight = exp2(sink - most);
`;

function storeText({ shape }: AttentionCombineVariant, slices: number): string {
  const quads = shape.valueDim / 4;
  const blocks = shape.valueDim / 16;
  const block = ['first', 'first + 1u', 'first + 2u', 'first + 3u'].map((at) => `finished[${at}]`).join(', ');
  const store = shape.output === 'q8' ? 'finished[lane]' : `y[head * ${quads}u + lane]`;
  const rounding = `
  workgroupBarrier();
  if (lane < ${blocks}u) {
    let first = lane * 4u;
    yPutCodes(workgroup.y, workgroup.x * ${blocks}u + lane, mat4x4<f32>(${block}));
  }`;
  return `  if (lane < ${quads}u) {
    var most = maxima[0];
    for (var i = 1u; i < ${slices}u; i++) { most = max(most, maxima[i]); }
${shape.sinks ? sinkText : '    var weight = 0.0;\n'}    var total = vec4<f32>();
    for (var i = 0u; i < ${slices}u; i++) {
      let share = exp2(maxima[i] - most);
      weight += share * weights[i];
      total += share * merged[i * ${quads}u + lane];
    }
    ${store} = ${gatedQuad(shape, 'total / weight', { row: 'workgroup.y', head: 'workgroup.x', quad: 'lane' })};
  }${shape.output === 'q8' ? rounding : ''}`;
}

export function attentionCombineWorkgroups({ shape }: AttentionCombineVariant, rows: number): Workgroups {
  return [shape.heads, rows, 1];
}
