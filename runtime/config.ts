import { z } from 'zod';

/** One environment variable of a program: what `--help` says of it and how its text becomes a value. */
export interface Setting<T = unknown> {
  readonly help: string;
  /** Reads the variable's text; `undefined` when it is unset or empty. */
  readonly schema: z.ZodType<T, string | undefined>;
  /** Shown by `--help` where the default is not a plain constant. */
  readonly shownDefault?: string;
}
export type Settings = Readonly<Record<string, Setting>>;
export type Config<S extends Settings> = { readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

const unset = (text: string | undefined) => (text === undefined || text.trim() === '' ? undefined : text.trim());

/** A text setting; without a default it is optional. */
export const text = (help: string, fallback?: string): Setting<string | undefined> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((v) => unset(v) ?? fallback),
  ...(fallback === undefined ? {} : { shownDefault: fallback }),
});

/** A text setting that `fault` looks at: what is wrong with it, as the rest of a sentence that begins with its name. */
export const checkedText = (
  help: string,
  fault: (value: string) => string | undefined,
): Setting<string | undefined> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((v, ctx) => {
      const value = unset(v);
      const message = value === undefined ? undefined : fault(value);
      if (message === undefined) return value;
      ctx.addIssue({ code: 'custom', message });
      return z.NEVER;
    }),
});

/** A text setting that always has a value. */
export const textOr = (help: string, fallback: string): Setting<string> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((v) => unset(v) ?? fallback),
  shownDefault: fallback,
});

const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]);

/** Addresses and networks, separated by commas; optional. */
export const networks = (help: string): Setting<string | undefined> => ({
  help: `${help} (addresses and networks, separated by commas)`,
  schema: z
    .string()
    .optional()
    .transform((v, ctx) => {
      const all = (unset(v)?.split(',') ?? []).map((n) => n.trim());
      const wrong = all.find((n) => !network.safeParse(n).success);
      if (wrong !== undefined)
        ctx.addIssue({ code: 'custom', message: `"${wrong}" is neither an address nor a network` });
      return all.length === 0 ? undefined : all.join(',');
    }),
});

/** One of a closed set of words. */
export const oneOf = <const W extends readonly [string, ...string[]]>(
  help: string,
  words: W,
  fallback: W[number],
): Setting<W[number]> => ({
  help: `${help} (${words.join(' | ')})`,
  schema: z
    .string()
    .optional()
    .transform((v, ctx) => {
      const word = unset(v) ?? fallback;
      if (words.includes(word)) return word as W[number];
      ctx.addIssue({ code: 'custom', message: `must be one of ${words.join(', ')}, not "${word}"` });
      return z.NEVER;
    }),
  shownDefault: fallback,
});

/** A whole number within bounds, both inclusive. */
export const integer = (help: string, fallback: number, min: number, max: number): Setting<number> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((v, ctx) => {
      const word = unset(v);
      const n = word === undefined ? fallback : Number(word);
      if (Number.isInteger(n) && n >= min && n <= max) return n;
      ctx.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}, not "${word}"` });
      return z.NEVER;
    }),
  shownDefault: String(fallback),
});

/** A whole number within bounds, both inclusive; optional. */
export const optionalInteger = (help: string, min: number, max: number): Setting<number | undefined> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((v, ctx) => {
      const word = unset(v);
      if (word === undefined) return undefined;
      const n = Number(word);
      if (Number.isInteger(n) && n >= min && n <= max) return n;
      ctx.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}, not "${word}"` });
      return z.NEVER;
    }),
});

/** `host:port`; port 0 lets the system choose. IPv6 hosts stand in brackets. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}
export const listen = (help: string, fallback: string): Setting<Listen> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((v, ctx) => {
      const word = unset(v) ?? fallback;
      const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(word);
      const port = Number(match?.[3]);
      if (match && port <= 65_535) return { host: match[1] ?? match[2] ?? '', port };
      ctx.addIssue({ code: 'custom', message: `must be host:port (for example 0.0.0.0:8080), not "${word}"` });
      return z.NEVER;
    }),
  shownDefault: fallback,
});

/** Every fault of the environment at once. */
export class ConfigFault extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`the environment has ${faults.length} fault(s):\n${faults.map((f) => `  ${f}`).join('\n')}`);
    this.name = 'ConfigFault';
    this.faults = faults;
  }
}

/** What Kubernetes adds to a pod's environment for each Service of its namespace: not ours, whatever the Service's name. */
const serviceLink = /_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

/**
 * Reads every setting from `env`. A variable with one of `prefixes` that no setting names is a fault too: it is a
 * typing error that would otherwise go unnoticed.
 * @throws ConfigFault naming all faults.
 */
export function readConfig<const S extends Settings>(
  settings: S,
  env: Readonly<Record<string, string | undefined>>,
  prefixes: readonly string[] = [],
): Config<S> {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, setting] of Object.entries(settings)) {
    const read = setting.schema.safeParse(env[name]);
    if (read.success) values[name] = read.data;
    else faults.push(...read.error.issues.map((issue) => `${name} ${issue.message}`));
  }
  for (const name of Object.keys(env)) {
    if (name in settings || serviceLink.test(name)) continue;
    if (prefixes.some((p) => name.startsWith(p))) faults.push(`${name} is not a setting`);
  }
  if (faults.length > 0) throw new ConfigFault(faults);
  return values as Config<S>;
}

/** The text of `--help`: one line a setting. */
export function helpText(program: string, purpose: string, settings: Settings): string {
  const width = Math.max(...Object.keys(settings).map((n) => n.length));
  const lines = Object.entries(settings).map(
    ([name, s]) => `  ${name.padEnd(width)}  ${s.help}${s.shownDefault === undefined ? '' : ` [${s.shownDefault}]`}`,
  );
  return `${program}: ${purpose}\n\nEnvironment:\n${lines.join('\n')}\n`;
}
