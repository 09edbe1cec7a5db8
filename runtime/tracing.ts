/**
 * Traces over OTLP/HTTP. Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and then nothing of OpenTelemetry is loaded: `trace`
 * only calls its work.
 */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** Runs work in a span, below the span that it is called in; what it throws is noted and thrown on. */
export type Trace = <T>(name: string, attributes: Attributes, work: () => T) => T;

let active: Trace | undefined;

export const trace: Trace = (name, attributes, work) =>
  active === undefined ? work() : active(name, attributes, work);

/** Whether each request is a span. */
export const isTracing = (): boolean => active !== undefined;

/**
 * Starts tracing if the environment asks for it. From then on each HTTP request that this process answers is a span too.
 * @returns what sends the last spans and ends it, within 5 s
 */
export async function startTracing(
  program: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<() => Promise<void>> {
  if (!env.OTEL_EXPORTER_OTLP_ENDPOINT?.trim() || env.OTEL_SDK_DISABLED === 'true') return async () => {};
  const { startSpans } = await import('./otlpSpans.ts');
  const spans = startSpans(env.OTEL_SERVICE_NAME?.trim() || program);
  active = spans.trace;
  return async () => {
    active = undefined;
    await spans.stop();
  };
}
