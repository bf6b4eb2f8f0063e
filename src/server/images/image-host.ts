/** Hosts that images are fetched from. */
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';

/** Ports of http and https that need no word. */
const USUAL_PORTS = ['80', '443'];

function portOf({ port, protocol }: URL): string {
  return port || (protocol === 'https:' ? '443' : '80');
}

/**
 * @returns the name or address, with its port where one was given
 * @throws InputError for what is no host: a name or an address, with a port where it is not the usual one
 */
export function parseImageHost(host: string): string {
  const url = /^[^/?#@*\s]+$/.test(host) && URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  if (url === undefined) throw new InputError(`${describeValue(host)} is no host to fetch images from: name it as images.example.com.`);
  // The URL itself has no port where that is the usual one of http.
  return /:\d+$/.test(host) ? `${url.hostname}:${portOf(url)}` : url.hostname;
}

/** Whether a URL is of one of the hosts, as {@link parseImageHost} gives them: one without a port stands for 80 and 443. */
export function isOfImageHosts(url: URL, hosts: ReadonlySet<string>): boolean {
  const port = portOf(url);
  return hosts.has(`${url.hostname}:${port}`) || (USUAL_PORTS.includes(port) && hosts.has(url.hostname));
}
