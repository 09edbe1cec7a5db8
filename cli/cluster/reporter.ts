import { type LicenceClient, LicenceRefused } from '../../client/licenceClient.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { askRac, RacFailed, type RacOptions, type RacRecord } from './rac.ts';
import {
  type BaseReport,
  infobaseMembers,
  lastActivity,
  type Products,
  sessionMembers,
  sessionReports,
} from './sessionReports.ts';

export interface ReporterOptions {
  readonly rac: RacOptions;
  /** Id of the cluster; absent: the only one that ras has. */
  readonly cluster?: string;
  readonly products: Products;
  readonly client: LicenceClient;
  /** How often, in ms. */
  readonly periodMs: number;
  readonly say: (line: string) => void;
}

const longestWaitMs = 10 * 60_000;
/** The list of bases changes rarely. */
const listAgainAfter = 10;

/** Reports all bases of a cluster, again and again. One call of rac a period, whatever the number of bases. */
export class ClusterReporter {
  readonly metrics = createMetrics();
  readonly #options: ReporterOptions;
  #cluster: string | undefined;
  #infobases: readonly RacRecord[] = [];
  #listedAgo = Number.POSITIVE_INFINITY;
  #activity: ReadonlyMap<string, string> = new Map();
  /** Rounds that failed, one after another. */
  #failures = 0;
  /** What was said last of each base, so that it is said once. */
  readonly #said = new Map<string, string>();
  readonly #sessions = this.metrics.gauge('licence_cluster_sessions', 'People in a base, as last reported.', ['base']);
  readonly #sleeping = this.metrics.gauge(
    'licence_cluster_sleeping_sessions',
    'Sessions that the cluster keeps without a client.',
    ['base'],
  );
  readonly #denied = this.metrics.gauge(
    'licence_cluster_denied_sessions',
    'People in a base for whom no seat was left.',
    ['base'],
  );
  readonly #rounds = this.metrics.counter(
    'licence_cluster_rounds_total',
    'Rounds by how they went: reported, or why not.',
    ['outcome'],
  );
  readonly #last = this.metrics.gauge(
    'licence_cluster_last_success_timestamp_seconds',
    'When all bases were last reported.',
  );

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
  }

  /** One round. @returns whether every base was reported, and how long to wait for the next, in ms */
  async round(): Promise<{ readonly done: boolean; readonly waitMs: number }> {
    let retryMs = 0;
    let outcome = 'reported';
    try {
      const reports = await this.#reports();
      for (const report of reports) {
        const refusal = await this.#report(report);
        if (refusal === undefined) continue;
        outcome = refusal.reason;
        retryMs = Math.max(retryMs, (refusal.retryAfterSeconds ?? 0) * 1000);
      }
      this.#forget(reports);
    } catch (error) {
      outcome = error instanceof RacFailed ? `Rac${error.reason}` : 'Unreachable';
      if (error instanceof RacFailed) this.#listedAgo = Number.POSITIVE_INFINITY;
      this.#sayOnce(
        '',
        error instanceof RacFailed ? error.message : `the licence server does not answer: ${messageOf(error)}`,
      );
    }
    this.#rounds.inc({ outcome });
    const done = outcome === 'reported';
    if (done) {
      this.#failures = 0;
      this.#last.setToCurrentTime();
      if (this.#said.delete('')) this.#options.say('all bases are reported again');
    } else this.#failures++;
    // a refused base is no reason to ask more rarely: the others go on
    const isOutage = outcome === 'Unreachable' || outcome.startsWith('Rac');
    const waitMs = isOutage
      ? Math.min(this.#options.periodMs * 2 ** Math.min(this.#failures, 10), longestWaitMs)
      : this.#options.periodMs;
    const jitter = 0.9 + Math.random() * 0.2;
    return { done, waitMs: Math.max(Math.round(waitMs * jitter), retryMs) };
  }

  async #reports(): Promise<BaseReport[]> {
    const { rac, products } = this.#options;
    this.#cluster ??= await this.#onlyCluster();
    const cluster = this.#cluster;
    let isListed = false;
    const list = async () => {
      const command = ['infobase', 'summary', 'list', `--cluster=${cluster}`];
      this.#infobases = await askRac(rac, command, 'infobase', infobaseMembers);
      this.#listedAgo = 0;
      isListed = true;
    };
    if (this.#listedAgo >= listAgainAfter) await list();
    this.#listedAgo++;
    const sessions = await askRac(rac, ['session', 'list', `--cluster=${cluster}`], 'session', sessionMembers);
    const known = new Set(this.#infobases.map((infobase) => infobase.get('infobase')));
    if (!isListed && sessions.some((session) => !known.has(session.get('infobase')))) await list(); // a new base
    const reports = sessionReports(this.#infobases, sessions, products, this.#activity);
    this.#activity = lastActivity(sessions);
    return reports;
  }

  async #onlyCluster(): Promise<string> {
    const clusters = await askRac(this.#options.rac, ['cluster', 'list'], 'cluster', ['cluster', 'name']);
    const [only] = clusters;
    if (clusters.length === 1 && only !== undefined) return only.get('cluster') ?? '';
    const names = clusters.map((c) => `${c.get('cluster')} (${c.get('name')})`).join(', ');
    throw new RacFailed('Failed', `ras has ${clusters.length} clusters; name one with --cluster: ${names}`);
  }

  /** @returns the refusal; undefined if the base was reported. @throws Error when the server cannot be reached */
  async #report({ base, instance, sessions, sleeping }: BaseReport): Promise<LicenceRefused | undefined> {
    try {
      const answer = await this.#options.client.reportSessions(base, sessions, instance);
      const denied = answer.sessions.filter((s) => s.outcome === 'denied').length;
      this.#sessions.set({ base }, sessions.length);
      this.#sleeping.set({ base }, sleeping);
      this.#denied.set({ base }, denied);
      if (denied > 0) this.#sayOnce(base, `${base}: ${denied} of ${sessions.length} work without a seat`);
      else this.#said.delete(base);
      return undefined;
    } catch (error) {
      if (!(error instanceof LicenceRefused) || error.status >= 500 || error.status === 429) throw error;
      this.#sayOnce(base, `${base}: ${error.message} (${error.reason})`);
      return error;
    }
  }

  #sayOnce(about: string, line: string): void {
    if (this.#said.get(about) === line) return;
    this.#said.set(about, line);
    this.#options.say(line);
  }

  /** A base that has left the cluster leaves the metrics. */
  #forget(reports: readonly BaseReport[]): void {
    const here = new Set(reports.map(({ base }) => base));
    for (const base of this.#bases)
      if (!here.has(base)) for (const gauge of [this.#sessions, this.#sleeping, this.#denied]) gauge.remove({ base });
    this.#bases = here;
  }
  #bases: ReadonlySet<string> = new Set();
}

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
};
