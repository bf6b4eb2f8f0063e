/**
 * Markdown of models as nodes. Markup in it is shown as text; what Markdown makes goes through DOMPurify all the same, and a picture of the
 * web is a link, so that showing an answer asks nobody for anything.
 */
import DOMPurify from 'dompurify';
import { Marked } from 'marked';
import { isTooDeep } from './markdown-blocks.ts';
import { escapeHtml, mathTokens } from './math-tokens.ts';

const marked = new Marked(mathTokens, {
  gfm: true,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text === '' ? href : text)}</a>`,
    code: ({ text, lang = '' }) =>
      `<pre data-language="${escapeHtml(lang.split(/\s/, 1)[0] ?? '')}"><code>${escapeHtml(text)}</code></pre>`,
    checkbox: ({ checked }) => (checked ? '☑ ' : '☐ '),
  },
});

const ALLOWED = {
  ALLOWED_TAGS: [
    'p',
    'br',
    'hr',
    'h1',
    'h2',
    'h3',
    'h4',
    'h5',
    'h6',
    'strong',
    'em',
    'del',
    'a',
    'code',
    'pre',
    'blockquote',
    'ul',
    'ol',
    'li',
    'table',
    'thead',
    'tbody',
    'tr',
    'th',
    'td',
    'span',
    'div',
  ],
  ALLOWED_ATTR: ['href', 'class', 'align', 'start', 'data-language', 'data-display'],
  ALLOWED_URI_REGEXP: /^(https?:|mailto:)/i,
  // Not URLs: the pattern above must not be applied to them.
  ADD_URI_SAFE_ATTR: ['align', 'start'],
};

/** A text as it was written, where it cannot be read as Markdown. */
function plain(text: string): string {
  return `<pre><code>${escapeHtml(text)}</code></pre>`;
}

/** Each level of nesting takes a part of the stack, which a text can use up. */
function markupOf(text: string): string {
  if (text.split('\n').some(isTooDeep)) return plain(text);
  try {
    return marked.parse(text) as string;
  } catch {
    return plain(text);
  }
}

const SIDED = ['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'blockquote', 'th', 'td']
  .map((name) => `${name}:not(li *, blockquote *)`)
  .join();

/** Nodes of a Markdown text; of one that cannot be read as Markdown, its characters. */
export function renderMarkdown(text: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(markupOf(text), { ...ALLOWED, RETURN_DOM_FRAGMENT: true });
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  // Each of them is written from the side that the first letter in it says: what has a side of its own is not looked into for that.
  for (const block of fragment.querySelectorAll<HTMLElement>(SIDED)) block.dir = 'auto';
  for (const table of fragment.querySelectorAll('table')) {
    const frame = document.createElement('div');
    frame.className = 'table-frame';
    frame.tabIndex = 0;
    frame.setAttribute('role', 'region');
    frame.setAttribute('aria-label', 'Table');
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

/** The nodes of markup that a library of ours has made of a text. */
export function trustedMarkup(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, { ALLOWED_TAGS: ['span'], ALLOWED_ATTR: ['class'], RETURN_DOM_FRAGMENT: true });
}
