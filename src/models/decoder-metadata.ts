/** GGUF's keys of a decoder. */
import { bool, bools, float32, string, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { DecoderConfig } from './decoder-config.ts';
import { embeddingMetadata } from './embedding-head.ts';
import type { RopeConfig } from './rope-frequencies.ts';
import { yarnMagnitude } from './rope-frequencies.ts';

/**
 * The keys that llama.cpp asks of a decoder, under the name of its architecture. `usualPeriod`: of so many layers the last sees
 * all, where a file of windows says nothing of it; where llama.cpp has such a rule, it reads a period of another length, and no list.
 */
export function decoderMetadata(architecture: string, config: DecoderConfig, usualPeriod?: number): GgufMetadata {
  const key = (name: string) => `${architecture}.${name}`;
  const metadata: GgufMetadata = new Map([
    [key('block_count'), uint32(config.layers)],
    [key('context_length'), uint32(config.contextLength)],
    [key('embedding_length'), uint32(config.dim)],
    [key('feed_forward_length'), uint32(config.ffnDim)],
    [key('attention.head_count'), uint32(config.heads)],
    [key('attention.head_count_kv'), uint32(config.kvHeads)],
    [key('attention.key_length'), uint32(config.headDim)],
    [key('attention.value_length'), uint32(config.headDim)],
    [key('attention.layer_norm_rms_epsilon'), float32(config.rmsEps)],
    [key('rope.dimension_count'), uint32(config.rope.rotaryDim ?? config.headDim)],
    [key('rope.freq_base'), float32(config.rope.theta)],
    [key('vocab_size'), uint32(config.vocabSize)],
  ]);
  if (!config.causal) metadata.set(key('attention.causal'), bool(false));
  if (config.window !== undefined) {
    metadata.set(key('attention.sliding_window'), uint32(config.window.size));
    const { layers } = config.window;
    const period = layers.indexOf(false) + 1;
    if (usualPeriod === undefined || (!hasPeriod(layers, usualPeriod) && !hasPeriod(layers, period)))
      metadata.set(key('attention.sliding_window_pattern'), bools(layers));
    else if (!hasPeriod(layers, usualPeriod)) metadata.set(key('attention.sliding_window_pattern'), uint32(period));
  }
  return new Map([...metadata, ...ropeMetadata(architecture, config.rope), ...embeddingMetadata(architecture, config.embedding)]);
}

/** Whether the last of each `period` layers sees all, and no other; 0: none does. */
function hasPeriod(layers: readonly boolean[], period: number): boolean {
  return layers.every((slides, n) => slides === (period === 0 || (n + 1) % period !== 0));
}

/** GGUF's keys of the scaling of a rotation; llama3's is a tensor. */
function ropeMetadata(architecture: string, { scaling, attentionFactor = 1 }: RopeConfig): GgufMetadata {
  const key = (name: string) => `${architecture}.rope.scaling.${name}`;
  const metadata: GgufMetadata = new Map();
  let factor = attentionFactor;
  if (scaling.kind === 'linear' || scaling.kind === 'yarn') {
    metadata.set(key('type'), string(scaling.kind));
    metadata.set(key('factor'), float32(scaling.factor));
  }
  if (scaling.kind === 'yarn' || scaling.kind === 'longrope')
    metadata.set(key('original_context_length'), uint32(scaling.originalContextLength));
  if (scaling.kind === 'yarn') {
    metadata.set(key('yarn_beta_fast'), float32(scaling.betaFast));
    metadata.set(key('yarn_beta_slow'), float32(scaling.betaSlow));
    // Readers take whole edges of the ramp, and llama.cpp has no others.
    if (!scaling.truncate) metadata.set(key('truncate'), bool(false));
    // Readers reckon YaRN's own factor from `factor`; what differs from it comes on top.
    factor *= scaling.magnitude / yarnMagnitude(scaling.factor);
  }
  if (scaling.kind === 'longrope') factor *= scaling.magnitude;
  if (factor !== 1) metadata.set(key('attn_factor'), float32(factor));
  return metadata;
}
