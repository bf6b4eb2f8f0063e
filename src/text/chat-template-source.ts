/** Which chat template a model's files hold. */
import type { Checkpoint, JsonValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import type { ChatTemplate, RenderChatOptions } from './chat-template.ts';
import { jsonAsset } from './tokenizer-from-checkpoint.ts';
import { describeJson, isJsonObject } from '../tensor/json.ts';

/** Templates by name: "default", and others such as "tool_use". */
export type ChatTemplateSources = ReadonlyMap<string, string>;

/** Keys of a GGUF file's templates: the default one, or one with a name after a dot. */
const ggufKey = 'tokenizer.chat_template';
const defaultName = 'default';
const toolName = 'tool_use';

/**
 * The templates of a model: chat_template.jinja, which leaves no other, before tokenizer_config.json before GGUF metadata; empty
 * for a model that has none. @throws FormatError where they are not text
 */
export function chatTemplateSources(checkpoint: Checkpoint): ChatTemplateSources {
  const templates = new Map<string, string>();
  for (const [key, value] of checkpoint.metadata) {
    if (key !== ggufKey && !key.startsWith(`${ggufKey}.`)) continue;
    if (typeof value !== 'string') throw new FormatError(`${checkpoint.name}: ${key} should be a string.`);
    templates.set(key === ggufKey ? defaultName : key.slice(ggufKey.length + 1), value);
  }
  const own = checkpoint.assets.get('chat_template.jinja');
  if (own !== undefined) return new Map([[defaultName, own]]);
  const where = `${checkpoint.name}: tokenizer_config.json`;
  const settings = jsonAsset(checkpoint, 'tokenizer_config.json');
  for (const [name, template] of templatesOf(settings?.['chat_template'], where)) templates.set(name, template);
  return templates;
}

/** A string, or a list of { name, template }. */
function templatesOf(value: JsonValue | undefined, where: string): [string, string][] {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [[defaultName, value]];
  if (!Array.isArray(value)) throw new FormatError(`${where}: chat_template should be a string or a list, but is ${describeJson(value)}.`);
  return (value as readonly JsonValue[]).map((item, index) => {
    const { name, template } = isJsonObject(item) ? item : {};
    if (typeof name === 'string' && typeof template === 'string') return [name, template];
    throw new FormatError(`${where}: expected a name and a template at chat_template[${index}], found ${describeJson(item)}.`);
  });
}

/**
 * The model's template, ready to render, or undefined for a model without one. Where it has one for tools, that is used
 * when a list of tools is given, an empty one too. Rendering throws FormatError where none is the default.
 * @param explicit the source of a template to use instead
 */
export async function chatTemplateOf(checkpoint: Checkpoint, explicit?: string): Promise<ChatTemplate | undefined> {
  const sources = chatTemplateSources(checkpoint);
  if (sources.size === 0 && explicit === undefined) return undefined;
  const { parseChatTemplate } = await import('./chat-template.ts');
  if (explicit !== undefined) return parseChatTemplate(explicit, 'the chat template that was passed');
  const parsed = new Map<string, ChatTemplate>();
  const template = (name: string): ChatTemplate => {
    const known = parsed.get(name);
    if (known !== undefined) return known;
    const made = parseChatTemplate(sources.get(name)!, `${checkpoint.name}: the chat template "${name}"`);
    parsed.set(name, made);
    return made;
  };
  return {
    render(options: RenderChatOptions) {
      if (options.tools !== undefined && sources.has(toolName)) return template(toolName).render(options);
      if (sources.has(defaultName)) return template(defaultName).render(options);
      const names = [...sources.keys()].sort().map((name) => JSON.stringify(name.slice(0, 60)));
      throw new FormatError(
        `${checkpoint.name}: expected a chat template called "default", found ${names.join(', ')}. Pass a prompt instead of messages.`,
      );
    },
  };
}
