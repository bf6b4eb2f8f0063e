/**
 * Moonshine tiny, English (Useful Sensors, MIT), from its makers' npm package: int8 weights in two ONNX files, whose matrices are found by
 * the modules that read them; the vocabulary is the one that package depends on, LLaMA's, with 768 tokens more.
 */
import { llamaVocabulary } from '../../files/llama-vocabulary.ts';
import type { ByteSink } from '../../files/byte-sink.ts';
import { onnxEntry, onnxMatrix } from '../../files/onnx-checkpoint.ts';
import type { OnnxPlacing } from '../../files/onnx-checkpoint.ts';
import { readOnnxWeights } from '../../files/onnx-reader.ts';
import type { OnnxWeights } from '../../files/onnx-reader.ts';
import type { Checkpoint, JsonObject, TensorEntry } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { convert } from '../convert.ts';
import type { PulledModel, PullWork } from './pulled-model.ts';

const FOLDER = 'package/dist/model/tiny/quantized';
const [ENCODER, DECODER, VOCABULARY] =
  [`${FOLDER}/encoder_model.onnx`, `${FOLDER}/decoder_model_merged.onnx`, 'package/llama-tokenizer.js'] as const;
const VOCAB_SIZE = 32_768;
const ADDED_TOKENS = 768;
const [LAYERS, DIM] = [6, 288];

/** As transformers' config.json of the model says. */
const CONFIG: JsonObject = {
  model_type: 'moonshine', hidden_size: DIM, intermediate_size: 1152, vocab_size: VOCAB_SIZE, max_position_embeddings: 194,
  encoder_num_hidden_layers: LAYERS, decoder_num_hidden_layers: LAYERS, encoder_num_attention_heads: 8, decoder_num_attention_heads: 8,
  encoder_num_key_value_heads: 8, decoder_num_key_value_heads: 8, partial_rotary_factor: 0.9, rope_theta: 10_000,
  encoder_hidden_act: 'gelu', decoder_hidden_act: 'silu', attention_bias: false, is_encoder_decoder: true, tie_word_embeddings: true,
  bos_token_id: 1, eos_token_id: 2, decoder_start_token_id: 1,
};

/** Modules of the export by what transformers calls them. */
const ATTENTION: Readonly<Record<string, string>> = { q_proj: 'q_proj', k_proj: 'k_proj', v_proj: 'v_proj', dense: 'o_proj' };
const MLP: Readonly<Record<'encoder' | 'decoder', Readonly<Record<string, string>>>> = {
  encoder: { fc1: 'fc1', fc2: 'fc2' }, decoder: { up_proj: 'fc1', down_proj: 'fc2' },
};

/** One file of the export, and what its names have before and behind those of transformers. */
interface Part {
  readonly weights: OnnxWeights;
  readonly file: string;
  readonly side: 'encoder' | 'decoder';
  readonly nodePrefix: string;
  readonly tensorPrefix: string;
  readonly suffix: string;
}

function* sharedTensors(part: Part): Generator<TensorEntry> {
  const { side, suffix, tensorPrefix } = part;
  const attentions = side === 'encoder' ? ['self_attn'] : ['self_attn', 'encoder_attn'];
  const norms = ['input_layernorm', 'post_attention_layernorm', ...(side === 'encoder' ? [] : ['final_layernorm'])];
  for (let layer = 0; layer < LAYERS; layer++) {
    const [own, theirs] = [`${tensorPrefix}layers.${layer}`, `model.${side}.layers.${layer}`];
    for (const attention of attentions)
      for (const [from, to] of Object.entries(ATTENTION))
        yield product(part, `layers.${layer}/${attention}/${from}`, `${theirs}.${attention}.${to}.weight`);
    for (const [from, to] of Object.entries(MLP[side])) {
      yield product(part, `layers.${layer}/mlp/${from}`, `${theirs}.mlp.${to}.weight`);
      yield plain(part, `${own}.mlp.${from}.bias${suffix}`, `${theirs}.mlp.${to}.bias`);
    }
    for (const norm of norms) yield plain(part, `${own}.${norm}.weight${suffix}`, `${theirs}.${norm}.weight`);
  }
}

function* encoderTensors(part: Part): Generator<TensorEntry> {
  for (const [i, name] of ['conv1', 'conv2', 'conv3'].entries()) {
    yield plain(part, `${name}.weight`, `model.encoder.${name}.weight`);
    if (i > 0) yield plain(part, `${name}.bias`, `model.encoder.${name}.bias`);
  }
  for (const [node, name] of [['/groupnorm/Mul', 'weight'], ['/groupnorm/Add', 'bias']] as const)
    yield plain(part, operandOf(part, node), `model.encoder.groupnorm.${name}`, { shape: [DIM] });
  yield plain(part, 'layer_norm.weight', 'model.encoder.layer_norm.weight');
  yield* sharedTensors(part);
}

function* decoderTensors(part: Part): Generator<TensorEntry> {
  const { suffix } = part;
  for (const name of ['model.decoder.embed_tokens.weight', 'model.decoder.norm.weight']) yield plain(part, `${name}${suffix}`, name);
  yield* sharedTensors(part);
}

function plain({ weights, file }: Part, from: string, to: string, placing: Partial<OnnxPlacing> = {}): TensorEntry {
  return onnxEntry(to, onnxMatrix(weights, from, file), { file, ...placing });
}

/** The matrix that a module's product reads, which lies as [in, out]. */
function product(part: Part, module: string, to: string): TensorEntry {
  const operand = operandOf(part, `${part.nodePrefix}/${module}/MatMul_quant`);
  return plain(part, operand.replace(/_quantized$/, ''), to, { isTransposed: true });
}

/** The tensor of the file among the inputs of a node. */
function operandOf({ weights: { inputsOf, tensors }, file }: Part, node: string): string {
  const operand = inputsOf.get(node)?.find((input) => tensors.has(input) && !input.endsWith('_zero_point'));
  if (operand === undefined) throw new FormatError(`${file}: expected a node ${node} that reads a tensor of the file, found none.`);
  return operand;
}

/** The two files as a folder of transformers would have them. */
export function moonshineCheckpoint(files: ReadonlyMap<string, Uint8Array>): Checkpoint {
  const part = (file: string): OnnxWeights => readOnnxWeights(files.get(file)!, file);
  const entries = [
    ...encoderTensors({ weights: part(ENCODER), file: ENCODER, side: 'encoder', nodePrefix: '', tensorPrefix: '', suffix: '' }),
    ...decoderTensors({
      weights: part(DECODER), file: DECODER, side: 'decoder', nodePrefix: '/model/decoder', tensorPrefix: 'model.decoder.',
      suffix: '_merged_0',
    }),
  ];
  return {
    format: 'safetensors', name: 'moonshine-tiny-en', architecture: 'moonshine', metadata: new Map(), config: CONFIG, assets: new Map(),
    tensors: new Map(entries.map((entry) => [entry.name, entry])),
    sizeBytes: entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), close: async () => {},
  };
}

async function write(files: ReadonlyMap<string, Uint8Array>, sink: ByteSink, options: PullWork): Promise<void> {
  const added = Array.from({ length: ADDED_TOKENS }, (_, i) => `<<ST_${i}>>`);
  const vocabulary = llamaVocabulary(new TextDecoder().decode(files.get(VOCABULARY)), added);
  await convert(moonshineCheckpoint(files), sink, { type: 'q8_0', vocabulary, modelName: 'Moonshine tiny (English)', ...options });
}

export const moonshineTinyEn: PulledModel = {
  about: 'Moonshine tiny: English speech to text (Useful Sensors, MIT)',
  fileName: 'moonshine-tiny-en-0.1.21-q8_0.gguf',
  packages: [
    {
      package: {
        name: '@usefulsensors/moonshine-js', version: '0.1.21', sizeBytes: 68_637_630,
        integrity: 'sha512-r9+hkcHiyrbwt58cE/uHKkRuySrHNY5GKS3xQxXiVJrFGXjils4oKOWd8bH/9NONEuEYNx8gRC4DQHPkUYim5w==',
      },
      files: [ENCODER, DECODER],
    },
    {
      package: {
        name: 'llama-tokenizer-js', version: '1.2.2', sizeBytes: 388_950,
        integrity: 'sha512-Wmth393dc3odWU3IzARJ3r2oIfWgw9GdJ5Gm+hGhfECNO18UHLRqEFSf511jn4E9KcQGzuuKw4Wl08pHAemLAw==',
      },
      files: [VOCABULARY],
    },
  ],
  write,
};
