/** A file over HTTP from its first byte to its last, for servers that give no parts of files. */
import { FormatError, InputError } from '../tensor/errors.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import { absentFile, beginsAsHtml, htmlInstead, throwIfPassing } from './http-answer.ts';
import { chunksOf, remoteOf, withIdleLimit } from './http-request.ts';
import type { HttpOptions } from './http-options.ts';
import type { Remote, Request } from './http-request.ts';
import { PassingFault, withRetries } from './http-retry.ts';

/** Takes the bytes in order. */
export interface WholeSink {
  /** The first byte comes next; what came before is to be dropped. */
  begin(): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * What is cut short, or breaks, begins anew, as often as the options allow.
 * @throws InputError for a URL that cannot be reached, holds no file or goes on failing; what the sink throws, which is no fault of the way
 */
export async function httpWhole(url: string | PlatformUrl, options: HttpOptions, sink: WholeSink): Promise<void> {
  const remote = remoteOf(url, options);
  const state = { received: 0, isOpen: false };
  // Bytes that are dropped are no progress: without this an answer that always breaks at its end would be asked for for ever.
  const rules = { ...remote, receivedBytes: () => 0 };
  const refused = await withRetries(rules, options.signal, () =>
    withIdleLimit({ remote, isOpen: state.isOpen }, options.signal, async (request) => {
      await sink.begin();
      state.received = 0;
      return attempt(remote, request, { sink, state });
    }),
  );
  if (refused !== undefined) throw refused.error;
}

interface Arrival {
  readonly sink: WholeSink;
  readonly state: { received: number; isOpen: boolean };
}

/** @returns what the sink threw, where it did: to try again helps nobody then */
async function attempt(remote: Remote, request: Request, { sink, state }: Arrival): Promise<{ readonly error: unknown } | undefined> {
  const response = await request();
  throwIfPassing(response);
  const absent = absentFile(response);
  if (absent) throw new InputError(`${remote.name}: ${absent.reason}. ${absent.advice}`);
  if (response.status !== 200)
    throw new InputError(
      `${remote.name}: expected status 200, the server answered ${response.status} ${response.statusText}. Check the URL.`,
    );
  state.isOpen = true;
  const told = response.headers.get('content-length');
  const chunks = chunksOf(response, request);
  for (;;) {
    const read = await chunks.next().catch((error: unknown) => {
      throw error instanceof PassingFault ? error : cutShort(state.received, told, error);
    });
    if (read.done === true) break;
    if (state.received === 0 && beginsAsHtml(read.value, response)) {
      const { reason, advice } = htmlInstead(200);
      throw new InputError(`${remote.name}: ${reason}. ${advice}`);
    }
    const refused = await sink.write(read.value).then(() => undefined, (error: unknown) => ({ error }));
    if (refused !== undefined) return refused;
    state.received += read.value.length;
  }
  if (told !== null && Number(told) !== state.received) throw cutShort(state.received, told);
  return undefined;
}

function cutShort(received: number, told: string | null, cause?: unknown): PassingFault {
  return new PassingFault({
    reason: `the server's answer was cut short after ${received}${told === null ? '' : ` of ${told}`} bytes`,
    advice: 'The connection is bad, or the file there incomplete: try again later.',
    error: FormatError,
    cause,
  });
}
