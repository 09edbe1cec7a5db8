import { aligned } from '../../../runtime/aligned.ts';
import type { Context } from '../context.ts';
import { diagnose } from '../diagnose.ts';
import { type ExitStatus, exitStatus } from '../exitStatus.ts';
import { ageOf } from '../output.ts';
import { look, lookMeanwhile, type Picture } from '../picture.ts';
import type { Step } from '../step.ts';

const marks = { ok: 'ok', wait: 'wait', warn: 'look', fail: 'FAIL', unknown: '?' } as const;
const colours = { ok: 'green', wait: 'yellow', warn: 'yellow', fail: 'red', unknown: 'yellow' } as const;

/** What a person reads: the first line is the cause, the second what to do. Pure. */
export function statusText(picture: Picture, paint: Context['paint'] = (text) => text): string {
  const { cause, steps } = diagnose(picture);
  const { namespace, name } = picture.server.metadata;
  const isWell = cause === undefined || cause.state === 'unknown';
  const hides = picture.unseen.length > 0 || (picture.answer.kind === 'silent' && picture.answer.forbidden === true);
  const well = hides ? 'is well as far as you may see' : 'is well';
  const head = isWell ? `${namespace}/${name} ${well}` : `${namespace}/${name}: ${cause.says}`;
  const others = steps.filter((step) => step !== cause && step.todo !== undefined && step.state !== 'unknown');
  const recent = picture.warnings.filter(({ at }) => picture.nowMs - Date.parse(at) < 3_600_000).slice(0, 5);
  const parts = [
    paint(head, isWell ? 'green' : colours[cause.state]),
    ...(isWell || cause.todo === undefined ? [] : [`→ ${cause.todo}`]),
    `\n${table(steps)}`,
    ...(others.length === 0 ? [] : [`\nAlso:\n${others.map(({ says, todo }) => `  ${says}\n  → ${todo}`).join('\n')}`]),
    ...(isWell || recent.length === 0 ? [] : [`\nWarnings of the last hour:\n${warnings(recent, picture.nowMs)}`]),
  ];
  return `${parts.join('\n')}\n`;
}

const table = (steps: readonly Step[]): string =>
  aligned(steps.map(({ step, state, says }) => [`  ${step}`, marks[state], says]));

const warnings = (recent: Picture['warnings'], nowMs: number): string =>
  aligned(
    recent.map(({ about, reason, message, at }) => [`  ${ageOf(at, nowMs)}`, reason, about, message.slice(0, 160)]),
  );

/** `status NAME`: why it is not well, and what to do. */
export async function status(context: Context, [name]: readonly string[]): Promise<ExitStatus> {
  const { cluster } = context;
  const picture =
    name === undefined
      ? await look(cluster, await context.server(undefined))
      : await lookMeanwhile(cluster, { namespace: cluster.namespace, name }, context.server(name));
  const { cause, steps } = diagnose(picture);
  if (context.format === 'json' || context.format === 'yaml') {
    const { namespace, name: found } = picture.server.metadata;
    const data = { namespace, name: found, ...(cause === undefined ? {} : { cause }), steps };
    context.print({ data, columns: [], rows: [], empty: '' });
  } else context.out(statusText(picture, context.paint));
  if (picture.unseen.length > 0) {
    context.say(`you may not read ${picture.unseen.toSorted().join(', ')} here, so that part was not looked at`);
  }
  if (picture.answer.kind === 'silent' && picture.answer.forbidden) {
    const { message, todo = '' } = picture.answer;
    context.say(`${message}, so the server itself was not asked\n→ ${todo}`);
  }
  return cause?.state === 'fail' || cause?.state === 'wait' ? exitStatus.unwell : exitStatus.ok;
}
