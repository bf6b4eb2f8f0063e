/** Formats of JSON Schema's strings, as expressions of the whole text; each says what it leaves out of its standard. */

const DAYS_31 = '(?:0[1-9]|[12]\\d|3[01])';
const DAYS_30 = '(?:0[1-9]|[12]\\d|30)';
const DAYS_28 = '(?:0[1-9]|1\\d|2[0-8])';
const LEAP_OF_CENTURY = '(?:0[48]|[2468][048]|[13579][26])';
const LEAP_YEARS = `(?:\\d\\d${LEAP_OF_CENTURY}|(?:[02468][048]|[13579][26])00)`;
const DATE = `(?:\\d{4}-(?:(?:0[13578]|1[02])-${DAYS_31}|(?:0[469]|11)-${DAYS_30}|02-${DAYS_28})|${LEAP_YEARS}-02-29)`;
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?';
const ZONE = '(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)';
const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const GROUP = '[0-9a-fA-F]{1,4}';
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
const ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`\\x7b|\\x7d~-]+";
const URI_CHAR = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})";
const URI_PATH = `(?:/${URI_CHAR}*)*`;
const URI_TAIL = `(?:\\?(?:${URI_CHAR}|[/?])*)?(?:#(?:${URI_CHAR}|[/?])*)?`;
const URI_HOST = "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9a-fA-F]{2})";
const URI_AUTHORITY = `//${URI_HOST}*(?::\\d{0,5})?`;

/** Groups of an IPv6 address before and after the gap, which stands for one group or more. */
function ipv6(): string {
  const forms = [`(?:${GROUP}:){7}${GROUP}`, `(?:${GROUP}:){6}${IPV4}`];
  for (let before = 0; before <= 7; before++) {
    const head = before === 0 ? '' : `${GROUP}(?::${GROUP}){${before - 1}}`;
    const most = 7 - before;
    forms.push(`${head}::${most === 0 ? '' : `(?:${GROUP}(?::${GROUP}){0,${most - 1}})?`}`);
    if (before <= 5) forms.push(`${head}::(?:${GROUP}:){0,${5 - before}}${IPV4}`);
  }
  return forms.join('|');
}

function duration(): string {
  const time = 'T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)';
  const days = '\\d+D';
  const date = `(?:\\d+Y(?:\\d+M(?:${days})?)?|\\d+M(?:${days})?|${days})`;
  return `P(?:${date}(?:${time})?|${time}|\\d+W)`;
}

/** By name. RFC 3339 without leap seconds, RFC 1123, RFC 5321 without quoted names, RFC 4291 without zones, RFC 3986 with named hosts. */
export const STRING_FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: `${CLOCK}${ZONE}`,
  'date-time': `${DATE}[Tt]${CLOCK}${ZONE}`,
  duration: duration(),
  uuid: '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}',
  email: `${ATOM}(?:\\.${ATOM})*@(?:${LABEL}\\.)+${LABEL}`,
  hostname: `${LABEL}(?:\\.${LABEL})*`,
  ipv4: IPV4,
  ipv6: ipv6(),
  uri: `[a-zA-Z][a-zA-Z0-9+.-]*:(?:${URI_AUTHORITY}${URI_PATH}|/(?:${URI_CHAR}+${URI_PATH})?|${URI_CHAR}+${URI_PATH})${URI_TAIL}`,
  'json-pointer': '(?:/(?:[^~/]|~[01])*)*',
};
