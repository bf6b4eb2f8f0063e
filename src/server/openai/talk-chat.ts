/** A chat with a model that answers speech with speech (LFM2.5-Audio): its messages as turns, and its answer. */
import type { AnswerPiece } from '../../engine/talk/live/answerer.ts';
import type { OpenTalkOptions, TalkConversation, TalkModel } from '../../engine/talk/talk-model.ts';
import type { TalkEvent } from '../../engine/talk/talk-flow.ts';
import type { TalkBefore, TalkTurn } from '../../engine/talk/talk-turns.ts';
import { InputError } from '../../tensor/errors.ts';
import { countPrompt } from '../answer-counter.ts';
import { timedSignal } from '../call.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { ownError } from '../own-error.ts';
import { checkTokens } from '../run-generation.ts';
import { textOfContent } from '../text-of-content.ts';
import type { ChatParameters, ChatRequestMessage } from './chat-parameters.ts';
import { failureOfSoundPart, openSoundPart, soundsOf, spokenBefore } from './sound-parts.ts';

/** What such a model has no use for. */
const REFUSED = [
  'tools', 'tool_choice', 'response_format', 'stop', 'n', 'top_p', 'min_p', 'repetition_penalty', 'presence_penalty', 'frequency_penalty',
  'logit_bias', 'logprobs', 'top_logprobs', 'ignore_eos', 'return_token_ids', 'chat_template_kwargs', 'reasoning_effort',
] as const satisfies readonly (keyof ChatParameters)[];

export interface TalkChat {
  readonly pieces: AsyncGenerator<AnswerPiece, void, undefined>;
  /** What was made, when the pieces are over. */
  said(): readonly TalkEvent[];
}

/** @throws Failure (400) for what the model does not have */
export function checkTalkChat(parameters: ChatParameters): void {
  const refused = REFUSED.find((name) => parameters[name] !== undefined);
  if (refused !== undefined)
    throw invalid(`${refused} is not obeyed here: the model answers speech with speech, and draws by temperature, top_k and seed alone.`, {
      param: refused, code: 'unsupported_parameter',
    });
  const { audio } = parameters;
  const voice = typeof audio?.voice === 'object' ? audio.voice.id : audio?.voice;
  if (voice !== undefined && voice !== 'default')
    throw invalid('audio.voice is not obeyed here: the model has a voice of its own. Say default.', {
      param: 'audio.voice', code: 'unsupported_parameter',
    });
}

/** @throws Failure (400) for messages that are no turns of such a conversation */
export async function talkChat(call: Call, model: TalkModel, parameters: ChatParameters): Promise<TalkChat> {
  const { messages, temperature, top_k: topK, seed, max_tokens: old, max_completion_tokens: most = old } = parameters;
  const isSpoken = parameters.modalities?.includes('audio') === true;
  checkTokens(most, call.state.limits.outputTokens);
  const { system, before, turn } = await turnsOf(call, messages);
  const maxTokens = Math.min(most ?? Infinity, call.state.limits.outputTokens);
  const options: OpenTalkOptions = {
    // What answers in text alone makes no speech that would be thrown away.
    task: isSpoken ? 'converse' : 'transcribe',
    system: system ?? (isSpoken ? undefined : ''), before, seed: Math.abs(seed ?? 0),
    ...(temperature === undefined && topK === undefined ? {} : { text: { temperature, topK: Math.max(0, topK ?? 0) } }),
  };
  let said: readonly TalkEvent[] = [];
  return {
    pieces: answer({ call, model, options, turn, maxTokens: maxTokens === Infinity ? undefined : maxTokens, keep: (all) => (said = all) }),
    said: () => said,
  };
}

interface Turns {
  /** Undefined: the model's own. */
  readonly system: string | undefined;
  readonly before: readonly TalkBefore[];
  readonly turn: TalkTurn;
}

async function turnsOf(call: Call, messages: readonly ChatRequestMessage[]): Promise<Turns> {
  const systems: string[] = [];
  const before: TalkBefore[] = [];
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    if (message.role === 'user') before.push({ role: 'user', turn: await turnOf(message, at) });
    else if (message.role === 'assistant') before.push(answerBefore(call, message, at));
    else if (message.role === 'tool' || before.length > 0)
      throw invalid(`${at}.role is not obeyed here: the model reads messages of the system's first, then those of both sides.`, {
        param: `${at}.role`, code: 'unsupported_content',
      });
    else systems.push(textOfContent(message.content));
  }
  const last = before.pop();
  if (last?.role !== 'user')
    throw invalid('The last message must be the user\'s: the model answers it.', { param: 'messages', code: 'invalid_value' });
  return { system: systems.length === 0 ? undefined : systems.join('\n'), before, turn: last.turn };
}

async function turnOf(message: ChatRequestMessage, at: string): Promise<TalkTurn> {
  const { content } = message;
  const image = Array.isArray(content) ? content.findIndex((part) => 'image_url' in part) : -1;
  if (image >= 0)
    throw invalid(`${at}.content[${image}] is an image, and the model hears and reads: leave it out.`, {
      param: `${at}.content[${image}]`, code: 'unsupported_content',
    });
  const sounds = soundsOf(message, at);
  const text = textOfContent(message.content);
  const [first, second] = sounds;
  if (second !== undefined)
    throw invalid(`${second.at} is a second sound of its message, and the model hears one a message: send them as messages.`, {
      param: second.at, code: 'unsupported_content',
    });
  if (first === undefined) return { text };
  return { ...(text === '' ? {} : { text }), sound: await openSoundPart(first.part, first.at) };
}

/** By its own codes where the model made it. */
function answerBefore(call: Call, message: ChatRequestMessage, at: string): TalkBefore {
  const spoken = spokenBefore(call, message, at);
  if (spoken === undefined) return { role: 'assistant', text: textOfContent(message.content) };
  const { said, transcript, model } = spoken;
  return said !== undefined && model === call.figures.model ? { role: 'assistant', said } : { role: 'assistant', text: transcript };
}

interface Answer {
  readonly call: Call;
  readonly model: TalkModel;
  readonly options: OpenTalkOptions;
  readonly turn: TalkTurn;
  readonly maxTokens: number | undefined;
  readonly keep: (said: readonly TalkEvent[]) => void;
}

async function* answer({ call, model, options, turn, maxTokens, keep }: Answer): AsyncGenerator<AnswerPiece, void, undefined> {
  let talk: TalkConversation | undefined;
  try {
    talk = model.open(options);
    for await (const piece of talk.say(turn, { maxTokens, signal: timedSignal(call) })) {
      call.figures.firstTokenMs ??= performance.now() - call.startedAt;
      if (piece.kind === 'text') yield piece;
      else if (piece.kind === 'samples') yield { kind: 'audio', samples: piece.samples, marks: [] };
      else {
        keep(talk.said);
        const { keptTokens, heardTokens, textTokens, frames } = piece.usage;
        const inputTokens = piece.usage.inputTokens + keptTokens;
        count(call, { prompt: inputTokens, completion: textTokens + frames });
        call.finishReasons.push(piece.reason);
        yield { kind: 'end', reason: piece.reason, usage: { inputTokens, cachedTokens: keptTokens, heardTokens, textTokens } };
      }
    }
  } catch (error) {
    const own = ownError(failureOfSoundPart(error, 'messages'), call);
    throw own instanceof InputError ? invalid(own.message, { param: 'messages', code: 'invalid_value' }) : own;
  } finally {
    talk?.close();
  }
}

function count(call: Call, { prompt, completion }: { readonly prompt: number; readonly completion: number }): void {
  countPrompt(call, { promptTokens: prompt, cachedTokens: 0 });
  const counts = call.state.metrics.of(call.figures.model as string);
  for (const each of [call.figures, counts]) each.completionTokens += completion;
}
