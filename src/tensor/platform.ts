/**
 * What the platform gives, by names that need no library of types: the package's declarations must compile in a project without the
 * DOM's, and in one without `@types/node`. Each is the platform's own type where the compiler knows it.
 */

/** An instance of the global class `Name`, or `Fallback` where no library of types declares that. */
export type Platform<Name extends string, Fallback = object> =
  typeof globalThis extends Record<Name, { prototype: infer Instance }> ? Instance : Fallback;

/** An `AbortSignal`. */
export type CancelSignal = Platform<'AbortSignal', {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}>;

/** A `URL`. */
export type PlatformUrl = Platform<'URL', { readonly href: string }>;

/** A `Response`, as far as it is read. */
export type HttpResponse = Platform<'Response', {
  readonly status: number;
  readonly statusText: string;
  readonly headers: { get(name: string): string | null };
  readonly body: { getReader(): { read(): Promise<{ readonly value?: Uint8Array | undefined }> } } | null;
}>;

export interface HttpRequestInit {
  readonly headers: Record<string, string>;
  readonly signal: CancelSignal;
}

/** The platform's `fetch`, or a function around it. */
export type Fetch = (url: PlatformUrl, init: HttpRequestInit) => Promise<HttpResponse>;
