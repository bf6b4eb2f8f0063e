/** Whether a file behind a URL is still the one that was fetched: one small request, no file. */
import { InputError } from '../tensor/errors.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import { absentFile, changeOf, filePart, htmlInstead, isEmptyFile, RangesRefused, saysHtml, throwIfPassing } from './http-answer.ts';
import type { AbsentFile, FileFacts } from './file-facts.ts';
import type { HttpOptions } from './http-options.ts';
import { remoteOf, withIdleLimit } from './http-request.ts';
import { withRetries } from './http-retry.ts';

/**
 * Asks by ETag (`If-None-Match`), else by `Last-Modified`; a server that names neither is believed by the size.
 * @throws InputError where the server cannot be reached or goes on failing; the signal's reason
 */
export async function checkHttpFile(
  url: string | PlatformUrl, options: HttpOptions, known: FileFacts,
): Promise<'same' | 'changed' | AbsentFile> {
  const remote = remoteOf(url, options);
  const condition: Readonly<Record<string, string>> =
    known.etag !== null ? { 'if-none-match': known.etag } : known.lastModified !== null ? { 'if-modified-since': known.lastModified } : {};
  return withRetries({ ...remote, receivedBytes: () => 0 }, options.signal, () =>
    withIdleLimit({ remote, isOpen: false }, options.signal, async (request) => {
      const response = await request({ range: 'bytes=0-0', ...condition });
      if (response.status === 304) return 'same';
      throwIfPassing(response);
      const absent = absentFile(response);
      if (absent !== undefined) return absent;
      // A way to sign in, as of a session that is over: what the server has by now it does not say.
      if (response.status === 200 && saysHtml(response)) {
        const { reason, advice } = htmlInstead(200);
        throw new InputError(`${remote.name}: ${reason}. ${advice}`);
      }
      return changeOf(known, factsOf(response, { name: remote.name, known })) === undefined ? 'same' : 'changed';
    }),
  );
}

function factsOf(response: Response, { name, known }: { readonly name: string; readonly known: FileFacts }): FileFacts {
  if (isEmptyFile(response)) return { ...known, sizeBytes: 0 };
  try {
    return filePart(response, name).facts;
  } catch (error) {
    if (error instanceof RangesRefused) return { ...error.facts, sizeBytes: error.facts.sizeBytes ?? known.sizeBytes };
    if (error instanceof InputError) throw error;
    // A range that cannot be met: the file is empty now, or its server odd. Opening it tells.
    return { ...known, sizeBytes: -1 };
  }
}
