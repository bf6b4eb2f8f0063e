/** How money, measures, times and other numbers are read in English. */
import { belowHundred, cardinal, decimal, ordinal, pluralOfNumber, romanValue, spelledDigits, year } from './number-words.ts';
import type { ReadingRule } from './reading-rule.ts';

/** With commas between thousands, or without; a fraction or none. */
const NUMBER = String.raw`\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+`;
/** Nothing of a word or number before. */
const START = String.raw`(?<![\w.,])`;
const END = String.raw`(?![\w])`;

interface Currency {
  readonly one: string;
  readonly many: string;
  readonly cent?: string | undefined;
  readonly cents?: string | undefined;
}

const CURRENCIES: Readonly<Record<string, Currency>> = {
  $: { one: 'dollar', many: 'dollars', cent: 'cent', cents: 'cents' },
  '€': { one: 'euro', many: 'euros', cent: 'cent', cents: 'cents' },
  '£': { one: 'pound', many: 'pounds', cent: 'penny', cents: 'pence' },
  '¥': { one: 'yen', many: 'yen' },
  '₹': { one: 'rupee', many: 'rupees', cent: 'paisa', cents: 'paise' },
};
const CODES: Readonly<Record<string, string>> = { USD: '$', EUR: '€', GBP: '£', JPY: '¥', INR: '₹' };
const SCALES: Readonly<Record<string, string>> = {
  k: 'thousand', K: 'thousand', m: 'million', M: 'million', mn: 'million', b: 'billion', B: 'billion', bn: 'billion', tn: 'trillion',
  T: 'trillion',
};

function amount(symbol: string, number: string, scale: string | undefined): string {
  const currency = CURRENCIES[symbol] as Currency;
  if (scale !== undefined) return `${decimal(number)} ${SCALES[scale] ?? scale} ${currency.many}`;
  const [whole = '0', decimals] = number.replaceAll(',', '').split('.');
  const isCents = decimals?.length === 2 && currency.cents !== undefined;
  if (decimals !== undefined && !isCents) return `${decimal(number)} ${currency.many}`;
  const units = `${cardinal(whole === '' ? '0' : whole)} ${Number(whole) === 1 ? currency.one : currency.many}`;
  const cents = Number(decimals ?? '0');
  if (cents === 0) return units;
  const small = `${belowHundred(cents)} ${cents === 1 ? currency.cent : currency.cents}`;
  return Number(whole) === 0 ? small : `${units} and ${small}`;
}

const SCALE = String.raw`(?:\s?(thousand|million|billion|trillion)|(k|K|m|M|mn|b|B|bn|tn|T))?`;

export const MONEY: readonly ReadingRule[] = [
  {
    pattern: new RegExp(`([$€£¥₹])(${NUMBER})\\s?[-–]\\s?\\1?(${NUMBER})${SCALE}${END}`, 'g'),
    read: ([, symbol, from, to, word, letter]) => `${decimal(from!)} to ${amount(symbol!, to!, word ?? letter)}`,
  },
  {
    pattern: new RegExp(`(-|−)?(?:US|A|C)?([$€£¥₹])\\s?(${NUMBER})${SCALE}${END}`, 'g'),
    read: ([, minus, symbol, number, word, letter]) => `${minus ? 'minus ' : ''}${amount(symbol!, number!, word ?? letter)}`,
  },
  {
    pattern: new RegExp(`${START}(${NUMBER})${SCALE}\\s?([€£¥₹])`, 'g'),
    read: ([, number, word, letter, symbol]) => amount(symbol!, number!, word ?? letter),
  },
  {
    pattern: new RegExp(`${START}(?:(USD|EUR|GBP|JPY|INR)\\s?(${NUMBER})|(${NUMBER})\\s?(USD|EUR|GBP|JPY|INR))${END}`, 'g'),
    read: ([, before, number, other, after]) => amount(CODES[(before ?? after)!] as string, (number ?? other)!, undefined),
  },
  { pattern: /(?<![\w.,])(\d+)\s?¢/g, read: ([, number]) => `${cardinal(number!)} ${number === '1' ? 'cent' : 'cents'}` },
];

/** One, and more than one. */
const UNITS: Readonly<Record<string, readonly [string, string]>> = {
  mm: ['millimeter', 'millimeters'], cm: ['centimeter', 'centimeters'], m: ['meter', 'meters'], km: ['kilometer', 'kilometers'],
  in: ['inch', 'inches'], ft: ['foot', 'feet'], yd: ['yard', 'yards'], mi: ['mile', 'miles'], nm: ['nanometer', 'nanometers'],
  mg: ['milligram', 'milligrams'], g: ['gram', 'grams'], kg: ['kilogram', 'kilograms'], lb: ['pound', 'pounds'], lbs: ['pound', 'pounds'],
  oz: ['ounce', 'ounces'], ml: ['milliliter', 'milliliters'], mL: ['milliliter', 'milliliters'], l: ['liter', 'liters'],
  L: ['liter', 'liters'], gal: ['gallon', 'gallons'], ms: ['millisecond', 'milliseconds'], s: ['second', 'seconds'],
  sec: ['second', 'seconds'], min: ['minute', 'minutes'], mins: ['minute', 'minutes'], h: ['hour', 'hours'], hr: ['hour', 'hours'],
  hrs: ['hour', 'hours'], mph: ['mile per hour', 'miles per hour'], 'km/h': ['kilometer per hour', 'kilometers per hour'],
  kph: ['kilometer per hour', 'kilometers per hour'], 'm/s': ['meter per second', 'meters per second'], Hz: ['hertz', 'hertz'],
  kHz: ['kilohertz', 'kilohertz'], MHz: ['megahertz', 'megahertz'], GHz: ['gigahertz', 'gigahertz'], W: ['watt', 'watts'],
  kW: ['kilowatt', 'kilowatts'], MW: ['megawatt', 'megawatts'], kWh: ['kilowatt hour', 'kilowatt hours'], V: ['volt', 'volts'],
  A: ['amp', 'amps'], KB: ['kilobyte', 'kilobytes'], kB: ['kilobyte', 'kilobytes'], MB: ['megabyte', 'megabytes'],
  GB: ['gigabyte', 'gigabytes'], TB: ['terabyte', 'terabytes'], GiB: ['gibibyte', 'gibibytes'], Mbps: ['megabit per second',
  'megabits per second'],
  Gbps: ['gigabit per second', 'gigabits per second'], dB: ['decibel', 'decibels'], px: ['pixel', 'pixels'], rpm: ['R P M', 'R P M'],
  cal: ['calorie', 'calories'], kcal: ['kilocalorie', 'kilocalories'], acres: ['acre', 'acres'], ha: ['hectare', 'hectares'],
  '°C': ['degree Celsius', 'degrees Celsius'], '°F': ['degree Fahrenheit', 'degrees Fahrenheit'], '°': ['degree', 'degrees'],
  '%': ['percent', 'percent'], 'm²': ['square meter', 'square meters'], 'km²': ['square kilometer', 'square kilometers'],
  'm³': ['cubic meter', 'cubic meters'], 'ft²': ['square foot', 'square feet'],
};
/** What behind a space is a word or a name as often as a unit. */
const WORDS = new Set(['s', 'h', 'A', 'in']);
const UNIT_NAMES = Object.keys(UNITS).toSorted((a, b) => b.length - a.length).map((name) => name.replace(/[/.]/g, '\\$&')).join('|');

function measured(number: string, unit: string, minus: string | undefined): string {
  const [one, many] = UNITS[unit] as readonly [string, string];
  return `${minus ? 'minus ' : ''}${decimal(number)} ${number === '1' ? one : many}`;
}

export const MEASURES: readonly ReadingRule[] = [
  {
    pattern: new RegExp(`${START}(-|−)?(${NUMBER})(?:\\s?[-–]\\s?(${NUMBER}))?(\\s?)(${UNIT_NAMES})(?![\\w²³/])`, 'g'),
    read([whole, minus, number, upTo, space, unit]) {
      if (space !== '' && WORDS.has(unit!)) return whole!;
      if (upTo === undefined) return measured(number!, unit!, minus);
      return `${minus ? 'minus ' : ''}${decimal(number!)} to ${measured(upTo, unit!, undefined)}`;
    },
  },
  {
    pattern: /(?<![\w.,])(\d{1,2})['′](\d{1,2})(["″]|(?!\w))/g,
    read: ([, feet, inches, mark]) =>
      `${cardinal(feet!)} ${feet === '1' ? 'foot' : 'feet'} ${cardinal(inches!)}${mark === '' ? '' : ' inches'}`,
  },
  { pattern: /(?<![\w.,])(\d+)\s?in\.(?=\s|$)/g, read: ([, number]) => `${cardinal(number!)} ${number === '1' ? 'inch' : 'inches'}` },
  { pattern: /(?<![\w.,])(\d+(?:\.\d+)?)\s?x\s?(\d+(?:\.\d+)?)(?!\w)/g, read: ([, a, b]) => `${decimal(a!)} by ${decimal(b!)}` },
];

function clock(hours: string, minutes: string | undefined, half: string | undefined): string {
  const hour = Number(hours) === 0 && half === undefined ? 'zero' : cardinal(String(Number(hours)));
  const after = half === undefined ? '' : ` ${half[0]!.toLowerCase()} m`;
  const past = Number(minutes ?? '0');
  if (past === 0)
    return half === undefined ? (Number(hours) <= 12 && hours !== '00' ? `${hour} o'clock` : `${hour} hundred hours`) : `${hour}${after}`;
  return `${hour} ${past < 10 ? `oh ${belowHundred(past)}` : belowHundred(past)}${after}`;
}

const HALF = String.raw`(?:\s?([AaPp])\.?\s?[Mm](?:\b\.?(?=\s+[a-z])|\b(?!\.\w)))`;

export const TIMES: readonly ReadingRule[] = [
  {
    pattern: new RegExp(`${START}([01]?\\d|2[0-3]):([0-5]\\d):([0-5]\\d)(?![\\d:])`, 'g'),
    read: ([, hours, minutes, seconds]) =>
      `${cardinal(String(Number(hours)))} ${Number(hours) === 1 ? 'hour' : 'hours'} ${cardinal(String(Number(minutes)))} ` +
      `${Number(minutes) === 1 ? 'minute' : 'minutes'} and ${cardinal(String(Number(seconds)))} ` +
        `${Number(seconds) === 1 ? 'second' : 'seconds'}`,
  },
  {
    pattern: new RegExp(`${START}([01]?\\d|2[0-3]):([0-5]\\d)${HALF}?(?![\\d:])`, 'g'),
    read: ([, hours, minutes, half]) => clock(hours!, minutes, half),
  },
  { pattern: new RegExp(`${START}(1[0-2]|[1-9])${HALF}`, 'g'), read: ([, hours, half]) => clock(hours!, undefined, half) },
];

const FRACTIONS: Readonly<Record<string, string>> = {
  '½': '1/2', '⅓': '1/3', '⅔': '2/3', '¼': '1/4', '¾': '3/4', '⅕': '1/5', '⅛': '1/8', '⅜': '3/8', '⅝': '5/8', '⅞': '7/8',
};

function fraction(top: string, bottom: string): string {
  const isOne = top === '1';
  if (bottom === '2') return `${cardinal(top)} ${isOne ? 'half' : 'halves'}`;
  const part = bottom === '4' ? 'quarter' : ordinal(bottom);
  return `${cardinal(top)} ${part}${isOne ? '' : 's'}`;
}

/** After a whole number a single part is `a half`. */
function mixed(whole: string, top: string, bottom: string): string {
  const words = fraction(top, bottom);
  return `${cardinal(whole)} and ${top === '1' ? words.replace(/^one /, bottom === '8' ? 'an ' : 'a ') : words}`;
}

const FRACTION_SIGNS = Object.keys(FRACTIONS).join('');

export const PARTS: readonly ReadingRule[] = [
  {
    pattern: new RegExp(`(\\d*)\\s?([${FRACTION_SIGNS}])`, 'g'),
    read([, whole, sign]) {
      const [top, bottom] = (FRACTIONS[sign!] as string).split('/') as [string, string];
      return whole === '' || whole === undefined ? fraction(top, bottom) : mixed(whole, top, bottom);
    },
  },
  {
    pattern: /(?<![\w.,/])(\d{1,3}) (\d{1,2})\/(\d{1,2})(?![\w/])/g,
    read: ([whole, number, top, bottom]) => (Number(top) < Number(bottom) ? mixed(number!, top!, bottom!) : whole!),
  },
  {
    pattern: /(?<![\w.,/])(\d{1,2})\/([2-9]|1\d|20|32|64|100)(?![\w/])/g,
    read: ([whole, top, bottom]) => (Number(top) < Number(bottom) && top !== '0' ? fraction(top!, bottom!) : whole!),
  },
  { pattern: /(?<![\w.,/])(\d{1,3})\/(\d{1,3})(?![\w/])/g, read: ([, a, b]) => `${cardinal(a!)} ${cardinal(b!)}` },
];

/** Before seconds, which are written alike. */
export const DECADES: readonly ReadingRule[] = [
  { pattern: /(?<![\w.,])((?:1[1-9]|20)\d0)'?s\b/g, read: ([, number]) => pluralOfNumber(year(number!)) },
  { pattern: /(?<!\w)'(\d0)s\b/g, read: ([, number]) => pluralOfNumber(cardinal(number!)) },
  { pattern: /(?<![\w.,])(\d0)'?s\b/g, read: ([, number]) => pluralOfNumber(cardinal(number!)) },
  // What stands where years stand, and has no comma.
  {
    pattern: /(?<=\b(?:[Ii]n|[Ss]ince|[Bb]y|[Uu]ntil|[Ff]rom|year) )(1\d{3}|2[01]\d\d)(?![\w,°%]|\.\d|[-–]\d| ?(?:[a-z]+s\b|[A-Z$€£]))/g,
    read: ([, number]) => year(number!),
  },
];

/** Numbers that nothing else read: last of all rules. */
export const NUMBERS: readonly ReadingRule[] = [
  { pattern: /(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d+)(st|nd|rd|th)\b/gi, read: ([, number]) => ordinal(number!.replaceAll(',', '')) },
  { pattern: /(?<![\w.])v(\d+(?:\.\d+)+)(?!\w)/gi, read: ([, parts]) => `version ${parts!.split('.').map(cardinal).join(' point ')}` },
  { pattern: /(?<![\w.,])(\d+(?:\.\d+){2,})(?!\w)/g, read: ([, parts]) => parts!.split('.').map(cardinal).join(' point ') },
  {
    pattern: /(?<![\w.,–-])((?:1[1-9]|20)\d\d)\s?[-–]\s?((?:1[1-9]|20)?\d\d)(?![\w,]|\.\d|[-–]\d)/g,
    read: ([, from, to]) => `${year(from!)} to ${to!.length === 2 ? belowHundredYear(to!) : year(to!)}`,
  },
  {
    pattern: new RegExp(`(?<![\\w.,–-])(${NUMBER})\\s?[-–]\\s?(${NUMBER})(?![\\w]|[-–]\\d)`, 'g'),
    read: ([, from, to]) => `${decimal(from!)} to ${decimal(to!)}`,
  },
  { pattern: /(?<![\w)])[-−](?=\.?\d)/g, read: () => 'minus ' },
  { pattern: /(?<![\w)])\+(?=\.?\d)/g, read: () => 'plus ' },
  { pattern: /(?<![\w.,])((?:1[1-9]|20)\d\d)(?![\w,]|\.\d)/g, read: ([, number]) => year(number!) },
  { pattern: /(?<![\w.,])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)(?!\w)/g, read: ([, number]) => decimal(number!) },
  // Digits within a name: B12, 4K, MP3.
  { pattern: /(\d+)/g, read: ([, number]) => ` ${number!.length > 3 ? spelledDigits(number!) : cardinal(number!)} ` },
];

function belowHundredYear(digits: string): string {
  return digits.startsWith('0') ? `oh ${belowHundred(Number(digits))}` : belowHundred(Number(digits));
}

/** Names of which several bore one name. */
const RULERS =
  'Henry|Louis|Charles|George|Edward|Richard|William|James|Elizabeth|Mary|John|Paul|Pius|Benedict|Francis|Leo|Gregory|Philip|Peter|Ivan|' +
  'Nicholas|Alexander|Catherine|Frederick|Wilhelm|Napoleon|Ramses|Ptolemy|Urban|Innocent|Clement|Ferdinand|Alfonso|Juan Carlos|Felipe';
const COUNTED =
  'Chapter|Part|Act|Scene|Volume|Vol\\.|Book|Section|Article|Title|Phase|Type|Class|Stage|Level|Appendix|Figure|Table|Super Bowl|' +
  'World War|Episode|Round|Grade|Unit|Apollo|Rocky|Mark|Schedule';

/** One letter is a numeral where it is none of a name, and I alone only behind a name with a capital: the part I like. */
const NUMERAL = '[IVX]|[IVXLC]{2,}';

export const ROMANS: readonly ReadingRule[] = [
  {
    pattern: new RegExp(`\\b(${RULERS}) ([IVX]+)\\b(?!\\.\\w)`, 'g'),
    read: ([whole, name, letters]) => romanOr(whole!, letters!, (value) => `${name} the ${ordinal(value)}`),
  },
  {
    pattern: new RegExp(`\\b(${COUNTED}) (${NUMERAL})\\b`, 'g'),
    read: ([whole, name, letters]) => romanOr(whole!, letters!, (value) => `${name} ${cardinal(value)}`),
  },
  {
    pattern: new RegExp(`\\b(${COUNTED.toLowerCase()}) ([VX]|[IVXLC]{2,})\\b`, 'g'),
    read: ([whole, name, letters]) => romanOr(whole!, letters!, (value) => `${name} ${cardinal(value)}`),
  },
];

function romanOr(whole: string, letters: string, read: (value: string) => string): string {
  const value = romanValue(letters);
  return value === undefined ? whole : read(String(value));
}
