/**
 * The largest logit of each row and its id, in two dispatches: every workgroup finds the best of its run of ids, then one finds the best of
 * those and, in greedy mode, hands the token on. The first is also the first step of the full sampler.
 *
 * Logits are compared as unsigned integers in the same order as the floats, so that equal logits, NaN and infinities are exact
 * whatever a compiler assumes of floats; the lowest id of equals wins. NaN and +Infinity become the largest key of all.
 */
import { kernelHeader, kernelKey } from '../../kernel.ts';
import type { Binding, Kernel } from '../../kernel.ts';
import { BIN_WORDS, SAMPLING_STRUCT, SETTINGS_BINDING } from '../../sampling/sampling-record.ts';
import { checkSamplerVariant, chunkLoop, componentsOf, ROWS_BINDING, vocabularyShape } from '../../sampling/sampler-variant.ts';
import type { SamplerVariant, VocabularyShape } from '../../sampling/sampler-variant.ts';
import { windowWords } from '../sample/window.ts';
import { emitBindings, emitToken } from './emit-token.ts';

/** [rows][workgroups]: best key and its id, of each workgroup of the first stage. */
export function partialsBinding(access: 'read' | 'write'): Binding {
  return { name: 'partials', access, type: 'array<vec2<u32>>' };
}

const ORDERED_KEY = `fn orderedKey(bits: u32) -> u32 {
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u && bits != 0xff800000u) { return 0xffffffffu; }
  return select(bits | 0x80000000u, ~bits, magnitude != 0u && (bits >> 31u) == 1u);
}
`;

const PENALISED = `/// Rounded once more than in float64: the quotient is corrected by its own remainder.
fn penalised(sampling: Sampling, bits: u32, count: u32) -> u32 {
  if (count == 0u || (bits & 0x7f800000u) == 0x7f800000u) { return bits; }
  let logit = bitcast<f32>(bits);
  var value = logit * sampling.repetition;
  if (logit >= 0.0) {
    value = logit / sampling.repetition;
    value += fma(-value, sampling.repetition, logit) / sampling.repetition;
  }
  let occurrences = count & 0x7fffffffu;
  if (occurrences > 0u) { value -= fma(f32(occurrences), sampling.frequency, sampling.presence); }
  return bitcast<u32>(value);
}
`;

/** Workgroup function text: the largest key among the invocations, and the lowest id that has it, in `bestKey` and `bestId`. */
const BEST_OF_WORKGROUP = `var<workgroup> bestKey: atomic<u32>;
var<workgroup> bestId: atomic<u32>;
fn findBest(lane: u32, key: u32, id: u32) {
  if (lane == 0u) {
    atomicStore(&bestKey, 0u);
    atomicStore(&bestId, 0xffffffffu);
  }
  workgroupBarrier();
  atomicMax(&bestKey, key);
  workgroupBarrier();
  if (key == atomicLoad(&bestKey)) { atomicMin(&bestId, id); }
  workgroupBarrier();
}
`;

function partialBindings({ mode, penalties }: SamplerVariant, { element }: VocabularyShape): readonly Binding[] {
  return [
    { name: 'logits', access: 'read', type: `array<${element}>` },
    ...(penalties ? [{ name: 'counts', access: 'read' as const, type: `array<${element}>` }, SETTINGS_BINDING] : []),
    ...(penalties && mode === 'full' ? [{ name: 'scores', access: 'write' as const, type: `array<${element}>` }] : []),
    partialsBinding('write'),
    ...(mode === 'full'
      ? [
          { name: 'bins', access: 'write' as const, type: 'array<u32>' },
          { name: 'windows', access: 'write' as const, type: 'array<u32>' },
        ]
      : []),
    ROWS_BINDING,
  ];
}

function partialBody(variant: SamplerVariant, shape: VocabularyShape): string {
  const parts = componentsOf(shape, 'bits');
  const counts = componentsOf(shape, 'count');
  const lines = [
    `${variant.penalties ? 'var' : 'let'} bits = logits[place.x * ${shape.elements}u + at];`,
    ...(variant.penalties ? [
      `let count = counts[place.y * ${shape.elements}u + at];`,
      ...parts.map((part, i) => `${part} = penalised(sampling, ${part}, ${counts[i]});`),
    ] : []),
    ...(variant.penalties && variant.mode === 'full' ? [`scores[workgroup.y * ${shape.elements}u + at] = bits;`] : []),
    ...parts.flatMap((part, i) => [
      `let key${i} = orderedKey(${part});`,
      `if (key${i} > key) { key = key${i}; id = at * ${shape.lanes}u + ${i}u; }`,
    ]),
  ];
  return lines.map((line) => `      ${line}`).join('\n');
}

function clearing(variant: SamplerVariant): string {
  const { invocations, workgroups } = variant;
  const stride = invocations * workgroups;
  return `  for (var turn = 0u; turn < ${Math.ceil(BIN_WORDS / stride)}u; turn++) {
    let word = turn * ${stride}u + workgroup.x * ${invocations}u + lane;
    if (word < ${BIN_WORDS}u) { bins[workgroup.y * ${BIN_WORDS}u + word] = 0u; }
  }
  if (workgroup.x == 0u && lane == 0u) { windows[workgroup.y * ${windowWords(variant)}u] = 0u; }
`;
}

/**
 * First stage. Bindings: `logits` f32 [rows of a step][vocab]; with penalties `counts` [sequences][vocab] and `settings`, and in full mode
 * `scores` f32 [rows][vocab], the penalised logits; `partials`; in full mode `bins` and `windows`, cleared for what follows; `rows`.
 */
export function argmaxPartialKernel(variant: SamplerVariant): Kernel {
  checkSamplerVariant(variant);
  const shape = vocabularyShape(variant);
  const bindings = partialBindings(variant, shape);
  const wgsl = `${kernelHeader(bindings, {})}
${variant.penalties ? SAMPLING_STRUCT + PENALISED : ''}${ORDERED_KEY}${BEST_OF_WORKGROUP}
@compute @workgroup_size(${variant.invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let place = rows[workgroup.y];
${variant.penalties ? '  let sampling = settings[place.y];\n' : ''}${variant.mode === 'full' ? clearing(variant) : ''}  var key = 0u;
  var id = 0xffffffffu;
${chunkLoop(shape, variant.invocations, partialBody(variant, shape))}
  findBest(lane, key, id);
  if (lane == 0u) { partials[workgroup.y * ${variant.workgroups}u + workgroup.x] = vec2<u32>(atomicLoad(&bestKey), atomicLoad(&bestId)); }
}
`;
  return {
    key: kernelKey('argmax-partial', variant),
    label: `argmax-partial [${variant.vocab}]${variant.penalties ? ' penalties' : ''}`,
    wgsl, bindings,
    workgroupSize: variant.invocations,
    needs: {},
  };
}

/** Second stage of greedy mode, a workgroup a row. Bindings: `partials` and those of emit-token.ts. */
export function argmaxPickKernel(variant: SamplerVariant): Kernel {
  checkSamplerVariant(variant);
  const { invocations, workgroups } = variant;
  const bindings = [partialsBinding('read'), ...emitBindings(variant)];
  const wgsl = `${kernelHeader(bindings, {})}
${emitToken(variant)}${BEST_OF_WORKGROUP}
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  var mine = vec2<u32>(0u, 0xffffffffu);
  if (lane < ${workgroups}u) { mine = partials[workgroup.y * ${workgroups}u + lane]; }
  findBest(lane, mine.x, mine.y);
  if (lane == 0u) { emit(workgroup.y, atomicLoad(&bestId), usableKey(atomicLoad(&bestKey))); }
}
`;
  return {
    key: kernelKey('argmax-pick', variant),
    label: `argmax-pick [${workgroups}]`,
    wgsl, bindings,
    workgroupSize: invocations,
    needs: {},
  };
}
