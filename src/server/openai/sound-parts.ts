/** Parts of messages that are sounds: their bytes as a stream of samples, and what was said in them. */
import { openAudioPieces } from '../../audio/open-audio.ts';
import type { AudioStream } from '../../audio/audio-stream.ts';
import type { SpeechModel } from '../../engine/speech/speech-model.ts';
import { FormatError } from '../../tensor/errors.ts';
import { countTranscript } from '../answer-counter.ts';
import { fromBase64 } from '../base64.ts';
import { timedSignal } from '../call.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { findAnyModel } from '../find-model.ts';
import { ownError } from '../own-error.ts';
import type { SpokenAnswer } from '../spoken-answers.ts';
import type { RequestContent } from '../images/request-content.ts';
import type { ChatPart, ChatRequestMessage, RequestMessage } from './chat-parameters.ts';
import type { SoundPart } from './sound-part.ts';

export function isSound(part: ChatPart): part is SoundPart {
  return 'input_audio' in part;
}

/** The sounds among a message's parts, and where they stand. */
export function soundsOf({ content }: ChatRequestMessage, at: string): { readonly part: SoundPart; readonly at: string }[] {
  if (!Array.isArray(content)) return [];
  return (content as readonly ChatPart[]).flatMap((part, index) => (isSound(part) ? [{ part, at: `${at}.content[${index}]` }] : []));
}

/** First bytes of each format. */
const BEGINNINGS: Readonly<Record<SoundPart['input_audio']['format'], RegExp>> = {
  wav: /^(RIFF|RF64)/, mp3: /^(ID3|\u00ff[\u00e0-\u00ff])/, flac: /^fLaC/, ogg: /^OggS/,
};

/** @throws Failure (400) for what is no sound of its format */
export async function openSoundPart({ input_audio: { data, format } }: SoundPart, at: string): Promise<AudioStream> {
  const bytes = fromBase64(data, `${at}.input_audio.data`);
  if (!BEGINNINGS[format].test(String.fromCharCode(...bytes.subarray(0, 4))))
    throw invalid(`${at}.input_audio.data does not begin as a sound of the format ${format} does.`, {
      param: `${at}.input_audio.data`, code: 'invalid_audio',
    });
  try {
    return await openAudioPieces(pieceOf(bytes), 'sound');
  } catch (error) {
    throw failureOfSoundPart(error, at);
  }
}

async function* pieceOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Damage further in is found as the sound is read. */
export function failureOfSoundPart(error: unknown, at: string): unknown {
  if (!(error instanceof FormatError)) return error;
  return invalid(`${at}: ${error.message.replace(/ To use what is there.*$/s, '')}`, {
    param: `${at}.input_audio.data`, code: 'invalid_audio',
  });
}

/** The answer that a message of the assistant's names. @throws Failure (400) where it is not there any more */
export function spokenBefore({ state, holder }: Call, { audio }: ChatRequestMessage, at: string): SpokenAnswer | undefined {
  if (audio === undefined || audio === null) return undefined;
  const found = state.spoken.get(audio.id, holder?.keyId);
  if (found !== undefined) return found;
  throw invalid(`${at}.audio.id is no spoken answer that is kept here: they are for an hour. Send what it said as content.`, {
    param: `${at}.audio.id`, code: 'audio_not_found',
  });
}

/** Messages without sound: sounds as what the server's ears hear in them, spoken answers as their transcripts. @throws Failure */
export async function textMessages(call: Call, messages: readonly ChatRequestMessage[]): Promise<readonly RequestMessage[]> {
  const hear = createHearing(call);
  const texts: RequestMessage[] = [];
  for (const [index, message] of messages.entries()) {
    const at = `messages[${index}]`;
    const spoken = spokenBefore(call, message, at);
    const { audio: _audio, ...rest } = message;
    if (spoken !== undefined) texts.push({ ...rest, content: spoken.transcript });
    else texts.push({ ...rest, content: await textContent(message, at, hear) });
  }
  return texts;
}

async function textContent(
  { content }: ChatRequestMessage, at: string, hear: (part: SoundPart, at: string) => Promise<string>,
): Promise<RequestContent> {
  if (content === null || content === undefined || typeof content === 'string') return content;
  const parts: Exclude<ChatPart, SoundPart>[] = [];
  for (const [index, part] of content.entries())
    parts.push(isSound(part) ? { text: await hear(part, `${at}.content[${index}]`) } : part);
  return parts;
}

/** Hears one sound after another. Its model is asked for by the first. */
function createHearing(call: Call): (part: SoundPart, at: string) => Promise<string> {
  let ears: Promise<SpeechModel> | undefined;
  const find = async (at: string): Promise<SpeechModel> => {
    const { ears: name } = call.state.speech;
    if (name === undefined)
      throw invalid(`${at} is a sound, and the server has no model that hears: send text.`, { param: at, code: 'unsupported_content' });
    return (await findAnyModel(call, name)) as SpeechModel;
  };
  return async (part, at) => {
    const asked = call.figures.model;
    try {
      const model = await (ears ??= find(at));
      const sound = await openSoundPart(part, at);
      call.figures.model = call.state.speech.ears;
      return (await model.transcribe(sound, { onTokens: countTranscript(call), signal: timedSignal(call) })).text;
    } catch (error) {
      throw ownError(failureOfSoundPart(error, at), call);
    } finally {
      call.figures.model = asked;
    }
  };
}
