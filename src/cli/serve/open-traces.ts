/** OpenTelemetry's SDK, where traces are asked for: its packages are loaded then, and only then. */
import { InputError } from '../../tensor/errors.ts';
import type { OpenTelemetryApi } from '../../server/open-telemetry.ts';

export const TRACE_PACKAGES = [
  '@opentelemetry/api', '@opentelemetry/sdk-trace-node', '@opentelemetry/exporter-trace-otlp-http', '@opentelemetry/resources',
] as const;

export interface Traces {
  readonly api: OpenTelemetryApi;
  /** Sends what is left. */
  close(): Promise<void>;
}

export interface TraceOptions {
  /** Where spans go, by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  /** For tests: what imports a package. */
  readonly load?: (name: string) => Promise<any>;
}

/** @throws InputError that says what to install */
async function loadAll(load: (name: string) => Promise<any>): Promise<any[]> {
  try {
    return await Promise.all(TRACE_PACKAGES.map(load));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const install = `npm install ${TRACE_PACKAGES.join(' ')}`;
    const message = `--traces needs OpenTelemetry's packages, and not all of them are here. Install them: ${install}`;
    throw new InputError(message, { cause: error });
  }
}

/** @throws InputError where a package is not there, or the URL is none */
export async function openTraces({ url, load = (name) => import(name) }: TraceOptions): Promise<Traces> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new InputError('--traces must be a URL of OTLP over HTTP, as in http://127.0.0.1:4318/v1/traces.');
  const [api, { NodeTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await loadAll(load);
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': process.env['OTEL_SERVICE_NAME'] || 'ingot' }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  });
  provider.register();
  return { api, close: () => provider.shutdown() };
}
