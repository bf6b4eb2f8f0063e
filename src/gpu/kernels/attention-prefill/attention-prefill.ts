/**
 * Attention of many rows of a sequence at once, whose keys and values are in the cache (kv-write): softmax(q k^T scale) v by tiles with a
 * running softmax (Dao et al. 2022). A workgroup takes one query head and one tile of rows; keys and values come through workgroup memory
 * as they are stored. Tiles of keys begin at multiples of their length, whatever the step holds: a row's result does not depend on how a
 * prompt was cut. Those outside the rows' windows are not read.
 * Bindings: `qkv` or `q`; `rope`, `qGain`, `pageTable`, `tiles` (attention-tiles.ts), `kv`, `sinks`; out `y`, or `yCodes` and `yStats`.
 */
import { scoreFunctions, sinkBindings } from '../../attention-scores.ts';
import {
  PAGE_TABLE,
  attentionOutputBindings,
  attentionOutputFunctions,
  headBindings,
  headFunctions,
  headsText,
  kvBinding,
  kvFunctions,
  kvText,
} from '../../attention-shape.ts';
import { kernelHeader, kernelKey, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { prefillMemory, prefillTile } from './attention-prefill-variant.ts';
import type { AttentionPrefillVariant } from './attention-prefill-variant.ts';
import { prefillBody } from './prefill-body.ts';

export function attentionPrefillKernel(variant: AttentionPrefillVariant): Kernel {
  const tile = prefillTile(variant);
  const { shape, tileRows, tileKeys, invocations } = tile;
  const tiles: Binding = { name: 'tiles', access: 'read', type: 'array<vec4<u32>>' };
  const bindings = [
    ...headBindings(shape, ['q']), PAGE_TABLE, tiles, kvBinding(shape, 'read'), ...sinkBindings(shape),
    ...attentionOutputBindings(shape),
  ];
  const wgsl = `${kernelHeader(bindings, {})}
${headFunctions(shape, ['q'])}
${kvFunctions(shape)}
${scoreFunctions(shape, 'vec4<f32>')}${attentionOutputFunctions(shape)}
${prefillMemory(variant)}
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
${prefillBody(tile)}
}
`;
  const label = `attention-prefill ${kvText(shape)} [${headsText(shape)}] ${tileRows}x${tileKeys}${tile.unstaged ? ' unstaged' : ''}`;
  return {
    key: kernelKey('attention-prefill', variant),
    label,
    wgsl,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

/** `tiles` must be the number of tiles exactly. */
export function attentionPrefillWorkgroups(
  { shape, tileRows, listedRows = tileRows }: AttentionPrefillVariant,
  { tiles }: { readonly tiles: number },
): Workgroups {
  return [shape.heads, tiles * (listedRows / tileRows), 1];
}
