import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { changesSince } from '../logic/sinceYesterday.ts';

const dayMs = 86_400_000;
const everyMs = 5 * 60_000;

/** What is otherwise than a day ago, a sentence each. It is a help, so where it cannot be loaded nothing is shown. */
export function SinceYesterday({ status, now }: { status: ServerStatus; now: number }) {
  const text = useText();
  const { t } = text;
  const { api } = useShell();
  const { data } = useResource(
    'yesterday',
    async () => {
      const to = Date.now();
      const [usage, { denials }, { acts }] = await Promise.all([
        api.usage(to - 2 * dayMs, to, 3_600),
        api.denials({ product: '', from: to - dayMs, limit: 1_000 }),
        api.audit(50),
      ]);
      return { usage, denials, acts };
    },
    everyMs,
  );
  if (data === undefined) return null;
  const changes = changesSince(data, status, text, now);
  return (
    <section aria-labelledby="since" class="card">
      <h2 id="since">{t('since.title')}</h2>
      {changes.length === 0 ? (
        <p class="hint">{t('since.none')}</p>
      ) : (
        <ul class="changes">
          {changes.map(({ text: told, more, href }) => (
            <li key={told}>
              {href === undefined ? told : <a href={href}>{told}</a>}
              {more && <small>{more}</small>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
