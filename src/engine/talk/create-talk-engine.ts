/** Loads LFM2-Audio as a program of conversations. */
import { NEMO_HOP, NEMO_RATE } from '../../audio/nemo-features.ts';
import type { Executor, KvLayout } from '../../graph/executor.ts';
import type { KvTypes } from '../../graph/kv-types.ts';
import { slotBytes, stateBytes } from '../../graph/state-sizes.ts';
import { CONFORMER } from '../../models/conformer.ts';
import type { Lfm2AudioConfig } from '../../models/lfm2-audio-config.ts';
import { SPECTRA_PER_FRAME } from '../../models/lfm2-audio-graphs.ts';
import type { DecoderModel } from '../../models/open-decoder.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import { PAGE_TOKENS, TalkEngine } from './talk-engine.ts';
import { TALK_SLOTS } from './talk-sequence.ts';
import { MOST_SPANS, VOICE_SLOTS } from './voice.ts';

export interface TalkEngineOptions {
  readonly executor: Executor;
  /** Of an LFM2-Audio. */
  readonly decoder: DecoderModel;
  /** Most positions of a conversation. */
  readonly contextLength: number;
  /** Of a sound. */
  readonly mostSeconds: number;
  /** Of keys and values. Default f16. */
  readonly kvTypes?: KvTypes | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Rows that are read at a time where the executor names no number. */
const ROWS = 256;
/** Conversations that there is room for at a time. */
const MOST_TALKS = 4;

function talkRoom(contextLength: number, kvTypes: KvTypes): KvLayout {
  // Every position of a conversation may be a frame of one answer.
  const positions = SPECTRA_PER_FRAME * contextLength;
  return { ...kvTypes, pageTokens: PAGE_TOKENS, maxPages: Math.ceil(positions / PAGE_TOKENS) };
}

/** Bytes of the weights, and of one conversation of the whole context. */
export function talkBytes({ model, weights }: DecoderModel, contextLength: number): number {
  const ofWeights = [...weights.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const slots = (TALK_SLOTS + VOICE_SLOTS) * slotBytes(model);
  return ofWeights + slots + stateBytes(model, talkRoom(contextLength, { type: 'f16' }), Math.min(ROWS, contextLength));
}

/** Loads the model. @throws what the executor's `load` does */
export async function createTalkEngine(options: TalkEngineOptions): Promise<TalkEngine> {
  const { executor, decoder: { model, weights, config }, contextLength, mostSeconds, signal, onProgress } = options;
  const rows = executor.prefillRows ?? ROWS;
  const whole = config as Lfm2AudioConfig;
  const kv = { ...talkRoom(contextLength, options.kvTypes ?? { type: 'f16' }), sequences: MOST_TALKS };
  const frames = Math.floor((mostSeconds * NEMO_RATE) / NEMO_HOP) + 1;
  const cells = frames * whole.ears.bins;
  const sizes = { [CONFORMER.cells]: cells, tokens: rows, frames: rows, rows, outRows: 1, texts: 1, voices: 1, spans: MOST_SPANS };
  const snapshots = MOST_TALKS * (TALK_SLOTS + VOICE_SLOTS);
  const program = await executor.load({ model, weights, kv, sizes, snapshots, signal, onProgress });
  const isAhead = executor.kind === 'gpu' || executor.kind === 'software';
  return new TalkEngine(program, { config: whole, contextLength, rows, isAhead });
}
