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

/** What the pods of every LicenceServer get that does not ask for something else. */
export interface PodDefaults {
  /** Default: true. */
  readonly fixedIds?: boolean | undefined;
  readonly imagePullSecrets?: readonly { readonly name: string }[] | undefined;
  readonly resources?: Resources | undefined;
}
type Amounts = Readonly<Record<string, string | number>> | undefined;
interface Resources {
  readonly requests?: Amounts;
  readonly limits?: Amounts;
}

/** The proxy of servers that name none: without an account, since it stands in their settings. */
export interface ProxyDefault {
  readonly url: string;
  readonly noProxy?: readonly string[] | undefined;
}

/** What the operator's own configuration adds. */
export interface Defaults extends MarkDefaults {
  readonly proxy?: ProxyDefault | undefined;
  /** Image of servers whose spec names none. */
  readonly image: string;
  readonly pods?: PodDefaults;
  readonly operatorNamespace?: string | undefined;
  readonly monitoringNamespace?: string | undefined;
  /** New keys may be asked for, with a customer's token. */
  readonly regeneration?: boolean;
  /** Where the runbooks are, for alerts. */
  readonly runbooks: string;
}
