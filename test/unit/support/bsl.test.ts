import { describe, expect, it } from 'vitest';
import { commonModules, constants, scheduledJob } from '../../../client/1c/model.ts';
import { faultsOf } from '../../support/bsl/check.ts';
import { Client } from '../../support/bsl/client.ts';
import { Infobase } from '../../support/bsl/infobase.ts';
import { ServerSide } from '../../support/bsl/serverSide.ts';
import { programOf, type Side, sourceOf } from '../../support/bsl/sources.ts';
import { World } from '../../support/bsl/world.ts';

/** What is wrong with the modules before anything runs. */
async function faults(changed: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const base = new Infobase(new World(), { connection: 'Srvr="s";Ref="b";' });
  const client = await Client.start(base, { user: 'a', application: 'Designer' });
  const server = new ServerSide(base, client.row).surroundings;
  const found: string[] = [];
  for (const side of ['server', 'thin', 'web'] as const satisfies Side[]) {
    const program = programOf(side, changed);
    const world = side === 'server' ? server : client.surroundings;
    for (const module of program.local.values()) found.push(...faultsOf(module, world));
    found.push(...faultsOf(side === 'server' ? program.session : program.application, world));
  }
  return found;
}
const path = (module: string) => `CommonModules/${module}/Ext/Module.bsl`;
/** A module with one text replaced by another. */
const planted = (module: string, from: string | RegExp, to: string) => {
  const text = sourceOf(path(module));
  const changed = text.replace(from, to);
  expect(changed).not.toBe(text);
  return { [path(module)]: changed };
};

describe('the shipped modules', () => {
  it('name only what there is, and give everything the arguments that it takes', async () => {
    expect(await faults()).toEqual([]);
  });

  it.each([
    [
      'a misspelt function of the platform',
      'ЛицензииСлужебный',
      'ПолучитьСеансыИнформационнойБазы()',
      'ПолучитьСеансыИнформационойБазы()',
    ],
    [
      'a misspelt procedure of its own',
      'ЛицензииОбмен',
      'ОсвободитьМолчащие(НастройкиОбмена);',
      'ОсвободитьМолчашие(НастройкиОбмена);',
    ],
    ['one argument too many', 'ЛицензииСлужебный', 'ИсходВыдано() Или', 'ИсходВыдано(1) Или'],
    ['one argument too few', 'ЛицензииСлужебный', 'Лев(Ответ.Текст, 500)', 'Лев(Ответ.Текст)'],
    ['an unknown type', 'ЛицензииОбмен', 'Новый HTTPЗапрос(', 'Новый HTTPЗапросик('],
    ['too many arguments of a type', 'ЛицензииОбмен', 'Новый ЗаписьJSON', 'Новый ЗаписьJSON(1)'],
    ['a Latin letter in a Russian name', 'ЛицензииОбмен', 'Возврат Порция.Количество()', 'Возврат Пoрция.Количество()'],
    ['an unknown value of an enumeration', 'ЛицензииОбмен', 'КодировкаТекста.UTF8', 'КодировкаТекста.UTF9'],
    ['an unknown constant', 'ЛицензииСлужебный', 'Константы.ЛицензииТокен', 'Константы.ЛицензииТокин'],
    ['an unknown register', 'ЛицензииСлужебный', 'РегистрыСведений.ЛицензииМеста', 'РегистрыСведений.Места'],
    [
      'a procedure of another module that is not exported',
      'ЛицензииОбмен',
      'ЛицензииСлужебный.УдалитьМесто(',
      'ЛицензииСлужебный.НовоеМесто(',
    ],
    ['an unknown module', 'ЛицензииОбмен', 'ЛицензииБаза.ИмяБазы()', 'ЛицензииБазы.ИмяБазы()'],
    [
      'a server module that a client calls',
      'ЛицензииКлиент',
      'ЛицензииВызовСервера.НачатьРаботу()',
      'ЛицензииСлужебный.Настройки()',
    ],
    [
      'a function of the server on a client',
      'ЛицензииКлиент',
      'БылТолькоПросмотр = ',
      'Строка = Константы;\n\tБылТолькоПросмотр = ',
    ],
    ['a function without a return', 'ЛицензииБаза', 'Возврат Лев(Идентификатор(), ДлинаНачала);', ';'],
  ])('%s is found before anything runs', async (_what, module, from, to) => {
    expect(await faults(planted(module, from, to))).not.toEqual([]);
  });

  it.each([
    ['a broken end', 'КонецФункции', 'КонецФунции'],
    ['a condition without its end', 'КонецЕсли;', ''],
    ['a text without its end', '"Bearer "', '"Bearer\n"'],
  ])('%s is refused when it is read', async (_what, from, to) => {
    const module = 'ЛицензииОбмен';
    const text = sourceOf(path(module));
    await expect(faults({ [path(module)]: text.replace(from, to) })).rejects.toThrow(module);
  });

  it('have names that begin with the prefix, and no server module that a client could call by mistake', () => {
    for (const { name } of [...commonModules, ...constants]) expect(name).toMatch(/^Лицензии/);
    expect(commonModules.filter(({ where }) => where === 'serverCall').map(({ name }) => name)).toEqual([
      'ЛицензииВызовСервера',
    ]);
    expect(scheduledJob.periodSeconds).toBeGreaterThanOrEqual(60);
  });
});

describe('the model of the platform', () => {
  const start = (modules: Readonly<Record<string, string>> = {}, application = '1CV8C') => {
    const base = new Infobase(new World(), { connection: 'Srvr="s";Ref="b";', modules });
    return { base, client: Client.start(base, { user: 'a', application }) };
  };

  it('forbids server calls while a client ends, as the platform does', async () => {
    const changed = planted('ЛицензииКлиент', 'Отказ = Истина;', 'ЛицензииВызовСервера.ЗакончитьРаботу();');
    const { client } = start(changed);
    const anna = await client;
    anna.surroundings.application?.variables.set('лицензииместозанято', { value: true });
    await expect(anna.close()).rejects.toThrow('Серверные вызовы при завершении работы запрещены');
  });

  it('gives people no rights without the privileged mode, which ends with the call that set it', async () => {
    const changed = planted('ЛицензииВызовСервера', 'УстановитьПривилегированныйРежим(Истина);', '');
    await expect(start(changed).client).rejects.toThrow('Недостаточно прав');
    const late = planted('Лицензии', /УстановитьПривилегированныйРежим\(Истина\);/g, '');
    const anna = await start(late).client;
    await expect(anna.server('Лицензии', 'ТолькоПросмотр')).rejects.toThrow('Недостаточно прав');
  });

  it('knows no call over HTTP within a transaction, and no transaction that stays open', async () => {
    const open = planted('ЛицензииСлужебный', 'ЗафиксироватьТранзакцию();', '');
    await expect(start(open).client).rejects.toThrow('a transaction');
  });

  it('cuts nothing off unseen', async () => {
    const long = planted('ЛицензииСлужебный', 'Лев(Ответ.Текст, 500)', `Ответ.Текст + "${'x'.repeat(600)}"`);
    await expect(start(long).client).rejects.toThrow('cannot hold');
  });

  it('turns numbers into text as the platform does', async () => {
    const changed = planted('ЛицензииОбмен', 'Возврат 3;', 'Возврат Строка(1234567) + " " + 12.5;');
    const anna = await start(changed, 'Designer').client;
    expect(await anna.server('ЛицензииОбмен', 'ТаймаутВыхода')).toBe('1\u00a0234\u00a0567 12,5');
  });
});
