/** How abbreviations, dates, addresses and signs are read in English. */
import { cardinal, decimal, ordinal, spelledDigits, year } from './number-words.ts';
import type { EnglishVariant, ReadingRule } from './reading-rule.ts';

const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December',
] as const;
const MONTH_NAME = `(${MONTHS.join('|')}|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)`;

const DAY = String.raw`(\d{1,2})(?:st|nd|rd|th)?`;

function monthOf(name: string): string {
  return MONTHS.find((month) => month.startsWith(name.slice(0, 3))) as string;
}

function dayOf(month: number, day: string, variant: EnglishVariant): string {
  const name = MONTHS[month - 1] as string;
  return variant === 'en-gb' ? `the ${ordinal(day)} of ${name}` : `${name} ${ordinal(day)}`;
}

/** A day that there may be. */
function isDay(month: number, day: number): boolean {
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

function slashed([whole, first, second, of]: readonly (string | undefined)[], variant: EnglishVariant): string {
  const [month, day] = variant === 'en-gb' ? [second!, first!] : [first!, second!];
  if (!isDay(Number(month), Number(day))) return whole!;
  const full = of!.length === 2 ? `${Number(of) < 50 ? '20' : '19'}${of}` : of!;
  return `${dayOf(Number(month), day, variant)}, ${year(full)}`;
}

export const DATES: readonly ReadingRule[] = [
  {
    pattern: /(?<![\w/-])(\d{4})-(\d{2})-(\d{2})(?![\w-])/g,
    read: ([whole, of, month, day], variant) =>
      (isDay(Number(month), Number(day)) ? `${dayOf(Number(month), day!, variant)}, ${year(of!)}` : whole!),
  },
  { pattern: /(?<![\w/.])(\d{1,2})\/(\d{1,2})\/(\d{4}|\d{2})(?![\w/])/g, read: slashed },
  {
    pattern: new RegExp(`\\b${MONTH_NAME}\\.? (\\d{1,2})(?:st|nd|rd|th)?(?:,? ((?:1[0-9]|20)\\d\\d))?(?![\\w/:]|\\.\\d|,\\d)`, 'g'),
    read: ([, month, day, of]) => `${monthOf(month!)} ${ordinal(day!)}${of === undefined ? '' : `, ${year(of)}`}`,
  },
  {
    pattern: new RegExp(`(?<![\\w.,])(?:the )?${DAY} (?:of )?${MONTH_NAME}\\b\\.?(?:,? ((?:1[0-9]|20)\\d\\d))?(?!\\w)`, 'g'),
    read: ([, day, month, of]) => `the ${ordinal(day!)} of ${monthOf(month!)}${of === undefined ? '' : `, ${year(of)}`}`,
  },
  {
    pattern: new RegExp(`\\b${MONTH_NAME}\\.?,? ((?:1[0-9]|20)\\d\\d)(?![\\w,])`, 'g'),
    read: ([, month, of]) => `${monthOf(month!)} ${year(of!)}`,
  },
  { pattern: /\b(Jan|Feb|Apr|Aug|Sept|Sep|Oct|Nov|Dec)\.(?!\w)/g, read: ([, month]) => monthOf(month!) },
  { pattern: /\b(Mon|Tues|Tue|Wed|Thurs|Thur|Thu|Fri|Sat|Sun)\.(?!\w)/g, read: ([, day]) => DAYS[day!.slice(0, 3)] as string },
];

const DAYS: Readonly<Record<string, string>> = {
  Mon: 'Monday', Tue: 'Tuesday', Wed: 'Wednesday', Thu: 'Thursday', Fri: 'Friday', Sat: 'Saturday', Sun: 'Sunday',
};

/** Read with or without their dot, where a dot is needed for them to be one, and what stands behind. */
const TITLES: Readonly<Record<string, string>> = {
  Mr: 'Mister', Mrs: 'Missus', Ms: 'Miz', Dr: 'Doctor', Prof: 'Professor', Rev: 'Reverend', Hon: 'Honorable', Gen: 'General',
  Col: 'Colonel',
  Maj: 'Major', Capt: 'Captain', Cmdr: 'Commander', Lt: 'Lieutenant', Sgt: 'Sergeant', Cpl: 'Corporal', Pvt: 'Private', Gov: 'Governor',
  Sen: 'Senator', Rep: 'Representative', Pres: 'President', Fr: 'Father', Mt: 'Mount', Ft: 'Fort',
};
const DOTTED: Readonly<Record<string, string>> = {
  'e.g.': 'for example', 'i.e.': 'that is', 'etc.': 'et cetera', 'vs.': 'versus', 'approx.': 'approximately', 'dept.': 'department',
  'Dept.': 'Department', 'est.': 'established', 'Inc.': 'Incorporated', 'Corp.': 'Corporation', 'Ltd.': 'Limited', 'Co.': 'Company',
  'Jr.': 'Junior',
  'Sr.': 'Senior', 'Ave.': 'Avenue', 'Blvd.': 'Boulevard', 'Rd.': 'Road', 'Ln.': 'Lane', 'Hwy.': 'Highway', 'Apt.': 'Apartment',
  'apt.': 'apartment',
  'Bros.': 'Brothers', 'Univ.': 'University', 'Assn.': 'Association', 'Gov.': 'Governor', 'a.k.a.': 'also known as', 'et al.': 'and others',
  'cf.': 'compare', 'ca.': 'circa', 'misc.': 'miscellaneous', 'max.': 'maximum', 'min.': 'minimum', 'avg.': 'average', 'tel.': 'telephone',
  'Tel.': 'Telephone', 'ext.': 'extension', 'Ext.': 'Extension', 'no.': 'number',
};
const dotted = Object.keys(DOTTED).toSorted((a, b) => b.length - a.length).map((each) => each.replaceAll('.', '\\.')).join('|');

/** The end of a sentence that an abbreviation's dot is too stays one. */
const ending = (rest: string | undefined): string => (rest === undefined ? '' : '.');

/** The text's end, or what looks like another sentence. */
const SENTENCE_END = String.raw`\s*["'”’)]*\s*$|["'”’)]*\s+[A-Z][a-z]+ (?:is|was|are|were|has|had|will)\b`;

export const ABBREVIATIONS: readonly ReadingRule[] = [
  { pattern: new RegExp(`\\b(${Object.keys(TITLES).join('|')})\\. ?(?=[A-Z])`, 'g'), read: ([, title]) => `${TITLES[title!]} ` },
  { pattern: /\b(Mr|Mrs|Ms|Dr|Prof) (?=[A-Z]|and (?:Mr|Mrs|Ms|Dr)\b)/g, read: ([, title]) => `${TITLES[title!]} ` },
  // Before a name a saint, behind one a street.
  {
    pattern: /(?<=[A-Za-z]|\d(?:st|nd|rd|th)) (St|Dr)\.(?=(\s*$|[,;:]|\s+[a-z\d(]))/g,
    read: ([, name, rest]) => ` ${name === 'St' ? 'Street' : 'Drive'}${rest === '' ? '.' : ''}`,
  },
  { pattern: /\bSt\.? (?=[A-Z])/g, read: () => 'Saint ' },
  { pattern: /\b(?:No|Nos|no)\. ?(?=\d)/g, read: () => 'number ' },
  { pattern: /\b(?:Vol|vol)\. ?(?=[\dIVX])/g, read: () => 'volume ' },
  { pattern: /\b(?:Fig|fig)\. ?(?=\d)/g, read: () => 'figure ' },
  { pattern: /\b(?:Ch|ch)\. ?(?=\d)/g, read: () => 'chapter ' },
  { pattern: /\b(?:Sec|sec)\. ?(?=\d)/g, read: () => 'section ' },
  { pattern: /\bpp\. ?(?=\d)/g, read: () => 'pages ' },
  { pattern: /\bp\. ?(?=\d)/g, read: () => 'page ' },
  {
    pattern: new RegExp(`(?<![\\w.])(${dotted})(?:(?=(${SENTENCE_END}))|)`, 'g'),
    read: ([, name, rest]) => `${DOTTED[name!]}${ending(rest)}`,
  },
  { pattern: /\bw\/o\b/g, read: () => 'without' },
  { pattern: /\bw\/ ?(?=\w)/g, read: () => 'with ' },
  { pattern: /\bvs\b/g, read: () => 'versus' },
  // Letters with dots between: U.S.A., J. R. R. Tolkien.
  {
    pattern: /\b((?:[A-Z]\.){2,})(['’]s\b)?(?:(?=(\s*["'”’)]*\s*$))|)/g,
    read: ([, letters, own, rest]) => `${letters!.replaceAll('.', ' ').trim()}${own ?? ''}${ending(rest)}`,
  },
  { pattern: /\b([A-Z])\. (?=[A-Z])/g, read: ([, letter]) => `${letter} ` },
  { pattern: /(?<!\w)([ap])\.m\.(?:(?=(\s*$))|)/g, read: ([, half, rest]) => `${half} m${ending(rest)}` },
];

const TOP_DOMAINS = 'com|org|net|edu|gov|io|co|uk|us|de|fr|info|dev|ai|app|me|tv|ca|eu';

function spoken(address: string): string {
  return address
    .replace(/\/+$/, '')
    .replace(/([.@:/?=&#_~+%-])/g, (mark) => ` ${MARKS[mark]} `)
    .replace(/\s+/g, ' ')
    .trim();
}

const MARKS: Readonly<Record<string, string>> = {
  '.': 'dot', '@': 'at', ':': 'colon', '/': 'slash', '?': 'question mark', '=': 'equals', '&': 'and', '#': 'hash', _: 'underscore',
  '~': 'tilde',
  '+': 'plus', '%': 'percent', '-': 'dash',
};

/** What of an address ends a sentence is not its own. */
const TAIL = String.raw`[^\s<>"”’)\],;]*[^\s<>"”’)\],;:!?.'“‘(]`;

export const ADDRESSES: readonly ReadingRule[] = [
  { pattern: /\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}/g, read: ([address]) => spoken(address!) },
  { pattern: new RegExp(`\\b(?:https?|ftp)://(?:www\\.)?(${TAIL})`, 'g'), read: ([, rest]) => spoken(rest!) },
  { pattern: new RegExp(`\\bwww\\.(${TAIL})`, 'g'), read: ([, rest]) => spoken(rest!) },
  {
    pattern: new RegExp(`\\b[a-z\\d][a-z\\d-]{0,62}(?:\\.[a-z\\d-]{1,63}){0,3}\\.(?:${TOP_DOMAINS})\\b(?:/${TAIL})?`, 'gi'),
    read: ([address]) => spoken(address!),
  },
  {
    pattern: /(?<![\w.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\w.]?\d)/g,
    read: ([, ...parts]) => parts.map((part) => cardinal(part!)).join(' dot '),
  },
];

const groups = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined).map((part) => spelledDigits(part)).join(', ');

export const TELEPHONES: readonly ReadingRule[] = [
  {
    pattern: /(?<![\w.,+])(?:\+?(\d{1,3})[ .-])?\(?(\d{3})\)?[ .-](\d{3})[ .-](\d{4})(?![\w-])/g,
    read: ([, country, ...parts]) => `${country === undefined ? '' : `${spelledDigits(country)}, `}${groups(...parts)}`,
  },
  { pattern: /(?<![\w.,+-])(\d{3})[-.](\d{4})(?![\w-])/g, read: ([, ...parts]) => groups(...parts) },
  { pattern: /(?<!\w)\+(\d[\d ]{6,18}\d)(?!\w)/g, read: ([, number]) => `plus ${number!.split(/ +/).map(spelledDigits).join(', ')}` },
];

export const SIGNS: readonly ReadingRule[] = [
  { pattern: /(?<!\w)#(?=\d)/g, read: () => 'number ' },
  { pattern: /(?<!\w)#(?=[A-Za-z])/g, read: () => 'hashtag ' },
  { pattern: /(?<!\w)@(?=[A-Za-z])/g, read: () => 'at ' },
  { pattern: /\s*&\s*/g, read: () => ' and ' },
  { pattern: /\s*≈\s*|(?<![\w~])~(?=\d)/g, read: ([sign]) => (sign!.includes('≈') ? ' is about ' : 'about ') },
  { pattern: /\s+([=+×÷<>≤≥])\s+/g, read: ([, sign]) => ` ${OPERATORS[sign!]} ` },
  { pattern: /(?<=\d)([=+×÷<>≤≥])(?=\d)/g, read: ([, sign]) => ` ${OPERATORS[sign!]} ` },
  { pattern: /(?<=[A-Za-z]) ?\/ ?(?=[A-Za-z])/g, read: () => ' ' },
  { pattern: /§ ?(?=\d)/g, read: () => 'section ' },
  { pattern: /©/g, read: () => 'copyright ' },
  { pattern: /[®™]/g, read: () => '' },
  { pattern: /(?<=\d)\s?%/g, read: () => ' percent' },
];

const OPERATORS: Readonly<Record<string, string>> = {
  '=': 'equals', '+': 'plus', '×': 'times', '÷': 'divided by', '<': 'is less than', '>': 'is greater than', '≤': 'is at most',
  '≥': 'is at least',
};

/** Scores of a game, and ratios. */
export const RATIOS: readonly ReadingRule[] = [
  { pattern: /(?<![\w.,:])(\d{1,3}):(\d{1,3})(?![\w:]|\.\d)/g, read: ([, a, b]) => `${decimal(a!)} to ${decimal(b!)}` },
];
