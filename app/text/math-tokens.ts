/** Formulas in Markdown, between `$` and `$`, `$$`, `\(` and `\)`, `\[` and `\]`: elements that hold their TeX until they are drawn. */
import type { MarkedExtension, TokenizerAndRendererExtension, Tokens } from 'marked';

/** A dollar that has a space on its inner side, or a digit behind the last, is money. */
const INLINE = /^\$(?![\s$])((?:\\.|[^\\$\n])+?)(?<![\s\\])\$(?!\d)|^\\\(([^\n]+?)\\\)|^\$\$([^\n$]+?)\$\$/;
const BLOCK = /^(?:\$\$([^$]+?)\$\$|\\\[([^]+?)\\\])[ \t]*(?:\n|$)/;

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function indexBehind(match: RegExpExecArray | null): number | undefined {
  return match === null ? undefined : match.index + match[0].length;
}

function formula(name: string, level: 'inline' | 'block', rule: RegExp): TokenizerAndRendererExtension {
  return {
    name,
    level,
    // A paragraph is cut where a block begins: a dollar within a line begins none.
    start: (text) => (level === 'block' ? indexBehind(/\n(?=\$\$|\\\[)/.exec(text)) : /\$|\\[([]/.exec(text)?.index),
    tokenizer(text) {
      const match = rule.exec(text);
      if (match === null) return undefined;
      const tex = match.slice(1).find((group) => group !== undefined) ?? '';
      return { type: name, raw: match[0], tex: tex.trim(), isDisplay: level === 'block' || match[3] !== undefined };
    },
    renderer(token: Tokens.Generic) {
      const { tex, isDisplay } = token as unknown as { tex: string; isDisplay: boolean };
      const tag = level === 'block' ? 'div' : 'span';
      return `<${tag} class="formula" data-display="${isDisplay}">${escapeHtml(tex)}</${tag}>`;
    },
  };
}

export const mathTokens: MarkedExtension = {
  extensions: [formula('formula', 'inline', INLINE), formula('formulaBlock', 'block', BLOCK)],
};
