import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as model from '../../client/1c/model.ts';
import { uuidOf } from '../../client/1c/xml.ts';
import { ensureOnecTools, type OnecTools } from '../../cluster/onecTools.ts';
import { run } from '../../cluster/process.ts';
import { buildOnecExtension } from '../../onecExtension.ts';

// The extension, read by the tools that 1C's community has: as they read it, and as they find faults that are planted.

let tools: OnecTools;
let dir: string;
let built: string;
/** Both leave out files with Russian names in the POSIX locale, and say nothing of it. */
const env = { LC_ALL: 'C.UTF-8' };
beforeAll(async () => {
  tools = await ensureOnecTools();
  dir = mkdtempSync(join(tmpdir(), 'onec-level-'));
  buildOnecExtension(join(dir, 'built'));
  built = join(dir, 'built/extension');
}, 600_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A copy with faults: path → what to replace by what. */
function planted(
  name: string,
  faults: Readonly<Record<string, readonly (readonly [string | RegExp, string])[]>>,
): string {
  const copy = join(dir, name);
  cpSync(built, copy, { recursive: true });
  for (const [path, changes] of Object.entries(faults)) {
    const file = join(copy, path);
    let text = readFileSync(file, 'utf8');
    for (const [from, to] of changes) {
      const changed = text.replace(from, to);
      expect(changed, `${path}: ${from}`).not.toBe(text);
      text = changed;
    }
    writeFileSync(file, text);
  }
  return copy;
}

describe('bsl-language-server', () => {
  interface Report {
    readonly fileinfos: readonly {
      readonly path: string;
      readonly mdoRef: string;
      readonly diagnostics: readonly {
        readonly code: string;
        readonly severity: string;
        readonly message: string;
        readonly range: { readonly start: { readonly line: number } };
      }[];
    }[];
  }
  /** Its exit status says nothing: the report is what counts, and that every module is in it. */
  async function analyse(sources: string): Promise<{ modules: string[]; found: string[] }> {
    const out = mkdtempSync(join(dir, 'report-'));
    const settings = join(out, 'settings.json');
    writeFileSync(settings, JSON.stringify({ language: 'en', sendErrors: 'never', configurationRoot: sources }));
    const args = [
      'analyze',
      '--srcDir',
      sources,
      '--reporter',
      'json',
      '--outputDir',
      out,
      '--configuration',
      settings,
      '--silent',
    ];
    await run('java', ['-XX:TieredStopAtLevel=1', '-jar', tools.languageServer, ...args], {
      env,
      cwd: out,
      timeoutMs: 400_000,
    });
    const report: Report = JSON.parse(readFileSync(join(out, 'bsl-json.json'), 'utf8'));
    const nameOf = (path: string) =>
      decodeURIComponent(path).split('/extension/').at(-1)?.split('/planted/').at(-1) ?? path;
    return {
      modules: report.fileinfos.map(({ path }) => nameOf(path)).sort(),
      found: report.fileinfos.flatMap(({ path, diagnostics }) =>
        diagnostics.map((d) => `${d.code} ${nameOf(path)}:${d.range.start.line + 1} ${d.message}`),
      ),
    };
  }

  /** Rules that are not kept, and why; a file where that is so in one only. */
  const accepted: readonly (readonly [string, string | undefined])[] = [
    ['Typo', undefined], // its dictionary has no "kubectl"
    ['LineLength', undefined], // sentences for people in one piece
    ['MagicNumber', undefined],
    ['DuplicateStringLiteral', undefined],
    ['NestedFunctionInParameters', undefined],
    ['NumberOfValuesInStructureConstructor', undefined],
    ['IfElseDuplicatedCodeBlock', undefined],
    ['MissingParameterDescription', undefined], // of procedures that nobody else calls
    ['MissingReturnedValueDescription', undefined],
    ['TryNumber', 'CommonModules/ЛицензииОбмен/'], // a port that a person typed
    ['ExportVariables', 'Ext/ManagedApplicationModule.bsl'], // what a client keeps between its handlers
    ['CodeOutOfRegion', 'Ext/ManagedApplicationModule.bsl'], // what runs when it is loaded; no standard region is for that
    ['UnusedLocalVariable', 'CommonModules/ЛицензииКлиент/'], // those same ones, which it takes for local
    ['ExecuteExternalCodeInCommonModule', 'CommonModules/ЛицензииСлужебный/'], // the name of a module that the metadata have
    // where standards 485 and 679 allow it: people have no rights to the register
    ['SetPrivilegedMode', 'CommonModules/ЛицензииВызовСервера/'],
    ['SetPrivilegedMode', 'CommonModules/ЛицензииОбмен/'],
    ['SetPrivilegedMode', 'CommonModules/Лицензии/'],
    ['SetPrivilegedMode', 'Ext/SessionModule.bsl'],
  ];
  const isAccepted = (line: string) => accepted.some(([code, file]) => line.startsWith(`${code} ${file ?? ''}`));

  it('reads every module of the extension, and finds nothing but what is accepted', async () => {
    const { modules, found } = await analyse(built);
    expect(modules).toEqual(
      [
        ...model.commonModules.map(({ name }) => `CommonModules/${name}/Ext/Module.bsl`),
        'Ext/ManagedApplicationModule.bsl',
        'Ext/SessionModule.bsl',
      ].sort(),
    );
    expect(found.length).toBeGreaterThan(20); // it looked
    expect(found.filter((line) => !isAccepted(line))).toEqual([]);
  }, 600_000);

  it('finds faults that are planted', async () => {
    const { found } = await analyse(
      planted('planted', {
        'CommonModules/ЛицензииБаза/Ext/Module.bsl': [['КонецФункции', 'КонецФунции']],
        'CommonModules/ЛицензииОбмен/Ext/Module.bsl': [
          ['Таймаут, Защита)', ', Защита)'],
          ['%1 сейчас не может ответить: %2', '%1 сейчас не может ответить: %2 %3'],
        ],
        'CommonModules/ЛицензииКлиент.xml': [
          ['<Server>false', '<Server>true'],
          ['<ServerCall>false', '<ServerCall>true'],
          ['<ClientManagedApplication>true', '<ClientManagedApplication>false'],
        ],
        'ScheduledJobs/ЛицензииОбмен.xml': [['ОбменССервером', 'ОбменСНикем']],
      }),
    );
    const all = found.filter((line) => !isAccepted(line)).join('\n');
    expect(all).toMatch(/^ParseError CommonModules\/ЛицензииБаза/m);
    expect(all).toMatch(/^TimeoutsInExternalResources CommonModules\/ЛицензииОбмен/m);
    expect(all).toMatch(/^CommonModuleInvalidType /m);
    expect(all).toMatch(/^ScheduledJobHandler /m);
  }, 600_000);
});

describe('mdclasses', () => {
  async function readBack(...sources: readonly string[]): Promise<Map<string, string[]>> {
    const program = join(import.meta.dirname, 'ReadBack.java');
    const out = await run('java', ['-XX:TieredStopAtLevel=1', '-cp', tools.classPath, program, ...sources], {
      env,
      timeoutMs: 300_000,
    });
    const lines = out.trimEnd().split('\n');
    return new Map(
      sources.map((source) => [
        source,
        lines.filter((l) => l.startsWith(`${source}|`)).map((l) => l.slice(source.length + 1)),
      ]),
    );
  }

  const typeOf = (type: model.ValueType) => (type.kind === 'string' ? `String ${type.length} Variable` : 'Date');
  const start = (kind: string, { name, synonym }: { readonly name: string; readonly synonym: string }) =>
    `${kind}|${name}|${uuidOf(`${kind}.${name}`)}|${synonym}`;
  /** What the model says, in the words of ReadBack.java. */
  function expected(version: string): string[] {
    const { extension, register, scheduledJob, language } = { ...model, language: model.extension.language };
    return [
      'kind|ConfigurationExtension',
      `extension|${extension.name}|${extension.prefix}|${version}|AddOn|Russian`,
      'module|ManagedApplicationModule',
      'module|SessionModule',
      start('Language', { name: language.name, synonym: '' }),
      start('Role', model.role),
      ...model.commonModules.map((module) => {
        const is = (...where: readonly string[]) => where.includes(module.where);
        const flags = `server=${is('server', 'serverCall')},call=${is('serverCall')},client=${is('client')},ordinary=${is('server', 'client')},external=${is('server')}`;
        return `${start('CommonModule', module)}|${flags},privileged=false,global=false|DontUse|modules=1`;
      }),
      ...model.sessionParameters.map((p) => `${start('SessionParameter', p)}|${typeOf(p.type)}`),
      ...model.eventSubscriptions.map(
        (s) =>
          `${start('EventSubscription', s)}|${s.event}|${s.handler}|${s.sources.map((t) => t.replace('cfg:', '')).join(' ')}`,
      ),
      `${start('ScheduledJob', scheduledJob)}|${scheduledJob.method}|use=true,predefined=true,restarts=0`,
      ...model.constants.map((c) => `${start('Constant', c)}|${typeOf(c.type)}|secret=${c.secret === true}`),
      [
        start('InformationRegister', register),
        `dimension ${register.dimension.name} ${typeOf(register.dimension.type)}`,
        ...register.resources.map((r) => `resource ${r.name} ${typeOf(r.type)}`),
      ].join('|'),
    ].sort();
  }

  it('reads back exactly what the model says, and less where a fault is planted', async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'));
    const lost = planted('lost', {
      'CommonModules/ЛицензииОбмен.xml': [['<Name>ЛицензииОбмен', '<Name>ЛицензииОбменн']],
    });
    const misspelt = planted('misspelt', { 'CommonModules/ЛицензииОбмен.xml': [['<Server>true', '<Server>tru']] });
    const plain = planted('plain', { 'Configuration.xml': [[/<ObjectBelonging>[^<]*<\/ObjectBelonging>/, '']] });
    mkdirSync(join(dir, 'empty'));
    const read = await readBack(built, lost, misspelt, plain, join(dir, 'empty'));
    const whole = expected(version);
    expect([...(read.get(built) ?? [])].sort()).toEqual(whole);
    const without = (lines: readonly string[] | undefined) =>
      whole.filter((line) => !lines?.includes(line)).map((l) => l.split('|')[1]);
    expect(without(read.get(lost))).toEqual(['ЛицензииОбмен']);
    expect(without(read.get(misspelt))).toEqual(['ЛицензииОбмен']);
    expect(read.get(plain)).toEqual(['kind|Configuration']);
    expect(read.get(join(dir, 'empty'))).toEqual([expect.not.stringContaining('Extension')]);
  }, 600_000);
});
