/**
 * From the lanes' sums to the outputs. A result that one slot has complete is finished in its registers, without a barrier
 * (`early`); where several subgroups, rows or columns come together, sums meet in workgroup memory and one invocation a result
 * finishes it (`late`). What the finish reads from buffers is loaded before the products, to be there when they are done.
 */
import { matrixRows, outputWidth, placeInY, timesAt } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { gateExpression } from '../../wgsl/activation.ts';
import { weightedBias, wholeNumber } from '../../wgsl/expert-rows.ts';
import { inverseRoot, range } from '../../wgsl/expressions.ts';
import { geometryOf } from './gemv-int8-variant.ts';
import type { GemvInt8Variant } from './gemv-int8-variant.ts';
import { halvings, joinSums } from './join-sums.ts';
import { dotFields, shareFields } from './product.ts';

/** Rows of one gate run, and of the up run behind it. */
const RUN = 16;

function isEarly(variant: GemvInt8Variant): boolean {
  const { shape, batch } = variant;
  // Rows i and i + 1 of a slot are the gate and up of one result where slots are as many as a run.
  return batch === 1 && geometryOf(variant).subgroups === 1 && (!shape.gated || geometryOf(variant).slots === RUN);
}

/** Results that each invocation finishes, at most. */
function latePasses(variant: GemvInt8Variant): number {
  const { outputs, workgroupSize } = geometryOf(variant);
  return Math.ceil((outputs * variant.batch) / workgroupSize);
}

/** Arrays of f32 in workgroup memory. */
export function workgroupFloats(variant: GemvInt8Variant): readonly { readonly name: string; readonly count: number }[] {
  const { shape, batch, rowsPerWorkgroup } = variant;
  const { outputs, subgroups } = geometryOf(variant);
  const results = outputs * batch;
  const { q8 } = shape.outputs;
  return [
    ...(isEarly(variant) ? [] : [{ name: 'partials', count: subgroups * batch * rowsPerWorkgroup }]),
    ...(!isEarly(variant) && shape.input === 'q8n' ? [{ name: 'partialShares', count: subgroups * batch }] : []),
    ...(q8 ? [{ name: 'finished', count: results }] : []),
    ...(q8?.norm ? [{ name: 'beforeGain', count: results }] : []),
  ];
}

/** WGSL of `main` before and after the products; the names that it finds there are those of gemv-int8.ts. */
export function epilogueText(variant: GemvInt8Variant): { readonly before: string; readonly after: string } {
  const finish = isEarly(variant) ? earlyText(variant) : lateText(variant);
  const after = [finish.after, variant.shape.outputs.q8 ? blocksText(variant) : ''];
  return { before: finish.before, after: after.filter((text) => text !== '').join('\n') };
}

/** Statements: the sums over a slot's lanes of some fields, one by one. */
function totalsText(variant: GemvInt8Variant, fields: readonly string[]): string {
  const { subgroupSize } = variant;
  const { joinedLanes } = geometryOf(variant);
  const total = (name: string) => {
    if (subgroupSize === undefined) return `let ${name} = sums.${name};`;
    if (joinedLanes === subgroupSize) return `let ${name} = subgroupAdd(sums.${name});`;
    const steps = halvings(joinedLanes).map((mask) => ` ${name} += subgroupShuffleXor(${name}, ${mask}u);`);
    return `var ${name} = sums.${name};${steps.join('')}`;
  };
  return fields.map((name) => `  ${total(name)}`).join('\n');
}

/** One result: `o` is its number in the workgroup, `id` a suffix for names. */
interface Result {
  readonly id: string;
  readonly o: string;
  /** Its column of x; '' where there is one. */
  readonly column: string;
  readonly isValid: string | undefined;
}

/** Row of W (local to the workgroup) of result `o`, or of the up half of it. */
function localRow({ shape }: GemvInt8Variant, o: string, isUp = false): string {
  if (!shape.gated) return o;
  return `((${o}) / ${RUN}u) * ${2 * RUN}u + ((${o}) % ${RUN}u)${isUp ? ` + ${RUN}u` : ''}`;
}

const firstOutput = ({ shape }: GemvInt8Variant) => (shape.gated ? '(base / 2u)' : 'base');
const endOutput = ({ shape }: GemvInt8Variant) => (shape.gated ? '(end / 2u)' : 'end');

/** The result's (row, choice) pair, of products with experts. */
const pairOf = (column: string) => (column === '' ? 'choice' : `lists[first + ${column}]`);

function resultIndex(variant: GemvInt8Variant, { id, column }: Result): string {
  const { experts } = variant.shape;
  if (experts && !experts.summed) return `${pairOf(column)} * ${outputWidth(variant.shape)}u + out${id}`;
  if (column !== '') return placeInY(variant.shape, `(first + ${column})`, `out${id}`);
  const { start = 0 } = variant.shape.within ?? {};
  return start > 0 ? `${start}u + out${id}` : `out${id}`;
}

/** WGSL expression of the bias of a row of W, local to the workgroup. */
function biasAt({ shape }: GemvInt8Variant, row: string): string {
  if (shape.experts?.summed) return weightedBias(shape, `base + ${row}`);
  return shape.experts ? `bias[${wholeNumber(shape, 'expert')} * ${matrixRows(shape)}u + base + ${row}]` : `bias[base + ${row}]`;
}

/** What is read for a result, loaded where it is valid. */
function preloadText(variant: GemvInt8Variant, result: Result): readonly string[] {
  const { shape } = variant;
  const { id, o, column, isValid } = result;
  const times = shape.activation?.times;
  const load = (name: string, value: string) =>
    isValid === undefined ? [`let ${name}${id} = ${value};`] : [`var ${name}${id} = 0.0;`, `if (${isValid}) { ${name}${id} = ${value}; }`];
  return [
    ...(shape.bias ? load('bias', biasAt(variant, localRow(variant, o))) : []),
    ...(shape.bias && shape.gated ? load('upBias', biasAt(variant, localRow(variant, o, true))) : []),
    ...(shape.residual ? load('residual', `residual[${resultIndex(variant, result)}]`) : []),
    ...(times ? load('times', timesAt(times, column === '' ? 'first' : `(first + ${column})`, `out${id}`)) : []),
    ...(shape.outputs.q8?.norm ? load('gain', `yGain[out${id}]`) : []),
  ];
}

/** Finishes a result whose products are the WGSL values `product` and, gated, `up`; `norm` is its column's sum of shares. */
function finishText(
  variant: GemvInt8Variant,
  result: Result,
  { product, up, norm }: { product: string; up: string; norm: string },
): readonly string[] {
  const { shape } = variant;
  const { id, o, column } = result;
  const { outputs } = geometryOf(variant);
  const value = (sum: string, bias: string) =>
    `${shape.input === 'q8n' ? `(${sum}) * factor${id}` : sum}${shape.bias ? ` + ${bias}${id}` : ''}`;
  const ended = (own: string) => {
    const { activation } = shape;
    if (activation) return `${activation.fn}(${own})${activation.times ? ` * times${id}` : ''}`;
    return `${own}${shape.residual ? ` + residual${id}` : ''}`;
  };
  const at = column === '' ? o : `(${column}) * ${outputs}u + ${o}`;
  return [
    ...(shape.input === 'q8n' ? [`let mean${id} = ${norm};`, `let factor${id} = ${inverseRoot(`mean${id}`)};`] : []),
    ...(shape.gated
      ? [
          `let gate${id} = ${value(product, 'bias')};`,
          `let y${id} = ${gateExpression(shape.gated, shape.clamp, [`gate${id}`, `(${value(up, 'upBias')})`])};`,
        ]
      : [`let y${id} = ${ended(value(product, 'bias'))};`]),
    ...(shape.outputs.f32 ? [`y[${resultIndex(variant, result)}] = y${id};`] : []),
    ...(shape.outputs.q8 ? [`finished[${at}] = y${id}${shape.outputs.q8.norm ? ` * gain${id}` : ''};`] : []),
    ...(shape.outputs.q8?.norm ? [`beforeGain[${at}] = y${id};`] : []),
  ];
}

const indent = (lines: readonly string[], by = '  ') => lines.map((line) => by + line).join('\n');

/** Every result lies in the registers of its slot; its first lane finishes it. */
function earlyText(variant: GemvInt8Variant): { before: string; after: string } {
  const { shape, rowsPerSlot, subgroupSize } = variant;
  const { slots, isRagged } = geometryOf(variant);
  const results = range(shape.gated ? rowsPerSlot / 2 : rowsPerSlot).map((i): Result => {
    const valid = isRagged ? `isValid${i}` : undefined;
    return { id: `${i}`, o: `(slot + ${i * slots}u)`, column: '', isValid: valid };
  });
  const before = results.flatMap((result) => [
    `let out${result.id} = ${firstOutput(variant)} + ${result.o};`,
    ...(result.isValid === undefined ? [] : [`let ${result.isValid} = out${result.id} < ${endOutput(variant)};`]),
    ...preloadText(variant, result),
  ]);
  const after = results.map((result, i) => {
    const conditions = [
      ...(subgroupSize === undefined ? [] : ['rowLane == 0u']),
      ...(result.isValid === undefined ? [] : [result.isValid]),
    ];
    const [product, up] = shape.gated ? [`r${2 * i}c0`, `r${2 * i + 1}c0`] : [`r${i}c0`, ''];
    const lines = finishText(variant, result, { product, up, norm: 'n0' });
    return conditions.length === 0
      ? `  {\n${indent(lines, '    ')}\n  }`
      : `  if (${conditions.join(' && ')}) {\n${indent(lines, '    ')}\n  }`;
  });
  const totals = totalsText(variant, [...dotFields(variant), ...shareFields(variant)]);
  return { before: indent(before), after: [totals, ...after].join('\n') };
}

/** Statements that leave the slots' sums in workgroup memory. */
function storeText(variant: GemvInt8Variant): string {
  const { batch, rowsPerWorkgroup, subgroupSize } = variant;
  const { slots, joinedLanes, subgroups } = geometryOf(variant);
  const part = subgroups > 1 ? `part * ${batch}u + ` : '';
  const shares = shareFields(variant).map((name, k) => {
    const column = `slot${k === 0 ? '' : ` + ${k * slots}u`}`;
    return `if (${column} < ${batch}u) { partialShares[${part}${column}] = ${name}; }`;
  });
  const dots = dotFields(variant);
  const place = (row: string, column: string) => `partials[(${part}${column}) * ${rowsPerWorkgroup}u + slot + ${row} * ${slots}u]`;
  if (subgroupSize === undefined)
    return indent([
      totalsText(variant, [...dots, ...shareFields(variant)]),
      ...dots.map((name, at) => `${place(`${Math.floor(at / batch)}u`, `${at % batch}u`)} = ${name};`), ...shares,
    ]);
  const { text, names, first, copies } = joinSums(dots.map((name) => `sums.${name}`), joinedLanes);
  const stores = names.map((name, j) => {
    const at = `(${first}${j === 0 ? '' : ` + ${j}u`})`;
    return `${place(`${at} / ${batch}u`, `${at} % ${batch}u`)} = ${name};`;
  });
  return indent([
    totalsText(variant, shareFields(variant)), text,
    ...(copies === 1 ? stores : [`if (slotLane % ${copies}u == 0u) {`, ...stores, '}']),
    ...(shares.length === 0 ? [] : ['if (slotLane == 0u) {', ...shares, '}']),
  ]);
}

function lateText(variant: GemvInt8Variant): { before: string; after: string } {
  const { batch, rowsPerWorkgroup } = variant;
  const { outputs, workgroupSize, subgroups } = geometryOf(variant);
  const results = range(latePasses(variant)).map((k): Result => ({
    id: `${k}`,
    o: `local${k}`,
    column: batch > 1 ? `column${k}` : '',
    isValid: `isValid${k}`,
  }));
  const before = results.flatMap((result, k) => [
    `let result${k} = lane + ${k * workgroupSize}u;`,
    `let local${k} = result${k} % ${outputs}u;`,
    ...(batch > 1 ? [`let column${k} = result${k} / ${outputs}u;`] : []),
    `let out${k} = ${firstOutput(variant)} + local${k};`,
    `let isValid${k} = result${k} < ${outputs * batch}u && out${k} < ${endOutput(variant)}` +
      `${batch > 1 ? ` && first + column${k} < count` : ''};`,
    ...preloadText(variant, result),
  ]);
  const sumOf = (name: string, index: (part: number) => string) =>
    range(subgroups)
      .map((part) => `${name}[${index(part)}]`)
      .join(' + ');
  const product = (o: string, column: string) =>
    sumOf(
      'partials',
      (part) => `${column === '' ? `${part * rowsPerWorkgroup}u` : `(${part * batch}u + ${column}) * ${rowsPerWorkgroup}u`} + ${o}`,
    );
  const finish = results.map((result) => {
    const lines = finishText(variant, result, {
      product: product(localRow(variant, result.o), result.column),
      up: product(localRow(variant, result.o, true), result.column),
      norm: sumOf('partialShares', (part) => `${part * batch}u${result.column === '' ? '' : ` + ${result.column}`}`),
    });
    return `  if (${result.isValid}) {\n${indent(lines, '    ')}\n  }`;
  });
  return { before: indent(before), after: [storeText(variant), '  workgroupBarrier();', ...finish].join('\n') };
}

/** One invocation a block rounds and writes it. */
function blocksText(variant: GemvInt8Variant): string {
  const { shape, batch } = variant;
  const { outputs, isRagged } = geometryOf(variant);
  const blocks = outputs / Q8_BLOCK;
  const matrix = (name: string) => `mat4x4<f32>(${range(Q8_BLOCK).map((i) => `${name}[at + ${i}u]`).join(', ')})`;
  const conditions = [
    ...(isRagged ? [`${firstOutput(variant)} + block * ${Q8_BLOCK}u < ${endOutput(variant)}`] : []),
    ...(batch > 1 ? ['first + column < count'] : []),
  ];
  const yBlock = `${firstOutput(variant)} / ${Q8_BLOCK}u + block`;
  const place = shape.experts && !shape.experts.summed
    ? [
        `let pair = ${pairOf(batch > 1 ? 'column' : '')};`,
        `let yRow = pair / ${shape.experts.used}u;`,
        `let yBlock = pair % ${shape.experts.used}u * ${outputWidth(shape) / Q8_BLOCK}u + ${yBlock};`,
      ]
    : [`let yBlock = ${yBlock};`];
  const row = place.length > 1 ? 'yRow' : 'first + column';
  const put = [
    `let at = lane * ${Q8_BLOCK}u;`,
    ...place,
    ...(shape.outputs.q8?.norm ? [`yPutShare(${row}, yBlock, ${matrix('beforeGain')});`] : []),
    `yPutCodes(${row}, yBlock, ${matrix('finished')});`,
  ];
  const guarded = conditions.length === 0 ? indent(put, '    ') : `    if (${conditions.join(' && ')}) {\n${indent(put, '      ')}\n    }`;
  return `  workgroupBarrier();
  if (lane < ${blocks * batch}u) {
    let block = lane % ${blocks}u;
    let column = lane / ${blocks}u;
${guarded}
  }`;
}
