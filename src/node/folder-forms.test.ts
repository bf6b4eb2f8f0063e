/**
 * Every family's folder as others write it: config.json with older and with newer keys, the text model inside a larger one, and as mlx-lm
 * saves it (`save_model` and `save_config` of mlx_lm/utils.py, and each family's `sanitize`), quantised or not. All give the golden's
 * logits, or the values of their codes, and no warning.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { embeddingModel } from '../../test/embedding-model.ts';
import { expertsOfMlx, fusedExperts, singleExperts } from '../../test/expert-forms.ts';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import type { FixtureTensor } from '../../test/fixture-tensors.ts';
import { goldenContext, goldenPath, GOLDENS, hasGolden, readGolden } from '../../test/goldens.ts';
import type { GoldenName } from '../../test/goldens.ts';
import { quantiseAffine } from '../../test/mlx-affine.ts';
import type { AffineRule } from '../../test/mlx-affine.ts';
import { tensorFileBytes } from '../../test/model-bytes.ts';
import { relativeError } from '../../test/relative-error.ts';
import { openHfFolder } from '../files/hf-folder.ts';
import { memoryFolder } from '../files/memory-source.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { convert } from './convert.ts';
import { fileSink } from './file-sink.ts';

type Tensors = ReadonlyMap<string, FixtureTensor>;
interface Form {
  readonly config: JsonObject;
  readonly tensors: Tensors;
  /** Of the safetensors file. */
  readonly metadata?: JsonObject;
  /** In how many files. */
  readonly shards?: number;
}

const object = (value: JsonValue | undefined): JsonObject => (value ?? {}) as JsonObject;

function without(config: JsonObject, ...keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !keys.includes(key)));
}

/** What is said of one rotation, apart from its base. */
function scalingOf(rope: JsonObject): JsonObject | null {
  const { rope_type: kind, type, rope_theta: _theta, partial_rotary_factor: _share, ...rest } = rope;
  if ((kind ?? type ?? 'default') === 'default') return null;
  return { type: (kind ?? type) as string, ...rest };
}

/** Qwen's counts of experts had another name. */
function withOlderCounts(config: JsonObject): JsonObject {
  const { num_local_experts: experts, ...rest } = config;
  return experts === undefined || !String(config['model_type']).startsWith('qwen') ? config : { ...rest, num_experts: experts };
}

/** As files were published before transformers 5; Gemma 4 and Ministral 3 came with it, and so have nothing older than their first keys. */
function older(config: JsonObject): JsonObject {
  const { dtype, ...rest } = config;
  const old = withOlderCounts({ ...rest, torch_dtype: dtype as string });
  if (config['model_type'] === 'gemma4_text') return { ...without(old, 'per_layer_config'), global_head_dim: 32 };
  const rope = object(config['rope_parameters']);
  if (config['rope_parameters'] === undefined) return old;
  const base = without(old, 'rope_parameters');
  if (config['model_type'] === 'gemma3_text') {
    const [full, sliding] = [object(rope['full_attention']), object(rope['sliding_attention'])];
    return {
      ...without(base, 'layer_types', '_sliding_window_pattern'), rope_theta: full['rope_theta'] as number, rope_scaling: scalingOf(full),
      rope_local_base_freq: sliding['rope_theta'] as number, sliding_window_pattern: 3,
    };
  }
  const share = rope['partial_rotary_factor'];
  return {
    ...base, rope_theta: rope['rope_theta'] as number, rope_scaling: scalingOf(rope),
    ...(share === undefined ? {} : { partial_rotary_factor: share }),
  };
}

/** As transformers 5.18 saves them. */
function newer(config: JsonObject): JsonObject {
  if (config['rope_parameters'] !== undefined) return config;
  const { rope_theta: theta = 10_000, rope_scaling: scaling, torch_dtype: dtype = 'float32', ...rest } = config;
  const own = object(scaling);
  const rope = { ...own, rope_theta: theta, rope_type: own['rope_type'] ?? own['type'] ?? 'default' };
  if (config['model_type'] === 'olmo3')
    return {
      ...rest, dtype, rope_parameters: { full_attention: rope, sliding_attention: { rope_type: 'default', rope_theta: 500_000 } },
    };
  if (config['model_type'] !== 'phi3') return { ...rest, dtype, rope_parameters: rope };
  const share = config['partial_rotary_factor'] ?? 1;
  const original = config['original_max_position_embeddings'];
  const length = original === undefined ? {} : { original_max_position_embeddings: original };
  return { ...rest, dtype, rope_parameters: { ...rope, partial_rotary_factor: share, ...length } };
}

const renamed = (tensors: Tensors, name: (own: string) => string): Tensors =>
  new Map([...tensors].map(([own, tensor]) => [name(own), tensor]));

/** The text model of a larger one, with its settings and tensors where such folders have them. */
function inside(model: string, { config, tensors }: Form): Form {
  const { tie_word_embeddings: tied = false, ...text } = config;
  const prefix = model === 'newer' ? 'model.language_model.' : 'language_model.model.';
  const head = model === 'newer' ? 'lm_head.' : 'language_model.lm_head.';
  return {
    config: { model_type: 'whole', tie_word_embeddings: tied, vision_config: { hidden_size: 2 }, text_config: text },
    tensors: renamed(tensors, (own) => own.replace(/^model\./, prefix).replace(/^lm_head\./, head)),
  };
}

/** Classes of mlx-lm in which the text model is a part of its own. */
const MLX_WHOLE: Readonly<Record<string, string>> = {
  gemma3_text: 'gemma3', gemma4_text: 'gemma4', ministral3: 'mistral3', qwen3_5_text: 'qwen3_5',
  qwen3_5_moe_text: 'qwen3_5_moe',
};

/**
 * Its RMS norms hold the gains as they come (Gemma 3 adds 1 as it runs), but Qwen3.5's, and no tensor is turned round in these families but
 * the convolutions of Qwen3.5 and LFM2 (mlx-lm d78bf58). `sanitize` stacks experts, and drops the head that is tied, the head that drafts
 * tokens, and keys and values that no layer reads. `save_config` sorts keys and takes `vision_config` out.
 */
function mlx({ config, tensors }: Form): Form {
  const layers = Number(config['num_hidden_layers']) - Number(config['num_kv_shared_layers'] ?? 0);
  const isRead = (name: string): boolean => {
    const [, n, own = ''] = /^model\.layers\.(\d+)\.self_attn\.(.*)\./.exec(name) ?? [];
    if (n !== undefined && Number(n) >= layers && ['k_proj', 'v_proj', 'k_norm'].includes(own)) return false;
    return name !== 'lm_head.weight' || config['tie_word_embeddings'] !== true;
  };
  const family = String(config['model_type']);
  const own = expertsOfMlx(family.startsWith('qwen3_5') ? qwen35OfMlx(tensors) : channelsLast(tensors), family);
  const kept = new Map([...own].filter(([name]) => isRead(name)));
  const whole = MLX_WHOLE[config['model_type'] as string];
  const form = whole === undefined ? { config, tensors: kept } : inside('older', { config, tensors: kept });
  const settings = whole === undefined ? form.config : { ...without(form.config, 'vision_config'), model_type: whole };
  return {
    config: Object.fromEntries(Object.entries(settings).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    tensors: form.tensors, metadata: { format: 'mlx' }, shards: 2,
  };
}

/** LFM2's convolutions: [channels, 1, width] in Hugging Face's folders. */
function channelsLast(tensors: Tensors): Tensors {
  const turned = (tensor: FixtureTensor): FixtureTensor => {
    const [channels, one, width] = tensor.shape;
    return { ...tensor, shape: [channels!, width!, one!] };
  };
  return new Map([...tensors].map(([name, tensor]) => [name, name.endsWith('conv.conv.weight') ? turned(tensor) : tensor]));
}

/** What `sanitize` of mlx_lm/models/qwen3_5.py makes of Hugging Face's tensors. */
function qwen35OfMlx(tensors: Tensors): Tensors {
  const isGain = (name: string) => name.endsWith('norm.weight') && !name.endsWith('linear_attn.norm.weight');
  const turned = (name: string, tensor: FixtureTensor): FixtureTensor => {
    const [channels, one, width] = tensor.shape;
    if (name.endsWith('conv1d.weight')) return { ...tensor, shape: [channels!, width!, one!] };
    if (!isGain(name) && !name.endsWith('layernorm.weight')) return tensor;
    const gains = new Float32Array(tensor.bytes.slice().buffer).map((value) => value + 1);
    return { ...tensor, bytes: new Uint8Array(gains.buffer) };
  };
  return new Map([...tensors].filter(([name]) => !name.startsWith('mtp.')).map(([name, tensor]) => [name, turned(name, tensor)]));
}

const FORMS: Readonly<Record<string, (form: Form) => Form>> = {
  'older keys': ({ config, tensors }) => ({ config: older(config), tensors }),
  'newer keys': ({ config, tensors }) => ({ config: newer(config), tensors }),
  'the text model of a newer folder': (form) => inside('newer', form),
  'the text model of an older folder': (form) => inside('older', { ...form, config: older(form.config) }),
  'experts in one tensor': ({ config, tensors }) => ({ config, tensors: fusedExperts(tensors, String(config['model_type'])) }),
  'experts one by one': ({ config, tensors }) => ({ config, tensors: singleExperts(tensors, String(config['model_type'])) }),
  'a folder of MLX': mlx,
  'a folder of MLX with older keys': (form) => mlx({ ...form, config: older(form.config) }),
};

function filesOf({ config, tensors, metadata, shards = 1 }: Form): Map<string, Uint8Array> {
  const json = (value: object) => new TextEncoder().encode(JSON.stringify(value));
  const files = new Map<string, Uint8Array>([['config.json', json(config)]]);
  if (shards === 1) return files.set('model.safetensors', tensorFileBytes(tensors, metadata));
  const weights: Record<string, string> = {};
  for (let i = 0; i < shards; i++) {
    const own = new Map([...tensors].filter((_, at) => at % shards === i));
    const name = `model-${String(i + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
    for (const key of own.keys()) weights[key] = name;
    files.set(name, tensorFileBytes(own, metadata));
  }
  return files.set('model.safetensors.index.json', json({ metadata: { total_size: 1, total_parameters: 1 }, weight_map: weights }));
}

function formOf(folder: string): Form {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as JsonObject;
  return { config, tensors: readFixtureTensors(join(folder, 'model.safetensors')) };
}

const NAMES: readonly GoldenName[] = GOLDENS.filter((name) => name !== 'llama_sharded');
const isMixture = (name: string) => name.endsWith('_moe') || name === 'gpt_oss';

describe.each(Object.entries(FORMS))('%s', (what, form) => {
  const names = what.startsWith('experts') ? NAMES.filter(isMixture) : NAMES;
  it.for(names)('%s gives the logits of its golden', async (name, { skip }) => {
    if (!hasGolden(name)) skip(`${name} is in ../shared/golden`);
    const expected = readFixtureTensors(join(goldenPath(name), 'golden.safetensors'));
    const contextLength = goldenContext(name, 'mid');
    const model = await embeddingModel(filesOf(form(formOf(goldenPath(name)))), { device: 'cpu', ...(contextLength && { contextLength }) });
    try {
      expect(model.info.warnings).toEqual([]);
      const logits = await model.forward(readGolden(name).prompts['mid']!);
      expect(relativeError(logits, f32Of(expected, 'mid.logits'))).toBeLessThan(1e-4);
    } finally {
      await model.dispose();
    }
  });
});

/** Of most modules 4 bits in groups of 32; some have their own width, and one is left alone. */
const RULES: Readonly<Record<string, AffineRule | false>> = {
  'layers.0.self_attn.v_proj': { bits: 8, group_size: 32 }, 'layers.1.self_attn.q_proj': { bits: 6, group_size: 64 },
  'layers.0.mlp.down_proj': false, 'layers.1.mlp.switch_mlp.down_proj': { bits: 3, group_size: 32 },
};

/** By the whole name of each module that a folder has; mlx-lm writes none for rows that are not whole groups. */
function rulesOf(tensors: Tensors): Readonly<Record<string, AffineRule | false>> {
  const modules = [...tensors.keys()].filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -'.weight'.length));
  return Object.fromEntries(modules.flatMap((module) => {
    const rule = RULES[Object.keys(RULES).find((end) => module.endsWith(end)) ?? ''];
    const cols = tensors.get(`${module}.weight`)!.shape.at(-1) as number;
    return rule === undefined || (rule !== false && cols % rule.group_size !== 0) ? [] : [[module, rule]];
  }));
}

describe('a folder of MLX with quantised modules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-mlx-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.for(NAMES)('%s becomes the GGUF file of the values that its codes stand for', async (name, { skip }) => {
    if (!hasGolden(name)) skip(`${name} is in ../shared/golden`);
    const form = mlx(formOf(goldenPath(name)));
    const rules = rulesOf(form.tensors);
    const usual = { bits: 4, group_size: 32 };
    const { packed, decoded } = quantiseAffine(form.tensors, (module) => {
      const rule = rules[module] ?? usual;
      return rule === false ? undefined : rule;
    });
    expect([...packed.values()].filter(({ dtype }) => dtype === 'U32').length).toBeGreaterThan(3);
    const quantization = { ...usual, ...rules };
    const files: Buffer[] = [];
    const both = { packed: [packed, { quantization, quantization_config: quantization }], decoded: [decoded, {}] } as const;
    for (const [part, [tensors, settings]] of Object.entries(both)) {
      const path = join(folder, `${part}.gguf`);
      const checkpoint = await openHfFolder(memoryFolder(filesOf({ ...form, tensors, config: { ...form.config, ...settings } }), 'memory'));
      const { warnings } = await convert(checkpoint, await fileSink(path), { type: 'f32', modelName: 'one' });
      // That llama.cpp does not read a setting of LFM2's experts is of no form's weights.
      expect(warnings.filter((one) => !/tokenizer|llama\.cpp does not read/.test(one))).toEqual([]);
      files.push(readFileSync(path));
    }
    expect(Buffer.compare(files[0]!, files[1]!)).toBe(0);
  });
});
