import type { ReportedSession } from '../../client/licenceClient.ts';
import { RacFailed, type RacRecord } from './rac.ts';

/** What a session of `rac session list` must say to be counted. */
export const sessionMembers = [
  'session',
  'session-id',
  'infobase',
  'user-name',
  'host',
  'app-id',
  'started-at',
  'hibernate',
];
export const infobaseMembers = ['infobase', 'name'];

/** Programs in which nobody sits; whatever else there is counts as a person, new kinds of clients too. As in the extension. */
export const serviceApplications: ReadonlySet<string> = new Set([
  'Designer',
  'COMConnection',
  'COMConsole',
  'WSConnection',
  'HTTPServiceConnection',
  'ODataConnection',
  'BackgroundJob',
  'SystemBackgroundJob',
  'JobScheduler',
  'SrvrConsole',
  'RAS',
  'WebServerExtension',
  'Debugger',
  'OpenIDProvider',
  'AnalyticsSystemClient',
  'MobileAppBackgroundJob',
]);

/** Which bases are reported, and what their sessions are counted as: name in lower case → product; `*`: every other base. */
export type Products = ReadonlyMap<string, string>;

export interface BaseReport {
  /** The base's name in the cluster, in lower case. */
  readonly base: string;
  /** The cluster's id of the base, which no other base has. */
  readonly instance: string;
  readonly sessions: readonly ReportedSession[];
  /** Sessions that the cluster keeps, and whose client is gone. */
  readonly sleeping: number;
}

/** Longest report that the server takes. */
const mostSessions = 5_000;

/**
 * Everybody who is in each base. A base without sessions is reported, too: its people have left. Who has done nothing since the list before is idle:
 * the cluster's times are compared with each other only, since it may have another clock and time zone.
 * @param before what `lastActivity` said of the list before
 * @throws RacFailed when a session is of no base that is known, or says something unknown of its sleep
 */
export function sessionReports(
  infobases: readonly RacRecord[],
  sessions: readonly RacRecord[],
  products: Products,
  before: ReadonlyMap<string, string> = new Map(),
): BaseReport[] {
  const of = (record: RacRecord, name: string) => record.get(name) ?? '';
  const isIdle = (session: RacRecord) => {
    const active = session.get(activeMember);
    return active !== undefined && before.get(of(session, 'session')) === active;
  };
  const known = new Set(infobases.map((infobase) => of(infobase, 'infobase')));
  const stranger = sessions.find(
    (session) => !known.has(of(session, 'infobase')) && !isOfNoBase(of(session, 'infobase')),
  );
  if (stranger) throw new RacFailed('Unreadable', `rac lists a session of an unknown base ${of(stranger, 'infobase')}`);
  return infobases.flatMap((infobase): BaseReport[] => {
    const base = of(infobase, 'name').toLowerCase();
    const product = products.get(base) ?? products.get('*');
    if (product === undefined || base === '') return [];
    const instance = of(infobase, 'infobase');
    const people = sessions.filter((s) => of(s, 'infobase') === instance && !serviceApplications.has(of(s, 'app-id')));
    const awake = people.filter((session) => !sleeps(of(session, 'hibernate')));
    const reported = awake.slice(0, mostSessions).map((session) => ({
      product,
      user: of(session, 'user-name').slice(0, 200) || '<без имени>',
      host: (of(session, 'host') || of(session, 'app-id')).slice(0, 200),
      session: `${of(session, 'session-id')}-${of(session, 'started-at').replaceAll(/\D/g, '')}`,
      ...(isIdle(session) ? { idle: true } : {}),
    }));
    return [{ base, instance, sessions: reported, sleeping: people.length - awake.length }];
  });
}

const activeMember = 'last-active-at';

/** When each session has last done anything, by its id, as the cluster writes times. */
export const lastActivity = (sessions: readonly RacRecord[]): ReadonlyMap<string, string> =>
  new Map(sessions.map((session) => [session.get('session') ?? '', session.get(activeMember) ?? '']));

/** Of the cluster itself, not of a base. */
const isOfNoBase = (infobase: string) => /^[0-]*$/.test(infobase);

function sleeps(hibernate: string): boolean {
  if (hibernate === 'yes' || hibernate === 'no') return hibernate === 'yes';
  throw new RacFailed('Unreadable', `rac says hibernate: ${hibernate}, neither yes nor no`);
}
