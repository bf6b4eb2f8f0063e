/**
 * How units of W are fetched and put into the tile of a product on matrix units. A fetch only reads words, as they lie: whatever is made of
 * them is made where they are put, steps later, or every step would wait for its reads. Block weights are multiplied by a factor for all.
 */
import { packedFormatOf } from '../../packed-layout.ts';
import { bookTexts } from '../../wgsl/codebook.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { blocksOf, CODES_STRUCT, weightSteps } from '../../wgsl/weight-codes.ts';
import type { WeightSteps } from '../../wgsl/weight-codes.ts';
import { weightFactor } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { sizesOf } from './matrix-sizes.ts';
import { storeUnit, unitForm, UNIT_VECTORS } from './unit-values.ts';
import type { UnitForm } from './unit-values.ts';

/** The array in workgroup memory that holds everything: with several of different types values came out wrong on NVIDIA. */
export const HELD = 'held';

interface Part {
  readonly n: number;
  readonly form: UnitForm;
  /** Undefined of floats, which have no scales. */
  readonly steps: WeightSteps | undefined;
  readonly hasMinimum: boolean;
}

/** Groups of 32 are counted through the whole matrix, so that functions that read one take it as one of row 0, however long rows are. */
function partsOf({ shape: { parts } }: MatrixGemmVariant): readonly Part[] {
  return parts.map((part, n) => {
    const form = unitForm(part);
    if (packedFormatOf(part.type).kind === 'floats') return { n, form, steps: undefined, hasMinimum: false };
    const steps = weightSteps(parts, n, 0, form === 'bytes' ? 'int8' : 'asTheyLie');
    return { n, form, steps, hasMinimum: blocksOf(part).hasMinimum };
  });
}

/** Functions that fetches and puts of W call. */
export function weightFunctions(variant: MatrixGemmVariant): string {
  const parts = partsOf(variant);
  return [
    ...(parts.some(({ form }) => form === 'bytes') ? [CODES_STRUCT] : []),
    bookTexts(variant.shape.parts),
    ...parts.map(({ steps }) => steps?.functions ?? ''),
  ].filter((text) => text !== '').join('\n');
}

/** Members of `Fetched` for the words of scales of a type. */
const scaleMember = (u: number, { scaleWords }: WeightSteps) => `s${u}_${{ u32: 1, 'vec2<u32>': 2, 'vec4<u32>': 4 }[scaleWords]}`;

function membersText(parts: readonly Part[], u: number): string {
  const vectors = Math.max(...parts.map(({ form }) => UNIT_VECTORS[form]));
  const scales = new Set(parts.flatMap(({ steps }) => (steps ? [`${scaleMember(u, steps)}: ${steps.scaleWords},`] : [])));
  return [...range(vectors).map((i) => `r${u}_${i}: vec4<u32>,`), ...scales].join(' ');
}

/** Statements that read unit `unit` of a part. */
function readText({ n, form, steps }: Part, u: number): string {
  const scales = steps ? `\nf.${scaleMember(u, steps)} = scaleWords${n}(0u, unit);` : '';
  if (form === 'bytes') return `let words = codeWords${n}(0u, unit);\nf.r${u}_0 = words.a;\nf.r${u}_1 = words.b;${scales}`;
  const count = UNIT_VECTORS[form];
  const element = (i: number) => `p${n}_${steps ? 'codes' : 'values'}[${count}u * unit + ${i}u]`;
  const read = (i: number) => (form === 'f32' ? `bitcast<vec4<u32>>(${element(i)})` : element(i));
  return `${unrolled(count, (i) => `f.r${u}_${i} = ${read(i)};`)}${scales}`;
}

/** Text by part where it differs; the condition is the same for a whole workgroup. */
function byPart(parts: readonly Part[], text: (part: Part) => string): string {
  const texts = parts.map(text);
  if (texts.every((each) => each === texts[0])) return texts[0]!;
  const branches = texts.slice(0, -1).map((each, n) => `if (tile.part == ${n}u) {\n${each}\n} else `);
  return `${branches.join('')}{\n${texts.at(-1)!}\n}`;
}

/** Text for each unit that a lane fetches of a tile of W; it sees `line` and `slot`. */
function eachUnit({ tileCols, unitsPerLine, workgroupSize }: MatrixGeometry, text: (u: number) => string): string {
  const all = tileCols * unitsPerLine;
  return unrolled(Math.ceil(all / workgroupSize), (u) => {
    const index = u === 0 ? 'lane' : `(lane + ${u * workgroupSize}u)`;
    const rest = all - u * workgroupSize;
    return `${rest < workgroupSize ? `if (lane < ${rest}u) ` : ''}{
let line = ${index} >> ${Math.log2(unitsPerLine)}u; let slot = ${index} & ${unitsPerLine - 1}u;
${text(u)}
}`;
  });
}

/** Which of W's units a lane's is, `unit`, and of its row, `ofRow`. */
function placeText(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const row = `${variant.shape.experts ? 'tile.base + ' : ''}min(tile.first + line, tile.count - 1u)`;
  return `let ofRow = k * ${geometry.unitsPerLine}u + slot;
let unit = (${row}) * ${sizesOf(variant, geometry).units} + ofRow;`;
}

/** `Fetched` and `fn fetch(k, lane, tile) -> Fetched`, the units of step k. */
export function fetchWeightsFunction(variant: MatrixGemmVariant, geometry: MatrixGeometry): string {
  const parts = partsOf(variant);
  const { units, hasTail, tileCols, unitsPerLine, workgroupSize } = geometry;
  const text = (u: number) => {
    const read = byPart(parts, (part) => readText(part, u));
    return `${placeText(variant, geometry)}\n${hasTail ? `if (ofRow < ${units}u) {\n${read}\n}` : read}`;
  };
  const count = Math.ceil((tileCols * unitsPerLine) / workgroupSize);
  return `struct Fetched {\n${unrolled(count, (u) => membersText(parts, u))}\n}
fn fetch(k: u32, lane: u32, tile: Tile) -> Fetched {
var f = Fetched();
${eachUnit(geometry, text)}
return f;
}`;
}

/** Statements that put what was fetched for step `k`, the variable `name`, into the tile. */
export function putWeightsText(variant: MatrixGemmVariant, geometry: MatrixGeometry, name: string): string {
  const { shape, config } = variant;
  const { heldRows, lineStride } = geometry;
  const times = weightFactor(shape, config);
  const timed = (text: string) => (times === 1 ? text : `${text} * ${times}.0`);
  const line = heldRows === 0 ? 'line' : `(line + ${heldRows}u)`;
  const unitVectors = config.input === 'f16' ? 4 : 8;
  const at = (i: number) => `${line} * ${lineStride}u + slot * ${unitVectors}u + ${i}u`;
  const put = (u: number) => ({ n, form, steps, hasMinimum }: Part) => {
    const isUnpacked = form === 'bytes';
    const made = (what: string) => `${what}Of${n}(${name}.${steps && scaleMember(u, steps)}, 0u, unit)`;
    const codes = isUnpacked ? `let codes = codesOf${n}(Codes(${name}.r${u}_0, ${name}.r${u}_1));\n` : '';
    return `${codes}${storeUnit(config, {
      form, at, factor: undefined,
      vector: (i) => (isUnpacked ? `codes.${'ab'[i]}` : `${name}.r${u}_${i}`),
      scales: timed(made('scales')),
      minimums: hasMinimum ? timed(`vec2<f32>(${made('minimum')})`) : undefined,
    }, HELD)}`;
  };
  return eachUnit(geometry, (u) => `${placeText(variant, geometry)}\n${byPart(partsOf(variant), put(u))}`);
}
