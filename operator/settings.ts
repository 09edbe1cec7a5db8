import { checkedText, integer, listen, oneOf, text, textOr } from '../runtime/config.ts';
import { logLevels } from '../runtime/log.ts';
import { proxyFault } from '../runtime/proxyUrl.ts';
import { usualRunbooks } from './licenceServer/build/alerts.ts';
import { markSettings } from './markSettings.ts';
import { podSettings } from './podSettings.ts';

export const programVersion = '0.1.0';

/** What the operator reads from its environment. */
export const settings = {
  OPERATOR_WATCH_NAMESPACES: text('namespaces to look after, separated by commas; without it and the selector: all'),
  OPERATOR_NAMESPACE_SELECTOR: text('label selector of the namespaces to look after, followed live'),
  OPERATOR_SERVER_IMAGE: textOr('image of licence servers that name none', `licence-server:${programVersion}`),
  OPERATOR_WORKERS: integer('LicenceServers reconciled at one time', 8, 1, 256),
  OPERATOR_MAX_ROLLOUTS: integer("servers that may roll at one time by the operator's own decision", 1, 1, 1_000),
  OPERATOR_LISTEN: listen('address of metrics and probes', '127.0.0.1:8081'),
  OPERATOR_LEADER_ELECTION: oneOf('whether only the holder of a Lease works', ['true', 'false'], 'true'),
  OPERATOR_NAMESPACE: text('namespace of the leader lease; default: the one that the operator runs in'),
  OPERATOR_REGENERATION: oneOf(
    "whether new keys are asked for at the authority, with a customer's token",
    ['true', 'false'],
    'false',
  ),
  OPERATOR_SERVER_ADDRESS: oneOf('how licence servers are reached', ['service', 'apiserver-proxy'], 'service'),
  OPERATOR_POLL_SECONDS: integer('how often a settled licence server is asked for its status', 15, 1, 3_600),
  OPERATOR_MONITORING_NAMESPACE: text('namespace of Prometheus, let in by each NetworkPolicy'),
  OPERATOR_SERVER_PROXY: checkedText(
    'proxy of licence servers whose spec names none, to the authority and to buckets; without an account',
    (url) =>
      url.includes('@') ? 'has an account; servers get it in clear, so name it in a Secret of each' : proxyFault(url),
  ),
  OPERATOR_SERVER_NO_PROXY: text('what they reach without it besides names of the cluster, separated by commas'),
  OPERATOR_RUNBOOKS_URL: textOr('where the runbooks are that alerts link to', usualRunbooks),
  ...podSettings,
  ...markSettings,
  OPERATOR_CONTEXT: text('context of the kubeconfig; default: its current one'),
  OPERATOR_QPS: integer('requests to the API server per second; 0: no more than 32 at one time', 0, 0, 10_000),
  OPERATOR_SNAPSHOT_DIR: text('where a heap snapshot goes that SIGUSR2 asks for; default: the temporary directory'),
  LOG_LEVEL: oneOf('least severe log line that is written', logLevels, 'info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text('where traces go; unset: none'),
} as const;
