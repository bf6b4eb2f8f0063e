/** Names that a misspelt one may stand for. */

/** Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [beforeLast, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (beforeLast[j - 2] as number) + 1 : Infinity;
      row.push(Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, replaced, swapped));
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] as number;
}

function isBeginning(text: string, of: string): boolean {
  return text.length > 2 && of.startsWith(text);
}

/** The letters before a number of a version: `gemma` of `gemma9`. */
function wordOf(name: string): string | undefined {
  return /^([a-z]{3,})\d/.exec(name)?.[1];
}

/** Best first, two at most; `max_tokens` is as near to `maxTokens` as can be. */
export function nearestNames(found: string, known: readonly string[]): readonly string[] {
  const plain = (name: string) => name.replace(/[^a-z0-9]/gi, '').toLowerCase();
  const wanted = plain(found.slice(0, 60));
  const distanceTo = (name: string, edits: number): number => {
    if (name === wanted) return 0;
    const isOfOneWord = wordOf(name) !== undefined && wordOf(name) === wordOf(wanted);
    return isBeginning(wanted, name) || isBeginning(name, wanted) || isOfOneWord ? 1 : edits;
  };
  const measured = known.map((name) => {
    const edits = editDistance(wanted, plain(name));
    return { name, edits, distance: distanceTo(plain(name), edits) };
  });
  return measured
    .filter(({ name, distance }) => distance <= Math.max(1, name.length / 3))
    // Of those that begin alike, the most alike.
    .sort((a, b) => a.distance - b.distance || a.edits - b.edits)
    .slice(0, 2)
    .map(({ name }) => name);
}
