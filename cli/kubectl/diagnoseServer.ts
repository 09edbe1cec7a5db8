import { counted } from '../../licence/counted.ts';
import { inCommands } from './inCommands.ts';
import type { Picture } from './picture.ts';
import { fail, namedOf, ok, type Step, specOf, unknown, wait, warn } from './step.ts';
import { aboutKey } from './whatToDo.ts';

/** What the server itself tells: how it is, its keys, the authority, seats and terms. */
export function server(picture: Picture): Step {
  const { answer } = picture;
  if (specOf(picture).suspend) return ok('server', 'stopped, as asked');
  if (answer.kind === 'notAsked') return unknown('server', 'there is nobody to ask');
  if (answer.kind === 'silent' && answer.forbidden) return unknown('server', answer.message, answer.todo);
  if (answer.kind === 'silent')
    return picture.pods.some((one) => one.isReady)
      ? fail('server', answer.message, answer.todo)
      : unknown('server', answer.message);
  const { trouble, version } = answer.status;
  if (trouble !== undefined)
    return fail(
      'server',
      `it says: ${trouble}`,
      `kubectl licence doctor ${namedOf(picture).name} -n ${namedOf(picture).namespace}`,
    );
  return ok('server', `version ${version} answers`);
}

export function keys(picture: Picture): Step {
  const {
    answer,
    server: { status = {} },
  } = picture;
  const views = answer.kind === 'answered' ? answer.status.keys : [];
  const bad = views.find((key) => key.state !== 'Active' && key.state !== 'Superseded');
  const rotation = status.rotation;
  if (rotation?.phase === 'RolledBack') {
    const { reason = '', message = '' } = rotation;
    return fail(
      'keys',
      `the last rotation was rolled back: ${message}`,
      aboutKey[reason as keyof typeof aboutKey]?.({ ...namedOf(picture), key: rotation.key }),
    );
  }
  if (bad !== undefined) {
    const { fault, name, keyId, state } = bad;
    const says = `key ${name ?? keyId} is ${state.toLowerCase()}: ${inCommands(fault?.message ?? 'it has not been tried yet')}`;
    // A way to the authority that is closed is told by that step.
    if (fault?.reason === 'AuthorityUnreachable') return wait('keys', `key ${name ?? keyId} waits for the authority`);
    return fault === undefined
      ? wait('keys', says)
      : fail('keys', says, aboutKey[fault.reason]({ ...namedOf(picture), key: name }));
  }
  if (answer.kind !== 'answered') return unknown('keys', 'only the server can tell');
  if (views.length === 0)
    return warn(
      'keys',
      'no key is installed, so there are no seats',
      `name it in spec.keys, or install it on the page: kubectl licence dashboard ${namedOf(picture).name} -n ${namedOf(picture).namespace}`,
    );
  return ok(
    'keys',
    views
      .map(
        ({ name, keyId, state, generation }) =>
          `${name ?? keyId} ${state}${generation === undefined ? '' : `, generation ${generation}`}`,
      )
      .join('; '),
  );
}

export function authority(picture: Picture): Step {
  const { answer } = picture;
  if (specOf(picture).activation?.mode === 'Offline') return ok('authority', 'not asked (mode Offline)');
  const url = specOf(picture).activation?.authority?.url;
  if (answer.kind !== 'answered') return unknown('authority', 'only the server can tell');
  const waiting = answer.status.keys.find(({ fault }) => fault?.reason.startsWith('Authority'));
  if (waiting?.fault !== undefined)
    return fail(
      'authority',
      `${url ?? 'the authority'}: ${waiting.fault.message}`,
      aboutKey[waiting.fault.reason](namedOf(picture)),
    );
  return ok('authority', url === undefined ? 'none is named' : `${url} has activated every key`);
}

export function seats(picture: Picture): Step {
  const {
    answer,
    server: { status = {} },
  } = picture;
  if (answer.kind !== 'answered') return unknown('seats', 'only the server can tell');
  const { products } = answer.status;
  const { name, namespace } = namedOf(picture);
  const said = products
    .map(
      ({ product, seatsInUse, seatLimit, seatsStale }) =>
        `${product} ${seatsInUse} of ${seatLimit}${seatsStale > 0 ? `, ${seatsStale} stale` : ''}`,
    )
    .join('; ');
  const full = products.find(({ seatsInUse, seatLimit }) => seatLimit > 0 && seatsInUse >= seatLimit);
  if (full !== undefined) {
    const waiting = full.holdersWaiting > 0 ? `, and ${full.holdersWaiting} wait` : '';
    const todo =
      full.seatsStale > 0
        ? `kubectl licence clear-stale ${name} -n ${namespace}`
        : `kubectl licence seats ${name} -n ${namespace} shows who has them`;
    return warn(
      'seats',
      `${full.seatLimit === 1 ? 'the only seat' : `all ${full.seatLimit} seats`} of ${full.product} ${full.seatLimit === 1 ? 'is' : 'are'} taken${full.seatsStale > 0 ? `, ${full.seatsStale} of them by bases that have gone silent` : ''}${waiting}`,
      todo,
    );
  }
  const stale = products.find(({ seatsStale }) => seatsStale > 0);
  if (stale !== undefined) {
    const gate = status.nextDisruption?.message;
    return warn(
      'seats',
      `${counted(stale.seatsStale, 'seat')} of ${stale.product} ${stale.seatsStale === 1 ? 'is' : 'are'} stale${gate === undefined ? '' : `; the operator waits: ${gate}`}`,
      `kubectl licence clear-stale ${name} -n ${namespace}`,
    );
  }
  return products.length === 0 ? unknown('seats', 'there are none without a key') : ok('seats', said);
}

/** Undefined: the server doubts none of its seat rules. */
export function rules(picture: Picture): Step | undefined {
  const { answer } = picture;
  const [doubt, ...more] = answer.kind === 'answered' ? (answer.status.ruleDoubts ?? []) : [];
  if (doubt === undefined) return undefined;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return warn('rules', `${doubt}${others}`, 'correct spec.seats.rules or spec.seats.reservations (docs/seat-rules.md)');
}

/** Undefined: no backups are wanted. */
export function backups(picture: Picture): Step | undefined {
  const {
    server: { status = {} },
  } = picture;
  if (specOf(picture).backup === undefined) return undefined;
  const condition = status.conditions?.find(({ type }) => type === 'BackedUp');
  const message = condition?.message ?? 'the operator has not told of it yet';
  if (condition?.status === 'True') return ok('backups', message);
  if (condition?.status !== 'False') return unknown('backups', message);
  return warn(
    'backups',
    `none is made: ${message}`,
    'put that right; it is tried again within the hour (docs/backups.md)',
  );
}

export const dayMs = 86_400_000;

export function support(picture: Picture): Step {
  const { answer, nowMs } = picture;
  if (answer.kind !== 'answered') return unknown('support', 'only the server can tell');
  const terms = answer.status.products.flatMap(({ product, supportUntil, expiresAt }) => [
    ...(expiresAt === undefined ? [] : [{ what: `the licence of ${product}`, until: expiresAt }]),
    ...(supportUntil === undefined ? [] : [{ what: `support of ${product}`, until: supportUntil }]),
  ]);
  const [first] = terms.sort((a, b) => a.until.localeCompare(b.until));
  if (first === undefined) return ok('support', 'no term ends');
  const days = Math.floor((Date.parse(first.until) - nowMs) / dayMs);
  const todo = 'take the paid extension from the vendor, and put its key in with: kubectl licence rotate';
  if (days < 0) return warn('support', `${first.what} ended on ${first.until.slice(0, 10)}`, todo);
  return days < 30
    ? warn('support', `${first.what} ends on ${first.until.slice(0, 10)}, in ${counted(days, 'day')}`, todo)
    : ok('support', `until ${first.until.slice(0, 10)}`);
}
