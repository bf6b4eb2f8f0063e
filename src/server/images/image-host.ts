/** Hosts that images are fetched from. */
import { InputError } from '../../tensor/errors.ts';
import { describeValue } from '../../tensor/option-names.ts';

/** @throws InputError for what is no host: a name or an address, with a port where it is not the usual one */
export function parseImageHost(host: string): string {
  const url = /^[^/?#@*\s]+$/.test(host) && URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  if (url === undefined) throw new InputError(`${describeValue(host)} is no host to fetch images from: name it as images.example.com.`);
  return url.host;
}
