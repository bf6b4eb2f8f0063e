/** Where the hub is, who asks, and where its files are kept: by the same variables of the environment as Python's huggingface_hub. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HubEndpoint } from '../../files/hub/hub-access.ts';
import { InputError } from '../../tensor/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The endpoint is HF_ENDPOINT's; the token HF_TOKEN's, else that of the file that `hf auth login` writes. */
export interface HubSettings extends HubEndpoint {
  /** HF_HUB_CACHE, else `hub` in HF_HOME, else in `~/.cache/huggingface`. */
  readonly cacheFolder: string;
  /** HF_HUB_OFFLINE: the hub is not asked. */
  readonly isOffline: boolean;
}

const TRUE = /^(1|on|yes|true)$/i;

/** @throws InputError for an endpoint that is no URL */
export async function hubSettings(environment: Environment): Promise<HubSettings> {
  const home = homeOf(environment);
  return {
    endpoint: endpointOf(environment),
    cacheFolder: environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'] || join(home, 'hub'),
    isOffline: TRUE.test(environment['HF_HUB_OFFLINE'] ?? ''),
    token: await tokenOf(environment, home),
  };
}

function homeOf(environment: Environment): string {
  return environment['HF_HOME'] || join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'huggingface');
}

function endpointOf(environment: Environment): string {
  const text = environment['HF_ENDPOINT'] || 'https://huggingface.co';
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new InputError(`HF_ENDPOINT must be an http or https URL, found ${JSON.stringify(text)}.`);
  return text.replace(/\/+$/, '');
}

async function tokenOf(environment: Environment, home: string): Promise<string | undefined> {
  if (TRUE.test(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'] ?? '')) return undefined;
  const given = environment['HF_TOKEN'] || environment['HUGGING_FACE_HUB_TOKEN'];
  const found = given ?? (await readFile(environment['HF_TOKEN_PATH'] || join(home, 'token'), 'utf8').catch(() => ''));
  const token = found.replace(/[\r\n]/g, '').trim();
  if (/[^\u0021-\u007e]/.test(token))
    throw new InputError('The token of the hub (HF_TOKEN, or the file of "hf auth login") has characters that no token has. Log in again.');
  return token === '' ? undefined : token;
}
