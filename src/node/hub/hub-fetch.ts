/** `fetch` for the hub: a token that no other host sees, redirects followed by hand, proxies by the environment. */
import type { HubEndpoint, HubFetch, HubRequest } from '../../files/hub/hub-access.ts';
import { InputError } from '../../tensor/errors.ts';
import { packageVersion } from '../package-root.ts';
import type { Environment } from './hub-settings.ts';

interface Sender {
  readonly send: (url: URL, init: HubRequest & { readonly redirect: 'manual' }) => Promise<Response>;
  close(): Promise<void>;
}

const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 10;
/** What a signed address answers once its time is over. */
const EXPIRED = [401, 403, 410];

/** Reads of one file ask its address on the hub once: where that leads to (a store's signed URL) is kept until the store refuses it. */
export async function createHubFetch(
  { endpoint, token }: HubEndpoint,
  environment: Environment,
): Promise<HubFetch> {
  const { send, close } = await senderFor(environment);
  const hub = new URL(endpoint);
  const places = new Map<string, URL>();
  const agent = `ingot/${packageVersion()}`;
  const headersFor = (url: URL, given: HubRequest['headers']) => ({
    'user-agent': agent,
    ...given,
    ...(token !== undefined && url.origin === hub.origin ? { authorization: `Bearer ${token}` } : {}),
  });
  const follow = async (start: URL, request: HubRequest): Promise<{ response: Response; place: URL }> => {
    let place = start;
    for (let count = 0; count <= MOST_REDIRECTS; count++) {
      const response = await send(place, { ...request, headers: headersFor(place, request.headers), redirect: 'manual' });
      const location = response.headers.get('location');
      if (!REDIRECTS.includes(response.status) || location === null) return { response, place };
      await response.body?.cancel();
      place = nextPlace(place, location);
    }
    throw new InputError(`${start.origin}${start.pathname}: the server redirects more than ${MOST_REDIRECTS} times. Check the endpoint.`);
  };
  const fetchOfHub = async (url: URL, request: HubRequest) => {
    const known = places.get(url.href);
    if (known !== undefined) {
      const { response } = await follow(known, request);
      if (!EXPIRED.includes(response.status)) return response;
      places.delete(url.href);
      await response.body?.cancel();
    }
    const { response, place } = await follow(url, request);
    if (place !== url && response.ok) places.set(url.href, place);
    return response;
  };
  return Object.assign(fetchOfHub, { close });
}

/** @throws InputError for a redirect to what is no web address, and for one that gives up https */
function nextPlace(from: URL, location: string): URL {
  const name = `${from.origin}${from.pathname}`;
  if (!URL.canParse(location, from.href))
    throw new InputError(`${name}: the server redirects to ${JSON.stringify(location)}, which is no URL.`);
  const to = new URL(location, from.href);
  if (!/^https?:$/.test(to.protocol) || (from.protocol === 'https:' && to.protocol === 'http:'))
    throw new InputError(`${name}: the server redirects to ${to.protocol}//${to.host}, which is not followed: expected https.`);
  return to;
}

const PROXIES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];

/** Node's own fetch knows no proxies in Node 20: undici's does, and is loaded only where the environment names one. */
async function senderFor(environment: Environment): Promise<Sender> {
  if (!PROXIES.some((name) => environment[name])) return { send: (url, init) => fetch(url, init as RequestInit), close: async () => {} };
  const { fetch: proxied, EnvHttpProxyAgent } = await import('undici');
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: environment['http_proxy'] || environment['HTTP_PROXY'],
    httpsProxy: environment['https_proxy'] || environment['HTTPS_PROXY'],
    noProxy: environment['no_proxy'] || environment['NO_PROXY'],
  });
  return {
    send: async (url, init) => (await proxied(url, { ...init, dispatcher } as Parameters<typeof proxied>[1])) as unknown as Response,
    close: () => dispatcher.destroy(),
  };
}
