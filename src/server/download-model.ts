/** Models that clients have brought onto the server's machine, where its owner lets them. */
import type { ProgressEvent } from '../tensor/progress.ts';
import { CapacityError, FormatError, InputError } from '../tensor/errors.ts';
import type { Call } from './call.ts';
import { Failure, Stopped } from './failure.ts';

/** How often progress is told, at most. */
const TOLD_EVERY_MS = 200;

/**
 * Looked at before the body is read.
 * @throws Failure (403) where the server downloads nothing, and for a key that may ask some models only
 */
export function checkDownloads({ state: { downloads }, holder }: Call): void {
  if (downloads === undefined)
    throw new Failure(
      'This server downloads no models: start it with --allow-downloads (allowDownloads in its config file), or with the model, ' +
        'ingot serve NAME=ID.',
      { status: 403, type: 'permission_error', code: 'downloads_not_allowed' },
    );
  const { models } = holder?.limits ?? {};
  if (models !== undefined)
    throw new Failure(`This key may ask ${models.join(', ')} alone, and brings no other models.`, {
      status: 403, type: 'permission_error', code: 'downloads_not_allowed',
    });
}

/** What clients are told: ids that there are not in the downloader's words, all else without them, since they may name files. */
function refusalOf(id: string, error: unknown): unknown {
  if (error instanceof Failure || error instanceof InputError || error instanceof Stopped) return error;
  const headers = { 'x-should-retry': 'false' };
  if (error instanceof FormatError)
    return new Failure(`${id} came, and is no model that this server runs. Its log says why.`, {
      status: 422, code: 'unsupported_model', param: 'model', cause: error,
    });
  if (error instanceof CapacityError)
    return new Failure(`There is no room for ${id} on this server, in its memory or on its disk. Its log says more.`, {
      status: 507, code: 'no_room', param: 'model', headers, cause: error,
    });
  return new Failure(`${id} could not be downloaded. The server's log says why; what came stays, and the next try goes on with it.`, {
    status: 502, code: 'download_failed', param: 'model', headers, cause: error,
  });
}

/** Disks fill by downloads at a time that each of them has room for. @throws Failure (409) that names what runs */
function takeTurn({ state }: Call, id: string): void {
  if (state.downloading !== undefined)
    throw new Failure(`This server downloads ${state.downloading} now, and one model at a time: ask again when it has come.`, {
      status: 409, code: 'download_in_progress', param: 'model', headers: { 'retry-after': '10' },
    });
  state.downloading = id;
}

/**
 * Downloads a model, and has it among the server's. Left, it stops, and what came stays for the next time.
 * @returns the model's name
 * @throws InputError for an id that means nothing; Failure while another comes (409), where it is none that runs here (422), has no room
 * (507), and where it does not come (502); the call's reason
 */
export async function* downloading(call: Call, id: string): AsyncGenerator<ProgressEvent, string, undefined> {
  const { downloads, models } = call.state;
  const state: { latest?: ProgressEvent | undefined; result?: { readonly name: string } | { readonly error: unknown } } = {};
  let wake = () => {};
  const bring = async () => {
    const { name, loader, alias } = await downloads!.download(id, {
      signal: call.signal,
      onProgress(event) {
        // Notes are the downloader's own words: they name hosts and processes.
        state.latest = { phase: event.phase, loaded: event.loaded, total: event.total };
        wake();
      },
    });
    call.signal.throwIfAborted();
    const added = models.add(name, loader);
    if (alias !== undefined) models.addAlias(alias, added);
    return added;
  };
  takeTurn(call, id);
  // Who left has its turn until the download has stopped.
  void bring().finally(() => (call.state.downloading = undefined)).then(
    (name) => (state.result = { name }),
    (error: unknown) => (state.result = { error }),
  ).then(() => wake());
  while (state.result === undefined) {
    const { latest } = state;
    if (latest === undefined) {
      await new Promise<void>((resolve) => (wake = resolve));
      continue;
    }
    state.latest = undefined;
    yield latest;
    await new Promise((resolve) => setTimeout(resolve, TOLD_EVERY_MS));
  }
  const { result } = state;
  if ('name' in result) {
    call.figures.model = result.name;
    return result.name;
  }
  call.signal.throwIfAborted();
  throw refusalOf(id, result.error);
}
