/** `/v1/audio/transcriptions` and `translations`: what models that hear make of a sound. */
import { openAudio } from '../../audio/open-audio.ts';
import type { AudioStream } from '../../audio/audio-stream.ts';
import type { SpeechModel } from '../../engine/speech/speech-model.ts';
import type { TranscribeOptions } from '../../engine/speech/transcribe-options.ts';
import type { ByteSource } from '../../tensor/byte-source.ts';
import { FormatError } from '../../tensor/errors.ts';
import { countTranscript, endTranscript } from '../answer-counter.ts';
import { timedSignal } from '../call.ts';
import type { Call } from '../call.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import { findSpeechModel } from '../find-model.ts';
import { ownError } from '../own-error.ts';
import { checkForm, transcribeOptions } from './audio-parameters.ts';
import type { TranscriptionParameters } from './audio-parameters.ts';
import { typed } from './decoding-parameters.ts';
import { failureEvents } from './error-form.ts';
import { durationUsage, transcriptResponse } from './transcript-answer.ts';

export function transcriptions(call: Call): Promise<Response> {
  return hear(call, 'transcribe');
}

export function translations(call: Call): Promise<Response> {
  return hear(call, 'translate');
}

async function hear(call: Call, task: 'transcribe' | 'translate'): Promise<Response> {
  const parameters = typed<TranscriptionParameters>(call.parameters);
  checkForm(parameters);
  const model = await findSpeechModel(call, parameters.model);
  const options = { ...transcribeOptions(parameters, task, model), onTokens: countTranscript(call) };
  const hearing: Hearing = { call, model, options };
  if (parameters.stream === true) return eventStream(call, segmentEvents(hearing), { failureEvents });
  const transcript = await withinCall(hearing, (signal, sound) => model.transcribe(sound, { ...options, signal }));
  endTranscript(call);
  const { languages } = model.info.abilities;
  return transcriptResponse({
    transcript, format: parameters.response_format ?? 'json', task, times: parameters.timestamp_granularities ?? ['segment'],
    onlyLanguage: languages.length === 1 ? languages[0] : undefined,
  });
}

interface Hearing {
  readonly call: Call;
  readonly model: SpeechModel;
  readonly options: TranscribeOptions;
}

/** The file's bytes are read as they are decoded, so that no more of a long sound than a piece is there as samples. */
function openFile(file: File, signal: AbortSignal): Promise<AudioStream> {
  const source: ByteSource = {
    // Names of files are the client's.
    name: 'file', sizeBytes: file.size,
    read: async (offset, into) => into.set(new Uint8Array(await file.slice(offset, offset + into.length).arrayBuffer())),
    close: async () => {},
  };
  return openAudio(source, { signal });
}

/** What a message repeats of a file that is no sound, and advises to those who have the option. */
const CONTENT = /a file that begins with "(?:[^"\\]|\\.)*"/;
const ADVICE = / To use what is there.*$/s;

/** A file that is no sound, or a damaged one, is the client's. */
function failureOfSound(error: unknown, call: Call): unknown {
  if (error instanceof FormatError)
    return invalid(error.message.replace(CONTENT, 'something else').replace(ADVICE, ''), { param: 'file', code: 'invalid_audio' });
  return ownError(error, call);
}

async function withinCall<Result>(
  { call }: Hearing, work: (signal: AbortSignal, sound: AudioStream) => Promise<Result>,
): Promise<Result> {
  const signal = timedSignal(call);
  try {
    return await work(signal, await openFile(call.file as File, signal));
  } catch (error) {
    throw failureOfSound(error, call);
  }
}

/** Each segment as a delta when it is heard, then all of it. */
async function* segmentEvents({ call, model, options }: Hearing): AsyncGenerator<string, void, undefined> {
  const signal = timedSignal(call);
  let [text, seconds] = ['', 0];
  const onProgress = ({ loaded }: { readonly loaded: number }): void => void (seconds = loaded);
  try {
    const sound = await openFile(call.file as File, signal);
    for await (const segment of model.segments(sound, { ...options, signal, onProgress })) {
      const delta = text === '' ? segment.text : ` ${segment.text}`;
      text += delta;
      yield dataEvent({ type: 'transcript.text.delta', delta });
    }
  } catch (error) {
    throw failureOfSound(error, call);
  }
  endTranscript(call);
  yield dataEvent({ type: 'transcript.text.done', text, usage: durationUsage(seconds) });
}
