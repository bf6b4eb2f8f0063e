/** Where the words of a sentence are in its phonemes, so that it is known which of them were heard when a voice is cut. */

export interface WordPlace {
  /** As it stands in the sentence, marks and all. */
  readonly word: string;
  /** Where its phonemes end. */
  readonly phonemeEnd: number;
}

/**
 * The words of a sentence, one after another. As many groups of phonemes as words are theirs, one each. Else some word is read as several
 * ("$5"), or several as one ("of the"): words of letters before and behind those with digits and signs have a group each, and those between
 * end with the group that is nearest to their share of the characters there.
 */
export function wordPlaces(sentence: string, phonemes: string): WordPlace[] {
  const words = spokenGroups(sentence);
  const groups = spokenGroups(phonemes);
  if (words.length === 0 || groups.length === 0) return [];
  const isPlain = words.map(({ text }) => !/\d|[$€£%&@+=]/.test(text));
  const first = isPlain.indexOf(false);
  const head = words.length === groups.length ? words.length : Math.max(0, first);
  const tail = first < 0 || head === words.length ? 0 : words.length - 1 - isPlain.lastIndexOf(false);
  const [before, behind] = head + tail < groups.length || head === words.length ? [head, tail] : [0, 0];
  const middle = nearestGroups(words.slice(before, words.length - behind), groups.slice(before, groups.length - behind));
  return words.map(({ text: word }, i) => {
    const group = i < before ? i : i >= words.length - behind ? groups.length - (words.length - i) : before + middle[i - before]!;
    return { word, phonemeEnd: groups[group]!.end };
  });
}

interface Group {
  readonly text: string;
  readonly end: number;
}

/** For each word the group that ends nearest to where it does; for the last one the last. */
function nearestGroups(words: readonly Group[], groups: readonly Group[]): number[] {
  const [wordsFrom, wordsTo] = spanOf(words);
  const [groupsFrom, groupsTo] = spanOf(groups);
  let group = 0;
  return words.map(({ end }, i) => {
    const share = groupsFrom + ((end - wordsFrom) / (wordsTo - wordsFrom)) * (groupsTo - groupsFrom);
    if (i === words.length - 1) return groups.length - 1;
    while (group + 1 < groups.length && distance(groups[group + 1]!.end, share) < distance(groups[group]!.end, share)) group++;
    return group;
  });
}

function spanOf(groups: readonly Group[]): readonly [number, number] {
  const [first, last] = [groups[0], groups.at(-1)];
  return first === undefined || last === undefined ? [0, 0] : [first.end - first.text.length, last.end];
}

function distance(a: number, b: number): number {
  return Math.abs(a - b);
}

/** Stretches between spaces; those without a letter or a digit belong to the one before, or to the first. */
function spokenGroups(text: string): Group[] {
  const groups: { text: string; end: number }[] = [];
  let from: number | undefined;
  for (const { 0: found, index } of text.matchAll(/\S+/g)) {
    const end = index + found.length;
    from ??= index;
    if (/[\p{L}\p{N}]/u.test(found)) {
      groups.push({ text: text.slice(from, end), end });
      from = undefined;
    } else if (groups.length > 0) {
      const last = groups.at(-1)!;
      last.text = text.slice(last.end - last.text.length, end);
      last.end = end;
      from = undefined;
    }
  }
  return groups;
}
