/** The experts of a golden's folder as others store them: transformers, in memory and on disk, and mlx-lm (`sanitize` of each family). */
import type { FixtureTensor } from './fixture-tensors.ts';

type Tensors = ReadonlyMap<string, FixtureTensor>;
type Part = 'gate' | 'up' | 'down';
const PARTS: readonly Part[] = ['gate', 'up', 'down'];

const f32 = (shape: readonly number[], bytes: Uint8Array): FixtureTensor => ({ dtype: 'F32', shape, bytes });

function joined(shape: readonly number[], parts: readonly Uint8Array[]): FixtureTensor {
  return f32(shape, new Uint8Array(Buffer.concat(parts)));
}

/** Matrix `n` of a tensor of several. */
function matrixOf({ shape, bytes }: FixtureTensor, n: number): FixtureTensor {
  const size = bytes.length / (shape[0] as number);
  return f32(shape.slice(1), bytes.subarray(n * size, (n + 1) * size));
}

/** [n, rows, columns] as [n, columns, rows]. */
function transposed({ shape, bytes }: FixtureTensor): FixtureTensor {
  const [count, rows, columns] = shape as [number, number, number];
  const values = new Float32Array(bytes.slice().buffer);
  const made = Float32Array.from(values, (_, i) => {
    const [n, column, row] = [Math.floor(i / (rows * columns)), Math.floor(i / rows) % columns, i % rows];
    return values[(n * rows + row) * columns + column]!;
  });
  return f32([count, columns, rows], new Uint8Array(made.buffer));
}

/** Rows `from` to `to`, by `step`, of each matrix [rows, columns], or of each vector (`columns` 1). */
function rowsOfEach(tensor: FixtureTensor, { from, to, step }: { from: number; to: number; step: number }): FixtureTensor {
  const [count, rows, ...inner] = tensor.shape as [number, number, ...number[]];
  const size = tensor.bytes.length / (count * rows);
  const kept: Uint8Array[] = [];
  for (let n = 0; n < count; n++)
    for (let row = from; row < to; row += step) kept.push(tensor.bytes.subarray((n * rows + row) * size, (n * rows + row + 1) * size));
  return joined([count, kept.length / count, ...inner], kept);
}

/** Names of one expert's tensors, and where the parts of a family are in MLX. */
const FAMILIES: Readonly<Record<string, { readonly single: readonly [string, string, string]; readonly mlx: string }>> = {
  qwen3_moe: { single: ['gate_proj', 'up_proj', 'down_proj'], mlx: 'mlp.switch_mlp' },
  qwen3_5_moe_text: { single: ['gate_proj', 'up_proj', 'down_proj'], mlx: 'mlp.switch_mlp' },
  lfm2_moe: { single: ['w1', 'w3', 'w2'], mlx: 'feed_forward.switch_mlp' },
  gemma4_text: { single: ['gate_proj', 'up_proj', 'down_proj'], mlx: 'experts.switch_glu' },
  gpt_oss: { single: ['', '', ''], mlx: 'mlp.experts' },
};

interface Experts {
  /** Such as `model.layers.1.mlp.experts`. */
  readonly prefix: string;
  /** [experts, out, in] */
  readonly matrices: Readonly<Record<Part, FixtureTensor>>;
  /** [experts, out]; gpt-oss alone has them. */
  readonly biases?: Readonly<Record<Part, FixtureTensor>> | undefined;
}

function stackedExperts(tensors: Tensors, prefix: string, single: readonly string[]): Experts {
  const own = (name: string) => tensors.get(`${prefix}.${name}`)!;
  const both = tensors.get(`${prefix}.gate_up_proj`);
  if (both === undefined) {
    const stack = (part: number) => {
      const found: FixtureTensor[] = [];
      while (tensors.has(`${prefix}.${found.length}.${single[part]}.weight`)) found.push(own(`${found.length}.${single[part]}.weight`));
      return joined([found.length, ...found[0]!.shape], found.map(({ bytes }) => bytes));
    };
    return { prefix, matrices: { gate: stack(0), up: stack(1), down: stack(2) } };
  }
  const biases = tensors.get(`${prefix}.gate_up_proj_bias`);
  if (biases === undefined) {
    const [, to] = both.shape as [number, number];
    const half = (from: number) => rowsOfEach(both, { from, to: from + to / 2, step: 1 });
    return { prefix, matrices: { gate: half(0), up: half(to / 2), down: own('down_proj') } };
  }
  const [, to] = biases.shape as [number, number];
  const turned = transposed(both);
  const [even, odd] = [{ from: 0, to, step: 2 }, { from: 1, to, step: 2 }];
  return {
    prefix,
    matrices: { gate: rowsOfEach(turned, even), up: rowsOfEach(turned, odd), down: transposed(own('down_proj')) },
    biases: { gate: rowsOfEach(biases, even), up: rowsOfEach(biases, odd), down: own('down_proj_bias') },
  };
}

const EXPERT = /^(.*\.experts)\.(\d+\.|gate_up_proj|down_proj)/;

type Written = readonly (readonly [string, FixtureTensor])[];

function withExperts(tensors: Tensors, family: string, write: (experts: Experts) => Written): Tensors {
  const prefixes = new Set([...tensors.keys()].flatMap((name) => EXPERT.exec(name)?.[1] ?? []));
  const others = [...tensors].filter(([name]) => !EXPERT.test(name));
  const { single } = FAMILIES[family]!;
  return new Map([...others, ...[...prefixes].flatMap((prefix) => write(stackedExperts(tensors, prefix, single)))]);
}

/** Stacked for each part; LFM2's names of parts are those of the others, in layers without experts too. */
export function expertsOfMlx(tensors: Tensors, family: string): Tensors {
  if (FAMILIES[family] === undefined) return tensors;
  const stacked = withExperts(tensors, family, ({ prefix, matrices, biases }) => {
    const at = `${/^.*layers\.\d+\./.exec(prefix)![0]}${FAMILIES[family]!.mlx}`;
    return PARTS.flatMap((part) => [
      [`${at}.${part}_proj.weight`, matrices[part]] as const,
      ...(biases === undefined ? [] : [[`${at}.${part}_proj.bias`, biases[part]] as const]),
    ]);
  });
  if (family !== 'lfm2_moe') return stacked;
  const names: Readonly<Record<string, string>> = { w1: 'gate_proj', w2: 'down_proj', w3: 'up_proj' };
  const renamed = (name: string) => name.replace(/\.(w[123])\.weight$/, (_, own: string) => `.${names[own]}.weight`);
  return new Map([...stacked].map(([name, tensor]) => [renamed(name), tensor]));
}

/** Gate and up as one tensor of all experts, as transformers has them in memory; gpt-oss's are another such form already. */
export function fusedExperts(tensors: Tensors, family: string): Tensors {
  if (FAMILIES[family] === undefined || family === 'gpt_oss') return tensors;
  return withExperts(tensors, family, ({ prefix, matrices: { gate, up, down } }) => {
    const [experts, width, dim] = gate.shape as [number, number, number];
    const both = Array.from({ length: experts }, (_, n) => [matrixOf(gate, n).bytes, matrixOf(up, n).bytes]).flat();
    return [[`${prefix}.gate_up_proj`, joined([experts, 2 * width, dim], both)], [`${prefix}.down_proj`, down]];
  });
}

/** A tensor for each matrix of each expert; gpt-oss has no such form. */
export function singleExperts(tensors: Tensors, family: string): Tensors {
  if (FAMILIES[family] === undefined || family === 'gpt_oss') return tensors;
  const { single } = FAMILIES[family]!;
  return withExperts(tensors, family, ({ prefix, matrices }) =>
    PARTS.flatMap((part, at) => {
      const name = (n: number) => `${prefix}.${n}.${single[at]}.weight`;
      return Array.from({ length: matrices[part].shape[0]! }, (_, n) => [name(n), matrixOf(matrices[part], n)] as const);
    }));
}
