/** One generation from the wait for its turn to the end of it. */
import type { OnProgress } from '../tensor/progress.ts';
import type { Piece } from './api.ts';
import type { DecodingSettings } from './decoding-settings.ts';
import { generatePieces } from './generate.ts';
import type { ModelCore } from './model-core.ts';
import { endsInThinking } from './prompt.ts';
import type { TextSide } from './prompt.ts';
import { openSequence } from './sequence.ts';
import type { Sequence } from './sequence.ts';

export interface GenerationRequest {
  readonly core: ModelCore;
  readonly text: TextSide;
  readonly promptIds: readonly number[];
  /** As the job's, of a sequence that is kept open. */
  readonly lastingTokens?: number | undefined;
  /** Turns that contextPolicy `slide` left out of it; default 0. */
  readonly droppedTurns?: number | undefined;
  readonly settings: DecodingSettings;
  /** Kept open for later turns; absent: one of its own, freed at the end. */
  readonly sequence?: Sequence | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export async function* runGeneration(request: GenerationRequest): AsyncGenerator<Piece, void, undefined> {
  const { core, text, promptIds, lastingTokens, droppedTurns = 0, settings, signal, onProgress } = request;
  const calledAt = performance.now();
  const turn = await core.queue.take(signal);
  const queueMs = performance.now() - calledAt;
  let sequence: Sequence | undefined;
  const end = () => {
    if (request.sequence === undefined) sequence?.close();
    turn.end();
  };
  try {
    sequence = request.sequence ?? openSequence(core);
    const { tokenizer, endIds } = text;
    const job = {
      core,
      turn,
      queueMs,
      sequence,
      promptIds,
      lastingTokens,
      thinkingOpened: endsInThinking(promptIds, text),
      droppedTurns,
      settings,
      tokenizer,
      endIds,
      signal,
      onProgress,
    };
    for await (const piece of generatePieces(job)) {
      // The work is done: a reader that stops at the last piece without leaving its loop keeps nobody waiting.
      if (piece.finishReason !== undefined) end();
      yield piece;
    }
  } finally {
    end();
  }
}
