import { useState } from 'preact/hooks';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { ConfirmDialog } from '../../shared/parts/confirmDialog.tsx';
import { type Column, DataTable } from '../../shared/parts/dataTable.tsx';
import { Dialog } from '../../shared/parts/dialog.tsx';
import { Field } from '../../shared/parts/field.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { saveFile } from '../../shared/saveFile.ts';
import { refusalOf, useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import type { Assignment, NamedProduct } from '../wire.ts';

/** Whose the seats of products for named users are. */
export function Named() {
  const { t } = useText();
  const { api } = useShell();
  const list = useResource('assignments', () => api.assignments(), 15_000);
  return (
    <>
      <h1 tabIndex={-1}>{t('named.title')}</h1>
      <p class="lead">{t('named.lead')}</p>
      {list.refusal && <RefusalNotice refusal={list.refusal} onRetry={list.reload} />}
      {!list.data && !list.refusal && <p class="empty">{t('app.loading')}</p>}
      {list.data?.products.length === 0 && <p class="empty">{t('named.none')}</p>}
      {list.data?.products.map((product) => (
        <Product key={product.product} named={product} onChanged={list.reload} />
      ))}
    </>
  );
}

/** Names of a text, a line or a comma each. */
const namesIn = (text: string): string[] =>
  text
    .split(/[\n,;]/)
    .map((name) => name.trim())
    .filter((name) => name !== '');

function Product({ named, onChanged }: { named: NamedProduct; onChanged(): void }) {
  const text = useText();
  const { t } = text;
  const { api, say } = useShell();
  const { product, assignments, seatLimit } = named;
  const [moving, setMoving] = useState<Assignment>();
  const [removing, setRemoving] = useState<Assignment>();
  const [refusal, setRefusal] = useState<Refusal>();
  const [file, setFile] = useState<{ readonly name: string; readonly table: string }>();
  const done = (message: string) => {
    setRefusal(undefined);
    say(message);
    onChanged();
  };
  const trying = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  const assign = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const users = namesIn(String(new FormData(form).get('users') ?? ''));
    if (users.length === 0) return;
    return trying(async () => {
      const { assigned } = await api.changeAssignments(product, { assign: users });
      form.reset();
      done(t('named.assigned', { n: assigned }));
    });
  };
  const unused = assignments.filter((a) => isUnused(a, Date.now())).length;
  return (
    <section class="card" aria-label={product}>
      <div class="bar">
        <div>
          <h2>{product}</h2>
          <p class="hint">
            {t('named.counts', { n: assignments.length, limit: seatLimit })}{' '}
            {t('named.days', { n: named.reassignAfterDays })}
            {unused > 0 && <> {t('named.unusedCount', { n: unused })}</>}
          </p>
        </div>
        <div class="bar-fields">
          <button
            type="button"
            onClick={() =>
              trying(async () => saveFile(`${product}.csv`, await api.assignmentsCsv(product), 'text/csv'))
            }
          >
            {t('named.save')}
          </button>
        </div>
      </div>
      <form onSubmit={assign} class="row-form">
        <Field label={t('named.users')} hint={t('named.usersHint')}>
          {(a) => <input {...a} name="users" autocomplete="off" required />}
        </Field>
        <button type="submit" class="primary">
          {t('named.assign')}
        </button>
      </form>
      <Field label={t('named.load')} hint={t('named.loadHint')}>
        {(a) => (
          <input
            {...a}
            type="file"
            accept=".csv,text/csv,text/plain"
            onChange={async ({ currentTarget }) => {
              const [chosen] = currentTarget.files ?? [];
              if (chosen !== undefined) setFile({ name: chosen.name, table: await chosen.text() });
              currentTarget.value = '';
            }}
          />
        )}
      </Field>
      {refusal && <RefusalNotice refusal={refusal} />}
      {assignments.length === 0 ? (
        <p class="empty">{t('named.nobody')}</p>
      ) : (
        <DataTable
          caption={t('named.table', { product })}
          columns={columnsOf(text, setMoving, setRemoving)}
          rows={assignments}
          keyOf={(a) => a.user}
          busy={false}
        />
      )}
      <p class="hint" role="status">
        {t('named.left', { n: Math.max(seatLimit - assignments.length, 0) })}
      </p>
      {moving && (
        <MoveDialog
          from={moving.user}
          onClose={() => setMoving(undefined)}
          onMove={async (to) => {
            await api.changeAssignments(product, { assign: [to], remove: [moving.user] });
            setMoving(undefined);
            done(t('named.moved', { from: moving.user, to }));
          }}
        />
      )}
      {removing && (
        <ConfirmDialog
          title={t('named.removeTitle')}
          text={t('named.removeText', { user: removing.user, product })}
          action={t('named.remove')}
          onClose={() => setRemoving(undefined)}
          onConfirm={async () => {
            await api.changeAssignments(product, { remove: [removing.user] });
            setRemoving(undefined);
            done(t('named.removed', { user: removing.user }));
          }}
        />
      )}
      {file && (
        <ConfirmDialog
          title={t('named.loadTitle')}
          text={t('named.loadText', { name: file.name, product })}
          action={t('named.loadDo')}
          onClose={() => setFile(undefined)}
          onConfirm={async () => {
            const { assigned, removed } = await api.changeAssignments(product, { table: file.table });
            setFile(undefined);
            done(t('named.loaded', { assigned, removed }));
          }}
        />
      )}
    </section>
  );
}

const unusedAfterMs = 30 * 86_400_000;
/** As the metric counts: nobody has a seat by it, and nobody had one for 30 days. */
const isUnused = (a: Assignment, nowMs: number): boolean =>
  !a.inUse && Date.parse(a.lastUsedAt ?? a.assignedAt) < nowMs - unusedAfterMs;

function columnsOf(
  text: ReturnType<typeof useText>,
  onMove: (a: Assignment) => void,
  onRemove: (a: Assignment) => void,
): Column<Assignment>[] {
  const { t } = text;
  const now = Date.now();
  const isTheirs = (a: Assignment) => Date.parse(a.reassignableFrom) > now;
  return [
    { head: t('seats.user'), names: true, class: 'name', cell: (a) => a.user },
    {
      head: t('seats.state'),
      cell: (a) =>
        a.inUse ? (
          <span class="badge badge-active">{t('named.inUse')}</span>
        ) : isUnused(a, now) ? (
          <span class="badge badge-stale">{t('named.unused')}</span>
        ) : (
          t('named.notNow')
        ),
    },
    { head: t('named.since'), cell: (a) => text.moment(a.assignedAt) },
    {
      head: t('named.lastUsed'),
      cell: (a) => (a.lastUsedAt === undefined ? t('named.never') : text.relative(a.lastUsedAt, now)),
    },
    {
      head: t('named.from'),
      cell: (a) => (isTheirs(a) ? text.moment(a.reassignableFrom) : t('named.anyTime')),
    },
    {
      head: t('seats.actions'),
      class: 'actions',
      cell: (a) => (
        <>
          <button
            type="button"
            disabled={isTheirs(a)}
            aria-label={t('named.moveOf', { user: a.user })}
            onClick={() => onMove(a)}
          >
            {t('named.move')}
          </button>{' '}
          <button
            type="button"
            disabled={isTheirs(a)}
            aria-label={t('named.removeOf', { user: a.user })}
            onClick={() => onRemove(a)}
          >
            {t('named.remove')}
          </button>
        </>
      ),
    },
  ];
}

/** Asks whose the seat is to be. */
function MoveDialog({ from, onClose, onMove }: { from: string; onClose(): void; onMove(to: string): Promise<void> }) {
  const { t } = useText();
  const [refusal, setRefusal] = useState<Refusal>();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const to = String(new FormData(event.currentTarget as HTMLFormElement).get('to') ?? '').trim();
    if (to === '') return;
    try {
      await onMove(to);
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  return (
    <Dialog title={t('named.moveTitle', { user: from })} onClose={onClose}>
      <p>{t('named.moveText', { user: from })}</p>
      <form onSubmit={submit}>
        <Field label={t('named.to')}>
          {(a) => <input {...a} name="to" maxLength={200} autocomplete="off" required />}
        </Field>
        {refusal && <RefusalNotice refusal={refusal} />}
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>
            {t('app.cancel')}
          </button>
          <button type="submit" class="primary">
            {t('named.move')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
