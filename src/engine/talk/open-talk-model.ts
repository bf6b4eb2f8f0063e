/** A model that is talked with, of its files: LFM2.5-Audio. */
import type { Executor } from '../../graph/executor.ts';
import { lfm2Audio } from '../../models/lfm2-audio.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import type { DecoderModel } from '../../models/open-decoder.ts';
import type { QuantizeType } from '../../models/quantize-weights.ts';
import type { Checkpoint } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { checkInteger } from '../../tensor/option-names.ts';
import type { CancelSignal } from '../../tensor/platform.ts';
import type { OnProgress } from '../../tensor/progress.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import { createTalkEngine, talkBytes } from './create-talk-engine.ts';
import { createTalkModel } from './talk-model.ts';
import type { TalkModel } from './talk-model.ts';

const CONTEXT = 8192;
const MOST_SECONDS = 60;

export interface TalkRoom {
  /** Most positions of a conversation: 12.5 are a second of speech, heard or said. Default 8192, or what the model has. */
  readonly contextLength?: number | undefined;
  /** The longest sound of a turn: memory grows with it by about 3 MB a second. Default 60. */
  readonly mostSeconds?: number | undefined;
}

export interface OpenTalkModelOptions extends TalkRoom {
  /** Stays its caller's, who closes it. */
  readonly checkpoint: Checkpoint;
  readonly executor: Executor;
  /** Asked for once it is known that the model hears and speaks. */
  readonly openTokenizer: () => Promise<Tokenizer>;
  readonly quantize?: QuantizeType | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** @throws InputError for a model of another kind, and for room that cannot be meant; as {@link Executor.load} */
export async function openTalkModel(options: OpenTalkModelOptions): Promise<TalkModel> {
  const { checkpoint, executor, openTokenizer, quantize, mostSeconds = MOST_SECONDS, signal, onProgress } = options;
  checkTalkRoom(options);
  checkKind(checkpoint);
  const tokenizer = await openTokenizer();
  const { decoder, contextLength } = await openWithin(checkpoint, { contextLength: options.contextLength, quantize, signal });
  const engine = await createTalkEngine({ executor, decoder, contextLength, mostSeconds, signal, onProgress });
  const { name, architecture } = checkpoint;
  const about = { name, architecture, device: executor.description, warnings: decoder.warnings };
  return createTalkModel({ about, engine, tokenizer, mostSeconds });
}

/** What it takes with one conversation; undefined for a model of another kind. */
export async function talkRoom(
  checkpoint: Checkpoint,
  options: Pick<OpenTalkModelOptions, 'contextLength' | 'quantize' | 'signal'>,
): Promise<{ readonly bytes: number; readonly contextLength: number } | undefined> {
  if (!isTalk(checkpoint)) return undefined;
  const { decoder, contextLength } = await openWithin(checkpoint, options);
  return { bytes: talkBytes(decoder, contextLength), contextLength };
}

/** @throws InputError */
export function checkTalkRoom({ contextLength, mostSeconds }: TalkRoom): void {
  checkInteger('contextLength', contextLength, { min: 64 });
  checkInteger('mostSeconds', mostSeconds, { min: 1, max: 400 });
}

async function openWithin(
  checkpoint: Checkpoint,
  { contextLength: most = CONTEXT, quantize, signal }: Pick<OpenTalkModelOptions, 'contextLength' | 'quantize' | 'signal'>,
): Promise<{ readonly decoder: DecoderModel; readonly contextLength: number }> {
  const decoder = await openDecoder(checkpoint, { quantize, signal, contextLength: (ofModel) => Math.min(ofModel, most) });
  return { decoder, contextLength: Math.min(most, decoder.config.contextLength) };
}

function isTalk({ architecture }: Checkpoint): boolean {
  return architecture === lfm2Audio.gguf || lfm2Audio.safetensors.includes(architecture);
}

/** @throws InputError that says what to get in its place */
function checkKind(checkpoint: Checkpoint): void {
  if (isTalk(checkpoint)) return;
  const { name, architecture, format } = checkpoint;
  const isPart = format === 'gguf' && ['lfm2', 'clip', 'mimi'].includes(architecture);
  const instead = isPart
    ? 'llama.cpp keeps LFM2-Audio in four GGUF files, which are not read together here: get the folder LiquidAI/LFM2.5-Audio-1.5B, or ' +
      'what "ingot convert" makes of it.'
    : 'Models of text are for loadModel, or "ingot run"; those of speech to text for loadSpeechModel, or "ingot transcribe".';
  throw new InputError(`${name} (${architecture}) does not hear and speak: expected LFM2.5-Audio. ${instead}`);
}
