import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commonModules } from '../../../client/1c/model.ts';
import { repository } from '../sources.ts';
import { type Module, parse } from './parser.ts';

export type Side = 'server' | 'thin' | 'web';
const symbolsOf: Readonly<Record<Side, ReadonlySet<string>>> = {
  server: new Set(['сервер']),
  thin: new Set(['клиент', 'тонкийклиент']),
  web: new Set(['клиент', 'вебклиент']),
};

/** The shipped modules, as they are parsed for one side. */
export interface Program {
  /** Common modules by name in lower case. */
  readonly local: ReadonlyMap<string, Module>;
  /** Those that a client calls on the server. */
  readonly remote: ReadonlyMap<string, Module>;
  readonly application: Module;
  readonly session: Module;
}

const folder = join(repository, 'client/1c');
/** The text of a module, by its path below `client/1c`. */
export const sourceOf = (path: string): string => readFileSync(join(folder, path), 'utf8');

/** @param changed other texts for some paths, for faults that are planted */
export function programOf(side: Side, changed: Readonly<Record<string, string>> = {}): Program {
  const read = (name: string, path: string) => parse(name, changed[path] ?? sourceOf(path), symbolsOf[side]);
  const local = new Map<string, Module>();
  const remote = new Map<string, Module>();
  for (const { name, where } of commonModules) {
    const path = `CommonModules/${name}/Ext/Module.bsl`;
    const runsHere = side === 'server' ? where !== 'client' : where === 'client';
    if (runsHere) local.set(name.toLowerCase(), read(name, path));
    else if (where === 'serverCall') remote.set(name.toLowerCase(), read(name, path));
  }
  return {
    local,
    remote,
    application: read('МодульПриложения', 'Ext/ManagedApplicationModule.bsl'),
    session: read('МодульСеанса', 'Ext/SessionModule.bsl'),
  };
}
