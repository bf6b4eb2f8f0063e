/** Which names a request may call the server by, and which web pages may use it. */
import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import { Failure } from './failure.ts';

export interface OriginRules {
  /** As {@link parseHost} and {@link parseOrigin} have them. */
  readonly allowedHosts: readonly string[];
  readonly corsOrigins: readonly string[];
}

const ADDRESS = /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/;

const ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*]+\/?$/i;
const HOST = /^(\*|\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)$/i;

/**
 * An origin, or `*`, as browsers send it: without a slash, the port that its scheme has, and capitals.
 * @throws InputError for another text
 */
export function parseOrigin(text: string): string {
  if (text === '*') return text;
  if (!ORIGIN.test(text) || !URL.canParse(text))
    throw new InputError(
      `${describeValue(text)} is no origin of web pages: expected a scheme, a host and, where it is unusual, a port, as in ` +
        'https://app.example.com, or * for all.',
    );
  const { origin } = new URL(text);
  // Of schemes that are a browser's own, as its extensions have, URLs know no origin.
  return origin === 'null' ? text.replace(/\/$/, '').toLowerCase() : origin;
}

/** @throws InputError for what no header Host can name, as a URL, or a name with a port */
export function parseHost(text: string): string {
  if (HOST.test(text)) return text.toLowerCase();
  throw new InputError(
    `${describeValue(text)} is no name of a host: expected it without a scheme, a port and a path, as in models.example.com, or * for any.`,
  );
}

/** The Host header without its port, in lower case. */
function hostOf(request: Request): string {
  const host = request.headers.get('host') ?? new URL(request.url).host;
  return host.replace(/:\d*$/, '').toLowerCase();
}

/** Addresses are no names, so that no page's name can come to stand for them. */
function isOwnHost(host: string, { allowedHosts }: OriginRules): boolean {
  if (host === 'localhost' || host.endsWith('.localhost') || ADDRESS.test(host)) return true;
  return allowedHosts.some((name) => name === '*' || name === host);
}

function isSameOrigin(origin: string, request: Request): boolean {
  const host = request.headers.get('host') ?? new URL(request.url).host;
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** A link to the app at `/`, which opens it for whoever followed it: the page that has the link cannot read it, nor show it in a frame. */
function isLinkToPage({ method, headers, url }: Request): boolean {
  return method === 'GET' && headers.get('sec-fetch-dest') === 'document' && new URL(url).pathname === '/';
}

/**
 * Browsers say which page a request comes from; other clients send neither header.
 * @returns the page's origin where it is another one, and allowed
 * @throws Failure (403) for a host that is not the server's, and for a page that is not allowed
 */
export function checkOrigin(request: Request, rules: OriginRules): string | undefined {
  const host = hostOf(request);
  if (!isOwnHost(host, rules))
    throw new Failure('The host that this request names is not one of the server\'s. Name it with --allowed-hosts (allowedHosts).', {
      status: 403, code: 'host_not_allowed',
    });
  const origin = request.headers.get('origin');
  const refused = new Failure('Web pages of this origin may not use the server. Name it with --cors-origins (corsOrigins).', {
    status: 403, code: 'origin_not_allowed',
  });
  if (origin === null) {
    // Images, scripts and streams that other pages have fetched have no Origin in some requests; this header they have. Another port of
    // this machine is the same site, but another origin.
    const site = request.headers.get('sec-fetch-site');
    if ((site === 'cross-site' || site === 'same-site') && !isLinkToPage(request)) throw refused;
    return undefined;
  }
  if (isSameOrigin(origin, request)) return undefined;
  if (rules.corsOrigins.includes('*') || rules.corsOrigins.includes(origin)) return origin;
  throw refused;
}

const RATES = ['limit', 'remaining', 'reset'].flatMap((kind) => [`x-ratelimit-${kind}-requests`, `x-ratelimit-${kind}-tokens`]);
const EXPOSED = ['x-request-id', 'retry-after', ...RATES].join(', ');

/** What lets a browser hand the answer to the page. */
export function corsHeaders(origin: string): Readonly<Record<string, string>> {
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED, vary: 'origin' };
}

/** What a browser asks before it sends the request itself. */
export function preflightHeaders(request: Request): Readonly<Record<string, string>> {
  return {
    'access-control-allow-methods': 'GET, POST, DELETE',
    'access-control-allow-headers': request.headers.get('access-control-request-headers') ?? '',
    'access-control-max-age': '600',
  };
}
