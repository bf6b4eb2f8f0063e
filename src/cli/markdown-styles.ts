/**
 * Markdown as light styles of a terminal while it streams: headings and `**bold**`, `*italics*`, `code`, fenced blocks, bullets and
 * quotations. What could still become either waits, at most to the end of its line; what turns out to be no markdown is shown as it is.
 */

/** Styles are marked by control characters, which take no columns: words are wrapped with them and they become sequences when written. */
const MARKS = {
  bold: ['\u0001', '\u0002'],
  italic: ['\u0003', '\u0004'],
  code: ['\u0005', '\u0006'],
  faint: ['\u000e', '\u000f'],
} as const;

type Style = keyof typeof MARKS;

/** SGR codes of each, on and off. */
const CODES: Readonly<Record<Style, readonly [number, number]>> = { bold: [1, 22], italic: [3, 23], code: [36, 39], faint: [2, 22] };

const SEQUENCES = new Map<string, string>(
  (Object.keys(MARKS) as Style[]).flatMap((style) => MARKS[style].map((mark, end) => [mark, `\u001b[${CODES[style][end]}m`] as const)),
);

/** Characters that stand for styles. */
export const STYLE_MARKS = /[\u0001-\u0006\u000e\u000f]/g;

export function withSequences(text: string): string {
  return text.replace(STYLE_MARKS, (mark) => SEQUENCES.get(mark)!);
}

export interface MarkdownStyler {
  /** @returns what has become certain, with marks */
  push(text: string): string;
  /** The rest, as it is. */
  flush(): string;
}

const styled = (style: Style, text: string) => MARKS[style][0] + text + MARKS[style][1];

/** Nobody writes emphasis longer than this; a longer wait would look like a halt. */
const MOST_HELD = 300;
const FENCE = /^ {0,3}(```|~~~)/;
/** What may still become the beginning of a line that is more than text. */
const UNSURE_START = /^ *(?:#{0,6}|[-*+>]?|`{0,2}|~{0,2})$/;

interface State {
  /** Not yet shown, of the line under way. */
  held: string;
  /** The line's beginning has been shown. */
  isInside: boolean;
  /** The fence that ends the block. */
  fence: string | undefined;
  /** The line is a heading. */
  isHeading: boolean;
  /** The last character that was shown: what stands before a mark says whether it is one. */
  before: string;
}

export function createMarkdownStyler(): MarkdownStyler {
  const state: State = { held: '', isInside: false, fence: undefined, isHeading: false, before: ' ' };
  return {
    push(text) {
      let out = '';
      const lines = text.split('\n');
      for (const [index, part] of lines.entries()) {
        state.held += part;
        const isWhole = index < lines.length - 1;
        out += takeLine(state, isWhole);
        if (isWhole) {
          out += '\n';
          Object.assign(state, { held: '', isInside: false, isHeading: false, before: ' ' });
        }
      }
      return out;
    },
    flush() {
      const rest = takeLine(state, true);
      state.isHeading = false;
      return rest;
    },
  };
}

function takeLine(state: State, isWhole: boolean): string {
  if (state.fence !== undefined) return takeCode(state, state.fence, isWhole);
  let out = '';
  if (!state.isInside) {
    // A fence is known by its whole line.
    if (!isWhole && (UNSURE_START.test(state.held) || FENCE.test(state.held))) return '';
    const fence = FENCE.exec(state.held)?.[1];
    if (fence !== undefined) {
      state.fence = fence;
      return take(state, styled('faint', state.held));
    }
    out = takeStart(state);
    state.isInside = true;
  }
  out += takeInline(state, isWhole);
  return isWhole && state.isHeading ? out + MARKS.bold[1] : out;
}

function take(state: State, shown: string): string {
  state.held = '';
  return shown;
}

/** A block's lines stay as they are; the last one is known when it is whole. */
function takeCode(state: State, fence: string, isWhole: boolean): string {
  const { held } = state;
  if (!isWhole && /^ {0,3}[`~]*$/.test(held) && !state.isInside) return '';
  const isEnd = isWhole && !state.isInside && held.trim().startsWith(fence) && /^[`~]+$/.test(held.trim());
  state.isInside = true;
  if (!isEnd) return take(state, held === '' ? '' : styled('code', held));
  state.fence = undefined;
  return take(state, styled('faint', held));
}

/** Takes what begins a line off what is held. */
function takeStart(state: State): string {
  const heading = /^ {0,3}(#{1,6}) +/.exec(state.held);
  if (heading) {
    state.held = state.held.slice(heading[0].length);
    state.isHeading = true;
    return MARKS.bold[0];
  }
  const bullet = /^( *)[-*+] +/.exec(state.held);
  if (bullet) {
    state.held = state.held.slice(bullet[0].length);
    return `${bullet[1]}\u2022 `;
  }
  const quotation = /^ {0,3}> ?/.exec(state.held);
  if (quotation) {
    state.held = state.held.slice(quotation[0].length);
    return styled('faint', '\u2502 ');
  }
  return '';
}

/** A mark that may open: what it is, and the style of what it encloses. */
const OPENERS = /(`+)|(\*\*\*|\*\*|\*)|(__|_)/g;
const WORD = /[\p{L}\p{N}]/u;

/** Shows all that is certain: up to the first mark that may open something whose end is not there yet. */
function takeInline(state: State, isWhole: boolean): string {
  let out = '';
  for (;;) {
    const found = nextOpener(state.held, state.before);
    if (found === undefined) {
      // A mark at the end may go on with the next character.
      const kept = isWhole ? '' : (/[`*_\\]+$/.exec(state.held)?.[0] ?? '');
      return out + show(state, state.held.length - kept.length);
    }
    out += show(state, found.at);
    const span = closedSpan(state.held, found.mark);
    const canWait = !isWhole && state.held.length < MOST_HELD;
    if (span === undefined && canWait) return out;
    if (span === undefined) out += show(state, found.mark.length);
    else {
      const { text, length } = span;
      out += found.mark.startsWith('`') ? styled('code', text) : emphasised(found.mark, text);
      state.before = state.held[length - 1]!;
      state.held = state.held.slice(length);
    }
  }
}

function show(state: State, length: number): string {
  const shown = state.held.slice(0, length);
  state.before = shown.at(-1) ?? state.before;
  state.held = state.held.slice(length);
  return shown;
}

function nextOpener(text: string, before: string): { readonly at: number; readonly mark: string } | undefined {
  for (const found of text.matchAll(OPENERS)) {
    const [mark] = found;
    const at = found.index;
    const previous = at === 0 ? before : text[at - 1]!;
    const next = text[at + mark.length];
    if (previous === '\\' || next === undefined) continue;
    if (mark.startsWith('`')) return { at, mark };
    // `2 * 3` is a product; `snake_case` a name.
    if (/\s/.test(next) || (mark.startsWith('_') && WORD.test(previous)) || (WORD.test(previous) && /\p{N}/u.test(next))) continue;
    return { at, mark };
  }
  return undefined;
}

/** The text between a mark at the beginning and its fellow; undefined where that is not there (yet). */
function closedSpan(held: string, mark: string): { readonly text: string; readonly length: number } | undefined {
  if (mark.startsWith('`')) {
    const found = new RegExp(`(?<!\`)${mark}(?!\`)`).exec(held.slice(mark.length));
    // The run of backticks at the very end may grow.
    if (found === null) return undefined;
    const length = mark.length + found.index + mark.length;
    return { text: held.slice(mark.length, length - mark.length), length };
  }
  const sign = mark[0]!;
  for (let at = held.indexOf(mark, mark.length); at >= 0; at = held.indexOf(mark, at + 1)) {
    const [previous, next] = [held[at - 1]!, held[at + mark.length]];
    if (/\s/.test(previous) || previous === '\\' || next === sign || (previous === sign && mark.length < 3)) continue;
    if (sign === '_' && next !== undefined && WORD.test(next)) continue;
    return { text: held.slice(mark.length, at), length: at + mark.length };
  }
  return undefined;
}

function emphasised(mark: string, text: string): string {
  const inner = inlineOf(text);
  if (mark.length === 3) return styled('bold', styled('italic', inner));
  return styled(mark.length === 2 ? 'bold' : 'italic', inner);
}

/** Marks within emphasis. */
function inlineOf(text: string): string {
  return takeInline({ held: text, isInside: true, fence: undefined, isHeading: false, before: ' ' }, true);
}
