/**
 * Folders that mlx-lm writes (mlx_lm/utils.py, mlx/ops.cpp `quantize`): a quantised module has `weight`, u32 words of codes one behind the
 * other, `scales` and, where it is affine, `biases`; a linear module's `bias` is another thing. config.json has "quantization": bits,
 * group_size and mode, and the same, or false, for single modules. A module without scales is not quantised.
 */
import type { JsonObject, JsonValue, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { AFFINE_BITS, AFFINE_GROUPS, affineName } from '../../tensor/formats/affine.ts';
import type { AffineBits, AffineGroup, AffineScale } from '../../tensor/formats/affine.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import { elementsOf } from '../../tensor/tensor-type.ts';
import type { WeightType } from '../../tensor/tensor-type.ts';
import { checkFloatScales } from './affine-scales.ts';
import { checkWholeBlocks, expectPlane, missingPlane, modulesWith, shapeText, wrongPlane } from './folder-planes.ts';
import type { Joined, JoinedFolder, PackedFolder } from './folder-planes.ts';
import { joinedTensor, rowPlane, tensorInFile } from './joined-tensor.ts';

interface Rule {
  readonly mode: 'affine' | FloatMode;
  readonly bits: number;
  readonly group: number;
  /** The key of config.json that says so, for messages. */
  readonly said: string;
}

/** Modes whose codes are small floats, with their only width and group. */
const FLOAT_MODES = {
  mxfp4: { bits: 4, group: 32 },
  mxfp8: { bits: 8, group: 32 },
  nvfp4: { bits: 4, group: 16 },
} as const satisfies Partial<Record<WeightType, { bits: number; group: number }>>;
type FloatMode = keyof typeof FLOAT_MODES;

/** @param settings config.json's `quantization` */
export function joinMlx(folder: PackedFolder, settings: JsonObject): JoinedFolder {
  const usual = ruleOf(folder, settings, 'quantization');
  const ruleFor = (module: string): Rule | undefined => {
    const own = Object.hasOwn(settings, module) ? settings[module] : undefined;
    if (own === undefined || own === null || own === true) return usual;
    return own === false ? undefined : ruleOf(folder, own, `quantization[${JSON.stringify(module)}]`);
  };
  checkUnscaled(folder, settings);
  return { joined: modulesWith(folder, 'scales').map((module) => joinModule(folder, module, ruleFor(module))) };
}

/** @throws FormatError for modes, widths and groups that are not known */
function ruleOf({ name }: PackedFolder, value: JsonValue, key: string): Rule {
  const fail = (what: string, expected: string, found: JsonValue | undefined): never => {
    throw new FormatError(`${name}: config.json's ${key.slice(0, 160)}${what} must be ${expected}, found ${describeJson(found)}.`);
  };
  if (!isJsonObject(value)) return fail('', 'an object with bits and group_size, or false', value);
  const { mode = 'affine', bits, group_size: group } = value;
  if (mode === 'affine') {
    const isAmong = (values: readonly JsonValue[], found: JsonValue | undefined) => values.includes(found ?? null);
    if (!isAmong(AFFINE_BITS, bits)) fail('.bits', `one of ${AFFINE_BITS.join(', ')}`, bits);
    if (!isAmong(AFFINE_GROUPS, group)) fail('.group_size', `one of ${AFFINE_GROUPS.join(', ')}`, group);
    return { mode, bits: bits as number, group: group as number, said: key };
  }
  const isKnown = typeof mode === 'string' && Object.hasOwn(FLOAT_MODES, mode);
  if (!isKnown) return fail('.mode', `one of affine, ${Object.keys(FLOAT_MODES).join(', ')}`, mode);
  const own = FLOAT_MODES[mode as FloatMode];
  if ((bits ?? own.bits) !== own.bits) fail('.bits', `${own.bits} for ${mode}`, bits);
  if ((group ?? own.group) !== own.group) fail('.group_size', `${own.group} for ${mode}`, group);
  return { mode: mode as FloatMode, ...own, said: key };
}

/** @throws FormatError for codes without scales, and for floats that config.json calls codes */
function checkUnscaled(folder: PackedFolder, settings: JsonObject): void {
  for (const module of modulesWith(folder, 'weight')) {
    if (folder.tensors.has(`${module}.scales`)) continue;
    const weight = folder.tensors.get(`${module}.weight`) as TensorEntry;
    const isSaid = isJsonObject(settings[module]);
    if (weight.type !== 'u32' && !isSaid) continue;
    const reason = weight.type === 'u32' ? `whose weight is u32 ${shapeText(weight.shape)}` : "which config.json's quantization names";
    throw missingPlane(folder.name, `${module}.scales`, `of a module ${reason}`);
  }
}

function joinModule(folder: PackedFolder, module: string, rule: Rule | undefined): Joined {
  const scales = folder.tensors.get(`${module}.scales`) as TensorEntry;
  if (rule === undefined)
    throw new FormatError(`${tensorInFile(scales)}: expected none, since config.json's quantization says false for its module, found one.`);
  const weight = wordsOf(folder, module, scales);
  const outer = weight.shape.slice(0, -1);
  const cols = colsOf(weight, scales, rule);
  const type = rule.mode === 'affine' ? affineType(scales, rule) : floatType(scales, rule.mode);
  checkWholeBlocks(weight, cols, type);
  const rows = elementsOf(outer);
  const because = 'as the scales are';
  const isAffine = rule.mode === 'affine';
  const biases = isAffine
    ? expectPlane(folder, `${module}.biases`, { types: [scales.type], shape: scales.shape, because })
    : undefined;
  const stray = isAffine ? undefined : folder.tensors.get(`${module}.biases`);
  if (stray !== undefined) throw wrongPlane(stray, `no biases beside the scales of ${rule.mode}`);
  return {
    tensor: joinedTensor({
      name: weight.name, type, shape: [...outer, cols], from: weight,
      planes: {
        codes: rowPlane(weight, rows), scales: rowPlane(scales, rows),
        minimums: biases === undefined ? undefined : rowPlane(biases, rows),
      },
    }),
    planes: [weight.name, scales.name, ...(biases === undefined ? [] : [biases.name])],
  };
}

/** The words of codes, [..., out, words], with scales for each row. */
function wordsOf(folder: PackedFolder, module: string, scales: TensorEntry): TensorEntry {
  const weight = folder.tensors.get(`${module}.weight`);
  if (weight === undefined)
    throw missingPlane(folder.name, `${module}.weight`, 'which its scales are of');
  const isMatrix = weight.type === 'u32' && weight.shape.length >= 2 && elementsOf(weight.shape) > 0;
  if (!isMatrix) throw wrongPlane(weight, 'u32 [..., out, words], as it has scales');
  const rows = weight.shape.slice(0, -1);
  const isOfRows = scales.shape.length === weight.shape.length && rows.every((size, i) => size === scales.shape[i]);
  if (!isOfRows) throw wrongPlane(scales, `shape [${rows.join(', ')}, groups], as the weight has ${shapeText(weight.shape)} words`);
  return weight;
}

/** Values of a row. @throws FormatError where words, scales and settings do not fit together */
function colsOf(weight: TensorEntry, scales: TensorEntry, { bits, group, said }: Rule): number {
  const words = weight.shape.at(-1) as number;
  const groups = scales.shape.at(-1) as number;
  const cols = (words * 32) / bits;
  if (cols === groups * group) return cols;
  const found = groups > 0 ? ` (${(words * 32) / (groups * group)} bits at that group)` : '';
  throw wrongPlane(
    scales,
    `${cols / group} scales a row, as config.json's ${said.slice(0, 160)} says ${bits} bits in groups of ${group} and a row of the ` +
      `weight has ${words} words${found}`,
  );
}

function affineType(scales: TensorEntry, { bits, group }: Rule): WeightType {
  checkFloatScales(scales);
  return affineName(bits as AffineBits, group as AffineGroup, scales.type as AffineScale);
}

function floatType(scales: TensorEntry, mode: FloatMode): WeightType {
  if (scales.type !== 'u8') throw wrongPlane(scales, `scales of u8 for ${mode}`);
  return mode;
}
