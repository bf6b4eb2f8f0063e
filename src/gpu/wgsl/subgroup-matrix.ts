/**
 * Subgroup matrices: the only file that knows how WGSL's draft spells them (Dawn's chromium_experimental_subgroup_matrix). Matrices lie in
 * `array<vec4<u32>>` variables, lines of halves or floats one after another; offsets and strides count vec4s, so that they are always
 * aligned. C[m][n] += A[m][k] B[k][n]; A is `left`, B is `right`, C is `sum`.
 *
 * With `emulated` the same texts are plain WGSL, for adapters without matrix units: a fragment is then only the place where it lies, which
 * must not change until its last product, and every lane of 32 holds its share of a sum. Slow: it tests what is around the products.
 */
import type { KernelNeeds } from '../kernel.ts';

export interface MatrixConfig {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly input: 'f16' | 'f32';
  readonly sum: 'f16' | 'f32';
  /** Plain WGSL; needs sums in f32 and no feature. */
  readonly emulated?: true | undefined;
}

/** WebGPU's name of the feature; devices have it where `allow_unsafe_apis` is on. */
export const MATRIX_FEATURE = 'chromium-experimental-subgroup-matrix';

/** Lanes that hold a matrix together, of the hardware that has them. */
export const MATRIX_LANES = 32;

/** What a text begins with. `subgroup_id` then counts as uniform. */
export function matrixEnables({ emulated, input }: MatrixConfig): string {
  if (emulated) return '';
  return `${input === 'f16' ? 'enable f16;\n' : ''}enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
`;
}

/** Values of a vec4<u32> as an input. */
export function valuesOfVector({ input }: Pick<MatrixConfig, 'input'>): 4 | 8 {
  return input === 'f16' ? 8 : 4;
}

/** WGSL types of the three matrices. */
export function matrixTypes({ m, n, k, input, sum, emulated }: MatrixConfig): Readonly<Record<'left' | 'right' | 'sum', string>> {
  if (emulated) return { left: 'vec4<u32>', right: 'vec4<u32>', sum: `array<f32, ${(m * n) / MATRIX_LANES}>` };
  return {
    left: `subgroup_matrix_left<${input}, ${k}, ${m}>`,
    right: `subgroup_matrix_right<${input}, ${n}, ${k}>`,
    sum: `subgroup_matrix_result<${sum}, ${n}, ${m}>`,
  };
}

export interface MatrixPlace {
  /** Name of the array. */
  readonly memory: string;
  /** WGSL expressions, in vec4s. */
  readonly offset: string;
  readonly stride: string;
  /** Whether a line in memory is a column of the matrix: W[n][k] as `right`. */
  readonly isTransposed?: boolean | undefined;
}

/** Names of the arrays that a text loads matrices from, and stores sums to. */
export interface MatrixMemories {
  readonly loaded: readonly string[];
  readonly stored: readonly string[];
}

/** Functions of the emulation; '' without it. */
export function matrixFunctions(config: MatrixConfig, { loaded, stored }: MatrixMemories): string {
  if (!config.emulated) return '';
  const { m, n, k, input } = config;
  const types = matrixTypes(config);
  const share = (m * n) / MATRIX_LANES;
  const cases = loaded.map((name, i) => `case ${i}u: { v = ${name}[at]; }`).join(' ');
  const value = input === 'f16'
    ? 'unpack2x16float(vectorAt(f.x, f.y + line * f.z + (place >> 3u))[(place >> 1u) & 3u])[place & 1u]'
    : 'bitcast<f32>(vectorAt(f.x, f.y + line * f.z + (place >> 2u))[place & 3u])';
  const put = stored.map((name) => `fn matrixStore_${name}(offset: u32, stride: u32, c: ${types.sum}) {
  for (var i = 0u; i < ${share}u; i++) {
    let at = matrixLane * ${share}u + i;
    let column = at % ${n}u;
    ${name}[offset + at / ${n}u * stride + (column >> 2u)][column & 3u] = bitcast<u32>(c[i]);
  }
}`);
  const sums = stored.map((name) => `fn matrixSum_${name}(offset: u32, stride: u32) -> ${types.sum} {
  var c: ${types.sum};
  for (var i = 0u; i < ${share}u; i++) {
    let at = matrixLane * ${share}u + i;
    let column = at % ${n}u;
    c[i] = bitcast<f32>(${name}[offset + at / ${n}u * stride + (column >> 2u)][column & 3u]);
  }
  return c;
}`);
  return `var<private> matrixLane: u32;
fn vectorAt(memory: u32, at: u32) -> vec4<u32> {
  var v: vec4<u32>;
  switch memory { ${cases} default: {} }
  return v;
}
fn matrixValue(f: vec4<u32>, row: u32, column: u32) -> f32 {
  let line = select(row, column, f.w == 1u);
  let place = select(column, row, f.w == 1u);
  return ${value};
}
fn matrixMultiply(a: vec4<u32>, b: vec4<u32>, c: ${types.sum}) -> ${types.sum} {
  var sums = c;
  for (var i = 0u; i < ${share}u; i++) {
    let at = matrixLane * ${share}u + i;
    for (var k = 0u; k < ${k}u; k++) { sums[i] += matrixValue(a, at / ${n}u, k) * matrixValue(b, k, at % ${n}u); }
  }
  return sums;
}
${[...put, ...sums].join('\n')}`;
}

/** Arguments of `main` beside the invocation's number in the workgroup, `lane`: the number of its subgroup, `subgroup`. */
export function matrixArguments({ emulated }: MatrixConfig): string {
  return emulated ? '' : ', @builtin(subgroup_id) subgroup: u32';
}

/** Statements at the beginning of `main`, which then has `lane` and `subgroup` however matrices are spelled. */
export function matrixStart({ emulated }: MatrixConfig): string {
  return emulated ? `matrixLane = lane & ${MATRIX_LANES - 1}u;\nlet subgroup = lane / ${MATRIX_LANES}u;` : '';
}

/** What kernels with matrices ask a device for. */
export function matrixNeeds({ emulated, input }: MatrixConfig): KernelNeeds {
  return emulated ? {} : { subgroupSize: MATRIX_LANES, f16: input === 'f16', subgroupMatrix: true };
}

/** Expression of a `left` or `right` that lies in one of the arrays. */
export function loadMatrix(
  config: MatrixConfig, side: 'left' | 'right', { memory, offset, stride, isTransposed = false }: MatrixPlace, { loaded }: MatrixMemories,
): string {
  if (config.emulated) return `vec4<u32>(${loaded.indexOf(memory)}u, ${offset}, ${stride}, ${isTransposed ? 1 : 0}u)`;
  return `subgroupMatrixLoad<${matrixTypes(config)[side]}, ${isTransposed ? 'col_major' : 'row_major'}>(&${memory}, ${offset}, ${stride})`;
}

/** Expression of c + a b, of names. */
export function multiplyMatrices({ emulated }: MatrixConfig, a: string, b: string, c: string): string {
  return `${emulated ? 'matrixMultiply' : 'subgroupMatrixMultiplyAccumulate'}(${a}, ${b}, ${c})`;
}

/** Statement that stores a whole `sum`, row by row. */
export function storeMatrix({ emulated }: MatrixConfig, { memory, offset, stride }: MatrixPlace, sum: string): string {
  if (emulated) return `matrixStore_${memory}(${offset}, ${stride}, ${sum});`;
  return `subgroupMatrixStore<row_major>(&${memory}, ${offset}, ${sum}, ${stride});`;
}

/** Expression of a `sum` that was stored. */
export function loadSum(config: MatrixConfig, { memory, offset, stride }: MatrixPlace): string {
  if (config.emulated) return `matrixSum_${memory}(${offset}, ${stride})`;
  return `subgroupMatrixLoad<${matrixTypes(config).sum}, row_major>(&${memory}, ${offset}, ${stride})`;
}

/** Configurations that kernels are generated for: NVIDIA's with f32 sums, Metal's two. */
export const MATRIX_CONFIGS = {
  nvidia: { m: 16, n: 16, k: 16, input: 'f16', sum: 'f32' },
  metalF32: { m: 8, n: 8, k: 8, input: 'f32', sum: 'f32' },
  metalF16: { m: 8, n: 8, k: 8, input: 'f16', sum: 'f16' },
} as const satisfies Readonly<Record<string, MatrixConfig>>;
