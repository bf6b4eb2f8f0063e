/**
 * The part of the delta rule in chunks (chunk-records.ts) that goes from chunk to chunk: a workgroup takes some lines of the state of a
 * head of a sequence, S^T [keyDim, lines], which nothing but it reads or writes.
 *
 * S lies in workgroup memory, four lines a vector, for the products of W and q with it, and in registers, four keys and four lines an
 * invocation, for what is added to it.
 */
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_STRUCT } from '../../linear-shape.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { keyHeadText, recordQuads, rowQuads, SEQUENCE_BINDINGS, stagedQuads } from './chunk-records.ts';
import type { DeltaChunkShape } from './chunk-records.ts';

/**
 * Bindings `qkv`, `records`, `state` f32 [slot, valueHeads, valueDim, keyDim], `rowSequence`, `slots`. Writes the state and, for `output`
 * f32, `y` [rows, valueHeads * valueDim]; else y takes the place of U in the records.
 */
export interface DeltaStatePassVariant extends DeltaChunkShape {
  /** Lines of a workgroup: a multiple of 4 that divides valueDim. */
  readonly lines: number;
  /** Rows of an invocation's part of a chunk's [chunk, lines]; a power of two. */
  readonly rowsPerInvocation: number;
  /** Columns of W and q that are staged at a time: a multiple of 4 that divides keyDim. */
  readonly depth: number;
  readonly output: 'f32' | 'records';
}

interface Sizes {
  readonly invocations: number;
  /** Vectors of lines of a workgroup, of keys of a line. */
  readonly lines: number;
  readonly keys: number;
  /** Between rows of an invocation. */
  readonly rowStep: number;
  /** Blocks of four keys and four lines that an invocation holds, and whether all invocations have as many. */
  readonly blocks: number;
  readonly isWhole: boolean;
}

function sizesOf({ chunk, lines, keyDim, rowsPerInvocation }: DeltaStatePassVariant): Sizes {
  const [lineQuads, keys] = [lines / 4, keyDim / 4];
  const invocations = (chunk * lineQuads) / rowsPerInvocation;
  const all = keys * lineQuads;
  return {
    invocations, lines: lineQuads, keys, rowStep: chunk / rowsPerInvocation,
    blocks: Math.ceil(all / invocations), isWhole: all % invocations === 0,
  };
}

/** For each of an invocation's blocks, with `line` and `key` its place in vectors of the workgroup's part. */
function eachBlock({ blocks, isWhole, invocations, lines, keys }: Sizes, body: (block: number) => string): string {
  return unrolled(blocks, (b) => `    {
      let block = lane + ${b * invocations}u;
      ${isWhole ? '' : `if (block < ${keys * lines}u) `}{
        let line = block % ${lines}u;
        let key = block / ${lines}u;
${body(b)}
      }
    }`);
}

/** Four vectors of keys of one line each, and the other way round. */
const turned = (b: number) => range(4).map((c) => `vec4<f32>(${range(4).map((r) => `s${b}_${r}[${c}]`).join(', ')})`);

function stateText(variant: DeltaStatePassVariant, slot: string, way: 'load' | 'store'): string {
  const { valueHeads, valueDim, lines } = variant;
  const sizes = sizesOf(variant);
  const at = (r: number) =>
    `((${slot} * ${valueHeads}u + head) * ${valueDim}u + slice * ${lines}u + 4u * line + ${r}u) * ${sizes.keys}u + key`;
  return eachBlock(sizes, (b) => {
    const moved = unrolled(4, (r) => (way === 'load' ? `        s${b}_${r} = state[${at(r)}];` : `        state[${at(r)}] = t${r};`));
    const turn = unrolled(4, (r) => `        let t${r} = ${turned(b)[r]};`);
    if (way === 'store') return `${turn}\n${moved}`;
    return `${moved}\n${turn}\n${unrolled(4, (r) => `        s${b}_${r} = t${r};`)}\n${putBlock(sizes, b)}`;
  });
}

/** An invocation's block where the products read it. */
function putBlock({ lines }: Sizes, b: number): string {
  return unrolled(4, (c) => `        heads[(4u * key + ${c}u) * ${lines}u + line] = s${b}_${c};`);
}

/** Products of a chunk's W and q with S: `w{u}` and `y{u}` of an invocation's rows. */
function readText(variant: DeltaStatePassVariant): string {
  const { chunk, keyDim, depth, rowsPerInvocation, valueHeads } = variant;
  const { invocations, lines, keys, rowStep } = sizesOf(variant);
  const { of: rowOf } = rowQuads(variant);
  const { of } = recordQuads(variant);
  const [units, stride] = [depth / 4, stagedQuads(depth)];
  const count = chunk * units;
  const guarded = (u: number, body: string) =>
    ((u + 1) * invocations <= count ? body : `      if (lane + ${u * invocations}u < ${count}u) ${body.trim()}`);
  const axes = ['x', 'y', 'z', 'w'];
  return `    for (var slab = 0u; slab < ${keyDim / depth}u; slab++) {
      workgroupBarrier();
${unrolled(Math.ceil(count / invocations), (u) => guarded(u, `      {
        let ownRow = (lane + ${u * invocations}u) / ${units}u;
        let unit = (lane + ${u * invocations}u) % ${units}u;
        let row = first + min(ownRow, rows - 1u);
        let w = records[(row * ${valueHeads}u + head) * ${of}u + slab * ${units}u + unit];
        let q = qkv[row * ${rowOf}u + keyHead * ${keys}u + slab * ${units}u + unit] * factors[ownRow].x;
        stagedW[ownRow * ${stride}u + unit] = select(vec4<f32>(), w, ownRow < rows);
        stagedQ[ownRow * ${stride}u + unit] = q;
      }`))}
      workgroupBarrier();
      for (var unit = 0u; unit < ${units}u; unit++) {
${unrolled(4, (c) => `        let s${c} = heads[((slab * ${units}u + unit) * 4u + ${c}u) * ${lines}u + line];`)}
${unrolled(rowsPerInvocation, (u) => `        let ofW${u} = stagedW[(ownRow + ${u * rowStep}u) * ${stride}u + unit];
        let ofQ${u} = stagedQ[(ownRow + ${u * rowStep}u) * ${stride}u + unit];
        w${u} += ${axes.map((axis, c) => `ofW${u}.${axis} * s${c}`).join(' + ')};
        y${u} += ${axes.map((axis, c) => `ofQ${u}.${axis} * s${c}`).join(' + ')};`)}
      }
    }`;
}

/** V of the chunk, what it adds to y, and y. */
function valuesText(variant: DeltaStatePassVariant): string {
  const { chunk, rowsPerInvocation, valueHeads, valueDim, output } = variant;
  const { lines, rowStep } = sizesOf(variant);
  const quads = recordQuads(variant);
  const each = (body: (u: number) => string) => unrolled(rowsPerInvocation, body);
  const row = (u: number) => `ownRow + ${u * rowStep}u`;
  const at = (u: number) => `((first + min(${row(u)}, rows - 1u)) * ${valueHeads}u + head) * ${quads.of}u`;
  const lineAt = `slice * ${lines}u + line`;
  const yAt = (u: number) => `((first + ${row(u)}) * ${valueHeads}u + head) * ${valueDim / 4}u + ${lineAt}`;
  const written = (u: number) => (output === 'f32' ? `y[${yAt(u)}]` : `records[record${u} + ${quads.y}u + ${lineAt}]`);
  return `${each((u) => `    let record${u} = ${at(u)};
    let v${u} = select(vec4<f32>(), records[record${u} + ${quads.y}u + ${lineAt}] - w${u}, ${row(u)} < rows);
    values[(${row(u)}) * ${lines}u + line] = v${u};`)}
    workgroupBarrier();
${unrolled(chunk / 4, (j) => `    {
${unrolled(4, (c) => `      let v${c} = values[${(4 * j + c) * lines}u + line];`)}
${each((u) => `      let m${u} = records[record${u} + ${quads.scores + j}u];
      y${u} += m${u}.x * v0 + m${u}.y * v1 + m${u}.z * v2 + m${u}.w * v3;`)}
    }`)}
${each((u) => `    if (${row(u)} < rows) { ${written(u)} = y${u}; }`)}
    workgroupBarrier();
${each((u) => `    values[(${row(u)}) * ${lines}u + line] = v${u} * factors[${row(u)}].y;`)}
    workgroupBarrier();`;
}

/** What the chunk adds to S. */
function updateText(variant: DeltaStatePassVariant): string {
  const { chunk } = variant;
  const sizes = sizesOf(variant);
  const { k, of } = rowQuads(variant);
  const key = (c: number) => `qkv[(first + min(4u * n + ${c}u, rows - 1u)) * ${of}u + ${k}u + keyHead * ${sizes.keys}u + key]`;
  const axes = ['x', 'y', 'z', 'w'];
  return eachBlock(sizes, (b) => `${unrolled(4, (c) => `        s${b}_${c} *= factors[0].z;`)}
        for (var n = 0u; n < ${chunk / 4}u; n++) {
${unrolled(4, (c) => `          let k${c} = ${key(c)};`)}
${unrolled(4, (c) => `          let v${c} = values[(4u * n + ${c}u) * ${sizes.lines}u + line];`)}
${unrolled(4, (r) => `          s${b}_${r} += ${range(4).map((c) => `k${c}.${axes[r]} * v${c}`).join(' + ')};`)}
        }
${putBlock(sizes, b)}`);
}

function mainFunction(variant: DeltaStatePassVariant): string {
  const { chunk, valueHeads, valueDim, lines, rowsPerInvocation } = variant;
  const sizes = sizesOf(variant);
  const { factors, of } = recordQuads(variant);
  const slices = valueDim / lines;
  return `
/** All rows of a sequence. */
fn goThrough(place: vec4<u32>, head: u32, slice: u32, lane: u32) {
    let keyHead = ${keyHeadText(variant)};
    let ownRow = lane / ${sizes.lines}u;
    let line = lane % ${sizes.lines}u;
${unrolled(sizes.blocks, (b) => unrolled(4, (c) => `    var s${b}_${c} = vec4<f32>();`))}
${stateText(variant, 'place.z', 'load')}
  for (var chunk = 0u; chunk < (place.y + ${chunk - 1}u) / ${chunk}u; chunk++) {
    let first = place.x + chunk * ${chunk}u;
    let rows = min(${chunk}u, place.y - chunk * ${chunk}u);
    workgroupBarrier();
    if (lane < ${chunk}u) {
      let record = ((first + min(lane, rows - 1u)) * ${valueHeads}u + head) * ${of}u;
      let own = records[record + ${factors}u];
      factors[lane] = vec4<f32>(select(vec2<f32>(), own.xy, lane < rows), own.z, 0.0);
    }
${unrolled(rowsPerInvocation, (u) => `    var w${u} = vec4<f32>();\n    var y${u} = vec4<f32>();`)}
${readText(variant)}
${valuesText(variant)}
${updateText(variant)}
  }
${stateText(variant, 'place.w', 'store')}
    workgroupBarrier();
}

@compute @workgroup_size(${sizes.invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let slice = item % ${slices}u;
  let head = item / ${slices}u % ${valueHeads}u;
  let block = item / ${slices * valueHeads}u;
  let end = min((block + 1u) * ${chunk}u, step.rows);
  // The sequences that begin in these rows.
  var row = block * ${chunk}u;
  while (row < end) {
    let place = slots[rowSequence[row]];
    if (row == place.x) { goThrough(place, head, slice, lane); }
    row = place.x + place.y;
  }
}
`;
}

export function deltaStatePassKernel(variant: DeltaStatePassVariant): Kernel {
  const { keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, chunk, lines, rowsPerInvocation, depth, output } = variant;
  const sizes = sizesOf(variant);
  if (valueDim % lines !== 0 || lines % 4 !== 0 || keyDim % depth !== 0)
    throw new InputError(`a delta rule in chunks has no ${lines} lines of [${valueDim}, ${keyDim}] at a time`);
  if (sizes.invocations < chunk) throw new InputError(`a chunk of ${chunk} rows takes as many invocations; got ${sizes.invocations}`);
  const write = (name: string): Binding => ({ name, access: 'write', type: 'array<vec4<f32>>' });
  const bindings: readonly Binding[] = [
    { ...write('qkv'), access: 'read' }, { ...write('records'), access: output === 'f32' ? 'read' : 'write' }, write('state'),
    ...SEQUENCE_BINDINGS, ...(output === 'f32' ? [write('y')] : []),
  ];
  const memory = (name: string, count: number) => `var<workgroup> ${name}: array<vec4<f32>, ${count}>;\n`;
  return {
    key: kernelKey('delta-state-pass', {
      keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, chunk, lines, rowsPerInvocation, depth, output,
    }),
    label: `delta-state-pass ${valueHeads} x [${valueDim}, ${keyDim}] ${chunk} rows x ${lines}`,
    wgsl: [
      kernelHeader(bindings, {}),
      `${STEP_STRUCT}\n`,
      memory('heads', keyDim * sizes.lines),
      memory('stagedW', chunk * stagedQuads(depth)),
      memory('stagedQ', chunk * stagedQuads(depth)),
      memory('values', chunk * sizes.lines),
      memory('factors', chunk),
      mainFunction(variant),
    ].join(''),
    bindings,
    workgroupSize: sizes.invocations,
    needs: {},
  };
}

export function deltaStatePassWorkgroups({ valueHeads, valueDim, chunk, lines }: DeltaStatePassVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil(rows / chunk) * valueHeads * (valueDim / lines)));
}
