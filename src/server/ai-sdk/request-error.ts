/** What a request failed with, as the AI SDK knows it: it tells its errors by symbols, and retries those that say so. */

const MARK = 'vercel.ai.error';
const NAME = 'AI_APICallError';

export interface RequestFailure {
  readonly url: string;
  readonly body: object;
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The message of a refusal's body in OpenAI's form. */
function messageIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { readonly error?: { readonly message?: unknown } };
    return typeof error?.message === 'string' ? error.message : undefined;
  } catch {
    return undefined;
  }
}

export function requestError({ url, body, status, headers, text }: RequestFailure, cause?: unknown): Error {
  const error = new Error(messageIn(text) ?? `The server answered ${status ?? 'nothing'}.`, { cause });
  const isPassing = status === undefined || status === 408 || status === 429 || status >= 500;
  return Object.assign(error, {
    name: NAME, [Symbol.for(MARK)]: true, [Symbol.for(`${MARK}.${NAME}`)]: true, url, requestBodyValues: body, statusCode: status,
    responseHeaders: headers, responseBody: text, isRetryable: isPassing && headers['x-should-retry'] !== 'false',
  });
}
