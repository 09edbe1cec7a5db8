/** An explanation of a check-out (`POST /v1/checkouts:explain`), as far as commands show it. */
export interface Explained {
  readonly product: string;
  readonly granted: boolean;
  readonly reason?: string;
  readonly rule?: string;
  readonly detail: string;
  readonly queue?: { readonly position: number };
  readonly checks: readonly {
    readonly check: string;
    readonly verdict: string;
    readonly name?: string;
    readonly effect?: string;
    readonly says: string;
  }[];
  readonly holders?: readonly {
    readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session: string };
    readonly mode: string;
    readonly acquiredAt: string;
    readonly stale?: boolean;
  }[];
  readonly expected?: { readonly at: string; readonly by: string };
}

const marks: Readonly<Record<string, string>> = { passed: '+', notMatched: '·' };

/** The answer in lines for a person: the outcome, what was looked at, who has the seats, when one is expected. */
export function explainedLines(e: Explained): string[] {
  const deciding = e.granted ? '+' : '-';
  const named = ({ check, name, effect }: Explained['checks'][number]) =>
    name === undefined ? check : `${check} ${name}${effect === undefined ? '' : ` (${effect})`}`;
  const width = Math.max(...e.checks.map((c) => named(c).length));
  return [
    `${e.granted ? 'granted' : `denied: ${e.reason}`}${e.rule === undefined ? '' : `, by the rule ${e.rule}`}`,
    e.detail,
    ...e.checks.map(
      (c) =>
        `  ${marks[c.verdict] ?? deciding} ${named(c).padEnd(width)}   ${c.says}${c.verdict === 'decided' ? '  ← decides' : ''}`,
    ),
    ...(e.holders === undefined || e.holders.length === 0
      ? []
      : [
          'held the longest by:',
          ...e.holders.map(({ holder: h, mode, acquiredAt, stale }) => {
            const who = [h.user, h.host, h.base, h.session].filter((part) => part !== '').join(', ');
            return `  ${who}: ${mode}${stale ? ', stale' : ''}, since ${acquiredAt}`;
          }),
        ]),
    ...(e.expected === undefined
      ? []
      : [
          `a seat is expected at ${e.expected.at}${e.expected.by === 'grace' ? ', when expired ones may be given to others' : ', as fast as seats were given back lately'}`,
        ]),
  ];
}
