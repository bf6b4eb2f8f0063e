/** Chat templates and sampling defaults of a Hugging Face folder as GGUF keys. */
import type { AssetName, JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import { float32, int32, string, strings } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';

/** chat_template.jinja goes before tokenizer_config.json, whose template may be one text or several with names. */
export function chatTemplateMetadata(assets: ReadonlyMap<AssetName, string>, settings: JsonObject): GgufMetadata {
  const metadata: GgufMetadata = new Map();
  const own = assets.get('chat_template.jinja');
  const listed = settings['chat_template'];
  if (own !== undefined) {
    metadata.set('tokenizer.chat_template', string(own));
  } else if (typeof listed === 'string') {
    metadata.set('tokenizer.chat_template', string(listed));
  }
  if (!Array.isArray(listed)) return metadata;
  const names: string[] = [];
  for (const { name, template } of listed as readonly JsonObject[]) {
    if (typeof name !== 'string' || typeof template !== 'string') continue;
    if (name !== 'default') {
      names.push(name);
      metadata.set(`tokenizer.chat_template.${name}`, string(template));
    } else if (own === undefined) {
      metadata.set('tokenizer.chat_template', string(template));
    }
  }
  if (names.length > 0) metadata.set('tokenizer.chat_templates', strings(names));
  return metadata;
}

/**
 * The sampling settings of generation_config.json under `general.sampling.*`, as llama.cpp names them. Where it says that
 * nothing is sampled, that is temperature 0, and only its penalty is meant to be used beside.
 */
export function samplingMetadata(generation: JsonObject): GgufMetadata {
  const metadata: GgufMetadata = new Map();
  const put = (key: string, value: JsonValue | undefined, typed: typeof float32) => {
    if (typeof value === 'number' && Number.isFinite(value)) metadata.set(`general.sampling.${key}`, typed(value));
  };
  const isGreedy = generation['do_sample'] === false;
  put('temp', isGreedy ? 0 : generation['temperature'], float32);
  if (!isGreedy) {
    if (Number.isInteger(generation['top_k'])) put('top_k', generation['top_k'], int32);
    put('top_p', generation['top_p'], float32);
    put('min_p', generation['min_p'], float32);
  }
  put('penalty_repeat', generation['repetition_penalty'], float32);
  return metadata;
}
