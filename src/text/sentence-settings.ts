/** What sentence-transformers does with a text before the tokenizer has it: sentence_bert_config.json. */
import type { Checkpoint, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { describeJson } from '../tensor/json.ts';
import { jsonAsset } from './tokenizer-from-checkpoint.ts';

export interface SentenceSettings {
  /** Texts and their prompts become lower case. */
  readonly lowerCase: boolean;
  /** What the file asks for and does not get. */
  readonly warnings: readonly string[];
}

const FILE = 'sentence_bert_config.json';
const OBEYED = ['max_seq_length', 'do_lower_case'];
/** How its own code runs the model. */
const HARMLESS = ['transformer_task', 'modality_config', 'module_output_name', 'unpad_inputs'];

/**
 * A length is told and not applied, as that of a tokenizer.json: a text that is cut in silence helps nobody.
 * @throws FormatError for settings of another type
 */
export function sentenceSettings(checkpoint: Checkpoint): SentenceSettings {
  const settings = jsonAsset(checkpoint, FILE) ?? {};
  const where = `${checkpoint.name}: ${FILE}`;
  const { max_seq_length: most = null, do_lower_case: lowerCase = null } = settings;
  if (lowerCase !== null && typeof lowerCase !== 'boolean')
    throw new FormatError(`${where}: do_lower_case must be true or false, found ${describeJson(lowerCase)}.`);
  if (most !== null && !(typeof most === 'number' && Number.isSafeInteger(most) && most >= 1))
    throw new FormatError(`${where}: max_seq_length must be an integer of at least 1, found ${describeJson(most)}.`);
  const positions = checkpoint.config?.['max_position_embeddings'];
  const isShort = typeof most === 'number' && !(typeof positions === 'number' && positions <= most);
  const length = `${where}: max_seq_length ${most} is not applied: sentence-transformers cuts longer texts; here they stay whole.`;
  return { lowerCase: lowerCase === true, warnings: [...(isShort ? [length] : []), ...unknownWarnings(settings, where)] };
}

function unknownWarnings(settings: Readonly<Record<string, JsonValue | undefined>>, where: string): readonly string[] {
  const asks = (value: JsonValue | undefined) =>
    value !== null && value !== undefined && value !== false && !(typeof value === 'object' && Object.keys(value).length === 0);
  const unknown = Object.entries(settings).filter(([key, value]) => ![...OBEYED, ...HARMLESS].includes(key) && asks(value));
  const named = unknown.slice(0, 6).map(([key, value]) => `${key.slice(0, 80)} (${describeJson(value)})`).join(', ');
  return unknown.length === 0 ? [] : [`${where}: not known here and not used: ${named}.`];
}
