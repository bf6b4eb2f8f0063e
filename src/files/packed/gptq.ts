/**
 * Folders of GPTQ (AutoGPTQ's and GPTQModel's `qlinear`): `qweight` [in * bits / 32, out], `qzeros` [groups, out * bits / 32] and `scales`
 * [groups, out], all transposed, and `g_idx` [in], the group of each column. Zero points are stored less 1 but in format gptq_v2.
 */
import type { JsonObject, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { AffineBits } from '../../tensor/formats/affine.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import { checkFloatScales, integerScales } from './affine-scales.ts';
import { expectPlane, modulesWith, shapeText, wrongPlane } from './folder-planes.ts';
import type { Joined, JoinedFolder, PackedFolder } from './folder-planes.ts';
import { withGroupsInOrder } from './group-index.ts';
import { joinedTensor } from './joined-tensor.ts';
import { floatColumns } from './scale-grids.ts';
import { columnWords, streamZeros } from './transposed-codes.ts';
import { transposedLines } from './transposed-lines.ts';
import type { AffineScale } from '../../tensor/formats/affine.ts';

const GPTQ_BITS: readonly number[] = [2, 3, 4, 8] satisfies readonly AffineBits[];

interface Settings {
  readonly bits: AffineBits;
  /** Values under one scale; -1: a whole row. */
  readonly group: number;
  readonly isSymmetric: boolean;
  /** True: zero points are stored as they are. */
  readonly isSecondVersion: boolean;
  /** True: single modules may have other bits and groups than config.json says. */
  readonly isMixed: boolean;
}

export function joinGptq(folder: PackedFolder, settings: JsonObject): JoinedFolder {
  const parsed = parseSettings(folder, settings);
  return { joined: modulesWith(folder, 'qweight').map((module) => joinModule(folder, module, parsed)) };
}

function parseSettings({ name }: PackedFolder, settings: JsonObject): Settings {
  const { bits, sym, desc_act: order, checkpoint_format: form = 'gptq', group_size: group, dynamic } = settings;
  const fail = (key: string, expected: string): never => {
    throw new FormatError(
      `${name}: config.json's quantization_config.${key} must be ${expected} for gptq, found ${describeJson(settings[key])}. ` +
        'Get a file of the model without it.',
    );
  };
  if (!GPTQ_BITS.includes(bits as number)) fail('bits', 'one of 2, 3, 4, 8');
  if (form !== 'gptq' && form !== 'gptq_v2') fail('checkpoint_format', '"gptq" or "gptq_v2"');
  if (!isGroupSize(group)) fail('group_size', 'a number of values, or -1');
  if (order === true && group !== -1) fail('desc_act', 'false');
  return {
    bits: bits as AffineBits, group: group as number,
    isSymmetric: sym === true, isSecondVersion: form === 'gptq_v2', isMixed: isJsonObject(dynamic),
  };
}

function joinModule(folder: PackedFolder, module: string, settings: Settings): Joined {
  const { stretches } = folder;
  const weight = folder.tensors.get(`${module}.qweight`) as TensorEntry;
  const scales = folder.tensors.get(`${module}.scales`);
  const [lines = 0, out = 0, more] = weight.shape;
  if (!isWord(weight) || more !== undefined || lines * out === 0) throw wrongPlane(weight, 'i32 [in * bits / 32, out]');
  const bits = bitsOf(folder, module, out, settings);
  const cols = (lines * 32) / bits;
  const said = settings.group === -1 ? 1 : cols / settings.group;
  const groups = settings.isMixed ? (scales?.shape[0] ?? said) : said;
  const group = cols / groups;
  const because = `groups of ${group} of ${cols} values, ${out} rows`;
  const checked = expectPlane(folder, `${module}.scales`, { types: ['f16', 'bf16', 'f32'], shape: [groups, out], because });
  checkFloatScales(checked);
  const zeros = expectPlane(folder, `${module}.qzeros`, { types: ['i32', 'u32'], shape: [groups, (out * bits) / 32], because });
  const index = folder.tensors.has(`${module}.g_idx`)
    ? expectPlane(folder, `${module}.g_idx`, { types: ['i32'], shape: [cols], because: 'the group of each column' })
    : undefined;
  const { type, ...planes } = integerScales({
    bits, cols, group, entry: checked, isSymmetric: settings.isSymmetric,
    scales: floatColumns(transposedLines(checked, stretches), checked.type as AffineScale),
    zeros: streamZeros(zeros, { bits, meaning: zeroPoint(bits, settings) }, stretches),
  });
  return {
    tensor: joinedTensor({
      name: `${module}.weight`, type, shape: [out, cols], from: weight,
      planes: { codes: withGroupsInOrder(columnWords(weight, stretches), index, group), ...planes },
    }),
    planes: [weight.name, checked.name, zeros.name, ...(index === undefined ? [] : [index.name])],
  };
}

export function isWord({ type }: TensorEntry): boolean {
  return type === 'i32' || type === 'u32';
}

/** Whether a setting is a number of values, or -1: a whole row. */
export function isGroupSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && ((value as number) > 0 || value === -1);
}

/** The bits of a module, by its zero points. @throws FormatError where config.json says others */
function bitsOf(folder: PackedFolder, module: string, out: number, settings: Settings): AffineBits {
  const zeros = folder.tensors.get(`${module}.qzeros`);
  const found = ((zeros?.shape.at(-1) ?? 0) * 32) / out;
  if (zeros === undefined || found === settings.bits) return settings.bits;
  if (settings.isMixed && GPTQ_BITS.includes(found)) return found as AffineBits;
  const expected = shapeText([zeros.shape[0] ?? 0, (out * settings.bits) / 32]);
  throw wrongPlane(zeros, `i32 ${expected}, as config.json says ${settings.bits} bits (it has ${found})`);
}

/** What a stored zero point means: as AutoGPTQ's kernels reckon it, within the width but for 3 bits. */
function zeroPoint(bits: AffineBits, { isSecondVersion }: Settings): (stored: number) => number {
  if (isSecondVersion) return (stored) => stored;
  return bits === 3 ? (stored) => stored + 1 : (stored) => (stored + 1) % 2 ** bits;
}
