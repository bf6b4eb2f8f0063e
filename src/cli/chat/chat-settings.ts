/** `/set`: the options of a generation under the names and rules that they have on the command line. */
import { Command, InvalidArgumentError } from 'commander';
import type { Option } from 'commander';
import type { ChatOptions } from '../../engine/api.ts';
import { addGenerationOptions, decodingOptions } from '../generation-options.ts';
import { closestTo } from '../suggestions.ts';
import { tableLines } from '../text-table.ts';

/** A setting: its name here, in the library, and the option that reads its values. */
interface Setting {
  readonly name: string;
  readonly key: keyof ChatOptions;
  readonly option: Option;
}

/** What the library calls otherwise. */
const KEYS: Readonly<Record<string, keyof ChatOptions>> = { ban: 'bannedTexts' };

/** Those of the command line's options that say how an answer is decoded, and that a text can say. */
function settingsOf(): readonly Setting[] {
  const decoding = Object.keys(decodingOptions({ think: true }));
  return addGenerationOptions(new Command()).options.flatMap((option) => {
    const key = KEYS[option.attributeName()] ?? (option.attributeName() as keyof ChatOptions);
    return decoding.includes(key) ? [{ name: option.long!.slice(2), key, option }] : [];
  });
}

export const SETTING_NAMES: readonly string[] = settingsOf().map(({ name }) => name);

/** What `/set` does: says something, or names other options to go on with. */
export type SettingChange = { readonly say: string } | { readonly say: string; readonly options: ChatOptions };

/** @param text behind `/set`: nothing, a name, or a name and a value (`default` takes the model's own) */
export function changeSetting(text: string, options: ChatOptions): SettingChange {
  const settings = settingsOf();
  if (text === '') return { say: tableLines(settings.map(({ name, key }) => [`  ${name}`, shownValue(options[key])])).join('\n') };
  const [, written, value] = /^(\S+?)(?:\s*=\s*|\s+|$)(.*)$/s.exec(text) as unknown as [string, string, string];
  const wanted = plain(written);
  const setting = settings.find(({ name }) => plain(name) === wanted);
  if (setting === undefined) {
    const near = closestTo(written, SETTING_NAMES) ?? SETTING_NAMES.find((name) => name.startsWith(written));
    return { say: `there is no setting ${written}.${near === undefined ? '' : ` Did you mean ${near}?`} /set lists those there are.` };
  }
  const { name, key } = setting;
  if (value === '') return { say: `${name} is ${shownValue(options[key])}` };
  if (value === 'default') return { say: `${name} is the model's own`, options: { ...options, [key]: undefined } };
  try {
    const read = setting.option.parseArg as (given: string, before: unknown) => unknown;
    const parsed = read(unquoted(value), undefined);
    return { say: `${name} is ${shownValue(parsed)}`, options: { ...options, [key]: parsed } };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return { say: `${name} stays ${shownValue(options[key])}: ${error.message}` };
  }
}

/** `top_k`, `topK` and `top-k` are one. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '');
}

function unquoted(text: string): string {
  return /^(["']).*\1$/s.test(text) ? text.slice(1, -1) : text;
}

function shownValue(value: unknown): string {
  if (value === undefined) return "the model's own";
  return typeof value === 'string' || typeof value === 'number' ? String(value) : JSON.stringify(value);
}
