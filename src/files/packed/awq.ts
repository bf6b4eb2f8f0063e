/**
 * Folders of AWQ in the order of its GEMM (AutoAWQ's `WQLinear_GEMM`): `qweight` [in, out / 8], `qzeros` [groups, out / 8] and `scales`
 * [groups, out], all transposed; 4 bits, the 8 rows of a word in an order of their own.
 */
import type { JsonObject, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { AffineScale } from '../../tensor/formats/affine.ts';
import { describeJson } from '../../tensor/json.ts';
import { integerScales } from './affine-scales.ts';
import { expectPlane, modulesWith, wrongPlane } from './folder-planes.ts';
import type { Joined, JoinedFolder, PackedFolder } from './folder-planes.ts';
import { isGroupSize, isWord } from './gptq.ts';
import { joinedTensor } from './joined-tensor.ts';
import { floatColumns } from './scale-grids.ts';
import { awqCodes, awqZeros } from './transposed-codes.ts';
import { transposedLines } from './transposed-lines.ts';

export function joinAwq(folder: PackedFolder, settings: JsonObject): JoinedFolder {
  const expect = (key: string, isRight: boolean, expected: string) => {
    if (isRight) return;
    throw new FormatError(
      `${folder.name}: config.json's quantization_config.${key} must be ${expected} for awq, found ${describeJson(settings[key])}. ` +
        'Get a file of the model in the order of GEMM.',
    );
  };
  const { bits, version = 'gemm', zero_point: hasZeros = true, group_size: group } = settings;
  expect('bits', bits === 4, '4');
  expect('version', typeof version === 'string' && version.toLowerCase() === 'gemm', '"gemm"');
  expect('zero_point', hasZeros === true, 'true');
  expect('group_size', isGroupSize(group), 'a number of values, or -1');
  return { joined: modulesWith(folder, 'qweight').map((module) => joinModule(folder, module, group as number)) };
}

function joinModule(folder: PackedFolder, module: string, said: number): Joined {
  const { stretches } = folder;
  const weight = folder.tensors.get(`${module}.qweight`) as TensorEntry;
  const [cols = 0, words = 0, more] = weight.shape;
  if (!isWord(weight) || more !== undefined || cols * words === 0) throw wrongPlane(weight, 'i32 [in, out / 8]');
  const out = words * 8;
  const group = said === -1 ? cols : said;
  const groups = cols / group;
  const because = `groups of ${group} of ${cols} values, ${out} rows`;
  const scales = expectPlane(folder, `${module}.scales`, { types: ['f16', 'bf16', 'f32'], shape: [groups, out], because });
  const zeros = expectPlane(folder, `${module}.qzeros`, { types: ['i32', 'u32'], shape: [groups, words], because });
  const { type, ...planes } = integerScales({
    bits: 4, cols, group, entry: scales, isSymmetric: false,
    scales: floatColumns(transposedLines(scales, stretches), scales.type as AffineScale), zeros: awqZeros(zeros, stretches),
  });
  return {
    tensor: joinedTensor({
      name: `${module}.weight`, type, shape: [out, cols], from: weight, planes: { codes: awqCodes(weight, stretches), ...planes },
    }),
    planes: [weight.name, scales.name, zeros.name],
  };
}
