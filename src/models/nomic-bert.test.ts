import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingModel, filesBelow, openFiles, poolingFiles } from '../../test/embedding-model.ts';
import { f32Of, fixturesPath, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { relativeError } from '../../test/relative-error.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { convert } from '../node/convert.ts';
import { fileSink } from '../node/file-sink.ts';
import { locate } from '../node/open-path.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { nomicBert } from './nomic-bert.ts';

const path = join(fixturesPath, 'golden/nomic_bert');
const { prompts } = JSON.parse(readFileSync(join(path, 'golden.json'), 'utf8')) as { readonly prompts: { readonly long: number[] } };

/** Sizes of the golden under the keys that nomic-embed-text-v1.5 is published with. */
const PUBLISHED: JsonObject = {
  activation_function: 'swiglu', architectures: ['NomicBertModel'], attn_pdrop: 0, bos_token_id: null, causal: false,
  dense_seq_output: true, embd_pdrop: 0, eos_token_id: null, fused_bias_fc: true, fused_dropout_add_ln: true,
  initializer_range: 0.02, layer_norm_epsilon: 1e-12,
  max_trained_positions: 140, mlp_fc1_bias: false, mlp_fc2_bias: false, model_type: 'nomic_bert', n_embd: 48, n_head: 4, n_inner: 64,
  n_layer: 2, n_positions: 8192, pad_vocab_size_multiple: 64, parallel_block: false, parallel_block_tied_norm: false, prenorm: false,
  qkv_proj_bias: false, reorder_and_upcast_attn: false, resid_pdrop: 0, rotary_emb_base: 500, rotary_emb_fraction: 1,
  rotary_emb_interleaved: false, rotary_emb_scale_base: null, rotary_scaling_factor: 2, scale_attn_by_inverse_layer_idx: false,
  scale_attn_weights: true, summary_activation: null, summary_first_dropout: 0, summary_proj_to_labels: true, summary_type: 'cls_index',
  summary_use_proj: true, torch_dtype: 'float32', transformers_version: '4.37.2', type_vocab_size: 2, use_cache: true,
  use_flash_attn: true, use_rms_norm: false, use_xentropy: true, vocab_size: 51,
};

function published(change: JsonObject = {}): Map<string, Uint8Array> {
  return filesBelow(path, poolingFiles('mean_tokens', { 'config.json': { ...PUBLISHED, ...change } }));
}

describe('nomic-bert', () => {
  it('reads the keys of published files', async () => {
    const model = await embeddingModel(published(), { device: 'reference' });
    try {
      expect(model.info.warnings).toEqual([]);
      const [embedding] = await model.embed([prompts.long]);
      const golden = f32Of(readFixtureTensors(join(path, 'golden.safetensors')), 'long.mean_pooled');
      expect(relativeError(embedding!, golden)).toBeLessThan(1e-4);
    } finally {
      await model.dispose();
    }
  });

  it.each([
    ['prenorm', true], ['qkv_proj_bias', true], ['rotary_emb_fraction', 0.5], ['rotary_emb_interleaved', true], ['moe_every_n_layers', 2],
    ['activation_function', 'gelu'],
  ])('refuses %s of %s', async (key, value) => {
    await expect(embeddingModel(published({ [key]: value }), { device: 'reference' })).rejects.toThrow(key);
  });

  it("writes llama.cpp's names, and reads the same sizes from them", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-'));
    try {
      const file = join(folder, 'out.gguf');
      const source = await openFiles(published());
      await convert(source, await fileSink(file), { type: 'f32' });
      const made = await openCheckpoint(await locate(file));
      // Of gguf-py's constants.py, MODEL_ARCH.NOMIC_BERT.
      const inLayer = [
        'attn_output', 'attn_output_norm.bias', 'attn_output_norm', 'attn_qkv', 'ffn_down', 'ffn_gate', 'ffn_up', 'layer_output_norm.bias',
        'layer_output_norm',
      ];
      const outer = ['token_embd', 'token_types', 'token_embd_norm', 'token_embd_norm.bias'];
      const names = [...outer, ...[0, 1].flatMap((n) => inLayer.map((name) => `blk.${n}.${name}`))];
      expect([...made.tensors.keys()].toSorted()).toEqual(
        names.map((name) => (name.endsWith('.bias') ? name : `${name}.weight`)).toSorted(),
      );
      expect(nomicBert.parseConfig(made)).toEqual({
        ...nomicBert.parseConfig(source), architecture: 'nomic-bert', normEps: Math.fround(1e-12), rmsEps: Math.fround(1e-12),
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
