/** A string of JSON, or a sign that objects and lists are made of. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * The first member that an object of a JSON text has twice, however it is escaped; undefined where there is none. `JSON.parse` takes the
 * last one in silence (RFC 8259, section 4, lets it).
 * @param text valid JSON
 */
export function repeatedMember(text: string): string | undefined {
  // Of each object and list that is open; a list has no members.
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const name = JSON.parse(last) as string;
      const names = open.at(-1) as Set<string>;
      if (names.has(name)) return name;
      names.add(name);
    }
    last = token;
  }
  return undefined;
}
