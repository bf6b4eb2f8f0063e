/** Goes on in each row's grammar with the token that was chosen for the row. */
import { END_SPAN } from '../../../tensor/byte-table.ts';
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { ROWS_BINDING } from '../../sampling/sampler-variant.ts';
import { chosenBytes, LAST_WORD } from '../argmax/emit-token.ts';
import type { GrammarVariant } from './grammar-mask.ts';
import { PLACE_WORDS, tableBindings, tableWalk } from './table-walk.ts';

export interface GrammarStepVariant extends GrammarVariant {
  /** Tokens that the ring of a sequence holds. */
  readonly ringSize: number;
}

/** A workgroup of one invocation a row. Bindings: `rows`; `chosen` a sequence; those of {@link tableBindings}. */
export function grammarStepKernel(variant: GrammarStepVariant): Kernel {
  const bindings: readonly Binding[] = [ROWS_BINDING, { name: 'chosen', access: 'read', type: 'array<u32>' }, ...tableBindings('write')];
  // Behind its end an answer's tokens are nobody's, and any may follow. A token that cannot follow was not chosen by logits.
  const wgsl = `${kernelHeader(bindings, {})}${tableWalk(variant.vocab)}
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>) {
  let sequence = rows[workgroup.y].y;
  let place = sequence * ${PLACE_WORDS}u;
  if (!beginAt(place)) { return; }
  let token = chosen[sequence * ${chosenBytes(variant) / 4}u + ${LAST_WORD}u];
  if (spans[token] == ${END_SPAN}u) {
    places[place] = 0u;
    return;
  }
  if (!takeToken(token)) { return; }
  for (var i = 0u; i < pushes; i++) { places[stack + depth + i] = pushed[i]; }
  places[place + 1u] = state;
  places[place + 2u] = depth + pushes;
}
`;
  return {
    key: kernelKey('grammar-step', variant), label: `grammar-step [${variant.vocab}]`,
    wgsl, bindings, workgroupSize: 1, needs: {},
  };
}
