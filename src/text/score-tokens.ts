/** The tokens whose logits make the score of a reranker that sentence-transformers wrote: the settings of its module LogitScore. */
import type { Checkpoint, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { describeJson } from '../tensor/json.ts';
import { parseModules } from '../tensor/sentence-modules.ts';
import { jsonAsset } from './tokenizer-from-checkpoint.ts';

export interface ScoreTokens {
  readonly yes: number;
  /** Undefined: the score is the logit of `yes` alone. */
  readonly no: number | undefined;
}

/** Undefined for a model without that module. @throws FormatError for settings that are no tokens, or missing */
export function scoreTokens(checkpoint: Checkpoint): ScoreTokens | undefined {
  const list = checkpoint.assets.get('modules.json');
  const modules = list === undefined ? [] : parseModules(list, `${checkpoint.name}: modules.json`);
  const module = modules.find(({ type }) => type === 'LogitScore');
  if (module === undefined) return undefined;
  const settings = jsonAsset(checkpoint, `${module.path}/config.json`);
  const where = `${checkpoint.name}: ${module.path}/config.json`;
  if (settings === undefined) throw new FormatError(`${where}: expected it, as modules.json names it, found none.`);
  const token = (key: string, value: JsonValue | undefined): number => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw new FormatError(`${where}: ${key} must be the id of a token, found ${value === undefined ? 'none' : describeJson(value)}.`);
  };
  const { true_token_id: yes, false_token_id: no = null } = settings;
  return { yes: token('true_token_id', yes), no: no === null ? undefined : token('false_token_id', no) };
}
