import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The programs, in the order of the page. */
export const programs = ['server', 'operator', 'authority'] as const;
export type ProgramName = (typeof programs)[number];

const titles: Readonly<Record<ProgramName, string>> = {
  server: 'The licence server: `npm run server`',
  operator: 'The operator: `npm run operator`',
  authority: 'The authority: `npm run authority`',
};

export interface SettingRow {
  readonly name: string;
  readonly help: string;
  readonly fallback: string | undefined;
}

/** What a program's `--help` says of its settings. */
export function settingsOf(program: ProgramName): SettingRow[] {
  const main = fileURLToPath(new URL(`../${program}/main.ts`, import.meta.url));
  const help = execFileSync(process.execPath, [main, '--help'], { encoding: 'utf8' });
  return [...help.matchAll(/^ {2}([A-Z][A-Z0-9_]+) +(.*?)(?: \[([^\]]*)\])?$/gm)].map(
    ([, name = '', text = '', fallback]) => ({
      name,
      help: text,
      fallback: fallback?.replace(homedir(), '~'),
    }),
  );
}

const escaped = (text: string) => text.replaceAll('|', '\\|');
const row = ({ name, help, fallback }: SettingRow) =>
  `| \`${name}\` | ${escaped(help)} | ${fallback === undefined ? '' : `\`${escaped(fallback)}\``} |`;

/** The page. */
export const settingsPage = (): string => `# Settings
Made from the programs' \`--help\` by \`npm run settings\`; do not edit. Every setting is an environment variable; an empty one counts as unset. All faults of the
environment are listed at once, and the program ends with status 2. A variable with a program's own prefix that is no setting is a fault too: it is a
typing error that would otherwise go unnoticed.

In Kubernetes nobody sets these by hand: the operator gives a server its own from the LicenceServer's spec, and the charts' values set those of operator and
authority.

${programs
  .map(
    (program) =>
      `## ${titles[program]}\n| Variable | Means | Default |\n|---|---|---|\n${settingsOf(program).map(row).join('\n')}`,
  )
  .join('\n\n')}
`;

if (import.meta.main) writeFileSync(fileURLToPath(new URL('settings.md', import.meta.url)), settingsPage());
