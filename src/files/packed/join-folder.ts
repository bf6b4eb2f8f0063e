/**
 * Folders of quantised safetensors: what config.json says of how weights are packed, and the tensors that their planes make up. A method
 * that is not known here leaves the folder as it is; the model's settings are then refused by name (models/setting-table.ts).
 */
import type { Checkpoint, JsonObject, JsonValue, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { describeJson, isJsonObject } from '../../tensor/json.ts';
import { joinAwq } from './awq.ts';
import { joinCompressedTensors } from './compressed-tensors.ts';
import type { JoinedFolder, PackedFolder } from './folder-planes.ts';
import { isScaleBlock, joinFp8 } from './fp8.ts';
import type { ScaleBlock } from './fp8.ts';
import { joinGptOssBlocks } from './gpt-oss-blocks.ts';
import { joinGptq } from './gptq.ts';
import { tensorInFile } from './joined-tensor.ts';
import { joinMlx } from './mlx.ts';

type Method = (folder: PackedFolder, settings: JsonObject) => JoinedFolder;

/** By `quant_method`. */
const METHODS: Readonly<Record<string, Method>> = {
  mxfp4: joinGptOssBlocks,
  fp8: (folder, settings) => joinFp8(folder, fp8Block(folder, settings)),
  fbgemm_fp8: (folder) => joinFp8(folder, [128, 128]),
  gptq: joinGptq,
  awq: joinAwq,
  'compressed-tensors': joinCompressedTensors,
};

/** Methods whose settings may stand beside weights of floats alone: mlx-lm's, by module, and those of a dense folder. */
const MAY_BE_EMPTY: readonly string[] = ['mlx', 'compressed-tensors'];

/** The folder with tensors in place of their planes. @throws FormatError where settings, types and shapes of planes are at odds */
export function joinFolder(checkpoint: Checkpoint): Checkpoint {
  const found = methodOf(checkpoint.config ?? {});
  if (found === 'unknown') return checkpoint;
  if (found === undefined) {
    checkUnpacked(checkpoint);
    return checkpoint;
  }
  const { name, tensors, superseded = [] } = checkpoint;
  const stretches: PackedFolder['stretches'] = new Map();
  const { joined, skipped = [] } = found.method({ name, tensors, stretches }, found.settings);
  if (joined.length === 0 && !MAY_BE_EMPTY.includes(found.says)) {
    throw new FormatError(
      `${name}: expected tensors packed by quant_method ${JSON.stringify(found.says)}, as config.json says, found none. ` +
        'Settings and tensors do not belong together.',
    );
  }
  const left = new Set([...joined.flatMap(({ planes }) => planes), ...skipped.map((one) => one.name)]);
  // Each tensor stands where the first of its planes stood.
  const byPlane = new Map(joined.map(({ tensor, planes }) => [planes[0], tensor]));
  const whole = new Map<string, TensorEntry>();
  for (const [own, entry] of tensors) {
    const tensor = byPlane.get(own) ?? (left.has(own) ? undefined : entry);
    if (tensor !== undefined) whole.set(tensor.name, tensor);
  }
  return {
    ...checkpoint,
    tensors: whole,
    superseded: [...superseded, ...skipped],
    packing: found.says,
    async close() {
      stretches.clear();
      await checkpoint.close();
    },
  };
}

interface FoundMethod {
  /** The `quant_method`, or `mlx`. */
  readonly says: string;
  readonly method: Method;
  readonly settings: JsonObject;
}

/** Tensors of a module that only packed weights have. */
const PACKED_TENSORS = /\.(scales|qweight|weight_packed|weight_scale_inv)$/;

/** @throws FormatError for packed weights of which config.json says nothing */
function checkUnpacked({ name, tensors }: Checkpoint): void {
  for (const [own, entry] of tensors) {
    const isOfFloats = own.endsWith('.scales') && tensors.get(own.replace(/scales$/, 'weight'))?.type !== 'u32';
    if (!PACKED_TENSORS.test(own) || isOfFloats) continue;
    throw new FormatError(
      `${name}: expected "quantization" or "quantization_config" in config.json, as ${tensorInFile(entry)} is of packed weights, found ` +
        'none. Get config.json as it lies beside these weights.',
    );
  }
}

/**
 * As mlx-lm looks for it: "quantization", which its own folders have, then "quantization_config", in the text model's settings too.
 * Undefined where config.json has neither.
 */
function methodOf(config: JsonObject): FoundMethod | 'unknown' | undefined {
  const own = config['quantization'];
  if (isJsonObject(own)) return { says: 'mlx', method: joinMlx, settings: own };
  const text = config['text_config'];
  const inner = isJsonObject(text) ? text : {};
  const all = [config['quantization_config'], config['compression_config'], inner['quantization'], inner['quantization_config']];
  const settings = all.find((one): one is JsonObject => isJsonObject(one));
  if (settings === undefined) return undefined;
  const name = settings['quant_method'];
  if (name === undefined && settings['bits'] !== undefined && settings['group_size'] !== undefined)
    return { says: 'mlx', method: joinMlx, settings };
  const method = typeof name === 'string' && Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  return method === undefined ? 'unknown' : { says: name as string, method, settings };
}

/**
 * `weight_block_size` of config.json; without it blocks are 128 by 128, should a tensor's scales have such.
 * @throws FormatError for another thing there, and for codes other than e4m3
 */
function fp8Block({ name }: PackedFolder, { weight_block_size: block, fmt }: JsonObject): ScaleBlock {
  const fail = (key: string, expected: string, found: JsonValue | undefined): never => {
    throw new FormatError(`${name}: config.json's quantization_config.${key} must be ${expected} for fp8, found ${describeJson(found)}.`);
  };
  if (fmt !== undefined && fmt !== null && fmt !== 'e4m3') fail('fmt', '"e4m3"', fmt);
  if (block === undefined || block === null) return [128, 128];
  return isScaleBlock(block) ? block : fail('weight_block_size', 'two numbers of values', block);
}
