/** What the extension for 1C:Enterprise consists of, apart from its modules; `xml.ts` writes it as Designer would dump it. */
export interface CommonModule {
  readonly name: string;
  readonly synonym: string;
  /** Where it runs: on the server, on the server for the client's calls, or on the client. */
  readonly where: 'server' | 'serverCall' | 'client';
}

export type ValueType =
  | { readonly kind: 'string' /** In characters; 0: without a limit. */; readonly length: number }
  | { readonly kind: 'dateTime' };

export interface Field {
  readonly name: string;
  readonly synonym: string;
  readonly type: ValueType;
}

export interface Constant extends Field {
  /** Shown as dots. */
  readonly secret?: true;
  readonly toolTip?: string;
}

const text = (length: number): ValueType => ({ kind: 'string', length });
const moment: ValueType = { kind: 'dateTime' };

export const extension = {
  name: 'СофтонитЛицензии',
  synonym: 'Лицензии: места на сервере лицензий',
  /** Every object's name begins with it, as an extension's should. */
  prefix: 'Лицензии',
  vendor: 'Softonit',
  /** Objects of its own with data, a scheduled job and event subscriptions of its own. */
  compatibility: 'Version8_3_17',
  language: { name: 'Русский', code: 'ru' },
} as const;

export const commonModules: readonly CommonModule[] = [
  { name: 'Лицензии', synonym: 'Лицензии', where: 'server' },
  { name: 'ЛицензииБаза', synonym: 'Лицензии: какая это база', where: 'server' },
  { name: 'ЛицензииВызовСервера', synonym: 'Лицензии: вызов сервера', where: 'serverCall' },
  { name: 'ЛицензииКлиент', synonym: 'Лицензии: клиент', where: 'client' },
  { name: 'ЛицензииОбмен', synonym: 'Лицензии: обмен с сервером лицензий', where: 'server' },
  { name: 'ЛицензииПереопределяемый', synonym: 'Лицензии: переопределяемый', where: 'server' },
  { name: 'ЛицензииСлужебный', synonym: 'Лицензии: служебный', where: 'server' },
];

export const constants: readonly Constant[] = [
  {
    name: 'ЛицензииАдресСервера',
    synonym: 'Адрес сервера лицензий',
    type: text(250),
    toolTip: 'Например http://licences.example.org:8080',
  },
  {
    name: 'ЛицензииТокен',
    synonym: 'Токен сервера лицензий',
    type: text(250),
    secret: true,
    toolTip: 'Токен клиента; его выдаёт администратор сервера лицензий',
  },
  { name: 'ЛицензииПродукт', synonym: 'Продукт', type: text(63), toolTip: 'Имя продукта из письма с ключом' },
  {
    name: 'ЛицензииФайлСертификатов',
    synonym: 'Файл сертификатов сервера лицензий',
    type: text(500),
    toolTip: 'PEM удостоверяющего центра, если он свой; пусто: центры операционной системы',
  },
  {
    name: 'ЛицензииИмяБазы',
    synonym: 'Имя базы',
    type: text(100),
    toolTip: 'Под каким именем базу знает сервер лицензий; пусто: имя в кластере или имя папки',
  },
  { name: 'ЛицензииИдентификаторБазы', synonym: 'Лицензии: идентификатор базы', type: text(36) },
  { name: 'ЛицензииПриметыБазы', synonym: 'Лицензии: где база', type: text(0) },
  { name: 'ЛицензииОбменОстановлен', synonym: 'Лицензии: почему обмен остановлен', type: text(0) },
  { name: 'ЛицензииСостояниеОбмена', synonym: 'Лицензии: что исправить', type: text(0) },
  { name: 'ЛицензииНетСвязиС', synonym: 'Лицензии: нет связи с (UTC)', type: moment },
  { name: 'ЛицензииВозможности', synonym: 'Лицензии: возможности', type: text(0) },
];

export const register = {
  name: 'ЛицензииМеста',
  synonym: 'Лицензии: места',
  dimension: { name: 'Сеанс', synonym: 'Сеанс', type: text(60) } as Field,
  resources: [
    { name: 'Аренда', synonym: 'Аренда', type: text(36) },
    { name: 'Исход', synonym: 'Исход', type: text(20) },
    { name: 'Причина', synonym: 'Причина', type: text(500) },
    { name: 'Возможности', synonym: 'Возможности', type: text(0) },
    { name: 'ВестьКлиента', synonym: 'Весть клиента (UTC)', type: moment },
  ] as readonly Field[],
} as const;

export const sessionParameters: readonly Field[] = [
  { name: 'ЛицензииКлючСеанса', synonym: 'Лицензии: ключ сеанса', type: text(60) },
];

export const scheduledJob = {
  name: 'ЛицензииОбмен',
  synonym: 'Лицензии: обмен с сервером лицензий',
  method: 'CommonModule.ЛицензииОбмен.ОбменССервером',
  /** Standard 402 of 1C allows no less. */
  periodSeconds: 60,
} as const;

export const eventSubscriptions = [
  {
    name: 'ЛицензииПередЗаписьюДокумента',
    synonym: 'Лицензии: перед записью документа',
    sources: ['cfg:DocumentObject'],
    event: 'BeforeWrite',
    handler: 'CommonModule.ЛицензииСлужебный.ПередЗаписьюДокумента',
  },
  {
    name: 'ЛицензииПередЗаписьюСправочника',
    synonym: 'Лицензии: перед записью справочника',
    sources: ['cfg:CatalogObject'],
    event: 'BeforeWrite',
    handler: 'CommonModule.ЛицензииСлужебный.ПередЗаписьюСправочника',
  },
] as const;

export const role = { name: 'ЛицензииНастройка', synonym: 'Лицензии: настройка' } as const;
