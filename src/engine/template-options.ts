/** What goes to the chat template beside the messages: checked, and refused where the model's template would not look at it. */
import { InputError } from '../tensor/errors.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import { isJsonObject } from '../tensor/json.ts';
import { describeValue } from '../tensor/option-names.ts';
import { toolSignatures } from '../text/answers/tool-signature.ts';
import { checkPlainJson } from '../text/grammars/plain-json.ts';
import type { TemplateOptions } from './api.ts';
import { checkReasoning } from './reasoning.ts';
import type { ReasoningSide } from './reasoning.ts';

/** Variables that the engine itself sets: in templateVariables they would contradict it. */
const OWN_VARIABLES: Readonly<Record<string, string>> = {
  messages: 'pass messages',
  tools: 'pass tools',
  add_generation_prompt: 'the turn of the assistant is always opened',
  bos_token: "it is the tokenizer's",
  eos_token: "it is the tokenizer's",
};

/** @throws InputError for what is no list of objects of JSON */
export function checkTools(tools: TemplateOptions['tools']): void {
  if (tools === undefined) return;
  if (!Array.isArray(tools))
    throw new InputError(`tools must be an array of JSON descriptions of functions, found ${describeValue(tools)}.`);
  const bad = tools.findIndex((tool) => !isJsonObject(tool as JsonValue));
  if (bad >= 0) throw new InputError(`tools[${bad}] must be an object that describes a function, found ${describeValue(tools[bad])}.`);
  tools.forEach((tool, i) => {
    checkPlainJson(tool, `tools[${i}]`);
    // A model could not call it, and a call of any other name would not be told from text.
    if (toolSignatures([tool]).every(({ name }) => name === ''))
      throw new InputError(
        `tools[${i}] has no name: describe a function as { type: "function", function: { name, description, parameters } }.`,
      );
  });
}

function checkToolOrder({ toolOrder }: TemplateOptions): void {
  if (toolOrder !== undefined && toolOrder !== 'given' && toolOrder !== 'canonical')
    throw new InputError(`toolOrder must be "given" or "canonical", found ${describeValue(toolOrder satisfies never)}.`);
}

function checkVariables({ templateVariables }: TemplateOptions): void {
  if (templateVariables === undefined) return;
  if (!isJsonObject(templateVariables as JsonValue))
    throw new InputError(`templateVariables must be an object, found ${describeValue(templateVariables)}.`);
  for (const [name, instead] of Object.entries(OWN_VARIABLES)) {
    if (Object.hasOwn(templateVariables, name)) throw new InputError(`templateVariables may not hold ${name}: ${instead}.`);
  }
}

/** @throws InputError for an option of the wrong type, one that contradicts another, or one that the template does not read */
export function checkTemplateOptions(options: TemplateOptions, side: ReasoningSide): void {
  const { tools, templateVariables } = options;
  const { templateReads: reads } = side;
  checkTools(tools);
  checkToolOrder(options);
  checkVariables(options);
  checkReasoning(options, side);
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
}
