/** What a model's URL says beside its place: the file's name, and the hash that its bytes have to have. */
import { InputError } from '../../tensor/errors.ts';

/** `#sha256=HEX`, as Python's package index writes it. @throws InputError for another fragment, and for one of a folder */
export function hashOfFragment(
  fragment: string, fileName: string | undefined,
): { readonly fileName: string; readonly hex: string } | undefined {
  if (fragment === '') return undefined;
  const hex = /^#sha256=([0-9a-f]{64})$/i.exec(fragment)?.[1]?.toLowerCase();
  if (hex === undefined || fileName === undefined)
    throw new InputError(
      `The URL ends with ${JSON.stringify(fragment)}: expected nothing, or #sha256= and 64 hexadecimal digits behind a file's name.`,
    );
  return { fileName, hex };
}

/** The last part of a URL as a file's name. @throws InputError where it is not validly encoded */
export function decodeUrlName(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new InputError(`The URL's last part ${JSON.stringify(segment)} is not validly encoded.`, { cause: error });
  }
}
