/** Takes tokens out of the choice that a row's grammar does not allow to follow: their logits become -Infinity. */
import { END_SPAN } from '../../../tensor/byte-table.ts';
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { ROWS_BINDING } from '../../sampling/sampler-variant.ts';
import { PLACE_WORDS, tableBindings, tableWalk } from './table-walk.ts';

export interface GrammarVariant {
  readonly vocab: number;
}

const INVOCATIONS = 64;

/** Workgroups of a row, an invocation a token. */
export function grammarWorkgroups({ vocab }: GrammarVariant): number {
  return Math.ceil(vocab / INVOCATIONS);
}

/** Bindings: `logits` f32 [rows of a step][vocab]; `rows`; those of {@link tableBindings}. */
export function grammarMaskKernel(variant: GrammarVariant): Kernel {
  const { vocab } = variant;
  const bindings: readonly Binding[] = [
    { name: 'logits', access: 'write', type: 'array<u32>' }, ROWS_BINDING, ...tableBindings('read'),
  ];
  const wgsl = `${kernelHeader(bindings, {})}${tableWalk(vocab)}
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = rows[workgroup.y];
  let token = workgroup.x * ${INVOCATIONS}u + lane;
  if (token >= ${vocab}u || !beginAt(row.y * ${PLACE_WORDS}u)) { return; }
  var mayFollow = false;
  if (spans[token] == ${END_SPAN}u) { mayFollow = mayEnd(); } else { mayFollow = takeToken(token); }
  if (!mayFollow) { logits[row.x * ${vocab}u + token] = 0xff800000u; }
}
`;
  return {
    key: kernelKey('grammar-mask', variant), label: `grammar-mask [${vocab}]`,
    wgsl, bindings, workgroupSize: INVOCATIONS, needs: {},
  };
}
