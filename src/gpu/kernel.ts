/**
 * What a kernel is to the rest of the executor: WGSL text generated from a variant record, and the buffers it wants, by name.
 * Sizes of a model are constants in the text, but for those of products that share one (matrix-sizes.ts); the number of rows of a step and
 * where sequences lie are read from buffers.
 */

/** How a kernel sees a buffer. `write` is `var<storage, read_write>`. */
export type BindingAccess = 'read' | 'write' | 'uniform';

export interface Binding {
  /** The WGSL variable's name, and the key under which the host gives the buffer. */
  readonly name: string;
  readonly access: BindingAccess;
  /** WGSL type: `array<vec4<u32>>`. */
  readonly type: string;
}

/** Optional features that a kernel's text asks for; the text holds the matching `enable` lines. */
export interface KernelNeeds {
  /** Lanes of a subgroup that the text was generated for. */
  readonly subgroupSize?: number | undefined;
  readonly f16?: boolean | undefined;
  /** Matrices of subgroups, in the draft's spelling (wgsl/subgroup-matrix.ts). */
  readonly subgroupMatrix?: boolean | undefined;
}

export interface Kernel {
  /** Derived from the variant by {@link kernelKey}: equal keys mean equal text. */
  readonly key: string;
  /** Short, for plans and profiles: `gemv-int8 q4_0 [3072, 1024]`. */
  readonly label: string;
  readonly wgsl: string;
  /** In the order of their @binding numbers, all in @group(0). The entry point is `main`. */
  readonly bindings: readonly Binding[];
  /** Words of its uniform `sizes`, where it has one: what kernels of one text differ in. */
  readonly sizes?: readonly number[] | undefined;
  readonly workgroupSize: number;
  readonly needs: KernelNeeds;
}

export type Workgroups = readonly [x: number, y: number, z: number];

type VariantValue = string | number | boolean | null | undefined | readonly VariantValue[] | { readonly [name: string]: VariantValue };

/**
 * Name and variant as text with sorted keys. Everything the text depends on must be in the variant.
 * @throws TypeError where the variant holds a function: what it does cannot be told from another's.
 */
export function kernelKey(name: string, variant: object): string {
  return `${name} ${stableText(variant as VariantValue)}`;
}

function stableText(value: VariantValue): string {
  if (typeof value === 'function') throw new TypeError('a kernel variant holds a function');
  if (Array.isArray(value)) return `[${value.map(stableText).join(',')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return `{${entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, entry]) => `${name}:${stableText(entry)}`).join(',')}}`;
}

/** A kernel whose text is made when it is first read: plans ask for the same kernel once for each layer, and name many that never run. */
export function withTextOf(kernel: Omit<Kernel, 'wgsl'>, makeText: () => string): Kernel {
  let text: string | undefined;
  return {
    ...kernel,
    get wgsl() {
      return (text ??= makeText());
    },
  };
}

const SCALAR_BYTES: Readonly<Record<string, number>> = { f32: 4, i32: 4, u32: 4, 'atomic<u32>': 4, f16: 2 };

export interface TypeSize {
  readonly bytes: number;
  readonly align: number;
  /** From one element of an array to the next. */
  readonly stride: number;
}

/** Of a scalar, a vector, or a struct of them that the text declares. */
export function typeSize(type: string, wgsl: string): TypeSize {
  const [, lanes, element = type] = /^vec([234])<(\w+)>$/.exec(type) ?? [];
  const scalar = SCALAR_BYTES[element];
  if (scalar !== undefined) {
    const align = scalar * (lanes === undefined ? 1 : lanes === '2' ? 2 : 4);
    return { bytes: scalar * Number(lanes ?? 1), align, stride: align };
  }
  const [, members] = new RegExp(`struct ${type}\\s*\\{([^}]*)\\}`).exec(wgsl) ?? [];
  if (members === undefined) throw new Error(`kernel: the size of ${type} is not known`);
  let [bytes, align] = [0, 1];
  for (const [, member = ''] of members.matchAll(/\w+\s*:\s*([\w<>]+)/g)) {
    const own = typeSize(member, wgsl);
    bytes = roundedUp(bytes, own.align) + own.bytes;
    align = Math.max(align, own.align);
  }
  return { bytes, align, stride: roundedUp(bytes, align) };
}

function roundedUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** Bytes of workgroup memory that a text declares, as WebGPU counts them: every variable rounded up to 16. */
export function workgroupBytesOf(wgsl: string): number {
  let total = 0;
  for (const [, type = ''] of wgsl.matchAll(/var<workgroup>\s+\w+\s*:\s*([^;]+);/g)) {
    const [, element = type, count = '1'] = /^array<(.+),\s*(\d+)u?\s*>$/.exec(type.trim()) ?? [];
    total += roundedUp(typeSize(element.trim(), wgsl).stride * Number(count), 16);
  }
  return total;
}

/** Storage buffers of one kernel. */
export function storageBuffersOf({ bindings }: Pick<Kernel, 'bindings'>): number {
  return bindings.filter(({ access }) => access !== 'uniform').length;
}

/** What a device has for one kernel, or what a kernel takes of it. */
export interface KernelLimits {
  readonly storageBuffers: number;
  /** Of workgroup memory. */
  readonly workgroupBytes: number;
  /** Of a workgroup. */
  readonly invocations: number;
}

const LIMIT_WORDS: { readonly [Name in keyof KernelLimits]: (needed: number, limit: number) => string } = {
  storageBuffers: (needed, limit) => `binds ${needed} storage buffers of ${limit}`,
  workgroupBytes: (needed, limit) => `takes ${needed} bytes of workgroup memory of ${limit}`,
  invocations: (needed, limit) => `has ${needed} invocations of ${limit}`,
};

/** In what a kernel needs more than a device has, in words: `binds 12 storage buffers of 10`. */
export function exceeded(needed: KernelLimits, limits: KernelLimits): readonly string[] {
  const names = Object.keys(LIMIT_WORDS) as (keyof KernelLimits)[];
  return names.filter((name) => needed[name] > limits[name]).map((name) => LIMIT_WORDS[name](needed[name], limits[name]));
}

/** The same of a kernel whose text is made. */
export function beyondLimits(kernel: Kernel, limits: KernelLimits): readonly string[] {
  const { wgsl, workgroupSize } = kernel;
  return exceeded(
    { storageBuffers: storageBuffersOf(kernel), workgroupBytes: workgroupBytesOf(wgsl), invocations: workgroupSize }, limits,
  );
}

/** What sizes of workgroups and tiles have to be, so that places in them are shifts and masks. */
export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

/** Largest count in one dimension of a dispatch that every WebGPU device takes. */
const MOST_WORKGROUPS = 65535;

/** `count` workgroups as x and y where one dimension does not hold them; the WGSL gets its number by {@link LINEAR_WORKGROUP}. */
export function linearWorkgroups(count: number, z = 1): Workgroups {
  if (count <= MOST_WORKGROUPS) return [count, 1, z];
  const y = Math.ceil(count / MOST_WORKGROUPS);
  return [Math.ceil(count / y), y, z];
}

/**
 * `perRow` workgroups for each row and none beyond, numbered as by {@link linearWorkgroups}: for kernels that look up the sequence of a
 * row, which for a row past those of the step may be one of an earlier step. Both are at most the most of one dimension.
 */
export function rowWorkgroups(rows: number, perRow: number): Workgroups {
  return rows * perRow <= MOST_WORKGROUPS ? [rows * perRow, 1, 1] : [perRow, rows, 1];
}

/** Arguments of a `main` that wants its workgroup's place, the number of workgroups, and an invocation's place in its own. */
export const MAIN_ARGUMENTS =
  '@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, ' +
  '@builtin(local_invocation_index) lane: u32';

/** WGSL expression of the linear workgroup number; may reach past the count by less than y: the text checks its bounds. */
export const LINEAR_WORKGROUP = '(workgroup.x + workgroup.y * workgroups.x)';

export const ACCESS = { read: 'var<storage, read>', write: 'var<storage, read_write>', uniform: 'var<uniform>' } as const satisfies Record<
  BindingAccess,
  string
>;

/** The `enable` lines and binding declarations that a kernel's text begins with. */
export function kernelHeader(bindings: readonly Binding[], needs: KernelNeeds): string {
  const enables = [...(needs.f16 ? ['enable f16;'] : []), ...(needs.subgroupSize !== undefined ? ['enable subgroups;'] : [])];
  return [
    ...enables,
    ...bindings.map(({ name, access, type }, i) => `@group(0) @binding(${i}) ${ACCESS[access]} ${name}: ${type};`),
    '',
  ].join('\n');
}
