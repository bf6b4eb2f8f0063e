/**
 * WGSL functions that round blocks of 16 values to int8 and write them (q8-layout.ts). One invocation writes a block; it has the
 * values in a mat4x4<f32>, four consecutive ones a column. With the bindings `{name}Codes: array<u32>` and
 * `{name}Stats: array<f32>`, and for q8n `{name}Gain: array<f32>`:
 * - `fn {name}PutBlock(row: u32, block: u32, x: mat4x4<f32>)`: the whole block. For q8n, x are the values before the gain.
 * - `fn {name}PutCodes(row: u32, block: u32, v: mat4x4<f32>)`: codes, scale and sum of v as it is.
 * - `fn {name}PutShare(row: u32, block: u32, x: mat4x4<f32>)`, for q8n only: the block's share of the norm, x being before the
 *   gain. For kernels that have the gain at hand already: PutCodes of x times the gain and PutShare of x make PutBlock.
 */
import { Q8_BLOCK } from '../q8-layout.ts';

export interface Q8Epilogue {
  /** Prefix of the bindings and functions. */
  readonly name: string;
  /** Values of a row, a multiple of 32. */
  readonly width: number;
  /** Of a q8n value; undefined for plain q8. */
  readonly norm: { readonly eps: number } | undefined;
  /** Codes are in workgroup memory, as array<vec4<u32>>. */
  readonly inWorkgroup?: true | undefined;
}

/** Blocks whose largest magnitude is below this count as zeros, so that 127 / max is finite. */
const SMALLEST_MAX = '1e-30';

export function q8EpilogueFunctions(epilogue: Q8Epilogue): string {
  return `${q8BlockFunctions(epilogue)}${putBlock(epilogue.name, epilogue.norm !== undefined)}`;
}

/** `PutCodes` and, for q8n, `PutShare` alone, a line break behind each: no gain is bound. */
export function q8BlockFunctions(epilogue: Q8Epilogue): string {
  const { name, width, norm } = epilogue;
  if (width % 32 !== 0) throw new Error(`q8 epilogue: the width of ${name} is ${width}, which is not a multiple of 32`);
  return `${putCodes(epilogue)}\n${norm === undefined ? '' : `${putShare(name, width, norm.eps)}\n`}`;
}

function putCodes({ name, width, inWorkgroup }: Q8Epilogue): string {
  const blocks = width / Q8_BLOCK;
  const rounded = [0, 1, 2, 3].map((i) => `  let c${i} = pack4xI8(vec4<i32>(round(v[${i}] * inverse)));`).join('\n');
  const words = [0, 1, 2, 3].map((i) => `  ${name}Codes[at + ${i}u] = c${i};`).join('\n');
  const place = `row * ${blocks}u + block`;
  const stores = inWorkgroup
    ? `  ${name}Codes[${place}] = vec4<u32>(c0, c1, c2, c3);`
    : `  let at = (${place}) * 4u;\n${words}`;
  const sum = [0, 1, 2, 3].map((i) => `dot4I8Packed(c${i}, 0x01010101u)`).join(' + ');
  return `fn ${name}PutCodes(row: u32, block: u32, v: mat4x4<f32>) {
  let most = max(max(abs(v[0]), abs(v[1])), max(abs(v[2]), abs(v[3])));
  let largest = max(max(most.x, most.y), max(most.z, most.w));
  let isZero = largest < ${SMALLEST_MAX};
  let scale = select(largest * ${1 / 127}, 0.0, isZero);
  let inverse = select(127.0 / largest, 0.0, isZero);
${rounded}
${stores}
  ${name}Stats[row * ${3 * blocks}u + block] = scale;
  ${name}Stats[row * ${3 * blocks}u + ${blocks}u + block] = scale * f32(${sum});
}`;
}

function putShare(name: string, width: number, eps: number): string {
  const blocks = width / Q8_BLOCK;
  return `fn ${name}PutShare(row: u32, block: u32, x: mat4x4<f32>) {
  let squares = x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + x[3] * x[3];
  ${name}Stats[row * ${3 * blocks}u + ${2 * blocks}u + block] = dot(squares, vec4<f32>(${1 / width})) + ${(eps * Q8_BLOCK) / width};
}`;
}

function putBlock(name: string, isNorm: boolean): string {
  const head = `fn ${name}PutBlock(row: u32, block: u32, x: mat4x4<f32>) {`;
  if (!isNorm) return `${head}\n  ${name}PutCodes(row, block, x);\n}`;
  const gain = (i: number) => `vec4<f32>(${[0, 1, 2, 3].map((j) => `${name}Gain[at + ${4 * i + j}u]`).join(', ')})`;
  return `${head}
  let at = block * ${Q8_BLOCK}u;
  ${name}PutShare(row, block, x);
  ${name}PutCodes(row, block, mat4x4<f32>(${[0, 1, 2, 3].map((i) => `x[${i}] * ${gain(i)}`).join(', ')}));
}`;
}
