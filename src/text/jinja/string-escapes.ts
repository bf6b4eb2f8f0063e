/** Escapes in a template's strings: those of Python's `unicode-escape`, after all beyond ASCII was escaped. */

const named: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

const escape = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\s\S]))/gu;

/** @throws Error for an escape that ends too early, or is a character by name */
export function unescapeString(text: string): string {
  if (!text.includes('\\')) return text;
  return text.replace(escape, (_whole, octal?: string, ...rest: (string | undefined)[]) => {
    const [hex2, hex4, hex8, other] = rest;
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const hex = hex2 ?? hex4 ?? hex8;
    if (hex === undefined) return unescapeChar(other!);
    const code = Number.parseInt(hex, 16);
    if (code > 0x10ffff) throw new Error('\\U in a string: there is no such character');
    return String.fromCodePoint(code);
  });
}

function unescapeChar(char: string): string {
  if (Object.hasOwn(named, char)) return named[char]!;
  if (char === 'N') throw new Error('\\N in a string: characters by name are not supported; write the character or its \\u escape');
  if (char === 'x' || char === 'u' || char === 'U') throw new Error(`\\${char} in a string: too few hexadecimal digits`);
  const code = char.codePointAt(0)!;
  if (code < 0x80) return `\\${char}`;
  // jinja2 turns such a character into an escape first; the backslash before it then escapes that one's backslash.
  const width = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
  return `\\${{ 2: 'x', 4: 'u', 8: 'U' }[width]}${code.toString(16).padStart(width, '0')}`;
}
