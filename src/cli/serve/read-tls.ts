/** The certificate and the key that a server speaks TLS with. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { InputError } from '../../tensor/errors.ts';
import { expandHome } from '../input-path.ts';
import type { Settings } from './config.ts';

/** PEM texts. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Another program's reason (OpenSSL's) is kept as the cause. */
function parsed<Result>(parse: () => Result, message: string): Result {
  try {
    return parse();
  } catch (error) {
    throw new InputError(message, { cause: error });
  }
}

function readText(flag: string, file: string): string {
  const path = expandHome(file);
  return parsed(() => readFileSync(path, 'utf8'), `${flag}: ${path} cannot be read: it must be a file that this user may read.`);
}

/** @returns undefined for plain HTTP. @throws InputError, by flag and file, for what cannot be read, is no PEM, or does not fit together */
export function readTls({ tlsCert, tlsKey }: Pick<Settings, 'tlsCert' | 'tlsKey'>): Tls | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const cert = readText('--tls-cert', tlsCert as string);
  const key = readText('--tls-key', tlsKey as string);
  const certificate = parsed(() => new X509Certificate(cert), `--tls-cert: ${tlsCert as string} holds no certificate (PEM).`);
  const own: KeyObject = parsed(
    () => createPrivateKey(key), `--tls-key: ${tlsKey as string} holds no private key (PEM) that can be read without a passphrase.`,
  );
  if (!certificate.checkPrivateKey(own))
    throw new InputError(`--tls-key: ${tlsKey as string} is not the key of --tls-cert, ${tlsCert as string}.`);
  parsed(() => createSecureContext({ cert, key }), `--tls-cert: ${tlsCert as string} has a certificate, and more that is none (PEM).`);
  return { cert, key };
}
