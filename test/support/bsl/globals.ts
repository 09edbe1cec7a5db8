import { StrictFault } from './lexer.ts';
import {
  BslArray,
  BslDate,
  BslError,
  BslMap,
  dayTime,
  EnumValue,
  HostObject,
  type Method,
  method,
  Structure,
  same,
  textOf,
  Uuid,
  type Value,
  ValueList,
} from './values.ts';

/** What the platform offers wherever code runs, as far as the shipped modules use it. */
export const enumerations: Readonly<Record<string, readonly string[]>> = {
  КодировкаТекста: ['UTF8', 'UTF16', 'ANSI', 'OEM', 'Системная'],
  ИспользованиеByteOrderMark: ['Авто', 'Использовать', 'НеИспользовать'],
  ПереносСтрокJSON: ['Авто', 'Нет', 'Unix', 'Windows', 'Символы'],
  УровеньЖурналаРегистрации: ['Ошибка', 'Предупреждение', 'Информация', 'Примечание'],
  СпособКодированияСтроки: ['КодировкаURL', 'URLВКодировкеURL'],
  НаправлениеПоиска: ['СНачала', 'СКонца'],
  КодВозвратаДиалога: ['Да', 'Нет', 'ОК', 'Отмена', 'Прервать', 'Повторить', 'Пропустить', 'Таймаут'],
};

export const lowered = <T>(names: Readonly<Record<string, T>>): Map<string, T> =>
  new Map(Object.entries(names).map(([name, value]) => [name.toLowerCase(), value]));

const text = (value: Value, what: string): string => {
  if (typeof value !== 'string') throw new StrictFault(`${what} needs a Строка, not ${textOf(value)}`);
  return value;
};
const count = (value: Value): number => {
  if (typeof value !== 'number') throw new StrictFault(`a Число was expected, not "${textOf(value)}"`);
  return value;
};

/** The texts of `ключ = 'значение'`, as НСтр reads them; a connection string is written in the same way. */
function partOf(source: string, name: string): string {
  for (const [, key = '', single, double] of source.matchAll(/(\w+)\s*=\s*(?:'([^']*)'|"((?:[^"]|"")*)")/gu)) {
    if (key.toLowerCase() === name.toLowerCase()) return single ?? (double ?? '').replaceAll('""', '"');
  }
  return '';
}

/** Only the formats that are used: another one is a fault. */
function formatted(value: Value, format: string): string {
  const [, key = '', rule = ''] = /^([^=]+)=(.*)$/u.exec(format) ?? [];
  if (typeof value === 'number' && key === 'ЧГ' && rule === '0') return value === 0 ? '' : String(value);
  if (value instanceof BslDate) {
    if (value.seconds === BslDate.empty.seconds) return '';
    if (key === 'ДЛФ' && rule === 'DT') return dayTime(value);
    if (key === 'ДФ' && /^[yMdHms-]+$/.test(rule)) {
      const [, y = '', mo = '', d = '', h = '', mi = '', s = ''] =
        /^(\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)$/.exec(value.iso) ?? [];
      return rule
        .replace('yyyy', y)
        .replace('MM', mo)
        .replace('dd', d)
        .replace('HH', h)
        .replace('mm', mi)
        .replace('ss', s);
    }
  }
  throw new StrictFault(`Формат: "${format}" of ${textOf(value)}`);
}

function filled(value: Value): boolean {
  if (value === undefined) return false;
  if (typeof value === 'string') return value.trim() !== '';
  if (typeof value === 'number') return value !== 0;
  if (value instanceof BslDate) return !same(value, BslDate.empty);
  return true;
}

/** Copies properties of the same name; those that only one of them has stay. */
function fill(to: Value, from: Value): undefined {
  if (!(to instanceof HostObject) || !(from instanceof HostObject))
    throw new StrictFault('ЗаполнитьЗначенияСвойств needs objects');
  for (const name of from.names()) if (to.has(name)) to.set(name, from.get(name));
  return undefined;
}

/** @param handled the exception that the running handler handles */
export function commonFunctions(handled: () => Error | undefined, now: () => BslDate): Map<string, Method> {
  const errorInfo = () => new HostObject('ИнформацияОбОшибке', { Описание: { get: () => handled()?.message ?? '' } });
  return lowered<Method>({
    НСтр: method(1, 2, (source, name) => partOf(text(source, 'НСтр'), name === undefined ? 'ru' : text(name, 'НСтр'))),
    СтрШаблон: method(1, 11, (template, ...values) => {
      const pattern = text(template, 'СтрШаблон');
      const used = new Set([...pattern.matchAll(/%(\d+)/g)].map(([, n]) => Number(n)));
      if (used.size !== values.length || values.some((_, i) => !used.has(i + 1))) {
        throw new StrictFault(`СтрШаблон: "${pattern}" has ${used.size} places and gets ${values.length}`);
      }
      return pattern.replaceAll(/%(\d+)/g, (_, n) => textOf(values[Number(n) - 1]));
    }),
    Строка: method(1, 1, (value) => textOf(value)),
    Число: method(1, 1, (value) => {
      const trimmed = text(value, 'Число').trim();
      if (!/^-?\d+([.,]\d+)?$/.test(trimmed))
        throw new BslError('Преобразование значения к типу Число не может быть выполнено');
      return Number(trimmed.replace(',', '.'));
    }),
    Формат: method(2, 2, (value, format) => formatted(value, text(format, 'Формат'))),
    ПустаяСтрока: method(1, 1, (value) => text(value, 'ПустаяСтрока').trim() === ''),
    ЗначениеЗаполнено: method(1, 1, (value) => filled(value)),
    ЗаполнитьЗначенияСвойств: method(2, 4, (to, from) => fill(to, from)),
    НРег: method(1, 1, (value) => text(value, 'НРег').toLowerCase()),
    СокрЛ: method(1, 1, (value) => text(value, 'СокрЛ').trimStart()),
    СокрЛП: method(1, 1, (value) => text(value, 'СокрЛП').trim()),
    Лев: method(2, 2, (value, n) => text(value, 'Лев').slice(0, Math.max(count(n), 0))),
    Сред: method(2, 3, (value, from, n) => {
      const start = Math.max(count(from), 1) - 1;
      return text(value, 'Сред').slice(start, n === undefined ? undefined : start + count(n));
    }),
    СтрДлина: method(1, 1, (value) => text(value, 'СтрДлина').length),
    СтрНайти: method(2, 3, (value, what, direction) => {
      const backwards = direction instanceof EnumValue && direction.name === 'СКонца';
      const [source, part] = [text(value, 'СтрНайти'), text(what, 'СтрНайти')];
      return (backwards ? source.lastIndexOf(part) : source.indexOf(part)) + 1;
    }),
    СтрНачинаетсяС: method(2, 2, (value, what) => {
      if (what === '') throw new BslError('СтрНачинаетсяС: пустая строка поиска');
      return text(value, 'СтрНачинаетсяС').startsWith(text(what, 'СтрНачинаетсяС'));
    }),
    СтрЗаканчиваетсяНа: method(2, 2, (value, what) =>
      text(value, 'СтрЗаканчиваетсяНа').endsWith(text(what, 'СтрЗаканчиваетсяНа')),
    ),
    СтрРазделить: method(2, 3, (value, separators, withEmpty) => {
      const signs = [...text(separators, 'СтрРазделить')].map((s) => s.replace(/[\\\]^-]/g, '\\$&')).join('');
      const parts = text(value, 'СтрРазделить').split(new RegExp(`[${signs}]`));
      return new BslArray(withEmpty === false ? parts.filter((p) => p !== '') : parts);
    }),
    СтрСоединить: method(1, 2, (list, separator) => {
      if (!(list instanceof BslArray)) throw new StrictFault('СтрСоединить needs a Массив');
      return list.list
        .map((v) => text(v, 'СтрСоединить'))
        .join(separator === undefined ? '' : text(separator, 'СтрСоединить'));
    }),
    СтрЧислоСтрок: method(1, 1, (value) => text(value, 'СтрЧислоСтрок').split('\n').length),
    СтрПолучитьСтроку: method(2, 2, (value, n) => text(value, 'СтрПолучитьСтроку').split('\n')[count(n) - 1] ?? ''),
    КодироватьСтроку: method(2, 3, (value, way) => {
      if (!(way instanceof EnumValue) || way.name !== 'КодировкаURL')
        throw new StrictFault('КодироватьСтроку: only КодировкаURL');
      return encodeURIComponent(text(value, 'КодироватьСтроку'));
    }),
    ТекущаяУниверсальнаяДата: method(0, 0, () => now()),
    МестноеВремя: method(1, 2, (value) => value),
    ИнформацияОбОшибке: method(0, 0, () => errorInfo()),
  });
}

export function commonProperties(): Map<string, Value> {
  const shown = (info: Value) => {
    if (!(info instanceof HostObject)) throw new StrictFault('an ИнформацияОбОшибке was expected');
    return info.get('Описание');
  };
  const found = lowered<Value>({
    Символы: new HostObject('Символы', { ПС: { get: () => '\n' }, Таб: { get: () => '\t' } }),
    ОбработкаОшибок: new HostObject(
      'ОбработкаОшибок',
      {},
      {
        КраткоеПредставлениеОшибки: method(1, 1, shown),
        ПодробноеПредставлениеОшибки: method(1, 1, shown),
      },
    ),
  });
  for (const [type, names] of Object.entries(enumerations)) {
    const members = Object.fromEntries(names.map((name) => [name, { get: () => new EnumValue(type, name) }]));
    found.set(type.toLowerCase(), new HostObject(type, members));
  }
  return found;
}

export const commonTypes = (uuid: () => string): Map<string, Method> =>
  lowered<Method>({
    Структура: method(
      0,
      20,
      (names, ...values) => new Structure(names === undefined ? '' : text(names, 'Структура'), ...values),
    ),
    Соответствие: method(0, 0, () => new BslMap()),
    Массив: method(0, 0, () => new BslArray()),
    СписокЗначений: method(0, 0, () => new ValueList()),
    УникальныйИдентификатор: method(
      0,
      1,
      (value) => new Uuid(value === undefined ? uuid() : text(value, 'УникальныйИдентификатор')),
    ),
  });
