/** All dialects, and which of them a model writes. */
import type { Checkpoint } from '../../tensor/checkpoint.ts';
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';
import { chatTemplateSources } from '../chat-template-source.ts';
import type { AnswerDialect, AnswerVocabulary } from './answer-dialect.ts';
import { gemma3 } from './dialects/gemma3.ts';
import { gemma4 } from './dialects/gemma4.ts';
import { glm } from './dialects/glm.ts';
import { granite } from './dialects/granite.ts';
import { harmony } from './dialects/harmony.ts';
import { hermes } from './dialects/hermes.ts';
import { lfm2 } from './dialects/lfm2.ts';
import { llama3 } from './dialects/llama3.ts';
import { ministral, mistral } from './dialects/mistral.ts';
import { phi4 } from './dialects/phi4.ts';
import { plain } from './dialects/plain.ts';
import { qwenXml } from './dialects/qwen-xml.ts';

/** In the order in which they are asked: marks of later ones stand in templates of earlier ones too. */
export const DIALECTS: readonly AnswerDialect[] = [
  harmony, gemma4, ministral, mistral, lfm2, granite, phi4, glm, qwenXml, hermes, llama3, gemma3, plain,
];

const EMPTY: AnswerVocabulary = { idOf: () => undefined, isSpecial: () => false };

/** What answers to this chat template are written in. */
export function dialectFor(template: string | undefined, vocabulary: AnswerVocabulary = EMPTY): AnswerDialect {
  return DIALECTS.find((dialect) => template !== undefined && dialect.isFor(template, vocabulary)) ?? plain;
}

/** By all templates of a model together: one for tools says how calls are written, the default one the rest. */
export function dialectOf(checkpoint: Checkpoint, tokenizer: AnswerVocabulary | undefined): AnswerDialect {
  const sources = [...chatTemplateSources(checkpoint).values()];
  return dialectFor(sources.length === 0 ? undefined : sources.join('\n'), tokenizer);
}

/** @throws InputError for a name that none has, with all names */
export function dialectNamed(name: string): AnswerDialect {
  const found = DIALECTS.find((dialect) => dialect.name === name);
  if (found !== undefined) return found;
  const names = DIALECTS.map((dialect) => dialect.name).join(', ');
  throw new InputError(`dialect must be one of ${names}, found ${describeValue(name)}.`);
}
