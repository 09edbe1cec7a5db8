import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace as spans } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Attributes, Trace } from './tracing.ts';

/**
 * The part of tracing that loads OpenTelemetry; only `startTracing` may import it, and only when traces are wanted. The exporter reads
 * its own settings (`OTEL_EXPORTER_OTLP_…`) from the environment and sends JSON.
 *
 * Requests are followed through Node's and fastify's diagnostics channels, so that the programs' own code needs no hook. A span
 * names the route, never the path: paths have ids and names of bases in them.
 */
export function startSpans(service: string): { readonly trace: Trace; stop(): Promise<void> } {
  const provider = new TracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ 'service.name': service })),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ timeoutMillis: 2_500 }),
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: 3_000,
      }),
    ],
  });
  const tracer = provider.getTracer(service);
  const current = new AsyncLocalStorage<Context>();

  const trace: Trace = <T>(name: string, attributes: Attributes, work: () => T): T => {
    const parent = current.getStore() ?? ROOT_CONTEXT;
    const span = tracer.startSpan(name, { attributes }, parent);
    const failed = (error: unknown): never => {
      endWith(span, error);
      throw error;
    };
    try {
      const result = current.run(spans.setSpan(parent, span), work);
      if (!(result instanceof Promise)) {
        span.end();
        return result;
      }
      return result.then((value) => {
        span.end();
        return value;
      }, failed) as T;
    } catch (error) {
      return failed(error);
    }
  };

  const requests = new WeakMap<IncomingMessage, Span>();
  const began = (message: unknown) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    if (/^\/(healthz|metrics)/.test(request.url ?? '')) return;
    const method = request.method ?? '';
    const attributes = { 'http.request.method': method };
    const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parentOf(request.headers.traceparent));
    requests.set(request, span);
    response.once('close', () => {
      if (response.writableFinished) span.setAttribute('http.response.status_code', response.statusCode);
      else span.setAttribute('error.type', 'aborted');
      if (response.statusCode >= 500 || !response.writableFinished) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
  };
  const routed = (message: unknown) => {
    const { request, route } = message as { request: { raw: IncomingMessage }; route: { url?: string } };
    const span = requests.get(request.raw);
    if (span === undefined || route.url === undefined) return;
    span.updateName(`${request.raw.method} ${route.url}`).setAttribute('http.route', route.url);
  };
  subscribe('http.server.request.start', began);
  subscribe('tracing:fastify.request.handler:start', routed);

  return {
    trace,
    stop: async () => {
      unsubscribe('http.server.request.start', began);
      unsubscribe('tracing:fastify.request.handler:start', routed);
      await provider.shutdown().catch(() => {}); // a collector that is away is no fault of this program
    },
  };
}

function endWith(span: Span, error: unknown): void {
  span.recordException(error instanceof Error ? error : String(error));
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** The caller's span, from W3C `traceparent`. */
function parentOf(header: string | string[] | undefined): Context {
  const parts = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})/.exec(typeof header === 'string' ? header : '');
  const [, traceId, spanId, flags] = parts ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  return spans.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags ?? '00', 16),
    isRemote: true,
  });
}
