/** Colours the code of rendered Markdown, by highlight.js, which comes with the first code in a language that it knows. */
import type { HLJSApi } from 'highlight.js';
import { trustedMarkup } from './render-markdown.ts';

/** Beyond it colouring would be felt. */
const MOST_CHARACTERS = 50_000;

let loading: Promise<{ readonly default: HLJSApi }> | undefined;

export async function colourCode(within: ParentNode): Promise<void> {
  const blocks = [...within.querySelectorAll<HTMLElement>('pre[data-language]:not([data-language=""])')];
  if (blocks.length === 0) return;
  loading ??= import('./languages.ts');
  const { default: highlighter } = await loading;
  for (const block of blocks) {
    const language = block.dataset['language'] ?? '';
    const code = block.querySelector('code');
    const text = code?.textContent ?? '';
    if (code === null || highlighter.getLanguage(language) === undefined || text.length > MOST_CHARACTERS) continue;
    code.replaceChildren(trustedMarkup(highlighter.highlight(text, { language, ignoreIllegals: true }).value));
  }
}
