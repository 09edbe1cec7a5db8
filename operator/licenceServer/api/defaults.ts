/** Labels and annotations that a person wants on objects: by them Prometheus finds monitors, policies count costs, tools pick. */
export interface Marks {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** What the operator's own configuration puts on the children of every LicenceServer. */
export interface MarkDefaults {
  readonly common?: Marks;
  /** ServiceMonitors and PrometheusRules. */
  readonly monitoring?: Marks;
  /** ConfigMaps with dashboards. */
  readonly dashboards?: Marks;
}

/** What the operator's own configuration adds. */
export interface Defaults extends MarkDefaults {
  /** Image of servers whose spec names none. */
  readonly image: string;
  readonly operatorNamespace?: string | undefined;
  readonly monitoringNamespace?: string | undefined;
  /** New keys may be asked for, with a customer's token. */
  readonly regeneration?: boolean;
  /** Where the runbooks are, for alerts. */
  readonly runbooks: string;
}
