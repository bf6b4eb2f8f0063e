/** The settings of a session: what holds, what a client changes of it, and what the talker makes of that. */
import type { TurnOptions } from '../../audio/turn-taking.ts';
import type { AnswerSettings, SessionSettings, TalkerInfo } from '../../engine/talk/live/talker.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { invalid } from '../failure.ts';
import { REALTIME_RATE } from './session-parameters.ts';

export interface TurnDetection {
  readonly type: 'server_vad';
  readonly threshold: number;
  readonly prefix_padding_ms: number;
  readonly silence_duration_ms: number;
  readonly create_response: boolean;
  readonly interrupt_response: boolean;
}

type ToolChoiceJson = 'none' | 'auto' | 'required' | { readonly type: 'function'; readonly name: string };

/** Of an answer. */
export interface AnswerConfig {
  /** Undefined: the talker's own. */
  readonly instructions: string | undefined;
  readonly modality: 'text' | 'audio';
  /** As clients have them. */
  readonly tools: readonly JsonObject[];
  readonly toolChoice: ToolChoiceJson;
  readonly mostTokens: number | 'inf';
  readonly temperature: number | undefined;
  readonly voice: string | undefined;
}

export interface SessionConfig extends AnswerConfig {
  /** It hears and answers nothing. */
  readonly isTranscription: boolean;
  readonly speed: number;
  /** Undefined: commit alone ends a turn. */
  readonly turns: TurnDetection | undefined;
  /** Whether what was heard is told; its model as the client named it. */
  readonly transcription: { readonly model: string } | undefined;
}

/** What a session can do. */
export interface SessionAbilities {
  /** As the session was opened with it. */
  readonly model: string;
  readonly info: TalkerInfo;
  /** Names of the model that hears; none where the model hears itself. */
  readonly ears: readonly string[];
  /** It was opened to hear alone: it never answers. */
  readonly isListener: boolean;
  /** Of its answers, among those of a model that wait. */
  readonly priority: number;
}

const TURNS: TurnDetection = {
  type: 'server_vad', threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500, create_response: true, interrupt_response: true,
};

export function firstConfig({ info: { abilities }, ears, isListener }: SessionAbilities): SessionConfig {
  return {
    instructions: undefined, modality: abilities.speaks ? 'audio' : 'text', tools: [], toolChoice: 'auto', mostTokens: 'inf',
    temperature: undefined, voice: undefined, speed: 1, turns: abilities.hears ? TURNS : undefined,
    transcription: isListener ? { model: ears[0]! } : undefined, isTranscription: isListener,
  };
}

const refused = (param: string, why: string) => invalid(`${param} is not obeyed here: ${why}`, { param, code: 'unsupported_parameter' });

function objectAt(value: JsonValue | undefined, name: string): JsonObject {
  const inside = isJsonObject(value as JsonValue) ? (value as JsonObject)[name] : undefined;
  return isJsonObject(inside as JsonValue) ? (inside as JsonObject) : {};
}

function checkFormat(format: JsonValue | undefined, at: string): void {
  const type = isJsonObject(format as JsonValue) ? (format as JsonObject)['type'] : undefined;
  if (type !== undefined && type !== 'audio/pcm') throw refused(`${at}.type`, 'sound is audio/pcm at 24,000 Hz.');
}

/** @throws Failure (400) for what this session's talker does not have */
function checkAnswer(config: AnswerConfig, { info }: SessionAbilities, at: string): void {
  const { abilities } = info;
  if (config.modality === 'audio' && !abilities.speaks)
    throw refused(`${at}.output_modalities`, 'the server has no model that speaks. Ask for ["text"].');
  if (config.modality === 'text' && !abilities.textAlone) throw refused(`${at}.output_modalities`, 'the model answers with speech.');
  if (config.tools.length > 0 && !abilities.tools) throw refused(`${at}.tools`, 'the model calls no functions. Leave them out.');
  if (config.toolChoice !== 'auto' && config.toolChoice !== 'none' && config.tools.length === 0)
    throw invalid('tool_choice asks for a call, and there are no tools.', { param: `${at}.tool_choice`, code: 'invalid_value' });
  if (config.temperature !== undefined && !abilities.sampling.includes('temperature'))
    throw refused(`${at}.temperature`, 'the model draws by its own settings.');
  if (config.voice !== undefined && abilities.voices.length > 0 && !voicesIn(config.voice).every((one) => abilities.voices.includes(one)))
    throw invalid(`There is no such voice: there are ${abilities.voices.join(', ')}.`, {
      param: `${at}.audio.output.voice`, code: 'invalid_value',
    });
  if (config.voice !== undefined && !abilities.voice)
    throw refused(`${at}.audio.output.voice`, 'there is one voice, or none. Leave it out.');
}

/** Of a blend: `af_heart:2,af_bella`. */
function voicesIn(voice: string): string[] {
  return voice.split(',').map((one) => one.split(':')[0]!.trim());
}

/** What of an answer's settings is given. */
function answerConfig(given: JsonObject, before: AnswerConfig): AnswerConfig {
  const { voice } = objectAt(given['audio'], 'output');
  const [modality] = (given['output_modalities'] ?? []) as readonly ('text' | 'audio')[];
  return {
    instructions: (given['instructions'] as string | undefined) ?? before.instructions,
    modality: modality ?? before.modality,
    tools: (given['tools'] as readonly JsonObject[] | undefined) ?? before.tools,
    toolChoice: (given['tool_choice'] as ToolChoiceJson | undefined) ?? before.toolChoice,
    mostTokens: (given['max_output_tokens'] as number | 'inf' | undefined) ?? before.mostTokens,
    temperature: (given['temperature'] as number | undefined) ?? before.temperature,
    voice: isJsonObject(voice as JsonValue) ? ((voice as JsonObject)['id'] as string) : ((voice as string | undefined) ?? before.voice),
  };
}

/** @throws Failure (400) by name */
export function responseConfig(given: JsonObject, before: SessionConfig, abilities: SessionAbilities): SessionConfig {
  checkFormat(objectAt(given['audio'], 'output')['format'], 'response.audio.output.format');
  const config = { ...before, ...answerConfig(given, before) };
  checkAnswer(config, abilities, 'response');
  return config;
}

function turnsOf(given: JsonObject, raw: JsonObject, before: TurnDetection | undefined): TurnDetection | undefined {
  if (raw['turn_detection'] === null) return undefined;
  const turns = given['turn_detection'];
  if (turns === undefined) return before;
  if ((turns as JsonObject)['type'] === 'semantic_vad')
    throw refused('session.audio.input.turn_detection.type', 'turns end by silence: say server_vad.');
  return { ...TURNS, ...(turns as Partial<TurnDetection>) };
}

/**
 * @param given what is obeyed of `session`
 * @param raw `session` as it was sent
 * @throws Failure (400) by name; nothing is changed then
 */
export function updatedConfig(
  { given, raw }: { readonly given: JsonObject; readonly raw: JsonObject }, before: SessionConfig, abilities: SessionAbilities,
): SessionConfig {
  const [input, output] = [objectAt(given['audio'], 'input'), objectAt(given['audio'], 'output')];
  const rawInput = objectAt(raw['audio'], 'input');
  const isTranscription = given['type'] === 'transcription' || (abilities.isListener && given['type'] === undefined);
  if (!isTranscription && abilities.isListener)
    throw refused('session.type', 'the session was opened with intent=transcription. Say transcription, or open another.');
  if (isTranscription) checkTranscription(given, abilities);
  if (isTranscription && rawInput['transcription'] === null)
    throw refused('session.audio.input.transcription', 'a session of transcription tells nothing else. Name a model, or leave it out.');
  if (given['model'] !== undefined && given['model'] !== abilities.model)
    throw refused('session.model', `this session was opened with ${abilities.model}; open another.`);
  checkFormat(input['format'], 'session.audio.input.format');
  checkFormat(output['format'], 'session.audio.output.format');
  const config: SessionConfig = {
    ...answerConfig(given, before),
    isTranscription,
    speed: (output['speed'] as number | undefined) ?? before.speed,
    turns: turnsOf(input, rawInput, before.turns),
    transcription: transcriptionOf(input, rawInput, { before: before.transcription ?? (isTranscription ? {} : undefined), abilities }),
  };
  const { hears, voice: hasVoice } = abilities.info.abilities;
  if (config.turns !== undefined && !hears)
    throw refused('session.audio.input.turn_detection', 'the server has no model that hears. Say null, and send text.');
  if (config.speed !== 1 && !hasVoice) throw refused('session.audio.output.speed', 'what speaks here has one speed. Leave it out.');
  checkAnswer(config, abilities, 'session');
  return config;
}

/** What a session of transcription may say. */
const OF_TRANSCRIPTION = ['type', 'audio', 'include'];

/** @throws Failure (400) for what is of sessions that answer, and where nothing tells what was said */
function checkTranscription(given: JsonObject, { ears, info }: SessionAbilities): void {
  if (!info.abilities.transcripts || ears.length === 0)
    throw refused('session.type', 'nothing here tells what was said as text in this session. Say realtime.');
  const other = Object.keys(given).find((name) => !OF_TRANSCRIPTION.includes(name));
  if (other !== undefined) throw refused(`session.${other}`, 'a session of transcription answers nothing. Leave it out.');
  if (isJsonObject(given['audio'] as JsonValue) && (given['audio'] as JsonObject)['output'] !== undefined)
    throw refused('session.audio.output', 'a session of transcription answers nothing. Leave it out.');
}

function transcriptionOf(
  input: JsonObject, raw: JsonObject,
  { before, abilities }: { readonly before: { readonly model?: string } | undefined; readonly abilities: SessionAbilities },
): SessionConfig['transcription'] {
  if (raw['transcription'] === null) return undefined;
  const given = (input['transcription'] as { readonly model?: string } | undefined) ?? before;
  if (given === undefined) return undefined;
  const { ears, info } = abilities;
  if (!info.abilities.transcripts || ears.length === 0)
    throw refused('session.audio.input.transcription', 'nothing here tells what was said as text in this session. Say null.');
  if (given.model !== undefined && !ears.includes(given.model))
    throw refused('session.audio.input.transcription.model', `what hears here is ${ears[0]}. Name it, or leave it out.`);
  return { model: given.model ?? ears[0]! };
}

/** For the talker. @param most tokens that the server gives an answer */
export function answerSettings(config: SessionConfig, { info: { abilities }, priority }: SessionAbilities, most: number): AnswerSettings {
  const { instructions, modality, tools, toolChoice, mostTokens, temperature, voice, speed } = config;
  const maxTokens = Math.min(mostTokens === 'inf' ? Infinity : mostTokens, most);
  return {
    system: instructions, voice, temperature,
    speed: abilities.voice ? speed : undefined,
    speaks: abilities.textAlone && abilities.speaks ? modality === 'audio' : undefined,
    priority: abilities.priority ? priority : undefined,
    maxTokens: maxTokens === Infinity ? undefined : maxTokens,
    tools: tools.length === 0 ? undefined : tools.map(toolOf),
    toolChoice: tools.length === 0 ? undefined : typeof toolChoice === 'object' ? { name: toolChoice.name } : toolChoice,
  };
}

function toolOf({ type: _type, ...described }: JsonObject): JsonObject {
  return { type: 'function', function: Object.fromEntries(Object.entries(described).filter(([, value]) => value !== null)) };
}

/** Speech that is more than a click. */
const SPEECH_MS = 96;

/** @param before what held: turns go on where they are not otherwise now */
export function sessionSettings(
  config: SessionConfig, abilities: SessionAbilities, { most, before }: { readonly most: number; readonly before?: SessionConfig },
): SessionSettings {
  const { turns } = config;
  return {
    ...answerSettings(config, abilities, most),
    answersTurns: false,
    isInterruptible: turns?.interrupt_response ?? false,
    ...(before !== undefined && isAlikeTurns(turns, before.turns) ? {} : { turns: turns === undefined ? 'none' : optionsOf(turns) }),
  };
}

function isAlikeTurns(one: TurnDetection | undefined, other: TurnDetection | undefined): boolean {
  return JSON.stringify(one === undefined ? null : optionsOf(one)) === JSON.stringify(other === undefined ? null : optionsOf(other));
}

function optionsOf({ threshold, prefix_padding_ms: preRollMs, silence_duration_ms: endSilenceMs }: TurnDetection): TurnOptions {
  // Clients are told of speech as soon as it is some, and an answer that is being given ends with it.
  return { threshold, preRollMs, endSilenceMs, minSpeechMs: SPEECH_MS, bargeInMs: SPEECH_MS };
}

const FORMAT = { type: 'audio/pcm', rate: REALTIME_RATE };

/** As clients read it. */
export function sessionJson(
  config: SessionConfig, { model }: SessionAbilities, more: { readonly id: string; readonly expires_at: number },
): object {
  const { instructions, modality, tools, toolChoice, mostTokens, temperature, voice, speed, turns, transcription } = config;
  const input = {
    format: FORMAT, transcription: transcription ?? null, noise_reduction: null,
    turn_detection: turns === undefined ? null : { ...turns, idle_timeout_ms: null },
  };
  if (config.isTranscription)
    return { type: 'transcription', object: 'realtime.transcription_session', ...more, include: null, audio: { input } };
  return {
    type: 'realtime', object: 'realtime.session', ...more, model, output_modalities: [modality],
    ...(instructions === undefined ? {} : { instructions }), tools, tool_choice: toolChoice,
    max_output_tokens: mostTokens, ...(temperature === undefined ? {} : { temperature }), tracing: null, prompt: null, include: null,
    truncation: 'disabled',
    audio: {
      input,
      output: { format: FORMAT, voice: voice ?? null, speed },
    },
  };
}
