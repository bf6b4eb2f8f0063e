/** A module's variables in other words: a name where it stands for the variable, and nowhere else. */

/** A comment's beginning or a line comment, a name, a number, or any other character. */
const TOKENS = /\/\*|\/\/[^\n]*|[\p{XID_Start}_]\p{XID_Continue}*|\d[\w.]*|\S/gu;

interface Token {
  readonly text: string;
  readonly at: number;
}

function tokensOf(wgsl: string): readonly Token[] {
  const all = [...wgsl.matchAll(TOKENS)].map(({ 0: text, index }): Token => ({ text, at: index }));
  if (all.some(({ text }) => text === '/*')) throw new Error('a block comment, in which names are not told from others');
  return all.filter(({ text }) => !text.startsWith('//'));
}

/**
 * The text with each variable of `names` as the expression there; members, comments, parameters and local variables of the same name stay.
 * @param fresh names that the expressions bring with them
 * @throws Error where the module declares a name once more, where a length is asked of it, or where a fresh name is not free
 */
export function renameVariables(wgsl: string, names: ReadonlyMap<string, string>, fresh: readonly string[]): string {
  const tokens = tokensOf(wgsl);
  for (const { text } of tokens) if (fresh.includes(text)) throw new Error(`${text} is a name of the text already`);
  const pieces: string[] = [];
  let end = 0;
  for (const i of usesOf(tokens, new Set(names.keys()))) {
    const { text, at } = tokens[i] as Token;
    if (tokens[i - 1]?.text === '&' && tokens[i - 3]?.text === 'arrayLength') throw new Error(`the text asks for the length of ${text}`);
    pieces.push(wgsl.slice(end, at), names.get(text) as string);
    end = at + text.length;
  }
  return [...pieces, wgsl.slice(end)].join('');
}

/** Where variables of the module stand, by the numbers of their tokens. */
function usesOf(tokens: readonly Token[], names: ReadonlySet<string>): readonly number[] {
  const textAt = (i: number) => tokens[i]?.text ?? '';
  const uses: number[] = [];
  /** Names of each scope that hide a variable of the module, the innermost scope last. */
  const hidden: Set<string>[] = [new Set()];
  /** Declared by the statement that goes on: what it begins with still means the variable. */
  let declared: string | undefined;
  let parentheses = 0;
  for (let i = 0; i < tokens.length; i++) {
    const text = textAt(i);
    if (text === 'struct') i = next(tokens, i, '}');
    else if (text === 'fn') {
      const body = next(tokens, i, '{');
      if (names.has(textAt(i + 1))) throw new Error(`${textAt(i + 1)} is the name of a function too`);
      hidden.push(new Set(tokens.slice(i, body).flatMap((token, at) => (textAt(i + at + 1) === ':' ? [token.text] : []))));
      i = body;
    } else if (['let', 'var', 'const', 'override', 'alias'].includes(text)) {
      i = textAt(i + 1) === '<' ? next(tokens, i, '>') + 1 : i + 1;
      const name = textAt(i);
      if (names.has(name) && (hidden.length === 1 || parentheses > 0)) throw new Error(`${name} is the name of something else too`);
      declared = name;
    } else if (text === '{') hidden.push(new Set());
    else if (text === '}') hidden.pop();
    else if (text === '(') parentheses++;
    else if (text === ')') parentheses--;
    else if (text === ';') {
      if (declared !== undefined) hidden.at(-1)?.add(declared);
      declared = undefined;
    } else if (names.has(text) && textAt(i - 1) !== '.' && !hidden.some((scope) => scope.has(text))) uses.push(i);
  }
  return uses;
}

/** The number of the next token of this text. */
function next(tokens: readonly Token[], from: number, wanted: string): number {
  const at = tokens.findIndex(({ text }, i) => i > from && text === wanted);
  if (at < 0) throw new Error(`no ${wanted} follows ${tokens[from]?.text}`);
  return at;
}
