/**
 * How units of x and W are fetched and put into the tiles of a product on matrix units. x is multiplied by its row's power of two
 * (row-factors.ts), so that halves hold it whatever it is; block weights by a factor for all.
 */
import { packedFormatOf } from '../../packed-layout.ts';
import { bookTexts } from '../../wgsl/codebook.ts';
import { range } from '../../wgsl/expressions.ts';
import { blocksOf, CODES_STRUCT, weightCodeFunctions, weightScaleFunctions } from '../../wgsl/weight-codes.ts';
import { minimumType } from '../../wgsl/weight-scales.ts';
import type { LinearShape } from '../../linear-shape.ts';
import type { TileStaging } from '../gemm/tile-staging.ts';
import { weightFactor } from './matrix-geometry.ts';
import type { MatrixGemmVariant, MatrixGeometry } from './matrix-geometry.ts';
import { isScaled, storeUnit, unitForm, unitFunctions, UNIT_VECTORS } from './unit-values.ts';
import type { StoredUnit, UnitForm } from './unit-values.ts';

/** The array in workgroup memory that holds everything: with several of different types values came out wrong on NVIDIA. */
export const HELD = 'held';

const isBlocks = ({ type }: MatrixGemmVariant['shape']['parts'][number]) => packedFormatOf(type).kind === 'blocks';

/** Reads of a part: of codes by the forms of weight-codes.ts, of what it has none for as they lie. */
function partFunctions({ shape: { parts, cols } }: MatrixGemmVariant, n: number): string {
  const part = parts[n]!;
  if (!isBlocks(part)) return '';
  const form = unitForm(part);
  return form === 'bytes' ? weightCodeFunctions(parts, n, cols) : weightScaleFunctions(part, n, cols);
}

/** Statements that read unit `unit` of row `row` of part `n`, of `units` a row. */
function fetchPart({ shape: { parts } }: MatrixGemmVariant, units: number, u: number, n: number): string {
  const part = parts[n]!;
  const form = unitForm(part);
  const at = `(row * ${units}u + unit)`;
  const plain = (name: string, cast = (text: string) => text) =>
    range(UNIT_VECTORS[form]).map((i) => `f.r${u}_${i} = ${cast(`p${n}_${name}[${UNIT_VECTORS[form]}u * ${at} + ${i}u]`)};`).join('\n');
  if (form === 'f32') return plain('values', (text) => `bitcast<vec4<u32>>(${text})`);
  if (!isBlocks(part)) return plain('values');
  const minimum = minimumType(blocksOf(part));
  const scales = `f.scales${u} = scales${n}(row, unit);${minimum ? `\nf.minimums${u} = vec2<f32>(minimum${n}(row, unit));` : ''}`;
  if (form !== 'bytes') return `${plain('codes')}\n${scales}`;
  return `let codes = codes${n}(row, unit);\nf.r${u}_0 = codes.a;\nf.r${u}_1 = codes.b;\n${scales}`;
}

/** The same of x. */
export function fetchX({ input, norm, cols, experts }: LinearShape, u: number): string {
  const units = cols / 32;
  if (input === 'f32') {
    const value = (i: number) => `x[${8 * units}u * row + 8u * unit + ${i}u]${norm ? ` * gain[8u * unit + ${i}u]` : ''}`;
    return range(8).map((i) => `f.r${u}_${i} = bitcast<vec4<u32>>(${value(i)});`).join('\n');
  }
  const stat = experts?.each ? `(row + row / ${experts.used}u * ${2 * experts.used}u) * ${units}u` : `row * ${3 * units}u`;
  return `let at = row * ${2 * units}u + 2u * unit;
f.r${u}_0 = xCodes[at];
f.r${u}_1 = xCodes[at + 1u];
f.scales${u} = xStats[${stat} + unit];`;
}

/** How units of x come. */
export const xFormOf = ({ input }: LinearShape): UnitForm => (input === 'f32' ? 'f32' : 'bytes');

/** Text by part where parts' units differ in form; the condition is the same for a whole workgroup. */
function byForm(kinds: readonly string[], text: (n: number) => string): string {
  if (kinds.every((kind) => kind === kinds[0])) return text(0);
  const branches = range(kinds.length - 1).map((n) => `if (tile.part == ${n}u) {\n${text(n)}\n} else `);
  return `${branches.join('')}{\n${text(kinds.length - 1)}\n}`;
}

export interface MatrixStaging extends TileStaging {
  /** Functions. */
  readonly declarations: string;
}

/** Puts read the variable `name`; fetches make it. */
export function matrixStaging(variant: MatrixGemmVariant, geometry: MatrixGeometry, name: string): MatrixStaging {
  const { shape, config, halves } = variant;
  const { parts } = shape;
  const { units, lineStride, heldRows } = geometry;
  const forms = parts.map(unitForm);
  const hasMinimums = parts.map((part) => isBlocks(part) && blocksOf(part).hasMinimum);
  const xForm = xFormOf(shape);
  // Ready halves are fetched apart.
  const fetchedForms = halves ? forms : [xForm, ...forms];
  const vectors = Math.max(...fetchedForms.map((form) => UNIT_VECTORS[form]));
  const isFactored = config.input === 'f16';
  const times = weightFactor(shape, config);
  const timed = (text: string) => (times === 1 ? text : `${text} * ${times}.0`);
  const unitVectors = 32 / (config.input === 'f16' ? 8 : 4);
  const at = (line: string) => (i: number) => `${line} * ${lineStride}u + slot * ${unitVectors}u + ${i}u`;
  const store = (u: number, form: UnitForm, rest: Pick<StoredUnit, 'scales' | 'at'> & Partial<StoredUnit>) =>
    storeUnit(config, { form, vector: (i) => `${name}.r${u}_${i}`, minimums: undefined, factor: undefined, ...rest }, HELD);
  const hasScales = fetchedForms.some(isScaled);
  return {
    declarations: [
      unitFunctions(config, fetchedForms, hasMinimums.includes(true)),
      ...(forms.includes('bytes') ? [CODES_STRUCT] : []),
      ...[bookTexts(parts)].filter((text) => text !== ''),
      ...parts.map((_, n) => partFunctions(variant, n)).filter((text) => text !== ''),
    ].join('\n'),
    fetched: (u) => range(vectors).map((i) => `r${u}_${i}: vec4<u32>,`).join(' ') +
      `${hasScales ? ` scales${u}: vec2<f32>,` : ''}${hasMinimums.includes(true) ? ` minimums${u}: vec2<f32>,` : ''}`,
    fetchX: (u) => fetchX(shape, u),
    fetchW: (u, n) => fetchPart(variant, units, u, n),
    putX: (u) => {
      const factor = isFactored ? `factor${u}` : undefined;
      return store(u, xForm, { scales: `${name}.scales${u}${factor ? ` * ${factor}` : ''}`, factor, at: at('line') });
    },
    putW: (u) => byForm(forms.map((form, n) => `${form} ${hasMinimums[n]}`), (n) => store(u, forms[n]!, {
      scales: timed(`${name}.scales${u}`), at: at(heldRows === 0 ? 'line' : `(line + ${heldRows}u)`),
      minimums: hasMinimums[n] ? timed(`${name}.minimums${u}`) : undefined,
    })),
  };
}
