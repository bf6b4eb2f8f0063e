/** Whether, and how, a chat's answer is to be spoken. */
import { invalid } from '../failure.ts';
import type { ChatParameters } from './chat-parameters.ts';
import { FORMATS } from './spoken-parameters.ts';
import type { SpokenFormat } from './spoken-parameters.ts';

const refuse = (param: string, why: string) => invalid(`${param} is not obeyed here: ${why}`, { param, code: 'unsupported_parameter' });

/** What a spoken answer has none of. */
const NOT_SPOKEN: readonly (keyof ChatParameters)[] = ['logprobs', 'return_token_ids'];

/** How an answer is to be spoken; undefined where it is text alone. @throws Failure (400) for what does not go together */
export function spokenOf(parameters: ChatParameters): { readonly voice: string | undefined; readonly format: SpokenFormat } | undefined {
  const { modalities = ['text'], audio, stream, n } = parameters;
  if (!modalities.includes('audio')) {
    if (audio !== undefined) throw invalid('audio is for modalities ["text", "audio"].', { param: 'audio', code: 'invalid_value' });
    return undefined;
  }
  if (!modalities.includes('text')) throw refuse('modalities', 'what is spoken is told as text too. Ask for ["text", "audio"].');
  if (audio === undefined)
    throw invalid('Missing required parameter: audio. It says how the answer is to be spoken.', {
      param: 'audio', code: 'missing_required_parameter',
    });
  const format = FORMATS.find((one) => one === audio.format);
  if (format === undefined)
    throw refuse('audio.format', `${audio.format} needs an encoder that this server does not have: ask for wav or pcm16.`);
  if (stream === true && format !== 'pcm16') throw refuse('audio.format', 'an answer that is streamed is sent as pcm16.');
  if ((n ?? 1) > 1) throw refuse('n', 'one answer is spoken. Leave it out.');
  const other = NOT_SPOKEN.find((name) => parameters[name] !== undefined && parameters[name] !== false);
  if (other !== undefined) throw refuse(other, 'a spoken answer has none. Leave it out.');
  const voice = typeof audio.voice === 'object' ? audio.voice.id : audio.voice;
  return { voice: voice === 'default' ? undefined : voice, format };
}
