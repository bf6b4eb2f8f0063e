/** Names of models that are no paths: ids of the Hugging Face hub, and the short names of a small table. Pure functions. */
import { InputError } from '../../tensor/errors.ts';
import { nearestNames } from '../../tensor/near-names.ts';
import { SHORT_NAMES } from './short-names.ts';

export interface ModelId {
  /** `owner/name` on the hub. */
  readonly repository: string;
  /** As written: the type of a GGUF file's weights (`Q4_K_M`), or a part of the name of the file that is meant. */
  readonly quantization?: string | undefined;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** The name of the table that it was written as. */
  readonly shortName?: string | undefined;
}

export const MAIN_REVISION = 'main';

const PREFIX = 'hf:';
/** The hub's own rules for names: letters, digits, `-`, `_`, `.`; no `--` and no `..`; at most 96 characters. */
const REPOSITORY = /^(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95}$/;
const REVISION = /^(?!.*\.\.)[\w][\w./-]{0,199}$/;
/** Paths end so, and a repository hardly ever. */
const FILE_ENDING = /\.(gguf|safetensors|json|bin|wav|txt|jinja)$/i;

/**
 * Reads `owner/name`, `owner/name:QUANT`, `owner/name@REVISION`, both, or a short name (`qwen3:4b`, `qwen3:4b:Q8_0`), with or without
 * `hf:` before it.
 * @returns undefined for what can only be a path
 * @throws InputError for what follows `hf:` and is none
 */
export function parseModelId(text: string): ModelId | undefined {
  const isNamed = text.startsWith(PREFIX);
  const found = idOf(isNamed ? text.slice(PREFIX.length) : text);
  if (isNamed && found === undefined) {
    const near = nearestNames(text.slice(PREFIX.length), Object.keys(SHORT_NAMES))[0];
    throw new InputError(
      `${text} is not an id of the hub: expected hf:OWNER/NAME, with :QUANT or @REVISION after it if you like.` +
        (near === undefined ? '' : ` Did you mean ${near}?`),
    );
  }
  return found;
}

function idOf(text: string): ModelId | undefined {
  const at = text.indexOf('@');
  const revision = at < 0 ? MAIN_REVISION : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  if (!REVISION.test(revision)) return undefined;
  const short = shortNameOf(named);
  if (short !== undefined) return { ...short, revision };
  const colon = named.indexOf(':');
  const repository = colon < 0 ? named : named.slice(0, colon);
  const quantization = colon < 0 ? undefined : named.slice(colon + 1);
  if (!REPOSITORY.test(repository) || FILE_ENDING.test(repository)) return undefined;
  if (quantization !== undefined && !/^[\w.-]{1,100}$/.test(quantization)) return undefined;
  return { repository, quantization, revision };
}

/** `qwen3:4b`, and `qwen3:4b:Q8_0`. */
function shortNameOf(text: string): Omit<ModelId, 'revision'> | undefined {
  const lower = text.toLowerCase();
  const shortName = Object.keys(SHORT_NAMES).find((name) => lower === name || lower.startsWith(`${name}:`));
  if (shortName === undefined) return undefined;
  const quantization = text.slice(shortName.length + 1);
  if (quantization !== '' && !/^[\w.-]{1,100}$/.test(quantization)) return undefined;
  return { repository: SHORT_NAMES[shortName]!, quantization: quantization === '' ? undefined : quantization, shortName };
}

/** As a person would write it. */
export function printModelId({ repository, quantization, revision }: ModelId): string {
  return repository + (quantization === undefined ? '' : `:${quantization}`) + (revision === MAIN_REVISION ? '' : `@${revision}`);
}

/** The model whose page on the hub a URL is: `https://huggingface.co/OWNER/NAME`. */
export function hubPageOf(text: string): ModelId | undefined {
  const path = /^https:\/\/huggingface\.co\/([^/?#]+\/[^/?#]+)\/?$/i.exec(text)?.[1];
  return path === undefined ? undefined : parseModelId(path);
}
