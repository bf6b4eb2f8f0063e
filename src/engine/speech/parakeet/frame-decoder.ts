/**
 * Tokens of sounds, and the frames in which they were said: what runs Parakeet's models. Sounds are features; it knows no text and no
 * turns. Several sounds are encoded in one submit, and decoded together.
 */
import type { Executor, GraphRun, Program } from '../../../graph/executor.ts';
import { EMPTY_SLOT, stateBytes } from '../../../graph/state-sizes.ts';
import { conformerInputs, encodedFrames } from '../../../models/conformer.ts';
import type { DecoderModel } from '../../../models/open-decoder.ts';
import { PARAKEET } from '../../../models/parakeet.ts';
import type { ParakeetConfig } from '../../../models/parakeet.ts';
import { CapacityError } from '../../../tensor/errors.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { OnProgress } from '../../../tensor/progress.ts';
import type { FrameToken } from './frame-token.ts';
import { likeliestOf } from './likeliest.ts';
import { transduce } from './transduce.ts';

export interface FrameDecoderOptions {
  readonly executor: Executor;
  readonly decoder: Pick<DecoderModel, 'config' | 'model' | 'weights'>;
  /** Most frames of features of a sound. */
  readonly mostFrames: number;
  /** Sounds that are decoded together. */
  readonly sounds: number;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** One call at a time. */
export interface FrameDecoder {
  readonly program: Program;
  readonly config: ParakeetConfig;
  /**
   * Tokens of each sound, in order, blanks left out.
   * @param sounds features [frames, bins] each
   * @throws CapacityError for more or longer sounds than there may be
   */
  hear(sounds: readonly ArrayLike<number>[], signal?: CancelSignal): Promise<FrameToken[][]>;
  /** Idempotent. */
  dispose(): Promise<void>;
}

/**
 * Frames that are joined with one state at a time. A transducer goes over them on the host until it finds a token, so that one run serves
 * all blanks up to it. On the CPU a frame more is work; elsewhere it is hardly any beside the wait for a run.
 */
const AHEAD = { cpu: 4, gpu: 16 } as const;

export function aheadOf({ kind }: Pick<Executor, 'kind'>): number {
  return kind === 'gpu' ? AHEAD.gpu : AHEAD.cpu;
}

/** Bytes of weights and states that such a decoder takes, before it is loaded. */
export function frameDecoderBytes({ decoder, sounds }: Pick<FrameDecoderOptions, 'decoder' | 'mostFrames' | 'sounds'>): number {
  const weights = [...decoder.weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return weights + stateBytes(decoder.model, { ...KV, sequences: sounds }, sounds);
}

/** It keeps no keys and values. */
const KV = { type: 'f32', pageTokens: 16, maxPages: 1 } as const;

/** Loads a model. @throws what the executor's `load` does */
export async function createFrameDecoder(options: FrameDecoderOptions): Promise<FrameDecoder> {
  const { executor, decoder: { model, weights }, mostFrames, sounds, signal, onProgress } = options;
  const config = options.decoder.config as ParakeetConfig;
  const ahead = aheadOf(executor);
  const { predictor, joint } = PARAKEET;
  const sizes = {
    cells: mostFrames * config.encoder.bins, [predictor.tokens]: sounds, [joint.pairs]: sounds * ahead, [joint.sounds]: sounds,
  };
  const program = await executor.load({ model, weights, kv: KV, sizes, signal, onProgress });
  if (config.transducer !== undefined) program.ensureSlots(EMPTY_SLOT + 1 + sounds);
  return {
    program,
    config,
    async hear(all, abort) {
      if (all.length > sounds) throw new CapacityError(`${sounds} sounds are heard at a time, found ${all.length}: give fewer.`);
      const frames = all.map((features) => features.length / config.encoder.bins);
      const most = Math.max(0, ...frames);
      if (most > mostFrames) throw new CapacityError(`A sound may have ${mostFrames} frames at a time, found ${most}: give it in parts.`);
      const made = await encodeSounds(program, config, all, abort);
      if (config.transducer === undefined) return made.map((logits) => collapse(logits, config));
      return transduce({ program, config, ahead, signal: abort }, made);
    },
    dispose: () => program.dispose(),
  };
}

/** What the encoder makes of each sound: logits, or what a transducer hears. Nothing of a sound too short to leave a frame. */
async function encodeSounds(
  program: Program, config: ParakeetConfig, sounds: readonly ArrayLike<number>[], signal: CancelSignal | undefined,
): Promise<Float32Array[]> {
  signal?.throwIfAborted();
  const { graph, logits, heard } = PARAKEET.encoder;
  const wanted = config.transducer === undefined ? logits : heard;
  const isHeard = sounds.map((features) => encodedFrames(config.encoder, features.length / config.encoder.bins) > 0);
  const runs = sounds.filter((_, i) => isHeard[i]).map((features): GraphRun => (
    { graph, ...conformerInputs(config.encoder, features), wanted: [wanted] }
  ));
  const results = runs.length === 0 ? [] : await program.run(runs);
  let next = 0;
  return isHeard.map((is) => (is ? (results[next++]!.get(wanted) as Float32Array).slice() : new Float32Array(0)));
}

/** The likeliest token of each frame, those that follow themselves as one, without blanks (Graves et al. 2006, best path). */
function collapse(logits: Float32Array, { vocabSize, blankId }: ParakeetConfig): FrameToken[] {
  const tokens: { id: number; frame: number; frames: number }[] = [];
  let before = blankId;
  for (let frame = 0; frame * vocabSize < logits.length; frame++) {
    const id = likeliestOf(logits, frame * vocabSize, vocabSize);
    if (id !== blankId && id === before) tokens.at(-1)!.frames++;
    else if (id !== blankId) tokens.push({ id, frame, frames: 1 });
    before = id;
  }
  return tokens;
}
