/** From phonemes to how long each lasts, and what the later graphs read of them: PL-BERT (an ALBERT), duration and text encoders. */
import { activation, multiply } from '../../graph/ops/activation.ts';
import { add } from '../../graph/ops/add.ts';
import { columns } from '../../graph/ops/columns.ts';
import { embed } from '../../graph/ops/embed.ts';
import { fullAttention } from '../../graph/ops/full-attention.ts';
import { gatherRows } from '../../graph/ops/gather-rows.ts';
import { layerNorm } from '../../graph/ops/layer-norm.ts';
import { widthOf } from '../../graph/value.ts';
import type { Value } from '../../graph/value.ts';
import type { KokoroConfig } from './kokoro-config.ts';
import { act, bothWays, convolution, dense, own, styled } from './kokoro-layers.ts';
import type { RowStyle, Writing } from './kokoro-layers.ts';

const ALBERT_EPS = 1e-12;
const NORM_EPS = 1e-5;
const TOKEN_TYPES = 2;

/** A weight of ones: of norms whose gain a style gives. */
export const ONES = 'ones';

/** Names of the graph's inputs, outputs and taps. */
export const KOKORO_TEXT = {
  graph: 'text',
  /** [tokens], i32: phonemes between two zeros; where each stands; zeros. */
  tokens: 'tokens', positions: 'positions', first: 'first',
  /** [1, style]: the half of a voice's row that says how it speaks. */
  style: 'style',
  /** [tokens, hidden]: what pitch is made of. */
  prosody: 'prosody',
  /** [tokens, mostDuration]: numbers from 0 to 1 whose sum is a duration in frames. */
  durations: 'durations',
  /** [tokens, hidden]: what sound is made of. */
  sounds: 'sounds',
  taps: { bert: 'bert', encoded: 'd_en' },
} as const;

function norm(to: Writing, name: string, x: Value, eps: number): Value {
  const size = [widthOf(x)];
  return layerNorm(to.g, name, x, { weight: own(to, `${name}.weight`, size), bias: own(to, `${name}.bias`, size), eps });
}

/** One layer, as often as there are layers: all share its weights (Lan et al. 2020). */
function albertLayer(to: Writing, { bert: { hidden, heads, inner } }: KokoroConfig, x: Value): Value {
  const { g } = to;
  const name = 'bert.encoder.albert_layer_groups.0.albert_layers.0';
  const of = (part: string) => dense(to, `${name}.attention.${part}`, x, hidden);
  const headDim = hidden / heads;
  const sizes = { heads, kvHeads: heads, keyDim: headDim, valueDim: headDim, scale: headDim ** -0.5 };
  const attended = fullAttention(g, `${name}.attend`, [of('query'), of('key'), of('value')], sizes);
  const shown = add(g, `${name}.attention.sum`, x, dense(to, `${name}.attention.dense`, attended, hidden));
  const h = norm(to, `${name}.attention.LayerNorm`, shown, ALBERT_EPS);
  const wide = activation(g, `${name}.act`, 'geluTanh', dense(to, `${name}.ffn`, h, inner));
  return norm(to, `${name}.full_layer_layer_norm`, add(g, `${name}.sum`, h, dense(to, `${name}.ffn_output`, wide, hidden)), ALBERT_EPS);
}

interface TextInputs extends RowStyle {
  readonly tokens: Value;
  readonly positions: Value;
}

function albert(to: Writing, config: KokoroConfig, { tokens, positions, first }: TextInputs): Value {
  const { g } = to;
  const { embedding, hidden, layers, positions: most } = config.bert;
  const table = (name: string, rows: number, of: Value) =>
    embed(g, `bert.${name}`, of, own(to, `bert.embeddings.${name}_embeddings.weight`, [rows, embedding]));
  const placed = add(g, 'bert.placed', table('word', config.vocabSize, tokens), table('position', most, positions));
  const typed = add(g, 'bert.typed', placed, table('token_type', TOKEN_TYPES, first));
  let x = dense(to, 'bert.encoder.embedding_hidden_mapping_in', norm(to, 'bert.embeddings.LayerNorm', typed, ALBERT_EPS), hidden);
  for (let n = 0; n < layers; n++) x = g.scope(`${n}`, () => albertLayer(to, config, x));
  g.tap(KOKORO_TEXT.taps.bert, x);
  return x;
}

/** Memories both ways, each with a layer norm behind it whose gain and shift a style gives. */
function durationEncoder(to: Writing, { hidden, layers }: KokoroConfig, encoded: Value, styles: RowStyle): Value {
  const { g } = to;
  let x = encoded;
  for (let n = 0; n < layers; n++) {
    const [memory, name] = [`predictor.text_encoder.lstms.${2 * n}`, `predictor.text_encoder.lstms.${2 * n + 1}`];
    const normed = layerNorm(g, name, bothWays(to, memory, x, { hidden, styles }), { weight: g.weight(ONES, [hidden]), eps: NORM_EPS });
    const style = styled(to, name, styles.style, hidden);
    const rows = (part: string, start: number) =>
      gatherRows(g, `${name}.${part}s`, columns(g, `${name}.${part}`, style, { start, width: hidden }), styles.first);
    x = add(g, `${name}.shifted`, multiply(g, `${name}.scaled`, normed, rows('gain', 0)), rows('shift', hidden));
  }
  return x;
}

function textEncoder(to: Writing, { vocabSize, hidden, layers, textTaps }: KokoroConfig, tokens: Value): Value {
  const { g } = to;
  let x = embed(g, 'text_encoder.embedding', tokens, own(to, 'text_encoder.embedding.weight', [vocabSize, hidden]));
  for (let n = 0; n < layers; n++) {
    const name = `text_encoder.cnn.${n}`;
    const made = convolution(to, `${name}.0`, x, { out: hidden, taps: textTaps, before: (textTaps - 1) / 2 });
    const [weight, bias] = ['gamma', 'beta'].map((part) => own(to, `${name}.1.${part}`, [hidden])) as [ReturnType<typeof own>, never];
    x = act(to, `${name}.2`, 'leakyFifth', layerNorm(g, `${name}.1`, made, { weight, bias, eps: NORM_EPS }));
  }
  return bothWays(to, 'text_encoder.lstm', x, { hidden });
}

export function writeTextGraph(to: Writing, config: KokoroConfig): void {
  const { g } = to;
  const { hidden, mostDuration, style } = config;
  const row = (name: string) => g.input(name, 'i32', ['tokens']);
  const inputs: TextInputs = {
    tokens: row(KOKORO_TEXT.tokens), positions: row(KOKORO_TEXT.positions), first: row(KOKORO_TEXT.first),
    style: g.input(KOKORO_TEXT.style, 'f32', [1, style]),
  };
  const encoded = dense(to, 'bert_encoder', albert(to, config, inputs), hidden);
  g.tap(KOKORO_TEXT.taps.encoded, encoded);
  const prosody = durationEncoder(to, config, encoded, inputs);
  const lasting = bothWays(to, 'predictor.lstm', prosody, { hidden, styles: inputs });
  const numbers = dense(to, 'predictor.duration_proj.linear_layer', lasting, mostDuration);
  g.output(KOKORO_TEXT.prosody, prosody);
  g.output(KOKORO_TEXT.durations, activation(g, 'predictor.duration_proj.shares', 'sigmoid', numbers));
  g.output(KOKORO_TEXT.sounds, textEncoder(to, config, inputs.tokens));
}
