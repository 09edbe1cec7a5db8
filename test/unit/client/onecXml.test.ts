import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildOnecExtension } from '../../../onecExtension.ts';
import { filesIn, xmlFaults } from '../../support/onecXml.ts';

let out: string;
let files: Map<string, string>;
beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), 'onec-'));
  buildOnecExtension(out);
  files = filesIn(join(out, 'extension'));
});
afterAll(() => rmSync(out, { recursive: true }));

it('the extension that is built has no fault that only its own checks see', () => {
  expect(files.size).toBeGreaterThan(30);
  expect(xmlFaults(files)).toEqual([]);
});

it('a second build has the same identifiers', () => {
  const again = mkdtempSync(join(tmpdir(), 'onec-'));
  buildOnecExtension(again);
  expect(filesIn(join(again, 'extension'))).toEqual(files);
  rmSync(again, { recursive: true });
});

const module = 'CommonModules/ЛицензииОбмен.xml';
const register = 'InformationRegisters/ЛицензииМеста.xml';
it.each([
  ['an identifier that is none', module, / uuid="[^"]+"/, ' uuid="xyz"', 'is no UUID'],
  [
    'an identifier that is another one',
    module,
    / uuid="[^"]+"/,
    ' uuid="109b8db4-fc15-882f-911c-06e37c8a1751"',
    'is that of',
  ],
  ['an unknown value', register, 'Independent', 'Sometimes', 'WriteMode is Sometimes'],
  ['a misspelt boolean', module, '<Server>true', '<Server>tru', 'Server is tru'],
  ['a misspelt type', register, 'xs:string</v8:Type>', 'xs:strng</v8:Type>', 'there is no type xs:strng'],
  [
    'another name than that of the file',
    module,
    '<Name>ЛицензииОбмен',
    '<Name>ЛицензииОбменн',
    'it has the CommonModule ЛицензииОбменн',
  ],
  ['a name with a blank', module, '<Name>ЛицензииОбмен', '<Name>Лицензии Обмен', 'is no name'],
  [
    'a missing generated type',
    register,
    /<xr:GeneratedType name="InformationRegisterList[\s\S]*?<\/xr:GeneratedType>/,
    '',
    '6 generated types',
  ],
  ['an open tag', register, '</Properties>', '', 'does not match'],
  [
    'a job that runs too often',
    'ScheduledJobs/ЛицензииОбмен/Ext/Schedule.xml',
    'InDay="60"',
    'InDay="30"',
    'standard 402',
  ],
  [
    'a job whose procedure is not there',
    'ScheduledJobs/ЛицензииОбмен.xml',
    'ОбменССервером',
    'Обмен',
    'is no exported procedure',
  ],
  [
    'a subscription whose procedure is not there',
    'EventSubscriptions/ЛицензииПередЗаписьюДокумента.xml',
    '.ПередЗаписьюДокумента<',
    '.Нет<',
    'is no exported procedure',
  ],
  [
    'an object that is listed and not there',
    'Configuration.xml',
    '<Role>ЛицензииНастройка',
    '<Role>ЛицензииНет',
    'Roles/ЛицензииНет.xml is not there',
  ],
  ['an object that is there and not listed', 'Configuration.xml', /\t\t\t<Role>[^\r]*\r\n/, '', 'is not listed'],
  ['no prefix', 'Configuration.xml', /<NamePrefix>[^<]*<\/NamePrefix>/, '', 'no prefix'],
  [
    'no extension but a configuration',
    'Configuration.xml',
    /<ObjectBelonging>[^<]*<\/ObjectBelonging>/,
    '',
    'not an extension',
  ],
  ['no version of the format', register, ' version="2.17"', '', 'no version'],
  ['no byte order mark', module, '\uFEFF', '', 'no byte order mark'],
  ['lines of Unix', module, '\r\n', '\n', 'without CR'],
  [
    'rights to nothing',
    'Roles/ЛицензииНастройка/Ext/Rights.xml',
    'Constant.ЛицензииТокен',
    'Constant.Токен',
    'which is not there',
  ],
])('%s is found', (_what, path, from, to, said) => {
  const text = files.get(path) ?? '';
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  expect(xmlFaults(new Map([...files, [path, changed]])).join('\n')).toContain(said);
});

it('a module that is missing is found', () => {
  const without = new Map(files);
  without.delete('CommonModules/ЛицензииОбмен/Ext/Module.bsl');
  expect(xmlFaults(without).join('\n')).toContain('CommonModules/ЛицензииОбмен/Ext/Module.bsl is not there');
});
