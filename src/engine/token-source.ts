/** Where the tokens of a generation come from: logits sampled here, or an executor that samples by itself. */
import type { DecodeRun } from '../graph/executor.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { ModelCore } from './model-core.ts';
import { createSampler } from './sampler.ts';
import type { SamplingSettings } from '../graph/sampling.ts';
import { advance, advanceAndDecode, makesRoom } from './sequence.ts';
import type { Sequence } from './sequence.ts';

export interface NextTokens {
  /** At least one. */
  readonly tokens: readonly number[];
  /** After which tokens[0] was chosen, where there are any: good until the next call. */
  readonly logits: Float32Array | undefined;
}

export interface TokenSource {
  /** Tokens that follow `ids`: prompt and answer so far. What was returned and not put into ids is forgotten. */
  next(): Promise<NextTokens>;
  /** To be called when the turn was lost, and at the end. The next call begins anew from ids. Idempotent. */
  release(): void;
}

export interface TokenSourceOptions {
  readonly core: ModelCore;
  readonly sequence: Sequence;
  /** Prompt and answer; grows as tokens are taken. */
  readonly ids: readonly number[];
  readonly promptTokens: number;
  /** As {@link AdvanceOptions.keepAt}. */
  readonly keepAt: readonly number[];
  /** Most tokens of the answer. */
  readonly room: number;
  /** How many of ids are certain to stay. */
  readonly settled: () => number;
  readonly sampling: SamplingSettings;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Reports the prefill of the prompt: calls before any token of the answer. */
function stepReporter({ ids, promptTokens, sequence, onProgress }: TokenSourceOptions): (done: number) => void {
  const cached = sequence.length;
  return (done) => {
    if (ids.length === promptTokens) onProgress?.({ phase: 'prefill', loaded: done - cached, total: promptTokens - cached });
  };
}

export function createHostSource(options: TokenSourceOptions): TokenSource {
  const { core, sequence, ids, promptTokens, keepAt, settled, sampling, signal } = options;
  const sampler = createSampler({ settings: sampling, promptIds: ids.slice(0, promptTokens), candidates: core.candidates });
  const onStep = stepReporter(options);
  return {
    async next() {
      onStep(sequence.length);
      const logits = await advance(core, sequence, ids, { promptTokens, keepAt, settled, signal, onStep });
      return { tokens: [sampler.sample(logits, ids.length)], logits };
    },
    release() {},
  };
}

export function createDeviceSource(options: TokenSourceOptions): TokenSource {
  const { core, sequence, ids, promptTokens, keepAt, room, settled, sampling, signal } = options;
  const onStep = stepReporter(options);
  let run: DecodeRun | undefined;
  const begin = () => {
    onStep(sequence.length);
    const history = { promptIds: ids.slice(0, promptTokens), outputIds: ids.slice(promptTokens) };
    return advanceAndDecode(core, sequence, ids, {
      promptTokens,
      keepAt,
      settled,
      signal,
      onStep,
      sampling,
      history,
      limit: room - history.outputIds.length,
    });
  };
  const sampled = async (): Promise<readonly number[]> => {
    try {
      run ??= await begin();
      return await run.next();
    } catch (error) {
      run?.close();
      run = undefined;
      if (!makesRoom(core, error)) throw error;
    }
    return sampled();
  };
  return {
    async next() {
      const tokens = await sampled();
      onStep(promptTokens);
      if (tokens.length === 0)
        throw new Error(`decode: the executor stopped before its limit, after ${ids.length - promptTokens} of ${room} tokens`);
      return { tokens, logits: undefined };
    },
    release() {
      run?.close();
      run = undefined;
    },
  };
}
