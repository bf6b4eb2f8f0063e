/**
 * Folders of compressed-tensors (vllm-project/compressed-tensors): `pack-quantized`, integers less a middle as `weight_packed` i32 words
 * [out, in * bits / 32], `weight_scale` [out, groups] and, where they are not symmetric, `weight_zero_point` [out * bits / 32, groups], of
 * which a word holds the zero points of rows one behind the other; and `float-quantized`, e4m3 values (fp8.ts).
 */
import type { ReadOptions } from '../../tensor/byte-source.ts';
import type { JsonObject, JsonValue, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { AffineBits } from '../../tensor/formats/affine.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import { integerScales } from './affine-scales.ts';
import { expectPlane, isSameShape, modulesWith, shapeText, wrongPlane } from './folder-planes.ts';
import type { Joined, JoinedFolder, PackedFolder } from './folder-planes.ts';
import { isScaleBlock, joinFp8 } from './fp8.ts';
import type { ScaleBlock } from './fp8.ts';
import { withGroupsInOrder } from './group-index.ts';
import { joinedTensor, rowPlane, tensorInFile, wholeTensor } from './joined-tensor.ts';
import { checkedPlane } from './plane.ts';
import type { Plane } from './plane.ts';
import { floatRows } from './scale-grids.ts';
import type { NumberGrid } from './scale-grids.ts';

/** What a group of modules has; its names are not asked for, since the tensors say to which a module belongs. */
interface WeightArgs {
  readonly bits: number;
  readonly isSymmetric: boolean;
  /** Values under one scale; undefined: the whole row. */
  readonly group: number | undefined;
  readonly block: ScaleBlock | undefined;
}

const FORMATS: readonly JsonValue[] = ['pack-quantized', 'float-quantized', 'naive-quantized', 'mixed-precision', 'dense'];
const FORMATS_IN_WORDS = `one of ${FORMATS.join(', ')}`;
/** Widths that fill a word of 32 bits, so that a row is one stream. */
const PACKED_BITS: readonly number[] = [2, 4, 8] satisfies readonly AffineBits[];

export function joinCompressedTensors(folder: PackedFolder, settings: JsonObject): JoinedFolder {
  const groups = parseGroups(folder, settings);
  const integers = modulesWith(folder, 'weight_packed').map((module) => joinModule(folder, module, groups));
  const block = groups.find((group) => group.block !== undefined)?.block;
  const ofRow = groups.find((group) => group.group !== undefined)?.group;
  const floats = joinFp8(folder, block ?? (ofRow === undefined ? [128, 128] : [1, ofRow]));
  return { joined: [...integers, ...floats.joined], skipped: floats.skipped };
}

function parseGroups({ name }: PackedFolder, settings: JsonObject): readonly WeightArgs[] {
  const fail = (key: string, expected: string, found: JsonValue | undefined): never => {
    throw new FormatError(
      `${name}: config.json's quantization_config.${key} must be ${expected} for compressed-tensors, found ${describeJson(found)}. ` +
        'Get the model as pack-quantized integers, as float-quantized e4m3, or unquantised.',
    );
  };
  const { format, config_groups: groups, sparsity_config: sparsity } = settings;
  if (format !== undefined && !FORMATS.includes(format)) fail('format', FORMATS_IN_WORDS, format);
  if (isJsonObject(sparsity) && ![undefined, null, 'dense'].includes(sparsity['format'] as string | null | undefined))
    fail('sparsity_config.format', '"dense"', sparsity['format']);
  if (!isJsonObject(groups) || Object.keys(groups).length === 0) return fail('config_groups', 'an object of groups of modules', groups);
  return Object.entries(groups).map(([key, group]): WeightArgs => {
    const where = `config_groups.${key.slice(0, 40)}`;
    if (!isJsonObject(group)) return fail(where, 'an object', group);
    const { weights, format: own, input_activations: inputs } = group;
    if (own !== undefined && own !== null && !FORMATS.includes(own)) fail(`${where}.format`, FORMATS_IN_WORDS, own);
    if (!isJsonObject(weights)) return fail(`${where}.weights`, 'an object', weights);
    // Floats of eight bits are left as they were, which is more exact; integers are of other kernels.
    if (isJsonObject(inputs) && inputs['type'] !== 'float') fail(`${where}.input_activations.type`, '"float"', inputs['type']);
    return weightArgs(weights, (field, expected) => fail(`${where}.weights.${field}`, expected, weights[field]));
  });
}

function weightArgs(weights: JsonObject, fail: (field: string, expected: string) => never): WeightArgs {
  const { num_bits: bits, type, symmetric, strategy, group_size: group, block_structure: block } = weights;
  if (type === 'float' && bits !== 8) fail('num_bits', '8 for floats');
  if (type !== 'float' && !PACKED_BITS.includes(bits as number)) fail('num_bits', '2, 4 or 8');
  const strategies = ['tensor', 'channel', 'group', 'block'];
  if (!strategies.includes(strategy as string)) fail('strategy', `one of ${strategies.join(', ')}`);
  if (strategy === 'group' && !(Number.isSafeInteger(group) && (group as number) > 0)) fail('group_size', 'a number of values');
  const isBlock = isScaleBlock(block);
  if (strategy === 'block' && !isBlock) fail('block_structure', 'two numbers');
  return {
    bits: bits as number,
    isSymmetric: symmetric !== false,
    group: strategy === 'group' ? (group as number) : undefined,
    block: strategy === 'block' && isBlock ? block : undefined,
  };
}

function joinModule(folder: PackedFolder, module: string, groups: readonly WeightArgs[]): Joined {
  const weight = folder.tensors.get(`${module}.weight_packed`) as TensorEntry;
  const [out = 0, words = 0, more] = weight.shape;
  if (weight.type !== 'i32' || more !== undefined || out * words === 0) throw wrongPlane(weight, 'i32 [out, in * bits / 32]');
  const found = folder.tensors.get(`${module}.weight_scale`);
  // Of several groups of modules the one that this module's scales fit.
  const shapes = groups.map(({ bits, group }) => [out, group === undefined ? 1 : (words * 32) / bits / group]);
  const n = Math.max(0, shapes.findIndex((shape) => found !== undefined && isSameShape(found.shape, shape)));
  const args = groups[n] as WeightArgs;
  const bits = args.bits as AffineBits;
  const cols = (words * 32) / bits;
  const group = args.group ?? cols;
  const because = `${bits} bits in groups of ${group}, as config.json says, of rows of ${words} words`;
  const scales = expectPlane(folder, `${module}.weight_scale`, { types: ['f16', 'bf16', 'f32'], shape: shapes[n]!, because });
  const count = scales.shape[1] as number;
  const zeros = args.isSymmetric ? undefined : zeroPoints(folder, module, { bits, out, groups: count });
  const index = folder.tensors.has(`${module}.weight_g_idx`)
    ? expectPlane(folder, `${module}.weight_g_idx`, { types: ['i32'], shape: [cols], because: 'the group of each column' })
    : undefined;
  const { type, ...planes } = integerScales({
    bits, cols, group, entry: scales, isSymmetric: args.isSymmetric, scales: floatRows(scales, out), zeros: zeros?.grid,
  });
  const shape = folder.tensors.get(`${module}.weight_shape`);
  const codes = withShape(withGroupsInOrder(rowPlane(weight, out), index, group), shape, [out, cols]);
  return {
    tensor: joinedTensor({ name: `${module}.weight`, type, shape: [out, cols], from: weight, planes: { codes, ...planes } }),
    planes: [weight, scales, zeros?.entry, index, shape].flatMap((entry) => (entry === undefined ? [] : [entry.name])),
  };
}

interface ZeroSizes {
  readonly bits: number;
  readonly out: number;
  readonly groups: number;
}

interface ZeroPoints {
  readonly entry: TensorEntry;
  readonly grid: NumberGrid;
}

/** Zero points of words that hold those of several rows, as they count from the least code. */
function zeroPoints(folder: PackedFolder, module: string, { bits, out, groups }: ZeroSizes): ZeroPoints {
  const each = 32 / bits;
  const shape = [Math.ceil(out / each), groups];
  const entry = expectPlane(folder, `${module}.weight_zero_point`, { types: ['i32'], shape, because: `${bits} bits, not symmetric` });
  const plane = rowPlane(entry, shape[0] as number);
  return {
    entry,
    grid: {
      name: plane.name,
      async read(row, count, options) {
        const first = Math.floor(row / each);
        const bytes = await plane.read(first, Math.ceil((row + count) / each) - first, options);
        const packed = new Uint32Array(bytes.buffer);
        const values = new Float32Array(count * groups);
        for (let r = row; r < row + count; r++) {
          const line = (Math.floor(r / each) - first) * groups;
          for (let group = 0; group < groups; group++) {
            values[(r - row) * groups + group] = (packed[line + group]! >>> (bits * (r % each))) & (2 ** bits - 1);
          }
        }
        return values;
      },
    },
  };
}

/** The same plane, which looks at the shape that the folder gives before it is read for the first time. */
function withShape(plane: Plane, shape: TensorEntry | undefined, expected: readonly number[]): Plane {
  return shape === undefined ? plane : checkedPlane(plane, (options) => checkShape(shape, expected, options));
}

async function checkShape(entry: TensorEntry, expected: readonly number[], options: ReadOptions | undefined): Promise<void> {
  const isPair = (entry.type === 'i64' || entry.type === 'i32') && isSameShape(entry.shape, [2]);
  if (!isPair) throw wrongPlane(entry, 'i64 [2]');
  const bytes = await wholeTensor(entry, options);
  const found = entry.type === 'i64' ? Array.from(new BigInt64Array(bytes.buffer), Number) : [...new Int32Array(bytes.buffer)];
  if (isSameShape(found, expected)) return;
  throw new FormatError(
    `${tensorInFile(entry)}: expected ${shapeText(expected)}, as the packed words have it, found ${shapeText(found)}: rows that do not ` +
      'fill their words are not supported. Get the model in another format.',
  );
}
