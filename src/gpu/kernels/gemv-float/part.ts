/**
 * WGSL of one part of a product: a team of lanes goes along `rowsPerTeam` rows (twice as many where gate and up are paired) and
 * reduces its sums.
 */
import { INTERLEAVE_ROWS, rowStride } from '../../packed-layout.ts';
import type { PackedBlocks, PackedFloats } from '../../packed-layout.ts';
import { matrixRows } from '../../linear-shape.ts';
import type { LinearShape } from '../../linear-shape.ts';
import { choiceWeight } from '../../wgsl/expert-rows.ts';
import { range } from '../../wgsl/expressions.ts';
import { ofAnyPart, summedPart } from '../../wgsl/summed-parts.ts';
import { halfQuad } from '../../wgsl/weight-values.ts';
import { pieceQuads, quadCall, wordsType } from './group-quads.ts';
import { finishText } from './finish.ts';
import { isByExpert, loopVectors, partOutputs, teamRows } from './gemv-float-variant.ts';
import type { GemvFloatVariant } from './gemv-float-variant.ts';
import type { PartContext } from './part-context.ts';

/** `let row{i}`: the rows of a team; past the end the last row stands in, and its result is not written. */
function rowNames(variant: GemvFloatVariant, n: number): string[] {
  const { shape, rowsPerTeam } = variant;
  const last = partOutputs(variant, n) - 1;
  const output = (i: number) => `min(first + ${i}u, ${last}u)`;
  const before = range(n).reduce((sum, part) => sum + shape.parts[part]!.rows, 0);
  const own = isByExpert(shape) ? `expert * ${matrixRows(shape)}u${before === 0 ? '' : ` - ${before}u`} + ` : '';
  if (!shape.gated) return range(rowsPerTeam).map((i) => `let row${i} = ${own}${output(i)};`);
  return range(rowsPerTeam).flatMap((i) => [
    `let row${i} = ${own}gateRow(${output(i)});`,
    `let row${rowsPerTeam + i} = row${i} + upDistance(${output(i)});`,
  ]);
}

/** `gateRow(output)`, and how far behind it the row of up is: 16 rows alternate, of a last shorter run as many as are left. */
export function interleaveFunctions(outputs: number): string {
  const left = outputs % INTERLEAVE_ROWS;
  const distance = left === 0 ? `${INTERLEAVE_ROWS}u` : `select(${INTERLEAVE_ROWS}u, ${left}u, output >= ${outputs - left}u)`;
  return `fn gateRow(output: u32) -> u32 { return output + (output & ~${INTERLEAVE_ROWS - 1}u); }
fn upDistance(output: u32) -> u32 { return ${distance}; }`;
}

/** `fn dot{n}(w, x)`: codes of a piece times x, f32, or vec2 by halves of the group where they have scales of their own. */
export function dotFunction(context: PartContext): string {
  const { n, format } = context;
  const halves = (format as PackedBlocks).scaleGroup === 16 ? [0, 1] : [undefined];
  const quads = pieceQuads(context).map((quad, q) => ({ ...quad, q }));
  const chains = halves.map((half) => {
    const own = quads.filter((quad) => half === undefined || quad.half === half);
    return own.map((quad, i) => {
      const [codes, x] = [quadCall(n, quad), `vec4<f32>(x.q${quad.q})`];
      return i === 0 ? `var d${half ?? 0} = ${codes} * ${x};` : `d${half ?? 0} = fma(${codes}, ${x}, d${half ?? 0});`;
    });
  });
  const type = halves.length === 2 ? 'vec2<f32>' : 'f32';
  const result = halves.length === 2 ? 'vec2<f32>(componentSum(d0), componentSum(d1))' : 'componentSum(d0)';
  return `fn dot${n}(w: ${wordsType(context)}, x: Activations) -> ${type} {\n  ${[...chains.flat(), `return ${result};`].join('\n  ')}\n}`;
}

/** Of a unit of all experts' vectors: its place in its own, its expert's first row, the expert's weight. */
function choiceOfUnit(shape: LinearShape, units: number): string[] {
  return [
    `let choice = unit / ${units}u;`,
    `let own = unit - choice * ${units}u;`,
    `let expertRow = expertOf(choice) * ${matrixRows(shape)}u;`,
    `let weight = ${choiceWeight(shape, 'choice')};`,
  ];
}

/** One column, a piece of a group at a time: x stays in registers for all rows. */
function codesBody({ n, format, form, field, shape, lanesPerGroup }: PartContext, rows: number): string[] {
  const { scaleGroup, hasMinimum } = format as PackedBlocks;
  const offset = form.offset(field) * form.unit;
  const byHalves = scaleGroup === 16;
  const isSummed = shape.experts?.summed === true;
  const [of, row, unit, weighted] = isSummed ? [summedPart(shape), 'expertRow + row', 'own', ' * weight'] : [n, 'row', 'unit', ''];
  const vector = shape.experts?.each ? `, ${isSummed ? 'choice' : 'column'}` : '';
  const perRow = (i: number) => {
    const scales = `scales${of}(${row}${i}, group)`;
    const minimum = `minimum${of}(${row}${i}, group)${weighted}`;
    if (byHalves)
      return [
        `sum0_${i} += dot(${scales}${weighted}, dot${n}(w${i}, x) - ${offset} * x.sums);`,
        ...(hasMinimum ? [`sum0_${i} -= dot(${minimum}, x.sums);`] : []),
      ];
    const product = offset === 0 ? `dot${n}(w${i}, x)` : `(dot${n}(w${i}, x) - offset)`;
    return [
      `sum0_${i} = fma(${scales}.x${weighted}, ${product}, sum0_${i});`,
      ...(hasMinimum ? [`sum0_${i} = fma(-${minimum}, sum, sum0_${i});`] : []),
    ];
  };
  const needsSum = !byHalves && (offset !== 0 || hasMinimum);
  return [
    ...(isSummed ? choiceOfUnit(shape, (shape.cols / 32) * lanesPerGroup) : []),
    ...range(rows).map((i) => `let w${i} = words${of}(${row}${i}, ${unit});`),
    ...(lanesPerGroup === 2
      ? [`let group = ${unit} >> 1u;`, `let x = activations${n}(group, ${unit} & 1u${vector});`]
      : [`let group = ${unit};`, `let x = activations${n}(group${vector});`]),
    ...(needsSum ? ['let sum = x.sums.x + x.sums.y;'] : []),
    ...(needsSum && offset !== 0 ? [`let offset = ${offset} * sum;`] : []),
    ...(shape.norm ? ['squares0 += x.squares;'] : []),
    ...range(rows).flatMap(perRow),
  ];
}

/** `fn values{n}(row, at)`: 16 bytes of a row of any part, for summed products of floats. */
export function summedValuesFunctions(context: PartContext): string {
  const { shape, format } = context;
  if (!shape.experts?.summed || format.kind === 'blocks') return '';
  const value = { name: 'values', type: format.type === 'f32' ? 'vec4<f32>' : 'vec4<u32>' };
  const read = (n: number, row: string) => `p${n}_values[(${row}) * ${floatUnits(context)}u + at]`;
  if (shape.parts.length > 1) return ofAnyPart(shape, value, read);
  return `fn values0(row: u32, at: u32) -> ${value.type} { return ${read(0, 'row')}; }`;
}

/** Reads a quad of x for every column and multiplies the rows' values `v{i}` by it. */
function columnsBody({ shape }: PartContext, { batch, rows, quad }: { batch: number; rows: number; quad: string }): string[] {
  return range(batch).flatMap((c) => [
    ...(shape.norm
      ? [`let r${c} = xQuad(column${c}, ${quad});`, `square${c} = fma(r${c}, r${c}, square${c});`, `let x${c} = r${c} * gain;`]
      : [`let x${c} = ${shape.experts?.summed ? `weight * xQuad(choice, ${quad})` : `xQuad(column${c}, ${quad})`};`]),
    ...range(rows).map((i) => `acc${c}_${i} = fma(v${i}, x${c}, acc${c}_${i});`),
  ]);
}

/** Several columns: codes become values once, for all columns. */
function valuesBody(context: PartContext, batch: number, rows: number): string[] {
  const { n, format, form, field, shape } = context;
  const { scaleGroup, hasMinimum } = format as PackedBlocks;
  const offset = form.offset(field) * form.unit;
  const base = (i: number, half: number) =>
    [
      ...(offset === 0 ? [] : [`-${offset} * s${i}[${half}]`]),
      ...(hasMinimum ? [`- minimum${n}(row${i}, unit)${scaleGroup === 16 ? `[${half}]` : ''}`] : []),
    ].join(' ') || '0.0';
  const halves = scaleGroup === 16 ? [0, 1] : [0];
  const loads = range(rows).flatMap((i) => [
    `let w${i} = words${n}(row${i}, unit);`,
    `let s${i} = scales${n}(row${i}, unit);`,
    ...halves.map((half) => `let base${i}_${half} = vec4<f32>(${base(i, half)});`),
  ]);
  const quads = pieceQuads(context).flatMap((quad, q) => {
    const half = scaleGroup === 16 ? quad.half : 0;
    const prescale = form.prescale({ ...field, position: quad.position }).join(', ');
    return [
      '{',
      ...(shape.norm ? [`let gain = gainQuad(0u, 8u * unit + ${q}u);`] : []),
      ...range(rows).map((i) => {
        const codes = quadCall(n, { ...quad, word: quad.word.replace('w', `w${i}`) });
        return `let v${i} = fma(${codes}, s${i}[${half}] * vec4<f32>(${prescale}), base${i}_${half});`;
      }),
      ...columnsBody(context, { batch, rows, quad: `8u * unit + ${q}u` }),
      '}',
    ];
  });
  return [...loads, ...quads];
}

/** The quads of 16 bytes of a row of floats. */
function floatQuads({ type }: PackedFloats, word: string): string[] {
  if (type === 'f32') return [word];
  return [halfQuad(type, `${word}.x`, `${word}.y`), halfQuad(type, `${word}.z`, `${word}.w`)];
}

/** Weights that are floats, 16 bytes of a row at a time, any number of columns. */
function floatsBody(context: PartContext, batch: number, rows: number): string[] {
  const { n, shape } = context;
  const format = context.format as PackedFloats;
  const units = floatUnits(context);
  const perUnit = format.type === 'f32' ? 1 : 2;
  const isSummed = shape.experts?.summed === true;
  const unit = isSummed ? 'own' : 'unit';
  const quads = range(perUnit).flatMap((q) => {
    const quad = perUnit === 1 ? unit : `2u * ${unit} + ${q}u`;
    return [
      '{',
      ...(shape.norm ? [`let gain = gainQuad(0u, ${quad});`] : []),
      ...range(rows).map((i) => `let v${i} = ${floatQuads(format, `w${i}`)[q]};`),
      ...columnsBody(context, { batch, rows, quad }),
      '}',
    ];
  });
  if (!isSummed) return [...range(rows).map((i) => `let w${i} = p${n}_values[row${i} * ${units}u + unit];`), ...quads];
  const loads = range(rows).map((i) => `let w${i} = values${summedPart(shape)}(expertRow + row${i}, own);`);
  return [...choiceOfUnit(shape, units), ...loads, ...quads];
}

/** 16-byte pieces of a row of floats. */
function floatUnits({ format, shape }: PartContext): number {
  return rowStride(format, shape.cols) / ((format as PackedFloats).type === 'f32' ? 4 : 8);
}

/** Units of a row of the matrix. */
function unitsOf(context: PartContext): number {
  return context.format.kind === 'blocks' ? (context.shape.cols / 32) * context.lanesPerGroup : floatUnits(context);
}

/** The row of x that is column `c` of a team's, in vectors of `cols`. */
function columnOf({ shape: { experts }, batch }: GemvFloatVariant, c: number): string {
  if (batch === 1) return experts?.each && !experts.summed ? 'column' : '0u';
  const column = `column + min(${c}u, columns - 1u)`;
  return experts ? `xRowOf(lists[${column}])` : column;
}

interface Loop {
  readonly units: number;
  readonly lanes: number;
  /** Units of a lane in one turn: loads of all of them can be in flight. */
  readonly unroll: number;
}

/** Lane by lane along the units; the turns in which every lane has a unit need no check. */
function loopText({ units, lanes, unroll }: Loop, body: readonly string[]): string[] {
  const turns = Math.floor(Math.floor(units / lanes) / unroll);
  const done = turns * unroll;
  const all = Math.ceil(units / lanes);
  const unit = (step: string) => (lanes === 1 ? `let unit = ${step};` : `let unit = (${step}) * ${lanes}u + lane;`);
  const whole = range(unroll).flatMap((u) => ['{', unit(unroll === 1 ? 'k' : `${unroll}u * k + ${u}u`), ...body, '}']);
  const rest = [unit(done === 0 ? 'k' : `k + ${done}u`), `if (unit < ${units}u) {`, ...body, '}'];
  return [
    ...(turns > 0 ? [`for (var k = 0u; k < ${turns}u; k++) {`, ...whole, '}'] : []),
    ...(all > done ? [`for (var k = 0u; k < ${all - done}u; k++) {`, ...rest, '}'] : []),
  ];
}

/** `fn part{n}(first, team, lane, column, columns)`: first: the team's first row of the part's results. */
export function partFunction(variant: GemvFloatVariant, context: PartContext): string {
  const { batch, lanes, shape, reduction } = variant;
  const { n, format } = context;
  const rows = teamRows(variant);
  const codes = format.kind === 'blocks' && batch === 1;
  const body = codes
    ? codesBody(context, rows)
    : format.kind === 'blocks'
      ? valuesBody(context, batch, rows)
      : floatsBody(context, batch, rows);
  const inFlight = reduction === 'none' || batch > 1 ? 1 : format.kind === 'blocks' ? 4 : 8;
  const unroll = Math.min(4, Math.max(1, Math.floor(inFlight / rows)));
  const each = (text: (c: number, i: number) => string) => range(batch).flatMap((c) => range(rows).map((i) => text(c, i)));
  const squares = shape.norm ? range(batch) : [];
  const zeros = codes
    ? [...each((c, i) => `var sum${c}_${i} = 0.0;`), ...squares.map((c) => `var squares${c} = 0.0;`)]
    : [...each((c, i) => `var acc${c}_${i} = vec4<f32>();`), ...squares.map((c) => `var square${c} = vec4<f32>();`)];
  const sums = codes
    ? []
    : [
        ...each((c, i) => `let sum${c}_${i} = componentSum(acc${c}_${i});`),
        ...squares.map((c) => `let squares${c} = componentSum(square${c});`),
      ];
  const lines = [
    ...rowNames(variant, n),
    ...(codes ? [] : range(batch).map((c) => `let column${c} = ${columnOf(variant, c)};`)),
    ...zeros,
    ...loopText({ units: unitsOf(context) * loopVectors(shape), lanes, unroll }, body),
    ...sums,
    ...finishText(variant, n),
  ];
  const places = ['first', 'team', 'lane', 'column', 'columns', ...(isByExpert(shape) ? ['expert'] : [])].map((name) => `${name}: u32`);
  return `fn part${n}(${places.join(', ')}) {\n  ${lines.join('\n  ')}\n}`;
}
