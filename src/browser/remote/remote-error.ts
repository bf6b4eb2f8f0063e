/** Errors keep their class and their fields on the way to another thread, which a structured clone takes from them. */
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import type { CapacityErrorOptions, InputErrorOptions } from '../../tensor/errors.ts';
import type { EncodedError } from './messages.ts';

const CLASSES: Readonly<Record<string, new (message: string) => Error>> = { FormatError, TypeError, RangeError, SyntaxError };

export function encodeError(error: Error): EncodedError {
  const { name, message, stack } = error;
  return { name, message, stack, fields: fieldsOf(error) };
}

function fieldsOf(error: Error): EncodedError['fields'] {
  if (error instanceof CapacityError) return { shortage: error.shortage, availableBytes: error.availableBytes, lost: error.lost };
  return error instanceof InputError ? { modelKind: error.modelKind } : {};
}

export function decodeError(encoded: EncodedError): Error {
  const error = made(encoded);
  if (encoded.stack !== undefined) Object.defineProperty(error, 'stack', { value: encoded.stack, configurable: true, writable: true });
  return error;
}

function made({ name, message, fields }: EncodedError): Error {
  if (name === 'CapacityError') return new CapacityError(message, fields as CapacityErrorOptions);
  if (name === 'InputError') return new InputError(message, fields as InputErrorOptions);
  const Known = CLASSES[name];
  if (Known !== undefined) return new Known(message);
  // Names of the platform's own: AbortError, TimeoutError, NetworkError.
  if (/^[A-Z]\w+Error$/.test(name) && name !== 'Error') return new DOMException(message, name);
  return new Error(message);
}
