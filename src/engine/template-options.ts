/** What goes to the chat template beside the messages: checked, and refused where the model's template would not look at it. */
import { InputError } from '../tensor/errors.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
import { checkSwitch, describeValue } from '../tensor/option-names.ts';
import type { TemplateOptions } from './api.ts';

/** Variables that the engine itself sets: in templateVariables they would contradict it. */
const OWN_VARIABLES: Readonly<Record<string, string>> = {
  messages: 'pass messages',
  tools: 'pass tools',
  add_generation_prompt: 'the turn of the assistant is always opened',
  bos_token: "it is the tokenizer's",
  eos_token: "it is the tokenizer's",
};

/** Whether a word stands anywhere in the model's templates; undefined where that is not known. */
export type TemplateReads = ((word: string) => boolean) | undefined;

function checkTools(tools: TemplateOptions['tools']): void {
  if (tools === undefined) return;
  if (!Array.isArray(tools))
    throw new InputError(`tools must be an array of JSON descriptions of functions, found ${describeValue(tools)}.`);
  const bad = tools.findIndex((tool) => !isJsonObject(tool as JsonValue));
  if (bad >= 0) throw new InputError(`tools[${bad}] must be an object that describes a function, found ${describeValue(tools[bad])}.`);
}

function checkToolOrder({ toolOrder }: TemplateOptions): void {
  if (toolOrder !== undefined && toolOrder !== 'given' && toolOrder !== 'canonical')
    throw new InputError(`toolOrder must be "given" or "canonical", found ${describeValue(toolOrder satisfies never)}.`);
}

function checkVariables({ templateVariables, thinking }: TemplateOptions): void {
  if (templateVariables === undefined) return;
  if (!isJsonObject(templateVariables as JsonValue))
    throw new InputError(`templateVariables must be an object, found ${describeValue(templateVariables)}.`);
  for (const [name, instead] of Object.entries(OWN_VARIABLES)) {
    if (Object.hasOwn(templateVariables, name)) throw new InputError(`templateVariables may not hold ${name}: ${instead}.`);
  }
  const other = templateVariables['enable_thinking'];
  if (thinking !== undefined && other !== undefined && other !== thinking) {
    throw new InputError(
      `thinking ${String(thinking)} and templateVariables.enable_thinking ${JSON.stringify(other)} contradict each other: ` +
        'pass one of them.',
    );
  }
}

/** A template without a switch obeys `thinking: false` only where its model does not think at all. */
function checkThinking(thinking: boolean | undefined, reads: (word: string) => boolean): void {
  if (thinking === undefined || reads('enable_thinking')) return;
  if (!thinking && !reads('think') && !reads('thinking') && !reads('reasoning_content')) return;
  throw new InputError(
    `thinking ${String(thinking)} would not be obeyed: the model's chat template has no switch for it (enable_thinking). Leave it out.`,
  );
}

/** @throws InputError for an option of the wrong type, one that contradicts another, or one that the template does not read */
export function checkTemplateOptions(options: TemplateOptions, reads: TemplateReads): void {
  const { tools, templateVariables, thinking } = options;
  checkTools(tools);
  checkToolOrder(options);
  checkSwitch('thinking', thinking);
  checkVariables(options);
  if (reads === undefined) return;
  if (tools !== undefined && tools.length > 0 && !reads('tools')) {
    throw new InputError(
      "tools would not be seen: the model's chat template does not read them. Leave them out, or describe them in a message.",
    );
  }
  for (const [name, value] of Object.entries(templateVariables ?? {})) {
    if (value !== undefined && !reads(name))
      throw new InputError(`templateVariables.${name.slice(0, 60)} would not be seen: the model's chat template does not read it.`);
  }
  checkThinking(thinking, reads);
}
