/** Python's strftime in the C locale, in local time. */

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const maxFormatUnits = 1000;
const dayMilliseconds = 86_400_000;

/** A number of a format with its width and what fills it. */
interface Field {
  readonly value: number;
  readonly width: number;
  readonly fill: '0' | ' ';
}

const two = (value: number, fill: Field['fill'] = '0'): Field => ({ value, width: 2, fill });

/** Days since the day 0 of 1970 of a date's year, month and day. */
function dayNumber(year: number, month: number, day: number): number {
  return Math.round(Date.UTC(year, month, day) / dayMilliseconds);
}

function isoWeek(now: Date): { year: number; week: number } {
  const weekday = now.getDay() || 7;
  const thursday = new Date(now.getFullYear(), now.getMonth(), now.getDate() + 4 - weekday);
  const first = dayNumber(thursday.getFullYear(), 0, 1);
  return {
    year: thursday.getFullYear(),
    week: 1 + Math.floor((dayNumber(thursday.getFullYear(), thursday.getMonth(), thursday.getDate()) - first) / 7),
  };
}

function field(letter: string, now: Date): Field | undefined {
  const year = now.getFullYear();
  const yearDay = dayNumber(year, now.getMonth(), now.getDate()) - dayNumber(year, 0, 1);
  switch (letter) {
    case 'Y':
      return { value: year, width: 1, fill: '0' };
    case 'C':
      return two(Math.floor(year / 100));
    case 'y':
      return two(year % 100);
    case 'm':
      return two(now.getMonth() + 1);
    case 'd':
      return two(now.getDate());
    case 'e':
      return two(now.getDate(), ' ');
    case 'H':
      return two(now.getHours());
    case 'k':
      return two(now.getHours(), ' ');
    case 'I':
      return two(now.getHours() % 12 || 12);
    case 'l':
      return two(now.getHours() % 12 || 12, ' ');
    case 'M':
      return two(now.getMinutes());
    case 'S':
      return two(now.getSeconds());
    case 'j':
      return { value: yearDay + 1, width: 3, fill: '0' };
    case 'f':
      return { value: now.getMilliseconds() * 1000, width: 6, fill: '0' };
    case 'u':
      return { value: now.getDay() || 7, width: 1, fill: '0' };
    case 'w':
      return { value: now.getDay(), width: 1, fill: '0' };
    case 'U':
      return two(Math.floor((yearDay + 7 - now.getDay()) / 7));
    case 'W':
      return two(Math.floor((yearDay + 7 - ((now.getDay() + 6) % 7)) / 7));
    case 'V':
      return two(isoWeek(now).week);
    case 'G':
      return { value: isoWeek(now).year, width: 1, fill: '0' };
    case 'g':
      return two(isoWeek(now).year % 100);
    case 's':
      return { value: Math.floor(now.getTime() / 1000), width: 1, fill: '0' };
    default:
      return undefined;
  }
}

const composed: Readonly<Record<string, string>> = {
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  R: '%H:%M',
  D: '%m/%d/%y',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  r: '%I:%M:%S %p',
  c: '%a %b %e %H:%M:%S %Y',
  n: '\n',
  t: '\t',
  '%': '%',
  z: '',
  Z: '',
};

function word(letter: string, now: Date): string | undefined {
  const half = now.getHours() < 12 ? 'AM' : 'PM';
  const words: Readonly<Record<string, string>> = {
    B: months[now.getMonth()]!,
    b: months[now.getMonth()]!.slice(0, 3),
    h: months[now.getMonth()]!.slice(0, 3),
    A: days[now.getDay()]!,
    a: days[now.getDay()]!.slice(0, 3),
    p: half,
    P: half.toLowerCase(),
  };
  if (Object.hasOwn(words, letter)) return words[letter];
  return Object.hasOwn(composed, letter) ? (letter === '%' ? '%' : formatTime(composed[letter]!, now)) : undefined;
}

/** @param format of which flags (`-`, `_`, `0`, `^`, `#`) and widths count as in glibc */
export function formatTime(format: string, now: Date): string {
  return format
    .slice(0, maxFormatUnits)
    .replace(/%([-_0^#]*)(\d{0,3})[EO]?([A-Za-z%])/g, (whole, flags: string, width: string, letter: string) => {
      const flag = /[-_0](?=[^-_0]*$)/.exec(flags)?.[0];
      const number = field(letter, now);
      if (number !== undefined) {
        const fill = flag === '_' ? ' ' : flag === '0' ? '0' : number.fill;
        return String(number.value).padStart(flag === '-' ? 1 : Math.max(Number(width), number.width), fill);
      }
      const text = word(letter, now);
      if (text === undefined) return whole;
      const cased = flags.includes('^')
        ? text.toUpperCase()
        : flags.includes('#')
          ? letter === 'p'
            ? text.toLowerCase()
            : text.toUpperCase()
          : text;
      return cased.padStart(Number(width), flag === '0' ? '0' : ' ');
    });
}
