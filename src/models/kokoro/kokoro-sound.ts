/** From what the text graph made to sound: pitch and loudness, the decoder, and the generator, which leaves spectra for an inverse STFT. */
import type { GraphBuilder } from '../../graph/graph-builder.ts';
import { add } from '../../graph/ops/add.ts';
import { gatherRows } from '../../graph/ops/gather-rows.ts';
import { joinColumns } from '../../graph/ops/join-columns.ts';
import { scale } from '../../graph/ops/scale.ts';
import type { Value } from '../../graph/value.ts';
import type { GeneratorSizes, KokoroConfig } from './kokoro-config.ts';
import { act, bothWays, convolution, snakeBlock, styledBlock, upsampled } from './kokoro-layers.ts';
import type { Doubling, Writing } from './kokoro-layers.ts';

/**
 * The dims of runs: `tokens` and `frames`, of the generator `halves`, two a frame. A frame is 600 samples of the published model; pitch
 * has two rows a frame, a spectrum `hop` samples.
 */
const FRAMES = 'frames';
const HALVES = 'halves';
const SPECTRA = 'spectra';

/** [frames], i32: which phoneme each frame is of. */
const PHONEME_ROWS = 'phonemes';
/** [halves], i32: 0, 0, 1, 1, 2, 2, ... */
const TWICE = 'twice';

export const KOKORO_PITCH = {
  graph: 'pitch', prosody: 'prosody', phonemes: PHONEME_ROWS, twice: TWICE,
  /** [frames], i32, zeros. */
  first: 'first',
  style: 'style',
  /** [halves, 1]: in hertz; and how loud. */
  pitch: 'pitch', loudness: 'loudness',
  taps: { shared: 'shared' },
} as const;

export const KOKORO_DECODER = {
  graph: 'decoder', sounds: 'sounds', phonemes: PHONEME_ROWS, twice: TWICE, pitch: 'pitch', loudness: 'loudness',
  /** [1, style]: the half of a voice's row that says what it sounds like. */
  style: 'style',
  /** [halves, channels]. */
  output: 'decoded',
  taps: { encode: 'encode', first: 'decode0' },
} as const;

export const KOKORO_GENERATOR = {
  graph: 'generator', decoded: 'decoded',
  /** [spectra, fftSize + 2]: of the source, magnitudes and then phases. */
  source: 'source',
  /** [spectra], i32: 1, 0, 1, 2, ...: the first row but one stands before the first, as if mirrored. */
  mirrored: 'mirrored',
  style: 'style',
  /** [spectra, fftSize + 2]: logarithms of magnitudes, and then numbers whose sines are phases. */
  output: 'spectra',
  taps: { noise: 'noise_res', up: 'ups', block: 'resblock', stage: 'stage' },
} as const;

/** Rows of spectra that so many half frames make: the same number of each, and one at the end. */
export function spectraOf({ stages }: Pick<GeneratorSizes, 'stages'>, halves: number): number {
  return halves * stages.reduce((product, { rate }) => product * rate, 1) + 1;
}

function halvesOf(g: GraphBuilder): string {
  return g.derivedDim(HALVES, ({ frames = 0 }) => 2 * frames) as string;
}

export function writePitchGraph(to: Writing, { hidden, style: size }: KokoroConfig): void {
  const { g } = to;
  const names = KOKORO_PITCH;
  const doubling: Doubling = { frames: halvesOf(g), rows: g.input(names.twice, 'i32', [HALVES]) };
  const style = g.input(names.style, 'f32', [1, size]);
  const ofPhonemes = g.input(names.prosody, 'f32', ['tokens', hidden]);
  const x = gatherRows(g, 'expand', ofPhonemes, g.input(names.phonemes, 'i32', [FRAMES]));
  const shared = bothWays(to, 'predictor.shared', x, { hidden, styles: { style, first: g.input(names.first, 'i32', [FRAMES]) } });
  g.tap(names.taps.shared, shared);
  const curve = (name: 'F0' | 'N'): Value => {
    const first = styledBlock(to, `predictor.${name}.0`, shared, { out: hidden, style });
    const second = styledBlock(to, `predictor.${name}.1`, first, { out: hidden / 2, style, doubling });
    const third = styledBlock(to, `predictor.${name}.2`, second, { out: hidden / 2, style });
    return convolution(to, `predictor.${name}_proj`, third, { out: 1, taps: 1, isNormed: false });
  };
  g.output(names.pitch, curve('F0'));
  g.output(names.loudness, curve('N'));
}

export function writeDecoderGraph(to: Writing, config: KokoroConfig): void {
  const { g } = to;
  const names = KOKORO_DECODER;
  const { hidden, style: size, decoderWidth, residualWidth, generator } = config;
  const doubling: Doubling = { frames: halvesOf(g), rows: g.input(names.twice, 'i32', [HALVES]) };
  const style = g.input(names.style, 'f32', [1, size]);
  const sounds = gatherRows(g, 'expand', g.input(names.sounds, 'f32', ['tokens', hidden]), g.input(names.phonemes, 'i32', [FRAMES]));
  const halved = (name: string, of: Value) =>
    convolution(to, `decoder.${name}`, of, { out: 1, taps: 3, stride: 2, before: 1, frames: FRAMES });
  const [pitch, loudness] = [g.input(names.pitch, 'f32', [HALVES, 1]), g.input(names.loudness, 'f32', [HALVES, 1])];
  const curves = joinColumns(g, 'curves', halved('F0_conv', pitch), halved('N_conv', loudness));
  let x = styledBlock(to, 'decoder.encode', joinColumns(g, 'heard', sounds, curves), { out: decoderWidth, style });
  g.tap(names.taps.encode, x);
  const beside = joinColumns(g, 'beside', convolution(to, 'decoder.asr_res.0', sounds, { out: residualWidth, taps: 1 }), curves);
  for (let n = 0; n < 4; n++) {
    const isLast = n === 3;
    const joined = joinColumns(g, `decoder.decode.${n}.joined`, x, beside);
    const out = isLast ? generator.channels : decoderWidth;
    x = styledBlock(to, `decoder.decode.${n}`, joined, { out, style, ...(isLast && { doubling }) });
    if (n === 0) g.tap(names.taps.first, x);
  }
  g.output(names.output, x);
}

export function writeGeneratorGraph(to: Writing, { style: size, generator }: KokoroConfig): void {
  const { g } = to;
  const names = KOKORO_GENERATOR;
  const { channels, stages, blocks, fftSize } = generator;
  const [first] = stages as [GeneratorSizes['stages'][number]];
  g.derivedDim('stage0', (sizes) => (sizes[HALVES] ?? 0) * first.rate);
  g.derivedDim('stage1', (sizes) => spectraOf(generator, sizes[HALVES] ?? 0) - 1);
  g.derivedDim(SPECTRA, (sizes) => spectraOf(generator, sizes[HALVES] ?? 0));
  const style = g.input(names.style, 'f32', [1, size]);
  const source = g.input(names.source, 'f32', [SPECTRA, fftSize + 2]);
  const mirrored = g.input(names.mirrored, 'i32', [SPECTRA]);
  let x = g.input(names.decoded, 'f32', [HALVES, channels]);
  stages.forEach(({ rate, taps }, i) => {
    const isLast = i === stages.length - 1;
    const out = channels / 2 ** (i + 1);
    const name = `decoder.generator`;
    const heard = noise(to, source, { i, out, generator, style });
    const wide = upsampled(to, `${name}.ups.${i}`, act(to, `${name}.act.${i}`, 'leakyTenth', x), { out, taps, rate, frames: `stage${i}` });
    g.tap(`${names.taps.up}${i}`, wide);
    const joined = add(g, `${name}.joined.${i}`, isLast ? gatherRows(g, `${name}.mirrored`, wide, mirrored) : wide, heard);
    const made = blocks.map((block, n) => {
      const at = i * blocks.length + n;
      const result = snakeBlock(to, `${name}.resblocks.${at}`, joined, { ...block, style });
      g.tap(`${names.taps.block}${at}`, result);
      return result;
    });
    const total = made.reduce((sum, each, n) => add(g, `${name}.sum.${i}.${n}`, sum, each));
    x = scale(g, `${name}.mean.${i}`, total, 1 / blocks.length);
    g.tap(`${names.taps.stage}${i}`, x);
  });
  const last = act(to, 'decoder.generator.act', 'leakyHundredth', x);
  g.output(names.output, convolution(to, 'decoder.generator.conv_post', last, { out: fftSize + 2, taps: 7, before: 3 }));
}

/** Taps of the block behind the source's convolution, by stage; the published code has them as literals, as dilations 1, 3 and 5. */
const NOISE_TAPS = [7, 11] as const;

/** The source at the rate of a stage. */
function noise(
  to: Writing, source: Value, { i, out, generator, style }: { i: number; out: number; generator: GeneratorSizes; style: Value },
): Value {
  const name = 'decoder.generator';
  const stride = generator.stages.slice(i + 1).reduce((product, { rate }) => product * rate, 1);
  const isLast = stride === 1;
  const shape = isLast ? { taps: 1 } : { taps: 2 * stride, stride, before: Math.floor((stride + 1) / 2), frames: `stage${i}` };
  const at = convolution(to, `${name}.noise_convs.${i}`, source, { out, isNormed: false, ...shape });
  const made = snakeBlock(to, `${name}.noise_res.${i}`, at, { taps: NOISE_TAPS[i] as number, dilations: [1, 3, 5], style });
  to.g.tap(`${KOKORO_GENERATOR.taps.noise}${i}`, made);
  return made;
}
