/**
 * y = W x with float activations, for a few columns of x: decode and small batches on devices without fast int8 dot products (Apple,
 * Safari), and float weights everywhere. Every type of weights; parts of different types in one dispatch, a workgroup in one part.
 *
 * A team of lanes owns a few rows: a subgroup, lanes that meet in workgroup memory, or a single invocation. For block formats and one
 * column a lane takes groups of 32 (or halves of them): x of the piece in registers for all rows, codes of all rows in loads that are
 * issued first, y = scale * (codes * x - offset * sum(x)) - minimum * sum(x) for each piece. An RMS norm costs no pass of its own: x is
 * multiplied by the gain and its squares are summed on the way, and the sum divides the result. With several columns, codes become
 * values once for all of them.
 *
 * Instructions for 32 weights of q4_0 in one row, counted by eye in the WGSL, not measured. Halves in the operands of a multiply-add cost
 * nothing on Apple; elsewhere `half` and `subnormal` take a conversion for each element, as `integer` does everywhere.
 * - integer: 4 exclusive ors, 32 masks, 32 conversions, 32 fma = 100
 * - half: 16 shifts, 16 masks, 16 exclusive ors, 32 fma = 80
 * - subnormal: 4 exclusive ors, 4 shifts, 16 masks, 32 fma = 56
 * Each row adds 3 additions of partial sums and about 8 operations for the scale, twice that where two lanes share the group. Once for all
 * rows of a team come 8 loads of x, 32 additions for its sum and as many multiplications as values need another power of two
 * (integer 32, subnormal 16); a norm adds 8 loads, 32 multiplications and 32 fma.
 */
import { CapacityError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, withTextOf } from '../../kernel.ts';
import type { Kernel, KernelNeeds, Workgroups } from '../../kernel.ts';
import { hasTwoEnds, linearBindings, matrixRows, shapeText, STEP_STRUCT } from '../../linear-shape.ts';
import { packedFormatOf } from '../../packed-layout.ts';
import type { PackedBlocks } from '../../packed-layout.ts';
import { bookOf, bookTexts } from '../../wgsl/codebook.ts';
import { e4m3Function } from '../../wgsl/e4m3.ts';
import { endFunction } from '../../wgsl/end-function.ts';
import { byExpert, expertFunctions, otherExpertText, pairFunctions } from '../../wgsl/expert-rows.ts';
import { range } from '../../wgsl/expressions.ts';
import { sumPrologue } from '../../wgsl/sum-prologue.ts';
import { summedFunctions } from '../../wgsl/summed-parts.ts';
import { weightScaleFunctions } from '../../wgsl/weight-codes.ts';
import { expertColumns } from '../expert-lists/expert-lists.ts';
import { activationsFunction, activationsStruct, hasVectorX, quadFunctions, SUM_FUNCTION } from './activations.ts';
import { CODE_FORMS, FLOAT_BYTES, INTERLEAVED_FUNCTION } from './code-form.ts';
import { finishFunction, partialDeclarations, partialFloats } from './finish.ts';
import { codesElement, pieceFunctions, piecesOf, wordsStruct, wordsType } from './group-quads.ts';
import { isByExpert, partOutputs } from './gemv-float-variant.ts';
import type { GemvFloatVariant } from './gemv-float-variant.ts';
import { dotFunction, interleaveFunctions, partFunction, summedValuesFunctions } from './part.ts';
import type { PartContext } from './part-context.ts';

export type { GemvFloatVariant } from './gemv-float-variant.ts';

/** What variants without subgroups may take of workgroup memory on any device. */
const MOST_WORKGROUP_BYTES = 16384;

function checkVariant(variant: GemvFloatVariant): void {
  const { shape, reduction, lanes, teams, batch } = variant;
  const problem =
    shape.input !== 'f32'
      ? `input is ${shape.input}, and it takes f32 only`
      : shape.outputs.q8 || !shape.outputs.f32
        ? 'it writes f32 only'
        : hasTwoEnds(shape)
          ? 'it is gated, activated or added to a residual'
          : shape.gated && ((shape.parts.length !== 1 && !shape.experts) || matrixRows(shape) % 2 !== 0)
            ? 'a gated product has one part of paired rows'
            : (reduction === 'none') !== (lanes === 1) || (lanes & (lanes - 1)) !== 0
              ? `${lanes} lanes do not suit reduction ${reduction}`
              : batch > 1 && variant.lanesPerGroup === 2
                ? 'lanes share a group for one column only'
                : batch > 1 && shape.sum
                  ? 'a sum is of one row'
                  : expertProblem(variant);
  if (problem !== undefined) throw new Error(`gemv-float: ${problem}`);
  const bytes = 4 * partialFloats(variant);
  if (bytes > MOST_WORKGROUP_BYTES)
    throw new CapacityError(
      `gemv-float: ${bytes} bytes of workgroup memory for ${teams} teams of ${lanes}; at most ${MOST_WORKGROUP_BYTES}: ` +
        'use fewer teams, rows or columns.',
    );
}

/** What is wrong with a product with experts. */
function expertProblem({ shape, batch }: GemvFloatVariant): string | undefined {
  const { experts, parts, norm, residual, activation, gated } = shape;
  if (experts === undefined) return undefined;
  if (parts.some(({ type, rows }) => type !== parts[0]!.type || rows % matrixRows(shape) !== 0))
    return 'parts are whole experts of one type';
  if (activation !== undefined || (residual && !experts.summed)) return 'a result of one expert has no such end';
  if (norm !== undefined && experts.each) return 'a norm is of rows, not of vectors of experts';
  return experts.summed && (!experts.each || batch > 1 || gated) ? 'sums are of one row, and of vectors of each expert' : undefined;
}

function contextOf(variant: GemvFloatVariant, n: number): PartContext {
  const { shape, arithmetic, batch } = variant;
  const format = packedFormatOf(shape.parts[n]!.type);
  const isNumber = format.kind === 'blocks' && format.meaning === 'number';
  return {
    n,
    shape,
    format,
    field: isNumber ? { bits: format.codeBits, signed: format.signed } : { bits: 8 as const, signed: true },
    form: format.kind === 'blocks' && format.meaning === 'e4m3' ? FLOAT_BYTES : CODE_FORMS[arithmetic === 'f16' ? 'half' : arithmetic],
    pieces: format.kind === 'blocks' ? piecesOf(format) : 'bytes',
    book: bookOf(shape.parts, n),
    halfX: arithmetic === 'f16' && batch === 1,
    lanesPerGroup: variant.lanesPerGroup ?? 1,
  };
}

function partText(variant: GemvFloatVariant, context: PartContext): string {
  const { n, shape, format, form } = context;
  if (format.kind === 'floats') return partFunction(variant, context);
  const codes = variant.batch === 1 ? [activationsFunction(context), dotFunction(context)] : [];
  return [
    weightScaleFunctions(shape.parts[n]!, n, shape.cols, form.unit),
    pieceFunctions(context),
    ...codes,
    partFunction(variant, context),
  ].join('\n');
}

/** Workgroups of each part. */
function partWorkgroups(variant: GemvFloatVariant): number[] {
  if (variant.shape.experts) return [Math.ceil(partOutputs(variant, 0) / (variant.teams * variant.rowsPerTeam))];
  return variant.shape.parts.map((_, n) => Math.ceil(partOutputs(variant, n) / (variant.teams * variant.rowsPerTeam)));
}

/** `column`, the first row of x, and how many `columns`; or, by expert, the pair or the pairs' place in `lists`, and the expert. */
function columnsText({ shape, batch, teams, rowsPerTeam, lanes }: GemvFloatVariant): string {
  const owned = teams * rowsPerTeam;
  const place = { column: `number * ${owned}u`, columns: owned, lane: 'index', lanes: lanes * teams };
  if (isByExpert(shape)) {
    if (batch === 1) {
      const others = otherExpertText(shape, 'expert', { ...place, rows: 'one', pairs: ['column'] });
      return `  let column = workgroup.z;\n  let columns = 1u;\n  let expert = expertOf(column);${others}`;
    }
    return `  let tile = expertTile(workgroup.z);
  if (tile.first >= tile.end) { return; }
  let column = tile.first;
  let columns = tile.end - tile.first;
  let expert = tile.expert;${otherExpertText(shape, 'expert', { ...place, rows: 'several', pairs: ['tile.first', 'tile.end'] })}`;
  }
  if (batch === 1) return '  let column = 0u;\n  let columns = 1u;';
  return `  let column = workgroup.z * ${batch}u;
  if (column >= step.rows) { return; }
  let columns = min(step.rows - column, ${batch}u);`;
}

function mainFunction(variant: GemvFloatVariant): string {
  const { shape, lanes, teams, rowsPerTeam, reduction } = variant;
  let begin = 0;
  const branches = partWorkgroups(variant).map((count, n) => {
    const first = `((number - ${begin}u) * ${teams}u + team) * ${rowsPerTeam}u`;
    begin += count;
    const call = (part: number) => `part${part}(${first}, team, lane, column, columns${isByExpert(shape) ? ', expert' : ''});`;
    return `if (number < ${begin}u) { ${isByExpert(shape) ? byExpert(shape, 'expert', call) : call(n)} }`;
  });
  const lane = reduction === 'subgroup' ? '' : `  let lane = ${lanes === 1 ? '0u' : `index & ${lanes - 1}u`};\n`;
  const columns = columnsText(variant);
  const places = ['workgroup_id) workgroup', 'num_workgroups) workgroups'].map((id) => `@builtin(${id}: vec3<u32>`).join(', ');
  const subgroupLane = reduction === 'subgroup' ? ', @builtin(subgroup_invocation_id) lane: u32' : '';
  return `@compute @workgroup_size(${lanes * teams})
fn main(${places}, @builtin(local_invocation_index) index: u32${subgroupLane}) {
  let number = ${LINEAR_WORKGROUP};
  let team = index >> ${Math.log2(lanes)}u;
${lane}${columns}${shape.sum ? '\n  makeX(index, number == 0u);' : ''}
  ${branches.join(' else ')}
}`;
}

/** Where the experts of rows are read. */
function expertTexts({ shape, batch }: GemvFloatVariant): readonly string[] {
  if (shape.experts === undefined) return [];
  return batch === 1 ? [expertFunctions(shape, 'one')] : [expertFunctions(shape, 'several'), pairFunctions(shape)];
}

/** Functions of the parts; a summed product has one loop over all of them. */
function partTexts(variant: GemvFloatVariant, contexts: readonly PartContext[]): readonly string[] {
  const { shape } = variant;
  const [first] = contexts as readonly [PartContext];
  if (!shape.experts?.summed) return contexts.map((context) => partText(variant, context));
  if (first.format.kind === 'floats') return [summedValuesFunctions(first), partText(variant, first)];
  const others = contexts.slice(1).map((context) =>
    `${weightScaleFunctions(shape.parts[context.n]!, context.n, shape.cols, context.form.unit)}\n${pieceFunctions(context)}`);
  return [...others, summedFunctions(shape, { name: 'words', type: wordsType(first) }), partText(variant, first)];
}

/** The kernel of a product with f32 input and output. Throws Error where the shape asks for what other families do. */
export function gemvFloatKernel(variant: GemvFloatVariant): Kernel {
  checkVariant(variant);
  const { shape, batch, reduction, lanes, teams, lanesPerGroup = 1 } = variant;
  const { sum } = shape;
  const end = endFunction(shape);
  const contexts = range(shape.parts.length).map((n) => contextOf(variant, n));
  const blocks = contexts.filter(({ format }) => format.kind === 'blocks');
  const halfX = blocks.some((context) => context.halfX);
  const needs: KernelNeeds = { ...(reduction === 'subgroup' ? { subgroupSize: lanes } : {}), ...(halfX ? { f16: true } : {}) };
  const codes = new Map(blocks.map(({ n, format }) => [`p${n}_codes`, `array<${codesElement(format as PackedBlocks, lanesPerGroup)}>`]));
  const bindings = linearBindings(shape, { step: batch > 1, vectorX: hasVectorX(shape) }).map((binding) => ({
    ...binding,
    type: codes.get(binding.name) ?? binding.type,
  }));
  const text = () => [
    kernelHeader(bindings, needs),
    ...(batch > 1 ? [STEP_STRUCT] : []),
    SUM_FUNCTION,
    ...(blocks.length > 0 ? [wordsStruct(lanesPerGroup), INTERLEAVED_FUNCTION] : []),
    ...(contexts.some(({ form }) => form === FLOAT_BYTES) ? [e4m3Function('e4m3')] : []),
    ...[bookTexts(shape.parts)].filter((each) => each !== ''),
    ...(blocks.length > 0 && batch === 1 ? [activationsStruct({ halfX, lanesPerGroup })] : []),
    ...(sum ? [sumPrologue({ shape: { ...shape, sum }, lanes: lanes * teams })] : []),
    quadFunctions(shape),
    ...(end === '' ? [] : [end]),
    ...(shape.gated ? [interleaveFunctions(matrixRows(shape) / 2)] : []),
    ...expertTexts(variant),
    partialDeclarations(variant),
    finishFunction(variant),
    ...partTexts(variant, contexts),
    mainFunction(variant),
  ].join('\n');
  const types = shape.parts.map(({ type }) => type).join('+');
  const label = `gemv-float${sum ? ' of a sum' : ''} ${types} ${shapeText(shape)}${batch > 1 ? ` x${batch}` : ''}`;
  return withTextOf({ key: kernelKey('gemv-float', variant), label, bindings, workgroupSize: lanes * teams, needs }, text);
}

/** `rows`: rows of x, or the most there can be: workgroups past the number in `step` end at once. 1 for batch 1. */
export function gemvFloatWorkgroups(variant: GemvFloatVariant, rows: number): Workgroups {
  const count = partWorkgroups(variant).reduce((sum, n) => sum + n, 0);
  const { batch, shape: { experts } } = variant;
  if (experts) return linearWorkgroups(count, expertColumns(experts, rows, batch));
  return linearWorkgroups(count, batch === 1 ? 1 : Math.ceil(rows / batch));
}
