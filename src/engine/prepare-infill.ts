/** A text between two others, by models that were taught to write one. */
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import { infillIds } from '../text/infill-tokens.ts';
import type { InfillOptions } from './api.ts';
import type { GenerationJob } from './generate.ts';
import type { ModelCore } from './model-core.ts';
import { INFILL_NAMES } from './option-names.ts';
import { prepareGeneration } from './prepare-generation.ts';
import { checkTextLength } from './prompt.ts';
import type { TextSide } from './prompt.ts';

/** @throws InputError and CapacityError as `Model.infill` */
export function prepareInfill(core: ModelCore, text: TextSide, options: InfillOptions): GenerationJob {
  core.checkOpen();
  checkOptionNames(options, INFILL_NAMES, 'infill');
  const { prefix, suffix, ...rest } = options;
  for (const [name, value] of Object.entries({ prefix, suffix }))
    if (typeof value !== 'string') throw new InputError(`${name} must be a string, found ${describeValue(value)}.`);
  const { tokenizer, infillTokens } = text;
  if (tokenizer === undefined || infillTokens === undefined)
    throw new InputError(
      'infill needs a model whose vocabulary has tokens for a prefix, a suffix and the middle (fim_prefix, fim_suffix, fim_middle), as ' +
        "Qwen2.5-Coder's; this one has none: use generate with a prompt.",
    );
  checkTextLength(prefix.length + suffix.length, text, core);
  const endIds = new Set([...text.endIds, ...infillTokens.ends]);
  return prepareGeneration(core, { ...text, endIds }, { ...rest, ids: infillIds({ prefix, suffix }, infillTokens, tokenizer) });
}
