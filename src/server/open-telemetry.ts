/** What the server uses of OpenTelemetry, which it does not import. */

/** As much of `@opentelemetry/api` as is used: `createServer({ openTelemetry: await import('@opentelemetry/api') })`. */
export interface OpenTelemetryApi {
  readonly trace: { getTracer(name: string): { startSpan(name: string, options: any, context: any): OpenTelemetrySpan } };
  readonly propagation: { extract(context: any, carrier: any): any };
  /** A span that begins while another one is under way lies below it, unless the request names its own parent. */
  readonly context: { active(): any };
}

export interface OpenTelemetrySpan {
  setStatus(status: { code: number; message?: string }): unknown;
  end(time?: number): void;
}
