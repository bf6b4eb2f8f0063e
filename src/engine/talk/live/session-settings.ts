/** Settings of a session, checked against what its talker has. */
import { checkTurnOptions } from '../../../audio/turn-taking.ts';
import { SILERO_RATE, SILERO_SAMPLES } from '../../../audio/silero-frames.ts';
import { InputError } from '../../../tensor/errors.ts';
import { checkInteger, checkOptionNames, checkSwitch, describeValue } from '../../../tensor/option-names.ts';
import type { NamesOf } from '../../../tensor/option-names.ts';
import { turnsOf } from './session-ears.ts';
import type { SessionSettings, TalkerInfo } from './talker.ts';

const SETTINGS: NamesOf<SessionSettings> = {
  system: true, voice: true, speed: true, speaks: true, temperature: true, topK: true, topP: true, minP: true, seed: true, maxTokens: true,
  tools: true, toolChoice: true, priority: true, turns: true, answersTurns: true, isInterruptible: true,
  listensWhileSpeaking: true,
};
const SAMPLING = ['temperature', 'topK', 'topP', 'minP'] as const;

export interface SettingsHost {
  readonly info: TalkerInfo;
  readonly mostTurnSeconds: number;
}

/** @throws InputError for what cannot be meant, or what the talker does not have */
export function checkSessionSettings(settings: SessionSettings, { info, mostTurnSeconds }: SettingsHost): void {
  checkOptionNames(settings, SETTINGS, 'a session');
  const { abilities, name } = info;
  const { system, voice, speed, speaks, tools, toolChoice, turns, maxTokens, seed, priority } = settings;
  const lacks = (setting: string): InputError => new InputError(`${name} has no ${setting}: leave it out.`);
  for (const [key, value] of Object.entries({ system, voice }))
    if (value !== undefined && typeof value !== 'string') throw new InputError(`${key} must be a text, found ${describeValue(value)}.`);
  if (voice !== undefined && !abilities.voice) throw lacks('voice');
  if (speed !== undefined && !abilities.voice) throw lacks('speed');
  if (priority !== undefined && !abilities.priority) throw lacks('priority');
  if (speed !== undefined && !(typeof speed === 'number' && speed >= 0.25 && speed <= 4))
    throw new InputError(`speed must be a number from 0.25 to 4, found ${describeValue(speed)}.`);
  if ((tools !== undefined || toolChoice !== undefined) && !abilities.tools) throw lacks(tools === undefined ? 'toolChoice' : 'tools');
  if (speaks === true && !abilities.speaks) throw new InputError(`${name} has no voice: leave out speaks.`);
  if (speaks === false && !abilities.textAlone) throw new InputError(`${name} speaks all that it says: leave out speaks.`);
  for (const sampling of SAMPLING) {
    if (settings[sampling] !== undefined && !abilities.sampling.includes(sampling)) throw lacks(sampling);
  }
  for (const key of ['speaks', 'answersTurns', 'isInterruptible', 'listensWhileSpeaking'] as const) checkSwitch(key, settings[key]);
  checkInteger('maxTokens', maxTokens, { min: 1 });
  checkInteger('seed', seed, { min: 0 });
  if (turns !== undefined && turns !== 'none') checkTurns(turns, mostTurnSeconds);
}

function checkTurns(turns: Exclude<SessionSettings['turns'], 'none' | undefined>, mostTurnSeconds: number): void {
  if (typeof turns !== 'object' || turns === null) throw new InputError(`turns must be "none" or options, found ${describeValue(turns)}.`);
  checkTurnOptions(turnsOf(turns, mostTurnSeconds));
  const frameMs = (1000 * SILERO_SAMPLES) / SILERO_RATE;
  if (turns.frameMs !== undefined && turns.frameMs !== frameMs)
    throw new InputError(`turns.frameMs is ${frameMs} for this detector: leave it out.`);
  if ((turns.maxTurnMs ?? 0) > 1000 * mostTurnSeconds)
    throw new InputError(`turns.maxTurnMs must be at most ${1000 * mostTurnSeconds}, found ${turns.maxTurnMs}.`);
}
