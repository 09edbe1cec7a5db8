/** An entry of the menu, as VitePress takes it. */
export interface MenuItem {
  readonly text: string;
  readonly link?: string;
  readonly items?: readonly MenuItem[];
}

const page = (text: string, path: string): MenuItem => ({ text, link: `/${path}` });
const section = (text: string, ...items: MenuItem[]): MenuItem => ({ text, items });

/** What stands where; a page that is missing here stands under "More". */
export const sidebar: readonly MenuItem[] = [
  section(
    'Begin',
    page('What it is', 'index'),
    page('Quick start', 'docs/quick-start'),
    page('Words', 'docs/words'),
    page('Compared with others', 'docs/comparison'),
  ),
  section(
    'Run it',
    page('Install', 'docs/install'),
    page('kubectl licence', 'docs/kubectl'),
    page('Plan a change', 'docs/plan'),
    page('Upgrade', 'docs/upgrading'),
    page('Databases', 'docs/databases'),
    page('Backups', 'docs/backups'),
    page('Monitoring', 'docs/monitoring'),
    page('Performance', 'docs/performance'),
    page('Without Kubernetes', 'docs/standalone'),
    page('Runbooks', 'docs/runbooks/index'),
  ),
  section(
    'Keys and seats',
    page('Rotate keys', 'docs/rotate-keys'),
    page('Move to another computer', 'docs/moving'),
    page('Stale seats', 'docs/stale-seats'),
    page('Seat rules', 'docs/seat-rules'),
  ),
  section(
    'With',
    page('Argo CD', 'docs/with/argocd'),
    page('Proxy, CA, load balancer', 'docs/with/proxy'),
    page('kube-prometheus-stack', 'docs/with/kube-prometheus-stack'),
    page('Flux', 'docs/with/flux'),
    page('OpenShift', 'docs/with/openshift'),
    page('Policies and quotas', 'docs/with/policies'),
    page('Image mirrors', 'docs/with/mirrors'),
  ),
  section(
    'For vendors and programs',
    page("The vendor's side", 'docs/authority'),
    page('The cabinet', 'docs/cabinet'),
    page('Clients', 'docs/client'),
    page('Protocol', 'docs/protocol'),
    page('Security', 'docs/security'),
  ),
  section(
    'Reference',
    page('Fields', 'reference/fields'),
    page('Commands', 'reference/commands'),
    page('Settings', 'docs/settings'),
    page('HTTP: server', 'reference/http-server'),
    page('HTTP: authority', 'reference/http-authority'),
    page('Metrics and alerts', 'reference/metrics'),
    page('Reasons', 'reference/reasons'),
  ),
  section(
    'По-русски',
    page('Быстрый старт', 'docs/ru/quick-start'),
    page('Администратору', 'docs/ru/administrator'),
    page('1С', 'docs/ru/1c'),
    page('Личный кабинет', 'docs/ru/cabinet'),
  ),
  section(
    'The project',
    page('Changes', 'CHANGELOG'),
    page('Contributing', 'CONTRIBUTING'),
    page('Development', 'docs/development'),
    page('Releasing', 'docs/releasing'),
    page('Decisions', 'docs/adr/index'),
  ),
];

const linked = (items: readonly MenuItem[]): string[] =>
  items.flatMap(({ link, items: below }) => [...(link === undefined ? [] : [link.slice(1)]), ...linked(below ?? [])]);
/** Their own lists lead to them. */
const listed = /^docs\/(runbooks|adr)\/(?!index)/;

/** The menu of these pages (path → text). Pure. */
export function menuOf(pages: ReadonlyMap<string, string>): readonly MenuItem[] {
  const placed = linked(sidebar);
  const rest = [...pages].flatMap(([path, text]) => {
    const name = path.replace(/\.md$/, '');
    return placed.includes(name) || listed.test(path) ? [] : [page(/^# (.+)$/m.exec(text)?.[1] ?? name, name)];
  });
  return rest.length === 0 ? sidebar : [...sidebar, section('More', ...rest)];
}

export interface SiteVersions {
  readonly menu: readonly MenuItem[];
  /** Of these pages. */
  readonly version: string;
  /** All that stand beside, the newest first. */
  readonly versions: readonly string[];
}

/** As much of markdown-it as is changed here. */
interface Markdown {
  readonly utils: { escapeHtml(text: string): string };
  readonly renderer: { readonly rules: Record<string, Rule | undefined> };
}
type Rule = (
  tokens: readonly { readonly content: string }[],
  at: number,
  options: unknown,
  env: unknown,
  self: unknown,
) => string;

/** What braces mean to Vue they do not mean here: a page is text. */
const asText = (html: string): string => html.replaceAll('{{', '&#123;&#123;');

export const siteConfig = ({ version, versions, menu }: SiteVersions) => ({
  title: 'Softonit Licence',
  description: 'A floating-seat licence server and the Kubernetes operator that runs it',
  base: `/${version}/`,
  head: [['link', { rel: 'icon', href: `/${version}/icon.svg`, type: 'image/svg+xml' }]],
  vite: { logLevel: 'warn' },
  markdown: {
    html: false,
    config: (md: Markdown) => {
      for (const rule of ['text', 'code_inline'] as const) {
        const before = md.renderer.rules[rule];
        md.renderer.rules[rule] = (tokens, at, options, env, self) =>
          asText(before?.(tokens, at, options, env, self) ?? md.utils.escapeHtml(tokens[at]?.content ?? ''));
      }
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: menu,
    nav: [
      { text: 'Quick start', link: '/docs/quick-start' },
      { text: 'По-русски', link: '/docs/ru/quick-start' },
      {
        text: version,
        items: [
          ...versions.map((other) => ({ text: other, link: `../${other}/`, target: '_self' })),
          { text: 'What is new', link: '/CHANGELOG' },
        ],
      },
    ],
  },
});
