/** What a checkpoint says about text: tokenizer, chat template, end tokens, sampling defaults. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { RenderedChat } from '../text/chat-template.ts';
import { chatTemplateOf, chatTemplateSources } from '../text/chat-template-source.ts';
import { contentText, shapingTemplate } from '../text/chat-messages.ts';
import { dialectOf } from '../text/answers/dialects.ts';
import { embeddingPrompts } from '../text/embedding-prompts.ts';
import { createGrammarCompiler } from '../text/grammars/output-format.ts';
import type { GrammarCompiler } from '../text/grammars/output-format.ts';
import { infillTokens } from '../text/infill-tokens.ts';
import { samplingDefaults, samplingWarnings } from '../text/sampling-defaults.ts';
import { scoreTokens } from '../text/score-tokens.ts';
import { sentenceSettings } from '../text/sentence-settings.ts';
import { specialTokenTexts } from '../text/special-token-texts.ts';
import { reasoningSwitchOf } from '../text/reasoning-switch.ts';
import { endTokens, tokenizerFromCheckpoint } from '../text/tokenizer-from-checkpoint.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ChatMessage } from './api.ts';
import { isPrefilled } from './prefilled-answer.ts';
import type { RenderOptions, TextSide } from './prompt.ts';

type TextSideRender = (messages: readonly ChatMessage[], options: RenderOptions) => RenderedChat;

/** What an answer goes on from is a text. */
function withTextLast(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  return messages.map((message, i) => (i === messages.length - 1 ? { ...message, content: contentText(message.content) } : message));
}

/** The engine of templates is loaded for a model that has one. */
async function messageEncoder(
  checkpoint: Checkpoint, tokenizer: Tokenizer | undefined,
): Promise<Pick<TextSide, 'encodeMessages' | 'renderMessages'>> {
  const found = await chatTemplateOf(checkpoint);
  if (found === undefined || tokenizer === undefined) return { encodeMessages: undefined };
  const { encodeChat } = await import('../text/chat-template.ts');
  const { renderContinued, renderOpenedThenSaid } = await import('../text/continued-chat.ts');
  const template = shapingTemplate(found);
  const specialTokens = specialTokenTexts(checkpoint, tokenizer);
  const reasoningSwitch = reasoningSwitchOf(chatTemplateSources(checkpoint).values());
  const render: TextSideRender = (messages, { tools, variables }) => {
    const options = { messages, tools, variables, specialTokens };
    if (!isPrefilled(messages)) return template.render(options);
    const open = { ...options, messages: withTextLast(messages) };
    const says = messages.length > 1 && open.messages.at(-1)?.content !== '';
    const isThoughtless = says && reasoningSwitch !== undefined && variables[reasoningSwitch] === false;
    return isThoughtless ? renderOpenedThenSaid(template, open) : renderContinued(template, open);
  };
  return {
    renderMessages: (messages, options) => render(messages, options).text,
    encodeMessages(messages, options) {
      const rendered = render(messages, options);
      options.checkLength?.(rendered.text.length);
      return encodeChat(tokenizer, rendered);
    },
  };
}

/** The words of all templates, found once, when first asked: a word that stands in none of them is a variable that none reads. */
function wordsOf(checkpoint: Checkpoint): (word: string) => boolean {
  let words: ReadonlySet<string> | undefined;
  return (word) => {
    words ??= new Set([...chatTemplateSources(checkpoint).values()].flatMap((source) => source.match(/[\p{L}_][\p{L}\p{N}_]*/gu) ?? []));
    return words.has(word);
  };
}

/** Counts once, when first called: a whole vocabulary is no work for start-up. */
function longestToken(tokenizer: Tokenizer): () => number {
  let longest = 0;
  return () => {
    if (longest > 0) return longest;
    longest = 1;
    for (let id = 0; id < tokenizer.vocabSize; id++) longest = Math.max(longest, tokenizer.tokenText(id).length);
    return longest;
  };
}

/** One compiler, since a model's logits are as many as they are. */
function grammarsOf(tokenizer: Tokenizer, endIds: ReadonlySet<number>): (vocabSize: number) => GrammarCompiler {
  let compiler: GrammarCompiler | undefined;
  return (vocabSize) => (compiler ??= createGrammarCompiler(tokenizer, vocabSize, endIds));
}

/** @throws FormatError for a tokenizer or a template that is damaged or of an unsupported kind */
export async function openTextSide(checkpoint: Checkpoint): Promise<TextSide> {
  const tokenizer = await tokenizerFromCheckpoint(checkpoint);
  const sentences = sentenceSettings(checkpoint);
  const endIds = endTokens(checkpoint, tokenizer);
  return {
    tokenizer,
    ...(await messageEncoder(checkpoint, tokenizer)),
    templateReads: wordsOf(checkpoint),
    reasoningSwitch: reasoningSwitchOf(chatTemplateSources(checkpoint).values()),
    endIds,
    grammars: tokenizer && grammarsOf(tokenizer, endIds),
    infillTokens: tokenizer && infillTokens(checkpoint, tokenizer),
    dialect: dialectOf(checkpoint, tokenizer),
    embeddingPrompts: embeddingPrompts(checkpoint),
    lowerCase: sentences.lowerCase,
    scoreTokens: scoreTokens(checkpoint),
    samplingDefaults: samplingDefaults(checkpoint),
    warnings: [...(tokenizer?.warnings ?? []), ...samplingWarnings(checkpoint), ...sentences.warnings],
    longestTokenUnits: tokenizer === undefined ? undefined : longestToken(tokenizer),
  };
}
