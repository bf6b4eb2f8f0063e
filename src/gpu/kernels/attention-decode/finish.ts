/** The end of a decode kernel: slices of a workgroup added up, then written as a partial result, as f32 or as int8. */
import { sinkScore } from '../../attention-scores.ts';
import { attentionSizes, dividedBy, gatedQuad, remainderOf } from '../../attention-shape.ts';
import type { AttentionDecodeVariant } from './attention-decode-variant.ts';
import { partialQuads } from './key-splits.ts';

export interface FinishText {
  readonly memory: string;
  readonly body: string;
}

export function finishText(variant: AttentionDecodeVariant, slices: number): FinishText {
  const { shape, splits, queryHeads, invocations } = variant;
  const { value: { quads, paddedQuads } } = attentionSizes(shape);
  const rounds = !splits && shape.output === 'q8';
  // [queryHeads][quads of a value]
  const outputs = queryHeads * quads;
  const result = rounds ? 'finished[output]' : `y[(row * ${shape.heads}u + firstHead) * ${quads}u + output]`;
  const body = `  for (var n = 0u; n < ${Math.ceil(outputs / invocations)}u; n++) {
    let output = n * ${invocations}u + lane;
    if (output < ${outputs}u) {
      let head = ${dividedBy('output', quads)};
      let quad = ${remainderOf('output', quads)};
      var total = vec4<f32>();
      var weight = 0.0;
      for (var slice = 0u; slice < ${slices}u; slice++) {
        total += merged[(slice * ${queryHeads}u + head) * ${paddedQuads}u + quad];
        weight += weights[slice * ${queryHeads}u + head];
      }
${splits ? partialStore(variant) : resultText(variant, result)}
    }
  }${rounds ? roundedStore(variant) : ''}`;
  return {
    memory: rounds ? `var<workgroup> finished: array<vec4<f32>, ${outputs}>;` : '',
    body,
  };
}

/** The sum of values over that of weights, which a sink joins. */
function resultText({ shape }: AttentionDecodeVariant, result: string): string {
  const gated = (quad: string) => gatedQuad(shape, quad, { row: 'row', head: '(firstHead + head)', quad: 'quad' });
  if (!shape.sinks) return `      ${result} = ${gated('total / weight')};`;
  return `      let sink = ${sinkScore('firstHead + head')};
      let most = max(highest[head], sink);
      let fade = exp2(highest[head] - most);
      ${result} = ${gated('total * fade / (weight * fade + exp2(sink - most))')};`;
}

function partialStore({ shape, splits }: AttentionDecodeVariant): string {
  const quads = partialQuads(shape);
  return `      let partial = ((row * ${shape.heads}u + firstHead + head) * ${splits?.count ?? 1}u + workgroup.y) * ${quads}u;
      partials[partial + quad] = total;
      if (quad == 0u) { partials[partial + ${quads - 1}u] = vec4<f32>(highest[head], weight, 0.0, 0.0); }`;
}

function roundedStore({ shape, queryHeads, invocations }: AttentionDecodeVariant): string {
  const quads = ['first', 'first + 1u', 'first + 2u', 'first + 3u'].map((at) => `finished[${at}]`).join(', ');
  const blocks = (queryHeads * shape.valueDim) / 16;
  return `
  workgroupBarrier();
  for (var n = 0u; n < ${Math.ceil(blocks / invocations)}u; n++) {
    let block = n * ${invocations}u + lane;
    if (block < ${blocks}u) {
      let first = block * 4u;
      yPutCodes(row, firstHead * ${shape.valueDim / 16}u + block, mat4x4<f32>(${quads}));
    }
  }`;
}
