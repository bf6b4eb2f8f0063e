/** The dot products of a slot's rows with the columns of a pass: every lane's share of them. */
import { matrixRows } from '../../linear-shape.ts';
import { choiceWeight } from '../../wgsl/expert-rows.ts';
import { range } from '../../wgsl/expressions.ts';
import { summedPart } from '../../wgsl/summed-parts.ts';
import { blocksOf } from '../../wgsl/weight-codes.ts';
import { minimumType } from '../../wgsl/weight-scales.ts';
import { geometryOf, hasColumns } from './gemv-int8-variant.ts';
import type { GemvInt8Variant } from './gemv-int8-variant.ts';

export const DOT_FUNCTION = `fn dot16(a: vec4<u32>, b: vec4<u32>) -> i32 {
  return dot4I8Packed(a.x, b.x) + dot4I8Packed(a.y, b.y) + dot4I8Packed(a.z, b.z) + dot4I8Packed(a.w, b.w);
}`;

/** Fields `r{i}c{c}`: row i times column c, one row after another. */
export function dotFields({ batch, rowsPerSlot }: GemvInt8Variant): readonly string[] {
  return range(rowsPerSlot).flatMap((i) => range(batch).map((c) => `r${i}c${c}`));
}

/** Fields `n{k}`, where the input carries a norm: shares of a column. Slots take the columns in turn, k being the turn. */
export function shareFields(variant: GemvInt8Variant): readonly string[] {
  const { shape, batch } = variant;
  return shape.input === 'q8n' ? range(Math.ceil(batch / geometryOf(variant).slots)).map((k) => `n${k}`) : [];
}

export function sumsStruct(variant: GemvInt8Variant): string {
  return `struct Sums { ${[...dotFields(variant), ...shareFields(variant)].map((name) => `${name}: f32`).join(', ')} };`;
}

/**
 * `fn product{n}(lane, row0, ..., [x0, ..., share0, ...]) -> Sums`: the sums over groups lane, lane + lanes, ... Trip counts are constants;
 * the last groups may be fewer than the lanes: lanes past the end read the row's last group and count it as zero, so that their loads
 * are in flight with the others'.
 */
export function productFunction(variant: GemvInt8Variant, n: number): string {
  const { batch, rowsPerSlot, unroll } = variant;
  const { loopGroups: groups, lanes } = geometryOf(variant);
  const turns = Math.ceil(groups / lanes);
  const isLastPartial = groups < turns * lanes;
  const split = splitTurns({ turns, unroll, isLastPartial });
  const isOneLoop = (batch >= ONE_LOOP_FROM && split.loops > 0 && split.rest > 0) || (variant.isAhead && turns > 1);
  const { loops, rest } = isOneLoop ? { loops: Math.ceil(turns / unroll), rest: 0 } : split;
  const chunk = (base: string, count: number, partial: Chunk['partial']) => chunkText(variant, n, { base, count, partial });
  const inLoop = () => chunk('head', unroll, loops * unroll * lanes > groups ? 'any' : 'none');
  const parameters = [
    ...range(rowsPerSlot).map((i) => `row${i}: u32`),
    ...(hasColumns(variant) ? [...range(batch).map((c) => `x${c}: u32`), ...shareFields(variant).map((_, k) => `share${k}: u32`)] : []),
  ].join(', ');
  const loop =
    loops === 0
      ? ''
      : `  for (var i = 0u; i < ${loops}u; i++) {\n    let head = lane + i * ${unroll * lanes}u;\n${inLoop()}\n  }\n`;
  const restBase = loops === 0 ? 'lane' : `lane + ${loops * unroll * lanes}u`;
  const end = rest === 0 ? '' : `  let last = ${restBase};\n${chunk('last', rest, isLastPartial ? 'last' : 'none')}\n`;
  const firstOf = (i: number) => `  ${wordsRead(n, i, 'lane').map((read) => `var ${read}`).join(' ')}\n`;
  const first = isReadAhead(variant) ? range(rowsPerSlot).map(firstOf) : [];
  return `fn product${n}(lane: u32, ${parameters}) -> Sums {
  var s: Sums;
${first.join('')}${loop}${end}  return s;
}`;
}

function isReadAhead(variant: GemvInt8Variant): boolean {
  const { loopGroups, lanes } = geometryOf(variant);
  return variant.isAhead === true && loopGroups > lanes;
}

/** Words of a row's codes and scales, as assignments. */
const wordsRead = (n: number, i: number, group: string) =>
  [`codeWords_${i} = codeWords${n}(row${i}, ${group});`, `scaleWords_${i} = scaleWords${n}(row${i}, ${group});`];

/** From this many columns on a text that holds the loop's body again, for the rest, is longer than what conditions in the loop cost. */
const ONE_LOOP_FROM = 4;

/**
 * `loops` chunks of `unroll` turns, and `rest` turns of straight text behind them. A partial last turn is always in the rest, to
 * keep its condition out of the loop; rows of one chunk need no loop.
 */
function splitTurns({ turns, unroll, isLastPartial }: { turns: number; unroll: number; isLastPartial: boolean }): {
  loops: number;
  rest: number;
} {
  if (turns <= unroll) return { loops: 0, rest: turns };
  const loops = Math.floor((isLastPartial ? turns - 1 : turns) / unroll);
  return { loops, rest: turns - loops * unroll };
}

interface Chunk {
  /** WGSL name of the first group. */
  readonly base: string;
  /** Groups of a lane, all loaded before the first is used. */
  readonly count: number;
  /** Which turns may have lanes without a group. */
  readonly partial: 'none' | 'last' | 'any';
}

function chunkText(variant: GemvInt8Variant, n: number, chunk: Chunk): string {
  const { batch, shape } = variant;
  const { loopGroups: groups, lanes } = geometryOf(variant);
  const { base, count, partial } = chunk;
  const turns = range(count);
  const isPartial = (t: number) => partial === 'any' || (partial === 'last' && t === count - 1);
  const at = turns.flatMap((t) => {
    const place = `${base} + ${t * lanes}u`;
    if (!isPartial(t)) return [`let g${t} = ${place};`];
    return [`let g${t} = min(${place}, ${groups - 1}u);`, `let isInside${t} = ${place} < ${groups}u;`];
  });
  const columns = range(batch);
  const loads = (c: number) => turns.flatMap((t) => activationLoads(variant, n, { t, c }));
  const dots = (c: number) => turns.flatMap((t) => productTerms(variant, n, { t, c }));
  const minimum = minimumType(blocksOf(shape.parts[n]!));
  const weights = turns.flatMap((t) =>
    range(variant.rowsPerSlot).flatMap((i) => weightLoads(variant, n, { t, i, isPartial: isPartial(t), minimum })),
  );
  const ahead = isReadAhead(variant)
    ? [`let next = min(g0 + ${lanes}u, ${groups - 1}u);`, ...range(variant.rowsPerSlot).flatMap((i) => wordsRead(n, i, 'next'))] : [];
  const shares = turns.flatMap((t) => shareFields(variant).flatMap((_, k) => shareTerms(variant, { t, k, isPartial: isPartial(t) })));
  const choices = shape.experts?.summed ? turns.flatMap((t) => choiceOfGroup(variant, t)) : [];
  return (
    [...at, ...choices, ...weights, ...ahead, ...shares, ...columns.flatMap((c) => [...loads(c), ...dots(c)])]
      .map((line) => `    ${line}`)
      .join('\n')
      .replace(/^/, '    {\n') + '\n    }'
  );
}

/** Of a group of a row's vectors, all experts' one after another: its place in its own, its expert's first row, the expert's weight. */
function choiceOfGroup(variant: GemvInt8Variant, t: number): readonly string[] {
  const { groups } = geometryOf(variant);
  return [
    `let choice${t} = g${t} / ${groups}u;`,
    `let own${t} = g${t} - choice${t} * ${groups}u;`,
    `let expertRow${t} = expertOf(choice${t}) * ${matrixRows(variant.shape)}u;`,
    `let weight${t} = ${choiceWeight(variant.shape, `choice${t}`)};`,
  ];
}

function weightLoads(
  variant: GemvInt8Variant,
  part: number,
  { t, i, isPartial, minimum }: { t: number; i: number; isPartial: boolean; minimum: ReturnType<typeof minimumType> },
): readonly string[] {
  const { shape } = variant;
  const isSummed = shape.experts?.summed === true;
  const n = isSummed ? summedPart(shape) : part;
  const at = isSummed ? `(expertRow${t} + row${i}, own${t})` : `(row${i}, g${t})`;
  const weighted = (value: string) => (isSummed ? `${value} * weight${t}` : value);
  const isAhead = isReadAhead(variant);
  const ofWords = (name: string) => (isAhead ? `${name}Of${n}(scaleWords_${i}, row${i}, g${t})` : weighted(`${name}${n}${at}`));
  const scales = isPartial ? `select(vec2<f32>(), ${ofWords('scales')}, isInside${t})` : ofWords('scales');
  const read = ofWords('minimum');
  const subtracted = isPartial ? `select(${minimum === 'f32' ? '0.0' : 'vec2<f32>()'}, ${read}, isInside${t})` : read;
  const codes = isAhead ? `codesOf${n}(codeWords_${i})` : `codes${n}${at}`;
  return [`let w${t}r${i} = ${codes};`, `let s${t}r${i} = ${scales};`, ...(minimum ? [`let m${t}r${i} = ${subtracted};`] : [])];
}

/** Index of an element in a plane of `stride` elements a row of x; `x` is the row. */
function columnIndex(variant: GemvInt8Variant, { x, stride, offset }: { x: string; stride: number; offset: string }): string {
  return hasColumns(variant) ? `${x} * ${stride}u + ${offset}` : offset;
}

/** The statistics of group `t` of row `x`; a row that is one of several vectors has its planes behind all of theirs. */
function statsOf(variant: GemvInt8Variant, { x, t, plane }: { x: string; t: number; plane: number }): string {
  const { experts, sum } = variant.shape;
  const { groups, xGroups } = geometryOf(variant);
  const offset = plane === 0 ? `g${t}` : `g${t} + ${plane * xGroups}u`;
  const at = experts?.each && hasColumns(variant)
    ? `(${x} + ${x} / ${experts.used}u * ${2 * experts.used}u) * ${groups}u + ${offset}`
    : columnIndex(variant, { x, stride: 3 * groups, offset });
  return sum ? `vec2<f32>(xStats[2u * (${at})], xStats[2u * (${at}) + 1u])` : `xStats[${at}]`;
}

/** Adds group `t`'s share of the norm to that of the slot's k-th column. */
function shareTerms(variant: GemvInt8Variant, { t, k, isPartial }: { t: number; k: number; isPartial: boolean }): readonly string[] {
  const name = `share${t}of${k}`;
  const share = `${name}.x + ${name}.y`;
  const load = `let ${name} = ${statsOf(variant, { x: `share${k}`, t, plane: 2 })};`;
  return [load, `s.n${k} += ${isPartial ? `select(0.0, ${share}, isInside${t})` : share};`];
}

function activationLoads(variant: GemvInt8Variant, n: number, { t, c }: { t: number; c: number }): readonly string[] {
  const { groups } = geometryOf(variant);
  const name = `${t}c${c}`;
  const stats = (plane: number) => statsOf(variant, { x: `x${c}`, t, plane });
  return [
    `let at${name} = ${columnIndex(variant, { x: `x${c}`, stride: 2 * groups, offset: `2u * g${t}` })};`,
    `let a${name} = xCodes[at${name}];`,
    `let b${name} = xCodes[at${name} + 1u];`,
    `let x${name} = ${stats(0)};`,
    ...(blocksOf(variant.shape.parts[n]!).hasMinimum ? [`let t${name} = ${stats(1)};`] : []),
  ];
}

function productTerms(
  variant: GemvInt8Variant,
  n: number,
  { t, c }: { t: number; c: number },
): readonly string[] {
  const { shape, rowsPerSlot } = variant;
  const name = `${t}c${c}`;
  const { hasMinimum, scaleGroup } = blocksOf(shape.parts[n]!);
  return range(rowsPerSlot).map((i) => {
    const codes = `vec2<f32>(f32(dot16(w${t}r${i}.a, a${name})), f32(dot16(w${t}r${i}.b, b${name})))`;
    const scaled = scaleGroup === 32 ? `dot(${codes}, x${name}) * s${t}r${i}.x` : `dot(${codes} * x${name}, s${t}r${i})`;
    const sums = scaleGroup === 32 ? `m${t}r${i} * (t${name}.x + t${name}.y)` : `dot(m${t}r${i}, t${name})`;
    const minimum = hasMinimum ? ` - ${sums}` : '';
    return `s.r${i}c${c} += ${scaled}${minimum};`;
  });
}
