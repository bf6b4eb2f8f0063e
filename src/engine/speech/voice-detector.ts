/** Probabilities that somebody speaks, by Silero's model: one for every 512 samples at 16 kHz (32 ms). */
import { createSileroFrames, SILERO_BINS, SILERO_ROWS } from '../../audio/silero-frames.ts';
import type { Executor, GraphRun, Program } from '../../graph/executor.ts';
import { EMPTY_SLOT } from '../../graph/state-sizes.ts';
import { SILERO } from '../../models/silero.ts';
import type { SileroModel } from '../../models/silero.ts';
import { InputError } from '../../tensor/errors.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import { createTurns } from './in-turn.ts';
import type { InTurn } from './in-turn.ts';

export interface VoiceDetector {
  /** A sound from its beginning. Several may be heard at a time. */
  open(): VoiceStream;
  dispose(): Promise<void>;
}

/** One sound. A call at a time. */
export interface VoiceStream {
  /** @param samples 16 kHz; @returns the probabilities of all pieces that are whole by now */
  push(samples: Float32Array): Promise<Float32Array>;
  /** Of the last piece, filled up with silence. */
  end(): Promise<Float32Array>;
  /** Gives back what the stream took; to be called whether it was heard to the end or not. */
  close(): void;
}

/** Pieces of a submit. */
const MOST_PIECES = 64;

/** Loads the detector. @throws as {@link Executor.load} */
export async function createVoiceDetector(
  { model, weights }: SileroModel, executor: Executor, options: { readonly signal?: CancelSignal | undefined } = {},
): Promise<VoiceDetector> {
  const kv = { type: 'f32', pageTokens: 16, maxPages: 1 } as const;
  const program = await executor.load({ model, weights, kv, sizes: { frames: SILERO_ROWS, pieces: MOST_PIECES }, ...options });
  const free: SlotPair[] = [];
  let slots = EMPTY_SLOT + 1;
  const inTurn = createTurns();
  return {
    open() {
      let pair = free.pop();
      if (pair === undefined) {
        pair = [slots, slots + 1];
        slots += 2;
        program.ensureSlots(slots);
      }
      const own = pair;
      return createVoiceStream({ program, inTurn, pair: own, release: () => free.push(own) });
    },
    dispose: () => inTurn(() => program.dispose()),
  };
}

/** The memory is read from one and written to the other. */
type SlotPair = readonly [number, number];

interface StreamParts {
  readonly program: Program;
  readonly inTurn: InTurn;
  readonly pair: SlotPair;
  readonly release: () => void;
}

function createVoiceStream({ program, inTurn, pair, release }: StreamParts): VoiceStream {
  const frames = createSileroFrames();
  let heard = 0;
  let turn = 0;
  let isClosed = false;
  const run = async (rows: Float32Array): Promise<Float32Array> => {
    const pieces = rows.length / (SILERO_ROWS * SILERO_BINS);
    const probabilities = new Float32Array(pieces);
    for (let first = 0; first < pieces; first += MOST_PIECES) {
      const count = Math.min(MOST_PIECES, pieces - first);
      const features = await encodePieces(program, rows, first, count);
      const slotsOfRun = { read: heard === 0 ? EMPTY_SLOT : pair[turn]!, write: pair[1 - turn]! };
      const [result] = await program.run([memoryRun(features, { rows: count, start: heard, pages: [], slots: slotsOfRun })]);
      probabilities.set(result!.get(SILERO.memory.probabilities)!, first);
      heard += count;
      turn = 1 - turn;
    }
    return probabilities;
  };
  const give = (rows: () => Float32Array): Promise<Float32Array> => {
    if (isClosed) throw new InputError('this stream of sound is closed: open another.');
    const made = rows();
    return made.length === 0 ? Promise.resolve(new Float32Array(0)) : inTurn(() => run(made));
  };
  return {
    push: async (samples) => give(() => frames.push(samples)),
    end: async () => give(() => frames.end()),
    close() {
      if (isClosed) return;
      isClosed = true;
      // What is under way still writes the slots.
      void inTurn(async () => release());
    },
  };
}

/** [count, features] of the pieces from `first` on. */
async function encodePieces(program: Program, rows: Float32Array, first: number, count: number): Promise<Float32Array> {
  const { graph, rows: input, features } = SILERO.encoder;
  const size = SILERO_ROWS * SILERO_BINS;
  const runs = Array.from({ length: count }, (_, i): GraphRun => {
    const at = (first + i) * size;
    return { graph, dims: { frames: SILERO_ROWS }, inputs: { [input]: rows.subarray(at, at + size) }, wanted: [features] };
  });
  const results = await program.run(runs);
  const parts = results.map((result) => result.get(features)!);
  const width = parts[0]!.length;
  const joined = new Float32Array(count * width);
  parts.forEach((part, i) => joined.set(part, i * width));
  return joined;
}

function memoryRun(features: Float32Array, sequence: NonNullable<GraphRun['sequences']>[number]): GraphRun {
  const { graph, features: input, probabilities } = SILERO.memory;
  return { graph, dims: { pieces: sequence.rows }, inputs: { [input]: features }, sequences: [sequence], wanted: [probabilities] };
}
